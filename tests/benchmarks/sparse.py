"""Sparse X with more features than memory has room for: ours, scikit-learn and celer task by task.

Every library runs in a process of its own (``python -m tests.benchmarks.sparse NAME FOLDER``), on
the same files, and says its CPU seconds and its peak memory.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .environments import InstallError, interpreter
from .problems import ROOT
from .processes import note
from .report import markdown

SHAPE = (20_000, 50_000, 20)
_NONZEROS = 1_100_000
_SHARES = (0.3, 0.1, 0.03)
_GAP = 1e-6


class _Peer(NamedTuple):
    """Where a peer's Lasso is, and its environment."""

    module: str
    requirements: str | None = None


_PEERS = {
    "malsar_py": _Peer("malsar_py"),
    "scikit-learn": _Peer("sklearn.linear_model", "sklearn"),
    "celer": _Peer("celer", "celer"),
}


def write(folder: Path, shape: tuple[int, int, int] = SHAPE, nonzeros: int = _NONZEROS) -> None:
    """X with few entries a row, and targets of 100 features that all tasks share."""
    import scipy.sparse

    n, d, n_tasks = shape
    rng = np.random.default_rng(0)
    # Frequent and rare features, as words are.
    weight = 1.0 / (10.0 + np.arange(d))
    columns = rng.choice(d, nonzeros, p=weight / weight.sum())
    at = rng.integers(0, n, nonzeros), columns
    X = scipy.sparse.csr_array((rng.exponential(size=nonzeros), at), shape=(n, d))
    X.sum_duplicates()
    W = np.zeros((d, n_tasks))
    W[rng.choice(d // 10, 100, replace=False)] = rng.standard_normal((100, n_tasks))
    Y = X @ W
    Y += Y.std(axis=0) / 3.0 * rng.standard_normal(Y.shape)
    np.save(folder / "Y.npy", Y)
    scipy.sparse.save_npz(folder / "X.npz", scipy.sparse.csr_matrix(X), compressed=False)


def _fits(X: Any, Y: Any) -> Iterator[tuple[str, Callable[[], float]]]:
    """Ours: what is fitted, and a fit that returns its relative gap."""
    import malsar_py
    from malsar_py.model_selection import lambda1_max

    classes = np.greater(Y, np.median(Y, axis=0)).astype(float)
    for stem, y, shares in (
        ("JointFeatureRegressor", Y, _SHARES),
        ("LassoRegressor", Y, (0.1,)),
        ("JointFeatureClassifier", classes, (0.1,)),
    ):
        cls = getattr(malsar_py, stem)
        most = lambda1_max(cls(), X, y)
        for share in shares:
            model = cls(lambda1=share * most, tol=_GAP)
            yield f"{stem}, {share:g} lambda_max", lambda m=model, y=y: m.fit(X, y).relative_gap_


def _by_task(X: Any, Y: Any, Lasso: Any) -> Iterator[tuple[str, Callable[[], float]]]:
    """Theirs, at the lambda of our Lasso: their tolerance is in units of twice our gap's."""
    centred = Y - Y.mean(axis=0)
    most = float(np.abs(X.T @ centred).max()) / len(Y)
    model = Lasso(alpha=0.1 * most, tol=0.5 * _GAP, max_iter=10**5)
    X = X.tocsc()

    def fit() -> float:
        for y in Y.T:
            model.fit(X, y)
        return float("nan")

    yield "LassoRegressor, 0.1 lambda_max", fit


def measure(name: str, folder: Path) -> dict[str, Any]:
    """CPU seconds of each fit, after one that compiles, and the peak memory in MB."""
    import scipy.sparse

    X, Y = scipy.sparse.load_npz(folder / "X.npz"), np.load(folder / "Y.npy")
    if name == "malsar_py":
        for _, fit in _fits(X[:500, :300], Y[:500]):
            fit()
        fits = _fits(X, Y)
    else:
        fits = _by_task(X, Y, importlib.import_module(_PEERS[name].module).Lasso)
    found = {}
    for what, fit in fits:
        start = time.process_time()
        gap = fit()
        found[what] = [time.process_time() - start, gap]
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {"fits": found, "peak": int(peak.split()[1]) >> 10}


def sparse(shape: tuple[int, int, int] = SHAPE) -> str:
    """A row for each fit."""
    n, d, n_tasks = shape
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), shape)
        for name, peer in _PEERS.items():
            note(f"sparse, {name}")
            try:
                python = interpreter(peer.requirements)
                done = subprocess.run(
                    [str(python), "-m", __name__, name, folder],
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd=ROOT,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
            except (InstallError, subprocess.CalledProcessError) as error:
                rows.append([name, f"not run: {error}", "", "", ""])
                continue
            found = json.loads(done.stdout)
            for what, (taken, gap) in found["fits"].items():
                judged = "its own tolerance" if np.isnan(gap) else f"{gap:.1e}"
                rows.append([name, what, f"{taken:.2f}", judged, f"{found['peak']}"])
    head = ["library", f"sparse X ({n}, {d}), {n_tasks} tasks", "CPU s", "gap", "peak MB"]
    return markdown(head, rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
