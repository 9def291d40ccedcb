"""Quadratic terms of tasks along a chain: linear in the number of tasks where others are cubic."""

from __future__ import annotations

from dataclasses import dataclass

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

    Written so, tasks that nearly agree do not cancel.
    """

    matrix: FloatArray
    between: FloatArray  # (T - 1,)
    alone: FloatArray  # (T,)

    def value(self, W: FloatArray) -> float:
        """``tr(W M W')``."""
        squares = float(np.square(np.diff(W, axis=1)).sum(axis=0) @ self.between)
        if self.alone.any():
            squares += float(np.square(W).sum(axis=0) @ self.alone)
        return squares

    def conjugate(self, G: FloatArray, ridge: float) -> float | None:
        """``1/2 tr(G (M + ridge I)^-1 G')``, None where rounding would tell."""
        diagonal = np.diagonal(self.matrix)
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
    return Chain(matrix, -beside, alone)


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
