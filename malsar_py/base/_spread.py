"""Moments of each feature by itself, by task: what a first pass over wide data keeps."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._labels import as_labels, factorize, match_keys
from .._sparse import is_sparse
from .._standins import StandsFor
from .._summary import Summary, door_of, read_features, task_order
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray


class _Own(NamedTuple):
    """Of one task: total weight; means as shift + offset, sums of squares about them (d,)."""

    weight: float
    shift: FloatArray
    offset: FloatArray
    squares: FloatArray

    def merged(self, other: _Own) -> _Own:
        """By the formula of Chan, Golub and LeVeque: constants stay what they are."""
        weight = self.weight + other.weight
        share = other.weight / weight
        between = (other.shift - self.shift) + (other.offset - self.offset)
        squares = self.squares + other.squares + self.weight * share * np.square(between)
        return _Own(weight, self.shift, self.offset + share * between, squares)


@dataclass(frozen=True, eq=False)
class Spread:
    """Moments of the features of tasks, by key of the task; they add up."""

    tasks: dict[Hashable, _Own]

    def __add__(self, other: Spread) -> Spread:
        out = dict(self.tasks)
        for key, own in other.tasks.items():
            out[key] = out[key].merged(own) if key in out else own
        return Spread(out)

    @classmethod
    def of(cls, X: Any, y: FloatArray, tasks: Any, sample_weight: Any) -> Spread:
        """Of rows that were checked; those without target or weight do not count."""
        s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        s = np.where(np.isnan(y).any(axis=1), 0.0, s.ravel())
        keys: list[Hashable] = [None]
        codes = np.zeros(len(y), np.intp)
        if tasks is not None:
            distinct, codes = factorize(as_labels(tasks, "`tasks`"), "`tasks`")
            keys = match_keys(distinct, distinct)
        found = {}
        for t, key in enumerate(keys):
            rows = np.flatnonzero((codes == t) & (s > 0.0))
            if len(rows):
                found[key] = _own(X[rows], s[rows])
        return cls(found)

    def rows(self, summary: Summary, estimator: Any) -> TaskRows:
        """Two rows for each task, with means and sums of squares of target and every feature.

        ``summary`` has the targets alone; sets what the estimator knows of its features.
        """
        door, names = door_of(summary, estimator)
        pooled = summary.pooled()
        moments, order, tasks = pooled.moments, task_order(pooled), pooled.tasks_
        keys = match_keys(tasks, tasks) if door != "none" else [None]
        each = [self.tasks[key] for key in keys]
        weight = moments.weight[order]
        apart = [
            np.append(
                (own.shift - each[0].shift) + (own.offset - each[0].offset),
                (moments.shift[k] - moments.shift[order[0]])
                + (moments.offset[k] - moments.offset[order[0]]),
            )
            for own, k in zip(each, order, strict=True)
        ]
        known = StandsFor(
            np.stack([own.shift + own.offset for own in each]),
            moments.mean[order, 0],
            moments.n[order],
            moments.log_weight[order],
            np.stack(apart),
        )
        spread = np.sqrt(np.stack([own.squares for own in each]) / weight[:, None])
        level = np.sqrt(moments.scatter[order, 0, 0] / weight)
        return TaskRows(
            np.stack([spread, -spread], axis=1).reshape(-1, spread.shape[1]),
            np.stack([level, -level], axis=1).ravel(),
            np.repeat(0.5 * weight, 2),
            np.arange(len(tasks) + 1, dtype=np.int64) * 2,
            tasks,
            door,
            None,
            names,
            True,
            np.arange(2 * len(tasks)),
            stands_for=known,
        )


def _own(X: Any, s: FloatArray) -> _Own:
    weight = float(s.sum())
    shift: AnyArray = np.zeros(X.shape[1])
    if is_sparse(X):
        raw = X.power(2).T @ s
    else:
        shift = X[0].copy()
        X = X - shift  # a constant is zero then
        raw = s @ np.square(X)
    offset = X.T @ s / weight
    left = raw - weight * np.square(offset)
    squares = np.where(left > raw * (len(s) * np.finfo(float).eps), left, 0.0)
    return _Own(weight, shift, offset, squares)


def any_features(X: Any) -> tuple[Any, list[Any] | int]:
    """Float64 features, sparse rows as they are, and the names of the columns or their number."""
    if not is_sparse(X):
        return read_features(X)
    rows = sparse.csr_array(X).astype(np.float64)
    return rows, rows.shape[1]
