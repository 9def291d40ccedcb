"""What evaluations tell: dual points, passes over X, certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._typing import FloatArray


@dataclass(frozen=True)
class DualPoint:
    """A dual feasible theta: its primal loss, ``G = X' theta`` and its dual value.

    ``dual(alpha)`` is ``-sum conj(-alpha theta)``.
    """

    loss: float
    G: FloatArray
    dual: Callable[[float], float]
    theta: FloatArray | None = None


@dataclass(frozen=True)
class Pass:
    """What one pass over X tells at some W: loss, best intercepts, ``G_rows = theta' X`` (T, d).

    (``G`` is (d, T) everywhere, as W is; ``*_rows`` have a task a row.) ``theta`` is the dual
    feasible point behind it; losses that do not need it leave it out.
    """

    loss: float
    G_rows: FloatArray
    intercepts: FloatArray
    theta: FloatArray | None = None


def duality_gap(primal: float, bound: float) -> float:
    """The gap between an objective and a bound below it: rounding takes it to zero, not beyond."""
    gap = primal - bound
    return max(gap, 0.0) if gap == gap else np.inf


@dataclass(frozen=True)
class Certificate:
    """Primal objective and duality gap at one W; full passes add the best intercepts."""

    objective: float
    gap: float
    intercepts: FloatArray | None = None
