"""Rows over ordered tasks: group, fused and sparse terms in one norm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .. import _kernels, prox
from .._typing import FloatArray, IntArray
from ._base import FreePart, Norm, Penalty, Ridge


@dataclass(frozen=True, eq=False, kw_only=True)
class FusedRows(Norm):
    """``lambda1 sum_j (group_j ||w^j||_2 + fused_j sum_t |w_jt - w_j(t-1)| + sparse_j ||w^j||_1)``.

    ``order`` lists the tasks as neighbours follow each other; the strengths are one number a row.
    """

    order: IntArray
    group: FloatArray
    fused: FloatArray
    sparse: FloatArray

    def value(self, W: FloatArray) -> float:
        sums = np.empty(W.shape[0])
        _kernels.fused.row_sums(W, self.order, self.group, self.fused, self.sparse, sums)
        return self.lambda1 * float(sums.sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        tau = step * self.lambda1
        return prox.prox_fused_rows(V, tau, self.order, self.group, self.fused, self.sparse)

    def dual_norm(self, G: FloatArray) -> float:
        return _kernels.fused.dual_norm(
            np.ascontiguousarray(G), self.order, self.group, self.fused, self.sparse
        )

    def lambda1_max(self, G0: FloatArray) -> float | None:
        """The smallest strength of the group term at which W = 0."""
        beside = replace(self, lambda1=1.0, group=np.zeros_like(self.group)).prox(G0, 1.0)
        return float(np.sqrt(np.einsum("jt,jt->j", beside, beside).max(initial=0.0)))

    def restrict(self, features: IntArray) -> Self:
        strengths = {name: getattr(self, name)[features] for name in ("group", "fused", "sparse")}
        return replace(self, **strengths)

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        constant = np.flatnonzero((self.group == 0.0) & (self.sparse == 0.0))
        return (constant, np.full((n_tasks, 1), n_tasks**-0.5)) if constant.size else None


def fused_rows(
    n_features: int, order: IntArray, *, group: float, fused: float, sparse: float
) -> Penalty:
    """The same strengths for every row; no penalty at all if nothing is left of it."""
    if group == sparse == 0.0 and (fused == 0.0 or order.size == 1):
        return Ridge(0.0)
    group_, fused_, sparse_ = (np.full(n_features, s) for s in (group, fused, sparse))
    return FusedRows(order=order, group=group_, fused=fused_, sparse=sparse_)
