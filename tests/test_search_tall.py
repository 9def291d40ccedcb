"""Searches on many rows: the moments of the folds give what the rows give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, ShuffleSplit

import malsar_py
from malsar_py import JointFeatureRegressor, MeanRegularizedRegressor, Summary
from malsar_py.model_selection import MultiTaskSearchCV, _tall

# scikit-learn's scores see no labels given as tasks.
OF_TASKS = (None, "mean_task_rmse", "mean_task_r2")
OF_COLUMNS = (None, "neg_mean_squared_error", "r2", "neg_root_mean_squared_error")


@pytest.fixture
def tall(monkeypatch):
    """The data of tests are small: any size will do."""
    monkeypatch.setattr(_tall, "_LEAST_SIZE", 0)


@pytest.fixture
def summed(monkeypatch):
    """How often a search was one on moments."""
    found, true = [], _tall.by_moments

    def seen(*given):
        found.append(true(*given))
        return found[-1]

    monkeypatch.setattr("malsar_py.model_selection.search.by_moments", seen)
    return found


def many_rows(shared, n=600, d=5, n_tasks=3):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, d)) * [1.0, 10.0, 1e-3, 1.0, 1.0][:d] + 7.0
    W = rng.standard_normal((d, n_tasks)) / X.std(axis=0)[:, None]
    W[-1] = 0.0
    if shared:
        return (X, X @ W + rng.standard_normal((n, n_tasks)) - 3.0), {}
    tasks = rng.permutation(np.arange(n) % n_tasks)
    y = (X * W.T[tasks]).sum(axis=1) + rng.standard_normal(n) + tasks
    return (X, y), {"tasks": np.array(["b", "a", "c"])[tasks]}


@pytest.mark.parametrize(
    ("shared", "scoring"), [(True, s) for s in OF_COLUMNS] + [(False, s) for s in OF_TASKS]
)
def test_scores_are_those_of_the_rows(tall, summed, monkeypatch, shared, scoring):
    data, labels = many_rows(shared)
    model = JointFeatureRegressor(tol=1e-10)

    def search():
        return MultiTaskSearchCV(model, n_lambdas=7, cv=4, scoring=scoring).fit(*data, **labels)

    one = search()
    assert summed[-1] is not None
    monkeypatch.setattr(_tall, "_LEAST_SIZE", 1 << 40)
    other = search()
    assert summed[-1] is None
    for k in range(4):
        name = f"split{k}_test_score"
        np.testing.assert_allclose(one.cv_results_[name], other.cv_results_[name], rtol=1e-8)
    assert one.best_params_ == other.best_params_
    np.testing.assert_array_equal(one.best_estimator_.coef_, other.best_estimator_.coef_)


def test_settings_and_jobs(tall, summed, monkeypatch):
    data, labels = many_rows(False)
    model = MeanRegularizedRegressor(tol=1e-10)
    grid = {"task_weight": ["equal", "size"], "intercept_shrinkage": [0.0, 1.0]}

    def search(n_jobs):
        return MultiTaskSearchCV(
            model, n_lambdas=4, lambda2=[0.0, 0.1], param_grid=grid, cv=KFold(3), n_jobs=n_jobs
        ).fit(*data, **labels)

    one, two = search(None), search(2)
    assert all(found is not None for found in summed)
    monkeypatch.setattr(_tall, "_LEAST_SIZE", 1 << 40)
    rows = search(None).cv_results_["mean_test_score"]
    np.testing.assert_allclose(one.cv_results_["mean_test_score"], rows, rtol=1e-8)
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )


def refused(summed, data, labels, model=None, **settings):
    model = JointFeatureRegressor() if model is None else model
    MultiTaskSearchCV(model, n_lambdas=3, **{"cv": 3} | settings).fit(*data, **labels)
    return summed[-1] is None


@pytest.mark.parametrize("case", ["dependent", "explained", "constant", "huge", "float32 zeros"])
def test_rows_stay_where_products_lose_digits(tall, summed, case):
    (X, Y), labels = many_rows(True)
    if case == "dependent":
        X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]
    elif case == "explained":
        Y[:, 1] = X @ np.arange(5.0)
    elif case == "constant":
        X[:, 2] = 0.1
    elif case == "huge":
        Y *= 1e12
    else:
        X[:, 2] = 0.0
    given = X.astype(np.float32) if case == "float32 zeros" else X
    # Columns of zeros lose nothing.
    assert refused(summed, (given, Y), labels) == (case not in ("float32 zeros", "constant"))


def test_rows_stay_where_folds_are_no_partition_or_the_model_needs_them(tall, summed):
    data, labels = many_rows(False)
    cv = ShuffleSplit(3, test_size=0.3, random_state=0)
    assert refused(summed, data, labels, cv=cv)
    assert refused(summed, data, labels, JointFeatureRegressor(loss="huber"))
    assert refused(summed, data, labels, scoring=lambda model, X, y, tasks: 0.0)
    y = data[1].copy()
    y[3] = np.nan
    assert refused(summed, (data[0], y), labels)
    few = [part[:100] for part in data]
    assert refused(summed, few, {"tasks": labels["tasks"][:100]})


def test_usual_data_are_small():
    data, _ = many_rows(True)
    assert data[0].size < _tall._LEAST_SIZE
    X = np.random.default_rng(0).standard_normal((60_000, 10))
    y = X @ np.ones(10) + np.random.default_rng(1).standard_normal(60_000)
    search = MultiTaskSearchCV(malsar_py.LassoRegressor(), n_lambdas=5).fit(X, y)
    assert search.best_score_ == pytest.approx(10 / 11, abs=0.01)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_summaries_of_many_columns(weighted, n_folds):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((2000, 110)) + 1e3
    y = rng.standard_normal(2000) - 40.0
    folds = None if n_folds == 1 else rng.integers(n_folds, size=2000)
    weight = rng.uniform(0.1, 3.0, 2000) if weighted else None
    summary = Summary()
    for part in np.array_split(np.arange(2000), 2):
        own = (None if values is None else values[part] for values in (folds, weight))
        summary.update(X[part], y[part], **dict(zip(("folds", "sample_weight"), own, strict=True)))
    Z, c = np.column_stack([X, y]), np.ones(2000) if weight is None else weight
    for key, k in summary._keys.items():
        own = slice(None) if n_folds == 1 else folds == key[1]
        mean = np.average(Z[own], axis=0, weights=c[own])
        scatter = (Z[own] - mean).T @ ((Z[own] - mean) * c[own, None])
        moments = summary.moments
        np.testing.assert_allclose(moments.mean[k], mean, rtol=1e-13)
        np.testing.assert_allclose(moments.full_scatter()[k], scatter, rtol=1e-10, atol=1e-8)
        np.testing.assert_allclose(moments.weight[k], c[own].sum(), rtol=1e-13)
        np.testing.assert_allclose(moments.log_weight[k], np.log(c[own]).sum(), atol=1e-10)
        assert moments.n[k] == len(Z[own])
