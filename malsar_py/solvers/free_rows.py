"""Squared loss with features that cost nothing, or a ridge only: eliminated by least squares.

At given other coefficients those of the free features are a least-squares fit to what is left, so
that in the samples' space the part of X and y that they reach can be projected out. What remains is
a problem over the other features, all of which are penalised (Frisch, Waugh 1933). A ridge ``lambda
||w||^2`` is one more sample, ``sqrt(lambda)`` with target 0, for each free feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import scipy.linalg

from .._typing import AnyArray, FloatArray
from ..design import Design, Shared, from_rows
from ..losses import Squared
from ..objective import Objective, QuadraticObjective
from ._result import History, Result

# A shared X that every task weighs in its own way is copied up to so many numbers.
_COPIES = 2e7
# Rounding must not spoil a gap that just passed.
_ROOM = 0.9


def free_rows_fit(objective: Objective) -> bool:
    """Whether :func:`solve_around_free_rows` is for this problem."""
    design, quadratic = objective.design, objective.penalty.quadratic
    if not isinstance(objective, QuadraticObjective) or quadratic.coupled:
        return False
    weighed_alike = design.same_weights or not design.one_x
    return weighed_alike or design.size * design.n_tasks <= _COPIES


def solve_around_free_rows(
    objective: Objective,
    W0: FloatArray,
    free: AnyArray,
    solve: Callable[[Objective, FloatArray, float], Result],
    *,
    tol: float,
) -> Result:
    """Minimise over the features that are ``free`` (d,) of the norm, and by ``solve`` over others.

    Of several minimisers the one with the shortest free coefficients.
    """
    kept = ~free
    n_kept, ridge = int(kept.sum()), objective.penalty.quadratic.ridge
    # What the free features make of a unit of each other feature, and of the targets, by task.
    by_others: list[FloatArray] = []
    by_targets: list[FloatArray] = []
    blocks: list[FloatArray] = []
    targets: list[FloatArray] = []
    for X, Y in _equations(objective):
        F, rest = X[:, free], np.column_stack([X[:, kept], Y])
        if ridge > 0.0:
            k = F.shape[1]
            F = np.vstack([F, np.sqrt(ridge) * np.eye(k)])
            rest = np.vstack([rest, np.zeros((k, rest.shape[1]))])
        cond = max(F.shape) * np.finfo(float).eps
        fit = scipy.linalg.lstsq(F, rest, cond, check_finite=False)[0]
        rest = rest - F @ fit
        blocks.append(rest[:, :n_kept])
        targets.extend(rest[:, n_kept:].T)
        by_targets.extend(fit[:, n_kept:].T)
        by_others.extend([fit[:, :n_kept]] * Y.shape[1])
    design: Design
    if objective.design.same_weights:
        design = Shared(np.ascontiguousarray(blocks[0]), objective.design.n_tasks)
    else:
        design = from_rows(blocks)
    y = np.concatenate(targets)
    penalty = objective.penalty.restrict(np.flatnonzero(kept))
    reduced = QuadraticObjective(design, Squared(), y, np.ones_like(y), penalty, False)
    W = np.zeros_like(W0)
    n_iter = 1
    if n_kept and reduced.scale > 0.0:
        found = solve(reduced, W0[kept], _ROOM * tol * objective.scale / reduced.scale)
        W[kept], n_iter = found.W, found.n_iter
    for t, (other, target) in enumerate(zip(by_others, by_targets, strict=True)):
        W[free, t] = target - other @ W[kept, t]
    certificate = objective.final_certificate(W)
    converged = certificate.gap <= tol * objective.scale
    return Result(W, certificate, History([(n_iter, certificate.objective)]), converged)


def _equations(objective: Objective) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Scaled, centred X and targets (n, r) of every task, or of all that are alike."""
    design, y, c = objective.design, objective.y, objective.c
    if design.same_weights:
        n = design.n_rows
        yield _scaled(design.task_rows(0), y.reshape(-1, n).T, c[:n], objective.fit_intercept)
        return
    for t, (a, b) in enumerate(pairwise(design.offsets.tolist())):
        yield _scaled(design.task_rows(t), y[a:b, None], c[a:b], objective.fit_intercept)


def _scaled(
    X: FloatArray, Y: FloatArray, c: FloatArray, fit_intercept: bool
) -> tuple[FloatArray, FloatArray]:
    if fit_intercept:
        X, Y = X - c @ X / c.sum(), Y - c @ Y / c.sum()
    root = np.sqrt(c)[:, None]
    return root * X, root * Y
