"""From measurements to tables, JSON and the sections of RESULTS.md."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .peer import GAP, OURS
from .problems import ROOT, Problem, Target
from .processes import Session
from .protocol import Effort, Measurement
from .regimes import ALL

RESULTS = Path(__file__).with_name("RESULTS.md")
_KINDS = {
    "shared l21": "Shared X, L2,1",
    "own l21": "Own X, L2,1",
    "own logistic": "Own X, logistic L2,1",
    "shared trace": "Shared X, trace norm",
    "own clustered": "Own X, clustered",
    "own lasso": "Own X, Lasso",
    "own mean": "Own X, MeanRegularized",
    "own chain": "Own X, Graph along a chain",
    "one lasso": "One task, Lasso",
    "one elastic net": "One task, elastic net",
    "one logistic": "One task, logistic L1",
}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def standard_error(values: np.ndarray) -> float:
    """Of the mean of these values; NaN for one of them."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def seconds(value: float | None) -> str:
    """Three digits; milliseconds below a second."""
    if value is None:
        return "-"
    return f"{1e3 * value:.3g} ms" if value < 1.0 else f"{value:.3g} s"


# --- the machine ---------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu_model(),
        "n_cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def machine_line(info: dict[str, Any]) -> str:
    """One sentence of it."""
    load = "" if info["load"] is None else f", load {info['load']} at the start"
    return (
        f"{info['date']}, commit {info['commit']}: {info['cpu']}, {info['n_cpus']} CPUs{load}; "
        f"{info['system']}, Python {info['python']}."
    )


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


# --- ratios --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratio:
    """A figure of the library's aims, measured: one ratio a seed."""

    problem: str
    what: str
    ratios: list[float]
    target: Target

    @property
    def met(self) -> bool | None:
        """Whether the median over seeds meets the figure; None without one."""
        if (self.target.at_least is None and self.target.at_most is None) or not self.ratios:
            return None
        median = statistics.median(self.ratios)
        if self.target.at_most is not None:
            return median <= self.target.at_most
        return median >= self.target.at_least

    def row(self) -> list[str]:
        """Its line in the table."""
        limit = self.target.at_most
        wanted = f"at most {limit:g}" if limit is not None else f"{self.target.at_least:g}"
        if self.target.goal is not None:
            wanted += f" (goal {self.target.goal:g})"
        if not self.ratios:
            return [self.problem, self.what, "not measured", "-", "-", wanted, "-"]
        median, low, high = (f(self.ratios) for f in (statistics.median, min, max))
        verdict = "yes" if self.met else "**no**"
        spread = [f"{value:.3g}" for value in (median, low, high)]
        return [self.problem, self.what, *spread, wanted, verdict]


def ratios(problems: Sequence[Problem], measured: list[Measurement]) -> list[Ratio]:
    """All figures that the measured problems are held to."""
    times = {(m.problem, m.seed, m.peer): m.median for m in measured if m.state == "ok"}
    seeds = sorted({m.seed for m in measured})
    out = []
    for problem in problems:
        for target in problem.targets:
            if target.slower_than:
                pairs = [
                    (times.get((problem.name, s, OURS)), times.get((target.slower_than, s, OURS)))
                    for s in seeds
                ]
                what = f"our time over ours on {target.slower_than}"
            elif target.at_least is not None:
                pairs = [
                    (_best(times, problem.name, s, target), times.get((problem.name, s, OURS)))
                    for s in seeds
                ]
                what = "best of " + (", ".join(target.over) if target.over else "all peers")
            else:
                continue
            values = [a / b for a, b in pairs if a is not None and b]
            out.append(Ratio(problem.name, what, values, target))
    return out


def _best(
    times: dict[tuple[str, int, str], float | None], problem: str, seed: int, target: Target
) -> float | None:
    found = [
        time
        for (name, s, peer), time in times.items()
        if (name, s) == (problem, seed)
        and time is not None
        and (peer in target.over if target.over else not peer.startswith(OURS))
    ]
    return min(found, default=None)


# --- tables --------------------------------------------------------------------------------------


def speed_tables(
    problems: Sequence[Problem],
    measured: list[Measurement],
    session: Session,
    effort: Effort,
    kept: Kept | None = None,
) -> str:
    """The whole section: ratios, seconds, peers."""
    hellos = {} if kept is None else dict(kept.hellos)
    hellos |= {name: worker.hello for name, worker in session.workers.items() if worker.hello}
    seeds = sorted({m.seed for m in measured})
    busy = [sum(m.wall) / sum(m.seconds) for m in measured if m.seconds and sum(m.seconds)]
    text = [
        f"CPU seconds of one fit on one thread, median of interleaved repetitions, at the loosest "
        f"tolerance whose returned coefficients have a relative gap of at most {GAP:g} (or what "
        f"the problem's name says) by the outside judge. Seeds {', '.join(map(str, seeds))}; "
        f"at most {effort.cap:g} s a fit. "
        f"Wall over CPU time: {statistics.median(busy):.2f} (1 on an idle machine)."
        if busy
        else "Nothing could be timed.",
        "### Ratios",
        markdown(
            ["problem", "over", "median", "min", "max", "at least", "met"],
            [ratio.row() for ratio in ratios(problems, measured)],
        ),
    ]
    for kind, title in _KINDS.items():
        chosen = [problem for problem in problems if problem.kind == kind]
        names = {m.peer for m in measured if m.problem in {p.name for p in chosen}}
        if names:
            order = [peer.name for peer in session.peers if peer.name in names]
            rows = [_times_row(problem, order, measured) for problem in chosen]
            text += [f"### {title}", markdown(["problem", "data", "active rows", *order], rows)]
    text += ["### Peers", _peer_table([peer.name for peer in session.peers], hellos, measured)]
    return "\n\n".join(text)


