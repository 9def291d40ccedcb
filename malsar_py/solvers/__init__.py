"""Algorithms: each takes an objective with its penalty, none knows a model."""

from __future__ import annotations

from . import _entries as _entries
from ._choice import SOLVERS, Solver, hand_over, register, solve
from ._norms import norm_code, over_rows
from ._residuals import noise_levels
from ._result import History, Result
from ._workspace import Workspace
from .accelerated import solve_accelerated
from .active_set import active_set_fits, solve_active_set
from .by_rows import solve_by_rows
from .closed_form import closed_form_fits, solve_closed_form
from .dual_system import DualSystem, KernelMatrix, LinearKernel, RowKernel, learn_task_kernel
from .free_rows import free_rows_fit, solve_around_free_rows
from .newton import newton_fits, solve_newton
from .pooled import best_common
from .reweighted import StagedResult, solve_reweighted
from .separation import separates
from .splitting import solve_splitting, splitting_fits
from .square_root import solve_square_root

__all__ = [
    "SOLVERS",
    "DualSystem",
    "History",
    "KernelMatrix",
    "LinearKernel",
    "Result",
    "RowKernel",
    "Solver",
    "StagedResult",
    "Workspace",
    "active_set_fits",
    "best_common",
    "closed_form_fits",
    "free_rows_fit",
    "hand_over",
    "learn_task_kernel",
    "newton_fits",
    "noise_levels",
    "norm_code",
    "over_rows",
    "register",
    "separates",
    "solve",
    "solve_accelerated",
    "solve_active_set",
    "solve_around_free_rows",
    "solve_by_rows",
    "solve_closed_form",
    "solve_newton",
    "solve_reweighted",
    "solve_splitting",
    "solve_square_root",
    "splitting_fits",
]
