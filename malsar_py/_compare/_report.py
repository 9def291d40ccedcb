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
from ._run import Comparison, Outcome

_HEADINGS = {"rmse": "RMSE", "r2": "R2", "log_loss": "log loss", "accuracy": "accuracy"}
_LONGEST_LABEL = 24


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
    row = "{:<22}{:>9}{:>9}{:>3}{:>10} {:<4}{:>9}{:>11}{:>9}"
    heading = row.format(
        "model", "lambda1", "lambda2", "k", first, "", second, "rel. gap", "seconds"
    )
    yield heading
    yield "-" * len(heading)
    for outcome in outcomes:
        chosen = outcome.parameters
        values = list(outcome.scores.values())
        yield row.format(
            outcome.model,
            _strength(chosen["lambda1"], "lambda1" in outcome.edges),
            _strength(chosen.get("lambda2", 0.0), "lambda2" in outcome.edges),
            chosen.get("n_clusters", ""),
            f"{values[0]:.4f}",
            "best" if outcome.best else "",
            f"{values[1]:.4f}",
            _gap(outcome.relative_gap) + ("" if outcome.converged else "!"),
            f"{outcome.search_seconds + outcome.fit_seconds:.1f}",
        )
    yield "-" * len(heading)
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
    difference = _losses(test.y, single, classify) - _losses(test.y, shared, classify)
    rows = [
        TaskRow(
            _label(found.labels[t]),
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


def _label(label: Any) -> str:
    text = f"{label:g}" if isinstance(label, float) else str(label)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 3] + "..."


def task_report(found: Comparison, rows: list[TaskRow]) -> Iterator[str]:
    """Lines of the table of tasks, at most 100 characters wide."""
    name = found.structure.model
    error = _HEADINGS["rmse" if found.settings["classes"] is None else "log_loss"]
    yield f"{error} of each {found.settings['task']}: one model per task against {name}"
    yield ""
    row = "{:<24}{:>9}{:>8}{:>13}{:>17}{:>10}  {}"
    heading = row.format("task", "n train", "n test", "single-task", name, "gain", "sharing")
    yield heading
    yield "-" * len(heading)
    for task in rows:
        yield row.format(
            task.task,
            task.n_train,
            task.n_test,
            f"{task.single:.4f}",
            f"{task.shared:.4f}",
            f"{task.gain:+.4f}",
            task.flag,
        ).rstrip()
    yield "-" * len(heading)
    gain = np.array([task.gain for task in rows])
    clear = np.array([task.clear for task in rows])
    helps, hurts = gain > 0.0, gain < 0.0
    yield (
        f"sharing helps {helps.sum()} of {len(rows)} tasks, clearly {(helps & clear).sum()}; hurts "
        f"{hurts.sum()}, clearly {(hurts & clear).sum()}; mean gain {gain.mean():+.4f}"
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
