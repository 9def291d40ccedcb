"""This library's paths and searches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .peer import target_matrix
from .peer_malsar_py import versions

__all__ = ["coefficients", "fit", "grid", "prepare", "school", "search", "timed", "versions"]

N_LAMBDAS = 50


def grid(data: dict[str, Any]) -> np.ndarray:
    """50 lambdas, the last of them the problem's: a hundredth of the first."""
    return float(data["lambda1"]) * np.geomspace(100.0, 1.0, N_LAMBDAS)


def timed(run: Any) -> dict[str, float]:
    """CPU and wall seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def prepare(data: dict[str, Any]) -> dict[str, Any]:
    Y = np.ascontiguousarray(target_matrix(data))
    return {"X": np.ascontiguousarray(data["X"]), "Y": Y, "grid": grid(data)}


def _model(tol: float) -> Any:
    import malsar_py

    return malsar_py.JointFeatureRegressor(fit_intercept=False, tol=tol)


def fit(problem: dict[str, Any], tol: float) -> Any:
    from malsar_py.model_selection import regularization_path

    return regularization_path(_model(tol), problem["X"], problem["Y"], lambda1=problem["grid"])


def coefficients(problem: dict[str, Any], fitted: Any) -> np.ndarray:
    return fitted.coef.transpose(0, 2, 1)


def search(problem: dict[str, Any], tol: float) -> dict[str, float]:
    """Seconds of the search in five folds."""
    from malsar_py.model_selection import MultiTaskSearchCV

    # As the peers' searches judge: by the mean squared error of all tasks together.
    found = MultiTaskSearchCV(
        _model(tol), lambda1=problem["grid"], cv=5, scoring="neg_mean_squared_error"
    )
    return timed(lambda: found.fit(problem["X"], problem["Y"]))


def school(problem: Any = None) -> dict[str, Any]:
    """Wall seconds on School: ours with one job and two, and GridSearchCV on the same grid."""
    from sklearn.model_selection import GridSearchCV

    import malsar_py
    from malsar_py.datasets import fetch_school
    from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold, lambda_grid

    from .problems import SCHOOL

    data = fetch_school(data_home=SCHOOL.parent)
    # Standardised: nobody would choose a common lambda on the raw columns.
    spread = data.data.std(axis=0)
    X = (data.data - data.data.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    X, y = np.column_stack([data.tasks, X]), data.target.astype(float)
    rows = []
    for name in ("JointFeature", "TraceNorm", "MeanRegularized", "Clustered"):
        model = getattr(malsar_py, f"{name}Regressor")(task_column=0)
        values = lambda_grid(model, X, y, n_lambdas=N_LAMBDAS, eps=1e-2)
        cv = TaskKFold(5, task_column=0)
        one = MultiTaskSearchCV(model, lambda1=values, cv=cv)
        two = MultiTaskSearchCV(model, lambda1=values, cv=cv, n_jobs=2)
        theirs = GridSearchCV(model, {"lambda1": values}, cv=cv)
        MultiTaskSearchCV(model, lambda1=values[:2], cv=2, n_jobs=2).fit(X, y)  # kernels load
        times = [timed(lambda s=s: s.fit(X, y))["wall"] for s in (one, theirs, two)]
        rows.append([name, *times])
    return {"rows": rows}
