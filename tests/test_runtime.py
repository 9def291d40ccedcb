"""Processes, threads and the compile cache: whatever runs a fit, it gives the same numbers.

Everything that could hang or break an interpreter runs in one of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone

import malsar_py
from malsar_py import (
    ClusteredRegressor,
    GraphRegressor,
    JointFeatureRegressor,
    LassoClassifier,
    TraceNormRegressor,
)

PACKAGE = Path(malsar_py.__file__).parent

# Every kind of kernel: row step, spectral prox, box, logistic loss, blocks.
MODELS = [
    JointFeatureRegressor(lambda1=0.1),
    TraceNormRegressor(lambda1=0.1),
    ClusteredRegressor(lambda1=0.5, lambda2=0.1, random_state=0),
    LassoClassifier(lambda1=0.01, lambda2=0.01),
    GraphRegressor(graph="chain", lambda1=0.5, lambda2=0.1, lambda3=0.05),
]

# What the scripts below start with: `fit(i)` fits model i and returns its coefficients.
# (one solver: there is much to compile where nothing is cached)
PRELUDE = """
import numpy as np
from malsar_py import *

MODELS = [
    JointFeatureRegressor(lambda1=0.1, solver="apg"),
    TraceNormRegressor(lambda1=0.1),
    ClusteredRegressor(lambda1=0.5, lambda2=0.1, random_state=0),
    LassoClassifier(lambda1=0.01, lambda2=0.01, solver="apg"),
    GraphRegressor(graph="chain", lambda1=0.5, lambda2=0.1, lambda3=0.05),
]

def data():
    rng = np.random.default_rng(0)
    tasks = np.repeat([0, 1, 2], [40, 50, 45])
    X = rng.standard_normal((len(tasks), 6))
    return X, X @ rng.standard_normal(6) + tasks + rng.standard_normal(len(tasks)), tasks

def fit(i):
    from sklearn.base import clone
    model = clone(MODELS[i % len(MODELS)])
    X, y, tasks = data()
    if "Classifier" in type(model).__name__:
        y = np.where(y > 1.0, 1, 0)
    return model.fit(X, y, tasks=tasks).coef_
