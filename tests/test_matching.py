"""Distribution matching: the weighted fits are fits, alike tasks are pooled, far ones are alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from malsar_py import DistributionMatchingClassifier, DistributionMatchingRegressor
from malsar_py.models import matching


def simulated(W, n=60, noise=1.0, seed=0, classify=False):
    """Tasks with coefficients W (T, d) on features of one distribution."""
    rng = np.random.default_rng(seed)
    T, d = np.shape(W)
    X = rng.standard_normal((T * n, d))
    tasks = np.repeat(np.arange(T), n)
    z = np.einsum("ij,ij->i", X, np.asarray(W)[tasks])
    if classify:
        return X, np.where(rng.random(T * n) < 1 / (1 + np.exp(-z)), "yes", "no"), tasks
    return X, z + noise * rng.standard_normal(T * n), tasks


def ratios_of(model, X, y, tasks):
    """The weights of the fits, by the model's own features and folds but a fit by hand."""
    Z = matching._features(X, y, np.ones(len(y)), model._classifier)
    fold = matching._folds(Z, tasks, model.n_folds)
    ratios = np.empty((len(set(tasks)), len(y)))
    for k in range(model.n_folds):
        train, held = fold != k, fold == k
        classifier = LogisticRegression(
            C=1 / (model.lambda1 * train.sum()), tol=1e-10, max_iter=5000
        )
        classifier.fit(Z[train], tasks[train])
        shares = np.bincount(tasks[train]) / train.sum()
        ratios[:, held] = classifier.predict_proba(Z[held]).T / shares[:, None]
    return ratios


def test_every_task_is_a_weighted_fit_of_all_rows():
    X, y, tasks = simulated([[1.0, 0.0], [1.0, 0.5], [-1.0, 0.0]], n=40)
    model = DistributionMatchingRegressor(lambda1=0.01, lambda2=0.1, tol=1e-12)
    model.fit(X, y, tasks=tasks)
    ratios = ratios_of(model, X, y, tasks)
    assert np.ptp(ratios) > 1.0
    for t in range(3):
        v = ratios[t]
        ridge = SklearnRidge(alpha=0.1 * v.sum()).fit(X, y, sample_weight=v)
        assert_allclose(model.coef_[t], ridge.coef_, atol=1e-5)
        assert_allclose(model.intercept_[t], ridge.intercept_, atol=1e-5)
        assert_allclose(model.effective_sample_size_[t], v.sum() ** 2 / (v @ v), rtol=1e-4)
    assert model.relative_gap_ <= model.tol
    assert_array_equal(model.tasks_, [0, 1, 2])
    assert model.predict(X, tasks=tasks).shape == y.shape


def test_classes_too():
    X, y, tasks = simulated([[2.0, 0.0], [2.0, 1.0]], n=50, classify=True)
    model = DistributionMatchingClassifier(lambda1=0.01, lambda2=0.05, tol=1e-12)
    model.fit(X, y, tasks=tasks)
    signs = np.where(y == "yes", 1.0, -1.0)
    ratios = ratios_of(model, X, signs, tasks)
    for t in range(2):
        v = ratios[t]
        one = LogisticRegression(C=1 / (0.05 * v.sum()), tol=1e-10, max_iter=5000)
        one.fit(X, y, sample_weight=v)
        assert_allclose(model.coef_[t], one.coef_[0], atol=1e-4)
    assert model.classes_.tolist() == ["no", "yes"]
    # A task with rows of one class is told by them, and has those of the others besides.
    y[tasks == 1] = "yes"
    model.fit(X, y, tasks=tasks)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert model.intercept_[1] > model.intercept_[0]


def test_limits():
    W = [[1.0, 2.0], [-1.0, -2.0]]
    X, y, tasks = simulated(W, n=80, noise=0.3)
    # A classifier that says nothing: one model for all.
    pooled = LinearRegression().fit(X, y)
    for lambda1 in (np.inf, 1e8):
        model = DistributionMatchingRegressor(lambda1=lambda1, tol=1e-12).fit(X, y, tasks=tasks)
        assert_allclose(model.coef_, [pooled.coef_] * 2, atol=1e-5)
        assert_allclose(model.effective_sample_size_, 160.0, rtol=1e-6)
    # Alike tasks: nothing tells them, so they are pooled nearly.
    X2, y2, tasks2 = simulated([W[0]] * 2, n=200)
    model = DistributionMatchingRegressor(lambda1=0.1, tol=1e-12).fit(X2, y2, tasks=tasks2)
    pooled = LinearRegression().fit(X2, y2)
    assert_allclose(model.coef_, [pooled.coef_] * 2, atol=0.05)
    assert (model.effective_sample_size_ > 0.97 * 400).all()
    # Far tasks: each has its own rows.
    X3 = X + 10.0 * tasks[:, None]
    model = DistributionMatchingRegressor(lambda1=1e-9, tol=1e-12).fit(X3, y, tasks=tasks)
    for t in (0, 1):
        own = tasks == t
        single = LinearRegression().fit(X3[own], y[own])
        assert_allclose(model.coef_[t], single.coef_, atol=1e-3)
    assert_allclose(model.effective_sample_size_, 80.0, rtol=1e-3)
    # One task: a ridge.
    for labels in ({}, {"tasks": np.zeros(len(y))}):
        model = DistributionMatchingRegressor(lambda2=0.1, tol=1e-12).fit(X, y, **labels)
        ridge = SklearnRidge(alpha=0.1 * len(y)).fit(X, y)
        assert_allclose(np.ravel(model.coef_), ridge.coef_, atol=1e-6)
        assert_array_equal(model.effective_sample_size_, [160.0])


