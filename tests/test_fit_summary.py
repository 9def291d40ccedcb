"""Fits, paths and searches on summaries are those on the rows; what needs the rows is refused."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    IncompleteMultiSourceRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    MultiLevelLassoRegressor,
    MultiStageRegressor,
    NonconvexFusedRegressor,
    SeparableKernelRegressor,
    Summary,
    summarize,
)
from malsar_py.model_selection import (
    MultiTaskSearchCV,
    lambda1_max,
    lambda_grid,
    regularization_path,
)
from tests.problems import CLASSIFIERS, REGRESSORS, ids, ragged, shared, tight

pd = pytest.importorskip("pandas")

STAGED = [
    MultiStageRegressor(lambda1=0.1, threshold=0.5),
    MultiLevelLassoRegressor(lambda1=0.1),
    NonconvexFusedRegressor(lambda1=0.1, lambda2=0.1),
]
ALL = REGRESSORS + STAGED
DOORS = ("none", "keyword", "column", "shared")
SETTINGS = [
    pytest.param(*setting, marks=() if setting == ("keyword", True, True) else pytest.mark.thorough)
    for setting in itertools.product(DOORS, (False, True), (True, False))
]


def in_parts(X, y, tasks=None, sample_weight=None, folds=None, n=4):
    """The sum of the summaries of some parts of the rows."""
    given = {"tasks": tasks, "sample_weight": sample_weight, "folds": folds}
    parts = []
    for own in np.array_split(np.random.default_rng(0).permutation(len(X)), n):
        args = {name: None if v is None else np.asarray(v)[own] for name, v in given.items()}
        parts.append(Summary().update(np.asarray(X)[own], np.asarray(y)[own], **args))
    return sum(parts)


def table_of(X, y, tasks, **columns):
    """A table with the labels in the middle."""
    table = pd.DataFrame(X, columns=[f"f{j}" for j in range(X.shape[1])])
    table.insert(2, "school", tasks)
    return table.assign(y=y, **columns)


def assert_close(one, other, rtol=1e-10):
    scale = max(np.abs(other).max(), 1e-300)
    assert_allclose(one, other, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize(("door", "weighted", "fit_intercept"), SETTINGS)
@pytest.mark.parametrize("model", ALL, ids=ids(ALL))
def test_fits_are_those_of_the_rows(model, door, weighted, fit_intercept):
    X, y, tasks = ragged()
    if door == "shared":
        X, y = shared()
    labels = tasks if door == "keyword" else None
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X)) if weighted else None
    model = tight(model, fit_intercept=fit_intercept)
    if door == "column":
        model.set_params(task_column="school")
        table = table_of(X, y, tasks)
        if weighted:
            table = table.assign(w=weight)
        batches = [table[::3], table[1::3], table[2::3]]
        summary = summarize(batches, task_column="school", sample_weight="w" if weighted else None)
        X = table.drop(columns=["y", "w"] if weighted else ["y"])
    else:
        summary = in_parts(X, y, labels, weight)
    rows = clone(model).fit(X, y, tasks=labels, sample_weight=weight)
    few = model.fit(summary)
    assert_array_equal(few.tasks_, rows.tasks_)
    assert_close(few.coef_, rows.coef_)
    assert_close(few.intercept_, rows.intercept_)
    assert few.n_features_in_ == rows.n_features_in_
    if door == "column":
        assert_array_equal(few.feature_names_in_, rows.feature_names_in_)
    assert_close(few.predict(X, tasks=labels), rows.predict(X, tasks=labels))
    assert few._door == rows._door
    if labels is not None:  # the model of new tasks
        a, b = (m.set_params(unseen="mean").predict(X, tasks=["?"] * len(X)) for m in (few, rows))
        assert_close(a, b)
    assert_close(few.objective_[-1], rows.objective_[-1])


@pytest.mark.parametrize("task_weight", ["size", {"a": 2.0, "b": 1.0, "c": 1.0, "d": 0.5}])
def test_task_weights(task_weight):
    X, y, tasks = ragged()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    model = JointFeatureRegressor(tol=1e-12, task_weight=task_weight)
    few = clone(model).fit(in_parts(X, y, tasks, weight))
    assert_close(few.coef_, model.fit(X, y, tasks=tasks, sample_weight=weight).coef_)


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("cls", [JointFeatureRegressor, MeanRegularizedRegressor])
def test_columns_far_from_zero_lose_nothing(offset, cls):
    """Against the fit of the same numbers with the offset taken out, which is exact."""
    X, y, tasks = ragged()
    far = X * 1.0 + offset
    near = far - offset
    few = cls(tol=1e-13).fit(in_parts(far, y, tasks))
    assert_close(few.coef_, cls(tol=1e-13).fit(near, y, tasks=tasks).coef_)
    # Floats do not hold intercepts any better than this.
    expected = cls(tol=1e-13).fit(far, y, tasks=tasks).intercept_
    assert_allclose(few.intercept_, expected, rtol=1e-13, atol=1e-9)


POOLED = [
    JointFeatureRegressor(intercept_shrinkage=0.3),
    MeanRegularizedRegressor(intercept_shrinkage=np.inf, lambda2=0.1),
    LassoRegressor(intercept_shrinkage="reml"),
    JointFeatureRegressor(common=True, lambda2=0.1),
]


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("model", POOLED)
def test_shrunk_intercepts_and_common_parts(model, offset):
    X, y, tasks = ragged()
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    far = X + offset
    few = clone(model).set_params(tol=1e-13).fit(in_parts(far, y, tasks, weight))
    rows = clone(model).set_params(tol=1e-13)
    rows.fit(far - offset, y, tasks=tasks, sample_weight=weight)
    # (By REML variances are those at a grand mean that is a float.)
    assert_close(few.coef_, rows.coef_, 1e-10 if offset == 0.0 else 1e-9)
    if offset == 0.0:
        assert_close(few.intercept_, rows.intercept_)
        assert_close(few.predict(X, tasks=tasks), rows.predict(X, tasks=tasks))


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_hostile_scales(scale):
    X, y, tasks = ragged()
    model = MeanRegularizedRegressor(lambda1=0.5 * scale**2, tol=1e-12)
    few = clone(model).fit(in_parts(X * scale, y, tasks))
    assert_close(few.coef_, model.fit(X * scale, y, tasks=tasks).coef_)


def test_constant_columns_have_no_coefficient():
    X, y, tasks = ragged()
    X[:, 1] = 0.1  # no float
    X[:, 3] = np.where(tasks == "a", 0.3, 1e9 + 0.7)
    model = MeanRegularizedRegressor(lambda2=0.1)
    with pytest.warns(UserWarning, match="Constant within every task: 'x3'"):
        model.fit(in_parts(X, y, tasks, n=7))
    assert not model.coef_[:, [1, 3]].any() and model.coef_[:, [0, 2, 4]].all()


@pytest.mark.parametrize("model", [LassoRegressor(lambda1=0.01), MeanRegularizedRegressor()])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_tasks_of_few_rows(model, fit_intercept):
    rng = np.random.default_rng(0)
    d = 3
    tasks = np.repeat(np.arange(1, d + 4), np.arange(1, d + 4))
    X, y = rng.standard_normal((len(tasks), d)), rng.standard_normal(len(tasks))
    model = clone(model).set_params(tol=1e-13, lambda2=0.05, fit_intercept=fit_intercept)
    few = clone(model).fit(in_parts(X, y, tasks))
    assert_close(few.coef_, model.fit(X, y, tasks=tasks).coef_, 1e-9)


def test_paths_are_those_of_the_rows():
    X, y, tasks = ragged()
    summary, model = in_parts(X, y, tasks), JointFeatureRegressor(tol=1e-12)
    assert lambda1_max(model, summary) == pytest.approx(lambda1_max(model, X, y, tasks=tasks))
    assert_allclose(
        lambda_grid(model, summary, n_lambdas=5), lambda_grid(model, X, y, tasks=tasks, n_lambdas=5)
    )
    few = regularization_path(model, summary, n_lambdas=10)
    rows = regularization_path(model, X, y, tasks=tasks, n_lambdas=10)
    assert_close(few.coef, rows.coef)
    assert_close(few.intercept, rows.intercept)
    assert_array_equal(few.df, rows.df)
    assert_array_equal(few.tasks, rows.tasks)
    assert few.feature_names.tolist() == rows.feature_names.tolist()


# --- searches ------------------------------------------------------------------------------------

SCORES = [
    None,
    "neg_mean_task_mse",
    "mean_task_rmse",
    "mean_task_r2",
    "r2",
    "neg_mean_squared_error",
    "neg_root_mean_squared_error",
]


def assert_same_search(few, rows):
    for k in range(rows.n_splits_):
        name = f"split{k}_test_score"
        assert_allclose(few.cv_results_[name], rows.cv_results_[name], rtol=1e-12, atol=1e-12)
    assert few.best_index_ == rows.best_index_
    assert_allclose(few.lambda1_, rows.lambda1_, rtol=1e-12)
    assert_close(few.best_estimator_.coef_, rows.best_estimator_.coef_)


@pytest.mark.filterwarnings("ignore:The best score is at the edge")
@pytest.mark.parametrize("scoring", SCORES)
@pytest.mark.parametrize("door", ["column", "shared"])
def test_searches_are_those_of_the_rows(scoring, door):
    rng = np.random.default_rng(2)
    X, y, tasks = ragged()
    if door == "shared":
        X, y = shared(d=5)
    folds, weight = rng.integers(0, 3, len(X)), rng.uniform(0.5, 2.0, len(X))
    model = MeanRegularizedRegressor(tol=1e-12)
    given = {"n_lambdas": 6, "lambda2": [0.01, 0.1], "scoring": scoring}
    if door == "column":
        model.set_params(task_column="school")
        table = table_of(X, y, tasks, w=weight, fold=folds)
        summary = summarize(table, task_column="school", sample_weight="w", folds="fold")
        X = table.drop(columns=["y", "w", "fold"])
    else:
        summary = Summary().update(X, y, folds=folds, sample_weight=weight)
    rows = MultiTaskSearchCV(model, cv=PredefinedSplit(folds), **given)
    assert_same_search(
        MultiTaskSearchCV(model, **given).fit(summary), rows.fit(X, y, sample_weight=weight)
    )


@pytest.mark.filterwarnings("ignore:The best score is at the edge", "ignore:All coefficients")
@pytest.mark.parametrize(
    "model",
    [pytest.param(m, marks=() if i in (1, 6) else pytest.mark.thorough) for i, m in enumerate(ALL)],
    ids=ids(ALL),
)
def test_searches_with_every_model(model):
    X, y, tasks = ragged()
    folds = np.random.default_rng(2).integers(0, 3, len(X))
    model = tight(model)
    given = {"lambda1": [0.05, 0.3], "lambda2": None}
    rows = MultiTaskSearchCV(model, cv=PredefinedSplit(folds), **given).fit(X, y, tasks=tasks)
    few = MultiTaskSearchCV(model, **given).fit(in_parts(X, y, tasks, folds=folds))
    # What the gap leaves open in the coefficients is in the scores, too.
    for k in range(3):
        name = f"split{k}_test_score"
        assert_close(few.cv_results_[name], rows.cv_results_[name], 1e-9)
    assert few.best_index_ == rows.best_index_


@pytest.mark.filterwarnings("ignore:The best score is at the edge", "ignore:All coefficients")
def test_scores_of_tasks_without_an_r2():
    """Single rows and equal targets are pooled, as on rows."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(["a", "b", "c", "d", "e"], [20, 20, 6, 6, 6])
    folds = np.arange(58) % 3
    X, y = rng.standard_normal((58, 2)), rng.standard_normal(58)
    y[tasks == "c"] = 1.5
    y[tasks == "d"] = np.where(folds[tasks == "d"] == 0, 0.5, y[tasks == "d"])
    for scoring in (None, "mean_task_r2", "mean_task_rmse"):
        given = {"lambda1": [0.01, 0.1], "scoring": scoring, "lambda2": None}
        model = LassoRegressor(tol=1e-12)
        rows = MultiTaskSearchCV(model, cv=PredefinedSplit(folds), **given).fit(X, y, tasks=tasks)
        few = MultiTaskSearchCV(model, **given).fit(in_parts(X, y, tasks, folds=folds))
        assert_same_search(few, rows)
    one = tasks == "c"  # nothing but equal targets
    for own in (one, np.flatnonzero(one)[:2]):
        rows = MultiTaskSearchCV(
            model, lambda1=[0.1, 0.2], cv=PredefinedSplit(np.arange(len(y[own])) % 2)
        )
        few = MultiTaskSearchCV(model, lambda1=[0.1, 0.2])
        summary = in_parts(X[own], y[own], folds=np.arange(len(y[own])) % 2, n=1)
        if len(y[own]) == 2:  # an R2 of one row is not defined
            for search, given in ((rows, (X[own], y[own])), (few, (summary,))):
                with pytest.raises(ValueError, match="No candidate has a finite mean score"):
                    search.fit(*given)
        else:
            assert_same_search(few.fit(summary), rows.fit(X[own], y[own]))


