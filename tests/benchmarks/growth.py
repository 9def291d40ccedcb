"""How the time of every model family grows with features, tasks and rows: exponents."""

from __future__ import annotations

import math
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .models import ENTRIES, Entry, scales
from .peer import GAP
from .problems import own_x
from .processes import Session, note
from .report import markdown, seconds

# What grows -> (rows of a task, features, tasks).
_SIZES: dict[str, Sequence[tuple[int, int, int]]] = {
    "d": ((30, 100, 10), (30, 1000, 10), (30, 10_000, 10), (30, 100_000, 10)),
    "T": ((20, 10, 10), (20, 10, 100), (20, 10, 1000), (20, 10, 10_000)),
    "n": ((200, 20, 5), (2000, 20, 5), (20_000, 20, 5), (200_000, 20, 5)),
}
_AT_MOST = 1.2
# A fit that would take longer, by the growth so far, is left out.
_PATIENCE = 20.0
# Those may grow faster: systems of all samples or all pairs of tasks.
_APART = ("SeparableKernel", "TaskRelationship", "Graph")


def _time(entry: Entry, size: tuple[int, int, int]) -> tuple[float, float]:
    """CPU seconds and gap of one fit with intercepts."""
    import malsar_py

    n, d, n_tasks = size
    data = own_x(0, n, d, n_tasks, 10)
    X, y, offsets = data["X"], data["y"], data["offsets"]
    tasks = np.repeat(np.arange(n_tasks), n)
    settings = entry.settings(scales(X, y, offsets, 1.0)) | {"tol": GAP, "max_iter": 10**4}
    model: Any = getattr(malsar_py, f"{entry.stem}Regressor")(**settings)
    taken = []
    for _ in range(3):
        start = time.process_time()
        model.fit(X, y, tasks=tasks)
        taken.append(time.process_time() - start)
        if sum(taken) > 1.0:
            break
    gap = model.optimality_ if hasattr(model, "optimality_") else model.relative_gap_
    return statistics.median(taken), float(gap)


def _series(entry: Entry) -> Iterator[tuple[str, list[float], float]]:
    """What grows, seconds at each size, and the worst gap."""
    for axis, sizes in _SIZES.items():
        times: list[float] = []
        worst = 0.0
        _time(entry, sizes[0])  # compiles
        for size in sizes:
            rate = times[-1] / times[-2] if len(times) > 1 else 10.0
            # (A jump, as where Newton steps begin to be needed, is no rate.)
            if times and times[-1] * min(max(rate, 10.0), 30.0) > _PATIENCE:
                break
            taken, gap = _time(entry, size)
            times.append(taken)
            worst = max(worst, gap)
        yield axis, times, worst


def exponent(times: Sequence[float], factor: float = 10.0) -> float:
    """Of the last step, in which overhead counts least."""
    if len(times) < 2:
        return math.nan
    return math.log(times[-1] / times[-2]) / math.log(factor)


def growth_table(_: Session) -> str:
    """Seconds and exponents of every family."""
    rows = []
    for entry in ENTRIES:
        row, missed, worst = [entry.name], [], 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last gap says so
            for axis, times, gap in _series(entry):
                found = exponent(times)
                worst = max(worst, gap)
                row += [", ".join(map(seconds, times)), f"{found:.2f}"]
                if axis != "d" and found > _AT_MOST and entry.stem not in _APART:
                    missed.append(axis)
        verdict = "**" + ", ".join(missed) + "**" if missed else "-"
        rows.append([*row, f"{worst:.1e}", verdict])
        note(" ".join(rows[-1]))
    header = ["model"]
    for axis, sizes in _SIZES.items():
        at = {"n": 0, "d": 1, "T": 2}[axis]
        header += [f"{axis} = " + ", ".join(f"{size[at]}" for size in sizes), "exponent"]
    text = (
        "CPU seconds of a fit to 1e-6 with intercepts as one size grows tenfold, three times (rows "
        "are those of one task; own X, strengths as in the table of models), and the exponent of "
        f"the last step; at most {_AT_MOST} is wanted in T and n, {', '.join(_APART)} apart. A fit "
        f"that would take over {_PATIENCE:g} s is left out."
    )
    return f"{text}\n\n{markdown([*header, 'worst gap', 'above'], rows)}"
