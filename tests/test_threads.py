"""BLAS threads are limited while we compute and given back; the caller's arrays are left alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    MeanRegularizedRegressor,
    TraceNormClassifier,
    _threads,
)
from malsar_py._threads import _OneThread, one_blas_thread, spread


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_one_thread_inside_and_restored():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() == {1}
            with one_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


def in_a_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def limited_threads():
    with one_blas_thread():
        return blas_threads()


def test_limited_in_every_thread():
    """threadpoolctl 3.8 ignores other threads once one has set OpenBLAS's limit."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert limited_threads() == {1}
        assert in_a_thread(limited_threads) == {1}
        assert blas_threads() == before
    assert in_a_thread(limited_threads) == {1}


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_threads_restores(first):
    """Whoever leaves first: the other one keeps its limit."""
    entered = [threading.Event(), threading.Event()]
    leave = [threading.Event(), threading.Event()]

    def work(i):
        with one_blas_thread():
            entered[i].set()
            assert leave[i].wait(60)
            return blas_threads()

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:
        before = blas_threads()
        futures = []
        for i in (0, 1):
            futures.append(pool.submit(work, i))
            assert entered[i].wait(60)
        for i in (first, 1 - first):
            leave[i].set()
            assert futures[i].result() == {1}
            assert blas_threads() == before if i != first else blas_threads() == {1}


def test_a_limit_lifted_meanwhile_is_set_again():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            threadpool_limits(2, user_api="blas")  # by somebody else
            assert in_a_thread(limited_threads) == {1}
        assert blas_threads() == before


class Library:
    """A BLAS with a limit for each thread."""

    internal_api = "mkl"

    def __init__(self):
        self.own = threading.local()

    def get_num_threads(self):
        return getattr(self.own, "number", 4)

    def set_num_threads(self, number):
        self.own.number = number


def test_limits_of_each_thread():
    one, library = _OneThread(), Library()
    one._for_all, one._for_each = [], [library]
    one.enter()
    assert library.get_num_threads() == 1

    def other():
        found = [library.get_num_threads()]
        one.enter()
        one.enter()
        found.append(library.get_num_threads())
        one.leave()
        found.append(library.get_num_threads())
        one.leave()
        return [*found, library.get_num_threads()]

    assert in_a_thread(other) == [4, 1, 1, 4]
    assert library.get_num_threads() == 1
    one.leave()
    assert library.get_num_threads() == 4


def test_restored_after_an_error():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0
    assert blas_threads() == before


@pytest.mark.parametrize("model", [JointFeatureRegressor(), TraceNormClassifier()])
def test_the_callers_arrays_are_left_alone(model):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4)) + 5.0
    tasks = np.repeat([0, 1], 20)
    y = X @ rng.standard_normal(4) + rng.standard_normal(40)
    y = np.where(y > np.median(y), 1.0, 0.0)
    shuffled = rng.permutation(40)
    labelled = np.column_stack([tasks, X])
    for data, target, labels, column in [
        (X, y, tasks, None),
        (X[shuffled], y[shuffled], tasks[shuffled], None),
        (np.asfortranarray(X), y, tasks, None),
        (X, np.column_stack([y, 1 - y]), None, None),
        (X, y, None, None),
        (labelled, y, None, 0),
        (labelled[:, ::-1], y, None, -1),
    ]:
        kept = data.copy()
        model.set_params(task_column=column).fit(data, target, tasks=labels)
        np.testing.assert_array_equal(data, kept)


def runs_of(offsets, cost=1.0):
    """The runs of tasks that `spread` makes, and the threads they are made in."""
    runs = {}
    spread(
        lambda a, b: runs.update({(a, b): threading.current_thread().name}),
        np.asarray(offsets),
        cost,
    )
    return runs


@pytest.fixture
def several(monkeypatch):
    """Everything is worth threads, and there is a number of them."""
    monkeypatch.setattr(_threads, "_WORTH", 1.0)
    return lambda number: monkeypatch.setattr(_OneThread, "allowed", lambda self: number)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("sizes", [[5], [5, 5], [1, 1, 1, 97], [97, 1, 1, 1], [3] * 10])
def test_spread_runs_every_task_once(several, number, sizes):
    several(number)
    runs = runs_of(np.append(0, np.cumsum(sizes)))
    covered = [t for first, last in sorted(runs) for t in range(first, last)]
    assert covered == list(range(len(sizes)))
    assert len(set(runs.values())) <= min(number, len(sizes))


def test_spread_where_it_is_worth_it(several):
    several(2)
    assert len(runs_of([0, 5, 10])) == 2
    assert list(runs_of([0, 5, 10], cost=0.5)) == [(0, 2)]


@pytest.mark.parametrize("bad", [0, 1])
def test_spread_passes_errors_on(several, bad):
    several(2)

    def work(first, last):
        if first == bad:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spread(work, np.array([0, 5, 10]), 1.0)


def test_as_many_threads_as_blas_might_have():
    allowed = _threads._one_thread.allowed
    assert allowed() == 1  # no fit
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"), one_blas_thread():
            assert allowed() == limit
            assert in_a_thread(lambda: allowed()) == 1

    def second():
        with one_blas_thread():
            return allowed()

    with threadpool_limits(2, user_api="blas"):
        assert in_a_thread(second) == 1  # a worker of somebody's
        with one_blas_thread(), ThreadPoolExecutor(1) as pool:
            inside, leave = threading.Event(), threading.Event()

            def hold():
                with one_blas_thread():
                    inside.set()
                    return leave.wait(60)

            other = pool.submit(hold)
            assert inside.wait(60)
            assert allowed() == 1  # not alone
            leave.set()
            assert other.result()


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_number_of_threads_changes_nothing(several, number, loss):
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(5), [200, 150, 210, 180, 160])
    X = rng.standard_normal((len(tasks), 150)) + 3.0
    y = X[:, :5] @ rng.standard_normal(5) + rng.standard_normal(len(tasks))
    models = [JointFeatureRegressor(lambda1=0.1), MeanRegularizedRegressor(lambda1=0.5)]
    if loss == "logistic":
        y = np.where(y > np.median(y), 1, 0)
        models = [JointFeatureClassifier(lambda1=0.02), TraceNormClassifier(lambda1=0.05)]
    for model in models:
        several(1)
        expected = model.fit(X, y, tasks=tasks)
        coef, intercept = expected.coef_.copy(), expected.intercept_.copy()
        several(number)
        model.fit(X, y, tasks=tasks)
        np.testing.assert_allclose(model.coef_, coef, rtol=0.0, atol=1e-10)
        np.testing.assert_allclose(model.intercept_, intercept, rtol=0.0, atol=1e-10)
