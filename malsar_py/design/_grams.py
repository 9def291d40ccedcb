"""Gram matrices of dense rows."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray


def weighted_gram(
    X: FloatArray, weight: FloatArray, centered: bool, even: bool | None = None
) -> FloatArray:
    """``X' diag(weight) X`` (d, d), around the weighted mean if ``centered``.

    ``even``: whether all weights are the same, if that is known.
    """
    if even is None:
        even = weight.size > 0 and bool((weight == weight[0]).all())
    if even:
        H = X.T @ X
        H *= weight[0]
    else:
        scaled = X * np.sqrt(weight)[:, None]
        H = scaled.T @ scaled
    total = weight.sum() if centered else 0.0
    if total > 0.0:
        moment = weight @ X
        H -= moment[:, None] * (moment / total)
    return H


def pooled_gram(
    X: FloatArray, weight: FloatArray, totals: FloatArray, moments: FloatArray | None
) -> FloatArray:
    """``X' diag(weight) X`` (1, d, d) less the tasks' means, from their moments (T, d)."""
    H = weighted_gram(X, weight, False)
    if moments is not None:
        scaled = moments / np.sqrt(np.where(totals > 0.0, totals, 1.0))[:, None]
        H -= scaled.T @ scaled
    return H[None]
