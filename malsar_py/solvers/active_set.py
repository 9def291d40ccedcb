"""Working sets around block coordinate descent, for row-separable penalties plus ridge.

Outer rounds: one pass over all features gives the gradient, the certificate and the features most
likely to be active. Inner: the problem over those alone, to a share of the outer gap. How the inner
problem is solved depends on its size: see :func:`_inner_solver`.

T. B. Johnson, C. Guestrin (2015), "Blitz: a principled meta-algorithm for scaling sparse
optimization"; M. Massias, A. Gramfort, J. Salmon (2018), "Celer: a fast solver for the lasso with
dual extrapolation"; Q. Bertrand, M. Massias (2021), "Anderson acceleration of coordinate descent".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..design import Masked, Ragged, Shared
from ..objective import Objective, QuadraticObjective
from ._result import Result
from .accelerated import solve_accelerated

_MOST_ROUNDS = 1000
_FIRST_SET = 10
_INNER_SHARE = 0.02
_INNER_EPOCHS = 1000
_ROUND_EPOCHS = 40
_BLOCK = 64
# Below this many samples loops beat matrix products of skinny blocks.
_LOOP_SAMPLES = 200
_FULL_GRAM = 1500
_MEMORY = 5
_STALLED = 1e-6
_MOST_IDLE = 4
_TIGHT = 1e-9
_POLISH_EPOCHS = 200
_NEWTON_STEPS = 30
_NEWTON_EPOCHS = 20
_NEWTON_REDUCTION = 0.01
_CURVATURE_FLOOR = 1e-4


def solve_active_set(
    objective: Objective, W0: FloatArray, *, tol: float, max_iter: int, verbose: int = 0
) -> Result:
    """Minimise the objective and its row-separable penalty from ``W0`` to a relative gap."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    assert structure is not None and structure.row_code is not None
    n_features, n_tasks = objective.shape
    threshold = structure.row_thresholds(n_features)
    target = tol * objective.scale
    max_iter = min(max_iter, _MOST_ROUNDS)
    W = np.array(W0, dtype=np.float64, order="C")
    history: list[float] = []
    everything = _whole_gram(objective)
    working = np.arange(n_features) if everything else np.flatnonzero(W.any(axis=1))
    size = max(_FIRST_SET, int(np.sqrt(n_features * n_tasks) / 6))
    inner: _Inner | None = None
    share, last_gap, reached = _INNER_SHARE, np.inf, False
    idle = n_iter = 0
    while True:
        n_iter += 1
        certificate, G = objective.full_pass(W)
        gap = certificate.gap
        history.append(certificate.objective)
        if verbose:
            print(
                f"round {n_iter}: {working.size} features, objective {certificate.objective:.9g}, "
                f"gap {gap:.3g}"
            )
        if gap <= target or n_iter >= max_iter:
            break
        violators = 0
        if not everything:
            active = W.any(axis=1)
            if inner is not None and inner.trims and 1.2 * active.sum() < working.size:
                working, inner = np.flatnonzero(active), None
            score = _row_sizes(structure.row_code, G - quadratic.ridge * W) / threshold
            score[working] = -1.0
            violators = int((score > 1.0).sum())
            if violators:
                wanted = max(size, 2 * int(active.sum())) - working.size
                wanted = min(max(wanted, size // 2), 2 * violators + _FIRST_SET)
                wanted = min(wanted, n_features - working.size)
                fresh = np.argpartition(score, -wanted)[-wanted:]
                working = np.concatenate([working, fresh])
                size *= 2
                inner = _inner_solver(objective, working, inner)
        if not violators and reached and gap > 0.3 * last_gap:
            # The inner problem was solved and the gap did not follow: solve it better.
            share *= 0.1
        fell = n_iter == 1 or history[-2] - history[-1] > 1e-15 * history[-1]
        idle = 0 if fell or gap <= 0.9 * last_gap else idle + 1
        if share < _STALLED or idle == _MOST_IDLE:
            break  # rounding allows no more
        last_gap = gap
        if inner is None:
            inner = _inner_solver(objective, working, None)
        goal = 0.5 * target if everything else max(share * gap, 0.3 * target)
        if everything:
            goal *= share / _INNER_SHARE
        W[working], reached = inner.solve(W[working], G[working], threshold[working], goal)
    if gap <= target and tol <= _TIGHT and inner is not None:
        # The gap is quadratic in the error of W: at tight tolerances let W come to rest, too.
        inner.epochs = _POLISH_EPOCHS
        polished = W.copy()
        polished[working] = inner.solve(W[working], G[working], threshold[working], -np.inf)[0]
        certificate, _ = objective.full_pass(polished)
        if certificate.gap <= target:
            W, gap = polished, certificate.gap
            history.append(certificate.objective)
    return Result(W, gap, history, n_iter, gap <= target)


def active_set_fits(objective: Objective) -> bool:
    """Whether the penalty separates over the rows of W, up to a ridge."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    return structure is not None and structure.row_code is not None and quadratic.matrix is None


def _whole_gram(objective: Objective) -> bool:
    """Whether Gram matrices of all features are the cheapest way."""
    if not isinstance(objective, QuadraticObjective):
        return False
    design = objective.design
    if type(design) is Shared:
        # A Gram matrix costs as much as d / (4 T) passes over the features; a working set needs
        # few.
        few = design.n_features <= 8 * design.n_tasks
        return few and design.X.shape[0] >= design.n_features <= _FULL_GRAM
    return isinstance(design, Ragged) and design.prefers_gram()


def _row_sizes(code: int, G: FloatArray) -> FloatArray:
    return np.abs(G).max(axis=1) if code == 1 else np.sqrt(np.einsum("jt,jt->j", G, G))


class _Inner(ABC):
    """Solver of the problem over some features."""

    # Worth shedding the features that turned out to be zero.
    trims = False
    epochs = _INNER_EPOCHS

    @abstractmethod
    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        """Rows of W over the working set, (k, T) in and out, and whether their gap is ``goal``."""


def _inner_solver(objective: Objective, working: IntArray, last: _Inner | None) -> _Inner:
    """Gram matrices while they are small, residuals above, accelerated steps for the rest."""
    design, k = objective.design, working.size
    if not isinstance(objective, QuadraticObjective):
        return _Newton(objective, working)
    if isinstance(design, Masked):
        return _Accelerated(objective, working)
    n_samples = design.X.shape[0]
    shared = isinstance(design, Shared)
    most = n_samples if shared else 2 * n_samples / design.n_tasks
    if k <= most or _whole_gram(objective):
        return _Gram(objective, working, last if isinstance(last, _Gram) else None)
    if shared and n_samples > _LOOP_SAMPLES:
        return _BlockResidual(objective, working)
    return _Residual(objective, working)


class _Gram(_Inner):
    """Block descent on ``rhs - H W``; H grows with the working set."""

    A: FloatArray

    def __init__(self, objective: QuadraticObjective, working: IntArray, last: _Gram | None):
        self.objective = objective
        self.rhs = np.ascontiguousarray(objective.rhs[working].T)
        k = working.size
        if k == objective.shape[0] and _whole_gram(objective):
            self.H = objective.gram()
            return
        known = 0 if last is None else last.A.shape[0]
        self.A = _scaled_columns(objective, working[known:])
        if last is not None:
            self.A = np.concatenate([last.A, self.A])
        segments = _segments(objective)
        self.H = np.empty((len(segments), k, k))
        for t, own in enumerate(segments):
            if last is not None:
                self.H[t, :known, :known] = last.H[t]
            cross = np.dot(self.A[:, own], self.A[known:, own].T)
            self.H[t, :, known:] = cross
            self.H[t, known:, :known] = cross[:known].T

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = _kernel_terms(self.objective)
        W, G = np.ascontiguousarray(W.T), np.ascontiguousarray(G.T)
        scale = self.objective.scale
        gap, epochs = _kernels.descent.gram_descent(
            code, self.H, self.rhs, scale, threshold, ridge, goal, self.epochs, W, G
        )
        return W.T, gap <= goal or epochs < self.epochs


class _Residual(_Inner):
    """Block descent with residuals: more features than a Gram matrix pays for."""

    trims = True
    epochs = _ROUND_EPOCHS

    def __init__(self, objective: QuadraticObjective, working: IntArray):
        self.objective = objective
        self.rhs = np.ascontiguousarray(objective.rhs[working].T)
        self.A = _scaled_columns(objective, working)
        root = np.sqrt(objective.c)
        self.y = objective.theta0 / np.where(root > 0.0, root, 1.0)
        self.segments = _segments(objective)
        norms = [np.einsum("ji,ji->j", self.A[:, own], self.A[:, own]) for own in self.segments]
        self.h = np.ascontiguousarray(np.broadcast_to(np.stack(norms), self.rhs.shape))

    def residual(self, W: FloatArray) -> FloatArray:
        """Flat scaled residuals at W (T, k)."""
        if len(self.segments) < W.shape[0]:
            return self.y - np.dot(W, self.A).ravel()
        R = self.y.copy()
        for t, own in enumerate(self.segments):
            R[own] -= W[t] @ self.A[:, own]
        return R

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = _kernel_terms(self.objective)
        W = np.ascontiguousarray(W.T)
        R = self.residual(W)
        starts = _starts(self.objective)
        gap, epochs = _kernels.descent.residual_descent(
            code,
            self.A,
            starts,
            self.objective.design.offsets,
            self.h,
            self.rhs,
            self.objective.scale,
            threshold,
            ridge,
            goal,
            self.epochs,
            W,
            R,
        )
        return W.T, gap <= goal or epochs < self.epochs


class _BlockResidual(_Residual):
    """One X: blocks of rows by matrix products, cyclic inside a block by its Gram matrix."""

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = _kernel_terms(self.objective)
        W = np.ascontiguousarray(W.T)
        n_tasks, k = W.shape
        R = self.residual(W).reshape(n_tasks, -1)
        scratch = [np.empty(n_tasks) for _ in range(3)]
        blocks = []
        for start in range(0, k, _BLOCK):
            rows = slice(start, min(start + _BLOCK, k))
            A = self.A[rows]
            blocks.append((rows, A, np.dot(A, A.T)[None], threshold[rows]))

        def gap_at(W: FloatArray, R: FloatArray) -> tuple[float, float]:
            return _kernels.descent.restricted_gap(
                code,
                threshold,
                ridge,
                self.objective.scale,
                self.rhs,
                W,
                np.dot(R, self.A.T),
            )

        past: list[tuple[FloatArray, FloatArray]] = []
        for n_epoch in range(1, self.epochs + 1):
            past.append((W.copy(), R.copy()))
            for rows, A, H, tau in blocks:
                gradient = np.dot(R, A.T)
                old = W[:, rows]
                new = old.copy()
                if _kernels.descent.gram_epoch(code, H, tau, ridge, new, gradient, *scratch):
                    R -= np.dot(new - old, A)
                    W[:, rows] = new
            if n_epoch % _MEMORY == 0:
                past.append((W, R))
                primal, gap = gap_at(W, R)
                if gap <= goal:
                    return W.T, True
                trial = _extrapolate(past)
                past = []
                if trial is not None and gap_at(*trial)[0] < primal:
                    W, R = trial
        return W.T, False


def _extrapolate(
    past: list[tuple[FloatArray, FloatArray]],
) -> tuple[FloatArray, FloatArray] | None:
    """Anderson's combination of iterates and of what is affine in them; None if degenerate."""
    U = np.stack([(after[0] - before[0]).ravel() for before, after in pairwise(past)])
    A = U @ U.T
    A[np.diag_indices_from(A)] += 1e-12 * np.trace(A)
    try:
        x = np.linalg.solve(A, np.ones(A.shape[0]))
    except np.linalg.LinAlgError:
        return None
    if not abs(x.sum()) > 0.0:
        return None
    x /= x.sum()
    W, R = (sum(c * p[i] for c, p in zip(x, past[1:], strict=True)) for i in (0, 1))
    return W, R


class _Newton(_Inner):
    """Proximal Newton for other losses: descent on the quadratic model, then a line search."""

    def __init__(self, objective: Objective, working: IntArray):
        self.objective = objective.restrict(working)
        self.A = np.ascontiguousarray(self.objective.design.X.T)

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        objective = self.objective
        code, ridge = _kernel_terms(objective)
        offsets, starts = objective.design.offsets, _starts(objective)
        for _ in range(_NEWTON_STEPS):
            z = objective.design.predict(W)
            certificate, theta = objective.certificate_and_theta(W, z)
            if certificate.gap <= goal:
                return W, True
            D = objective.loss.second_derivative(objective.y, theta, objective.c)
            np.maximum(D, _CURVATURE_FLOOR * objective.c, out=D)
            U = theta.copy()
            new = np.ascontiguousarray(W.T)
            _kernels.descent.newton_descent(
                code,
                self.A,
                starts,
                offsets,
                D,
                threshold,
                ridge,
                objective.fit_intercept,
                _NEWTON_REDUCTION,
                _NEWTON_EPOCHS,
                new,
                U,
            )
            dz = np.divide(theta - U, D, out=np.zeros_like(D), where=D > 0.0)
            dW = new.T - W
            step, value = 1.0, np.inf
            while step > 1e-6:
                trial = W + step * dW
                value = objective.value_at(trial, z + step * dz)
                if value <= certificate.objective:
                    break
                step *= 0.5
            if value > certificate.objective:
                return W, True  # rounding: no descent left
            W = trial
        return W, False


class _Accelerated(_Inner):
    """The restricted problem by accelerated proximal gradient: any loss, any design."""

    def __init__(self, objective: Objective, working: IntArray):
        self.objective = objective.restrict(working)

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        tol = goal / self.objective.scale
        result = solve_accelerated(self.objective, W, tol=tol, max_iter=_INNER_EPOCHS)
        return result.W, result.converged


def _kernel_terms(objective: Objective) -> tuple[int, float]:
    structure = objective.penalty.structure
    assert structure is not None and structure.row_code is not None
    return structure.row_code, objective.penalty.quadratic.ridge


def _segments(objective: Objective) -> list[slice]:
    """Where each task's samples lie in a row of ``_scaled_columns``: one place if X is shared."""
    design = objective.design
    if isinstance(design, Shared):
        return [slice(0, design.X.shape[0])]
    return [slice(a, b) for a, b in pairwise(design.offsets.tolist())]


def _starts(objective: Objective) -> IntArray:
    """First sample of each task in such a row: all at 0 if X is shared."""
    offsets = objective.design.offsets[:-1]
    return np.zeros_like(offsets) if isinstance(objective.design, Shared) else offsets


def _scaled_columns(objective: QuadraticObjective, features: IntArray) -> FloatArray:
    """``sqrt(c) (x - mean)``, one feature a row: Gram matrices are its products with itself."""
    A = np.ascontiguousarray(objective.design.X[:, features].T)
    c = objective.c[: A.shape[1]]
    if objective.fit_intercept:
        for own in _segments(objective):
            A[:, own] -= (A[:, own] @ c[own] / c[own].sum())[:, None]
    A *= np.sqrt(c)
    return A
