"""The solvers of the register, in the order in which "auto" tries them."""

from __future__ import annotations

from ..objective import Objective
from ._choice import Solver, register
from .accelerated import solve_accelerated
from .active_set import active_set_fits, solve_active_set
from .closed_form import closed_form_fits, closed_form_pays, solve_closed_form
from .newton import newton_fits, solve_newton
from .semismooth import semismooth_fits, solve_semismooth
from .splitting import solve_splitting, splitting_fits
from .square_root import solve_square_root, square_root_fits


def _smooth(objective: Objective) -> bool:
    return objective.loss.smooth


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
        solve_active_set,
        fits=lambda objective: _smooth(objective) and active_set_fits(objective),
        purpose="penalties that separate over the features (L1, L2,1)",
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
register(Solver("apg", solve_accelerated, fits=_smooth, purpose="smooth losses"))
