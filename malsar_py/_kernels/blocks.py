"""Products with many small blocks, where a BLAS call per task would cost more than the work."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def predict(X, W, offsets, out):
    """``out[i] = X[i] . W[t]`` for the rows i of task t; W is (T, d)."""
    for t in range(offsets.shape[0] - 1):
        w = W[t]
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            total = 0.0
            for j in range(w.shape[0]):
                total += x[j] * w[j]
            out[i] = total


@jit
def adjoint(X, theta, offsets, out):
    """``out[t] = sum over task t of theta[i] X[i]``; out is (T, d)."""
    for t in range(offsets.shape[0] - 1):
        g = out[t]
        for j in range(g.shape[0]):
            g[j] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            weight = theta[i]
            for j in range(g.shape[0]):
                g[j] += weight * x[j]


@jit
def twice(X, W, offsets, out):
    """``out[t] = X_t'X_t W[t]`` for the rows X_t of task t, which are read once."""
    for t in range(out.shape[0]):
        w = W[t]
        g = out[t]
        for j in range(g.shape[0]):
            g[j] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            total = 0.0
            for j in range(w.shape[0]):
                total += x[j] * w[j]
            for j in range(g.shape[0]):
                g[j] += total * x[j]


@jit
def centre(X, c, offsets, means, out):
    """``out[i] = X[i] - means[t]`` for the rows i of task t, with its means by weights c (T, d)."""
    for t in range(means.shape[0]):
        adjoint(X, c, offsets[t : t + 2], means[t : t + 1])
        mean = means[t]
        total = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            total += c[i]
        for j in range(mean.shape[0]):
            mean[j] /= total
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            rest = out[i]
            for j in range(mean.shape[0]):
                rest[j] = x[j] - mean[j]


@jit
def squares(X, weight, offsets, out):
    """``out[t, j] = sum over task t of weight[i] X[i, j]^2``; out is (T, d)."""
    for t in range(offsets.shape[0] - 1):
        sums = out[t]
        for j in range(sums.shape[0]):
            sums[j] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            for j in range(sums.shape[0]):
                sums[j] += weight[i] * x[j] * x[j]


@jit
def gram(X, weight, offsets, centered, out):
    """``out[t] = sum_i weight[i] (x_i - m_t)(x_i - m_t)'``, m_t the weighted mean or 0."""
    n_features = X.shape[1]
    m = np.zeros(n_features)
    x = np.empty(n_features)
    for t in range(offsets.shape[0] - 1):
        total = 0.0
        if centered:
            m[:] = 0.0
            for i in range(offsets[t], offsets[t + 1]):
                total += weight[i]
                for j in range(n_features):
                    m[j] += weight[i] * X[i, j]
            if total > 0.0:
                for j in range(n_features):
                    m[j] /= total
        h = out[t]
        h[:, :] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            for j in range(n_features):
                x[j] = X[i, j] - m[j]
            for j in range(n_features):
                scaled = weight[i] * x[j]
                row = h[j]
                for k in range(j + 1):
                    row[k] += scaled * x[k]
        for j in range(n_features):
            for k in range(j):
                h[k, j] = h[j, k]


@jit
def gram_product(H, W, out):
    """``out[:, t] = H[t] @ W[:, t]`` for symmetric H (T, d, d); W and out are (d, T)."""
    n_features, n_tasks = W.shape
    w = np.empty(n_features)
    for t in range(n_tasks):
        h = H[t]
        for j in range(n_features):
            w[j] = W[j, t]
        for j in range(n_features):
            row = h[j]
            total = 0.0
            for k in range(n_features):
                total += row[k] * w[k]
            out[j, t] = total


@jit
def eliminate(order, parent, ties, inverses, W):
    """Solve ``A_t w_t + sum_u ties w_u = W[t]`` along a tree, in place; W is (T, d).

    ``order`` has every task behind its ``parent`` (-1: none), which it is tied to by ``ties[t]``;
    ``inverses[t]`` is that of A_t less what its children took from it.
    """
    n_tasks, n_features = W.shape
    w = np.empty(n_features)
    for i in range(n_tasks - 1, -1, -1):
        t = order[i]
        above = parent[t]
        if above < 0:
            continue
        for j in range(n_features):
            w[j] = W[t, j]
        for j in range(n_features):
            row = inverses[t, j]
            total = 0.0
            for k in range(n_features):
                total += row[k] * w[k]
            W[t, j] = total
            W[above, j] -= ties[t] * total
    for i in range(n_tasks):
        t = order[i]
        above = parent[t]
        if above < 0:
            for j in range(n_features):
                w[j] = W[t, j]
        else:
            for j in range(n_features):
                w[j] = ties[t] * W[above, j]
        for j in range(n_features):
            row = inverses[t, j]
            total = 0.0
            for k in range(n_features):
                total += row[k] * w[k]
            W[t, j] = total if above < 0 else W[t, j] - total


@jit
def whiten(Z, offsets, shifts, scale, out):
    """``out_t = L^-1 Z_t`` with ``L L' = (Z_t Z_t' + shifts[t] I) / scale``, shifts > 0.

    ``out`` may be Z.
    """
    largest = 0
    for t in range(offsets.shape[0] - 1):
        largest = max(largest, offsets[t + 1] - offsets[t])
    L = np.empty((largest, largest))
    for t in range(offsets.shape[0] - 1):
        start = offsets[t]
        floor = max(shifts[t] / scale, 1e-300)  # (it may underflow)
        for i in range(offsets[t + 1] - start):
            for k in range(i + 1):
                total = 0.0
                for j in range(Z.shape[1]):
                    total += Z[start + i, j] * Z[start + k, j]
                total /= scale
                for j in range(k):
                    total -= L[i, j] * L[k, j]
                if k < i:
                    L[i, k] = total / L[k, k]
                else:
                    # No pivot is below the shift but by rounding.
                    L[i, i] = np.sqrt(max(total + floor, floor))
        for i in range(offsets[t + 1] - start):
            for j in range(Z.shape[1]):
                out[start + i, j] = Z[start + i, j]
            for k in range(i):
                for j in range(Z.shape[1]):
                    out[start + i, j] -= L[i, k] * out[start + k, j]
            for j in range(Z.shape[1]):
                out[start + i, j] /= L[i, i]


@jit
def column_sizes(X, out):
    """``out[j] = max_i |X[i, j]|``."""
    n_features = out.shape[0]
    for j in range(n_features):
        out[j] = 0.0
    for i in range(X.shape[0]):
        x = X[i]
        for j in range(n_features):
            size = abs(x[j])
            out[j] = size if size > out[j] else out[j]


@jit
def leftovers(X, c, offsets, near, left, constant):
    """Of feature j in task t, where near[t, j]: whether it is constant; its value then, or mean.

    The mean is that with weights c.
    """
    for t in range(near.shape[0]):
        start, stop = offsets[t], offsets[t + 1]
        for j in range(near.shape[1]):
            if not near[t, j]:
                continue
            first, same, total, weight = X[start, j], True, 0.0, 0.0
            for i in range(start, stop):
                same = same and X[i, j] == first
                total += c[i] * X[i, j]
                weight += c[i]
            constant[t, j] = same
            left[t, j] = first if same else total / weight


@jit
def lower(X, offsets, near, constant, by):
    """Subtract by[t, j] from feature j in task t, where near[t, j]; what is constant becomes 0."""
    for t in range(near.shape[0]):
        for j in range(near.shape[1]):
            if near[t, j]:
                for i in range(offsets[t], offsets[t + 1]):
                    X[i, j] = 0.0 if constant[t, j] else X[i, j] - by[t, j]