def test_a_task_in_one_fold_alone():
    X, y, tasks = ragged()
    folds = np.where(tasks == "a", 0, np.random.default_rng(0).integers(0, 3, len(X)))
    summary = in_parts(X, y, tasks, folds=folds)
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=[0.01, 0.1, 0.5], lambda2=None)
    with pytest.raises(ValueError, match=r"Fold 0: Tasks without rows in the training folds: 'a'"):
        search.fit(summary)
    search.set_params(estimator=LassoRegressor(unseen="mean", tol=1e-12))
    rows = clone(search).set_params(cv=PredefinedSplit(folds)).fit(X, y, tasks=tasks)
    assert_same_search(search.fit(summary), rows)


@pytest.mark.filterwarnings("ignore:The best score is at the edge")
def test_hashed_folds_and_jobs():
    X, y, tasks = ragged()
    parts = [(X[own], y[own], tasks[own]) for own in np.array_split(np.arange(len(X)), 6)]
    one, other = summarize(parts, folds=3), summarize(parts[::-1], folds=3)
    search = MultiTaskSearchCV(JointFeatureRegressor(tol=1e-12), n_lambdas=5)
    found = clone(search).fit(one)
    assert found.n_splits_ == 3
    assert_same_search(clone(search).fit(other), found)
    assert_same_search(clone(search).set_params(n_jobs=2).fit(one), found)
    assert_same_search(pickle.loads(pickle.dumps(clone(search).fit(one))), found)


