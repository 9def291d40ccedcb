"""Tasks along a chain or a tree: block elimination from the leaves to the roots.

``H_t w_t + sum_u Q_tu w_u = r_t`` where each task meets one task that is eliminated later: one
inverse a task, however far the tasks are from each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from .. import _kernels
from .._typing import FloatArray, IntArray

Solve = Callable[[FloatArray], FloatArray]


# Numbers in all inverses, and features up to which each of them is soon made.
_NUMBERS = 2.5e7
_FEATURES = 200


def tree_of(Q: FloatArray) -> tuple[IntArray, IntArray] | None:
    """Tasks from the roots on, and the task each hangs on (-1: none); None where there are cycles.

    Two tasks meet where Q has an entry.
    """
    n_tasks = Q.shape[0]
    if np.count_nonzero(Q) > 3 * n_tasks:
        return None
    edges = csr_array(Q)
    edges.setdiag(0.0)
    edges.eliminate_zeros()
    if edges.nnz > 2 * (n_tasks - 1):
        return None
    parent = np.full(n_tasks, -1)
    order: list[IntArray] = []
    reached = np.zeros(n_tasks, dtype=bool)
    for root in range(n_tasks):
        if not reached[root]:
            found, before = breadth_first_order(edges, root, directed=False)
            reached[found] = True
            parent[found[1:]] = before[found[1:]]
            order.append(found)
    if edges.nnz > 2 * (n_tasks - len(order)):
        return None
    return np.concatenate(order), parent


def trees_pay(n_features: int, n_tasks: int) -> bool:
    """Whether an inverse a task is cheap beside iterations."""
    return n_features <= _FEATURES and n_tasks * n_features**2 <= _NUMBERS


def tree_solver(
    gram: FloatArray,
    Q: FloatArray,
    tree: tuple[IntArray, IntArray],
    inverse: Callable[[FloatArray], FloatArray],
) -> Solve:
    """Solutions W (d, T) for R (d, T); ``gram`` (T, d, d), ``inverse`` of a definite matrix."""
    order, parent = tree[0].tolist(), tree[1].tolist()
    left = np.array(gram)
    np.einsum("tjj->tj", left)[...] += Q.diagonal()[:, None]
    largest = float(np.einsum("tjj->tj", left).max(initial=0.0))
    for t in reversed(order):
        above = parent[t]
        if above < 0:
            left[t] = _least_norm(left[t], largest)
            continue
        left[t] = inverse(left[t])
        left[above] -= Q[t, above] ** 2 * left[t]

    ties = np.where(tree[1] < 0, 0.0, Q[np.arange(len(Q)), tree[1]])

    def solve(R: FloatArray) -> FloatArray:
        W = np.array(R.T, order="C")
        _kernels.blocks.eliminate(*tree, ties, left, W)
        return W.T

    return solve


def _least_norm(A: FloatArray, largest: float) -> FloatArray:
    """Inverse of what is left of a root, singular if all is: but for rounding of what was there."""
    values, vectors = scipy.linalg.eigh(A, check_finite=False)
    kept = values > 4 * len(A) * np.finfo(float).eps * largest
    return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
