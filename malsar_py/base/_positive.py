"""Coefficients that are not negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._tasks import TaskRows
from .._typing import FloatArray
from ..penalties import Penalty, nonnegative
from ._penalized import MultiTaskEstimator


@dataclass(kw_only=True, eq=False, repr=False)
class Signed(MultiTaskEstimator):
    """Template of models whose coefficients can be kept from being negative."""

    positive: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "positive": ["boolean"],
    }

    def _signed(self, penalty: Penalty) -> Penalty:
        """The penalty under ``W >= 0``, if that is wanted."""
        if not self.positive:
            return penalty
        return nonnegative(penalty.structure) + penalty.quadratic

    def _start(self, rows: TaskRows) -> FloatArray:
        W = super()._start(rows)
        return np.maximum(W, 0.0) if self.positive else W
