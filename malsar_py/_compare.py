"""Compare the models on one table: split it, choose the lambdas, fit, test, report.

This is the work behind ``python -m malsar_py compare``. Progress and notes go to standard error,
the table of results to standard output.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from . import models
from ._table import CompareError, Table, exam_table, note, read_table
from ._typing import AnyArray, FloatArray, IntArray
from .base import MultiTaskEstimator
from .graphs import adjacency
from .model_selection import TaskKFold

_FOLDS = 5
# The search ranks settings; only the final fit needs the digits.
_SEARCH: dict[str, Any] = {"tol": 1e-4, "max_iter": 1000, "warm_start": True}
# A path from strong to weak penalties ends after so many settings that are worse than its best.
_PATIENCE = 3

# Multiples of lambda1_max for norms, of the features' mean curvature for quadratic terms.
_NORM_GRID = np.logspace(-0.25, -3.0, 12)
_RIDGE_GRID = np.logspace(2.0, -4.0, 13)
_COUPLING_GRID = np.logspace(4.0, -1.0, 11)


# --- the split -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of all tasks, standardised as the training part is."""

    X: FloatArray
    y: FloatArray
    codes: IntArray

    def take(self, rows: AnyArray) -> Part:
        """Some of the rows."""
        return Part(self.X[rows], self.y[rows], self.codes[rows])


def split_table(table: Table, seed: int) -> tuple[Part, Part]:
    """Training part and test part: a quarter of each task (of each class in it), rounded."""
    rng = np.random.default_rng(seed)
    cells = table.codes if table.classes is None else 2 * table.codes + table.y.astype(np.intp)
    test = np.zeros(len(cells), bool)
    for cell in np.unique(cells):
        rows = rng.permutation(np.flatnonzero(cells == cell))
        test[rows[: round(len(rows) / 4)]] = True  # at least one row stays
    if not test.any():
        raise CompareError(f"--task {table.task}: no task has enough rows to test on (three)")
    mean, std = table.X[~test].mean(axis=0), table.X[~test].std(axis=0)
    X = (table.X - mean) / np.where(std > 1e-12 * np.abs(mean), std, 1.0)
    whole = Part(X, table.y, table.codes)
    return whole.take(~test), whole.take(test)


# --- the models ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Candidate:
    """A row of the table: an estimator and the settings to try, in paths for warm starts."""

    name: str
    estimator: MultiTaskEstimator
    paths: list[list[dict[str, Any]]]
    pooled: bool = False
    chain: bool = False

    @property
    def n_settings(self) -> int:
        return sum(map(len, self.paths))

    def fit(self, model: MultiTaskEstimator, part: Part) -> MultiTaskEstimator:
        """Fit to a part: without its labels if pooled, with its own chain of tasks if asked for."""
        if self.chain:
            model.set_params(graph=adjacency(_chain(part)))
        return model.fit(part.X, part.y, tasks=None if self.pooled else part.codes)

    def predict(self, model: Any, part: Part) -> FloatArray:
        """Predictions, or probabilities of class 1."""
        tasks = None if self.pooled else part.codes
        if hasattr(model, "predict_proba"):
            return model.predict_proba(part.X, tasks=tasks)[:, 1]
        return model.predict(part.X, tasks=tasks)


def _chain(part: Part) -> FloatArray:
    """Adjacency of the chain of tasks in the order of their mean target."""
    order = np.argsort(_task_means(part.y, part.codes), kind="stable")
    A = np.zeros((len(order), len(order)))
    A[order[:-1], order[1:]] = A[order[1:], order[:-1]] = 1.0
    return A


