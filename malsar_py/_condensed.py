"""Few rows in the place of many: with the squared loss second moments are all that counts.

The rows of a task are summed up in one pass, block by block about a point near their mean, and
turned into d + 2 weighted rows with the same loss at every W and intercept. That pays where the
Gram matrix of all features is asked for anyway. Where features are nearly dependent, or explain
nearly all of a target, products have lost digits that rows have: these stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack, solve_triangular

from ._sparse import is_sparse
from ._standins import StandsFor, rows_of_root
from ._tasks import TaskRows
from ._typing import FloatArray

# Fits of fewer numbers are soon done; so many rows for each that is left, so many features.
_LEAST_SIZE, _LEAST_RATIO, _MOST_FEATURES = 1 << 19, 16, 128
# Calls for the blocks of a task pay off above this many numbers.
_TASK_SIZE = 20_000
# Numbers in a block of rows: it stays in the cache.
_BLOCK = 1 << 16
# Of features of length one, the least eigenvalue; of a target, the share that they do not explain.
_LEAST_LEFT = 1e-4
# Squares about the point that sums are taken about, over those about the mean.
_FAR = 100.0
# Of values and weights of ordinary size no square is near the limits of floats.
_SMALL, _LARGE = 1e-10, 1e10


class _Sums(NamedTuple):
    """Of rows [x, y] with q targets: the mean as shift + rest (d + q,), and sums about it."""

    shift: FloatArray
    rest: FloatArray
    gram: FloatArray  # (d, d)
    cross: FloatArray  # (q, d)
    squares: FloatArray  # (q,)
    total: float  # of the weights
    log_weight: float


class _Few(NamedTuple):
    """Rows (d + 2, d + q) that weigh the same, less the mean (d + q,) of those they stand for."""

    deviations: FloatArray
    mean: FloatArray
    total: float
    log_weight: float


def condensed(rows: TaskRows) -> TaskRows:
    """Few rows with the squared loss of these, if that is worth its while, else these."""
    weight = rows.sample_weight
    if not (_is_tall(rows) and _SMALL < weight.min() <= weight.max() < _LARGE):
        return rows
    if rows.shared:
        own = weight.reshape(rows.n_tasks, -1)
        if not (own == own[0]).all():
            return rows
        parts = [(rows.X, rows.y.reshape(own.shape), own[0])]
    else:
        bounds = pairwise(rows.offsets.tolist())
        parts = [(rows.X[a:b], rows.y[None, a:b], weight[a:b]) for a, b in bounds]
    found = []
    with np.errstate(all="ignore"):
        for part in parts:
            few = _few(*part)
            if few is None:
                return rows
            found.append(few)
    return _replaced(rows, found)


def _is_tall(rows: TaskRows) -> bool:
    if rows.stands_for is not None or is_sparse(rows.X) or rows.X.size < _LEAST_SIZE:
        return False
    d, sizes = rows.X.shape[1], np.diff(rows.offsets)
    few = d <= max(_MOST_FEATURES, 8 * rows.n_tasks if rows.shared else 0)
    tall = sizes.min() >= max(_LEAST_RATIO * (d + 2), _TASK_SIZE / d)
    return bool(few and tall)


def _few(X: FloatArray, Y: FloatArray, weight: FloatArray) -> _Few | None:
    """Few rows in the place of these; None where digits would be lost."""
    sums = _sums(X, Y, weight)
    root = None if sums is None else _root(sums.gram, sums.cross, sums.squares)
    if sums is None or root is None:
        return None
    mean = sums.shift + sums.rest
    # Less the mean as it is kept, so that both together are the data as given.
    rounding = (sums.shift - mean) + sums.rest
    deviations = rows_of_root(root, sums.total) + rounding
    return _Few(deviations, mean, sums.total, sums.log_weight)


def _sums(X: FloatArray, Y: FloatArray, weight: FloatArray) -> _Sums | None:
    """Of targets (q, n) on rows X; None where digits would be lost."""
    n, d = X.shape
    height = _BLOCK // (d + 1)
    about_x, about_y = _near(X[:height]), _near(Y[:, :height].T)
    even = bool((weight == weight[0]).all())
    block = np.ones((height, d + 1), order="C" if X.flags.c_contiguous else "F")
    G, H, squares = np.zeros((d + 1, d + 1)), np.zeros((len(Y), d + 1)), np.zeros(len(Y))
    for start in range(0, n, height):
        own = slice(start, min(start + height, n))
        B = block[: own.stop - start]
        np.subtract(X[own], about_x, out=B[:, :d])
        C = Y[:, own] - about_y[:, None]
        if not even:
            B[:, d] = 1.0
            root = np.sqrt(weight[own])
            B *= root[:, None]
            C *= root
        G += np.dot(B.T, B)
        H += np.dot(C, B)
        squares += np.einsum("ti,ti->t", C, C)
    if even:
        for sums in (G, H, squares):
            sums *= weight[0]
    total, raw = float(G[d, d]), np.append(np.diagonal(G)[:d], squares)
    moments = np.append(G[d, :d], H[:, d])
    rest = moments / total
    gram = G[:d, :d] - np.outer(moments[:d], rest[:d])
    cross = H[:, :d] - np.outer(moments[d:], rest[:d])
    squares -= moments[d:] * rest[d:]
    left = np.append(np.diagonal(gram), squares)
    constant = raw[:d] == 0.0
    varies = np.append(~constant, np.ones(len(Y), bool))
    if not (X[:, constant] == X[0, constant]).all():
        return None
    ordinary = (_SMALL**2 * total < left) & (left < _LARGE**2 * total) & (raw < _FAR * left)
    if not ordinary[varies].all():
        return None
    logs = n * float(np.log(weight[0])) if even else float(np.log(weight).sum())
    return _Sums(np.append(about_x, about_y), rest, gram, cross, squares, total, logs)


def keeps_digits(scatter: FloatArray, total: float, d: int) -> bool:
    """Whether sums of products (d + q, d + q) about the means keep the digits that rows have."""
    squares = np.diagonal(scatter)
    varies = squares > 0.0
    varies[d:] = True
    with np.errstate(all="ignore"):
        ordinary = (_SMALL**2 * total < squares) & (squares < _LARGE**2 * total)
        if not ordinary[varies].all():
            return False
        return _root(scatter[:d, :d], scatter[d:, :d], squares[d:]) is not None


def _near(first: FloatArray) -> FloatArray:
    """The means of some rows; of a column with one value there, that value."""
    constant = (first == first[0]).all(axis=0)
    return np.where(constant, first[0], first.mean(axis=0))


def _root(gram: FloatArray, cross: FloatArray, squares: FloatArray) -> FloatArray | None:
    """R (d + 1, d + q) with these sums about the mean as R'R, but for those of two targets.

    None where features are nearly dependent, or explain nearly all of a target.
    """
    d = len(gram)
    unit = np.sqrt(np.diagonal(gram))
    divisor = np.where(unit > 0.0, unit, 1.0)
    C = gram / divisor / divisor[:, None]
    C[unit == 0.0, unit == 0.0] = 1.0
    norm = np.abs(C).sum(axis=0).max()
    U, failed = lapack.dpotrf(C)
    if failed or lapack.dpocon(U, norm)[0] * norm < _LEAST_LEFT:
        return None
    explained = solve_triangular(U, (cross / divisor).T, trans="T", check_finite=False)
    left = squares - np.square(explained).sum(axis=0)
    if not (left > _LEAST_LEFT * squares).all():
        return None
    R = np.zeros((d + 1, d + len(left)))
    R[:d, :d], R[:d, d:], R[d, d:] = U * unit, explained, np.sqrt(left)
    return R


def _replaced(rows: TaskRows, found: list[_Few]) -> TaskRows:
    """The rows replaced by few: of each task, or one for all tasks on one X."""
    n_tasks, d = rows.n_tasks, rows.X.shape[1]
    Z = np.concatenate([few.deviations for few in found])
    features, each = np.arange(d), n_tasks // len(found)
    targets = [np.append(features, d + t) for t in range(each)]
    means = np.stack([few.mean[own] for few in found for own in targets])
    logs, totals = np.repeat([(few.log_weight, few.total) for few in found], each, axis=0).T
    apart = means - means[0]
    return replace(
        rows,
        X=np.ascontiguousarray(Z[:, :d]),
        y=Z[:, d:].T.flatten(),
        sample_weight=np.repeat(totals / (d + 2), d + 2),
        offsets=np.arange(n_tasks + 1, dtype=np.int64) * (d + 2),
        own=True,
        rows=np.arange(len(Z)),
        bound=np.inf,
        stands_for=StandsFor(means[:, :d], means[:, d], np.diff(rows.offsets), logs, apart),
    )
