"""Passes over all features between the rounds of a working-set solver."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def survey(code, G, threshold, inside, sizes):
    """Fill ``sizes[j]`` with the dual norm of feature j's gradients over its threshold.

    G is (T, d). Returns, over the features that are not ``inside``, the largest size and the sum of
    the squares by which gradients exceed their thresholds, as a ridge would pay for it.
    """
    n_tasks, d = G.shape
    for j in range(d):
        sizes[j] = 0.0
    excess = 0.0
    for t in range(n_tasks):
        g = G[t]
        if code == 1:
            for j in range(d):
                size = abs(g[j])
                over = size - threshold[j]
                if over > 0.0 and not inside[j]:
                    excess += over * over
                if not size <= sizes[j]:
                    sizes[j] = size
        else:
            for j in range(d):
                sizes[j] += g[j] * g[j]
    largest = 0.0
    for j in range(d):
        size = sizes[j] if code == 1 else np.sqrt(sizes[j])
        tau = threshold[j]
        if code != 1 and size > tau and not inside[j]:
            excess += (size - tau) * (size - tau)
        if tau > 0.0:
            size /= tau
        elif size > 0.0:
            size = np.inf
        sizes[j] = size
        # Not max(): a NaN must stay one.
        if not size <= largest and not inside[j]:
            largest = size
    return largest, excess


@jit
def penalty_terms(code, threshold, ridge, W, G):
    """What the rows of a working set add: W and G (k, T), the loss's gradients with minus sign.

    Returns the norm's value, ``||W||_F^2``, ``<W, G>``, the largest dual norm of ``G - ridge W``
    over its threshold, and the sum of the squares by which G exceeds the thresholds.
    """
    k, n_tasks = W.shape
    value = 0.0
    squares = 0.0
    inner = 0.0
    largest = 0.0
    excess = 0.0
    for j in range(k):
        tau = threshold[j]
        w_square = 0.0
        w_abs = 0.0
        g_square = 0.0
        r_square = 0.0
        r_max = 0.0
        over = 0.0
        for t in range(n_tasks):
            w, g = W[j, t], G[j, t]
            inner += w * g
            w_square += w * w
            w_abs += abs(w)
            g_square += g * g
            r = g - ridge * w
            r_square += r * r
            if not abs(r) <= r_max:
                r_max = abs(r)
            part = max(abs(g) - tau, 0.0)
            over += part * part
        squares += w_square
        if code == 1:
            value += tau * w_abs
            excess += over
            size = r_max
        else:
            value += tau * np.sqrt(w_square)
            part = max(np.sqrt(g_square) - tau, 0.0)
            excess += part * part
            size = np.sqrt(r_square)
        if tau > 0.0:
            size /= tau
        elif size > 0.0:
            size = np.inf
        if not size <= largest:
            largest = size
    return value, squares, inner, largest, excess
