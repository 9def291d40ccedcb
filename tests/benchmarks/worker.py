"""The process of one peer: ``python -m tests.benchmarks.worker MODULE OPTIONS``.

Reads commands (a JSON object a line) from standard input and answers each with one line. It runs
with whatever versions its peer needs: numpy and threadpoolctl are all it relies on.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
import warnings
from typing import Any

import numpy as np


def read_data(path: str) -> dict[str, Any]:
    """The arrays of a problem, and its numbers and words."""
    with np.load(path) as file:
        return {key: value if value.ndim else value.item() for key, value in dict(file).items()}


def thread_pools() -> list[dict[str, Any]]:
    """What threadpoolctl sees in this process."""
    from threadpoolctl import threadpool_info

    wanted = ("internal_api", "version", "architecture", "num_threads")
    return [{key: pool.get(key) for key in wanted} for pool in threadpool_info()]


class Server:
    """Holds a peer's module and the problem it has loaded."""

    def __init__(self, module: str, options: dict[str, Any]):
        self.peer = importlib.import_module(module)
        self.options = options
        self.problem: Any = None
        self.n_fits = 0

    def hello(self) -> dict[str, Any]:
        """Import the library and say what is in this process."""
        start = time.perf_counter()
        versions = self.peer.versions()
        return {
            "import_seconds": time.perf_counter() - start,
            "versions": {"python": sys.version.split()[0], "numpy": np.__version__} | versions,
            "pools": thread_pools(),
        }

    def load(self, path: str) -> dict[str, Any]:
        """Read a problem and bring it into the form the peer likes best."""
        self.problem = None
        gc.collect()
        self.problem = self.peer.prepare(read_data(path))
        return {}

    def fit(self, tol: float, out: str | None = None) -> dict[str, Any]:
        """Fit once; CPU and wall seconds of the call alone."""
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = self.peer.fit(self.problem, tol, **self.options)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        self.n_fits += 1
        if out is not None:
            np.save(out, np.asarray(self.peer.coefficients(self.problem, fitted)))
        threads = max((pool["num_threads"] for pool in thread_pools()), default=1)
        return {"cpu": cpu, "wall": wall, "threads": threads, "first": self.n_fits == 1}

    def call(self, function: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Any other function of the peer's file, for the special tables."""
        return getattr(self.peer, function)(self.problem, **(arguments or {}))

    def drop(self) -> dict[str, Any]:
        """Free the problem."""
        self.problem = None
        gc.collect()
        return {}


def main() -> None:
    # What libraries print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    server = Server(sys.argv[1], json.loads(sys.argv[2]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(server, command.pop("do"))(**command)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
