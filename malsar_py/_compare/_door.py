"""`malsar_py.compare`: from a table to what its models are worth."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._keep_tasks import keep_tasks
from .._table import Asked, CompareError, Table, exam_table, read_table
from .._typing import AnyArray
from ._candidates import candidates, untried
from ._choice import Candidate, Choice
from ._measure import LOSSES, Measure
from ._options import Options
from ._result import CHOSEN, POOLED, SINGLE, Comparison, Procedure, Unseen
from ._run import Outcome, chosen, procedures, quiet, row_means, run_all, train_on
from ._source import Source, Split, splits
from ._verdict import task_gains, verdict

_PACKAGES = ("malsar_py", "scikit-learn", "numpy", "scipy", "numba", "pandas", "skrub")


def compare(
    data: Any = None,
    *,
    task: str | None = None,
    target: str | None = None,
    classify: bool = False,
    loss: str | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    id: Sequence[str] = (),
    date: Sequence[str] = (),
    missing: Sequence[float] = (),
    time: str | None = None,
    group: str | None = None,
    encoding: str | None = None,
    models: Sequence[str] = (),
    seed: int = 0,
    n_jobs: int | None = None,
    repeats: int | None = None,
    new_tasks: bool = False,
    verbose: int = 0,
) -> Comparison:
    """Compare models that share between tasks with those that do not, on any table.

    Each procedure, with everything it has to choose, is run on training rows and judged on rows
    that it has not seen: five folds of each task, in which missing values are imputed, categories
    encoded and features scaled by training rows alone, and strengths chosen by cross-validation on
    these. Sharing, its model chosen by cross-validation too, is then compared with the references,
    split by split: the mean, one ridge for all tasks, one for each, one with a dummy for each task,
    and gradient boosting that knows the task as a category.

    Parameters
    ----------
    data : path of a CSV or Parquet file, or a data frame of pandas, polars or Arrow, default=None
        A row per observation. None: the shipped Exam data.
    task, target : str
        Columns of the task labels and of what is to be predicted.
    classify : bool, default=False
        Whether the target is one of two or more classes.
    loss : {"squared", "huber", "quantile", "poisson", "gamma"}, default=None
        For numbers. None: squared. It also decides what is measured: the RMSE; the mean absolute
        error; the deviance.
    drop, keep, id : list of str
        Columns that are no features; that are, although they look like identifiers; that name rows.
    date : list of str
        Columns of dates that are not recognised as such.
    missing : list of float
        Numbers that mean "missing", such as -999.
    time : str, default=None
        Column by which the rows are split: models are trained on what came before the rows they are
        tested on.
    group : str, default=None
        Column whose values stay together: all rows of one are trained on, or tested.
    encoding : str, default=None
        Of a CSV file. None: UTF-8, else Windows-1252.
    models : list of str
        Models to compare with the references. Empty: those that are quick; "all": all there are.
    seed : int, default=0
        Of the splits and of models that start at random.
    n_jobs : int, default=None
        Number of joblib jobs over the splits.
    repeats : int, default=None
        Number of splits: the rows are dealt into five folds as often as that takes. None: 5, or 3
        for more than 20,000 rows.
    new_tasks : bool, default=False
        Whether whole tasks are held out: which tells how well a task is predicted of
        which no row is known.
    verbose : int, default=0
        Whether to say on standard error what is done.

    Returns
    -------
    comparison : Comparison
        Scores, verdicts, gains of the tasks, and the winner fitted to all rows.

    Raises
    ------
    ValueError
        If the table cannot be used as asked; one message names all that is wrong.

    Examples
    --------
    >>> import malsar_py
    >>> found = malsar_py.compare(models=["MixedEffects"], repeats=2)  # Exam
    >>> found.winner.name
    'MixedEffects'
    """
    say = _to_stderr if verbose else _nothing
    asked = None
    if data is not None:
        if task is None or target is None:
            raise CompareError("say which columns hold the tasks and the target: task=, target=")
        columns = {"drop": drop, "keep": keep, "id": id, "date": date}
        given = {name: _listed(value) for name, value in columns.items()}
        asked = Asked(
            task, target, classify, **given, missing=missing, time=time, group=group,
            loss=loss or "squared",
        )  # fmt: skip
    if loss is not None and loss not in LOSSES:
        raise CompareError(f"--loss: no {loss!r}; there are {', '.join(LOSSES)}")
    if repeats is not None and repeats < 1:
        raise CompareError(f"--repeats must be at least 1, got {repeats}")
    if new_tasks and (time or group):
        raise CompareError(
            "--new-tasks splits by task, --time and --group by other columns: one of them"
        )
    table = exam_table() if asked is None else read_table(data, asked, encoding=encoding)
    options = Options(
        seed,
        n_jobs,
        repeats,
        new_tasks,
        tuple(_listed(models)),
        loss,
        len(table.y),
        0 if table.classes is None else len(table.classes),
    )
    for text in table.notes:
        say(text)
    found = _compare(table, options, say)
    found.command = _command(data, asked, options, encoding)
    if asked is not None:
        found.settings |= {"missing": list(asked.missing), "date": table.dates}
    return found


def _compare(table: Table, options: Options, say: Callable[[str], None]) -> Comparison:
    measure = options.measure(table)
    asked: dict[str, Any] = {"new_tasks": options.new_tasks, "only": options.only()}
    todo = candidates(measure, **asked)
    source = Source(table)
    outer = _outer(table, options)
    todo, outcomes, unfit = run_all(todo, source, outer, measure, options, say)
    table.notes.extend(unfit)
    for text in unfit:
        say(text)
    rows = procedures(todo, outcomes)
    winner = min((row for row in rows if row.kind != "chosen"), key=lambda row: row.mean)
    best = min((r for r in rows if r.kind == "sharing"), key=lambda row: row.mean, default=None)
    say(f"{winner.name} on all rows ...")
    model, choice = _final(todo, winner, source, measure, options)
    shared: Any = (model, choice)
    if best is not winner:
        shared = (None, None) if best is None else _final(todo, best, source, measure, options)
    by_name = {row.name: row for row in rows}
    sharing = by_name.get(CHOSEN)
    references = [row for row in rows if row.kind == "reference"]
    sizes = np.bincount(table.codes)
    return Comparison(
        name=table.name,
        task=table.task,
        target=table.target,
        kind="regression" if table.classes is None else "classification",
        loss=measure.loss,
        metric=measure.name,
        second=measure.second,
        classes=None if table.classes is None else [str(c) for c in table.classes],
        columns=table.columns,
        notes=list(table.notes),
        tasks={name: int(n) for name, n in zip(table.task_names, sizes, strict=True)},
        left_out=table.left_out,
        n_rows=len(table.y),
        n_features=source.encoded(np.arange(len(table.y))).shape[1] - 1,
        settings={
            "seed": options.seed,
            "repeats": len(outer),
            "folds": options.folds,
            "split": _how(table, options),
            "n_tested": len(np.unique(np.concatenate([test for _, test in outer]))),
            "n_test_tasks": len(np.unique(np.concatenate([table.codes[t] for _, t in outer]))),
            "untried": untried(measure, **asked),
        },
        procedures=rows,
        winner=winner,
        verdicts=[] if sharing is None else [verdict(sharing, row, outer) for row in references],
        gains=_gains(todo, outcomes, table, measure, outer, sizes),
        inputs=[table.task, *table.names],
        model=model,
        model_parameters=choice.parameters,
        sharing=best,
        sharing_model=shared[0],
        search=None if shared[1] is None else shared[1].search,
        unseen={
            row.name: _unseen(todo, outcomes, table, outer, row.name)
            for row in (winner, best)
            if row is not None and table.classes is None
        },
        versions=_versions(),
    )


def _outer(table: Table, options: Options) -> list[Split]:
    """As many splits as wanted: the rows are dealt into folds again and again."""
    rows = np.arange(len(table.y))
    wanted = options.n_splits
    found: list[Split] = []
    for again in range(wanted):
        n = wanted if table.time is not None else 5
        found += splits(table, rows, n, options.seed + again, new_tasks=options.new_tasks)
        if len(found) >= wanted or table.time is not None:
            break
    return found[:wanted]


def _how(table: Table, options: Options) -> str:
    if table.time is not None:
        return "time"
    if options.new_tasks:
        return "tasks"
    return "rows" if table.groups is None else "groups"


def _gains(
    todo: list[Candidate],
    outcomes: list[list[Outcome]],
    table: Table,
    measure: Measure,
    outer: list[Split],
    sizes: AnyArray,
) -> list[Any]:
    place = {candidate.name: i for i, candidate in enumerate(todo)}
    picked = chosen(todo, outcomes)
    if not picked:
        return []
    n = len(table.y)

    def losses(which: list[int]) -> Any:
        values = [split[i].losses for split, i in zip(outcomes, which, strict=True)]
        return row_means(outer, values, n)

    rows, shared = losses(picked)
    single = losses([place[SINGLE]] * len(outer))[1]
    pooled = losses([place[POOLED]] * len(outer))[1]
    codes = table.codes[rows]
    units = None if table.groups is None else table.groups[rows]
    return task_gains(table.task_names, sizes, codes, single, pooled, shared, measure, units=units)


def _unseen(
    todo: list[Candidate],
    outcomes: list[list[Outcome]],
    table: Table,
    outer: list[Split],
    name: str,
) -> Unseen:
    """Predictions of the rows that were tested, by models that had not seen them."""
    place = [candidate.name for candidate in todo].index(name)
    rows, mean = row_means(outer, [split[place].prediction for split in outcomes], len(table.y))
    labels = np.array(table.task_names, dtype=object)[table.codes[rows]]
    return Unseen(labels, table.y[rows], mean)


def _final(
    todo: list[Candidate], wanted: Procedure, source: Source, measure: Measure, options: Options
) -> tuple[Pipeline, Choice]:
    """A procedure on all rows: what cross-validation chooses, fitted to the table as read."""
    table = source.table
    candidate = next(c for c in todo if c.name == wanted.name)
    with quiet():
        training = train_on(source, np.arange(len(table.y)), measure, options)
        choice = candidate.choose(training)
        last = choice.steps[-1][1]
        if "graph" in last.get_params(deep=False) and isinstance(last.graph, list):
            # Here the tasks go by their labels.
            last.graph = [tuple(table.labels[[int(a), int(b)]].tolist()) for a, b in last.graph]
        columns = keep_tasks(clone(table.features), task_column=0)
        model = Pipeline([("columns", columns), *choice.steps])
        return model.fit(table.whole(), table.answers()), choice


def _versions() -> dict[str, str]:
    from .. import __version__

    found = {"malsar_py": __version__, "python": sys.version.split()[0]}
    for name in _PACKAGES[1:]:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _command(data: Any, asked: Asked | None, options: Options, encoding: str | None) -> str:
    """What to type for the same comparison."""
    words = ["python", "-m", "malsar_py", "compare"]
    if asked is not None:
        words.append(str(data) if isinstance(data, str | Path) else "TABLE.csv")
        words += ["--task", asked.task, "--target", asked.target]
        words += ["--classify"] if asked.classify else []
        for option in ("drop", "keep", "id", "date", "missing"):
            for value in getattr(asked, option):
                words += [f"--{option}", f"{value:g}" if option == "missing" else value]
        for option in ("time", "group"):
            value = getattr(asked, option)
            words += [] if value is None else [f"--{option}", value]
    words += [] if encoding is None else ["--encoding", encoding]
    words += [] if options.loss is None else ["--loss", options.loss]
    words += ["--models", ",".join(options.models)] if options.models else []
    words += ["--new-tasks"] if options.new_tasks else []
    words += [] if options.repeats is None else ["--repeats", str(options.repeats)]
    return shlex.join([*words, "--seed", str(options.seed)])


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _nothing(text: str) -> None:
    pass
