"""scikit-learn: coordinate descent with gap-safe screening, liblinear, and a loop over tasks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .peer import Peer, ladder, mixing, one_column, target_matrix

_LINEAR = frozenset({"shared l21", "one lasso", "one elastic net", "own lasso"})
# tol is relative to ||Y||^2 / n, twice the unit of our gap.
PEERS = [
    Peer("scikit-learn", __name__, "sklearn", _LINEAR, ladder(0, 12), 17),
    Peer("liblinear", __name__, "sklearn", frozenset({"one logistic"}), ladder(0, 12), 9),
]


def versions() -> dict[str, str]:
    import sklearn
    from sklearn.linear_model import MultiTaskLasso  # noqa: F401

    return {"scikit-learn": sklearn.__version__}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    if data["shared"] and len(data["offsets"]) == 2:
        return one_column(data)
    lambda1, intercept = data["lambda1"], bool(data.get("fit_intercept"))
    if not data["shared"]:
        blocks = [
            (np.asfortranarray(data["X"][a:b]), data["y"][a:b])
            for a, b in pairwise(data["offsets"])
        ]
        return {"blocks": blocks, "lambda1": lambda1, "fit_intercept": intercept}
    X, Y = np.asfortranarray(data["X"]), np.asfortranarray(target_matrix(data))
    return {"X": X, "Y": Y, "lambda1": lambda1, "fit_intercept": intercept}


def fit(problem: dict[str, Any], tol: float) -> Any:
    from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, MultiTaskLasso

    settings = {"fit_intercept": problem["fit_intercept"], "tol": tol, "max_iter": 10**6}
    if "blocks" in problem:
        model = Lasso(alpha=problem["lambda1"], **settings)
        return np.column_stack([model.fit(X, y).coef_ for X, y in problem["blocks"]])
    if "one" not in problem:
        return MultiTaskLasso(alpha=problem["lambda1"], **settings).fit(problem["X"], problem["Y"])
    X, y = problem["X"], problem["y"]
    if problem["loss"] == "logistic":
        strength = {"C": 1.0 / (len(y) * problem["lambda1"]), "penalty": "l1"}
        return LogisticRegression(solver="liblinear", **strength, **settings).fit(X, y)
    if problem["ridge"]:
        return ElasticNet(**mixing(problem), **settings).fit(X, y)
    # As a user would choose: the Gram matrix where there are many rows.
    gram = X.shape[0] > 2 * X.shape[1]
    return Lasso(alpha=problem["lambda1"], precompute=gram, **settings).fit(X, y)


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted if "blocks" in problem else np.atleast_2d(fitted.coef_).T
