"""A penalty written outside, as CONTRIBUTING says: fitted, certified, searched, drawn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from malsar_py import JointFeatureRegressor, MultiTaskGLM, penalties
from malsar_py.model_selection import (
    MultiTaskSearchCV,
    lambda1_max,
    lambda_grid,
    regularization_path,
)

from .outside import written_outside
from .problems import ragged


@pytest.fixture(scope="module")
def outside(root):
    with written_outside(root, "A penalty") as module:
        yield module


@pytest.mark.parametrize("lambda2", [0.0, 0.1])
def test_its_fit_is_certified_and_optimal(outside, lambda2):
    cp = pytest.importorskip("cvxpy")
    X, y, tasks = ragged()
    model = clone(outside.model).set_params(lambda2=lambda2, tol=1e-10).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= 1e-10
    W, b = cp.Variable((X.shape[1], 4)), cp.Variable(4)
    value = 0.2 * cp.norm(cp.vec(W, order="C"), 2) + lambda2 / 2 * cp.sum_squares(W)
    value += 0.2 * 0.5 / 2 * cp.sum_squares(W[:, 1:] - W[:, :-1])
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        value += cp.sum_squares(y[own] - X[own] @ W[:, t] - b[t]) / (2 * own.sum())
    cp.Problem(cp.Minimize(value)).solve(solver=cp.CLARABEL)
    assert_allclose(model.objective_[-1], value.value, rtol=1e-7)


def test_from_its_largest_lambda1_on_everything_is_zero(outside):
    X, y, tasks = ragged()
    top = lambda1_max(outside.model, X, y, tasks=tasks)
    at = [clone(outside.model).set_params(lambda1=f * top).fit(X, y, tasks=tasks) for f in (1, 0.9)]
    assert not at[0].coef_.any()
    assert at[1].coef_.all()


def test_it_is_followed_searched_pickled_and_drawn(outside):
    pytest.importorskip("matplotlib")
    from malsar_py.plotting import PathDisplay

    X, y, tasks = ragged()
    model = clone(outside.model).set_params(tol=1e-9)
    grid = lambda_grid(model, X, y, tasks=tasks, n_lambdas=4, eps=0.01)
    path = regularization_path(model, X, y, tasks=tasks, lambda1=grid)
    for lambda1, coef in zip(grid, path.coef, strict=True):
        alone = clone(model).set_params(lambda1=lambda1).fit(X, y, tasks=tasks)
        assert_allclose(coef, alone.coef_, rtol=0, atol=1e-4)
    tried = [outside.Everything(), penalties.RowL2(), 0.5 * penalties.RowL2()]
    search = MultiTaskSearchCV(model, param_grid={"penalty": tried}, lambda1=grid, cv=3)
    search.fit(X, y, tasks=tasks)
    assert_array_equal(
        search.cv_results_["mean_test_score"][4:8],
        MultiTaskSearchCV(clone(model).set_params(penalty=penalties.RowL2()), lambda1=grid, cv=3)
        .fit(X, y, tasks=tasks)
        .cv_results_["mean_test_score"],
    )
    fitted = clone(model).fit(X, y, tasks=tasks)
    again = pickle.loads(pickle.dumps(fitted))
    assert type(again.penalty.parts[0]) is outside.Everything
    assert_array_equal(again.predict(X, tasks=tasks), fitted.predict(X, tasks=tasks))
    display = PathDisplay.from_estimator(model, X, y, tasks=tasks, lambda1=grid)
    assert display.figure_ is not None


def test_half_the_penalty_is_half_the_strength():
    X, y, tasks = ragged()
    halves = MultiTaskGLM(penalty=0.5 * penalties.RowL2(), lambda1=0.4).fit(X, y, tasks=tasks)
    whole = JointFeatureRegressor(lambda1=0.2).fit(X, y, tasks=tasks)
    assert_array_equal(halves.coef_, whole.coef_)
    assert np.isclose(
        2.0 * lambda1_max(whole, X, y, tasks=tasks), lambda1_max(halves, X, y, tasks=tasks)
    )
