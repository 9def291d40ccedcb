"""Squares up to a threshold, absolute values beyond it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ._base import Evaluation
from ._squared import Location

# What rounding takes from a residual that is at the threshold.
_ROUNDING = 1e-12
# Of quadratic models: curvature of a sample beyond the threshold.
_LEAST_CURVATURE = 1e-3


@dataclass(frozen=True)
class Huber(Location):
    """Huber's loss: ``r^2 / 2`` for ``|r| <= delta``, else ``delta |r| - delta^2 / 2``, r = y - z.

    Parameters
    ----------
    delta : float, default=1.35
        Residuals beyond it count by their absolute value; in units of y, in (0, inf). For residuals
        of standard deviation s, ``1.35 s`` is 95 % as efficient as least squares if they are
        normal.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical
       Statistics 35, 1964.
    """

    delta: float = 1.35

    curvature: ClassVar[float | None] = 1.0
    degree: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not (self.delta > 0.0 and np.isfinite(self.delta)):
            raise ValueError(f"delta == {self.delta!r}, must be in (0, inf): it is in units of y.")

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        size = np.abs(y - z)
        inside = np.minimum(size, self.delta)
        return inside * (size - 0.5 * inside)

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return np.clip(z - y, -self.delta, self.delta)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.where(np.abs(theta) < c * self.delta * (1.0 - _ROUNDING), c, 0.0)

    def model_curvature(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.maximum(self.second_derivative(y, theta, c), _LEAST_CURVATURE * c)

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        theta, b = np.empty_like(y), np.zeros(offsets.shape[0] - 1)
        if start is not None:
            b[:] = start
        value = _kernels.losses.huber(y, z, c, offsets, fit_intercept, self.delta, b, theta)
        return Evaluation(value, theta, b)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        if not (alpha * np.abs(theta) <= c * self.delta * (1.0 + _ROUNDING)).all():
            return -np.inf
        squares = np.divide(theta * theta, c, out=np.zeros_like(theta), where=c > 0.0)
        return alpha * float(y @ theta) - 0.5 * alpha * alpha * float(squares.sum())

    def in_units(self, exponent: int) -> Self:
        return replace(self, delta=float(np.ldexp(self.delta, -exponent)))
