"""Tasks drawn to their mean: equal to a dense system, linear in the tasks, right at extremes."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py import (
    GraphClassifier,
    GraphRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
)
from malsar_py.model_selection import (
    MultiTaskSearchCV,
    TaskKFold,
    lambda1_max,
    regularization_path,
)
from malsar_py.penalties import Coupling, MeanCoupling, Ridge, TaskQuadratic
from malsar_py.solvers import _systems


def stacked(T, d, low, high, seed=0):
    """Tasks with between low and high rows of their own."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(low, high + 1, T))
    W = rng.standard_normal(d) + 0.5 * rng.standard_normal((T, d))
    X = rng.standard_normal((len(tasks), d)) + rng.standard_normal((T, d))[tasks]
    y = (X * W[tasks]).sum(axis=1) + rng.standard_normal(T)[tasks]
    return X, y + rng.standard_normal(len(tasks)), tasks


def dense(blocks, lambda1, lambda2, fit_intercept):
    """Coefficients and intercepts by one system over all tasks; blocks are (X, y, c) by task."""
    T, d = len(blocks), blocks[0][0].shape[1]
    system = np.kron(lambda1 * (np.eye(T) - 1.0 / T) + lambda2 * np.eye(T), np.eye(d))
    right, means = np.empty(T * d), []
    for t, (X, y, c) in enumerate(blocks):
        mean = (c @ X / c.sum(), c @ y / c.sum()) if fit_intercept else (np.zeros(d), 0.0)
        means.append(mean)
        Z, r = X - mean[0], y - mean[1]
        own = slice(t * d, (t + 1) * d)
        system[own, own] += (Z.T * c) @ Z
        right[own] = (Z.T * c) @ r
    coef = np.linalg.solve(system, right).reshape(T, d)
    return coef, np.array([m - x @ w for (x, m), w in zip(means, coef, strict=True)])


def blocks_of(X, y, tasks, sample_weight, omega):
    found = []
    for t, label in enumerate(np.unique(tasks)):
        own = tasks == label
        s = sample_weight[own]
        found.append((X[own], y[own], omega[t] * s / s.sum()))
    return found


def close(model, coef, intercept, tolerance=1e-12):
    assert np.abs(model.coef_ - coef).max() <= tolerance * np.abs(coef).max()
    scale = max(np.abs(intercept).max(), np.abs(coef).max())
    assert np.abs(model.intercept_ - intercept).max() <= 10.0 * tolerance * scale


# (tasks, features, fewest and most rows): Gram matrices, few rows, single rows, one task.
SHAPES = [
    (7, 4, 10, 20),
    (40, 3, 5, 9),
    (12, 40, 10, 15),
    (9, 12, 4, 20),
    (60, 5, 1, 3),
    (1, 3, 9, 9),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("task_weight", ["equal", "size", "mapping"])
@pytest.mark.parametrize("lambda1", [1e-2, 1.0, 1e3])
def test_equal_to_the_dense_system(shape, fit_intercept, task_weight, lambda1):
    X, y, tasks = stacked(*shape)
    T = shape[0]
    rng = np.random.default_rng(1)
    sample_weight = rng.uniform(0.5, 2.0, len(y))
    sizes = np.bincount(tasks, sample_weight)
    omega = {
        "equal": np.ones(T),
        "size": sizes * T / sizes.sum(),
        "mapping": 1.0 + np.arange(T) % 3,
    }
    given = dict(enumerate(omega["mapping"].tolist())) if task_weight == "mapping" else task_weight
    model = MeanRegularizedRegressor(
        lambda1=lambda1, lambda2=0.1, fit_intercept=fit_intercept, task_weight=given, tol=1e-12
    )
    parts = blocks_of(X, y, tasks, sample_weight, omega[task_weight])
    close(
        model.fit(X, y, tasks=tasks, sample_weight=sample_weight),
        *dense(parts, lambda1, 0.1, fit_intercept),
    )
    same = GraphRegressor(graph="complete", **model.get_params())
    assert_allclose(same.fit(X, y, tasks=tasks, sample_weight=sample_weight).coef_, model.coef_)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("lambda1", [1e-6, 1e-2, 10.0])
def test_the_mean_without_a_ridge(fit_intercept, lambda1):
    X, y, tasks = stacked(15, 4, 8, 12)
    parts = blocks_of(X, y, tasks, np.ones(len(y)), np.ones(15))
    model = MeanRegularizedRegressor(lambda1=lambda1, fit_intercept=fit_intercept, tol=1e-12)
    close(model.fit(X, y, tasks=tasks), *dense(parts, lambda1, 0.0, fit_intercept))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(30, 5, 20), (8, 20, 20)])
