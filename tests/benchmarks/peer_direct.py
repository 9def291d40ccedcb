"""numpy and scipy by hand: quadratic models as one linear system, by its structure."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from .peer import Peer

PEERS = [
    Peer("numpy direct", __name__, None, frozenset({"own mean", "own chain"}), (0.0,), 0),
]


def versions() -> dict[str, str]:
    return {}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    n_tasks = len(data["offsets"]) - 1
    X = data["X"].reshape(n_tasks, -1, data["X"].shape[1])
    y = data["y"].reshape(n_tasks, -1)
    names = ("penalty", "lambda1", "lambda2")
    intercept = bool(data.get("fit_intercept"))
    return {"X": X, "y": y, "fit_intercept": intercept} | {name: data[name] for name in names}


def fit(problem: dict[str, Any], tol: float) -> np.ndarray:
    X, y = problem["X"], problem["y"]
    if problem["fit_intercept"]:
        X, y = X - X.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    solve = _to_the_mean if problem["penalty"] == "mean" else _along_the_chain
    return solve(X, y, problem["lambda1"], problem["lambda2"])


def _to_the_mean(X: np.ndarray, y: np.ndarray, coupling: float, ridge: float) -> np.ndarray:
    """``w_t = (H_t + s I)^-1 (r_t + coupling m)``, inverses by Woodbury, then m from its mean."""
    n_tasks, n, d = X.shape
    s = coupling + ridge
    K = X @ X.transpose(0, 2, 1)
    K[:, np.arange(n), np.arange(n)] += n * s
    # (H_t + s I)^-1 = (I - X' K^-1 X) / s; one solve for y and for X.
    solved = np.linalg.solve(K, np.concatenate([y[:, :, None], X], axis=2))
    # (H_t + s I)^-1 X'y / n = X' K^-1 y.
    own = np.matmul(X.transpose(0, 2, 1), solved[:, :, :1])[:, :, 0]
    shrunk = np.tensordot(X, solved[:, :, 1:], axes=([0, 1], [0, 1])) / n_tasks
    mean = np.linalg.solve(np.eye(d) - coupling / s * (np.eye(d) - shrunk), own.mean(axis=0))
    away = np.matmul(X.transpose(0, 2, 1), (solved[:, :, 1:] @ mean)[:, :, None])[:, :, 0]
    return (own + coupling / s * (mean - away)).T


def _along_the_chain(X: np.ndarray, y: np.ndarray, coupling: float, ridge: float) -> np.ndarray:
    """Block elimination of a block-tridiagonal system."""
    n_tasks, n, d = X.shape
    A = X.transpose(0, 2, 1) @ X / n
    right = (X.transpose(0, 2, 1) @ y[:, :, None])[:, :, 0] / n
    neighbours = np.full(n_tasks, 2.0)
    neighbours[[0, -1]] = 1.0
    A[:, np.arange(d), np.arange(d)] += ridge + coupling * neighbours[:, None]
    factors, eye = [], np.eye(d)
    for t in range(n_tasks):
        if t:
            A[t] -= coupling**2 * scipy.linalg.cho_solve(factors[-1], eye, check_finite=False)
            before = scipy.linalg.cho_solve(factors[-1], right[t - 1], check_finite=False)
            right[t] += coupling * before
        factors.append(scipy.linalg.cho_factor(A[t], lower=True, check_finite=False))
    W = np.zeros((n_tasks, d))
    following = np.zeros(d)
    for t in range(n_tasks - 1, -1, -1):
        following = W[t] = scipy.linalg.cho_solve(
            factors[t], right[t] + coupling * following, check_finite=False
        )
    return W.T


def coefficients(problem: dict[str, Any], fitted: np.ndarray) -> np.ndarray:
    return fitted
