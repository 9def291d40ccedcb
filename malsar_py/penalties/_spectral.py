"""Functions of the singular values of W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import prox
from .._typing import FloatArray
from ._base import Norm, Penalty, Structure, TaskQuadratic, _strength

# A projected matrix may exceed its bound by rounding.
_ROUNDING = 1e-9


class TraceNorm(Norm):
    """``lambda1 sum_i sigma_i(W)`` (trace norm, nuclear norm): W has low rank [1]_.

    Its prox is the soft threshold of the singular values, its dual norm the largest one.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] T. K. Pong, P. Tseng, S. Ji, J. Ye, "Trace norm regularization: reformulations,
       algorithms, and multi-task learning", SIAM J. Optimization 20, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import TraceNorm
    >>> TraceNorm(2.0).value(np.diag([3.0, 4.0]))
    14.0
    """

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(prox.singular_values(W).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_trace(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return prox.spectral_norm(G)


@dataclass(frozen=True)
class SquaredTraceNorm(Structure):
    """``lambda1/2 (sum_i sigma_i(W))^2``: the tasks' covariance is learnt, and minimised out [1]_.

    That is ``min lambda1/2 tr(W S^-1 W')`` over covariances ``S >= 0, tr S = 1``. Its prox is a
    soft threshold of the singular values at tau lambda1 times what is left of their sum; its
    conjugate is ``sigma_1(G)^2 / (2 lambda1)``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in (0, inf).

    References
    ----------
    .. [1] Y. Zhang, D.-Y. Yeung, "A convex formulation for learning task relationships in
       multi-task learning", UAI 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import SquaredTraceNorm
    >>> SquaredTraceNorm().value(np.diag([3.0, 4.0]))
    24.5
    """

    lambda1: float = 1.0

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        return 0.5 * self.lambda1 * float(prox.singular_values(W).sum()) ** 2

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        return SquaredTraceNorm(_strength(self.lambda1, factor, size, 2))

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
    """The constraint ``sum_i sigma_i(W) <= bound`` on the trace norm [1]_.

    Its prox is the projection, a soft threshold of the singular values; its conjugate is ``bound
    sigma_1(G)``. A constraint has no strength: its multiples are itself.

    Parameters
    ----------
    bound : float
        In [0, inf), in units of the coefficients.

    References
    ----------
    .. [1] J. Chen, J. Liu, J. Ye, "Learning incoherent sparse and low-rank patterns from multiple
       tasks", KDD 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import TraceBall
    >>> TraceBall(3.0).prox(np.diag([3.0, 2.0]), 1.0).diagonal()
    array([2., 1.])
    """

    bound: float

    rotation_invariant: ClassVar[bool] = True

    def value(self, W: FloatArray) -> float:
        total = float(prox.singular_values(W).sum())
        return 0.0 if total <= self.bound * (1.0 + _ROUNDING) else np.inf

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        return TraceBall(_strength(self.bound, 1.0, 1.0 / size))

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

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        lambda1, lambda2 = (
            _strength(value, factor, size, 2) for value in (self.lambda1, self.lambda2)
        )
        return SpectralBox(lambda1, lambda2, self.k)

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
