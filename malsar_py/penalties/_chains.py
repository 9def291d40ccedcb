"""Quadratic terms of tasks along a chain: linear in the number of tasks where others are cubic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from .._typing import FloatArray

# Beside a diagonal, what is left of a sum of zero.
_ROUNDING = 8.0 * np.finfo(float).eps
# The least ridge, as a share of the largest diagonal, beside which a solution keeps its digits.
_LEAST_RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Chain:
    """``tr(W M W') = sum_t between_t ||w_t - w_(t+1)||^2 + alone_t ||w_t||^2``, all of them >= 0.

    Written so, tasks that nearly agree do not cancel. There is no T x T matrix unless one is asked
    for.
    """

    between: FloatArray  # (T - 1,)
    alone: FloatArray  # (T,)

    @cached_property
    def diagonal(self) -> FloatArray:
        """Of M."""
        return self.alone + np.append(self.between, 0.0) + np.append(0.0, self.between)

    @cached_property
    def matrix(self) -> FloatArray:
        """M (T, T)."""
        M = np.diag(self.diagonal)
        t = np.arange(len(self.between))
        M[t, t + 1] = M[t + 1, t] = -self.between
        return M

    @property
    def joins_all(self) -> bool:
        """Whether what all tasks have in common, and no more, is free."""
        return not self.alone.any() and bool(self.between.all())

    def rescaled(self, factor: float) -> Chain:
        """``factor M``."""
        return Chain(factor * self.between, factor * self.alone)

    def pull(self, W: FloatArray) -> FloatArray:
        """``W M``."""
        out, moved = W * self.alone, self.between * np.diff(W, axis=1)
        out[:, :-1] -= moved
        out[:, 1:] += moved
        return out

    def eigenpairs(self) -> tuple[FloatArray, FloatArray]:
        """All eigenvalues and eigenvectors."""
        found = scipy.linalg.eigh_tridiagonal(self.diagonal, -self.between, check_finite=False)
        return found[0], found[1]

    def eigenvalue(self, place: int) -> float:
        """One of them, 0 the smallest."""
        found = scipy.linalg.eigvalsh_tridiagonal(
            self.diagonal,
            -self.between,
            select="i",
            select_range=(place, place),
            check_finite=False,
        )
        return float(found[0])

    def value(self, W: FloatArray) -> float:
        """``tr(W M W')``."""
        squares = float(np.square(np.diff(W, axis=1)).sum(axis=0) @ self.between)
        if self.alone.any():
            squares += float(np.square(W).sum(axis=0) @ self.alone)
        return squares

    def conjugate(self, G: FloatArray, ridge: float) -> float | None:
        """``1/2 tr(G (M + ridge I)^-1 G')``, None where rounding would tell."""
        diagonal = self.diagonal
        if not ridge > _LEAST_RIDGE * diagonal.max():
            return None
        bands = np.stack([np.append(0.0, -self.between), diagonal + ridge])
        found = scipy.linalg.solveh_banded(bands, G.T, check_finite=False)
        return 0.5 * float(np.vdot(G.T, found))


def chain_of(matrix: FloatArray) -> Chain | None:
    """The chain that a semidefinite matrix is the quadratic of, None if it is of another kind."""
    if not is_tridiagonal(matrix):
        return None
    diagonal, beside = np.diagonal(matrix), np.diagonal(matrix, 1)
    alone = diagonal + np.append(beside, 0.0) + np.append(0.0, beside)
    alone = np.where(np.abs(alone) <= _ROUNDING * diagonal, 0.0, alone)
    if beside.max() > 0.0 or alone.min() < 0.0:
        return None
    return Chain(-beside, alone)


def is_tridiagonal(matrix: FloatArray) -> bool:
    """Whether more than two tasks meet their neighbours alone."""
    banded = np.count_nonzero(np.diagonal(matrix)) + 2 * np.count_nonzero(np.diagonal(matrix, 1))
    return len(matrix) > 2 and np.count_nonzero(matrix) == banded


def eigenpairs(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues and eigenvectors of a symmetric matrix; soon where tasks lie along a chain."""
    if is_tridiagonal(matrix):
        diagonal, beside = np.diagonal(matrix), np.diagonal(matrix, 1)
        return scipy.linalg.eigh_tridiagonal(diagonal, beside, check_finite=False)
    return scipy.linalg.eigh(matrix, check_finite=False)
