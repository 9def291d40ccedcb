"""celer: working sets with dual extrapolation."""

from __future__ import annotations

from typing import Any

from .peer import Peer, ladder, mixing
from .peer_sklearn import coefficients, prepare

__all__ = ["coefficients", "fit", "prepare", "versions"]

_KINDS = frozenset({"shared l21", "one lasso", "one elastic net", "one logistic"})
# tol is relative to ||Y||^2 / n, twice the unit of our gap.
PEERS = [Peer("celer", __name__, "celer", _KINDS, ladder(0, 12), 17)]


def versions() -> dict[str, str]:
    import celer
    import sklearn

    return {"celer": celer.__version__, "scikit-learn": sklearn.__version__}


def fit(problem: dict[str, Any], tol: float) -> Any:
    import celer

    settings = {"fit_intercept": problem["fit_intercept"], "tol": tol, "max_epochs": 10**6}
    X, alpha = problem["X"], problem["lambda1"]
    if "one" not in problem:
        model = celer.MultiTaskLasso(alpha=alpha, max_iter=10**4, **settings)
        return model.fit(X, problem["Y"])
    if problem["loss"] == "logistic":
        strength = 1.0 / (len(problem["y"]) * alpha)
        model = celer.LogisticRegression(C=strength, max_iter=10**3, **settings)
    elif problem["ridge"]:
        model = celer.ElasticNet(**mixing(problem), max_iter=10**4, **settings)
    else:
        model = celer.Lasso(alpha=alpha, max_iter=10**4, **settings)
    return model.fit(X, problem["y"])
