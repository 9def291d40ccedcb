"""Small dense systems that may be singular."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ._typing import FloatArray

# Smallest entry on a diagonal, as a share of the largest, from which scales are taken for uneven.
_UNEVEN = 1e-8


def solve_psd(H: FloatArray, B: FloatArray) -> FloatArray:
    """Least-norm solution of ``H X = B`` for positive semidefinite H and B in its range.

    Where scales differ so much that small directions would pass for rounding of the large ones,
    "least" is in units that make the diagonal one.
    """
    size = np.diag(H)
    used = size > 0.0
    if used.any() and size[used].min() < _UNEVEN * size.max():
        # Powers of two: products with them are exact.
        exponent = -np.frexp(np.where(used, size, 1.0))[1] // 2
        D = np.ldexp(used.astype(float), exponent)
        return (D * _solve_psd(D[:, None] * H * D, (D * B.T).T).T).T
    return _solve_psd(H, B)


def _solve_psd(H: FloatArray, B: FloatArray) -> FloatArray:
    values, Q = scipy.linalg.eigh(H, check_finite=False)
    kept = values > values[-1] * H.shape[0] * np.finfo(float).eps
    if not kept.any():
        return np.zeros_like(B)
    Q = Q[:, kept]
    return Q @ ((Q.T @ B).T / values[kept]).T


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
        D = np.empty((d, r))
        for k in range(r):
            H = np.einsum("t,tij->ij", basis[touched[:, k], k] ** 2, gram[touched[:, k]])
            D[:, k] = solve_psd(H, pull[:, k])
        return D
    system = np.zeros((r, d, r, d))
    for t in range(n_tasks):
        system += np.multiply.outer(np.outer(basis[t], basis[t]), gram[t]).transpose(0, 2, 1, 3)
    return solve_psd(system.reshape(r * d, r * d), pull.T.ravel()).reshape(r, d).T
