"""Limiting cases: models that become scikit-learn's, or one another; direct against iterative."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import __version__ as sklearn_version
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    MultiTaskElasticNet,
    MultiTaskLasso,
    Ridge,
)
from sklearn.utils.fixes import parse_version

import malsar_py
from malsar_py import (
    ClusteredClassifier,
    ClusteredRegressor,
    GraphRegressor,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
    graphs,
    stack_tasks,
)
from malsar_py.model_selection import lambda1_max

from .problems import assert_same_fit, ragged, shared

# How an L1 penalty is said changed in scikit-learn 1.8.
OLD = parse_version(sklearn_version) < parse_version("1.8")
L1 = {"penalty": "l1"} if OLD else {"l1_ratio": 1.0}

# As far as double precision goes: the gap stops a fit where rounding makes it vanish. That comes
# late and not always, hence the bound on the iterations and no ConvergenceWarning.
TIGHT = {"tol": 1e-15, "max_iter": 3000}  # (a gap below rounding says no more)
unconverged_is_fine = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# --- one task: scikit-learn -----------------------------------------------------------------------


def single(seed=0, n=40, d=6, classify=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * [1, 2, 0.5, 1, 1, 3][:d] + 1.0
    z = X @ np.array([1.0, 0, -1.0, 0.5, 0, 0.2])[:d]
    if classify:
        return X, np.where(z - z.mean() + 1.5 * rng.logistic(size=n) > 0.0, 1, 0)
    return X, z + rng.standard_normal(n) + 3.0


@unconverged_is_fine
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_one_task_is_elastic_net(fit_intercept, l1_ratio, weighted):
    X, y = single()
    weight = np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None
    theirs = ElasticNet(
        alpha=0.2, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-14, max_iter=100_000
    )
    theirs.fit(X, y, sample_weight=weight)
    lambdas = {"lambda1": 0.2 * l1_ratio, "lambda2": 0.2 * (1.0 - l1_ratio)}
    for cls in (LassoRegressor, JointFeatureRegressor):
        # One task: the rows of W are single numbers, and L2,1 is L1.
        ours = cls(**lambdas, fit_intercept=fit_intercept, **TIGHT).fit(X, y, sample_weight=weight)
        assert ours.coef_.shape == (6,)
        assert isinstance(ours.intercept_, float)
        assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-8)
        assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=1e-7)
        assert_array_equal(ours.coef_ == 0.0, theirs.coef_ == 0.0)
        assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=1e-7)
        assert_allclose(ours.score(X, y), theirs.score(X, y), rtol=0, atol=1e-8)


@unconverged_is_fine
def test_one_task_is_lasso_with_more_features_than_rows():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((20, 50)), rng.standard_normal(20)
    theirs = Lasso(alpha=0.1, tol=1e-14, max_iter=1_000_000).fit(X, y)
    ours = LassoRegressor(lambda1=0.1, **TIGHT).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-8)
    assert_array_equal(ours.coef_ != 0.0, theirs.coef_ != 0.0)


@unconverged_is_fine
@pytest.mark.parametrize("solver", ["auto", "apg"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_task_is_ridge(fit_intercept, weighted, solver):
    X, y = single()
    weight = np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None
    total = len(y) if weight is None else weight.sum()
    theirs = Ridge(alpha=2.5, fit_intercept=fit_intercept, tol=1e-14).fit(
        X, y, sample_weight=weight
    )
    common = {"lambda2": 2.5 / total, "fit_intercept": fit_intercept, "solver": solver, **TIGHT}
    models = [
        LassoRegressor(lambda1=0.0, **common),
        JointFeatureRegressor(lambda1=0.0, **common),
        TraceNormRegressor(lambda1=0.0, **common),
        MeanRegularizedRegressor(lambda1=7.0, **common),
        GraphRegressor(lambda1=7.0, **common),
        ClusteredRegressor(lambda1=7.0, n_clusters=5, random_state=0, **common),
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
        assert_allclose(model.coef_, theirs.coef_, rtol=0, atol=1e-8)
        assert_allclose(model.intercept_, theirs.intercept_, rtol=0, atol=1e-7)


@unconverged_is_fine
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_task_without_penalty_is_least_squares(fit_intercept):
    X, y = single()
    theirs = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    for solver in ("auto", "apg"):
        for cls in (LassoRegressor, TraceNormRegressor, MeanRegularizedRegressor):
            ours = cls(lambda1=0.0, fit_intercept=fit_intercept, solver=solver, **TIGHT).fit(X, y)
            assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-7)
            assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=1e-6)


@unconverged_is_fine
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_task_is_logistic_regression(fit_intercept, weighted):
    X, y = single(classify=True)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None
    total = len(y) if weight is None else weight.sum()
    theirs = LogisticRegression(
        C=0.7, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-13
    )
    theirs.fit(X, y, sample_weight=weight)
    common = {"lambda2": 1.0 / (0.7 * total), "fit_intercept": fit_intercept, **TIGHT}
    models = [
        LassoClassifier(lambda1=0.0, **common),
        TraceNormClassifier(lambda1=0.0, **common),
        MeanRegularizedClassifier(lambda1=3.0, **common),
        ClusteredClassifier(random_state=0, **common),
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
        assert_array_equal(model.classes_, theirs.classes_)
        assert_allclose(model.coef_, theirs.coef_[0], rtol=0, atol=1e-6)
        assert_allclose(model.intercept_, np.ravel(theirs.intercept_)[0], rtol=0, atol=1e-6)
        assert_allclose(model.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-6)
        assert_array_equal(model.predict(X), theirs.predict(X))
        assert model.score(X, y) == theirs.score(X, y)


@unconverged_is_fine
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_task_is_l1_logistic_regression(fit_intercept):
    """saga leaves the intercept free, as here; liblinear penalises it, so it is compared without
    one.
    """
    X, y = single(classify=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    solver = "saga" if fit_intercept else "liblinear"
    theirs = LogisticRegression(
        C=0.5,
        **L1,
        solver=solver,
        fit_intercept=fit_intercept,
        tol=1e-12,
        max_iter=200_000,
        random_state=0,
    ).fit(X, y)
    ours = LassoClassifier(lambda1=1.0 / (0.5 * len(y)), fit_intercept=fit_intercept, **TIGHT).fit(
        X, y
    )
    assert_allclose(ours.coef_, theirs.coef_[0], rtol=0, atol=1e-5)
    assert_allclose(ours.intercept_, np.ravel(theirs.intercept_)[0], rtol=0, atol=1e-5)
    assert_array_equal(ours.coef_ == 0.0, theirs.coef_[0] == 0.0)


# --- a shared X: scikit-learn's multi-task models -------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 8), (20, 60)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.02, 0.3, 1.5])
def test_shared_is_multi_task_lasso(alpha, fit_intercept, shape):
    X, Y = shared(*shape)
    theirs = MultiTaskLasso(
        alpha=alpha, fit_intercept=fit_intercept, tol=1e-15, max_iter=1_000_000
    ).fit(X, Y)
    ours = JointFeatureRegressor(lambda1=alpha, fit_intercept=fit_intercept, tol=1e-14).fit(X, Y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-8)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=1e-7)
    assert_array_equal((ours.coef_ != 0.0).any(axis=0), (theirs.coef_ != 0.0).any(axis=0))
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=1e-7)


@unconverged_is_fine
@pytest.mark.parametrize("shape", [(30, 8), (20, 60)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_shared_is_multi_task_elastic_net(fit_intercept, shape):
    X, Y = shared(*shape)
    theirs = MultiTaskElasticNet(
        alpha=0.4, l1_ratio=0.6, fit_intercept=fit_intercept, tol=1e-15, max_iter=1_000_000
    ).fit(X, Y)
    ours = JointFeatureRegressor(
        lambda1=0.24, lambda2=0.16, fit_intercept=fit_intercept, **TIGHT
    ).fit(X, Y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-8)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=1e-7)


# --- models that become one another ---------------------------------------------------------------


@pytest.mark.parametrize("classify", [False, True])
def test_clustered_with_as_many_clusters_as_tasks_is_ridge(classify):
    X, y, tasks = ragged(classify)
    kind = "Classifier" if classify else "Regressor"
    clustered, lasso = getattr(malsar_py, "Clustered" + kind), getattr(malsar_py, "Lasso" + kind)
    ridge = lasso(lambda1=0.0, lambda2=0.1, tol=1e-12).fit(X, y, tasks=tasks)
    for lambda1, k in ((3.0, 4), (0.0, 2)):
        model = clustered(lambda1=lambda1, lambda2=0.1, n_clusters=k, tol=1e-12, random_state=0)
        assert_same_fit(model.fit(X, y, tasks=tasks), ridge, atol=1e-7)
        assert_allclose(np.trace(model.task_membership_), k)
    # ... and approaches it as lambda1 -> 0.
    model = clustered(lambda1=1e-9, lambda2=0.1, tol=1e-12, random_state=0).fit(X, y, tasks=tasks)
    assert_same_fit(model, ridge, atol=1e-5)


def test_clustered_finds_the_clusters():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.array([[3.0, 0, 0, 1.0], [0.0, -2.0, 2.0, 0]]), 3, axis=0)
    Xs = [rng.standard_normal((40, 4)) for _ in range(6)]
    ys = [X @ w + 0.1 * rng.standard_normal(40) for X, w in zip(Xs, centres, strict=True)]
    X, y, tasks = stack_tasks(Xs, ys)
    model = ClusteredRegressor(lambda1=1.0, lambda2=0.01, n_clusters=2, random_state=0).fit(
        X, y, tasks=tasks
    )
    assert len(set(model.task_labels_[:3])) == len(set(model.task_labels_[3:])) == 1
    assert model.task_labels_[0] != model.task_labels_[5]


@pytest.mark.parametrize("solver", ["auto", "apg"])
@pytest.mark.parametrize("classify", [False, True])
def test_the_complete_graph_is_mean_regularisation(classify, solver):
    X, y, tasks = ragged(classify)
    kind = "Classifier" if classify else "Regressor"
    own = {"lambda1": 0.6, "lambda2": 0.02, "solver": solver, "tol": 1e-12}
    mean = getattr(malsar_py, "MeanRegularized" + kind)(**own).fit(X, y, tasks=tasks)
    forms = [
        "complete",
        graphs.complete(4),
        graphs.laplacian(np.eye(4) - 0.25),
        graphs.incidence(np.eye(4) - 0.25),
    ]
    forms.append([(s, t, 0.25) for s in "abcd" for t in "abcd" if s < t])
    for form in forms:
        graph = getattr(malsar_py, "Graph" + kind)(graph=form, **own).fit(X, y, tasks=tasks)
        assert_same_fit(graph, mean, atol=1e-9 if solver == "auto" and not classify else 1e-6)


@unconverged_is_fine
def test_graph_without_coupling_is_the_lasso():
    X, y, tasks = ragged()
    lasso = LassoRegressor(lambda1=0.1, lambda2=0.05, **TIGHT).fit(X, y, tasks=tasks)
    for parameters in ({"lambda1": 0.0}, {"lambda1": 5.0, "graph": np.zeros((4, 4))}):
        graph = GraphRegressor(**parameters, lambda2=0.05, lambda3=0.1, **TIGHT).fit(
            X, y, tasks=tasks
        )
        assert_same_fit(graph, lasso, atol=1e-7)


@unconverged_is_fine
@pytest.mark.parametrize("solver", ["auto", "apg"])
def test_mean_regularised_limits(solver):
    X, y, tasks = ragged()
    common = {"solver": solver, **TIGHT}
    # lambda1 = 0: a ridge for every task.
    apart = MeanRegularizedRegressor(lambda1=0.0, lambda2=0.3, **common).fit(X, y, tasks=tasks)
    for t, label in enumerate(apart.tasks_):
        own = tasks == label
        ridge = Ridge(alpha=0.3 * own.sum()).fit(X[own], y[own])
        assert_allclose(apart.coef_[t], ridge.coef_, rtol=0, atol=1e-8)
        assert_allclose(apart.intercept_[t], ridge.intercept_, rtol=0, atol=1e-8)


@unconverged_is_fine
def test_mean_regularised_with_a_strong_coupling_pools_the_slopes():
    X, y, tasks = ragged()
    T = 4
    dummies = (tasks[:, None] == np.unique(tasks)).astype(float)
    # Pooled slopes with an intercept per task: rows weighted 1 / n_t, ridge T lambda2 on the slopes
    # only.
    weight = (dummies / dummies.sum(axis=0)).sum(axis=1)
    means = dummies * weight[:, None]
    Xc, yc = X - dummies @ (means.T @ X), y - dummies @ (means.T @ y)
    for lambda2 in (0.0, 0.05):
        H = Xc.T @ (weight[:, None] * Xc) + T * lambda2 * np.eye(X.shape[1])
        pooled = np.linalg.solve(H, Xc.T @ (weight * yc))
        for lambda1, atol in ((1e4, 1e-3), (1e8, 1e-7), (1e10, 1e-5)):
            model = MeanRegularizedRegressor(lambda1=lambda1, lambda2=lambda2, tol=1e-12).fit(
                X, y, tasks=tasks
            )
            assert_allclose(model.coef_, np.tile(pooled, (T, 1)), rtol=0, atol=atol)
            expected = means.T @ (y - X @ pooled)
            assert_allclose(model.intercept_, expected, rtol=0, atol=10 * atol)
    iterative = MeanRegularizedRegressor(lambda1=1e4, lambda2=0.05, solver="apg", **TIGHT).fit(
        X, y, tasks=tasks
    )
    assert_allclose(iterative.coef_, np.tile(pooled, (T, 1)), rtol=0, atol=1e-3)


# --- the closed form against the iterations -------------------------------------------------------


def quadratic_models(T):
    rng = np.random.default_rng(T)
    adjacency = np.triu(rng.choice([0.0, 1.0, 0.3], (T, T)), 1)
    yield MeanRegularizedRegressor(lambda1=0.8, lambda2=0.05)
    for form in (
        "chain",
        "complete",
        adjacency + adjacency.T,
        graphs.incidence(rng.standard_normal((T, 2))),
    ):
        yield GraphRegressor(graph=form, lambda1=0.8, lambda2=0.05)
    yield GraphRegressor(graph="chain", lambda1=0.8)  # the mean task is free
    yield MeanRegularizedRegressor(lambda1=0.8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "kind", ["ragged", "ragged wide", "shared", "masked", "shared wide", "masked wide"]
)
def test_closed_form_is_what_the_iterations_reach(kind, fit_intercept):
    T = 4
    rng = np.random.default_rng(len(kind))
    d = 30 if "wide" in kind else 4
    if "ragged" in kind:
        X, y, tasks = ragged(d=d)
        X, y, tasks = (X[::3], y[::3], tasks[::3]) if "wide" in kind else (X, y, tasks)
        fit = {"tasks": tasks}
    else:
        X, y = shared(n=20, d=d, T=T)
        fit = {}
        if "masked" in kind:
            y[rng.random(y.shape) < 0.3] = np.nan
            fit = {"sample_weight": rng.uniform(0.5, 2.0, len(X))}
    for model in quadratic_models(T):
        model.set_params(fit_intercept=fit_intercept, tol=1e-13, max_iter=200_000)
        direct = clone(model).set_params(solver="closed-form", tol=1e-12).fit(X, y, **fit)
        auto = clone(model).set_params(tol=1e-12).fit(X, y, **fit)
        stepwise = clone(model).set_params(solver="apg").fit(X, y, **fit)
        assert_array_equal(auto.coef_, direct.coef_)
        assert direct.n_iter_ == 1  # no refinement: the formula itself is right
        assert abs(direct.relative_gap_) <= 1e-12
        # Each is above the optimum by its gap at most.
        rounding = 1e-12 * direct.objective_[-1] + 1e-13
        assert direct.objective_[-1] - stepwise.objective_[-1] <= abs(direct.dual_gap_) + rounding
        assert stepwise.objective_[-1] - direct.objective_[-1] <= abs(stepwise.dual_gap_) + rounding
        if model.lambda2 > 0.0 or "wide" not in kind:
            # (coefficients along a free direction with too few rows are not unique)
            assert_same_fit(stepwise, direct, atol=1e-5)


@pytest.mark.parametrize("kind", ["ragged", "ragged wide", "shared", "masked", "shared wide"])
@pytest.mark.parametrize("classify", [False, True])
@pytest.mark.parametrize("stem", ["Lasso", "JointFeature"])
def test_working_sets_reach_what_the_steps_reach(stem, classify, kind):
    rng = np.random.default_rng(len(kind))
    d = 60 if "wide" in kind else 6
    if "ragged" in kind:
        X, y, tasks = ragged(classify, d=d)
        fit = {"tasks": tasks}
    else:
        X, y = shared(n=25, d=d)
        fit = {}
        if classify:
            y = np.where(y - y.mean(axis=0) + 3.0 * rng.standard_normal(y.shape) > 0.0, 1.0, 0.0)
        if "masked" in kind:
            y[rng.random(y.shape) < 0.3] = np.nan
            fit = {"sample_weight": rng.uniform(0.5, 2.0, len(X))}
    cls = getattr(malsar_py, stem + ("Classifier" if classify else "Regressor"))
    for lambda1, lambda2 in ((0.02, 0.0), (0.1, 0.0), (0.05, 0.3)):
        for fit_intercept in (True, False):
            one, other = (
                cls(
                    lambda1=lambda1,
                    lambda2=lambda2,
                    fit_intercept=fit_intercept,
                    solver=solver,
                    tol=1e-9,
                    max_iter=100_000,
                ).fit(X, y, **fit)
                for solver in ("active-set", "apg")
            )
            assert max(one.relative_gap_, other.relative_gap_) <= 1e-9
            distance = one.objective_[-1] - other.objective_[-1]
            rounding = 1e-13 + 1e-12 * one.objective_[-1]
            assert -other.dual_gap_ - rounding <= distance <= one.dual_gap_ + rounding
            if lambda2 > 0.0:
                assert_same_fit(one, other, atol=1e-3)


@pytest.mark.parametrize("door", ["keyword", "shared"])
def test_features_constant_within_tasks_are_no_signal(door):
    """With intercepts they have no coefficient, not one of 1e14 for what rounding leaves."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    tasks = np.repeat([0, 1, 2], 20)
    if door == "keyword":
        X[:, 1] = 0.1 + np.array([1.1, 2.3, 1e5])[tasks]
        args, labels = (X, X[:, 0] + rng.standard_normal(60)), {"tasks": tasks}
    else:
        X[:, 1] = 1e5 + 0.1
        args, labels = (X, X[:, :2] + rng.standard_normal((60, 2))), {}
    for model in (LassoRegressor(lambda1=1e-6), MeanRegularizedRegressor(lambda1=0.0)):
        coef = model.fit(*args, **labels).coef_
        assert np.abs(coef[:, 1]).max() < 1e-12
        assert np.abs(coef).max() < 10.0
    largest = lambda1_max(LassoRegressor(), X[:, [1]], *args[1:], **labels)
    assert largest == 0.0
