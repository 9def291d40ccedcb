"""The linear systems behind quadratic problems: ``H_t w_t + sum_u Q_tu w_u = r_t`` for all tasks.

``H_t`` is the (centred) weighted Gram matrix of task t, ``Q`` the quadratic of a penalty. Which
elimination is cheapest depends on what the tasks share:

* the same H for all tasks: diagonalise H and Q, nothing left to solve;
* tasks that do not meet in Q: one factorisation each, of n_features or n_samples equations,
  whichever are fewer;
* exchangeable tasks (mean regularisation, complete graph): the same and one system for their mean;
* intercepts that tie the tasks: a correction of rank one to the systems of the tasks without them;
* tasks along a chain or a tree: elimination from its leaves on;
* very few coefficients or samples: one dense system; else conjugate gradients preconditioned by the
  tasks' own factors.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.linalg

from .. import _kernels
from .._linalg import conjugate_gradients, is_uneven, psd_solver, solve_psd, sum_solver
from .._typing import FloatArray, IntArray
from ..design import Ragged
from ..objective import Objective, Quadratic, QuadraticObjective
from ..rotated import RotatedObjective
from ._eigenbases import Factors, spectral_factors
from ._trees import tree_of, tree_solver, trees_pay
from ._workspace import Workspace

Solve = Callable[[FloatArray], FloatArray]

# Eigenbasis of a shared X up to this size.
_EIGEN_SIZE = 3000
_DENSE_SIZE = 200
_KERNEL_SIZE = 600
# Gram matrices up to this size are inverted together, about so many numbers at once. (Of 139 that
# took .3 ms instead of .8 for d = 8, 2.1 instead of 2.0 for 20, 3.4 instead of 1.9 for 27.)
_SMALL, _BATCH = 16, 500_000
# Operations for one task that are fewer than a call of LAPACK costs.
_SMALL_WORK = 50_000
# The system for the mean of all tasks is factorized up to this size, iterated above.
_COMMON_SIZE = 1000
# Numbers in all tasks' factors: this many, or as many as X has.
_FACTOR_NUMBERS = 2.5e7
_CG_TOL = 1e-12
_CG_STEPS = 2000


def direct_size(objective: Objective) -> float:
    """Numbers to be kept by :func:`factorize`; inf where it would not pay."""
    design = objective.design
    if design.same_weights and isinstance(objective, QuadraticObjective):
        rank = min(design.n_rows, design.n_features)
        return float(rank**2) if rank <= _EIGEN_SIZE else np.inf
    size = _factor_numbers(objective)
    return size if size <= max(_FACTOR_NUMBERS, design.size) else np.inf


def factorize(
    objective: QuadraticObjective | RotatedObjective,
    quadratic: Quadratic,
    workspace: Workspace,
    *,
    iterate: bool = True,
) -> Solve | None:
    """A function from right-hand sides R to solutions W, both (n_features, n_tasks).

    None if that would take iterations and ``iterate`` is False.
    """
    if isinstance(objective, RotatedObjective):  # (tasks that share X and weights do not meet)
        return _diagonal(objective, quadratic)
    solve = _without_tie(objective, quadratic, workspace, iterate)
    if solve is None or objective.tie is None:
        return solve
    return objective.hessian.tied(solve)


def _without_tie(
    objective: QuadraticObjective, quadratic: Quadratic, workspace: Workspace, iterate: bool
) -> Solve | None:
    """The same without what tasks share in their intercepts."""
    n_features, n_tasks = objective.shape
    if objective.design.same_weights and np.isfinite(direct_size(objective)):
        unpenalised = not quadratic.coupled and quadratic.ridge == 0.0
        if unpenalised and objective.design.prefers_gram() and is_uneven(objective.gram()[0]):
            return psd_solver(objective.gram()[0])
        if workspace.rotated is None:
            workspace.rotated = RotatedObjective(objective)
        rotated = workspace.rotated
        alike = _exchangeable(quadratic)
        if alike is not None:
            return _diagonal_mean(rotated, *alike)
        inner = _diagonal(rotated, quadratic)
        return lambda R: rotated.back(inner(rotated.into(R)))
    if not quadratic.coupled:
        if quadratic.ridge == 0.0:
            return _least_norm(objective)
        return _own_factors(objective, np.full(n_tasks, quadratic.ridge), workspace).solve
    alike = _exchangeable(quadratic)
    if alike is not None and (iterate or not _few_samples(objective)):
        return _mean(objective, *alike, workspace)
    Q = quadratic.dense(n_tasks)
    if n_features * n_tasks <= _DENSE_SIZE:
        return _dense(_grams(objective), Q)
    tree = tree_of(Q) if trees_pay(n_features, n_tasks) else None
    if tree is not None:
        return tree_solver(_grams(objective), Q, tree, _inverse)
    return _of_any_graph(objective, quadratic, Q, workspace, iterate)


def _of_any_graph(
    objective: QuadraticObjective,
    quadratic: Quadratic,
    Q: FloatArray,
    workspace: Workspace,
    iterate: bool,
) -> Solve | None:
    """The same where tasks meet in any way."""
    n_tasks = objective.shape[1]
    few = objective.design.rows_are_arrays and objective.design.offsets[-1] <= _KERNEL_SIZE
    if few and _few_samples(objective) and quadratic.null_basis(n_tasks) is None:
        return _kernel(objective, Q)
    return _conjugate_gradients(objective, quadratic, Q, workspace) if iterate else None


def _few_samples(objective: Objective) -> bool:
    """Whether tasks with rows of their own have fewer of them than there are features."""
    return not objective.design.one_x and not objective.design.prefers_gram()


def _factor_numbers(objective: Objective) -> float:
    if _few_samples(objective):
        return float(np.square(np.diff(objective.design.offsets).astype(float)).sum())
    return float(objective.shape[1]) * objective.shape[0] ** 2


def _diagonal(rotated: RotatedObjective, quadratic: Quadratic) -> Solve:
    """H is diagonal: Q is diagonalised too, and what neither sees is left at zero."""
    if not quadratic.coupled:
        weight = _inverse_diagonal(rotated.h, quadratic.ridge)
        return lambda R: weight * R
    a, P = scipy.linalg.eigh(quadratic.dense(rotated.shape[1]), check_finite=False)
    weight = _inverse_diagonal(rotated.h, np.maximum(a, 0.0))
    return lambda R: (weight * (R @ P)) @ P.T


def _diagonal_mean(rotated: RotatedObjective, coupling: float, ridge: float) -> Solve:
    """Exchangeable tasks: their mean and what each adds to it."""
    of_mean = _inverse_diagonal(rotated.h, ridge)
    of_own = _inverse_diagonal(rotated.h, coupling + ridge)

    def solve(R: FloatArray) -> FloatArray:
        Z = rotated.into(R)
        mean = Z.mean(axis=1, keepdims=True)
        # The mean is one column until the end: a product of equal columns need not have equal ones.
        return rotated.back(of_mean * mean) + rotated.back(of_own * (Z - mean))

    return solve


def _inverse_diagonal(h: FloatArray, a: FloatArray | float) -> FloatArray:
    """``1 / (h + a)``, 0 where that is rounding; h (d, 1), a (T,) or a number."""
    denominator = h + a
    rounding = denominator.size * np.finfo(float).eps
    kept = denominator > (h.max(initial=0.0) + a) * rounding
    return np.divide(1.0, denominator, out=np.zeros_like(denominator), where=kept)


def _grams(objective: QuadraticObjective) -> FloatArray:
    """One Gram matrix per task, be they the same."""
    gram = objective.gram()
    return np.broadcast_to(gram, (objective.shape[1], *gram.shape[1:]))


def _least_norm(objective: QuadraticObjective) -> Solve:
    gram = _grams(objective)
    return lambda R: np.stack([solve_psd(H, r) for H, r in zip(gram, R.T, strict=True)], axis=1)


class _GramFactors(Factors):
    """``(H_t + shift_t I)^-1`` of each task, kept as multiples of ``1 / scale``."""

    def __init__(self, objective: QuadraticObjective, shifts: FloatArray):
        self.gram = _grams(objective)
        n_tasks, d = self.gram.shape[:2]
        largest = np.einsum("tjj->tj", self.gram).max(initial=0.0)
        self.scale = _scale(largest, shifts)
        # One task after the other, or a few hundred small ones at once.
        self._step = max(1, _BATCH // (d * d)) if d <= _SMALL else 1
        self.inverses = np.empty((n_tasks, d, d))
        if self._step == 1:
            for H, shift, out in zip(self.gram, shifts / self.scale, self.inverses, strict=True):
                np.divide(H, self.scale, out=out)
                out.reshape(-1)[:: d + 1] += shift
                out[...] = _inverse(out)
            return
        for some in self._batches():
            A = self.gram[some] / self.scale
            np.einsum("tjj->tj", A)[...] += shifts[some, None] / self.scale
            self.inverses[some] = _inverses(A)

    def _batches(self) -> list[slice]:
        starts = range(0, self.gram.shape[0], self._step)
        return [slice(start, start + self._step) for start in starts]

    def scaled(self, R: FloatArray) -> FloatArray:
        out = np.empty(R.shape)
        _kernels.blocks.gram_product(self.inverses, np.ascontiguousarray(R), out)
        return out

    def common(self, coupling: float, rest: float) -> Solve:
        n_tasks, d = self.gram.shape[:2]
        total = np.zeros((d, d))
        for some in self._batches():
            # Both are symmetric: one product sums over the tasks.
            total += self.inverses[some].reshape(-1, d).T @ self.gram[some].reshape(-1, d)
        total *= 0.5 * coupling / n_tasks
        return sum_solver(rest * np.eye(d) + total + total.T)


class _KernelFactors(Factors):
    """The same for few rows, by ``K_t = Z_t Z_t'`` where ``H_t = Z_t'Z_t``.

    With ``K_t + shift_t I = L_t L_t'`` and ``V_t = L_t^-1 Z_t`` the inverses are ``(I - V_t'V_t) /
    shift_t``, and ``V_t'V_t`` is each of them times H_t.
    """

    def __init__(self, objective: QuadraticObjective, shifts: FloatArray):
        offsets = objective.design.offsets
        self.shifts = shifts
        Z = objective.hessian.scaled_rows()
        self.scale = _scale(np.einsum("ij,ij->i", Z, Z).max(initial=0.0), shifts)
        _whiten(Z, offsets, shifts, self.scale)
        self.whitened = Ragged(Z, offsets)

    def scaled(self, R: FloatArray) -> FloatArray:
        pulled = self.whitened.twice(R) / self.scale
        return (R - pulled) / (self.shifts / self.scale)

    def common(self, coupling: float, rest: float) -> Solve:
        V, share = self.whitened.X, coupling / self.shifts.shape[0]
        n_rows, d = V.shape
        if d <= min(n_rows, _COMMON_SIZE):
            return sum_solver(rest * np.eye(d) + share * (V.T @ V))
        return lambda r: _cg(lambda s: rest * s + share * (V.T @ (V @ s)), r)


class _ProductFactors(Factors):
    """The same by products with X alone, which is sparse: ``V_t`` would be dense.

    With ``B_t = Z_t' ((K_t + shift_t I) / scale)^-1 Z_t`` the inverses are ``(I - B_t / scale) /
    shift_t``.
    """

    def __init__(self, objective: QuadraticObjective, shifts: FloatArray):
        design, c, centered = objective.design, objective.c, objective.fit_intercept
        self.shifts = shifts
        self.rows = [design.scaled_task(t, c, centered) for t in range(design.n_tasks)]
        kernels = [Z @ Z.T for Z in self.rows]
        largest = max(float(K.diagonal().max(initial=0.0)) for K in kernels)
        self.scale = _scale(largest, shifts)
        pairs = zip(kernels, shifts.tolist(), strict=True)
        self.solves = [psd_solver((K + s * np.eye(len(K))) / self.scale) for K, s in pairs]

    def _within(self, t: int, r: FloatArray) -> FloatArray:
        Z = self.rows[t]
        return (Z.T @ self.solves[t](Z @ r[:, None]))[:, 0]

    def scaled(self, R: FloatArray) -> FloatArray:
        pulled = np.stack([self._within(t, r) for t, r in enumerate(R.T)], axis=1)
        return (R - pulled / self.scale) / (self.shifts / self.scale)

    def common(self, coupling: float, rest: float) -> Solve:
        n_tasks = self.shifts.shape[0]

        def operate(s: FloatArray) -> FloatArray:
            within = sum(self._within(t, s) for t in range(n_tasks))
            return rest * s + (coupling / n_tasks) * within

        return lambda r: _cg(operate, r)


def _scale(largest: float, shifts: FloatArray) -> float:
    """A unit in which neither the curvature nor the shifts leave the range of floats."""
    return max(largest, float(shifts.max(initial=0.0)), np.finfo(float).tiny)


def _whiten(Z: FloatArray, offsets: IntArray, shifts: FloatArray, scale: float) -> None:
    """``L_t^-1 Z_t`` in place, with ``L_t L_t' = (Z_t Z_t' + shift_t I) / scale``.

    (Pages of another array would take as long as the work.)
    """
    if Z.size * Z.shape[0] < _SMALL_WORK * shifts.shape[0] ** 2:
        _kernels.blocks.whiten(Z, offsets, shifts, scale, Z)
        return
    for shift, (start, stop) in zip(shifts, pairwise(offsets.tolist()), strict=True):
        own = Z[start:stop]
        K = (own @ own.T) / scale
        K[np.diag_indices_from(K)] += shift / scale
        factor, failed = scipy.linalg.lapack.dpotrf(K, lower=1)
        if failed:  # rounding: the shift is next to nothing
            values, Q = scipy.linalg.eigh(K, check_finite=False)
            least = max(shift / scale, 1e-300)
            own[...] = (Q / np.sqrt(np.maximum(values, least))).T @ own
        else:
            own[...] = scipy.linalg.blas.dtrsm(1.0, factor, own, lower=1)


def _own_factors(
    objective: QuadraticObjective, shifts: FloatArray, workspace: Workspace
) -> Factors:
    if _few_samples(objective) and (shifts > 0.0).all():
        if not objective.design.rows_are_arrays:
            return _ProductFactors(objective, shifts)
        return _KernelFactors(objective, shifts)
    found = spectral_factors(_grams(objective), shifts, workspace)
    return _GramFactors(objective, shifts) if found is None else found


def _inverses(A: FloatArray) -> FloatArray:
    """Inverses of small positive definite matrices, together where rounding leaves them regular."""
    try:
        pivots = np.einsum("tjj->tj", np.linalg.cholesky(A))
    except np.linalg.LinAlgError:
        pivots = np.zeros(A.shape[:2])
    rounding = A.shape[1] * np.finfo(float).eps
    if (np.square(pivots).min(axis=1) > rounding * np.einsum("tjj->tj", A).max(axis=1)).all():
        half = 0.5 * np.linalg.inv(A)
        return half + half.transpose(0, 2, 1)
    return np.stack([_inverse(own) for own in A])


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


def _exchangeable(quadratic: Quadratic) -> tuple[float, float] | None:
    """Strengths (> 0, >= 0) of the distances to the mean and of the ridge, if there is no more."""
    Q = quadratic.matrix
    if Q is None:
        return (quadratic.mean, quadratic.ridge) if quadratic.coupled else None
    n_tasks = Q.shape[0]
    q = -Q[0, -1] if n_tasks > 1 else 0.0
    p = Q[0, 0] + q
    if q <= 0.0 or not np.allclose(Q, p * np.eye(n_tasks) - q, rtol=1e-14, atol=1e-14 * abs(p)):
        return None
    return float(q * n_tasks), float(quadratic.smallest)


def _mean(
    objective: QuadraticObjective, coupling: float, ridge: float, workspace: Workspace
) -> Solve:
    """``w_t = A_t^-1 (r_t + coupling m)`` with ``A_t = H_t + (coupling + ridge) I``, m their mean.

    Averaged over the tasks that is a system for m alone. It is written with
    ``A_t^-1 (H_t + ridge I) = I - coupling A_t^-1``, which does not cancel when the coupling is
    strong, and in a unit that keeps it in range when it is extreme.
    """
    p = min(coupling + ridge, np.finfo(float).max)
    factors = _own_factors(objective, np.full(objective.shape[1], p), workspace)
    common = factors.common(coupling / p, ridge * (factors.scale / p))

    def solve(R: FloatArray) -> FloatArray:
        return factors.solve_with(R, coupling * common(factors.mean(R)))

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
    task = np.repeat(np.arange(n_tasks), np.diff(design.offsets))
    # Symmetric form: with Z = sqrt(c) X the system is (I + (ZZ') o Q^-1) u = rhs in u = theta /
    # sqrt(c).
    Z = objective.hessian.scaled_rows()
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
    objective: QuadraticObjective, quadratic: Quadratic, Q: FloatArray, workspace: Workspace
) -> Solve:
    d, n_tasks = objective.shape

    def operate(w: FloatArray) -> FloatArray:
        W = w.reshape(d, n_tasks)
        return (objective.lift_each(W) + quadratic.apply(W)).ravel()

    precondition: Solve | None = None
    if np.isfinite(direct_size(objective)):
        diagonal = Q.diagonal()
        jitter = 1e-10 * max(objective.loss_lipschitz(), float(diagonal.max()))
        shifts = diagonal + max(jitter, np.finfo(float).tiny)
        own = _own_factors(objective, shifts, workspace).solve

        def precondition(r: FloatArray) -> FloatArray:
            return own(r.reshape(d, n_tasks)).ravel()

    return lambda R: _cg(operate, R.ravel(), precondition).reshape(d, n_tasks)


def _cg(operate: Solve, r: FloatArray, precondition: Solve | None = None) -> FloatArray:
    steps = min(10 * r.shape[0], _CG_STEPS)
    return conjugate_gradients(operate, r, precondition, left=_CG_TOL, steps=steps)
