"""Products of rows in compressed form (CSR) with coefficients of each task's own.

``data, indices, indptr`` are those of scipy.sparse, the indices int64; task t owns the rows
``offsets[t]:offsets[t + 1]``.
"""

from __future__ import annotations

from ._jit import jit


@jit
def predict(data, indices, indptr, offsets, W, out):
    """``out[i] = x_i . W[t]`` for the rows i of task t; W is (T, d)."""
    for t in range(W.shape[0]):
        w = W[t]
        for i in range(offsets[t], offsets[t + 1]):
            total = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                total += data[k] * w[indices[k]]
            out[i] = total


@jit
def adjoint(data, indices, indptr, offsets, theta, out):
    """``out[t] = sum_i theta_i x_i`` over the rows of task t; out is (T, d)."""
    for t in range(out.shape[0]):
        g = out[t]
        for j in range(g.shape[0]):
            g[j] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            weight = theta[i]
            if weight != 0.0:
                for k in range(indptr[i], indptr[i + 1]):
                    g[indices[k]] += weight * data[k]
