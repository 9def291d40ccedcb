"""Proximal operators and conjugates of the norms: arrays in, arrays out.

``V`` is (n_features, n_tasks), C-ordered float64; every function returns a new array. Each operator
solves ``argmin_W tau * Omega(W) + 1/2 ||W - V||_F^2`` exactly.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from . import _kernels
from ._typing import FloatArray, IntArray

# Below this share of the largest singular value the Gram route loses digits (its square is 1e-12).
_GRAM_FLOOR = 1e-6


def prox_l1(V: FloatArray, tau: float | FloatArray) -> FloatArray:
    """Prox of ``tau * sum_jt |w_jt|``: soft threshold. ``tau`` is a scalar or one value per row."""
    return _row_prox(_kernels.row_norms.L1, V, tau)


def prox_row_l2(V: FloatArray, tau: float | FloatArray) -> FloatArray:
    """Prox of ``tau * sum_j ||w^j||_2``: shrink every row. ``tau`` is a scalar or one per row."""
    return _row_prox(_kernels.row_norms.ROW_L2, V, tau)


def prox_row_linf(V: FloatArray, tau: float | FloatArray) -> FloatArray:
    """Prox of ``tau * sum_j max_t |w_jt|``: V less its rows' projections onto l1 balls.

    ``tau`` is a scalar or one value per row.
    """
    out = np.empty_like(V)
    _kernels.levels.row_linf(V, _per_row(V, tau), out)
    return out


def prox_column_l2(V: FloatArray, tau: float) -> FloatArray:
    """Prox of ``tau * sum_t ||w_t||_2``: shrink every column, one task's coefficients."""
    lengths = np.sqrt(np.einsum("jt,jt->t", V, V))
    share = np.divide(tau, lengths, out=np.ones_like(lengths), where=lengths > tau)
    return V * (1.0 - share)


def _row_prox(code: int, V: FloatArray, tau: float | FloatArray) -> FloatArray:
    out = np.empty_like(V)
    _kernels.row_norms.prox(code, V, _per_row(V, tau), out)
    return out


def prox_fused_rows(
    V: FloatArray,
    tau: float,
    order: IntArray,
    group: FloatArray,
    fused: FloatArray,
    sparse: FloatArray,
) -> FloatArray:
    """Prox of ``tau sum_j (group_j ||w^j||_2 + fused_j sum |differences| + sparse_j ||w^j||_1)``.

    Differences are between columns that follow each other in ``order``; the strengths are one
    number a row.
    """
    out = np.empty_like(V)
    _kernels.fused.prox(V, order, group, fused, sparse, tau, out)
    return out


def _per_row(V: FloatArray, tau: float | FloatArray) -> FloatArray:
    return np.full(V.shape[0], tau) if np.ndim(tau) == 0 else np.asarray(tau)


def singular_values(V: FloatArray) -> FloatArray:
    """Singular values in descending order, min(V.shape) of them; infinite where V is not finite."""
    if not np.isfinite(V.sum()) and not np.isfinite(V).all():
        return np.full(min(V.shape), np.inf)
    # A tall matrix is reduced by QR first; unlike its Gram matrix this keeps the small values.
    tall = V if V.shape[0] >= V.shape[1] else V.T
    if tall.shape[0] > 2 * tall.shape[1]:
        tall = scipy.linalg.qr(tall, mode="r", check_finite=False)[0][: tall.shape[1]]
    return scipy.linalg.svdvals(tall, check_finite=False)


def spectral_norm(V: FloatArray) -> float:
    """Largest singular value."""
    if not V.size:
        return 0.0
    small = V.T @ V if V.shape[1] <= V.shape[0] else V @ V.T
    last = small.shape[0] - 1
    top = scipy.linalg.eigvalsh(small, subset_by_index=[last, last], check_finite=False)
    return float(np.sqrt(max(top[0], 0.0)))


def prox_trace(V: FloatArray, tau: float) -> FloatArray:
    """Prox of ``tau * sum_i sigma_i(W)`` (trace norm): soft threshold of the singular values."""

    def factors(s: FloatArray) -> FloatArray:
        return np.divide(np.maximum(s - tau, 0.0), s, out=np.zeros_like(s), where=s > 0.0)

    return _spectral_map(V, factors, threshold=tau)


def prox_squared_trace(V: FloatArray, tau: float) -> FloatArray:
    """Prox of ``tau/2 * (sum_i sigma_i(W))^2``: soft threshold at tau times what is left."""
    return _lower_singular_values(V, 0.0, 1.0 / tau) if tau > 0.0 else V.copy()


