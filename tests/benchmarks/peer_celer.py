"""celer: MultiTaskLasso, working sets with dual extrapolation."""

from __future__ import annotations

from typing import Any

from .peer import Peer, ladder
from .peer_sklearn import coefficients, prepare

__all__ = ["coefficients", "fit", "prepare", "versions"]

# tol is relative to ||Y||^2 / n, twice the unit of our gap.
PEERS = [Peer("celer", __name__, "celer", frozenset({"shared l21"}), ladder(0, 12), 17)]


def versions() -> dict[str, str]:
    import celer
    import sklearn

    return {"celer": celer.__version__, "scikit-learn": sklearn.__version__}


def fit(problem: dict[str, Any], tol: float) -> Any:
    from celer import MultiTaskLasso

    model = MultiTaskLasso(
        alpha=problem["lambda1"], fit_intercept=False, tol=tol, max_iter=10**4, max_epochs=10**6
    )
    return model.fit(problem["X"], problem["Y"])
