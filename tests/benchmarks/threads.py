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
_ROUNDS = 5


def _fit(
    X: np.ndarray, y: np.ndarray, tasks: np.ndarray | None, lambda1: float
) -> tuple[np.ndarray, float]:
    """Coefficients, and CPU seconds of this process meanwhile."""
    import malsar_py

    start = time.process_time()
    model = malsar_py.JointFeatureRegressor(lambda1=lambda1, fit_intercept=False)
    model = model.fit(X, y) if tasks is None else model.fit(X, y, tasks=tasks)
    return model.coef_, time.process_time() - start


def measure() -> list[dict[str, Any]]:
    """Seconds of a batch of fits under both backends, with one and two jobs in turn."""
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
        batch = [delayed(_fit)(data["X"], y, tasks, value) for value in grid]
        for backend in ("loky", "threading"):
            wall: dict[int, list[float]] = {1: [], 2: []}
            cpu: dict[int, list[float]] = {1: [], 2: []}
            coefficients: dict[int, Any] = {}
            with (
                Parallel(n_jobs=1, backend=backend) as one,
                Parallel(n_jobs=2, backend=backend) as two,
            ):
                for parallel in (one, two):
                    parallel(batch)  # processes start and kernels load
                for _ in range(_ROUNDS):
                    for jobs, parallel in ((1, one), (2, two)):
                        start, busy = time.perf_counter(), time.process_time()
                        results = parallel(batch)
                        wall[jobs].append(time.perf_counter() - start)
                        # Threads share a process: what it used is what the batch used.
                        own = time.process_time() - busy
                        inside = sum(seconds for _, seconds in results)
                        cpu[jobs].append(own if backend == "threading" else inside)
                        coefficients[jobs] = [coef for coef, _ in results]
            pairs = zip(coefficients[1], coefficients[2], strict=True)
            out.append(
                {
                    "problem": name,
                    "backend": backend,
                    "wall": [statistics.median(wall[jobs]) for jobs in (1, 2)],
                    "cpu": [statistics.median(cpu[jobs]) for jobs in (1, 2)],
                    "difference": max(float(np.abs(a - b).max()) for a, b in pairs),
                }
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
        times = []
        for one, two in (row["wall"], row["cpu"]):
            times += [seconds(one), seconds(two), f"{two / one:.2f}"]
        rows.append([row["problem"], row["backend"], *times, f"{row['difference']:.1e}"])
    header = ["problem", "backend", "wall, 1 job", "2 jobs", "2 over 1"]
    header += ["CPU, 1 job", "2 jobs", "2 over 1", "largest difference"]
    text = (
        f"{_FITS} fits through joblib, BLAS threads left alone; {os.cpu_count()} CPUs; median of "
        f"{_ROUNDS} interleaved rounds. Two jobs should never take longer than one; on a busy "
        "machine, look at the CPU time of the fits, which should not grow with the jobs."
    )
    return f"{text}\n\n{markdown(header, rows)}"


if __name__ == "__main__":
    print(json.dumps(measure()))
