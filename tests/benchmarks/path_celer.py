"""celer's path of the multi-task lasso, and its MultiTaskLassoCV (under its own scikit-learn)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .path_malsar_py import timed
from .path_sklearn import prepare
from .peer_celer import versions

__all__ = ["coefficients", "fit", "prepare", "search", "versions"]


def fit(problem: dict[str, Any], tol: float) -> Any:
    from celer.homotopy import mtl_path

    return mtl_path(
        problem["X"],
        problem["Y"],
        alphas=problem["grid"],
        tol=tol,
        max_iter=10**4,
        max_epochs=10**6,
    )


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    W = fitted[1]
    return W.transpose(2, 1, 0) if W.shape[0] == problem["Y"].shape[1] else W.transpose(2, 0, 1)


def search(problem: dict[str, Any], tol: float) -> dict[str, float]:
    """Seconds of the search in five folds."""
    from celer import MultiTaskLassoCV

    found = MultiTaskLassoCV(
        alphas=problem["grid"], cv=5, fit_intercept=False, tol=tol, max_iter=10**4
    )
    return timed(lambda: found.fit(problem["X"], problem["Y"]))
