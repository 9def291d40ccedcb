"""Intervals of a normal distribution."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.utils._param_validation import Interval

from ._typing import FloatArray

_LEVEL = Interval(Real, 0, 1, closed="neither")


def check_level(level: Any) -> None:
    """Refuse what is not a probability in (0, 1)."""
    if isinstance(level, bool) or not _LEVEL.is_satisfied_by(level):
        raise ValueError(f"level must be in (0, 1), got {level!r}.")


def normal_interval(
    center: FloatArray, variance: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """What holds a normal number of these centers and variances with probability ``level``."""
    check_level(level)
    half = norm.ppf(0.5 + 0.5 * level) * np.sqrt(np.maximum(variance, 0.0))
    return center - half, center + half
