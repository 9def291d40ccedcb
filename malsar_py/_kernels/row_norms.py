"""Every loop that knows the norms of rows: their proxes, descent on the rows of W, their gaps.

A kernel that branches on ``code``, or calls one that does, is in this file: numba's cache on disk
would not notice a change in another. ``code`` is L1 or ROW_L2; others are refused. All arrays are
C-ordered float64, ``threshold[j]`` is lambda times the weight of row j.

Task-major layout: ``W, G, rhs`` are (T, k) and ``H`` is (T, k, k), or (1, k, k) when all tasks
share it; row-major layout, for many tasks with few features: (k, T) and (k, k, T). ``G = rhs - H
W`` is kept up to date.
"""

from __future__ import annotations

import numpy as np

from ._jit import jit, jit_inline

# The norms: no one, the sum of the entries' sizes, the row's 2-norm.
NONE, L1, ROW_L2 = 0, 1, 2
# Their names, as penalties have them.
CODES = {"L1": L1, "L2": ROW_L2}

_MEMORY = 5
_SECULAR_STEPS = 50
_SHARES = 12


@jit
def _refuse_unknown(code):
    if code != L1 and code != ROW_L2:
        raise ValueError("row norms are L1 (1) and ROW_L2 (2)")


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
    if code != NONE:
        _refuse_unknown(code)
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
    if code != NONE:
        _refuse_unknown(code)
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
def penalty_terms(code, threshold, ridge, row_major, W, G):
    """What rows add to objective and gap; G are the loss's gradients there, with minus sign.

    Returns the norm's value, ``||W||_F^2``, ``<W, G>``, the largest dual norm of ``G - ridge W``
    over its threshold, and the sum of the squares by which G exceeds the thresholds.
    """
    _refuse_unknown(code)
    k = threshold.shape[0]
    n_tasks = W.size // k if k > 0 else 0
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
            if row_major:
                w, g = W[j, t], G[j, t]
            else:
                w, g = W[t, j], G[t, j]
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
        if code == L1:
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


@jit
def restricted_gap(code, threshold, ridge, base, row_major, rhs, W, G):
    """Objective and duality gap of the problem over these rows alone.

    ``base`` is the loss at W = 0. With G = rhs - H W: loss = base - (<W, rhs> + <W, G>) / 2.
    """
    value, squares, with_g, worst, excess = penalty_terms(code, threshold, ridge, row_major, W, G)
    loss = _loss(base, rhs, W, with_g)
    return _primal_and_gap(loss, value, ridge, squares, with_g, worst, excess)


@jit
def _loss(base, rhs, W, with_g):
    with_rhs = 0.0
    w, r = W.ravel(), rhs.ravel()
    for i in range(w.shape[0]):
        with_rhs += w[i] * r[i]
    return max(base - 0.5 * (with_rhs + with_g), 0.0)


@jit
def _primal_and_gap(loss, value, ridge, squares, with_g, worst, excess):
    primal = loss + value + 0.5 * ridge * squares
    alpha = 1.0 / max(1.0, worst)
    dual = alpha * (2.0 * loss + with_g) - alpha * alpha * (loss + 0.5 * ridge * squares)
    if ridge > 0.0:
        dual = max(dual, loss + with_g - 0.5 * excess / ridge)
    return primal, primal - dual


@jit
def survey(code, G_rows, threshold, inside, sizes):
    """Fill ``sizes[j]`` with the dual norm of feature j's gradients over its threshold.

    G_rows is (T, d). Returns, over the features that are not ``inside``, the largest size and the
    sum of the squares by which gradients exceed their thresholds, as a ridge would pay for it.
    """
    _refuse_unknown(code)
    n_tasks, d = G_rows.shape
    for j in range(d):
        sizes[j] = 0.0
    excess = 0.0
    for t in range(n_tasks):
        g = G_rows[t]
        if code == L1:
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
        size = sizes[j] if code == L1 else np.sqrt(sizes[j])
        tau = threshold[j]
        if code != L1 and size > tau and not inside[j]:
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


