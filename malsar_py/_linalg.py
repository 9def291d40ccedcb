"""Small dense systems that may be singular."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ._typing import FloatArray


def solve_psd(H: FloatArray, B: FloatArray) -> FloatArray:
    """Least-norm solution of ``H X = B`` for positive semidefinite H and B in its range."""
    values, Q = scipy.linalg.eigh(H, check_finite=False)
    kept = values > values[-1] * H.shape[0] * np.finfo(float).eps
    if not kept.any():
        return np.zeros_like(B)
    Q = Q[:, kept]
    return Q @ ((Q.T @ B).T / values[kept]).T


def solve_psd_each(H: FloatArray, B: FloatArray) -> FloatArray:
    """:func:`solve_psd` for many small systems at once: H (r, d, d) and B (r, d)."""
    values, Q = np.linalg.eigh(H)
    kept = values > values[:, -1:] * (H.shape[1] * np.finfo(float).eps)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    return np.einsum("rij,rj->ri", Q, inverse * np.einsum("rij,ri->rj", Q, B))


def solve_free(gram: FloatArray, G: FloatArray, basis: FloatArray) -> FloatArray:
    """D (d x r) with ``sum_t H_t D basis_t basis_t' = G basis``: Newton in free directions."""
    d, r = G.shape[0], basis.shape[1]
    n_tasks = basis.shape[0]
    pull = G @ basis
    if gram.shape[0] == 1:
        return solve_psd(gram[0], pull)
    touched = np.abs(basis) > 1e-12
    if (touched.sum(axis=1) <= 1).all():
        # Connected components of a graph: one d x d system each.
        if r == n_tasks and np.array_equal(basis, np.eye(r)):
            return solve_psd_each(gram, pull.T).T
        D = np.empty((d, r))
        for k in range(r):
            H = np.einsum("t,tij->ij", basis[touched[:, k], k] ** 2, gram[touched[:, k]])
            D[:, k] = solve_psd(H, pull[:, k])
        return D
    system = np.zeros((r, d, r, d))
    for t in range(n_tasks):
        system += np.multiply.outer(np.outer(basis[t], basis[t]), gram[t]).transpose(0, 2, 1, 3)
    return solve_psd(system.reshape(r * d, r * d), pull.T.ravel()).reshape(r, d).T
