"""Anderson's extrapolation of a fixed-point iteration.

Of the last points ``x_k`` and their steps ``f_k = g(x_k) - x_k`` it takes the combination whose
step would be the shortest if the map g were affine, and goes on from there by that step. Where g is
nonexpansive its plain steps never grow: an extrapolated point whose step is longer than the one
before is given up for the plain step that it replaced.

D. G. Anderson (1965), "Iterative procedures for nonlinear integral equations"; H. F. Walker, P. Ni
(2011), "Anderson acceleration for fixed-point iterations"; regularised and guarded as by J. Zhang,
B. O'Donoghue, S. Boyd (2020), "Globally convergent type-I Anderson acceleration for nonsmooth
fixed-point iterations".
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .._typing import FloatArray

# Differences that are kept.
_MEMORY = 8
# Weight of the ridge on their weights, relative to the squares of each: it limits how much of
# rounding is amplified, and costs no step.
_RIDGE = 1e-6


class Anderson:
    """The points of one iteration, one after the other."""

    def __init__(self, size: int):
        self._ends = np.empty((_MEMORY, size))  # differences of x + f
        self._steps = np.empty((_MEMORY, size))  # differences of f
        self._gram = np.zeros((_MEMORY, _MEMORY))  # of the latter
        self.restart()

    def restart(self) -> None:
        """Forget everything: from here on the map is another one."""
        self._count = 0  # differences so far
        self._last: tuple[FloatArray, FloatArray] | None = None  # x + f and f
        self._extrapolated = False

    def after(self, x: FloatArray, f: FloatArray) -> FloatArray:
        """The point that follows x, where the step is f."""
        step = f.ravel()
        if self._extrapolated and self._last is not None:
            end, before = self._last
            if not float(np.vdot(step, step)) <= float(np.vdot(before, before)):
                self.restart()
                return end.reshape(x.shape)
        end = x.ravel() + step
        if self._last is not None:
            self._remember(end - self._last[0], step - self._last[1])
        self._last = end, step
        weights = self._weights(step)
        self._extrapolated = weights is not None
        if weights is None:
            return end.reshape(x.shape)
        return (end - weights @ self._ends[: len(weights)]).reshape(x.shape)

    def _remember(self, end: FloatArray, step: FloatArray) -> None:
        at = self._count % _MEMORY
        self._ends[at], self._steps[at] = end, step
        self._count += 1
        n = min(self._count, _MEMORY)
        self._gram[at, :n] = self._gram[:n, at] = self._steps[:n] @ step

    def _weights(self, step: FloatArray) -> FloatArray | None:
        """Of the differences, those that leave the shortest step; None if they tell nothing."""
        n = min(self._count, _MEMORY)
        sizes = np.sqrt(self._gram.diagonal()[:n])
        if n == 0 or not (sizes > 0.0).all():
            return None
        system = self._gram[:n, :n] / np.outer(sizes, sizes)
        system.reshape(-1)[:: n + 1] += _RIDGE
        factor, failed = scipy.linalg.lapack.dpotrf(system, lower=1)
        if failed:
            return None
        found, _ = scipy.linalg.lapack.dpotrs(factor, (self._steps[:n] @ step) / sizes, lower=1)
        weights: FloatArray = found / sizes
        return weights if np.isfinite(weights).all() else None
