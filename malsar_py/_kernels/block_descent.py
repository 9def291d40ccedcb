"""Block coordinate descent where all tasks share X: one curvature a row, row-major layout."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def block_epoch(code, H, threshold, ridge, W, G, change):
    """One cycle over a block of rows that all tasks see alike; returns whether W changed.

    Row-major here: W, G and change are (B, T), H is (B, B). W moves by ``change``; G, the gradient
    at the start, is used up.
    """
    n_rows, n_tasks = W.shape
    changed = False
    for j in range(n_rows):
        h = H[j, j]
        a = h + ridge
        g = G[j]
        w = W[j]
        d = change[j]
        tau = threshold[j]
        square = 0.0
        for t in range(n_tasks):
            q = h * w[t] + g[t]
            g[t] = q
            square += q * q
        if a <= 0.0:
            shrink = 0.0
        elif code == 1:
            shrink = 1.0 / a
        else:
            norm = np.sqrt(square)
            shrink = 0.0 if norm <= tau else (1.0 - tau / norm) / a
        moved = 0.0
        for t in range(n_tasks):
            q = g[t]
            if code == 1:
                size = abs(q) - tau
                q = 0.0 if size <= 0.0 else np.copysign(size, q)
            d[t] = shrink * q - w[t]
            w[t] += d[t]
            moved = max(moved, abs(d[t]))
        if moved > 0.0:
            changed = True
            for i in range(j + 1, n_rows):
                later = G[i]
                x = H[j, i]
                for t in range(n_tasks):
                    later[t] -= x * d[t]
    return changed
