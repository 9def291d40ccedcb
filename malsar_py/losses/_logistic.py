"""The logistic loss of two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from .. import _kernels
from .._labels import show_label
from .._typing import AnyArray, FloatArray, IntArray
from ._base import LOGIT, Compiled, Link
from ._scores import D2_LOG_LOSS, UnitScore


@dataclass(frozen=True)
class Logistic(Compiled):
    """The logistic loss ``log(1 + exp(-y z))``, y in {-1, +1}; targets are 0 and 1.

    In a regressor `predict` returns the probability of 1.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import losses
    >>> losses.Logistic().value(np.array([1.0, -1.0]), np.array([2.0, 2.0])).round(3)
    array([0.127, 2.127])
    """

    curvature: ClassVar[float | None] = 0.25
    attained: ClassVar[bool] = False
    link: ClassVar[Link] = LOGIT

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return np.logaddexp(0.0, -y * z)

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return -y * expit(-y * z)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        a = np.divide(y * theta, c, out=np.zeros_like(c), where=c > 0.0)
        a = np.clip(a, 0.0, 1.0)  # rounding: the square root of a curvature is taken
        return c * a * (1.0 - a)

    def _fill(self, *problem: Any) -> float:
        return _kernels.losses.logistic(*problem)

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return _kernels.losses.logistic_dual(y, theta, c, alpha)

    def separates(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> AnyArray:
        starts, counts = offsets[:-1], c > 0.0
        above = np.minimum.reduceat(np.where(counts & (y > 0.0), z, np.inf), starts)
        below = np.maximum.reduceat(np.where(counts & (y < 0.0), z, -np.inf), starts)
        return above > below if fit_intercept else (above > 0.0) & (below < 0.0)

    def check_targets(
        self,
        y: FloatArray,
        weight: FloatArray,
        offsets: IntArray,
        tasks: AnyArray,
        free_intercepts: bool,
    ) -> FloatArray:
        counts = weight > 0.0
        wrong = np.flatnonzero(counts & (y != 0.0) & (y != 1.0))
        if wrong.size:
            t = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
            raise ValueError(
                f"loss='logistic' takes targets 0 and 1 only, but task {show_label(tasks, t)} has "
                f"{y[wrong[0]]:g}. Code the two classes as 0 and 1, or use the classifier."
            )
        signs = np.where(counts, 2.0 * y - 1.0, 0.0)
        if free_intercepts:
            both = [np.logical_or.reduceat(signs == s, offsets[:-1]) for s in (-1.0, 1.0)]
            alone = np.flatnonzero(both[0] != both[1])
            if alone.size:
                t = int(alone[0])
                raise ValueError(
                    f"All targets of task {show_label(tasks, t)} are {int(both[1][t])}: with the "
                    "logistic loss its intercept has no finite minimiser. Drop the task, merge it "
                    "with another, or set fit_intercept=False."
                )
        return signs

    @property
    def unit_score(self) -> UnitScore:
        return D2_LOG_LOSS
