"""The outside judge: relative duality gap of given coefficients, in plain numpy.

Written from the formulas, not from the library: ``F(W) = sum_i c_i loss(y_i, z_i) + Omega(W)``,
``G = X' theta`` with ``theta_i = -c_i loss'``, and ``gap = F(W) + sum_i conj(-theta_i) +
Omega*(G)``, where norms first scale theta into their dual ball. The gap is divided by ``F(0)``.
There are no intercepts: the best ones of the squared loss are those of centred data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg


def predict(data: dict[str, Any], W: np.ndarray) -> np.ndarray:
    """``x_i . w_t`` for all samples, task after task."""
    X = data["X"]
    if data["shared"]:
        return (X @ W).T.ravel()
    blocks = pairwise(data["offsets"])
    return np.concatenate([X[a:b] @ W[:, t] for t, (a, b) in enumerate(blocks)])


def adjoint(data: dict[str, Any], theta: np.ndarray) -> np.ndarray:
    """``X' theta``, features by tasks."""
    X, offsets = data["X"], data["offsets"]
    if data["shared"]:
        return (theta.reshape(len(offsets) - 1, -1) @ X).T
    return np.stack([theta[a:b] @ X[a:b] for a, b in pairwise(offsets)], axis=1)


def evaluate(data: dict[str, Any], z: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and theta at the predictions z."""
    y, c = data["y"], data["c"]
    if data["loss"] == "squared":
        return 0.5 * float(c @ (y - z) ** 2), c * (y - z)
    margin = y * z
    return float(c @ np.logaddexp(0.0, -margin)), c * y * np.exp(-np.logaddexp(0.0, margin))


def dual_of_loss(data: dict[str, Any], theta: np.ndarray) -> float:
    """``-sum conj(-theta)``."""
    y, c = data["y"], data["c"]
    if data["loss"] == "squared":
        return float(y @ theta) - 0.5 * float((theta**2 / c).sum())
    a = np.clip(y * theta / c, 0.0, 1.0)

    def entropy(p: np.ndarray) -> np.ndarray:
        return np.where(p > 0.0, p * np.log(np.where(p > 0.0, p, 1.0)), 0.0)

    return -float(c @ (entropy(a) + entropy(1.0 - a)))


def centred(data: dict[str, Any]) -> dict[str, Any]:
    """The same data around the means of their tasks, if there are intercepts."""
    if not data.get("fit_intercept"):
        return data
    assert data["loss"] == "squared"
    X, y = data["X"], data["y"].copy()
    for a, b in pairwise(data["offsets"]):
        y[a:b] -= y[a:b].mean()
    if data["shared"]:
        X = X - X.mean(axis=0)
    else:
        X = np.concatenate([X[a:b] - X[a:b].mean(axis=0) for a, b in pairwise(data["offsets"])])
    return data | {"X": X, "y": y, "fit_intercept": False}


def quadratic_and_conjugate(
    data: dict[str, Any], W: np.ndarray, G: np.ndarray
) -> tuple[float, float]:
    """``tr(W Q W') / 2`` and ``tr(G Q^-1 G') / 2``, Q = lambda1 L + lambda2 I of tasks alike or in
    a chain.
    """
    coupling, ridge = data["lambda1"], data["lambda2"]
    if data["penalty"] == "mean":
        away, mean = W - W.mean(axis=1, keepdims=True), G.mean(axis=1, keepdims=True)
        value = coupling * (away**2).sum() + ridge * (W**2).sum()
        conjugate = ((G - mean) ** 2).sum() / (coupling + ridge)
        return 0.5 * float(value), 0.5 * float(conjugate + G.shape[1] * (mean**2).sum() / ridge)
    value = coupling * (np.diff(W, axis=1) ** 2).sum() + ridge * (W**2).sum()
    band = np.zeros((2, G.shape[1]))
    band[0, 1:] = -coupling
    band[1] = 2.0 * coupling + ridge
    band[1, [0, -1]] -= coupling
    solved = scipy.linalg.solveh_banded(band, G.T)
    return 0.5 * float(value), 0.5 * float((G.T * solved).sum())


def norm_and_dual_norm(penalty: str, W: np.ndarray, G: np.ndarray) -> tuple[float, float]:
    """Value of the norm at W and of its dual norm at G."""
    if penalty == "l1":
        return float(np.abs(W).sum()), float(np.abs(G).max())
    if penalty == "l21":
        return float(np.linalg.norm(W, axis=1).sum()), float(np.linalg.norm(G, axis=1).max())
    if penalty == "trace":
        return float(np.linalg.norm(W, "nuc")), float(np.linalg.norm(G, 2))
    raise ValueError(f"unknown norm {penalty!r}")


def box_norm(s: np.ndarray, lambda1: float, lambda2: float, k: int) -> float:
    """Squared spectral box norm from the singular values s."""
    eta = lambda2 / lambda1
    kappa = lambda1 * eta * (1.0 + eta)
    s = s[s > 0.0]
    if len(s) <= k:
        return 0.5 * lambda2 * float(s @ s)
    # theta = clip(s u, eta, 1 + eta) with sum k + m eta; zeros of s have theta = eta. The sum is
    # piecewise linear in u: find the two breakpoints around the root.
    breaks = np.sort(np.concatenate([eta / s, (1.0 + eta) / s]))
    sums = np.array([np.clip(s * u, eta, 1.0 + eta).sum() for u in breaks]) - (k + len(s) * eta)
    i = int(np.searchsorted(sums, 0.0))
    if i == 0:
        u = breaks[0]
    else:
        u = breaks[i - 1] - sums[i - 1] * (breaks[i] - breaks[i - 1]) / (sums[i] - sums[i - 1])
    theta = np.clip(s * u, eta, 1.0 + eta)
    return 0.5 * kappa * float((s**2 / theta).sum())


def box_conjugate(s: np.ndarray, lambda1: float, lambda2: float, k: int) -> float:
    """Its conjugate from the singular values of G, descending."""
    return 0.5 * float((s[:k] ** 2).sum() / lambda2 + (s[k:] ** 2).sum() / (lambda1 + lambda2))


def gap_and_scale(data: dict[str, Any], W: np.ndarray) -> tuple[float, float]:
    """Duality gap at W and ``F(0)``."""
    data = centred(data)
    loss, theta = evaluate(data, predict(data, W))
    G = adjoint(data, theta)
    scale = evaluate(data, np.zeros_like(data["y"]))[0]
    lambda1 = data["lambda1"]
    if data["penalty"] == "clustered":
        box = (lambda1, data["lambda2"], data["k"])
        primal = loss + box_norm(np.linalg.svd(W, compute_uv=False), *box)
        conjugate = box_conjugate(np.linalg.svd(G, compute_uv=False), *box)
        return primal - (dual_of_loss(data, theta) - conjugate), scale
    if data["penalty"] in ("mean", "chain"):
        value, conjugate = quadratic_and_conjugate(data, W, G)
        return loss + value - (dual_of_loss(data, theta) - conjugate), scale
    if data.get("ridge"):
        assert data["penalty"] == "l1"
        above = np.maximum(np.abs(G) - lambda1, 0.0)
        beside = 0.5 * data["ridge"] * float((W**2).sum())
        conjugate = 0.5 * float((above**2).sum()) / data["ridge"]
        primal = loss + lambda1 * float(np.abs(W).sum()) + beside
        return primal - (dual_of_loss(data, theta) - conjugate), scale
    norm, dual_norm = norm_and_dual_norm(data["penalty"], W, G)
    alpha = 1.0 if dual_norm <= lambda1 else lambda1 / dual_norm
    return loss + lambda1 * norm - dual_of_loss(data, alpha * theta), scale


def relative_gap(data: dict[str, Any], W: np.ndarray) -> float:
    """Gap over ``F(0)``; inf for coefficients that are not finite."""
    if not np.isfinite(W).all():
        return float("inf")
    gap, scale = gap_and_scale(data, W)
    return gap / scale


def lambda_max(data: dict[str, Any]) -> float:
    """The smallest lambda1 of a norm at which W = 0."""
    data = centred(data)
    G = adjoint(data, evaluate(data, np.zeros_like(data["y"]))[1])
    return norm_and_dual_norm(data["penalty"], np.zeros_like(G), G)[1]
