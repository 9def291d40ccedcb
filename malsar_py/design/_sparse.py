"""Sparse X: products only, and a few columns or a Gram matrix at a time as arrays.

X is not centred, as that would fill it: ``theta`` sums to zero where there are intercepts, so that
``X' theta`` is the same, and what is ``centered`` takes the means out by itself.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from scipy import sparse

from .. import _kernels
from .._linalg import nonzero_rows
from .._typing import AnyArray, FloatArray, IntArray
from ._base import Design
from ._one_x import Masked, Shared
from ._ragged import Ragged

# Columns are scattered into an array from so many numbers at a time.
_PIECE = 1 << 22


class SparseRows(Design):
    """What both kinds say: X in compressed rows, and a copy in compressed columns where asked."""

    rows_are_arrays = False

    def __init__(self, X: Any, offsets: IntArray):
        self.X = X.tocsr()
        self.n_rows, self.n_features = X.shape
        self.offsets = offsets
        self._by_column: Any = None

    @property
    def size(self) -> int:
        return int(self.X.nnz)

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        if self._by_column is None:
            self._by_column = self.X.tocsc()
        found = np.empty((len(features), self.n_rows)) if out is None else out
        step = max(1, _PIECE // max(self.n_rows, 1))
        for start in range(0, len(features), step):
            some = slice(start, start + step)
            self._by_column[:, features[some]].T.toarray(out=found[some])
        return found

    def row_squares(self) -> FloatArray:
        return np.asarray(self.X.multiply(self.X).sum(axis=1)).ravel()

    def _restricted(self, features: IntArray) -> tuple[Any, bool]:
        """Some columns: an array, if they are a small part of all."""
        if 2 * len(features) > self.n_features:
            return self.X[:, features], False
        return np.ascontiguousarray(self.columns(features).T), True

    def _squared(self) -> Any:
        squared = self.X.copy()
        squared.data = np.square(squared.data)
        return squared

    def _about_means(self, raw: FloatArray, weight: FloatArray) -> FloatArray:
        """Weighted sums of squares (T, d) about the tasks' means; rounding is taken for 0."""
        totals = np.add.reduceat(weight, self.offsets[:-1])[:, None]
        moments = self.adjoint_rows(weight)
        out = raw - np.square(moments) / np.where(totals > 0.0, totals, 1.0)
        return np.where(out > raw * (self.n_rows * np.finfo(float).eps), out, 0.0)


class SparseOneX(SparseRows):
    """One sparse X; what does not depend on the weights of its rows."""

    one_x = True

    def __init__(self, X: Any, n_tasks: int):
        super().__init__(X, np.arange(n_tasks + 1) * X.shape[0])

    def predict(self, W: FloatArray) -> FloatArray:
        rows = np.flatnonzero(nonzero_rows(W))
        if 4 * rows.size < W.shape[0]:
            if self._by_column is None:
                self._by_column = self.X.tocsc()
            return (self._by_column[:, rows] @ W[rows]).T.ravel()
        return (self.X @ W).T.ravel()

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        rows = theta.reshape(self.n_tasks, -1)
        return np.ascontiguousarray((self.X.T @ np.ascontiguousarray(rows.T)).T)

    def task_rows(self, t: int) -> FloatArray:
        return self.X.toarray()

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1)
        if (rows == rows[0]).all():
            rows = rows[:1]
        return np.stack([_gram(self.X, row, centered) for row in rows])

    def gram_along(
        self, curvature: FloatArray, centered: bool, direction: FloatArray
    ) -> FloatArray:
        rows = curvature.reshape(self.n_tasks, -1) * np.square(direction)[:, None]
        H = _gram(self.X, rows.sum(axis=0), False)
        if centered:
            totals = rows.sum(axis=1)
            scaled = (self.X.T @ rows.T) / np.sqrt(np.where(totals > 0.0, totals, 1.0))
            H -= scaled @ scaled.T
        return H[None]

    def energies(self, c: FloatArray) -> FloatArray:
        return self._squared().T @ np.ascontiguousarray(c.reshape(self.n_tasks, -1).T)

    @abstractmethod
    def any_weights(self) -> Design: ...


class SparseShared(SparseOneX):
    """One sparse X for all tasks, every task with the same sample weights."""

    same_weights = True

    def means(self, weight: FloatArray) -> FloatArray:
        own = weight[: self.n_rows]
        return (self.X.T @ own / own.sum())[None]

    def gram_rows(
        self, features: IntArray, c: FloatArray, centered: bool
    ) -> tuple[FloatArray, FloatArray]:
        A, c = self.columns(features), c[: self.n_rows]
        means = A @ c / c.sum() if centered else np.zeros(len(A))
        A -= means[:, None]
        A *= c
        return np.ascontiguousarray((self.X.T @ A.T).T), means

    def scaled_rows(self, c: FloatArray, centered: bool) -> Any:
        mean = self.means(c)[0] if centered else np.zeros(self.n_features)
        return ScaledRows(self.X, np.sqrt(c[: self.n_rows]), mean)

    def prefers_gram(self) -> bool:
        return self.n_features**2 <= 2 * self.size and self.n_rows >= self.n_features

    def any_weights(self) -> Design:
        return SparseMasked(self.X, self.n_tasks)

    def restrict(self, features: IntArray) -> Design:
        X, dense = self._restricted(features)
        return Shared(X, self.n_tasks) if dense else SparseShared(X, self.n_tasks)


