"""Models whose penalty may leave a common model alone: it is then on what the tasks add to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .._limits import penalty_in_units
from .._typing import FloatArray
from ..base import MultiTaskEstimator, Prepared, Problem
from ..objective import Objective
from ..penalties import AroundMean, Structure, mean_basis
from ..solvers import Result, Workspace, best_common, separates

# A loss that is this share of that at W = 0 may be on its way to zero.
_VANISHED = 1e-3
# Fits start at the common model where that is a system of so many equations at most.
_SYSTEM = 1000


@dataclass(kw_only=True, eq=False, repr=False)
class CommonPart(MultiTaskEstimator):
    """A model whose structure is ``_around`` the common model, if that is wanted."""

    common: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "common": ["boolean"],
    }

    # Whether the tasks' own parts are zero at another W than 0.
    _moves_zero: ClassVar[bool] = True

    # Whether lambda2 is a ridge on all of W, the common model included.
    _ridge_on_all: ClassVar[bool] = True

    def _needs_ridge(self) -> bool:
        return self.common and self._ridge_on_all

    def _around(self, structure: Structure, problem: Problem) -> Structure:
        return AroundMean(structure, problem.n_classes) if self.common else structure

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        common = specific = None
        if self.common:
            each = W.reshape(len(W), problem.n_tasks, -1)
            common = each.mean(axis=1)
            specific = (each - common[:, None]).reshape(W.shape)
        self._set_parts(common, specific)

    def _set_parts(self, common: FloatArray | None, specific: FloatArray | None) -> None:
        """Set m (n_features, K) and what tasks add to it (n_features, n_columns), if there are."""
        if common is not None and specific is not None:
            several, V = common.shape[1] > 1, np.ascontiguousarray(specific.T)
            shape = (-1, *common.shape[::-1]) if several else V.shape
            common, specific = common.T.copy() if several else common[:, 0], V.reshape(shape)
        self._set_or_forget({"coef_common_": common, "coef_specific_": specific})

    @property
    def _specific(self) -> FloatArray:
        """What the tasks add to the common model, (n_features, n_columns)."""
        V = self.coef_specific_
        return V.reshape(-1, V.shape[-1]).T

    def _solve(
        self,
        objective: Objective,
        W0: FloatArray,
        tol: float | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        small = objective.shape[0] <= _SYSTEM
        if self.common and self._moves_zero and small and not W0.any():
            # The common model is a small system, and what iterations would find last.
            W0 = best_common(objective, _together(objective), objective.penalty.quadratic.ridge)
        result = super()._solve(objective, W0, tol, workspace)
        free = objective.loss.n_columns > 1 and objective.penalty.free_part(W0.shape[1]) is not None
        if not free:
            return result
        return _centred(objective, result, self.tol if tol is None else tol)

    def _slope(self, prepared: Prepared) -> FloatArray:
        G0 = super()._slope(prepared)
        if not self.common or not self._moves_zero:
            return G0
        # At the best common model, where the tasks add nothing.
        objective, given = prepared.objective, self._given(lambda1=1.0)
        ridge = penalty_in_units(self, prepared.problem, given).quadratic.ridge
        return objective.full_pass(best_common(objective, _together(objective), ridge))[1]


def _together(objective: Objective) -> FloatArray:
    """Directions of what all tasks have in common."""
    return mean_basis(objective.shape[1], objective.loss.n_columns)


def _centred(objective: Objective, result: Result, tol: float) -> Result:
    """The same with a common model whose classes sum to zero.

    Nothing else says what they sum to where it is free: predictions are compared between classes.
    Where the common model separates them all there is no minimiser to be near to.
    """
    vanishing = result.certificate.objective < _VANISHED * objective.scale
    if vanishing and separates(objective, result.W).size == result.W.shape[1]:
        lost = replace(result.certificate, gap=np.inf)
        return replace(result, certificate=lost, converged=False)
    each = result.W.reshape(len(result.W), -1, objective.loss.n_columns)
    W = (each - each.mean(axis=(1, 2), keepdims=True)).reshape(result.W.shape)
    certificate = objective.final_certificate(W)
    if not certificate.gap <= max(result.certificate.gap, tol * objective.scale):
        return result
    return replace(result, W=W, certificate=certificate)