@jit_inline
def _solve_row(code, q, a, tau, length, out):
    """``argmin_w sum_t (a_t/2 w_t^2 - q_t w_t) + tau N(w)`` with a_t > 0.

    (A task without curvature stays out with q_t = 0 and any a_t.) ``length``: a guess of the 2-norm
    of the solution.
    """
    n = q.shape[0]
    if code == L1:
        for t in range(n):
            size = abs(q[t]) - tau
            out[t] = 0.0 if size <= 0.0 else np.copysign(size / a[t], q[t])
        return
    square = 0.0
    low = np.inf
    high = 0.0
    for t in range(n):
        square += q[t] * q[t]
        if a[t] < low:
            low = a[t]
        if a[t] > high:
            high = a[t]
    norm = np.sqrt(square)
    if norm <= tau:
        for t in range(n):
            out[t] = 0.0
        return
    # The length rho of w solves sum (q_t / (a_t rho + tau))^2 = 1. As a function of rho the
    # reciprocal root of the left side is concave and nearly linear: Newton's steps end on the left
    # of the solution, and never below this bound.
    least = (norm - tau) / high
    rho = least
    if high > low:
        rho = max(length, least)
        for _ in range(_SECULAR_STEPS):
            phi = 0.0
            slope = 0.0
            for t in range(n):
                inverse = 1.0 / (a[t] * rho + tau)
                ratio = q[t] * inverse
                phi += ratio * ratio
                slope += ratio * ratio * a[t] * inverse
            # f(rho) = phi^(-1/2) - 1, f' = phi^(-3/2) * slope
            root = np.sqrt(phi)
            change = (root - 1.0) * phi / slope if slope > 0.0 else 0.0
            rho = max(rho + change, least)
            # Steps shrink quadratically: the next one would be lost in rounding.
            if not abs(change) > 1e-10 * rho:
                break
    for t in range(n):
        out[t] = q[t] * rho / (a[t] * rho + tau)


@jit
def gram_epoch(code, H, threshold, ridge, W, G, q, a, new):
    """One cycle over the rows; q, a, new are scratch of length T. Returns whether W changed."""
    n_tasks, k = W.shape
    own = H.shape[0] > 1
    changed = False
    for j in range(k):
        square = 0.0
        for t in range(n_tasks):
            h = H[t if own else 0, j, j]
            a[t] = h + ridge
            q[t] = h * W[t, j] + G[t, j]
            square += W[t, j] * W[t, j]
            if a[t] <= 0.0:
                a[t] = 1.0
                q[t] = 0.0
        _solve_row(code, q, a, threshold[j], np.sqrt(square), new)
        for t in range(n_tasks):
            delta = new[t] - W[t, j]
            if delta != 0.0:
                changed = True
                W[t, j] = new[t]
                row = H[t if own else 0, j]
                g = G[t]
                for i in range(k):
                    g[i] -= delta * row[i]
    return changed


@jit
def row_epoch(code, H, threshold, ridge, W, G, q, a, new):
    """:func:`gram_epoch` in row-major layout: H (k, k, T), W and G (k, T)."""
    k, n_tasks = W.shape
    changed = False
    for j in range(k):
        h = H[j, j]
        w = W[j]
        g = G[j]
        square = 0.0
        for t in range(n_tasks):
            square += w[t] * w[t]
            a[t] = h[t] + ridge
            q[t] = h[t] * w[t] + g[t]
        for t in range(n_tasks):
            if a[t] <= 0.0:
                a[t] = 1.0
                q[t] = 0.0
        _solve_row(code, q, a, threshold[j], np.sqrt(square), new)
        moved = False
        for t in range(n_tasks):
            new[t] -= w[t]
            w[t] += new[t]
            moved = moved or new[t] != 0.0
        if moved:
            changed = True
            for i in range(k):
                row = H[j, i]
                g = G[i]
                for t in range(n_tasks):
                    g[t] -= row[t] * new[t]
    return changed


