"""Squares of residuals, and their roots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ._base import Compiled, Evaluation, Loss

_ROUNDING = 4.0 * np.finfo(float).eps


def centre(theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
    """Make theta sum to zero over each segment, as intercepts ask, by a multiple of its weights."""
    rest = np.add.reduceat(theta, offsets[:-1]) / np.add.reduceat(c, offsets[:-1])
    theta -= c * np.repeat(rest, np.diff(offsets))


class Location(Loss):
    """A loss of ``y - z``: intercepts move as targets do."""

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


@dataclass(frozen=True)
class Squared(Compiled, Location):
    """The squared loss ``1/2 (y - z)^2``.

    Predictions are means; `score` is R2.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Squared().value(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([0., 2.])
    """

    curvature: ClassVar[float | None] = 1.0
    degree: ClassVar[int] = 2
    affine: ClassVar[bool] = True
    of_moments: ClassVar[bool] = True

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return 0.5 * np.square(y - z)

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return z - y

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return c

    def _fill(self, *problem: Any) -> float:
        return _kernels.losses.squared(*problem)

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        pass  # residuals at the best intercepts are centred already

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        squares = np.divide(theta * theta, c, out=np.zeros_like(theta), where=c > 0.0)
        return alpha * float(y @ theta) - 0.5 * alpha * alpha * float(squares.sum())


@dataclass(frozen=True)
class SquareRoot(Squared):
    """Task by task ``sqrt(omega_t) sqrt(sum_i c_ti (y - z)^2)``, ``omega_t = sum_i c_ti``.

    Not smooth where a task is interpolated (up to rounding): theta is 0 there, the dual ball's
    centre.
    """

    curvature: ClassVar[float | None] = None
    degree: ClassVar[int] = 1
    affine: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    of_norms: ClassVar[bool] = True

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        _, theta, b = super().evaluate(y, z, c, offsets, fit_intercept)
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
        return Evaluation(float(radii @ norms), theta, b)

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        centre(theta, c, offsets)

    def moved(self, y: FloatArray, c: FloatArray, offsets: IntArray, by: FloatArray) -> float:
        return float(np.add.reduceat(c, offsets[:-1]) @ by)

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        halves = super().by_task(y, z, c, offsets, b)
        return np.sqrt(2.0 * halves * np.add.reduceat(c, offsets[:-1]))

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return alpha * float(y @ theta)
