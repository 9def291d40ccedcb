"""Majorise and minimise: a penalty that is concave in the rows' sizes, by convex stages.

Each stage minimises the objective with the concave penalty replaced by a weighted norm that touches
it at the last W and lies above it elsewhere, so that the objective never rises (Hunter, Lange 2004;
T. Zhang 2010, "Analysis of multi-stage convex relaxation for sparse regularization"). W minimises
its own majorant if and only if it is a stationary point: the duality gap of W as a solution of the
stage that would follow measures stationarity, and stops the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from .._typing import FloatArray, IntArray
from ..objective import Objective, Penalty
from ._result import History, Result
from .separation import separates

# Accuracy of a stage, as shares of tol: the first that does not make the objective rise.
_STAGE_TOL = (0.1, 1e-3, 1e-5)
# Near a stationary point the objective is flat to rounding before the gap has closed.
_ROUNDING = 1e-13
_NONE: IntArray = np.empty(0, np.intp)


class Concave(Protocol):
    """What the loop knows of the penalty; ``malsar_py.penalties`` has the classes."""

    @property
    def share(self) -> float: ...
    def value(self, W: FloatArray) -> float: ...
    def majorant(self, W: FloatArray) -> Penalty: ...
    def smoothed(self, W: FloatArray) -> Self: ...


@dataclass(frozen=True)
class StagedResult(Result):
    """``certificate`` is of the stage that would follow, ``history`` has one value a stage."""

    n_stages: int
    # Positions of tasks whose classes are separated by what the stage leaves free.
    separated: IntArray


def solve_reweighted(
    objective: Objective,
    concave: Concave,
    W0: FloatArray,
    solve: Callable[[Objective, FloatArray, float], Result],
    *,
    tol: float,
    max_stages: int,
    verbose: int = 0,
) -> StagedResult:
    """Descend to a stationary point, relative gap at most ``tol`` there.

    ``objective`` has the penalty of the first stage, which is passed over if ``W0`` is not zero.
    ``solve(objective, start, tol)`` solves a stage.
    """
    if not objective.loss.smooth:
        raise ValueError(
            f"{objective.loss!r} is not smooth, which fits in stages do not take: choose a convex "
            "penalty (Lasso, JointFeature and so on), or a Huber loss of small delta."
        )
    W, n_stages, n_iter, solved = W0, 0, 0, True
    target = tol * objective.scale
    history, lowest = History(), np.inf
    if not W.any():
        first = solve(objective, W, _STAGE_TOL[0] * tol)
        W, n_stages, n_iter, solved = first.W, 1, first.n_iter, first.converged
    concave = concave.smoothed(W)
    while True:
        majorant = concave.majorant(W)
        stage = objective.with_penalty(majorant)
        certificate = stage.final_certificate(W)
        loss = certificate.objective - majorant.value(W)
        value = loss + concave.value(W)
        highest = value + _ROUNDING * abs(value)
        before, lowest = lowest, min(value, lowest)
        history.add(n_iter, lowest)
        if verbose:
            print(f"stage {n_stages}: objective {value:.9g}, gap {certificate.gap:.3g}")
        converged = certificate.gap <= target
        # A stage that ran out of steps is good enough while the objective falls.
        stuck = not solved and not value < before - target
        separated = separates(stage, W) if not solved else _NONE
        if converged or stuck or separated.size or n_stages >= max_stages:
            break
        for share in _STAGE_TOL:
            accuracy = max(share * tol, concave.share * certificate.gap / objective.scale)
            found = solve(stage, W, accuracy if share == _STAGE_TOL[0] else share * tol)
            n_iter += found.n_iter
            loss = found.certificate.objective - majorant.value(found.W)
            fine, solved = loss + concave.value(found.W) <= highest, found.converged
            if fine or not solved:
                break
        if not fine:
            break
        W = found.W
        n_stages += 1
    history.iterations[-1] = n_iter  # of a stage that was no better, too
    return StagedResult(W, certificate, history, converged, n_stages, separated)
