"""Structures of the tasks' models as wholes, where a task has several columns of W."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray
from ._base import Structure, TaskQuadratic


def whole_tasks(W: FloatArray, n_classes: int) -> FloatArray:
    """The columns of each task (d, T K), one below the other: (d K, T)."""
    if n_classes == 1:
        return W
    n_features = W.shape[0]
    blocks = W.reshape(n_features, -1, n_classes).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks.reshape(n_features * n_classes, -1))


def by_class(W: FloatArray, n_classes: int) -> FloatArray:
    """The way back from :func:`whole_tasks`."""
    if n_classes == 1:
        return W
    n_tasks = W.shape[1]
    blocks = W.reshape(-1, n_classes, n_tasks).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks.reshape(-1, n_tasks * n_classes))


@dataclass(frozen=True)
class PerTask(Structure):
    """The structure of W with a task's columns, one for each class, as one long column."""

    inner: Structure
    n_classes: int

    def value(self, W: FloatArray) -> float:
        return self.inner.value(whole_tasks(W, self.n_classes))

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return by_class(self.inner.prox(whole_tasks(V, self.n_classes), step), self.n_classes)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        assert not quadratic.coupled  # what couples columns of W is another matrix for the tasks
        W, G = whole_tasks(W, self.n_classes), whole_tasks(G, self.n_classes)
        return self.inner.bounds_beside(quadratic, W, G)

    def lambda1_max(self, G0: FloatArray) -> float | None:
        return self.inner.lambda1_max(whole_tasks(G0, self.n_classes))


def per_task(structure: Structure, n_classes: int) -> Structure:
    """The structure for tasks of so many columns."""
    return structure if n_classes == 1 else PerTask(structure, n_classes)
