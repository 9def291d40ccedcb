"""What every public estimator does, discovered: labels, weights, copies, routing, pictures.

`test_everywhere_selection.py` has folds, searches and paths. An estimator that is exempt from a
test is listed here with the reason.
"""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py.model_selection import TaskKFold

from .problems import UNROUTED, ids
from .test_common import public_estimators, takes_labels

PATTERNS = "the pattern of missing sources is the task: there are no labels"
CLUSTERS = "clusters rows: there is no y to learn or to predict"
KERNEL = "functions instead of coefficients"
VARIANCES = "variances found by likelihood instead of strengths: there is no lambda1"
MATCHED = "lambda1 decides how rows are weighted; tasks that share their rows have none to match"


def made(cls):
    model = cls()
    own = {"random_state": 0, "sources": [0, 0, 1, 1], "n_init": 1}
    if hasattr(model, "predict"):
        own |= {"tol": 1e-9, "max_iter": 20_000}
    if is_classifier(model):
        own |= {"lambda1": 0.03, "lambda2": 0.03}
    return model.set_params(**{k: v for k, v in own.items() if k in model.get_params()})


EVERY = [made(cls) for cls in public_estimators()]


def exempt(model):
    """The reasons why an estimator has no part in some of the tests."""
    name = type(model).__name__
    if name.startswith("IncompleteMultiSource"):
        return {PATTERNS}
    return {
        "DistributionMatchingClassifier": {MATCHED},
        "DistributionMatchingRegressor": {MATCHED},
        "MixedEffectsRegressor": {VARIANCES},
        "SharedSubspaceClustering": {CLUSTERS},
        "SeparableKernelRegressor": {KERNEL},
    }.get(name, set())


def every(*reasons):
    """Parametrise over every estimator, but those that are exempt for one of these reasons."""
    models = [model for model in EVERY if not exempt(model).intersection(reasons)]
    return pytest.mark.parametrize("model", models, ids=ids(models))


def test_none_is_exempt_without_being_there():
    assert len(EVERY) >= 37
    exempted = [model for model in EVERY if exempt(model)]
    assert sorted(ids(exempted)) == [
        "DistributionMatchingClassifier",
        "DistributionMatchingRegressor",
        "IncompleteMultiSourceClassifier",
        "IncompleteMultiSourceRegressor",
        "MixedEffectsRegressor",
        "SeparableKernelRegressor",
        "SharedSubspaceClustering",
    ]
    assert all(takes_labels(model.__class__) for model in EVERY if model not in exempted)


# --- data ----------------------------------------------------------------------------------------


