"""Small dense systems that may be singular."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ._typing import FloatArray


def solve_psd(H: FloatArray, B: FloatArray) -> FloatArray:
    """Least-norm solution of ``H X = B`` for positive semidefinite H and B in its range."""
    values, Q = scipy.linalg.eigh(H, check_finite=False)
    kept = values > values[-1] * H.shape[0] * np.finfo(float).eps
    if not kept.any():
        return np.zeros_like(B)
    Q = Q[:, kept]
    return Q @ ((Q.T @ B).T / values[kept]).T
