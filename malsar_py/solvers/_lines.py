"""Further on lines through points where gradients are known: of the squared loss, for nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._typing import FloatArray
from ..objective import Objective, Pass, QuadraticObjective
from ._workspace import Known, Workspace

# A path's step of more than this share of the last one is not foreseen.
_MOST_AHEAD = 1.5
# What a leap must gain: a share of the gap, and more than rounding.
_WORTH, _ROUNDING = 1e-5, 1e-13

Value = Callable[[Known], float]


def foresee(objective: Objective, workspace: Workspace, threshold: FloatArray) -> Known | None:
    """Where the line through the last two solutions of a path leads, if it can be told."""
    last, before = workspace.known, workspace.before
    if last is None or before is None or type(objective) is not QuadraticObjective:
        return None
    change = last.threshold - before.threshold
    j = int(np.argmax(np.abs(change)))
    if change[j] == 0.0:
        return None
    step = (threshold[j] - last.threshold[j]) / change[j]
    if not (0.0 < step <= _MOST_AHEAD and np.allclose(threshold, last.threshold + step * change)):
        return None
    return _beyond(objective, last, before, float(step))


class Leaps:
    """Long steps for descent that creeps.

    Where columns depend on each other, it may follow a line on which the objective falls by a
    trifle a round, until some coefficient is zero.
    """

    def __init__(self, objective: Objective, value: Value):
        self.objective = objective
        self.value = value
        self._start: Known | None = None

    def further(self, here: Known, gap: float, slow: bool) -> Known | None:
        """A lower point on the line from the first slow round through this one, if it is one."""
        start, self._start = self._start, None
        if not slow or type(self.objective) is not QuadraticObjective:
            return None
        if start is None or not np.array_equal(start.W.any(axis=1), here.W.any(axis=1)):
            self._start = Known(here.W.copy(), here.seen, here.threshold)
            return None
        now = lowest = self.value(here)
        best, step = here, 1.0
        while True:
            trial = _beyond(self.objective, here, start, step)
            value = self.value(trial)
            if not value < lowest:
                break
            best, lowest, step = trial, value, 2.0 * step
        if now - lowest > max(_WORTH * gap, _ROUNDING * now):
            return best
        self._start = start
        return None


def _beyond(objective: QuadraticObjective, last: Known, before: Known, step: float) -> Known:
    """The point on the line through two others: gradients are affine in W."""
    W = last.W + step * (last.W - before.W)
    G = last.seen.G + step * (last.seen.G - before.seen.G)
    intercepts = last.seen.intercepts + step * (last.seen.intercepts - before.seen.intercepts)
    # With G = rhs - H W.
    inner = float(np.vdot(W.T, G)) + float(np.vdot(W.T, objective.rhs_rows))
    loss = max(objective.scale - 0.5 * inner, 0.0)
    return Known(W, Pass(loss, G, intercepts), last.threshold, exact=False)
