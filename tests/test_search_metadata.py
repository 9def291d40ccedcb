"""Pipelines in searches: metadata for their steps, and the project's scorers over them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    IncompleteMultiSourceRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    SeparableKernelRegressor,
    TraceNormRegressor,
    keep_tasks,
    metrics,
)
from malsar_py.metrics import make_task_scorer
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

from .problems import UNROUTED, ragged

GRID = [0.3, 0.1, 0.03]
pytestmark = pytest.mark.filterwarnings("ignore:The best score is at the edge")
SCORINGS = [pytest.param(None, marks=UNROUTED), "neg_mean_task_rmse"]


class CentreByTask(TransformerMixin, BaseEstimator):
    """Takes the mean of its task out of each row."""

    __metadata_request__fit = {"tasks": True}  # noqa: RUF012
    __metadata_request__transform = {"tasks": True}  # noqa: RUF012

    def fit(self, X, y=None, tasks=None):
        self.means_ = {t: X[tasks == t].mean(axis=0) for t in np.unique(tasks)}
        return self

    def fit_transform(self, X, y=None, tasks=None):
        return self.fit(X, y, tasks).transform(X, tasks)

    def transform(self, X, tasks=None):
        return X - np.array([self.means_[t] for t in tasks])


def assert_same_folds(ours, theirs, n_splits=3, atol=1e-7):
    for k in range(n_splits):
        name = f"split{k}_test_score"
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], atol=atol)
    assert ours.best_params_ == theirs.best_params_


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize(("step", "fit"), [(True, True), (True, False), (False, True)])
def test_steps_get_the_weights_they_request(scoring, step, fit):
    """And none that they refuse, the model included."""
    X, y, tasks = ragged(d=6)
    weight = np.random.default_rng(0).uniform(0.0, 5.0, len(y)) ** 2
    with config_context(enable_metadata_routing=True):
        model = LassoRegressor(tol=1e-10).set_fit_request(sample_weight=fit)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=step)
        pipeline = make_pipeline(scaler, model)
        ours = MultiTaskSearchCV(pipeline, lambda1=GRID, cv=3, scoring=scoring)
        ours.fit(X, y, tasks=tasks, sample_weight=weight)
        if scoring is not None:
            scoring = make_task_scorer(scoring).set_score_request(sample_weight=True)
        grid = {"lassoregressor__lambda1": GRID}
        theirs = GridSearchCV(pipeline, grid, cv=TaskKFold(3), scoring=scoring)
        theirs.fit(X, y, tasks=tasks, sample_weight=weight)
    assert_same_folds(ours, theirs)
    assert_allclose(ours.best_estimator_[0].mean_, theirs.best_estimator_[0].mean_)
    assert_allclose(ours.best_estimator_[1].coef_, theirs.best_estimator_[1].coef_)
    unweighted = MultiTaskSearchCV(pipeline, lambda1=GRID, cv=3).fit(X, y, tasks=tasks)
    names = [f"split{k}_test_score" for k in range(3)]
    if ours.scoring is None:
        for name in names:
            assert abs(ours.cv_results_[name] - unweighted.cv_results_[name]).max() > 1e-4


def test_a_model_may_refuse_weights_in_its_score():
    X, y, tasks = ragged()
    weight = np.random.default_rng(0).uniform(0.0, 5.0, len(y))
    with config_context(enable_metadata_routing=True):
        model = LassoRegressor(tol=1e-10).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        ours = MultiTaskSearchCV(model, lambda1=GRID, cv=3)
        ours.fit(X, y, tasks=tasks, sample_weight=weight)
        theirs = GridSearchCV(model, {"lambda1": GRID}, cv=TaskKFold(3))
        theirs.fit(X, y, tasks=tasks, sample_weight=weight)
    assert_same_folds(ours, theirs)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_steps_get_the_labels_they_request(scoring):
    X, y, tasks = ragged()
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(CentreByTask(), LassoRegressor(tol=1e-10))
        ours = MultiTaskSearchCV(pipeline, lambda1="auto", n_lambdas=4, cv=3, scoring=scoring)
        ours.fit(X, y, tasks=tasks)
        grid = {"lassoregressor__lambda1": ours.lambda1_}
        own = None if scoring is None else make_task_scorer(scoring)
        theirs = GridSearchCV(pipeline, grid, cv=TaskKFold(3), scoring=own)
        theirs.fit(X, y, tasks=tasks)
        assert_same_folds(ours, theirs)
        best = theirs.best_estimator_
        assert_array_equal(ours.predict(X, tasks=tasks), best.predict(X, tasks=tasks))
        assert ours.score(X, y, tasks=tasks) == theirs.score(X, y, tasks=tasks)


def test_what_no_step_requests_is_refused_before_the_work():
    X, y, tasks = ragged()
    calls = []

    def scorer(estimator, X, y, tasks):
        calls.append(0)
        return 0.0

    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), LassoRegressor())
        search = MultiTaskSearchCV(pipeline, n_lambdas=3, cv=2, scoring=scorer)
        with pytest.raises(ValueError, match=r"sample_weight.*not explicitly set as requested"):
            search.fit(X, y, tasks=tasks, sample_weight=np.ones(len(y)))
    assert not calls


# --- scores over pipelines ------------------------------------------------------------------------


def table(classify=False):
    """X with the labels in its third column, y, and the labels."""
    X, y, tasks = ragged(classify=classify)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    frame.insert(2, "school", np.searchsorted(list("abcd"), tasks).astype(float))
    return frame, y, tasks


@pytest.mark.parametrize("column", ["school", 2])
@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("name", ["neg_mean_task_rmse", "normalized_mse", "mean_task_auc"])
def test_scores_of_a_search_over_a_pipeline(column, array, name):
    classify = name == "mean_task_auc"
    X, y, tasks = table(classify)
    if array:
        if column != 2:
            pytest.skip("arrays have no names")
        X = X.to_numpy()
    # The labels come first in what the model sees.
    model = (MeanRegularizedClassifier if classify else MeanRegularizedRegressor)(
        lambda2=0.1, task_column=0 if column == 2 else column
    )
    pipeline = make_pipeline(keep_tasks(StandardScaler(), task_column=column), model)
    search = MultiTaskSearchCV(pipeline, n_lambdas=3, cv=3, scoring=name).fit(X, y)
    method = search.decision_function if classify else search.predict
    score = metrics.get_task_scorer(name)
    classes = getattr(search, "classes_", None)
    expected = score.score(y, method(X), tasks, classes)
    assert search.score(X, y) == expected
    weight = np.random.default_rng(0).uniform(0.1, 3.0, len(y))
    weighted = search.score(X, y, sample_weight=weight)
    assert weighted == score.score(y, method(X), tasks, classes, weight) != expected
    own = make_task_scorer(name)
    for fitted in (search, search.best_estimator_):
        assert own(fitted, X, y) == expected
    # Nested, and in a search of scikit-learn's.
    outer = TaskKFold(2, task_column=column)
    for scoring in (None, own):
        nested = cross_val_score(search, X, y, cv=outer, scoring=scoring, error_score="raise")
        assert np.isfinite(nested).all()
    grid = {f"{pipeline.steps[-1][0]}__lambda1": search.lambda1_}
    theirs = GridSearchCV(
        pipeline, grid, cv=TaskKFold(3, task_column=column, stratify=classify), scoring=own
    ).fit(X, y)
    assert_same_folds(search, theirs, atol=1e-5)
    assert theirs.score(X, y) == pytest.approx(expected)
    assert own(theirs, X, y) == pytest.approx(expected)


def test_a_column_that_a_step_moves():
    """The model's position is that in what it sees."""
    X, y, tasks = table()
    from sklearn.compose import ColumnTransformer

    last = ColumnTransformer(
        [("x", StandardScaler(), [0, 1, 3, 4, 5]), ("school", "passthrough", [2])]
    )
    pipeline = make_pipeline(last, MeanRegularizedRegressor(task_column=5, lambda2=0.1))
    pipeline.fit(X, y)
    expected = -metrics.mean_task_rmse(y, pipeline.predict(X), tasks)
    assert make_task_scorer("mean_task_rmse")(pipeline, X, y) == expected
    assert make_task_scorer("mean_task_rmse", task_column="school")(pipeline, X, y) == expected
    # Beyond pipelines: nested ones, and a target that is transformed.
    outer = make_pipeline("passthrough", clone(pipeline))
    other = TransformedTargetRegressor(outer, func=np.arcsinh, inverse_func=np.sinh).fit(X, y)
    value = make_task_scorer("mean_task_rmse")(other, X, y)
    assert value == -metrics.mean_task_rmse(y, other.predict(X), tasks)


