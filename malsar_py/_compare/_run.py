"""Choosing, fitting and testing."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from .. import metrics
from .._table import CompareError, Table, exam_table, note, read_table
from .._typing import AnyArray, FloatArray
from ..model_selection import TaskKFold
from ._candidates import Candidate, Part, candidates, last_step, split_table

_FOLDS = 5


@dataclass(eq=False)
class Outcome:
    """What the table says about one model, and what it was read off."""

    model: str
    parameters: dict[str, Any]
    scores: dict[str, float]
    relative_gap: float
    n_iter: int
    converged: bool
    search_seconds: float
    fit_seconds: float
    shares: bool = True
    best: bool = field(default=False)
    fitted: Any = None
    search: Any = None
    prediction: FloatArray | None = None  # of the test rows
    edges: frozenset[str] = frozenset()  # parameters at an end of their grid


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything there is to report."""

    settings: dict[str, Any]
    outcomes: list[Outcome]
    train: Part
    test: Part
    labels: AnyArray

    @property
    def single(self) -> Outcome:
        """The model without sharing."""
        return next(outcome for outcome in self.outcomes if "single-task" in outcome.model)

    @property
    def structure(self) -> Outcome:
        """The best of the models that couple the tasks."""
        deciding = next(iter(self.outcomes[0].scores))
        sharing = [outcome for outcome in self.outcomes if outcome.shares]
        return min(sharing, key=lambda outcome: outcome.scores[deciding])


def compare(table: Table, seed: int) -> Comparison:
    """Choose, fit and test every model."""
    classify = table.classes is not None
    train, test = split_table(table, seed)
    folds = _folds(train, classify, seed)
    settings = {
        "data": table.name,
        "target": table.target,
        "task": table.task,
        "classes": table.classes,
        "seed": seed,
        "n_tasks": table.n_tasks,
        "n_features": table.X.shape[1],
        "n_train": len(train.y),
        "n_test": len(test.y),
        "n_test_tasks": len(np.unique(test.codes)),
        "n_folds": len(folds),
    }
    # The blocks of single tasks are small: threads would mostly wait for each other.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # A fit that stops early says so by its gap; tiny tasks are no news here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of tasks equals the number of rows")
        warnings.filterwarnings("ignore", "The best score is at the edge")  # marked in the table
        warnings.filterwarnings("ignore", ".* is zero whatever the data")  # a corner of a grid
        warnings.filterwarnings("ignore", "Constant within every task")  # noted of the table
        warnings.filterwarnings("ignore", "All coefficients are zero")  # the errors tell
        todo = candidates(train, classify=classify, seed=seed)
        _warm_up(todo, train)
        outcomes = [
            _outcome(candidate, train, test, folds, classify, f"{i}/{len(todo)}")
            for i, candidate in enumerate(todo, start=1)
        ]
    deciding = next(iter(outcomes[0].scores))
    min(outcomes, key=lambda outcome: outcome.scores[deciding]).best = True
    return Comparison(settings, outcomes, train, test, table.labels)


def _folds(train: Part, classify: bool, seed: int) -> list[tuple[AnyArray, AnyArray]]:
    n_folds = min(_FOLDS, int(np.bincount(train.codes).max()))
    splitter = TaskKFold(n_folds, task_column=0, stratify=classify, shuffle=True, random_state=seed)
    try:
        return list(splitter.split(train.rows, train.y))
    except ValueError as error:
        raise CompareError(f"the tasks are too small for cross-validation: {error}") from error


def _warm_up(todo: list[Candidate], train: Part) -> None:
    """Load or compile every kernel, so that the seconds in the table are the models' own."""
    start = time.perf_counter()
    _say("preparing (the first run on a machine compiles for some seconds) ...")
    rows = train.rows
    for candidate in todo:
        model = clone(candidate.estimator)
        last_step(model).set_params(max_iter=2)
        model.fit(rows, train.y).predict(rows)
    note(f" {time.perf_counter() - start:.1f} s")


