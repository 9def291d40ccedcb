"""Losses whose slopes are residuals, clipped: Huber's, and quantile losses made smooth."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from .. import _kernels
from .._typing import AnyArray, FloatArray, IntArray
from ._base import Compiled, Evaluation, Loss
from ._scores import UnitScore, d2_pinball, quantiles
from ._squared import Location

# What rounding takes from a residual that is at the threshold.
_ROUNDING = 1e-12
# Of quadratic models: curvature of a sample beyond the threshold.
_LEAST_CURVATURE = 1e-3


class _Clipped(Compiled, Location):
    """``a r - width a^2 / 2`` with r = y - z and a = ``r / width`` clipped to `_ends`."""

    @property
    @abstractmethod
    def _ends(self) -> tuple[float, float]: ...

    @property
    def _width(self) -> float:
        return 1.0

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        a = -self.derivative(y, z)
        return a * (y - z - 0.5 * self._width * a)

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return -np.clip((y - z) / self._width, *self._ends)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.where(_inside(theta, c, self._ends), c / self._width, 0.0)

    def model_curvature(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.maximum(self.second_derivative(y, theta, c), _LEAST_CURVATURE / self._width * c)

    def _fill(self, *problem: Any) -> float:
        *given, b, theta = problem
        return _kernels.losses.clipped(*given, *self._ends, self._width, b, theta)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        if not _within(alpha * theta, c, self._ends):
            return -np.inf
        squares = np.divide(theta * theta, c, out=np.zeros_like(theta), where=c > 0.0)
        curve = 0.5 * self._width * float(squares.sum())
        return alpha * float(y @ theta) - alpha * alpha * curve


# In standard deviations of normal residuals: the threshold that is 95 % as efficient as least
# squares, and the median of their size.
_EFFICIENT, _NORMAL_MEDIAN = 1.345, 0.6745
_DELTAS = (np.finfo(float).tiny, 1e150)


@dataclass(frozen=True)
class Huber(_Clipped):
    """Huber's loss: ``r^2 / 2`` for ``|r| <= delta``, else ``delta |r| - delta^2 / 2``, r = y - z.

    Outliers pull with a force that is bounded.

    Parameters
    ----------
    delta : float or "auto", default=1.35
        Residuals beyond it count by their absolute value; in units of y, in (0, inf). For residuals
        of standard deviation s, ``1.35 s`` is 95 % as efficient as least squares if they are
        normal. "auto" is ``1.345 m / 0.6745``, m the median over all rows of the distance of y from
        the median of its task (which for normal y is 1.345 standard deviations within the tasks):
        it scales with y, and outliers do not change it much. It is more than the noise asks for
        where the features explain much of y. The fitted model says the number, ``loss_.delta``.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical
       Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Huber(delta=1.0).value(np.array([0.5, 100.0]), np.zeros(2))
    array([ 0.125, 99.5  ])
    """

    delta: float | str = 1.35

    curvature: ClassVar[float | None] = 1.0
    degree: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.delta == "auto":
            return
        if isinstance(self.delta, str) or not (self.delta > 0.0 and np.isfinite(self.delta)):
            raise ValueError(
                f'delta == {self.delta!r}, must be in (0, inf): it is in units of y; or "auto".'
            )

    @property
    def of_targets(self) -> bool:
        return isinstance(self.delta, str)

    def resolved(self, y: FloatArray, weight: FloatArray, offsets: IntArray) -> Loss:
        if not self.of_targets:
            return self
        sizes = np.diff(offsets)
        away = np.abs(y - np.repeat(quantiles(0.5, y, weight, offsets[:-1]), sizes))
        # A task of one row is at its own median.
        rows = np.add.reduceat(np.where(weight > 0.0, 1.0, 0.0), offsets[:-1])
        counts = weight * np.repeat(rows > 1.0, sizes)
        middle = quantiles(0.5, away, counts, offsets[:1])[0] if counts.any() else 0.0
        if middle == 0.0:
            raise ValueError(
                'losses.Huber(delta="auto") reads the scale off targets that differ within tasks, '
                "but at least half of them are the median of their task: give delta as a number, "
                "in units of y."
            )
        return replace(self, delta=float(_EFFICIENT * (middle / _NORMAL_MEDIAN)))

    @property
    def _ends(self) -> tuple[float, float]:
        if isinstance(self.delta, str):
            raise ValueError('delta="auto" is a number only once a model is fitted: see `loss_`.')
        return -self.delta, self.delta

    def in_units(self, exponent: int) -> Self:
        if isinstance(self.delta, str):
            return self
        # (In units in which y is of size 1, what is far beyond its residuals is as good as inf.)
        return replace(self, delta=float(np.clip(np.ldexp(self.delta, -exponent), *_DELTAS)))


@dataclass(frozen=True)
class Quantile(Location):
    """The pinball loss ``max(q r, (q - 1) r)``, r = y - z: predictions are conditional quantiles.

    It is not smooth: fits are rounds of fits with losses that are smooth around the last one.

    Parameters
    ----------
    q : float, default=0.5
        The quantile, in (0, 1); 0.5 is the median.

    References
    ----------
    .. [1] R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46, 1978.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Quantile(q=0.9).value(np.array([1.0, -1.0]), np.zeros(2))
    array([0.9, 0.1])
    """

    q: float = 0.5

    degree: ClassVar[int] = 1
    smooth: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0.0 < self.q < 1.0:
            raise ValueError(f"q == {self.q!r}, must be in (0, 1).")

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return np.maximum(self.q * (y - z), (self.q - 1.0) * (y - z))

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return np.where(y > z, -self.q, np.where(y < z, 1.0 - self.q, 0.0))

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        # There is none: of a loss that is smooth around theta, but for its scale.
        return np.where(_inside(theta, c, (self.q - 1.0, self.q)), c, 0.0)

    def weights(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        # Of a loss that is smooth within the mean loss.
        total, value = float(c.sum()), float(y @ theta)
        return c * (total / value) if value > 0.0 else c

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        starts, counts = offsets[:-1], np.diff(offsets)
        b = np.zeros(starts.shape)
        if fit_intercept:
            b = quantiles(self.q, y - z, c, starts)
        at = z + np.repeat(b, counts)
        theta = -c * self.derivative(y, at)
        if fit_intercept:
            # At residuals of 0 any slope in between will do: the one that makes theta sum to 0.
            free = np.where(y == at, c, 0.0)
            total = np.add.reduceat(free, starts)
            rest = np.add.reduceat(theta, starts)
            share = np.divide(-rest, total, out=np.zeros_like(rest), where=total > 0.0)
            theta += free * np.repeat(np.clip(share, self.q - 1.0, self.q), counts)
        return Evaluation(float(c @ self.value(y, at)), theta, b)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        if not _within(alpha * theta, c, (self.q - 1.0, self.q)):
            return -np.inf
        return alpha * float(y @ theta)

    def moved(self, y: FloatArray, c: FloatArray, offsets: IntArray, by: FloatArray) -> float:
        return max(self.q, 1.0 - self.q) * float(np.add.reduceat(c, offsets[:-1]) @ by)

    def smoothed(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, width: float
    ) -> tuple[Loss, FloatArray]:
        a = np.divide(theta, c, out=np.zeros_like(c), where=c > 0.0)
        return _SmoothQuantile(self.q, width), y + width * a

    @property
    def unit_score(self) -> UnitScore:
        return d2_pinball(self.q)


@dataclass(frozen=True)
class _SmoothQuantile(_Clipped):
    """The largest of ``a r - width a^2 / 2`` for a in [q - 1, q]."""

    q: float
    width: float

    @property
    def curvature(self) -> float | None:  # type: ignore[override]
        """One over the width of where it curves."""
        return 1.0 / self.width

    @property
    def _ends(self) -> tuple[float, float]:
        return self.q - 1.0, self.q

    @property
    def _width(self) -> float:
        return self.width


def _inside(theta: FloatArray, c: FloatArray, ends: tuple[float, float]) -> AnyArray:
    """Whether slopes are strictly between their ends."""
    low, high = ends
    return (theta > c * low * (1.0 - _ROUNDING)) & (theta < c * high * (1.0 - _ROUNDING))


def _within(theta: FloatArray, c: FloatArray, ends: tuple[float, float]) -> bool:
    """Whether slopes are between their ends, but for rounding."""
    low, high = ends
    rounding = 1.0 + _ROUNDING
    return bool(((theta >= c * low * rounding) & (theta <= c * high * rounding)).all())
