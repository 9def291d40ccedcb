"""Low rank: the tasks' models span few directions, alone or beside a part that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._task_prior import TaskPrior
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    AdaptingRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    Problem,
    ScaledColumns,
)
from ..penalties import L1, ColumnL2, Penalty, Ridge, Split, TraceBall, TraceNorm
from ..prox import singular_values
from ._common import CommonPart
from ._metrics import around, left_singular, over
from ._two_part import TwoPart

# The prox sets singular values to zero; what rounding leaves of them lies far below this share of
# the largest.
_RANK_CUTOFF = 1e-10


@dataclass(kw_only=True, eq=False, repr=False)
class _TraceNorm(ScaledColumns, CommonPart):
    _couples = True
    _takes_sparse: ClassVar[bool] = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        return self._around(TraceNorm(lambda1), problem) + Ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        # tr (VV' + ww')^(1/2), to second order in w.
        center, V, more = around(W, self.common)
        axes, s = left_singular(V)
        return TaskPrior(center, axes, over(more * s, self.lambda1)).beside_ridge(self.lambda2)

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        s = singular_values(W)
        self.rank_ = int((s > _RANK_CUTOFF * s.max(initial=0.0)).sum())


@dataclass(kw_only=True, eq=False, repr=False)
class TraceNormRegressor(_TraceNorm, AdaptingRegressor):
    """Low-rank coefficients (trace norm): the tasks' models lie in a common small subspace.

    Minimises over W and b::

        F(W, b) + lambda1 sum_i sigma_i(W) + lambda2/2 ||W||_F^2

    with sigma_i(W) the singular values.

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
    rank_ : int
        Rank of `coef_`: singular values above 1e-10 times the largest.
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
    JointFeatureRegressor : The tasks share features.
    ClusteredRegressor : The tasks form groups.

    References
    ----------
    .. [1] S. Ji, J. Ye, "An accelerated gradient method for trace norm minimization", ICML 2009.
    .. [2] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> from malsar_py import TraceNormRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, random_state=0)
    >>> model = TraceNormRegressor(lambda1=1.0).fit(X, y, tasks=tasks)
    >>> model.rank_ < 6, model.relative_gap_ <= model.tol
    (True, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class TraceNormClassifier(_TraceNorm, MultiTaskClassifier):
    """Low-rank logistic regression (trace norm): the tasks' models lie in a common subspace.

    Minimises over W and b::

        F(W, b) + lambda1 sum_i sigma_i(W) + lambda2/2 ||W||_F^2

    with sigma_i(W) the singular values.

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
    rank_ : int
        Rank of `coef_`: singular values above 1e-10 times the largest.
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
    TraceNormRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] S. Ji, J. Ye, "An accelerated gradient method for trace norm minimization", ICML 2009.

    Examples
    --------
    >>> from malsar_py import TraceNormClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = TraceNormClassifier(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.rank_ < 6
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _RobustLowRank(TwoPart):
    lambda2: float = 0.08

    _part_names: ClassVar[tuple[str, str]] = ("coef_low_rank_", "coef_specific_")
    _outliers: ClassVar[bool] = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(TraceNorm(lambda1), ColumnL2(lambda2, problem.n_classes))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        # A task with one column has one singular value.
        most = min(problem.n_features, problem.n_classes)
        return float(1.0 / np.sqrt(problem.n_tasks)), float(np.sqrt(most))


@dataclass(kw_only=True, eq=False, repr=False)
class RobustLowRankRegressor(_RobustLowRank, MultiTaskRegressor):
    """Robust low rank (RMTL): the tasks share a subspace, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_i sigma_i(P) + lambda2 sum_t ||q_t||_2

    with sigma_i(P) the singular
    values; column q_t of Q is one task, and not zero for outlier tasks only.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.08
        Strength of the second term, in (0, inf). P is zero for
        ``lambda2 < lambda1 / sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1``: a warning says
        so.
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
    coef_low_rank_, coef_specific_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`.
    outlier_tasks_ : ndarray
        Labels of the tasks whose column of Q is not zero.
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
    TraceNormRegressor : The same without outliers.
    RobustFeatureRegressor : The tasks share features, and outlier tasks do not.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the spectral norm of the gradient by
    lambda1, its column 2-norms by lambda2. W = 0 if and only if they hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py import RobustLowRankRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=8, random_state=0)
    >>> y[tasks == 3] += 2.0 * X[tasks == 3].sum(axis=1)  # a task unlike the others
    >>> model = RobustLowRankRegressor(lambda1=3.0, lambda2=2.5).fit(X, y, tasks=tasks)
    >>> model.outlier_tasks_
    array([3])
    """


@dataclass(kw_only=True, eq=False, repr=False)
class RobustLowRankClassifier(_RobustLowRank, MultiTaskClassifier):
    """Robust low rank (RMTL), logistic: the tasks share a subspace, outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_i sigma_i(P) + lambda2 sum_t ||q_t||_2

    with sigma_i(P) the singular
    values; column q_t of Q is one task, and not zero for outlier tasks only.

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
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.08
        Strength of the second term, in (0, inf). P is zero for
        ``lambda2 < lambda1 / sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1``: a warning says
        so.
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
    coef_low_rank_, coef_specific_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`.
    outlier_tasks_ : ndarray
        Labels of the tasks whose column of Q is not zero.
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
    RobustLowRankRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py import RobustLowRankClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = RobustLowRankClassifier(lambda1=0.2, lambda2=0.15).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _SparseLowRank(TwoPart):
    lambda2: float = 0.2
    trace_bound: float | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TwoPart._parameter_constraints,
        "trace_bound": [*NONNEGATIVE, None],
    }
    _sizes: ClassVar[tuple[str, ...]] = ("trace_bound",)
    _part_names: ClassVar[tuple[str, str]] = ("coef_sparse_", "coef_low_rank_")
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*TwoPart._penalty_parameters, "trace_bound")

    def _penalty(
        self, problem: Problem, lambda1: float, lambda2: float, trace_bound: float | None
    ) -> Split:
        if trace_bound is not None:
            return Split(L1(lambda1), TraceBall(trace_bound))
        return Split(L1(lambda1), TraceNorm(lambda2))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return 1.0, float(np.sqrt(problem.n_features * problem.n_columns))


