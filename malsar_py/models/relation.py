"""Tasks tied to each other: to their mean, or by a covariance that is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.utils._param_validation import StrOptions

from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    AdaptingRegressor,
    CouplingWeighted,
    MultiTaskClassifier,
    Prepared,
    Problem,
    ScaledColumns,
    variances,
)
from ..penalties import (
    MeanCoupling,
    Penalty,
    Ridge,
    SquaredTraceNorm,
    per_task,
    whole_tasks,
)
from ._common import CommonPart
from ._metrics import around, left_singular, over
from ._uncertainty import Uncertain


@dataclass(kw_only=True, eq=False, repr=False)
class _MeanRegularized(CouplingWeighted):
    _couples = True
    _takes_sparse: ClassVar[bool] = True
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 2.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "coupling", "lambda2": "ridge"}

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        if problem.n_classes > 1 and self.positive and lambda2 == 0.0:
            raise ValueError(
                "positive=True needs lambda2 > 0 with more than two classes: the means of the "
                "classes are free of any penalty."
            )
        coupling = partial(MeanCoupling, n_tasks=problem.n_tasks, n_classes=problem.n_classes)
        return self._signed(self._coupled(coupling, problem, lambda1, lambda2))

    def _metric(self, W: FloatArray) -> TaskPrior:
        center, _, more = around(W, True)
        given = self._given()
        spread = over(np.full_like(center, more), given["lambda1"])
        return TaskPrior(center, None, spread).beside_ridge(given["lambda2"])

    def _quadratic(self) -> bool:
        return True


@dataclass(kw_only=True, eq=False, repr=False)
class MeanRegularizedRegressor(_MeanRegularized, Uncertain):
    """Mean-regularised multi-task regression: every task's model is drawn to the mean of all.

    Minimises over W and b::

        F(W, b) + lambda1/2 sum_t ||w_t - mean(W)||^2 + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float or "reml", default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above. "reml"
        sets all strengths (lambda2 and intercept_shrinkage left at 0) to the variances of a mixed
        model (restricted maximum likelihood, one variance for all slopes): for the squared loss,
        ``task_weight="size"``, fewer features than rows, and tasks with rows of their own.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, in the order of `coef_`: with
        inf the coefficients are one and the same for all tasks (that a graph connects), 0 leaves
        them to the ridge, which must be there. "varying" is inf for features with less than 1 % of
        their sum of squares within tasks, else 1.
    positive : bool, default=False
        Keep the coefficients from being negative.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
        "squared"; "huber" (outliers), "quantile" (the median), "poisson" (y >= 0), "gamma" (y > 0),
        "logistic" (y is 0 or 1, predicts the probability of 1); an instance, as
        ``losses.Quantile(q=0.9)``; or ``{label: loss}``. See the guide "Losses".
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    lambda1_ : float
        With ``lambda1="reml"``: lambda1, infinite where all tasks have the same slopes.
    lambda2_ : float
        With ``lambda1="reml"``: lambda2; and `intercept_shrinkage_` is kappa.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.

    See Also
    --------
    GraphRegressor : Neighbours in a graph are drawn to each other; complete, it is this model.

    Notes
    -----
    ``lambda1 = 0`` is one ridge per task; ``lambda1 -> inf`` is one slope for all tasks with
    intercepts of their own. Solved directly: one factorisation per task and one system of
    n_features equations.

    `predict(return_std=True)` and `coef_interval` read the penalty as a model [2]_: coefficients
    are draws ``w_t ~ N(m, sigma2 / (nbar lambda1))`` around common ones (for which the ridge stands
    alone), intercepts ``b_t ~ N(b0, sigma2 / (nbar kappa))``, errors ``N(0, sigma2)`` alike in all
    tasks, with nbar rows a task. The strengths are taken as known, and sigma2 is the sum of squared
    residuals over n less the degrees of freedom: right where the strengths are about those of the
    data (``lambda1="reml"``, or chosen by cross-validation).

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.
    .. [2] G. Wahba, "Bayesian 'confidence intervals' for the cross-validated smoothing spline",
       JRSS B 45, 1983.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> model = MeanRegularizedRegressor(lambda1=1.0).fit(exam.data, exam.target, tasks=exam.tasks)
    >>> model.n_tasks_, model.relative_gap_ <= model.tol
    (65, True)
    """

    lambda1: float | str = 0.1  # type: ignore[assignment]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_MeanRegularized._parameter_constraints,
        "lambda1": [*NONNEGATIVE, StrOptions({"reml"})],
    }

    def _given(self, **others: Any) -> dict[str, Any]:
        if self.lambda1 != "reml":
            return super()._given(**others)
        return {"lambda1": self.lambda1_, "lambda2": self.lambda2_} | others

    def _prepare(self, rows: TaskRows) -> Prepared:
        found: tuple[float | None, ...] = (None, None, None)
        if self.lambda1 == "reml":
            self._check_reml(rows)
            found = variances().strengths(rows, self.fit_intercept)
        self._set_or_forget(dict(zip(("lambda1_", "lambda2_", "_kappa"), found, strict=True)))
        return super()._prepare(rows)

    def _check_reml(self, rows: TaskRows) -> None:
        if not self._loss(rows).affine:
            raise ValueError(
                'lambda1="reml" is for the squared loss: choose strengths by MultiTaskSearchCV.'
            )
        if not (isinstance(self.task_weight, str) and self.task_weight == "size"):
            raise ValueError(
                'lambda1="reml" is derived for task_weight="size", where every row counts the '
                f"same, got {self.task_weight!r}."
            )
        if self.feature_weight is not None or self.positive:
            raise ValueError(
                'lambda1="reml" is derived without feature_weight and positive: leave them out.'
            )
        if self.lambda2 != 0.0 or self.intercept_shrinkage not in (0.0, "reml"):
            raise ValueError(
                'lambda1="reml" sets lambda2 and intercept_shrinkage too: leave them at 0.'
            )

    def _shrinkage(self, rows: TaskRows) -> float:
        if self.lambda1 != "reml":
            return super()._shrinkage(rows)
        return self._kappa if self.fit_intercept else 0.0

    def _set_shrinkage(self, prepared: Prepared) -> None:
        super()._set_shrinkage(prepared)
        if self.lambda1 == "reml":
            self.intercept_shrinkage_ = prepared.kappa


@dataclass(kw_only=True, eq=False, repr=False)
class MeanRegularizedClassifier(_MeanRegularized, MultiTaskClassifier):
    """Mean-regularised logistic regression: every task's model is drawn to the mean of all.

    Minimises over W and b::

        F(W, b) + lambda1/2 sum_t ||w_t - mean(W)||^2 + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    With more than two classes it is the multinomial loss ``log sum_k exp(z_k) - z_y`` with a column
    ``w_tk`` of W for each class: norms are over all, terms of pairs of tasks or of their mean go
    class by class, clusters and covariances are of whole tasks; see the guide "Losses".

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, in the order of `coef_`: with
        inf the coefficients are one and the same for all tasks (that a graph connects), 0 leaves
        them to the ridge, which must be there. "varying" is inf for features with less than 1 % of
        their sum of squares within tasks, else 1.
    positive : bool, default=False
        Keep the coefficients from being negative.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    class_weight : "balanced", mapping or None, default=None
        Factor on the weights of the samples of a class: "balanced" makes all classes of a task
        count alike; or ``{class: weight}``, in (0, inf), 1 for others.
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels. With more
        than two classes (n_tasks, n_classes, n_features) or (n_classes, n_features).
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b. More classes: (n_tasks, n_classes), of sum 0; -inf for a class that the task
        does not have.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean. More
        classes: one for each.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    classes_ : ndarray of shape (n_classes,)
        Class labels of all tasks together; of two, ``classes_[1]`` is the positive one.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    MeanRegularizedRegressor : The same penalty with the squared loss.

    Notes
    -----
    With ``lambda2 = 0`` the mean carries no penalty: when a hyperplane separates the classes of all
    tasks at once there is no finite minimiser, and the fit ends with a ConvergenceWarning.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=4, classification=True, random_state=0)
    >>> model = MeanRegularizedClassifier(lambda1=0.1, lambda2=0.01).fit(X, y, tasks=tasks)
    >>> model.decision_function(X[:3], tasks=tasks[:3]).shape
    (3,)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _TaskRelationship(ScaledColumns, CommonPart):
    _couples = True
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 2.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "size", "lambda2": "ridge"}

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        ridge = Ridge(lambda2)
        if lambda1 == 0.0:
            return ridge
        norm = per_task(SquaredTraceNorm(lambda1), problem.n_classes)
        return self._around(norm, problem) + ridge

    def _metric(self, W: FloatArray) -> TaskPrior:
        # (tr (VV' + ww')^(1/2))^2 / 2, to second order in w.
        center, V, more = around(W, self.common)
        axes, s = left_singular(V)
        total = s.sum()
        spread = over(more * (s / total if total > 0.0 else np.ones_like(s)), self.lambda1)
        return TaskPrior(center, axes, spread).beside_ridge(self.lambda2)

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        if self.common:
            W = self._specific
        W = whole_tasks(self._as_penalised(W, problem), problem.n_classes)
        _, s, directions = scipy.linalg.svd(W, full_matrices=False, check_finite=False)
        root = (directions.T * s) @ directions
        total = s.sum()
        T = problem.n_tasks
        self.task_covariance_ = root / total if total > 0.0 else np.eye(T) / T
        spread = np.sqrt(np.diag(self.task_covariance_))
        spread[spread == 0.0] = 1.0
        self.task_correlation_ = self.task_covariance_ / np.outer(spread, spread)
        np.fill_diagonal(self.task_correlation_, 1.0)


