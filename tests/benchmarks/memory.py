"""Increase of peak memory during fit, over what the caller holds already.

Every case is a process of its own: ``python -m tests.benchmarks.memory CASE``. The peak is Linux's
``VmHWM``, which can be set back to the present size before the fit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .problems import ROOT, data_folder
from .processes import Session, note, single_threaded
from .report import markdown

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_T = 10
# n d = 1.2e7 and fewer rows a task than features: no Gram matrices.
_N, _D = 3000, 4000
_GDSC = ("IC50_v17.csv.gz", "genomic_features_v17.csv.gz")


def _size(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"no {key} in {_STATUS}")


def _features(order: str = "C", dtype: type = np.float64) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = np.empty((_N, _D), dtype=dtype, order=order)
    for start in range(0, _N, 100):  # no temporary of the size of X
        X[start : start + 100] = rng.standard_normal((min(100, _N - start), _D))
    return X


def _labels(mixed: bool) -> np.ndarray:
    tasks = np.repeat(np.arange(_T), _N // _T)
    return np.random.default_rng(1).permutation(tasks) if mixed else tasks


def _target(X: Any, columns: int = 0) -> np.ndarray:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((_N, columns) if columns else _N)
    signal = np.asarray(X[:, :5], dtype=float).sum(axis=1)
    return noise + (signal[:, None] if columns else signal)


def _model(**settings: Any) -> Callable[[float], Any]:
    import malsar_py

    def make(lambda1: float) -> Any:
        return malsar_py.JointFeatureRegressor(lambda1=lambda1, **settings)

    return make


def _lambda_max(X: np.ndarray, y: np.ndarray, tasks: np.ndarray | None = None) -> float:
    """Smallest lambda1 of JointFeature that makes all coefficients zero."""
    columns = y.T if tasks is None else [np.where(tasks == t, y, np.nan) for t in range(_T)]
    pulls = []
    for column in columns:
        r = np.nan_to_num(column - np.nanmean(column))
        pulls.append(r @ X / np.isfinite(column).sum())
    return float(np.linalg.norm(pulls, axis=0).max())


def _keyword(
    X: np.ndarray, *, mixed: bool = False, share: float | None = None, **settings: Any
) -> Callable[[], Any]:
    y, tasks, make = _target(X), _labels(mixed), _model(**settings)
    lambda1 = 0.5 if share is None else share * _lambda_max(X, y, tasks)
    return lambda: make(lambda1).fit(X, y, tasks=tasks)


def _two_dimensional(
    X: np.ndarray, *, missing: bool = False, share: float | None = None, **settings: Any
) -> Callable[[], Any]:
    Y, make = _target(X, _T), _model(**settings)
    if missing:
        Y[np.random.default_rng(3).random(Y.shape) < 0.2] = np.nan
    lambda1 = 0.5 if share is None else share * _lambda_max(X, Y)
    return lambda: make(lambda1).fit(X, Y)


def _column(mixed: bool) -> tuple[Any, Callable[[], Any]]:
    X = np.empty((_N, _D + 1))
    X[:, 1:] = _features()
    X[:, 0] = _labels(mixed)
    y, make = _target(X[:, 1:]), _model(task_column=0)
    return X[:, 1:], lambda: make(0.5).fit(X, y)


def _frame(
    label: str | None = None, order: str = "C", dtype: type = np.float64, **settings: Any
) -> tuple[Any, Callable[[], Any]]:
    """A DataFrame; with a column of numbers or strings as labels, in mixed order."""
    import pandas as pd

    X = _features(order, dtype)
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(_D)], copy=False)
    if label is None:
        y, make = _target(X, _T), _model(**settings)
        return X, lambda: make(0.5).fit(table, y)
    tasks = _labels(True)
    table.insert(_D // 2, "task", tasks if label == "numbers" else [f"site {t}" for t in tasks])
    y, make = _target(X), _model(task_column="task", **settings)
    return X, lambda: make(0.5).fit(table, y)


def _one_block() -> tuple[Any, Callable[[], Any]]:
    """Labels and features in one array, under a DataFrame."""
    import pandas as pd

    X = np.empty((_N, _D + 1))
    X[:, 1:] = _features()
    X[:, 0] = _labels(True)
    table = pd.DataFrame(X, columns=["task", *(f"x{j}" for j in range(_D))], copy=False)
    y, make = _target(X[:, 1:]), _model(task_column="task")
    return X[:, 1:], lambda: make(0.5).fit(table, y)


def _classes(X: np.ndarray, mixed: bool) -> Callable[[], Any]:
    import malsar_py

    y, tasks = np.where(_target(X) > 0.0, "yes", "no"), _labels(mixed)
    return lambda: malsar_py.JointFeatureClassifier(lambda1=0.1).fit(X, y, tasks=tasks)


def _gdsc() -> tuple[Any, Callable[[], Any]]:
    import pandas as pd

    targets, features = (pd.read_csv(data_folder() / name, index_col=0) for name in _GDSC)
    features = features.select_dtypes("number")
    common = targets.index.intersection(features.index)
    X = np.ascontiguousarray(features.loc[common].to_numpy(dtype=float))
    Y = targets.loc[common].select_dtypes("number").to_numpy(dtype=float)
    make = _model()
    return X, lambda: make(0.1).fit(X, Y)


def _with(X: np.ndarray, build: Callable[..., Any], **settings: Any) -> tuple[Any, Any]:
    return X, build(X, **settings)


# name -> (X, the fit). The increase is counted in units of 8 n d bytes.
_CASES: dict[str, Callable[[], tuple[Any, Callable[[], Any]]]] = {
    "keyword, sorted": lambda: _with(_features(), _keyword),
    "keyword, sorted, no intercept": lambda: _with(_features(), _keyword, fit_intercept=False),
    "keyword, sorted, lambda_max / 50": lambda: _with(_features(), _keyword, share=0.02),
    "keyword, mixed rows": lambda: _with(_features(), _keyword, mixed=True),
    "keyword, Fortran order": lambda: _with(_features("F"), _keyword),
    "keyword, Fortran order, mixed rows": lambda: _with(_features("F"), _keyword, mixed=True),
    "keyword, float32": lambda: _with(_features(dtype=np.float32), _keyword),
    "keyword, float32, mixed rows": lambda: _with(
        _features(dtype=np.float32), _keyword, mixed=True
    ),
    "keyword, classes": lambda: _with(_features(), _classes, mixed=False),
    "keyword, classes, mixed rows": lambda: _with(_features(), _classes, mixed=True),
    "column, sorted": lambda: _column(False),
    "column, mixed rows": lambda: _column(True),
    "column, DataFrame of one block, mixed rows": _one_block,
    "column, DataFrame, mixed rows": lambda: _frame("numbers"),
    "column, DataFrame, string labels, mixed rows": lambda: _frame("strings"),
    "column, DataFrame, Fortran order, mixed rows": lambda: _frame("strings", order="F"),
    "column, DataFrame, float32, mixed rows": lambda: _frame("strings", dtype=np.float32),
    "2-D y": lambda: _with(_features(), _two_dimensional),
    "2-D y, no intercept": lambda: _with(_features(), _two_dimensional, fit_intercept=False),
    "2-D y, lambda_max / 50": lambda: _with(_features(), _two_dimensional, share=0.02),
    "2-D y with NaN": lambda: _with(_features(), _two_dimensional, missing=True),
    "2-D y with NaN, lambda_max / 50": lambda: _with(
        _features(), _two_dimensional, missing=True, share=0.02
    ),
    "2-D y, float32": lambda: _with(_features(dtype=np.float32), _two_dimensional),
    "2-D y, DataFrame": _frame,
    "2-D y, DataFrame, no intercept": lambda: _frame(fit_intercept=False),
    "2-D y, DataFrame, Fortran order": lambda: _frame(order="F"),
    "2-D y, DataFrame, float32": lambda: _frame(dtype=np.float32),
    "GDSC: 2-D y with NaN": _gdsc,
}


def measure(case: str) -> dict[str, Any]:
    """Run one case in this process."""
    X, fit = _CASES[case]()
    _warm_up()
    before = _size("VmRSS")
    _RESET.write_text("5")
    model = fit()
    peak = _size("VmHWM")
    n, d = X.shape
    return {
        "n": n,
        "d": d,
        "n_tasks": model.n_tasks_,
        "increase": peak - before,
        "gap": model.relative_gap_,
    }


def _warm_up() -> None:
    """Compiled code and imports are not the fit's."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 30)), rng.standard_normal(40)
    make = _model()
    make(0.3).fit(X, y, tasks=np.repeat([0, 1], 20))
    make(0.3).fit(X[:20], y.reshape(20, 2))
    holes = np.where(rng.random((20, 2)) < 0.2, np.nan, y.reshape(20, 2))
    make(0.3).fit(X[:20], holes)


