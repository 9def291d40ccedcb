"""Two penalties on the two parts of one W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._typing import FloatArray
from ._base import Norm, Structure, TaskQuadratic
from ._spectral import TraceBall


@dataclass(frozen=True)
class Split(Structure):
    """``first(P) + second(Q)`` for ``W = P + Q``; its variable is P on top of Q, (2 d, T).

    As a penalty of W it is the infimal convolution of the two, so its conjugate is the sum of
    theirs: both dual balls must hold.
    """

    first: Norm
    second: Norm | TraceBall

    n_parts: ClassVar[int] = 2

    def value(self, W: FloatArray) -> float:
        P, Q = np.split(W, 2)
        return self.first.value(P) + self.second.value(Q)

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        P, Q = np.split(V, 2)
        return np.concatenate([self.first.prox(P, step), self.second.prox(Q, step)])

    def lambda1_max(self, G0: FloatArray) -> float:
        """The first part's dual norm at W = 0: from here on it is zero wherever W = 0.

        W = 0 if the second part's dual norm is at most its strength, too. A second part in use only
        explains part of the data away: P vanishes at about this lambda1.
        """
        return self.first.dual_norm(G0)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        """G is (d, T): theta does not know of parts."""
        alpha, cost = 1.0, 0.0
        for part in (self.first, self.second):
            if isinstance(part, TraceBall):
                cost += part.support(G)
            else:
                size = part.dual_norm(G)
                alpha = min(alpha, part.lambda1 / size) if size > part.lambda1 else alpha
        return [(alpha, alpha * cost)]
