"""What a fit works on, and what comes of it: checked data, the problem, the solution as given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ._centring import bounded
from ._labels import show_labels
from ._mean_model import MeanModel, make_mean_model
from ._tasks import TaskRows
from ._typing import AnyArray, FloatArray
from ._units import PLAIN, Units, scaled, shifted
from .objective import Objective
from .solvers import Result

# What makes an intercept large: this share of the largest feature's part in one.
_FAR = 0.01
_NONE, _TARGETS = np.empty(0, object), np.array(["y"], object)


@dataclass(frozen=True)
class Problem:
    """What a model may look at to choose its penalty."""

    tasks: AnyArray
    n_features: int
    units: Units = PLAIN
    # Strength of the first term by feature; None: 1.
    feature_weight: FloatArray | None = None
    # Columns of W for each task: one for each class if there are more than two, else one.
    n_classes: int = 1
    # Mean curvature of the loss and its largest slope at W = 0, once they can be told.
    curvature: Callable[[], float] | None = None
    slope: Callable[[], float] | None = None

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.tasks)

    @property
    def n_columns(self) -> int:
        """Number of columns of W."""
        return self.n_tasks * self.n_classes


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data of a fit, checked and centred: what fits with other penalties share."""

    rows: TaskRows
    problem: Problem
    objective: Objective
    offset: FloatArray  # (n_tasks,) taken out of the targets
    means: FloatArray | None  # (n_tasks, n_features) taken out of the features
    common: bool = False  # whether the tasks are drawn to a common model
    kappa: float = 0.0  # strength of the shrinkage of intercepts, for the data as given
    scale: FloatArray | None = None  # (n_features,) that the features are divided by

    @cached_property
    def squares(self) -> FloatArray | None:
        """What each task could learn from: its weighted sums of squares (n_tasks, n_features)."""
        K, objective = self.problem.n_classes, self.objective
        weight = objective.loss.by_column(self._weight, self.rows.offsets)
        found = objective.design.squares(weight, objective.fit_intercept)
        return None if found is None else found[::K]  # (a task's columns have the same)

    @cached_property
    def omega(self) -> FloatArray:
        """Weights of the tasks."""
        columns = np.add.reduceat(self.objective.c, self.objective.design.offsets[:-1])
        return columns[:: self.problem.n_classes]

    @cached_property
    def _weight(self) -> FloatArray:
        """Sample weights, divided by a factor: only ratios count here, and sums must be finite."""
        return bounded(self.rows.sample_weight, np.zeros(1, np.intp))

    @cached_property
    def mean_model(self) -> MeanModel:
        """How the model of a task that was not fitted follows from those that were."""
        if self.common or self.objective.intercepts.tied:
            # What the tasks are drawn to.
            n_tasks = self.problem.n_tasks
            weights = np.ones(n_tasks) if self.objective.intercepts.tied else self.omega
            return MeanModel(None, self.centres, weights / weights.sum())
        sizes = None
        if self.squares is not None:
            sizes = np.add.reduceat(self._weight, self.rows.offsets[:-1])
        return make_mean_model(self.squares, self.centres, sizes, self.omega)

    @cached_property
    def centres(self) -> FloatArray | None:
        """Means of the tasks' features, taken out or not; None without intercepts."""
        design, c = self.objective.design, self.objective.c
        if self.means is not None or not self.objective.fit_intercept:
            return self.means
        means = design.means(c)
        if design.one_x:
            means = design.adjoint_rows(c).sum(axis=0)[None] / c.sum()
        return np.broadcast_to(means, (design.n_tasks, design.n_features))

    def solution(self, result: Result) -> Solution:
        """The result for the data as given."""
        units = self.problem.units
        coefficients = self.objective.coefficients(result.W)
        intercept, lost = self._intercepts(result, coefficients)
        absent = self._absent
        mean, mean_intercept = self.mean_of(coefficients, intercept, ~absent)
        gap, scale = result.gap + lost, self.objective.scale
        far = self._far(coefficients) if lost > 0.5 * gap else _NONE
        W = result.W
        if self.scale is not None:
            W, coefficients = W / self.scale[:, None], coefficients / self.scale[:, None]
            mean = mean / self.scale
        found = Solution(
            shifted(W, units.coefficients),
            shifted(coefficients, units.coefficients),
            shifted(intercept, units.y),
            scaled(gap, units.objective),
            gap / scale if scale > 0.0 else gap,
            shifted(np.array(result.history.objective), units.objective),
            far=far,
            mean=(shifted(mean, units.coefficients), shifted(mean_intercept, units.y)),
        )
        found.check()
        if absent.any():
            found = replace(found, intercept=np.where(absent, -np.inf, found.intercept))
        return found

    @property
    def _absent(self) -> AnyArray:
        """Mask of the columns (n_columns,) of classes that their task does not have.

        With intercepts these are of probability zero there.
        """
        objective = self.objective
        y, c, offsets = objective.y, objective.c, objective.design.offsets
        return objective.intercepts.absent(objective.loss, y, c, offsets)

    def mean_of(
        self, W: FloatArray, intercept: FloatArray, there: AnyArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Coefficients (K, n_features) and intercepts (K,) of the mean model, (1, ...) of one.

        ``there``: mask of the columns of W that are models.
        """
        K = self.problem.n_classes
        if self.problem.n_tasks == 1 and (there is None or there.all()):
            return W.T.copy(), intercept.copy()  # the one there is
        there = np.ones(W.shape[1], bool) if there is None else there
        each = [
            self.mean_model.among(there[k::K]).of(W[:, k::K], intercept[k::K]) for k in range(K)
        ]
        return np.stack([m for m, _ in each]), np.array([b for _, b in each])

    def _intercepts(self, result: Result, W: FloatArray) -> tuple[FloatArray, float]:
        """Intercepts (n_tasks,), and how much their rounding adds to the objective.

        Where features have large means beside their spread, so have intercepts: no float may be as
        near to the best one as the certificate says.
        """
        moved = result.intercepts.astype(np.longdouble)
        if self.means is not None:
            used = np.flatnonzero(W.any(axis=1))
            means = self._by_column(self.means[:, used]).astype(np.longdouble)
            moved = moved - np.einsum("tj,jt->t", means, W[used])
        exact = self._by_column(self.offset) + moved
        intercept = exact.astype(np.float64)
        if not self.objective.fit_intercept:
            return intercept, 0.0
        rounding = np.abs(exact - intercept) + np.finfo(np.longdouble).eps * np.abs(moved)
        objective, by = self.objective, rounding.astype(np.float64)
        return intercept, objective.loss.moved(
            objective.y, objective.c, objective.design.offsets, by
        )

    def _far(self, W: FloatArray) -> AnyArray:
        """Names of what makes intercepts large: features, or "y" alone."""
        if self.means is None:
            return _TARGETS
        parts = np.abs(self._by_column(self.means) * W.T).max(axis=0)
        largest = parts.max(initial=0.0)
        if largest < np.abs(self.offset).max():
            return _TARGETS
        order = np.argsort(-parts, kind="stable")
        return self.rows.feature_names[order[parts[order] > _FAR * largest]]

    def _by_column(self, values: FloatArray) -> FloatArray:
        """What tasks have (n_tasks, ...), for each column of W."""
        K = self.problem.n_classes
        return values if K == 1 else np.repeat(values, K, axis=0)

    def start(self, W: FloatArray) -> FloatArray:
        """Where to start from, given coefficients for the data as given."""
        if not (self.objective.scale > 0.0 and np.isfinite(W).all()):
            return np.zeros(self.objective.shape)
        if self.scale is not None:
            W = W * self.scale[:, None]
        return shifted(W, -self.problem.units.coefficients)


@dataclass(frozen=True, eq=False)
class Solution:
    """What a fit is, for the data as given."""

    W: FloatArray  # the solver's variable: the coefficients, or their parts
    coefficients: FloatArray  # (n_features, n_columns)
    intercept: FloatArray  # (n_columns,)
    gap: float
    relative_gap: float
    history: FloatArray
    # Where the gap is mostly what rounding of the intercepts adds: the names of the features that
    # make these large, or "y".
    far: AnyArray
    # The model for tasks that were not fitted: (K, n_features) and (K,), K its columns of W.
    mean: tuple[FloatArray, FloatArray] | None = None

    def centring_remedy(self) -> str:
        """What to do about intercepts that floats do not hold."""
        if self.far[0] is _TARGETS[0]:
            reason = "the mean of y is large beside its spread. Subtract it from y."
        else:
            names = show_labels(self.far)
            reason = f"the mean of {names} is large beside its spread. Subtract these from X."
            if self.far.size == 1:
                reason = reason.replace("these", "it")
        return f"Floats do not hold the intercepts as accurately: {reason}"

    def check(self) -> None:
        """No NaN or infinity leaves a fit."""
        values = self.W, self.coefficients, self.intercept
        if not all(np.isfinite(value).all() for value in values):
            raise ValueError(
                "The coefficients are too large for floats: y is too large beside X, or features "
                "differ too much in scale. Rescale X and y (StandardScaler, "
                "TransformedTargetRegressor)."
            )
        if not np.isfinite(self.history).all():
            raise ValueError(
                "The objective is too large for floats: y, task_weight, or lambdas beside X. "
                "Rescale y (TransformedTargetRegressor) and X, or set smaller lambdas."
            )