@jit_inline
def _solve_small(A):
    """Of a small ``A = [M b]``, b becomes ``M^-1 b``; False if M is not positive definite."""
    m = A.shape[0]
    for i in range(m):
        pivot = A[i, i]
        if not pivot > 0.0:
            return False
        for r in range(m):
            factor = A[r, i] / pivot
            if r != i:
                for c in range(i, m + 1):
                    A[r, c] -= factor * A[i, c]
    for i in range(m):
        A[i, m] /= A[i, i]
    return True


@jit_inline
def _anderson(past_W, past_G, W, G):
    """Extrapolate the last iterates (index 0 the oldest) into flat W and G; False if degenerate."""
    m = past_W.shape[0] - 1
    A = np.empty((m, m + 1))
    trace = 0.0
    for p in range(m):
        for r in range(p + 1):
            total = 0.0
            for i in range(W.shape[0]):
                total += (past_W[p + 1, i] - past_W[p, i]) * (past_W[r + 1, i] - past_W[r, i])
            A[p, r] = total
            A[r, p] = total
        trace += A[p, p]
    for p in range(m):
        A[p, p] += 1e-12 * trace
        A[p, m] = 1.0
    fine = _solve_small(A)
    total = 0.0
    for p in range(m):
        total += A[p, m]
    if not fine or not abs(total) > 0.0:
        return False
    for past, out in ((past_W, W), (past_G, G)):
        for i in range(out.shape[0]):
            out[i] = 0.0
        for p in range(m):
            share = A[p, m] / total
            for i in range(out.shape[0]):
                out[i] += share * past[p + 1, i]
    return True


@jit
def _copy(source, target):
    # A loop: numba takes a second to compile each assignment of whole arrays.
    for i in range(source.shape[0]):
        target[i] = source[i]


# In one piece: what is inlined twice is compiled twice, which takes seconds.
@jit
def gram_descent(code, H, rhs, bases, threshold, ridge, target, max_epochs, row_major, W, G):
    """Descend until the gap over these rows is at most ``target``; returns it and the epochs.

    ``row_major`` is True or None. ``bases`` is the loss at W = 0 (1,), or that of each task
    (n_tasks,): then it descends task by task, which the norm must allow (not in row-major layout).
    Few tasks need many epochs: ``max_epochs`` is for their mean, which is returned.
    """
    _refuse_unknown(code)
    # None is known by its type: what is for the other layout is not compiled.
    by_row = row_major is not None
    n_parts = bases.shape[0]
    if n_parts > 1 and (code != L1 or by_row):
        raise ValueError("tasks meet in this norm")
    # Of one part: entries along the first axis of W and of H, tasks.
    n_rows, n_blocks = W.shape[0] // n_parts, H.shape[0] // n_parts
    n_tasks = W.shape[1] if by_row else n_rows
    size = n_rows * W.shape[1]
    scratch = np.empty((3, n_tasks))
    q, a, new = scratch[0], scratch[1], scratch[2]
    past_W = np.empty((_MEMORY + 1, size))
    past_G = np.empty((_MEMORY + 1, size))
    try_W = np.empty((n_rows, W.shape[1]))
    try_G = np.empty((n_rows, W.shape[1]))
    flat_try_W = try_W.ravel()
    flat_try_G = try_G.ravel()
    share = target / n_parts
    left = n_parts * max_epochs
    gap = np.inf
    for _ in range(_SHARES):
        all_loss = all_value = all_squares = all_g = all_worst = all_excess = 0.0
        for part in range(n_parts):
            own_H = H[part * n_blocks : (part + 1) * n_blocks]
            own_rhs = rhs[part * n_rows : (part + 1) * n_rows]
            own_W = W[part * n_rows : (part + 1) * n_rows]
            own_G = G[part * n_rows : (part + 1) * n_rows]
            flat_W = own_W.ravel()
            flat_G = own_G.ravel()
            # Extrapolated points are evaluated by the same lines as the others.
            trying, changed, epoch = False, True, 0
            primal = gap = np.inf
            loss = value = squares = with_g = worst = excess = 0.0
            while True:
                at_W, at_G = (try_W, try_G) if trying else (own_W, own_G)
                terms = penalty_terms(code, threshold, ridge, by_row, at_W, at_G)
                here = _loss(bases[part], own_rhs, at_W, terms[2])
                at_primal, at_gap = _primal_and_gap(
                    here, terms[0], ridge, terms[1], terms[2], terms[3], terms[4]
                )
                if not trying or at_primal < primal:
                    primal, gap = at_primal, at_gap
                    loss = here
                    value, squares, with_g, worst, excess = terms
                    if trying:
                        _copy(flat_try_W, flat_W)
                        _copy(flat_try_G, flat_G)
                # An extrapolated point is nowhere exactly zero: it is not the last one.
                if (gap <= share and not trying) or epoch >= left or not changed:
                    break
                trying = (
                    not trying and epoch > 0 and _anderson(past_W, past_G, flat_try_W, flat_try_G)
                )
                if trying:
                    continue
                for m in range(_MEMORY):
                    _copy(flat_W, past_W[m])
                    _copy(flat_G, past_G[m])
                    if row_major is None:
                        changed = gram_epoch(code, own_H, threshold, ridge, own_W, own_G, q, a, new)
                    else:
                        changed = row_epoch(code, own_H, threshold, ridge, own_W, own_G, q, a, new)
                _copy(flat_W, past_W[_MEMORY])
                _copy(flat_G, past_G[_MEMORY])
                epoch += _MEMORY
            left -= epoch
            all_loss += loss
            all_value += value
            all_squares += squares
            all_g += with_g
            all_worst = max(all_worst, worst)
            all_excess += excess
        if n_parts == 1:
            break
        gap = _primal_and_gap(
            all_loss, all_value, ridge, all_squares, all_g, all_worst, all_excess
        )[1]
        if gap <= target or left <= 0:
            break
        # One scale makes the dual points of all tasks feasible, so the worst of them counts.
        share *= 0.1
    return gap, max_epochs - left // n_parts