@pytest.mark.parametrize("missing", [False, True])
def test_columns_of_y(fit_intercept, shape, missing):
    n, d, T = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) + 3.0
    Y = X @ rng.standard_normal((d, T)) + rng.standard_normal((n, T)) + 1.0
    if missing:
        Y[rng.random(Y.shape) < 0.3] = np.nan
    parts = []
    for y in Y.T:
        seen = ~np.isnan(y)
        parts.append((X[seen], y[seen], np.full(seen.sum(), 1.0 / seen.sum())))
    model = MeanRegularizedRegressor(
        lambda1=0.7, lambda2=0.1, fit_intercept=fit_intercept, tol=1e-12
    )
    close(model.fit(X, Y), *dense(parts, 0.7, 0.1, fit_intercept))


@pytest.mark.parametrize("shape", [(9, 4, 10, 20), (9, 30, 5, 9)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("lambda1", [1e8, 1e17, 1e25, 1e200, 1e308])
def test_a_coupling_beyond_all_bounds_is_one_model(shape, fit_intercept, lambda1):
    X, y, tasks = stacked(*shape)
    parts = blocks_of(X, y, tasks, np.ones(len(y)), np.ones(9))
    d = X.shape[1]
    grams, rights = np.tile(0.5 * np.eye(d), (9, 1, 1)), np.zeros((9, d))
    for t, (A, b, c) in enumerate(parts):
        if fit_intercept:
            A, b = A - c @ A / c.sum(), b - c @ b / c.sum()
        grams[t] += (A.T * c) @ A
        rights[t] = (A.T * c) @ b
    common = np.linalg.solve(grams.sum(axis=0), rights.sum(axis=0))
    pulled = (
        np.abs(rights - grams @ common).max() / lambda1
    )  # the size of what is left between tasks
    model = MeanRegularizedRegressor(lambda1=lambda1, lambda2=0.5, fit_intercept=fit_intercept)
    model.fit(X, y, tasks=tasks)
    assert_allclose(model.coef_, np.tile(common, (9, 1)), rtol=0, atol=1e-11 + 10.0 * pulled)
    assert abs(model.relative_gap_) <= 1e-9
    if lambda1 > 1e20:
        assert_array_equal(model.coef_, np.tile(model.coef_[0], (9, 1)))


@pytest.mark.parametrize("lambda1", [1e8, 1e308])
@pytest.mark.parametrize("missing", [False, True])
def test_one_model_for_columns_of_y(lambda1, missing):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 6))
    Y = X @ rng.standard_normal((6, 11)) + rng.standard_normal((40, 11))
    if missing:
        Y[rng.random(Y.shape) < 0.2] = np.nan
    model = MeanRegularizedRegressor(lambda1=lambda1).fit(X, Y)
    assert abs(model.relative_gap_) <= 1e-9
    assert_allclose(model.coef_, np.tile(model.coef_.mean(axis=0), (11, 1)), rtol=0, atol=1e-6)
    if not missing:
        A = X - X.mean(axis=0)
        pooled = np.linalg.lstsq(A, Y.mean(axis=1), rcond=None)[0]
        assert_allclose(model.coef_.mean(axis=0), pooled, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lambda1", [1e-12, 0.0])
def test_no_coupling_is_a_fit_of_each_task(lambda1):
    X, y, tasks = stacked(6, 3, 8, 12)
    parts = blocks_of(X, y, tasks, np.ones(len(y)), np.ones(6))
    alone = [dense([part], 0.0, 0.0, True)[0][0] for part in parts]
    model = MeanRegularizedRegressor(lambda1=lambda1).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_, alone, rtol=1e-9)


@pytest.mark.parametrize("shape", [(8, 4, 6, 9), (8, 12, 4, 6), (12, 30, 2, 2)])
def test_singular_systems_end_at_a_finite_certified_fit(shape):
    """No ridge, a column twice, one that is constant, fewer rows than features in all."""
    X, y, tasks = stacked(*shape)
    X[:, 1] = X[:, 0]
    X[:, 2] = 5.0
    for lambda1 in (1e-3, 1.0, 1e6):
        model = MeanRegularizedRegressor(lambda1=lambda1).fit(X, y, tasks=tasks)
        assert np.abs(model.coef_).max() < 1e3
        assert model.relative_gap_ <= model.tol
        assert_allclose(model.coef_[:, 0], model.coef_[:, 1], rtol=1e-6, atol=1e-9)
        assert_allclose(model.coef_[:, 2], 0.0, atol=1e-9)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "by gradients"])
def test_few_rows_and_a_large_system_for_the_mean(monkeypatch, direct):
    X, y, tasks = stacked(20, 15, 3, 6)
    monkeypatch.setattr(_systems, "_COMMON_SIZE", 1000 if direct else 0)
    monkeypatch.setattr(_systems, "_SMALL_WORK", 0)  # LAPACK, task by task
    parts = blocks_of(X, y, tasks, np.ones(len(y)), np.ones(20))
    model = MeanRegularizedRegressor(lambda1=0.3, lambda2=0.05, tol=1e-13)
    close(model.fit(X, y, tasks=tasks), *dense(parts, 0.3, 0.05, True), tolerance=1e-10)