@pytest.mark.parametrize("name", [None, "neg_mean_task_rmse", "mean_task_r2"])
def test_labels_apart_over_a_pipeline_without_routing(name):
    X, y, tasks = ragged()
    pipeline = make_pipeline(StandardScaler(), TraceNormRegressor())
    search = MultiTaskSearchCV(pipeline, n_lambdas=3, cv=2, scoring=name).fit(X, y, tasks=tasks)
    p = search.predict(X, tasks=tasks)
    score = search.score(X, y, tasks=tasks)
    if name is not None:
        assert score == metrics.get_task_scorer(name).score(y, p, tasks)
    else:
        Z = search.best_estimator_[0].transform(X)
        assert score == search.best_estimator_[1].score(Z, y, tasks=tasks)
    weight = np.where(tasks == "a", 0.0, 1.0)
    own = tasks != "a"
    assert search.score(X, y, tasks=tasks, sample_weight=weight) == pytest.approx(
        search.score(X[own], y[own], tasks=tasks[own])
    )


def test_classes_apart_over_a_pipeline_without_routing():
    X, y, tasks = ragged(classify=True)
    pipeline = make_pipeline(StandardScaler(), MeanRegularizedClassifier(lambda2=0.1))
    search = MultiTaskSearchCV(pipeline, n_lambdas=3, cv=2, scoring="mean_task_auc")
    search.fit(X, y, tasks=tasks)
    z = search.decision_function(X, tasks=tasks)
    assert_array_equal(search.predict(X, tasks=tasks), search.classes_[(z > 0).astype(int)])
    assert search.score(X, y, tasks=tasks) == metrics.mean_task_auc(y, z, tasks)


