"""BLAS threads are limited while we compute and given back; the caller's arrays are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from malsar_py import JointFeatureRegressor, TraceNormClassifier
from malsar_py._threads import one_blas_thread


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
