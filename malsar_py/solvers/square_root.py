"""Square-root losses: weighted squared losses with noise levels, and multipliers at the kinks.

``sqrt(omega) norm(u)`` is the least of ``sqrt(omega) (norm(u)^2 / sigma + sigma) / 2`` over sigma:
for given noise levels a weighted least-squares problem remains, for given coefficients the levels
are the residuals' norms. A task that is interpolated has no such level. Its loss is dualised by the
method of multipliers: with a floor under sigma and a shift e of the targets, which follows the
shifted residual cut at the floor, ``theta = sqrt(omega) c e / floor`` is a dual point even where
the task's own residual is zero.

R. T. Rockafellar (1976), "Augmented Lagrangians and applications of the proximal point algorithm in
convex programming"; extrapolation: D. G. Anderson (1965), "Iterative procedures for nonlinear
integral equations".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._typing import AnyArray, FloatArray
from ..design import Design, Masked, Ragged, Shared
from ..losses import Squared
from ..objective import Objective, QuadraticObjective
from ._result import Result

# A task is dualised when its residual is below this share of that at W = 0; it gives the floor.
_SMALL = 0.1
_LEAST_FLOOR = 1e-4
_MOST_ROUNDS = 500
# Relative gaps that weighted problems are solved to.
_ROUGH, _FINE = 1e-3, 1e-13
# Rounds to extrapolate from, and the largest change of a logarithm.
_MEMORY = 5
_STEP = 1.0
# A shared X is copied for each task up to so many numbers: tasks weigh its rows differently, and
# block descent is for rows of their own.
_COPIES = 2e7

SolveWeighted = Callable[[QuadraticObjective, FloatArray, float], Result]


def solve_square_root(
    objective: Objective,
    W0: FloatArray,
    solve: SolveWeighted,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
) -> Result:
    """Minimise a square-root loss with its penalty from ``W0`` to a relative gap of ``tol``.

    ``solve(problem, W0, tol)`` solves the weighted least-squares problems with the same penalty.
    """
    weighted = _Weighted(objective)
    radii, levels = task_radii(objective), _Levels()
    target = tol * objective.scale
    W = np.array(W0, dtype=np.float64, order="C")
    at_zero = task_norms(objective, residual(objective, np.zeros_like(W)))
    typical = at_zero[at_zero > 0.0].mean() if at_zero.any() else 1.0
    at_zero = np.where(at_zero > 0.0, at_zero, typical)
    floor = np.zeros_like(radii)
    shift = np.zeros_like(objective.y)
    history: list[float] = []
    best: Result | None = None
    patience, last_gap = 1.0, np.inf
    max_iter = min(max_iter, _MOST_ROUNDS)
    for n_iter in range(1, max_iter + 1):
        r = residual(objective, W)
        own = task_norms(objective, r)
        shifted = r + shift
        sizes = task_norms(objective, shifted)
        sigma = np.maximum(sizes, floor)
        slope = np.divide(radii, sigma, out=np.zeros_like(sigma), where=sigma > 0.0)
        theta = objective.c * shifted * _spread(objective, slope)
        found = objective.certify_with(W, float(radii @ own), theta)
        kept = W
        at_kink = (floor > 0.0) & (sizes <= floor)
        if at_kink.any() and found.gap > target:
            # What is left of a residual that is to vanish counts in full: take it away.
            moved = _interpolate(objective, W, r, at_kink)
            value = float(radii @ task_norms(objective, residual(objective, moved)))
            better = objective.certify_with(moved, value, theta)
            if better.gap < found.gap:
                found, kept = better, moved
        if best is None or found.gap < best.gap:
            best = Result(kept, found, history, n_iter, found.gap <= target)
        history.append(found.objective)
        if verbose:
            print(
                f"round {n_iter}: {(floor > 0.0).sum()} tasks dualised, objective "
                f"{found.objective:.9g}, gap {found.gap:.3g}"
            )
        if best.converged or n_iter == max_iter:
            break
        cut = np.divide(floor, sizes, out=np.ones_like(sizes), where=sizes > floor)
        shift = shifted * _spread(objective, np.where(floor > 0.0, cut, 0.0))
        fresh = (floor == 0.0) & (own < _SMALL * at_zero)
        if fresh.any():
            floor[fresh] = np.maximum(own, _LEAST_FLOOR * at_zero)[fresh]
            levels.forget()
        # Where the gap does not follow, the last problem was not solved well enough.
        patience = min(2.0 * patience, 1.0) if found.gap < 0.5 * last_gap else 0.2 * patience
        last_gap = found.gap
        sigma = np.where(sigma > 0.0, sigma, at_zero)
        problem = weighted.problem(np.maximum(levels.next(sigma, found.gap), floor), shift)
        goal = _goal(patience * found.gap, float(radii @ floor)) / problem.scale
        W = solve(problem, W, min(max(goal, _FINE), _ROUGH)).W
    assert best is not None
    certificate = replace(best.certificate, intercepts=_intercepts(objective, best.W))
    if history[-1] != certificate.objective:
        history.append(certificate.objective)
    return replace(best, certificate=certificate, n_iter=n_iter)


def noise_levels(objective: Objective, W: FloatArray) -> FloatArray:
    """Root mean square of each task's residuals, (T,)."""
    return task_norms(objective, residual(objective, W)) / task_radii(objective)


