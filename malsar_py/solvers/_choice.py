"""Which solver an objective gets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .._typing import FloatArray
from ..objective import Objective, QuadraticObjective
from ._result import Result
from ._workspace import Workspace
from .accelerated import solve_accelerated
from .active_set import active_set_fits, separates_over_rows, solve_active_set
from .closed_form import closed_form_fits, solve_closed_form
from .free_rows import free_rows_fit, solve_around_free_rows
from .multipliers import solve_multipliers
from .newton import newton_fits, solve_newton
from .splitting import solve_splitting, splitting_fits
from .tied import solve_tied, tied_fits


def solve(
    objective: Objective,
    W0: FloatArray,
    *,
    solver: str,
    name: str,
    tol: float,
    max_iter: int,
    verbose: int,
    workspace: Workspace | None,
) -> Result:
    """Minimise by the solver asked for; ``name`` is the model's, for errors."""
    direct = isinstance(objective, QuadraticObjective) and objective.penalty.structure is None
    tied = tied_fits(objective)
    sparse = tied or active_set_fits(objective)
    if solver == "closed-form" and not direct:
        raise ValueError(
            "solver='closed-form' is for the squared loss with quadratic penalties only, which "
            f"{name} with these parameters is not: use 'auto' or 'apg'."
        )
    if solver == "active-set" and not sparse and separates_over_rows(objective):
        raise ValueError(
            "solver='active-set' with shrunk intercepts is for the squared loss on rows of the "
            f"tasks' own, which {name} does not have here: use 'auto' or 'apg'."
        )
    if solver == "active-set" and not sparse:
        raise ValueError(
            "solver='active-set' is for penalties that separate over the features (L1, L2,1), "
            f"which that of {name} with these parameters does not: use 'auto' or 'apg'."
        )
    if not objective.loss.smooth:
        again = partial(solve, solver=solver, name=name, verbose=0, workspace=None)
        return solve_multipliers(objective, W0, again, tol=tol, max_iter=max_iter, verbose=verbose)
    if direct and solver in ("auto", "closed-form"):
        assert isinstance(objective, QuadraticObjective)
        if solver == "closed-form" or closed_form_fits(objective):
            result = solve_closed_form(objective, tol=tol, workspace=workspace)
            if result.converged or solver == "closed-form":
                return result
            W0 = result.W
    minimise: Callable[..., Result] = solve_accelerated
    # (For coupled predictions working sets gain nothing on gradients, which they are solved by.)
    if solver == "active-set" or (sparse and solver == "auto" and objective.loss.n_columns == 1):
        minimise = solve_tied if tied else solve_by_rows
    elif solver == "auto":
        minimise = iterative_solver(objective)
    return minimise(objective, W0, tol=tol, max_iter=max_iter, verbose=verbose, workspace=workspace)


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
    solve = iterative_solver(objective)
    return solve(objective, W0, tol=tol, max_iter=max_iter, verbose=verbose, workspace=workspace)


def iterative_solver(objective: Objective) -> Callable[..., Result]:
    """The fastest solver for an objective without working sets or closed form."""
    if objective.loss.n_columns > 1:
        # Models of coupled predictions are bounds, which converge slowly; but where a part of W is
        # free, they see early that classes are separated.
        free = objective.penalty.free_part(objective.shape[1]) is not None
        return solve_newton if free and newton_fits(objective) else solve_accelerated
    if splitting_fits(objective):
        return solve_splitting
    return solve_newton if newton_fits(objective) else solve_accelerated
