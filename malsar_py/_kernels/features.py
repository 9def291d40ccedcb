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
