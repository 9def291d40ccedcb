"""One dense X that all tasks share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from .._linalg import nonzero_rows
from .._typing import FloatArray, IntArray
from ._base import Design
from ._gather import gather
from ._grams import pooled_gram, weighted_gram

# Rough products use a copy of X in single precision: not below the first number of elements, where
# it gains nothing, and not above the second, where memory counts.
_SINGLE_FROM, _SINGLE_BELOW = 500_000, 10_000_000


class OneX(Design):
    """One X; what does not depend on the weights of its rows."""

    one_x = True

    def __init__(self, X: FloatArray, n_tasks: int):
        self.X = X
        self.n_rows, self.n_features = X.shape
        self.offsets = np.arange(n_tasks + 1) * X.shape[0]
        self._single: FloatArray | None = None
        self.has_rough = self.n_rows <= self.n_features and _SINGLE_FROM <= X.size < _SINGLE_BELOW

    def predict(self, W: FloatArray) -> FloatArray:
        rows = np.flatnonzero(nonzero_rows(W))
        if 4 * rows.size < W.shape[0]:
            X = self.X.T[rows] if self.X.flags.f_contiguous else self.X[:, rows].T
            return np.dot(np.ascontiguousarray(W[rows].T), X).ravel()
        return np.dot(np.ascontiguousarray(W.T), self.X.T).ravel()

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        rows, X = theta.reshape(self.n_tasks, -1), self.X
        if rough and self.has_rough:
            if self._single is None:
                self._single = X.astype(np.float32)
            rows, X = rows.astype(np.float32), self._single
        return np.dot(rows, X).astype(np.float64, copy=False)

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        return gather(self.X, features, out)

    def task_rows(self, t: int) -> FloatArray:
        return self.X

    def row_squares(self) -> FloatArray:
        return np.einsum("ij,ij->i", self.X, self.X)

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1)
        if (rows == rows[0]).all():
            return weighted_gram(self.X, rows[0], centered)[None]
        return np.stack([weighted_gram(self.X, row, centered) for row in rows])

    def gram_along(
        self, curvature: FloatArray, centered: bool, direction: FloatArray
    ) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1) * np.square(direction)[:, None]
        moments = rows @ self.X if centered else None
        return pooled_gram(self.X, rows.sum(axis=0), rows.sum(axis=1), moments)

    def energies(self, c: FloatArray) -> FloatArray:
        squares, shares = np.square(self.X), c.reshape(self.n_tasks, -1)
        if (shares == shares[0]).all():
            return np.broadcast_to((shares[0] @ squares)[:, None], (self.n_features, len(shares)))
        return squares.T @ shares.T

    def restrict(self, features: IntArray) -> Self:
        if self.X.flags.f_contiguous:
            return type(self)(self.X.T[features].T, self.n_tasks)
        return type(self)(np.take(self.X, features, axis=1), self.n_tasks)

    @abstractmethod
    def prefers_gram(self) -> bool: ...


class Shared(OneX):
    """One X for all tasks, every task with the same sample weights."""

    same_weights = True

    def means(self, weight: FloatArray) -> FloatArray:
        own = weight[: self.n_rows]
        return (own @ self.X / own.sum())[None]

    def scaled_rows(self, c: FloatArray, centered: bool) -> FloatArray:
        root = np.sqrt(c[: self.n_rows])[:, None]
        if not centered:
            return root * self.X
        rows = self.X - self.means(c)
        rows *= root
        return rows

    def prefers_gram(self) -> bool:
        return self.n_rows >= self.n_features

    def any_weights(self) -> Masked:
        return Masked(self.X, self.n_tasks)


class Masked(OneX):
    """One X, sample weights of each task's own (targets may be missing): no copies of X."""

    def prefers_gram(self) -> bool:
        # Two products with the one X run at full BLAS speed; T different Gram matrices do not.
        return self.n_rows >= 8 * self.n_features

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        rows = weight.reshape(self.n_tasks, -1)
        raw = rows @ np.square(self.X)
        if not centered:
            return raw
        totals = rows.sum(axis=1)[:, None]
        out = raw - np.square(rows @ self.X) / np.where(totals > 0.0, totals, 1.0)
        # What is left of a feature that does not vary where the task was observed is rounding.
        return np.where(out > raw * (self.n_rows * np.finfo(float).eps), out, 0.0)
