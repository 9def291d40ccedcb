"""The multinomial loss: passes over tasks of K classes, with the intercepts minimised out.

Every task has K columns of predictions. Column ``t K + k`` owns ``offsets[t K + k]:offsets[t K + k
+ 1]`` of the flat arrays: the samples of task t, once for each class. ``y`` is one where the column
is the sample's class, ``c`` the sample's weight (the same in all of its columns; one of weight 0
does not count).
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

_NEWTON_STEPS = 200
_INTERCEPT_TOL, _DIGITS = 1e-14, 1e-10
# Added curvature that rounding does not reach, as a share of the task's weight.
_FLOOR = 1e-14
# Entries of a distribution may miss [0, 1] by rounding.
_ROUNDING = 1e-9


@jit
def _totals(y, c, n, totals):
    """Weights of the classes in one task (K,)."""
    for k in range(totals.shape[0]):
        totals[k] = 0.0
        for i in range(n):
            totals[k] += c[i] * y[k * n + i]


@jit
def _shares(y, z, c, n, b, present, m, pull, out):
    """Loss of one task at b, and the sum of ``c (1 - p)`` of the samples' own classes.

    Fills ``out = c p``, its sums m (K,), and sums of ``c (y - p)`` without cancellation (K,).
    """
    n_classes = m.shape[0]
    value, slack = 0.0, 0.0
    m[:] = 0.0
    pull[:] = 0.0
    for i in range(n):
        if c[i] == 0.0:
            for k in range(n_classes):
                out[k * n + i] = 0.0
            continue
        top = -np.inf
        own = 0
        for k in range(n_classes):
            if present[k]:
                top = max(top, z[k * n + i] + b[k])
            if y[k * n + i] > 0.5:
                own = k
        total = 0.0
        for k in range(n_classes):
            e = np.exp(z[k * n + i] + b[k] - top) if present[k] else 0.0
            out[k * n + i] = e
            total += e
        scale = c[i] / total
        others = 0.0
        for k in range(n_classes):
            out[k * n + i] *= scale
            m[k] += out[k * n + i]
            if k != own:
                others += out[k * n + i]
                pull[k] -= out[k * n + i]
        pull[own] += others
        slack += others
        value += c[i] * (top - (z[own * n + i] + b[own]) + np.log(total))
    return value, slack


@jit
def _curvature(shares, c, n, m, keep, H):
    """``diag(m) - sum_i c p p'`` (K, K) from ``shares = c p``; of the identity where not kept."""
    n_classes = m.shape[0]
    floor = 0.0
    for k in range(n_classes):
        floor += _FLOOR * m[k]
    for k in range(n_classes):
        for j in range(k + 1):
            H[k, j] = 0.0
            if keep[k] and keep[j]:
                for i in range(n):
                    if c[i] > 0.0:
                        H[k, j] -= shares[k * n + i] * (shares[j * n + i] / c[i])
        H[k, k] = H[k, k] + m[k] + floor if keep[k] else 1.0


@jit
def _solve(H, x):
    """Solve ``H x = x`` in place, by Cholesky; only the lower triangle of H is read."""
    n = x.shape[0]
    for j in range(n):
        pivot = H[j, j]
        for i in range(j):
            pivot -= H[j, i] * H[j, i]
        root = np.sqrt(max(pivot, 1e-3 * _FLOOR * H[j, j]))
        H[j, j] = root
        for k in range(j + 1, n):
            rest = H[k, j]
            for i in range(j):
                rest -= H[k, i] * H[j, i]
            H[k, j] = rest / root
    for j in range(n):
        for i in range(j):
            x[j] -= H[j, i] * x[i]
        x[j] /= H[j, j]
    for j in range(n - 1, -1, -1):
        for i in range(j + 1, n):
            x[j] -= H[i, j] * x[i]
        x[j] /= H[j, j]


