"""What a search tries of its own accord, and what it says of choices at the end of a grid."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    ClusteredRegressor,
    GraphClassifier,
    GraphRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    SeparableKernelRegressor,
    TaskRelationshipRegressor,
)
from malsar_py.metrics import mean_task_rmse
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold, lambda1_max, lambda_grid

from .problems import data_for, ragged

EDGE = "ignore:The best score is at the edge"
quiet = pytest.mark.filterwarnings(EDGE)
SHARES = [1.0, 0.1, 0.01, 0.0]


def curvature(X, tasks, weight=None, task_weight=None, fit_intercept=True):
    """Mean over the tasks of tr(H_t) / d, from its definition."""
    weight = np.ones(len(X)) if weight is None else weight
    traces = []
    for task in np.unique(tasks):
        Z, s = X[tasks == task], weight[tasks == task] / weight[tasks == task].sum()
        if fit_intercept:
            Z = Z - s @ Z
        omega = 1.0 if task_weight is None else task_weight[task]
        traces.append(omega * np.trace(Z.T @ (s[:, None] * Z)))
    return np.mean(traces) / X.shape[1]


def tried(search):
    """Distinct values of lambda2 in the order of the rows, None for the estimator's own."""
    return list(dict.fromkeys(p.get("lambda2") for p in search.cv_results_["params"]))


# --- automatic lambda2 ---------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "model",
    [
        MeanRegularizedRegressor(),
        GraphRegressor(graph="chain"),
        MeanRegularizedClassifier(),
        GraphClassifier(),
    ],
)
def test_values_of_lambda2(model, fit_intercept):
    X, y, tasks = data_for(model)
    weight = np.random.default_rng(0).uniform(0.2, 2.0, len(y))
    omega = dict(zip("abcd", [1.0, 2.0, 0.5, 1.0], strict=True))
    model = clone(model).set_params(task_weight=omega, fit_intercept=fit_intercept, tol=1e-4)
    search = MultiTaskSearchCV(model, n_lambdas=2, cv=2, refit=False)
    search.fit(X, y, tasks=tasks, sample_weight=weight)
    scale = curvature(X, tasks, weight, omega, fit_intercept)
    if hasattr(model, "predict_proba"):
        scale /= 4.0
    assert_allclose(tried(search), np.array(SHARES) * scale, rtol=1e-10)
    assert_allclose(lambda1_max(model, X, y, tasks=tasks, sample_weight=weight), scale, rtol=1e-10)
    assert len(search.cv_results_["params"]) == 8


@quiet
@pytest.mark.parametrize(
    ("model", "options"),
    [
        (MeanRegularizedRegressor(lambda2=0.3), {}),
        (MeanRegularizedRegressor(), {"lambda2": None}),
        (GraphRegressor(lambda3=0.1), {}),
        (JointFeatureRegressor(), {}),
        (TaskRelationshipRegressor(), {}),
        (ClusteredRegressor(), {}),
        (SeparableKernelRegressor(), {}),
    ],
)
def test_the_estimators_own_lambda2(model, options):
    X, y, tasks = ragged()
    search = MultiTaskSearchCV(model, n_lambdas=2, cv=2, **options).fit(X, y, tasks=tasks)
    assert tried(search) == [None]
    assert search.best_estimator_.lambda2 == model.lambda2