@jit
def residual_epoch(code, A, starts, offsets, rows, n_rows, h, threshold, ridge, W, R, q, a, new):
    """One cycle over ``rows[:n_rows]`` with scaled residuals kept up to date, not gradients."""
    n_tasks = W.shape[0]
    changed = False
    for index in range(n_rows):
        j = rows[index]
        square = 0.0
        for t in range(n_tasks):
            start = starts[t]
            residual = R[offsets[t] : offsets[t + 1]]
            column = A[j, start : start + residual.shape[0]]
            total = 0.0
            for i in range(residual.shape[0]):
                total += column[i] * residual[i]
            square += W[t, j] * W[t, j]
            a[t] = h[t, j] + ridge
            q[t] = h[t, j] * W[t, j] + total
            if a[t] <= 0.0:
                a[t] = 1.0
                q[t] = 0.0
        _solve_row(code, q, a, threshold[j], np.sqrt(square), new)
        for t in range(n_tasks):
            delta = new[t] - W[t, j]
            if delta != 0.0:
                changed = True
                W[t, j] = new[t]
                start = starts[t]
                residual = R[offsets[t] : offsets[t + 1]]
                column = A[j, start : start + residual.shape[0]]
                for i in range(residual.shape[0]):
                    residual[i] -= delta * column[i]
    return changed


@jit
def residual_gradient(A, starts, offsets, R, G):
    """``G[t, j] = <A[j], R_t>``."""
    n_tasks, k = G.shape
    for j in range(k):
        for t in range(n_tasks):
            residual = R[offsets[t] : offsets[t + 1]]
            column = A[j, starts[t] : starts[t] + residual.shape[0]]
            total = 0.0
            for i in range(residual.shape[0]):
                total += column[i] * residual[i]
            G[t, j] = total


