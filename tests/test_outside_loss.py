"""A loss written outside, as CONTRIBUTING says: fitted, certified, searched, pickled."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone

from malsar_py import ClusteredRegressor, TraceNormRegressor, losses
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

from .outside import written_outside
from .problems import ragged


@pytest.fixture(scope="module")
def outside(root):
    with written_outside(root, "A loss") as module:
        yield module


def test_its_fit_is_certified_and_optimal(outside):
    X, y, tasks = ragged()
    model = clone(outside.model).set_params(lambda1=0.05, lambda2=0.1, tol=1e-10)
    for solver in ("auto", "apg"):
        model.set_params(solver=solver).fit(X, y, tasks=tasks)
        assert model.relative_gap_ <= 1e-10
        for t, label in enumerate(model.tasks_):
            own = tasks == label
            z = X[own] @ model.coef_[t] + model.intercept_[t]
            slope = model.loss.derivative(y[own], z) / own.sum()
            assert abs(slope.sum()) <= 1e-8
            used = model.coef_[t] != 0.0
            norms = np.linalg.norm(model.coef_[:, used], axis=0)
            pull = X[own][:, used].T @ slope + 0.1 * model.coef_[t, used]
            assert_allclose(-pull, 0.05 * model.coef_[t, used] / norms, atol=1e-5)


@pytest.mark.parametrize("cls", [TraceNormRegressor, ClusteredRegressor])
def test_other_penalties_by_both_solvers(outside, cls):
    X, y, tasks = ragged()
    found = [
        cls(loss=outside.LogCosh(0.5), lambda1=0.1, lambda2=0.1, solver=solver, tol=1e-9)
        .fit(X, y, tasks=tasks)
        .objective_[-1]
        for solver in ("auto", "apg")
    ]
    assert_allclose(found[0], found[1], rtol=1e-7)


def test_a_ridge_alone_is_what_scipy_finds(outside):
    X, y, _ = ragged()
    X, y = X[:30], y[:30]
    model = TraceNormRegressor(loss=outside.LogCosh(0.5), lambda1=0.0, lambda2=0.2, tol=1e-12)
    model.fit(X, y)

    def objective(v):
        return model.loss.value(y, X @ v[1:] + v[0]).mean() + 0.1 * v[1:] @ v[1:]

    best = minimize(objective, np.zeros(X.shape[1] + 1), tol=1e-12)
    assert_allclose(model.objective_[-1], best.fun, rtol=1e-8)
    assert_allclose(model.coef_, best.x[1:], atol=1e-5)


def test_it_is_followed_searched_and_pickled(outside):
    X, y, tasks = ragged()
    model = clone(outside.model).set_params(tol=1e-9)
    top = lambda1_max(model, X, y, tasks=tasks)
    path = regularization_path(model, X, y, tasks=tasks, lambda1=[top, 0.3 * top])
    assert not path.coef[0].any()
    alone = clone(model).set_params(lambda1=0.3 * top).fit(X, y, tasks=tasks)
    assert_allclose(path.coef[1], alone.coef_, atol=1e-4)
    tried = [outside.LogCosh(0.5), outside.LogCosh(5.0), "squared"]
    search = MultiTaskSearchCV(model, param_grid={"loss": tried}, lambda1=[0.3 * top], cv=3)
    scores = search.fit(X, y, tasks=tasks).cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    again = pickle.loads(pickle.dumps(alone))
    assert again.loss == outside.LogCosh(0.5)
    assert_array_equal(again.predict(X, tasks=tasks), alone.predict(X, tasks=tasks))


def test_units_change_nothing(outside):
    X, y, tasks = ragged()
    model = clone(outside.model).set_params(tol=1e-10).fit(X, y, tasks=tasks)
    scale = 2.0**60
    other = clone(outside.model).set_params(
        tol=1e-10, lambda1=0.1 * scale, loss=outside.LogCosh(0.5 * scale)
    )
    other.fit(X, scale * y, tasks=tasks)
    assert_allclose(other.coef_ / scale, model.coef_, rtol=1e-10, atol=1e-12)


def test_in_a_mixed_fit(outside):
    X, y, tasks = ragged()
    kinds = {label: "squared" for label in np.unique(tasks).tolist()}
    kinds[next(iter(kinds))] = outside.LogCosh(0.5)
    model = clone(outside.model).set_params(loss=kinds).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= model.tol


def test_one_that_is_not_smooth_is_refused(outside):
    class Absolute(losses.Loss):
        smooth = False

        def value(self, y, z):
            return np.abs(y - z)

        def derivative(self, y, z):
            return np.sign(z - y)

        def second_derivative(self, y, theta, c):
            return np.zeros_like(c)

        def dual(self, y, theta, c, alpha):
            return alpha * float(y @ theta) if (np.abs(alpha * theta) <= c).all() else -np.inf

    X, y, tasks = ragged()
    for solver in ("auto", "apg"):
        with pytest.raises(ValueError, match=r"is not smooth, .* no solver takes it"):
            clone(outside.model).set_params(loss=Absolute(), solver=solver).fit(X, y, tasks=tasks)
