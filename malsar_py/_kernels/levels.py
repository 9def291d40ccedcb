"""How far to cut a vector down: the scalar problem behind maxima and l1 balls.

C. Michelot (1986), "A finite algorithm for finding the projection of a point onto the canonical
simplex of R^n"; L. Condat (2016), "Fast projection onto the simplex and the l1 ball".
"""

from __future__ import annotations

import numpy as np

from ._jit import jit


@jit
def level(v, total, extra):
    """The u with ``sum_i max(v_i - u, 0) = total + extra * u``, for v, total, extra >= 0.

    Every pass takes the entries above the last u to be the ones that are cut: u grows and the
    entries get fewer until they stay the same. 0 if ``sum(v) <= total``.
    """
    n = v.shape[0]
    n_above = n
    above = 0.0
    for i in range(n):
        above += v[i]
    if above <= total:
        return 0.0
    u = (above - total) / (n_above + extra)
    for _ in range(n):
        count = 0
        above = 0.0
        for i in range(n):
            if v[i] > u:
                count += 1
                above += v[i]
        if count == n_above or count == 0:
            break
        n_above = count
        u = (above - total) / (n_above + extra)
    return u


@jit
def row_linf(V, threshold, out):
    """``out[j] = prox of threshold[j] * max_t |w_t| at V[j]``: cut every row at its level.

    What is cut off is the projection of the row onto the l1 ball of radius ``threshold[j]``.
    """
    n_columns = V.shape[1]
    size = np.empty(n_columns)
    for j in range(V.shape[0]):
        total = 0.0
        for t in range(n_columns):
            size[t] = abs(V[j, t])
            total += size[t]
        u = 0.0 if total <= threshold[j] else level(size, threshold[j], 0.0)
        for t in range(n_columns):
            out[j, t] = np.copysign(u, V[j, t]) if size[t] > u else V[j, t]
