"""Shrunk intercepts and common parts: optimality, limits that must coincide, doors, searches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import (
    GraphClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    RobustFeatureRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)

from .problems import data_for, objective_at_zero, prepared, tight

every_kappa = pytest.mark.parametrize("kappa", [0.0, 0.3, np.inf])


@pytest.mark.parametrize("kappa", [1e-6, 0.3, 30.0, np.inf])
@pytest.mark.parametrize("model", [GraphRegressor(lambda1=0.5), GraphClassifier(lambda1=0.5)])
def test_intercepts_are_optimal(model, kappa):
    """At W = 0: the stationarity of b and b0, and a gap of zero if W could not move."""
    model = tight(model, intercept_shrinkage=kappa)
    X, y, tasks = data_for(model, seed=6)
    objective = prepared(model, X, y, tasks=tasks)
    zero = np.zeros_like(objective.y)
    theta, b, offsets = objective.theta0, objective.b0, objective.design.offsets
    s = np.add.reduceat(theta, offsets[:-1])
    assert abs(s.sum()) < 1e-11
    if kappa < np.inf:
        assert_allclose(s, kappa * (b - b.mean()), atol=1e-11)
    else:
        assert np.ptp(b) <= 1e-14  # rounding, of the means that a squared loss's are made of
    theta = theta.copy()
    objective.intercepts.feasible(objective.loss, objective.y, theta, objective.c, offsets)
    assert_allclose(objective._dual_at(theta)(1.0), objective.loss_at(zero)[0], rtol=1e-11)


@pytest.mark.parametrize("model", [GraphRegressor(lambda1=0.5), GraphClassifier(lambda1=0.5)])
def test_one_intercept_for_all(model):
    X, y, tasks = data_for(model, seed=7)
    model = tight(model, lambda2=0.01, intercept_shrinkage=np.inf, task_weight="size")
    model.fit(X, y, tasks=tasks)
    at_mean = model.coef_ @ X.mean(axis=0) + model.intercept_
    assert_allclose(at_mean, at_mean[0], atol=1e-10)
    strong = tight(model, intercept_shrinkage=1e9).fit(X, y, tasks=tasks)
    assert_allclose(strong.coef_, model.coef_, atol=1e-6)


@every_kappa
@pytest.mark.parametrize(
    "model",
    [
        JointFeatureRegressor(lambda1=0.1),
        TraceNormClassifier(lambda1=0.03, common=True),
        MeanRegularizedRegressor(lambda1=0.4),
        RobustFeatureRegressor(lambda1=0.2, lambda2=0.2),
    ],
)
def test_shifted_columns_change_no_prediction(model, kappa):
    X, y, tasks = data_for(model, seed=8)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    method = "decision_function" if model._classifier else "predict"
    there = X + np.array([1990.0, -5.0, 0.0, 0.1, 30.0])
    found = []
    for rows in (X, there):
        fitted = tight(model, intercept_shrinkage=kappa, tol=1e-11)
        fitted.fit(rows, y, tasks=tasks, sample_weight=weight)
        found.append(getattr(fitted, method)(rows, tasks=tasks))
    assert_allclose(found[1], found[0], atol=1e-4)


def test_kappa_is_the_strength_of_a_column_of_ones():
    X, y, tasks = data_for(MeanRegularizedRegressor(), seed=9)
    lambda1, kappa = 0.4, 0.15
    model = MeanRegularizedRegressor(
        lambda1=lambda1, intercept_shrinkage=kappa, task_weight="size"
    ).fit(X, y, tasks=tasks)
    ones = np.full((len(y), 1), np.sqrt(lambda1 / kappa))
    X0 = np.hstack([X - X.mean(axis=0), ones])
    other = MeanRegularizedRegressor(lambda1=lambda1, task_weight="size", fit_intercept=False)
    other.fit(X0, y, tasks=tasks)
    assert_allclose(model.coef_, other.coef_[:, :-1], atol=1e-10)
    assert_allclose(model.predict(X, tasks=tasks), other.predict(X0, tasks=tasks), atol=1e-10)


@pytest.mark.parametrize("solver", ["auto", "apg"])
def test_common_and_strong_is_the_pooled_model(solver):
    from sklearn.linear_model import LinearRegression

    X, y, tasks = data_for(JointFeatureRegressor(), seed=10)
    pooled = LinearRegression().fit(X, y)
    for kind in (JointFeatureRegressor, TraceNormRegressor):
        model = kind(lambda1=1e4, common=True, intercept_shrinkage=np.inf, task_weight="size")
        model = tight(model, solver=solver).fit(X, y, tasks=tasks)
        assert_allclose(model.coef_, np.tile(pooled.coef_, (4, 1)), atol=1e-6)
        assert_allclose(model.coef_specific_, 0.0, atol=1e-12)
        assert_allclose(model.intercept_mean_, pooled.intercept_, atol=1e-6)
        assert_allclose(model.predict(X, tasks=tasks), pooled.predict(X), atol=1e-5)


def test_random_intercepts_and_slopes():
    """The BLUP of a mixed model at its variances, on columns that make the slopes' ones equal."""
    from malsar_py import MixedEffectsRegressor

    X, y, tasks = data_for(MeanRegularizedRegressor(), seed=11, labels=tuple("abcdefgh"))
    mixed = MixedEffectsRegressor(covariance="iso", prior_mean=False).fit(X, y, tasks=tasks)
    ratio = np.diag(mixed.random_variance_) / mixed.sigma2_
    assert (ratio > 0.0).all()
    per_task = len(y) / 8
    model = MeanRegularizedRegressor(
        lambda1=1.0 / per_task, intercept_shrinkage=1.0 / (per_task * ratio[0]), task_weight="size"
    )
    root = np.sqrt(ratio[1:])
    model.fit(X * root, y, tasks=tasks)
    assert_allclose(model.coef_ * root, mixed.coef_, atol=1e-8)
    assert_allclose(model.intercept_mean_, mixed.intercept_mean_, atol=1e-8)
    model.set_params(unseen="mean")
    new = np.repeat("new", len(y))
    at_mean = X @ mixed.coef_mean_ + mixed.intercept_mean_
    assert_allclose(model.predict(X * root, tasks=new), at_mean, atol=1e-8)


