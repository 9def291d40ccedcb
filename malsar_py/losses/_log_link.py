"""Counts and positive amounts, whose logarithms are linear in the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy

from .. import _kernels
from .._labels import show_label
from .._typing import AnyArray, FloatArray, IntArray
from ._base import LOG, Compiled, Link
from ._scores import D2_GAMMA, D2_POISSON, UnitScore


class _LogLink(Compiled):
    positive_only: ClassVar[bool] = True
    link: ClassVar[Link] = LOG

    def moved(self, y: FloatArray, c: FloatArray, offsets: IntArray, by: FloatArray) -> float:
        # At the best intercepts means sum to the targets, or ratios to the weights.
        sizes = np.add.reduceat(self._size(y, c), offsets[:-1])
        return float(sizes @ (np.expm1(by) - by))

    def _size(self, y: FloatArray, c: FloatArray) -> FloatArray:
        return c


@dataclass(frozen=True)
class Poisson(_LogLink):
    """Half the Poisson deviance, ``exp(z) - y z + y log y - y``: `predict` returns ``exp(z)``.

    Targets are counts or rates, y >= 0, not all 0 in a task that has a free intercept.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Poisson().value(np.array([0.0, 2.0]), np.log([1.0, 2.0])).round(3)
    array([1., 0.])
    """

    attained: ClassVar[bool] = False

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.exp(z) - y * z + xlogy(y, y) - y

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.exp(z) - y

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.maximum(c * y - theta, 0.0)

    def _fill(self, *problem: Any) -> float:
        return _kernels.losses.poisson(*problem)

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        _kernels.losses.poisson_balance(y, c, offsets, theta)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return _kernels.losses.poisson_dual(y, theta, c, alpha)

    def check_targets(
        self,
        y: FloatArray,
        weight: FloatArray,
        offsets: IntArray,
        tasks: AnyArray,
        free_intercepts: bool,
    ) -> FloatArray:
        negative = np.flatnonzero((weight > 0.0) & (y < 0.0))
        if negative.size:
            raise ValueError(
                f"loss='poisson' takes targets y >= 0, but {_where(negative, y, offsets, tasks)}. "
                "Remove or correct them, or use another loss."
            )
        events = np.maximum.reduceat(np.where(weight > 0.0, y, 0.0), offsets[:-1])
        if free_intercepts and not events.all():
            t = int(np.flatnonzero(events == 0.0)[0])
            raise ValueError(
                f"All targets of task {show_label(tasks, t)} are 0: with the Poisson loss its "
                "intercept has no finite minimiser. Drop the task, merge it with another, or set "
                "fit_intercept=False."
            )
        return y

    def _size(self, y: FloatArray, c: FloatArray) -> FloatArray:
        return c * y

    @property
    def unit_score(self) -> UnitScore:
        return D2_POISSON


@dataclass(frozen=True)
class Gamma(_LogLink):
    """Half the gamma deviance, ``y exp(-z) + z - log y - 1``: `predict` returns ``exp(z)``.

    Targets are amounts y > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Gamma().value(np.array([1.0, 2.0]), np.log([1.0, 1.0])).round(3)
    array([0.   , 0.307])
    """

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            ratio = np.log(y) - z
            return np.expm1(ratio) - ratio

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", divide="ignore"):
            return -np.expm1(np.log(y) - z)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return np.maximum(c + theta, 0.0)

    def _fill(self, *problem: Any) -> float:
        return _kernels.losses.gamma(*problem)

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        _kernels.losses.gamma_balance(c, offsets, theta)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return _kernels.losses.gamma_dual(y, theta, c, alpha)

    def check_targets(
        self,
        y: FloatArray,
        weight: FloatArray,
        offsets: IntArray,
        tasks: AnyArray,
        free_intercepts: bool,
    ) -> FloatArray:
        wrong = np.flatnonzero((weight > 0.0) & (y <= 0.0))
        if wrong.size:
            raise ValueError(
                f"loss='gamma' takes targets y > 0, but {_where(wrong, y, offsets, tasks)}. Remove "
                "or correct them, or use another loss (loss='poisson' takes 0)."
            )
        return y

    @property
    def unit_score(self) -> UnitScore:
        return D2_GAMMA


def _where(wrong: IntArray, y: FloatArray, offsets: IntArray, tasks: AnyArray) -> str:
    t = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
    more = f" ({wrong.size} such targets in all)" if wrong.size > 1 else ""
    return f"task {show_label(tasks, t)} has {y[wrong[0]]:g}{more}"
