"""What models that are fitted in convex stages have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._typing import FloatArray, IntArray
from ..base import MultiTaskEstimator, Problem, Solution
from ..objective import Objective
from ..penalties import Concave, FirstStage, Penalty
from ..solvers import (
    Result,
    StagedResult,
    Workspace,
    active_set_fits,
    solve,
    solve_by_rows,
    solve_reweighted,
)


@dataclass(kw_only=True, eq=False, repr=False)
class Staged(MultiTaskEstimator):
    """Template: a model says what its concave penalty is (``_concave``)."""

    max_stages: int = 100

    _multi_class: ClassVar[bool] = False
    _measure: ClassVar[str] = "stationarity"
    _terms: ClassVar[Mapping[str, str]] = {}
    _usual_remedy: ClassVar[str] = "Increase max_stages, max_iter or tol."
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "solver": [StrOptions({"auto", "apg", "active-set"})],
        "max_stages": [Interval(Integral, 1, None, closed="left")],
    }

    @abstractmethod
    def _concave(self, problem: Problem, *args: Any, **strengths: Any) -> Concave:
        """The penalty Omega of this model, at these strengths."""

    def _takes_batches(self) -> bool:
        return False

    def _penalty(self, problem: Problem, *args: Any, **strengths: Any) -> Penalty:
        return self._concave(problem, **strengths).first_stage(problem.n_features)

    def _solve(
        self,
        objective: Objective,
        W0: FloatArray,
        tol: float | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        assert isinstance(objective.penalty, FirstStage)
        return solve_reweighted(
            objective,
            objective.penalty.concave,
            W0,
            partial(self._solve_stage, Workspace() if workspace is None else workspace),
            tol=self.tol if tol is None else tol,
            max_stages=self.max_stages,
            verbose=int(self.verbose),
        )

    def _follow(self, objective: Objective, last: Result, workspace: Workspace) -> Result:
        # As a fit by itself: stages end where their start leads, and what was left out would stay.
        return self._solve(objective, np.zeros(objective.shape))

    def _solve_stage(
        self, workspace: Workspace, objective: Objective, W0: FloatArray, tol: float
    ) -> Result:
        if self.solver != "apg" and active_set_fits(objective):
            return solve_by_rows(objective, W0, tol=tol, max_iter=self.max_iter)
        return solve(
            objective,
            W0,
            solver="apg" if self.solver == "apg" else "auto",
            name=type(self).__name__,
            tol=tol,
            max_iter=self.max_iter,
            workspace=workspace,
            without=("closed-form", "active-set"),
        )

    def _set_certificate(self, result: Result, solution: Solution) -> None:
        assert isinstance(result, StagedResult)
        self.n_stages_ = result.n_stages
        self.optimality_ = float(solution.relative_gap)

    def _separated(self, result: Result, objective: Objective) -> IntArray:
        assert isinstance(result, StagedResult)
        return result.separated

    def _effort(self, result: Result) -> str:
        assert isinstance(result, StagedResult)
        return f"{result.n_stages} stages"
