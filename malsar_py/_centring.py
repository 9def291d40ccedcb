"""Rows of a fit as its design: sample shares, columns centred where there are intercepts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ._tasks import TaskRows
from ._threads import spread
from ._typing import FloatArray, IntArray
from .design import Design, Masked, Ragged, Shared


def sample_shares(rows: TaskRows, omega: FloatArray) -> FloatArray:
    """``c_ti = omega_t s_ti / S_t``."""
    total = np.add.reduceat(rows.sample_weight, rows.offsets[:-1])
    return rows.sample_weight * np.repeat(omega / total, np.diff(rows.offsets))


def _centre(X: FloatArray, c: FloatArray, offsets: IntArray, out: FloatArray) -> FloatArray:
    """X less the weighted means of its tasks, which are returned."""
    means = np.empty((offsets.shape[0] - 1, X.shape[1]))

    def work(first: int, last: int) -> None:
        bounds = offsets[first : last + 1].tolist()
        for t, (start, stop) in enumerate(pairwise(bounds), first):
            own = slice(start, stop)
            means[t] = c[own] @ X[own] / c[own].sum()
            np.subtract(X[own], means[t], out=out[own])

    spread(work, offsets, X.size)
    _flatten(out, means, offsets)
    return means


def _flatten(X: FloatArray, means: FloatArray, offsets: IntArray) -> None:
    """Zero what centring leaves of features that are constant within a task.

    That is rounding, not signal; a fit that took it for one would need coefficients of 1e14.
    """
    rounding = 16.0 * np.finfo(float).eps * np.sqrt(np.diff(offsets))[:, None] * np.abs(means)
    suspects = (np.abs(X[offsets[:-1]]) <= rounding) & (means != 0.0)
    for t in np.flatnonzero(suspects.any(axis=1)):
        features = np.flatnonzero(suspects[t])
        own = slice(offsets[t], offsets[t + 1])
        constant = (np.abs(X[own][:, features]) <= rounding[t, features]).all(axis=0)
        X[own, features[constant]] = 0.0


def make_design(
    rows: TaskRows, c: FloatArray, fit_intercept: bool
) -> tuple[Design, FloatArray | None]:
    """The design, centred when there are intercepts, and the means (n_tasks, n_features) taken out.

    Centring changes nothing but the intercepts; it keeps digits when a column's offset is large.
    """
    X, n_tasks = rows.X, rows.n_tasks
    means = None
    if fit_intercept:
        target = X if rows.own else np.empty_like(X)
        if rows.shared:
            total = c.reshape(n_tasks, -1).sum(axis=0)
            mean = total @ X / total.sum()
            means = np.broadcast_to(mean, (n_tasks, X.shape[1]))
            X = np.subtract(X, mean, out=target)
            _flatten(X, mean[None], np.array([0, len(X)]))
        else:
            means = _centre(X, c, rows.offsets, target)
            X = target
    if not rows.shared or n_tasks == 1:  # a column of targets is as good as a vector
        return Ragged(X, rows.offsets), means
    shares = c.reshape(n_tasks, -1)
    same = bool((shares == shares[0]).all())
    return (Shared if same else Masked)(X, n_tasks), means
