"""Proximal points, each by a semismooth Newton dual ascent, for ill-conditioned or kinked problems.

With ``A_t w_t`` the weighted, centred predictions of task t and ``z_t`` its residual, whose loss is
``rho_t ||z_t||`` (square-root loss) or ``1/2 ||z_t||^2``, the proximal point step from (W, z) is

    min_{W+, z+}  sum_t loss_t(z+_t) + Omega(W+) + ||W+ - W||^2 / (2 sigma)
                  + sum_t ||z+_t - z_t||^2 / (2 s_t)      with z+_t = y_t - A_t w+_t,

the last sum for norms only. Its dual in the multipliers u is smooth and without constraints: W+ is
the shrunken ``W + sigma A'u``, and z+ the shrunken ``z + s u``, or u itself for squares. Its
gradient is ``y - z+ - A W+``, which Newton's method brings to zero in a few steps: systems of one
block per task, and for norms of rows a term for each active feature, which couples them. Residuals
of interpolated tasks become exactly zero, and ``(z + s u - z+) / s`` is a dual point. The steps get
longer, so the points converge superlinearly, whatever the conditioning.

P. Tang, C. Wang, D. Sun, K.-C. Toh (2020), "A sparse semismooth Newton based proximal
majorization-minimization algorithm for nonconvex square-root-loss regression problems"; X. Li, D.
Sun, K.-C. Toh (2018), "A highly efficient semismooth Newton augmented Lagrangian method for solving
Lasso problems".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from .._typing import FloatArray, IntArray
from ..objective import Objective, QuadraticObjective
from ._equations import Equations
from ._norms import by_entries, over_rows
from ._residuals import residual, task_norms, task_radii
from ._result import History, Result
from ._workspace import Workspace

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
# Newton steps may cost so many multiplications where coordinate descent is the other way.
_MOST_WORK = 1e9


def semismooth_fits(objective: Objective) -> bool:
    """Whether it is a squared or square-root loss with a norm of rows or entries."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    if structure is None or structure.row_norm is None or quadratic.coupled:
        return False
    known = isinstance(objective, QuadraticObjective) or objective.loss.of_norms
    return known and bool(structure.row_thresholds(objective.shape[0]).all())


def semismooth_pays(objective: Objective, n_active: int) -> bool:
    """Whether, with so many features active, the systems of a squared loss's points are small."""
    if not isinstance(objective, QuadraticObjective) or not over_rows(objective.penalty):
        return False
    counts = np.minimum(np.diff(objective.design.offsets), n_active + 1).astype(float)
    work = float((counts**2).sum()) * n_active
    if not by_entries(objective):
        work += float(counts.sum()) * n_active**2
    return work <= _MOST_WORK