@every_kappa
@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("model", [JointFeatureRegressor(), JointFeatureClassifier(lambda1=0.02)])
@pytest.mark.parametrize("missing", [False, True])
def test_doors_agree(model, kappa, common, missing):
    rng = np.random.default_rng(12)
    X = rng.standard_normal((40, 4)) + 1.0
    Z = X @ rng.standard_normal((4, 3)) + rng.standard_normal((40, 3)) + np.arange(3)
    Y = (Z > 1.0).astype(float) if model._classifier else Z
    if missing:
        Y[rng.random(Y.shape) < 0.3] = np.nan
    model = tight(model, intercept_shrinkage=kappa, common=common, tol=1e-10)
    wide = tight(model, tol=1e-10).fit(X, Y)
    i, t = np.nonzero(~np.isnan(Y))
    long = tight(model, tol=1e-10).fit(X[i], Y[i, t], tasks=t)
    column = tight(model, tol=1e-10, task_column=0)
    column.fit(np.column_stack([t, X[i]]), Y[i, t])
    for other in (long, column):
        assert_allclose(other.coef_, wide.coef_, atol=2e-5)
        assert_allclose(other.intercept_, wide.intercept_, atol=1e-4)


def one_class(seed=0):
    """Tasks of which one has a single class."""
    X, y, tasks = data_for(JointFeatureClassifier(), seed=seed)
    y = y.copy()
    y[tasks == "c"] = "no"
    return X, y, tasks


@pytest.mark.parametrize("kappa", [0.01, np.inf])
@pytest.mark.parametrize("common", [False, True])
def test_tasks_of_one_class(kappa, common):
    X, y, tasks = one_class()
    model = JointFeatureClassifier(lambda1=0.02, common=common)
    with pytest.raises(ValueError, match=r"'c' has only one class.*intercept_shrinkage > 0"):
        model.fit(X, y, tasks=tasks)
    model.set_params(intercept_shrinkage=kappa).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= model.tol
    assert model.predict_proba(X[tasks == "c"], tasks=tasks[tasks == "c"])[:, 1].mean() < 0.3


def test_refuses():
    X, y, tasks = data_for(JointFeatureRegressor())
    with pytest.raises(ValueError, match=r"intercept_shrinkage=0\.3 needs intercepts"):
        JointFeatureRegressor(intercept_shrinkage=0.3, fit_intercept=False).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="'intercept_shrinkage' parameter"):
        JointFeatureRegressor(intercept_shrinkage=-1.0).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match=r"MultiTaskSearchCV\(intercept_shrinkage=\"auto\"\)"):
        JointFeatureClassifier(intercept_shrinkage="reml").fit(X, y > 0, tasks=tasks)
    with pytest.raises(ValueError, match=r"lambda1 > 0 and lambda2 = 0"):
        LassoRegressor(common=True, lambda2=0.1).fit(X, y, tasks=tasks)