def targets(model, n=32, seed=0):
    """X (n, 4) and Y (n, 3), a column per task."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)) + 0.3
    W = np.array([[2.0, 2.2, 1.8], [-1.0, -0.5, -1.5], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])
    Z = X @ W + [0.0, 1.0, 2.0]
    Z += (2.5 if is_classifier(model) else 0.7) * rng.standard_normal(Z.shape)
    columns = list("abc")
    if is_classifier(model):
        return frame(X), pd.DataFrame(np.where(np.median(Z, axis=0) < Z, 1, -1), columns=columns)
    return frame(X), pd.DataFrame(Z, columns=columns)


def frame(X):
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def stacked(X, Y):
    """The same cell by cell in a mixed order: rows, y, tasks, and the order."""
    order = np.random.default_rng(1).permutation(Y.size)
    rows = frame(np.tile(X.to_numpy(), (Y.shape[1], 1))[order])
    labels = np.repeat(Y.columns.to_numpy(), len(Y))
    return rows, Y.to_numpy().T.ravel()[order], labels[order], order


def with_labels(rows, tasks):
    return rows.assign(school=tasks)


def fitted(model):
    """A fit, with what its predict is given."""
    rows, y, tasks, _ = stacked(*targets(model))
    if PATTERNS in exempt(model):
        rows.iloc[::3, 2:] = np.nan
        return clone(model).fit(rows, y), (rows,), {}
    if CLUSTERS in exempt(model):
        return clone(model).fit(rows, tasks=tasks), (rows,), {"tasks": tasks}
    return clone(model).fit(rows, y, tasks=tasks), (rows,), {"tasks": tasks}


def outputs(model, rows, **labels):
    """All that a fitted model says of rows."""
    names = ("predict", "predict_proba", "decision_function")
    return [getattr(model, name)(rows, **labels) for name in names if hasattr(model, name)]


# --- labels --------------------------------------------------------------------------------------


@every(PATTERNS, CLUSTERS, MATCHED)
def test_three_doors_one_fit(model):
    X, Y = targets(model)
    rows, y, tasks, order = stacked(X, Y)
    table = with_labels(rows, tasks)
    by_column = clone(model).set_params(task_column="school").fit(table, y)
    by_keyword = clone(model).fit(rows, y, tasks=tasks)
    by_targets = clone(model).fit(X, Y)
    for other in (by_column, by_keyword, by_targets):
        assert other.tasks_.tolist() == list("abc")
        assert other.n_tasks_ == 3
        if hasattr(other, "coef_"):
            assert other.coef_.shape == (3, 4)
            assert_allclose(other.coef_, by_keyword.coef_, atol=1e-4)
        assert_allclose(other.intercept_, by_keyword.intercept_, atol=1e-4)
    assert by_column.n_features_in_ == 5 and by_keyword.n_features_in_ == 4
    said = outputs(by_column, table), outputs(by_keyword, rows, tasks=tasks)
    for one, other in zip(*said, strict=True):
        assert_array_equal(one, other)
    wide = response(by_targets, X)
    assert wide.shape == Y.shape
    long = response(by_keyword, rows, tasks=tasks)
    assert_allclose(wide.T.ravel()[order], long, atol=1e-3)
    assert_allclose(response(by_targets, rows, tasks=tasks), long, atol=1e-3)
    score = by_column.score(table, y)
    assert by_keyword.score(rows, y, tasks=tasks) == score
    assert_allclose(by_targets.score(X, Y), score, atol=1e-4)


@every(PATTERNS, CLUSTERS)
def test_labels_that_are_missing_or_unknown(model):
    (fit, (rows,), _) = fitted(model)
    with pytest.raises(ValueError, match="every row needs a task label"):
        fit.predict(rows)
    fit.set_params(unseen="error")
    with pytest.raises(ValueError, match=r"Unseen task labels.*TaskKFold.*unseen="):
        fit.predict(rows[:2], tasks=["a", "z"])
    mean = fit.set_params(unseen="mean").predict(rows, tasks=np.full(len(rows), "z"))
    assert mean.shape == (len(rows),)
    if VARIANCES in exempt(model):  # the common model, not the mean of the tasks' models
        assert_allclose(mean, rows @ fit.coef_mean_ + fit.intercept_mean_, atol=1e-12)
    elif not is_classifier(model):
        each = [fit.predict(rows, tasks=np.full(len(rows), task)) for task in "abc"]
        expected = np.mean(each, axis=0)
        if hasattr(fit, "coef_"):  # functions have no features to weigh: theirs is the plain mean
            expected = rows @ fit._mean_coef + fit._mean_intercept
        assert_allclose(mean, expected, atol=1e-12)


@pytest.mark.parametrize("model", [m for m in EVERY if exempt(m) & {PATTERNS, CLUSTERS}])
def test_labels_where_there_are_none(model):
    """Exempt from the doors: what they say instead."""
    rows, y, tasks, _ = stacked(*targets(model))
    if PATTERNS in exempt(model):
        with pytest.raises(ValueError, match="`tasks` cannot be combined with the pattern"):
            clone(model).fit(rows, y, tasks=tasks)
        return
    by_keyword = clone(model).fit(rows, tasks=tasks)
    by_column = clone(model).set_params(task_column="school").fit(with_labels(rows, tasks))
    assert by_keyword.tasks_.tolist() == list("abc")
    assert_array_equal(by_keyword.labels_, by_column.labels_)


# --- weights and missing targets ----------------------------------------------------------------


def response(model, rows, **labels):
    """Linear predictions: these do not jump."""
    return getattr(model, "decision_function" if is_classifier(model) else "predict")(
        rows, **labels
    )


@every(CLUSTERS)
def test_weights_are_repeated_rows(model):
    rows, y, tasks, _ = stacked(*targets(model))
    labels = {"tasks": tasks}
    if PATTERNS in exempt(model):
        rows.iloc[::3, 2:], labels = np.nan, {}
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = clone(model).fit(rows, y, sample_weight=weight, **labels)
    again = np.repeat(np.arange(len(y)), weight)
    taken = {name: values[again] for name, values in labels.items()}
    repeated = clone(model).fit(rows.iloc[again], y[again], **taken)
    expected = response(repeated, rows, **labels)
    assert_allclose(response(weighted, rows, **labels), expected, atol=1e-5)
    assert_allclose(
        weighted.score(rows, y, sample_weight=weight, **labels),
        repeated.score(rows.iloc[again], y[again], **taken),
        atol=1e-5,
    )


@every(PATTERNS, CLUSTERS, MATCHED)
def test_missing_targets_are_rows_left_out(model):
    X, Y = targets(model)
    holes = Y.astype(float).mask(np.random.default_rng(5).random(Y.shape) < 0.2)
    rows, y, tasks, _ = stacked(X, holes)
    seen = ~np.isnan(y)
    by_targets = clone(model).fit(X, holes)
    by_keyword = clone(model).fit(rows[seen], y[seen], tasks=tasks[seen])
    expected = response(by_keyword, rows, tasks=tasks)
    assert_allclose(response(by_targets, rows, tasks=tasks), expected, atol=1e-5)
    score = by_keyword.score(rows[seen], y[seen], tasks=tasks[seen])
    assert_allclose(by_targets.score(X, holes), score, atol=1e-5)


# --- copies --------------------------------------------------------------------------------------


@every()
def test_clone_and_pickle(model):
    fit, (rows,), labels = fitted(model)
    copy = pickle.loads(pickle.dumps(fit))
    said = outputs(fit, rows, **labels)
    assert bool(said) == (CLUSTERS not in exempt(model))
    for one, other in zip(said, outputs(copy, rows, **labels), strict=True):
        assert_array_equal(one, other)
    assert vars(copy).keys() == vars(fit).keys()
    again = clone(fit)
    assert repr(again) == repr(model)
    assert not [name for name in vars(again) if name.endswith("_")]
    refit, _, _ = fitted(again)
    for name in ("coef_", "dual_coef_", "labels_", "intercept_"):
        if hasattr(fit, name):
            assert_array_equal(getattr(copy, name), getattr(fit, name))
            assert_array_equal(getattr(refit, name), getattr(fit, name))


# --- routing -------------------------------------------------------------------------------------


@UNROUTED
@every(PATTERNS, CLUSTERS)
def test_labels_are_routed(model):
    """Through a pipeline and a search, when routing is on: the same as without either."""
    rows, y, tasks, _ = stacked(*targets(model))
    pipeline = make_pipeline(StandardScaler(), clone(model))
    # Any parameter that it has.
    parameter = "tol" if VARIANCES in exempt(model) else "lambda1"
    name = f"{pipeline.steps[-1][0]}__{parameter}"
    with config_context(enable_metadata_routing=True):
        pipeline.fit(rows, y, tasks=tasks)
        search = GridSearchCV(
            pipeline, {name: [getattr(model, parameter)]}, cv=TaskKFold(2), error_score="raise"
        )
        search.fit(rows, y, tasks=tasks)
        scores = [pipeline.score(rows, y, tasks=tasks), search.score(rows, y, tasks=tasks)]
        said = pipeline.predict(rows, tasks=tasks)
    scaled = StandardScaler().fit_transform(rows)
    alone = clone(model).fit(scaled, y, tasks=tasks)
    assert_array_equal(pipeline[-1].tasks_, list("abc"))
    assert_array_equal(search.best_estimator_[-1].tasks_, list("abc"))
    assert_array_equal(said, alone.predict(scaled, tasks=tasks))
    assert scores == [alone.score(scaled, y, tasks=tasks)] * 2
    folds = TaskKFold(2).split(scaled, y, tasks)
    expected = []
    for train, test in folds:
        scaler = StandardScaler().fit(rows.iloc[train])
        fold = clone(model).fit(scaler.transform(rows.iloc[train]), y[train], tasks=tasks[train])
        part = scaler.transform(rows.iloc[test])
        expected.append(fold.score(part, y[test], tasks=tasks[test]))
    assert_allclose(search.best_score_, np.mean(expected), rtol=1e-12)


# --- histories -----------------------------------------------------------------------------------


@every()
@pytest.mark.parametrize(
    "limits", [{}, {"max_iter": 3}, {"solver": "apg"}, {"tol": 1e-11}], ids=str
)
def test_histories_count_iterations(model, limits):
    model = clone(model)
    model.set_params(**{k: v for k, v in limits.items() if k in model.get_params()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit, _, _ = fitted(model)
    steps = fit.objective_iterations_
    assert steps.shape == fit.objective_.shape and steps.dtype.kind == "i"
    assert steps[0] >= 0 and (np.diff(steps) > 0).all()
    assert steps[-1] == fit.n_iter_ >= 1


# --- pictures ------------------------------------------------------------------------------------


@every()
def test_pictures(model):
    plotting = pytest.importorskip("malsar_py.plotting")
    pytest.importorskip("matplotlib")
    fit, _, _ = fitted(model)
    history = plotting.ConvergenceDisplay.from_estimator(fit)
    # Without a lower bound there is nothing to show of the last value.
    shown = len(fit.objective_) - (not hasattr(fit, "dual_gap_"))
    assert_array_equal(history.line_.get_xdata(), fit.objective_iterations_[:shown])
    if not hasattr(fit, "coef_"):
        assert exempt(model) & {KERNEL, CLUSTERS}
        for display in (plotting.CoefficientMapDisplay, plotting.TaskSimilarityDisplay):
            with pytest.raises(TypeError, match=f"with coef_.* got {type(model).__name__}"):
                display.from_estimator(fit)
        return
    n_tasks = len(fit.tasks_)
    coefficients = plotting.CoefficientMapDisplay.from_estimator(fit)
    assert coefficients.image_.get_array().shape == (4, n_tasks)
    assert sorted(coefficients.task_order_) == list(range(n_tasks))
    similarity = plotting.TaskSimilarityDisplay.from_estimator(fit)
    assert similarity.image_.get_array().shape == (n_tasks, n_tasks)


REGRESSORS = [m for m in EVERY if hasattr(m, "predict") and not is_classifier(m)]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("model", REGRESSORS, ids=ids(REGRESSORS))
def test_data_stay_as_they_were(model, fit_intercept):
    """Sorted rows of doubles are not copied on their way: nothing may write into them."""
    model = clone(model)
    if "fit_intercept" in model.get_params():
        model.set_params(fit_intercept=fit_intercept)
    rng = np.random.default_rng(3)
    X, tasks = rng.standard_normal((24, 4)), np.repeat([0, 1, 2], 8)
    y = 10.0 * X[:, 0] + rng.standard_normal(24)
    labels = {"tasks": tasks} if takes_labels(type(model)) else {}
    before = X.copy(), y.copy()
    model.fit(X, y, **labels)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
