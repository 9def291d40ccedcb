"""Choosing, fitting and testing on each split."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .._typing import AnyArray, FloatArray, IntArray
from ._choice import Candidate, Choice, Training
from ._measure import Measure
from ._result import CHOSEN, Procedure
from ._source import Coded, Source, Split, splits

# Silenced: what is no news here, or is said in the table.
_QUIET = (
    "The number of tasks equals the number of rows",
    "The best score is at the edge",  # marked in the table
    ".* is zero whatever the data",  # a corner of a grid
    "Constant within every task",  # noted of the table
    "All coefficients are zero",  # the errors tell
    ".*couples tasks, but was fitted without",  # the reference for all rows
    ".*does not have valid feature names",  # of the first step: keys are arrays
    "Found unknown categories",  # that the training rows do not have
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a candidate does on one split."""

    parameters: dict[str, Any]
    edges: frozenset[str]
    inner: float  # score by cross-validation on the training rows, greater is better
    metric: float
    second: float
    losses: FloatArray  # of the test rows
    prediction: AnyArray  # the same
    relative_gap: float
    converged: bool
    seconds: float


class quiet:
    """BLAS on one thread (blocks of tasks are small), and no warnings that are no news."""

    def __enter__(self) -> None:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        self._limits = threadpool_limits(limits=1)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for text in _QUIET:
            warnings.filterwarnings("ignore", text)

    def __exit__(self, *raised: Any) -> None:
        self._limits.restore_original_limits()
        self._caught.__exit__(*raised)


def train_on(source: Source, rows: IntArray, measure: Measure, options: Any) -> Training:
    """Training rows with their folds, dealt as the outer ones are."""
    folds = splits(source.table, rows, options.folds, options.seed, new_tasks=options.new_tasks)
    return Training(source, rows, folds, measure, options.seed)


def fit(choice: Choice, training: Training) -> Pipeline:
    """What was chosen, on all training rows."""
    model = Pipeline([("columns", Coded(training.source)), *choice.steps])
    return model.fit(training.source.keys(training.rows), training.y)


def run_split(
    todo: list[Candidate],
    source: Source,
    split: Split,
    measure: Measure,
    options: Any,
) -> list[Outcome | str]:
    """All candidates on one split of the rows."""
    with quiet():
        train, test = split
        training = train_on(source, train, measure, options)
        return [_tried(candidate, training, test) for candidate in todo]


def _tried(candidate: Candidate, training: Training, test: IntArray) -> Outcome | str:
    """What it does, or why one that is no reference cannot be fitted."""
    try:
        return _outcome(candidate, training, test)
    except ValueError as error:
        if candidate.kind == "reference":
            raise
        return str(error)


def _outcome(candidate: Candidate, training: Training, test: IntArray) -> Outcome:
    start = time.process_time()
    source, measure = training.source, training.measure
    choice = candidate.choose(training)
    model = fit(choice, training)
    seconds = time.process_time() - start
    y, codes = source.table.y[test], source.table.codes[test]
    p = measure.predict(model, source.keys(test))
    losses = measure.of_rows(y, p)
    last = model[-1]
    gap = float(getattr(last, "relative_gap_", np.nan))
    return Outcome(
        choice.parameters,
        choice.edges,
        choice.score,
        float(np.nanmean(measure.of_tasks(losses, codes, source.table.n_tasks))),
        measure.second_of(y, p),
        losses,
        p,
        gap,
        bool(not gap > getattr(last, "tol", np.inf)),
        seconds,
    )


def run_all(
    todo: list[Candidate],
    source: Source,
    outer: list[Split],
    measure: Measure,
    options: Any,
    say: Callable[[str], None],
) -> tuple[list[Candidate], list[list[Outcome]], list[str]]:
    """Candidates that can be fitted, their outcomes by split, and which cannot, with the reason."""

    def one(k: int, split: Split) -> list[Outcome | str]:
        start = time.perf_counter()
        found = run_split(todo, source, split, measure, options)
        say(f"{k}/{len(outer)}: {len(todo)} procedures, {time.perf_counter() - start:.1f} s")
        return found

    if options.n_jobs in (None, 1):
        found = [one(k, split) for k, split in enumerate(outer, start=1)]
    else:
        found = Parallel(n_jobs=options.n_jobs)(
            delayed(run_split)(todo, source, split, measure, options) for split in outer
        )
    why = [next((s[i] for s in found if isinstance(s[i], str)), "") for i in range(len(todo))]
    fitted = [i for i, reason in enumerate(why) if not reason]
    return (
        [todo[i] for i in fitted],
        [[cast(Outcome, split[i]) for i in fitted] for split in found],
        [f"{todo[i].name} is left out: {why[i]}" for i in range(len(todo)) if why[i]],
    )


def procedures(todo: list[Candidate], found: list[list[Outcome]]) -> list[Procedure]:
    """The rows of the table, with that of the model that cross-validation chooses among sharers."""
    rows = [
        _procedure(candidate.name, candidate.kind, [split[i] for split in found])
        for i, candidate in enumerate(todo)
    ]
    picked = chosen(todo, found)
    if picked:
        names = [todo[i].name for i in picked]
        row = _procedure(
            CHOSEN, "chosen", [split[i] for split, i in zip(found, picked, strict=True)]
        )
        for parameters, name in zip(row.parameters, names, strict=True):
            parameters["model"] = name
        rows.append(row)
    return rows


def chosen(todo: list[Candidate], found: list[list[Outcome]]) -> list[int]:
    """In each split, the sharing candidate that does best in the folds of its training rows."""
    sharing = [i for i, candidate in enumerate(todo) if candidate.kind == "sharing"]
    if not sharing:
        return []
    return [max(sharing, key=lambda i: split[i].inner) for split in found]


def _procedure(name: str, kind: str, outcomes: list[Outcome]) -> Procedure:
    edges: dict[str, int] = {}
    for outcome in outcomes:
        for parameter in outcome.edges:
            edges[parameter] = edges.get(parameter, 0) + 1
    gaps = [outcome.relative_gap for outcome in outcomes]
    return Procedure(
        name,
        kind,
        np.array([outcome.metric for outcome in outcomes]),
        np.array([outcome.second for outcome in outcomes]),
        [dict(outcome.parameters) for outcome in outcomes],
        edges,
        np.nan if np.isnan(gaps).all() else float(np.nanmax(gaps)),
        all(outcome.converged for outcome in outcomes),
        sum(outcome.seconds for outcome in outcomes),
    )


def row_means(outer: list[Split], found: list[FloatArray], n: int) -> tuple[AnyArray, FloatArray]:
    """Rows that were tested, and the mean of a value of each over the splits that tested it."""
    total, count = np.zeros(n), np.zeros(n)
    for (_, test), values in zip(outer, found, strict=True):
        np.add.at(total, test, values)
        np.add.at(count, test, 1.0)
    rows = np.flatnonzero(count)
    return rows, total[rows] / count[rows]
