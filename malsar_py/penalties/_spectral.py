"""Functions of the singular values of W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import prox
from .._typing import FloatArray
from ._base import Norm, Structure, TaskQuadratic


class TraceNorm(Norm):
    """``lambda1 sum_i sigma_i(W)``."""

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(prox.singular_values(W).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_trace(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return prox.spectral_norm(G)


@dataclass(frozen=True)
class SpectralBox(Structure):
    """Squared spectral box norm: clustered learning with the membership matrix minimised out.

    ``lambda1`` weighs the energy outside the best k directions, ``lambda2`` is the ridge; both > 0.
    """

    lambda1: float
    lambda2: float
    k: int

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return prox.spectral_box_value(prox.singular_values(W), self.lambda1, self.lambda2, self.k)

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_spectral_box(V, step, self.lambda1, self.lambda2, self.k)

    def conjugate(self, G: FloatArray) -> float:
        """``Omega*(G)``, finite everywhere."""
        s = prox.singular_values(G)
        return prox.spectral_box_conjugate(s, self.lambda1, self.lambda2, self.k)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        return [(1.0, self.conjugate(G - quadratic.apply(W)) + quadratic.value(W))]
