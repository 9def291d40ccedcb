"""Groups of tasks, or a subspace of features, learnt with the models: one spectral penalty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.utils._param_validation import Interval
from threadpoolctl import threadpool_limits

from .._task_prior import TaskPrior
from .._typing import FloatArray, IntArray
from ..base import (
    AdaptingClassifier,
    AdaptingRegressor,
    BeyondData,
    MultiTaskClassifier,
    MultiTaskRegressor,
    Problem,
    ScaledColumns,
)
from ..penalties import MeanCoupling, Penalty, Ridge, SpectralBox, Structure, per_task, whole_tasks
from ..prox import box_theta
from ._common import CommonPart
from ._metrics import around, left_singular

# Singular values below this share of the largest are rounding.
_NO_DIRECTION = 1e-10
# From here on M, which is up to 1, is lost in the rounding of eta + M.
_LARGE_ETA = 1e12


@dataclass(kw_only=True, eq=False, repr=False)
class _SpectralBox(ScaledColumns, CommonPart):
    """Ridge lambda2 along the best k directions, lambda1 + lambda2 along the others, relaxed."""

    lambda2: float = 0.1

    _couples = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CommonPart._parameter_constraints,
        **ScaledColumns._parameter_constraints,
        "lambda2": [Interval(Real, 0, None, closed="neither")],
    }
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 2.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda2": "size"}
    _ridge_on_all: ClassVar[bool] = False
    # The parameter that is k.
    _dimension: ClassVar[str]

    def _k(self, n_tasks: int) -> int:
        k: int = getattr(self, self._dimension)
        if n_tasks == 1:
            return 1
        if k > n_tasks:
            raise BeyondData(
                f"{self._dimension}={k} must be at most the number of tasks, {n_tasks}."
            )
        return k

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        shape = self._shape(problem)
        k = self._k(shape[1])
        if lambda1 == 0.0 or k >= min(shape):
            # What the penalty is in these limits.
            if not self.common:
                return Ridge(lambda2)
            return MeanCoupling(lambda2, problem.n_tasks, problem.n_classes)
        return self._around(self._box(SpectralBox(lambda1, lambda2, k), problem), problem)

    def _shape(self, problem: Problem) -> tuple[int, int]:
        """Of the matrix whose singular values are penalised."""
        return problem.n_features, problem.n_columns

    def _box(self, box: SpectralBox, problem: Problem) -> Structure:
        return box

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        own = self._specific if self.common else W
        self._read_off(self._as_penalised(own, problem), problem)

    @abstractmethod
    def _read_off(self, W: FloatArray, problem: Problem) -> None:
        """Set what the model reads off W, or off what the tasks add to the common model."""

    def _metric(self, W: FloatArray) -> TaskPrior:
        center, V, more = around(W, self.common)
        d, n_tasks = V.shape
        k = self._k(n_tasks)
        if self.lambda1 == 0.0 or k >= min(d, n_tasks):
            return TaskPrior(center, None, np.full(d, more / self.lambda2))
        axes, s = left_singular(V)
        eta = self.lambda2 / self.lambda1
        rank = int((s > _NO_DIRECTION * s.max(initial=0.0)).sum())
        # Directions that are not used yet cost the ridge alone while there are fewer than k.
        theta = np.full(d, 1.0 + eta if rank < k else eta)
        theta[:rank] = 1.0 + eta
        if rank > k:
            m = min(d, n_tasks)
            theta[:m] = box_theta(np.ascontiguousarray(s[:m]), k, eta)[0]
        return TaskPrior(center, axes, more * theta / (self.lambda2 * (1.0 + eta)))


@dataclass(kw_only=True, eq=False, repr=False)
class _Clustered(_SpectralBox):
    n_clusters: int = 2
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_SpectralBox._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    _dimension: ClassVar[str] = "n_clusters"
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *_SpectralBox._penalty_parameters,
        "n_clusters",
    )

    def _shape(self, problem: Problem) -> tuple[int, int]:
        return problem.n_features * problem.n_classes, problem.n_tasks

    def _box(self, box: SpectralBox, problem: Problem) -> Structure:
        return per_task(box, problem.n_classes)  # clusters are of tasks, with all their classes

    def _read_off(self, W: FloatArray, problem: Problem) -> None:
        k, W = self._k(problem.n_tasks), whole_tasks(W, problem.n_classes)
        self.task_membership_, directions = _membership(W, k, self.lambda1, self.lambda2)
        self.task_labels_ = _kmeans(directions, k, self.random_state)


@dataclass(kw_only=True, eq=False, repr=False)
class _SharedSubspace(_SpectralBox):
    n_components: int = 2

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_SpectralBox._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }
    _dimension: ClassVar[str] = "n_components"
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *_SpectralBox._penalty_parameters,
        "n_components",
    )

    def _read_off(self, W: FloatArray, problem: Problem) -> None:
        # M shares the eigenvectors of WW', in the same order.
        directions = scipy.linalg.svd(W, full_matrices=False, check_finite=False)[0].T
        top = directions[: self._k(problem.n_columns)]
        largest = np.take_along_axis(top, np.abs(top).argmax(axis=1)[:, None], axis=1)
        self.components_ = np.ascontiguousarray(top * np.where(largest < 0.0, -1.0, 1.0))


def _membership(
    W: FloatArray, k: int, lambda1: float, lambda2: float
) -> tuple[FloatArray, FloatArray]:
    """The minimising M, and the top k eigenvectors of M (n_tasks, k)."""
    n_tasks, m = W.shape[1], min(W.shape)
    _, s, directions = scipy.linalg.svd(W, full_matrices=m < k, check_finite=False)
    s = np.concatenate([s, np.zeros(n_tasks - m)])
    rank = int((s > _NO_DIRECTION * s.max(initial=0.0)).sum())
    share = np.zeros(n_tasks)
    if rank <= k or lambda1 == 0.0:
        # Every direction W uses is wholly in M; what is left of the trace changes nothing: spread
        # it.
        share[:rank] = min(1.0, k / rank) if rank else 0.0
        if rank < n_tasks:
            share[rank:] = max(k - rank, 0) / (n_tasks - rank)
    else:
        eta = lambda2 / lambda1
        if eta < _LARGE_ETA:
            share[:m] = box_theta(np.ascontiguousarray(s[:m]), k, eta)[0] - eta
        else:  # the limit
            share[:k] = 1.0
    # All directions that W does not use have one share: their part of M is a multiple of what is
    # left of the identity.
    rest = share[-1] if m < n_tasks else 0.0
    used = directions[:m]
    M = (used.T * (share[:m] - rest)) @ used
    M.flat[:: n_tasks + 1] += rest
    return M, directions[:k].T


def _kmeans(points: FloatArray, k: int, random_state: Any) -> IntArray:
    from sklearn.cluster import (
        KMeans,
    )  # late: a third of sklearn would come with the import of this package

    # One OpenMP thread: the points are few, and a process forked after a team of them would hang.
    with threadpool_limits(limits=1, user_api="openmp"):
        found = KMeans(n_clusters=k, n_init=10, random_state=random_state).fit(points)
    return found.labels_.astype(np.intp)


@dataclass(kw_only=True, eq=False, repr=False)
class ClusteredRegressor(_Clustered, AdaptingRegressor):
    """Clustered multi-task regression (CMTL): the tasks form k groups of similar models.

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W (eta I + M)^-1 W')
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1``: lambda1 weighs scatter within clusters, lambda2 is the ridge.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.1
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in (0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    n_clusters : int, default=2
        Number k of clusters of tasks, in [1, n_tasks]; with one task it is capped at 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the k-means behind `task_labels_`; the coefficients do not depend on it.
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
    task_membership_ : ndarray of shape (n_tasks, n_tasks)
        The minimising M: near 1/size within a cluster of that size, near 0 between clusters.
    task_labels_ : ndarray of shape (n_tasks,)
        Cluster 0, ..., n_clusters - 1 of each task: k-means on the top k eigenvectors of M.
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
    TraceNormRegressor : The tasks share a subspace.

    Notes
    -----
    M shares the eigenvectors of W'W and can be minimised out: what is left is the squared spectral
    box norm of W [2]_, convex, with an exact prox. Coefficients of rank at most k cost nothing but
    ridge. ``lambda1 = 0`` and ``n_clusters >= min(n_features, n_tasks)`` are plain ridge.

    References
    ----------
    .. [1] J. Zhou, J. Chen, J. Ye, "Clustered multi-task learning via alternating structure
       optimization", NIPS 2011.
    .. [2] A. M. McDonald, M. Pontil, D. Stamos, "New perspectives on k-support and cluster norms",
       JMLR 17, 2016.
    .. [3] L. Jacob, F. Bach, J.-P. Vert, "Clustered multi-task learning: a convex formulation",
       NIPS 2008.

    Examples
    --------
    >>> from malsar_py import ClusteredRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=8, n_clusters=2, random_state=0)
    >>> model = ClusteredRegressor(lambda1=1.0, lambda2=0.1, n_clusters=2, random_state=0)
    >>> model.fit(X, y, tasks=tasks).task_labels_.shape
    (8,)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class ClusteredClassifier(_Clustered, AdaptingClassifier):
    """Clustered multi-task logistic regression (CMTL): the tasks form k groups of similar models.

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W (eta I + M)^-1 W')
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1``: lambda1 weighs scatter within clusters, lambda2 is the ridge.

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
    lambda2 : float, default=0.1
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in (0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    n_clusters : int, default=2
        Number k of clusters of tasks, in [1, n_tasks]; with one task it is capped at 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the k-means behind `task_labels_`; the coefficients do not depend on it.
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
    task_membership_ : ndarray of shape (n_tasks, n_tasks)
        The minimising M: near 1/size within a cluster of that size, near 0 between clusters.
    task_labels_ : ndarray of shape (n_tasks,)
        Cluster 0, ..., n_clusters - 1 of each task: k-means on the top k eigenvectors of M.
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
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.

    See Also
    --------
    ClusteredRegressor : The same penalty with the squared loss, and notes on how it is solved.

    References
    ----------
    .. [1] J. Zhou, J. Chen, J. Ye, "Clustered multi-task learning via alternating structure
       optimization", NIPS 2011.

    Examples
    --------
    >>> from malsar_py import ClusteredClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=8, n_clusters=2, classification=True, random_state=0)
    >>> model = ClusteredClassifier(lambda1=0.1, lambda2=0.01, n_clusters=2, random_state=0)
    >>> model.fit(X, y, tasks=tasks).task_membership_.shape
    (8, 8)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class SharedSubspaceRegressor(_SharedSubspace, MultiTaskRegressor):
    """Shared subspace (cASO, convex alternating structure optimisation).

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W' (eta I + M)^-1 W)
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1`` and M (n_features x n_features): coefficients within the shared
    subspace pay the ridge lambda2, others lambda1 in addition, up to the relaxation.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.1
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in (0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    n_components : int, default=2
        Dimension k of the shared subspace, in [1, n_tasks]; with one task it is capped at 1.
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
    components_ : ndarray of shape (min(n_components, n_features), n_features)
        Orthonormal basis of the shared subspace: the top eigenvectors of the minimising M, the one
        that the coefficients use most first.
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

    See Also
    --------
    ClusteredRegressor : The same function of W, with M between tasks.
    TraceNormRegressor : A shared subspace of no given dimension.

    Notes
    -----
    With M minimised out this is the same function of W as in :class:`ClusteredRegressor` with as
    many clusters: the two models predict alike and differ in what is read off. ``lambda1 = 0`` and
    ``n_components >= min(n_features, n_tasks)`` are plain ridge.

    References
    ----------
    .. [1] J. Chen, L. Tang, J. Liu, J. Ye, "A convex formulation for learning shared structures
       from multiple tasks", ICML 2009.
    .. [2] R. K. Ando, T. Zhang, "A framework for learning predictive structures from multiple tasks
       and unlabeled data", JMLR 6, 2005.
    .. [3] A. M. McDonald, M. Pontil, D. Stamos, "New perspectives on k-support and cluster norms",
       JMLR 17, 2016.

    Examples
    --------
    >>> from malsar_py import SharedSubspaceRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, random_state=0)
    >>> model = SharedSubspaceRegressor(lambda1=1.0, lambda2=0.1, n_components=2)
    >>> model.fit(X, y, tasks=tasks).components_.shape
    (2, 20)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class SharedSubspaceClassifier(_SharedSubspace, MultiTaskClassifier):
    """Shared subspace logistic regression (cASO).

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W' (eta I + M)^-1 W)
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1`` and M (n_features x n_features): coefficients within the shared
    subspace pay the ridge lambda2, others lambda1 in addition, up to the relaxation.

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
    lambda2 : float, default=0.1
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in (0, inf).
    common : bool, default=False
        Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
        (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk
        intercepts: tasks with few rows are drawn to the common model, not to zero.
    feature_weight : array-like of shape (n_features,) or None, default=None
        Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f)
        W``, as if the columns of X had been divided by f.
    n_components : int, default=2
        Dimension k of the shared subspace, in [1, n_tasks]; with one task it is capped at 1.
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
    components_ : ndarray of shape (min(n_components, n_features), n_features)
        Orthonormal basis of the shared subspace: the top eigenvectors of the minimising M, the one
        that the coefficients use most first.
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
    SharedSubspaceRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] J. Chen, L. Tang, J. Liu, J. Ye, "A convex formulation for learning shared structures
       from multiple tasks", ICML 2009.

    Examples
    --------
    >>> from malsar_py import SharedSubspaceClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = SharedSubspaceClassifier(lambda1=0.1, lambda2=0.01, n_components=2)
    >>> model.fit(X, y, tasks=tasks).components_.shape
    (2, 20)
    """
