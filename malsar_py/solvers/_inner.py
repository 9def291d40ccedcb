"""Which solver suits the problem over some features."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray
from ..objective import Objective, QuadraticObjective
from ._inner_base import Inner
from ._inner_coupled import Coupled
from ._inner_quadratic import (
    WHOLE_GRAM,
    BlockGram,
    BlockResidual,
    Columns,
    Gram,
    GramRows,
    Residual,
    WholeGram,
    tasks_are_apart,
)
from ._inner_smooth import Newton
from ._inner_weighted import Weighted

_LOOP_SAMPLES = 50
_LOOP_GRAM = 128
_SINGLE = 3e-7
_SPARE = 10
# Numbers in the Gram matrices of all tasks.
_GRAMS = 4e6
# So many features are few, whatever the tasks' rows.
_FEW = 64


def inner_solver(
    objective: Objective,
    working: IntArray,
    last: Inner | None,
    gap: float,
    sizes: FloatArray | None = None,
) -> Inner:
    """The solver that suits so many features; ``last`` is the one before.

    ``sizes`` of the gradients of all features, where more features are likely to come.
    """
    design, k = objective.design, working.size
    single = Inner.last_share * gap > _SINGLE * objective.scale
    if last is not None:
        last.rebind(objective)
    if last is not None and last.single <= single and np.array_equal(last.working, working):
        return last
    if objective.loss.n_columns > 1:
        return Coupled(objective, working)
    if not isinstance(objective, QuadraticObjective):
        return Newton(objective, working, last)
    if design.one_x and not design.same_weights:
        return Weighted(objective, working, last)
    if k == objective.shape[0] and whole_gram(objective):
        return WholeGram(objective, working)
    if looks_itself(objective):
        before = last if isinstance(last, GramRows) else None
        return GramRows(objective, working, before, sizes)
    columns = last if isinstance(last, Columns) else None
    if k <= gram_limit(objective):
        kind = BlockGram if design.one_x and k > _LOOP_GRAM else Gram
        return kind(objective, working, columns)
    if design.one_x and design.n_rows > _LOOP_SAMPLES:
        return BlockResidual(objective, working, columns, single)
    return Residual(objective, working, columns)


def whole_gram(objective: Objective) -> bool:
    """Whether Gram matrices of all features are the cheapest way."""
    if not isinstance(objective, QuadraticObjective):
        return False
    design = objective.design
    if design.same_weights:
        # A Gram matrix costs as much as d / (4 T) passes over the features; a working set needs
        # few.
        few = design.n_features <= 8 * design.n_tasks
        return few and design.n_rows >= design.n_features <= WHOLE_GRAM
    if design.one_x:
        return False
    # Where features are few, loops over the tasks are the long ones: they are the fast ones.
    few = design.n_features <= _FEW and design.n_tasks * design.n_features**2 <= _GRAMS
    return few or design.prefers_gram()


def gram_limit(objective: Objective) -> float:
    """Up to how many features Gram matrices are cheaper than residuals."""
    design = objective.design
    if design.one_x:
        return design.n_rows
    few = 2 * design.n_rows / design.n_tasks
    # Where tasks are apart, few of their features are looked at more than once.
    return max(few, (_GRAMS / design.n_tasks) ** 0.5) if tasks_are_apart(objective) else few


def looks_itself(objective: Objective) -> bool:
    """Whether a tall shared X is best seen through the rows of its Gram matrix.

    They tell what a pass over X would.
    """
    design = objective.design
    return (
        isinstance(objective, QuadraticObjective)
        and design.same_weights
        and design.n_rows >= 2 * design.n_features
    )


def inner_spare(objective: Objective) -> int:
    """How many features a set takes in beyond those that must be."""
    return 0 if looks_itself(objective) else _SPARE
