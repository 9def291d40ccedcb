"""Any size: rates of summaries, searches from one pass, fits by batches, memory.

CPU seconds of one core throughout; sizes are reduced unless the command says ``--full``.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LassoCV, RidgeCV

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    MeanRegularizedRegressor,
    Summary,
    summarize,
)
from malsar_py.model_selection import MultiTaskSearchCV

from .environments import InstallError, interpreter
from .processes import Session, note
from .report import markdown
from .sparse import sparse

_CHUNK = 400_000
# Features, tasks, folds.
_RATES = [(20, 1000, 1), (20, 1000, 5), (50, 1000, 1), (50, 1000, 5), (200, 100, 1)]
_MEMORY = """
import sys
from tests.benchmarks.memory import _size
from tests.benchmarks.scale import chunks
from malsar_py import summarize
summarize(chunks(int(sys.argv[1]), 20, 1000))
print(_size("VmHWM") >> 20)
"""

_DASK_ML = """
import sys, time
import dask, dask.array as da
from dask_ml.linear_model import LinearRegression
n, d = int(sys.argv[1]), int(sys.argv[2])
with dask.config.set(scheduler="synchronous"):
    X = da.random.default_rng(0).standard_normal((n, d), chunks=(100_000, d)).persist()
    y = (X[:, 0] + da.random.default_rng(1).standard_normal(n, chunks=100_000)).persist()
    start = time.process_time()
    LinearRegression(solver="admm").fit(X, y)
    print(f"{time.process_time() - start:.1f}")
"""


def chunks(n_rows: int, d: int, n_tasks: int, classify: bool = False) -> Iterator[tuple[Any, ...]]:
    """(X, y, tasks), made chunk by chunk, the same each time."""
    W = np.random.default_rng(0).standard_normal((n_tasks, d)) * 0.1
    W[:, : d // 5] += 0.5
    for k, start in enumerate(range(0, n_rows, 100_000)):
        rng = np.random.default_rng(k + 1)
        n = min(100_000, n_rows - start)
        X, tasks = rng.standard_normal((n, d)), rng.integers(0, n_tasks, n)
        z = np.einsum("ij,ij->i", X, W[tasks])
        yield (
            X,
            (rng.random(n) < 1.0 / (1.0 + np.exp(-z)))
            if classify
            else (z + rng.standard_normal(n)),
            tasks,
        )


def seconds(function: Callable[[], Any], times: int = 5) -> float:
    """The least CPU time of some calls."""
    best = np.inf
    for _ in range(times):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def rates() -> str:
    """Millions of rows a second, of `update`, X'X and X.sum()."""
    rows = []
    for d, n_tasks, folds in _RATES:
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((_CHUNK, d)), rng.standard_normal(_CHUNK)
        tasks = rng.integers(0, n_tasks, _CHUNK)
        given = {"folds": rng.integers(0, folds, _CHUNK)} if folds > 1 else {}
        summary = Summary().update(X, y, tasks=tasks, **given)
        taken = [
            seconds(lambda: summary.update(X, y, tasks=tasks, **given)),  # noqa: B023
            seconds(lambda: X.T @ X),  # noqa: B023
            seconds(X.sum),
        ]
        rates = [f"{_CHUNK / t / 1e6:.2f}" for t in taken]
        rows.append([f"{d}", f"{n_tasks}", f"{folds}", *rates, f"{summary.nbytes / 1e6:.0f}"])
    return markdown(
        ["d", "tasks", "folds", "update, M rows/s", "X'X", "X.sum()", "state, MB"], rows
    )


