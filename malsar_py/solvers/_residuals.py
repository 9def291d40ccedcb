"""Residuals of a problem and their sizes, task by task."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..losses import Squared
from ..objective import Objective


def noise_levels(objective: Objective, W: FloatArray) -> FloatArray:
    """Root mean square of each task's residuals, (T,)."""
    return task_norms(objective, residual(objective, W)[0]) / task_radii(objective)


def residual(objective: Objective, W: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``y - z - b`` at the best intercepts for squares (0 where the weight is), and these."""
    c, offsets = objective.c, objective.design.offsets
    z = objective.design.predict(W)
    _, theta, b = Squared().evaluate(objective.y, z, c, offsets, objective.fit_intercept)
    return np.divide(theta, c, out=np.zeros_like(theta), where=c > 0.0), b


def task_norms(objective: Objective, r: FloatArray) -> FloatArray:
    """``sqrt(sum_i c_ti r_ti^2)``, (T,)."""
    return np.sqrt(np.add.reduceat(objective.c * r * r, objective.design.offsets[:-1]))


def task_radii(objective: Objective) -> FloatArray:
    """``sqrt(omega_t)``: radii of the balls that hold ``theta_t / sqrt(c_t)``."""
    return np.sqrt(np.add.reduceat(objective.c, objective.design.offsets[:-1]))


def spread(objective: Objective, values: FloatArray) -> FloatArray:
    """One value a task as one a sample."""
    return np.repeat(values, np.diff(objective.design.offsets))
