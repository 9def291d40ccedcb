"""Strengths by feature: the factor of the first term for each row of W."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from .._centring import bounded
from .._labels import show_label
from .._limits import penalty_in_units
from .._solution import Prepared, Problem
from .._sparse import is_sparse, times_columns
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray
from ..design import own_rows
from ..penalties import Penalty, Ridge, RowCoupling, TaskQuadratic
from ..solvers import over_rows
from ._penalized import MultiTaskEstimator
from ._positive import Signed

# A feature varies within tasks if this share of its sum of squares about the mean is there.
_LEAST_SHARE = 0.01
# Accuracy of the fit at which the largest lambda1 is read off.
_TOL = 1e-12


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureWeighted(MultiTaskEstimator):
    """Template of models whose first term may be stronger for some features."""

    feature_weight: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "feature_weight": ["array-like", StrOptions({"varying"}), None],
    }

    def _weigh_features(self, rows: TaskRows) -> tuple[TaskRows, FloatArray | None]:
        if self.feature_weight is None:
            return super()._weigh_features(rows)
        return self._use_weights(rows, self._read_weights(rows))

    def _use_weights(
        self, rows: TaskRows, weights: FloatArray
    ) -> tuple[TaskRows, FloatArray | None]:
        """The rows and weights as the penalty takes them."""
        return rows, weights

    def _read_weights(self, rows: TaskRows) -> FloatArray:
        """f_j in [0, inf], (n_features,)."""
        n_features = rows.X.shape[1]
        if isinstance(self.feature_weight, str):
            return np.where(varies_within_tasks(rows), 1.0, np.inf)
        try:
            weights = np.asarray(self.feature_weight, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"feature_weight must be numbers in [0, inf], got {self.feature_weight!r}."
            ) from error
        if weights.shape != (n_features,):
            raise ValueError(
                f"feature_weight has shape {weights.shape}, but X has {n_features} features: give "
                "one number for each, in the order of the columns of X (but for the label column)."
            )
        bad = np.flatnonzero(~(weights >= 0.0))
        if bad.size:
            raise ValueError(
                f"feature_weight must be in [0, inf], got {weights[bad[0]]:g} for feature "
                f"{show_label(rows.feature_names, int(bad[0]))}."
            )
        return weights

    def _refuse_weights(self, rows: TaskRows, bad: AnyArray, why: str) -> None:
        """Raise for the first feature whose weight this model cannot use."""
        if bad.any():
            name = show_label(rows.feature_names, int(np.argmax(bad)))
            raise ValueError(f"feature_weight of {type(self).__name__}: {why}; see feature {name}.")


@dataclass(kw_only=True, eq=False, repr=False)
class RowWeighted(FeatureWeighted, Signed):
    """Norms of rows: the factor is that of the row's norm; 0 leaves it free, inf leaves it out."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FeatureWeighted._parameter_constraints,
        **Signed._parameter_constraints,
    }

    def _over_features(self) -> bool:
        return over_rows(self._penalty(Problem(np.arange(2), 1), **self._given()))

    def _use_weights(
        self, rows: TaskRows, weights: FloatArray
    ) -> tuple[TaskRows, FloatArray | None]:
        if getattr(self, "common", False):
            # (The prox takes infinite weights: what tasks add to the common model is zero.)
            why = "weights must be > 0 with common=True, which leaves the common model free"
            self._refuse_weights(rows, weights == 0.0, why)
            return rows, weights
        out = np.isinf(weights)
        if out.any():
            # A column of zeros has no gradient: its coefficients stay zero.
            rows = _times(rows, np.where(out, 0.0, 1.0))
            weights = np.where(out, 1.0, weights)
        return rows, weights

    def _slope(self, prepared: Prepared) -> FloatArray:
        weights, objective = prepared.problem.feature_weight, prepared.objective
        if weights is None or weights.all():
            return super()._slope(prepared)
        # At the fit of the features that are free of the norm.
        free = np.flatnonzero(weights == 0.0)
        W = np.zeros(objective.shape)
        ridge = self._signed(Ridge(self._ridge(prepared)))
        within = objective.with_penalty(ridge).restrict(free)
        W[free] = self._solve(within, W[free], tol=_TOL).W
        return objective.full_pass(W)[1]

    def _ridge(self, prepared: Prepared) -> float:
        """Its strength, in the units of the computation."""
        given = self._given()
        return penalty_in_units(self, prepared.problem, given).quadratic.ridge