def project_trace_ball(V: FloatArray, bound: float) -> FloatArray:
    """The closest matrix whose singular values sum to at most ``bound``."""
    inside = _lower_singular_values(V, bound, 0.0)
    if bound < _GRAM_FLOOR * np.sqrt(np.vdot(V, V)):
        # So little is left that the rounding of V would stick out of the ball.
        total = singular_values(inside).sum()
        inside *= min(bound / total, 1.0) if total > 0.0 else 1.0
    return inside


def _lower_singular_values(V: FloatArray, total: float, extra: float) -> FloatArray:
    """Soft threshold of the singular values at u, until their sum is ``total + extra * u``."""

    def factors(s: FloatArray) -> FloatArray:
        u = _kernels.levels.level(s, total, extra)
        return np.divide(np.maximum(s - u, 0.0), s, out=np.zeros_like(s), where=s > 0.0)

    return _spectral_map(V, factors, threshold=0.0)


def prox_spectral_box(
    V: FloatArray, tau: float, lambda1: float, lambda2: float, k: int
) -> FloatArray:
    """Prox of ``tau * Omega`` for the squared spectral box norm of clustered multi-task learning.

    ``Omega(W) = kappa/2 min_theta sum_i sigma_i(W)^2 / theta_i`` over ``eta <= theta_i <= 1 +
    eta``, ``sum theta_i = k + m eta``, with m = min(V.shape), ``eta = lambda2 / lambda1`` and
    ``kappa = lambda1 eta (1 + eta)``.
    """
    eta = lambda2 / lambda1
    kappa = lambda2 * (1.0 + eta)

    def factors(s: FloatArray) -> FloatArray:
        theta, _ = box_theta(s, k, eta, tau * kappa)
        return theta / (theta + tau * kappa)

    return _spectral_map(V, factors, threshold=0.0)


def box_theta(s: FloatArray, k: int, eta: float, shift: float = 0.0) -> tuple[FloatArray, float]:
    """``theta_i = clip(s_i u - shift, eta, 1 + eta)``, ``sum theta = k + len(s) eta``, and u.

    u is inf when at most k of the ``s`` are positive.
    """
    if not s.any():
        return np.full_like(s, eta), np.inf
    # Eigenvalues ascend, singular values descend: the kernel wants the latter.
    ascending = s[0] < s[-1]
    descending = np.ascontiguousarray(s[::-1]) if ascending else s
    theta = np.empty_like(s)
    u = _kernels.spectral.box_theta(descending, k + s.shape[0] * eta, eta, 1.0 + eta, shift, theta)
    return (np.ascontiguousarray(theta[::-1]) if ascending else theta), u


def spectral_box_value(s: FloatArray, lambda1: float, lambda2: float, k: int) -> float:
    """Squared spectral box norm at singular values ``s`` (min(d, T) of them)."""
    eta = lambda2 / lambda1
    theta, _ = box_theta(s, k, eta)
    return 0.5 * lambda2 * (1.0 + eta) * float(np.sum(s * s / theta))


def spectral_box_conjugate(s: FloatArray, lambda1: float, lambda2: float, k: int) -> float:
    """Conjugate at descending singular values.

    The top k squares count ``1/lambda2``, the others ``1/(lambda1 + lambda2)``.
    """
    squares = s * s
    return 0.5 * float(squares[:k].sum() / lambda2 + squares[k:].sum() / (lambda1 + lambda2))


def _spectral_map(V: FloatArray, factors, threshold: float) -> FloatArray:  # type: ignore[no-untyped-def]
    """``U diag(s * factors(s)) V'`` for the thin SVD of V, by one small eigendecomposition.

    With ``V'V = Q diag(s^2) Q'`` it is ``V Q diag(factors(s)) Q'``. Squaring costs half of the
    digits: when a singular value above ``threshold`` but below 1e-6 of the largest takes part, a
    thin SVD is used, unless the factor is the same for all values as small as that.
    """
    if V.size == 0:
        return V.copy()
    wide = V.shape[0] < V.shape[1]
    small = V @ V.T if wide else V.T @ V
    squares, Q = scipy.linalg.eigh(small, check_finite=False)
    s = np.sqrt(np.maximum(squares, 0.0))
    f = factors(s)
    floor = _GRAM_FLOOR * s[-1]
    if threshold < floor and s[0] < floor:
        small = s < floor
        ends = [factors(np.where(small, end, s))[small] for end in (0.0, floor)]
        if (ends[0] != ends[1]).any():
            U, s, Vt = scipy.linalg.svd(V, full_matrices=False, check_finite=False)
            return np.ascontiguousarray((U * (s * factors(s))) @ Vt)
    if wide:
        return np.ascontiguousarray((Q * f) @ (Q.T @ V))
    # With a low-rank result only the surviving directions are multiplied out.
    alive = f > 0.0
    if not alive.all():
        Q, f = Q[:, alive], f[alive]
    return np.ascontiguousarray(((V @ Q) * f) @ Q.T)