@quiet
def test_values_of_lambda2_by_setting():
    X, y, tasks = ragged()
    grid = [{"lambda3": [0.0, 0.1]}, {"lambda2": [7.0]}]
    search = MultiTaskSearchCV(GraphRegressor(), param_grid=grid, lambda1=[1.0], cv=2)
    search.fit(X, y, tasks=tasks)
    scale = curvature(X, tasks)
    found = [(p.get("lambda3"), p.get("lambda2")) for p in search.cv_results_["params"]]
    assert found[4:] == [(0.1, None), (None, 7.0)]
    assert [lambda3 for lambda3, _ in found[:4]] == [0.0] * 4
    assert_allclose([lambda2 for _, lambda2 in found[:4]], np.array(SHARES) * scale)
    # In a pipeline the scale is that of what the model sees.
    pipeline = make_pipeline(StandardScaler(), MeanRegularizedRegressor())
    search = MultiTaskSearchCV(pipeline, lambda1=[1.0], cv=2).fit(100.0 * X, y, tasks=tasks)
    name = "meanregularizedregressor__lambda2"
    scale = curvature(StandardScaler().fit_transform(X), tasks)
    assert_allclose([p[name] for p in search.cv_results_["params"]], np.array(SHARES) * scale)
    # Features that are constant in every task have no scale.
    Z = np.column_stack([(tasks == "a") * 1.0, (tasks == "b") * 1.0])
    search = MultiTaskSearchCV(MeanRegularizedRegressor(), lambda1=[1.0], cv=2)
    assert tried(search.fit(Z, y, tasks=tasks)) == [0.0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_as_many_features_as_rows(seed):
    """Five tasks of few factors: lambda2 = 0 interpolates what is common."""
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(490, 6))
    X = F @ rng.normal(size=(6, 90)) + 0.3 * rng.normal(size=(490, 90))
    W = rng.normal(size=(6, 1)) + 0.4 * rng.normal(size=(6, 5))
    Y = F @ W + 0.5 * rng.normal(size=(490, 5))
    options = {"n_lambdas": 8, "cv": 3, "scoring": "neg_mean_task_rmse"}
    errors = []
    for lambda2 in ("auto", [0.001, 0.01, 0.1, 1.0, 10.0], None):
        search = MultiTaskSearchCV(MeanRegularizedRegressor(), lambda2=lambda2, **options)
        errors.append(-search.fit(X[:90], Y[:90]).score(X[90:], Y[90:]))
    automatic, fine, own = errors
    assert automatic < 1.05 * fine
    assert own > 2.0 * fine


def test_atp1d(shared_dir):
    """253 rows of 370 features: the error without a ridge is that of no use."""
    text = (shared_dir / "data" / "atp1d.arff").read_text().lower().partition("@data")[2]
    table = np.array([line.split(",") for line in text.splitlines() if line.strip()])
    table = table.astype(float)
    rows = np.random.default_rng(0).permutation(len(table))
    train, test = rows[:253], rows[253:]
    mean, std = table[train].mean(axis=0), table[train].std(axis=0)
    table = (table - mean)[:, std > 0.0] / std[std > 0.0]
    X, Y = table[:, :-6], table[:, -6:]
    assert X[train].shape == (253, 370)
    options = {"n_lambdas": 3, "cv": 3, "scoring": "neg_mean_task_rmse"}
    with pytest.warns(UserWarning, match="lambda2=1 is the largest"):
        search = MultiTaskSearchCV(MeanRegularizedRegressor(), **options).fit(X[train], Y[train])
    assert -search.score(X[test], Y[test]) < 0.5
    own = MultiTaskSearchCV(MeanRegularizedRegressor(), lambda2=None, **options)
    assert mean_task_rmse(Y[test], own.fit(X[train], Y[train]).predict(X[test])) > 1.2


# --- the ends of a grid --------------------------------------------------------------------------


def scored_by(values, name="lambda1"):
    """A scorer that knows the score of each value of a parameter."""

    def scorer(estimator, X, y, tasks):
        return values[getattr(estimator, name)]

    return scorer


