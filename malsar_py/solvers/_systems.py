"""The linear systems behind quadratic problems: ``H_t w_t + sum_u Q_tu w_u = r_t`` for all tasks.

``H_t`` is the (centred) weighted Gram matrix of task t, ``Q`` the quadratic of a penalty. Which
elimination is cheapest depends on what the tasks share:

* the same H for all tasks: diagonalise H and Q, nothing left to solve;
* tasks that do not meet in Q: one factorisation each, of n_features or n_samples equations,
  whichever are fewer;
* exchangeable tasks (mean regularisation, complete graph): the same and one system for their sum;
* very few coefficients or samples: one dense system; else conjugate gradients preconditioned by the
  tasks' own factors.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from .. import _kernels
from .._linalg import solve_psd
from .._typing import FloatArray
from ..design import Ragged, Shared
from ..objective import Objective, Quadratic, QuadraticObjective
from ..rotated import RotatedObjective
from ._workspace import Workspace

Solve = Callable[[FloatArray], FloatArray]

# Eigenbasis of a shared X up to this size.
_EIGEN_SIZE = 3000
_DENSE_SIZE = 200
_KERNEL_SIZE = 600
# Numbers in all tasks' factors: this many, or as many as X has.
_FACTOR_NUMBERS = 2.5e7
_CG_TOL = 1e-12
_CG_STEPS = 2000


def direct_size(objective: Objective) -> float:
    """Numbers to be kept by :func:`factorize`; inf where it would not pay."""
    X = objective.design.X
    if type(objective.design) is Shared and isinstance(objective, QuadraticObjective):
        return float(min(X.shape) ** 2) if min(X.shape) <= _EIGEN_SIZE else np.inf
    size = _factor_numbers(objective)
    return size if size <= max(_FACTOR_NUMBERS, X.size) else np.inf


def factorize(
    objective: QuadraticObjective,
    quadratic: Quadratic,
    workspace: Workspace,
    *,
    iterate: bool = True,
) -> Solve | None:
    """A function from right-hand sides R to solutions W, both (n_features, n_tasks).

    None if that would take iterations and ``iterate`` is False.
    """
    n_features, n_tasks = objective.shape
    if isinstance(objective, RotatedObjective):
        return _diagonal(objective, quadratic)
    if type(objective.design) is Shared and np.isfinite(direct_size(objective)):
        if workspace.rotated is None:
            workspace.rotated = RotatedObjective(objective)
        rotated = workspace.rotated
        inner = _diagonal(rotated, quadratic)
        return lambda R: rotated.back(inner(rotated.into(R)))
    if quadratic.matrix is None:
        if quadratic.ridge == 0.0:
            return _least_norm(objective)
        return _own_factors(objective, np.full(n_tasks, quadratic.ridge)).solve
    Q = quadratic.dense(n_tasks)
    exchange = _exchangeable(Q)
    if exchange is not None and exchange[0] > 0.0 and (iterate or not _few_samples(objective)):
        return _mean(objective, *exchange, rest=quadratic.smallest)
    if n_features * n_tasks <= _DENSE_SIZE:
        return _dense(_grams(objective), Q)
    few = objective.design.offsets[-1] <= _KERNEL_SIZE
    if few and _few_samples(objective) and quadratic.null_basis(n_tasks) is None:
        return _kernel(objective, Q)
    return _conjugate_gradients(objective, quadratic, Q) if iterate else None


def _few_samples(objective: Objective) -> bool:
    """Whether tasks with rows of their own have fewer of them than there are features."""
    return isinstance(objective.design, Ragged) and not objective.design.prefers_gram()


def _factor_numbers(objective: Objective) -> float:
    if _few_samples(objective):
        return float(np.square(np.diff(objective.design.offsets).astype(float)).sum())
    return float(objective.shape[1]) * objective.shape[0] ** 2


def _diagonal(rotated: RotatedObjective, quadratic: Quadratic) -> Solve:
    """H is diagonal: Q is diagonalised too, and what neither sees is left at zero."""
    P: FloatArray | None = None
    a = np.full(1, quadratic.ridge)
    if quadratic.matrix is not None:
        a, P = scipy.linalg.eigh(quadratic.dense(rotated.shape[1]), check_finite=False)
        a = np.maximum(a, 0.0)
    denominator = rotated.h + a
    kept = denominator > denominator.max(initial=0.0) * denominator.size * np.finfo(float).eps
    weight = np.divide(1.0, denominator, out=np.zeros_like(denominator), where=kept)
    if P is None:
        return lambda R: weight * R
    return lambda R: (weight * (R @ P)) @ P.T


def _grams(objective: QuadraticObjective) -> FloatArray:
    """One Gram matrix per task, be they the same."""
    gram = objective.gram()
    return np.broadcast_to(gram, (objective.shape[1], *gram.shape[1:]))


def _least_norm(objective: QuadraticObjective) -> Solve:
    gram = _grams(objective)
    return lambda R: np.stack([solve_psd(H, r) for H, r in zip(gram, R.T, strict=True)], axis=1)


class _GramFactors:
    """``(H_t + shift_t I)^-1`` of each task."""

    def __init__(self, objective: QuadraticObjective, shifts: FloatArray):
        self.gram = _grams(objective)
        self.inverses = np.empty(self.gram.shape)
        diagonal = np.diag_indices(self.gram.shape[1])
        for H, shift, out in zip(self.gram, shifts, self.inverses, strict=True):
            out[...] = H
            out[diagonal] += shift
            out[...] = _inverse(out)

    def solve(self, R: FloatArray) -> FloatArray:
        out = np.empty(R.shape)
        _kernels.blocks.gram_product(self.inverses, np.ascontiguousarray(R), out)
        return out

    def solve_sum(self, rest: float, q: float, r: FloatArray) -> FloatArray:
        """Solve ``rest s + q sum_t (H_t + shift_t I)^-1 H_t s = r`` for s."""
        total = np.zeros(self.gram.shape[1:])
        for inverse, H in zip(self.inverses, self.gram, strict=True):
            total += inverse @ H
        return solve_psd(rest * np.eye(r.shape[0]) + (0.5 * q) * (total + total.T), r)


class _KernelFactors:
    """The same from ``(K_t + shift_t I)^-1``, where ``H_t = Z_t'Z_t`` and ``K_t = Z_t Z_t'``."""

    def __init__(self, objective: QuadraticObjective, shifts: FloatArray):
        self.design, self.shifts = objective.design, shifts
        self.root = np.sqrt(objective.c)
        self.sizes = np.diff(self.design.offsets)
        self.mean_weight: FloatArray | None = None
        if objective.fit_intercept:
            total = np.add.reduceat(objective.c, self.design.offsets[:-1])
            self.mean_weight = self.root / np.repeat(total, self.sizes)
        self.inverses = []
        for shift, (start, stop) in zip(shifts, pairwise(self.design.offsets), strict=True):
            Z = self.root[start:stop, None] * self.design.X[start:stop]
            if self.mean_weight is not None:
                Z -= np.outer(self.root[start:stop], self.mean_weight[start:stop] @ Z)
            K = Z @ Z.T
            K[np.diag_indices_from(K)] += shift
            self.inverses.append(_inverse(K))

    def _centered(self, u: FloatArray) -> FloatArray:
        """The projection between Z and ``sqrt(c) X``; it is symmetric."""
        if self.mean_weight is None:
            return u
        sums = np.add.reduceat(self.mean_weight * u, self.design.offsets[:-1])
        return u - self.root * np.repeat(sums, self.sizes)

    def _pulled(self, R: FloatArray) -> FloatArray:
        """``Z_t' (K_t + shift_t I)^-1 Z_t r_t``, which is ``(H_t + shift_t I)^-1 H_t r_t``."""
        u = self._centered(self.root * self.design.predict(R))
        for inverse, (start, stop) in zip(
            self.inverses, pairwise(self.design.offsets), strict=True
        ):
            u[start:stop] = inverse @ u[start:stop]
        return self.design.adjoint(self.root * self._centered(u))

    def solve(self, R: FloatArray) -> FloatArray:
        return (R - self._pulled(R)) / self.shifts

    def solve_sum(self, rest: float, q: float, r: FloatArray) -> FloatArray:
        n_tasks = self.shifts.shape[0]

        def operate(s: FloatArray) -> FloatArray:
            spread = np.repeat(s[:, None], n_tasks, axis=1)
            return rest * s + q * self._pulled(spread).sum(axis=1)

        return _cg(operate, r)


