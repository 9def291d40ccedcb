"""What quadratic models ask in which every sample of every task has a curvature of its own.

They are the second-order models of smooth losses, and squared losses with weights by sample and
task (missing targets).
"""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def predict(A, starts, offsets, W, z):
    """``z_t = A[:, task t]' W[t]`` for features as rows of A; W is (T, k)."""
    n_tasks, k = W.shape
    for t in range(n_tasks):
        lo, hi = offsets[t], offsets[t + 1]
        out = z[lo:hi]
        for i in range(hi - lo):
            out[i] = 0.0
        for j in range(k):
            w = W[t, j]
            if w != 0.0:
                column = A[j, starts[t] : starts[t] + hi - lo]
                for i in range(hi - lo):
                    out[i] += w * column[i]


@jit
def weighted_gram(A, starts, offsets, weight, chosen, centered, H):
    """``H[t] = S S'`` with ``S[j] = sqrt(weight) A[chosen[t, j], task t]``, centred if asked."""
    n_tasks, k = chosen.shape
    S = np.empty((k, np.max(offsets[1:] - offsets[:-1])))
    for t in range(n_tasks):
        lo, hi = offsets[t], offsets[t + 1]
        n = hi - lo
        d = weight[lo:hi]
        total = 0.0
        for i in range(n):
            total += d[i]
        for j in range(k):
            column = A[chosen[t, j], starts[t] : starts[t] + n]
            own = S[j]
            mean = 0.0
            if centered and total > 0.0:
                for i in range(n):
                    mean += d[i] * column[i]
                mean /= total
            for i in range(n):
                own[i] = np.sqrt(d[i]) * (column[i] - mean)
            for m in range(j + 1):
                other = S[m]
                product = 0.0
                for i in range(n):
                    product += own[i] * other[i]
                H[t, j, m] = product
                H[t, m, j] = product


@jit
def weighted_move(D, dz, shift, U):
    """``U -= D * (dz - shift)``, all (n, T) but for shift (T,)."""
    n_samples, n_tasks = U.shape
    for i in range(n_samples):
        for t in range(n_tasks):
            U[i, t] -= D[i, t] * (dz[i, t] - shift[t])


@jit
def _factor(H, ridge, own, size, floor, L):
    """Cholesky's lower factor of ``H + ridge I`` over ``own[:size]``, with no pivot too small."""
    for a in range(size):
        i = own[a]
        for b in range(a):
            total = H[i, own[b]]
            for m in range(b):
                total -= L[a, m] * L[b, m]
            L[a, b] = total / L[b, b]
        pivot = H[i, i] + ridge
        least = floor * pivot
        for m in range(a):
            pivot -= L[a, m] * L[a, m]
        L[a, a] = np.sqrt(max(pivot, least, 1e-300))


@jit
def _solve_factor(L, size, x):
    """Solve ``L L' x = x`` in place."""
    for a in range(size):
        total = x[a]
        for m in range(a):
            total -= L[a, m] * x[m]
        x[a] = total / L[a, a]
    for a in range(size - 1, -1, -1):
        total = x[a]
        for m in range(a + 1, size):
            total -= L[m, a] * x[m]
        x[a] = total / L[a, a]


# In one piece: cycles and supports alternate on the gradient of one task.
@jit
def lasso_models(H, rhs, threshold, ridge, max_rounds, slack, floor, W):
    """Minimise ``w'H_t w / 2 - rhs_t'w + ridge/2 w'w + threshold'|w|`` in every task, from W.

    A cycle of descent lets entries in, then the support is solved, and cut down as often as an
    entry would change its sign on the way; done when no gradient outside exceeds the threshold by
    ``slack`` of it.
    """
    n_tasks, k = W.shape
    start = np.empty(k)
    g = np.empty(k)
    own = np.empty(k, np.intp)
    x = np.empty(k)
    L = np.empty((k, k))
    for t in range(n_tasks):
        h = H[t]
        w = W[t]
        for j in range(k):
            start[j] = w[j]
            g[j] = rhs[t, j] - ridge * w[j]
            for i in range(k):
                g[j] -= h[j, i] * w[i]
        for _ in range(max_rounds):
            for j in range(k):
                a = h[j, j] + ridge
                if a <= 0.0:
                    continue
                q = a * w[j] + g[j]
                size = abs(q) - threshold[j]
                new = 0.0 if size <= 0.0 else np.copysign(size / a, q)
                delta = new - w[j]
                if delta != 0.0:
                    w[j] = new
                    g[j] -= ridge * delta
                    for i in range(k):
                        g[i] -= delta * h[j, i]
            for _ in range(k):
                n = 0
                for j in range(k):
                    if w[j] != 0.0:
                        own[n] = j
                        n += 1
                if n == 0:
                    break
                _factor(h, ridge, own, n, floor, L)
                for a in range(n):
                    j = own[a]
                    x[a] = g[j] - np.copysign(threshold[j], w[j])
                _solve_factor(L, n, x)
                step = 1.0
                first = -1
                for a in range(n):
                    j = own[a]
                    crosses = threshold[j] > 0.0 and w[j] * (w[j] + x[a]) < 0.0
                    if crosses and -w[j] / x[a] < step:
                        step = -w[j] / x[a]
                        first = j
                for a in range(n):
                    w[own[a]] += step * x[a]
                if first >= 0:
                    w[first] = 0.0
                for j in range(k):
                    g[j] = rhs[t, j] - ridge * w[j]
                    for a in range(n):
                        g[j] -= h[j, own[a]] * w[own[a]]
                if first < 0:
                    break
            worst = 0.0
            for j in range(k):
                if w[j] == 0.0:
                    worst = max(worst, abs(g[j]) - (1.0 + slack) * threshold[j])
            if worst <= 0.0:
                break
        total = 0.0
        for j in range(k):
            total += w[j]
        if not np.isfinite(total):
            for j in range(k):
                w[j] = start[j]
