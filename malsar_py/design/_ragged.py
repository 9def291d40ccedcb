"""Dense rows of each task's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from .. import _kernels
from .._threads import spread
from .._typing import FloatArray, IntArray
from ._base import Design
from ._gather import gather
from ._grams import pooled_gram, weighted_gram

# A BLAS call per task pays off above this many numbers in a task's block.
BLAS_BLOCK = 20_000
# The same for Gram matrices, in products.
_GRAM_BLOCK = 50_000
# A multiply-add in a product of matrices, beside reading a number from memory.
_PER_PRODUCT = 1 / 16


class Ragged(Design):
    """Own rows per task, stacked in task order."""

    def __init__(self, X: FloatArray, offsets: IntArray):
        self.X = X = np.ascontiguousarray(X)
        self.n_rows, self.n_features = X.shape
        self.offsets = offsets
        self._small = X.size < BLAS_BLOCK * self.n_tasks

    def predict(self, W: FloatArray) -> FloatArray:
        out = np.empty(self.n_rows)
        rows = np.ascontiguousarray(W.T)
        if self._small:
            _kernels.blocks.predict(self.X, rows, self.offsets, out)
            return out

        def work(first: int, last: int) -> None:
            for t, own in self._tasks(first, last):
                np.dot(self.X[own], rows[t], out=out[own])

        spread(work, self.offsets, self.X.size)
        return out

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        out = np.empty((self.n_tasks, self.n_features))
        if self._small:
            _kernels.blocks.adjoint(self.X, theta, self.offsets, out)
            return out

        def work(first: int, last: int) -> None:
            for t, own in self._tasks(first, last):
                np.dot(theta[own], self.X[own], out=out[t])

        spread(work, self.offsets, self.X.size)
        return out

    def twice(self, W: FloatArray) -> FloatArray:
        """``X' X W`` task by task, by reading X once where blocks are small."""
        if not self._small:
            return self.adjoint(self.predict(W))
        out = np.empty((self.n_tasks, self.n_features))
        _kernels.blocks.twice(self.X, np.ascontiguousarray(W.T), self.offsets, out)
        return np.ascontiguousarray(out.T)

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        return gather(self.X, features, out)

    def task_rows(self, t: int) -> FloatArray:
        return self.X[self.offsets[t] : self.offsets[t + 1]]

    def row_squares(self) -> FloatArray:
        return np.einsum("ij,ij->i", self.X, self.X)

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        H = np.empty((self.n_tasks, self.n_features, self.n_features))
        if self.X.size * self.n_features < _GRAM_BLOCK * self.n_tasks:
            _kernels.blocks.gram(self.X, curvature, self.offsets, centered, H)
            return H

        starts = self.offsets[:-1]
        same = curvature == np.repeat(curvature[starts], np.diff(self.offsets))
        even = np.logical_and.reduceat(same, starts)

        def work(first: int, last: int) -> None:
            for t, own in self._tasks(first, last):
                H[t] = weighted_gram(self.X[own], curvature[own], centered, even[t])

        spread(work, self.offsets, self.X.size * self.n_features * _PER_PRODUCT)
        return H

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        out = np.empty((self.n_tasks, self.n_features))
        _kernels.blocks.squares(self.X, weight, self.offsets, out)
        return out

    def gram_along(
        self, curvature: FloatArray, centered: bool, direction: FloatArray
    ) -> FloatArray:
        weight = curvature * np.repeat(np.square(direction), np.diff(self.offsets))
        moments = self.adjoint_rows(weight) if centered else None
        return pooled_gram(self.X, weight, np.add.reduceat(weight, self.offsets[:-1]), moments)

    def energies(self, c: FloatArray) -> FloatArray:
        return np.add.reduceat(c[:, None] * np.square(self.X), self.offsets[:-1]).T

    def scaled_rows(self, c: FloatArray, centered: bool) -> FloatArray:
        root = np.sqrt(c)[:, None]
        Z = root * self.X
        if centered:
            Z -= root * np.repeat(self.means(c), np.diff(self.offsets), axis=0)
        return Z

    def prefers_gram(self) -> bool:
        return self.n_rows >= self.n_features * self.n_tasks

    def restrict(self, features: IntArray) -> Ragged:
        return Ragged(np.take(self.X, features, axis=1), self.offsets)

    def _tasks(self, first: int, last: int) -> Iterator[tuple[int, slice]]:
        bounds = self.offsets[first : last + 1].tolist()
        for t, (start, stop) in enumerate(pairwise(bounds), first):
            yield t, slice(start, stop)


def from_rows(blocks: list[FloatArray]) -> Ragged:
    """The design of tasks with these rows (n_t, d)."""
    offsets = np.cumsum([0, *(len(block) for block in blocks)])
    return Ragged(np.concatenate(blocks), offsets.astype(np.int64))