def _own_factors(
    objective: QuadraticObjective, shifts: FloatArray
) -> _GramFactors | _KernelFactors:
    if _few_samples(objective) and (shifts > 0.0).all():
        return _KernelFactors(objective, shifts)
    return _GramFactors(objective, shifts)


def _inverse(A: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix, least-norm if rounding has made it singular."""
    factor, failed = scipy.linalg.lapack.dpotrf(A, lower=1)
    if not failed:
        half, failed = scipy.linalg.lapack.dpotri(factor, lower=1)
    if failed:
        return solve_psd(A, np.eye(A.shape[0]))
    # LAPACK's result is the lower triangle, in Fortran order, the upper one is zero. There are many
    # small matrices: numpy's functions for triangles and diagonals would take longer than LAPACK.
    half.T.reshape(-1)[:: A.shape[0] + 1] *= 0.5
    return half + half.T


def _exchangeable(Q: FloatArray) -> tuple[float, float] | None:
    """(p, q) if ``Q = p I - q 11'``."""
    q = -Q[0, -1] if Q.shape[0] > 1 else 0.0
    p = Q[0, 0] + q
    same = np.allclose(Q, p * np.eye(Q.shape[0]) - q, rtol=1e-14, atol=1e-14 * abs(p))
    return (float(p), float(q)) if same else None


def _mean(objective: QuadraticObjective, p: float, q: float, rest: float) -> Solve:
    # w_t = A_t^-1 (R_t + q s), A_t = H_t + p I, with s the sum of all w. I - q sum A_t^-1 is
    # written with p A_t^-1 = I - A_t^-1 H_t and rest = p - q T: no cancellation when the coupling
    # is strong.
    factors = _own_factors(objective, np.full(objective.shape[1], p))

    def solve(R: FloatArray) -> FloatArray:
        total = factors.solve_sum(rest / p, q / p, factors.solve(R).sum(axis=1))
        return factors.solve(R + q * total[:, None])

    return solve


def _dense(gram: FloatArray, Q: FloatArray) -> Solve:
    n_tasks, d = gram.shape[:2]
    system = np.kron(Q, np.eye(d)).astype(np.float64, copy=False)
    for t in range(n_tasks):
        system[t * d : (t + 1) * d, t * d : (t + 1) * d] += gram[t]
    try:
        factor = scipy.linalg.cho_factor(system, check_finite=False)
    except scipy.linalg.LinAlgError:
        return lambda R: solve_psd(system, R.T.ravel()).reshape(n_tasks, d).T
    return lambda R: (
        scipy.linalg.cho_solve(factor, R.T.ravel(), check_finite=False).reshape(n_tasks, d).T
    )


def _kernel(objective: QuadraticObjective, Q: FloatArray) -> Solve:
    """Few samples in all: one system over them, ``K o Q^-1 + diag(1/c)``."""
    design, n_tasks = objective.design, objective.shape[1]
    inverse = np.linalg.inv(Q)
    sizes = np.diff(design.offsets)
    task = np.repeat(np.arange(n_tasks), sizes)
    root = np.sqrt(objective.c)[:, None]
    X = design.X
    if objective.fit_intercept:
        starts = design.offsets[:-1]
        total = np.add.reduceat(objective.c, starts)
        X = X - np.repeat(
            np.add.reduceat(objective.c[:, None] * X, starts) / total[:, None], sizes, axis=0
        )
    # Symmetric form: with Z = sqrt(c) X the system is (I + (ZZ') o Q^-1) u = rhs in u = theta /
    # sqrt(c).
    Z = root * X
    system = (Z @ Z.T) * inverse[np.ix_(task, task)]
    system[np.diag_indices_from(system)] += 1.0
    factor = scipy.linalg.cho_factor(system, check_finite=False)

    def solve(R: FloatArray) -> FloatArray:
        # Woodbury: (Z'Z + Q)^-1 = Q^-1 - Q^-1 Z' (I + Z Q^-1 Z')^-1 Z Q^-1, Q acting across tasks.
        W = R @ inverse
        u = scipy.linalg.cho_solve(factor, np.einsum("ij,ji->i", Z, W[:, task]), check_finite=False)
        pulled = np.stack([Z[task == t].T @ u[task == t] for t in range(n_tasks)], axis=1)
        return W - pulled @ inverse

    return solve


def _conjugate_gradients(
    objective: QuadraticObjective, quadratic: Quadratic, Q: FloatArray
) -> Solve:
    d, n_tasks = objective.shape

    def operate(w: FloatArray) -> FloatArray:
        W = w.reshape(d, n_tasks)
        return (objective.lift(W) + quadratic.apply(W)).ravel()

    precondition: Solve | None = None
    if np.isfinite(direct_size(objective)):
        diagonal = Q.diagonal()
        jitter = 1e-10 * max(objective.loss_lipschitz(), float(diagonal.max()))
        own = _own_factors(objective, diagonal + max(jitter, np.finfo(float).tiny)).solve

        def precondition(r: FloatArray) -> FloatArray:
            return own(r.reshape(d, n_tasks)).ravel()

    return lambda R: _cg(operate, R.ravel(), precondition).reshape(d, n_tasks)


def _cg(operate: Solve, r: FloatArray, precondition: Solve | None = None) -> FloatArray:
    size = r.shape[0]
    A = LinearOperator((size, size), matvec=operate, dtype=np.float64)
    M = None
    if precondition is not None:
        M = LinearOperator((size, size), matvec=precondition, dtype=np.float64)
    return cg(A, r, rtol=_CG_TOL, atol=0.0, maxiter=min(10 * size, _CG_STEPS), M=M)[0]
