"""Direct solutions for the squared loss with a purely quadratic penalty.

With ``H_t`` the (centred) weighted Gram matrix and ``R`` the right-hand side, W solves ``H_t w_t +
sum_u Q_tu w_u = R_t`` for all tasks. Which elimination is cheapest depends on what the tasks share:

* the same H for all tasks: diagonalise H and Q, nothing left to solve;
* exchangeable tasks (mean regularisation, complete graph): T factorisations and one d x d system;
* few coefficients: one dense system; else conjugate gradients preconditioned by the tasks' own
  factors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from .._linalg import solve_psd
from .._typing import FloatArray
from ..design import Shared
from ..objective import QuadraticObjective
from ._result import Result
from ._workspace import Workspace

_DENSE_SIZE = 1500
_GRAM_NUMBERS = 2.5e7
_KERNEL_SIZE = 3000
_REFINEMENTS = 3


def closed_form_fits(objective: QuadraticObjective) -> bool:
    """Whether a direct solution is cheaper than iterating: small Gram or kernel matrices."""
    n_features, n_tasks = objective.shape
    n_samples = objective.design.X.shape[0]
    return (
        _common_gram(objective)
        or n_tasks * n_features**2 <= _GRAM_NUMBERS
        or (n_samples <= _KERNEL_SIZE and objective.quadratic.null_basis(n_tasks) is None)
    )


def solve_closed_form(
    objective: QuadraticObjective, *, tol: float, workspace: Workspace | None = None
) -> Result:
    """Solve the normal equations, refining while the certificate misses ``tol`` and it helps."""
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    solve = _factorize(objective, workspace)
    target = tol * objective.scale
    W = solve(objective.rhs)
    best = objective.final_certificate(W)
    history = [best.objective]
    n_iter = 1
    while best.gap > target and n_iter <= _REFINEMENTS:
        residual = objective.rhs - objective.lift(W) - objective.quadratic.apply(W)
        refined = W + solve(residual)
        certificate = objective.final_certificate(refined)
        n_iter += 1
        if not certificate.gap < best.gap:
            break
        W, best = refined, certificate
        history.append(best.objective)
    return Result(np.ascontiguousarray(W), best, history, n_iter, best.gap <= target)


Solve = Callable[[FloatArray], FloatArray]


def _factorize(objective: QuadraticObjective, workspace: Workspace) -> Solve:
    n_features, n_tasks = objective.shape
    quadratic = objective.quadratic
    if _common_gram(objective):
        if workspace.eigen is None:
            values, vectors = scipy.linalg.eigh(objective.gram()[0], check_finite=False)
            workspace.eigen = values, vectors
        h, U = workspace.eigen
        return _common(h, U, quadratic.dense(n_tasks))
    if quadratic.matrix is None and quadratic.ridge == 0.0:
        gram = objective.gram()
        return lambda R: np.stack([solve_psd(H, r) for H, r in zip(gram, R.T, strict=True)], axis=1)
    n_samples = objective.design.X.shape[0]
    if (
        n_samples < n_features
        and n_samples <= _KERNEL_SIZE
        and quadratic.null_basis(n_tasks) is None
    ):
        return _kernel(objective)
    if n_tasks * n_features**2 <= _GRAM_NUMBERS:
        Q = quadratic.dense(n_tasks)
        exchange = _exchangeable(Q)
        if exchange is not None and exchange[0] > 0.0:
            return _mean(objective.gram(), *exchange, rest=quadratic.smallest)
        if n_features * n_tasks <= _DENSE_SIZE:
            return _dense(objective.gram(), Q)
    return _conjugate_gradients(objective)


def _common_gram(objective: QuadraticObjective) -> bool:
    return type(objective.design) is Shared and objective.shape[0] ** 2 <= _GRAM_NUMBERS


def _common(h: FloatArray, U: FloatArray, Q: FloatArray) -> Solve:
    a, P = scipy.linalg.eigh(Q, check_finite=False)
    denominator = np.maximum(h, 0.0)[:, None] + np.maximum(a, 0.0)[None, :]
    kept = denominator > denominator.max(initial=0.0) * denominator.size * np.finfo(float).eps
    weight = np.divide(1.0, denominator, out=np.zeros_like(denominator), where=kept)
    return lambda R: U @ (weight * (U.T @ R @ P)) @ P.T


def _exchangeable(Q: FloatArray) -> tuple[float, float] | None:
    """(p, q) if ``Q = p I - q 11'``."""
    q = -Q[0, -1] if Q.shape[0] > 1 else 0.0
    p = Q[0, 0] + q
    same = np.allclose(Q, p * np.eye(Q.shape[0]) - q, rtol=1e-14, atol=1e-14 * abs(p))
    return (float(p), float(q)) if same else None


def _mean(gram: FloatArray, p: float, q: float, rest: float) -> Solve:
    # w_t = A_t^-1 (R_t + q s), A_t = H_t + p I, with s the sum of all w. I - q sum A_t^-1 is
    # written with p A_t^-1 = I - A_t^-1 H_t and rest = p - q T: no cancellation when the coupling
    # is strong.
    n_features = gram.shape[1]
    identity = np.eye(n_features)
    factors = np.linalg.inv(gram + p * identity)
    shares = factors @ gram
    system = (rest / p) * identity + (q / p) * shares.sum(axis=0)
    system = 0.5 * (system + system.T)

    def solve(R: FloatArray) -> FloatArray:
        own = np.einsum("tij,jt->it", factors, R)
        total = solve_psd(system, own.sum(axis=1))
        return own + q * np.einsum("tij,j->it", factors, total)

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


def _kernel(objective: QuadraticObjective) -> Solve:
    """Fewer samples than features: one system over the samples, ``K o Q^-1 + diag(1/c)``."""
    design, n_tasks = objective.design, objective.shape[1]
    inverse = np.linalg.inv(objective.quadratic.dense(n_tasks))
    sizes = np.diff(design.offsets)
    task = np.repeat(np.arange(n_tasks), sizes)
    root = np.sqrt(objective.c)[:, None]
    X = design.X if design.X.shape[0] == task.shape[0] else np.tile(design.X, (n_tasks, 1))
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


def _conjugate_gradients(objective: QuadraticObjective) -> Solve:
    d, n_tasks = objective.shape
    quadratic = objective.quadratic
    diagonal = quadratic.dense(n_tasks).diagonal()

    def operate(w: FloatArray) -> FloatArray:
        W = w.reshape(d, n_tasks)
        return (objective.lift(W) + quadratic.apply(W)).ravel()

    if n_tasks * d**2 <= _GRAM_NUMBERS:
        gram = objective.gram()
        jitter = 1e-10 * max(
            float(np.trace(gram, axis1=1, axis2=2).max()) / d, np.finfo(float).tiny
        )
        factors = np.linalg.inv(gram + (diagonal + jitter)[:, None, None] * np.eye(d))

        def precondition(r: FloatArray) -> FloatArray:
            return np.einsum("tij,jt->it", factors, r.reshape(d, n_tasks)).ravel()
    else:

        def precondition(r: FloatArray) -> FloatArray:
            return r

    size = d * n_tasks
    A = LinearOperator((size, size), matvec=operate, dtype=np.float64)
    M = LinearOperator((size, size), matvec=precondition, dtype=np.float64)

    def solve(R: FloatArray) -> FloatArray:
        w, _ = cg(A, R.ravel(), rtol=1e-12, atol=0.0, maxiter=10 * size, M=M)
        return w.reshape(d, n_tasks)

    return solve
