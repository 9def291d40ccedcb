"""The template of estimators that minimise a penalised loss."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from .._centring import make_design, sample_shares
from .._family import warn_once
from .._labels import show_label, show_labels
from .._limits import moderate, penalty_in_units, solved, within_floats
from .._mean_model import constant_within_tasks
from .._solution import Prepared, Problem, Solution
from .._sparse import dense, is_sparse
from .._summary import MAX_MEMORY, Columns
from .._tasks import TaskRows
from .._typing import FloatArray, IntArray
from .._units import PLAIN, into_units
from .._weights import task_weights
from ..design import Design
from ..losses import Loss
from ..objective import Objective, make_objective
from ..parts import by_parts
from ..penalties import Penalty
from ..solvers import SOLVERS, Result, Workspace, separates, solve
from ._estimator import TaskEstimator
from ._fit_batches import fit_batches, one_pass
from ._shrinkage import shrinkage_of

# In sklearn's parameter validation: a strength.
NONNEGATIVE = [Interval(Real, 0, None, closed="left")]


class BeyondData(ValueError):
    """A parameter asks for more than there is in the data: a search goes on without it."""


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskEstimator(TaskEstimator):
    """Template: build the objective, solve, attach the certificate.

    A model says only what its penalty is (``_penalty``) and, if it likes, what else to read off the
    solution (``_describe``).
    """

    lambda1: float = 0.1
    lambda2: float = 0.0
    intercept_shrinkage: float | str = 0.0
    task_weight: str | Mapping[Any, float] = "equal"
    solver: str = "auto"
    tol: float = 1e-6
    max_iter: int = 10_000
    warm_start: bool = False

    _any_order: ClassVar[bool] = True
    # Strengths, with the power of W that their terms grow with, and sizes of coefficients.
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 2.0}
    _sizes: ClassVar[tuple[str, ...]] = ()
    # What strengths are of: a "norm", a "ridge", a "coupling", or another quadratic "size".
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "norm", "lambda2": "ridge"}
    _free_features: ClassVar[str] = "features without a penalty"
    _against_separation: ClassVar[str] = "Set lambda2 > 0."
    _usual_remedy: ClassVar[str] = (
        "Increase max_iter or tol, standardise the features, or strengthen the penalty."
    )
    # Whether features are divided by their strengths, so that W is multiplied by them.
    _columns_scaled: ClassVar[bool] = False
    _measure: ClassVar[str] = "duality gap"  # what `tol` bounds, divided by the objective at W = 0
    # What only the penalty reads: it may change on data that are prepared. For all other parameters
    # a search prepares anew.
    _penalty_parameters: ClassVar[tuple[str, ...]] = ("lambda1", "lambda2")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TaskEstimator._parameter_constraints,
        "lambda1": NONNEGATIVE,
        "lambda2": NONNEGATIVE,
        "intercept_shrinkage": [Interval(Real, 0, np.inf, closed="both"), StrOptions({"reml"})],
        "task_weight": [StrOptions({"equal", "size"}), Mapping],
        "solver": [StrOptions(SOLVERS)],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
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

    def _over_features(self) -> bool:
        """Whether the penalty is a sum over features, so that fits need products of few of them."""
        return False

    def _needs_ridge(self) -> bool:
        """Whether lambda2 alone bounds what the tasks have in common."""
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

    def _fit_rows(self, rows: TaskRows) -> None:
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

    def _fits_by_template(self) -> bool:
        """Whether it is fitted as is written here."""
        return type(self)._fit_rows is MultiTaskEstimator._fit_rows

    def fit_batches(
        self,
        source: Any,
        *,
        task_column: str | None = None,
        target: str = "y",
        sample_weight: str | None = None,
        max_memory: int = MAX_MEMORY,
    ) -> Self:
        """Fit to rows of any number, read batch by batch in some passes.

        With the squared loss one pass does: this is ``fit(summarize(source, ...))``. With other
        smooth losses (logistic, multinomial, Poisson, gamma, Huber) it is a proximal Newton method:
        each pass takes the loss and a summary of the working responses at a point, on which least
        squares with the penalty of the model gives the next one; a last pass gives the certificate.
        About ten passes do. :func:`~malsar_py.model_selection.path_batches` is for several
        `lambda1`.

        Where the summary would take more than `max_memory`, and where batches are sparse, models
        whose penalty is a sum over features (Lasso, JointFeature; two classes at most) keep the
        moments of a working set only: each pass takes the gradient of all features, which says who
        is to be in the next set. A few passes more do.

        Parameters
        ----------
        source : iterable of batches, table, Dask DataFrame or callable
            As for :func:`malsar_py.summarize`; what is not a table or a collection is a function
            that returns the batches anew for each pass, the same rows each time. X of tuples (X, y,
            tasks) may be sparse, see above.
        task_column : str, default=None
            Column of the task labels of tables. The model's own `task_column` says whether
            `predict` finds labels in a column, too.
        target : str, default="y"
            Column to predict.
        sample_weight : str, default=None
            Column of nonnegative weights.
        max_memory : int, default=4294967296
            Bytes that a summary may take: 8 T (d + 1)^2 for T tasks and d features, of K > 2
            classes 8 T K^2 (d + 1)^2; with working sets, d is the number of features in the set,
            and some arrays of 8 T d bytes for all features come on top.

        Returns
        -------
        self : object
            The fitted estimator; `n_passes_` is the number of passes, the first one included, which
            finds tasks and classes.

        Raises
        ------
        TypeError
            If source can be read once only, or the model cannot be fitted by batches: with losses
            that are not smooth or one for each task, kernels, stages, or sources of features.
        ValueError
            If the rows cannot be used; the message names the batch. If a part of the coefficients
            has no penalty.
        MemoryError
            If a summary, or that of a working set, would take more than `max_memory`.
        """
        self._validate_params()
        columns = Columns(task_column, target, None, sample_weight, max_memory)
        summary = None if self._needs_rows() else one_pass(self, source, columns)
        if summary is None:
            fit_batches(self, source, columns)
        else:
            self.fit(summary)
            self.n_passes_ = 1
        return self

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
        return replace(rows, y=y), loss

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
            means, offset = means + rows.stands_for.X, offset + rows.stands_for.y
        y, c = loss.targets_by_column(y, c, rows.offsets), loss.by_column(c, rows.offsets)
        terms = penalty, self.fit_intercept, units.of_intercepts(kappa)
        objective = by_parts(make_objective(design, loss, y, c, *terms))
        at_zero = np.zeros(objective.shape)
        problem = replace(
            problem,
            curvature=cache(objective.mean_curvature),
            slope=cache(lambda: float(np.abs(objective.full_pass(at_zero)[1]).max())),
        )
        if problem.units != PLAIN or not moderate(self, given):
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

    def _warn_gap(
        self, result: Result, solution: Solution, separated: IntArray | None = None
    ) -> None:
        remedy = self._usual_remedy
        if solution.far.size:
            remedy = solution.centring_remedy()
        elif separated is not None and separated.size:
            remedy = (
                f"There is no finite minimiser: {self._free_features} separate the classes of task "
                f"{show_label(self.tasks_, int(separated[0]))}. {self._against_separation}"
            )
        elif not self._attained and not np.isfinite(solution.relative_gap):
            remedy = "There may be no finite minimiser: set lambda2 > 0."
        warnings.warn(
            f"{type(self).__name__} did not reach tol={self.tol:g} in {self._effort(result)}: "
            f"the relative {self._measure} is {solution.relative_gap:.3g}. {remedy}",
            ConvergenceWarning,
            stacklevel=4,
        )

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
