"""Intercepts, the unknowns that are minimised out of a loss: what is left is a function of W.

There are none, one per task and free, one per task and drawn to their mean b0 by ``kappa/2 sum_t
(b_t - b0)^2``, or (kappa = inf) one for all tasks. The last two tie the tasks: with the squared
loss the Hessian in W is ``blkdiag(H_t) - v v' / s``, see :meth:`ShrunkIntercepts.tie`.

W. A. Fuller, G. E. Battese (1974), "Estimation of linear models with crossed-error structure".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ._typing import FloatArray, IntArray
from .losses import Evaluation, Loss

# v (n_features, n_tasks) and s of a Hessian less v v' / s.
Tie = tuple[FloatArray, float]

_NEWTON_STEPS = 60
_TOL = 1e-13
_SHORTEST = 1e-10
_SUFFICIENT = 1e-4
_ROUNDING = 4.0 * np.finfo(float).eps


class Intercepts(ABC):
    """What a loss is to be minimised over, beside W."""

    # Whether tasks meet in them.
    tied: ClassVar[bool]

    @abstractmethod
    def evaluate(
        self,
        loss: Loss,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        start: FloatArray,
    ) -> Evaluation:
        """Loss and cost of the best intercepts (T,), searched from ``start``, and theta there."""

    @abstractmethod
    def feasible(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> None:
        """Make theta dual feasible in place: sums that must vanish do."""

    @abstractmethod
    def conjugate(self, theta: FloatArray, offsets: IntArray) -> float:
        """What the dual loses to the cost of intercepts; it grows with the square of theta."""

    @abstractmethod
    def remove(
        self, z: FloatArray, weight: FloatArray, offsets: IntArray, b0: float | None = None
    ) -> None:
        """Subtract in place the intercepts that fit z best, by weighted squares; or given b0."""

    @abstractmethod
    def energy(self, z: FloatArray, weight: FloatArray, offsets: IntArray) -> float:
        """The least ``sum weight (z - b)^2`` with twice the cost of b."""

    def kept(self, totals: FloatArray) -> FloatArray:
        """Share of the mean of a task of this total weight that its own intercept leaves."""
        return np.zeros_like(totals)


@dataclass(frozen=True)
class OwnIntercepts(Intercepts):
    """One per task, free; or none at all."""

    fit: bool

    tied: ClassVar[bool] = False

    def evaluate(
        self,
        loss: Loss,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        start: FloatArray,
    ) -> Evaluation:
        return loss.evaluate(y, z, c, offsets, self.fit, start)

    def feasible(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> None:
        if self.fit:
            loss.feasible(y, theta, c, offsets)

    def conjugate(self, theta: FloatArray, offsets: IntArray) -> float:
        return 0.0

    def remove(
        self, z: FloatArray, weight: FloatArray, offsets: IntArray, b0: float | None = None
    ) -> None:
        if self.fit:
            means, _ = _means(z, weight, offsets)
            z -= np.repeat(means, np.diff(offsets))

    def energy(self, z: FloatArray, weight: FloatArray, offsets: IntArray) -> float:
        z = z.copy()
        self.remove(z, weight, offsets)
        return float(np.vdot(z, weight * z))

    def kept(self, totals: FloatArray) -> FloatArray:
        return np.full_like(totals, float(not self.fit))


@dataclass(frozen=True)
class ShrunkIntercepts(Intercepts):
    """One per task, drawn to their mean b0 with strength kappa in (0, inf]."""

    kappa: float

    tied: ClassVar[bool] = True

    def evaluate(
        self,
        loss: Loss,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        start: FloatArray,
    ) -> Evaluation:
        if loss.affine:
            return self._evaluate_squared(loss, y, z, c, offsets)
        if self.kappa == np.inf:
            found = loss.evaluate(y, z, c, _one_segment(offsets), True, start[:1])
            return found._replace(intercepts=np.repeat(found.intercepts, len(start)))
        return self._evaluate_smooth(loss, y, z, c, offsets, start)

    def _evaluate_squared(
        self, loss: Loss, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Evaluation:
        # At the tasks' own means first; each then gives way to the common one.
        value, theta, means = loss.evaluate(y, z, c, offsets, True)
        totals = np.add.reduceat(c, offsets[:-1])
        share = self.kept(totals)
        weight = totals * share
        apart = means - weight @ means / weight.sum()
        shift = share * apart
        theta += c * np.repeat(shift, np.diff(offsets))
        cost = 0.5 * float(weight @ np.square(apart))
        return Evaluation(value + cost, theta, means - shift)

    def _evaluate_smooth(
        self,
        loss: Loss,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        start: FloatArray,
    ) -> Evaluation:
        """Newton in b, b0 its mean: a diagonal less one of rank one (Sherman, Morrison)."""
        starts, counts, kappa = offsets[:-1], np.diff(offsets), self.kappa

        def at(b: FloatArray) -> Evaluation:
            found = loss.evaluate(y, z + np.repeat(b, counts), c, offsets, False)
            own = b - b.mean()
            return Evaluation(found.value + 0.5 * kappa * float(own @ own), found.theta, b)

        enough = _TOL * np.add.reduceat(c, starts)
        found = at(start)
        for _ in range(_NEWTON_STEPS):
            value, theta, b = found
            pull = np.add.reduceat(theta, starts) - kappa * (b - b.mean())
            if (np.abs(pull) <= enough).all():
                break
            h = np.add.reduceat(loss.model_curvature(y, theta, c), starts)
            D = h + kappa
            mean = (pull / D).mean() / max((h / D).mean(), np.finfo(float).tiny)
            step = (pull + kappa * mean) / D
            promised, length = float(pull @ step), 1.0
            slack = _ROUNDING * abs(value)
            found = at(b + step)
            # (In this form a NaN is no success.)
            while not found.value <= value - _SUFFICIENT * length * promised + slack:
                length *= 0.5
                if length < _SHORTEST:
                    return Evaluation(value, theta, b)
                found = at(b + length * step)
            if np.array_equal(found.intercepts, b):
                break
        return found

    def feasible(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> None:
        loss.feasible(y, theta, c, _one_segment(offsets))

    def conjugate(self, theta: FloatArray, offsets: IntArray) -> float:
        sums = np.add.reduceat(theta, offsets[:-1])
        return 0.5 * float(sums @ sums) / self.kappa

    def remove(
        self, z: FloatArray, weight: FloatArray, offsets: IntArray, b0: float | None = None
    ) -> None:
        means, totals = _means(z, weight, offsets)
        share = self.kept(totals)
        if b0 is None:
            weights = totals * share
            b0 = float(weights @ means) / max(float(weights.sum()), np.finfo(float).tiny)
        z -= np.repeat(means + share * (b0 - means), np.diff(offsets))

    def energy(self, z: FloatArray, weight: FloatArray, offsets: IntArray) -> float:
        rest = z.copy()
        self.remove(rest, weight, offsets)
        return float(np.vdot(z, weight * rest))

    def kept(self, totals: FloatArray) -> FloatArray:
        return 1.0 / (1.0 + totals / self.kappa)

    def tie(self, means: FloatArray, totals: FloatArray) -> Tie:
        """What the common intercept takes from the Hessian, for features' means (T, d)."""
        weight = totals * self.kept(totals)
        return np.ascontiguousarray((weight[:, None] * means).T), float(weight.sum())


def make_intercepts(fit: bool, kappa: float) -> Intercepts:
    """Intercepts of strength kappa, if any."""
    return ShrunkIntercepts(kappa) if fit and kappa > 0.0 else OwnIntercepts(fit)


def _one_segment(offsets: IntArray) -> IntArray:
    return offsets[[0, -1]]


def _means(z: FloatArray, weight: FloatArray, offsets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Each task's weighted mean of z, and its total weight."""
    starts = offsets[:-1]
    totals = np.add.reduceat(weight, starts)
    return np.add.reduceat(weight * z, starts) / np.where(totals > 0.0, totals, 1.0), totals
