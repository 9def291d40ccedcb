"""The fit / predict / score template of every estimator."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from ._centring import make_design, sample_shares
from ._family import Family, warn_once
from ._given import label_like
from ._labels import show_label, show_labels
from ._limits import moderate, penalty_in_units, solved, within_floats
from ._mean_model import constant_within_tasks
from ._scoring import is_own, own_prediction, score_rows
from ._solution import Prepared as Prepared
from ._solution import Problem as Problem
from ._solution import Solution as Solution
from ._tasks import TaskRows, resolve_fit, resolve_predict, resolve_score
from ._threads import one_blas_thread
from ._typing import AnyArray, FloatArray, IntArray
from ._units import PLAIN, into_units
from ._weights import task_weights
from .losses import Logistic, Loss, Squared
from .objective import Objective, make_objective
from .parts import by_parts
from .penalties import Penalty
from .solvers import Result, Workspace, separates, solve

# In sklearn's parameter validation: a strength.
NONNEGATIVE = [Interval(Real, 0, None, closed="left")]


class BeyondData(ValueError):
    """A parameter asks for more than there is in the data: a search goes on without it."""


# Dataclasses write the constructors: every parameter is listed once, keyword-only, and sklearn
# finds it.
@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskEstimator(BaseEstimator, ABC):
    """Template: resolve the tasks, build the objective, solve, attach the certificate.

    A model says only what its penalty is (``_penalty``) and, if it likes, what else to read off the
    solution (``_describe``).
    """

    lambda1: float = 0.1
    lambda2: float = 0.0
    fit_intercept: bool = True
    task_column: int | str | None = None
    task_weight: str | Mapping[Any, float] = "equal"
    unseen: str = "error"
    solver: str = "auto"
    tol: float = 1e-6
    max_iter: int = 10_000
    warm_start: bool = False
    verbose: int = 0

    _loss: ClassVar[Loss]
    # Strengths, with the power of W that their terms grow with, and sizes of coefficients.
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 2.0}
    _sizes: ClassVar[tuple[str, ...]] = ()
    # What strengths are of: a "norm", a "ridge", a "coupling", or another quadratic "size".
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "norm", "lambda2": "ridge"}
    _classifier: ClassVar[bool] = False
    _couples: ClassVar[bool] = False  # whether a fit of one task would have no purpose
    _free_features: ClassVar[str] = "features without a penalty"
    _against_separation: ClassVar[str] = "Set lambda2 > 0."
    _usual_remedy: ClassVar[str] = (
        "Increase max_iter or tol, standardise the features, or strengthen the penalty."
    )
    _measure: ClassVar[str] = "duality gap"  # what `tol` bounds, divided by the objective at W = 0
    # What only the penalty reads: it may change on data that are prepared. For all other parameters
    # a search prepares anew.
    _penalty_parameters: ClassVar[tuple[str, ...]] = ("lambda1", "lambda2")

    # Task labels are requested wherever they can be used (sklearn's metadata routing).
    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__predict_proba: ClassVar = {"tasks": True}
    __metadata_request__decision_function: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda1": NONNEGATIVE,
        "lambda2": NONNEGATIVE,
        "fit_intercept": ["boolean"],
        "task_column": [Integral, str, None],
        "task_weight": [StrOptions({"equal", "size"}), Mapping],
        "unseen": [StrOptions({"error", "mean"})],
        "solver": [StrOptions({"auto", "apg", "active-set", "closed-form"})],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _penalty(self, problem: Problem) -> Penalty:
        """The penalty Omega of this model."""

    def _quadratic(self) -> bool:
        """Whether the penalty is quadratic, with lambda2 as its ridge."""
        return False

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        """Set fitted attributes of the model's own; W is (n_features, n_tasks), or its parts."""

    def __sklearn_clone__(self) -> Self:
        copy = super().__sklearn_clone__()
        self._clones: Family = getattr(self, "_clones", None) or Family()
        copy._siblings = self._clones
        return copy

    def __getstate__(self) -> dict[str, Any]:
        # Having been cloned changes nothing that is kept, or hashed.
        return {name: v for name, v in super().__getstate__().items() if name != "_clones"}

    def _advise(self, rows: TaskRows) -> None:
        """Warn of what a fit of the user's own (not of a fold) shows to be a mistake."""

    def fit(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> Self:
        """Fit the tasks together.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Features, with the task labels in `task_column` if that is set.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            Targets. Two-dimensional: one column per task on a shared X. NaN, None, NaT and masked
            entries are not observed.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the labels are neither in X nor the columns of y.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Nonnegative weights. Rows of weight 0 are dropped before tasks are formed.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If X, y, the labels, the weights or a parameter cannot be used; the message names which.
        """
        self._validate_params()
        rows = resolve_fit(
            self, X, y, tasks=tasks, sample_weight=sample_weight, classifier=self._classifier
        )
        if self._couples and rows.one_task_plain:
            self._warn_of_forgotten_labels(rows)
        with one_blas_thread():
            self._fit_rows(rows)
        if not hasattr(self, "_siblings"):
            self._advise(rows)
        return self

    def _fit_rows(self, rows: TaskRows) -> None:
        prepared = self._prepare(rows)
        W0 = prepared.start(self._start(rows))
        objective = prepared.objective
        solve = partial(self._solve, objective, W0)
        _, result, solution = solved(self, prepared, objective, solve)
        self._set_solution(rows, result, solution, prepared.problem)
        if not solution.relative_gap <= self.tol:
            self._warn_gap(result, solution, self._separated(result, prepared.objective))
        self._warn_constant(prepared)

    def _set_solution(
        self, rows: TaskRows, result: Result, solution: Solution, problem: Problem
    ) -> None:
        self._set_fitted(rows, result, solution)
        self._set_coefficients(rows, solution.coefficients)
        # What unseen="mean" predicts with; coefficients changed by hand leave it alone.
        assert solution.mean is not None
        self._mean_coef, self._mean_intercept = solution.mean
        self._describe(solution.W, problem)

    @within_floats
    def _prepare(self, rows: TaskRows) -> Prepared:
        """Weigh and centre the data and put the objective together."""
        omega = task_weights(rows, self.task_weight)
        rows, omega, units = into_units(rows, omega, self._loss.degree)
        problem = Problem(rows.tasks, rows.X.shape[1], units)
        penalty = penalty_in_units(self, problem)
        c = sample_shares(rows, omega)
        design, means = make_design(rows, c, self.fit_intercept)
        y, offset = rows.y, np.zeros(rows.n_tasks)
        if self.fit_intercept:
            y, offset = self._loss.centered(y, c, rows.offsets)
        objective = by_parts(make_objective(design, self._loss, y, c, penalty, self.fit_intercept))
        at_zero = np.zeros(objective.shape)
        problem = replace(
            problem,
            curvature=cache(objective.mean_curvature),
            slope=cache(lambda: float(np.abs(objective.full_pass(at_zero)[1]).max())),
        )
        if problem.units != PLAIN or not moderate(self):
            objective = objective.with_penalty(penalty_in_units(self, problem))
        return Prepared(rows, problem, objective, offset, means)

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        """The smallest lambda1 at which W = 0, None for a model without one.

        Called with ``lambda1 = 1``, so that the term is there whatever its strength was.
        """
        problem = replace(prepared.problem, slope=None)  # no strength is too weak
        _, G0 = prepared.objective.full_pass(np.zeros(prepared.objective.shape))
        found = penalty_in_units(self, problem).lambda1_max(G0)
        power = self._strengths["lambda1"]
        return None if found is None else problem.units.given(found, power)

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
        shape = (rows.n_tasks, rows.X.shape[1])
        if self.warm_start and getattr(self, "coef_", None) is not None:
            coef = np.asarray(self.coef_, dtype=np.float64)
            same = coef.size == rows.n_tasks * shape[1] and np.array_equal(self.tasks_, rows.tasks)
            if same and np.array_equal(self.coef_feature_names_, rows.feature_names):
                return np.ascontiguousarray(coef.reshape(shape).T)
        return np.zeros(shape[::-1])

    def _warn_of_forgotten_labels(self, rows: TaskRows) -> None:
        j = label_like(rows.X)
        if j is not None:
            warnings.warn(
                f"{type(self).__name__} couples tasks, but was fitted without task labels, as one "
                f"task. If the values of column {rows.feature_names[j]!r} are labels, pass its "
                "name or position as task_column; labels kept apart from X are passed as `tasks`.",
                UserWarning,
                stacklevel=3,
            )

    def _separated(self, result: Result, objective: Objective) -> IntArray:
        """Positions of tasks whose classes are separated by what costs nothing."""
        return separates(objective, result.W)

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
        elif self._classifier and not np.isfinite(solution.relative_gap):
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
        intercept = solution.intercept
        self.intercept_: Any = float(intercept[0]) if rows.one_task_plain else intercept
        self.n_iter_ = result.n_iter
        self.objective_ = solution.history
        self.objective_iterations_ = result.history.steps
        self._set_certificate(result, solution)

    def _set_certificate(self, result: Result, solution: Solution) -> None:
        self.dual_gap_ = float(solution.gap)
        self.relative_gap_ = float(solution.relative_gap)

    def _set_coefficients(self, rows: TaskRows, W: FloatArray) -> None:
        self.coef_: Any = np.ascontiguousarray(W.T)
        if rows.one_task_plain:
            self.coef_ = self.coef_[0]

    def _warn_constant(self, prepared: Prepared) -> None:
        if prepared.means is None or prepared.problem.n_tasks in (1, len(prepared.rows.X)):
            return
        constant = constant_within_tasks(prepared.squares, prepared.means)
        if constant.any():
            names = prepared.rows.feature_names[constant]
            warn_once(
                self,
                f"Constant within every task: {show_labels(names)}. What such a feature does is "
                "inside the tasks' intercepts, and it tells nothing about new tasks. Leave it out, "
                "or fit with fit_intercept=False and a column of ones.",
                stacklevel=4,
            )

    def _set_tasks(self, rows: TaskRows) -> None:
        self._door = rows.door
        self.tasks_ = rows.tasks
        self.n_tasks_ = rows.n_tasks
        self.coef_feature_names_ = rows.feature_names
        if rows.classes is not None:
            self.classes_ = rows.classes

    def _linear_prediction(self, X: Any, tasks: Any) -> FloatArray:
        """``x . w_t + b_t``: (n,), or (n, n_tasks) after a fit on a 2-D y without labels."""
        rows = resolve_predict(self, X, tasks=tasks)
        return self._predict_rows(rows.X, rows.index)

    def _predict_rows(self, X: FloatArray, index: AnyArray | None) -> FloatArray:
        coef = self.coef_.reshape(self.n_tasks_, -1)
        intercept = np.atleast_1d(self.intercept_)
        if index is None:
            return X @ coef.T + intercept
        z = np.empty(X.shape[0])
        order = np.argsort(index, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
            t = index[own[0]]
            w, b = self._mean_of_tasks() if t < 0 else (coef[t], intercept[t])
            z[own] = X[own] @ w + b
        return z

    def _mean_of_tasks(self) -> tuple[FloatArray, float]:
        if hasattr(self, "_mean_coef"):
            return self._mean_coef, self._mean_intercept
        # Pickled by a version that did not keep it.
        return self.coef_.reshape(self.n_tasks_, -1).mean(axis=0), float(np.mean(self.intercept_))

    def score(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> float:
        """Mean over tasks of the task's R2 (regressors) or accuracy (classifiers).

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            True targets; NaN entries are skipped.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as in `fit`. A row that does not count, without a target or
            with weight 0, may have a label that was not fitted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights within the tasks; rows of weight 0 are skipped.

        Returns
        -------
        score : float
            Tasks with fewer than two test rows or a constant target are pooled as one. With one
            task this is scikit-learn's own score.
        """
        scored = resolve_score(self, X, y, tasks=tasks, sample_weight=sample_weight)
        if is_own(self, "predict"):
            prediction = self._label(self._predict_rows(scored.rows.X, scored.rows.index))
        else:
            prediction = own_prediction(self, scored, X, tasks)
        return score_rows(scored, prediction, classifier=self._classifier)

    def _label(self, z: FloatArray) -> AnyArray:
        """What predict returns for linear predictions."""
        return z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = self.task_column is None
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskRegressor(RegressorMixin, MultiTaskEstimator):
    """Squared loss."""

    _loss: ClassVar[Loss] = Squared()

    score = MultiTaskEstimator.score  # ahead of the mixin's

    def predict(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the model was fitted with `tasks`. After a fit on a 2-D y:
            predict each row for this task alone.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Predictions; two-dimensional after a fit on a 2-D y, unless `tasks` is given.

        Raises
        ------
        ValueError
            If labels are missing, or unknown with ``unseen="error"``.
        """
        return self._linear_prediction(X, tasks)


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskClassifier(ClassifierMixin, MultiTaskEstimator):
    """Binary logistic loss."""

    _loss: ClassVar[Loss] = Logistic()
    _classifier: ClassVar[bool] = True

    score = MultiTaskEstimator.score  # ahead of the mixin's

    def decision_function(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Log odds of ``classes_[1]``.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for `predict`.

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            ``x . w_t + b_t``.
        """
        return self._linear_prediction(X, tasks)

    def predict(self, X: Any, *, tasks: Any = None) -> AnyArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the model was fitted with `tasks`. After a fit on a 2-D y:
            predict each row for this task alone.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Class labels.
        """
        return self._label(self._linear_prediction(X, tasks))

    def predict_proba(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Class probabilities.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for `predict`.

        Returns
        -------
        p : ndarray of shape (n_samples, 2) or (n_samples, n_tasks)
            Probability of each class; after a fit on a 2-D y without `tasks`, of ``classes_[1]``
            for each task.
        """
        p = expit(self._linear_prediction(X, tasks))
        return p if p.ndim == 2 else np.column_stack([1.0 - p, p])

    def _label(self, z: FloatArray) -> AnyArray:
        return self.classes_[(z > 0.0).astype(np.intp)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
