"""Functions of the singular values of W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import prox
from .._typing import FloatArray
from ._base import Norm, Structure, TaskQuadratic

# A projected matrix may exceed its bound by rounding.
_ROUNDING = 1e-9


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
class SquaredTraceNorm(Structure):
    """``lambda1/2 (sum_i sigma_i(W))^2``, lambda1 > 0: the task covariance minimised out."""

    lambda1: float

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return 0.5 * self.lambda1 * float(prox.singular_values(W).sum()) ** 2

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_squared_trace(V, step * self.lambda1)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        rest = G - quadratic.apply(W)
        bounds = [(1.0, 0.5 * prox.spectral_norm(rest) ** 2 / self.lambda1 + quadratic.value(W))]
        if quadratic.ridge > 0.0:
            # The conjugate of both together, where only the coupling is linearised.
            rest += quadratic.ridge * W
            best = self.prox(rest / quadratic.ridge, 1.0 / quadratic.ridge)
            conj = 0.5 * float(np.vdot(rest, best))
            bounds.append((1.0, conj + 0.5 * quadratic.coupling(W)))
        return bounds


@dataclass(frozen=True)
class TraceBall(Structure):
    """The constraint ``sum_i sigma_i(W) <= bound``, bound >= 0."""

    bound: float

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        total = float(prox.singular_values(W).sum())
        return 0.0 if total <= self.bound * (1.0 + _ROUNDING) else np.inf

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.project_trace_ball(V, self.bound)

    def support(self, G: FloatArray) -> float:
        """The conjugate: ``max <G, W>`` over the ball."""
        return self.bound * prox.spectral_norm(G)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        return [(1.0, self.support(G - quadratic.apply(W)) + quadratic.value(W))]


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