def test_recovery():
    """Ten rows a task, two groups: better than one model for all and than any ridge by task."""
    W = np.array([[3.0, 1.5, -1.5, 0.0]] * 4 + [[-3.0, 1.5, 1.5, 0.0]] * 4)
    grid, T = (0.01, 0.03, 0.1, 0.3), len(W)

    def draw(n, seed):
        X, y, tasks = simulated(W, n=n, seed=seed, classify=True)
        return X + np.where(tasks < 4, -1.0, 1.0)[:, None] * [0, 0, 0, 1], y, tasks

    def fit(X, y, strength):
        return LogisticRegression(C=1 / (strength * len(y)), max_iter=1000).fit(X, y)

    errors = {}
    for seed in range(4):
        X, y, tasks = draw(10, seed)
        new, truth, label = draw(200, seed + 50)
        sign = np.where(truth == "yes", 1.0, -1.0)
        matched = DistributionMatchingClassifier(lambda1=0.03, lambda2=0.03)
        said = {"matched": matched.fit(X, y, tasks=tasks).decision_function(new, tasks=label)}
        for strength in grid:
            pooled = fit(X, y, strength)
            said["pooled", strength] = pooled.decision_function(new)
            alone = said["single", strength] = said["pooled", strength].copy()
            for t in range(T):
                own = tasks == t
                if len(set(y[own])) > 1:
                    one = fit(X[own], y[own], strength)
                    alone[label == t] = one.decision_function(new[label == t])
        for name, z in said.items():
            errors.setdefault(name, []).append(np.logaddexp(0.0, -sign * z).mean())
    mean = {name: np.mean(each) for name, each in errors.items()}
    matched = mean.pop("matched")
    assert matched < 0.95 * min(mean.values())


def test_order_and_repetition_of_rows_do_not_matter():
    X, y, tasks = simulated([[1.0, 0.0], [0.5, 0.5], [-1.0, 0.0]], n=20)
    names = np.array(["x", "y", "z"])[tasks]
    model = DistributionMatchingRegressor(lambda1=0.05, lambda2=0.1, tol=1e-12)
    coef = model.fit(X, y, tasks=names).coef_
    order = np.random.default_rng(0).permutation(len(y))
    assert_allclose(model.fit(X[order], y[order], tasks=names[order]).coef_, coef, atol=1e-7)
    weight = np.random.default_rng(0).integers(1, 4, len(y))
    weighted = model.fit(X, y, tasks=names, sample_weight=weight).coef_
    again = np.repeat(np.arange(len(y)), weight)
    assert_allclose(model.fit(X[again], y[again], tasks=names[again]).coef_, weighted, atol=1e-7)
    # Units of X and y are those of the coefficients.
    scaled = DistributionMatchingRegressor(lambda1=0.05, lambda2=0.1e-4, tol=1e-12)
    scaled.fit(0.01 * X + 5.0, 100.0 * y - 3.0, tasks=names)
    assert_allclose(1e-4 * scaled.coef_, coef, atol=1e-6)
    # Tasks of one row are told by it.
    few = np.append(np.flatnonzero(names != "z"), len(y) - 1)
    model.fit(X[few], y[few], tasks=names[few])
    assert np.isfinite(model.coef_).all()


def test_what_is_refused():
    X, y, tasks = simulated([[1.0, 0.0], [0.5, 0.5]], n=10)
    with pytest.raises(ValueError, match=r"one task per column.*no row to borrow"):
        DistributionMatchingRegressor().fit(X[:10], y.reshape(2, 10).T)
    for wrong in (0.0, -1.0, "x"):
        with pytest.raises(ValueError, match="'lambda1' parameter"):
            DistributionMatchingRegressor(lambda1=wrong).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="'n_folds' parameter"):
        DistributionMatchingRegressor(n_folds=1).fit(X, y, tasks=tasks)
    with pytest.raises(TypeError, match="task_weight"):
        DistributionMatchingRegressor(task_weight="size")
    # Scales that floats just hold do no harm to the weights.
    for scale in (1e-150, 1e150):
        model = DistributionMatchingRegressor(lambda2=0.0).fit(scale * X, y, tasks=tasks)
        plain = DistributionMatchingRegressor(lambda2=0.0).fit(X, y, tasks=tasks)
        assert_allclose(scale * model.coef_, plain.coef_, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_ordinary_data():
    assert issubclass(ConvergenceWarning, Warning)
    X, y, tasks = simulated(np.random.default_rng(0).standard_normal((30, 20)), n=15)
    model = DistributionMatchingRegressor(lambda1=0.01, lambda2=0.1).fit(X, y, tasks=tasks)
    assert (model.effective_sample_size_ > 1.0).all()
