"""Sparse coefficients: entry by entry, or whole features across the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import AdaptingRegressor, MultiTaskClassifier, MultiTaskRegressor, Problem, RowWeighted
from ..penalties import (
    L1,
    CommonL1,
    DataShared,
    Penalty,
    Ridge,
    RowL2,
    WeightedL1,
    WeightedRowL2,
)
from ._common import CommonPart
from ._metrics import around, over


@dataclass(kw_only=True, eq=False, repr=False)
class _Lasso(RowWeighted, CommonPart):
    common_weight: float | None = None
    _takes_sparse: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CommonPart._parameter_constraints,
        **RowWeighted._parameter_constraints,
        "common_weight": [Interval(Real, 0, None, closed="neither"), None],
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *CommonPart._penalty_parameters,
        "common_weight",
    )
    # The common model has a norm of its own, and no ridge.
    _moves_zero: ClassVar[bool] = False
    _ridge_on_all: ClassVar[bool] = False

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        weights = problem.feature_weight
        if not self.common:
            norm = L1(lambda1) if weights is None else WeightedL1(lambda1, weights=weights)
            return self._signed(norm + Ridge(lambda2))
        if weights is not None or self.positive:
            raise ValueError(
                f"common=True of {type(self).__name__} goes with neither feature_weight nor "
                "positive=True: leave them out, or set common=False."
            )
        if lambda1 == 0.0 or lambda2 > 0.0:
            raise ValueError(
                f"common=True splits the coefficients of {type(self).__name__} into two parts with "
                f"a norm each, which needs lambda1 > 0 and lambda2 = 0, got lambda1={lambda1}"
                f" and lambda2={lambda2}."
            )
        weight = self.common_weight
        mu = lambda1 * (np.sqrt(problem.n_tasks) if weight is None else weight)
        return DataShared(CommonL1(float(mu), problem.n_classes), L1(lambda1))

    def _start(self, rows: TaskRows) -> FloatArray:
        W = super()._start(rows)
        if not self.common:
            return W
        specific = getattr(self, "coef_specific_", None)
        if not W.any() or specific is None:
            return np.zeros((2 * W.shape[0], W.shape[1]))
        common = np.atleast_2d(self.coef_common_).T
        return np.concatenate([np.tile(common, rows.n_tasks), self._specific])

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        if not self.common:
            super()._describe(W, problem)
            return
        common, specific = np.split(W, 2)
        self._set_parts(common[:, : problem.n_classes], specific)


@dataclass(kw_only=True, eq=False, repr=False)
class LassoRegressor(_Lasso, MultiTaskRegressor):
    """Sparse coefficients, every task on its own (L1), with one lambda for all.

    Minimises over W and b::

        F(W, b) + lambda1 sum_jt |w_jt| + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the L1 norm, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
        with n the norm of a row, in the order of `coef_`: 0 leaves a feature unpenalised, inf
        leaves it out. "varying" leaves out those with less than 1 % of their sum of squares within
        tasks.
    positive : bool, default=False
        Keep the coefficients from being negative.
    common : bool, default=False
        Whether ``W = m 1' + V`` with a common model m that has an L1 norm of its own, the
        data-shared lasso [2]_: the norm is then ``lambda1 (common_weight sum_j |m_j| + sum_jt
        |v_jt|)``, and lambda2 must be 0.
    common_weight : float, default=None
        Weight of the common model's norm, in (0, inf); None: ``sqrt(n_tasks)``. From n_tasks on m
        is 0.
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
    coef_common_ : ndarray of shape (n_features,)
        With ``common=True``: the common model m.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        With ``common=True``: what each task adds, V'.
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
    JointFeatureRegressor : The tasks agree on which features count.

    Notes
    -----
    With one task this is scikit-learn's ``ElasticNet``: ``lambda1 = alpha l1_ratio``, ``lambda2 =
    alpha (1 - l1_ratio)``. The tasks share nothing but lambda: the baseline of sparse models.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. Royal Statistical
       Society B 58, 1996.
    .. [2] S. M. Gross, R. Tibshirani, "Data shared lasso: a novel tool to discover uplift",
       Computational Statistics and Data Analysis 101, 2016.

    Examples
    --------
    >>> from malsar_py import LassoRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = LassoRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.coef_.shape[0], model.relative_gap_ <= model.tol
    (4, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class LassoClassifier(_Lasso, MultiTaskClassifier):
    """Sparse logistic regression, every task on its own (L1), with one lambda for all.

    Minimises over W and b::

        F(W, b) + lambda1 sum_jt |w_jt| + lambda2/2 ||W||_F^2

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
        Strength of the L1 norm, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
        with n the norm of a row, in the order of `coef_`: 0 leaves a feature unpenalised, inf
        leaves it out. "varying" leaves out those with less than 1 % of their sum of squares within
        tasks.
    positive : bool, default=False
        Keep the coefficients from being negative.
    common : bool, default=False
        Whether ``W = m 1' + V`` with a common model m that has an L1 norm of its own, the
        data-shared lasso [2]_: the norm is then ``lambda1 (common_weight sum_j |m_j| + sum_jt
        |v_jt|)``, and lambda2 must be 0.
    common_weight : float, default=None
        Weight of the common model's norm, in (0, inf); None: ``sqrt(n_tasks)``. From n_tasks on m
        is 0.
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
    coef_common_ : ndarray of shape (n_features,)
        With ``common=True``: the common model m.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        With ``common=True``: what each task adds, V'.
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
    LassoRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. Royal Statistical
       Society B 58, 1996.
    .. [2] S. M. Gross, R. Tibshirani, "Data shared lasso: a novel tool to discover uplift",
       Computational Statistics and Data Analysis 101, 2016.

    Examples
    --------
    >>> from malsar_py import LassoClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = LassoClassifier(lambda1=0.02).fit(X, y, tasks=tasks)
    >>> model.predict_proba(X[:3], tasks=tasks[:3]).shape
    (3, 2)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _JointFeature(RowWeighted, CommonPart):
    _takes_sparse: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CommonPart._parameter_constraints,
        **RowWeighted._parameter_constraints,
    }

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        weights = problem.feature_weight
        norm = RowL2(lambda1) if weights is None else WeightedRowL2(lambda1, weights=weights)
        if not self.common:
            return self._signed(norm + Ridge(lambda2))
        if self.positive:
            raise ValueError(
                f"common=True of {type(self).__name__} does not go with positive=True: set one of "
                "them to False."
            )
        return self._around(norm, problem) + Ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        # sum_j (||v^j||^2 + w_j^2)^(1/2), to second order in w.
        center, V, more = around(W, self.common)
        spread = over(more * np.sqrt(np.square(V).sum(axis=1)), self.lambda1)
        return TaskPrior(center, None, spread).beside_ridge(self.lambda2)


@dataclass(kw_only=True, eq=False, repr=False)
class JointFeatureRegressor(_JointFeature, AdaptingRegressor):
    """Joint feature selection (L2,1): a feature counts for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2

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
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
        with n the norm of a row, in the order of `coef_`: 0 leaves a feature unpenalised, inf
        leaves it out. "varying" leaves out those with less than 1 % of their sum of squares within
        tasks.
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
    LassoRegressor : Every task chooses features of its own.
    TraceNormRegressor : The tasks share directions rather than features.

    Notes
    -----
    On a shared X this is scikit-learn's ``MultiTaskLasso(alpha=lambda1)``; with ``lambda2`` its
    ``MultiTaskElasticNet``. Here tasks may have rows of their own.

    References
    ----------
    .. [1] A. Argyriou, T. Evgeniou, M. Pontil, "Multi-task feature learning", NIPS 2006.
    .. [2] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.
    .. [3] J. Liu, S. Ji, J. Ye, "Multi-task feature learning via efficient L2,1-norm minimization",
       UAI 2009.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = JointFeatureRegressor(lambda1=0.5).fit(X, y, tasks=tasks)
    >>> selected = (model.coef_ != 0).any(axis=0)
    >>> bool(selected.sum() < model.coef_.shape[1]), model.relative_gap_ <= model.tol
    (True, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class JointFeatureClassifier(_JointFeature, MultiTaskClassifier):
    """Joint feature selection (L2,1) for classification: a feature counts for all tasks or none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2

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
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
        with n the norm of a row, in the order of `coef_`: 0 leaves a feature unpenalised, inf
        leaves it out. "varying" leaves out those with less than 1 % of their sum of squares within
        tasks.
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
    JointFeatureRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> from malsar_py import JointFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = JointFeatureClassifier(lambda1=0.05).fit(X, y, tasks=tasks)
    >>> model.predict(X[:3], tasks=tasks[:3]).shape
    (3,)
    """