def test_pooled_summaries():
    X, y, tasks = ragged()
    folds = np.arange(len(X)) % 4
    summary = in_parts(X, y, tasks, folds=folds)
    before = pickle.dumps(summary)
    own = np.isin(folds, [1, 3])
    part = summary.pooled([1, 3])
    assert part.folds_ is None and part.n_rows_ == own.sum()
    a = JointFeatureRegressor(tol=1e-12).fit(part)
    b = JointFeatureRegressor(tol=1e-12).fit(X[own], y[own], tasks=tasks[own])
    assert_close(a.coef_, b.coef_)
    assert pickle.dumps(summary) == before
    whole = JointFeatureRegressor(tol=1e-12).fit(summary)
    assert_close(whole.coef_, JointFeatureRegressor(tol=1e-12).fit(X, y, tasks=tasks).coef_)


# --- mixed models --------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", ["diag", "iso", "full"])
@pytest.mark.parametrize("weights", ["frequency", "precision"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_mixed_models(covariance, weights, fit_intercept):
    X, y, tasks = ragged(labels=tuple("abcdefgh"), d=3)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    model = MixedEffectsRegressor(
        covariance=covariance, weights=weights, fit_intercept=fit_intercept, tol=1e-12
    )
    rows = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    few = model.fit(in_parts(X, y, tasks, weight))
    assert few.objective_[-1] == pytest.approx(rows.objective_[-1], abs=1e-8)
    # Likelihoods are flat at their tops: what they are equal to, variances are to the root of.
    assert_close(few.coef_, rows.coef_, 1e-5)
    assert_close(few.coef_cov_, rows.coef_cov_, 1e-5)
    assert few.log_likelihood_ == pytest.approx(rows.log_likelihood_, abs=1e-5)


def test_mixed_models_of_columns_far_from_zero():
    X, y, tasks = ragged(labels=tuple("abcdefgh"), d=3)
    far = X + 1e8
    model = MixedEffectsRegressor(tol=1e-12)
    few = clone(model).fit(in_parts(far, y, tasks))
    near = clone(model).fit(far - 1e8, y, tasks=tasks)
    assert_close(few.coef_, near.coef_, 1e-5)
    # The grand mean is kept as a float: so far is the intercepts' place from that of `near`.
    assert few.objective_[-1] == pytest.approx(near.objective_[-1], abs=1e-6)


def test_mixed_models_learn_new_tasks_of_a_summary():
    X, y, tasks = ragged(labels=tuple("abcdefgh"), d=3)
    old = tasks < "g"
    model = MixedEffectsRegressor().fit(in_parts(X[old], y[old], tasks[old]))
    new = in_parts(X[~old], y[~old], tasks[~old])
    few, rows = model.adapt(new), model.adapt(X[~old], y[~old], tasks=tasks[~old])
    assert_array_equal(few.tasks_, rows.tasks_)
    assert_close(few.coef_, rows.coef_)
    with pytest.raises(ValueError, match="fitted already: 'a'"):
        model.adapt(in_parts(X, y, tasks))
    with pytest.raises(ValueError, match="The summary has 2 features"):
        model.adapt(in_parts(X[~old, :2], y[~old], tasks[~old]))
    frame = pd.DataFrame(X, columns=list("uvw"))
    named = MixedEffectsRegressor().fit(Summary().update(frame, y, tasks=tasks))
    with pytest.raises(ValueError, match="The feature names should match"):
        named.adapt(Summary().update(frame.set_axis(list("vuw"), axis=1), y, tasks=tasks))


# --- what is refused -----------------------------------------------------------------------------


@pytest.fixture
def summary():
    X, y, tasks = ragged()
    return in_parts(X, y, tasks, folds=np.arange(len(X)) % 3)


NEED_ROWS = [
    *CLASSIFIERS,
    SeparableKernelRegressor(),
    IncompleteMultiSourceRegressor(),
]


@pytest.mark.parametrize("model", NEED_ROWS, ids=ids(NEED_ROWS))
def test_models_that_need_the_rows(model, summary):
    told = f"{type(model).__name__} cannot be fitted to a summary"
    with pytest.raises(TypeError, match=told):
        clone(model).fit(summary)
    with pytest.raises(TypeError, match=told):
        lambda1_max(model, summary)
    with pytest.raises(TypeError, match=told):
        MultiTaskSearchCV(model).fit(summary)


def test_what_is_given_beside_a_summary(summary):
    X, y, tasks = ragged()
    for name, value in (("y", y), ("tasks", tasks), ("sample_weight", np.ones(len(y)))):
        for model in (LassoRegressor(), MultiTaskSearchCV(LassoRegressor())):
            with pytest.raises(ValueError, match=f"`{name}` was given beside a summary"):
                model.fit(summary, **{name: value})
    with pytest.raises(ValueError, match="requires y to be passed"):
        LassoRegressor().fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        MultiTaskSearchCV(LassoRegressor()).fit(X)
    with pytest.raises(ValueError, match="The summary is empty"):
        LassoRegressor().fit(Summary())


def test_label_columns_that_are_others(summary):
    with pytest.raises(ValueError, match="the summary were given as `tasks`: set task_column=None"):
        LassoRegressor(task_column="school").fit(summary)
    X, y, tasks = ragged()
    named = summarize(table_of(X, y, tasks), task_column="school")
    with pytest.raises(ValueError, match=r"came from column 'school' \(position 2\)"):
        LassoRegressor(task_column="town").fit(named)
    with pytest.raises(ValueError, match="are missing"):
        LassoRegressor(task_column=1).fit(Summary().update(X, y))
    frame = table_of(X, y, tasks).drop(columns="y")
    for column in (2, -4):
        few = LassoRegressor(task_column=column, tol=1e-12).fit(named)
        rows = LassoRegressor(task_column=column, tol=1e-12).fit(frame, y)
        assert_close(few.predict(frame), rows.predict(frame))
    apart = LassoRegressor(tol=1e-12).fit(named)
    assert_close(apart.predict(frame.drop(columns="school"), tasks=tasks), rows.predict(frame))


@pytest.mark.filterwarnings("ignore:The best score is at the edge")
def test_searches_that_need_the_rows(summary):
    for scoring in ("neg_mean_task_mae", "neg_mean_absolute_error", lambda model, X, y: 1.0):
        with pytest.raises(TypeError, match="needs the rows themselves"):
            MultiTaskSearchCV(LassoRegressor(), scoring=scoring).fit(summary)
    scaled = make_pipeline(StandardScaler(), LassoRegressor())
    with pytest.raises(TypeError, match="the pipeline has standardscaler before the model"):
        MultiTaskSearchCV(scaled).fit(summary)
    alone = MultiTaskSearchCV(make_pipeline(LassoRegressor()), lambda1=[0.01, 0.1, 0.5])
    plain = MultiTaskSearchCV(LassoRegressor(), lambda1=[0.01, 0.1, 0.5])
    scores = (search.fit(summary).cv_results_["mean_test_score"] for search in (alone, plain))
    assert_array_equal(*scores)
    for given in ({"cv": 3}, {"cv": PredefinedSplit([0, 1])}):
        with pytest.raises(ValueError, match="leave cv and groups out"):
            MultiTaskSearchCV(LassoRegressor(), **given).fit(summary)
    with pytest.raises(ValueError, match="leave cv and groups out"):
        MultiTaskSearchCV(LassoRegressor()).fit(summary, groups=[1])
    with pytest.raises(ValueError, match="The summary has no folds"):
        MultiTaskSearchCV(LassoRegressor()).fit(summary.pooled())

    class Own(LassoRegressor):
        def predict(self, X, *, tasks=None):
            return 2.0 * super().predict(X, tasks=tasks)

    with pytest.raises(TypeError, match="Own predicts or scores in a way of its own"):
        MultiTaskSearchCV(Own()).fit(summary)
