"""The problem over some features for losses that are not quadratic: proximal Newton steps.

J. D. Lee, Y. Sun, M. A. Saunders (2014), "Proximal Newton-type methods for minimizing composite
functions": the second-order model is minimised to a share of the gap, then a line search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..losses import Evaluation
from ..objective import Certificate, Objective, Pass
from ._inner_base import INNER_EPOCHS, Inner
from ._inner_weighted import (
    GRAM_FEATURES,
    GRAM_SAMPLES,
    BlockModel,
    FeatureInner,
    GramModel,
    ResidualModel,
)
from ._norms import by_entries, kernel_terms
from ._support import support_direction, support_fits
from .accelerated import solve_accelerated
from .separation import separates

_NEWTON_STEPS = 50
_NEWTON_EPOCHS = 20
# Fewer numbers in a task's block are descended along directly.
_GRAM_BLOCK = 2000
_REDUCTION = 0.01
_ACCURACY = 1e-4
# A Gram matrix serves again while second derivatives have moved less than this and steps gain.
_SAME_MODEL = 0.1
_SLOW = 0.2
_POOR = 0.5
_CHEAP = 16
_CURVATURE_FLOOR = 1e-14
# Below this share of the scale objectives do not tell points apart, gaps do.
_ROUNDING = 1e-13
_SMALLEST_GOAL = 1e-16
_SMALLEST_ACCURACY = 1e-9
_MOST_IDLE = 6
# A fall of the objective by this share of the gap is progress, too.
_FALL = 1e-6
# A step must win this share of what the gradient promises.
_SUFFICIENT = 0.1
_SHORTEST = 1e-6


@dataclass(frozen=True)
class _Point:
    W: FloatArray
    z: FloatArray
    b: FloatArray
    theta: FloatArray  # minus the derivative of the loss at z
    D: FloatArray  # its second derivative
    G_rows: FloatArray  # gradients (T, k)
    certificate: Certificate
    values: FloatArray | None = None  # loss and penalty, as a search compares them

    @property
    def gap(self) -> float:
        """The duality gap, or what there is to lose where none is known."""
        return min(self.certificate.gap, self.certificate.objective)


class Newton(FeatureInner):
    """Proximal Newton: descent on the quadratic model, then a line search."""

    def __init__(self, objective: Objective, working: IntArray, last: Inner | None):
        super().__init__(objective, working, last)
        sizes = self.sizes = np.diff(objective.design.offsets)
        few = working.size <= min(GRAM_FEATURES, sizes.mean() / GRAM_SAMPLES)
        # Whether models are minimised to a gap, and not only while a few cycles over the features
        # gain much.
        self.precise = few and working.size * sizes.mean() >= _GRAM_BLOCK
        self.accuracy = _ACCURACY

    # In one piece: one loop with its state: which step comes next depends on how the last one went.
    def solve(  # noqa: C901
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        scale = self.objective.scale
        start = point = best = self._start(W, G_rows)
        separate = by_entries(self.objective)
        supports = support_fits(self.rows, separate)
        # Where descent on the model gains little, the step after it is Newton's on the support.
        on_support = False
        idle, poor, stale = 0, 0, False
        self.endless, self.slow_steps = False, 0
        for _ in range(_NEWTON_STEPS):
            if best.gap <= goal:
                return best.W, True
            if point.certificate.gap == np.inf and separates(self.objective, point.W).size:
                self.endless = True
                return point.W, False
            if idle == _MOST_IDLE:
                break
            dW = self._newton_step(point, threshold) if on_support else None
            if dW is None:
                on_support = False
                dW = self._direction(point, threshold, goal, stale)
            following = self._search(point, dW)
            if following is None and on_support:
                following, on_support = point, False
            if following is None:
                break
            gap, before = following.gap, point.gap
            stale = gap > _SLOW * before
            if supports:
                on_support = on_support or stale if separate else on_support != stale
            poor = poor + 1 if gap > _POOR * before else 0
            if poor > 1 and not supports:
                self.accuracy *= 0.1 if self.precise and self.accuracy > _SMALLEST_ACCURACY else 1.0
                self.precise = True
            fell = point.certificate.objective - following.certificate.objective
            point = following
            risen = gap > 0.9 * best.gap
            idle = idle + 1 if risen and not (supports and fell > _FALL * before) else 0
            if point.gap < best.gap:
                best = point
        else:
            if supports and point is not start:  # on the way yet
                return point.W, False
        if goal <= 0.0 or best.certificate.gap == np.inf:
            return point.W, True
        # Newton steps are at the end of their digits, or the model is a poor one.
        steps = min(INNER_EPOCHS, self.slow_steps_left)
        if steps == 0:
            return best.W, True
        result = solve_accelerated(self.objective, best.W, tol=goal / scale, max_iter=steps)
        self.slow_steps = result.n_iter
        if result.gap < best.gap:
            return result.W, result.converged
        return best.W, True

    def _start(self, W: FloatArray, G_rows: FloatArray) -> _Point:
        """The point W, where G_rows is known: no pass over the features."""
        z = self._predicted(W)
        return self._point(W, z, self.objective.loss_at(z), G_rows)

    def _point(
        self,
        W: FloatArray,
        z: FloatArray,
        found: Evaluation,
        G_rows: FloatArray | None = None,
        values: FloatArray | None = None,
    ) -> _Point:
        objective = self.objective
        value, theta, b = found
        D = objective.loss.model_curvature(objective.y, theta, objective.c)
        D = np.maximum(D, _CURVATURE_FLOOR * objective.c)
        derivative = theta.copy()
        if objective.fit_intercept:
            objective.loss.feasible(objective.y, theta, objective.c, self.rows.offsets)
        G_rows = self.rows.adjoint_rows(theta) if G_rows is None else G_rows
        certificate = objective.certificate_of(W, Pass(value, G_rows, b, theta))
        return _Point(W, z, b, derivative, D, G_rows, certificate, values)

    def _newton_step(self, point: _Point, threshold: FloatArray) -> FloatArray | None:
        """Where Newton's method goes; see ``_support``."""
        objective = self.objective
        return support_direction(
            by_entries(objective),
            self.rows,
            point.D,
            point.G_rows,
            point.W,
            threshold,
            objective.quadratic.ridge,
            objective.fit_intercept,
        )

    def _direction(
        self, point: _Point, threshold: FloatArray, goal: float, stale: bool
    ) -> FloatArray:
        """Where descent leads on the second-order model: roughly to its minimiser."""
        objective, D = self.objective, point.D
        if self.precise:
            model, k = self.model, self.working.size
            changed = model is None or np.abs(D - model.D).sum() > _SAME_MODEL * D.sum()
            if model is None or changed or stale or k <= _CHEAP:
                # Residuals want a scaled copy of the features: not one a task where they share X.
                large = BlockModel if self.rows.one_x else ResidualModel
                model = self.model = (GramModel if k <= GRAM_FEATURES else large)(objective, D)
            goal = max(self.accuracy * point.gap, 0.01 * goal, _SMALLEST_GOAL * objective.scale)
            return model.descend(point.W, point.theta, point.G_rows, threshold, goal)[0] - point.W
        code, ridge = kernel_terms(objective)
        W = np.array(point.W.T, order="C")
        _kernels.row_norms.newton_descent(
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
        return W.T - point.W

    def _search(self, point: _Point, dW: FloatArray) -> _Point | None:
        """The first point along dW that gains a share of what the gradient promises.

        Step lengths are the tasks' own where nothing couples them.
        """
        objective, rows = self.objective, self.rows
        dz, counts = rows.predict(dW), self.sizes
        shift = self._intercept_step(point.D, dz)
        separate = by_entries(objective) and objective.loss.n_columns == 1
        allowed = _ROUNDING * objective.scale / (rows.n_tasks if separate else 1)
        here = point.values
        if here is None:
            here = self._values(point.W, point.z, point.b, separate)
        slopes = np.einsum("tj,jt->t", point.G_rows, dW)
        step = np.ones(rows.n_tasks)
        W, z = point.W + dW, point.z + dz
        while step.any():
            found = objective.loss_at(z, point.b + step * shift)
            there = self._values(W, z, found.intercepts, separate)
            promised = step * slopes if separate else (step * slopes).sum()
            promised = promised + here[1] - there[1]
            gained = here.sum(axis=0) - there.sum(axis=0)
            poor = ~(gained >= _SUFFICIENT * np.maximum(promised, 0.0) - allowed) & (step > 0.0)
            if not poor.any():
                return self._point(W, z, found, values=there)
            step = np.where(poor, 0.5 * step, step)
            step[step < _SHORTEST] = 0.0
            # (A task that stays where it is may have a direction that is no number.)
            W = np.where(step > 0.0, point.W + step * dW, point.W)
            steps = np.repeat(step, counts)
            z = np.where(steps > 0.0, point.z + steps * dz, point.z)
        return None

    def _values(self, W: FloatArray, z: FloatArray, b: FloatArray, separate: bool) -> FloatArray:
        """Loss and penalty (2, T), or (2, 1) for all tasks together."""
        objective = self.objective
        loss = objective.loss.by_task(objective.y, z, objective.c, self.rows.offsets, b)
        if not separate:
            return np.array([[loss.sum()], [objective.penalty.value(W)]])
        tau = objective.penalty.structure.row_thresholds(W.shape[0])
        paid = tau @ np.abs(W) + 0.5 * objective.quadratic.ridge * np.square(W).sum(axis=0)
        return np.array([loss, paid])

    def _intercept_step(self, D: FloatArray, dz: FloatArray) -> FloatArray:
        """What the best intercepts of the second-order model do when predictions move by dz."""
        if not self.objective.fit_intercept:
            return np.zeros(self.rows.n_tasks)
        starts = self.rows.offsets[:-1]
        return -np.add.reduceat(D * dz, starts) / np.add.reduceat(D, starts)
