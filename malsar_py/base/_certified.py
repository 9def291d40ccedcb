"""The template of estimators that are fitted to a tolerance, with a certificate."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from .._solution import Solution
from .._tasks import TaskRows
from .._typing import IntArray
from ..solvers import Result
from ._estimator import TaskEstimator


@dataclass(kw_only=True, eq=False, repr=False)
class CertifiedEstimator(TaskEstimator):
    """Template: weigh the tasks, and say how far the objective is from its optimum."""

    task_weight: str | Mapping[Any, float] = "equal"
    tol: float = 1e-6
    max_iter: int = 10_000

    _any_order: ClassVar[bool] = True
    _usual_remedy: ClassVar[str] = (
        "Increase max_iter or tol, standardise the features, or strengthen the penalty."
    )
    _measure: ClassVar[str] = "duality gap"  # what `tol` bounds, divided by the objective at W = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TaskEstimator._parameter_constraints,
        "task_weight": [StrOptions({"equal", "size"}), Mapping],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def _may_have_no_minimiser(self) -> bool:
        """Whether W may run to infinity."""
        return False

    def _needs_ridge(self) -> bool:
        """Whether lambda2 alone bounds what the tasks have in common."""
        return False

    def _warn_gap(
        self, result: Result, solution: Solution, separated: IntArray | None = None
    ) -> None:
        remedy = solution.centring_remedy() if solution.far.size else None
        remedy = remedy or self._remedy(solution, separated)
        warnings.warn(
            f"{type(self).__name__} did not reach tol={self.tol:g} in {self._effort(result)}: "
            f"the relative {self._measure} is {solution.relative_gap:.3g}. {remedy}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _remedy(self, solution: Solution, separated: IntArray | None) -> str:
        """What to do about a fit that missed `tol`; ``separated`` are tasks whose classes are."""
        return self._usual_remedy

    def _effort(self, result: Result) -> str:
        return f"{result.n_iter} iterations"

    def _set_fitted(self, rows: TaskRows, result: Result, solution: Solution) -> None:
        self._set_tasks(rows)
        intercept: Any = rows.by_task(solution.intercept)
        if rows.one_task_plain:
            intercept = float(intercept[0]) if intercept.ndim == 1 else intercept[0]
        self.intercept_: Any = intercept
        self.n_iter_ = result.n_iter
        self.objective_ = solution.history
        self.objective_iterations_ = result.history.steps
        self._set_certificate(result, solution)

    def _set_certificate(self, result: Result, solution: Solution) -> None:
        self.dual_gap_ = float(solution.gap)
        self.relative_gap_ = float(solution.relative_gap)
