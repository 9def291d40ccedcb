"""The problem over some features for losses that are not quadratic: proximal Newton steps.

J. D. Lee, Y. Sun, M. A. Saunders (2014), "Proximal Newton-type methods for minimizing composite
functions": the second-order model is minimised to a share of the gap, then a line search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..objective import Certificate, Objective, Pass
from ._inner_base import INNER_EPOCHS, Inner, kernel_terms
from ._inner_weighted import (
    GRAM_FEATURES,
    GRAM_SAMPLES,
    BlockModel,
    FeatureInner,
    GramModel,
    ResidualModel,
)
from ._support import support_direction, support_fits
from .accelerated import solve_accelerated

_NEWTON_STEPS = 50
_NEWTON_EPOCHS = 20
# Fewer numbers in a task's block are descended along directly.
_GRAM_BLOCK = 2000
_REDUCTION = 0.01
_SHARE = 1e-4
# A Gram matrix serves again while second derivatives have moved less than this and steps gain.
_SAME_MODEL = 0.1
_SLOW = 0.2
_POOR = 0.5
_CHEAP = 16
_CURVATURE_FLOOR = 1e-14
# Below this share of the scale objectives do not tell points apart, gaps do.
_ROUNDING = 1e-13
_SMALLEST_GOAL = 1e-16
_SMALLEST_SHARE = 1e-9
_MOST_IDLE = 6


@dataclass(frozen=True)
class _Point:
    W: FloatArray
    z: FloatArray
    b: FloatArray
    theta: FloatArray  # minus the derivative of the loss at z
    D: FloatArray  # its second derivative
    G: FloatArray  # gradients (T, k)
    certificate: Certificate


class Newton(FeatureInner):
    """Proximal Newton: descent on the quadratic model, then a line search."""

    def __init__(self, objective: Objective, working: IntArray, last: Inner | None):
        super().__init__(objective, working, last)
        sizes = np.diff(objective.design.offsets)
        few = working.size <= min(GRAM_FEATURES, sizes.mean() / GRAM_SAMPLES)
        # Whether models are minimised to a gap, and not only while a few cycles over the features
        # gain much.
        self.precise = few and working.size * sizes.mean() >= _GRAM_BLOCK
        self.share = _SHARE

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        scale = self.objective.scale
        point = best = self._start(W, G)
        idle, poor, stale = 0, 0, False
        supports = support_fits(self.rows)
        on_support = False
        for _ in range(_NEWTON_STEPS):
            if best.certificate.gap <= goal:
                return best.W, True
            if idle == _MOST_IDLE:
                break
            following = None
            if on_support:
                following = self._on_support(point, threshold)
            if following is None:
                on_support = False
                dW = self._direction(point, threshold, goal, stale) - point.W
                dz = self.rows.predict(dW)
                following = self._search(point, dW, dz)
            if following is None:
                break
            gap, before = following.certificate.gap, point.certificate.gap
            if supports and gap > _SLOW * before:
                on_support = not on_support
            stale = gap > _SLOW * before
            poor = poor + 1 if gap > _POOR * before else 0
            if poor > 1:
                self.share *= 0.1 if self.precise and self.share > _SMALLEST_SHARE else 1.0
                self.precise = True
            point = following
            idle = 0 if point.certificate.gap <= 0.9 * best.certificate.gap else idle + 1
            if point.certificate.gap < best.certificate.gap:
                best = point
        if goal <= 0.0:
            return best.W, True
        # Newton steps are at the end of their digits, or the model is a poor one.
        result = solve_accelerated(self.objective, best.W, tol=goal / scale, max_iter=INNER_EPOCHS)
        if result.gap < best.certificate.gap:
            return result.W, result.converged
        return best.W, True

    def _start(self, W: FloatArray, G: FloatArray) -> _Point:
        """The point W, where G is known: no pass over the features."""
        z = self._predicted(W)
        value, theta = self.objective.loss_at(z)
        return self._point(W, z, value, theta, G)

    def _point(
        self,
        W: FloatArray,
        z: FloatArray,
        value: float,
        theta: FloatArray,
        G: FloatArray | None = None,
    ) -> _Point:
        objective = self.objective
        D = objective.loss.second_derivative(objective.y, theta, objective.c)
        np.maximum(D, _CURVATURE_FLOOR * objective.c, out=D)
        b, derivative = objective.b.copy(), theta.copy()
        objective.loss.feasible(objective.y, theta, self.rows.offsets, objective.fit_intercept)
        G = self.rows.adjoint_rows(theta) if G is None else G
        certificate = objective.certificate_of(W, Pass(value, G, b, theta))
        return _Point(W, z, b, derivative, D, G, certificate)

    def _direction(
        self, point: _Point, threshold: FloatArray, goal: float, stale: bool
    ) -> FloatArray:
        """The minimiser of the second-order model, roughly."""
        objective, D = self.objective, point.D
        if self.precise:
            model, k = self.model, self.working.size
            changed = model is None or np.abs(D - model.D).sum() > _SAME_MODEL * D.sum()
            if model is None or changed or stale or k <= _CHEAP:
                # Residuals want a scaled copy of the features: not one a task where they share X.
                large = BlockModel if self.rows.shared else ResidualModel
                model = self.model = (GramModel if k <= GRAM_FEATURES else large)(objective, D)
            goal = max(
                self.share * point.certificate.gap, 0.01 * goal, _SMALLEST_GOAL * objective.scale
            )
            return model.descend(point.W, point.theta, point.G, threshold, goal)[0]
        code, ridge = kernel_terms(objective)
        W = np.array(point.W.T, order="C")
        _kernels.newton.newton_descent(
            code,
            self.rows.A,
            self.rows.starts,
            self.rows.offsets,
            D,
            threshold,
            ridge,
            objective.fit_intercept,
            _REDUCTION,
            _NEWTON_EPOCHS,
            W,
            point.theta.copy(),
        )
        return W.T

    def _search(self, point: _Point, dW: FloatArray, dz: FloatArray) -> _Point | None:
        objective = self.objective
        highest = point.certificate.objective + _ROUNDING * objective.scale
        shift = self._intercept_step(point.D, dz)
        step = 1.0
        while step > 1e-6:
            W, z = point.W + step * dW, point.z + step * dz
            objective.b[:] = point.b + step * shift  # where the search for the best ones starts
            value, theta = objective.loss_at(z)
            if value + objective.penalty.value(W) <= highest:
                return self._point(W, z, value, theta)
            step *= 0.5
        return None

    def _on_support(self, point: _Point, threshold: FloatArray) -> _Point | None:
        objective = self.objective
        code, ridge = kernel_terms(objective)
        dW = support_direction(
            code,
            self.rows,
            point.D,
            point.G,
            point.W,
            threshold,
            ridge,
            objective.fit_intercept,
        )
        if dW is None:
            return None
        highest = point.certificate.objective + _ROUNDING * objective.scale
        step = 1.0
        while step > 1e-6:
            W = point.W + step * dW
            if code == _kernels.separable.L1:
                W[(np.sign(W) != np.sign(point.W)) & (threshold > 0.0)[:, None]] = 0.0
            objective.b[:] = point.b
            z = self.rows.predict(W)
            value, theta = objective.loss_at(z)
            if value + objective.penalty.value(W) <= highest:
                return self._point(W, z, value, theta)
            step *= 0.5
        return None

    def _intercept_step(self, D: FloatArray, dz: FloatArray) -> FloatArray:
        """What the best intercepts of the second-order model do when predictions move by dz."""
        if not self.objective.fit_intercept:
            return np.zeros(self.rows.n_tasks)
        starts = self.rows.offsets[:-1]
        return -np.add.reduceat(D * dz, starts) / np.add.reduceat(D, starts)
