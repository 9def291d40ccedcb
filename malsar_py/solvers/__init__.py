"""Algorithms: each takes an objective with its penalty, none knows a model."""

from __future__ import annotations

from ._result import Result
from .accelerated import solve_accelerated
from .closed_form import closed_form_fits, solve_closed_form

__all__ = ["Result", "closed_form_fits", "solve_accelerated", "solve_closed_form"]
