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
# Conjugate gradients: steps, the share of the right side that may be left, and how much larger than
# the least one so far the residual may become.
_CG_STEPS, _CG_LEFT, _CG_GROWN = 200, 1e-11, 1e3


def nonzero_rows(W: FloatArray) -> AnyArray:
    """Mask of the rows that are not zero: ``W.any(axis=1)``, which is slow where rows are short."""
    return np.asarray(np.abs(W) @ np.ones(W.shape[1]) != 0.0)


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


def held(gram: FloatArray, kept: AnyArray | None) -> FloatArray:
    """Gram matrices of :func:`free_solver` for which all but ``kept`` (d, T or r) stays 0."""
    if kept is None:
        return gram
    K = kept.T.astype(np.float64)
    return gram * K[:, :, None] * K[:, None, :]


def free_solver(gram: FloatArray, basis: FloatArray | None) -> Callable[[FloatArray], FloatArray]:
    """``D basis'`` with ``sum_t H_t D basis_t basis_t' = G basis``, for any G.

    Newton in free directions: ``basis`` (T x r) is orthonormal; None: every direction, the tasks by
    themselves. A single H (1 x d x d) is that of all tasks, or the sum along the only direction.
    """
    if basis is None:
        if gram.shape[0] == 1:
            return psd_solver(gram[0])
        return lambda G: np.ascontiguousarray(solve_psd_each(gram, G.T).T)
    along = _solver_along(gram, basis)
    return lambda G: along(G @ basis) @ basis.T


def _solver_along(gram: FloatArray, basis: FloatArray) -> Callable[[FloatArray], FloatArray]:
    d, (n_tasks, r) = gram.shape[1], basis.shape
    if gram.shape[0] == 1:
        return psd_solver(gram[0])
    touched = np.abs(basis) > 1e-12
    if (touched.sum(axis=1) <= 1).all():
        # Connected components of a graph: one d x d system each.
        if r == n_tasks and np.array_equal(basis, np.eye(r)):
            return lambda pull: solve_psd_each(gram, pull.T).T
        solvers = [
            psd_solver(np.einsum("t,tij->ij", basis[touched[:, k], k] ** 2, gram[touched[:, k]]))
            for k in range(r)
        ]
        return lambda pull: np.stack(
            [solve(column) for solve, column in zip(solvers, pull.T, strict=True)], axis=1
        )
    system = np.zeros((r, d, r, d))
    for t in range(n_tasks):
        system += np.multiply.outer(np.outer(basis[t], basis[t]), gram[t]).transpose(0, 2, 1, 3)
    solve = psd_solver(system.reshape(r * d, r * d))
    return lambda pull: solve(pull.T.ravel()).reshape(r, d).T


def conjugate_gradients(
    apply: Callable[[FloatArray], FloatArray],
    rhs: FloatArray,
    precondition: Callable[[FloatArray], FloatArray] | None = None,
    *,
    left: float = _CG_LEFT,
    steps: int = _CG_STEPS,
) -> FloatArray:
    """Solve ``apply(x) = rhs``, semidefinite and consistent, nearly as far as rounding allows.

    ``precondition`` may project on a subspace: then that part of the equation is solved, in it.
    ``left``: share of the right side (in the preconditioner's norm) to stop at.
    """
    x, rest = np.zeros_like(rhs), rhs.copy()
    direction = z = rest if precondition is None else precondition(rest)
    size = first = least = float(np.vdot(rest, z))
    best = x
    for _ in range(steps):
        # What rounding put where ``apply`` is singular is never solved for: steps along it grow.
        if not left**2 * first < size < _CG_GROWN**2 * least:
            break
        image = apply(direction)
        curvature = float(np.vdot(direction, image))
        if not curvature > 0.0:
            break
        length = size / curvature
        x = x + length * direction
        rest = rest - length * image
        z = rest if precondition is None else precondition(rest)
        before, size = size, float(np.vdot(rest, z))
        if size < least:
            least, best = size, x
        direction = z + (size / before) * direction
    return best