@jit
def _best_intercepts(y, z, c, n, totals, present, b, shares):
    """The best b (K,) of one task from b on, their sum over the classes that are there zero.

    Newton steps d of length ``log(1 + r) / r``, r the range of d: the loss is self-concordant so
    that these always lower it (F. Bach 2010, "Self-concordant analysis for logistic regression").
    Where it saturates they are short: they double while that lowers the loss.
    """
    n_classes = b.shape[0]
    m, pull = np.empty(n_classes), np.empty(n_classes)
    step, before = np.empty(n_classes), np.empty(n_classes)
    H = np.empty((n_classes, n_classes))
    keep = present.copy()
    largest = 0
    for k in range(n_classes):
        if totals[k] > totals[largest]:
            largest = k
    keep[largest] = False  # the loss does not change along the ones
    value, slack = _shares(y, z, c, n, b, present, m, pull, shares)
    boost, last = 1.0, np.inf
    for _ in range(_NEWTON_STEPS):
        worst = 0.0
        for k in range(n_classes):
            worst = max(worst, abs(pull[k]))
            step[k] = pull[k] if keep[k] else 0.0
        # (Near the end of the digits it does not get any smaller.)
        if not worst > _INTERCEPT_TOL * slack or (worst <= _DIGITS * slack and worst > 0.5 * last):
            break
        last = worst
        _curvature(shares, c, n, m, keep, H)
        _solve(H, step)
        low, high = 0.0, 0.0
        for k in range(n_classes):
            low, high = min(low, step[k]), max(high, step[k])
        r = high - low
        if not r > 0.0:
            break
        bold = r > 1.0
        length = np.log1p(r) / r * (boost if bold else 1.0)
        moved = False
        for k in range(n_classes):
            before[k] = b[k]
            b[k] += length * step[k]
            moved = moved or b[k] != before[k]
        if not moved:
            break
        following, slack = _shares(y, z, c, n, b, present, m, pull, shares)
        if bold and boost > 1.0 and not following < value:
            b[:] = before
            following, slack = _shares(y, z, c, n, b, present, m, pull, shares)
            boost = 1.0
        elif bold:
            boost *= 2.0
        value = following
    middle = 0.0
    n_present = 0
    for k in range(n_classes):
        if present[k]:
            middle += b[k]
            n_present += 1
    for k in range(n_classes):
        b[k] = b[k] - middle / n_present if present[k] else 0.0