@dataclass(kw_only=True, eq=False, repr=False)
class ScaledColumns(FeatureWeighted):
    """Functions of the singular values, ``Omega(diag(f) W)``: an ordinary fit to ``x_j / f_j``."""

    _columns_scaled: ClassVar[bool] = True

    def _use_weights(
        self, rows: TaskRows, weights: FloatArray
    ) -> tuple[TaskRows, FloatArray | None]:
        bad = ~((weights > 0.0) & (weights < np.inf))
        self._refuse_weights(rows, bad, "weights must be in (0, inf), since they scale the columns")
        return _times(rows, 1.0 / weights), weights

    def _as_penalised(self, W: FloatArray, problem: Problem) -> FloatArray:
        """``diag(f) W``, of which the penalty is."""
        f = problem.feature_weight
        return W if f is None else W * f[:, None]


@dataclass(kw_only=True, eq=False, repr=False)
class CouplingWeighted(FeatureWeighted, Signed):
    """Quadratics across tasks: the factor is that of the coupling of the row."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FeatureWeighted._parameter_constraints,
        **Signed._parameter_constraints,
    }

    def _coupled(
        self,
        coupling: Callable[[float], TaskQuadratic],
        problem: Problem,
        lambda1: float,
        lambda2: float,
    ) -> Penalty:
        """The coupling of a strength, by feature, and the ridge."""
        weights = problem.feature_weight
        if weights is None:
            return coupling(lambda1) + Ridge(lambda2)
        if lambda2 == 0.0 and not weights.all():
            raise ValueError(
                f"feature_weight of {type(self).__name__}: weight 0 leaves a feature without any "
                "penalty where lambda2 is 0. Set lambda2 > 0, or weights > 0."
            )
        if self.positive:
            raise ValueError(
                f"feature_weight of {type(self).__name__} does not go with positive=True: leave "
                "one of them out."
            )
        return RowCoupling(lambda1, coupling(1.0), weights) + Ridge(lambda2)


def _times(rows: TaskRows, factor: FloatArray) -> TaskRows:
    """The rows with the features times a factor each."""
    about = rows.stands_for
    if about is not None:
        about = replace(about, X=about.X * factor)
    return replace(rows, X=times_columns(rows.X, factor), own=True, bound=np.inf, stands_for=about)


def varies_within_tasks(rows: TaskRows) -> AnyArray:
    """Which features have 1 % of their sum of squares about the mean within the tasks (d,)."""
    rows = rows.with_means()
    starts = rows.offsets[:-1]
    weight = bounded(rows.sample_weight, np.zeros(1, np.intp))
    sizes = np.add.reduceat(weight, starts)
    each = weight.reshape(rows.n_tasks, -1) if rows.shared else None
    total = weight if each is None else each.sum(axis=0)
    mean = total @ rows.X / total.sum()
    if is_sparse(rows.X):
        given: Any = rows.X
        squares = np.maximum(total @ given.multiply(given) - total.sum() * mean**2, 0.0)
        design = own_rows(rows.X, rows.offsets) if each is None else None
        sums = each @ rows.X if design is None else design.adjoint_rows(weight)
        sums = sums - sizes[:, None] * mean
    else:
        X = rows.X - mean
        squares = total @ np.square(X)
        sums = np.add.reduceat(weight[:, None] * X, starts) if each is None else each @ X
    between = (np.square(sums) / sizes[:, None]).sum(axis=0)
    return (squares > 0.0) & (squares - between >= _LEAST_SHARE * squares)
