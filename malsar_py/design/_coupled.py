"""Tasks of several columns that meet in each sample."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray
from ._base import Design


class Coupled(Design):
    """Samples ``z = R_t w`` of task t, w its K columns of W one after the other.

    R is (n_tasks, K d, K d): as many samples as coefficients, dealt to the columns. For solvers
    that need products only.
    """

    def __init__(self, R: FloatArray, n_features: int):
        self.R = R
        n_tasks, size = R.shape[:2]
        self.n_rows, self.n_features = n_tasks * size, n_features
        self.offsets = np.arange(self.n_rows // n_features + 1, dtype=np.int64) * n_features

    def predict(self, W: FloatArray) -> FloatArray:
        w = W.T.reshape(len(self.R), -1, 1)
        return np.asarray(self.R @ w).ravel()

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        own = theta.reshape(len(self.R), 1, -1)
        return np.asarray(own @ self.R).reshape(-1, self.n_features)

    def row_squares(self) -> FloatArray:
        return np.square(self.R).sum(axis=2).ravel()

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        raise NotImplementedError("products only")

    def task_rows(self, t: int) -> FloatArray:
        raise NotImplementedError("products only")

    def restrict(self, features: IntArray) -> Design:
        raise NotImplementedError("products only")
