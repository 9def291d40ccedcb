"""How X meets W: products of the design with coefficients, for every way tasks can share rows.

Sample space is one flat task-major vector (task t owns ``offsets[t]:offsets[t + 1]``); ``W`` is
(n_features, n_tasks). Intercepts are not part of a design: the losses minimise them out, which also
makes the per-task means of X irrelevant everywhere but in ``gram``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from . import _kernels
from ._threads import spread
from ._typing import FloatArray, IntArray

# A BLAS call per task pays off above this many numbers in a task's block.
_BLAS_BLOCK = 20_000
# The same for Gram matrices, in products.
_GRAM_BLOCK = 50_000
# A multiply-add in a product of matrices, beside reading a number from memory.
_PER_PRODUCT = 1 / 16
# Rough products use a copy of X in single precision: not below the first number of elements, where
# it gains nothing, and not above the second, where memory counts.
_SINGLE_FROM, _SINGLE_BELOW = 500_000, 10_000_000


class Design(ABC):
    """Linear map from W to the samples of all tasks."""

    X: FloatArray
    offsets: IntArray

    @property
    def has_rough(self) -> bool:
        """Whether products in single precision are to be had, and faster."""
        return False

    @property
    def n_tasks(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    @abstractmethod
    def predict(self, W: FloatArray) -> FloatArray:
        """``z_ti = x_ti . w_t`` (N,)."""

    @abstractmethod
    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        """``theta' X``: (n_tasks, n_features). ``rough``: in single precision, if faster."""

    def adjoint(self, theta: FloatArray) -> FloatArray:
        """``X' theta``: (n_features, n_tasks)."""
        return np.ascontiguousarray(self.adjoint_rows(theta).T)

    @abstractmethod
    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        """``sum_i d_ti x_ti x_ti'`` per task: (T, d, d), or (1, d, d) if the same for all.

        ``centered``: around the d-weighted mean of the task, as after minimising over its
        intercept.
        """

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        """Weighted sums of squares of each task's features (T, d); None if all have the same.

        ``centered``: around the weighted mean of the task, which of rows of its own was taken out.
        """
        return np.einsum("tjj->tj", self.gram(weight, centered))

    def gram_along(self, weight: FloatArray, centered: bool, direction: FloatArray) -> FloatArray:
        """``sum_t direction_t^2 H_t`` (1, d, d), the H_t those of :meth:`gram`."""
        return np.einsum("t,tij->ij", np.square(direction), self.gram(weight, centered))[None]

    def free_gram(
        self, curvature: FloatArray, centered: bool, basis: FloatArray | None
    ) -> FloatArray:
        """The Gram matrices, or their sum along the only one of the task directions (T, r)."""
        if basis is None or basis.shape[1] > 1:
            return self.gram(curvature, centered)
        return self.gram_along(curvature, centered, basis[:, 0])

    def energies(self, c: FloatArray) -> FloatArray:
        """``sum_i c_ti x_tij^2``: (n_features, n_tasks)."""
        squares = np.square(self.X)
        if isinstance(self, Shared):
            shares = c.reshape(self.n_tasks, -1)
            if (shares == shares[0]).all():
                return np.broadcast_to(
                    (shares[0] @ squares)[:, None], (self.n_features, len(shares))
                )
            return squares.T @ shares.T
        return np.add.reduceat(c[:, None] * squares, self.offsets[:-1]).T

    @abstractmethod
    def prefers_gram(self) -> bool:
        """Whether products with Gram matrices are cheaper than two passes over X."""

    @abstractmethod
    def restrict(self, features: IntArray) -> Design:
        """The design of some features only."""


