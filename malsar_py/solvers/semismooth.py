"""Norms of residuals at their kinks: proximal points, each by a semismooth Newton dual ascent.

With ``A_t w_t`` the weighted, centred predictions of task t, ``z_t`` its residual and ``rho_t`` the
slope of its loss, the proximal point step from (W, z) is

    min_{W+, z+}  sum_t rho_t ||z+_t|| + Omega(W+) + ||W+ - W||^2 / (2 sigma)
                  + sum_t ||z+_t - z_t||^2 / (2 s_t)      with z+_t = y_t - A_t w+_t.

Its dual in the multipliers u is smooth and without constraints: z+ and W+ are the shrunken
``z + s u`` and ``W + sigma A'u``, its gradient is ``y - z+ - A W+``, which Newton's method brings
to zero in a few steps. The systems have one block per task and one term per active feature that
couples them. Residuals of interpolated tasks become exactly zero, and ``(z + s u - z+) / s`` is a
dual point. The steps get longer, so the points converge superlinearly.

P. Tang, C. Wang, D. Sun, K.-C. Toh (2020), "A sparse semismooth Newton based proximal
majorization-minimization algorithm for nonconvex square-root-loss regression problems".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from .._typing import FloatArray, IntArray
from ..design import Shared
from ..objective import Objective
from ._residuals import residual, spread, task_norms, task_radii
from ._result import Result

_MOST_SETS = 100
_FIRST_SET, _SPARE = 10, 10
# Gap over a working set to aim for, as a share of the one over all features.
_SHARE = 0.1
# Newton steps of a point: at most so many, and up to how many the proximal steps grow; by what
# factor, and what they are shortened to after a point that was not reached.
_MOST_NEWTON, _FEW = 30, 6
_GROWTH, _SHORTER = 5.0, 0.04
# A point is good enough when what is left of its equations is this share of its move, and of the
# move before.
_INEXACT = 0.03
# Points, or working sets, without half the gap before rounding is blamed.
_MOST_IDLE = 12
# A line search leaves at most this share of the slope.
_LEFT = 0.3
_MOST_TRIALS = 30
# Where a residual vanishes its task's block may be singular: this share of the step is added,
# less as the equations are met.
_DAMPING = 1e-4
# Share of the diagonal that is added in any case; more where Cholesky's factorisation fails.
_LEAST_PIVOT, _MORE = 1e-13, 100.0
# Scaled copies of a shared X are kept for all tasks up to so many numbers.
_COPIES = 2e7


def solve_semismooth(
    objective: Objective, W0: FloatArray, *, tol: float, max_iter: int, verbose: int = 0
) -> Result:
    """Minimise a square-root loss with its penalty from ``W0`` to a relative gap of ``tol``.

    The penalty is L2,1, a ridge, or both; ``max_iter`` bounds the proximal points. They are taken
    over working sets of features.
    """
    structure = objective.penalty.structure
    n_features = objective.shape[0]
    threshold = np.zeros(n_features)
    if structure is not None:
        threshold = structure.row_thresholds(n_features)
    sparse = bool(threshold.any())
    radii, root = task_radii(objective), np.sqrt(objective.c)
    target = tol * objective.scale
    W = np.array(W0, dtype=np.float64, order="C")
    r = residual(objective, W)
    own = task_norms(objective, r)
    slope = np.divide(radii, own, out=np.zeros_like(own), where=own > 0.0)
    z, u = root * r, root * r * spread(objective, slope)
    working = np.flatnonzero(W.any(axis=1)) if sparse else np.arange(n_features)
    size = max(_FIRST_SET, int(np.diff(objective.design.offsets).max()))
    share = _SHARE
    history: list[float] = []
    best: Result | None = None
    steps: _Steps | None = None
    n_iter = idle = 0
    for _ in range(_MOST_SETS):
        loss = float(radii @ task_norms(objective, residual(objective, W)))
        intercepts = objective.b.copy()
        found, G = objective.certify_with(W, loss, root * u)
        found = replace(found, intercepts=intercepts)
        history.append(found.objective)
        idle = 0 if best is None or found.gap < 0.5 * best.gap else idle + 1
        if best is None or found.gap < best.gap:
            best = Result(W, found, history, n_iter, found.gap <= target)
        if verbose:
            print(
                f"proximal point {n_iter}: {working.size} features, objective "
                f"{found.objective:.9g}, gap {found.gap:.3g}"
            )
        if best.converged or n_iter >= max_iter or idle == _MOST_IDLE:
            break
        if sparse:
            last, working = working, _grow(working, size, W, G, threshold)
            size *= 2
            share = 0.1 * share if working is last else _SHARE
        part = _Part(objective, working, threshold[working], radii)
        steps = part.first_steps() if steps is None else steps
        start = W[working], part.enter(z), part.enter(u)
        goal = max(share * best.gap, 0.3 * target)
        Wk, z, u, n_points = part.solve(*start, steps, goal, max_iter - n_iter)
        W = np.zeros_like(W)
        W[working] = Wk
        z, u = part.leave(z), part.leave(u)
        n_iter += n_points
    assert best is not None
    if history[-1] != best.certificate.objective:
        history.append(best.certificate.objective)
    return replace(best, n_iter=max(n_iter, 1))


def _grow(
    working: IntArray, size: int, W: FloatArray, G: FloatArray, threshold: FloatArray
) -> IntArray:
    """The working set with up to ``size`` of the features that violate most, less many zeros."""
    sizes = np.sqrt(np.einsum("jt,jt->j", G, G)) / threshold
    sizes[working] = -1.0
    violators = int(np.count_nonzero(sizes > 1.0))
    if not violators:
        return working
    wanted = min(size, violators + _SPARE, int(np.count_nonzero(sizes >= 0.0)))
    active = W[working].any(axis=1)
    if working.size > 2 * np.count_nonzero(active) + wanted:
        working = working[active]
    fresh = np.argpartition(sizes, -wanted)[-wanted:]
    return np.concatenate([working, np.sort(fresh)])


class _Equations:
    """One task's samples as equations ``y = A w + z`` for k features, (m, k) and (m,).

    The samples (those that count) are scaled by the roots of their weights. A reflection turns the
    direction of the intercept into the first equation, which is emptied; of more samples than
    features only their triangular factor is left. ``keep``: hold A, do not make it from X each
    time.
    """

    def __init__(
        self, X: FloatArray, y: FloatArray, root: FloatArray, fit_intercept: bool, keep: bool
    ):
        self.used = root > 0.0
        if not self.used.all():
            X, y, root = X[self.used], y[self.used], root[self.used]
        self.X, self.root = X, root
        self.mirror: FloatArray | None = None
        if fit_intercept:
            unit = root / np.linalg.norm(root)
            unit[0] += 1.0  # nonnegative: nothing cancels
            self.mirror = unit * np.sqrt(2.0 / (unit @ unit))
        self.basis: FloatArray | None = None
        self._A: FloatArray | None = None
        self.y = self._turn((root * y)[:, None])[:, 0]
        n_samples, n_features = X.shape
        if n_samples > n_features + 1:
            system = np.column_stack([self.A, self.y])
            self.basis, factor = scipy.linalg.qr(system, mode="economic", check_finite=False)
            self._A = np.ascontiguousarray(factor[:, :-1])
            self.y = factor[:, -1].copy()
        elif keep:
            self._A = self.A

    @property
    def A(self) -> FloatArray:
        return self._turn(self.root[:, None] * self.X) if self._A is None else self._A

    def enter(self, v: FloatArray) -> FloatArray:
        """Scaled samples as equations."""
        v = self._turn(v[self.used, None])[:, 0]
        return v if self.basis is None else np.dot(v, self.basis)

    def leave(self, v: FloatArray) -> FloatArray:
        """Equations as scaled samples."""
        v = v if self.basis is None else np.dot(self.basis, v)
        out = np.zeros(self.used.shape[0])
        out[self.used] = v if self.mirror is None else v - self.mirror * (self.mirror @ v)
        return out

    def _turn(self, scaled: FloatArray) -> FloatArray:
        if self.mirror is not None:
            scaled = scaled - np.outer(self.mirror, self.mirror @ scaled)
            scaled[0] = 0.0
        return scaled


@dataclass
class _Steps:
    """Lengths of the proximal steps: of the coefficients, and of each task's residual."""

    sigma: float
    s: FloatArray


