"""Summaries, searches and predictions on a Dask cluster of this machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from malsar_py import JointFeatureRegressor, summarize
from malsar_py.model_selection import MultiTaskSearchCV, regularization_path

pd = pytest.importorskip("pandas")
dask = pytest.importorskip("dask")
dask_frame = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The best score is at the edge"),
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),
]
GIVEN = {"task_column": "task", "target": "y", "folds": 3}
FEATURES = ["a", "b", "task", "c"]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((2000, 3)), columns=["a", "b", "c"])
    frame.insert(2, "task", np.sort(rng.choice(["u", "v", "w"], 2000)))
    frame["y"] = frame["a"] * np.where(frame["task"] == "u", 2.0, 1.0) + rng.standard_normal(2000)
    return frame


def fitted(summary):
    return JointFeatureRegressor(tol=1e-12, task_column="task").fit(summary)


def test_partitions(client, table):
    """Whole, reversed, many of them empty, each task in one or two of them."""
    whole = fitted(summarize(table, **GIVEN))
    parts = dask_frame.from_pandas(table, npartitions=6, sort=False)
    empty = [table.iloc[:0]] * 5
    delayed = parts.to_delayed()
    for given in (parts, delayed[::-1], [*map(dask.delayed, empty), *delayed]):
        found = summarize(list(given) if given is not parts else given, **GIVEN)
        assert found.n_rows_ == 2000
        assert_allclose(fitted(found).coef_, whole.coef_, rtol=1e-12)
    alone = dask_frame.from_pandas(table, npartitions=1)
    some = dask_frame.concat([alone, alone[alone["task"] == "?"]])
    assert_allclose(fitted(summarize(some, **GIVEN)).coef_, whole.coef_, rtol=1e-12)


def die_once(part, flag):
    """The partition; the first time its worker is killed."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def test_a_worker_that_is_killed(client, table, tmp_path):
    whole = fitted(summarize(table, **GIVEN))
    parts = np.array_split(np.arange(2000), 8)
    delayed = [dask.delayed(table.iloc[own]) for own in parts]
    delayed[3] = dask.delayed(die_once)(delayed[3], str(tmp_path / "died"))
    found = summarize(delayed, **GIVEN)
    assert (tmp_path / "died").exists() and found.n_rows_ == 2000
    assert_allclose(fitted(found).coef_, whole.coef_, rtol=1e-12)


def test_searches_and_paths(client, table):
    X, y = table[FEATURES], table["y"]
    search = MultiTaskSearchCV(
        JointFeatureRegressor(task_column="task", tol=1e-10), n_lambdas=5, cv=3
    )
    summary = summarize(table, **GIVEN)
    here = clone(search).fit(X, y), clone(search).set_params(cv=None).fit(summary)
    model = JointFeatureRegressor(task_column="task", tol=1e-10)
    path = regularization_path(model, X, y, n_lambdas=5)
    with joblib.parallel_config("dask"):
        there = clone(search).fit(X, y), clone(search).set_params(cv=None).fit(summary)
        other = regularization_path(model, X, y, n_lambdas=5)
    for a, b in zip(here, there, strict=True):
        assert_allclose(
            b.cv_results_["mean_test_score"], a.cv_results_["mean_test_score"], rtol=1e-10
        )
        assert a.best_index_ == b.best_index_
    assert_array_equal(path.coef, other.coef)


def test_predictions_by_partition(client, table):
    """The recipe of the README."""
    parts = dask_frame.from_pandas(table, npartitions=5, sort=False)
    model = fitted(summarize(parts, **GIVEN))
    found = parts[FEATURES].map_partitions(model.predict, meta=(None, "f8")).compute()
    assert_allclose(np.asarray(found), model.predict(table[FEATURES]))
