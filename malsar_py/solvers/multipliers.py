"""The method of multipliers for losses that are not smooth: rounds of fits with smooth ones.

A loss that is ``max_s s y' - conj(s)`` by sample, less ``width/2 (s - s_0)^2``, is smooth, and is
fitted with any penalty. Its slopes are the next s_0: proximal steps of the dual problem, which for
polyhedral losses end after finitely many. They stay in the domain of the conjugate, so that each is
a dual point of the loss itself.

R. T. Rockafellar (1976), "Augmented Lagrangians and applications of the proximal point algorithm in
convex programming".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._typing import FloatArray
from ..objective import Objective, make_objective
from ..parts import by_parts, whole_of
from ._result import History, Result

# Widths in units of the mean loss at W = 0: the first, and what comes of one where the gap does not
# follow, and where it does.
_FIRST, _NARROWER, _SLOWLY = 1.0, 0.2, 0.5
_LEAST_WIDTH = 1e-4
# Rounds are solved to this share of the gap, less where the gap does not follow.
_SHARE, _FINER = 0.1, 0.1
_FINEST = 1e-13
_MOST_IDLE = 8


def solve_multipliers(
    objective: Objective,
    W0: FloatArray,
    solve: Callable[..., Result],
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
) -> Result:
    """Minimise the objective with its penalty from ``W0`` to a relative gap of ``tol``.

    ``solve(problem, W0, tol=, max_iter=)`` solves the problems with a smooth loss; their iterations
    are counted.
    """
    whole = whole_of(objective)
    if 0.0 < whole.shrinkage < np.inf:
        raise ValueError(
            f"{whole.loss!r} is not smooth, which intercepts drawn to their mean do not take: set "
            "intercept_shrinkage to 0 or inf."
        )
    design, c = whole.design, whole.c
    terms = objective.penalty, whole.fit_intercept, whole.shrinkage
    target = tol * objective.scale
    width = unit = _FIRST * objective.scale / max(float(c.sum()), np.finfo(float).tiny)
    W = np.array(W0, dtype=np.float64, order="C")
    here = whole.loss_at(design.predict(objective.coefficients(W)))
    theta = here.theta
    history = History()
    best: Result | None = None
    share, idle, n_iter = _SHARE, 0, 0
    while True:
        found = replace(objective.certify_with(W, here.value, theta)[0], intercepts=here.intercepts)
        history.add(n_iter, found.objective)
        if verbose:
            print(
                f"iteration {n_iter}: width {width:.3g}, objective {found.objective:.9g}, "
                f"gap {found.gap:.3g}"
            )
        # (A gap of infinity, where a part of W is free and was not yet solved for, says nothing.)
        known = bool(np.isfinite(found.gap))
        follows = known and (best is None or found.gap <= 0.5 * best.gap)
        idle = 0 if follows else idle + 1
        if best is None or found.gap < best.gap or not np.isfinite(best.gap):
            best = Result(W, found, history, found.gap <= target)
        if best.converged or n_iter >= max_iter or idle == _MOST_IDLE:
            break
        width *= _NARROWER if known and not follows else _SLOWLY
        width = max(width, _LEAST_WIDTH * unit)
        share *= 1.0 if follows else _FINER
        loss, y = whole.loss.smoothed(whole.y, theta, c, width)
        problem = by_parts(make_objective(design, loss, y, c, *terms))
        goal = max(share * min(found.gap, objective.scale), 0.1 * target)
        relative = max(goal / max(problem.scale, np.finfo(float).tiny), _FINEST)
        solution = solve(problem, W, tol=relative, max_iter=max(max_iter - n_iter, 1))
        n_iter += solution.n_iter
        W = solution.W
        z = design.predict(objective.coefficients(W))
        here, theta = whole.loss_at(z), whole_of(problem).loss_at(z).theta
    history.add(n_iter, best.certificate.objective)
    return best