@dataclass(frozen=True)
class _Trial:
    """The proximal point that belongs to multipliers u, ``G = A'u``, and the dual's value there."""

    u: FloatArray
    G: FloatArray
    # Before shrinking: residuals (flat) and their norms by task; what was left of these; after it.
    v: FloatArray
    lengths: FloatArray
    kept: FloatArray
    z: FloatArray
    # The same of the coefficients (T, k) and their norms by feature.
    V: FloatArray
    sizes: FloatArray
    share: FloatArray
    W: FloatArray


class _Part:
    """The problem over the features ``working``, in the tasks' equations."""

    def __init__(
        self, objective: Objective, working: IntArray, threshold: FloatArray, radii: FloatArray
    ):
        self.penalty = objective.penalty.restrict(working)
        self.ridge = objective.penalty.quadratic.ridge
        self.threshold, self.radii = threshold, radii
        design, root = objective.design, np.sqrt(objective.c)
        self.samples = [slice(a, b) for a, b in pairwise(design.offsets.tolist())]
        X = np.take(design.X, working, axis=1)
        shared = isinstance(design, Shared)
        keep = not shared or X.size * design.n_tasks <= _COPIES
        intercept = objective.fit_intercept
        self.tasks = [
            _Equations(X if shared else X[own], objective.y[own], root[own], intercept, keep)
            for own in self.samples
        ]
        self.counts = np.array([task.y.size for task in self.tasks])
        ends = np.cumsum(self.counts)
        self.starts = ends - self.counts
        self.own = [slice(a, b) for a, b in zip(self.starts.tolist(), ends.tolist(), strict=True)]
        self.y = np.concatenate([task.y for task in self.tasks])

    def enter(self, v: FloatArray) -> FloatArray:
        """Scaled samples of all tasks as equations."""
        parts = zip(self.tasks, self.samples, strict=True)
        return np.concatenate([task.enter(v[own]) for task, own in parts])

    def leave(self, v: FloatArray) -> FloatArray:
        """Equations of all tasks as scaled samples."""
        parts = zip(self.tasks, self.own, strict=True)
        return np.concatenate([task.leave(v[own]) for task, own in parts])

    def first_steps(self) -> _Steps:
        """Residuals may move as far as those at W = 0, coefficients by what that takes."""
        norms = np.sqrt(self._sums(self.y * self.y))
        typical = norms[norms > 0.0].mean() if norms.any() else 1.0
        s = np.where(norms > 0.0, norms, typical) / self.radii
        curvature = sum(float(np.square(task.A).sum()) for task in self.tasks) / self.y.size
        return _Steps(float(s.mean()) / max(curvature, np.finfo(float).tiny), s)

    def solve(
        self, W: FloatArray, z: FloatArray, u: FloatArray, steps: _Steps, goal: float, most: int
    ) -> tuple[FloatArray, FloatArray, FloatArray, int]:
        """At most so many proximal points from W (k, T), z and u, to a gap of ``goal``.

        The best of them, and how many there were. ``steps`` are left as long as they are then.
        """
        self.W, self.z, self.steps = np.array(W.T, order="C"), z, steps
        self.moved = np.inf
        best = np.inf, self.W, z, u
        idle = n_points = 0
        last = np.inf
        while n_points < most and idle < _MOST_IDLE:
            n_points += 1
            trial, gap, n_newton, reached = self._point(u, goal)
            u = trial.u
            idle = 0 if gap < 0.5 * best[0] else idle + 1
            if gap < best[0]:
                best = gap, trial.W, trial.z, u
            if gap <= goal:
                break
            if reached:
                self.W, self.z = trial.W, trial.z
            growth = 1.0
            if not reached:
                growth = _SHORTER
            elif n_newton <= _FEW and gap <= 2.0 * last:
                growth = _GROWTH
            last = gap
            steps.sigma *= growth
            steps.s = steps.s * growth
        _, W, z, u = best
        return W.T, z, u, n_points

    def _point(self, u: FloatArray, goal: float) -> tuple[_Trial, float, int, bool]:
        """The proximal point, from multipliers u on, with its own multipliers.

        Its gap, the Newton steps, and whether it was reached (or the goal).
        """
        s = self.steps.s
        trial = self._at(u, self._adjoint(u))
        most = float((self._sums(self.y * self.y) / s).sum())
        for n_newton in range(_MOST_NEWTON):
            AW = self._predict(trial.W)
            left = self.y - trial.z - AW
            multipliers = (trial.v - trial.z) / self._spread(s)
            gap = self._gap(trial.W, self.y - AW, multipliers)
            rest = float((self._sums(left * left) / s).sum())
            move = float((self._sums(np.square(trial.z - self.z)) / s).sum())
            move += float(np.square(trial.W - self.W).sum()) / self.steps.sigma
            if gap <= goal or rest <= _INEXACT**2 * min(move, self.moved):
                self.moved = move
                return replace(trial, u=multipliers), gap, n_newton, True
            du = self._direction(trial, left, _DAMPING * np.sqrt(min(rest / most, 1.0)))
            found = self._search(trial, du, float(left @ du))
            if found is None:
                break
            trial = found
        return replace(trial, u=multipliers), gap, _MOST_NEWTON, False

    def _search(self, trial: _Trial, du: FloatArray, slope: float) -> _Trial | None:
        """A step along du after which little of the slope is left: the dual is concave."""
        dG = self._adjoint(du)
        straight = float(self.y @ du)
        low, at_low, high, at_high = 0.0, slope, np.inf, 0.0
        length = 1.0
        for _ in range(_MOST_TRIALS):
            new = self._at(trial.u + length * du, trial.G + length * dG)
            left = straight - float(new.z @ du) - float(np.vdot(new.W, dG))
            if abs(left) <= _LEFT * slope:
                return new
            if left > 0.0:
                low, at_low = length, left
            else:
                high, at_high = length, left
            if high == np.inf:
                length *= 2.0
            else:
                part = at_low / (at_low - at_high)
                length = low + (high - low) * min(max(part, 0.1), 0.9)
        return new if low > 0.0 else None

    def _at(self, u: FloatArray, G: FloatArray) -> _Trial:
        sigma, s = self.steps.sigma, self.steps.s
        v = self.z + self._spread(s) * u
        lengths = np.sqrt(self._sums(v * v))
        kept = _kept(lengths, s * self.radii)
        V = self.W + sigma * G
        sizes = np.sqrt(np.einsum("tj,tj->j", V, V))
        share = _kept(sizes, sigma * self.threshold) / (1.0 + sigma * self.ridge)
        return _Trial(u, G, v, lengths, kept, v * self._spread(kept), V, sizes, share, V * share)

    def _direction(self, trial: _Trial, left: FloatArray, damping: float) -> FloatArray:
        """Newton's direction: blocks of the tasks, and the active features that couple them.

        The Jacobian of shrinking is the share that is left, and along a row that is not cut off
        the rest, too.
        """
        sigma, s = self.steps.sigma, self.steps.s
        active = np.flatnonzero(trial.share > 0.0)
        every = active.size == trial.share.size
        root = np.sqrt(sigma * trial.share[active])
        sizes = trial.sizes[active]
        flat = 1.0 + sigma * self.ridge
        rest = sigma * self.threshold[active] / np.where(sizes > 0.0, sizes, 1.0) / flat
        coupled = bool(rest.any())
        if coupled:
            turned = trial.V[:, active] / sizes * np.sqrt(sigma * rest)
        K, rhs = np.eye(active.size), np.zeros(active.size)
        factors, blocks = [], []
        for t, (task, own) in enumerate(zip(self.tasks, self.own, strict=True)):
            A = task.A if every else task.A[:, active]
            scaled = A * root
            H = np.dot(scaled, scaled.T)
            kept = trial.kept[t]
            if kept > 0.0:
                unit = trial.v[own] / trial.lengths[t]
                H += (s[t] * (1.0 - kept)) * np.outer(unit, unit)
            H[np.diag_indices_from(H)] += s[t] * max(kept, damping)
            L = _cholesky(H)
            factors.append(L)
            if coupled:
                blocks.append(A)
                both = np.column_stack([A * turned[t], left[own]])
                solved = lapack.dtrtrs(L, both, lower=1, overwrite_b=1)[0]
                F = solved[:, :-1]
                K += np.dot(F.T, F)
                rhs += np.dot(solved[:, -1], F)
        if coupled:
            factor = scipy.linalg.cho_factor(K, overwrite_a=True, check_finite=False)
            shift = turned * scipy.linalg.cho_solve(factor, rhs, check_finite=False)
            parts = zip(blocks, shift, strict=True)
            left = left - np.concatenate([np.dot(A, along) for A, along in parts])
        solved = [
            lapack.dpotrs(L, left[own], lower=1)[0]
            for L, own in zip(factors, self.own, strict=True)
        ]
        return np.concatenate(solved)

    def _gap(self, W: FloatArray, r: FloatArray, u: FloatArray) -> float:
        """Duality gap of W (T, k) over these features, from multipliers in the balls."""
        W, G = np.ascontiguousarray(W.T), np.ascontiguousarray(self._adjoint(u).T)
        primal = float(self.radii @ np.sqrt(self._sums(r * r))) + self.penalty.value(W)
        slope = float(self.y @ u)
        return primal - max(alpha * slope - conj for alpha, conj in self.penalty.dual_bounds(W, G))

    def _predict(self, W: FloatArray) -> FloatArray:
        return np.concatenate([np.dot(task.A, w) for task, w in zip(self.tasks, W, strict=True)])

    def _adjoint(self, u: FloatArray) -> FloatArray:
        parts = zip(self.tasks, self.own, strict=True)
        return np.stack([np.dot(u[own], task.A) for task, own in parts])

    def _sums(self, v: FloatArray) -> FloatArray:
        return np.add.reduceat(v, self.starts)

    def _spread(self, values: FloatArray) -> FloatArray:
        return np.repeat(values, self.counts)


def _kept(sizes: FloatArray, threshold: FloatArray) -> FloatArray:
    """What shrinking by the threshold leaves of each size, as a share."""
    lost = np.where(threshold > 0.0, 1.0, 0.0)
    return 1.0 - np.divide(threshold, sizes, out=lost, where=sizes > threshold)


def _cholesky(H: FloatArray) -> FloatArray:
    """The lower factor of H with as little added to its diagonal as it takes."""
    top = float(np.einsum("ii->i", H).max())
    pivot = _LEAST_PIVOT * (top if top > 0.0 else 1.0)
    while True:
        H[np.diag_indices_from(H)] += pivot
        L, failed = lapack.dpotrf(H, lower=1, clean=0)
        if not failed:
            return L
        pivot *= _MORE
