"""Row-separable proximal operators and the accelerated step fused around them.

All arrays are C-ordered float64. ``code`` names the row norm, ``threshold[j]`` is lambda times the
weight of row j.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

NONE = 0
L1 = 1
ROW_L2 = 2


@jit
def _shrink_row(code, row, tau):
    """Replace ``row`` by its prox in place; return the norm of the result."""
    n = row.shape[0]
    norm = 0.0
    if code == L1:
        for t in range(n):
            size = abs(row[t]) - tau
            if size > 0.0:
                row[t] = np.copysign(size, row[t])
                norm += size
            elif size <= 0.0:
                row[t] = 0.0
            else:
                norm = np.nan
    elif code == ROW_L2:
        square = 0.0
        for t in range(n):
            square += row[t] * row[t]
        length = np.sqrt(square)
        if length > tau:
            scale = 1.0 - tau / length
            for t in range(n):
                row[t] *= scale
            norm = length - tau
        elif length <= tau:
            for t in range(n):
                row[t] = 0.0
        else:
            norm = np.nan
    return norm


@jit
def prox(code, V, threshold, out):
    """``out[j] = prox of threshold[j] * norm at V[j]`` for every row; returns nothing."""
    for j in range(V.shape[0]):
        for t in range(V.shape[1]):
            out[j, t] = V[j, t]
        _shrink_row(code, out[j], threshold[j])


@jit
def step(code, V, G, W, threshold, length, ridge, out):
    """One proximal gradient step from V, with what acceleration wants to know about it.

    ``out = prox(V - length * (G + ridge * V))``. Returns ``<V - out, out - W>`` (positive: the
    momentum points uphill, restart) and ``||out - V||^2``.
    """
    n_rows, n_columns = V.shape
    uphill = 0.0
    moved = 0.0
    keep = 1.0 - length * ridge
    for j in range(n_rows):
        for t in range(n_columns):
            out[j, t] = keep * V[j, t] - length * G[j, t]
        _shrink_row(code, out[j], length * threshold[j])
        for t in range(n_columns):
            difference = out[j, t] - V[j, t]
            uphill -= difference * (out[j, t] - W[j, t])
            moved += difference * difference
    return uphill, moved


@jit
def momentum_test(V, W, new):
    """The two sums of :func:`step` for a step made elsewhere (flat arrays)."""
    uphill = 0.0
    moved = 0.0
    for i in range(V.shape[0]):
        difference = new[i] - V[i]
        uphill -= difference * (new[i] - W[i])
        moved += difference * difference
    return uphill, moved


@jit
def extrapolate(new, old, beta, out):
    """``out = new + beta * (new - old)`` on flat arrays."""
    for i in range(new.shape[0]):
        out[i] = new[i] + beta * (new[i] - old[i])
