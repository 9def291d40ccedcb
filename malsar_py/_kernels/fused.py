"""Rows over ordered tasks: fused (total variation), sparse and group terms, with exact proxes.

All arrays are C-ordered float64; ``order`` (int64) lists the columns in the order of the tasks.
``group``, ``fused`` and ``sparse`` hold one strength per row.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

_BISECTIONS = 100
_RESOLUTION = 1e-15


# In one piece: one pass and its way back, which share five arrays.
@jit
def total_variation(y, tau, out, work):
    """``out = argmin_x 1/2 ||x - y||^2 + tau sum_i |x[i + 1] - x[i]|``, exactly, in linear time.

    Dynamic programming (Johnson 2013): the derivative of the best cost of ``x[:k + 1]`` in its last
    entry is piecewise linear and increasing; it is kept as its first and last line and the jumps of
    slope and offset at the knots between. Clipped to [-tau, tau] it is the next one's, but for the
    line ``x - y[k + 1]``; where it meets the bounds the best ``x[k]`` stops following ``x[k + 1]``.

    ``work`` is (5, 2 n) or larger.
    """
    n = y.shape[0]
    total = 0.0
    for i in range(n):
        total += y[i]
    mean = total / n
    # From this tau on the answer is the mean. Below it, tau is of the size of the sums of y, so
    # that adding it to them costs no digits.
    largest = 0.0
    total = 0.0
    for i in range(n - 1):
        total += y[i] - mean
        largest = max(largest, abs(total))
    if tau <= 0.0 or n == 1:
        for i in range(n):
            out[i] = y[i]
        return
    if tau >= largest:
        for i in range(n):
            out[i] = mean
        return
    knot, slope, offset, low, high = work[0], work[1], work[2], work[3], work[4]
    left = n - 1
    right = n
    low[0] = y[0] - tau
    high[0] = y[0] + tau
    knot[left] = low[0]
    slope[left] = 1.0
    offset[left] = tau - y[0]
    knot[right] = high[0]
    slope[right] = -1.0
    offset[right] = tau + y[0]
    for k in range(1, n - 1):
        # Where the derivative rises above -tau, from the left ...
        s = 1.0
        o = -tau - y[k]
        first = right + 1
        for i in range(left, right + 1):
            if s * knot[i] + o > -tau:
                first = i
                break
            s += slope[i]
            o += offset[i]
        low[k] = (-tau - o) / s
        left = first - 1
        # ... and where it falls below tau, from the right.
        s_last = 1.0
        o_last = tau - y[k]
        last = left
        for i in range(right, left, -1):
            if s_last * knot[i] + o_last < tau:
                last = i
                break
            s_last -= slope[i]
            o_last -= offset[i]
        high[k] = (tau - o_last) / s_last
        right = last + 1
        knot[left] = low[k]
        slope[left] = s
        offset[left] = o + tau
        knot[right] = high[k]
        slope[right] = -s_last
        offset[right] = tau - o_last
    s = 1.0
    o = -tau - y[n - 1]
    for i in range(left, right + 1):
        if s * knot[i] + o > 0.0:
            break
        s += slope[i]
        o += offset[i]
    x = -o / s
    out[n - 1] = x
    for back in range(n - 1):
        k = n - 2 - back
        x = max(x, low[k])
        x = min(x, high[k])
        out[k] = x


@jit
def _sparse_fused(y, fused, sparse, x, work):
    """``x = soft threshold of the total variation prox of y``; returns its 2-norm."""
    total_variation(y, fused, x, work)
    square = 0.0
    for t in range(y.shape[0]):
        size = abs(x[t]) - sparse
        if size <= 0.0:
            x[t] = 0.0
        else:
            x[t] = np.copysign(size, x[t])
            square += size * size
    return np.sqrt(square)


@jit
def prox(V, order, group, fused, sparse, step, out):
    """Prox of ``step`` times the sum of the three terms, row by row.

    The composition total variation, soft threshold, shrinkage of the row is exact in this order.
    """
    n_rows, n_tasks = V.shape
    y = np.empty(n_tasks)
    x = np.empty(n_tasks)
    work = np.empty((5, 2 * n_tasks))
    for j in range(n_rows):
        for t in range(n_tasks):
            y[t] = V[j, order[t]]
        length = _sparse_fused(y, step * fused[j], step * sparse[j], x, work)
        tau = step * group[j]
        scale = 0.0
        if not length <= tau:
            scale = 1.0 - tau / length
        for t in range(n_tasks):
            out[j, order[t]] = scale * x[t]


@jit
def row_sums(W, order, group, fused, sparse, out):
    """``out[j]``: the three terms of row j, added up."""
    n_rows, n_tasks = W.shape
    for j in range(n_rows):
        square = 0.0
        size = 0.0
        jumps = 0.0
        last = W[j, order[0]]
        for t in range(n_tasks):
            w = W[j, order[t]]
            square += w * w
            size += abs(w)
            jumps += abs(w - last)
            last = w
        out[j] = group[j] * np.sqrt(square) + fused[j] * jumps + sparse[j] * size


@jit
def dual_norm(G, order, group, fused, sparse):
    """``max <G, W>`` over W with the sum of the three terms at most 1.

    Row g: the smallest s with ``||soft_{s sparse}(TV_{s fused}(g))|| <= s group``, by bisection. A
    row with a fused term alone leaves its mean free; there g must sum to zero.
    """
    n_rows, n_tasks = G.shape
    y = np.empty(n_tasks)
    x = np.empty(n_tasks)
    work = np.empty((5, 2 * n_tasks))
    largest = 0.0
    for j in range(n_rows):
        square = 0.0
        most = 0.0
        for t in range(n_tasks):
            y[t] = G[j, order[t]]
            square += y[t] * y[t]
            most = max(most, abs(y[t]))
        if not most > 0.0:
            continue
        if group[j] <= 0.0 and sparse[j] <= 0.0:
            total = 0.0
            most = 0.0
            for t in range(n_tasks - 1):
                total += y[t]
                most = max(most, abs(total))
            if most > largest * fused[j]:
                largest = most / fused[j] if fused[j] > 0.0 else np.inf
            continue
        low = largest
        if _sparse_fused(y, low * fused[j], low * sparse[j], x, work) <= low * group[j]:
            continue
        high = np.inf
        if group[j] > 0.0:
            high = np.sqrt(square) / group[j]
        if sparse[j] > 0.0:
            high = min(high, most / sparse[j])
        for _ in range(_BISECTIONS):
            if not high - low > _RESOLUTION * high:
                break
            s = 0.5 * (low + high)
            if _sparse_fused(y, s * fused[j], s * sparse[j], x, work) <= s * group[j]:
                high = s
            else:
                low = s
        largest = max(largest, high)
    return largest