class SparseMasked(SparseOneX):
    """One sparse X, sample weights of each task's own."""

    def prefers_gram(self) -> bool:
        return 8 * self.n_features**2 <= self.size and self.n_rows >= self.n_features

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        raw = np.ascontiguousarray(self.energies(weight).T)
        return self._about_means(raw, weight) if centered else raw

    def any_weights(self) -> Design:
        return self

    def restrict(self, features: IntArray) -> Design:
        X, dense = self._restricted(features)
        return Masked(X, self.n_tasks) if dense else SparseMasked(X, self.n_tasks)


class SparseRagged(SparseRows):
    """Sparse rows of each task's own."""

    def __init__(self, X: Any, offsets: IntArray):
        super().__init__(X, offsets)
        # One type of indices: the kernels are compiled once.
        self._places = self.X.indices.astype(np.int64, copy=False)
        self._bounds = self.X.indptr.astype(np.int64, copy=False)

    def predict(self, W: FloatArray) -> FloatArray:
        out = np.empty(self.n_rows)
        rows = np.ascontiguousarray(W.T)
        _kernels.sparse.predict(self.X.data, self._places, self._bounds, self.offsets, rows, out)
        return out

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        return self._adjoint(self.X.data, theta)

    def _adjoint(self, data: FloatArray, theta: FloatArray) -> FloatArray:
        out = np.empty((self.n_tasks, self.n_features))
        _kernels.sparse.adjoint(data, self._places, self._bounds, self.offsets, theta, out)
        return out

    def task_rows(self, t: int) -> FloatArray:
        return self._own(t).toarray()

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        H = np.empty((self.n_tasks, self.n_features, self.n_features))
        for t in range(self.n_tasks):
            own = slice(self.offsets[t], self.offsets[t + 1])
            H[t] = _gram(self._own(t), curvature[own], centered)
        return H

    def gram_along(
        self, curvature: FloatArray, centered: bool, direction: FloatArray
    ) -> FloatArray:
        H = np.zeros((self.n_features, self.n_features))
        for t in range(self.n_tasks):
            own = slice(self.offsets[t], self.offsets[t + 1])
            H += direction[t] ** 2 * _gram(self._own(t), curvature[own], centered)
        return H[None]

    def squares(self, weight: FloatArray, centered: bool) -> FloatArray | None:
        raw = self._adjoint(np.square(self.X.data), weight)
        return self._about_means(raw, weight) if centered else raw

    def energies(self, c: FloatArray) -> FloatArray:
        return self._adjoint(np.square(self.X.data), c).T

    def prefers_gram(self) -> bool:
        few = self.n_tasks * self.n_features**2 <= 2 * self.size
        return few and self.n_rows >= self.n_features * self.n_tasks

    def restrict(self, features: IntArray) -> Design:
        X, dense = self._restricted(features)
        return Ragged(X, self.offsets) if dense else SparseRagged(X, self.offsets)

    def scaled_task(self, t: int, c: FloatArray, centered: bool) -> Any:
        X, own = self._own(t), c[self.offsets[t] : self.offsets[t + 1]]
        mean = X.T @ own / own.sum() if centered else np.zeros(self.n_features)
        return ScaledRows(X, np.sqrt(own), mean)

    def _own(self, t: int) -> Any:
        return self.X[self.offsets[t] : self.offsets[t + 1]]


class ScaledRows:
    """``Z = sqrt(c) (x - mean)`` as its products: ``Z @ W``, ``Z.T @ U`` and ``Z @ Z.T``."""

    def __init__(self, X: Any, root: FloatArray, mean: FloatArray, turned: bool = False):
        self.X, self.root, self.mean, self.turned = X, root, mean, turned

    @property
    def T(self) -> Self:
        return type(self)(self.X, self.root, self.mean, not self.turned)

    def __matmul__(self, other: Any) -> FloatArray:
        if isinstance(other, ScaledRows):
            return self._kernel()
        root = self.root[:, None]
        if self.turned:
            scaled = root * other
            return self.X.T @ scaled - np.outer(self.mean, scaled.sum(axis=0))
        return root * (self.X @ other - self.mean @ other)

    def _kernel(self) -> FloatArray:
        """``Z Z'`` (n, n)."""
        K = (self.X @ self.X.T).toarray()
        along = self.X @ self.mean
        K += float(self.mean @ self.mean) - along[:, None] - along
        return K * np.outer(self.root, self.root)


def _gram(X: Any, weight: FloatArray, centered: bool) -> FloatArray:
    """``X' diag(weight) X`` (d, d), around the weighted mean if ``centered``."""
    scaled = sparse.diags_array(np.sqrt(weight)) @ X
    H: AnyArray = (scaled.T @ scaled).toarray()
    total = weight.sum()
    if centered and total > 0.0:
        moment = X.T @ weight
        H -= np.outer(moment, moment / total)
    return H
