"""Strengths by feature: scaled columns where they must agree, CVXPY twins, doors, searches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier

from malsar_py import (
    ClusteredRegressor,
    GraphClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    SharedSubspaceRegressor,
    Summary,
    TaskRelationshipRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path
from malsar_py.model_selection._solve import prepare

from .problems import ids, ragged, shared

ROWS = [
    LassoRegressor(lambda1=0.1),
    JointFeatureRegressor(lambda1=0.2),
    LassoClassifier(lambda1=0.02),
    JointFeatureClassifier(lambda1=0.03),
]
COUPLED = [
    MeanRegularizedRegressor(lambda1=0.5),
    GraphRegressor(graph="chain", lambda1=0.5),
    GraphRegressor(lambda1=0.5),
    MeanRegularizedClassifier(lambda1=0.2),
    GraphClassifier(graph="chain", lambda1=0.2),
]
SPECTRAL = [
    TraceNormRegressor(lambda1=0.2),
    ClusteredRegressor(lambda1=0.5, random_state=0),
    SharedSubspaceRegressor(lambda1=0.5),
    TaskRelationshipRegressor(lambda1=0.1),
    TraceNormClassifier(lambda1=0.02),
]
EVERY = ROWS + COUPLED + SPECTRAL
WEIGHTS = np.array([0.25, 1.0, 4.0, 0.5, 2.0])
FREE = np.array([0.0, 1.0, np.inf, 0.5, 2.0])


def models(those):
    return pytest.mark.parametrize("model", those, ids=ids(those))


def data(model):
    return ragged(classify=is_classifier(model))


def fit(model, X, y, tasks, **parameters):
    tight = {"tol": 1e-10, "max_iter": 50_000} | parameters
    return clone(model).set_params(**tight).fit(X, y, tasks=tasks)


@models(EVERY)
def test_ones_are_no_weights(model):
    X, y, tasks = data(model)
    plain = fit(model, X, y, tasks, lambda2=0.05)
    ones = fit(model, X, y, tasks, lambda2=0.05, feature_weight=np.ones(5))
    assert_allclose(ones.objective_[-1], plain.objective_[-1], rtol=1e-8)
    assert_allclose(ones.coef_, plain.coef_, rtol=0, atol=1e-4)


@models(EVERY)
def test_they_are_scaled_columns(model):
    """Couplings, which are squares, by the roots, where no ridge is in the way."""
    X, y, tasks = data(model)
    scale = np.sqrt(WEIGHTS) if model in COUPLED else WEIGHTS
    own = {"lambda2": 0.05} if model in SPECTRAL else {}
    weighted = fit(model, X, y, tasks, feature_weight=WEIGHTS, **own)
    plain = fit(model, X / scale, y, tasks, **own)
    assert weighted.relative_gap_ <= 1e-10
    assert_allclose(weighted.objective_[-1], plain.objective_[-1], rtol=1e-8)
    assert_allclose(weighted.coef_, plain.coef_ / scale, rtol=0, atol=1e-3)
    assert_allclose(weighted.intercept_, plain.intercept_, rtol=0, atol=1e-3)


@models(SPECTRAL)
def test_what_is_read_off_is_that_of_the_scaled_columns(model):
    X, y, tasks = data(model)
    weighted = fit(model, X, y, tasks, feature_weight=WEIGHTS, lambda2=0.05)
    plain = fit(model, X / WEIGHTS, y, tasks, lambda2=0.05)
    for name in ("rank_", "task_membership_", "components_", "task_covariance_"):
        if hasattr(plain, name):
            assert_allclose(getattr(weighted, name), getattr(plain, name), rtol=0, atol=1e-3)
    again = clone(weighted).set_params(warm_start=True, unseen="mean").fit(X, y, tasks=tasks)
    n_iter = again.n_iter_
    assert again.fit(X, y, tasks=tasks).n_iter_ <= n_iter
    mean = clone(plain).set_params(unseen="mean").fit(X / WEIGHTS, y, tasks=tasks)
    new = np.full(len(X), "new")
    method = "decision_function" if is_classifier(model) else "predict"
    assert_allclose(
        getattr(again, method)(X, tasks=new),
        getattr(mean, method)(X / WEIGHTS, tasks=new),
        rtol=0,
        atol=1e-3,
    )


def twin(model, X, y, tasks, f, lambda2):
    cp = pytest.importorskip("cvxpy")
    labels = np.unique(tasks)
    d, T = X.shape[1], len(labels)
    W, b = cp.Variable((d, T)), cp.Variable(T)
    value, constraints = lambda2 / 2 * cp.sum_squares(W), []
    name = type(model).__name__
    for j in range(d):
        if name.startswith(("Mean", "Graph")):
            steps = W[j, 1:] - W[j, :-1]
            away = W[j] - cp.sum(W[j]) / T
            term = steps if getattr(model, "graph", None) == "chain" else away
            if np.isinf(f[j]):
                constraints.append(term == 0)
            else:
                value += model.lambda1 * f[j] / 2 * cp.sum_squares(term)
        elif np.isinf(f[j]):
            constraints.append(W[j] == 0)
        else:
            value += model.lambda1 * f[j] * cp.norm(W[j], 1 if name.startswith("Lasso") else 2)
    for t, label in enumerate(labels):
        own = tasks == label
        z = X[own] @ W[:, t] + b[t]
        if is_classifier(model):
            sign = np.where(y[own] == "yes", 1.0, -1.0)
            value += cp.sum(cp.logistic(-cp.multiply(sign, z))) / own.sum()
        else:
            value += cp.sum_squares(y[own] - z) / (2 * own.sum())
    accuracy = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    cp.Problem(cp.Minimize(value), constraints).solve(solver=cp.CLARABEL, **accuracy)
    return value.value


@models(ROWS + COUPLED)
@pytest.mark.parametrize("lambda2", [0.0, 0.05])
@pytest.mark.parametrize("f", [WEIGHTS, FREE], ids=["positive", "free"])
def test_twin(model, lambda2, f):
    if lambda2 == 0.0 and model in COUPLED:
        f = np.where(f == 0.0, 0.1, f)  # no other penalty is left there
    X, y, tasks = data(model)
    ours = fit(model, X, y, tasks, feature_weight=f, lambda2=lambda2)
    assert ours.relative_gap_ <= 1e-10
    theirs = twin(model, X, y, tasks, f, lambda2)
    assert_allclose(ours.objective_[-1], theirs, rtol=1e-7)
    assert ours.objective_[-1] - ours.dual_gap_ <= theirs * (1.0 + 1e-7)
    inf = ours.coef_[:, np.isinf(f)]
    assert (inf == (inf[:1] if model in COUPLED else 0.0)).all() or np.ptp(inf) < 1e-12


@models(ROWS)
@pytest.mark.parametrize("lambda2", [0.0, 0.05])
@pytest.mark.parametrize("f", [WEIGHTS, FREE], ids=["positive", "free"])
def test_the_largest_lambda1(model, lambda2, f):
    X, y, tasks = data(model)
    model = clone(model).set_params(feature_weight=f, lambda2=lambda2)
    top = lambda1_max(model, X, y, tasks=tasks)
    at, below = (fit(model, X, y, tasks, lambda1=share * top) for share in (1.0 + 1e-6, 0.99))
    penalised = f > 0.0
    assert not at.coef_[:, penalised].any()
    assert below.coef_[:, penalised].any()
    assert at.coef_[:, ~penalised].all()


@pytest.mark.parametrize("lambda2", [0.0, 0.05])
def test_beside_a_common_model(lambda2):
    """The factor is that of what the tasks add; with inf they add nothing."""
    cp = pytest.importorskip("cvxpy")
    X, y, tasks = ragged()
    f = np.array([0.5, 1.0, np.inf, 2.0, 1.0])
    model = JointFeatureRegressor(common=True, feature_weight=f, lambda1=0.2)
    ours = fit(model, X, y, tasks, lambda2=lambda2)
    assert ours.relative_gap_ <= 1e-10
    assert not ours.coef_specific_[:, 2].any()
    W, b = cp.Variable((5, 4)), cp.Variable(4)
    own = W @ (np.eye(4) - 0.25)
    value = lambda2 / 2 * cp.sum_squares(W)
    value += 0.2 * sum(f[j] * cp.norm(own[j], 2) for j in (0, 1, 3, 4))
    for t, label in enumerate(ours.tasks_):
        rows = tasks == label
        value += cp.sum_squares(y[rows] - X[rows] @ W[:, t] - b[t]) / (2 * rows.sum())
    cp.Problem(cp.Minimize(value), [own[2] == 0]).solve(solver=cp.CLARABEL)
    assert_allclose(ours.objective_[-1], value.value, rtol=1e-7)
    for refused, message in (
        (model.set_params(feature_weight=np.zeros(5)), "must be > 0 with common=True"),
        (LassoRegressor(common=True, feature_weight=np.ones(5)), "neither feature_weight nor"),
        (LassoRegressor(common=True, positive=True), "neither feature_weight nor"),
        (JointFeatureRegressor(common=True, positive=True), "does not go with positive=True"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(refused).fit(X, y, tasks=tasks)


@models([ROWS[0], COUPLED[0], SPECTRAL[0]])
def test_beside_shrunk_intercepts(model):
    X, y, tasks = data(model)
    f = WEIGHTS if model in SPECTRAL else FREE
    parameters = {"feature_weight": f, "lambda2": 0.05, "intercept_shrinkage": 0.3}
    assert fit(model, X, y, tasks, **parameters).relative_gap_ <= 1e-10


@models([*ROWS[:2], MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1), TraceNormRegressor()])
def test_every_door(model):
    f = np.array([0.5, 2.0, 1.0]) if isinstance(model, TraceNormRegressor) else [0.0, np.inf, 2.0]
    X, Y = shared(d=3)
    Y[::5, 1] = np.nan
    seen = ~np.isnan(Y.T.ravel())
    long, y = np.tile(X, (4, 1))[seen], Y.T.ravel()[seen]
    tasks = np.repeat(np.arange(4), len(X))[seen]
    model = clone(model).set_params(feature_weight=f, tol=1e-10)
    wide = clone(model).fit(X, Y)
    by_keyword = clone(model).fit(long, y, tasks=tasks)
    by_column = clone(model).set_params(task_column=1).fit(np.insert(long, 1, tasks, axis=1), y)
    for other in (by_keyword, by_column):
        assert_allclose(other.coef_, wide.coef_, rtol=0, atol=1e-4)


@models([JointFeatureRegressor(), MeanRegularizedRegressor(lambda2=0.1), TraceNormRegressor()])
def test_summaries(model):
    X, y, tasks = ragged()
    X += np.array([0.0, 1e4, 0.0, 0.0, -3.0])
    level = dict(zip("abcd", [1.0, -2.0, 0.5, 3.0], strict=True))
    X[:, 4] += [1e3 * level[t] for t in tasks]
    tried = [WEIGHTS] if isinstance(model, TraceNormRegressor) else [FREE, "varying"]
    summary = Summary().update(X, y, tasks=tasks)
    for f in tried:
        for fit_intercept in (True, False):
            own = {"feature_weight": f, "tol": 1e-10, "fit_intercept": fit_intercept}
            few = clone(model).set_params(**own).fit(summary)
            rows = clone(model).set_params(**own).fit(X, y, tasks=tasks)
            assert_allclose(few.coef_, rows.coef_, rtol=0, atol=1e-4)


@models([ROWS[1], COUPLED[0], SPECTRAL[0]])
def test_searches_prepare_anew_and_paths_follow(model):
    X, y, tasks = data(model)
    tried = [None, WEIGHTS, 1.0 / WEIGHTS]
    model = clone(model).set_params(lambda2=0.05, tol=1e-9)
    grid = [0.3, 0.1]
    search = MultiTaskSearchCV(model, param_grid={"feature_weight": tried}, lambda1=grid, cv=3)
    scores = search.fit(X, y, tasks=tasks).cv_results_["mean_test_score"].reshape(3, 2)
    for f, found in zip(tried, scores, strict=True):
        own = clone(model).set_params(feature_weight=f)
        alone = MultiTaskSearchCV(own, lambda1=grid, cv=3).fit(X, y, tasks=tasks)
        assert_array_equal(alone.cv_results_["mean_test_score"], found)
    weighted = clone(model).set_params(feature_weight=WEIGHTS)
    path = regularization_path(weighted, X, y, tasks=tasks, lambda1=grid)
    for lambda1, coef in zip(path.lambda1, path.coef, strict=True):
        assert_allclose(coef, fit(weighted, X, y, tasks, lambda1=lambda1).coef_, rtol=0, atol=1e-3)


def test_varying_is_for_features_of_the_tasks():
    X, y, tasks = ragged()
    level = dict(zip("abcd", [1.0, -2.0, 0.5, 3.0], strict=True))
    rng = np.random.default_rng(0)
    ours = np.array([level[t] for t in tasks]) + 0.05 * rng.standard_normal(len(tasks))
    X = np.column_stack([X, ours])
    selected = JointFeatureRegressor(feature_weight="varying", lambda1=0.05).fit(X, y, tasks=tasks)
    assert not selected.coef_[:, 5].any()
    assert selected.coef_[:, :5].any(axis=0).all()
    mean = MeanRegularizedRegressor(feature_weight="varying").fit(X, y, tasks=tasks)
    assert np.ptp(mean.coef_[:, 5]) < 1e-12 < abs(mean.coef_[0, 5])
    by_hand = MeanRegularizedRegressor(feature_weight=[1, 1, 1, 1, 1, np.inf])
    assert_array_equal(by_hand.fit(X, y, tasks=tasks).coef_, mean.coef_)
    # One X for all tasks has nothing but variation within them.
    X, Y = shared()
    plain, varying = (
        MeanRegularizedRegressor(feature_weight=f, lambda2=0.1, tol=1e-10).fit(X, Y)
        for f in (None, "varying")
    )
    assert_allclose(varying.coef_, plain.coef_, rtol=0, atol=1e-4)


@models([*ROWS[:2], COUPLED[0]])
def test_hostile_scales(model):
    X, y, tasks = data(model)
    own = clone(model).set_params(feature_weight=WEIGHTS)
    plain = own.fit(X, y, tasks=tasks)
    power = 2 if model in COUPLED else 1
    far = clone(own).set_params(lambda1=model.lambda1 * 2.0 ** (120 if power == 2 else 180))
    far.fit(X * 2.0**60, y * (2.0**120 if power == 1 else 1.0), tasks=tasks)
    unit = 2.0**60 if power == 1 else 2.0**-60
    assert_allclose(far.coef_, plain.coef_ * unit, rtol=0, atol=1e-2 * unit)


@pytest.mark.parametrize(
    ("model", "f", "message"),
    [
        (ROWS[0], [1.0, 2.0], r"feature_weight has shape \(2,\), but X has 5 features"),
        (ROWS[0], [1, 1, -1, 1, 1], r"must be in \[0, inf\], got -1 for feature 'x2'"),
        (ROWS[0], [1, 1, np.nan, 1, 1], r"must be in \[0, inf\], got nan"),
        (ROWS[0], list("abcde"), "feature_weight must be numbers"),
        (ROWS[0], "all", "'feature_weight' parameter of LassoRegressor"),
        (SPECTRAL[0], FREE, r"TraceNormRegressor: weights must be in \(0, inf\)"),
        (COUPLED[0], FREE, "weight 0 leaves a feature without any penalty where lambda2 is 0"),
        (GraphRegressor(lambda3=0.1), WEIGHTS, "does not go with lambda3 > 0"),
    ],
)
def test_what_is_refused(model, f, message):
    X, y, tasks = data(model)
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(feature_weight=f).fit(X, y, tasks=tasks)


@models([*ROWS, *COUPLED, *SPECTRAL[:1]])
def test_the_bound_holds_at_any_point(model):
    X, y, tasks = data(model)
    f = WEIGHTS if model in SPECTRAL else FREE
    parameters = {"lambda2": 0.05, "feature_weight": f}
    best = fit(model, X, y, tasks, **parameters)
    optimum, unit = best.objective_[-1], best.objective_[0]
    objective = prepare(clone(model).set_params(**parameters), X, y, tasks, None)[1].objective
    W = best.coef_.T * (WEIGHTS[:, None] if model in SPECTRAL else 1.0)
    rng = np.random.default_rng(0)
    for size in (1e-6, 1e-2, 1.0, 10.0):
        for _ in range(5):
            V = W + size * rng.standard_normal(W.shape)
            if model in COUPLED:
                V[np.isinf(f)] = V[np.isinf(f)].mean(axis=1, keepdims=True)
            found = objective.full_pass(V)[0]
            assert found.gap >= 0.0
            assert found.objective - found.gap <= optimum + 1e-9 * unit
    assert objective.full_pass(W)[0].gap <= 1e-9 * unit
