"""Losses on the flat, task-major sample vector, with unpenalised intercepts minimised out.

``y, z, c`` are (N,) float64: targets, linear predictions without intercept, weights ``c_ti =
omega_t s_ti / S_t``; ``offsets`` (T + 1,) bounds the tasks; ``theta = -d loss / d z`` is the dual
point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from . import _kernels
from ._typing import FloatArray, IntArray

_ROUNDING = 4.0 * np.finfo(float).eps


class Loss(ABC):
    """A smooth convex loss. ``curvature`` bounds its second derivative in z."""

    curvature: float
    # The power of y (and predictions) that it grows with, 0 if targets are no numbers.
    degree: int
    # The derivative is affine in z, so gradients can be extrapolated and Gram matrices used.
    affine: bool
    # It depends on the rows of a task through their second moments alone.
    of_moments = False

    def centered(
        self, y: FloatArray, c: FloatArray, offsets: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Targets less what the intercepts take anyway, and that (T,): it keeps digits."""
        return y, np.zeros(offsets.shape[0] - 1)

    @abstractmethod
    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        b: FloatArray,
        fit_intercept: bool,
    ) -> tuple[float, FloatArray]:
        """Value and theta at the best intercepts, left in ``b`` (where the search starts)."""

    @abstractmethod
    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        """The loss of every task at intercepts b."""

    @abstractmethod
    def feasible(
        self, y: FloatArray, theta: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> None:
        """Make theta dual feasible in place: zero sum in each task when there are intercepts."""

    @abstractmethod
    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        """``-sum conj(-alpha theta)``."""

    def moved(self, omega: FloatArray, by: FloatArray) -> float:
        """How much more it may be where the best intercepts of the tasks are missed so far."""
        return 0.5 * self.curvature * float(omega @ (by * by))

    @abstractmethod
    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """``c loss''`` at the point where ``theta`` is minus the derivative."""


class Squared(Loss):
    """``1/2 (y - z)^2``."""

    curvature = 1.0
    degree = 2
    affine = True
    of_moments = True

    def centered(
        self, y: FloatArray, c: FloatArray, offsets: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        starts, counts = offsets[:-1], np.diff(offsets)
        used = c > 0.0
        # From the middle of the range, which leaves nothing of a constant target; near to it
        # differences are exact, so that what is left is what was given.
        low = np.minimum.reduceat(np.where(used, y, np.inf), starts)
        high = np.maximum.reduceat(np.where(used, y, -np.inf), starts)
        middle = np.where(low == high, low, 0.5 * low + 0.5 * high)
        rest = y - np.repeat(middle, counts)
        means = np.add.reduceat(c * rest, starts) / np.add.reduceat(c, starts)
        offset = middle + means
        rest = y - np.repeat(offset, counts)
        rest[~used] = 0.0
        return rest, offset

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        b: FloatArray,
        fit_intercept: bool,
    ) -> tuple[float, FloatArray]:
        theta = np.empty_like(y)
        return _kernels.losses.squared(y, z, c, offsets, fit_intercept, b, theta), theta

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        rest = y - z - np.repeat(b, np.diff(offsets))
        return np.add.reduceat(0.5 * c * rest * rest, offsets[:-1])

    def feasible(
        self, y: FloatArray, theta: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> None:
        pass  # residuals at the best intercepts are centred already

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        squares = np.divide(theta * theta, c, out=np.zeros_like(theta), where=c > 0.0)
        return alpha * float(y @ theta) - 0.5 * alpha * alpha * float(squares.sum())

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return c


def centre(theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
    """Make theta sum to zero over each task, as intercepts ask, by a multiple of its weights."""
    rest = np.add.reduceat(theta, offsets[:-1]) / np.add.reduceat(c, offsets[:-1])
    theta -= c * np.repeat(rest, np.diff(offsets))


class SquareRoot(Squared):
    """Task by task ``sqrt(omega_t) sqrt(sum_i c_ti (y - z)^2)``, ``omega_t = sum_i c_ti``.

    Not smooth where a task is interpolated (up to rounding): theta is 0 there, the dual ball's
    centre.
    """

    curvature = np.inf
    degree = 1
    affine = False

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        b: FloatArray,
        fit_intercept: bool,
    ) -> tuple[float, FloatArray]:
        _, theta = super().evaluate(y, z, c, offsets, b, fit_intercept)
        starts = offsets[:-1]
        squares = np.divide(theta * theta, c, out=np.zeros_like(theta), where=c > 0.0)
        norms = np.sqrt(np.add.reduceat(squares, starts))
        radii = np.sqrt(np.add.reduceat(c, starts))
        rounding = _ROUNDING * np.sqrt(np.add.reduceat(c * y * y, starts))
        slopes = np.divide(radii, norms, out=np.zeros_like(norms), where=norms > rounding)
        theta *= np.repeat(slopes, np.diff(offsets))
        if fit_intercept:
            # Small residuals are centred up to rounding only, which the slopes enlarge.
            centre(theta, c, offsets)
        return float(radii @ norms), theta

    def moved(self, omega: FloatArray, by: FloatArray) -> float:
        return float(omega @ by)

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        halves = super().by_task(y, z, c, offsets, b)
        return np.sqrt(2.0 * halves * np.add.reduceat(c, offsets[:-1]))

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return alpha * float(y @ theta)


class Logistic(Loss):
    """``log(1 + exp(-y z))``, y in {-1, +1}."""

    curvature = 0.25
    degree = 0
    affine = False

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        b: FloatArray,
        fit_intercept: bool,
    ) -> tuple[float, FloatArray]:
        theta = np.empty_like(y)
        return _kernels.losses.logistic(y, z, c, offsets, fit_intercept, b, theta), theta

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        margin = y * (z + np.repeat(b, np.diff(offsets)))
        return np.add.reduceat(c * np.logaddexp(0.0, -margin), offsets[:-1])

    def feasible(
        self, y: FloatArray, theta: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> None:
        if fit_intercept:
            _kernels.losses.logistic_balance(y, offsets, theta)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return _kernels.losses.logistic_dual(y, theta, c, alpha)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        a = np.divide(y * theta, c, out=np.zeros_like(c), where=c > 0.0)
        return c * a * (1.0 - a)
