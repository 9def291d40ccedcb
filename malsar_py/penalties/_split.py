"""Two penalties on the two parts of one W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._typing import FloatArray
from ._base import Norm, Penalty, Structure, TaskQuadratic
from ._spectral import TraceBall


@dataclass(frozen=True)
class Split(Structure):
    """``first(P) + second(Q)`` for ``W = P + Q``: two structures, each on a part of W [1]_.

    As a penalty of W it is the infimal convolution of the two, so its conjugate is the sum of
    theirs: both dual balls must hold. Its variable is P on top of Q, (2 n_features, n_tasks), on
    which the prox is that of each part. No quadratic goes with it.

    Parameters
    ----------
    first : Norm
        The penalty of P.
    second : Norm or TraceBall
        The penalty of Q.

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import L1, RowLinf, Split
    >>> Split(RowLinf(), L1(0.5)).value(np.array([[1.0, 1.0], [0.0, 4.0]]))
    3.0
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

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        first, second = (part.rescaled(factor, size) for part in (self.first, self.second))
        assert isinstance(first, Norm) and isinstance(second, Norm | TraceBall)
        return Split(first, second)

    def zero_factor(self, G0: FloatArray) -> float | None:
        if isinstance(self.second, TraceBall):
            return None  # it lets Q in however strong P's norm is
        return max(part.dual_norm(G0) / part.lambda1 for part in (self.first, self.second))

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
