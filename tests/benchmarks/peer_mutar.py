"""mutar: GroupLasso over tasks with rows of their own, cyclic coordinate descent."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .peer import Peer, ladder

# tol is the largest relative change of a coefficient in one round.
PEERS = [Peer("mutar", __name__, "mutar", frozenset({"own l21"}), ladder(0, 11), 15)]


def versions() -> dict[str, str]:
    import mutar
    import numba

    return {"mutar": mutar.__version__, "numba": numba.__version__}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    """Tasks of equal length: zero rows below, and all rows scaled so that the loss is ours."""
    offsets = data["offsets"]
    n_tasks, n_rows, d = len(offsets) - 1, int(np.diff(offsets).max()), data["X"].shape[1]
    X = np.zeros((n_tasks, n_rows, d), order="F")
    Y = np.zeros((n_tasks, n_rows))
    for t, (a, b) in enumerate(pairwise(offsets)):
        scale = np.sqrt(n_rows * data["c"][a:b])
        X[t, : b - a] = data["X"][a:b] * scale[:, None]
        Y[t, : b - a] = data["y"][a:b] * scale
    return {"X": X, "Y": Y, "lambda1": data["lambda1"]}


def fit(problem: dict[str, Any], tol: float) -> Any:
    from mutar import GroupLasso

    alpha = problem["lambda1"]
    model = GroupLasso(alpha=alpha, fit_intercept=False, tol=tol, max_iter=10**6)
    # The strength of its second, unused part. The default 10 alpha lets that part wake up for a
    # while when alpha is small, which costs rounds.
    model.beta = 1e6 * alpha
    return model.fit(problem["X"], problem["Y"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted.coef_