@pytest.mark.parametrize("T", [1, 2, 6])
@pytest.mark.parametrize("ridge", [0.0, 0.4])
def test_the_quadratic_is_the_matrix(T, ridge):
    rng = np.random.default_rng(T)
    W, G = rng.standard_normal((2, 5, T))
    found = MeanCoupling(0.7, T) + Ridge(ridge)
    matrix = Coupling(0.7, np.eye(T) - 1.0 / T) + Ridge(ridge)
    Q, R = found.quadratic, matrix.quadratic
    assert Q.matrix is None
    assert_allclose(Q.dense(T), R.dense(T), atol=1e-15)
    for name in ("largest", "smallest"):
        assert_allclose(getattr(Q, name), getattr(R, name), atol=1e-14)
    assert_allclose(Q.apply(W), R.apply(W), atol=1e-14)
    assert_allclose(Q.value(W), R.value(W), atol=1e-14)
    free = found.free_part(T)
    assert (free is None) == (matrix.free_part(T) is None)
    if free is not None and free[1] is not None:
        assert_allclose(Q.dense(T) @ free[1], 0.0, atol=1e-15)
        G = G - G @ free[1] @ free[1].T
    if ridge > 0.0 or T > 1:
        assert_allclose(Q.conjugate(G), R.conjugate(G), rtol=1e-12)
    added = TaskQuadratic(np.diag(np.arange(1.0, T + 1.0))).plus(Q)
    assert_allclose(added.dense(T), Q.dense(T) + np.diag(np.arange(1.0, T + 1.0)), atol=1e-14)


def peak(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


MANY = 3000  # a matrix of tasks by tasks would be 72 MB
REGRESSORS = {
    "mean": MeanRegularizedRegressor(lambda1=0.5),
    "ridge": MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1),
    "no intercept": MeanRegularizedRegressor(lambda1=0.5, fit_intercept=False),
    "accelerated": MeanRegularizedRegressor(lambda1=0.5, solver="apg", tol=1e-3),
    "no penalty": MeanRegularizedRegressor(lambda1=0.0),
    "complete": GraphRegressor(graph="complete", lambda1=0.5, lambda2=0.1),
    "sparse": GraphRegressor(graph="complete", lambda1=0.5, lambda3=0.1, tol=1e-3),
    "lasso 0": LassoRegressor(lambda1=0.0),
}


@pytest.mark.parametrize("model", REGRESSORS.values(), ids=REGRESSORS)
@pytest.mark.parametrize("shape", [(4, 2), (2, 3)])
def test_no_matrix_of_tasks_by_tasks(model, shape):
    n, d = shape
    X, y, tasks = stacked(MANY, d, n, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        used = peak(lambda: model.fit(X, y, tasks=tasks).predict(X, tasks=tasks))
    assert used < 20.0
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("solver", ["auto", "apg"])
@pytest.mark.parametrize("cls", [MeanRegularizedClassifier, GraphClassifier])
def test_no_matrix_of_tasks_by_tasks_for_classes(cls, solver):
    X, y, tasks = stacked(MANY, 2, 4, 4)
    c = np.arange(len(y)) % 2
    model = cls(lambda1=0.5, lambda2=0.1, solver=solver, tol=1e-3)
    assert peak(lambda: model.fit(X, c, tasks=tasks).predict_proba(X, tasks=tasks)) < 20.0
    assert model.relative_gap_ <= 1e-3


@pytest.mark.parametrize("missing", [False, True])
def test_no_matrix_of_tasks_by_tasks_for_columns_of_y(missing):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 2)), rng.standard_normal((12, MANY))
    if missing:
        Y[rng.integers(0, 12, MANY), np.arange(MANY)] = np.nan
    model = MeanRegularizedRegressor(lambda1=0.5)
    assert peak(lambda: model.fit(X, Y).predict(X)) < 30.0
    assert model.relative_gap_ <= 1e-6


def test_no_matrix_of_tasks_by_tasks_along_a_path():
    X, y, tasks = stacked(MANY, 2, 4, 4)
    model = MeanRegularizedRegressor(lambda2=0.1)
    assert peak(lambda: lambda1_max(model, X, y, tasks=tasks)) < 20.0
    assert peak(lambda: regularization_path(model, X, y, tasks=tasks, n_lambdas=3)) < 20.0
    search = MultiTaskSearchCV(model, n_lambdas=3, cv=TaskKFold(2))
    assert peak(lambda: search.fit(X, y, tasks=tasks)) < 40.0
