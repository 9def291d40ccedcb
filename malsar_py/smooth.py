"""A smooth function with a penalty, as solvers see it, and the certificate that follows.

There are three kinds: objectives, in the coefficients W themselves (``objective``), in the parts of
W (``parts``), and a shared X in its own eigenbasis (``rotated``).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from typing import Self

import numpy as np

from ._certificates import Certificate, DualPoint, duality_gap
from ._free_part import left_over, released
from ._protocols import Basis, Penalty, Quadratic, Rows
from ._typing import AnyArray, FloatArray


class Smooth(ABC):
    """A loss in a variable W, and a penalty: what gradient steps ask, and a certificate.

    Attributes
    ----------
    penalty : Penalty
    shape : tuple of int
        That of W.
    scale : float
        The objective at W = 0, the unit of the relative gap.
    """

    penalty: Penalty
    shape: tuple[int, int]
    scale: float

    @property
    def quadratic(self) -> Quadratic:
        """The quadratic part of the penalty."""
        return self.penalty.quadratic

    @abstractmethod
    def lift(self, W: FloatArray) -> FloatArray:
        """The linear image of W that gradient and certificate start from."""

    @abstractmethod
    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        """Gradient of loss and coupling quadratic (the ridge is left to the solver's step)."""

    @abstractmethod
    def curvature_along(self, D: FloatArray, lifted: FloatArray, at: FloatArray) -> float:
        """Bound on the loss's second derivative along D from a point on.

        Given ``lifted = lift(D)``, and the lift of the point ``at``.
        """

    @abstractmethod
    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        """The dual point that belongs to W."""

    @abstractmethod
    def full_pass(self, W: FloatArray) -> tuple[Certificate, FloatArray]:
        """The certificate from one full pass over X, and ``X' theta`` of its dual point."""

    @abstractmethod
    def loss_lipschitz(self) -> float:
        """Estimate of the loss's largest curvature, maybe some per cent too low."""

    @abstractmethod
    def mean_curvature(self) -> float:
        """Mean eigenvalue of the tasks' largest Hessians, the intercepts minimised out."""

    @abstractmethod
    def _shifted(
        self,
        W: FloatArray,
        lifted: FloatArray,
        point: DualPoint,
        rows: Rows,
        basis: Basis,
        kept: AnyArray | None,
    ) -> DualPoint | None:
        """A dual point with ``G[rows] @ basis = 0``: what is free of penalty must not be pulled.

        With a mask, where that is.
        """

    @abstractmethod
    def _squares(self) -> FloatArray:
        """Curvature of the loss along each coefficient (n_features, n_tasks)."""

    def certificate(self, W: FloatArray, lifted: FloatArray) -> Certificate:
        """Objective at W and a duality gap that holds for this very W."""
        return self.certify(W, lifted, self.dual_point(W, lifted))

    def final_certificate(self, W: FloatArray) -> Certificate:
        """The same from one full pass over X, with the best intercepts."""
        return self.full_pass(W)[0]

    def with_penalty(self, penalty: Penalty) -> Self:
        """The same loss on the same data with another penalty; what was computed is kept."""
        other = copy.copy(self)
        other.penalty = penalty
        return other

    def certify(self, W: FloatArray, lifted: FloatArray | None, point: DualPoint) -> Certificate:
        """Objective at W, whose loss the point knows, and its gap to that point."""
        if not (np.isfinite(W).all() and np.isfinite(point.G).all()):
            return Certificate(np.inf, np.inf)  # norms of NaN are no numbers, some are errors
        primal = point.loss + self.penalty.value(W)
        free = self.penalty.free_part(self.shape[1])
        if free is not None:
            lifted = self.lift(W) if lifted is None else lifted
            shift = partial(self._shifted, W, lifted, point, *free)
            shifted = released(self.penalty, W, point, free, shift)
            if shifted is None:
                return Certificate(primal, np.inf)
            point = shifted
        bounds = self.penalty.dual_bounds(W, point.G)
        bound = max(point.dual(alpha) - conj for alpha, conj in bounds)
        left = 0.0
        if free is not None:
            size = partial(self._size_of, point)
            left = left_over(self.penalty, point.G, free, lambda: self._energies, size)
        if left == np.inf:  # theta is not feasible, but zero always is
            bound, left = point.dual(0.0), 0.0
        return Certificate(primal, duality_gap(primal, bound) + left)

    @cached_property
    def _energies(self) -> FloatArray:
        return self._squares()

    def _size_of(self, point: DualPoint) -> float:
        """Norm of theta over the roots of the samples' curvatures; here of least squares."""
        return float(np.sqrt(2.0 * point.loss))


class Affine(Smooth):
    """The squared loss: ``lift(W) = H W``, and the gradient is ``H W - rhs``."""

    # ``X' theta`` at W = 0.
    rhs: FloatArray

    @abstractmethod
    def _free_step(
        self, G: FloatArray, rows: Rows, basis: Basis, kept: AnyArray | None
    ) -> FloatArray:
        """The step in what is free of penalty that takes G from there."""

    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        G = lifted - self.rhs
        if self.quadratic.coupled:
            G += self.quadratic.pull(W)
        return G

    def curvature_along(self, D: FloatArray, lifted: FloatArray, at: FloatArray) -> float:
        return float(np.vdot(D, lifted))

    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        value = 0.5 * float(np.vdot(W, lifted)) - float(np.vdot(W, self.rhs)) + self.scale
        return point_of_squares(W, max(value, 0.0), self.rhs - lifted)

    def _shifted(
        self,
        W: FloatArray,
        lifted: FloatArray,
        point: DualPoint,
        rows: Rows,
        basis: Basis,
        kept: AnyArray | None,
    ) -> DualPoint | None:
        # Minimise the loss over what is free: there the shifted W does not pull any more.
        shift = self._free_step(point.G, rows, basis, kept)
        return self.dual_point(W + shift, lifted + self.lift(shift))


def dual_of_squares(loss: float, inner: float) -> Callable[[float], float]:
    """``-sum conj(-alpha theta)`` of the residuals' theta; ``inner`` is ``<W, X' theta>``."""
    # With y = r + z: sum y theta = sum c r^2 + <W, X'theta>, and theta^2 / c = c r^2.
    slope = 2.0 * loss + inner
    return lambda alpha: alpha * slope - alpha * alpha * loss


def point_of_squares(W: FloatArray, loss: float, G: FloatArray) -> DualPoint:
    """The dual point of the residuals at W."""
    return DualPoint(loss, G, dual_of_squares(loss, float(np.vdot(W, G))))
