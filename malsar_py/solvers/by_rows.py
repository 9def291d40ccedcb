"""Row-separable penalties: working sets, around rows that are free of the norm."""

from __future__ import annotations

from .._typing import FloatArray
from ..objective import Objective
from ._choice import solve
from ._result import Result
from ._workspace import Workspace
from .active_set import solve_active_set
from .free_rows import free_rows_fit, solve_around_free_rows


def solve_by_rows(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise with a row-separable penalty: by working sets, around rows that are free of it."""
    structure = objective.penalty.structure
    assert structure is not None
    free = structure.row_thresholds(W0.shape[0]) == 0.0

    def by_sets(objective: Objective, W0: FloatArray, tol: float) -> Result:
        return solve_active_set(objective, W0, tol=tol, max_iter=max_iter, verbose=verbose)

    if not free.any() or not objective.affine:
        return solve_active_set(
            objective, W0, tol=tol, max_iter=max_iter, verbose=verbose, workspace=workspace
        )
    # Working sets rank rows by gradient over threshold: none may be zero.
    if free_rows_fit(objective):
        found = solve_around_free_rows(objective, W0, free, by_sets, tol=tol)
        if found.converged:
            return found
        W0 = found.W
    return solve(
        objective,
        W0,
        solver="auto",
        name="",
        tol=tol,
        max_iter=max_iter,
        verbose=verbose,
        workspace=workspace,
        without=("closed-form", "active-set"),
    )
