"""Sums of products of each task's rows, and random effects taken out of its equations."""

from __future__ import annotations

import numpy as np

from ._jit import jit

# Rows at a time: they stay in the cache.
_BLOCK = 256


@jit
def largest(X, moved, offsets, top):
    """``top[j] = max |X[i, j] + moved[t, j]|`` over the rows i of run t."""
    for j in range(top.shape[0]):
        top[j] = 0.0
    for t in range(moved.shape[0]):
        by = moved[t]
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            for j in range(top.shape[0]):
                size = abs(x[j] + by[j])
                top[j] = size if size > top[j] else top[j]


@jit
def squares(X, moved, offsets, weight, unit, out):
    """``out[j] = sum weight[i] ((X[i, j] + moved[t, j]) / unit[j])^2``."""
    # Products take a quarter of the time of quotients; the smallest floats have no inverse.
    inverse = np.empty(out.shape[0])
    fine = True
    for j in range(out.shape[0]):
        out[j] = 0.0
        inverse[j] = 1.0 / unit[j]
        fine = fine and inverse[j] < np.inf
    for t in range(moved.shape[0]):
        by = moved[t]
        for i in range(offsets[t], offsets[t + 1]):
            x = X[i]
            s = weight[i]
            for j in range(out.shape[0]):
                z = (x[j] + by[j]) * inverse[j] if fine else (x[j] + by[j]) / unit[j]
                out[j] += s * z * z


@jit
def sums(X, moved, offsets, unit, used, weight, y, gram, cross):
    """``gram[t] = sum weight[i] z z'`` and ``cross[t] = sum weight[i] y[i] z`` over task t.

    ``z = (x + moved) / unit`` where the column is used, 0 elsewhere, behind a one if ``cross``
    (T, p) has a column more than X. ``moved`` has a row for each task, or one for all.
    """
    n_tasks, p = cross.shape
    first = p - X.shape[1]
    block, part = np.empty((_BLOCK, p)), np.empty((p, p))
    for t in range(n_tasks):
        by = moved[t if moved.shape[0] > 1 else 0]
        G, q = gram[t], cross[t]
        G[:, :] = 0.0
        q[:] = 0.0
        for start in range(offsets[t], offsets[t + 1], _BLOCK):
            stop = min(start + _BLOCK, offsets[t + 1])
            for i in range(start, stop):
                x, z, root = X[i], block[i - start], np.sqrt(weight[i])
                for j in range(first):
                    z[j] = root
                for j in range(X.shape[1]):
                    z[first + j] = root * ((x[j] + by[j]) / unit[j]) if used[j] else 0.0
                scaled = root * y[i]
                for j in range(p):
                    q[j] += scaled * z[j]
            own = block[: stop - start]
            np.dot(own.T, own, part)
            for j in range(p):
                for k in range(j + 1):
                    G[j, k] += part[j, k]
        for j in range(p):
            for k in range(j):
                G[k, j] = G[j, k]


@jit
def eliminate(gram, cross, factor, where, M, m, logdet, squares):
    """Normal equations of the fixed effects, the random ones integrated out, task by task.

    With L = ``factor`` (lower triangular), R = ``where`` and ``A = I + L'G_RR L``, fills
    ``M = G - G_.R L A^-1 L'G_R.``, ``m = q - G_.R L A^-1 L'q_R``, ``logdet = log|A|`` and
    ``squares = q_R'L A^-1 L'q_R``.
    """
    n_tasks, p = cross.shape
    r = where.shape[0]
    A = np.empty((r, r))
    V = np.empty((r, p))
    v = np.empty(r)
    for t in range(n_tasks):
        G = gram[t]
        for k in range(r):
            v[k] = 0.0
            for j in range(p):
                V[k, j] = 0.0
            for a in range(k, r):
                s = factor[a, k]
                if s != 0.0:
                    v[k] += s * cross[t, where[a]]
                    for j in range(p):
                        V[k, j] += s * G[where[a], j]
        for k in range(r):
            for i in range(k + 1):
                total = 0.0
                for a in range(i, r):
                    total += V[k, where[a]] * factor[a, i]
                A[k, i] = total
        # A = CC' in place, and V = C^-1 L'G beside it.
        log, square = 0.0, 0.0
        for k in range(r):
            for i in range(k):
                total = A[k, i]
                for a in range(i):
                    total -= A[k, a] * A[i, a]
                total /= A[i, i]
                A[k, i] = total
                v[k] -= total * v[i]
                for j in range(p):
                    V[k, j] -= total * V[i, j]
            pivot = A[k, k]
            for a in range(k):
                pivot -= A[k, a] * A[k, a]
            # G is positive semidefinite: but for rounding, a pivot of A is at least that of I.
            pivot = np.sqrt(1.0 + max(pivot, 0.0))
            A[k, k] = pivot
            log += np.log(pivot)
            v[k] /= pivot
            square += v[k] * v[k]
            for j in range(p):
                V[k, j] /= pivot
        logdet[t] = 2.0 * log
        squares[t] = square
        for i in range(p):
            m[t, i] = cross[t, i]
            for j in range(p):
                M[t, i, j] = G[i, j]
            for k in range(r):
                s = V[k, i]
                m[t, i] -= s * v[k]
                if s != 0.0:
                    for j in range(p):
                        M[t, i, j] -= s * V[k, j]
