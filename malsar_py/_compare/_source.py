"""The rows of a table as the models see them: read, imputed, encoded and scaled on training rows.

Within the comparison a row is two numbers, its task code and its place in the table. The first step
of every pipeline, `Coded`, turns these into the code and the features as the transformer of the
features makes them that was fitted to the training rows alone. Fifteen models see the same training
rows: each set is transformed once.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GroupKFold

from .._table import CompareError, Table
from .._typing import AnyArray, FloatArray, IntArray
from ..model_selection import TaskGroupKFold, TaskKFold

Split = tuple[IntArray, IntArray]

# Sets of training rows whose encodings are kept: those of an outer split and its folds.
_KEPT = 8


class Source:
    """A table and its encodings."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._encodings: dict[bytes, FloatArray] = {}

    def __sklearn_clone__(self) -> Source:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"table": self.table, "_encodings": {}}

    def keys(self, rows: IntArray) -> FloatArray:
        """What stands for the rows: task code and place."""
        return np.column_stack([self.table.codes[rows], rows]).astype(np.float64)

    def encoded(self, rows: IntArray) -> FloatArray:
        """Codes and features of all rows, by the transformer fitted to these."""
        key = np.sort(rows).tobytes()
        if key not in self._encodings:
            while len(self._encodings) >= _KEPT:
                del self._encodings[next(iter(self._encodings))]
            self._encodings[key] = self._encode(np.sort(rows))
        return self._encodings[key]

    def _encode(self, rows: IntArray) -> FloatArray:
        table = self.table
        with warnings.catch_warnings():
            # Categories and date formats that the training rows do not have.
            warnings.simplefilter("ignore")
            features = clone(table.features).fit(table.take(rows))
            X = np.asarray(features.transform(table.X), dtype=np.float64)
        return np.column_stack([table.codes, X])


class Coded(TransformerMixin, BaseEstimator):
    """Task codes and features of the rows that `Source.keys` stands for."""

    def __init__(self, source: Any = None) -> None:
        self.source = source

    def fit(self, X: Any, y: Any = None) -> Self:
        """Encode the table by these rows."""
        self.encoded_ = self.source.encoded(X[:, 1].astype(np.intp))
        return self

    def transform(self, X: Any) -> FloatArray:
        """Rows of the encoded table."""
        return self.encoded_[X[:, 1].astype(np.intp)]


def splits(
    table: Table, rows: IntArray, n_splits: int, seed: int, *, new_tasks: bool = False
) -> list[Split]:
    """Training and test rows among these: dealt by task, by group, by time or as whole tasks."""
    codes, y = table.codes[rows], table.y[rows]
    if table.time is None and not new_tasks and np.bincount(codes).max() < 2:
        raise CompareError(
            f"--task {table.task}: no task has rows enough to be tested, to choose by and to fit: "
            "three rows; --new-tasks holds whole tasks out"
        )
    if table.time is not None:
        found = _by_time(table.time[rows], n_splits)
    elif new_tasks:
        n_splits = min(n_splits, len(np.unique(codes)))
        tasks = GroupKFold(n_splits, shuffle=True, random_state=seed)
        found = list(tasks.split(codes[:, None], y, codes))
    else:
        n_splits = max(2, min(n_splits, int(np.bincount(codes).max())))
        options: dict[str, Any] = {
            "stratify": table.classes is not None,
            "shuffle": True,
            "random_state": seed,
        }
        X = codes[:, None]
        if table.groups is not None:
            n_splits = min(n_splits, len(np.unique(table.groups[rows])))
            grouped = TaskGroupKFold(max(2, n_splits), task_column=0, **options)
            found = list(grouped.split(X, y, groups=table.groups[rows]))
        else:
            found = list(TaskKFold(n_splits, task_column=0, **options).split(X, y))
    if not new_tasks:
        found = [_known(table, codes, y, *split) for split in found]
    found = [split for split in found if len(split[0]) and len(split[1])]
    if not found:
        raise CompareError(f"--task {table.task}: no task has enough rows to test on (three)")
    return [(rows[train], rows[test]) for train, test in found]


def _by_time(time: AnyArray, n_splits: int) -> list[Split]:
    """Train on what was before, test on what came next: the later half of the rows in blocks."""
    order = np.sort(time)
    places = np.linspace(len(order) // 2, len(order), n_splits + 1).astype(int)[:-1]
    cuts = np.unique(order[np.maximum(places, 1)])
    cuts = cuts[cuts > order[0]]
    ends = [*cuts[1:], None]
    return [
        (
            np.flatnonzero(time < start),
            np.flatnonzero((time >= start) if end is None else (time >= start) & (time < end)),
        )
        for start, end in zip(cuts, ends, strict=True)
    ]


def _known(table: Table, codes: IntArray, y: FloatArray, train: IntArray, test: IntArray) -> Split:
    """Without tasks that the training part does not have, or has one class or counts of 0 of."""
    n = np.bincount(codes[train], minlength=table.n_tasks)
    fit = n > 0
    if table.classes is not None:
        cells = np.zeros((table.n_tasks, len(table.classes)))
        np.add.at(cells, (codes[train], y[train].astype(np.intp)), 1.0)
        fit = (cells > 0).sum(axis=1) > 1
    if table.counts:
        fit &= np.bincount(codes[train], weights=y[train], minlength=table.n_tasks) > 0.0
    return train[fit[codes[train]]], test[fit[codes[test]]]
