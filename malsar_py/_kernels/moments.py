"""Weighted second moments of rows by key, added to those there are."""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def sort_by_key(keys, n_keys, order, bounds):
    """Fill ``order`` with the rows by key, each key's as they came; key k's begin at bounds[k]."""
    for k in range(n_keys + 1):
        bounds[k] = 0
    for i in range(keys.shape[0]):
        bounds[keys[i] + 1] += 1
    for k in range(n_keys):
        bounds[k + 1] += bounds[k]
    for i in range(keys.shape[0]):
        order[bounds[keys[i]]] = i
        bounds[keys[i]] += 1
    for k in range(n_keys, 0, -1):
        bounds[k] = bounds[k - 1]
    bounds[0] = 0


@jit
def fill_block(X, Y, s, weighted, rows, center, block):
    """Fill ``block`` with the rows [x - center, 1], times the roots of their weights.

    X (n, d) and Y (n, q) make x; weights s (n,) are looked at where ``weighted``.
    """
    d, p = X.shape[1], center.shape[0]
    for i in range(rows.shape[0]):
        row = rows[i]
        z = block[i]
        for j in range(d):
            z[j] = X[row, j] - center[j]
        for j in range(d, p):
            z[j] = Y[row, j - d] - center[j]
        z[p] = 1.0
        if weighted:
            root = np.sqrt(s[row])
            for j in range(p + 1):
                z[j] *= root


# In one piece: sums of a block, their correction and the update, on arrays that are made once.
@jit
def add_rows(
    X,
    Y,
    s,
    weighted,
    order,
    bounds,
    where,
    n,
    logs,
    weight,
    shift,
    mean,
    scatter,
    center,
    moved,
    block,
):
    """Add the rows [x, y] of each key to its moments; key k's are those of ``where[k]``.

    Of the scatter the upper triangle is kept. Rows are taken in blocks, of which ``block``
    (b, d + q + 1) holds one, and measured from ``center``, ``moved`` away from the shift: the mean
    of the rows before these. Second moments about the own mean of a block keep most of their
    digits; if that is too far away, it is taken out of the rows first.
    """
    d, p = X.shape[1], shift.shape[1]
    b = block.shape[0]
    apart, between = np.empty(p), np.empty(p)
    G = np.empty((p + 1, p + 1))
    for g in range(where.shape[0]):
        first, last, k = bounds[g], bounds[g + 1], where[g]
        if first == last:
            continue
        if n[k] == 0:
            for j in range(p):
                shift[k, j] = X[order[first], j] if j < d else Y[order[first], j - d]
                center[g, j], moved[g, j] = shift[k, j], 0.0
        n[k] += last - first
        for start in range(first, last, b):
            rows = order[start : min(start + b, last)]
            if weighted:
                for row in rows:
                    logs[k] += np.log(s[row])
            fill_block(X, Y, s, weighted, rows, center[g], block)
            own = block[: rows.shape[0]]
            np.dot(own.T, own, G)
            far = False
            for j in range(p):
                apart[j] = G[j, p] / G[p, p]
                far |= G[j, p] * apart[j] > 0.9 * G[j, j]
            if far:
                for z in own:
                    for j in range(p):
                        z[j] -= z[p] * apart[j]
                np.dot(own.T, own, G)
            # Chan, Golub and LeVeque's formula, with the moments about the block's own mean.
            total = weight[k] + G[p, p]
            share = G[p, p] / total
            for j in range(p):
                between[j] = moved[g, j] - mean[k, j] + apart[j]
            for j in range(p):
                upper, other = scatter[k, j], G[j]
                rest, factor = G[j, p] / G[p, p], weight[k] * share * between[j]
                for i in range(j, p):
                    upper[i] += other[i] - rest * G[p, i] + factor * between[i]
            for j in range(p):
                mean[k, j] += share * between[j]
            weight[k] = total


@jit
def add_scatter(where, others, factor, between, scatter):
    """``scatter[where[g]] += others[g] + factor[g] between[g] between[g]'``, upper triangles."""
    p = between.shape[1]
    for g in range(where.shape[0]):
        for j in range(p):
            own, other, c = scatter[where[g], j], others[g, j], factor[g] * between[g, j]
            for i in range(j, p):
                own[i] += other[i] + c * between[g, i]


@jit
def hash_rows(X, Y, n_folds, folds):
    """Mix each row's numbers to one of so many folds (splitmix64 of Steele, Lea, Flood 2014).

    X (n, d) and Y (n, q) are float64 as unsigned bits; -0.0 is 0.0.
    """
    d = X.shape[1]
    negative_zero = np.uint64(1) << np.uint64(63)
    states = np.empty(64, np.uint64)  # of rows side by side: one waits for no other
    for start in range(0, X.shape[0], 64):
        m = min(64, X.shape[0] - start)
        for i in range(m):
            states[i] = np.uint64(0)
        for j in range(d + Y.shape[1]):
            for i in range(m):
                bits = X[start + i, j] if j < d else Y[start + i, j - d]
                if bits == negative_zero:
                    bits = np.uint64(0)
                state = (states[i] ^ bits) + np.uint64(0x9E3779B97F4A7C15)
                state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                states[i] = state ^ (state >> np.uint64(31))
        for i in range(m):
            folds[start + i] = states[i] % np.uint64(n_folds)
