"""Ordered tasks, such as time points: neighbours in the order have similar models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._labels import as_labels, match_keys, show_label
from .._typing import IntArray
from ..base import (
    NONNEGATIVE,
    MultiTaskClassifier,
    MultiTaskEstimator,
    MultiTaskRegressor,
    Problem,
)
from ..graphs import to_laplacian
from ..penalties import ChainCoupling, Coupling, Penalty, Ridge, RowL2, fused_rows


@dataclass(kw_only=True, eq=False, repr=False)
class OrderedTasks(MultiTaskEstimator):
    """Template of models whose tasks follow each other."""

    task_order: Any = None

    _couples = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "task_order": ["array-like", None],
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "task_order",
    )

    def _order(self, problem: Problem) -> IntArray:
        """Positions in `tasks_`, as the tasks follow each other."""
        if self.task_order is None:
            return np.arange(problem.n_tasks)
        labels = as_labels(self.task_order, "task_order")
        position = {key: t for t, key in enumerate(match_keys(problem.tasks, labels))}
        order = [position[key] for key in match_keys(labels, problem.tasks) if key in position]
        times = np.bincount(np.array(order, np.intp), minlength=problem.n_tasks)
        for t in np.flatnonzero(times != 1)[:1]:
            fault = "does not hold" if times[t] == 0 else "repeats"
            raise ValueError(
                f"task_order {fault} the fitted task {show_label(problem.tasks, t)}: "
                "list the label of every task once."
            )
        return np.array(order, np.intp)


@dataclass(kw_only=True, eq=False, repr=False)
class _TemporalGroup(OrderedTasks):
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OrderedTasks._parameter_constraints,
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 1.0,
        "lambda2": 2.0,
        "lambda3": 2.0,
    }
    _terms: ClassVar[Mapping[str, str]] = {
        "lambda1": "norm",
        "lambda2": "ridge",
        "lambda3": "coupling",
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*OrderedTasks._penalty_parameters, "lambda3")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        rank = np.argsort(self._order(problem))
        if problem.n_classes == 1 and np.array_equal(rank, np.arange(len(rank))):
            return RowL2(lambda1) + ChainCoupling(lambda3, len(rank)) + Ridge(lambda2)
        chain = to_laplacian("chain", problem.tasks)[np.ix_(rank, rank)]
        coupling = Coupling(lambda3, chain, problem.n_classes)
        return RowL2(lambda1) + coupling + Ridge(lambda2)


@dataclass(kw_only=True, eq=False, repr=False)
class TemporalGroupRegressor(_TemporalGroup, MultiTaskRegressor):
    """Temporal group lasso (TGL): ordered tasks share features, and neighbours are similar.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2
                + lambda3/2 sum_t ||w_(t+1) - w_t||^2

    where t + 1 is the task after t in `task_order`.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    lambda3 : float, default=0.0
        Strength of ``1/2 sum_t ||w_(t+1) - w_t||^2`` over neighbours in the order, in [0, inf).
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
    FusedSparseGroupRegressor : Neighbours are equal but for a few jumps.
    JointFeatureRegressor : The same without an order (``lambda3 = 0``).
    GraphRegressor : Neighbours in any graph, without joint features.

    Notes
    -----
    Tasks are time points in [1]_: the same patients at later and later visits. A label that was not
    fitted has no place in the order; ``unseen="mean"`` predicts with the mean of all tasks.

    References
    ----------
    .. [1] J. Zhou, L. Yuan, J. Liu, J. Ye, "A multi-task learning formulation for predicting
       disease progression", KDD 2011.

    Examples
    --------
    >>> from malsar_py import TemporalGroupRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = TemporalGroupRegressor(lambda1=0.5, lambda3=1.0, task_order=[3, 2, 0, 1])
    >>> model.fit(X, y, tasks=tasks).relative_gap_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class TemporalGroupClassifier(_TemporalGroup, MultiTaskClassifier):
    """Temporal group lasso (TGL) for classes: ordered tasks share features, neighbours are similar.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2
                + lambda3/2 sum_t ||w_(t+1) - w_t||^2

    where t + 1 is the task after t in `task_order`.

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
    lambda3 : float, default=0.0
        Strength of ``1/2 sum_t ||w_(t+1) - w_t||^2`` over neighbours in the order, in [0, inf).
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
    TemporalGroupRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] J. Zhou, L. Yuan, J. Liu, J. Ye, "A multi-task learning formulation for predicting
       disease progression", KDD 2011.

    Examples
    --------
    >>> from malsar_py import TemporalGroupClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = TemporalGroupClassifier(lambda1=0.02, lambda3=0.1).fit(X, y, tasks=tasks)
    >>> model.predict_proba(X[:3], tasks=tasks[:3]).shape
    (3, 2)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _FusedSparseGroup(OrderedTasks):
    _multi_class: ClassVar[bool] = False
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OrderedTasks._parameter_constraints,
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 1.0,
        "lambda2": 1.0,
        "lambda3": 1.0,
    }
    _terms: ClassVar[Mapping[str, str]] = dict.fromkeys(_strengths, "norm")
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*OrderedTasks._penalty_parameters, "lambda3")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        strengths = {"group": lambda1, "fused": lambda2, "sparse": lambda3}
        return fused_rows(problem.n_features, self._order(problem), **strengths)


@dataclass(kw_only=True, eq=False, repr=False)
class FusedSparseGroupRegressor(_FusedSparseGroup, MultiTaskRegressor):
    """Convex fused sparse group lasso (cFSGL): a feature's weight changes at few places in time.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2 sum_jt |w_j(t+1) - w_jt|
                + lambda3 sum_jt |w_jt|

    where t + 1 is the task after t in `task_order`.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of ``sum_jt |w_j(t+1) - w_jt|`` over neighbours in the order, in [0, inf).
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
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
    TemporalGroupRegressor : Neighbours are similar, and a ridge.
    NonconvexFusedRegressor : Penalties that shrink what they keep less.

    Notes
    -----
    The prox is exact: one-dimensional total variation of each row by dynamic programming [2]_, then
    a soft threshold, then shrinkage of the row. Neighbours that are fused have exactly the same
    coefficient. Without group and sparse terms (``lambda1 = lambda3 = 0``) the mean of a row over
    the tasks carries no penalty.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.
    .. [2] N. A. Johnson, "A dynamic programming algorithm for the fused lasso and L0-segmentation",
       J. Computational and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> from malsar_py import FusedSparseGroupRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = FusedSparseGroupRegressor(lambda1=0.5, lambda2=100.0).fit(X, y, tasks=tasks)
    >>> bool((model.coef_ == model.coef_[0]).all())
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class FusedSparseGroupClassifier(_FusedSparseGroup, MultiTaskClassifier):
    """Convex fused sparse group lasso (cFSGL) for classes: weights change at few places in time.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2 sum_jt |w_j(t+1) - w_jt|
                + lambda3 sum_jt |w_jt|

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
        Strength of ``sum_jt |w_j(t+1) - w_jt|`` over neighbours in the order, in [0, inf).
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
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
    classes_ : ndarray of shape (2,)
        Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
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
    FusedSparseGroupRegressor : The same penalty with the squared loss, and notes on its prox.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import FusedSparseGroupClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = FusedSparseGroupClassifier(lambda1=0.02, lambda2=0.02).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """
