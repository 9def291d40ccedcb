"""Square-root losses: weighted squared losses with noise levels, and proximal points at the kinks.

``sqrt(omega) norm(u)`` is the least of ``sqrt(omega) (norm(u)^2 / sigma + sigma) / 2`` over sigma:
for given noise levels a weighted least-squares problem remains, for given coefficients the levels
are the residuals' norms. That takes few rounds while much of the targets is noise. It is slow where
little is, and a task that is interpolated has no such level: ``semismooth`` is for these.

Extrapolation: D. G. Anderson (1965), "Iterative procedures for nonlinear integral equations".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._typing import AnyArray, FloatArray
from ..design import Design, from_rows
from ..losses import Squared
from ..objective import Objective, QuadraticObjective
from ._choice import hand_over, solve
from ._residuals import residual, spread, task_norms, task_radii
from ._result import History, Result
from ._workspace import Workspace

# Proximal points take over when a residual is below this share of that at W = 0, or after so many
# rounds.
_SMALL = 0.1
_MOST_ROUNDS = 12
# Relative gaps that weighted problems are solved to, and the share of the gap that is enough.
_ROUGH, _FINE, _SHARE = 1e-2, 1e-13, 1e-2
# Rounds to extrapolate from, and the largest change of a logarithm.
_MEMORY = 5
_STEP = 1.0
# A shared X is copied for each task up to so many numbers: tasks weigh its rows differently, and
# block descent is for rows of their own.
_COPIES = 2e7

SolveWeighted = Callable[[QuadraticObjective, FloatArray, float], Result]


# In one piece: one loop with its state: levels, weighted problem and patience of a round.
def solve_square_root(
    objective: Objective,
    W0: FloatArray,
    solve_weighted: SolveWeighted | None = None,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise a square-root loss with its penalty from ``W0`` to a relative gap of ``tol``.

    ``solve_weighted(problem, W0, tol)`` solves the weighted least-squares problems with the same
    penalty, None: as "auto" does. (Nothing is kept in the workspace: their weights differ.)
    """
    weighted = _Weighted(objective)
    levels = _Levels()
    target = tol * objective.scale
    W = np.array(W0, dtype=np.float64, order="C")
    at_zero = task_norms(objective, residual(objective, np.zeros_like(W))[0])
    typical = at_zero[at_zero > 0.0].mean() if at_zero.any() else 1.0
    at_zero = np.where(at_zero > 0.0, at_zero, typical)
    # Without a penalty the tasks' least squares are the solution, whatever their levels.
    penalised = objective.penalty.structure is not None or objective.quadratic.ridge > 0.0
    history = History()
    best: Result | None = None
    patience, last_gap, spent = 1.0, np.inf, 0
    for n_iter in range(1, max_iter + 1):
        z = objective.design.predict(W)
        seen = objective.pass_at(z)
        own = task_norms(objective, objective.y - z - spread(objective, seen.intercepts))
        found = objective.certificate_of(W, seen)
        if best is None or found.gap < best.gap:
            best = Result(W, found, history, found.gap <= target)
        history.add(n_iter, found.objective)
        if verbose:
            print(f"round {n_iter}: objective {found.objective:.9g}, gap {found.gap:.3g}")
        if best.converged or n_iter == max_iter:
            break
        small = bool((own < _SMALL * at_zero).any())
        if n_iter > _MOST_ROUNDS or spent > max_iter or (small and penalised):
            break
        # Where the gap does not follow, the last problem was not solved well enough.
        patience = min(2.0 * patience, 1.0) if found.gap < 0.5 * last_gap else 0.2 * patience
        last_gap = found.gap
        sigma = levels.next(np.where(own > 0.0, own, at_zero), found.gap)
        problem = weighted.problem(sigma)
        goal = _SHARE * patience * found.gap / problem.scale
        accuracy = min(max(goal, _FINE), _ROUGH)
        if solve_weighted is None:
            solution = solve(problem, W, solver="auto", name="", tol=accuracy, max_iter=max_iter)
        else:
            solution = solve_weighted(problem, W, accuracy)
        W, spent = solution.W, spent + solution.n_iter
    assert best is not None
    if penalised and not best.converged and n_iter < max_iter:
        left = max_iter - n_iter
        return hand_over(
            "square-root",
            "semismooth",
            objective,
            best.W,
            history,
            tol=tol,
            max_iter=left,
            verbose=verbose,
        )
    history.add(n_iter, best.certificate.objective)
    return best


def square_root_fits(objective: Objective) -> bool:
    """Whether it is a square-root loss with a norm that proximal points know, or a ridge."""
    structure = objective.penalty.structure
    known = structure is None or structure.row_norm is not None
    return objective.loss.of_norms and known and not objective.penalty.quadratic.coupled


class _Levels:
    """Noise levels to try next: Anderson extrapolation of the logarithms of the alternation's."""

    def __init__(self) -> None:
        self.tried: list[FloatArray] = []
        self.found: list[FloatArray] = []
        self.last_gap = np.inf
        self.trying: FloatArray | None = None

    def next(self, sigma: FloatArray, gap: float) -> FloatArray:
        """Levels for the next round; ``sigma`` is what came of those before, at this gap."""
        found = np.log(sigma)
        if gap > self.last_gap:
            self.tried, self.found = [], []
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
        if design.one_x and n_tasks > 1:
            if design.size * n_tasks <= _COPIES:
                self.kept = objective.c > 0.0
                own = self.kept.reshape(n_tasks, -1)
                self.design = from_rows([design.task_rows(t)[some] for t, some in enumerate(own)])
            else:
                self.design = design.any_weights()
        self.gram: FloatArray | None = None
        if self.design.prefers_gram():
            self.gram = self.design.gram(objective.c[self.kept], objective.fit_intercept)

    def problem(self, sigma: FloatArray) -> QuadraticObjective:
        """The squared loss, each task ``sqrt(omega_t) / sigma_t`` times."""
        objective, weight = self.objective, self.radii / sigma
        problem = QuadraticObjective(
            self.design,
            Squared(),
            objective.y[self.kept],
            (objective.c * spread(objective, weight))[self.kept],
            objective.penalty,
            objective.fit_intercept,
        )
        if self.gram is not None:
            problem.set_gram(self.gram * weight[:, None, None])
        return problem
