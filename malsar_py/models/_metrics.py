"""What the priors of new tasks are made of."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .._typing import FloatArray


def around(W: FloatArray, common: bool) -> tuple[FloatArray, FloatArray, float]:
    """What coefficients (n_features, n_tasks) are drawn to, zero or the mean, and the rest.

    And by how much more than others a new task may spread, because the mean moves with it.
    """
    if not common:
        return np.zeros(W.shape[0]), W, 1.0
    center, n_tasks = W.mean(axis=1), W.shape[1]
    return center, W - center[:, None], (n_tasks + 1) / n_tasks


def over(sizes: FloatArray, strength: float) -> FloatArray:
    """Sizes over a strength; infinite where the strength is zero."""
    if strength == 0.0:
        return np.full_like(sizes, np.inf)
    return sizes / strength


def left_singular(V: FloatArray) -> tuple[FloatArray, FloatArray]:
    """All left singular vectors (d, d) and as many singular values, zeros last."""
    axes, s, _ = scipy.linalg.svd(V, full_matrices=True, check_finite=False)
    return axes, np.concatenate([s, np.zeros(len(axes) - len(s))])
