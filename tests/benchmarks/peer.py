"""What a peer is. Every ``peer_*.py`` lists one or more in ``PEERS`` and has the functions

* ``versions()``: import the library, say the versions that matter;
* ``prepare(data)``: the problem in the form the library likes best (not timed);
* ``fit(problem, tol, **options)``: the timed call;
* ``coefficients(problem, fitted)``: W, features by tasks.

Libraries are imported inside these functions: the files themselves are read in every environment.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_MODULES = (
    "peer_malsar_py",
    "peer_sklearn",
    "peer_celer",
    "peer_skglm",
    "peer_adelie",
    "peer_mutar",
    "peer_glum",
    "peer_direct",
    "peer_fista",
)

# The names of our own two entries.
OURS = "malsar_py"
OURS_APG = "malsar_py apg"

# The relative gap at which everything is compared.
GAP = 1e-6


@dataclass(frozen=True)
class Peer:
    """A solver in the tables; ``ladder`` has its tolerances, loose to tight."""

    name: str
    module: str
    requirements: str | None
    kinds: frozenset[str]
    ladder: tuple[float, ...]
    start: int  # where on the ladder to look first
    options: dict[str, Any] = field(default_factory=dict)
    certified: bool = False  # its tolerances are gaps, and the ladder is that of `GAP`

    def steps(self, gap: float) -> tuple[float, ...]:
        """The ladder for a gap."""
        return tuple(gap / GAP * tol for tol in self.ladder) if self.certified else self.ladder


def ladder(loose: int, tight: int) -> tuple[float, ...]:
    """Powers of ten and two steps between each: 1e-3, 5e-4, 2e-4, 1e-4, ..."""
    steps = [float(f"{m}e{-e}") for e in range(loose, tight) for m in ("1", "0.5", "0.2")]
    return (*steps, float(f"1e-{tight}"))


def load_peers() -> list[Peer]:
    """All peers."""
    modules = [importlib.import_module(f"{__package__}.{name}") for name in _MODULES]
    return [peer for module in modules for peer in module.PEERS]


def one_column(data: dict[str, Any]) -> dict[str, Any]:
    """A problem of one task, as estimators of one target take it."""
    settings = {"lambda1": data["lambda1"], "ridge": data.get("ridge", 0.0)}
    settings["fit_intercept"] = bool(data.get("fit_intercept"))
    X = np.asfortranarray(data["X"])
    return settings | {"X": X, "y": data["y"], "loss": data["loss"], "one": True}


def mixing(problem: dict[str, Any]) -> dict[str, float]:
    """alpha and l1_ratio of ``alpha (l1_ratio ||w||_1 + (1 - l1_ratio) ||w||^2 / 2)``."""
    alpha = problem["lambda1"] + problem["ridge"]
    return {"alpha": alpha, "l1_ratio": problem["lambda1"] / alpha}


def target_matrix(data: dict[str, Any]) -> np.ndarray:
    """Y of a shared X, samples by tasks."""
    return data["y"].reshape(len(data["offsets"]) - 1, -1).T