def _times_row(problem: Problem, order: list[str], measured: list[Measurement]) -> list[str]:
    mine = [m for m in measured if m.problem == problem.name]
    if not mine:
        return [problem.name, problem.about, problem.missing() or "not run", *["-"] * len(order)]
    ours = _median(m.median for m in mine if m.peer == OURS)
    active = _median(m.n_active for m in mine if m.n_active is not None)
    cells = []
    for name in order:
        of_peer = [m for m in mine if m.peer == name]
        value = _median(m.median for m in of_peer)
        failed = sorted({m.state for m in of_peer if m.state != "ok"})
        cell = "" if value is None else seconds(value)
        if value is not None and ours is not None and name != OURS:
            cell += f" ({value / ours:.2g}x)"
        cells.append("; ".join(filter(None, [cell, *failed])))
    return [problem.name, problem.about, "-" if active is None else f"{active:g}", *cells]


def _median(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _peer_table(
    names: Sequence[str], hellos: dict[str, dict[str, Any]], measured: list[Measurement]
) -> str:
    rows = []
    for name in names:
        hello = hellos.get(name)
        mine = [m for m in measured if m.peer == name]
        if hello is None:
            state = next((m.state for m in mine), "not asked")
            rows.append([name, state, *["-"] * 5])
            continue
        versions = dict(hello["versions"])
        numpy, python = versions.pop("numpy"), versions.pop("python")
        blas = [
            f"{pool['internal_api']} {pool['version']} {pool['architecture']}"
            for pool in hello["pools"]
            if pool["version"]
        ]
        threads = max([m.threads for m in mine], default=1)
        first = next((m.first_fit for m in mine if m.first_fit is not None), None)
        own = ", ".join(f"{key} {value}" for key, value in versions.items()) or "-"
        start = [seconds(hello["import_seconds"]), seconds(first)]
        rows.append(
            [name, own, f"{numpy} (Python {python})", ", ".join(blas), str(threads), *start]
        )
    header = ["peer", "versions", "numpy", "BLAS seen by threadpoolctl", "threads"]
    return markdown([*header, "import", "first fit of the process"], rows)


# --- pieces --------------------------------------------------------------------------------------


class Kept:
    """What earlier runs of the same commit measured, in a file that grows by each problem."""

    def __init__(self, path: Path | None):
        self.path, self.commit = path, _commit()
        self.measured: list[Measurement] = []
        self.hellos: dict[str, dict[str, Any]] = {}
        if path is not None and path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["commit"] == self.commit:
                self.measured = [Measurement(**entry) for entry in found["measured"]]
                self.hellos = found["hellos"]

    def has(self, problem: str, seed: int) -> bool:
        """Whether it was measured."""
        return any((m.problem, m.seed) == (problem, seed) for m in self.measured)

    def add(self, measured: Iterable[Measurement], session: Session) -> None:
        """Keep one problem's measurements."""
        self.measured += measured
        self.hellos |= {n: worker.hello for n, worker in session.workers.items() if worker.hello}
        if self.path is not None:
            entries = [asdict(m) for m in self.measured]
            document = {"commit": self.commit, "hellos": self.hellos, "measured": entries}
            self.path.write_text(json.dumps(_finite(document), indent=1), encoding="utf-8")


# --- files ---------------------------------------------------------------------------------------


def as_json(
    measured: list[Measurement], session: Session, info: dict[str, Any], sections: dict[str, str]
) -> str:
    """Everything, for later comparison."""
    found = ratios(ALL, measured)
    document = {
        "machine": info,
        "gap": GAP,
        "peers": {name: worker.hello for name, worker in session.workers.items()},
        "measurements": [asdict(m) for m in measured],
        "ratios": [asdict(r) | {"met": r.met} for r in found if r.ratios],
        "tables": sections,
    }
    return json.dumps(_finite(document), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_section(name: str, title: str, body: str, path: Path = RESULTS) -> None:
    """Put a section between its markers, at the end if it is new; the rest stays as it is."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n## {title}\n\n{body}\n{end}"
    text = path.read_text(encoding="utf-8") if path.is_file() else _PREAMBLE
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text, encoding="utf-8")


_PREAMBLE = """\
# Results of the benchmarks

Written by `python -m tests.benchmarks --write`; what stands between the markers is replaced, what
stands outside them is kept.
"""
