"""Loss passes over the flat, task-major sample vector, with the intercepts minimised out.

Task t owns samples ``offsets[t]:offsets[t + 1]``; a sample of weight c = 0 does not count.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

_NEWTON_STEPS = 60
_INTERCEPT_TOL = 1e-13


@jit
def squared(y, z, c, offsets, fit_intercept, b, theta):
    """Value of ``sum c/2 (y - z - b)^2`` at its best b; fills b and ``theta = c (y - z - b)``."""
    value = 0.0
    for t in range(b.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        shift = 0.0
        if fit_intercept:
            total = 0.0
            for i in range(start, stop):
                shift += c[i] * (y[i] - z[i])
                total += c[i]
            shift /= total
        b[t] = shift
        for i in range(start, stop):
            residual = y[i] - z[i] - shift
            theta[i] = c[i] * residual
            value += 0.5 * c[i] * residual * residual
    return value


@jit
def _logistic_task(y, z, c, b, theta):
    """Gradient and curvature in b of one task at b; fills ``theta = c y sigmoid(-y (z + b))``."""
    gradient = 0.0
    curvature = 0.0
    for i in range(y.shape[0]):
        margin = y[i] * (z[i] + b)
        e = np.exp(-abs(margin))
        a = (e if margin >= 0.0 else 1.0) / (1.0 + e)
        gradient += c[i] * y[i] * a
        curvature += c[i] * e / ((1.0 + e) * (1.0 + e))
        theta[i] = c[i] * y[i] * a
    return gradient, curvature


@jit
def logistic(y, z, c, offsets, fit_intercept, b, theta):
    """Value of ``sum c log(1 + exp(-y (z + b)))``, at the best b by safeguarded Newton.

    ``b`` is the start and the answer; ``theta = c y sigmoid(-y (z + b))``.
    """
    value = 0.0
    for t in range(b.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        yt, zt, ct, out = y[start:stop], z[start:stop], c[start:stop], theta[start:stop]
        total = 0.0
        for i in range(stop - start):
            total += ct[i]
        if not fit_intercept:
            b[t] = 0.0
        gradient, curvature = _logistic_task(yt, zt, ct, b[t], out)
        if fit_intercept:
            low, high = -np.inf, np.inf
            leap = 4.0
            for _ in range(_NEWTON_STEPS):
                if not abs(gradient) > _INTERCEPT_TOL * total:
                    break
                if gradient > 0.0:
                    low = b[t]
                else:
                    high = b[t]
                # A saturated task has almost no curvature: leap 4, 8, ... until it is bracketed.
                if abs(gradient) < 4.0 * curvature:
                    new = b[t] + gradient / curvature
                else:
                    new = b[t] + (leap if gradient > 0.0 else -leap)
                    leap *= 2.0
                if not (low < new < high):
                    new = 0.5 * (low + high)
                if new == b[t]:
                    break
                b[t] = new
                gradient, curvature = _logistic_task(yt, zt, ct, b[t], out)
        for i in range(stop - start):
            margin = yt[i] * (zt[i] + b[t])
            value += ct[i] * (max(-margin, 0.0) + np.log1p(np.exp(-abs(margin))))
    return value


@jit
def logistic_balance(y, offsets, theta):
    """Scale one class of each task so that theta sums to zero there: feasible with intercepts."""
    for t in range(offsets.shape[0] - 1):
        plus = 0.0
        minus = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            if y[i] > 0.0:
                plus += theta[i]
            else:
                minus -= theta[i]
        small = min(plus, minus)
        for i in range(offsets[t], offsets[t + 1]):
            if y[i] > 0.0:
                if plus > 0.0:
                    theta[i] *= small / plus
            elif minus > 0.0:
                theta[i] *= small / minus


@jit
def logistic_dual(y, theta, c, alpha):
    """``-sum conj(-alpha theta)``: the entropy of a = alpha y theta / c; -inf outside [0, 1]."""
    value = 0.0
    for i in range(y.shape[0]):
        if c[i] > 0.0:
            a = alpha * y[i] * theta[i] / c[i]
            if not 0.0 <= a <= 1.0:
                return -np.inf
            if a > 0.0:
                value -= c[i] * a * np.log(a)
            if a < 1.0:
                value -= c[i] * (1.0 - a) * np.log1p(-a)
    return value
