"""What working-set solvers ask of the solver of the problem over some features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .._typing import FloatArray, IntArray
from ..objective import Objective, Pass

INNER_EPOCHS = 1000


class Inner(ABC):
    """Solver of the problem over the features ``working``."""

    # Worth shedding the features that turned out to be zero.
    trims = False
    # In single precision: predictions are not good enough for a last certificate.
    single = False
    # Gap to aim for, as a share of the one over all features.
    share = 0.2
    last_share = 0.05
    epochs = INNER_EPOCHS
    # Steps of a slow solver, in the last problem and at most in the next.
    slow_steps = 0
    slow_steps_left = INNER_EPOCHS
    # Whether coefficients without a penalty are on their way to infinity.
    endless = False

    def __init__(self, objective: Objective, working: IntArray):
        self.objective: Any = objective
        self.working = working

    def rebind(self, objective: Objective) -> None:
        """Serve another penalty on the same data."""
        self.objective = objective

    def look(self, W: FloatArray) -> tuple[Pass, bool] | None:
        """What a pass over all features would tell at W, if it is known without one.

        And whether it is exact but for rounding errors that do not matter.
        """
        return None

    @abstractmethod
    def predict(self, W: FloatArray) -> FloatArray | None:
        """``X W`` (N,) for rows over the working set; None if a pass over X is as cheap."""

    @abstractmethod
    def solve(
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        """Rows of W over the working set, (k, T) in and out, and whether their gap is ``goal``.

        ``G_rows`` (T, k) are minus the loss's gradients there; they may be overwritten.
        """
