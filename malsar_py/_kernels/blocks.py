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
