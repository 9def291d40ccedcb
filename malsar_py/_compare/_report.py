"""What is printed and written: the table of models, the table of tasks, the JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import metrics
from .._table import CompareError
from .._typing import FloatArray
from ..plotting._draw import short_names
from ._run import Comparison, Outcome

_HEADINGS = {"rmse": "RMSE", "r2": "R2", "log_loss": "log loss", "accuracy": "accuracy"}


def report(settings: dict[str, Any], outcomes: list[Outcome]) -> Iterator[str]:
    """Lines of the table of models, at most 100 characters wide."""
    classify = settings["classes"] is not None
    yield (
        f"{settings['data']}: {settings['target']} by {settings['task']}, "
        f"{settings['n_tasks']} tasks, {settings['n_features']} features; "
        f"{settings['n_train']} rows to train, {settings['n_test']} to test "
        f"(seed {settings['seed']})"
    )
    yield ""
    first, second = (_HEADINGS[name] for name in outcomes[0].scores)
    headings = ["model", "lambda1", "lambda2", "k", first, "", second, "rel. gap", "seconds"]
    rows = []
    for outcome in outcomes:
        chosen = outcome.parameters
        values = list(outcome.scores.values())
        rows.append(
            [
                outcome.model,
                _strength(chosen["lambda1"], "lambda1" in outcome.edges),
                _strength(chosen.get("lambda2", 0.0), "lambda2" in outcome.edges),
                str(chosen.get("n_clusters", "")),
                _score(values[0]),
                "best" if outcome.best else "",
                _score(values[1]),
                _gap(outcome.relative_gap) + ("" if outcome.converged else "!"),
                f"{outcome.search_seconds + outcome.fit_seconds:.1f}",
            ]
        )
    yield from _aligned([headings, *rows], (-22, 9, 9, 3, 10, -5, 9, 11, 9))
    tasks = settings["n_test_tasks"]
    if classify:
        yield f"log loss, accuracy: test rows, mean over the {tasks} tasks that have some"
    else:
        yield f"RMSE: test rows, mean over the {tasks} tasks that have some; R2: all test rows"
    yield (
        f"lambdas (and k clusters): chosen on the training rows by {settings['n_folds']}-fold "
        "MultiTaskSearchCV"
    )
    yield "chain: each task is tied to the next in the order of their mean target"
    yield "rel. gap: how far the final fit can be from its optimum (objective at W = 0 is 1)"
    if any(outcome.edges & {"lambda1", "lambda2"} for outcome in outcomes):
        yield "*: the end of the values tried; a better one may lie beyond"
    if not all(outcome.converged for outcome in outcomes):
        yield "!: the final fit missed its tolerance; raise max_iter to use such a setting"


def _aligned(rows: list[list[str]], widths: tuple[int, ...]) -> Iterator[str]:
    """Rows below a heading, between rules; columns of so many letters, to the left if negative.

    A column that needs more is as wide as it needs to be, and never touches the one before it.
    """
    columns: list[list[str]] = []
    for cells, width in zip(zip(*rows, strict=True), widths, strict=True):
        pad = str.ljust if width < 0 else str.rjust
        shown = [f" {cell}" if width < 0 and columns else cell for cell in cells]
        needed = max(map(len, shown)) + (width > 0 or not columns)  # a space between
        columns.append([pad(cell, max(abs(width), needed)) for cell in shown])
    heading, *lines = ("".join(line).rstrip() for line in zip(*columns, strict=True))
    rule = "-" * max(map(len, (heading, *lines)))
    yield from (heading, rule, *lines, rule)


def _score(value: float) -> str:
    """Four decimals, or four digits where these would say nothing; fewer for large numbers."""
    if value and abs(value) < 1e-3:
        return f"{value:.3e}"
    return f"{value:.4f}" if not abs(value) >= 1e5 else f"{value:.7g}"


def _strength(value: float, edge: bool) -> str:
    text = f"{value:.3g}" if value else "-"
    if not edge:
        return text
    return f"{text if len(text) < 8 else f'{value:.2g}'}*"  # as wide as without the mark


def _gap(value: float) -> str:
    # Below rounding the sign of a gap means nothing.
    return f"{value:.0e}" if value >= 1e-15 else "< 1e-15"


# --- task by task --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskRow:
    """One task: the error without and with sharing, on its test rows."""

    task: str
    n_train: int
    n_test: int
    single: float
    shared: float
    gain: float  # single - shared: positive where sharing helps
    clear: bool  # whether the gain or loss is beyond two standard errors

    @property
    def flag(self) -> str:
        """What is said about a task that loses."""
        return ("HURTS" if self.clear else "hurts") if self.gain < 0.0 else ""


def task_rows(found: Comparison) -> list[TaskRow]:
    """The tasks with test rows, from the largest gain to the largest loss."""
    single, shared = found.single.prediction, found.structure.prediction
    assert single is not None and shared is not None
    test, classify = found.test, found.settings["classes"] is not None
    metric = "log_loss" if classify else "rmse"
    every = np.arange(len(found.labels))
    options: dict[str, Any] = {"metric": metric, "labels": every}
    if classify:
        options["classes"] = (0.0, 1.0)
    before, after = (
        metrics.task_scores(test.y, p, test.codes, **options) for p in (single, shared)
    )
    n_train = np.bincount(found.train.codes, minlength=len(every))
    n_test = np.bincount(test.codes, minlength=len(every))
    names = short_names(
        (f"{label:g}" if isinstance(label, float) else label for label in found.labels), 23
    )
    difference = _losses(test.y, single, classify) - _losses(test.y, shared, classify)
    rows = [
        TaskRow(
            names[t],
            int(n_train[t]),
            int(n_test[t]),
            float(before[t]),
            float(after[t]),
            float(before[t] - after[t]),
            _clear(difference[test.codes == t]),
        )
        for t in every[n_test > 0]
    ]
    return sorted(rows, key=lambda row: -row.gain)


def _losses(y: FloatArray, p: FloatArray, classify: bool) -> FloatArray:
    """Loss of each row, whose mean over a task is what the table compares (or its square)."""
    if not classify:
        return np.square(y - p)
    eps = np.finfo(np.float64).eps
    return -np.log(np.clip(np.where(y == 1.0, p, 1.0 - p), eps, 1.0))


def _clear(differences: FloatArray) -> bool:
    """Whether the mean of paired differences is beyond two standard errors."""
    n = len(differences)
    if n < 3:
        return False
    return bool(abs(differences.mean()) > 2.0 * differences.std(ddof=1) / math.sqrt(n))


def task_report(found: Comparison, rows: list[TaskRow]) -> Iterator[str]:
    """Lines of the table of tasks, at most 100 characters wide."""
    name = found.structure.model
    error = _HEADINGS["rmse" if found.settings["classes"] is None else "log_loss"]
    yield f"{error} of each {found.settings['task']}: one model per task against {name}"
    yield ""
    headings = ["task", "n train", "n test", "single-task", name, "gain", "sharing"]
    lines = [
        [
            task.task,
            str(task.n_train),
            str(task.n_test),
            _score(task.single),
            _score(task.shared),
            ("+" if task.gain >= 0.0 else "") + _score(task.gain),
            task.flag,
        ]
        for task in rows
    ]
    yield from _aligned([headings, *lines], (-24, 9, 8, 13, 17, 10, -9))
    gain = np.array([task.gain for task in rows])
    clear = np.array([task.clear for task in rows])
    helps, hurts = gain > 0.0, gain < 0.0
    yield (
        f"sharing helps {helps.sum()} of {len(rows)} tasks, clearly {(helps & clear).sum()}; hurts "
        f"{hurts.sum()}, clearly {(hurts & clear).sum()}; mean gain "
        f"{'+' if gain.mean() >= 0.0 else ''}{_score(gain.mean())}"
    )
    yield "HURTS, clearly: beyond two standard errors of the paired differences on the test rows"


# --- the file ------------------------------------------------------------------------------------


def write_json(path: Path, found: Comparison, tasks: list[TaskRow] | None) -> None:
    """Write all numbers; the tasks too if they were asked for."""
    from .. import __version__  # late: the package is still being imported when this module is

    rows = [
        {
            "model": outcome.model,
            "parameters": outcome.parameters,
            "edges": sorted(outcome.edges),
            **{k: v if math.isfinite(v) else None for k, v in outcome.scores.items()},
            "relative_gap": outcome.relative_gap,
            "n_iter": outcome.n_iter,
            "converged": outcome.converged,
            "search_seconds": outcome.search_seconds,
            "fit_seconds": outcome.fit_seconds,
            "best": outcome.best,
        }
        for outcome in found.outcomes
    ]
    document = {"malsar_py": __version__, "settings": found.settings, "models": rows}
    if tasks is not None:
        document["structure"] = found.structure.model
        document["tasks"] = [{**asdict(task), "hurts": task.gain < 0.0} for task in tasks]
    try:
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise CompareError(f"--json: {path}: {error.strerror}") from error