def candidates(train: Part, *, classify: bool, seed: int) -> list[Candidate]:
    """The models with grids in the scale of the training part."""
    # Gradient of the loss at W = 0 with the best intercepts, the same expression for both losses.
    n_tasks = int(train.codes.max()) + 1
    share = 1.0 / np.bincount(train.codes)[train.codes]
    residual = train.y - _task_means(train.y, train.codes)[train.codes]
    G = np.zeros((train.X.shape[1], n_tasks))
    energy = np.empty(n_tasks)
    for t in range(n_tasks):
        own = train.codes == t
        G[:, t] = train.X[own].T @ (share[own] * residual[own])
        energy[t] = train.X[own].var(axis=0).mean()
    curvature = max(float(energy.mean()) * (0.25 if classify else 1.0), 1e-12)

    def make(name: str, **parameters: Any) -> MultiTaskEstimator:
        kind = "Classifier" if classify else "Regressor"
        return getattr(models, name + kind)(**_SEARCH, **parameters)

    def path(strengths: FloatArray, **fixed: Any) -> list[dict[str, Any]]:
        return [{"lambda1": float(value), **fixed} for value in strengths]

    ridges = [[{"lambda2": float(value)} for value in curvature * _RIDGE_GRID]]
    couplings = curvature * _COUPLING_GRID
    quadratics = [path(couplings, lambda2=curvature * r) for r in (1e-2, 1e-1, 1.0)]
    clusters = [
        path(couplings[::2], lambda2=curvature * r, n_clusters=k)
        for k in (1, 2, 3, 5)
        if k == 1 or k < min(n_tasks, train.X.shape[1])
        for r in (1e-1, 1.0)
    ]
    ridge = "logistic" if classify else "ridge"
    return [
        Candidate(f"pooled {ridge}", make("MeanRegularized", lambda1=0.0), ridges, pooled=True),
        Candidate(f"single-task {ridge}", make("MeanRegularized", lambda1=0.0), ridges),
        Candidate("Lasso", make("Lasso"), [path(_NORM_GRID * np.abs(G).max())]),
        Candidate(
            "JointFeature",
            make("JointFeature"),
            [path(_NORM_GRID * np.linalg.norm(G, axis=1).max())],
        ),
        Candidate("TraceNorm", make("TraceNorm"), [path(_NORM_GRID * np.linalg.norm(G, ord=2))]),
        Candidate("MeanRegularized", make("MeanRegularized"), quadratics),
        Candidate("Graph (chain)", make("Graph"), quadratics, chain=True),
        Candidate("Clustered", make("Clustered", random_state=seed), clusters),
    ]


# --- choosing, fitting, testing ------------------------------------------------------------------


@dataclass
class Outcome:
    """What the table says about one model."""

    model: str
    parameters: dict[str, Any]
    scores: dict[str, float]
    relative_gap: float
    n_iter: int
    converged: bool
    search_seconds: float
    fit_seconds: float
    best: bool = field(default=False)


def _task_means(values: FloatArray, codes: IntArray, n_tasks: int = 0) -> FloatArray:
    """Mean of each task, NaN for a task without rows."""
    size = np.bincount(codes, minlength=n_tasks)
    with np.errstate(invalid="ignore"):
        return np.bincount(codes, weights=values, minlength=n_tasks) / size


def rmse(part: Part, prediction: FloatArray) -> float:
    """Mean over tasks of the root mean squared error."""
    return float(np.nanmean(np.sqrt(_task_means((part.y - prediction) ** 2, part.codes))))


def log_loss(part: Part, p: FloatArray) -> float:
    """Mean over tasks of the mean log loss."""
    p = np.clip(p, 1e-15, 1.0 - 1e-15)
    return float(np.nanmean(_task_means(-np.log(np.where(part.y == 1.0, p, 1.0 - p)), part.codes)))


def _scores(part: Part, prediction: FloatArray, classify: bool) -> dict[str, float]:
    """The two columns of the table; the first one decides."""
    if classify:
        right = ((prediction > 0.5) == (part.y == 1.0)).astype(np.float64)
        accuracy = float(np.nanmean(_task_means(right, part.codes)))
        return {"log_loss": log_loss(part, prediction), "accuracy": accuracy}
    total = float(np.square(part.y - part.y.mean()).sum())
    errors = float(np.square(part.y - prediction).sum())
    return {"rmse": rmse(part, prediction), "r2": 1.0 - errors / total if total else math.nan}


def search(
    candidate: Candidate, train: Part, folds: list[IntArray], *, classify: bool
) -> dict[str, Any]:
    """The setting whose predictions of all folds together have the smallest error."""
    error = log_loss if classify else rmse
    parts = [
        (train.take(np.setdiff1d(np.arange(len(train.y)), fold)), train.take(fold))
        for fold in folds
    ]
    whole = train.take(np.concatenate(folds))
    best, chosen = math.inf, candidate.paths[0][0]
    for path in candidate.paths:
        # Every fold has a model of its own, warm-started from setting to setting.
        fold_models = [clone(candidate.estimator) for _ in folds]
        lowest, worse = math.inf, 0
        for parameters in path:
            found = []
            for model, (part, test) in zip(fold_models, parts, strict=True):
                candidate.fit(model.set_params(**parameters), part)
                found.append(candidate.predict(model, test))
            value = error(whole, np.concatenate(found))
            if value < best:
                best, chosen = value, parameters
            lowest, worse = (value, 0) if value < lowest else (lowest, worse + 1)
            if worse == _PATIENCE:
                break
    return chosen


def compare(table: Table, seed: int) -> tuple[dict[str, Any], list[Outcome]]:
    """Choose, fit and test every model; the settings of the run and a row per model."""
    classify = table.classes is not None
    train, test = split_table(table, seed)
    folds = _folds(train, classify, seed)
    todo = candidates(train, classify=classify, seed=seed)
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
        _warm_up(todo, train)
        outcomes = [
            _outcome(candidate, train, test, folds, classify, f"{i}/{len(todo)}")
            for i, candidate in enumerate(todo, start=1)
        ]
    deciding = next(iter(outcomes[0].scores))
    min(outcomes, key=lambda outcome: outcome.scores[deciding]).best = True
    return settings, outcomes


