"""What models with W = P + Q have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._family import warn_once
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import MultiTaskEstimator, Problem
from ..penalties import Split, TraceBall, whole_tasks

POSITIVE = [Interval(Real, 0, None, closed="neither")]


@dataclass(kw_only=True, eq=False, repr=False)
class TwoPart(MultiTaskEstimator):
    """A penalty for each of two parts; the parts are fitted attributes."""

    lambda2: float = 0.1

    _couples = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "lambda1": POSITIVE,
        "lambda2": POSITIVE,
    }

    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 1.0}
    _terms: ClassVar[Mapping[str, str]] = {}
    # Attributes for P and Q.
    _part_names: ClassVar[tuple[str, str]]
    # Q has a column for each outlier and zeros elsewhere.
    _outliers: ClassVar[bool] = False

    @abstractmethod
    def _penalty(self, problem: Problem, *args: Any, **strengths: Any) -> Split:
        """The penalties of the two parts."""

    @abstractmethod
    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        """Below the first value of lambda2 / lambda1 P is zero, above the second Q is."""

    def _start(self, rows: TaskRows) -> FloatArray:
        W = super()._start(rows)
        given: list[Any] = [getattr(self, name, None) for name in self._part_names]
        if not W.any() or any(part is None for part in given):
            return np.zeros((2 * W.shape[0], W.shape[1]))
        parts = [part.reshape(W.shape[::-1]).T for part in given]
        start = np.concatenate(parts)
        problem = Problem(rows.tasks, W.shape[0], n_classes=rows.n_columns)
        penalty = self._penalty(problem, **self._given())
        # Under a constraint that was not there before, the nearest point that meets it.
        return penalty.prox(start, 0.0) if isinstance(penalty.second, TraceBall) else start

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        for name, part in zip(self._part_names, np.split(W, 2), strict=True):
            setattr(self, name, np.ascontiguousarray(part.T).reshape(self.coef_.shape))
        if self._outliers:
            used = whole_tasks(np.split(W, 2)[1], problem.n_classes).any(axis=0)
            self.outlier_tasks_ = problem.tasks[used]
        second = self._penalty(problem, **self._given()).second
        if problem.n_tasks > 1 and not isinstance(second, TraceBall):
            self._warn_of_a_part_that_vanishes(*self._both_from_to(problem))

    def _warn_of_a_part_that_vanishes(self, low: float, high: float) -> None:
        with np.errstate(over="ignore", under="ignore"):
            ratio = np.float64(self.lambda2) / self.lambda1
        if low <= ratio <= high:
            return
        name = self._part_names[0 if ratio < low else 1]
        warn_once(
            self,
            f"{name} of {type(self).__name__} is zero whatever the data, because lambda2 / lambda1 "
            f"= {ratio:.3g}: both parts can be in use from {low:.3g} to {high:.3g}.",
            stacklevel=6,
        )
