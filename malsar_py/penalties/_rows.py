"""Norms that are sums over the rows or the columns of W."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from .. import prox
from .._typing import FloatArray, IntArray
from ._base import FreePart, Norm
from ._per_task import by_class, whole_tasks


class L1(Norm):
    """``lambda1 sum_jt |w_jt|``."""

    row_code: ClassVar[int | None] = 1

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_l1(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G).max(initial=0.0))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return np.full(n_features, self.lambda1)


class RowL2(Norm):
    """``lambda1 sum_j ||w^j||_2`` (L2,1): one feature across tasks is a group."""

    row_code: ClassVar[int | None] = 2

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.sqrt(np.einsum("jt,jt->j", W, W)).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_row_l2(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.sqrt(np.einsum("jt,jt->j", G, G).max(initial=0.0)))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return np.full(n_features, self.lambda1)


@dataclass(frozen=True, eq=False)
class WeightedL1(Norm):
    """``lambda1 sum_j weights_j ||w^j||_1``; rows of weight 0 are free."""

    weights: FloatArray

    row_code: ClassVar[int | None] = 1

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(self.weights @ np.abs(W).sum(axis=1))

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_l1(V, step * self.lambda1 * self.weights)

    def dual_norm(self, G: FloatArray) -> float:
        used = self.weights > 0.0
        return float((np.abs(G[used]).max(axis=1) / self.weights[used]).max(initial=0.0))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return self.lambda1 * self.weights

    def restrict(self, features: IntArray) -> Self:
        return replace(self, weights=self.weights[features])

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        rows = np.flatnonzero(self.weights == 0.0)
        return (rows, None) if rows.size else None


class RowLinf(Norm):
    """``lambda1 sum_j max_t |w_jt|`` (L1,inf): tasks may use a feature as much as any of them."""

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W).max(axis=1).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_row_linf(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G).sum(axis=1).max(initial=0.0))


@dataclass(frozen=True)
class ColumnL2(Norm):
    """``lambda1 sum_t ||w_t||_2``: one task is a group, with all of its ``n_classes`` columns."""

    n_classes: int = 1

    def value(self, W: FloatArray) -> float:
        W = whole_tasks(W, self.n_classes)
        return self.lambda1 * float(np.sqrt(np.einsum("jt,jt->t", W, W)).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        V = whole_tasks(V, self.n_classes)
        return by_class(prox.prox_column_l2(V, step * self.lambda1), self.n_classes)

    def dual_norm(self, G: FloatArray) -> float:
        G = whole_tasks(G, self.n_classes)
        return float(np.sqrt(np.einsum("jt,jt->t", G, G).max(initial=0.0)))
