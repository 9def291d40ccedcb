"""The fit / predict / score template of every estimator."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from ._centring import make_design, sample_shares
from ._scoring import score_rows
from ._tasks import TaskRows, resolve_fit, resolve_predict, resolve_score, task_weights
from ._threads import one_blas_thread
from ._typing import AnyArray, FloatArray
from .losses import Logistic, Loss, Squared
from .objective import Objective, QuadraticObjective, make_objective
from .parts import by_parts
from .penalties import Penalty
from .solvers import (
    Result,
    Workspace,
    active_set_fits,
    closed_form_fits,
    iterative_solver,
    solve_accelerated,
    solve_active_set,
    solve_closed_form,
)

# In sklearn's parameter validation: a strength.
NONNEGATIVE = [Interval(Real, 0, None, closed="left")]


class BeyondData(ValueError):
    """A parameter asks for more than there is in the data: a search goes on without it."""


@dataclass(frozen=True)
class Problem:
    """What a model may look at to choose its penalty."""

    tasks: AnyArray
    n_features: int

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.tasks)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data of a fit, checked and centred: what fits with other penalties share."""

    rows: TaskRows
    problem: Problem
    objective: Objective
    offset: FloatArray  # (n_tasks,) taken out of the targets
    means: FloatArray | None  # (n_tasks, n_features) taken out of the features

    def intercept(self, result: Result) -> FloatArray:
        """Intercepts (n_tasks,) for the data as given."""
        intercept = self.offset + result.intercepts
        if self.means is None:
            return intercept
        return intercept - np.einsum("tj,jt->t", self.means, self.objective.coefficients(result.W))


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
    _classifier: ClassVar[bool] = False
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

    def fit(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> Self:
        """Fit the tasks together.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Features, with the task labels in `task_column` if that is set.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            Targets. Two-dimensional: one column per task on a shared X. NaN means not observed.
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
        with one_blas_thread():
            self._fit_rows(rows)
        return self

    def _fit_rows(self, rows: TaskRows) -> None:
        prepared = self._prepare(rows)
        objective = prepared.objective
        W0 = self._start(rows) if objective.scale > 0.0 else np.zeros(objective.shape)
        result = self._solve(objective, W0)
        if not result.converged:
            self._warn_gap(result, objective.scale)
        self._set_fitted(rows, result, prepared.intercept(result), objective.scale)
        self._set_coefficients(rows, objective.coefficients(result.W))
        self._describe(result.W, prepared.problem)

    def _prepare(self, rows: TaskRows) -> Prepared:
        """Weigh and centre the data and put the objective together."""
        problem = Problem(rows.tasks, rows.X.shape[1])
        penalty = self._penalty(problem)
        c = sample_shares(rows, task_weights(rows, self.task_weight))
        design, means = make_design(rows, c, self.fit_intercept)
        y, offset = rows.y, np.zeros(rows.n_tasks)
        if self.fit_intercept:
            y, offset = self._loss.centered(y, c, rows.offsets)
        objective = by_parts(make_objective(design, self._loss, y, c, penalty, self.fit_intercept))
        return Prepared(rows, problem, objective, offset, means)

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        """The smallest lambda1 at which W = 0, None for a model without one.

        Called with ``lambda1 = 1``, so that the term is there whatever its strength was.
        """
        _, G0 = prepared.objective.full_pass(np.zeros(prepared.objective.shape))
        return self._penalty(prepared.problem).lambda1_max(G0)

    def _solve(
        self,
        objective: Objective,
        W0: FloatArray,
        tol: float | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        tol = self.tol if tol is None else tol
        direct = isinstance(objective, QuadraticObjective) and objective.penalty.structure is None
        sparse = active_set_fits(objective)
        if self.solver == "closed-form" and not direct:
            raise ValueError(
                "solver='closed-form' is for the squared loss with quadratic penalties only, which "
                f"{type(self).__name__} with these parameters is not: use 'auto' or 'apg'."
            )
        if self.solver == "active-set" and not sparse:
            raise ValueError(
                "solver='active-set' is for penalties that separate over the features (L1, L2,1), "
                f"which that of {type(self).__name__} with these parameters does not: use 'auto' "
                "or 'apg'."
            )
        if direct and self.solver in ("auto", "closed-form"):
            assert isinstance(objective, QuadraticObjective)
            if self.solver == "closed-form" or closed_form_fits(objective):
                result = solve_closed_form(objective, tol=tol, workspace=workspace)
                if result.converged or self.solver == "closed-form":
                    return result
                W0 = result.W
        solve: Callable[..., Result] = solve_accelerated
        if sparse and self.solver != "apg":
            solve = solve_active_set
        elif self.solver == "auto":
            solve = iterative_solver(objective)
        return solve(
            objective,
            W0,
            tol=tol,
            max_iter=self.max_iter,
            verbose=int(self.verbose),
            workspace=workspace,
        )

    def _follow(self, objective: Objective, last: Result, workspace: Workspace) -> Result:
        """Solve for the next `lambda1` of a path, from the solution for the last."""
        return self._solve(objective, last.W, workspace=workspace)

    def _start(self, rows: TaskRows) -> FloatArray:
        shape = (rows.n_tasks, rows.X.shape[1])
        if self.warm_start and hasattr(self, "coef_"):
            coef = self.coef_.reshape(self.n_tasks_, -1)
            same = coef.shape == shape and np.array_equal(self.tasks_, rows.tasks)
            if same and np.array_equal(self.coef_feature_names_, rows.feature_names):
                return np.ascontiguousarray(coef.T)
        return np.zeros(shape[::-1])

    def _warn_gap(self, result: Result, scale: float) -> None:
        reached = result.gap / scale if scale > 0.0 else result.gap
        remedy = "Increase max_iter or tol, standardise the features, or strengthen the penalty."
        if not np.isfinite(reached):
            remedy = "There may be no finite minimiser (separable classes): set lambda2 > 0."
        warnings.warn(
            f"{type(self).__name__} did not reach tol={self.tol:g} in {result.n_iter} iterations: "
            f"the relative {self._measure} is {reached:.3g}. {remedy}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _set_fitted(
        self, rows: TaskRows, result: Result, intercept: FloatArray, scale: float
    ) -> None:
        self._set_tasks(rows)
        self.intercept_: Any = float(intercept[0]) if rows.one_task_plain else intercept
        self.n_iter_ = result.n_iter
        self.objective_ = np.array(result.history)
        self._set_certificate(result, scale)

    def _set_certificate(self, result: Result, scale: float) -> None:
        self.dual_gap_ = float(result.gap)
        self.relative_gap_ = float(result.gap / scale) if scale > 0.0 else float(result.gap)

    def _set_coefficients(self, rows: TaskRows, W: FloatArray) -> None:
        self.coef_: Any = np.ascontiguousarray(W.T)
        if rows.one_task_plain:
            self.coef_ = self.coef_[0]

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
        for t in np.unique(index):
            own = index == t
            w, b = (coef.mean(axis=0), intercept.mean()) if t < 0 else (coef[t], intercept[t])
            z[own] = X[own] @ w + b
        return z

    def score(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> float:
        """Mean over tasks of the task's R2 (regressors) or accuracy (classifiers).

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            True targets; NaN entries are skipped.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights within the tasks.

        Returns
        -------
        score : float
            Tasks with fewer than two test rows or a constant target are pooled as one. With one
            task this is scikit-learn's own score.
        """
        scored = resolve_score(self, X, y, tasks=tasks, sample_weight=sample_weight)
        prediction = self._label(self._predict_rows(scored.rows.X, scored.rows.index))
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
