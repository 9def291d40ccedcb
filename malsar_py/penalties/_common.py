"""Norms of what the tasks add to the best common model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import prox
from .._typing import FloatArray
from ._base import FreePart, Norm, Penalty, Structure, TaskQuadratic, deviations
from ._split import Split


@dataclass(frozen=True)
class AroundMean(Structure):
    """``N(W (I - 11'/T))``, which is ``min_m N(W - m 1')``: m, the mean of the tasks, is free.

    Where tasks have a column of W for each class, m has one for each class, too.
    For functions that no projection of the columns of W enlarges: those of the singular values, and
    sums of row norms. (It is false of the L1, the row L1,inf and column norms.)
    """

    inner: Structure
    n_classes: int = 1

    @property
    def structure(self) -> Structure | None:
        return None if self.inner.structure is None else self

    @property
    def rotation_invariant(self) -> bool:  # type: ignore[override]
        return self.inner.rotation_invariant

    def value(self, W: FloatArray) -> float:
        return self.inner.value(deviations(W, self.n_classes))

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        own, K = deviations(V, self.n_classes), self.n_classes
        common = V[:, :K] - own[:, :K]
        return np.tile(common, V.shape[1] // K) + self.inner.prox(own, step)

    def lambda1_max(self, G0: FloatArray) -> float | None:
        return self.inner.lambda1_max(deviations(G0, self.n_classes))

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        inner = self.inner.rescaled(factor, size)
        assert isinstance(inner, Structure)
        return AroundMean(inner, self.n_classes)

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        return slice(None), mean_basis(n_tasks, self.n_classes)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        """Those of the inner structure at deviations; of the means only a ridge sees anything."""
        assert not quadratic.coupled
        own = deviations(G, self.n_classes)
        bounds = self.inner.bounds_beside(quadratic, deviations(W, self.n_classes), own)
        if quadratic.ridge == 0.0:
            return bounds
        common = 0.5 * float(np.square(G - own).sum()) / quadratic.ridge
        return [(alpha, conj + alpha * alpha * common) for alpha, conj in bounds]


def mean_basis(n_columns: int, n_classes: int) -> FloatArray:
    """Directions (n_columns, n_classes) of what all tasks have in common, class by class."""
    n_tasks = n_columns // n_classes
    return np.tile(np.eye(n_classes) * n_tasks**-0.5, (n_tasks, 1))


@dataclass(frozen=True)
class CommonL1(Norm):
    """``lambda1 ||m||_1`` of a part whose columns are all one m, or one for each class."""

    n_classes: int = 1

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W[:, : self.n_classes]).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        each = V.reshape(len(V), -1, self.n_classes)
        n_tasks = each.shape[1]
        m = prox.prox_l1(each.mean(axis=1), step * self.lambda1 / n_tasks)
        return np.tile(m, n_tasks)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G.reshape(len(G), -1, self.n_classes).sum(axis=1)).max(initial=0.0))


class DataShared(Split):
    """``mu ||m||_1 + lambda1 sum_jt |v_jt|`` for ``W = m 1' + V``; mu goes with lambda1."""

    def lambda1_max(self, G0: FloatArray) -> float:
        assert isinstance(self.second, Norm)
        ratio = self.first.lambda1 / self.second.lambda1
        return max(self.second.dual_norm(G0), self.first.dual_norm(G0) / ratio)