@jit
def residual_descent(
    code, A, starts, offsets, h, rhs, base, threshold, ridge, target, max_epochs, W, R
):
    """Like :func:`gram_descent` with residuals; between visits to all rows, five to the nonzero.

    ``A`` (k, N) holds one feature a row, scaled and centred; task t finds its samples from
    ``starts[t]`` on. ``h`` (T, k) are its squared norms by task, ``R`` the flat scaled residuals.
    """
    _refuse_unknown(code)
    n_tasks, k = W.shape
    q = np.empty(n_tasks)
    a = np.empty(n_tasks)
    new = np.empty(n_tasks)
    past_W = np.empty((_MEMORY + 1, n_tasks * k))
    past_R = np.empty((_MEMORY + 1, R.shape[0]))
    try_W = np.empty((n_tasks, k))
    try_R = np.empty(R.shape[0])
    flat_W = W.ravel()
    flat_try_W = try_W.ravel()
    G = np.empty((n_tasks, k))
    rows = np.arange(k)
    trying = False
    changed = True
    primal = np.inf
    gap = np.inf
    epoch = 0
    while True:
        at_W, at_R = (try_W, try_R) if trying else (W, R)
        residual_gradient(A, starts, offsets, at_R, G)
        value, here = restricted_gap(code, threshold, ridge, base, False, rhs, at_W, G)
        if not trying or value < primal:
            primal = value
            gap = here
            if trying:
                _copy(flat_try_W, flat_W)
                _copy(try_R, R)
        if (gap <= target and not trying) or epoch >= max_epochs or not changed:
            break
        trying = not trying and epoch > 0 and _anderson(past_W, past_R, flat_try_W, try_R)
        if trying:
            continue
        n_rows = k
        for m in range(_MEMORY + 1):
            if m > 0:
                _copy(flat_W, past_W[m - 1])
                _copy(R, past_R[m - 1])
            done = residual_epoch(
                code, A, starts, offsets, rows, n_rows, h, threshold, ridge, W, R, q, a, new
            )
            changed = done or (changed and m > 0)
            if m == 0:
                n_rows = _nonzero(W, rows)
        _copy(flat_W, past_W[_MEMORY])
        _copy(R, past_R[_MEMORY])
        for j in range(k):
            rows[j] = j
        epoch += _MEMORY + 1
    return gap, epoch


@jit
def _nonzero(W, rows):
    """Fill ``rows`` with the nonzero columns of W first; return their number."""
    found = 0
    for j in range(W.shape[1]):
        used = False
        for t in range(W.shape[0]):
            used = used or W[t, j] != 0.0
        if used:
            rows[found] = j
            found += 1
    return found


@jit
def shared_block_epoch(code, H, threshold, ridge, W, G, change):
    """One cycle over a block of rows that all tasks see alike; returns whether W changed.

    Row-major here: W, G and change are (B, T), H is (B, B). W moves by ``change``; G, the gradient
    at the start, is used up.
    """
    _refuse_unknown(code)
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
        elif code == L1:
            shrink = 1.0 / a
        else:
            norm = np.sqrt(square)
            shrink = 0.0 if norm <= tau else (1.0 - tau / norm) / a
        moved = 0.0
        for t in range(n_tasks):
            q = g[t]
            if code == L1:
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


@jit
def own_block_epoch(code, H, threshold, ridge, W, G, change):
    """One cycle over a block of rows with one Hessian a task; returns whether W changed.

    Row-major: W, G and change are (B, T); H (B, B, T) needs its upper triangle only. W moves by
    ``change``; G, minus the gradient of the loss at the start, is used up.
    """
    _refuse_unknown(code)
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
            if a[t] <= 0.0:
                a[t] = 1.0
                q[t] = 0.0
        _solve_row(code, q, a, threshold[j], 0.0, d)
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


@jit_inline
def _center(D, offsets, total, U):
    """The best intercepts' share: U sums to zero in every task."""
    for t in range(total.shape[0]):
        s = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            s += U[i]
        s /= total[t]
        for i in range(offsets[t], offsets[t + 1]):
            U[i] -= s * D[i]


# In one piece: one cycle, of which every line is on the path of all samples.
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
    _refuse_unknown(code)
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
                if a[t] <= 0.0:
                    a[t] = 1.0
                    q[t] = 0.0
            _solve_row(code, q, a, threshold[j], 0.0, new)
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
