"""Every model: searches on School, logistic fits of two sizes, first fits of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .models import ENTRIES, Entry, estimators
from .peer import GAP
from .problems import ROOT, SCHOOL, data_folder, own_x, school
from .processes import Session, note
from .report import markdown, seconds

_CORE = ("Lasso", "JointFeature", "TraceNorm", "MeanRegularized", "Clustered", "Graph")
# CPU seconds after which a fit is stopped.
_CAP = 30.0
_FIRST_FIT = """
import sys, time, warnings
warnings.simplefilter("ignore")
start = time.process_time()
import numpy as np, malsar_py
imported = time.process_time()
rng = np.random.default_rng(0)
X, tasks = rng.standard_normal((200, 10)), np.repeat(np.arange(5), 40)
y = X.sum(axis=1) + rng.standard_normal(200)
for name in sys.argv[1:]:
    model = getattr(malsar_py, name)()
    target = (y > 0).astype(int) if name.endswith("Classifier") else y
    if "sources" in model.get_params():  # its tasks are patterns of missing sources
        model.set_params(sources=[0] * 5 + [1] * 5).fit(X, target)
    else:
        model.fit(X, target, tasks=tasks)
print(imported - start, time.process_time() - imported)
"""


def _timed(call: Any) -> tuple[float, list[str]]:
    """CPU seconds, infinite beyond `_CAP`, and warnings that a fit missed its gap."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _CAP)
    taken = np.inf
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        try:
            call()
            taken = time.process_time() - start
        except TimeoutError:
            pass
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, before)
    return taken, [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]


def _said(taken: float) -> str:
    return seconds(taken) if np.isfinite(taken) else f"over {_CAP:g} s"


def _row_name(entry: Entry, kind: str) -> str:
    return f"{entry.name} {kind.lower()}"


def searches() -> str:
    """50 values of lambda1 in five folds on School, of every regressor that has a grid."""
    from malsar_py.model_selection import MultiTaskSearchCV

    data = school(0, 10)
    X, y, offsets = data["X"], data["y"], data["offsets"]
    tasks = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    rows = []
    for entry, kind, model, target in estimators(X, y, offsets):
        if kind != "Regressor":
            continue
        note(f"search, {entry.name}")
        search = MultiTaskSearchCV(clone(model), n_lambdas=50, lambda2=None, cv=5)
        try:
            taken, warned = _timed(lambda s=search, t=target: s.fit(X, t, tasks=tasks))
        except ValueError as error:  # what has no largest lambda1
            rows.append([_row_name(entry, kind), f"no grid of its own: {str(error)[:60]}", "", ""])
            continue
        note(f"  {_said(taken)}")
        rows.append([_row_name(entry, kind), _said(taken), f"{len(warned)}", _met(taken, 5.0)])
    return markdown(["search on School, 5 x 50", "CPU time", "warnings", "under 5 s"], rows)


def _met(taken: float, most: float) -> str:
    return "yes" if taken < most else "**no**"


def logistic() -> str:
    """Every classifier on Landmine and on 50 tasks of 200 rows and 500 features."""
    from malsar_py.datasets import fetch_landmine

    landmine = fetch_landmine(data_home=data_folder())
    order = np.argsort(landmine.tasks, kind="stable")
    X, y, tasks = landmine.data[order], landmine.target[order].astype(float), landmine.tasks[order]
    offsets = np.append(0, np.cumsum(np.unique(tasks, return_counts=True)[1]))
    wide = own_x(0, 200, 500, 50, 10, logistic=True)
    rows = []
    for name, most, A, b, bounds in (
        ("Landmine", 1.0, X - X.mean(axis=0), y, offsets),
        ("T=50, 200 x 500", 5.0, wide["X"], wide["y"], wide["offsets"]),
    ):
        labels = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        chosen = [entry for entry in ENTRIES if not entry.regressor_only]
        # The target of `estimators` is the class above the task's mean: these are classes already.
        for entry, kind, model, target in estimators(A, b, bounds, chosen):
            if kind != "Classifier":
                continue
            note(f"{name}, {entry.name}")
            fit = clone(model).set_params(tol=GAP).fit
            _timed(lambda f=fit, t=target: f(A, t, tasks=labels))  # noqa: B023
            taken, warned = _timed(lambda f=fit, t=target: f(A, t, tasks=labels))  # noqa: B023
            row = [name, _row_name(entry, kind), _said(taken), f"{len(warned)}"]
            rows.append([*row, _met(taken, most)])
    return markdown(["data", "model", "CPU time", "warnings", "under 1 s, 5 s"], rows)


def first_fits() -> str:
    """The first fit of a process: with kernels compiled before, and of six models with none."""
    import malsar_py

    def run(names: list[str], cache: str | None = None) -> list[float]:
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_FIT, *names],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {}),
        )
        return [float(word) for word in done.stdout.split()]

    rows = []
    with tempfile.TemporaryDirectory() as cache:
        imported, taken = run([f"{stem}Regressor" for stem in _CORE], cache)
    row = ["six core models, nothing compiled", f"{imported:.2f}", f"{taken:.2f}"]
    rows.append([*row, _met(taken, 10.0)])
    for name in sorted(n for n in dir(malsar_py) if n.endswith(("Regressor", "Classifier"))):
        note(f"first fit, {name}")
        imported, taken = min((run([name]) for _ in range(3)), key=lambda found: found[1])
        rows.append([name, f"{imported:.2f}", f"{taken:.2f}", _met(taken, 0.5)])
    return markdown(["in a fresh process", "import, CPU s", "first fit, CPU s", "met"], rows)


def every_model_table(_: Session) -> str:
    """All three."""
    parts = [first_fits()]
    if SCHOOL.is_file():
        parts = [searches(), logistic(), *parts]
    else:
        parts.insert(0, f"{SCHOOL.name} is neither in ../shared/data nor in MALSAR_PY_DATA.")
    return "\n\n".join(parts)