@dataclass(kw_only=True, eq=False, repr=False)
class TaskRelationshipRegressor(_TaskRelationship, AdaptingRegressor):
    """Task relationship learning (MTRL): the tasks' covariance is learnt with the models.

    Minimises over W, b and Omega::

        F(W, b) + lambda1/2 tr(W Omega^-1 W') + lambda2/2 ||W||_F^2
        subject to Omega >= 0, tr Omega = 1

    with Omega (n_tasks x n_tasks) the covariance of the tasks' coefficients.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
        "squared"; "huber" (outliers), "quantile" (the median), "poisson" (y >= 0), "gamma" (y > 0),
        "logistic" (y is 0 or 1, predicts the probability of 1); an instance, as
        ``losses.Quantile(q=0.9)``; or ``{label: loss}``. See the guide "Losses".
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The minimising Omega, ``(W'W)^(1/2)`` divided by its trace; I/n_tasks if W = 0.
    task_correlation_ : ndarray of shape (n_tasks, n_tasks)
        The same scaled to ones on the diagonal; a task without coefficients is related to none.
        With ``common=True`` both are of what the tasks add to the common model.
    coef_common_ : ndarray of shape (n_features,)
        With ``common=True``: the common model m, the mean of the tasks' coefficients.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        With ``common=True``: what each task adds, ``coef_ - coef_common_``.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.

    See Also
    --------
    GraphRegressor : The relations are given.
    TraceNormRegressor : The trace norm, not squared.

    Notes
    -----
    Omega can be minimised out, at ``(W'W)^(1/2) / tr``: what is left is ``lambda1/2`` times the
    squared trace norm of W, convex, with an exact prox. It is that of convex multi-task feature
    learning [2]_ too, where the covariance is between features.

    References
    ----------
    .. [1] Y. Zhang, D.-Y. Yeung, "A convex formulation for learning task relationships in
       multi-task learning", UAI 2010.
    .. [2] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
       Learning 73, 2008.

    Examples
    --------
    >>> from malsar_py import TaskRelationshipRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=6, n_clusters=2, random_state=0)
    >>> model = TaskRelationshipRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.task_correlation_.shape, model.relative_gap_ <= model.tol
    ((6, 6), True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class TaskRelationshipClassifier(_TaskRelationship, MultiTaskClassifier):
    """Task relationship learning (MTRL), logistic: the tasks' covariance is learnt.

    Minimises over W, b and Omega::

        F(W, b) + lambda1/2 tr(W Omega^-1 W') + lambda2/2 ||W||_F^2
        subject to Omega >= 0, tr Omega = 1

    with Omega (n_tasks x n_tasks) the covariance of the tasks' coefficients.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    With more than two classes it is the multinomial loss ``log sum_k exp(z_k) - z_y`` with a column
    ``w_tk`` of W for each class: norms are over all, terms of pairs of tasks or of their mean go
    class by class, clusters and covariances are of whole tasks; see the guide "Losses".

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    class_weight : "balanced", mapping or None, default=None
        Factor on the weights of the samples of a class: "balanced" makes all classes of a task
        count alike; or ``{class: weight}``, in (0, inf), 1 for others.
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels. With more
        than two classes (n_tasks, n_classes, n_features) or (n_classes, n_features).
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b. More classes: (n_tasks, n_classes), of sum 0; -inf for a class that the task
        does not have.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean. More
        classes: one for each.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    classes_ : ndarray of shape (n_classes,)
        Class labels of all tasks together; of two, ``classes_[1]`` is the positive one.
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The minimising Omega, ``(W'W)^(1/2)`` divided by its trace; I/n_tasks if W = 0.
    task_correlation_ : ndarray of shape (n_tasks, n_tasks)
        The same scaled to ones on the diagonal; a task without coefficients is related to none.
        With ``common=True`` both are of what the tasks add to the common model.
    coef_common_ : ndarray of shape (n_features,)
        With ``common=True``: the common model m, the mean of the tasks' coefficients. More classes:
        one for each.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        With ``common=True``: what each task adds, ``coef_ - coef_common_``.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    TaskRelationshipRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] Y. Zhang, D.-Y. Yeung, "A convex formulation for learning task relationships in
       multi-task learning", UAI 2010.
    .. [2] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
       Learning 73, 2008.

    Examples
    --------
    >>> from malsar_py import TaskRelationshipClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=6, n_clusters=2, classification=True, random_state=0)
    >>> model = TaskRelationshipClassifier(lambda1=0.01).fit(X, y, tasks=tasks)
    >>> model.task_correlation_.shape, model.relative_gap_ <= model.tol
    ((6, 6), True)
    """