@jit
def evaluate(y, z, c, offsets, n_classes, fit_intercept, b, theta):
    """Value of ``sum c (log sum_k exp(z_k + b_k) - z_y - b_y)``, at the best b.

    ``b`` (T K) is the start and the answer; ``theta = c (y - p)``. With intercepts a class that a
    task does not have has probability zero there: its intercept is -inf at the optimum, and
    written as 0.
    """
    value = 0.0
    totals = np.empty(n_classes)
    present = np.ones(n_classes, np.bool_)
    for t in range(b.shape[0] // n_classes):
        start, stop = offsets[t * n_classes], offsets[(t + 1) * n_classes]
        n = offsets[t * n_classes + 1] - start
        yt, zt, ct = y[start:stop], z[start:stop], c[start : start + n]
        bt, out = b[t * n_classes : (t + 1) * n_classes], theta[start:stop]
        if fit_intercept:
            _totals(yt, ct, n, totals)
            for k in range(n_classes):
                present[k] = totals[k] > 0.0
            _best_intercepts(yt, zt, ct, n, totals, present, bt, out)
        else:
            bt[:] = 0.0
        for i in range(n):
            if ct[i] == 0.0:
                for k in range(n_classes):
                    out[k * n + i] = 0.0
                continue
            own = 0
            for k in range(n_classes):
                if yt[k * n + i] > 0.5:
                    own = k
            top = 0.0
            for k in range(n_classes):
                if present[k]:
                    out[k * n + i] = (zt[k * n + i] - zt[own * n + i]) + (bt[k] - bt[own])
                    top = max(top, out[k * n + i])
            others = 0.0
            for k in range(n_classes):
                if k != own:
                    e = np.exp(out[k * n + i] - top) if present[k] else 0.0
                    out[k * n + i] = e
                    others += e
            # Both are exact where the class is nearly sure, which it is without `top`.
            value += ct[i] * (
                np.log1p(others) if top == 0.0 else top + np.log(others + np.exp(-top))
            )
            scale = ct[i] / (others + np.exp(-top))
            for k in range(n_classes):
                out[k * n + i] *= -scale
            out[own * n + i] = scale * others
    return value


@jit
def balance(y, c, offsets, n_classes, theta):
    """Make theta sum to zero in every column, as intercepts ask, in place.

    The distributions ``a = y - theta / c`` of the samples are mixed, ``a M``: classes that got more
    than their samples' weight hand the excess to those that lack some.
    """
    m = np.empty(n_classes)
    totals = np.empty(n_classes)
    kept = np.empty(n_classes)
    for t in range((offsets.shape[0] - 1) // n_classes):
        start, stop = offsets[t * n_classes], offsets[(t + 1) * n_classes]
        n = offsets[t * n_classes + 1] - start
        yt, ct, out = y[start:stop], c[start : start + n], theta[start:stop]
        _totals(yt, ct, n, totals)
        lacking = 0.0
        for k in range(n_classes):
            m[k] = 0.0
            for i in range(n):
                m[k] += ct[i] * yt[k * n + i] - out[k * n + i]
            lacking += max(totals[k] - m[k], 0.0)
            kept[k] = min(1.0, totals[k] / m[k]) if m[k] > 0.0 else 1.0
        if not lacking > 0.0:
            continue
        for i in range(n):
            handed = 0.0
            for k in range(n_classes):
                share = max(ct[i] * yt[k * n + i] - out[k * n + i], 0.0)
                handed += share * (1.0 - kept[k])
                out[k * n + i] = ct[i] * yt[k * n + i] - share * kept[k]
            for k in range(n_classes):
                out[k * n + i] -= handed * (max(totals[k] - m[k], 0.0) / lacking)


@jit
def dual(y, theta, c, alpha):
    """``-sum conj(-alpha theta)``: entropies of ``a = y - alpha theta / c``; -inf outside [0, 1].

    Of each sample a sums to one, as theta does to zero.
    """
    value = 0.0
    for i in range(y.shape[0]):
        if c[i] == 0.0:
            continue
        moved = alpha * theta[i] / c[i]
        a = y[i] - moved
        if not -_ROUNDING <= a <= 1.0 + _ROUNDING:
            return -np.inf
        if y[i] > 0.5:
            if a > 0.0:
                value -= c[i] * a * np.log1p(-max(moved, 0.0))  # exact where a is nearly one
        elif a > 0.0:
            value -= c[i] * a * np.log(a)
    return value


@jit
def curve(y, theta, c, offsets, n_classes, fit_intercept, v, out):
    """Second derivatives along v: ``out = c (diag p - p p') (v + s)`` where ``theta = c (y - p)``.

    With intercepts s (T K) is what makes out sum to zero in every column.
    """
    m = np.empty(n_classes)
    shift = np.zeros(n_classes)
    keep = np.empty(n_classes, np.bool_)
    H = np.empty((n_classes, n_classes))
    for t in range((offsets.shape[0] - 1) // n_classes):
        start, stop = offsets[t * n_classes], offsets[(t + 1) * n_classes]
        n = offsets[t * n_classes + 1] - start
        yt, ct, vt = y[start:stop], c[start : start + n], v[start:stop]
        shares = _task_shares(yt, theta[start:stop], ct, n, n_classes)
        shift[:] = 0.0
        _along(shares, ct, n, vt, shift, out[start:stop])
        if fit_intercept:
            largest = 0
            for k in range(n_classes):
                m[k] = 0.0
                for i in range(n):
                    m[k] += shares[k * n + i]
                    shift[k] -= out[start + k * n + i]
                keep[k] = m[k] > 0.0
                if m[k] > m[largest]:
                    largest = k
            keep[largest] = False
            for k in range(n_classes):
                if not keep[k]:
                    shift[k] = 0.0
            _curvature(shares, ct, n, m, keep, H)
            _solve(H, shift)
            _along(shares, ct, n, vt, shift, out[start:stop])


@jit
def _task_shares(y, theta, c, n, n_classes):
    """``c p`` of one task."""
    shares = np.empty(n * n_classes)
    for k in range(n_classes):
        for i in range(n):
            shares[k * n + i] = max(c[i] * y[k * n + i] - theta[k * n + i], 0.0)
    return shares


@jit
def _along(shares, c, n, v, shift, out):
    """``c (diag p - p p') (v + shift)`` of one task."""
    n_classes = shift.shape[0]
    for i in range(n):
        mean = 0.0
        for k in range(n_classes):
            if c[i] > 0.0:
                mean += shares[k * n + i] / c[i] * (v[k * n + i] + shift[k])
        for k in range(n_classes):
            out[k * n + i] = shares[k * n + i] * (v[k * n + i] + shift[k] - mean)
