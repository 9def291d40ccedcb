"""Direct solutions for the squared loss with a purely quadratic penalty; see ``_systems``."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..objective import Objective, QuadraticObjective
from ._result import History, Result
from ._systems import direct_size, factorize
from ._workspace import Workspace

_REFINEMENTS = 3


def closed_form_fits(objective: Objective) -> bool:
    """Whether loss and penalty are quadratic."""
    return isinstance(objective, QuadraticObjective) and objective.penalty.structure is None


def closed_form_pays(objective: Objective) -> bool:
    """Whether a direct solution is cheaper than accelerated gradient steps."""
    return bool(np.isfinite(direct_size(objective)))


def solve_closed_form(
    objective: Objective,
    W0: FloatArray | None = None,
    *,
    tol: float,
    max_iter: int = 0,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Solve the normal equations, refining while the certificate misses ``tol`` and it helps.

    (A direct solution starts nowhere, and has no steps to be bounded.)
    """
    assert isinstance(objective, QuadraticObjective)
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    solve = factorize(objective, objective.quadratic, workspace)
    assert solve is not None
    target = tol * objective.scale
    W = np.ascontiguousarray(solve(objective.rhs))
    best = objective.final_certificate(W)
    history, n_iter = History([(1, best.objective)]), 1
    while best.gap > target and n_iter <= _REFINEMENTS:
        residual = objective.rhs - objective.lift(W) - objective.quadratic.apply(W)
        refined = np.ascontiguousarray(W + solve(residual))
        certificate = objective.final_certificate(refined)
        n_iter += 1
        if not certificate.gap < best.gap:
            break
        W, best = refined, certificate
        history.add(n_iter, best.objective)
    if verbose:
        print(f"direct solution: objective {best.objective:.9g}, gap {best.gap:.3g}")
    return Result(W, best, history, best.gap <= target)
