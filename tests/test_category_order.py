"""The order of an ordered categorical is the order of the tasks."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    FusedSparseGroupRegressor,
    GraphRegressor,
    JointFeatureRegressor,
    SeparableKernelRegressor,
    SharedSubspaceClustering,
    TemporalGroupRegressor,
    keep_tasks,
    metrics,
    stack_tasks,
)
from malsar_py.model_selection import LeaveOneTaskOut, MultiTaskSearchCV, TaskKFold
from malsar_py.plotting import CoefficientMapDisplay

from .test_everywhere import CLUSTERS, PATTERNS, every
from .test_everywhere import stacked as make_rows
from .test_everywhere import targets as make_targets

RNG = np.random.default_rng(0)
ORDER = ["M6", "M12", "M24"]
CODES = np.array([0, 1, 2] * 40)
X = RNG.normal(size=(120, 1))
Y = np.array([1.0, 1.0, 3.0])[CODES] * X[:, 0]
LABELS = np.array(ORDER)[CODES]
UNUSED = ["M0", "M6", "M9", "M12", "M24", "M48"]
VISITS = pd.Categorical(LABELS, categories=UNUSED, ordered=True)
FRAME = pd.DataFrame({"x": X[:, 0], "visit": VISITS})

FORMS = {
    "categorical": VISITS,
    "series": pd.Series(VISITS, index=np.arange(120) + 7),
    "index": pd.CategoricalIndex(VISITS),
    "frame": pd.DataFrame({"visit": VISITS}),
    "polars Enum": pl.Series(LABELS, dtype=pl.Enum(UNUSED)),
}
UNORDERED = {
    "strings": LABELS,
    "unordered": pd.Categorical(LABELS, categories=UNUSED),
    "polars Categorical": pl.Series(LABELS, dtype=pl.Categorical),
}
CHAINS = [
    FusedSparseGroupRegressor(lambda1=0.0, lambda2=0.3),
    TemporalGroupRegressor(lambda1=0.01, lambda3=3.0),
    GraphRegressor(graph="chain", lambda1=3.0),
    SeparableKernelRegressor(task_kernel="chain", lambda1=1.0),
]


@pytest.mark.parametrize("tasks", FORMS.values(), ids=FORMS)
def test_tasks_are_in_the_order_of_the_categories(tasks):
    found = JointFeatureRegressor().fit(X, Y, tasks=tasks)
    assert found.tasks_.tolist() == ORDER
    assert_allclose(found.coef_, JointFeatureRegressor().fit(X, Y, tasks=CODES).coef_)
    assert_allclose(found.predict(X, tasks=tasks), found.predict(X, tasks=LABELS))


@pytest.mark.parametrize("tasks", UNORDERED.values(), ids=UNORDERED)
def test_other_categories_are_sorted(tasks):
    assert JointFeatureRegressor().fit(X, Y, tasks=tasks).tasks_.tolist() == sorted(ORDER)


@every(CLUSTERS, PATTERNS)
def test_every_estimator(model):
    rows, y, tasks, _ = make_rows(*make_targets(model))
    ordered = pd.Categorical(tasks, categories=["c", "a", "b"], ordered=True)
    codes = np.asarray(ordered.codes)
    expected = clone(model).fit(rows, y, tasks=codes)
    by_keyword = clone(model).fit(rows, y, tasks=ordered)
    by_column = clone(model).set_params(task_column="task").fit(rows.assign(task=ordered), y)
    for found in (by_keyword, by_column):
        assert found.tasks_.tolist() == ["c", "a", "b"]
        assert_allclose(found.objective_[-1], expected.objective_[-1], rtol=1e-12)
    assert_allclose(
        by_column.predict(rows.assign(task=ordered)), expected.predict(rows, tasks=codes)
    )


@pytest.mark.parametrize("model", CHAINS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("form", FORMS)
def test_chains_follow_it(model, form):
    tasks = FORMS[form]
    expected = clone(model).fit(X, Y, tasks=CODES)
    found = clone(model).fit(X, Y, tasks=tasks)
    assert_allclose(found.objective_[-1], expected.objective_[-1], rtol=1e-12)
    assert_allclose(found.predict(X, tasks=tasks), expected.predict(X, tasks=CODES))
    sorted_ones = clone(model).fit(X, Y, tasks=LABELS)
    assert not np.allclose(found.predict(X, tasks=tasks), sorted_ones.predict(X, tasks=LABELS))
    if hasattr(model, "task_order"):
        explicit = clone(model).set_params(task_order=UNUSED).fit(X, Y, tasks=LABELS)
        assert_allclose(explicit.predict(X, tasks=LABELS), found.predict(X, tasks=tasks))


@pytest.mark.parametrize(
    "frame", [FRAME, pl.DataFrame({"x": X[:, 0], "visit": FORMS["polars Enum"]})]
)
def test_the_label_column_in_searches_and_pipelines(frame):
    model = FusedSparseGroupRegressor(lambda1=0.0, lambda2=0.3, task_column="visit", tol=1e-12)
    grid, cv = {"lambda1": [0.0, 0.1]}, TaskKFold(3, task_column="visit")
    by_sklearn = GridSearchCV(model, grid, cv=cv).fit(frame, Y)
    ours = MultiTaskSearchCV(model, lambda1=[0.0, 0.1], cv=cv).fit(frame, Y)
    labels = pd.CategoricalIndex(VISITS)
    beside = clone(model).set_params(task_column=None)
    kept = MultiTaskSearchCV(beside, lambda1=[0.0, 0.1], cv=3).fit(X, Y, tasks=labels)
    assert kept.best_estimator_.tasks_.tolist() == ORDER
    words = pd.Index(LABELS, dtype="str")
    assert MultiTaskSearchCV(beside, lambda1=0.1, cv=3).fit(X, Y, tasks=words).n_splits_ == 3
    by_int = MultiTaskSearchCV(model, lambda1=[0.0, 0.1], cv=3).fit(frame, Y)
    for search in (by_sklearn, ours, by_int):
        assert search.best_estimator_.tasks_.tolist() == ORDER
    scores = by_sklearn.cv_results_["mean_test_score"]
    assert_allclose(ours.cv_results_["mean_test_score"][::-1], scores, rtol=1e-6)
    assert_allclose(by_int.cv_results_["mean_test_score"][::-1], scores, rtol=1e-6)
    pipe = make_pipeline(keep_tasks(StandardScaler(), "visit"), clone(model)).fit(frame, Y)
    assert pipe[-1].tasks_.tolist() == ORDER
    again = pickle.loads(pickle.dumps(pipe))
    assert_allclose(again.predict(frame), pipe.predict(frame))
    assert clone(pipe).fit(frame, Y)[-1].tasks_.tolist() == ORDER


def test_folds_without_a_category_keep_the_order():
    some = FRAME[FRAME["visit"] != "M12"]
    model = GraphRegressor(graph="chain", task_column="visit", unseen="mean")
    assert model.fit(some, Y[FRAME["visit"] != "M12"]).tasks_.tolist() == ["M6", "M24"]
    cv = LeaveOneTaskOut(task_column="visit")
    left_out = [LABELS[test[0]] for _, test in cv.split(FRAME, Y)]
    assert left_out == ORDER
    left_out = [LABELS[test[0]] for _, test in LeaveOneTaskOut().split(X, Y, VISITS)]
    assert left_out == ORDER


def test_metrics_clusters_stacks_and_displays():
    assert_allclose(metrics.task_scores(Y, Y - CODES, VISITS), [0.0, 1.0, 2.0])
    assert_allclose(metrics.task_scores(Y, Y - CODES, LABELS), [1.0, 2.0, 0.0])
    model = SharedSubspaceClustering(n_clusters=2, n_components=1, n_init=1, random_state=0)
    assert model.fit(X, tasks=VISITS).tasks_.tolist() == ORDER
    labels = pd.Categorical(["late", "early"], categories=["late", "early"], ordered=True)
    Xs, y, tasks = stack_tasks([X, X], [Y, Y], labels=labels)
    assert JointFeatureRegressor().fit(Xs, y, tasks=tasks).tasks_.tolist() == ["late", "early"]
    pytest.importorskip("matplotlib").use("Agg")
    fitted = JointFeatureRegressor().fit(np.c_[X, X**2], Y, tasks=VISITS)
    assert_array_equal(CoefficientMapDisplay.from_estimator(fitted).tasks, ORDER)


def test_categories_of_other_kinds():
    numbers = pd.Categorical(CODES, categories=[2, 0, 1], ordered=True)
    assert JointFeatureRegressor().fit(X, Y, tasks=numbers).tasks_.tolist() == [2, 0, 1]
    bins = pd.cut(pd.Series(CODES), [-1, 0, 1, 2, 9])
    assert JointFeatureRegressor().fit(X, Y, tasks=bins).tasks_.tolist() == [
        category for category in bins.cat.categories if category.right <= 2
    ]
    hole = pd.Series(VISITS, copy=True)
    hole[5] = None
    with pytest.raises(ValueError, match="`tasks` contains NaN: the label of row 5 is missing"):
        JointFeatureRegressor().fit(X, Y, tasks=hole)


def test_pyarrow_dictionaries():
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_pandas(FRAME)
    model = JointFeatureRegressor(task_column="visit").fit(table, Y)
    assert model.tasks_.tolist() == ORDER
    assert JointFeatureRegressor().fit(X, Y, tasks=table["visit"]).tasks_.tolist() == ORDER


@pytest.mark.parametrize("tasks", FORMS.values(), ids=FORMS)
def test_labels_beside_x_keep_it_in_folds_and_scores(tasks):
    """Folds deal the tasks in their order, and rows are taken of any form of labels."""
    model = FusedSparseGroupRegressor(lambda2=0.3)
    groups = np.arange(120) // 2 % 11
    weight = np.where(np.arange(120) % 5 == 0, 0.0, 1.0)
    for cv, given in ((4, {}), (None, {"groups": groups})):
        search = MultiTaskSearchCV(model, lambda1=[0.01, 0.1], cv=cv, scoring="mean_task_rmse")
        one, other = (
            clone(search).fit(X, Y, tasks=labels, sample_weight=weight, **given)
            for labels in (tasks, pd.Series(VISITS))
        )
        assert one.best_estimator_.tasks_.tolist() == ORDER
        for k in range(one.n_splits_):
            name = f"split{k}_test_score"
            assert_array_equal(one.cv_results_[name], other.cv_results_[name])
        scores = [one.score(X, Y, tasks=v, sample_weight=weight) for v in (tasks, LABELS)]
        assert scores[0] == scores[1]
    scorer = metrics.make_task_scorer("mean_task_mae")
    last = one.best_estimator_
    found = [scorer(last, X, Y, tasks=v, sample_weight=weight) for v in (tasks, LABELS)]
    assert found[0] == found[1]