def test_patterns_are_tasks():
    X, y, _ = ragged()
    X[::3, 3:] = np.nan
    model = IncompleteMultiSourceRegressor(sources=[0, 0, 0, 1, 1], tol=1e-8)
    search = MultiTaskSearchCV(model, n_lambdas=3, cv=3, scoring="neg_mean_task_rmse").fit(X, y)
    tasks = np.isnan(X[:, 3]).astype(int)
    expected = -metrics.mean_task_rmse(y, search.predict(X), tasks)
    assert search.score(X, y) == pytest.approx(expected)


def test_a_scorer_of_scikit_learns_without_weights():
    X, y, tasks = ragged()
    frame = pd.DataFrame(X, columns=list("vwxyz")).assign(school=tasks)
    model = LassoRegressor(task_column="school")
    search = MultiTaskSearchCV(model, n_lambdas=3, cv=2, scoring="neg_max_error")
    search.fit(frame, y, sample_weight=np.ones(len(y)))
    assert search.score(frame, y, sample_weight=np.ones(len(y))) < 0.0


@pytest.mark.parametrize("scoring", [None, "neg_mean_task_rmse", "neg_mean_squared_error"])
def test_functions_over_a_pipeline(scoring):
    X, y, _ = table()
    model = SeparableKernelRegressor(kernel="rbf", task_column="school")
    pipeline = make_pipeline(keep_tasks(StandardScaler(), task_column="school"), model)
    name = "separablekernelregressor__"
    own = {f"{name}gamma": [0.05, 0.5], f"{name}lambda2": [0.1, 0.01]}
    ours = MultiTaskSearchCV(pipeline, lambda1=GRID, param_grid=own, cv=3, scoring=scoring)
    ours.fit(X, y)
    task_scorer = scoring == "neg_mean_task_rmse"
    theirs = GridSearchCV(
        pipeline,
        {**own, f"{name}lambda1": GRID},
        cv=TaskKFold(3, task_column="school"),
        scoring=make_task_scorer(scoring) if task_scorer else scoring,
    ).fit(X, y)
    order = [theirs.cv_results_["params"].index(p) for p in ours.cv_results_["params"]]
    for k in range(3):
        key = f"split{k}_test_score"
        assert_allclose(ours.cv_results_[key], theirs.cv_results_[key][order], atol=1e-10)
    assert ours.best_params_ == theirs.best_params_
    assert_array_equal(ours.predict(X), theirs.predict(X))