def residual(objective: Objective, W: FloatArray) -> FloatArray:
    """``y - z - b`` at the best intercepts (0 where the weight is), which stay in ``b``."""
    theta = np.empty_like(objective.y)
    c, offsets = objective.c, objective.design.offsets
    z = objective.design.predict(W)
    theta = Squared().evaluate(objective.y, z, c, offsets, objective.b, objective.fit_intercept)[1]
    return np.divide(theta, c, out=np.zeros_like(theta), where=c > 0.0)


def task_norms(objective: Objective, r: FloatArray) -> FloatArray:
    """``sqrt(sum_i c_ti r_ti^2)``, (T,)."""
    return np.sqrt(np.add.reduceat(objective.c * r * r, objective.design.offsets[:-1]))


def task_radii(objective: Objective) -> FloatArray:
    """``sqrt(omega_t)``: radii of the balls that hold ``theta_t / sqrt(c_t)``."""
    return np.sqrt(np.add.reduceat(objective.c, objective.design.offsets[:-1]))


def _spread(objective: Objective, values: FloatArray) -> FloatArray:
    return np.repeat(values, np.diff(objective.design.offsets))


def _intercepts(objective: Objective, W: FloatArray) -> FloatArray:
    residual(objective, W)
    return objective.b.copy()


def _goal(gap: float, floors: float) -> float:
    """The gap to solve the next problem to: kinks feel its coefficients' error, not the square."""
    return min(1e-2 * gap, (0.1 * gap) ** 2 / (2.0 * floors) if floors > 0.0 else np.inf)


def _interpolate(objective: Objective, W: FloatArray, r: FloatArray, tasks: AnyArray) -> FloatArray:
    """W moved least, within its nonzero rows, to where these tasks have no residual left."""
    design, rows, moved = objective.design, np.flatnonzero(W.any(axis=1)), W.copy()
    for t in np.flatnonzero(tasks).tolist():
        own = slice(design.offsets[t], design.offsets[t + 1])
        root = np.sqrt(objective.c[own])[:, None]
        X = (design.X if isinstance(design, Shared) else design.X[own])[:, rows]
        A = root * X
        if objective.fit_intercept:
            A -= root * (root.T @ A / (root.T @ root))
        moved[rows, t] += np.linalg.lstsq(A, root[:, 0] * r[own], rcond=1e-10)[0]
    return moved


class _Levels:
    """Noise levels to try next: Anderson extrapolation of the logarithms of the alternation's."""

    def __init__(self) -> None:
        self.forget()
        self.last_gap = np.inf
        self.trying: FloatArray | None = None

    def forget(self) -> None:
        self.tried: list[FloatArray] = []
        self.found: list[FloatArray] = []

    def next(self, sigma: FloatArray, gap: float) -> FloatArray:
        """Levels for the next round; ``sigma`` is what came of those before, at this gap."""
        found = np.log(sigma)
        if gap > self.last_gap:
            self.forget()
        if self.trying is not None:
            self.tried = [*self.tried, self.trying][-_MEMORY:]
            self.found = [*self.found, found][-_MEMORY:]
        self.last_gap, self.trying = gap, found
        if len(self.found) > 1:
            moves = np.array(self.found) - np.array(self.tried)
            weights = np.linalg.lstsq(np.diff(moves, axis=0).T, moves[-1], rcond=1e-10)[0]
            step = -weights @ np.diff(self.found, axis=0)
            self.trying = found + np.clip(step, -_STEP, _STEP)
        return np.exp(self.trying)


class _Weighted:
    """The least-squares problems that belong to noise levels."""

    def __init__(self, objective: Objective):
        self.objective = objective
        self.radii = task_radii(objective)
        self.kept: AnyArray = np.ones(objective.y.shape, bool)
        design, n_tasks = objective.design, objective.design.n_tasks
        self.design: Design = design
        if isinstance(design, Shared) and n_tasks > 1:
            if design.X.size * n_tasks <= _COPIES:
                self.kept = objective.c > 0.0
                counts = np.add.reduceat(self.kept.astype(np.int64), design.offsets[:-1])
                offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
                self.design = Ragged(np.tile(design.X, (n_tasks, 1))[self.kept], offsets)
            else:
                self.design = Masked(design.X, n_tasks)
        self.gram: FloatArray | None = None
        if self.design.prefers_gram():
            self.gram = self.design.gram(objective.c[self.kept], objective.fit_intercept)

    def problem(self, sigma: FloatArray, shift: FloatArray) -> QuadraticObjective:
        """The squared loss of the shifted targets, each task ``sqrt(omega_t) / sigma_t`` times."""
        objective, weight = self.objective, self.radii / sigma
        problem = QuadraticObjective(
            self.design,
            Squared(),
            (objective.y + shift)[self.kept],
            (objective.c * _spread(objective, weight))[self.kept],
            objective.penalty,
            objective.fit_intercept,
        )
        if self.gram is not None:
            problem.set_gram(self.gram * weight[:, None, None])
        return problem
