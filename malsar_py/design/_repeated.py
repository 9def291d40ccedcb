"""Rows of each task's own, for tasks with a column of W for each class."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np

from .._threads import spread
from .._typing import FloatArray, IntArray
from ._base import Design


class Repeated(Design):
    """Another design's tasks, each with the same number of columns of W, one after the other.

    The samples of a task are there once for each column; the rows of X are held once.
    """

    def __init__(self, tasks: Design, n_classes: int):
        self.tasks = tasks
        self.n_classes = n_classes
        self.n_rows, self.n_features = tasks.n_rows, tasks.n_features
        sizes = np.repeat(np.diff(tasks.offsets), n_classes)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def starts(self) -> IntArray:
        return np.repeat(self.tasks.starts, self.n_classes)

    def predict(self, W: FloatArray) -> FloatArray:
        out = np.empty(self.offsets[-1])
        rows = np.ascontiguousarray(W.T)

        def work(first: int, last: int) -> None:
            for t in range(first, last):
                columns = self._columns(t)
                Z = out[self.offsets[columns.start] : self.offsets[columns.stop]]
                np.dot(rows[columns], self.tasks.task_rows(t).T, out=Z.reshape(self.n_classes, -1))

        spread(work, self.tasks.offsets, self.tasks.size * self.n_classes)
        return out

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        out = np.empty((self.n_tasks, self.n_features))

        def work(first: int, last: int) -> None:
            for t in range(first, last):
                columns = self._columns(t)
                own = theta[self.offsets[columns.start] : self.offsets[columns.stop]]
                blocks = own.reshape(self.n_classes, -1)
                np.dot(blocks, self.tasks.task_rows(t), out=out[columns])

        spread(work, self.tasks.offsets, self.tasks.size * self.n_classes)
        return out

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        return self.tasks.columns(features, out)

    def task_rows(self, t: int) -> FloatArray:
        return self.tasks.task_rows(t // self.n_classes)

    def restrict(self, features: IntArray) -> Design:
        return Repeated(self.tasks.restrict(features), self.n_classes)

    def by_sample(self, values: FloatArray) -> FloatArray:
        """What samples have for each column of their task, a row for each: (N, n_classes)."""
        bounds = pairwise(self.offsets[:: self.n_classes].tolist())
        return np.concatenate([values[a:b].reshape(self.n_classes, -1).T for a, b in bounds])

    def _columns(self, t: int) -> slice:
        return slice(t * self.n_classes, (t + 1) * self.n_classes)
