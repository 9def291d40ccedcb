"""glum: iteratively reweighted least squares with coordinate descent inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from .peer import Peer, ladder, mixing, one_column

_KINDS = frozenset({"one lasso", "one elastic net", "one logistic"})
# gradient_tol is the largest violation of the optimality conditions; a multiple of lambda1 here.
PEERS = [Peer("glum", __name__, "glum", _KINDS, ladder(-2, 9), 12)]


def versions() -> dict[str, str]:
    import glum

    return {"glum": glum.__version__}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    problem = one_column(data)
    if problem["loss"] == "logistic":
        problem["y"] = (problem["y"] > 0.0).astype(float)
    return problem


def fit(problem: dict[str, Any], tol: float) -> Any:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        **mixing(problem),
        family="binomial" if problem["loss"] == "logistic" else "normal",
        fit_intercept=problem["fit_intercept"],
        gradient_tol=tol * problem["lambda1"],
        max_iter=10**3,
    )
    return model.fit(problem["X"], problem["y"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted.coef_[:, None]
