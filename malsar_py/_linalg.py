"""Small dense systems that may be singular."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

from ._typing import AnyArray, FloatArray

# Smallest against largest pivot.
_FAR = 1e-5
# Smallest entry on a diagonal, as a share of the largest, from which scales are taken for uneven.
_UNEVEN = 1e-8


def solve_psd(H: FloatArray, B: FloatArray) -> FloatArray:
    """Least-norm solution of ``H X = B`` for positive semidefinite H and B in its range.

    Where scales differ so much that small directions would pass for rounding of the large ones,
    "least" is in units that make the diagonal one.
    """
    return psd_solver(H)(B)


def sum_solver(H: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """The same by Cholesky where H is far from singular, which is many times faster."""
    factor, failed = scipy.linalg.lapack.dpotrf(H, lower=1)
    if failed or factor.diagonal().min() <= _FAR * factor.diagonal().max():
        return psd_solver(H)
    return lambda B: scipy.linalg.cho_solve((factor, True), B, check_finite=False)


def psd_solver(H: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """:func:`solve_psd` for several B."""
    if is_uneven(H):
        size = np.diag(H)
        used = size > 0.0
        # Powers of two: products with them are exact.
        exponent = -np.frexp(np.where(used, size, 1.0))[1] // 2
        D = np.ldexp(used.astype(float), exponent)
        solve = _psd_solver(D[:, None] * H * D)
        return lambda B: (D * solve((D * B.T).T).T).T
    return _psd_solver(H)


def is_uneven(H: FloatArray) -> bool:
    """Whether the scales of the diagonal differ so much that small ones look like rounding."""
    size = np.diag(H)
    used = size > 0.0
    return bool(used.any() and size[used].min() < _UNEVEN * size.max())


def _psd_solver(H: FloatArray) -> Callable[[FloatArray], FloatArray]:
    values, Q = scipy.linalg.eigh(H, check_finite=False)
    kept = values > values[-1] * H.shape[0] * np.finfo(float).eps
    Q, values = Q[:, kept], values[kept]
    return lambda B: Q @ ((Q.T @ B).T / values).T


def solve_psd_each(H: FloatArray, B: FloatArray) -> FloatArray:
    """:func:`solve_psd` for many small systems at once: H (r, d, d) and B (r, d)."""
    D = np.ones_like(B)
    size = np.einsum("rjj->rj", H)
    used = size > 0.0
    least = np.where(used, size, np.inf).min(axis=1, initial=np.inf)
    uneven = least < _UNEVEN * size.max(axis=1, initial=0.0)
    if uneven.any():
        exponent = -np.frexp(np.where(used, size, 1.0))[1] // 2
        D[uneven] = np.ldexp(used.astype(float), exponent)[uneven]
        H = D[:, :, None] * H * D[:, None, :]
    values, Q = np.linalg.eigh(H)
    kept = values > values[:, -1:] * (H.shape[1] * np.finfo(float).eps)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    return D * np.einsum("rij,rj->ri", Q, inverse * np.einsum("rij,ri->rj", Q, D * B))


def held(gram: FloatArray, G: FloatArray, kept: AnyArray | None) -> tuple[FloatArray, FloatArray]:
    """Gram matrices and G of :func:`solve_free` for which all but ``kept`` (d, T or r) stays 0."""
    if kept is None:
        return gram, G
    K = kept.T.astype(np.float64)
    return gram * K[:, :, None] * K[:, None, :], G * kept


def solve_free(gram: FloatArray, G: FloatArray, basis: FloatArray | None) -> FloatArray:
    """``D basis'`` with ``sum_t H_t D basis_t basis_t' = G basis``: Newton in free directions.

    ``basis`` (T x r) is orthonormal; None: every direction, the tasks by themselves. A single H
    (1 x d x d) is that of all tasks, or the sum along the only direction.
    """
    if basis is None:
        if gram.shape[0] == 1:
            return solve_psd(gram[0], G)
        return np.ascontiguousarray(solve_psd_each(gram, G.T).T)
    return _solve_along(gram, G, basis) @ basis.T


def _solve_along(gram: FloatArray, G: FloatArray, basis: FloatArray) -> FloatArray:
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
