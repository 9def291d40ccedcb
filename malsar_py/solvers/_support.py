"""Newton's step of smooth losses with norms of rows or entries: descent's way out where it crawls.

Cyclic descent takes coefficients to zero and from it, but crawls where features are correlated or a
task's classes are nearly separable. With L1 tasks do not meet, and the minimiser of each task's
second-order model is found exactly. Norms of rows are smooth where rows are not zero: each task has
a block ``H_t + diagonal``, and as the second derivatives are ``tau / r (I - u u')``, with r the
row's length and u its direction, one vector a row couples the tasks. Woodbury's formula needs one
small system more for these.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .. import _kernels
from .._typing import FloatArray
from ..design import FeatureRows

# Multiplications of a step.
_MOST_WORK = 1e9
# Blocks of more features are solved in the space of the samples where these are fewer.
_SMALL = 64
# Of the Lasso: cycles, what gradients may exceed, least pivot as a share of the diagonal.
_CYCLES, _SLACK, _FLOOR = 100, 1e-9, 1e-11
# Share of the largest curvature that is added to the diagonal, more where blocks are singular.
_DAMPING, _MORE, _MOST_DAMPING = 1e-14, 1e3, 1e-2


def support_fits(rows: FeatureRows, by_entries: bool) -> bool:
    """Whether a step over all these features costs little enough."""
    k, counts = rows.A.shape[0], np.diff(rows.offsets).astype(float)
    small = np.minimum(counts, k)
    work = float((counts * small * k).sum())
    if not by_entries:
        work += float((small * k**2).sum())
    return work <= _MOST_WORK


def support_direction(
    by_entries: bool,
    rows: FeatureRows,
    D: FloatArray,
    G_rows: FloatArray,
    W: FloatArray,
    threshold: FloatArray,
    ridge: float,
    centered: bool,
) -> FloatArray | None:
    """Where W (k, T) goes in Newton's step; of norms of rows, those that are zero stay.

    ``D`` are the loss's second derivatives by sample, ``G_rows`` (T, k) is minus its gradient. None
    if there is nothing to move, or a system is singular.
    """
    free = threshold == 0.0
    try:
        if not by_entries:
            used = np.flatnonzero(W.any(axis=1) | free)
            if not used.size:
                return None
            step = np.zeros(W.shape)
            part = rows if used.size == W.shape[0] else rows.restrict(used)
            own = np.ascontiguousarray(W[used].T)
            step[used] = _rows_step(
                part, D, G_rows[:, used] - ridge * own, own, threshold[used], ridge, centered
            ).T
            return step
        H = rows.gram(D, centered)
        new = np.array(W.T, order="C")  # (of one task W.T is W itself)
        rhs = G_rows + np.einsum("tij,tj->ti", H, new)
        lasso_models(H, rhs, threshold, ridge, new)
        return new.T - W
    except np.linalg.LinAlgError:
        return None


def lasso_models(
    H: FloatArray, rhs: FloatArray, threshold: FloatArray, ridge: float, W: FloatArray
) -> None:
    """Minimise quadratic models with an L1 norm exactly, task by task, from W (T, k) in place."""
    _kernels.newton.lasso_models(H, rhs, threshold, ridge, _CYCLES, _SLACK, _FLOOR, W)


def _rows_step(
    rows: FeatureRows,
    D: FloatArray,
    pull: FloatArray,
    W: FloatArray,
    tau: FloatArray,
    ridge: float,
    centered: bool,
) -> FloatArray:
    """All tasks by the rows that are not zero; W and the step are (T, k)."""
    lengths = np.sqrt(np.einsum("tj,tj->j", W, W))
    lengths[lengths == 0.0] = 1.0
    unit, bent = W / lengths, tau / lengths
    pull = pull - tau * unit
    diagonal = ridge + bent
    bends = np.flatnonzero(bent)
    u, at_bends = unit[:, bends], np.arange(bends.size)
    n_tasks, k = W.shape
    if k <= _SMALL or k * n_tasks <= D.size:
        H = rows.gram(D, centered)
        inverse = _inverse(H, np.broadcast_to(diagonal, W.shape))
        step = np.einsum("tij,tj->ti", inverse, pull)
        if bends.size:
            inner = inverse if bends.size == k else inverse[:, bends[:, None], bends]
            K = -np.einsum("tij,ti,tj->ij", inner, u, u)
            K[at_bends, at_bends] += 1.0 / bent[bends]
            shift = np.linalg.solve(K, np.einsum("tj,tj->j", u, step[:, bends]))
            step += np.einsum("tij,tj->ti", inverse[:, :, bends], u * shift)
        return step
    # (diagonal + S'S)^-1 = E - E S' (I + S E S')^-1 S E with E = 1 / diagonal.
    E = 1.0 / diagonal
    K = np.diag(1.0 / bent[bends] - E[bends])
    step = np.empty_like(W)
    solved = []
    for t in range(n_tasks):
        S = rows.scaled(t, D, centered).T
        M = np.dot(S * E, S.T)
        M[np.diag_indices_from(M)] += 1.0
        F = scipy.linalg.solve_triangular(
            np.linalg.cholesky(M), S * E, lower=True, check_finite=False
        )
        step[t] = E * pull[t] - F.T @ (F @ pull[t])
        solved.append(F)
        turned = F[:, bends] * u[t]
        K += np.dot(turned.T, turned)
    shift = np.linalg.solve(K, np.einsum("tj,tj->j", u, step[:, bends]))
    for t, F in enumerate(solved):
        along = np.zeros(k)
        along[bends] = u[t] * shift
        step[t] += E * along - F.T @ (F @ along)
    return step


def _inverse(H: FloatArray, shift: FloatArray) -> FloatArray:
    """Inverses of the blocks with so much more on their diagonals; H is used up."""
    at = np.arange(H.shape[1])
    H[:, at, at] += shift
    top = float(H[:, at, at].max())
    added = _DAMPING
    while True:
        H[:, at, at] += added * top
        try:
            np.linalg.cholesky(H)
        except np.linalg.LinAlgError:
            if added >= _MOST_DAMPING:
                raise
            added *= _MORE
            continue
        return np.asarray(np.linalg.inv(H), dtype=np.float64)
