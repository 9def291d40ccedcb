"""scikit-learn's path of the multi-task lasso, and MultiTaskLassoCV."""

from __future__ import annotations

from typing import Any

import numpy as np

from .path_malsar_py import grid, timed
from .peer_sklearn import prepare as prepare_one
from .peer_sklearn import versions

__all__ = ["coefficients", "fit", "prepare", "search", "versions"]


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    return prepare_one(data) | {"grid": grid(data)}


def fit(problem: dict[str, Any], tol: float) -> Any:
    from sklearn.linear_model import MultiTaskLasso

    alphas = problem["grid"]
    return MultiTaskLasso.path(
        problem["X"], problem["Y"], l1_ratio=1.0, alphas=alphas, tol=tol, max_iter=10**6
    )


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted[1].transpose(2, 1, 0)


def search(problem: dict[str, Any], tol: float) -> dict[str, float]:
    """Seconds of the search in five folds."""
    from sklearn.linear_model import MultiTaskLassoCV

    found = MultiTaskLassoCV(
        alphas=problem["grid"], cv=5, fit_intercept=False, tol=tol, max_iter=10**6
    )
    return timed(lambda: found.fit(problem["X"], problem["Y"]))