@pytest.mark.parametrize(
    ("scores", "edge"),
    [
        ({3.0: 0.0, 1.0: 1.0, 0.1: 0.5}, None),
        ({3.0: 2.0, 1.0: 1.0, 0.1: 0.5}, "largest"),
        ({3.0: 0.0, 1.0: 1.0, 0.1: 2.0}, "smallest"),
        ({3.0: 2.0, 1.0: 1.9999, 0.1: 0.5}, None),  # flat there: a limit is reached
        ({3.0: 2.0, 1.0: 1.0}, None),  # two values are alternatives
        ({3.0: 0.0, 1.0: 1.0, 0.0: 2.0}, None),  # no strength is below zero
        ({3.0: 1.0, 1.0: 1.0, 0.1: 1.0}, None),
    ],
)
@pytest.mark.parametrize("selection", ["best", "one_se"])
def test_the_edge_is_said(scores, edge, selection):
    X, y, tasks = ragged()
    search = MultiTaskSearchCV(
        MeanRegularizedRegressor(lambda2=0.1),
        lambda1=list(scores),
        scoring=scored_by(scores),
        cv=2,
        selection=selection,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y, tasks=tasks)
    if edge is None:
        assert search.edges_ == {} and not caught
        return
    assert search.edges_ == {"lambda1": edge}
    value = max(scores, key=scores.get)
    (said,) = caught
    assert said.category is UserWarning and said.filename == __file__
    assert f"lambda1={value:g} is the {edge} value tried" in str(said.message)


@quiet
def test_which_parameters_have_edges():
    X, y, tasks = ragged()

    def edges(model, scores, name, grid=None, **options):
        grid = {name: list(scores)} if grid is None else grid
        search = MultiTaskSearchCV(
            model, lambda1=[0.1], param_grid=grid, scoring=scored_by(scores, name), cv=2, **options
        )
        return search.fit(X, y, tasks=tasks).edges_

    clusters = ClusteredRegressor(random_state=0)
    assert edges(clusters, {1: 0.0, 2: 1.0, 3: 2.0}, "n_clusters") == {"n_clusters": "largest"}
    assert edges(clusters, {1: 3.0, 2: 1.0, 3: 2.0}, "n_clusters") == {}
    # Four tasks: no more clusters than that.
    with pytest.warns(UserWarning, match="n_clusters=9 must be"):
        assert edges(clusters, {2: 0.0, 3: 1.0, 4: 2.0, 9: 3.0}, "n_clusters") == {}
    with pytest.warns(UserWarning, match="ask for more"):  # two values are no grid
        assert edges(clusters, {2: 2.0, 3: 1.0, 9: 3.0}, "n_clusters") == {}
    assert edges(GraphRegressor(), {0.0: 2.0, 0.1: 1.0, 1.0: 0.0}, "lambda3") == {}
    assert edges(GraphRegressor(lambda2=0.1), {0.0: 0.0, 0.1: 1.0, 1.0: 2.0}, "lambda3") == {
        "lambda3": "largest"
    }
    # Digits are no choice.
    assert edges(LassoRegressor(), {1e-3: 0.0, 1e-4: 1.0, 1e-5: 2.0}, "tol") == {}
    kernel = SeparableKernelRegressor(kernel="rbf")
    assert edges(kernel, {0.1: 0.0, 1.0: 1.0, 3.0: 2.0}, "gamma") == {"gamma": "largest"}


def test_the_zero_model_is_said():
    rng = np.random.default_rng(0)
    X, y, tasks = rng.normal(size=(60, 4)), rng.normal(size=60), np.repeat([0, 1, 2], 20)
    search = MultiTaskSearchCV(JointFeatureRegressor(), n_lambdas=5, cv=3)
    with pytest.warns(UserWarning, match=r"All coefficients are zero at the best lambda1=") as said:
        search.fit(X, y, tasks=tasks)
    assert len(said) == 1 and "edge" not in str(said[0].message)
    assert not search.best_estimator_.coef_.any()


