"""Rows that stand for many: centred, few, with what was taken out of them beside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class StandsFor:
    """What is not in rows that stand for all rows of their tasks."""

    X: FloatArray  # (T, d) the means of the features
    y: FloatArray  # (T,) and of the targets
    n: IntArray  # (T,) how many rows there were
    log_weight: FloatArray  # (T,) sums of the logs of their weights


class Deviations:
    """Rows of which X and y may be deviations from means kept beside them."""

    X: FloatArray
    y: FloatArray
    offsets: IntArray
    door: str
    stands_for: StandsFor | None

    @property
    def shared(self) -> bool:
        return self.door == "shared"

    def features_about(self, center: Any) -> FloatArray:
        """The features less a center (d,), which is subtracted from the means first."""
        if self.stands_for is None:
            return self.X - center
        moved = self.stands_for.X - center
        return self.X + (moved[0] if self.shared else self._each(moved))

    def targets_about(self, center: float) -> FloatArray:
        """The same of the targets."""
        if self.stands_for is None:
            return self.y - center
        return self.y + self._each(self.stands_for.y - center)

    def _each(self, values: FloatArray) -> FloatArray:
        return np.repeat(values, np.diff(self.offsets), axis=0)


class RowSource(ABC):
    """What `fit` takes in place of X, y, labels and weights."""

    @abstractmethod
    def task_rows(self, estimator: Any) -> Any:
        """`TaskRows` for a fit of this estimator, which learns names and number of features."""

    @abstractmethod
    def check_features(self, estimator: Any) -> None:
        """Refuse features that are not those of the estimator's fit."""
