"""Coefficients that are not negative: the constraint W >= 0, alone or with a norm.

Of ``G = X' theta`` only the positive part pulls at W: the conjugate of Omega(W) for W >= 0 is the
least one of Omega over all that is at least G.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray
from ._base import FreePart, Norm, Structure, TaskQuadratic


@dataclass(frozen=True, kw_only=True)
class NonnegativeNorm(Norm):
    """A norm of W >= 0, of those that grow with the size of each entry alone."""

    inner: Norm

    def value(self, W: FloatArray) -> float:
        return np.inf if (W < 0.0).any() else self.inner.value(W)

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return self.inner.prox(np.maximum(V, 0.0), step)

    def dual_norm(self, G: FloatArray) -> float:
        return self.inner.dual_norm(np.maximum(G, 0.0))

    def restrict(self, features: IntArray) -> Self:
        return replace(self, inner=self.inner.restrict(features))

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        return self.inner.leaves_free(n_tasks)

    def pulled(self, W: FloatArray, G: FloatArray) -> AnyArray | None:
        return (W > 0.0) | (G > 0.0)


@dataclass(frozen=True)
class Orthant(Structure):
    """The constraint ``W >= 0``."""

    only_constrains: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return np.inf if (W < 0.0).any() else 0.0

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return np.maximum(V, 0.0)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        # Anything that is at least G will do: at the optimum it is the quadratic's slope.
        above = np.maximum(G, quadratic.apply(W))
        if quadratic.coupled and quadratic.ridge == 0.0:
            # What all tasks share costs nothing: the sum over them must be none.
            room = above - G
            excess, whole = above.sum(axis=1), room.sum(axis=1)
            share = np.divide(excess, whole, out=np.zeros_like(excess), where=whole > 0.0)
            above = above - room * np.clip(share, 0.0, 1.0)[:, None]
        return [(1.0, quadratic.conjugate(above))]

    def pulled(self, W: FloatArray, G: FloatArray) -> AnyArray | None:
        return (W > 0.0) | (G > 0.0)


def nonnegative(structure: Structure | None) -> Structure:
    """A norm (None: nothing) of coefficients that are not negative."""
    if structure is None:
        return Orthant()
    assert isinstance(structure, Norm)
    return NonnegativeNorm(structure.lambda1, inner=structure)