def test_automatic_grids_of_lambda1_end_in_sight():
    """Features that all count: the smallest value is the best, and that is said."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, 2.0, 3.0]
    tasks = np.repeat([0, 1, 2], 100)
    search = MultiTaskSearchCV(LassoRegressor(), n_lambdas=6, cv=3, scoring="neg_mean_task_rmse")
    with pytest.warns(UserWarning, match="is the smallest value tried"):
        search.fit(X, y, tasks=tasks)
    assert search.edges_ == {"lambda1": "smallest"}


# --- functions -----------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("task_kernel", ["mean", "independent", "chain", "learned"])
def test_functions_are_searched_as_by_grid_search(task_kernel):
    X, y, tasks = ragged()
    table = np.column_stack([np.searchsorted(list("abcd"), tasks), X])
    model = SeparableKernelRegressor(task_column=0, task_kernel=task_kernel, tol=1e-5)
    cv = TaskKFold(3, task_column=0)
    own = {"kernel": ["linear", "rbf"]}
    ours = MultiTaskSearchCV(model, lambda1=[1.0, 0.1], lambda2=[0.1, 0.01], param_grid=own, cv=cv)
    ours.fit(table, y)
    theirs = GridSearchCV(model, {**own, "lambda1": [1.0, 0.1], "lambda2": [0.1, 0.01]}, cv=cv)
    theirs.fit(table, y)
    order = [theirs.cv_results_["params"].index(p) for p in ours.cv_results_["params"]]
    assert sorted(order) == list(range(8))
    for k in range(3):
        name = f"split{k}_test_score"
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name][order], atol=1e-8)
    assert ours.best_params_ == theirs.best_params_
    assert_array_equal(ours.predict(table), theirs.predict(table))


@quiet
def test_functions_by_every_door():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2.0, 2.0, (60, 2))
    Y = np.sin(X[:, :1]) + 0.1 * rng.normal(size=(60, 3))
    model = SeparableKernelRegressor(kernel="rbf", lambda2=0.01)
    shared = MultiTaskSearchCV(model, n_lambdas=3, cv=3).fit(X, Y)
    assert shared.best_score_ > 0.9
    theirs = GridSearchCV(model, {"lambda1": shared.lambda1_}, cv=TaskKFold(3)).fit(X, Y)
    for k in range(3):
        name = f"split{k}_test_score"
        assert_allclose(shared.cv_results_[name], theirs.cv_results_[name], atol=1e-8)
    # A kernel matrix is split by its columns, too.
    K = np.exp(-((X[:, None] - X) ** 2).sum(axis=2) / 2)
    ready = clone(model).set_params(kernel="precomputed")
    found = MultiTaskSearchCV(ready, lambda1=shared.lambda1_, cv=3).fit(K, Y)
    for k in range(3):
        name = f"split{k}_test_score"
        assert_allclose(found.cv_results_[name], shared.cv_results_[name], atol=1e-8)
    assert_allclose(found.predict(K), shared.predict(X), atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_features", [3, 80])
def test_the_scale_of_functions(fit_intercept, n_features):
    """That of coefficients, where the kernel is linear."""
    X, y, tasks = ragged(d=n_features)
    options = {"fit_intercept": fit_intercept, "task_weight": "size"}
    labels = {"tasks": tasks, "sample_weight": np.random.default_rng(0).uniform(0.1, 2.0, len(y))}
    model = SeparableKernelRegressor(**options)
    linear = lambda1_max(MeanRegularizedRegressor(**options), X, y, **labels)
    assert_allclose(lambda1_max(model, X, y, **labels), linear)
    K = clone(model).set_params(kernel="poly", degree=1, coef0=0.0, gamma=1.0)
    assert_allclose(lambda1_max(K, X, y, **labels), linear)
    grid = lambda_grid(model, X, y, n_lambdas=3, **labels)
    assert_allclose(grid, [1000.0 * linear, linear, linear / 1000.0])


def test_gaps_of_a_ridge_that_was_not_asked_for_are_not_told():
    """lambda2="auto" tries 0, where separable classes have no minimiser; the final fit has one."""
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(60, 5)), np.repeat([0, 1, 2], 20)
    y = X[:, 0] > 0
    model = MeanRegularizedClassifier()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        search = MultiTaskSearchCV(model, n_lambdas=3, cv=3).fit(X, y, tasks=tasks)
        constant = np.ones((60, 2))  # no curvature, so no ridge but 0
        MultiTaskSearchCV(model, lambda1=[1.0], cv=3).fit(constant, y, tasks=tasks)
    assert search.best_params_["lambda2"] > 0.0
    for lambda2 in ([0.0, 0.1], None):
        match = r"the largest relative duality gap is inf.* There may be no finite minimiser: set"
        with pytest.warns(ConvergenceWarning, match=match):
            search.set_params(lambda2=lambda2).fit(X, y, tasks=tasks)
