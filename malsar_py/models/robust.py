"""Two parts: what the tasks have in common, and what is a task's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base import MultiTaskClassifier, MultiTaskRegressor, Problem
from ..penalties import L1, ColumnL2, RowL2, RowLinf, Split
from ._two_part import TwoPart

_PARTS = """\
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`."""

_OUTLIERS = """
    outlier_tasks_ : ndarray
        Labels of the tasks whose column of Q is not zero."""


@dataclass(kw_only=True, eq=False, repr=False)
class _Dirty(TwoPart):
    lambda2: float = 0.05

    _part_names: ClassVar[tuple[str, str]] = ("coef_shared_", "coef_specific_")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(RowLinf(lambda1), L1(lambda2))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return 1.0 / problem.n_columns, 1.0


@dataclass(kw_only=True, eq=False, repr=False)
class DirtyRegressor(_Dirty, MultiTaskRegressor):
    """Dirty model: features shared by the tasks plus features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j max_t |p_jt| + lambda2 sum_jt |q_jt|

    Row p^j of P is one feature
    across tasks, which costs as much as the task that uses it most; Q is sparse entry by entry.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.05
        Strength of the second term, in (0, inf). P is zero for
        ``lambda2 < lambda1 / n_tasks``, Q is zero for ``lambda2 > lambda1``: a warning says so.
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
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
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
    RobustFeatureRegressor : Shared features, and whole tasks that are outliers.
    JointFeatureRegressor : Shared features only.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the row l1 norms of the gradient by
    lambda1, its entries by lambda2. W = 0 if and only if they hold at W = 0. The split of W into P
    and Q need not be unique. ``lambda2 -> inf`` leaves P alone, ``lambda1 -> inf`` is
    :class:`LassoRegressor`.

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.

    Examples
    --------
    >>> from malsar_py import DirtyRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = DirtyRegressor(lambda1=0.4, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> bool((model.coef_ == model.coef_shared_ + model.coef_specific_).all())
    True
    >>> model.relative_gap_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class DirtyClassifier(_Dirty, MultiTaskClassifier):
    """Dirty logistic model: features shared by the tasks plus features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j max_t |p_jt| + lambda2 sum_jt |q_jt|

    Row p^j of P is one feature
    across tasks, which costs as much as the task that uses it most; Q is sparse entry by entry.

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
    lambda2 : float, default=0.05
        Strength of the second term, in (0, inf). P is zero for
        ``lambda2 < lambda1 / n_tasks``, Q is zero for ``lambda2 > lambda1``: a warning says so.
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
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
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
    DirtyRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.

    Examples
    --------
    >>> from malsar_py import DirtyClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = DirtyClassifier(lambda1=0.1, lambda2=0.05).fit(X, y, tasks=tasks)
    >>> model.coef_shared_.shape, model.coef_specific_.shape
    ((4, 20), (4, 20))
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _RobustFeature(TwoPart):
    _part_names: ClassVar[tuple[str, str]] = ("coef_shared_", "coef_specific_")
    _outliers: ClassVar[bool] = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(RowL2(lambda1), ColumnL2(lambda2, problem.n_classes))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return float(1.0 / np.sqrt(problem.n_tasks)), float(np.sqrt(problem.n_features))


@dataclass(kw_only=True, eq=False, repr=False)
class RobustFeatureRegressor(_RobustFeature, MultiTaskRegressor):
    """Robust joint features (rMTFL): tasks share features, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j ||p^j||_2 + lambda2 sum_t ||q_t||_2

    Row p^j of P is one feature
    across tasks; column q_t of Q is one task, and not zero for outlier tasks only.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the first term, in (0, inf); see the objective above.
    lambda2 : float, default=0.1
        Strength of the second term, in (0, inf). P is zero for ``lambda2 < lambda1 /
        sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1 sqrt(n_features)``: a warning says so.
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
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
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
    JointFeatureRegressor : The same without outliers.
    RobustLowRankRegressor : The tasks share a subspace, and outlier tasks do not.
    DirtyRegressor : Own features of single tasks.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the row 2-norms of the gradient by
    lambda1, its column 2-norms by lambda2. W = 0 if and only if they hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Robust multi-task feature learning", KDD 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import RobustFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=8, random_state=0)
    >>> y[tasks == 3] += X[tasks == 3].sum(axis=1)  # a task unlike the others
    >>> model = RobustFeatureRegressor(lambda1=1.0, lambda2=2.0).fit(X, y, tasks=tasks)
    >>> model.outlier_tasks_
    array([3])
    """


@dataclass(kw_only=True, eq=False, repr=False)
class RobustFeatureClassifier(_RobustFeature, MultiTaskClassifier):
    """Robust joint features (rMTFL), logistic: tasks share features, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j ||p^j||_2 + lambda2 sum_t ||q_t||_2

    Row p^j of P is one feature
    across tasks; column q_t of Q is one task, and not zero for outlier tasks only.

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
    lambda2 : float, default=0.1
        Strength of the second term, in (0, inf). P is zero for ``lambda2 < lambda1 /
        sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1 sqrt(n_features)``: a warning says so.
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
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
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
    RobustFeatureRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Robust multi-task feature learning", KDD 2012.

    Examples
    --------
    >>> from malsar_py import RobustFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = RobustFeatureClassifier(lambda1=0.1, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """
