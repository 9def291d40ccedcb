"""The problems: recipes of their data, and the figures they are held to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from . import gaps
from .peer import GAP, OURS, OURS_APG, Peer

ROOT = Path(__file__).resolve().parents[2]

Data = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """``at_least``: the best time of ``over`` is to be so many times ours; ``None`` = no figure.

    ``over`` empty: any peer. ``slower_than`` instead: our time may be at most ``at_most`` times our
    time on that other problem.
    """

    at_least: float | None = None
    goal: float | None = None
    over: tuple[str, ...] = ()
    slower_than: str = ""
    at_most: float | None = None


@dataclass(frozen=True)
class Problem:
    """A recipe: ``make(seed)`` gives the data, complete with lambdas."""

    name: str
    kind: str  # "shared l21", "own l21", "one lasso", ...: which peers solve it
    about: str
    make: Callable[[int], Data]
    targets: tuple[Target, ...]
    quick: bool = False
    needs: Path | None = None
    gap: float = GAP
    # The names of the peers that are asked beside ours; None: all that solve its kind.
    peers: tuple[str, ...] | None = None

    def asks(self, peer: Peer) -> bool:
        """Whether a peer takes part."""
        mine = peer.name.startswith(OURS) or self.peers is None or peer.name in self.peers
        return self.kind in peer.kinds and mine

    def missing(self) -> str:
        """What is not there, in words; empty when the problem can be run."""
        if self.needs is None or self.needs.is_file():
            return ""
        return f"{self.needs.name} is neither in ../shared/data nor in MALSAR_PY_DATA"


def data_folder() -> Path:
    """Where raw data files lie: MALSAR_PY_DATA, else ``../shared/data`` beside the checkout."""
    named = os.environ.get("MALSAR_PY_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def finish(data: Data, divisor: float | None = None) -> Data:
    """Fill in the sample weights ``c`` (every task counts the same) and lambda1."""
    sizes = np.diff(data["offsets"])
    data.setdefault("task_weight", "equal")
    data.setdefault("c", np.repeat(1.0 / sizes, sizes))
    if divisor is not None:
        data["lambda1"] = gaps.lambda_max(data) / divisor
    return data


def active_rows(rng: np.random.Generator, d: int, n_tasks: int) -> np.ndarray:
    """W with d/100 (at least 10) Gaussian rows, the others zero."""
    n_active = min(d, max(10, d // 100))
    W = np.zeros((d, n_tasks))
    W[rng.choice(d, n_active, replace=False)] = rng.standard_normal((n_active, n_tasks))
    return W


def noisy(rng: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    """Signal plus noise of a third of its standard deviation, task by task."""
    return signal + rng.standard_normal(signal.shape) * signal.std(axis=0) / 3.0


def gaussian(rng: np.random.Generator, n: int, d: int, rho: float = 0.0) -> np.ndarray:
    """Centred Gaussian columns; neighbours have correlation rho (AR1)."""
    X = rng.standard_normal((n, d))
    for j in range(1, d if rho else 1):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho * rho) * X[:, j]
    return X - X.mean(axis=0)


def shared_x(
    seed: int,
    n: int,
    d: int,
    n_tasks: int,
    divisor: float,
    *,
    rho: float = 0.0,
    rank: int = 0,
    raw: bool = False,
    order: str = "C",
) -> Data:
    """One X for all tasks. ``rank``: W of that rank and the trace norm instead of L2,1.

    ``raw``: columns and targets have means, fits have intercepts. ``order``: of X in memory, "F" is
    what a DataFrame gives.
    """
    rng = np.random.default_rng(seed)
    X = gaussian(rng, n, d, rho)
    if rank:
        W = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, n_tasks)) / np.sqrt(d)
    else:
        W = active_rows(rng, d, n_tasks)
    Y = noisy(rng, X @ W)
    Y -= Y.mean(axis=0)
    if raw:
        X += rng.standard_normal(d)
        Y += 3.0 * rng.standard_normal(n_tasks)
    X = np.asarray(X, order=order)
    data = {
        "fit_intercept": raw,
        "order": order,
        "loss": "squared",
        "penalty": "trace" if rank else "l21",
        "shared": True,
        "X": X,
        "y": Y.T.ravel(),
        "offsets": np.arange(n_tasks + 1) * n,
    }
    return finish(data, divisor)


def own_x(
    seed: int,
    n: int,
    d: int,
    n_tasks: int,
    divisor: float,
    *,
    logistic: bool = False,
    penalty: str = "l21",
) -> Data:
    """Every task with n rows of its own. ``penalty`` "mean" and "chain" have fixed strengths."""
    rng = np.random.default_rng(seed)
    W = active_rows(rng, d, n_tasks)
    X = np.concatenate([gaussian(rng, n, d) for _ in range(n_tasks)])
    y = np.concatenate([noisy(rng, X[t * n : (t + 1) * n] @ W[:, t]) for t in range(n_tasks)])
    offsets = np.arange(n_tasks + 1) * n
    if logistic:
        y = np.where(y > 0.0, 1.0, -1.0)
    else:
        y -= np.repeat(y.reshape(n_tasks, n).mean(axis=1), n)
    loss = "logistic" if logistic else "squared"
    data = {"loss": loss, "penalty": penalty, "shared": False, "X": X, "y": y, "offsets": offsets}
    if penalty in ("mean", "chain"):
        return finish(data | {"lambda1": 1.0, "lambda2": 0.1})
    return finish(data, divisor)


SCHOOL = data_folder() / "school.mat"


def school(seed: int, divisor: float | None = None, *, centred: bool = True) -> Data:
    """School: all rows at seed 0, three quarters of each school's at other seeds.

    Without ``divisor`` the L2,1 norm is replaced by the clustered penalty with MALSAR's arguments
    (rho1, rho2, k) = (10, 1, 3), in MALSAR's scaling.
    """
    from malsar_py.datasets import fetch_school

    bunch = fetch_school(data_home=SCHOOL.parent)
    order = np.argsort(bunch.tasks, kind="stable")
    X, y, tasks = bunch.data[order], bunch.target[order].astype(float), bunch.tasks[order]
    if seed:
        rng = np.random.default_rng(seed)
        blocks = [np.flatnonzero(tasks == task) for task in np.unique(tasks)]
        kept = [rng.permutation(rows)[: max(2, 3 * len(rows) // 4)] for rows in blocks]
        rows = np.sort(np.concatenate(kept))
        X, y, tasks = X[rows], y[rows], tasks[rows]
    offsets = np.append(0, np.cumsum(np.unique(tasks, return_counts=True)[1]))
    if centred:
        X, y = X.copy(), y.copy()
        for a, b in pairwise(offsets):
            constant = np.ptp(X[a:b], axis=0) == 0.0
            X[a:b] -= X[a:b].mean(axis=0)
            X[a:b, constant] = 0.0  # no rounding errors as features
            y[a:b] -= y[a:b].mean()
    data = {"loss": "squared", "shared": False, "X": X, "y": y, "offsets": offsets}
    if divisor is not None:
        return finish(data | {"penalty": "l21"}, divisor)
    n_tasks = len(offsets) - 1
    factor = n_tasks / len(y)
    clustered = {"penalty": "clustered", "lambda1": 20.0 * factor, "lambda2": 2.0 * factor, "k": 3}
    weights = {"task_weight": "size", "c": np.full(len(y), factor)}
    return finish(data | clustered | weights)


def _shared(
    name: str,
    shape: tuple[int, int, int],
    divisor: float,
    *targets: Target,
    quick: bool = False,
    rho: float = 0.0,
) -> Problem:
    about = f"shared X {shape}" + (f", AR1 {rho}" if rho else "")
    n, d, n_tasks = shape
    make = partial(shared_x, n=n, d=d, n_tasks=n_tasks, divisor=divisor, rho=rho)
    return Problem(f"{name} /{divisor}", "shared l21", about, make, targets, quick)


def _own(
    name: str, shape: tuple[int, int, int], divisor: float, *targets: Target, quick: bool = False
) -> Problem:
    n, d, n_tasks = shape
    about = f"own X: T={n_tasks}, d={d}, n_t={n}"
    make = partial(own_x, n=n, d=d, n_tasks=n_tasks, divisor=divisor)
    return Problem(f"{name} /{divisor}", "own l21", about, make, targets, quick)


def _school(divisor: float, *targets: Target, quick: bool = False) -> Problem:
    about = "own X: 139 schools, d=28 (other seeds than 0: three quarters of the rows)"
    make = partial(school, divisor=divisor)
    return Problem(f"School /{divisor}", "own l21", about, make, targets, quick, SCHOOL)


def _clustered(name: str, about: str, centred: bool, *targets: Target) -> Problem:
    make = partial(school, centred=centred)
    return Problem(name, "own clustered", about, make, targets, centred, SCHOOL)


_PEERS = ("mutar", "skglm blocks")


def _apg(at_least: float) -> Target:
    return Target(at_least, over=(OURS_APG,))


_OVER_PEERS = Target(4, 8, _PEERS)

PROBLEMS: Sequence[Problem] = (
    _shared("small", (100, 1000, 20), 10, Target(3), quick=True),
    _shared("small", (100, 1000, 20), 50, Target(3), quick=True),
    _shared("mid", (500, 5000, 20), 10, Target(5, 8), quick=True),
    _shared("mid", (500, 5000, 20), 50, Target(5, 8)),
    _shared("AR1", (500, 5000, 20), 10, Target(5, 8), rho=0.9),
    _shared("AR1", (500, 5000, 20), 50, Target(5, 8), rho=0.9),
    _shared("large", (1000, 10000, 50), 10, Target(5, 8)),
    _shared("large", (1000, 10000, 50), 50, Target(5, 8)),
    _shared("tall", (20000, 300, 20), 10, Target(4), quick=True),
    _school(10, _OVER_PEERS, _apg(10), quick=True),
    _school(50, _OVER_PEERS, _apg(10)),
    _own("own mid", (100, 500, 50), 10, _OVER_PEERS, quick=True),
    _own("own mid", (100, 500, 50), 50, _apg(1.5)),  # nearly all rows active
    _own("own wide", (200, 5000, 20), 10, _OVER_PEERS, _apg(12)),
    Problem(
        "trace /10",
        "shared trace",
        "shared X (500, 2000, 50), W of rank 5",
        partial(shared_x, n=500, d=2000, n_tasks=50, divisor=10, rank=5),
        (Target(3, over=("numpy FISTA",)),),
        quick=True,
    ),
    _clustered(
        "clustered School",
        "rho1=10, rho2=1, k=3 as MALSAR counts, centred data",
        True,
        Target(slower_than="School /10", at_most=100),
    ),
    _clustered("clustered School raw", "the same on the data as they are", False, Target()),
    Problem(
        "logistic /10",
        "own logistic",
        "own X: T=30, d=1000, n_t=200",
        partial(own_x, n=200, d=1000, n_tasks=30, divisor=10, logistic=True),
        (Target(4, over=(OURS_APG,)),),
        quick=True,
    ),
)