def grouped(seed=0, n_tasks=40, rows=12):
    """The second feature is constant within tasks; its effect is 2."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(n_tasks), rows)
    level = rng.standard_normal(n_tasks)[tasks]
    X = np.column_stack([rng.standard_normal(len(tasks)), level])
    effects = rng.standard_normal(n_tasks)
    y = X[:, 0] + 2.0 * level + 0.7 * effects[tasks] + rng.standard_normal(len(tasks))
    return X, y, tasks


def test_features_constant_within_tasks():
    X, y, tasks = grouped()
    model = MeanRegularizedRegressor(lambda1=0.3, task_weight="size", unseen="mean")
    with pytest.warns(UserWarning, match=r"Constant within every task: 'x1'.*intercept_shrinkage"):
        free = model.fit(X, y, tasks=tasks).coef_
    assert_allclose(free[:, 1], 0.0, atol=1e-10)
    model.set_params(intercept_shrinkage="reml").fit(X, y, tasks=tasks)
    assert 0.05 < model.intercept_shrinkage_ < 2.0
    assert 1.5 < model.coef_[:, 1].mean() < 2.3
    rng = np.random.default_rng(1)
    new = rng.standard_normal((500, 2)) * 2.0
    error = model.predict(new, tasks=np.full(500, -1)) - (new[:, 0] + 2.0 * new[:, 1])
    assert np.sqrt(np.mean(error**2)) < 1.0
    assert_allclose(
        model.predict(new, tasks=np.full(500, -1)),
        new @ model.coef_.mean(axis=0) + model.intercept_mean_,
    )
    model.set_params(intercept_shrinkage=0.0)
    with pytest.warns(UserWarning, match="Constant within"):
        model.fit(X, y, tasks=tasks)
    assert not hasattr(model, "intercept_mean_") and not hasattr(model, "intercept_shrinkage_")


def test_reml_ends():
    X, y, tasks = grouped(n_tasks=10)
    same = X[:, :1], X[:, 0] + np.random.default_rng(0).standard_normal(len(y)), tasks
    model = MeanRegularizedRegressor(intercept_shrinkage="reml", task_weight="size")
    assert model.fit(same[0], same[1], tasks=same[2]).intercept_shrinkage_ > 1.0
    assert model.fit(X[:10], y[:10]).intercept_shrinkage_ == np.inf  # one task
    free = MeanRegularizedRegressor(task_weight="size").fit(X[:10], y[:10])
    assert_allclose(model.coef_, free.coef_, atol=1e-10)
    assert_allclose(model.intercept_, free.intercept_, atol=1e-10)


@pytest.mark.parametrize("model", [JointFeatureRegressor(), LassoClassifier(lambda1=0.02)])
def test_paths_start_at_the_common_model(model):
    from malsar_py.model_selection import lambda1_max, regularization_path

    X, y, tasks = data_for(model, seed=13)
    model = tight(model, common=True, intercept_shrinkage=0.2, task_weight="size", tol=1e-9)
    largest = lambda1_max(model, X, y, tasks=tasks)
    at, below = (
        tight(model, lambda1=factor * largest, tol=1e-9).fit(X, y, tasks=tasks)
        for factor in (1.0001, 0.98)
    )
    assert not at.coef_specific_.any() or np.abs(at.coef_specific_).max() < 1e-12
    assert np.abs(below.coef_).max() > 1e-4 and np.abs(below.coef_ - at.coef_).max() > 1e-5
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=6, eps=0.1)
    assert path.lambda1[0] == largest and (path.relative_gap <= 1e-9).all()
    last = tight(model, lambda1=path.lambda1[-1], tol=1e-9).fit(X, y, tasks=tasks)
    assert_allclose(path.coef[-1], last.coef_, atol=1e-4)
    assert_allclose(path.intercept[-1], last.intercept_, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        MeanRegularizedRegressor(task_weight="size"),
        JointFeatureRegressor(common=True, task_weight="size"),
        LassoRegressor(common=True),
    ],
)
def test_search_squared(model):
    from malsar_py.model_selection import MultiTaskSearchCV

    X, y, tasks = grouped(n_tasks=12, rows=8)
    X = np.column_stack([X, np.random.default_rng(2).standard_normal((len(y), 2))])
    search = MultiTaskSearchCV(model, intercept_shrinkage="auto", n_lambdas=4, cv=3, lambda2=None)
    search.fit(X, y, tasks=tasks)
    tried = sorted({p["intercept_shrinkage"] for p in search.cv_results_["params"]})
    reml = model.set_params(intercept_shrinkage="reml").fit(X, y, tasks=tasks).intercept_shrinkage_
    assert_allclose(tried, [0.0, reml, 10.0 * reml])
    assert search.best_params_["intercept_shrinkage"] > 0.0


def test_search_logistic():
    from malsar_py.model_selection import MultiTaskSearchCV

    X, y, tasks = one_class()
    model = JointFeatureClassifier(task_weight="size")
    search = MultiTaskSearchCV(model, intercept_shrinkage="auto", n_lambdas=3, cv=3)
    search.fit(X, y, tasks=tasks)
    tried = sorted({p["intercept_shrinkage"] for p in search.cv_results_["params"]})
    assert_allclose(tried, [0.03, 0.1, 0.3, 1.0, 3.0, np.inf])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    given = MultiTaskSearchCV(model, intercept_shrinkage=[0.1, np.inf], n_lambdas=3, cv=3)
    given.fit(X, y, tasks=tasks)
    assert len(given.cv_results_["params"]) == 6
    with pytest.raises(ValueError, match=r"values in \[0, inf\]"):
        MultiTaskSearchCV(model, intercept_shrinkage=[-0.1]).fit(X, y, tasks=tasks)


@pytest.mark.parametrize(
    "model",
    [
        JointFeatureRegressor(common=True),
        LassoRegressor(common=True),
        GraphClassifier(lambda1=0.2, lambda2=0.01, lambda3=0.01),
    ],
)
def test_warm_starts_and_pickles(model):
    import pickle

    X, y, tasks = data_for(model, seed=14)
    model = tight(model, intercept_shrinkage=0.3, warm_start=True, tol=1e-8).fit(X, y, tasks=tasks)
    coef, n_iter = model.coef_, model.n_iter_
    copy = pickle.loads(pickle.dumps(model))
    assert_allclose(copy.predict(X, tasks=tasks) == model.predict(X, tasks=tasks), True)
    model.fit(X, y, tasks=tasks)
    assert model.n_iter_ <= max(2, n_iter) and model.relative_gap_ <= 1e-8
    assert_allclose(model.coef_, coef, atol=1e-3)


@pytest.mark.parametrize("exponent", [-60, 60])
def test_units(exponent):
    """Powers of two change no digit: y and kappa's objective scale with them."""
    X, y, tasks = data_for(JointFeatureRegressor(), seed=15)
    factor = 2.0**exponent
    one = JointFeatureRegressor(lambda1=0.1, intercept_shrinkage=0.3).fit(X, y, tasks=tasks)
    other = JointFeatureRegressor(lambda1=0.1 * factor, intercept_shrinkage=0.3)
    other.fit(X, factor * y, tasks=tasks)
    assert_allclose(other.coef_ / factor, one.coef_, rtol=1e-10)
    assert_allclose(other.intercept_ / factor, one.intercept_, rtol=1e-10)
    assert_allclose(other.intercept_mean_ / factor, one.intercept_mean_, rtol=1e-10)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("name", ["mean", "chain", "complete", "edges"])
