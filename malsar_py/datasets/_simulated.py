"""Simulated tasks whose coefficients have a known structure."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils import check_random_state, check_scalar

from .._typing import AnyArray, FloatArray, IntArray
from ..graphs import to_laplacian

__all__ = ["make_clustered", "make_graph", "make_joint_feature", "make_low_rank"]


def make_joint_feature(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    n_informative: int = 5,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks that use the same few features, each with its own coefficients.

    `n_informative` features, drawn once, have independent N(0, 1) coefficients in every task; the
    others have none. Features are independent N(0, 1).

    Parameters
    ----------
    n_tasks : int, default=10
        Number of tasks T.
    n_samples : int, (low, high) or sequence of length n_tasks, default=50
        Rows of a task: the same for all; a tuple of two for numbers drawn uniformly, both ends
        included; or a list or array of one number per task.
    n_features : int, default=20
        Number of features d.
    n_informative : int, default=5
        Number of features that matter, at most `n_features`.
    noise : float, default=1.0
        Standard deviation of the normal noise added to the target. Not used with `classification`.
    classification : bool, default=False
        Draw labels 0 and 1 from the logistic model ``P(1) = 1 / (1 + exp(-x . w))``. Where a
        task of several rows gets one class only, its least certain row is given the other.
    coef : bool, default=False
        Return the true coefficients too.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
        Rows of all tasks, in the order of the tasks.
    y : ndarray of shape (n_rows,)
        Target, or labels 0 and 1.
    tasks : ndarray of shape (n_rows,)
        Task of each row, 0 to T - 1.
    coef : ndarray of shape (n_tasks, n_features)
        True coefficients, only if `coef` is True. There are no intercepts.

    Examples
    --------
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks, W = make_joint_feature(3, (5, 9), coef=True, random_state=0)
    >>> W.shape, int((W != 0).any(axis=0).sum())
    ((3, 20), 5)
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 1, n_features, n_informative=n_informative)
    W = np.zeros((n_tasks, n_features))
    informative = rng.choice(n_features, n_informative, replace=False)
    W[:, informative] = rng.standard_normal((n_tasks, n_informative))
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_low_rank(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    rank: int = 2,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks whose coefficients lie in a subspace of dimension `rank`.

    The coefficient matrix is the product of a (T, rank) and a (rank, d) standard normal matrix,
    divided by ``sqrt(rank)``.

    Parameters
    ----------
    n_tasks, n_samples, n_features : int, default=10, 50 and 20
        As in `make_joint_feature`.
    rank : int, default=2
        Rank of the coefficient matrix, at most the smaller of `n_tasks` and `n_features`.
    noise : float, default=1.0
        As in `make_joint_feature`.
    classification, coef : bool, default=False
        As in `make_joint_feature`.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X, y, tasks, coef : ndarray
        What `make_joint_feature` returns.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.datasets import make_low_rank
    >>> *_, W = make_low_rank(rank=3, coef=True, random_state=0)
    >>> int(np.linalg.matrix_rank(W))
    3
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 1, min(n_tasks, n_features), rank=rank)
    factors = rng.standard_normal((n_tasks, rank)), rng.standard_normal((rank, n_features))
    W = factors[0] @ factors[1] / np.sqrt(rank)
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_clustered(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    n_clusters: int = 2,
    cluster_std: float = 3.0,
    task_std: float = 0.5,
    n_common: int = 2,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate clusters of tasks: a centre per cluster and small deviations of its tasks [1]_.

    Each centre has its own block of features, so that centres are orthogonal; a task deviates from
    its centre on that block and on the last `n_common` features. Task t belongs to cluster
    ``t % n_clusters``.

    Parameters
    ----------
    n_tasks, n_samples, n_features : int, default=10, 50 and 20
        As in `make_joint_feature`.
    n_clusters : int, default=2
        Number of clusters, at most `n_tasks` and ``n_features - n_common``.
    cluster_std, task_std : float, default=3.0 and 0.5
        Standard deviation of the centres' coefficients and of the tasks' deviations.
    n_common : int, default=2
        Number of features in which every task deviates and no centre takes part.
    noise : float, default=1.0
        As in `make_joint_feature`.
    classification, coef : bool, default=False
        As in `make_joint_feature`.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X, y, tasks, coef : ndarray
        What `make_joint_feature` returns.

    References
    ----------
    .. [1] Jacob, L., Bach, F., Vert, J.-P. (2008). "Clustered multi-task learning: a convex
       formulation". NIPS 21, section 5.

    Examples
    --------
    >>> from malsar_py.datasets import make_clustered
    >>> *_, W = make_clustered(4, coef=True, random_state=0)
    >>> bool(((W[0] - W[2]) ** 2).sum() < ((W[0] - W[1]) ** 2).sum())
    True
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Integral, 0, n_features - 1, n_common=n_common)
    own = n_features - n_common
    _check(Integral, 1, min(n_tasks, own), n_clusters=n_clusters)
    _check(Real, 0, cluster_std=cluster_std, task_std=task_std)
    blocks = np.zeros((n_clusters, n_features))
    for cluster, block in enumerate(np.array_split(np.arange(own), n_clusters)):
        blocks[cluster, block] = 1.0
    member = np.arange(n_tasks) % n_clusters
    centres = cluster_std * blocks * rng.standard_normal(blocks.shape)
    free = blocks[member]
    free[:, own:] = 1.0
    W = centres[member] + task_std * free * rng.standard_normal(free.shape)
    return _simulate(W, n_samples, noise, classification, coef, rng)


def make_graph(
    n_tasks: int = 10,
    n_samples: Any = 50,
    n_features: int = 20,
    *,
    graph: Any = "chain",
    smoothness: float = 10.0,
    noise: float = 1.0,
    classification: bool = False,
    coef: bool = False,
    random_state: Any = None,
) -> tuple[AnyArray, ...]:
    """Simulate tasks whose coefficients vary smoothly over a graph.

    A feature's coefficients over the tasks are drawn from ``N(0, (I + smoothness * L)^-1)``, L the
    Laplacian of the graph: the prior under which `GraphRegressor` is the posterior mode.

    Parameters
    ----------
    n_tasks, n_samples, n_features : int, default=10, 50 and 20
        As in `make_joint_feature`.
    graph : str, array, edges, networkx graph or wrapper, default="chain"
        What the parameter ``graph`` of `GraphRegressor` takes, for the tasks 0 to T - 1: pass the
        same value to both.
    smoothness : float, default=10.0
        0 for unrelated tasks; large for equal ones within each connected component.
    noise : float, default=1.0
        As in `make_joint_feature`.
    classification, coef : bool, default=False
        As in `make_joint_feature`.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X, y, tasks, coef : ndarray
        What `make_joint_feature` returns.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.datasets import make_graph
    >>> *_, W = make_graph(smoothness=100.0, coef=True, random_state=0)
    >>> bool(np.abs(np.diff(W, axis=0)).mean() < np.abs(W).mean())
    True
    """
    rng = check_random_state(random_state)
    _check(Integral, 1, n_tasks=n_tasks, n_features=n_features)
    _check(Real, 0, smoothness=smoothness)
    values, vectors = np.linalg.eigh(to_laplacian(graph, np.arange(n_tasks)))
    spread = 1.0 / np.sqrt(1.0 + smoothness * np.maximum(values, 0.0))
    W = vectors @ (spread[:, None] * rng.standard_normal((n_tasks, n_features)))
    return _simulate(W, n_samples, noise, classification, coef, rng)


def _simulate(
    W: FloatArray, n_samples: Any, noise: float, classification: bool, coef: bool, rng: Any
) -> tuple[AnyArray, ...]:
    """Rows of the tasks with coefficients W (n_tasks, n_features)."""
    _check(Real, 0, noise=noise)
    counts = _row_counts(n_samples, len(W), rng)
    tasks = np.repeat(np.arange(len(W)), counts)
    X = rng.standard_normal((len(tasks), W.shape[1]))
    score = np.einsum("ij,ij->i", X, W[tasks])
    if classification:
        y = (rng.uniform(size=len(score)) < expit(score)).astype(np.int64)
        for rows in np.split(np.arange(len(y)), np.cumsum(counts)[:-1]):
            if len(rows) > 1 and y[rows].min() == y[rows].max():
                y[rows[np.argmin(np.abs(score[rows]))]] ^= 1
    else:
        y = score + noise * rng.standard_normal(len(score))
    return (X, y, tasks, W) if coef else (X, y, tasks)


def _row_counts(n_samples: Any, n_tasks: int, rng: Any) -> IntArray:
    values = np.asarray(n_samples)
    if values.dtype.kind not in "iu":
        raise TypeError(f"n_samples must be made of integers, got {n_samples!r}.")
    if values.min() < 1:
        raise ValueError(f"n_samples must be at least 1 for every task, got {n_samples!r}.")
    if isinstance(n_samples, tuple) and len(n_samples) == 2:
        low, high = n_samples
        _check(Integral, low, high=high)
        return np.asarray(rng.randint(low, high + 1, size=n_tasks), dtype=np.intp)
    if values.ndim and values.shape != (n_tasks,):
        raise ValueError(f"n_samples has shape {values.shape}, but n_tasks={n_tasks}.")
    return np.broadcast_to(values, (n_tasks,)).astype(np.intp)


def _check(kind: type, low: int, high: int | None = None, /, **values: Any) -> None:
    for name, value in values.items():
        check_scalar(value, name, kind, min_val=low, max_val=high)
