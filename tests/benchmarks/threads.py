"""One against two joblib jobs, with nobody telling BLAS how many threads to use.

Runs in a process of its own, ``python -m tests.benchmarks.threads``, whose environment says nothing
about threads: that is where jobs and BLAS threads would get in each other's way.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .problems import ROOT, own_x, shared_x
from .processes import THREAD_VARIABLES, Session
from .report import markdown, seconds

_FITS = 24


def _fit(X: np.ndarray, y: np.ndarray, tasks: np.ndarray | None, lambda1: float) -> np.ndarray:
    import malsar_py

    model = malsar_py.JointFeatureRegressor(lambda1=lambda1, fit_intercept=False)
    return (model.fit(X, y) if tasks is None else model.fit(X, y, tasks=tasks)).coef_


def measure() -> list[dict[str, Any]]:
    """Wall seconds of a batch of fits under both backends, with one and two jobs."""
    from joblib import Parallel, delayed

    problems = {
        "shared X (500, 5000, 20)": shared_x(0, 500, 5000, 20, 10),
        "own X T=50, d=500, n_t=100": own_x(0, 100, 500, 50, 10),
    }
    out = []
    for name, data in problems.items():
        n_tasks = len(data["offsets"]) - 1
        y, tasks = data["y"], np.repeat(np.arange(n_tasks), np.diff(data["offsets"]))
        if data["shared"]:
            y, tasks = np.ascontiguousarray(y.reshape(n_tasks, -1).T), None
        grid = data["lambda1"] * np.geomspace(2.0, 1.0, _FITS)
        for backend in ("loky", "threading"):
            wall: dict[int, float] = {}
            results: dict[int, Any] = {}
            for jobs in (1, 2):
                with Parallel(n_jobs=jobs, backend=backend) as parallel:
                    batch = [delayed(_fit)(data["X"], y, tasks, value) for value in grid]
                    parallel(batch[:2])  # processes start and kernels load
                    times = []
                    for _ in range(3):
                        start = time.perf_counter()
                        results[jobs] = parallel(batch)
                        times.append(time.perf_counter() - start)
                    wall[jobs] = statistics.median(times)
            pairs = zip(results[1], results[2], strict=True)
            difference = max(float(np.abs(a - b).max()) for a, b in pairs)
            out.append(
                {"problem": name, "backend": backend, "one": wall[1], "two": wall[2]}
                | {"difference": difference}
            )
    return out


def threads_table(_: Session) -> str:
    """The table."""
    env = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    command = [sys.executable, "-m", __spec__.name]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if result.returncode:
        return f"Failed: {result.stderr.strip().splitlines()[-1]}"
    rows = []
    for row in json.loads(result.stdout):
        times = [seconds(row["one"]), seconds(row["two"]), f"{row['two'] / row['one']:.2f}"]
        rows.append([row["problem"], row["backend"], *times, f"{row['difference']:.1e}"])
    header = ["problem", "backend", "1 job", "2 jobs", "2 over 1", "largest difference"]
    text = (
        f"Wall time of {_FITS} fits through joblib, BLAS threads left alone; "
        f"{os.cpu_count()} CPUs. Two jobs should never be slower than one."
    )
    return f"{text}\n\n{markdown(header, rows)}"


if __name__ == "__main__":
    print(json.dumps(measure()))