# In one piece: one loop with its state: certificate, working set and points of a round.
def solve_semismooth(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise the objective with its penalty from ``W0`` to a relative gap of ``tol``.

    The loss is a square root or squared, the penalty L2,1 or L1, a ridge, or both. ``max_iter``
    bounds the proximal points, which are taken over working sets of features. (Nothing is kept in
    the workspace.)
    """
    structure = objective.penalty.structure
    n_features = objective.shape[0]
    threshold = np.zeros(n_features)
    if structure is not None:
        threshold = structure.row_thresholds(n_features)
    sparse = bool(threshold.any())
    squared = isinstance(objective, QuadraticObjective)
    root = np.sqrt(objective.c)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0.0)
    target = tol * objective.scale
    W = np.array(W0, dtype=np.float64, order="C")
    z = root * residual(objective, W)[0]
    u = inverse * objective.loss_at(objective.design.predict(W)).theta
    working = np.flatnonzero(W.any(axis=1)) if sparse else np.arange(n_features)
    size = max(_FIRST_SET, int(np.diff(objective.design.offsets).max()))
    share = _SHARE
    history = History()
    best: Result | None = None
    steps: _Steps | None = None
    n_iter = idle = 0
    for _ in range(_MOST_SETS):
        if squared:
            found, G = objective.full_pass(W)
        else:
            found, G = _certify(objective, W, root * u)
        history.add(n_iter, found.objective)
        idle = 0 if best is None or found.gap < 0.5 * best.gap else idle + 1
        if best is None or found.gap < best.gap:
            best = Result(W, found, history, found.gap <= target)
        if verbose:
            print(
                f"proximal point {n_iter}: {working.size} features, objective "
                f"{found.objective:.9g}, gap {found.gap:.3g}"
            )
        if best.converged or n_iter >= max_iter or idle == _MOST_IDLE:
            break
        if sparse:
            sizes = _sizes(G, by_entries(objective)) / threshold
            last, working = working, _grow(working, size, W, sizes)
            size *= 2
            share = 0.1 * share if working is last else _SHARE
        part = _Part(objective, working, threshold[working])
        steps = part.first_steps() if steps is None else steps
        start = W[working], part.enter(z), part.enter(u)
        goal = max(share * best.gap, 0.3 * target)
        Wk, z, u, n_points = part.solve(*start, steps, goal, max_iter - n_iter)
        W = np.zeros_like(W)
        W[working] = Wk
        z, u = part.leave(z), part.leave(u)
        n_iter += n_points
    assert best is not None
    history.add(n_iter, best.certificate.objective)
    return best


def _certify(objective: Objective, W: FloatArray, theta: FloatArray) -> tuple[Any, FloatArray]:
    """The certificate of W by a dual point that is not of W's residuals, and ``X' theta``."""
    r, intercepts = residual(objective, W)
    loss = float(task_radii(objective) @ task_norms(objective, r))
    found, G = objective.certify_with(W, loss, theta)
    return replace(found, intercepts=intercepts), G


def _sizes(G: FloatArray, by_entries: bool) -> FloatArray:
    """Dual norm of every row of G."""
    return np.abs(G).max(axis=1) if by_entries else np.sqrt(np.einsum("jt,jt->j", G, G))


def _grow(working: IntArray, size: int, W: FloatArray, sizes: FloatArray) -> IntArray:
    """The working set with up to ``size`` of the features that violate most, less many zeros.

    ``sizes`` are those of the gradients over what is allowed.
    """
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
    # The same of the coefficients (T, k), and their norms by feature or themselves.
    V: FloatArray
    sizes: FloatArray
    share: FloatArray
    W: FloatArray


class _Part:
    """The problem over the features ``working``, in the tasks' equations."""

    def __init__(self, objective: Objective, working: IntArray, threshold: FloatArray):
        self.penalty = objective.penalty.restrict(working)
        self.ridge = objective.penalty.quadratic.ridge
        self.threshold, self.radii = threshold, task_radii(objective)
        self.squared = isinstance(objective, QuadraticObjective)
        self.by_entries = by_entries(objective)
        design, root = objective.design, np.sqrt(objective.c)
        self.samples = [slice(a, b) for a, b in pairwise(design.offsets.tolist())]
        some = design.restrict(working)
        keep = not some.one_x or some.size * design.n_tasks <= _COPIES
        intercept = objective.fit_intercept
        self.tasks = [
            Equations(some.task_rows(t), objective.y[own], root[own], intercept, keep)
            for t, own in enumerate(self.samples)
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
        s = np.ones(len(self.tasks))
        if not self.squared:
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
            if not self.squared:
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
            move = float(np.square(trial.W - self.W).sum()) / self.steps.sigma
            multipliers = trial.u
            if not self.squared:
                multipliers = (trial.v - trial.z) / self._spread(s)
                move += float((self._sums(np.square(trial.z - self.z)) / s).sum())
            gap = self._gap(trial.W, self.y - AW, multipliers)
            rest = float((self._sums(left * left) / s).sum())
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
        v, lengths, kept = u, s, np.ones_like(s)
        if not self.squared:
            v = self.z + self._spread(s) * u
            lengths = np.sqrt(self._sums(v * v))
            kept = _kept(lengths, s * self.radii)
        V = self.W + sigma * G
        sizes = np.abs(V) if self.by_entries else np.sqrt(np.einsum("tj,tj->j", V, V))
        share = _kept(sizes, sigma * self.threshold) / (1.0 + sigma * self.ridge)
        return _Trial(u, G, v, lengths, kept, v * self._spread(kept), V, sizes, share, V * share)

    def _direction(self, trial: _Trial, left: FloatArray, damping: float) -> FloatArray:
        """Newton's direction: blocks of the tasks, and the active features that couple them.

        The Jacobian of shrinking rows is the share that is left, and along a row that is not cut
        off the rest, too; of shrinking entries it is all that is left of 1 by the ridge.
        """
        sigma, s = self.steps.sigma, self.steps.s
        flat = 1.0 + sigma * self.ridge
        rows = np.empty(0, np.intp)
        if self.by_entries:
            active = [np.flatnonzero(share > 0.0) for share in trial.share]
            slopes = np.full(self.threshold.size, sigma / flat)
        else:
            rows = np.flatnonzero(trial.share > 0.0)
            active = [rows] * len(self.tasks)
            slopes = sigma * trial.share
        coupled = rows.size > 0 and bool(self.threshold[rows].any())
        if coupled:
            rest = self.threshold[rows] / trial.sizes[rows] / flat
            turned = trial.V[:, rows] / trial.sizes[rows] * (sigma * np.sqrt(rest))
        K, rhs = np.eye(rows.size), np.zeros(rows.size)
        factors, blocks = [], []
        for t, (task, own) in enumerate(zip(self.tasks, self.own, strict=True)):
            mine = active[t]
            A = task.A if mine.size == self.threshold.size else task.A[:, mine]
            scaled = A * np.sqrt(slopes[mine])
            H = np.dot(scaled, scaled.T)
            kept = trial.kept[t]
            if 0.0 < kept < 1.0:
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
            pairs = zip(blocks, shift, strict=True)
            left = left - np.concatenate([np.dot(A, along) for A, along in pairs])
        parts = zip(factors, self.own, strict=True)
        return np.concatenate([lapack.dpotrs(L, left[own], lower=1)[0] for L, own in parts])

    def _gap(self, W: FloatArray, r: FloatArray, u: FloatArray) -> float:
        """Duality gap of W (T, k) over these features, from r and from multipliers in the balls."""
        value = float(self.radii @ np.sqrt(self._sums(r * r)))
        curve = 0.0
        if self.squared:
            u, curve = r, float(r @ r)
            value = 0.5 * curve
        W, G = np.ascontiguousarray(W.T), np.ascontiguousarray(self._adjoint(u).T)
        slope = float(self.y @ u)
        bounds = self.penalty.dual_bounds(W, G)
        dual = max(alpha * slope - 0.5 * alpha * alpha * curve - conj for alpha, conj in bounds)
        return value + self.penalty.value(W) - dual

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
    lost = np.broadcast_to(threshold > 0.0, sizes.shape).astype(float)
    return 1.0 - np.divide(threshold, sizes, out=lost, where=sizes > threshold)


def _cholesky(H: FloatArray) -> FloatArray:
    """The lower factor of H with as little added to its diagonal as it takes."""
    top = float(np.einsum("ii->i", H).max())
    pivot = _LEAST_PIVOT * (top if top > 0.0 else 1.0)
    while np.isfinite(pivot):
        H[np.diag_indices_from(H)] += pivot
        L, failed = lapack.dpotrf(H, lower=1, clean=0)
        if not failed:
            return L
        pivot *= _MORE
    return np.eye(H.shape[0])  # H is not finite: no direction is to be had
