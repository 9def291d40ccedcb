"""scikit-learn: MultiTaskLasso, coordinate descent with gap-safe screening."""

from __future__ import annotations

from typing import Any

import numpy as np

from .peer import Peer, ladder, target_matrix

# tol is relative to ||Y||^2 / n, twice the unit of our gap.
PEERS = [Peer("scikit-learn", __name__, "sklearn", frozenset({"shared l21"}), ladder(0, 12), 17)]


def versions() -> dict[str, str]:
    import sklearn
    from sklearn.linear_model import MultiTaskLasso  # noqa: F401

    return {"scikit-learn": sklearn.__version__}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    Y = np.asfortranarray(target_matrix(data))
    return {"X": np.asfortranarray(data["X"]), "Y": Y, "lambda1": data["lambda1"]}


def fit(problem: dict[str, Any], tol: float) -> Any:
    from sklearn.linear_model import MultiTaskLasso

    model = MultiTaskLasso(alpha=problem["lambda1"], fit_intercept=False, tol=tol, max_iter=10**6)
    return model.fit(problem["X"], problem["Y"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted.coef_.T
