"""Rows of a fit as its design: sample shares, columns centred where there are intercepts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from . import _kernels
from ._sparse import is_sparse
from ._tasks import TaskRows
from ._threads import spread
from ._typing import FloatArray, IntArray
from .design import BLAS_BLOCK, Design, Repeated, one_x, own_rows

# A first row this near to the mean, as a share of it: the column may be constant, or the mean's
# rounding may matter beside its spread.
_NEAR = 1e-6
# Weights up to this size are summed as they are.
_ORDINARY = 1e100


def sample_shares(rows: TaskRows, omega: FloatArray) -> FloatArray:
    """``c_ti = omega_t s_ti / S_t``."""
    starts, counts = rows.offsets[:-1], np.diff(rows.offsets)
    weight = rows.sample_weight
    with np.errstate(over="ignore"):
        total = np.add.reduceat(weight, starts)
    if not 1.0 / _ORDINARY < total.min() <= total.max() < _ORDINARY:
        # Only ratios within a task count: sums of weights of any size are those of numbers up to 1.
        weight = bounded(weight, starts)
        total = np.add.reduceat(weight, starts)
    return weight * np.repeat(omega / total, counts)


def bounded(weight: FloatArray, starts: IntArray) -> FloatArray:
    """Weights whose sums are finite: in each segment those given, or these over the largest."""
    largest = np.maximum.reduceat(weight, starts)
    if 1.0 / _ORDINARY < largest.min() <= largest.max() < _ORDINARY:
        return weight
    return weight / np.repeat(largest, np.diff(starts, append=len(weight)))


def _centre(X: FloatArray, c: FloatArray, offsets: IntArray, out: FloatArray) -> FloatArray:
    """X less the weighted means of its tasks, which are returned."""
    means = np.empty((offsets.shape[0] - 1, X.shape[1]))
    if X.flags.c_contiguous and X.size < BLAS_BLOCK * len(means):
        _kernels.blocks.centre(X, c, offsets, means, out)
        _settle(out, means, c, offsets)
        return means

    def work(first: int, last: int) -> None:
        bounds = offsets[first : last + 1].tolist()
        for t, (start, stop) in enumerate(pairwise(bounds), first):
            own = slice(start, stop)
            means[t] = c[own] @ X[own] / c[own].sum()
            np.subtract(X[own], means[t], out=out[own])

    spread(work, offsets, X.size)
    _settle(out, means, c, offsets)
    return means


def _settle(X: FloatArray, means: FloatArray, c: FloatArray, offsets: IntArray) -> None:
    """Make up for the rounding of the means, where it counts beside what they left.

    A feature whose values in a task are all the same is nothing but rounding then, and becomes
    zero. Any other is kept, be its spread a unit in the last place: near a mean differences are
    exact, so that X and the means together still are the data as given.
    """
    suspects = (np.abs(X[offsets[:-1]]) <= _NEAR * np.abs(means)) & (means != 0.0)
    if not suspects.any():
        return
    if not X.flags.c_contiguous:
        some = suspects.any(axis=0)
        part, mean = np.ascontiguousarray(X[:, some]), np.ascontiguousarray(means[:, some])
        _settle(part, mean, c, offsets)
        X[:, some], means[:, some] = part, mean
        return
    left, constant = np.zeros(means.shape), np.zeros(means.shape, np.bool_)
    _kernels.blocks.leftovers(X, c, offsets, suspects, left, constant)
    moved = means + left
    _kernels.blocks.lower(X, offsets, suspects, constant, moved - means)
    means[:] = moved


def make_design(
    rows: TaskRows,
    c: FloatArray,
    fit_intercept: bool,
    n_columns: int = 1,
    *,
    grand: bool = False,
) -> tuple[Design, FloatArray | None]:
    """The design, centred when there are intercepts, and the means (n_tasks, n_features) taken out.

    Centring changes nothing but the intercepts; it keeps digits when a column's offset is large.
    Sparse X stays as it is.
    Each task has so many columns of W.
    ``grand``: at the means of all rows, where intercepts that are shrunk are compared.
    """
    X, n_tasks = rows.X, rows.n_tasks
    means = None
    if fit_intercept and not is_sparse(X):
        target = X if rows.own else np.empty_like(X)
        if rows.shared:
            total = c.reshape(n_tasks, -1).sum(axis=0)
            mean = (total @ X / total.sum())[None]
            X = np.subtract(X, mean, out=target)
            _settle(X, mean, total, np.array([0, len(X)]))
            means = np.broadcast_to(mean, (n_tasks, X.shape[1]))
        else:
            offsets = rows.offsets[[0, -1]] if grand else rows.offsets
            means = np.broadcast_to(_centre(X, c, offsets, target), (n_tasks, X.shape[1]))
            X = target
    if n_tasks * n_columns == 1 or not (rows.shared or n_tasks == 1):
        # (A column of targets is as good as a vector.)
        design: Design = own_rows(X, rows.offsets)
        return design if n_columns == 1 else Repeated(design, n_columns), means
    shares = c.reshape(n_tasks, -1)
    same = bool((shares == shares[0]).all())
    return one_x(X, n_tasks * n_columns, same), means
