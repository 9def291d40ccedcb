"""Proximal Newton for smooth losses that are not quadratic: a least squares problem each round.

The quadratic model keeps the penalty, so that it is solved as a fit with the squared loss is:
directly where the penalty is quadratic, by splitting otherwise.

J. D. Lee, Y. Sun, M. A. Saunders (2014), "Proximal Newton-type methods for minimizing composite
functions".
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..objective import GeneralObjective, Objective, QuadraticObjective
from ..parts import PartsObjective, whole_of
from ._choice import hand_over
from ._result import History, Result
from ._systems import direct_size
from ._workspace import Workspace
from .closed_form import solve_closed_form
from .splitting import solve_splitting

_MOST_ROUNDS = 60
_SHORTEST = 1e-6
# A step must win this share of what the model promises.
_SUFFICIENT = 0.1
# The model is solved to this share of the gap.
_SHARE = 0.05
_INNER_ITERATIONS = 2000
# Iterations on models, in all, as a multiple of `max_iter`.
_MOST_SPENT = 2
_VANISHED = 1e-3
_ROUNDING = 4.0 * np.finfo(float).eps
_REST = 1e3
_REST_FLOOR = 1e-13


# In one piece: one loop with its state: model, its solution, the line search, when to stop.
def solve_newton(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise the objective with its penalty from ``W0`` to a relative gap of ``tol``."""
    assert isinstance(objective, GeneralObjective | PartsObjective)
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    structure = objective.penalty.structure
    target = tol * objective.scale
    W = np.array(W0, dtype=np.float64, order="C")
    z = objective.lift(W)
    certificate = objective.certificate(W, z)
    history = History([(0, certificate.objective)])
    moved, lost = np.inf, False
    # Rounds without a finite gap to go by, as happens where a part of W is free: each model is
    # solved more accurately than the last, or W itself would do as its solution.
    blind = n_iter = spent = 0
    for n_iter in range(min(max_iter, _MOST_ROUNDS) + 1):
        if verbose:
            print(
                f"iteration {n_iter}: objective {certificate.objective:.9g}, "
                f"gap {certificate.gap:.3g}"
            )
        at_rest = moved <= max(_REST * tol, _REST_FLOOR) * float(np.linalg.norm(W))
        if certificate.gap <= target and (n_iter == 0 or at_rest):
            final = objective.final_certificate(W)
            if final.gap <= target:
                return Result(W, final, history.ending(final.objective), True)
        # Loss and penalty vanish together: W is on its way to infinity.
        lost = certificate.objective < _VANISHED * min(target, _VANISHED * objective.scale)
        if lost or n_iter == min(max_iter, _MOST_ROUNDS) or spent > _MOST_SPENT * max_iter:
            break
        model = objective.model(W, z)
        blind += not np.isfinite(certificate.gap)
        goal = min(_SHARE * certificate.gap, _SHARE ** max(blind, 1) * certificate.objective)
        inner_tol = max(goal, 0.2 * target) / max(model.scale, np.finfo(float).tiny)
        if structure is None:
            assert isinstance(model, QuadraticObjective)
            found = solve_closed_form(model, tol=inner_tol)
        else:
            found = solve_splitting(
                model, W, tol=inner_tol, max_iter=min(_INNER_ITERATIONS, max_iter)
            )
            spent += found.n_iter
        D = found.W - W
        Dz = objective.lift(D)
        promised = model.value_at(W, z) - found.certificate.objective
        here = certificate.objective
        slack = _ROUNDING * here
        length = 1.0
        # (In this form a NaN is no success.)
        while not objective.value_at(W + length * D, z + length * Dz) <= (
            here - _SUFFICIENT * length * promised + slack
        ):
            length *= 0.5
            if length < _SHORTEST:
                break
        if length < _SHORTEST:
            break
        W = W + length * D
        z = z + length * Dz
        moved = length * float(np.linalg.norm(D))
        certificate = objective.certificate(W, z)
        history.add(n_iter + 1, certificate.objective)
    final = objective.final_certificate(W)
    history = history.ending(final.objective)
    left = max_iter - n_iter
    if final.gap <= target or lost or not np.isfinite(final.gap) or left <= 0:
        return Result(W, final, history, final.gap <= target)
    return hand_over(
        "newton",
        "apg",
        objective,
        W,
        history,
        workspace,
        tol=tol,
        max_iter=left,
        verbose=verbose,
    )


def newton_fits(objective: Objective) -> bool:
    """Whether the systems of the quadratic models are cheap."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    whole = whole_of(objective)
    if not isinstance(whole, GeneralObjective) or not np.isfinite(direct_size(whole)):
        return False
    if structure is None:
        return True
    return not quadratic.coupled
