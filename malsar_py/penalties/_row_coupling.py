"""A quadratic across tasks that is stronger for some features than for others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .._typing import FloatArray, IntArray
from ._base import FreePart, Penalty, Structure, TaskQuadratic, deviations

# What is left of a square where a product with eigenvectors is zero.
_ROUNDING = 1e-27


@dataclass(frozen=True, eq=False)
class RowCoupling(Structure):
    """``lambda1/2 sum_j weights_j w^j Q w^j'``, handled by its prox; Q has no ridge of its own.

    A row of infinite weight is in the null space of Q.
    """

    lambda1: float
    coupling: TaskQuadratic
    weights: FloatArray

    @property
    def structure(self) -> Structure | None:
        return self if self.lambda1 > 0.0 and self.coupling.coupled else None

    def value(self, W: FloatArray) -> float:
        energies, curved = np.square(self._into(W)), self._curvature()
        rounding = _ROUNDING * np.square(W).sum(axis=1, keepdims=True)
        used = np.where(np.isinf(curved), energies > rounding, energies > 0.0)
        return 0.5 * float(np.broadcast_to(curved, energies.shape)[used] @ energies[used])

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        shrink = 1.0 / (1.0 + step * self._curvature())
        if self.coupling.matrix is None:
            own = deviations(V)
            return (V[:, :1] - own[:, :1]) + own * shrink
        vectors = self.coupling._eigh[1]
        return np.ascontiguousarray((V @ vectors * shrink) @ vectors.T)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        assert not quadratic.coupled
        curved = self._curvature() + quadratic.ridge
        squares = np.square(self._into(G))
        conj = np.divide(squares, curved, out=np.zeros_like(squares), where=curved > 0.0).sum()
        if self.coupling.matrix is None and quadratic.ridge > 0.0:
            conj += float(np.square(G - deviations(G)).sum()) / quadratic.ridge
        return [(1.0, 0.5 * float(conj))]

    def restrict(self, features: IntArray) -> Self:
        return replace(self, weights=self.weights[features])

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        basis = self.coupling.null_basis(n_tasks)
        return None if basis is None else (slice(None), basis)

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        return replace(self, lambda1=self.lambda1 * factor * size * size)

    def _into(self, W: FloatArray) -> FloatArray:
        """W in coordinates in which Q is diagonal: deviations, or eigenvectors."""
        return deviations(W) if self.coupling.matrix is None else W @ self.coupling._eigh[1]

    def _curvature(self) -> FloatArray:
        """``lambda1 weights_j q_k`` of each of these coordinates, 0 where q_k is."""
        if self.coupling.matrix is None:
            return self.lambda1 * self.coupling.mean * self.weights[:, None]
        values = self.coupling._eigh[0]
        curved = np.zeros((len(self.weights), len(values)))
        curved[:, values > 0.0] = self.lambda1 * np.outer(self.weights, values[values > 0.0])
        return curved
