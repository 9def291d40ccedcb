"""Newton's step on the support of W, where norms of rows and entries are smooth.

Cyclic descent takes coefficients to and from zero, but crawls where features are correlated or a
task's classes are nearly separable. Among coefficients that stay what they are - rows that are not
zero, entries that keep their signs - the objective has second derivatives. Those of the row norms,
``tau / r (I - u u')`` with r the row's length and u its direction, add to each task's block a
diagonal and couple the tasks by one vector a row: Woodbury's formula needs one small system more.
"""

from __future__ import annotations

import numpy as np

from .. import _kernels
from .._typing import FloatArray
from ._inner_weighted import FeatureRows

# Multiplications in the blocks of all tasks.
_MOST_WORK = 3e9
_LEAST_DAMPING, _MORE, _MOST_DAMPING = 1e-14, 1e3, 1.0


def support_fits(rows: FeatureRows) -> bool:
    """Whether Gram matrices of so many features, and their factors, are cheap."""
    k, n_samples = rows.A.shape[0], rows.offsets[-1]
    return float(n_samples) * k**2 + float(rows.n_tasks) * k**3 <= _MOST_WORK


def support_direction(
    code: int,
    rows: FeatureRows,
    D: FloatArray,
    G: FloatArray,
    W: FloatArray,
    threshold: FloatArray,
    ridge: float,
    centered: bool,
) -> FloatArray | None:
    """Where W (k, T) goes in a Newton step; coefficients that are zero stay.

    ``D`` are the second derivatives of the loss by sample, ``G`` (T, k) minus its gradient. None
    if there is nothing to move or the system is singular.
    """
    free = threshold == 0.0
    used = np.flatnonzero(W.any(axis=1) | free)
    if not used.size:
        return None
    own, tau = W[used].T, threshold[used]
    part = rows if used.size == W.shape[0] else rows.restrict(used)
    H = part.gram(D, centered)
    pull = G[:, used] - ridge * own
    diagonal = np.full(own.shape, ridge)
    top = float(np.einsum("tjj->t", H).max())
    by_rows = code == _kernels.separable.ROW_L2 and bool(tau.any())
    if by_rows:
        lengths = np.sqrt(np.einsum("tj,tj->j", own, own))
        bent = tau / np.where(lengths > 0.0, lengths, 1.0)
        unit = own / np.where(lengths > 0.0, lengths, 1.0)
        pull -= tau * unit
        diagonal += bent
    else:
        moving = (own != 0.0) | free[used]
        pull -= tau * np.sign(own)
        pull[~moving] = 0.0
        H *= moving[:, :, None] & moving[:, None, :]
        diagonal[~moving] = top
    damping = _LEAST_DAMPING
    index = np.arange(used.size)
    H[:, index, index] += diagonal
    while damping < _MOST_DAMPING:
        H[:, index, index] += damping * top
        try:
            L = np.linalg.cholesky(H)
        except np.linalg.LinAlgError:
            damping *= _MORE
            continue
        break
    else:
        return None
    inverse = np.linalg.inv(H)
    step = np.einsum("tij,tj->ti", inverse, pull)
    if by_rows:
        bends = np.flatnonzero(bent)
        u = unit[:, bends]
        K = -np.einsum("ti,tij,tj->ij", u, inverse[:, bends][:, :, bends], u, optimize=True)
        K[np.arange(bends.size), np.arange(bends.size)] += 1.0 / bent[bends]
        try:
            shift = np.linalg.solve(K, np.einsum("tj,tj->j", u, step[:, bends]))
        except np.linalg.LinAlgError:
            return None
        step += np.einsum("tij,tj->ti", inverse[:, :, bends], u * shift)
    out = np.zeros_like(W)
    out[used] = step.T
    return out
