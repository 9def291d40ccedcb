"""Paths over 50 lambdas and five-fold searches, beside those of the peers.

A path is compared like a fit: at the loosest tolerance whose coefficients are certified, here at
every lambda. Searches have no coefficients of their own to judge, so they run at the tolerance that
the path needed.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np

from .gaps import relative_gap
from .path_malsar_py import grid
from .peer import OURS, Peer, ladder
from .problems import SCHOOL, Data, Problem, Target, shared_x
from .processes import Session, WorkerError, note
from .protocol import Contest, Effort, Measurement, Tolerances
from .report import markdown, seconds

_KIND = "path"
_EFFORT = Effort(cap=300.0, budget=2.0, fewest=3, most=5)
_MODULES = {
    OURS: ("path_malsar_py", None, (1e-6, 9e-7, 5e-7, 2e-7), 0),
    "scikit-learn": ("path_sklearn", "sklearn", ladder(4, 10), 5),
    "celer": ("path_celer", "celer", ladder(4, 10), 5),
}
# (shape, correlation, wanted of the path, wanted of the search)
_PROBLEMS: dict[str, tuple[tuple[int, int, int], float, float, float | None]] = {
    "small": ((100, 1000, 20), 0.0, 4.0, None),
    "mid": ((500, 5000, 20), 0.0, 5.0, 6.0),
    "AR1": ((500, 5000, 20), 0.9, 6.0, None),
    "tall": ((20000, 300, 20), 0.0, 100.0, 100.0),
}


def path_peers() -> list[Peer]:
    """Ours, scikit-learn's and celer's paths."""
    return [
        Peer(name, f"{__package__}.{module}", requirements, frozenset({_KIND}), steps, start)
        for name, (module, requirements, steps, start) in _MODULES.items()
    ]


def worst_gap(data: Data, W: np.ndarray) -> float:
    """Largest relative gap along a path, W of shape (n_lambdas, n_features, n_tasks)."""
    return max(
        relative_gap(data | {"lambda1": value}, coefficients)
        for value, coefficients in zip(grid(data), W, strict=True)
    )


def _problem(name: str) -> Problem:
    (n, d, n_tasks), rho, wanted, _ = _PROBLEMS[name]

    def make(seed: int) -> Data:
        return shared_x(seed, n, d, n_tasks, 100, rho=rho)

    about = f"shared X {(n, d, n_tasks)}" + (f", AR1 {rho}" if rho else "")
    return Problem(f"path {name}", _KIND, about, make, (Target(wanted),))


def paths_table(session: Session) -> str:
    """Paths and searches against the peers; School against a grid search of our own."""
    from .environments import cache_folder

    session = Session(path_peers())
    with session:
        contest = Contest(
            session, _EFFORT, Tolerances(cache_folder() / "tolerances.json"), judge=worst_gap
        )
        paths, searches = [], []
        for name, (_, _, wanted, of_search) in _PROBLEMS.items():
            problem = _problem(name)
            note(problem.name)
            measured = contest.run(problem, 0)
            paths.append(_row(problem, measured, wanted))
            if of_search is not None:
                searches.append(
                    _row(problem, _time_searches(session, problem, measured), of_search)
                )
        header = ["problem", "data", *_MODULES, "best peer / ours", "at least", "met"]
        text = [
            "CPU seconds of 50 lambdas from lambda_max to lambda_max/100, relative gap at most "
            "1e-6 at every one, seed 0.",
            markdown(header, paths),
            "The search over these lambdas in five folds (`MultiTaskSearchCV`, `MultiTaskLassoCV`) "
            "with the tolerance of the path, without intercepts.",
            markdown(header, searches),
        ]
        if SCHOOL.is_file():
            ours = next(peer for peer in session.peers if peer.name == OURS)
            worker = session.worker(ours)
            worker.start()
            rows = [
                [row[0], *(seconds(value) for value in row[1:4]), f"{row[2] / row[1]:.2g}"]
                for row in worker.call("school")["rows"]
            ]
            header = ["model", "ours", "GridSearchCV", "ours, two jobs", "GridSearchCV / ours"]
            text += [
                "School, 50 lambdas x 5 folds: wall seconds, the same grid and folds.",
                markdown(header, rows),
            ]
    return "\n\n".join(text)


def _time_searches(
    session: Session, problem: Problem, measured: list[Measurement]
) -> list[Measurement]:
    path = session.folder / "search.npz"
    np.savez(path, **problem.make(0))
    out = []
    for peer in session.peers:
        known = next(m for m in measured if m.peer == peer.name)
        result = replace(known, seconds=[], wall=[])
        out.append(result)
        if known.state != "ok" or known.tol is None:
            continue
        worker = session.worker(peer)
        try:
            worker.load(path)
            for _ in range(3):
                answer = worker.call("search", tol=known.tol)
                result.seconds.append(answer["cpu"])
        except WorkerError as error:
            result.state = str(error)
        note(f"  search by {peer.name}: {result.state} {result.seconds}")
    session.drop()
    path.unlink()
    return out


def _row(problem: Problem, measured: list[Measurement], wanted: float) -> list[str]:
    times = {m.peer: statistics.median(m.seconds) for m in measured if m.seconds}
    cells = []
    for name in _MODULES:
        state = next((m.state for m in measured if m.peer == name), "not run")
        cells.append(seconds(times[name]) if name in times else state)
    others = [value for name, value in times.items() if name != OURS]
    if OURS not in times or not others:
        return [problem.name, problem.about, *cells, "-", f"{wanted:g}", "-"]
    ratio = min(others) / times[OURS]
    met = "yes" if ratio >= wanted else "**no**"
    return [problem.name, problem.about, *cells, f"{ratio:.3g}", f"{wanted:g}", met]