"""


def data():
    rng = np.random.default_rng(0)
    tasks = np.repeat([0, 1, 2], [40, 50, 45])
    X = rng.standard_normal((len(tasks), 6))
    return X, X @ rng.standard_normal(6) + tasks + rng.standard_normal(len(tasks)), tasks


def fit(i):
    model = clone(MODELS[i % len(MODELS)])
    X, y, tasks = data()
    if isinstance(model, LassoClassifier):
        y = np.where(y > 1.0, 1, 0)
    return model.fit(X, y, tasks=tasks).coef_


def run(script, package=PACKAGE.parent, **environment):
    """Run the script after the prelude in a fresh interpreter; its standard output."""
    own = {"PYTHONPATH": str(package), "PYTHONWARNINGS": "ignore", **environment}
    own = {k: v for k, v in own.items() if v is not None}
    dropped = ("NUMBA_CACHE_DIR", "PYTHONPATH", *environment)
    base = {k: v for k, v in os.environ.items() if k not in dropped}
    done = subprocess.run(
        [sys.executable, "-B", "-P", "-c", PRELUDE + textwrap.dedent(script)],
        env=base | own,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def unwritable_copy(where):
    """The package where nothing can be written, not even by root: a file stands where each
    __pycache__ would go.
    """
    copy = where / "malsar_py"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [copy, *(p for p in copy.rglob("*") if p.is_dir())]:
        (folder / "__pycache__").write_text("")
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return copy


def writable_again(copy):
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="permissions are another matter on Windows")
def test_fit_without_any_writable_cache_folder(tmp_path):
    """A read-only installation and no home: numba cannot cache, the fit compiles for itself."""
    copy = unwritable_copy(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    try:
        out = run(
            """
            import malsar_py
            from malsar_py import _kernels
            print(malsar_py.__file__)
            print(fit(1).tolist())
            stats = getattr(_kernels.row_norms.step, "stats", None)
            print(None if stats is None else stats.cache_path)
            """,
            package=tmp_path,
            HOME="/dev/null",
            XDG_CACHE_HOME="/dev/null/cache",
        )
        where, coef, cache = out.splitlines()
        assert Path(where).parent == copy
        assert cache == "None"
        np.testing.assert_allclose(eval(coef), fit(1), rtol=1e-9)
        assert sorted(tmp_path.rglob("*")) == before
    finally:
        writable_again(copy)


def test_the_cache_is_used_where_it_can_be(tmp_path):
    """A first process writes the compiled kernels, a second one reads them."""
    script = """
        from malsar_py._kernels import row_norms, spectral, losses, blocks
        fit(4)
        kernels = [k for m in (row_norms, spectral, losses, blocks) for k in vars(m).values()]
        stats = [k.stats for k in kernels if hasattr(k, "py_func")]
        print(sum(sum(s.cache_hits.values()) for s in stats))
        """
    folder = tmp_path / "cache"
    folder.mkdir()
    first, second = (int(run(script, NUMBA_CACHE_DIR=str(folder))) for _ in range(2))
    if os.environ.get("NUMBA_DISABLE_JIT", "0") == "1":
        pytest.skip("NUMBA_DISABLE_JIT=1: nothing is compiled")
    assert first == 0
    assert second > 0
    assert any(folder.rglob("*.nbi"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fit_then_fit_in_forked_processes():
    """Parallel kernels would abort or hang here; ours start no threads."""
    out = run(
        """
        import multiprocessing
        expected = [fit(i) for i in range(5)]
        context = multiprocessing.get_context("fork")
        with context.Pool(2) as pool:
            found = pool.map_async(fit, range(10)).get(timeout=120)
        print(max(np.abs(found[i] - expected[i % 5]).max() for i in range(10)) < 1e-12)
        print(np.abs(fit(2) - expected[2]).max() < 1e-12)
        """
    )
    assert out.split() == ["True", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_after_a_fit_in_threads():
    """Threads end with the call they are for; children use one."""
    out = run(
        """
        import multiprocessing
        from malsar_py import _threads
        _threads._WORTH = 1.0
        allowed, seen = _threads._OneThread.allowed, []
        _threads._OneThread.allowed = lambda self: seen.append(allowed(self)) or 2

        rng = np.random.default_rng(0)
        tasks = np.repeat([0, 1, 2], 200)
        X = rng.standard_normal((600, 150))
        y = X[:, 0] + rng.standard_normal(600)

        def fit(_):
            coef = JointFeatureRegressor(lambda1=0.1).fit(X, y, tasks=tasks).coef_
            return coef, max(seen)

        expected, _ = fit(0)
        seen.clear()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map_async(fit, range(4)).get(timeout=120)
        print(max(np.abs(coef - expected).max() for coef, _ in found) < 1e-12)
        print({allowed for _, allowed in found} == {1})
        """
    )
    assert out.split() == ["True", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_while_other_threads_fit():
    """The child starts without the parent's other threads, their lock and their limit on BLAS."""
    out = run(
        """
        import multiprocessing, threading
        from threadpoolctl import threadpool_info, threadpool_limits
        from malsar_py._threads import one_blas_thread

        def blas(_=None):
            return {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}

        threadpool_limits(2, user_api="blas")
        expected = [fit(i) for i in range(5)]
        inside, leave = threading.Event(), threading.Event()

        def hold():
            with one_blas_thread():
                inside.set()
                leave.wait(120)

        other = threading.Thread(target=hold)
        other.start()
        inside.wait(120)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.map_async(fit, range(5)).get(timeout=120)
            print(max(np.abs(found[i] - expected[i]).max() for i in range(5)) < 1e-12)
            print(pool.map_async(blas, [0]).get(timeout=120) == [{2}], blas() == {1})
        leave.set()
        other.join()
        print(blas() == {2})
        """
    )
    assert out.split() == ["True"] * 4


