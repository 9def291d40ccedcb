"""The template of estimators that minimise a penalised loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._centring import make_design, sample_shares
from .._condensed import condensed
from .._family import warn_once
from .._labels import show_label, show_labels
from .._limits import moderate, penalty_in_units, solved, within_floats
from .._mean_model import constant_within_tasks
from .._solution import Prepared, Problem, Solution
from .._sparse import dense, is_sparse
from .._tasks import TaskRows
from .._typing import FloatArray, IntArray
from .._units import into_units
from .._weights import task_weights
from ..design import Design
from ..losses import Loss
from ..objective import Objective, make_objective
from ..parts import by_parts
from ..penalties import Penalty
from ..solvers import SOLVERS, Result, Workspace, separates, solve
from ._certified import CertifiedEstimator
from ._shrinkage import shrinkage_of

# In sklearn's parameter validation: a strength.
NONNEGATIVE = [Interval(Real, 0, None, closed="left")]


def _once(compute: Callable[[], float]) -> Callable[[], float]:
    """The number, computed when first asked for (functools.cache takes longer to make)."""
    found: list[float] = []

    def number() -> float:
        if not found:
            found.append(compute())
        return found[0]

    return number


class BeyondData(ValueError):
    """A parameter asks for more than there is in the data: a search goes on without it."""


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskEstimator(CertifiedEstimator):
    """Template: build the objective, solve, attach the certificate.

    A model says only what its penalty is (``_penalty``) and, if it likes, what else to read off the
    solution (``_describe``).
    """

    lambda1: float = 0.1
    lambda2: float = 0.0
    intercept_shrinkage: float | str = 0.0
    solver: str = "auto"
    warm_start: bool = False

    # Strengths, with the power of W that their terms grow with, and sizes of coefficients.
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 2.0}
    _sizes: ClassVar[tuple[str, ...]] = ()
    # What strengths are of: a "norm", a "ridge", a "coupling", or another quadratic "size".
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "norm", "lambda2": "ridge"}
    _free_features: ClassVar[str] = "features without a penalty"
    _against_separation: ClassVar[str] = "Set lambda2 > 0."
    # Whether features are divided by their strengths, so that W is multiplied by them.
    _columns_scaled: ClassVar[bool] = False
    # What only the penalty reads: it may change on data that are prepared. For all other parameters
    # a search prepares anew.
    _penalty_parameters: ClassVar[tuple[str, ...]] = ("lambda1", "lambda2")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CertifiedEstimator._parameter_constraints,
        "lambda1": NONNEGATIVE,
        "lambda2": NONNEGATIVE,
        "intercept_shrinkage": [Interval(Real, 0, np.inf, closed="both"), StrOptions({"reml"})],
        "solver": [StrOptions(SOLVERS)],
        "warm_start": ["boolean"],
    }

    @property
    @abstractmethod
    def _attained(self) -> bool:
        """Whether the loss is smallest at a finite prediction."""

    @abstractmethod
    def _loss(self, rows: TaskRows) -> Loss:
        """The loss of these rows."""

    @abstractmethod
    def _penalty(self, problem: Problem, *args: Any, **strengths: Any) -> Penalty:
        """The penalty Omega of this model, at these strengths (`_strengths`, `_sizes`) by name.

        The model's own values are as the user gave them: these are in units of the computation.
        """

    def _given(self, **others: Any) -> dict[str, Any]:
        """Strengths and sizes as the user gave them, with others in place of the model's own."""
        return {name: getattr(self, name) for name in (*self._strengths, *self._sizes)} | others

    def _quadratic(self) -> bool:
        """Whether the penalty is quadratic, with lambda2 as its ridge."""
        return False

    def _needs_ridge(self) -> bool:
        return self._quadratic()

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        """Set fitted attributes of the model's own; W is (n_features, n_tasks), or its parts."""

    def _weighed(self, rows: TaskRows) -> TaskRows:
        """The rows with the weights that parameters of the model give them."""
        return rows

    def _weigh_features(self, rows: TaskRows) -> tuple[TaskRows, FloatArray | None]:
        """The rows as strengths by feature change them, and these strengths (n_features,)."""
        return rows, None

    def _read_rows(self, rows: TaskRows) -> None:
        """Take from the rows what is to be kept with a fit: preparing may write to them."""

    def _few_rows(self, rows: TaskRows) -> TaskRows:
        """The rows, or few that are as good for a fit."""
        return rows if self._needs_rows() else condensed(rows)

    def _fit_rows(self, rows: TaskRows) -> None:
        rows = self._few_rows(rows)
        self._read_rows(rows)
        prepared = self._prepare(rows)
        W0 = prepared.start(self._start(rows))
        objective = prepared.objective
        solve = partial(self._solve, objective, W0)
        _, result, solution = solved(self, prepared, objective, solve, self._given())
        self._set_solution(rows, result, solution, prepared.problem)
        self._set_shrinkage(prepared)
        if not solution.relative_gap <= self.tol:
            self._warn_gap(result, solution, self._separated(result, prepared.objective))
        self._warn_constant(prepared)

    def _takes_batches(self) -> bool:
        return type(self)._fit_rows is MultiTaskEstimator._fit_rows

    def _set_solution(
        self, rows: TaskRows, result: Result, solution: Solution, problem: Problem
    ) -> None:
        self._set_fitted(rows, result, solution)
        self.solver_ = result.solver
        self._set_coefficients(rows, solution.coefficients)
        # What unseen="mean" predicts with; coefficients changed by hand leave it alone.
        assert solution.mean is not None
        mean, intercept = solution.mean
        several = len(mean) > 1
        self._mean_coef: FloatArray = mean if several else mean[0]
        self._mean_intercept: Any = intercept if several else float(intercept[0])
        self._describe(solution.W, problem)

    def _set_shrinkage(self, prepared: Prepared) -> None:
        own = {
            "intercept_mean_": self._mean_intercept if prepared.kappa > 0.0 else None,
            "intercept_shrinkage_": prepared.kappa if self.intercept_shrinkage == "reml" else None,
        }
        self._set_or_forget(own)

    def _set_or_forget(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes; those that are None were of another fit."""
        for name, value in attributes.items():
            if value is not None:
                setattr(self, name, value)
            elif name in vars(self):
                delattr(self, name)

    def _shrinkage(self, rows: TaskRows) -> float:
        """Kappa for these rows."""
        return shrinkage_of(self, rows)

    def _targets(self, rows: TaskRows, free_intercepts: bool) -> tuple[TaskRows, Loss]:
        """The rows with the targets as the loss takes them, and the loss."""
        loss = self._loss(rows)
        if rows.classes is not None:
            return rows, loss
        y = loss.check_targets(
            rows.y, rows.sample_weight, rows.offsets, rows.tasks, free_intercepts
        )
        if self.fit_intercept and not free_intercepts:
            loss.check_together(rows.y, rows.sample_weight)
        rows = rows if y is rows.y else replace(rows, y=y)
        return rows, loss.resolved(y, rows.sample_weight, rows.offsets)

    @within_floats
    def _prepare(self, rows: TaskRows) -> Prepared:
        """Weigh and centre the data and put the objective together."""
        rows, feature_weight = self._weigh_features(self._weighed(rows))
        omega = task_weights(rows, self.task_weight)
        kappa = self._shrinkage(rows)
        free = self.fit_intercept and kappa == 0.0
        if not free:
            rows = rows.with_means(common=self.fit_intercept)
        if not free and self.fit_intercept and is_sparse(rows.X):
            # Shrunk intercepts are compared at the means of all rows: these are taken out.
            rows = replace(rows, X=dense(rows.X, self), own=True)
        rows, loss = self._targets(rows, free)
        if loss.n_columns > 1 and is_sparse(rows.X):
            rows = replace(rows, X=dense(rows.X, self), own=True)
        rows, omega, units = into_units(rows, omega, loss.degree)
        loss = loss.in_units(units.y)
        shape = rows.tasks, rows.X.shape[1]
        problem = Problem(*shape, units, feature_weight, n_classes=loss.n_columns)
        given = self._given()
        penalty = penalty_in_units(self, problem, given)
        c = sample_shares(rows, omega)
        design, means = self._design(rows, c, n_columns=loss.n_columns, grand=not free)
        y, offset = rows.y, np.zeros(rows.n_tasks)
        if self.fit_intercept:
            offsets = rows.offsets if free else rows.offsets[[0, -1]]
            y, offset = loss.centered(y, c, offsets)
            offset = np.broadcast_to(offset, rows.n_tasks)
        if means is not None and rows.stands_for is not None:
            means, (y, offset) = means + rows.stands_for.X, rows.raised(y, offset)
        y, c = loss.targets_by_column(y, c, rows.offsets), loss.by_column(c, rows.offsets)
        terms = penalty, self.fit_intercept, units.of_intercepts(kappa)
        objective = by_parts(make_objective(design, loss, y, c, *terms))
        at_zero = np.zeros(objective.shape)
        problem = replace(
            problem,
            curvature=_once(objective.mean_curvature),
            slope=_once(lambda: float(np.abs(objective.full_pass(at_zero)[1]).max())),
        )
        if not (problem.units.plain and moderate(self, given)):
            objective = objective.with_penalty(penalty_in_units(self, problem, given))
        common = bool(getattr(self, "common", False))
        scale = feature_weight if self._columns_scaled else None
        return Prepared(rows, problem, objective, offset, means, common, kappa, scale)

    def _design(
        self, rows: TaskRows, c: FloatArray, **options: Any
    ) -> tuple[Design, FloatArray | None]:
        """How X is kept, and the means (n_tasks, n_features) taken out of it, None if it is not."""
        return make_design(rows, c, self.fit_intercept, **options)

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        """The smallest lambda1 at which W = 0, None for a model without one."""
        problem = replace(prepared.problem, slope=None)  # no strength is too weak
        # At strength 1, so that the term is there.
        penalty = penalty_in_units(self, problem, self._given(lambda1=1.0))
        found = penalty.lambda1_max(self._slope(prepared))
        power = self._strengths["lambda1"]
        return None if found is None else problem.units.given(found, power)

    def _slope(self, prepared: Prepared) -> FloatArray:
        """Minus the loss's gradient (n_features, n_tasks) at the model without the first term."""
        return prepared.objective.full_pass(np.zeros(prepared.objective.shape))[1]

    def _solve(
        self,
        objective: Objective,
        W0: FloatArray,
        tol: float | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        return solve(
            objective,
            W0,
            solver=self.solver,
            name=type(self).__name__,
            tol=self.tol if tol is None else tol,
            max_iter=self.max_iter,
            verbose=int(self.verbose),
            workspace=workspace,
        )

    def _follow(self, objective: Objective, last: Result, workspace: Workspace) -> Result:
        """Solve for the next `lambda1` of a path, from the solution for the last."""
        return self._solve(objective, last.W, workspace=workspace)

    def _start(self, rows: TaskRows) -> FloatArray:
        shape = (rows.n_tasks * rows.n_columns, rows.X.shape[1])
        if self.warm_start and getattr(self, "coef_", None) is not None:
            coef = np.asarray(self.coef_, dtype=np.float64)
            same = coef.size == shape[0] * shape[1] and np.array_equal(self.tasks_, rows.tasks)
            if same and np.array_equal(self.coef_feature_names_, rows.feature_names):
                return np.ascontiguousarray(coef.reshape(shape).T)
        return np.zeros(shape[::-1])

    def _separated(self, result: Result, objective: Objective) -> IntArray:
        """Positions of tasks whose classes are separated by what costs nothing."""
        columns = separates(objective, result.W)
        return np.unique(columns // objective.loss.n_columns)

    def _remedy(self, solution: Solution, separated: IntArray | None) -> str:
        if separated is not None and separated.size:
            return (
                f"There is no finite minimiser: {self._free_features} separate the classes of task "
                f"{show_label(self.tasks_, int(separated[0]))}. {self._against_separation}"
            )
        usual = super()._remedy(solution, separated)
        if not self._may_have_no_minimiser():
            return usual
        unattained = "There may be no finite minimiser: set lambda2 > 0."
        return f"{usual} {unattained}" if np.isfinite(solution.relative_gap) else unattained

    def _may_have_no_minimiser(self) -> bool:
        return not self._attained and self.lambda2 == 0.0  # (a ridge holds it)

    def _set_coefficients(self, rows: TaskRows, W: FloatArray) -> None:
        self.coef_: Any = rows.by_task(np.ascontiguousarray(W.T))
        if rows.one_task_plain:
            self.coef_ = self.coef_[0]

    def _warn_constant(self, prepared: Prepared) -> None:
        centres, n_rows = prepared.centres, prepared.rows.X.shape[0]
        if centres is None or prepared.problem.n_tasks in (1, n_rows):
            return
        if prepared.kappa > 0.0:
            return  # shrunk intercepts leave it its effect
        constant = constant_within_tasks(prepared.squares, centres)
        if constant.any():
            names = prepared.rows.feature_names[constant]
            warn_once(
                self,
                f"Constant within every task: {show_labels(names)}. What such a feature does is "
                "inside the tasks' intercepts, and it tells nothing about new tasks. Leave it out, "
                "or shrink the intercepts (intercept_shrinkage > 0), which leaves it its effect.",
                stacklevel=4,
            )
