"""Random effects taken out of each task's normal equations."""

from __future__ import annotations

import numpy as np

from ._jit import jit


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
