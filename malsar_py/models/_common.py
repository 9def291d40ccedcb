"""Models whose penalty may leave a common model alone: it is then on what the tasks add to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._limits import penalty_in_units
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import MultiTaskEstimator, Prepared, Problem
from ..objective import Objective
from ..penalties import AroundMean, Structure
from ..solvers import Result, Workspace, best_common

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

    def _prepare(self, rows: TaskRows) -> Prepared:
        if self.common and rows.n_columns > 1:
            raise ValueError(
                f"common=True is for two classes at most, here are {rows.n_columns}: set "
                "common=False."
            )
        return super()._prepare(rows)

    def _needs_ridge(self) -> bool:
        return self.common and self._ridge_on_all

    def _around(self, structure: Structure) -> Structure:
        return AroundMean(structure) if self.common else structure

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        common = specific = None
        if self.common:
            common = W.mean(axis=1)
            specific = np.ascontiguousarray((W - common[:, None]).T)
        self._set_or_forget({"coef_common_": common, "coef_specific_": specific})

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
            W0 = best_common(objective, objective.penalty.quadratic.ridge)
        return super()._solve(objective, W0, tol, workspace)

    def _slope(self, prepared: Prepared) -> FloatArray:
        G0 = super()._slope(prepared)
        if not self.common or not self._moves_zero:
            return G0
        # At the best common model, where the tasks add nothing.
        objective, given = prepared.objective, self._given(lambda1=1.0)
        ridge = penalty_in_units(self, prepared.problem, given).quadratic.ridge
        return objective.full_pass(best_common(objective, ridge))[1]