def _folds(train: Part, classify: bool, seed: int) -> list[IntArray]:
    n_folds = min(_FOLDS, int(np.bincount(train.codes).max()))
    splitter = TaskKFold(n_folds, stratify=classify, shuffle=True, random_state=seed)
    try:
        splits = splitter.split(train.X, train.y, tasks=train.codes)
        return [np.asarray(test, dtype=np.intp) for _, test in splits]
    except ValueError as error:
        raise CompareError(f"the tasks are too small for cross-validation: {error}") from error


def _warm_up(todo: list[Candidate], train: Part) -> None:
    """Load or compile every kernel, so that the seconds in the table are the models' own."""
    start = time.perf_counter()
    _say("preparing (the first run on a machine compiles for some seconds) ...")
    for candidate in todo:
        path = candidate.paths[-1]
        model = clone(candidate.estimator).set_params(max_iter=2, **path[len(path) // 2])
        candidate.predict(candidate.fit(model, train), train)
    note(f" {time.perf_counter() - start:.1f} s")


def _outcome(
    candidate: Candidate, train: Part, test: Part, folds: list[IntArray], classify: bool, count: str
) -> Outcome:
    _say(
        f"{count} {candidate.name}: up to {candidate.n_settings} settings x {len(folds)} folds ..."
    )
    start = time.perf_counter()
    chosen = search(candidate, train, folds, classify=classify)
    searched = time.perf_counter()
    default = type(candidate.estimator)()
    model = clone(candidate.estimator).set_params(
        **{name: getattr(default, name) for name in _SEARCH}, **chosen
    )
    candidate.fit(model, train)
    fitted = time.perf_counter()
    note(f" {fitted - start:.1f} s")
    return Outcome(
        candidate.name,
        {"lambda1": model.lambda1, **chosen},
        _scores(test, candidate.predict(model, test), classify),
        model.relative_gap_,
        model.n_iter_,
        model.relative_gap_ <= default.tol,
        searched - start,
        fitted - searched,
    )


# --- the report ----------------------------------------------------------------------------------

_HEADINGS = {"rmse": "RMSE", "r2": "R2", "log_loss": "log loss", "accuracy": "accuracy"}


def report(settings: dict[str, Any], outcomes: list[Outcome]) -> Iterator[str]:
    """Lines of the table, at most 100 characters wide."""
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
            _strength(chosen["lambda1"]),
            _strength(chosen.get("lambda2", 0.0)),
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
        "TaskKFold cross-validation"
    )
    yield "chain: each task is tied to the next in the order of their mean target"
    yield "rel. gap: how far the final fit can be from its optimum (objective at W = 0 is 1)"
    if not all(outcome.converged for outcome in outcomes):
        yield "!: the final fit missed its tolerance; raise max_iter to use such a setting"


def _strength(value: float) -> str:
    return f"{value:.3g}" if value else "-"


def _gap(value: float) -> str:
    # Below rounding the sign of a gap means nothing.
    return f"{value:.0e}" if value >= 1e-15 else "< 1e-15"


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
    json_path: Path | None = None,
) -> None:
    """Compare on a file, or on Exam; print the table and write the JSON file."""
    if json_path is not None:
        _refuse_unwritable(json_path)
    if file is None:
        table = exam_table()
    else:
        assert task is not None and target is not None
        table = read_table(file, task=task, target=target, classify=classify, drop=drop)
    settings, outcomes = compare(table, seed)
    print("\n".join(report(settings, outcomes)))
    if json_path is not None:
        _write_json(json_path, settings, outcomes)


def _refuse_unwritable(path: Path) -> None:
    """Say so before the work rather than after it."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CompareError(f"--json: cannot write {path}")


def _write_json(path: Path, settings: dict[str, Any], outcomes: list[Outcome]) -> None:
    from . import __version__  # late: the package is still being imported when this module is

    rows = [
        {
            "model": outcome.model,
            "parameters": outcome.parameters,
            **{k: v if math.isfinite(v) else None for k, v in outcome.scores.items()},
            "relative_gap": outcome.relative_gap,
            "n_iter": outcome.n_iter,
            "converged": outcome.converged,
            "search_seconds": outcome.search_seconds,
            "fit_seconds": outcome.fit_seconds,
            "best": outcome.best,
        }
        for outcome in outcomes
    ]
    document = {"malsar_py": __version__, "settings": settings, "models": rows}
    try:
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise CompareError(f"--json: {path}: {error.strerror}") from error
