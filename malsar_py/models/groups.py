"""Groups of features: chosen together, over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from .._labels import as_labels, factorize, match_keys, object_array, show_label
from .._typing import AnyArray, FloatArray, IntArray
from ..base import (
    NONNEGATIVE,
    MultiTaskClassifier,
    MultiTaskEstimator,
    MultiTaskRegressor,
    Problem,
)
from ..penalties import Penalty, Ridge, feature_groups


@dataclass(kw_only=True, eq=False, repr=False)
class _GroupFeature(MultiTaskEstimator):
    _takes_sparse: ClassVar[bool] = True
    feature_groups: Any = None
    group_weight: Mapping[Any, float] | None = None
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "feature_groups": ["array-like", None],
        "group_weight": [Mapping, None],
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 2.0, "lambda3": 1.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "norm", "lambda2": "ridge", "lambda3": "norm"}
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "feature_groups",
        "group_weight",
        "lambda3",
    )

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        names, codes = self._groups(problem.n_features)
        weights = self._weights(names, codes)
        return feature_groups(codes, weights, group=lambda1, sparse=lambda3) + Ridge(lambda2)

    def _groups(self, n_features: int) -> tuple[AnyArray, IntArray]:
        """Labels of the groups, and the position of each feature's among them."""
        if self.feature_groups is None:
            return np.arange(n_features), np.arange(n_features)
        labels = as_labels(self.feature_groups, "feature_groups", "group label")
        if len(labels) != n_features:
            raise ValueError(
                f"feature_groups has {len(labels)} labels, but X has {n_features} features: give "
                "the group of each feature, in the order of the columns of X (but for the label "
                "column)."
            )
        return factorize(labels, "feature_groups")

    def _weights(self, names: AnyArray, codes: IntArray) -> FloatArray:
        if self.group_weight is None:
            return np.sqrt(np.bincount(codes))
        given = dict(
            zip(
                match_keys(object_array(self.group_weight), names),
                self.group_weight.values(),
                strict=True,
            )
        )
        weights = np.empty(len(names))
        for g, key in enumerate(match_keys(names, object_array(self.group_weight))):
            weight = given.get(key)
            if weight is None:
                raise ValueError(f"group_weight has no weight for group {show_label(names, g)}.")
            if not isinstance(weight, Real) or not 0.0 < float(weight) < np.inf:
                raise ValueError(
                    f"group_weight must be finite and > 0, got {weight!r} for group "
                    f"{show_label(names, g)}."
                )
            weights[g] = weight
        return weights

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.feature_groups_, codes = self._groups(problem.n_features)
        used = np.bincount(codes, W.any(axis=1), minlength=len(self.feature_groups_)) > 0.0
        self.selected_groups_ = self.feature_groups_[used]


@dataclass(kw_only=True, eq=False, repr=False)
class GroupFeatureRegressor(_GroupFeature, MultiTaskRegressor):
    """Multi-task group lasso: groups of features count for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_g weight_g ||W_g||_F + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with W_g the rows of W (features) in group g; the groups are disjoint.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    feature_groups : array-like of shape (n_features,), default=None
        The group of each feature, by any label, in the order of the columns of X without the label
        column. None: every feature is a group by itself.
    group_weight : mapping, default=None
        ``{group: weight}``, weights in (0, inf); None: the square root of the number of features.
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
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
    feature_groups_ : ndarray of shape (n_groups,)
        Labels of the groups.
    selected_groups_ : ndarray
        Labels of those with a coefficient that is not zero.
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
    JointFeatureRegressor : Every feature is a group by itself.
    malsar_py.penalties.FeatureGroups : The penalty.

    Notes
    -----
    Groups of one feature each are :class:`JointFeatureRegressor`. With ``lambda3 > 0`` (sparse
    group lasso) single coefficients inside of a selected group may be zero.

    References
    ----------
    .. [1] M. Yuan, Y. Lin, "Model selection and estimation in regression with grouped variables",
       J. Royal Statistical Society B 68, 2006.
    .. [2] N. Simon, J. Friedman, T. Hastie, R. Tibshirani, "A sparse-group lasso", J. Computational
       and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> from malsar_py import GroupFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> groups = [j // 5 for j in range(X.shape[1])]
    >>> model = GroupFeatureRegressor(feature_groups=groups, lambda1=0.2).fit(X, y, tasks=tasks)
    >>> len(model.feature_groups_), model.relative_gap_ <= model.tol
    (4, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class GroupFeatureClassifier(_GroupFeature, MultiTaskClassifier):
    """Multi-task group lasso for classes: groups of features count for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_g weight_g ||W_g||_F + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with W_g the rows of W (features) in group g; the groups are disjoint.

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
    feature_groups : array-like of shape (n_features,), default=None
        The group of each feature, by any label, in the order of the columns of X without the label
        column. None: every feature is a group by itself.
    group_weight : mapping, default=None
        ``{group: weight}``, weights in (0, inf); None: the square root of the number of features.
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
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
    feature_groups_ : ndarray of shape (n_groups,)
        Labels of the groups.
    selected_groups_ : ndarray
        Labels of those with a coefficient that is not zero.
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
    GroupFeatureRegressor : The same penalty with numbers as targets.

    References
    ----------
    .. [1] L. Meier, S. van de Geer, P. Bühlmann, "The group lasso for logistic regression",
       J. Royal Statistical Society B 70, 2008.

    Examples
    --------
    >>> from malsar_py import GroupFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> groups = [j // 5 for j in range(X.shape[1])]
    >>> model = GroupFeatureClassifier(feature_groups=groups, lambda1=0.03).fit(X, y, tasks=tasks)
    >>> model.predict(X[:3], tasks=tasks[:3]).shape
    (3,)
    """
