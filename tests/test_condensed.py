"""Few rows in the place of many: the same loss at every W and b, and the same fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    GraphRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    _condensed,
)
from malsar_py._condensed import condensed
from malsar_py._tasks import resolve_fit
from malsar_py.model_selection import regularization_path

LABELS = np.repeat([0, 1, 2], [700, 900, 800])


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """What pays does not matter here."""
    monkeypatch.setattr(_condensed, "_LEAST_SIZE", 0)
    monkeypatch.setattr(_condensed, "_TASK_SIZE", 0)
    monkeypatch.setattr(_condensed, "_BLOCK", 1 << 11)


def make(rng, shared, offset=0.0, order="C"):
    n = len(LABELS)
    X = rng.standard_normal((n, 6)) * [1.0, 1e-3, 1e3, 1.0, 1.0, 1.0] + offset
    X[:, 3] = 0.1 + offset
    W = rng.standard_normal((6, 3)) / [[1.0], [1e-3], [1e3], [1.0], [1.0], [1.0]]
    Y = (X - offset) @ W + rng.standard_normal((n, 3)) + 5.0
    X = np.asarray(X, order=order)
    return (X, Y, {}) if shared else (X, Y[np.arange(n), LABELS], {"tasks": LABELS})


def rows_of(data, **more):
    X, y, labels = data
    return resolve_fit(LassoRegressor(), X, y, classifier=False, **labels, **more)


def losses(rows, W, about, best):
    """Mean squares of each task, features less a point, at no intercept or the best."""
    out = []
    for t in range(rows.n_tasks):
        own = slice(rows.offsets[t], rows.offsets[t + 1])
        X = rows.features_about(about)[slice(None) if rows.shared else own]
        residual = rows.targets_about(3.0)[own] - X @ W[:, t]
        weight = rows.sample_weight[own]
        if best:  # rounding of means as large as these says nothing then
            residual -= weight @ residual / weight.sum()
        out.append(weight @ np.square(residual) / weight.sum())
    return np.array(out)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_loss_is_the_same_everywhere(shared, order, offset, weighted):
    rng = np.random.default_rng(0)
    data = make(rng, shared, offset, order)
    weight = rng.uniform(0.5, 2.0, len(LABELS)) if weighted else None
    rows = rows_of(data, sample_weight=weight)
    few = condensed(rows)
    assert len(few.X) == (8 if shared else 24) and few.stands_for is not None
    assert not few.X[:, 3].any()  # a constant stays one
    np.testing.assert_allclose(few.per_task, rows.per_task, rtol=1e-13)
    np.testing.assert_array_equal(few.stands_for.n, np.diff(rows.offsets))
    logs = np.add.reduceat(np.log(rows.sample_weight), rows.offsets[:-1])
    np.testing.assert_allclose(few.stands_for.log_weight, logs, atol=1e-9)
    for _ in range(3):
        W = rng.standard_normal((6, 3)) / [[1.0], [1e-3], [1e3], [1.0], [1.0], [1.0]]
        at = W, rows.X[0], offset != 0.0
        np.testing.assert_allclose(losses(few, *at), losses(rows, *at), rtol=1e-11)


def test_rows_stay_where_products_lose_digits():
    rng = np.random.default_rng(1)
    X, Y, _ = make(rng, shared=True)
    X[:, 3] = rng.standard_normal(len(X))
    assert len(condensed(rows_of((X, Y, {}))).X) == 8
    dependent, exact, tiny, huge = X.copy(), Y.copy(), X.copy(), X.copy()
    dependent[:, 3] = X[:, 4] + 1e-6 * X[:, 5]
    exact[:, 1] = X @ np.arange(6.0)
    tiny[:, 4] *= 1e-200
    huge[:, 4] *= 1e30
    weights = np.ones(Y.shape)
    weights[0, 0] = 2.0
    for given, targets, weight in (
        (dependent, Y, None),
        (X, exact, None),
        (tiny, Y, None),
        (huge, Y, None),
        (X, np.full_like(Y, 7.0), None),
        (X, Y, weights),
    ):
        rows = rows_of((given, targets, {}), sample_weight=weight)
        assert condensed(rows) is rows
    rows = rows_of((X[:100], Y[:100], {}))
    assert condensed(rows) is rows  # not tall


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "model",
    [
        LassoRegressor(lambda1=0.3),
        JointFeatureRegressor(lambda1=0.3, task_weight="size"),
        GraphRegressor(graph="chain", lambda1=0.3, lambda2=0.1),
        MeanRegularizedRegressor(lambda1=0.3, lambda2=0.1, intercept_shrinkage=0.5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_fits_are_those_of_all_rows(model, shared, intercept, monkeypatch):
    X, y, labels = make(np.random.default_rng(2), shared, offset=3.0)
    X /= [1.0, 1e-3, 1e3, 1.0, 1.0, 1.0]
    model.set_params(tol=1e-13, fit_intercept=intercept)
    if not intercept:
        model.set_params(intercept_shrinkage=0.0)
    few = model.fit(X, y, **labels)
    found = few.coef_, np.atleast_1d(few.intercept_), few.objective_[-1]
    interval = few.coef_interval() if hasattr(few, "coef_interval") else None
    monkeypatch.setattr(_condensed, "_LEAST_SIZE", 1 << 40)
    whole = model.fit(X, y, **labels)
    np.testing.assert_allclose(found[0], whole.coef_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found[1], whole.intercept_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found[2], whole.objective_[-1], rtol=1e-12)
    if interval is not None:
        np.testing.assert_allclose(interval, whole.coef_interval(), rtol=1e-7, atol=1e-9)


def test_paths_take_few_rows_too(monkeypatch):
    X, y, labels = make(np.random.default_rng(3), shared=False)
    model = JointFeatureRegressor(tol=1e-12)
    few = regularization_path(model, X, y, n_lambdas=5, **labels)
    monkeypatch.setattr(_condensed, "_LEAST_SIZE", 1 << 40)
    whole = regularization_path(model, X, y, n_lambdas=5, **labels)
    np.testing.assert_allclose(few.lambda1, whole.lambda1, rtol=1e-12)
    np.testing.assert_allclose(few.coef, whole.coef, rtol=1e-7, atol=1e-9)


def test_condensed_rows_are_not_condensed_again():
    rows = condensed(rows_of(make(np.random.default_rng(4), shared=True)))
    assert condensed(rows) is rows
    assert condensed(replace(rows, bound=1.0)).X is rows.X


@pytest.mark.parametrize("lambda1", [1e-3, 1e-5])
def test_intercepts_that_floats_do_not_hold_are_told(lambda1):
    X, y, labels = make(np.random.default_rng(5), shared=False)
    y = 1e12 + 1e-3 * (y - y.mean()) / y.std()
    model = LassoRegressor(lambda1=lambda1)
    with pytest.warns(ConvergenceWarning, match="the mean of y is large beside its spread"):
        model.fit(X, y, **labels)
    assert model.relative_gap_ > 1e-5


def test_tables_are_arrays():
    pd = pytest.importorskip("pandas")
    X, y, labels = make(np.random.default_rng(6), shared=False)
    plain = LassoRegressor(lambda1=0.3).fit(X, y, **labels)
    table = LassoRegressor(lambda1=0.3).fit(pd.DataFrame(X), y, **labels)
    np.testing.assert_array_equal(table.coef_, plain.coef_)
    assert len(condensed(rows_of((pd.DataFrame(X), y, labels))).X) == 24