def _outcome(
    candidate: Candidate,
    train: Part,
    test: Part,
    folds: list[tuple[AnyArray, AnyArray]],
    classify: bool,
    count: str,
) -> Outcome:
    _say(f"{count} {candidate.name}: {candidate.n_settings} settings x {len(folds)} folds ...")
    start = time.perf_counter()
    rows = train.rows
    # Squared errors: the root of a mean over the two or three rows of a task in a fold is biased.
    name = "mean_task_log_loss" if classify else "mean_task_mse"
    scoring = metrics.make_task_scorer(name, task_column=0) if candidate.pooled else name
    search = candidate.search(cv=folds, scoring=scoring).fit(rows, train.y)
    searched = time.perf_counter()
    model = clone(candidate.estimator).set_params(**search.best_params_)
    last = last_step(model)
    default = type(last)()
    last.set_params(tol=default.tol, max_iter=default.max_iter)
    model.fit(rows, train.y)
    fitted = time.perf_counter()
    note(f" {fitted - start:.1f} s")
    prediction = model.predict_proba(test.rows)[:, 1] if classify else model.predict(test.rows)
    chosen = {name.rpartition("__")[2]: value for name, value in search.best_params_.items()}
    return Outcome(
        candidate.name,
        chosen,
        _scores(test, prediction, classify),
        last.relative_gap_,
        last.n_iter_,
        last.relative_gap_ <= default.tol,
        searched - start,
        fitted - searched,
        candidate.shares,
        fitted=model,
        search=search,
        prediction=prediction,
        edges=frozenset(name.rpartition("__")[2] for name in search.edges_),
    )


def _scores(test: Part, prediction: FloatArray, classify: bool) -> dict[str, float]:
    """The two columns of the table; the first one decides."""
    given = test.y, prediction, test.codes
    if classify:
        right = test.y, (prediction > 0.5).astype(np.float64), test.codes
        return {
            "log_loss": metrics.mean_task_log_loss(*given, classes=(0.0, 1.0)),
            "accuracy": metrics.mean_task_accuracy(*right),
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal targets: the table says nan
        r2 = metrics.explained_variance(*given)
    return {"rmse": metrics.mean_task_rmse(*given), "r2": r2}


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def run(
    file: Path | None,
    *,
    task: str | None = None,
    target: str | None = None,
    classify: bool = False,
    drop: Sequence[str] = (),
    seed: int = 0,
    per_task: bool = False,
    json_path: Path | None = None,
    plot_folder: Path | None = None,
) -> None:
    """Compare on a file, or on Exam; print the table, write the JSON file and the pictures."""
    from ._report import report, task_report, task_rows, write_json

    if json_path is not None:
        _refuse_unwritable(json_path)
    if plot_folder is not None:
        _refuse_no_folder(plot_folder)
    if file is None:
        table = exam_table()
    else:
        assert task is not None and target is not None
        table = read_table(file, task=task, target=target, classify=classify, drop=drop)
    found = compare(table, seed)
    print("\n".join(report(found.settings, found.outcomes)))
    tasks = task_rows(found) if per_task else None
    if tasks is not None:
        print()
        print("\n".join(task_report(found, tasks)))
    if json_path is not None:
        write_json(json_path, found, tasks)
    if plot_folder is not None:
        from ._pictures import draw

        draw(found, plot_folder, table.feature_names)


def _refuse_unwritable(path: Path) -> None:
    """Say so before the work rather than after it."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CompareError(f"--json: cannot write {path}")


def _refuse_no_folder(folder: Path) -> None:
    """The same for pictures; the folder is made when they are drawn."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise CompareError(
            '--plot needs matplotlib: pip install "malsar_py[plot]", or leave it out'
        ) from None
    existing = folder if folder.exists() else folder.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise CompareError(f"--plot: cannot write into {folder}")
