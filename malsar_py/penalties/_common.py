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

    For functions that no projection of the columns of W enlarges: those of the singular values, and
    sums of row norms. (It is false of the L1, the row L1,inf and column norms.)
    """

    inner: Structure

    @property
    def structure(self) -> Structure | None:
        return None if self.inner.structure is None else self

    @property
    def rotation_invariant(self) -> bool:  # type: ignore[override]
        return self.inner.rotation_invariant

    def value(self, W: FloatArray) -> float:
        return self.inner.value(deviations(W))

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        own = deviations(V)
        return (V[:, :1] - own[:, :1]) + self.inner.prox(own, step)

    def lambda1_max(self, G0: FloatArray) -> float | None:
        return self.inner.lambda1_max(deviations(G0))

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        inner = self.inner.rescaled(factor, size)
        assert isinstance(inner, Structure)
        return AroundMean(inner)

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        return slice(None), np.full((n_tasks, 1), n_tasks**-0.5)

    def bounds_beside(
        self, quadratic: TaskQuadratic, W: FloatArray, G: FloatArray
    ) -> list[tuple[float, float]]:
        """Those of the inner structure at deviations; of the means only a ridge sees anything."""
        assert not quadratic.coupled
        own = deviations(G)
        bounds = self.inner.bounds_beside(quadratic, deviations(W), own)
        if quadratic.ridge == 0.0:
            return bounds
        common = 0.5 * float(np.square((G - own)[:, 0]).sum()) * G.shape[1] / quadratic.ridge
        return [(alpha, conj + alpha * alpha * common) for alpha, conj in bounds]


class CommonL1(Norm):
    """``lambda1 ||m||_1`` of a part whose columns are all one m."""

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W[:, 0]).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        n_tasks = V.shape[1]
        m = prox.prox_l1(V.mean(axis=1, keepdims=True), step * self.lambda1 / n_tasks)
        return np.repeat(m, n_tasks, axis=1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G.sum(axis=1)).max(initial=0.0))


class DataShared(Split):
    """``mu ||m||_1 + lambda1 sum_jt |v_jt|`` for ``W = m 1' + V``; mu goes with lambda1."""

    def lambda1_max(self, G0: FloatArray) -> float:
        assert isinstance(self.second, Norm)
        ratio = self.first.lambda1 / self.second.lambda1
        return max(self.second.dual_norm(G0), self.first.dual_norm(G0) / ratio)
