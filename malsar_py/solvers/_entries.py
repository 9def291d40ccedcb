"""The solvers of the register, in the order in which "auto" tries them."""

from __future__ import annotations

from functools import partial
from typing import Any

from .._typing import FloatArray
from ..objective import Objective
from ._choice import Solver, register, solve
from ._result import Result
from ._workspace import Workspace
from .accelerated import solve_accelerated
from .active_set import active_set_fits, separates_over_rows
from .by_rows import solve_by_rows
from .closed_form import closed_form_fits, closed_form_pays, solve_closed_form
from .multipliers import solve_multipliers
from .newton import newton_fits, solve_newton
from .semismooth import semismooth_fits, solve_semismooth
from .splitting import solve_splitting, splitting_fits
from .square_root import solve_square_root, square_root_fits
from .tied import solve_tied, tied_fits


def _smooth(objective: Objective) -> bool:
    return objective.loss.smooth


def _sets_fit(objective: Objective) -> bool:
    return tied_fits(objective) or active_set_fits(objective)


def _for_sets(objective: Objective) -> str:
    if separates_over_rows(objective):
        return "the squared loss on rows of the tasks' own where intercepts are shrunk"
    return "penalties that separate over the features (L1, L2,1)"


def _working_sets(objective: Objective, W0: FloatArray, **limits: Any) -> Result:
    minimise = solve_tied if tied_fits(objective) else solve_by_rows
    return minimise(objective, W0, **limits)


def _multipliers(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
    solver: str = "auto",
    name: str = "",
) -> Result:
    again = partial(solve, solver=solver, name=name)
    return solve_multipliers(objective, W0, again, tol=tol, max_iter=max_iter, verbose=verbose)


def _one_column(objective: Objective) -> bool:
    return objective.loss.n_columns == 1


def _newton_pays(objective: Objective) -> bool:
    """Models of coupled predictions are bounds, which converge slowly.

    But where a part of W is free and a model one system, they see early that classes are separated.
    """
    if _one_column(objective):
        return True
    free = objective.penalty.free_part(objective.shape[1]) is not None
    return free and objective.penalty.structure is None


def _never(objective: Objective) -> bool:
    return False


register(
    Solver(
        "closed-form",
        solve_closed_form,
        fits=closed_form_fits,
        pays=closed_form_pays,
        purpose="the squared loss with quadratic penalties only",
        then="apg",
    )
)
register(
    Solver(
        "square-root",
        solve_square_root,
        fits=square_root_fits,
        purpose="square-root losses",
    )
)
register(
    Solver(
        "active-set",
        _working_sets,
        fits=lambda objective: _smooth(objective) and _sets_fit(objective),
        purpose=_for_sets,
        # For coupled predictions they gain nothing on gradients, which they are solved by.
        pays=_one_column,
    )
)
register(
    Solver(
        "splitting",
        solve_splitting,
        fits=splitting_fits,
        purpose="the squared loss with a norm, on systems that are cheap to factorise",
    )
)
register(
    Solver(
        "newton",
        solve_newton,
        fits=lambda objective: _smooth(objective) and newton_fits(objective),
        purpose="smooth losses that are not squared, on systems that are cheap to factorise",
        pays=_newton_pays,
    )
)
# For what others leave over; these hand over to it.
register(
    Solver(
        "semismooth",
        solve_semismooth,
        fits=semismooth_fits,
        pays=_never,
        purpose="squared and square-root losses with the L1 or L2,1 norm",
    )
)
register(
    Solver(
        "multipliers",
        _multipliers,
        fits=lambda objective: not _smooth(objective) and not objective.loss.of_norms,
        purpose="losses that are not smooth",
    )
)
register(Solver("apg", solve_accelerated, fits=_smooth, purpose="smooth losses"))