def test_closed_forms(name, d):
    """Few or many features beside rows: the same as by accelerated steps."""
    X, y, tasks = data_for(MeanRegularizedRegressor(), seed=16, d=d)
    if name == "mean":
        model = MeanRegularizedRegressor(lambda1=0.5, lambda2=0.1)
    else:
        graph = [("a", "b"), ("c", "d")] if name == "edges" else name
        model = GraphRegressor(graph=graph, lambda1=0.5, lambda2=0.1)
    model = tight(model, intercept_shrinkage=0.2, task_weight="size", solver="closed-form")
    found = model.fit(X, y, tasks=tasks)
    assert found.relative_gap_ <= 1e-12
    other = tight(model, solver="apg").fit(X, y, tasks=tasks)
    assert_allclose(found.coef_, other.coef_, atol=1e-5)


def test_searches_bound_the_common_model():
    from malsar_py.model_selection import MultiTaskSearchCV

    X, y, tasks = grouped(n_tasks=8, rows=8)
    model = JointFeatureRegressor(common=True, task_weight="size", intercept_shrinkage=1.0)
    search = MultiTaskSearchCV(model, n_lambdas=3, cv=3).fit(X, y, tasks=tasks)
    assert len({p["lambda2"] for p in search.cv_results_["params"]}) == 4
    search = MultiTaskSearchCV(model.set_params(common=False), n_lambdas=3, cv=3)
    assert "lambda2" not in search.fit(X, y, tasks=tasks).cv_results_["params"][0]