@dataclass(kw_only=True, eq=False, repr=False)
class SparseLowRankRegressor(_SparseLowRank, MultiTaskRegressor):
    """Sparse plus low rank: a common subspace, and own features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_jt |p_jt| + lambda2 sum_i sigma_i(Q)

    or, with `trace_bound`, under the constraint ``sum_i sigma_i(Q) <= trace_bound`` in place of the
    last term; sigma_i(Q) are the singular values.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.2
        Strength of the second term, in (0, inf). P is zero for ``lambda2 < lambda1``, Q is zero for
        ``lambda2 > lambda1 sqrt(n_features n_tasks)``: a warning says so.
    trace_bound : float, default=None
        With a number tau in [0, inf) the second term is the constraint ``sum_i sigma_i(Q) <= tau``,
        and `lambda2` is not used.
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
    coef_sparse_, coef_low_rank_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`.
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
    LassoRegressor : The sparse part alone.
    TraceNormRegressor : The low-rank part alone.
    DirtyRegressor : Sparse plus shared features.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the entries of the gradient by
    lambda1, its spectral norm by lambda2; under the constraint, the spectral norm times
    trace_bound is part of the bound. W = 0 if and only if the balls hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] J. Chen, J. Liu, J. Ye, "Learning incoherent sparse and low-rank patterns from multiple
       tasks", KDD 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import SparseLowRankRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, random_state=0)
    >>> model = SparseLowRankRegressor(lambda1=0.3, trace_bound=5.0).fit(X, y, tasks=tasks)
    >>> float(np.linalg.norm(model.coef_low_rank_, "nuc").round(6))
    5.0
    """


@dataclass(kw_only=True, eq=False, repr=False)
class SparseLowRankClassifier(_SparseLowRank, MultiTaskClassifier):
    """Sparse plus low rank, logistic: a common subspace, and own features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_jt |p_jt| + lambda2 sum_i sigma_i(Q)

    or, with `trace_bound`, under the constraint ``sum_i sigma_i(Q) <= trace_bound`` in place of the
    last term; sigma_i(Q) are the singular values.

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
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.2
        Strength of the second term, in (0, inf). P is zero for ``lambda2 < lambda1``, Q is zero for
        ``lambda2 > lambda1 sqrt(n_features n_tasks)``: a warning says so.
    trace_bound : float, default=None
        With a number tau in [0, inf) the second term is the constraint ``sum_i sigma_i(Q) <= tau``,
        and `lambda2` is not used.
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
    coef_sparse_, coef_low_rank_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`.
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
    SparseLowRankRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] J. Chen, J. Liu, J. Ye, "Learning incoherent sparse and low-rank patterns from multiple
       tasks", KDD 2010.

    Examples
    --------
    >>> from malsar_py import SparseLowRankClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = SparseLowRankClassifier(lambda1=0.05, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> model.coef_sparse_.shape, model.coef_low_rank_.shape
    ((6, 20), (6, 20))
    """
