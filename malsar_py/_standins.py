"""Rows that stand for many: centred, few, with what was taken out of them beside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np

from ._typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class StandsFor:
    """What is not in rows that stand for all rows of their tasks."""

    X: FloatArray  # (T, d) the means of the features
    y: FloatArray  # (T,) and of the targets
    n: IntArray  # (T,) how many rows there were
    log_weight: FloatArray  # (T,) sums of the logs of their weights
    apart: FloatArray  # (T, d + 1) the means less those of the first task: with more digits


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

    def moves_to(self, center: FloatArray) -> tuple[FloatArray, IntArray]:
        """What makes that of X: rows to be added to those of runs, and where these begin."""
        if self.stands_for is None:
            return -center[None], np.array([0, len(self.X)])
        moved = self.stands_for.X - center
        return (moved[:1], np.array([0, len(self.X)])) if self.shared else (moved, self.offsets)

    def targets_about(self, center: float) -> FloatArray:
        """The same of the targets, in an array of their own."""
        if self.stands_for is None:
            return self.y - center
        return self.y + self._each(self.stands_for.y - center)

    def with_means(self, common: bool = False) -> Self:
        """The rows with the means in X and y, but for those of the first task if ``common``."""
        means, rows = self.stands_for, cast(Any, self)
        if means is None:
            return self
        if not common:
            X, y = self.features_about(0.0), self.targets_about(0.0)
            return cast(Self, replace(rows, X=X, y=y, own=True, stands_for=None))
        X = self.X if self.shared else self.X + self._each(means.apart[:, :-1])
        y = self.y + self._each(means.apart[:, -1])
        first = np.broadcast_to(means.X[0], means.X.shape), np.full(len(means.y), means.y[0])
        kept = replace(means, X=first[0], y=first[1])
        return cast(Self, replace(rows, X=X, y=y, own=True, stands_for=kept))

    def raised(self, y: FloatArray, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Targets less a level (T,), and this by the means more: what rounding takes stays in y."""
        if self.stands_for is None:
            return y, level
        means = self.stands_for.y
        total = level + means
        return y + self._each((means - total) + level), total

    def _each(self, values: FloatArray) -> FloatArray:
        return np.repeat(values, np.diff(self.offsets), axis=0)


def rows_of_root(R: FloatArray, total: Any) -> FloatArray:
    """Deviations Z of rows that weigh the same, ``total`` in all: ``Z' diag(weights) Z = R'R``.

    They sum to zero. The rows [0, R] below [sqrt(total), 0] are reflected so that the first column
    is the same in all. Of a stack (..., m - 1, p) with totals (..., 1, 1): of each.
    """
    *stack, rank, p = R.shape
    m = rank + 1
    deviations = np.zeros((*stack, m, p))
    if m > 1:
        # Householder: e_1 to (1, ..., 1) / sqrt(m).
        v = np.full(m, -1.0 / np.sqrt(m))
        v[0] += 1.0
        v /= np.linalg.norm(v)
        deviations[..., 1:, :] = R
        deviations -= 2.0 * v[:, None] * (v @ deviations)[..., None, :]
        deviations *= np.sqrt(m / total)
    return deviations


class RowSource(ABC):
    """What `fit` takes in place of X, y, labels and weights."""

    @abstractmethod
    def task_rows(self, estimator: Any) -> Any:
        """`TaskRows` for a fit of this estimator, which learns names and number of features."""

    @abstractmethod
    def check_features(self, estimator: Any) -> None:
        """Refuse features that are not those of the estimator's fit."""
