"""Non-convex penalties, which shrink large coefficients less: solved in convex stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._typing import FloatArray
from ..base import MultiTaskClassifier, MultiTaskRegressor, Problem
from ..penalties import CappedRows, Concave, FusedRoots, RootRows
from ._staged import Staged
from .temporal import OrderedTasks

_POSITIVE = [Interval(Real, 0, None, closed="neither")]


@dataclass(kw_only=True, eq=False, repr=False)
class _MultiStage(Staged):
    threshold: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        "threshold": _POSITIVE,
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*Staged._penalty_parameters, "threshold")
    _sizes: ClassVar[tuple[str, ...]] = ("threshold",)
    _free_features: ClassVar[str] = "features past the threshold, which cost nothing,"
    _against_separation: ClassVar[str] = "Set lambda2 > 0 or raise threshold."

    def _concave(
        self, problem: Problem, lambda1: float, lambda2: float, threshold: float
    ) -> Concave:
        return CappedRows(lambda1, threshold, lambda2)


@dataclass(kw_only=True, eq=False, repr=False)
class MultiStageRegressor(_MultiStage, MultiTaskRegressor):
    """Multi-stage feature learning (capped L1): features that clearly count are not shrunk.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j min(||w^j||_1, threshold) + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    threshold : float, default=1.0
        Size theta of ``||w^j||_1`` from which a feature costs no more, in the units of W.
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
    solver : "auto", "apg" or "active-set", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    LassoRegressor : The first stage.
    MultiLevelLassoRegressor : A square root of every feature's size.

    Notes
    -----
    The first stage is the Lasso, that is, the start is W = 0. Every later stage is a Lasso in which
    the features with ``||w^j||_1 >= threshold`` are free; the fit ends when the same are free as
    before. With ``warm_start=True`` the last coefficients take the place of the first stage. Free
    features must be fewer than a task's samples, or ``lambda2 > 0``, for a unique solution.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Multi-stage multi-task feature learning", NIPS 2012.
    .. [2] T. Zhang, "Analysis of multi-stage convex relaxation for sparse regularization",
       JMLR 11, 2010.

    Examples
    --------
    >>> from malsar_py import MultiStageRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = MultiStageRegressor(lambda1=0.2, threshold=1.0).fit(X, y, tasks=tasks)
    >>> model.n_stages_ > 1, model.optimality_ <= model.tol
    (True, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class MultiStageClassifier(_MultiStage, MultiTaskClassifier):
    """Multi-stage feature learning (capped L1) for classes: clear features are not shrunk.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j min(||w^j||_1, threshold) + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    threshold : float, default=1.0
        Size theta of ``||w^j||_1`` from which a feature costs no more, in the units of W.
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
    solver : "auto", "apg" or "active-set", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    classes_ : ndarray of shape (2,)
        Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    MultiStageRegressor : The same penalty with the squared loss, and notes on its stages.

    Notes
    -----
    Where features that are free separate the classes of a task there is no finite minimiser, and
    the fit ends with a ConvergenceWarning: set ``lambda2 > 0``.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Multi-stage multi-task feature learning", NIPS 2012.

    Examples
    --------
    >>> from malsar_py import MultiStageClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = MultiStageClassifier(lambda1=0.02, lambda2=0.01, threshold=0.5)
    >>> model.fit(X, y, tasks=tasks).optimality_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _MultiLevelLasso(Staged):
    lambda2: float = 0.1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        "lambda1": _POSITIVE,
        "lambda2": _POSITIVE,
    }

    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 0.5, "lambda2": 0.5}

    def _concave(self, problem: Problem, lambda1: float, lambda2: float) -> Concave:
        mean = float(np.sqrt(lambda1) * np.sqrt(lambda2))
        return RootRows(2.0 * mean, problem.units.linear(mean))

    def _lambda1_max(self, prepared: Any) -> None:
        """W = 0 is a local minimum whatever lambda1 is."""

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.feature_weights_ = np.sqrt(np.abs(W).sum(axis=1)) * (
            np.sqrt(self.lambda2) / np.sqrt(self.lambda1)
        )


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLevelLassoRegressor(_MultiLevelLasso, MultiTaskRegressor):
    """Multi-level Lasso: a feature's weight for all tasks times one for each task.

    Descends over ``w_jt = theta_j gamma_jt``, ``theta >= 0``, and b to a stationary point of::

        F(W, b) + lambda1 sum_j theta_j + lambda2 sum_jt |gamma_jt|

    With theta and gamma minimised out this is ``F(W, b) + 2 sqrt(lambda1 lambda2) sum_j
    sqrt(||w^j||_1)``.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.1
        Strength of ``sum_jt |gamma_jt|``, in (0, inf).
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
    solver : "auto", "apg" or "active-set", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    feature_weights_ : ndarray of shape (n_features,)
        theta_j: what the tasks share of a feature's coefficients; 0 for features that are not used.
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises (with the square roots smoothed, see the
        notes); the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    JointFeatureRegressor : A convex penalty that takes features for all tasks or for none.
    MultiStageRegressor : No shrinkage at all above a threshold.

    Notes
    -----
    Only the product of lambda1 and lambda2 matters to W; both must be positive. The first stage is
    the Lasso with ``sqrt(lambda1 lambda2)``; every later one a Lasso with the row weights
    ``sqrt(lambda1 lambda2 / (||w^j||_1 + eps))``, eps 1e-12 times the largest ``||w^j||_1`` of the
    first, so that features the first stage leaves out stay out. `objective_` has ``sqrt(. + eps) -
    sqrt(eps)`` for the roots. W = 0 is a local minimum for any lambda.

    References
    ----------
    .. [1] A. C. Lozano, G. Swirszcz, "Multi-level lasso for sparse multi-task regression",
       ICML 2012.

    Examples
    --------
    >>> from malsar_py import MultiLevelLassoRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = MultiLevelLassoRegressor(lambda1=0.2, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> bool(((model.feature_weights_ > 0) == model.coef_.any(axis=0)).all())
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLevelLassoClassifier(_MultiLevelLasso, MultiTaskClassifier):
    """Multi-level Lasso for classes: a feature's weight for all tasks times one for each task.

    Descends over ``w_jt = theta_j gamma_jt``, ``theta >= 0``, and b to a stationary point of::

        F(W, b) + lambda1 sum_j theta_j + lambda2 sum_jt |gamma_jt|

    With theta and gamma minimised out this is ``F(W, b) + 2 sqrt(lambda1 lambda2) sum_j
    sqrt(||w^j||_1)``.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.1
        Strength of ``sum_jt |gamma_jt|``, in (0, inf).
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
    solver : "auto", "apg" or "active-set", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    classes_ : ndarray of shape (2,)
        Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
    feature_weights_ : ndarray of shape (n_features,)
        theta_j: what the tasks share of a feature's coefficients; 0 for features that are not used.
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises (with the square roots smoothed, see the
        notes); the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    MultiLevelLassoRegressor : The same penalty with the squared loss, and notes on its stages.

    References
    ----------
    .. [1] A. C. Lozano, G. Swirszcz, "Multi-level lasso for sparse multi-task regression",
       ICML 2012.

    Examples
    --------
    >>> from malsar_py import MultiLevelLassoClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = MultiLevelLassoClassifier(lambda1=0.02, lambda2=0.02).fit(X, y, tasks=tasks)
    >>> model.feature_weights_.shape == (X.shape[1],)
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _NonconvexFused(Staged, OrderedTasks):
    formulation: int = 1
    beta: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        **OrderedTasks._parameter_constraints,
        "solver": [StrOptions({"auto", "apg"})],
        "formulation": [Interval(Integral, 1, 2, closed="both")],
        "beta": _POSITIVE,
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *OrderedTasks._penalty_parameters,
        "formulation",
        "beta",
    )

    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 0.5, "lambda2": 1.0}

    def _concave(self, problem: Problem, lambda1: float, lambda2: float) -> Concave:
        order, first = self._order(problem), self.formulation == 1
        if not first and self.lambda2 > 0.0:
            raise ValueError(
                f"lambda2={self.lambda2!r} belongs to formulation=1. With formulation=2, where "
                "lambda1 and beta weigh all terms, leave lambda2 at 0."
            )
        return FusedRoots(
            lambda1,
            problem.units.linear(lambda1),
            order=order,
            inner=0.0 if first else 1.0,
            sparse=1.0 if first else self.beta,
            outer=lambda2,
        )

    def _lambda1_max(self, prepared: Any) -> None:
        """W = 0 is a local minimum whatever lambda1 is."""


@dataclass(kw_only=True, eq=False, repr=False)
class NonconvexFusedRegressor(_NonconvexFused, MultiTaskRegressor):
    """Non-convex fused sparse group lasso (nFSGL1, nFSGL2) for ordered tasks.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j sqrt(||w^j||_1) + lambda2 sum_jt |w_j(t+1) - w_jt|

    with ``formulation=1``, or with ``formulation=2``::

        F(W, b) + lambda1 sum_j sqrt(sum_t |w_j(t+1) - w_jt| + beta ||w^j||_1)

    where t + 1 is the task after t in `task_order`.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of ``sum_jt |w_j(t+1) - w_jt|`` in formulation 1, in [0, inf); formulation 2 does
        not use it.
    formulation : 1 or 2, default=1
        What is under the square root: the sizes (nFSGL1), or sizes and differences (nFSGL2).
    beta : float, default=1.0
        Weight of the sizes beside the differences in formulation 2, in (0, inf).
    task_order : array-like of shape (n_labels,), default=None
        Task labels in their order, each fitted one once; labels of other tasks are passed over.
        With None it is that of `tasks_`: sorted labels, the categories of an ordered categorical in
        their order, or the columns of a 2-D y as they are.
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
    solver : "auto" or "apg", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises (with the square roots smoothed, see the
        notes); the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    FusedSparseGroupRegressor : The convex one.

    Notes
    -----
    The first stage has ``h`` in the place of ``sqrt(h)``: a fused Lasso. Every later one has the
    row weights ``1 / (2 sqrt(h + eps))``, eps 1e-12 times the largest h of the first, so that
    features the first stage leaves out stay out. `objective_` has ``sqrt(. + eps) - sqrt(eps)`` for
    the roots. W = 0 is a local minimum for any lambda. With ``warm_start=True`` the last
    coefficients take the place of the first stage.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import NonconvexFusedRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = NonconvexFusedRegressor(lambda1=0.2, lambda2=0.1).fit(X, y, tasks=tasks)
    >>> bool((model.objective_[1:] <= model.objective_[:-1]).all())
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class NonconvexFusedClassifier(_NonconvexFused, MultiTaskClassifier):
    """Non-convex fused sparse group lasso (nFSGL1, nFSGL2) for classes and ordered tasks.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j sqrt(||w^j||_1) + lambda2 sum_jt |w_j(t+1) - w_jt|

    with ``formulation=1``, or with ``formulation=2``::

        F(W, b) + lambda1 sum_j sqrt(sum_t |w_j(t+1) - w_jt| + beta ||w^j||_1)

    where t + 1 is the task after t in `task_order`.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of ``sum_jt |w_j(t+1) - w_jt|`` in formulation 1, in [0, inf); formulation 2 does
        not use it.
    formulation : 1 or 2, default=1
        What is under the square root: the sizes (nFSGL1), or sizes and differences (nFSGL2).
    beta : float, default=1.0
        Weight of the sizes beside the differences in formulation 2, in (0, inf).
    task_order : array-like of shape (n_labels,), default=None
        Task labels in their order, each fitted one once; labels of other tasks are passed over.
        With None it is that of `tasks_`: sorted labels, the categories of an ordered categorical in
        their order, or the columns of a 2-D y as they are.
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
    solver : "auto" or "apg", default="auto"
        How a stage is solved: by accelerated proximal gradient, or by working sets where the
        penalty separates over the features. "auto" takes the fastest that applies.
    tol : float, default=1e-6
        The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
    max_stages : int, default=100
        Largest number of stages, each a convex problem.
    max_iter : int, default=10000
        Largest number of accelerated steps in each stage; of outer rounds, at most 1000, with
        working sets.
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
    classes_ : ndarray of shape (2,)
        Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
    optimality_ : float
        How far `coef_` is from a stationary point: its duality gap as a solution of the convex
        problem that would be the next stage, divided by the objective at W = 0. Zero at a
        stationary point.
    n_stages_ : int
        Number of convex problems solved.
    objective_ : ndarray
        Objective after each stage, which never rises (with the square roots smoothed, see the
        notes); the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps of all stages.
    solver_ : str
        The solver that ran in the last stage, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    NonconvexFusedRegressor : The same penalty with the squared loss, and notes on its stages.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import NonconvexFusedClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = NonconvexFusedClassifier(formulation=2, lambda1=0.02).fit(X, y, tasks=tasks)
    >>> model.optimality_ <= model.tol
    True
    """
