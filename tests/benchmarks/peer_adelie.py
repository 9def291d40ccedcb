"""adelie: the group elastic net of several Gaussian responses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .peer import Peer, ladder, target_matrix

# tol is about the change of coefficients in one round.
PEERS = [Peer("adelie", __name__, "adelie", frozenset({"shared l21"}), ladder(2, 20), 30)]

# adelie is made for paths: five steps down to the lambda are faster than one.
_STEPS = 5


def versions() -> dict[str, str]:
    from importlib.metadata import version

    import adelie  # noqa: F401

    return {"adelie": version("adelie")}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    Y = np.ascontiguousarray(target_matrix(data))
    return {"X": np.asfortranarray(data["X"]), "Y": Y, "lambda1": data["lambda1"]}


def fit(problem: dict[str, Any], tol: float) -> Any:
    import adelie

    X, Y = problem["X"], problem["Y"]
    top = np.linalg.norm(Y.T @ X, axis=0).max() / len(Y)
    path = np.geomspace(top, problem["lambda1"], _STEPS + 1)[1:]
    return adelie.grpnet(
        X,
        adelie.glm.multigaussian(Y),
        penalty=np.ones(X.shape[1]),
        lmda_path=path / Y.shape[1],  # its loss is divided by the number of responses
        tol=tol,
        intercept=False,
        early_exit=False,
        progress_bar=False,
        n_threads=1,
    )


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    if len(fitted.lmdas) < _STEPS:
        raise RuntimeError("adelie stopped before the last lambda")
    return fitted.betas[-1].toarray().reshape(-1, problem["Y"].shape[1])
