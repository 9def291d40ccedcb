"""Descent on quadratic models in which every sample of every task has a curvature of its own.

They are the second-order models of smooth losses, and squared losses with weights by sample and
task (missing targets). The row norms are those of ``separable``: 1 is L1, 2 is the row's 2-norm.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit

_SECULAR_STEPS = 50


@jit
def _solve_row(code, q, a, tau, out):
    """``argmin_w sum_t (a_t/2 w_t^2 - q_t w_t) + tau N(w)``; tasks with a_t <= 0 stay out."""
    n = q.shape[0]
    square = 0.0
    low = np.inf
    high = 0.0
    for t in range(n):
        if a[t] <= 0.0:
            a[t] = 1.0
            q[t] = 0.0
        square += q[t] * q[t]
        low = min(low, a[t])
        high = max(high, a[t])
    if code == 1:
        for t in range(n):
            size = abs(q[t]) - tau
            out[t] = 0.0 if size <= 0.0 else np.copysign(size / a[t], q[t])
        return
    norm = np.sqrt(square)
    if norm <= tau:
        for t in range(n):
            out[t] = 0.0
        return
    # The length rho of w solves sum (q_t / (a_t rho + tau))^2 = 1; Newton from the left end, on the
    # reciprocal root of the left side, which is concave in rho.
    rho = (norm - tau) / high
    if high > low:
        for _ in range(_SECULAR_STEPS):
            phi = 0.0
            slope = 0.0
            for t in range(n):
                inverse = 1.0 / (a[t] * rho + tau)
                ratio = q[t] * inverse
                phi += ratio * ratio
                slope += ratio * ratio * a[t] * inverse
            change = (np.sqrt(phi) - 1.0) * phi / slope if slope > 0.0 else 0.0
            rho += change
            if not change > 1e-15 * rho:
                break
    for t in range(n):
        out[t] = q[t] * rho / (a[t] * rho + tau)


@jit
def _center(D, offsets, total, U):
    """The best intercepts' share: U sums to zero in every task."""
    for t in range(total.shape[0]):
        s = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            s += U[i]
        s /= total[t]
        for i in range(offsets[t], offsets[t + 1]):
            U[i] -= s * D[i]


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
def newton_descent(
    code,
    A,
    starts,
    offsets,
    D,
    threshold,
    ridge,
    fit_intercept,
    reduction,
    max_epochs,
    W,
    U,
):
    """Descend on the quadratic model of a smooth loss; returns the epochs.

    ``A`` (k, ...) holds one feature a row, ``D`` the second derivatives per sample, ``U`` minus the
    model's derivative per sample: at the start the loss's, afterwards ``U = start - D * dz`` for
    the step dz in the predictions. The first cycle visits all rows, later ones the nonzero rows; it
    ends when a cycle moves less than ``reduction`` times the first.
    """
    n_tasks, k = W.shape
    h = np.empty((k, n_tasks))
    total = np.zeros(n_tasks)
    for t in range(n_tasks):
        for i in range(offsets[t], offsets[t + 1]):
            total[t] += D[i]
    q = np.empty(n_tasks)
    a = np.empty(n_tasks)
    new = np.empty(n_tasks)
    first = 0.0
    for epoch in range(max_epochs):
        moved = 0.0
        for j in range(k):
            used = epoch == 0
            for t in range(n_tasks):
                used = used or W[t, j] != 0.0
            if not used:
                continue
            for t in range(n_tasks):
                lo, hi = offsets[t], offsets[t + 1]
                column = A[j, starts[t] : starts[t] + hi - lo]
                u = U[lo:hi]
                s = 0.0
                if epoch == 0:
                    d = D[lo:hi]
                    square = 0.0
                    for i in range(hi - lo):
                        x = column[i]
                        s += x * u[i]
                        square += d[i] * x * x
                    h[j, t] = square
                else:
                    for i in range(hi - lo):
                        s += column[i] * u[i]
                a[t] = h[j, t] + ridge
                q[t] = h[j, t] * W[t, j] + s
            _solve_row(code, q, a, threshold[j], new)
            for t in range(n_tasks):
                delta = new[t] - W[t, j]
                if delta != 0.0:
                    moved += h[j, t] * delta * delta
                    W[t, j] = new[t]
                    lo, hi = offsets[t], offsets[t + 1]
                    column = A[j, starts[t] : starts[t] + hi - lo]
                    u = U[lo:hi]
                    d = D[lo:hi]
                    for i in range(hi - lo):
                        u[i] -= delta * d[i] * column[i]
        if fit_intercept:
            _center(D, offsets, total, U)
        if epoch == 0:
            first = moved
        elif moved <= reduction * first:
            return epoch + 1
    return max_epochs


@jit
def block_epoch(code, H, threshold, ridge, W, G, change):
    """One cycle over a block of rows with one Hessian a task; returns whether W changed.

    Row-major: W, G and change are (B, T); H (B, B, T) needs its upper triangle only. W moves by
    ``change``; G, minus the gradient of the loss at the start, is used up.
    """
    n_rows, n_tasks = W.shape
    a = np.empty(n_tasks)
    changed = False
    for j in range(n_rows):
        q = G[j]
        w = W[j]
        d = change[j]
        h = H[j, j]
        for t in range(n_tasks):
            a[t] = h[t] + ridge
            q[t] += h[t] * w[t]
        _solve_row(code, q, a, threshold[j], d)
        moved = 0.0
        for t in range(n_tasks):
            new = d[t]
            d[t] = new - w[t]
            w[t] = new
            moved = max(moved, abs(d[t]))
        if moved > 0.0:
            changed = True
            for i in range(j + 1, n_rows):
                later = G[i]
                x = H[j, i]
                for t in range(n_tasks):
                    later[t] -= x[t] * d[t]
    return changed


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
