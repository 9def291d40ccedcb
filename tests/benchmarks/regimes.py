"""More problems: raw X in either order, other gaps, very tall X, one task, and many tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from .peer import OURS_APG
from .problems import PROBLEMS, Data, Problem, Target, finish, gaussian, own_x, shared_x

_SCIKIT = "scikit-learn"
_FIVE = Target(5, goal=8)
# Others do not reach the gap in six seconds where there are intercepts.
_FASTER = (_SCIKIT, "celer")


def one_task(
    seed: int,
    n: int,
    d: int,
    divisor: float,
    *,
    ridge_share: float = 0.0,
    logistic: bool = False,
    raw: bool = False,
) -> Data:
    """One task: L1 norm; ``ridge_share`` of lambda1 beside it; ``raw``: with intercept."""
    rng = np.random.default_rng(seed)
    X = gaussian(rng, n, d)
    if raw:
        X += rng.standard_normal(d)
    w = np.zeros(d)
    w[rng.choice(d, min(d, 20), replace=False)] = rng.standard_normal(min(d, 20))
    y = X @ w
    y += y.std() / 3.0 * rng.standard_normal(n)
    if logistic:
        y = np.where(y > 0.0, 1.0, -1.0)
    elif not raw:
        y -= y.mean()
    data = {
        "loss": "logistic" if logistic else "squared",
        "penalty": "l1",
        "shared": True,
        "fit_intercept": raw,
        "X": X,
        "y": y,
        "offsets": np.array([0, n]),
    }
    data = finish(data, divisor)
    return data | {"ridge": ridge_share * data["lambda1"]}


def _raw(
    name: str,
    shape: tuple[int, int, int],
    divisor: float,
    order: str,
    target: Target = _FIVE,
    *,
    rho: float = 0.0,
) -> Problem:
    n, d, n_tasks = shape
    make = partial(
        shared_x, n=n, d=d, n_tasks=n_tasks, divisor=divisor, rho=rho, raw=True, order=order
    )
    about = f"shared X {shape} with means, intercepts, {order} order"
    where = "raw" if order == "C" else "raw Fortran"
    about += f", AR1 {rho}" if rho else ""
    return Problem(
        f"{name} /{divisor} {where}", "shared l21", about, make, (target,), peers=_FASTER
    )


def _to(problem: Problem, gap: float) -> Problem:
    """The same to another gap."""
    targets = tuple(replace(target, goal=None) for target in problem.targets)
    return replace(problem, name=f"{problem.name} to {gap:.0e}", gap=gap, targets=targets)


def _one(kind: str, name: str, n: int, d: int, divisor: float, **settings: object) -> Problem:
    make = partial(one_task, n=n, d=d, divisor=divisor, **settings)  # type: ignore[arg-type]
    about = f"one task, X ({n}, {d})" + (", intercept" if settings.get("raw") else "")
    peers = (*_FASTER, "glum") if settings.get("raw") else None
    return Problem(f"{name} /{divisor}", kind, about, make, (Target(1, goal=1.5),), peers=peers)


def _many(
    kind: str, name: str, shape: tuple[int, int, int], target: Target, **more: object
) -> Problem:
    n, d, n_tasks = shape
    settings = {"penalty": kind.split()[1], "divisor": 10} | more
    penalty = {"lasso": "l1"}.get(str(settings["penalty"]), settings["penalty"])
    make = partial(own_x, n=n, d=d, n_tasks=n_tasks, **settings | {"penalty": penalty})  # type: ignore[arg-type]
    about = f"own X: T={n_tasks}, d={d}, n_t={n}"
    return Problem(name, kind, about, make, (target,), peers=target.over)


_BASES = {
    "mid": ((500, 5000, 20), 0.0),
    "AR1": ((500, 5000, 20), 0.9),
    "large": ((1000, 10000, 50), 0.0),
}
_DIRECT = Target(1, over=("numpy direct",))
_OVER_APG = Target(1, over=(OURS_APG,))
_NAMED = {problem.name: problem for problem in PROBLEMS}

REGIMES: Sequence[Problem] = (
    *(
        _raw(name, shape, divisor, order, rho=rho)
        for name, (shape, rho) in _BASES.items()
        for divisor in (10, 50)
        for order in ("C", "F")
    ),
    *(
        _to(_NAMED[name], gap)
        for name in ("small /10", "mid /10", "mid /50", "tall /10")
        for gap in (1e-4, 1e-8)
    ),
    *(
        _raw(name, shape, 10, order, Target(at_least))
        for name, shape, at_least in (
            ("tall", (20_000, 300, 20), 4),
            ("very tall 1e5 x 50 x 10", (100_000, 50, 10), 2),
            ("very tall 1e5 x 20 x 5", (100_000, 20, 5), 2),
            ("very tall 1e6 x 50 x 10", (1_000_000, 50, 10), 2),
        )
        for order in ("C", "F")
        if order == "C" or name != "very tall 1e6 x 50 x 10"
    ),
    _one("one lasso", "Lasso very tall", 100_000, 100, 10, raw=True),
    _one("one lasso", "Lasso small", 100, 1000, 10),
    _one("one lasso", "Lasso small", 100, 1000, 50),
    _one("one lasso", "Lasso mid", 500, 5000, 10),
    _one("one lasso", "Lasso mid", 500, 5000, 50),
    _one("one elastic net", "elastic net small", 100, 1000, 10, ridge_share=0.1),
    _one("one elastic net", "elastic net mid", 500, 5000, 10, ridge_share=0.1),
    _one("one logistic", "logistic small", 200, 1000, 10, logistic=True),
    _one("one logistic", "logistic mid", 1000, 2000, 10, logistic=True),
    _many("own lasso", "Lasso T=1000", (30, 50, 1000), Target(4, over=(_SCIKIT,))),
    _many("own mean", "MeanRegularized T=1000", (30, 50, 1000), _DIRECT),
    _many("own mean", "MeanRegularized T=10000", (30, 50, 10_000), _DIRECT),
    _many("own chain", "chain T=1000", (30, 50, 1000), _DIRECT),
    _many("own lasso", "tiny tasks Lasso", (5, 20, 500), _OVER_APG),
    _many("own l21", "tiny tasks JointFeature", (5, 20, 500), _OVER_APG),
)
ALL = (*PROBLEMS, *REGIMES)
assert len({problem.name for problem in ALL}) == len(ALL), "a name stands for two problems"
