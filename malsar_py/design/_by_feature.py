"""Some features of a design as rows: descent reads along the samples."""

from __future__ import annotations

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ._base import Design

# A BLAS call per task pays off above this many numbers in a task's block.
_BLAS_BLOCK = 20_000
_BLAS_GRAM = 2000


class FeatureRows(Design):
    """Some features of a design, one a row of ``A``: descent reads along the samples."""

    def __init__(self, A: FloatArray, design: Design):
        self.A = A
        self.n_features, self.n_rows = A.shape
        self._design = design
        self.offsets = design.offsets
        self.one_x = design.one_x
        self.starts = design.starts
        self._small = A.size < _BLAS_BLOCK * self.n_tasks

    def predict(self, W: FloatArray) -> FloatArray:
        rows = np.ascontiguousarray(W.T)
        if self.one_x:
            return np.dot(rows, self.A).ravel()
        out = np.empty(self.offsets[-1])
        if self._small:
            _kernels.newton.predict(self.A, self.starts, self.offsets, rows, out)
            return out
        for w, own in zip(rows, self.places, strict=True):
            np.dot(w, self.A[:, own], out=out[own])
        return out

    def adjoint_rows(self, theta: FloatArray, rough: bool = False) -> FloatArray:
        if self.one_x:
            return np.dot(theta.reshape(self.n_tasks, -1), self.A.T)
        out = np.empty((self.n_tasks, self.A.shape[0]))
        if self._small:
            _kernels.row_norms.residual_gradient(self.A, self.starts, self.offsets, theta, out)
            return out
        for g, own in zip(out, self.places, strict=True):
            np.dot(self.A[:, own], theta[own], out=g)
        return out

    def columns(self, features: IntArray, out: FloatArray | None = None) -> FloatArray:
        return np.take(self.A, features, axis=0, out=out)

    def task_rows(self, t: int) -> FloatArray:
        return self.A[:, self.places[t]].T

    def gram(self, curvature: FloatArray, centered: bool) -> FloatArray:
        k = self.n_features
        H = np.empty((self.n_tasks, k, k))
        if self.offsets[-1] * k < _BLAS_GRAM * self.n_tasks:
            every = np.ascontiguousarray(np.broadcast_to(np.arange(k), (self.n_tasks, k)))
            _kernels.newton.weighted_gram(
                self.A, self.starts, self.offsets, curvature, every, centered, H
            )
            return H
        for t in range(self.n_tasks):
            S = self.scaled(t, curvature, centered)
            np.dot(S, S.T, out=H[t])
        return H

    def scaled(self, t: int, weight: FloatArray, centered: bool) -> FloatArray:
        """Features of task t as rows, times the root of the weights and centred by them."""
        A = self.A[:, self.places[t]]
        d = weight[self.offsets[t] : self.offsets[t + 1]]
        if centered:
            A = A - (A @ d / d.sum())[:, None]
        return A * np.sqrt(d)

    def energies(self, c: FloatArray) -> FloatArray:
        if self.one_x:
            return np.square(self.A) @ c.reshape(self.n_tasks, -1).T
        return super().energies(c)

    def restrict(self, features: IntArray) -> FeatureRows:
        return FeatureRows(np.ascontiguousarray(self.A[features]), self._design)
