"""This library: the default solver and, as a baseline of our own, plain APG."""

from __future__ import annotations

from typing import Any

import numpy as np

from .peer import OURS, OURS_APG, Peer, target_matrix

_APG = frozenset({"own l21", "own logistic", "own lasso"})
_ALL = _APG | {
    *("shared l21", "shared trace", "own clustered", "own mean", "own chain"),
    *("one lasso", "one elastic net", "one logistic"),
}
# tol is the very gap that is compared: no looser tolerance is tried, though it might pass.
_LADDER = (1e-6, 9e-7, 5e-7, 2e-7)
PEERS = [
    Peer(OURS, __name__, None, _ALL, _LADDER, 0, {"solver": "auto"}, certified=True),
    Peer(OURS_APG, __name__, None, _APG, _LADDER, 0, {"solver": "apg"}, certified=True),
]


def versions() -> dict[str, str]:
    import numba
    import sklearn

    import malsar_py

    return {
        "malsar_py": malsar_py.__version__,
        "scikit-learn": sklearn.__version__,
        "numba": numba.__version__,
    }


_STEMS = {
    "l21": "JointFeature",
    "l1": "Lasso",
    "trace": "TraceNorm",
    "clustered": "Clustered",
    "mean": "MeanRegularized",
    "chain": "Graph",
}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    X = np.asarray(data["X"], order=data.get("order", "C"))
    penalty = data["penalty"]
    settings = {"lambda1": data["lambda1"], "fit_intercept": bool(data.get("fit_intercept"))}
    settings["task_weight"] = data["task_weight"]
    settings["lambda2"] = data.get("lambda2", data.get("ridge", 0.0))
    if penalty == "clustered":
        settings |= {"n_clusters": data["k"], "random_state": 0}
    if penalty == "chain":
        settings["graph"] = "chain"
    suffix = "Classifier" if data["loss"] == "logistic" else "Regressor"
    sizes, labels = np.diff(data["offsets"]), {}
    if not data["shared"]:
        y, labels = data["y"], {"tasks": np.repeat(np.arange(len(sizes)), sizes)}
    elif len(sizes) == 1:
        y = data["y"]
    else:
        y = np.ascontiguousarray(target_matrix(data))
    name = _STEMS[penalty] + suffix
    return {"X": X, "y": y, "labels": labels, "class": name, "settings": settings}


def fit(problem: dict[str, Any], tol: float, solver: str = "auto") -> Any:
    import malsar_py

    model = getattr(malsar_py, problem["class"])(
        **problem["settings"], solver=solver, tol=tol, max_iter=10**6
    )
    return model.fit(problem["X"], problem["y"], **problem["labels"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return np.atleast_2d(fitted.coef_).T


def two_passes(problem: dict[str, Any]) -> dict[str, float]:
    """CPU seconds of two full gradient passes ``X'R``: what no certified fit can do without."""
    import time

    X, R = problem["X"], np.ascontiguousarray(problem["y"].T)
    seconds = []
    for _ in range(7):
        start = time.process_time()
        np.dot(R, X)
        np.dot(R, X)
        seconds.append(time.process_time() - start)
    return {"cpu": float(np.median(seconds))}
