"""Working sets where intercepts are shrunk: at a given b0 tasks do not meet, and b0 is one number.

With b0 fixed, least squares with shrunk intercepts are those on rows that are partly centred, task
by task and without intercepts. The least objective is a convex function of b0, whose slope is read
off the solution: a root of one variable, found by secants.
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..design import Ragged
from ..objective import Objective, QuadraticObjective
from ._choice import hand_over
from ._result import History, Result
from ._workspace import Workspace
from .active_set import separates_over_rows, solve_active_set

_MOST_ROUNDS = 25
# Each problem is solved to these shares of the last gap, and of the gap aimed for.
_SHARE, _LAST_SHARE = 0.05, 0.3
# The root moves by at least so much of what b0 would move at fixed coefficients, inverted.
_LEAST_SLOPE = 0.05


def tied_fits(objective: Objective) -> bool:
    """Whether shrunk intercepts are all that keeps from working sets."""
    design = objective.design
    return (
        isinstance(objective, QuadraticObjective)
        and objective.intercepts.tied
        and separates_over_rows(objective)
        and (design.same_weights or not design.one_x)
    )


def solve_tied(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise the objective and its row-separable penalty from ``W0`` to a relative gap."""
    assert isinstance(objective, QuadraticObjective)
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    if workspace.tied is None:
        workspace.tied = _PartlyCentred(objective)
    rows: _PartlyCentred = workspace.tied
    target = tol * objective.scale
    W, b0 = W0, rows.best(W0)
    history = History([(0, objective.value_at(W0, objective.design.predict(W0)))])
    gap, last = np.inf, (np.nan, np.nan)
    for _ in range(_MOST_ROUNDS):
        problem = rows.problem(objective, b0)
        goal = max(_SHARE * gap, _LAST_SHARE * target) if np.isfinite(gap) else target
        inner_tol = goal / max(problem.scale, np.finfo(float).tiny)
        left = max(max_iter - history.iterations[-1], 1)
        found = solve_active_set(problem, W, tol=inner_tol, max_iter=left, verbose=verbose)
        W = found.W
        certificate = objective.final_certificate(W)
        n_iter = history.iterations[-1] + found.n_iter
        history.add(n_iter, certificate.objective)
        if certificate.gap <= target:
            return Result(W, certificate, history, True)
        if n_iter >= max_iter or not np.isfinite(certificate.gap):
            return Result(W, certificate, history, False)
        gap = certificate.gap
        moved = rows.best(W) - b0
        slope = (moved - last[1]) / (b0 - last[0]) if b0 != last[0] else -1.0
        last = b0, moved
        b0 -= moved / (-1.0 if np.isnan(slope) else min(max(slope, -1.0), -_LEAST_SLOPE))
    left = max_iter - history.iterations[-1]
    return hand_over(
        "active-set",
        "apg",
        objective,
        W,
        history,
        workspace,
        tol=tol,
        max_iter=left,
        verbose=verbose,
    )


class _PartlyCentred:
    """Rows less a part of their task's mean, and what b0 is best."""

    def __init__(self, objective: QuadraticObjective):
        self.objective = objective
        self.design, self.c = objective.design, objective.c
        self.first: QuadraticObjective | None = None
        offsets = self.design.offsets
        self.counts = np.diff(offsets)
        totals = np.add.reduceat(self.c, offsets[:-1])
        self.kept = objective.intercepts.kept(totals)
        self.weight = totals * self.kept
        self.weight /= self.weight.sum()
        self.totals = totals
        if objective.tie is None:
            return  # b0 does not matter: W is that of free intercepts
        taken = 1.0 - np.sqrt(self.kept)
        X = np.concatenate([self.design.task_rows(t) for t in range(self.design.n_tasks)])
        X = X - np.repeat(taken[:, None] * self.design.means(self.c), self.counts, axis=0)
        self.rows = Ragged(X, offsets)
        self.y = objective.y - np.repeat(taken * self._means(objective.y), self.counts)

    def _means(self, z: FloatArray) -> FloatArray:
        return np.add.reduceat(self.c * z, self.design.offsets[:-1]) / self.totals

    def best(self, W: FloatArray) -> float:
        """The common intercept that is best at W."""
        rest = self.objective.y - self.design.predict(W) if W.any() else self.objective.y
        return float(self.weight @ self._means(rest))

    def problem(self, objective: QuadraticObjective, b0: float) -> QuadraticObjective:
        """That at b0, in which tasks do not meet."""
        free = objective.tie is None
        design = self.design if free else self.rows
        y = objective.y
        if not free:
            y = self.y - np.repeat(np.sqrt(self.kept) * b0, self.counts)
        found = QuadraticObjective(design, objective.loss, y, self.c, objective.penalty, free)
        if self.first is None:
            self.first = found
        found.hessian = self.first.hessian  # Gram matrices do not depend on y
        return found
