"""Concave functions of the rows' sizes, which are no penalties of a convex problem themselves.

Each is majorised at a W by a weighted norm that touches it there: what a stage of
``solvers.reweighted`` minimises.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ._base import Composite, Penalty, Ridge
from ._fused import FusedRows, fused_rows
from ._rows import L1, WeightedL1

# The square root is smoothed by this share of the largest row.
_SMOOTHING = 1e-12


class Concave(ABC):
    """What the reweighting loop asks of a penalty that is concave in the sizes of the rows."""

    # Accuracy of a stage, as a share of the gap at its start, where nothing jumps between stages.
    share: ClassVar[float] = 0.0

    @abstractmethod
    def value(self, W: FloatArray) -> float:
        """Omega(W)."""

    @abstractmethod
    def first(self, n_features: int) -> Penalty:
        """The convex penalty of the first stage."""

    def first_stage(self, n_features: int) -> FirstStage:
        """That penalty, with this function at hand for the stages after it."""
        penalty = self.first(n_features)
        return FirstStage(penalty.structure, penalty.quadratic, self)

    @abstractmethod
    def majorant(self, W: FloatArray) -> Penalty:
        """A convex penalty with the slope of Omega at W, above it everywhere up to a constant."""

    def smoothed(self, W: FloatArray) -> Self:
        """The function that never rises from W on: itself, unless its slope has no bound."""
        return self


@dataclass(frozen=True, eq=False)
class FirstStage(Composite):
    """The penalty that the loop starts from."""

    concave: Concave


@dataclass(frozen=True)
class CappedRows(Concave):
    """``lambda1 sum_j min(||w^j||_1, threshold) + ridge/2 ||W||_F^2``."""

    lambda1: float
    threshold: float
    ridge: float

    def value(self, W: FloatArray) -> float:
        sizes = np.minimum(np.abs(W).sum(axis=1), self.threshold)
        return self.lambda1 * float(sizes.sum()) + Ridge(self.ridge).value(W)

    def first(self, n_features: int) -> Penalty:
        return L1(self.lambda1) + Ridge(self.ridge)

    def majorant(self, W: FloatArray) -> Penalty:
        small = np.abs(W).sum(axis=1) < self.threshold
        if small.all() or self.lambda1 == 0.0:
            return self.first(W.shape[0])
        return WeightedL1(self.lambda1, weights=small.astype(float)) + Ridge(self.ridge)


@dataclass(frozen=True, eq=False)
class RootRows(Concave):
    """``strength sum_j (sqrt(h_j + eps) - sqrt(eps))`` with ``h_j = ||w^j||_1``, from a Lasso."""

    strength: float
    start: float
    eps: float = 0.0

    share: ClassVar[float] = 0.01

    def sizes(self, W: FloatArray) -> FloatArray:
        """``h_j`` of every row."""
        return np.abs(W).sum(axis=1)

    def value(self, W: FloatArray) -> float:
        roots = np.sqrt(self.sizes(W) + self.eps) - np.sqrt(self.eps)
        return self.strength * float(roots.sum())

    def first(self, n_features: int) -> Penalty:
        return L1(self.start)

    def majorant(self, W: FloatArray) -> Penalty:
        return WeightedL1(weights=self.slopes(W))

    def slopes(self, W: FloatArray) -> FloatArray:
        """Derivative of the root of every row."""
        return 0.5 * self.strength / np.sqrt(self.sizes(W) + self.eps)

    def smoothed(self, W: FloatArray) -> Self:
        largest = float(self.sizes(W).max(initial=0.0))
        return replace(self, eps=_SMOOTHING * (largest if largest > 0.0 else 1.0))


@dataclass(frozen=True, eq=False, kw_only=True)
class FusedRoots(RootRows):
    """The same with ``h_j = inner sum_t |w_jt - w_j(t-1)| + sparse ||w^j||_1``.

    ``outer`` times the differences is added outside the root; the first stage has ``start h_j``.
    """

    order: IntArray
    inner: float
    sparse: float
    outer: float

    def sizes(self, W: FloatArray) -> FloatArray:
        return self._sums(W, self.inner, self.sparse)

    def value(self, W: FloatArray) -> float:
        return super().value(W) + float(self._sums(W, self.outer, 0.0).sum())

    def first(self, n_features: int) -> Penalty:
        return self._weighted(np.full(n_features, self.start))

    def majorant(self, W: FloatArray) -> Penalty:
        return self._weighted(self.slopes(W))

    def _weighted(self, slopes: FloatArray) -> Penalty:
        if self.strength == 0.0:
            return fused_rows(slopes.size, self.order, group=0.0, fused=self.outer, sparse=0.0)
        fused, sparse = self.outer + self.inner * slopes, self.sparse * slopes
        return FusedRows(order=self.order, group=np.zeros_like(slopes), fused=fused, sparse=sparse)

    def _sums(self, W: FloatArray, fused: float, sparse: float) -> FloatArray:
        sums = np.zeros(W.shape[0])
        one = np.ones_like(sums)
        _kernels.fused.row_sums(W, self.order, 0.0 * one, fused * one, sparse * one, sums)
        return sums
