"""Classes that coefficients without a penalty separate: the loss falls for ever on the way there.

A. Albert, J. A. Anderson (1984), "On the existence of maximum likelihood estimates in logistic
regression models".
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray
from ..objective import Objective


def separates(objective: Objective, W: FloatArray) -> IntArray:
    """The tasks whose classes are separated by that part of W alone which is free of a penalty.

    There is no finite minimiser where there are any.
    """
    free = objective.penalty.free_part(W.shape[1])
    if objective.affine or free is None:
        return np.empty(0, np.intp)
    rows, basis = free
    part = np.zeros_like(W)
    part[rows] = W[rows] if basis is None else W[rows] @ basis @ basis.T
    z, offsets = objective.design.predict(part), objective.design.offsets
    found = objective.loss.separates(objective.y, z, objective.c, offsets, objective.fit_intercept)
    return np.flatnonzero(found)
