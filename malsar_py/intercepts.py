"""Intercepts, the unknowns that are minimised out of a loss: what is left is a function of W.

There are none, one per task and free, one per task and drawn to their mean b0 by ``kappa/2 sum_t
(b_t - b0)^2``, or (kappa = inf) one for all tasks. The last two tie the tasks: with the squared
loss the Hessian in W is ``blkdiag(H_t) - v v' / s``, see :class:`Tie`. Where tasks have several
classes, each class has intercepts of its own, drawn to a b0 of its own.

W. A. Fuller, G. E. Battese (1974), "Estimation of linear models with crossed-error structure".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ._typing import AnyArray, FloatArray, IntArray
from .losses import Evaluation, Loss

# From an array to one of its shape.
Apply = Callable[[FloatArray], FloatArray]

_NEWTON_STEPS = 60
_TOL = 1e-13
_SHORTEST = 1e-10
_SUFFICIENT = 1e-4
_ROUNDING = 4.0 * np.finfo(float).eps
# Directions of the common intercepts of classes with less than this share of the curvature of the
# others are rounding: that of adding one number to all classes.
_FLAT = 1e-14


@dataclass(frozen=True, eq=False)
class Tie:
    """What the common intercepts, one for each class, take from a Hessian: ``sum_k v_k v_k'/s_k``.

    Class k has the columns k, k + K, ... of ``v``, and v_k is zero in all others.
    """

    v: FloatArray  # (n_features, n_columns)
    s: FloatArray  # (K,)

    @property
    def each(self) -> list[FloatArray]:
        """The v_k."""
        K = len(self.s)
        if K == 1:
            return [self.v]
        column = np.arange(self.v.shape[1]) % K
        return [np.where(column == k, self.v, 0.0) for k in range(K)]

    def along(self, W: FloatArray) -> FloatArray:
        """``<v_k, W>`` (K,)."""
        return np.einsum("jt,jt->t", self.v, W).reshape(-1, len(self.s)).sum(axis=0)

    def taken(self, W: FloatArray) -> FloatArray:
        """What is taken from the product with W."""
        shares = self.along(W) / self.s
        return self.v * np.tile(shares, self.v.shape[1] // len(shares))


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
    def curvature(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Apply:
        """From v to ``c loss'' (v + s)`` of several predictions a sample.

        s is what intercepts do about v.
        """

    @abstractmethod
    def absent(self, loss: Loss, y: FloatArray, c: FloatArray, offsets: IntArray) -> AnyArray:
        """Mask of the intercepts that are -inf, whatever W."""

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

    def curvature(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Apply:
        return lambda v: loss.curve(y, theta, c, offsets, v, self.fit)

    def absent(self, loss: Loss, y: FloatArray, c: FloatArray, offsets: IntArray) -> AnyArray:
        if not self.fit:
            return np.zeros(len(offsets) - 1, dtype=np.bool_)
        return loss.absent(y, c, offsets)

    def energy(self, z: FloatArray, weight: FloatArray, offsets: IntArray) -> float:
        z = z.copy()
        self.remove(z, weight, offsets)
        return float(np.vdot(z, weight * z))

    def kept(self, totals: FloatArray) -> FloatArray:
        return np.full_like(totals, float(not self.fit))


@dataclass(frozen=True)
class ShrunkIntercepts(Intercepts):
    """One per task and class, drawn to their mean b0 over tasks with strength kappa in (0, inf]."""

    kappa: float
    n_classes: int = 1

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
        if self.kappa * np.finfo(float).eps < c.sum():
            return self._evaluate_smooth(loss, y, z, c, offsets, start)
        # What is each task's own is zero, or below what floats add to the common one.
        order, whole = loss.together(offsets)
        start, n_tasks = start[: self.n_classes], len(start) // self.n_classes
        found = loss.evaluate(y[order], z[order], c[order], whole, True, start)
        theta = np.empty_like(y)
        theta[order] = found.theta
        return Evaluation(found.value, theta, np.tile(found.intercepts, n_tasks))

    def _evaluate_squared(
        self, loss: Loss, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Evaluation:
        # At the tasks' own means first; each then gives way to the common one.
        value, theta, means = loss.evaluate(y, z, c, offsets, True)
        totals = np.add.reduceat(c, offsets[:-1])
        share = self.kept(totals)
        weight = totals * share
        apart = means - self._common(means, weight)
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
        """Newton in b, b0 its mean; ``own = b - b0`` keeps digits that b lacks."""
        starts, counts, kappa = offsets[:-1], np.diff(offsets), self.kappa

        def at(b: FloatArray, own: FloatArray) -> Evaluation:
            found = loss.evaluate(y, z + np.repeat(b, counts), c, offsets, False)
            return Evaluation(found.value + 0.5 * kappa * float(own @ own), found.theta, b)

        enough = _TOL * np.add.reduceat(c, starts)
        own = self._apart(start)
        found = at(start, own)
        for _ in range(_NEWTON_STEPS):
            value, theta, b = found
            pull = np.add.reduceat(theta, starts) - kappa * own
            if (np.abs(pull) <= enough).all():
                break
            step = self._responder(loss, y, theta, c, offsets)(pull)
            promised, length = float(pull @ step), 1.0
            slack = _ROUNDING * abs(value)
            move = self._apart(step)
            found = at(b + step, own + move)
            # (In this form a NaN is no success.)
            while not found.value <= value - _SUFFICIENT * length * promised + slack:
                length *= 0.5
                if length < _SHORTEST:
                    return Evaluation(value, theta, b)
                found = at(b + length * step, own + length * move)
            own = self._apart(own + length * move)
            if np.array_equal(found.intercepts, b):
                break
        return found

    def _responder(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Apply:
        """What intercepts do about a pull: ``H_t s_t + kappa (s_t - mean(s)) = pull_t``."""
        kappa = self.kappa
        if self.n_classes == 1:
            # A diagonal less one of rank one (Sherman, Morrison).
            h = np.add.reduceat(loss.model_curvature(y, theta, c), offsets[:-1])
            D = h + kappa
            least = max((h / D).mean(), np.finfo(float).tiny)
            return lambda pull: (pull + kappa * ((pull / D).mean() / least)) / D
        H = loss.intercept_curvature(y, theta, c, offsets)
        if kappa == np.inf:
            together = _over_classes(H.sum(axis=0))

            def respond_together(pull: FloatArray) -> FloatArray:
                return np.tile(together @ pull.reshape(-1, len(together)).sum(axis=0), len(H))

            return respond_together
        inverse = np.linalg.inv(H + kappa * np.eye(self.n_classes))
        share = inverse @ H  # what is left of the mean, where it is in H_t + kappa I alone
        between = _over_classes(share.mean(axis=0))

        def respond(pull: FloatArray) -> FloatArray:
            own = np.einsum("tkj,tj->tk", inverse, pull.reshape(len(H), -1))
            common = between @ own.mean(axis=0)
            step = own + common - share @ common
            # (What is added to all classes of a task changes nothing: it would be rounding.)
            return np.asarray((step - step.mean(axis=1, keepdims=True)).ravel())

        return respond

    def feasible(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> None:
        order, whole = loss.together(offsets)
        of_all = theta[order]
        loss.feasible(y[order], of_all, c[order], whole)
        theta[order] = of_all

    def conjugate(self, theta: FloatArray, offsets: IntArray) -> float:
        sums = np.add.reduceat(theta, offsets[:-1])
        return 0.5 * float(sums @ sums) / self.kappa

    def remove(
        self, z: FloatArray, weight: FloatArray, offsets: IntArray, b0: float | None = None
    ) -> None:
        means, totals = _means(z, weight, offsets)
        share = self.kept(totals)
        common = self._common(means, totals * share) if b0 is None else b0
        z -= np.repeat(means + share * (common - means), np.diff(offsets))

    def curvature(
        self, loss: Loss, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> Apply:
        counts, respond = np.diff(offsets), self._responder(loss, y, theta, c, offsets)

        def curve(v: FloatArray) -> FloatArray:
            pull = -np.add.reduceat(loss.curve(y, theta, c, offsets, v, False), offsets[:-1])
            return loss.curve(y, theta, c, offsets, v + np.repeat(respond(pull), counts), False)

        return curve

    def absent(self, loss: Loss, y: FloatArray, c: FloatArray, offsets: IntArray) -> AnyArray:
        return np.zeros(len(offsets) - 1, dtype=np.bool_)

    def energy(self, z: FloatArray, weight: FloatArray, offsets: IntArray) -> float:
        rest = z.copy()
        self.remove(rest, weight, offsets)
        return float(np.vdot(z, weight * rest))

    def kept(self, totals: FloatArray) -> FloatArray:
        return 1.0 / (1.0 + totals / self.kappa)

    def tie(self, means: FloatArray, totals: FloatArray) -> Tie:
        """What the common intercepts take from the Hessian, for features' means (T, d)."""
        weight = totals * self.kept(totals)
        v = np.ascontiguousarray((weight[:, None] * means).T)
        return Tie(v, weight.reshape(-1, self.n_classes).sum(axis=0))

    def _apart(self, b: FloatArray) -> FloatArray:
        """``b - b0``, its own means zero to the rounding of what is left: kappa multiplies it."""
        if self.n_classes > 1:
            each = b.reshape(-1, self.n_classes)
            b = (each - each.mean(axis=1, keepdims=True)).ravel()
        b = b - self._common(b)
        return b - self._common(b)

    def _common(self, b: FloatArray, weight: FloatArray | None = None) -> FloatArray:
        """The mean over tasks, for each of their columns; weighted."""
        if weight is None:
            mean = b.reshape(-1, self.n_classes).mean(axis=0)
        else:
            totals = weight.reshape(-1, self.n_classes).sum(axis=0)
            mean = (weight * b).reshape(-1, self.n_classes).sum(axis=0)
            mean /= np.maximum(totals, np.finfo(float).tiny)
        return np.tile(mean, len(b) // self.n_classes)


def make_intercepts(fit: bool, kappa: float, n_classes: int) -> Intercepts:
    """Intercepts of strength kappa, if any."""
    return ShrunkIntercepts(kappa, n_classes) if fit and kappa > 0.0 else OwnIntercepts(fit)


def _over_classes(H: FloatArray) -> FloatArray:
    """The inverse of H between classes, in which one number for all of them costs nothing."""
    found = np.linalg.pinv(H, _FLAT, hermitian=True)
    return np.asarray(found - found.mean(axis=0))


def _means(z: FloatArray, weight: FloatArray, offsets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Each task's weighted mean of z, and its total weight."""
    starts = offsets[:-1]
    totals = np.add.reduceat(weight, starts)
    return np.add.reduceat(weight * z, starts) / np.where(totals > 0.0, totals, 1.0), totals
