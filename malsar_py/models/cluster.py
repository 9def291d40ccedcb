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

from .._docs import document
from .._task_prior import TaskPrior
from .._typing import FloatArray, IntArray
from ..base import (
    AdaptingRegressor,
    BeyondData,
    MultiTaskClassifier,
    MultiTaskRegressor,
    Problem,
    ScaledColumns,
)
from ..penalties import MeanCoupling, Penalty, Ridge, SpectralBox, Structure, per_task, whole_tasks
from ..prox import box_theta
from ._common import COMMON_ATTRIBUTES, COMMON_PARAMETER, CommonPart
from ._feature_weight import COLUMN_WEIGHTS
from ._metrics import around, left_singular

# Singular values below this share of the largest are rounding.
_NO_DIRECTION = 1e-10

_OWN_PARAMETERS = f"""\
{COMMON_PARAMETER}
{COLUMN_WEIGHTS}
    n_clusters : int, default=2
        Number k of clusters of tasks, in [1, n_tasks]; with one task it is capped at 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the k-means that reads `task_labels_` off the membership matrix; the coefficients
        do not depend on it."""

_OWN_ATTRIBUTES = f"""\
    task_membership_ : ndarray of shape (n_tasks, n_tasks)
        The minimising M: near 1/size within a cluster of that size, near 0 between clusters.
    task_labels_ : ndarray of shape (n_tasks,)
        Cluster 0, ..., n_clusters - 1 of each task: k-means on the top k eigenvectors of M.
{COMMON_ATTRIBUTES}"""


_SUBSPACE_PARAMETERS = f"""\
{COMMON_PARAMETER}
{COLUMN_WEIGHTS}
    n_components : int, default=2
        Dimension k of the shared subspace, in [1, n_tasks]; with one task it is capped at 1."""

_SUBSPACE_ATTRIBUTES = f"""\
    components_ : ndarray of shape (min(n_components, n_features), n_features)
        Orthonormal basis of the shared subspace: the top eigenvectors of the minimising M, the one
        that the coefficients use most first.
{COMMON_ATTRIBUTES}"""


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
            return MeanCoupling(lambda2, problem.n_tasks) if self.common else Ridge(lambda2)
        return self._around(self._box(SpectralBox(lambda1, lambda2, k), problem))

    def _shape(self, problem: Problem) -> tuple[int, int]:
        """Of the matrix whose singular values are penalised."""
        return problem.n_features, problem.n_columns

    def _box(self, box: SpectralBox, problem: Problem) -> Structure:
        return box

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        own = self.coef_specific_.T if self.common else W
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
    n_tasks = W.shape[1]
    _, s, directions = scipy.linalg.svd(W, full_matrices=True, check_finite=False)
    s = np.concatenate([s, np.zeros(n_tasks - s.shape[0])])[:n_tasks]
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
        m = min(W.shape)
        share[:m] = box_theta(np.ascontiguousarray(s[:m]), k, eta)[0] - eta
    return (directions.T * share) @ directions, directions[:k].T


def _kmeans(points: FloatArray, k: int, random_state: Any) -> IntArray:
    from sklearn.cluster import (
        KMeans,
    )  # late: a third of sklearn would come with the import of this package

    # One OpenMP thread: the points are few, and a process forked after a team of them would hang.
    with threadpool_limits(limits=1, user_api="openmp"):
        found = KMeans(n_clusters=k, n_init=10, random_state=random_state).fit(points)
    return found.labels_.astype(np.intp)


@document(
    "regressor",
    own_parameters=_OWN_PARAMETERS,
    own_attributes=_OWN_ATTRIBUTES,
    lambda2="0.1",
    lambda2_range="(0, inf)",
)
@dataclass(kw_only=True, eq=False, repr=False)
class ClusteredRegressor(_Clustered, AdaptingRegressor):
    """Clustered multi-task regression (CMTL): the tasks form k groups of similar models.

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W (eta I + M)^-1 W')
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1``: lambda1 weighs the (relaxed) scatter within clusters, lambda2
    is the ridge. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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


@document(
    "classifier",
    own_parameters=_OWN_PARAMETERS,
    own_attributes=_OWN_ATTRIBUTES,
    lambda2="0.1",
    lambda2_range="(0, inf)",
)
@dataclass(kw_only=True, eq=False, repr=False)
class ClusteredClassifier(_Clustered, MultiTaskClassifier):
    """Clustered multi-task logistic regression (CMTL): the tasks form k groups of similar models.

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W (eta I + M)^-1 W')
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1``: lambda1 weighs the (relaxed) scatter within clusters, lambda2
    is the ridge. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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


@document(
    "regressor",
    own_parameters=_SUBSPACE_PARAMETERS,
    own_attributes=_SUBSPACE_ATTRIBUTES,
    lambda2="0.1",
    lambda2_range="(0, inf)",
)
@dataclass(kw_only=True, eq=False, repr=False)
class SharedSubspaceRegressor(_SharedSubspace, MultiTaskRegressor):
    """Shared subspace (cASO, convex alternating structure optimisation).

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W' (eta I + M)^-1 W)
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1`` and M (n_features x n_features): coefficients within the shared
    subspace pay the ridge lambda2, others lambda1 in addition, up to the relaxation. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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


@document(
    "classifier",
    own_parameters=_SUBSPACE_PARAMETERS,
    own_attributes=_SUBSPACE_ATTRIBUTES,
    lambda2="0.1",
    lambda2_range="(0, inf)",
)
@dataclass(kw_only=True, eq=False, repr=False)
class SharedSubspaceClassifier(_SharedSubspace, MultiTaskClassifier):
    """Shared subspace logistic regression (cASO).

    Minimises over W, b and M::

        F(W, b) + lambda1 eta (1 + eta)/2 tr(W' (eta I + M)^-1 W)
        subject to 0 <= M <= I, tr M = k

    with ``eta = lambda2 / lambda1`` and M (n_features x n_features): coefficients within the shared
    subspace pay the ridge lambda2, others lambda1 in addition, up to the relaxation. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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
