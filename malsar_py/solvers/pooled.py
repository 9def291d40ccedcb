"""The best model that is one for all tasks, by Newton's method: a small system each step."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..objective import GeneralObjective, Objective, QuadraticObjective

_MOST_STEPS = 50
_SHORTEST = 1e-8
_SUFFICIENT = 0.1
# A step that promises this share of the objective less is the last.
_ENOUGH = 1e-14


def best_common(objective: Objective, basis: FloatArray, ridge: float) -> FloatArray:
    """The W of rows in the span of the basis (n_tasks, r) that has the least loss and ridge.

    The basis is orthonormal, and no task has a part in two of its directions: they say which tasks
    have one model. The ridge is ``ridge/2 ||W||_F^2``.
    """
    if isinstance(objective, QuadraticObjective):
        return objective.hessian.free_step(objective.rhs, slice(None), basis, ridge=ridge)
    assert isinstance(objective, GeneralObjective)

    def value(W: FloatArray, z: FloatArray) -> float:
        return objective.loss_at(z).value + 0.5 * ridge * float(np.vdot(W, W))

    W, z = np.zeros(objective.shape), np.zeros_like(objective.y)
    here = value(W, z)
    for _ in range(_MOST_STEPS):
        step = objective.common_step(W, z, basis, ridge)
        Dz = objective.lift(step)
        slope = float(objective.loss_at(z).theta @ Dz) - ridge * float(np.vdot(W, step))
        if not slope > _ENOUGH * abs(here):
            break
        length, there = 1.0, value(W + step, z + Dz)
        # (In this form a NaN is no success.)
        while not there <= here - _SUFFICIENT * length * slope and length > _SHORTEST:
            length *= 0.5
            there = value(W + length * step, z + length * Dz)
        if length <= _SHORTEST:
            break
        W, z, here = W + length * step, z + length * Dz, there
    return W
