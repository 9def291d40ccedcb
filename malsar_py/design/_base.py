"""What every design can tell about X.

Sample space is one flat task-major vector (task t owns ``offsets[t]:offsets[t + 1]``); ``W`` is
(n_features, n_tasks). Intercepts are not part of a design: the losses minimise them out, which also
makes the per-task means of X irrelevant everywhere but where a method is told to be ``centered``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from .._typing import FloatArray, IntArray
from ._grams import weighted_gram


class Design(ABC):
    """Linear map from W to the samples of all tasks.

    A kind of X says how it multiplies (``predict``, ``adjoint_rows``), what some of its columns or
    a task's rows are as arrays, and what it is restricted to some features; the rest follows, and
    may be said again where there is a faster way.
    """

    # Rows of X that are held: all tasks' samples, or those they share.
    n_rows: int
    n_features: int
    offsets: IntArray
    # Whether the tasks share their rows, and whether these weigh the same in each of them: then one
    # Gram matrix is that of all tasks.
    one_x: bool = False
    same_weights: bool = False
    # Whether all rows may be had as an array: it is no larger than X.
    rows_are_arrays: bool = True
    # Whether products in single precision are to be had, and faster.
    has_rough: bool = False

    @abstractmethod
    def predict(self, W: FloatArray) -> FloatArray:
        """``z_ti = x_ti . w_t`` (N,)."""

    @abstractmethod
    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        """``theta' X``: (n_tasks, n_features). ``rough``: in single precision, if faster."""

    @abstractmethod
    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        """Some features as the rows of an array (k, n_rows), ``out`` if that is given."""

    @abstractmethod
    def task_rows(self, t: int) -> FloatArray:
        """The rows of task t, not to be written to; of one X the same for every task."""

    @abstractmethod
    def restrict(self, features: IntArray) -> Design:
        """The design of some features only."""

    @property
    def n_tasks(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def size(self) -> int:
        """Numbers that X holds."""
        return self.n_rows * self.n_features

    @cached_property
    def starts(self) -> IntArray:
        """Where each task's samples start in a row of :meth:`columns`."""
        own = self.offsets[:-1]
        return np.zeros_like(own) if self.one_x else own

    @cached_property
    def places(self) -> list[slice]:
        """Where each task's samples lie in a row of :meth:`columns`."""
        sizes = np.diff(self.offsets).tolist()
        return [slice(a, a + n) for a, n in zip(self.starts.tolist(), sizes, strict=True)]

    @cached_property
    def segments(self) -> list[slice]:
        """The places that differ: one if X is shared."""
        if self.one_x:
            return [slice(0, self.n_rows)]
        return [slice(a, b) for a, b in pairwise(self.offsets.tolist())]

    def prefers_gram(self) -> bool:
        """Whether products with Gram matrices are cheaper than two passes over X."""
        return False

    def adjoint(self, theta: FloatArray) -> FloatArray:
        """``X' theta``: (n_features, n_tasks)."""
        return np.ascontiguousarray(self.adjoint_rows(theta).T)

    def means(self, weight: FloatArray) -> FloatArray:
        """Weighted means of the features (T, d), or (1, d) if the same for all tasks."""
        totals = np.add.reduceat(weight, self.offsets[:-1])
        found = self.adjoint_rows(weight) / np.where(totals > 0.0, totals, 1.0)[:, None]
        return found[:1] if self.same_weights else found

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        """``sum_i d_ti x_ti x_ti'`` per task: (T, d, d), or (1, d, d) if the same for all.

        ``centered``: around the d-weighted mean of the task, as after minimising over its
        intercept.
        """
        own = [slice(a, b) for a, b in pairwise(self.offsets.tolist())]
        return np.stack(
            [
                weighted_gram(self.task_rows(t), curvature[some], centered)
                for t, some in enumerate(own[:1] if self.same_weights else own)
            ]
        )

    def gram_rows(
        self, features: IntArray, c: FloatArray, centered: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Rows of the one Gram matrix of all tasks (k, d), and means of the features (k,).

        For tasks with the same rows and weights ``c`` (N,) only.
        """
        if not self.same_weights:
            raise TypeError(f"{type(self).__name__} has no Gram matrix that is that of all tasks")
        A, c = self.columns(features), c[: self.n_rows]
        means = A @ c / c.sum() if centered else np.zeros(len(A))
        A -= means[:, None]
        A *= c
        return np.dot(A, self.task_rows(0)), means

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        """Weighted sums of squares of each task's features (T, d); None if all have the same.

        ``centered``: around the weighted mean of the task, which of rows of its own was taken out.
        """
        if self.same_weights:
            return None
        return np.einsum("tjj->tj", self.gram(weight, centered))

    def gram_along(self, weight: FloatArray, centered: bool, direction: FloatArray) -> FloatArray:
        """``sum_t direction_t^2 H_t`` (1, d, d), the H_t those of :meth:`gram`."""
        return np.einsum("t,tij->ij", np.square(direction), self.gram(weight, centered))[None]

    def energies(self, c: FloatArray) -> FloatArray:
        """``sum_i c_ti x_tij^2``: (n_features, n_tasks)."""
        own = [slice(a, b) for a, b in pairwise(self.offsets.tolist())]
        squares = [c[some] @ np.square(self.task_rows(t)) for t, some in enumerate(own)]
        return np.stack(squares, axis=1)

    def row_squares(self) -> FloatArray:
        """Sums of squares of the rows of X (n_rows,)."""
        tasks = range(1 if self.one_x else self.n_tasks)
        rows = [self.task_rows(t) for t in tasks]
        return np.concatenate([np.einsum("ij,ij->i", X, X) for X in rows])

    def scaled_rows(self, c: FloatArray, centered: bool) -> Any:
        """``sqrt(c) (x - mean)`` of all samples (N, d), or (n_rows, d) if the same for all.

        A new array, which may be written to.
        """
        tasks = range(1 if self.same_weights else self.n_tasks)
        X = np.concatenate([self.task_rows(t) for t in tasks])
        root = np.sqrt(c[: len(X)])[:, None]
        if not centered:
            return root * X
        means, sizes = self.means(c), np.diff(self.offsets)[: len(tasks)]
        return root * (X - np.repeat(means, sizes, axis=0))

    def scaled_task(self, t: int, c: FloatArray, centered: bool) -> Any:
        """The same of task t: an array, or what can be multiplied like one, turned or not."""
        X, own = self.task_rows(t), c[self.offsets[t] : self.offsets[t + 1]]
        if centered:
            X = X - own @ X / own.sum()
        return np.sqrt(own)[:, None] * X

    def any_weights(self) -> Design:
        """The same where samples may weigh differently in each task."""
        if not self.same_weights:
            return self
        other = copy.copy(self)
        other.same_weights = False
        return other
