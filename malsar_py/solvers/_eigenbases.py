"""Gram matrices of the tasks in their eigenbases, for systems that come again with other shifts.

With ``H_t = U_t diag(h_t) U_t'`` once for all, ``(H_t + s I)^-1`` is two products for any s. The
bases take as long as some factorisations do; a path has many.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from .._linalg import sum_solver
from .._typing import FloatArray
from ..design import Ragged
from ._workspace import Workspace

Solve = Callable[[FloatArray], FloatArray]

# Factorisations that are made before the bases are.
_BEFORE = 2
# Diagonals below this share of the largest are of scales that one eigenbasis would lose.
_EVEN = 1e-8
# Numbers of which products are taken at once.
_PIECE = 1 << 15


class Factors(ABC):
    """``(H_t + shift_t I)^-1`` of each task, in multiples of ``1 / scale``."""

    scale: float

    @abstractmethod
    def scaled(self, R: FloatArray) -> FloatArray:
        """``scale (H_t + shift_t I)^-1 r_t``."""

    @abstractmethod
    def common(self, coupling: float, rest: float) -> Solve:
        """Solutions s of ``(rest I + coupling mean_t scale (H_t + shift_t I)^-1 H_t) s = r``."""

    def solve(self, R: FloatArray) -> FloatArray:
        """``(H_t + shift_t I)^-1 r_t``."""
        return self.scaled(R / self.scale)

    def mean(self, R: FloatArray) -> FloatArray:
        """The mean of ``scaled(R)`` over the tasks (d,)."""
        return np.asarray(self.scaled(R).mean(axis=1))

    def solve_with(self, R: FloatArray, r: FloatArray) -> FloatArray:
        """The same as ``solve`` for r (d,) added to each of R."""
        return self.scaled(R / self.scale + (r / self.scale)[:, None])


class Eigenbases:
    """``H_t = U_t diag(values_t) U_t'``: one after the other the rows of ``U_t'`` are a design."""

    def __init__(self, gram: FloatArray):
        n_tasks, d = gram.shape[:2]
        self.largest = float(np.einsum("tjj->tj", gram).max(initial=0.0))
        unit = self.largest if self.largest > 0.0 else 1.0
        values, vectors = np.linalg.eigh(gram / unit)
        self.values = np.maximum(values, 0.0) * unit
        turned = np.ascontiguousarray(vectors.transpose(0, 2, 1))
        self.rows = Ragged(turned.reshape(-1, d), np.arange(n_tasks + 1, dtype=np.int64) * d)
        self._last: tuple[FloatArray, FloatArray] | None = None

    def turned(self, R: FloatArray) -> FloatArray:
        """``U_t' r_t`` of all tasks (T d,); kept, as the right side of a path stays the same."""
        if self._last is None or self._last[0] is not R:
            self._last = R, self.rows.predict(R)
        return self._last[1]


class SpectralFactors(Factors):
    """The same in the eigenbases."""

    def __init__(self, bases: Eigenbases, shifts: FloatArray):
        self.bases = bases
        self.scale = max(bases.largest, float(shifts.max(initial=0.0)), np.finfo(float).tiny)
        h, shift = bases.values / self.scale, shifts[:, None] / self.scale
        total = h + shift
        # Least-norm where rounding has made them singular.
        kept = total > (h.shape[1] * np.finfo(float).eps) * total.max(axis=1, keepdims=True)
        inverse = np.divide(1.0, total, out=np.zeros_like(total), where=kept)
        self.inverse, self.curved = inverse.ravel(), (bases.values * inverse).ravel()

    def scaled(self, R: FloatArray) -> FloatArray:
        return self._back(self.bases.rows.predict(R))

    def mean(self, R: FloatArray) -> FloatArray:
        rows = self.bases.rows
        return np.asarray((self.inverse * self.bases.turned(R)) @ rows.X / rows.n_tasks)

    def solve_with(self, R: FloatArray, r: FloatArray) -> FloatArray:
        moved = self.bases.turned(R) / self.scale + self.bases.rows.X @ (r / self.scale)
        return self._back(moved)

    def _back(self, turned: FloatArray) -> FloatArray:
        return self.bases.rows.adjoint(self.inverse * turned)

    def common(self, coupling: float, rest: float) -> Solve:
        U, d = self.bases.rows.X, self.bases.rows.n_features
        root, total = np.sqrt(self.curved)[:, None], np.zeros((d, d))
        step = max(1, _PIECE // d)
        for start in range(0, len(U), step):
            some = slice(start, start + step)
            scaled = root[some] * U[some]
            total += scaled.T @ scaled
        return sum_solver(rest * np.eye(d) + (coupling / self.bases.rows.n_tasks) * total)


def spectral_factors(
    gram: FloatArray, shifts: FloatArray, workspace: Workspace
) -> SpectralFactors | None:
    """Factors by eigenbases, if the systems of these Gram matrices have come often enough."""
    if workspace.bases is None:
        workspace.n_factors = (workspace.n_factors or 0) + 1
        size = np.einsum("tjj->tj", gram)
        least = np.where(size > 0.0, size, np.inf).min(axis=1, initial=np.inf)
        uneven = (least < _EVEN * size.max(axis=1, initial=0.0)).any()
        if workspace.n_factors <= _BEFORE or uneven:
            return None
        workspace.bases = Eigenbases(gram)
    return SpectralFactors(workspace.bases, shifts)