@pytest.mark.parametrize("kappa", [0.05, np.inf])
@pytest.mark.parametrize("d", [4, 120])
@pytest.mark.parametrize("kind", [JointFeatureRegressor, LassoRegressor])
def test_working_sets(kind, d, kappa):
    """Own rows, the root in b0; a shared X, where b0 does not matter."""
    X, y, tasks = data_for(kind(), seed=17, d=d)
    X[:, 0] += np.unique(tasks, return_inverse=True)[1]  # features that know the tasks
    model = kind(intercept_shrinkage=kappa, lambda1=0.1, tol=1e-9, max_iter=50_000)
    unit = objective_at_zero(model, X, y, tasks=tasks)
    fits = [
        tight(model, solver=solver, tol=1e-9).fit(X, y, tasks=tasks)
        for solver in ("active-set", "apg")
    ]
    assert all(fit.relative_gap_ <= 1e-9 for fit in fits)
    assert abs(fits[0].objective_[-1] - fits[1].objective_[-1]) <= 2e-9 * unit
    Y = np.column_stack([y[:15], y[15:30], y[:15] - y[15:30]])
    wide = [tight(model, solver=s, tol=1e-9).fit(X[:15], Y) for s in ("active-set", "apg")]
    assert_allclose(wide[0].objective_[-1], wide[1].objective_[-1], rtol=1e-7)


def test_working_sets_that_are_not_to_be_had():
    X, y, tasks = data_for(JointFeatureClassifier())
    model = JointFeatureClassifier(intercept_shrinkage=0.1, solver="active-set")
    with pytest.raises(ValueError, match="rows of the tasks' own where intercepts are shrunk"):
        model.fit(X, y, tasks=tasks)


@pytest.mark.parametrize("loss", ["squared", "huber", "poisson"])
@pytest.mark.parametrize("kappa", [0.0, 0.3, np.inf])
def test_the_best_common_model(loss, kappa):
    """Newton's system against a fit whose tasks may not differ."""
    from malsar_py.penalties import mean_basis
    from malsar_py.solvers import best_common

    X, y, tasks = data_for(JointFeatureRegressor(), seed=19)
    y = np.round(np.exp(0.2 * y)) if loss == "poisson" else y
    model = JointFeatureRegressor(
        loss=loss, lambda1=1e4, lambda2=0.05, intercept_shrinkage=kappa, common=True
    )
    objective = prepared(model, X, y, tasks=tasks)
    W = best_common(objective, mean_basis(objective.shape[1], 1), 0.05)
    assert np.ptp(W, axis=1).max() < 1e-12
    assert objective.final_certificate(W).gap <= 1e-10 * objective.scale
    model.fit(X, y, tasks=tasks)
    assert model.n_iter_ == 1
    assert_allclose(model.coef_common_, W[:, 0], atol=1e-10)


# --- at the ends of what floats hold -------------------------------------------------------------


@pytest.mark.parametrize("kappa", [0.3, np.inf])
@pytest.mark.parametrize("loss, same", [("poisson", 0.0), ("logistic", 0.0), ("logistic", 1.0)])
def test_targets_that_are_all_the_same_have_no_intercept(loss, same, kappa):
    rng = np.random.default_rng(12)
    X, tasks, y = rng.standard_normal((20, 2)), np.repeat([0, 1], 10), np.full(20, same)
    model = MeanRegularizedRegressor(loss=loss, intercept_shrinkage=kappa)
    with pytest.raises(ValueError, match=f"All targets of all tasks are {same:g}.*fit_intercept"):
        model.fit(X, y, tasks=tasks)
    y[15] = 1.0 - same  # the other task then is drawn to this one
    assert model.fit(X, y, tasks=tasks).relative_gap_ <= model.tol
    y[15] = same
    mixed = model.set_params(loss={0: loss, 1: "squared"})
    assert np.isfinite(mixed.fit(X, y, tasks=tasks).intercept_).all()


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_the_smallest_shrinkage_is_none(loss):
    model = tight(GraphRegressor(lambda1=0.5, lambda2=0.1, loss=loss))
    X, y, tasks = data_for(model, seed=13)
    y = np.floor(np.abs(y)) if loss == "poisson" else y
    free = model.fit(X, y, tasks=tasks).coef_
    tiny = tight(model, intercept_shrinkage=1e-300).fit(X, y, tasks=tasks)
    assert_allclose(tiny.coef_, free, atol=1e-7)


def test_huber_of_the_smallest_targets_is_squared():
    X, y, tasks = data_for(JointFeatureRegressor(), seed=14)
    squared, huber = (
        tight(JointFeatureRegressor(lambda1=1e-311, loss=loss)).fit(X, 1e-310 * y, tasks=tasks)
        for loss in ("squared", "huber")
    )
    assert_allclose(huber.predict(X, tasks=tasks), squared.predict(X, tasks=tasks), rtol=1e-6)
