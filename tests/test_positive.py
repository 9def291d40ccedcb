"""positive=True: nonnegative least squares, CVXPY twins, certificates, doors, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls
from sklearn.base import clone, is_classifier
from sklearn.linear_model import ElasticNet, LinearRegression

from malsar_py import (
    GraphClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
)
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path
from malsar_py.model_selection._solve import prepare

from .problems import ids, ragged, shared

MODELS = [
    LassoRegressor(lambda1=0.1),
    JointFeatureRegressor(lambda1=0.2),
    MeanRegularizedRegressor(lambda1=0.5),
    GraphRegressor(graph="chain", lambda1=0.5),
    GraphRegressor(graph="chain", lambda1=0.5, lambda3=0.1),
    LassoClassifier(lambda1=0.02),
    JointFeatureClassifier(lambda1=0.03),
    MeanRegularizedClassifier(lambda1=0.2),
    GraphClassifier(graph="chain", lambda1=0.2),
    GraphClassifier(lambda1=0.2, lambda3=0.01),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))


def fit(model, X, y, tasks, **parameters):
    own = {"tol": 1e-10, "max_iter": 50_000, "positive": True} | parameters
    return clone(model).set_params(**own).fit(X, y, tasks=tasks)


def data(model, seed=0):
    return ragged(classify=is_classifier(model), seed=seed)


def twin(model, X, y, tasks, lambda1, lambda2):
    cp = pytest.importorskip("cvxpy")
    labels = np.unique(tasks)
    W, b = cp.Variable((X.shape[1], len(labels)), nonneg=True), cp.Variable(len(labels))
    value = lambda2 / 2 * cp.sum_squares(W)
    name = type(model).__name__
    if name.startswith("Lasso"):
        value += lambda1 * cp.sum(W)
    elif name.startswith("Joint"):
        value += lambda1 * cp.sum(cp.norm(W, 2, axis=1))
    elif getattr(model, "graph", None) == "chain":
        value += lambda1 / 2 * cp.sum_squares(W[:, 1:] - W[:, :-1])
    else:
        T = len(labels)
        value += lambda1 / 2 * cp.sum_squares(W @ (np.eye(T) - 1.0 / T))
    value += getattr(model, "lambda3", 0.0) * cp.sum(W)
    for t, label in enumerate(labels):
        own = tasks == label
        z = X[own] @ W[:, t] + b[t]
        if is_classifier(model):
            sign = np.where(y[own] == "yes", 1.0, -1.0)
            value += cp.sum(cp.logistic(-cp.multiply(sign, z))) / own.sum()
        else:
            value += cp.sum_squares(y[own] - z) / (2 * own.sum())
    accuracy = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    cp.Problem(cp.Minimize(value)).solve(solver=cp.CLARABEL, **accuracy)
    return value.value


@every_model
@pytest.mark.parametrize("lambda2", [0.0, 0.05])
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.thorough) for s in (2, 3, 4))]
)
def test_twin(model, lambda2, seed):
    X, y, tasks = data(model, seed)
    ours = fit(model, X, y, tasks, lambda2=lambda2)
    assert ours.relative_gap_ <= 1e-10
    assert ours.coef_.min() == 0.0
    theirs = twin(model, X, y, tasks, model.lambda1, lambda2)
    assert_allclose(ours.objective_[-1], theirs, rtol=1e-7)
    assert ours.objective_[-1] - ours.dual_gap_ <= theirs * (1.0 + 1e-7)


@pytest.mark.parametrize("model", [LassoRegressor(), JointFeatureRegressor(), GraphRegressor()])
@pytest.mark.parametrize("labelled", [False, True])
def test_without_a_penalty_it_is_nonnegative_least_squares(model, labelled):
    X, y, tasks = ragged()
    given = tasks if labelled else None
    own = {"lambda1": 0.0, "fit_intercept": False}
    ours = fit(model, X, y, given, **own)
    assert ours.relative_gap_ <= 1e-10
    for t, label in enumerate(ours.tasks_):
        rows = tasks == label if labelled else np.ones(len(y), bool)
        assert_allclose(np.atleast_2d(ours.coef_)[t], nnls(X[rows], y[rows])[0], rtol=0, atol=1e-5)
    with_intercepts = fit(model, X, y, given, lambda1=0.0)
    for t, label in enumerate(ours.tasks_):
        rows = tasks == label if labelled else np.ones(len(y), bool)
        theirs = LinearRegression(positive=True).fit(X[rows], y[rows])
        found = np.atleast_2d(with_intercepts.coef_)[t]
        assert_allclose(found, theirs.coef_, rtol=0, atol=1e-5)


def test_one_task_is_scikit_learns():
    X, y, _ = ragged()
    ours = fit(LassoRegressor(lambda1=0.2, lambda2=0.1), X, y, None)
    theirs = ElasticNet(alpha=0.3, l1_ratio=2 / 3, positive=True, tol=1e-12, max_iter=10**6)
    assert_allclose(ours.coef_, theirs.fit(X, y).coef_, rtol=0, atol=1e-5)


@every_model
def test_coefficients_that_are_positive_anyway_are_left_alone(model):
    X, y, tasks = data(model)
    signs = np.sign(fit(model, X, y, tasks, positive=False, lambda2=0.01).coef_.mean(axis=0))
    plain = fit(model, X * signs, y, tasks, positive=False, lambda2=0.01)
    if plain.coef_.min() >= 0.0:
        assert_allclose(fit(model, X * signs, y, tasks, lambda2=0.01).coef_, plain.coef_, atol=1e-4)
    else:
        free, bound = plain.objective_[-1], fit(model, X * signs, y, tasks, lambda2=0.01)
        assert bound.objective_[-1] > free


@pytest.mark.parametrize("model", [MODELS[0], MODELS[1], MODELS[5], MODELS[6]])
@pytest.mark.parametrize("f", [None, [0.0, 1.0, np.inf, 0.5, 2.0]])
def test_the_largest_lambda1(model, f):
    X, y, tasks = data(model)
    model = clone(model).set_params(positive=True, feature_weight=f)
    top = lambda1_max(model, X, y, tasks=tasks)
    at, below = (fit(model, X, y, tasks, lambda1=share * top) for share in (1 + 1e-6, 0.98))
    penalised = slice(None) if f is None else np.array(f) > 0.0
    assert not at.coef_[:, penalised].any()
    assert below.coef_[:, penalised].any()


@pytest.mark.parametrize("model", [MODELS[0], MODELS[2], MODELS[6]])
def test_paths_searches_and_warm_starts(model):
    X, y, tasks = data(model)
    model = clone(model).set_params(positive=True, lambda2=0.01, tol=1e-9)
    path = regularization_path(model, X, y, tasks=tasks, lambda1=[0.3, 0.03])
    for lambda1, coef in zip(path.lambda1, path.coef, strict=True):
        assert_allclose(coef, fit(model, X, y, tasks, lambda1=lambda1).coef_, rtol=0, atol=1e-3)
    search = MultiTaskSearchCV(
        model, param_grid={"positive": [False, True]}, lambda1=[0.3, 0.03], cv=3
    ).fit(X, y, tasks=tasks)
    assert np.unique(search.cv_results_["mean_test_score"]).size > 2
    again = clone(model).set_params(warm_start=True, positive=False).fit(X, y, tasks=tasks)
    again.set_params(positive=True).fit(X, y, tasks=tasks)
    assert again.relative_gap_ <= 1e-9
    assert np.isfinite(again.objective_).all()


def test_every_door():
    X, Y = shared(d=4)
    Y[::5, 1] = np.nan
    seen = ~np.isnan(Y.T.ravel())
    tasks = np.repeat(np.arange(4), len(X))[seen]
    for model in MODELS[:3]:
        wide = clone(model).set_params(positive=True, tol=1e-10).fit(X, Y)
        long = fit(model, np.tile(X, (4, 1))[seen], Y.T.ravel()[seen], tasks)
        assert_allclose(long.coef_, wide.coef_, rtol=0, atol=1e-5)


def test_what_is_refused():
    X, y, tasks = ragged()
    apart = np.zeros((4, 4))
    apart[0, 1] = apart[1, 0] = apart[2, 3] = apart[3, 2] = 1.0
    for model, message in (
        (GraphRegressor(graph=apart), "positive=True needs lambda2 > 0 where graph is not one"),
        (MeanRegularizedRegressor(feature_weight=np.ones(5)), "does not go with positive=True"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(model, X, y, tasks)
    fit(GraphRegressor(graph=apart, lambda2=0.1), X, y, tasks)


@every_model
@pytest.mark.parametrize("lambda2", [0.0, 0.05])
def test_the_bound_holds_at_any_point(model, lambda2):
    X, y, tasks = data(model)
    best = fit(model, X, y, tasks, lambda2=lambda2)
    optimum, unit = best.objective_[-1], best.objective_[0]
    own = clone(model).set_params(lambda2=lambda2, positive=True)
    objective = prepare(own, X, y, tasks, None)[1].objective
    rng = np.random.default_rng(0)
    for size in (0.0, 1e-6, 1e-2, 1.0, 10.0):
        for _ in range(5):
            W = np.maximum(best.coef_.T + size * rng.standard_normal(best.coef_.T.shape), 0.0)
            W[rng.uniform(size=W.shape) < 0.2] = 0.0
            found = objective.full_pass(W)[0]
            assert found.gap >= 0.0
            assert found.objective - found.gap <= optimum + 1e-9 * unit
    assert objective.full_pass(best.coef_.T)[0].gap <= 1e-9 * unit
    outside = objective.full_pass(best.coef_.T - 1e-3)[0]
    assert outside.objective == np.inf