def searches(n_rows: int) -> str:
    """Five folds, 50 values of lambda1 from one pass."""
    d, n_tasks = 50, 1000
    making = seconds(lambda: sum(len(y) for _, y, _ in chunks(n_rows, d, n_tasks)), 1)
    start = time.process_time()
    summary = summarize(chunks(n_rows, d, n_tasks), folds=5)
    rows = [["one pass, with making the rows", f"{time.process_time() - start:.1f}"]]
    rows.append(["of which making the rows", f"{making:.1f}"])
    for model in (JointFeatureRegressor(), MeanRegularizedRegressor()):
        search = MultiTaskSearchCV(model, n_lambdas=50, lambda2=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the best value may be at an end
            taken = seconds(lambda: search.fit(summary), 1)  # noqa: B023
        name = type(model).__name__
        rows.append([f"search, {name}, mean R2 {search.best_score_:.4f}", f"{taken:.1f}"])
    return markdown([f"{n_rows:.0e} rows, {d} features, {n_tasks} tasks", "CPU seconds"], rows)


def peers(n_rows: int) -> str:
    """The same rows in memory: our pass and search, scikit-learn by task, and dask-ml pooled.

    scikit-learn has no model of many tasks with rows of their own, dask-ml none of many tasks.
    """
    d, n_tasks = 50, 1000
    made = list(chunks(n_rows, d, n_tasks))
    X, y, tasks = (np.concatenate(parts) for parts in zip(*made, strict=True))
    order = np.argsort(tasks, kind="stable")
    X, y, tasks = X[order], y[order], tasks[order]
    starts = np.searchsorted(tasks, np.arange(n_tasks + 1))
    blocks = [slice(a, b) for a, b in itertools.pairwise(starts)]

    def ours() -> None:
        summary = summarize([(X, y, tasks)], folds=5)
        MultiTaskSearchCV(MeanRegularizedRegressor(), n_lambdas=50, lambda2=None).fit(summary)

    def by_task(model: Any) -> None:
        for own in blocks:
            clone(model).fit(X[own], y[own])

    alphas = np.logspace(-3, 3, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        taken = {
            "malsar_py, MeanRegularized: one pass and the search": seconds(ours, 1),
            "scikit-learn, LassoCV of each task": seconds(
                lambda: by_task(LassoCV(alphas=50, cv=5)), 1
            ),
            "scikit-learn, RidgeCV of each task": seconds(
                lambda: by_task(RidgeCV(alphas=alphas, cv=5)), 1
            ),
        }
    rows = [[name, f"{value:.1f}"] for name, value in taken.items()]
    try:
        done = subprocess.run(
            [str(interpreter("dask_ml")), "-c", _DASK_ML, str(n_rows), str(d)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(["dask-ml, LinearRegression of all rows, one strength", done.stdout.strip()])
    except (InstallError, subprocess.CalledProcessError) as error:
        rows.append(["dask-ml", f"not run: {error}"])
    return markdown([f"{n_rows:.0e} rows in memory, 5 folds x 50 strengths", "CPU seconds"], rows)


def logistic(n_rows: int) -> str:
    """Passes and gap of a fit by batches, and how far it is from the fit in memory."""
    d, n_tasks = 20, 20
    rows = []
    made = list(chunks(n_rows, d, n_tasks, classify=True))
    X, y, tasks = (np.concatenate(parts) for parts in zip(*made, strict=True))
    for tol in (1e-6, 1e-11):
        model = JointFeatureClassifier(lambda1=0.01, tol=tol)
        whole = JointFeatureClassifier(lambda1=0.01, tol=tol)
        own = seconds(lambda: model.fit_batches(made), 1)  # noqa: B023
        memory = seconds(lambda: whole.fit(X, y, tasks=tasks), 1)  # noqa: B023
        apart = np.abs(model.coef_ - whole.coef_).max() / np.abs(whole.coef_).max()
        gap = f"{model.relative_gap_:.1e}"
        rows.append(
            [f"{tol:g}", f"{model.n_passes_}", gap, f"{own:.1f}", f"{memory:.1f}", f"{apart:.1e}"]
        )
    head = ["tol", "passes", "gap", "CPU seconds", "in memory", "coefficients apart"]
    return f"Logistic loss, {n_rows:.0e} rows, {d} features, {n_tasks} tasks\n\n" + markdown(
        head, rows
    )


def memory(sizes: list[int]) -> str:
    """Peak memory of processes that summarise rows made chunk by chunk."""
    rows = []
    for n_rows in sizes:
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY, str(n_rows)], capture_output=True, text=True, check=True
        )
        rows.append([f"{n_rows:.0e}", done.stdout.strip()])
    return markdown(["rows (20 features, 1000 tasks)", "peak memory, MB"], rows)


def scale_table(session: Session, full: bool = False) -> str:
    """All of it."""
    parts = []
    for name, part in (
        ("rates", rates),
        ("searches", lambda: searches(10_000_000 if full else 1_000_000)),
        ("peers", lambda: peers(1_000_000 if full else 200_000)),
        ("logistic", lambda: logistic(1_000_000 if full else 100_000)),
        ("memory", lambda: memory([1_000_000, 100_000_000 if full else 4_000_000])),
        ("sparse", sparse),
    ):
        note(name)
        parts.append(part())
    return "\n\n".join(parts)
