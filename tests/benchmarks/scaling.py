"""How our time grows with the number of features and of tasks, and how far it is from the floor."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

import numpy as np

from .gaps import relative_gap
from .peer import GAP, OURS
from .problems import PROBLEMS, Data, own_x, shared_x
from .processes import Session, Worker, note
from .report import markdown, seconds

_FEATURES = (1_000, 3_000, 10_000, 30_000, 100_000)
_TASKS = (10, 30, 100, 300, 1000)
_LIMIT = 600.0
_FLOORS = ("mid /10", "large /10", "tall /10")


def _ours(session: Session) -> Worker:
    return session.worker(next(peer for peer in session.peers if peer.name == OURS))


def _median_fit(session: Session, data: Data) -> tuple[float, float, int]:
    """CPU seconds, gap and active rows of our fit."""
    worker = _ours(session)
    path, out = session.folder / "scaling.npz", session.folder / "scaling.npy"
    np.savez(path, **data)
    worker.load(path)
    worker.fit(GAP, limit=_LIMIT, out=out)
    W = np.load(out)
    fits = [worker.fit(GAP, limit=_LIMIT)["cpu"] for _ in range(3)]
    worker.drop()
    path.unlink()
    return statistics.median(fits), relative_gap(data, W), int((W != 0.0).any(axis=1).sum())


def _series() -> Iterator[tuple[str, int, Data]]:
    for d in _FEATURES:
        yield "shared X, n=200, T=20: d", d, shared_x(0, 200, d, 20, 10)
    for n_tasks in _TASKS:
        yield "shared X, n=200, d=1000: T", n_tasks, shared_x(0, 200, 1000, n_tasks, 10)
    for d in _FEATURES:
        yield "own X, n_t=50, T=10: d", d, own_x(0, 50, d, 10, 10)
    for n_tasks in _TASKS:
        yield "own X, n_t=50, d=200: T", n_tasks, own_x(0, 50, 200, n_tasks, 10)


def scaling_table(session: Session) -> str:
    """Time over d and over T; the exponent is that of the growth since the row before."""
    rows = []
    last: tuple[str, int, float, int] = ("", 0, 0.0, 0)
    for name, size, data in _series():
        time, gap, n_active = _median_fit(session, data)
        note(f"{name}={size}: {seconds(time)}, gap {gap:.1e}, {n_active} active rows")
        exponent = share = "-"
        if last[0] == name:
            wider, slower, denser = size / last[1], time / last[2], n_active / last[3]
            exponent = f"{math.log(slower) / math.log(wider):.2f}"
            share = f"{slower / (wider * max(denser, 1.0)):.2f}"
        passes = data["X"].size * (len(data["offsets"]) - 1 if data["shared"] else 1)
        entry = f"{1e9 * time / passes:.2f} ns"
        rows.append(
            [f"{name}={size}", str(n_active), seconds(time), entry, exponent, share, f"{gap:.1e}"]
        )
        last = (name, size, time, n_active)
    header = ["problem", "active rows", "CPU time", "per entry of one pass", "exponent"]
    header += ["growth over that of size x active rows", "gap"]
    text = (
        "L2,1 at lambda_max/10, seed 0. The exponent is that of the growth since the row before: 1 "
        "is linear. Passes over X grow with the size, the work inside the active set with size x "
        "active rows: the last ratio but one is at most 1 where the growth is no worse than that."
    )
    return f"{text}\n\n{markdown(header, rows)}"


def floor_table(session: Session) -> str:
    """Our time beside two gradient passes over X."""
    rows = []
    for problem in PROBLEMS:
        if problem.name not in _FLOORS:
            continue
        data = problem.make(0)
        time, _, _ = _median_fit(session, data)
        worker = _ours(session)
        path = session.folder / "floor.npz"
        np.savez(path, **data)
        worker.load(path)
        floor = worker.call("two_passes")["cpu"]
        worker.drop()
        path.unlink()
        rows.append(
            [problem.name, problem.about, seconds(time), seconds(floor), f"{time / floor:.2f}"]
        )
    header = ["problem", "data", "our fit", "two passes X'R", "ratio"]
    return "What no certified fit can do without.\n\n" + markdown(header, rows)
