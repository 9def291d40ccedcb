"""Equal accuracy, then equal conditions: the tolerance of every peer, and interleaved timings."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .environments import InstallError
from .gaps import relative_gap
from .peer import GAP, OURS, Peer
from .problems import Data, Problem
from .processes import Session, TimeLimitError, Worker, WorkerError, note

# The judge rounds too.
_ROUNDING = 1.001
# Seconds granted on top of the cap to the first fit of a process, which may compile.
_COMPILING = 60.0


@dataclass(frozen=True)
class Effort:
    """How long to try: ``cap`` seconds a fit, and timed fits of about ``budget`` seconds a peer."""

    cap: float
    budget: float
    fewest: int
    most: int = 15
    trusting: bool = False  # remembered tolerances and peers' slow trial fits will do

    def suffices(self, seconds: list[float]) -> bool:
        """Whether these timed fits are enough."""
        n = len(seconds)
        return n >= self.most or (n >= self.fewest and sum(seconds) >= self.budget)


@dataclass
class Measurement:
    """One peer on one problem with one seed. ``state`` is "ok", or why there is no time."""

    problem: str
    seed: int
    peer: str
    state: str = "ok"
    tol: float | None = None
    gap: float | None = None
    seconds: list[float] = field(default_factory=list)  # CPU seconds
    wall: list[float] = field(default_factory=list)
    first_fit: float | None = None  # wall seconds, if this was the process's first fit
    threads: int = 1
    n_active: int | None = None

    @property
    def median(self) -> float | None:
        """Median CPU seconds."""
        return statistics.median(self.seconds) if self.seconds else None


class Tolerances:
    """Where on their ladders peers ended up last time: the place to start, no more than that."""

    def __init__(self, path: Path):
        self._path = path
        self._found: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):  # a first run
            self._found = json.loads(self._path.read_text())

    def start(self, problem: str, peer: Peer, gap: float = GAP) -> tuple[int, bool]:
        """Index on the ladder to try first, and whether it is from an earlier search."""
        tol = self._found.get(f"{problem}: {peer.name}")
        steps = peer.steps(gap)
        return (steps.index(tol), True) if tol in steps else (peer.start, False)

    def remember(self, problem: str, peer: Peer, tol: float) -> None:
        """Keep a tolerance for later runs."""
        self._found[f"{problem}: {peer.name}"] = tol
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._found, indent=1, sort_keys=True))


def loosest_passing(n: int, start: int, passes: Callable[[int], bool | None]) -> int | None:
    """Smallest index in range(n) for which ``passes`` holds, by steps from ``start``, then halving.

    ``passes(i)`` is True, False or None (no answer: took too long). It is taken as monotone; an
    index without an answer is an upper bound, and after two of those the search ends.
    """
    low, high, known, silent, step = -1, n, False, 0, 1
    i = start
    while high - low > 1:
        answer = passes(i)
        if answer is None:
            silent += 1
            high, known, step = i, False, max(step, 3)
            if silent == 2:
                return None
        elif answer:
            high, known = i, True
        else:
            low = i
        if low == -1:
            i = max(0, high - step)
            step *= 2
        elif high == n:
            i = min(n - 1, low + step)
            step *= 2
        else:
            i = (low + high) // 2
    return high if known else None


class Contest:
    """Measures problems in one session, one after the other, the peers taking turns."""

    def __init__(
        self,
        session: Session,
        effort: Effort,
        tolerances: Tolerances,
        judge: Callable[[Data, np.ndarray], float] = relative_gap,
    ):
        self.judge = judge
        self.session = session
        self.effort = effort
        self.tolerances = tolerances
        # Peers that could not solve a problem are not asked again with another seed.
        self._given_up: dict[tuple[str, str], str] = {}

    def run(self, problem: Problem, seed: int) -> list[Measurement]:
        """Find the tolerances, then time."""
        data = problem.make(seed)
        path = self.session.folder / f"{problem.name.replace('/', '')} {seed}.npz"
        np.savez(path, **data)
        results = []
        for peer in self.session.peers:
            if problem.asks(peer):
                result = Measurement(problem.name, seed, peer.name)
                results.append((peer, result))
                self._find_tolerance(data, peer, path, result, problem.gap)
                note(f"  {peer.name}: {result.state if result.tol is None else _found(result)}")
        self._time(path, results)
        self.session.drop()
        path.unlink()
        return [result for _, result in results]

    def _find_tolerance(
        self, data: Data, peer: Peer, path: Path, result: Measurement, gap: float
    ) -> None:
        key = (result.problem, peer.name)
        result.state = self._given_up.get(key, "ok")
        if result.state != "ok":
            return
        try:
            self._search(data, self.session.worker(peer), path, result, gap)
        except InstallError as error:
            result.state = f"not installed: {error}"
        except WorkerError as error:
            result.state = str(error)
        if result.state != "ok":
            self._given_up[key] = f"{result.state} (seed {result.seed})"

    def _search(
        self, data: Data, worker: Worker, path: Path, result: Measurement, gap: float
    ) -> None:
        peer, out = worker.peer, self.session.folder / "coefficients.npy"
        steps = peer.steps(gap)
        trials: dict[int, tuple[float, dict[str, Any], int]] = {}
        late = False

        def passes(i: int) -> bool | None:
            nonlocal late
            try:
                answer = self._fit(worker, path, steps[i], out)
            except TimeLimitError:
                late = True
                return None
            if answer["first"] and result.first_fit is None:
                result.first_fit = answer["wall"]
            W = np.load(out)
            trials[i] = self.judge(data, W), answer, int((W != 0.0).any(axis=1).sum())
            return trials[i][0] <= gap * _ROUNDING

        start, remembered = self.tolerances.start(result.problem, peer, gap)
        if self.effort.trusting and remembered and passes(start):
            found: int | None = start
        else:
            found = loosest_passing(len(steps), start, passes)
        if found is None:
            reason = f"over {self.effort.cap:g} s" if late else "gap not reached"
            best = min((reached for reached, _, _ in trials.values()), default=np.inf)
            raise WorkerError(f"{reason}, best gap {best:.1e}" if trials else reason)
        result.tol = steps[found]
        result.gap, answer, result.n_active = trials[found]
        result.threads = answer["threads"]
        slow = answer["cpu"] > self.effort.budget and not answer["first"]
        if self.effort.trusting and slow and not peer.name.startswith(OURS):
            result.seconds.append(answer["cpu"])  # not run once more
            result.wall.append(answer["wall"])
        self.tolerances.remember(result.problem, peer, result.tol)

    def _fit(
        self, worker: Worker, path: Path, tol: float, out: Path | None = None, patience: float = 1.0
    ) -> dict[str, Any]:
        worker.load(path)  # once, and again if the process had to be ended
        limit = patience * self.effort.cap + (0.0 if worker.warm else _COMPILING)
        return worker.fit(tol, limit=limit, out=out)

    def _time(self, path: Path, results: list[tuple[Peer, Measurement]]) -> None:
        """Rounds of one fit a peer, each begun by the next peer, until all have enough."""
        first = 0
        while True:
            left = [
                (peer, result)
                for peer, result in results
                if result.state == "ok" and not self.effort.suffices(result.seconds)
            ]
            if not left:
                return
            first += 1
            for i in range(len(left)):
                peer, result = left[(first + i) % len(left)]
                assert result.tol is not None
                try:
                    # It has shown that it can: a busy machine is no reason to drop it.
                    worker = self.session.worker(peer)
                    answer = self._fit(worker, path, result.tol, patience=3.0)
                except WorkerError as error:
                    result.state = f"while timing: {error}"
                    continue
                if not answer["first"]:  # after a restart: compiling does not count
                    result.seconds.append(answer["cpu"])
                    result.wall.append(answer["wall"])


def _found(result: Measurement) -> str:
    return f"tol {result.tol:.0e} gives a gap of {result.gap:.1e}"