@pytest.mark.parametrize("state", ["enabled", "disabled", "frozen"])
def test_cycles_are_searched_for_as_before(state, tmp_path):
    """The search is put off while numba is imported and kernels are compiled, and comes back."""
    out = run(
        f"""
        import gc
        {{"enabled": gc.enable, "disabled": gc.disable, "frozen": gc.freeze}}["{state}"]()
        frozen, during = gc.get_freeze_count(), []
        from malsar_py._kernels import _jit
        print(gc.isenabled(), 2 * gc.get_freeze_count() >= frozen)

        @_jit.jit
        def kernel(x):
            return x + 1.0

        kernel.py_func.__module__ = "malsar_py._kernels.made_up"
        _jit.event.register("numba:run_pass", type("Watch", (_jit.event.Listener,), dict(
            on_start=lambda self, _: during.append(gc.isenabled()), on_end=lambda self, _: None
        ))())
        print(kernel(1.0), set(during) == {{False}})
        print(gc.isenabled(), 2 * gc.get_freeze_count() >= frozen)

        during.clear()
        other = _jit.njit(lambda x: x + 1.0)
        print(other(1.0), set(during) == {{gc.isenabled()}})
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    on = str(state != "disabled")
    assert out.split() == [on, "True", "2.0", "True", on, "True", "2.0", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_while_another_thread_compiles():
    """Cycles are searched for in the child, and later in the parent."""
    out = run(
        """
        import gc, multiprocessing
        from malsar_py._kernels._jit import _uncollected

        def enabled(_=None):
            before = gc.isenabled()
            with _uncollected:
                return before, gc.isenabled()

        with _uncollected:
            with multiprocessing.get_context("fork").Pool(1) as pool:
                print(*pool.map_async(enabled, [0]).get(timeout=120)[0], *enabled())
        print(gc.isenabled())
        """
    )
    assert out.split() == ["True", "False", "False", "False", "True"]


@pytest.mark.parametrize("blas", ["1", "2", None])
def test_threads_change_no_digit_that_counts(blas):
    """1, 2 and 4 threads, whatever BLAS is told: here products are large enough for its threads."""
    out = run(
        """
        import os
        from concurrent.futures import ThreadPoolExecutor
        from joblib import Parallel, delayed

        rng = np.random.default_rng(0)
        X = rng.standard_normal((300, 2000))
        Y = X[:, :20] @ rng.standard_normal((20, 8)) + rng.standard_normal((300, 8))
        tasks = np.repeat(np.arange(6), 50)
        MODELS = [
            JointFeatureRegressor(lambda1=0.2),
            LassoRegressor(lambda1=0.1),
            TraceNormRegressor(lambda1=0.5, max_iter=30, tol=1e-3),
        ]

        def fit(i):
            from sklearn.base import clone
            model = clone(MODELS[i % 3])
            if i % 2:
                return model.fit(X, Y).coef_
            return model.fit(X, Y[:, 0], tasks=tasks).coef_

        expected = [fit(i) for i in range(6)]
        for n in (2, 4):
            with ThreadPoolExecutor(n) as pool:
                found = list(pool.map(fit, range(6)))
            print(max(np.abs(a - b).max() for a, b in zip(found, expected)) < 1e-10)
            found = Parallel(n_jobs=n, backend="threading")(delayed(fit)(i) for i in range(6))
            print(max(np.abs(a - b).max() for a, b in zip(found, expected)) < 1e-10)
        """,
        OMP_NUM_THREADS=blas,
        OPENBLAS_NUM_THREADS=blas,  # read first
    )
    assert out.split() == ["True"] * 4


def test_four_threads_make_their_first_fits_at_once(tmp_path):
    """Nothing is compiled, cached or even imported yet when the threads start."""
    out = run(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        start = threading.Barrier(4)

        def work(k):
            start.wait()
            return [fit(i) for i in (k, k + 1, k + 2, k + 3, k + 4)]

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(work, range(4)))
        same = [np.abs(found[k][j] - fit(k + j)).max() for k in range(4) for j in range(5)]
        print(max(same) < 1e-12)
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out.split() == ["True"]


def test_joblib_threads():
    expected = [fit(i) for i in range(5)]
    found = Parallel(n_jobs=4, backend="threading")(delayed(fit)(i) for i in range(10))
    for i, coef in enumerate(found):
        # (matrix products may round differently where arrays lie differently in memory)
        np.testing.assert_allclose(coef, expected[i % 5], rtol=1e-9, atol=1e-12)


def test_one_estimator_used_by_many_threads():
    """Predictions read the fitted arrays only."""
    X, y, tasks = data()
    model = JointFeatureRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    expected = model.predict(X, tasks=tasks)
    found = Parallel(n_jobs=4, backend="threading")(
        delayed(model.predict)(X, tasks=tasks) for _ in range(20)
    )
    assert all(np.array_equal(z, expected) for z in found)


def test_fits_leave_their_inputs_alone():
    X, y, tasks = data()
    order = np.argsort(tasks, kind="stable")
    for data_set in (
        (X, y, tasks),
        (X[order], y[order], tasks[order]),
        (np.asfortranarray(X), y, tasks),
    ):
        before = [a.copy() for a in data_set]
        for i, model in enumerate(MODELS):
            target = np.where(data_set[1] > 1.0, 1.0, 0.0) if i == 3 else data_set[1]
            weight = np.linspace(0.5, 1.0, len(y))
            kept = target.copy(), weight.copy()
            clone(model).fit(data_set[0], target, tasks=data_set[2], sample_weight=weight)
            assert np.array_equal(target, kept[0])
            assert np.array_equal(weight, kept[1])
        for a, b in zip(before, data_set, strict=True):
            assert np.array_equal(a, b)
    # Read-only arrays (memory maps of joblib's workers) will do.
    for a in (X, y, tasks):
        a.setflags(write=False)
    for i in (0, 1, 2, 4):
        clone(MODELS[i]).fit(X, y, tasks=tasks)
        clone(MODELS[i]).fit(X, y)
    Y = np.column_stack([y, -y])
    Y.setflags(write=False)
    clone(MODELS[0]).fit(X, Y)


def test_nothing_is_printed(capfd):
    X, y, tasks = data()
    JointFeatureRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    assert capfd.readouterr() == ("", "")
    JointFeatureRegressor(lambda1=0.1, verbose=1).fit(X, y, tasks=tasks)
    out, err = capfd.readouterr()
    assert "gap" in out + err
