"""Loss passes over the flat, task-major sample vector, with the intercepts minimised out.

Task t owns samples ``offsets[t]:offsets[t + 1]``; a sample of weight c = 0 does not count.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

_NEWTON_STEPS = 60
_INTERCEPT_TOL = 1e-13
# Steps of the search for intercepts of clipped residuals, which end in bisection, and the slope
# they leave.
_BISECTIONS, _CLIPPED_TOL = 100, 5e-15
# What rounding may take a dual variable below zero by.
_SLACK = 1e-15


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
def balance(offsets, theta):
    """Scale one sign of each segment so that theta sums to zero there: feasible with intercepts."""
    for t in range(offsets.shape[0] - 1):
        plus = 0.0
        minus = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            if theta[i] > 0.0:
                plus += theta[i]
            else:
                minus -= theta[i]
        small = min(plus, minus)
        for i in range(offsets[t], offsets[t + 1]):
            if theta[i] > 0.0:
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


@jit
def clipped(y, z, c, offsets, fit_intercept, lowest, highest, width, b, theta):
    """Value of ``sum c (a r - width a^2 / 2)`` at its best b; fills b and ``theta = c a``.

    ``r = y - z - b`` and a is ``r / width`` clipped to [lowest, highest]: Huber's loss and its kin.

    The slope in b is piecewise linear and falls: Newton's method is finite, within a bracket.
    """
    value = 0.0
    for t in range(b.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        if not fit_intercept:
            b[t] = 0.0
        else:
            low, high = np.inf, -np.inf
            total = 0.0
            for i in range(start, stop):
                if c[i] > 0.0:
                    low = min(low, y[i] - z[i])
                    high = max(high, y[i] - z[i])
                    total += c[i]
            new = min(max(b[t], low), high)
            for _ in range(_BISECTIONS):
                b[t] = new
                slope = 0.0
                curvature = 0.0
                for i in range(start, stop):
                    residual = y[i] - z[i] - new
                    a = residual / width
                    if lowest <= a <= highest:
                        slope += c[i] * a
                        curvature += c[i] / width
                    else:
                        slope += c[i] * (highest if residual > 0.0 else lowest)
                if not abs(slope) > _CLIPPED_TOL * (highest - lowest) * total:
                    break
                if slope > 0.0:
                    low = new
                else:
                    high = new
                new = 0.5 * (low + high)
                if curvature > 0.0 and low < b[t] + slope / curvature < high:
                    new = b[t] + slope / curvature
                if new == b[t]:
                    break
        for i in range(start, stop):
            residual = y[i] - z[i] - b[t]
            a = residual / width
            if not lowest <= a <= highest and residual == residual:
                a = highest if residual > 0.0 else lowest
            theta[i] = c[i] * a
            value += c[i] * a * (residual - 0.5 * width * a)
    return value


@jit
def poisson(y, z, c, offsets, fit_intercept, b, theta):
    """Value of ``sum c (e^(z + b) - y (z + b) + y log y - y)`` at its best b; fills b and theta."""
    value = 0.0
    for t in range(b.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        b[t] = 0.0
        if fit_intercept:
            top = -np.inf
            for i in range(start, stop):
                if c[i] > 0.0:
                    top = max(top, z[i])
            events = 0.0
            total = 0.0
            for i in range(start, stop):
                if c[i] > 0.0:
                    events += c[i] * y[i]
                    total += c[i] * np.exp(z[i] - top)
            b[t] = np.log(events) - np.log(total) - top
        for i in range(start, stop):
            theta[i] = 0.0
            if c[i] > 0.0:
                at = z[i] + b[t]
                u = np.exp(at)
                theta[i] = c[i] * (y[i] - u)
                if y[i] > 0.0:
                    ratio = at - np.log(y[i])
                    value += c[i] * y[i] * (np.expm1(ratio) - ratio)
                else:
                    value += c[i] * u
    return value


@jit
def poisson_balance(y, c, offsets, theta):
    """Scale the means u = y - theta / c of each segment to its events: feasible with intercepts."""
    for t in range(offsets.shape[0] - 1):
        events = 0.0
        total = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            if c[i] > 0.0:
                events += c[i] * y[i]
                total += max(c[i] * y[i] - theta[i], 0.0)
        for i in range(offsets[t], offsets[t + 1]):
            if c[i] > 0.0 and total > 0.0:
                u = max(c[i] * y[i] - theta[i], 0.0)
                theta[i] = c[i] * y[i] - u * (events / total)


@jit
def poisson_dual(y, theta, c, alpha):
    """``sum c (u - u log u + y log y - y)`` at u = y - alpha theta / c; -inf where a u < 0."""
    value = 0.0
    for i in range(y.shape[0]):
        if c[i] > 0.0:
            s = alpha * theta[i] / c[i]
            u = y[i] - s
            if not u >= -_SLACK * y[i]:
                return -np.inf
            u = max(u, 0.0)
            if y[i] > 0.0:
                value += c[i] * s * (np.log(y[i]) - 1.0)
                if u > 0.0:
                    value -= c[i] * u * np.log1p(-s / y[i])
            elif u > 0.0:
                value += c[i] * u * (1.0 - np.log(u))
    return value


@jit
def gamma(y, z, c, offsets, fit_intercept, b, theta):
    """Value of ``sum c (y e^-(z + b) + z + b - log y - 1)`` at its best b; fills b and theta."""
    value = 0.0
    for t in range(b.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        b[t] = 0.0
        if fit_intercept:
            top = -np.inf
            for i in range(start, stop):
                if c[i] > 0.0:
                    top = max(top, np.log(y[i]) - z[i])
            weight = 0.0
            total = 0.0
            for i in range(start, stop):
                if c[i] > 0.0:
                    weight += c[i]
                    total += c[i] * np.exp(np.log(y[i]) - z[i] - top)
            b[t] = top + np.log(total) - np.log(weight)
        for i in range(start, stop):
            theta[i] = 0.0
            if c[i] > 0.0:
                ratio = np.log(y[i]) - z[i] - b[t]
                theta[i] = c[i] * np.expm1(ratio)
                value += c[i] * (np.expm1(ratio) - ratio)
    return value


@jit
def gamma_balance(c, offsets, theta):
    """Scale u = 1 + theta / c of each segment to a mean of 1: feasible with intercepts."""
    for t in range(offsets.shape[0] - 1):
        weight = 0.0
        total = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            if c[i] > 0.0:
                weight += c[i]
                total += max(c[i] + theta[i], 0.0)
        for i in range(offsets[t], offsets[t + 1]):
            if c[i] > 0.0 and total > 0.0:
                theta[i] = max(c[i] + theta[i], 0.0) * (weight / total) - c[i]


@jit
def gamma_dual(y, theta, c, alpha):
    """``sum c (u log(y / u) + u - log y - 1)`` at u = 1 + alpha theta / c; -inf where a u < 0."""
    value = 0.0
    for i in range(y.shape[0]):
        if c[i] > 0.0:
            s = alpha * theta[i] / c[i]
            u = 1.0 + s
            if not u >= -_SLACK:
                return -np.inf
            value += c[i] * s * (np.log(y[i]) + 1.0)
            if u > 0.0:
                value -= c[i] * u * np.log1p(s)
    return value
