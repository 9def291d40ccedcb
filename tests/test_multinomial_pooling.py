"""Shrunk intercepts and common parts of more than two classes: each class has its own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from malsar_py import (
    ClusteredClassifier,
    GraphClassifier,
    JointFeatureClassifier,
    LassoClassifier,
    MeanRegularizedClassifier,
    TaskRelationshipClassifier,
    TraceNormClassifier,
)
from malsar_py.design import Ragged, Repeated
from malsar_py.hessian import Hessian
from malsar_py.inspection import bootstrap
from malsar_py.intercepts import ShrunkIntercepts
from malsar_py.losses import Multinomial
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

from .problems import assert_gaps_hold, prepared
from .test_multinomial import CLASSES, data

AROUND = [
    LassoClassifier(lambda1=0.03, common=True),
    JointFeatureClassifier(lambda1=0.05, common=True),
    JointFeatureClassifier(lambda1=0.05, lambda2=0.02, common=True),
    TraceNormClassifier(lambda1=0.05, lambda2=0.02, common=True),
    TaskRelationshipClassifier(lambda1=0.05, common=True),
    ClusteredClassifier(lambda1=0.1, lambda2=0.1, common=True, random_state=0),
]
every_kappa = pytest.mark.parametrize("kappa", [0.0, 0.3, np.inf])


def lacking(seed=0):
    """Task b lacks a class, task c has one only."""
    X, y, tasks = data(seed)
    y = np.where((tasks == "b") & (y == "top"), "low", y)
    return X, np.where(tasks == "c", "mid", y), tasks


@pytest.mark.parametrize("kappa", [1e-6, 0.3, 30.0, 1e4, np.inf])
def test_intercepts_are_optimal(kappa):
    """Their stationarity, and a gap of zero if W could not move."""
    X, y, tasks = lacking()
    model = GraphClassifier(lambda1=0.5, intercept_shrinkage=kappa)
    objective = prepared(model, X, y, tasks=tasks)
    z = np.random.default_rng(0).normal(size=objective.y.shape)
    for at in (np.zeros_like(z), z, 30.0 * z):
        value, theta, b = objective.loss_at(at)
        s = np.add.reduceat(theta, objective.design.offsets[:-1]).reshape(3, 3)
        b = b.reshape(3, 3)
        assert_allclose(s.sum(axis=0), 0.0, atol=1e-11 * max(1.0, min(kappa, 1e4)))
        assert_allclose(b.sum(axis=1), 0.0, atol=1e-9)
        if kappa < np.inf:
            assert_allclose(s, kappa * (b - b.mean(axis=0)), atol=1e-11 * max(1.0, kappa))
        else:
            assert_array_equal(b, np.broadcast_to(b[0], b.shape))
        # Of a theta that is feasible already nothing is taken.
        theta, offsets = theta.copy(), objective.design.offsets
        objective.intercepts.feasible(objective.loss, objective.y, theta, objective.c, offsets)
        below = objective._dual_at(theta)(1.0) - float(theta @ at)
        assert_allclose(below, value, rtol=1e-10)


@pytest.mark.parametrize("kappa", [0.3, np.inf])
def test_curvature_is_the_derivative_of_theta(kappa):
    X, y, tasks = lacking()
    objective = prepared(GraphClassifier(intercept_shrinkage=kappa), X, y, tasks=tasks)
    rng = np.random.default_rng(1)
    z, v = rng.normal(size=(2, *objective.y.shape))
    theta, h = objective.loss_at(z).theta, 1e-5
    change = objective.loss_at(z - h * v).theta - objective.loss_at(z + h * v).theta
    given = objective.loss, objective.y, theta, objective.c, objective.design.offsets
    assert_allclose(objective.intercepts.curvature(*given)(v), change / (2.0 * h), atol=1e-8)


def test_bounds_are_those_of_dense_algebra():
    """The Hessian of the quadratic bound, its tie and solutions with it."""
    rng = np.random.default_rng(2)
    X, offsets = rng.normal(size=(12, 2)), np.array([0, 5, 12])
    design, K, kappa = Repeated(Ragged(X, offsets), 3), 3, 0.7
    weight = rng.uniform(0.5, 2.0, 12 * K)
    intercepts = ShrunkIntercepts(kappa, K)
    hessian = Hessian(design, weight, intercepts, True)
    size = 2 * 2 * K
    # All unknowns: W, the b_tk and b0_k; the last two are eliminated.
    columns = []
    for j in range(2):
        for t in range(2 * K):
            W = np.zeros((2, 2 * K))
            W[j, t] = 1.0
            columns.append(design.predict(W))
    own = np.repeat(np.eye(2 * K), np.diff(design.offsets), axis=0)
    A = np.column_stack([*columns, own, np.zeros((len(own), K))])
    H = A.T @ (weight[:, None] * A)
    D = np.hstack([np.zeros((2 * K, size)), np.eye(2 * K), -np.tile(np.eye(K), (2, 1))])
    H += kappa * D.T @ D
    whole = H[:size, :size] - H[:size, size:] @ np.linalg.solve(H[size:, size:], H[size:, :size])
    G = rng.normal(size=(2, 2 * K))
    tie = hessian.tie
    gram = hessian.gram()
    product = np.einsum("tij,jt->it", gram, G) - tie.taken(G)
    assert_allclose(product.ravel(), whole @ G.ravel(), rtol=1e-10)

    def each(R):
        return np.stack([np.linalg.solve(h, r) for h, r in zip(gram, R.T, strict=True)], axis=1)

    assert_allclose(hessian.tied(each)(G).ravel(), np.linalg.solve(whole, G.ravel()), rtol=1e-9)


@every_kappa
@pytest.mark.parametrize("model", AROUND, ids=lambda model: type(model).__name__)
def test_gaps_hold_anywhere(model, kappa):
    X, y, tasks = data()
    model = clone(model).set_params(intercept_shrinkage=kappa, tol=1e-9, max_iter=30_000)
    best = model.fit(X, y, tasks=tasks).objective_[-1]
    assert model.relative_gap_ <= 1e-9
    objective = prepared(model, X, y, tasks=tasks)
    assert_gaps_hold(objective, model.coef_.reshape(9, -1).T, best, (1e-3, 0.1, 3.0))
    parts = model.coef_common_ + model.coef_specific_
    assert model.coef_common_.shape == (3, 5)
    assert_allclose(parts, model.coef_, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kappa", [0.01, np.inf])
@pytest.mark.parametrize("common", [False, True])
def test_tasks_of_one_class(kappa, common):
    X, y, tasks = lacking()
    model = JointFeatureClassifier(lambda1=0.02, common=common, tol=1e-8)
    with pytest.raises(ValueError, match=r"'c' has only one class.*intercept_shrinkage > 0"):
        model.fit(X, y, tasks=tasks)
    model.set_params(intercept_shrinkage=kappa, unseen="mean").fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= 1e-8
    assert np.isfinite(model.intercept_).all()
    p = model.predict_proba(X, tasks=tasks)
    assert (p > 0.0).all()
    assert p[tasks == "c", 1].mean() > p[tasks != "c", 1].mean()
    # The mean model: b0 and m of each class.
    assert model.intercept_mean_.shape == (3,)
    new = model.decision_function(X, tasks=np.full(len(X), "new"))
    assert_allclose(new, X @ model.coef_.mean(axis=0).T + model.intercept_mean_, atol=1e-10)


@pytest.mark.parametrize("kappa", [0.3, np.inf])
@pytest.mark.parametrize("common", [False, True])
def test_shifted_columns_change_no_prediction(kappa, common):
    X, y, tasks = data()
    model = TraceNormClassifier(
        lambda1=0.05, lambda2=0.02, common=common, intercept_shrinkage=kappa, tol=1e-13
    )
    here = model.fit(X, y, tasks=tasks).decision_function(X, tasks=tasks)
    moved = X + np.array([0.0, 5.0, -3.0, 100.0, 1.0])
    there = model.fit(moved, y, tasks=tasks).decision_function(moved, tasks=tasks)
    assert_allclose(there, here, atol=1e-6)


@pytest.mark.parametrize("model", [AROUND[2], AROUND[3]], ids=["JointFeature", "TraceNorm"])
def test_common_and_strong_is_the_pooled_model(model):
    X, y, tasks = data()
    model = clone(model).set_params(
        lambda1=1e3, intercept_shrinkage=np.inf, task_weight="size", tol=1e-12
    )
    model.fit(X, y, tasks=tasks)
    assert not np.ptp(model.coef_, axis=0).any()
    theirs = LogisticRegression(C=3.0 / (len(y) * 3 * 0.02), tol=1e-12, max_iter=10_000)
    theirs.fit(X, y)
    assert_allclose(model.coef_[0], theirs.coef_, atol=1e-5)
    assert_allclose(model.predict_proba(X, tasks=tasks), theirs.predict_proba(X), rtol=0, atol=1e-5)


def test_free_and_strong_intercepts_are_the_limits():
    X, y, tasks = data()
    for limit, near in ((0.0, 1e-7), (np.inf, 1e7)):
        model = MeanRegularizedClassifier(lambda1=0.3, lambda2=0.02, tol=1e-12)
        ends = [
            clone(model).set_params(intercept_shrinkage=kappa).fit(X, y, tasks=tasks)
            for kappa in (limit, near)
        ]
        assert_allclose(ends[0].coef_, ends[1].coef_, atol=2e-6)
        p = [m.predict_proba(X, tasks=tasks) for m in ends]
        assert_allclose(p[0], p[1], rtol=0, atol=2e-6)


def test_kappa_is_the_strength_of_a_column_of_ones():
    """Of a coupling around the mean, whose ridge that column alone is free of."""
    X, y, tasks = data()
    X = X - np.concatenate([X[tasks == t].mean(axis=0)[None] for t in "abc"]).mean(axis=0)
    kappa = 0.4
    ones = np.column_stack([X, np.sqrt(0.3 / kappa) * np.ones(len(X))])
    plain = {"lambda1": 0.3, "tol": 1e-13, "max_iter": 50_000}
    shrunk = MeanRegularizedClassifier(**plain, intercept_shrinkage=kappa).fit(X, y, tasks=tasks)
    column = MeanRegularizedClassifier(**plain, fit_intercept=False).fit(ones, y, tasks=tasks)
    assert_allclose(shrunk.objective_[-1], column.objective_[-1], rtol=1e-10)
    p = [m.predict_proba(x, tasks=tasks) for m, x in ((shrunk, X), (column, ones))]
    assert_allclose(p[0], p[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", AROUND[1:4:2], ids=lambda model: type(model).__name__)
def test_paths_start_at_the_common_model(model):
    X, y, tasks = data()
    model = clone(model).set_params(intercept_shrinkage=0.3, tol=1e-9)
    largest = lambda1_max(model, X, y, tasks=tasks)
    at = clone(model).set_params(lambda1=1.0001 * largest).fit(X, y, tasks=tasks)
    assert np.abs(at.coef_specific_).max() < 1e-9
    below = clone(model).set_params(lambda1=0.95 * largest).fit(X, y, tasks=tasks)
    assert np.abs(below.coef_specific_).max() > 1e-5
    path = regularization_path(model, X, y, tasks=tasks, lambda1=[0.5 * largest, 0.1 * largest])
    for k, lambda1 in enumerate(path.lambda1):
        one = clone(model).set_params(lambda1=lambda1).fit(X, y, tasks=tasks)
        assert_allclose(path.coef[k], one.coef_, atol=1e-4)
        assert path.relative_gap[k] <= 1e-9


def test_search():
    X, y, tasks = data()
    model = JointFeatureClassifier(common=True, lambda2=0.02)
    search = MultiTaskSearchCV(model, n_lambdas=4, intercept_shrinkage="auto", cv=3)
    search.fit(X, y, tasks=tasks)
    tried = np.unique(search.cv_results_["param_intercept_shrinkage"].astype(float))
    assert_allclose(tried, [0.0, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf])
    # Free intercepts are none of the values where a task has one class only.
    X, y, tasks = lacking()
    search.fit(X, y, tasks=tasks)
    tried = search.cv_results_["param_intercept_shrinkage"].astype(float)
    assert tried.min() == pytest.approx(0.03)


@pytest.mark.parametrize("model", [AROUND[0], AROUND[2]], ids=lambda model: type(model).__name__)
def test_warm_starts_and_pickles(model):
    X, y, tasks = data()
    model = clone(model).set_params(intercept_shrinkage=0.2, warm_start=True, tol=1e-7)
    model.fit(X, y, tasks=tasks)
    first = model.coef_
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X, tasks=tasks), model.predict(X, tasks=tasks))
    model.fit(X, y, tasks=tasks)
    assert model.n_iter_ <= 20
    assert_allclose(model.coef_, first, atol=1e-2)


def test_weights_are_repeated_rows():
    X, y, tasks = data()
    rng = np.random.default_rng(4)
    times = rng.integers(0, 3, len(y))
    model = JointFeatureClassifier(
        lambda1=0.03, common=True, intercept_shrinkage=0.2, task_weight="size", tol=1e-11
    )
    weighted = clone(model).fit(X, y, tasks=tasks, sample_weight=times)
    again = np.repeat(np.arange(len(y)), times)
    repeated = clone(model).fit(X[again], y[again], tasks=tasks[again])
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)
    assert_allclose(weighted.objective_[-1], repeated.objective_[-1], rtol=1e-10)


def test_separated_by_the_common_model():
    X, _, tasks = data()
    y = CLASSES[X[:, :3].argmax(axis=1)]
    model = TraceNormClassifier(lambda1=0.05, common=True, intercept_shrinkage=0.3)
    with pytest.warns(ConvergenceWarning, match="features without a penalty separate the classes"):
        model.fit(X, y, tasks=tasks)
    model.set_params(lambda2=1e-3).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= model.tol


def test_by_batches():
    X, y, tasks = data()
    pieces = [(X[k::3], y[k::3], tasks[k::3]) for k in range(3)]
    model = TraceNormClassifier(lambda1=0.05, lambda2=0.02, common=True, tol=1e-11)
    rows, batches = clone(model).fit(X, y, tasks=tasks), clone(model).fit_batches(pieces)
    assert batches.relative_gap_ <= 1e-11
    assert_allclose(batches.coef_common_, rows.coef_common_, atol=1e-5)
    with pytest.raises(ValueError, match="two classes at most in fits by batches, here are 3"):
        clone(model).set_params(intercept_shrinkage=0.5).fit_batches(pieces)


def test_order_of_classes_together():
    """All samples as one task's: class by class, in the order of the rows."""
    loss, offsets = Multinomial(2), np.array([0, 2, 4, 7, 10])
    order, whole = loss.together(offsets)
    assert_array_equal(order, [0, 1, 4, 5, 6, 2, 3, 7, 8, 9])
    assert_array_equal(whole, [0, 5, 10])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_very_strong_shrinkage_takes_no_more_steps(monkeypatch, n_classes):
    """What tasks have of their own is then below the rounding of the common intercept."""
    X, y, tasks = data()
    y = np.where((y == "top") & (n_classes == 2), "low", y)
    values, calls = [], []
    for kappa in (1e3, 1e6, 1e9, 1e12, 1e16, 1e300, np.inf):
        model = GraphClassifier(lambda1=0.5, intercept_shrinkage=kappa)
        objective = prepared(model, X, y, tasks=tasks)
        z = np.random.default_rng(0).normal(size=objective.y.shape)
        kind, n = type(objective.loss), [0]
        plain = kind.evaluate

        def counted(*args, plain=plain, n=n):
            n[0] += 1
            return plain(*args)

        with monkeypatch.context() as patched:
            patched.setattr(kind, "evaluate", counted)
            value, theta, _ = objective.loss_at(z)
        values.append(value)
        calls.append(n[0])
        # A theta that floats tell from a dual feasible one by their rounding alone.
        objective.intercepts.feasible(
            objective.loss, objective.y, theta, objective.c, objective.design.offsets
        )
        assert_allclose(objective._dual_at(theta)(1.0) - float(theta @ z), value, rtol=1e-12)
    assert max(calls) <= 12, calls
    assert_allclose(values[2:], values[-1], rtol=1e-8)


def test_resamples_keep_every_class_of_a_task():
    X, y, tasks = lacking()
    model = JointFeatureClassifier(lambda1=0.05, lambda2=0.02, intercept_shrinkage=0.3)
    found = bootstrap(model, X, y, tasks=tasks, n_resamples=2, random_state=0)
    assert np.isfinite(found.coefs).all() and found.coefs.any(axis=(0, 2)).all()