class Ragged(Design):
    """Own rows per task, stacked in task order."""

    def __init__(self, X: FloatArray, offsets: IntArray):
        self.X = X
        self.offsets = offsets
        self._small = X.size < _BLAS_BLOCK * self.n_tasks

    def predict(self, W: FloatArray) -> FloatArray:
        out = np.empty(self.X.shape[0])
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

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        H = np.empty((self.n_tasks, self.n_features, self.n_features))
        if self.X.size * self.n_features < _GRAM_BLOCK * self.n_tasks:
            _kernels.blocks.gram(self.X, curvature, self.offsets, centered, H)
            return H

        def work(first: int, last: int) -> None:
            for t, own in self._tasks(first, last):
                H[t] = _weighted_gram(self.X[own], curvature[own], centered)

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
        return _pooled_gram(self.X, weight, np.add.reduceat(weight, self.offsets[:-1]), moments)

    def prefers_gram(self) -> bool:
        return self.X.shape[0] >= self.n_features * self.n_tasks

    def restrict(self, features: IntArray) -> Ragged:
        return Ragged(np.take(self.X, features, axis=1), self.offsets)

    def _tasks(self, first: int, last: int) -> Iterator[tuple[int, slice]]:
        bounds = self.offsets[first : last + 1].tolist()
        for t, (start, stop) in enumerate(pairwise(bounds), first):
            yield t, slice(start, stop)


class Shared(Design):
    """One X for all tasks, every task with the same sample weights."""

    def __init__(self, X: FloatArray, n_tasks: int):
        self.X = X
        self.offsets = np.arange(n_tasks + 1) * X.shape[0]
        self._single: FloatArray | None = None

    @property
    def has_rough(self) -> bool:
        n_samples, n_features = self.X.shape
        return n_samples <= n_features and _SINGLE_FROM <= self.X.size < _SINGLE_BELOW

    def predict(self, W: FloatArray) -> FloatArray:
        rows = np.flatnonzero(W.any(axis=1))
        if 4 * rows.size < W.shape[0]:
            return np.dot(np.ascontiguousarray(W[rows].T), self.X[:, rows].T).ravel()
        return np.dot(np.ascontiguousarray(W.T), self.X.T).ravel()

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        rows, X = theta.reshape(self.n_tasks, -1), self.X
        if rough and self.has_rough:
            if self._single is None:
                self._single = X.astype(np.float32)
            rows, X = rows.astype(np.float32), self._single
        return np.dot(rows, X).astype(np.float64, copy=False)

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1)
        if (rows == rows[0]).all():
            return _weighted_gram(self.X, rows[0], centered)[None]
        return np.stack([_weighted_gram(self.X, row, centered) for row in rows])

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        return None

    def gram_along(
        self, curvature: FloatArray, centered: bool, direction: FloatArray
    ) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1) * np.square(direction)[:, None]
        moments = rows @ self.X if centered else None
        return _pooled_gram(self.X, rows.sum(axis=0), rows.sum(axis=1), moments)

    def prefers_gram(self) -> bool:
        return self.X.shape[0] >= self.n_features

    def restrict(self, features: IntArray) -> Design:
        return type(self)(np.take(self.X, features, axis=1), self.n_tasks)


class Masked(Shared):
    """One X, sample weights of each task's own (targets may be missing): no copies of X."""

    def prefers_gram(self) -> bool:
        # Two products with the one X run at full BLAS speed; T different Gram matrices do not.
        return self.X.shape[0] >= 8 * self.n_features

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        rows = weight.reshape(self.n_tasks, -1)
        raw = rows @ np.square(self.X)
        if not centered:
            return raw
        totals = rows.sum(axis=1)[:, None]
        out = raw - np.square(rows @ self.X) / np.where(totals > 0.0, totals, 1.0)
        # What is left of a feature that does not vary where the task was observed is rounding.
        return np.where(out > raw * (self.X.shape[0] * np.finfo(float).eps), out, 0.0)


def _weighted_gram(X: FloatArray, weight: FloatArray, centered: bool) -> FloatArray:
    if weight.size and (weight == weight[0]).all():
        H = X.T @ X
        H *= weight[0]
    else:
        scaled = X * np.sqrt(weight)[:, None]
        H = scaled.T @ scaled
    total = weight.sum()
    if centered and total > 0.0:
        moment = weight @ X
        H -= np.outer(moment, moment / total)
    return H


def _pooled_gram(
    X: FloatArray, weight: FloatArray, totals: FloatArray, moments: FloatArray | None
) -> FloatArray:
    """``X' diag(weight) X`` (1, d, d) less the tasks' means, from their moments (T, d)."""
    H = _weighted_gram(X, weight, False)
    if moments is not None:
        scaled = moments / np.sqrt(np.where(totals > 0.0, totals, 1.0))[:, None]
        H -= scaled.T @ scaled
    return H[None]
