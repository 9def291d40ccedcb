"""What a fitted model expects of a task it has not seen: a Gaussian prior, and its use.

The prior is the quadratic that touches the penalty at the fitted coefficients: minus its logarithm
is what one more task would cost, to second order, where the loss of a row counts 1 / nbar (nbar:
the mean weight of a task).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from ._typing import FloatArray
from .losses import Evaluation, Loss

# Newton steps, the gap (as a share of the loss of the prior's mean) at which they end, and the
# shortest of them.
_MOST_STEPS, _GAP, _SHORTEST = 100, 1e-12, 1e-10


@dataclass(frozen=True, eq=False)
class Intercept:
    """``kappa/2 (b - b0)^2`` at the columns' center; kappa = 0: free."""

    kappa: float
    center: FloatArray  # (d,)
    b0: float


@dataclass(frozen=True, eq=False)
class NewTask:
    """What was found for a task: coefficients, intercept at x = 0, and the relative gap."""

    coef: FloatArray
    intercept: float
    gap: float


@dataclass(frozen=True, eq=False)
class TaskPrior:
    """``1/2 (w - mean)' (V diag(spread) V')^-1 (w - mean)``: infinite spread is no prior."""

    mean: FloatArray  # (d,)
    axes: FloatArray | None  # V (d, r) with orthonormal columns; None: the features
    spread: FloatArray  # (r,)

    def beside_ridge(self, ridge: float) -> TaskPrior:
        """With ``ridge/2 ||w||^2`` besides."""
        if ridge == 0.0:
            return self
        with np.errstate(divide="ignore"):
            spread = 1.0 / (1.0 / self.spread + ridge)
        drawn = self._onto(spread * self._along(self.mean[None])[0])
        return replace(self, mean=self.mean - ridge * drawn, spread=spread)

    @property
    def covariance(self) -> FloatArray:
        """The spread as a matrix (d, d)."""
        if self.axes is None:
            return np.diag(self.spread)
        return (self.axes * self.spread) @ self.axes.T

    def fit(
        self, X: FloatArray, y: FloatArray, c: FloatArray, intercept: Intercept | None, loss: Loss
    ) -> NewTask:
        """What minimises ``sum c loss(y, x.w + b)`` + prior."""
        center, level = np.zeros(X.shape[1]), 0.0
        free = intercept is not None and intercept.kappa == 0.0
        if free:
            center = c / c.sum() @ X
        elif intercept is not None:
            center, level = intercept.center, intercept.b0
        Z = X - center
        root = np.sqrt(self.spread)
        A, at_mean = self._along(Z) * root, level + Z @ self.mean
        if intercept is not None and not free:
            A = np.column_stack([A, np.full(len(y), intercept.kappa**-0.5)])
        v, b, gap = (_least_squares if loss.affine else _newton)(A, y, at_mean, c, free, loss)
        level += b
        if A.shape[1] > len(root):
            level += float(A[0, -1] * v[-1])
        w = self.mean + self._onto(root * v[: len(root)])
        return NewTask(w, level - float(center @ w), gap)

    def _along(self, rows: FloatArray) -> FloatArray:
        return rows if self.axes is None else rows @ self.axes

    def _onto(self, v: FloatArray) -> FloatArray:
        return v if self.axes is None else self.axes @ v


def _least_squares(
    A: FloatArray, y: FloatArray, at_mean: FloatArray, c: FloatArray, free: bool, loss: Loss
) -> tuple[FloatArray, float, float]:
    """v, intercept and gap; columns are centred where the intercept is free."""
    level = float(c @ (y - at_mean) / c.sum()) if free else 0.0
    weight = np.sqrt(c)
    return _ridge(A * weight[:, None], weight * (y - level - at_mean)), level, 0.0


def _newton(
    A: FloatArray, y: FloatArray, at_mean: FloatArray, c: FloatArray, free: bool, loss: Loss
) -> tuple[FloatArray, float, float]:
    """The same for any smooth loss: ``sum c loss(y, at_mean + A v + b) + ||v||^2 / 2``."""
    offsets = np.array([0, len(y)], dtype=np.int64)
    start: FloatArray | None = None

    def at(v: FloatArray) -> tuple[float, Evaluation]:
        found = loss.evaluate(y, at_mean + A @ v, c, offsets, free, start)
        return found.value + 0.5 * float(v @ v), found

    v = np.zeros(A.shape[1])
    value, found = at(v)
    scale = value
    gap = np.inf
    for _ in range(_MOST_STEPS):
        theta = found.theta.copy()
        if free:
            loss.feasible(y, theta, c, offsets)
        pull = A.T @ theta
        bound = loss.dual(y, theta, c, 1.0) - float(theta @ at_mean) - 0.5 * float(pull @ pull)
        gap = min(gap, max(value - bound, 0.0) / scale if scale > 0.0 else 0.0)
        if gap <= _GAP or not np.isfinite(value):
            break
        step = _newton_step(
            A, loss.second_derivative(y, found.theta, c), free, A.T @ found.theta - v
        )
        slope, length = float(step @ (v - A.T @ found.theta)), 1.0
        start = found.intercepts
        while length > _SHORTEST:
            trial, tried = at(v + length * step)
            if trial <= value + 1e-4 * length * slope:
                break
            length *= 0.5
        if not trial < value:
            break  # rounding
        v, value, found = v + length * step, trial, tried
    return v, float(found.intercepts[0]), gap


def _newton_step(A: FloatArray, weight: FloatArray, free: bool, residual: FloatArray) -> FloatArray:
    scaled = A * weight[:, None]
    H = A.T @ scaled
    total = float(weight.sum())
    if free and total > 0.0:
        moment = scaled.sum(axis=0)
        H -= np.outer(moment, moment / total)
    H[np.diag_indices_from(H)] += 1.0
    step: FloatArray = scipy.linalg.solve(H, residual, assume_a="pos", check_finite=False)
    return step


def _ridge(A: FloatArray, e: FloatArray) -> FloatArray:
    """``argmin_v ||e - A v||^2 + ||v||^2``, by the smaller system, without squares."""
    n, r = A.shape
    if not (np.isfinite(A).all() and np.isfinite(e).all()):
        return np.full(r, np.nan)
    if n < r:  # the shortest (v, u) with A v + u = e
        system = np.hstack([A, np.eye(n)])
    else:
        system = np.vstack([A, np.eye(r)])
        e = np.concatenate([e, np.zeros(r)])
    solution: FloatArray = scipy.linalg.lstsq(system, e)[0]
    return solution[:r]