def memory_table(_: Session) -> str:
    """All cases."""
    if not os.access(_RESET, os.W_OK):
        return "Not measured: this system does not let a process reset its peak memory."
    rows = []
    for case in _CASES:
        if case.startswith("GDSC") and not all((data_folder() / name).is_file() for name in _GDSC):
            rows.append([case, "not in ../shared/data", *["-"] * 4])
            continue
        command = [sys.executable, "-m", __spec__.name, case]
        result = subprocess.run(
            command, cwd=ROOT, env=single_threaded(), capture_output=True, text=True, check=False
        )
        if result.returncode:
            rows.append([case, (result.stderr.strip() or "failed").splitlines()[-1], *["-"] * 4])
            continue
        found = json.loads(result.stdout)
        unit = 8.0 * found["n"] * found["d"]
        share = found["increase"] / unit
        binding = found["n"] * found["d"] >= 1e7
        verdict = ("yes" if share <= 1.5 else "**no**") if binding else "-"
        note(f"{case}: {share:.2f} x 8 n d")
        shape = f"({found['n']}, {found['d']}), T={found['n_tasks']}"
        sizes = [f"{size / 2**20:.0f} MiB" for size in (unit, found["increase"])]
        rows.append([case, shape, *sizes, f"{share:.2f}", verdict])
    header = ["case", "X", "8 n d", "increase", "in units of 8 n d", "at most 1.5"]
    text = (
        "Peak resident memory during fit less that before it, default settings (with intercepts "
        "unless said). The bound is meant for n d >= 1e7; on the small X of GDSC the figure only "
        "shows that no task has a copy of X, which would be T units."
    )
    return f"{text}\n\n{markdown(header, rows)}"


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
