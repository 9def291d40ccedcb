"""Where a path leads: on through its last two solutions, where gradients cost nothing."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..objective import Objective, Pass, QuadraticObjective
from ._workspace import Known, Workspace

# A path's step of more than this share of the last one is not foreseen.
_MOST_AHEAD = 1.5


def foresee(objective: Objective, workspace: Workspace, threshold: FloatArray) -> Known | None:
    """Where the line through the last two solutions of a path leads, if it can be told."""
    last, before = workspace.known, workspace.before
    if last is None or before is None or not isinstance(objective, QuadraticObjective):
        return None
    change = last.threshold - before.threshold
    j = int(np.argmax(np.abs(change)))
    if change[j] == 0.0:
        return None
    step = (threshold[j] - last.threshold[j]) / change[j]
    if not (0.0 < step <= _MOST_AHEAD and np.allclose(threshold, last.threshold + step * change)):
        return None
    return _beyond(objective, last, before, float(step))


def _beyond(objective: QuadraticObjective, last: Known, before: Known, step: float) -> Known:
    """The point on the line through two others: gradients are affine in W."""
    W = last.W + step * (last.W - before.W)
    G_rows = last.seen.G_rows + step * (last.seen.G_rows - before.seen.G_rows)
    intercepts = last.seen.intercepts + step * (last.seen.intercepts - before.seen.intercepts)
    # With G_rows = rhs - H W.
    inner = float(np.vdot(W.T, G_rows)) + float(np.vdot(W.T, objective.rhs_rows))
    loss = max(objective.scale - 0.5 * inner, 0.0)
    return Known(W, Pass(loss, G_rows, intercepts), last.threshold, exact=False)
