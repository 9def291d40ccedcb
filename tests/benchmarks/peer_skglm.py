"""skglm: MultiTaskLasso on a shared X; GroupLasso on an explicit block-diagonal X otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from .peer import Peer, ladder, mixing
from .peer_sklearn import prepare as prepare_shared

_KINDS = frozenset({"shared l21", "one lasso", "one elastic net", "one logistic"})
# tol is the largest violation of the optimality conditions; here as a multiple of lambda1.
PEERS = [
    Peer("skglm", __name__, "skglm", _KINDS, ladder(-2, 9), 12),
    Peer("skglm blocks", __name__, "skglm", frozenset({"own l21"}), ladder(-2, 9), 12),
]


def versions() -> dict[str, str]:
    import numba
    import skglm

    return {"skglm": skglm.__version__, "numba": numba.__version__}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    if data["shared"]:
        return prepare_shared(data)
    # A feature that is zero throughout ends in a division by zero.
    kept = data["X"].any(axis=0)
    X, y = _blocks(data | {"X": data["X"][:, kept]})
    n_tasks = len(data["offsets"]) - 1
    return {"X": X, "Y": y, "lambda1": data["lambda1"], "n_tasks": n_tasks, "kept": kept}


def _blocks(data: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """X with one task's rows in the columns of that task, and y.

    Columns are sorted by feature, then by task: the groups lie side by side. Rows are scaled so
    that skglm's mean over all samples is the sum weighted by ``c``.
    """
    from scipy.sparse import csc_matrix

    X, offsets = data["X"], data["offsets"]
    n, d = X.shape
    scale = np.sqrt(n * data["c"])
    # The rows of a task are contiguous: a feature's column, cut at the offsets, is its T columns.
    values = np.ascontiguousarray((X * scale[:, None]).T).ravel()
    indices = np.tile(np.arange(n, dtype=np.int32), d)
    starts = np.append(0, np.cumsum(np.tile(np.diff(offsets), d))).astype(np.int32)
    shape = (n, d * (len(offsets) - 1))
    return csc_matrix((values, indices, starts), shape=shape), data["y"] * scale


def fit(problem: dict[str, Any], tol: float) -> Any:
    import skglm

    alpha = problem["lambda1"]
    intercept = problem.get("fit_intercept", False)
    settings = {"alpha": alpha, "fit_intercept": intercept, "tol": tol * alpha}
    limits = {"max_iter": 10**4, "max_epochs": 10**6}
    if "n_tasks" in problem:
        model = skglm.GroupLasso(problem["n_tasks"], **settings, **limits)
    elif "one" not in problem:
        model = skglm.MultiTaskLasso(**settings, **limits)
    elif problem["loss"] == "logistic":
        model = skglm.SparseLogisticRegression(**settings, **limits)
    elif problem["ridge"]:
        model = skglm.ElasticNet(**settings | mixing(problem), **limits)
    else:
        model = skglm.Lasso(**settings, **limits)
    return model.fit(problem["X"], problem["y" if "one" in problem else "Y"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    if "n_tasks" not in problem:
        return np.atleast_2d(fitted.coef_).T
    W = np.zeros((len(problem["kept"]), problem["n_tasks"]))
    W[problem["kept"]] = fitted.coef_.reshape(-1, problem["n_tasks"])
    return W
