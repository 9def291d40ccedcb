"""Coefficients of the tasks and their covariances, given the variances (Henderson 1975)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray
from ._estimate import Estimate
from ._likelihood import Evaluation
from ._statistics import Frame, TaskStatistics

# Numbers in the covariances that are held at a time.
_PIECE = 1 << 22


class RowVariances(ABC):
    """Normal coefficients of tasks, and what that says of new targets."""

    sigma2: float

    @property
    @abstractmethod
    def frame(self) -> Frame:
        """The frame of the covariances."""

    @abstractmethod
    def covariances(self, index: IntArray) -> FloatArray:
        """Of intercepts and coefficients (k, p, p) for these tasks; -1: of a task not seen."""

    def row_variances(self, X: FloatArray, index: AnyArray | None, n_tasks: int) -> FloatArray:
        """Variance of a new target in the frame: (n,), or (n, n_tasks) without an index."""
        Z = self.frame.rows(X)
        p = Z.shape[1]
        if index is None:
            every = range(n_tasks)
            columns = [self._quadratic(Z, self.covariances(np.array([t]))[0]) for t in every]
            return np.stack(columns, axis=1) + self.sigma2
        out = np.empty(len(Z))
        order = np.argsort(index, kind="stable")
        found, starts = np.unique(index[order], return_index=True)
        members = np.split(order, starts[1:])
        chunk = max(1, _PIECE // p**2)
        for a in range(0, len(found), chunk):
            cov = self.covariances(found[a : a + chunk])
            for own, matrix in zip(members[a : a + chunk], cov, strict=True):
                out[own] = self._quadratic(Z[own], matrix)
        return out + self.sigma2

    @staticmethod
    def _quadratic(Z: FloatArray, matrix: FloatArray) -> FloatArray:
        return np.einsum("ij,ij->i", Z @ matrix, Z)


@dataclass(frozen=True, eq=False)
class Effects(RowVariances):
    """Best linear unbiased predictions, in the statistics' frame; no 1/D anywhere."""

    statistics: TaskStatistics
    random: IntArray
    factor: FloatArray
    sigma2: float
    beta: FloatArray
    cov_beta: FloatArray  # over sigma2

    @classmethod
    def of(cls, estimate: Estimate, at: Evaluation | None = None) -> Effects:
        """Of an estimate, or of its variances on other data."""
        likelihood = estimate.likelihood
        at = estimate.at if at is None else at
        sigma2 = 0.0 if at.exact else at.sigma2
        return cls(
            likelihood.statistics,
            likelihood.random,
            estimate.factor,
            sigma2,
            at.beta,
            at.cov_beta,
        )

    @property
    def frame(self) -> Frame:
        return self.statistics.frame

    def variance(self) -> FloatArray:
        """D (p, p), over sigma2."""
        p = len(self.beta)
        D = np.zeros((p, p))
        D[np.ix_(self.random, self.random)] = self.factor @ self.factor.T
        return D

    def coefficients(self) -> FloatArray:
        """``beta + u_t`` (T, p)."""
        effects = np.tile(self.beta, (len(self.statistics.n), 1))
        if len(self.random):
            gram = self.statistics.gram[:, self.random]
            pull = self.statistics.cross[:, self.random] - gram @ self.beta
            L = self.factor
            inner = self._inner(gram[:, :, self.random])
            effects[:, self.random] += np.linalg.solve(inner, (pull @ L)[:, :, None])[:, :, 0] @ L.T
        return effects

    def _inner(self, gram: FloatArray) -> FloatArray:
        """``I + L'G_RR L``."""
        return np.eye(len(self.random)) + self.factor.T @ gram @ self.factor

    def covariances(self, index: IntArray) -> FloatArray:
        """Covariances of ``beta + u_t`` (k, p, p) for these tasks; -1: of a task not seen."""
        p = len(self.beta)
        out = np.empty((len(index), p, p))
        new = index < 0
        out[new] = self.variance() + self.cov_beta
        G = self.statistics.gram[index[~new]]
        L, R = self.factor, self.random
        C = np.zeros_like(G)  # L A^-1 L' at R: the covariance of u_t at a known beta
        if len(R):
            inner = self._inner(G[:, R][:, :, R])
            C[np.ix_(np.arange(len(G)), R, R)] = L @ np.linalg.solve(
                inner, np.broadcast_to(L.T, inner.shape)
            )
        P = np.eye(p) - C @ G
        out[~new] = C + P @ self.cov_beta @ P.transpose(0, 2, 1)
        return self.sigma2 * out
