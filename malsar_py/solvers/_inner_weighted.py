"""Quadratic problems over some features in which every sample of every task has its own weight.

Minus the derivative per sample, ``U = D (target - X w_t - b_t)`` with weights D, is what descent
starts from; ``G = X'U``. Second-order models of any loss have this form, and the squared loss
with missing targets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import cast

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..design import FeatureRows
from ..objective import Objective
from ._blocks import blocks, descend, penalty_value
from ._inner_base import Inner
from ._norms import kernel_terms

# Gram matrices of every task up to so many features, and so many samples a feature.
GRAM_FEATURES = 64
GRAM_SAMPLES = 2
_GRAM_EPOCHS = 500
_BLOCK = 32
_CHUNK = 512
_ROUND_EPOCHS = 60


class FeatureInner(Inner):
    """Holds its features as rows, and the problem over them."""

    def __init__(self, objective: Objective, working: IntArray, last: Inner | None):
        super().__init__(objective, working)
        k = working.size
        known = 0
        room: FloatArray | None = None
        if isinstance(last, FeatureInner):
            before = last.working
            if np.array_equal(working[: before.size], before):
                # The rows from before stay where they are, if there is room behind them.
                known, room = before.size, last._room
        if room is None or k > room.shape[0]:
            old, room = room, np.empty((2 * k if known else k, objective.design.n_rows))
            if old is not None:
                room[:known] = old[:known]
        self._room: FloatArray = room
        A = self._room[:k]
        objective.design.columns(working[known:], out=A[known:])
        self.rows = FeatureRows(A, objective.design)
        self.objective = objective.on(self.rows, working)
        self._seen: tuple[FloatArray, FloatArray] | None = None
        self.model: Model | None = None

    def rebind(self, objective: Objective) -> None:
        self.objective = self.objective.with_penalty(objective.penalty.restrict(self.working))
        if self.model is not None:
            self.model.objective = self.objective

    def predict(self, W: FloatArray) -> FloatArray:
        z = self.rows.predict(W)
        self._seen = W, z
        return z

    def _predicted(self, W: FloatArray) -> FloatArray:
        """The same, where it was asked for last."""
        if self._seen is not None and np.array_equal(self._seen[0], W):
            return self._seen[1]
        return self.rows.predict(W)


class Model(ABC):
    """The quadratic problem with weights D (N,)."""

    def __init__(self, objective: Objective, D: FloatArray):
        self.objective = objective
        self.D = D
        self.inverse = np.divide(1.0, D, out=np.zeros_like(D), where=D > 0.0)

    @abstractmethod
    def descend(
        self, W: FloatArray, U: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        """Rows of W (k, T) whose gap in this problem is ``goal``, and whether that was reached.

        From W, with U (N,) and ``G_rows`` (T, k) there.
        """

    @property
    def rows(self) -> FeatureRows:
        return cast("FeatureRows", self.objective.design)


class GramModel(Model):
    """By Gram matrices of every task."""

    def __init__(self, objective: Objective, D: FloatArray):
        super().__init__(objective, D)
        self.H = objective.design.gram(D, objective.fit_intercept)

    def descend(
        self, W: FloatArray, U: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W, G_rows = np.array(W.T, order="C"), np.array(G_rows, order="C")
        rhs = G_rows + np.einsum("tij,tj->ti", self.H, W)
        loss = 0.5 * float(U @ (U * self.inverse))
        base = np.array([loss + 0.5 * float(np.vdot(W, rhs) + np.vdot(W, G_rows))])
        gap, epochs = _kernels.row_norms.gram_descent(
            code, self.H, rhs, base, threshold, ridge, goal, _GRAM_EPOCHS, None, W, G_rows
        )
        return W.T, gap <= goal or epochs < _GRAM_EPOCHS


class ResidualModel(Model):
    """By residuals, on features that are scaled and centred for it."""

    def __init__(self, objective: Objective, D: FloatArray):
        super().__init__(objective, D)
        rows = self.rows
        n_tasks, k = rows.n_tasks, rows.A.shape[0]
        root = np.sqrt(D)
        self.scaled = np.empty((k, D.shape[0]))
        self.h = np.empty((n_tasks, k))
        for t, (place, (a, b)) in enumerate(
            zip(rows.places, pairwise(rows.offsets.tolist()), strict=True)
        ):
            own = rows.A[:, place]
            if objective.fit_intercept:
                own = own - (own @ D[a:b] / D[a:b].sum())[:, None]
            scaled = self.scaled[:, a:b]
            np.multiply(own, root[a:b], out=scaled)
            self.h[t] = np.einsum("ji,ji->j", scaled, scaled)

    def descend(
        self, W: FloatArray, U: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W, offsets = np.array(W.T, order="C"), self.rows.offsets
        R = U * np.sqrt(self.inverse)
        rhs = G_rows.copy()
        for t, (a, b) in enumerate(pairwise(offsets.tolist())):
            rhs[t] += self.scaled[:, a:b] @ (W[t] @ self.scaled[:, a:b])
        base = 0.5 * float(R @ R) + 0.5 * float(np.vdot(W, rhs) + np.vdot(W, G_rows))
        gap, epochs = _kernels.row_norms.residual_descent(
            code,
            self.scaled,
            offsets[:-1],
            offsets,
            self.h,
            rhs,
            base,
            threshold,
            ridge,
            goal,
            _GRAM_EPOCHS,
            W,
            R,
        )
        return W.T, gap <= goal or epochs < _GRAM_EPOCHS


class BlockModel(Model):
    """All tasks on one X: blocks of rows by matrix products, cyclic inside by Gram matrices."""

    def __init__(self, objective: Objective, D: FloatArray):
        super().__init__(objective, D)
        A, n_tasks = self.rows.A, self.rows.n_tasks
        self.weight = np.ascontiguousarray(D.reshape(n_tasks, -1).T)
        self.inverse = np.ascontiguousarray(self.inverse.reshape(n_tasks, -1).T)
        k = A.shape[0]
        self.blocks = blocks(k, _BLOCK)
        self.means = np.zeros((k, n_tasks))
        if objective.fit_intercept:
            self.means = np.dot(A, self.weight) / self.weight.sum(axis=0)
        self.squares = [self._square(rows) for rows in self.blocks]

    def _square(self, rows: slice) -> FloatArray:
        """``sum_i D_it (a_ji - mean_jt) (a_li - mean_lt)`` (B, B, T) for j <= l in a block."""
        A = self.A[rows]
        n_rows, n_samples = A.shape
        upper = np.triu_indices(n_rows)
        total = np.zeros((upper[0].size, self.weight.shape[1]))
        for start in range(0, n_samples, _CHUNK):
            part = A[:, start : start + _CHUNK]
            pairs = np.concatenate([part[j] * part[j:] for j in range(n_rows)])
            total += np.dot(pairs, self.weight[start : start + _CHUNK])
        means = self.means[rows]
        total -= means[upper[0]] * means[upper[1]] * self.weight.sum(axis=0)
        H = np.zeros((n_rows, n_rows, total.shape[1]))
        H[upper] = total
        return H

    @property
    def A(self) -> FloatArray:
        return self.rows.A

    def descend(
        self, W: FloatArray, U: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W = np.array(W, order="C")
        U = np.ascontiguousarray(U.reshape(W.shape[1], -1).T)
        change = np.empty((_BLOCK, W.shape[1]))

        def cycle(W: FloatArray, U: FloatArray) -> None:
            for rows, H in zip(self.blocks, self.squares, strict=True):
                A = self.A[rows]
                d = change[: A.shape[0]]
                if _kernels.row_norms.own_block_epoch(
                    code, H, threshold[rows], ridge, W[rows], np.dot(A, U), d
                ):
                    shift = np.einsum("jt,jt->t", self.means[rows], d)
                    _kernels.newton.weighted_move(self.weight, np.dot(A.T, d), shift, U)

        def primal(W: FloatArray, U: FloatArray) -> float:
            return self._loss(U) + penalty_value(code, threshold, ridge, W)

        def gap(W: FloatArray, U: FloatArray) -> float:
            G_rows = np.dot(self.A, U)
            base = self._loss(U) + float(np.vdot(W, G_rows))
            return _kernels.row_norms.restricted_gap(
                code, threshold, ridge, base, True, G_rows, W, G_rows
            )[1]

        return descend(
            W,
            U,
            goal,
            cycle=cycle,
            primal=primal,
            gap=gap,
            epochs=_ROUND_EPOCHS,
            before=np.inf,
            hope=1.0,
        )

    def _loss(self, U: FloatArray) -> float:
        return 0.5 * float(np.vdot(U, U * self.inverse))


class Weighted(FeatureInner):
    """The squared loss with missing targets, or other weights of each task's own."""

    trims = True

    def __init__(self, objective: Objective, working: IntArray, last: Inner | None):
        super().__init__(objective, working, last)
        kind = GramModel if working.size <= GRAM_FEATURES else BlockModel
        self.model = kind(self.objective, objective.c)

    def solve(
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        theta = self.objective.loss_at(self._predicted(W)).theta
        assert self.model is not None
        return self.model.descend(W, theta, self.rows.adjoint_rows(theta), threshold, goal)
