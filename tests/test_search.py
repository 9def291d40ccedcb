"""MultiTaskSearchCV: the same as GridSearchCV on the same grid, by every door."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import MultiTaskLassoCV
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from malsar_py import (
    ClusteredRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
    keep_tasks,
)
from malsar_py.metrics import make_task_scorer
from malsar_py.model_selection import (
    LeaveOneTaskOut,
    MultiTaskSearchCV,
    TaskKFold,
    TaskShuffleSplit,
    lambda_grid,
)

from .problems import UNROUTED, every_model, ragged, shared, tight

GRID = [0.3, 0.1, 0.03]
# Short grids: the best is often at an end.
pytestmark = pytest.mark.filterwarnings("ignore:The best score is at the edge")


def sample(classify=False):
    """X, y, tasks with enough rows that a score does not multiply the last digits of a fit."""
    rng = np.random.default_rng(0)
    tasks = rng.permutation(np.repeat(list("abcd"), [50, 60, 70, 80]))
    W = dict(zip("abcd", rng.standard_normal((4, 4)), strict=True))
    X = rng.standard_normal((len(tasks), 4)) + 0.5
    z = np.array([x @ W[t] for x, t in zip(X, tasks, strict=True)])
    if classify:
        return X, np.where(z + rng.logistic(size=len(z)) > 0.5, "yes", "no"), tasks
    return X, z + rng.standard_normal(len(z)), tasks


def with_column(X, tasks):
    """X as a frame with the labels in its column "school"."""
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).assign(school=tasks)


def assert_same_search(ours, theirs, n_splits, atol=1e-6):
    """The same parameters with the same scores, whatever the order."""
    order = [theirs.cv_results_["params"].index(p) for p in ours.cv_results_["params"]]
    assert sorted(order) == list(range(len(order)))
    assert set(theirs.cv_results_) == set(ours.cv_results_)
    names = [f"split{k}_test_score" for k in range(n_splits)]
    for name in (*names, "mean_test_score", "std_test_score"):
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name][order], atol=atol)
    assert ours.best_params_ == theirs.best_params_
    assert_allclose(ours.best_score_, theirs.best_score_, atol=atol)
    assert ours.n_splits_ == theirs.n_splits_ == n_splits


# --- against GridSearchCV ------------------------------------------------------------------------


@every_model
def test_by_task_column(model):
    X, y, tasks = sample(is_classifier(model))
    frame = with_column(X, tasks)
    model = tight(model, task_column="school")
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=3).fit(frame, y)
    cv = TaskKFold(3, task_column="school", stratify=is_classifier(model))
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=cv).fit(frame, y)
    assert_same_search(ours, theirs, 3)
    assert_array_equal(ours.predict(frame), theirs.predict(frame))
    assert_allclose(ours.score(frame, y), theirs.score(frame, y))
    if is_classifier(model):
        assert_array_equal(ours.predict_proba(frame), theirs.predict_proba(frame))
        assert_array_equal(ours.decision_function(frame), theirs.decision_function(frame))
        assert_array_equal(ours.classes_, theirs.classes_)
    else:
        assert not hasattr(ours, "predict_proba")
        assert not hasattr(ours, "classes_")
    assert ours.n_features_in_ == theirs.n_features_in_
    assert_array_equal(ours.feature_names_in_, frame.columns)


@every_model
def test_by_tasks_without_routing(model):
    X, y, tasks = sample(is_classifier(model))
    model = tight(model)
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=3).fit(X, y, tasks=tasks)
    with config_context(enable_metadata_routing=True):
        cv = TaskKFold(3, stratify=is_classifier(model))
        theirs = GridSearchCV(model, {"lambda1": GRID}, cv=cv).fit(X, y, tasks=tasks)
        again = MultiTaskSearchCV(model, lambda1=GRID, cv=cv).fit(X, y, tasks=tasks)
    assert_same_search(ours, theirs, 3)
    assert_same_search(again, theirs, 3)
    best = theirs.best_estimator_
    assert_array_equal(ours.predict(X, tasks=tasks), best.predict(X, tasks=tasks))
    assert ours.score(X, y, tasks=tasks) == best.score(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="every row needs a task label"):
        ours.predict(X)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(
    "model", [JointFeatureRegressor(), TraceNormRegressor(), ClusteredRegressor(n_clusters=2)]
)
def test_by_columns_of_y(model, holes):
    X, Y = shared(n=60, d=6)
    if holes:
        Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    model = tight(model)
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=4).fit(X, Y)
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=TaskKFold(4)).fit(X, Y)
    assert_same_search(ours, theirs, 4)
    assert ours.predict(X).shape == Y.shape
    if not holes:
        assert_same_search(ours, GridSearchCV(model, {"lambda1": GRID}, cv=KFold(4)).fit(X, Y), 4)


def test_classes_by_columns_of_y():
    X, Y = shared(n=60)
    Y = np.where(np.median(Y, axis=0) < Y, "yes", "no")
    model = tight(JointFeatureClassifier(lambda2=0.1), tol=1e-10)
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=3).fit(X, Y)
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=TaskKFold(3)).fit(X, Y)
    assert_same_search(ours, theirs, 3)


def test_one_task():
    X, y, _ = ragged()
    model = tight(LassoRegressor(), tol=1e-10)
    ours = MultiTaskSearchCV(model, lambda1=GRID).fit(X, y)
    assert_same_search(ours, GridSearchCV(model, {"lambda1": GRID}).fit(X, y), 5)
    assert ours.best_estimator_.coef_.shape == (5,)


def test_is_multi_task_lasso_cv():
    X, Y = shared(n=60, d=30)
    ours = MultiTaskSearchCV(JointFeatureRegressor(tol=1e-10), n_lambdas=12).fit(X, Y)
    theirs = MultiTaskLassoCV(alphas=ours.lambda1_, cv=5, tol=1e-10, max_iter=100_000).fit(X, Y)
    assert ours.best_params_["lambda1"] == theirs.alpha_
    assert_allclose(ours.best_estimator_.coef_, theirs.coef_, atol=1e-6)
    # Theirs judges by the mean squared error of all tasks together.
    ours.set_params(scoring="neg_mean_squared_error").fit(X, Y)
    assert_allclose(-ours.cv_results_["mean_test_score"], theirs.mse_path_.mean(axis=1), atol=1e-6)


def pipelines():
    for_labels = keep_tasks(StandardScaler(), task_column="school")
    return [
        make_pipeline(for_labels, TraceNormRegressor(task_column="school")),
        Pipeline([("scale", for_labels), ("model", LassoClassifier(task_column="school"))]),
    ]


@pytest.mark.parametrize("pipeline", pipelines(), ids=["regressor", "classifier"])
def test_pipeline(pipeline):
    last = pipeline.steps[-1][0]
    X, y, tasks = ragged(classify=is_classifier(pipeline))
    frame = with_column(100.0 * X, tasks)
    pipeline.set_params(**{f"{last}__tol": 1e-10, f"{last}__max_iter": 50_000})
    ours = MultiTaskSearchCV(pipeline, lambda1=GRID, cv=3).fit(frame, y)
    cv = TaskKFold(3, task_column="school", stratify=is_classifier(pipeline))
    theirs = GridSearchCV(pipeline, {f"{last}__lambda1": GRID}, cv=cv).fit(frame, y)
    assert_same_search(ours, theirs, 3)
    assert set(ours.best_params_) == {f"{last}__lambda1"}
    assert_array_equal(ours.predict(frame), theirs.predict(frame))
    assert ours.score(frame, y) == theirs.score(frame, y)


@UNROUTED
def test_pipeline_with_tasks_apart_and_its_own_parameters():
    X, y, tasks = ragged()
    pipeline = make_pipeline(StandardScaler(), JointFeatureRegressor(tol=1e-10))
    grid = {"standardscaler__with_std": [True, False]}
    search = MultiTaskSearchCV(pipeline, lambda1=GRID, lambda2=[0.1, 0.0], param_grid=grid, cv=3)
    search.fit(X, y, tasks=tasks)
    with config_context(enable_metadata_routing=True):
        grid = grid | {
            "jointfeatureregressor__lambda1": GRID,
            "jointfeatureregressor__lambda2": [0.1, 0.0],
        }
        theirs = GridSearchCV(pipeline, grid, cv=TaskKFold(3)).fit(X, y, tasks=tasks)
        routed = clone(search).fit(X, y, tasks=tasks)
    assert_same_search(search, theirs, 3)
    assert_same_search(routed, theirs, 3)
    assert search.predict(X, tasks=tasks).shape == y.shape
    # Nothing before the model.
    alone = MultiTaskSearchCV(Pipeline([("m", LassoRegressor())]), lambda1=GRID, cv=3)
    assert alone.fit(X, y, tasks=tasks).best_estimator_["m"].n_tasks_ == 4


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (ClusteredRegressor(), {"n_clusters": [2, 3], "lambda2": [0.1, 0.01]}),
        (GraphRegressor(), {"graph": ["chain", np.ones((4, 4))], "lambda3": [0.0, 0.05]}),
        (LassoRegressor(), {"fit_intercept": [True, False], "task_weight": ["equal", "size"]}),
        (JointFeatureRegressor(), {"lambda2": [1.0, 0.1, 0.0]}),
    ],
    ids=["clusters", "graph", "data", "ridge"],
)
def test_other_parameters(model, grid):
    X, y, tasks = sample()
    frame = with_column(X, tasks)
    model = tight(model, task_column="school")
    cv = TaskKFold(3, task_column="school")
    theirs = GridSearchCV(model, {**grid, "lambda1": GRID}, cv=cv).fit(frame, y)
    grid = dict(grid)
    lambda2 = grid.pop("lambda2", None)
    search = MultiTaskSearchCV(model, lambda1=GRID, lambda2=lambda2, param_grid=grid, cv=cv)
    ours = search.fit(frame, y)
    if "graph" in grid:  # arrays do not compare
        for found in (ours, theirs):
            for params in [*found.cv_results_["params"], found.best_params_]:
                params["graph"] = str(params["graph"])
    assert_same_search(ours, theirs, 3)
    # A list of grids, of which some lack a parameter.
    grids = [{}, {"tol": [1e-9]}]
    two = MultiTaskSearchCV(model, lambda1=GRID, lambda2=None, param_grid=grids, cv=3)
    two.fit(frame, y)
    assert two.cv_results_["param_tol"].mask.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "neg_mean_task_rmse", "callable"])
def test_scoring(scoring):
    X, y, tasks = ragged()
    frame = with_column(X, tasks)
    model = tight(TraceNormRegressor(), task_column="school", tol=1e-10)
    cv = TaskKFold(3, task_column="school")
    ours = theirs = scoring
    if scoring == "neg_mean_task_rmse":
        theirs = make_task_scorer(scoring, task_column="school")
    elif scoring == "callable":

        def ours(estimator, X, y):
            assert estimator.rank_ == np.linalg.matrix_rank(estimator.coef_, tol=1e-8)
            return -np.abs(y - estimator.predict(X)).max()

        theirs = ours
    ours = MultiTaskSearchCV(model, lambda1=GRID, scoring=ours, cv=cv).fit(frame, y)
    theirs = GridSearchCV(model, {"lambda1": GRID}, scoring=theirs, cv=cv).fit(frame, y)
    assert_same_search(ours, theirs, 3)
    assert_allclose(ours.score(frame, y), theirs.score(frame, y))


@pytest.mark.parametrize(
    "scoring", ["mean_task_auc", "mean_task_log_loss", "mean_task_f1", "roc_auc", "neg_log_loss"]
)
def test_scoring_of_classes(scoring):
    X, y, tasks = ragged(classify=True)
    frame = with_column(X, tasks)
    model = tight(JointFeatureClassifier(), task_column="school", tol=1e-10)
    cv = TaskKFold(3, task_column="school")
    theirs = make_task_scorer(scoring) if scoring.startswith("mean") else scoring
    ours = MultiTaskSearchCV(model, lambda1=GRID, scoring=scoring, cv=cv).fit(frame, y)
    theirs = GridSearchCV(model, {"lambda1": GRID}, scoring=theirs, cv=cv).fit(frame, y)
    assert_same_search(ours, theirs, 3)


def test_scoring_with_tasks_apart():
    X, y, tasks = ragged()

    def worst_task(estimator, X, y, tasks):
        z = estimator.predict(X, tasks=tasks)
        return -max(np.square(y - z)[tasks == task].mean() for task in np.unique(tasks))

    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, scoring=worst_task, cv=3)
    search.fit(X, y, tasks=tasks)
    assert search.score(X, y, tasks=tasks) == worst_task(search.best_estimator_, X, y, tasks)
    rmse = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, scoring="mean_task_rmse", cv=3)
    assert rmse.fit(X, y, tasks=tasks).best_score_ < 0.0
    assert rmse.score(X, y, tasks=tasks) < 0.0


@pytest.mark.skipif(
    not hasattr(GridSearchCV, "_check_scorers_accept_sample_weight"),
    reason="GridSearchCV of this scikit-learn scores without weights, unless they are routed",
)
def test_weights():
    X, y, tasks = ragged()
    frame, weight = with_column(X, tasks), np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    weight[::7] = 0.0
    model = tight(JointFeatureRegressor(), task_column="school", tol=1e-10)
    cv = TaskKFold(3, task_column="school")
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=cv).fit(frame, y, sample_weight=weight)
    # Without metadata routing GridSearchCV does not tell its splitter the weights.
    splits = list(cv.split(frame, y, sample_weight=weight))
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=splits).fit(frame, y, sample_weight=weight)
    assert_same_search(ours, theirs, 3)
    assert_array_equal(ours.predict(frame), theirs.predict(frame))


# --- folds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        TaskKFold(3, shuffle=True, random_state=0),
        TaskShuffleSplit(4, random_state=0),
        PredefinedSplit(np.arange(80) % 3),
        [(np.arange(60), np.arange(60, 80)), (np.arange(20, 80), np.arange(20))],
    ],
    ids=["folds", "random", "sklearn's", "list"],
)
def test_cv(cv):
    rng = np.random.default_rng(0)
    tasks = rng.permutation(np.arange(80) % 4)
    X = rng.normal(size=(80, 3))
    y = X[:, 0] + rng.normal(size=80)
    data = np.column_stack([tasks, X])
    model = tight(LassoRegressor(), task_column=0, tol=1e-10)
    ours = MultiTaskSearchCV(model, lambda1=GRID, cv=cv).fit(data, y)
    if isinstance(cv, (TaskKFold, TaskShuffleSplit)):  # ours told it where the labels are
        cv = clone(cv, safe=False)
        cv.task_column = 0
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=cv).fit(data, y)
    assert_same_search(ours, theirs, theirs.n_splits_)


def test_leave_one_task_out():
    X, y, tasks = ragged()
    model = tight(MeanRegularizedRegressor(), unseen="mean", tol=1e-10)
    cv = LeaveOneTaskOut()
    ours = MultiTaskSearchCV(model, lambda1=GRID, lambda2=None, cv=cv).fit(X, y, tasks=tasks)
    frame = with_column(X, tasks)
    by_column = clone(model).set_params(task_column="school")
    theirs = GridSearchCV(by_column, {"lambda1": GRID}, cv=LeaveOneTaskOut(task_column="school"))
    assert_same_search(ours, theirs.fit(frame, y), 4)
    with pytest.raises(ValueError, match=r'Fold 0: Unseen task labels .* unseen="mean"'):
        MultiTaskSearchCV(clone(model).set_params(unseen="error"), cv=LeaveOneTaskOut()).fit(
            X, y, tasks=tasks
        )


def test_small_tasks_always_train():
    rng = np.random.default_rng(0)
    tasks = np.repeat(list("abcd"), [20, 20, 2, 1])
    X = rng.normal(size=(43, 2))
    y = X[:, 0] + rng.normal(size=43)
    seen = []

    def scorer(estimator, X, y, tasks):
        assert estimator.tasks_.tolist() == list("abcd")
        seen.extend(tasks)
        return estimator.score(X, y, tasks=tasks)

    model = MeanRegularizedRegressor(lambda2=0.1)
    MultiTaskSearchCV(model, lambda1=[0.1], scoring=scorer).fit(X, y, tasks=tasks)
    assert sorted(seen) == ["a"] * 20 + ["b"] * 20 + ["c"] * 2


@pytest.mark.parametrize("model", [JointFeatureRegressor(), ClusteredRegressor(random_state=0)])
def test_jobs_do_not_matter(model):
    X, y, tasks = ragged()
    one = MultiTaskSearchCV(model, n_lambdas=5, lambda2=[0.1, 0.02], cv=2, n_jobs=1)
    one.fit(X, y, tasks=tasks)
    two, four = (clone(one).set_params(n_jobs=n) for n in (2, 4))
    two.fit(X, y, tasks=tasks)
    with parallel_config("threading"):
        four.fit(X, y, tasks=tasks)
    for other in (two, four):
        assert one.best_params_ == other.best_params_
        for name in one.cv_results_:
            if name.endswith("_score"):
                assert_allclose(one.cv_results_[name], other.cv_results_[name], rtol=1e-12)
    again = clone(one).fit(X, y, tasks=tasks)
    assert_array_equal(again.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])


# --- grids and choices ---------------------------------------------------------------------------


@every_model
def test_auto_is_the_grid_of_all_data(model):
    X, y, tasks = sample(is_classifier(model))
    search = MultiTaskSearchCV(model, n_lambdas=4, cv=2, refit=False).fit(X, y, tasks=tasks)
    assert_array_equal(search.lambda1_, lambda_grid(model, X, y, tasks=tasks, n_lambdas=4))
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "predict")
    assert not hasattr(search, "n_features_in_")
    with pytest.raises(AttributeError, match="no attribute 'score'"):
        search.score(X, y, tasks=tasks)


def test_auto_takes_the_largest_of_the_settings():
    X, y, tasks = ragged()
    grid = {"task_weight": ["equal", {"a": 10.0, "b": 1.0, "c": 1.0, "d": 1.0}]}
    model = JointFeatureRegressor()
    search = MultiTaskSearchCV(model, param_grid=grid, n_lambdas=3, cv=2).fit(X, y, tasks=tasks)
    heavy = clone(model).set_params(task_weight=grid["task_weight"][1])
    assert_array_equal(search.lambda1_, lambda_grid(heavy, X, y, tasks=tasks, n_lambdas=3))
    assert len(search.cv_results_["params"]) == 6


def test_one_standard_error():
    X, y, tasks = ragged(d=8)
    model = LassoRegressor()
    best = MultiTaskSearchCV(model, lambda2=[0.0, 1.0], n_lambdas=30).fit(X, y, tasks=tasks)
    search = clone(best).set_params(selection="one_se").fit(X, y, tasks=tasks)
    results = search.cv_results_
    i, j = best.best_index_, search.best_index_
    splits = np.array([results[f"split{k}_test_score"][i] for k in range(5)])
    lowest = results["mean_test_score"][i] - splits.std(ddof=1) / np.sqrt(5)
    assert search.best_params_["lambda2"] == best.best_params_["lambda2"]
    assert search.best_params_["lambda1"] > best.best_params_["lambda1"]
    assert results["mean_test_score"][j] >= lowest
    same = [
        k
        for k, params in enumerate(results["params"])
        if params["lambda2"] == best.best_params_["lambda2"]
        and params["lambda1"] > search.best_params_["lambda1"]
    ]
    assert (results["mean_test_score"][same] < lowest).all()
    assert search.best_score_ == results["mean_test_score"][j]


# --- as a scikit-learn estimator -----------------------------------------------------------------


def test_nested():
    X, y, tasks = ragged()
    frame = with_column(X, tasks)
    search = MultiTaskSearchCV(LassoRegressor(task_column="school"), n_lambdas=5, cv=3)
    outer = TaskKFold(3, task_column="school")
    scores = cross_val_score(search, frame, y, cv=outer, error_score="raise")
    assert scores.shape == (3,)
    with config_context(enable_metadata_routing=True):
        apart = clone(search).set_params(estimator__task_column=None)
        routed = cross_validate(
            apart, X, y, cv=TaskKFold(3), params={"tasks": tasks}, error_score="raise"
        )
    assert_allclose(routed["test_score"], scores)


def test_parameters_clone_pickle():
    X, y, tasks = ragged()
    model = JointFeatureRegressor(lambda2=0.5)
    search = MultiTaskSearchCV(model, lambda1=GRID, scoring="mean_task_rmse", cv=TaskKFold(3))
    assert search.get_params()["estimator__lambda2"] == 0.5
    search.set_params(estimator__lambda2=0.25)
    assert clone(search).estimator.lambda2 == 0.25
    search.fit(X, y, tasks=tasks)
    assert not hasattr(model, "coef_")
    assert search.best_estimator_.lambda2 == 0.25
    other = pickle.loads(pickle.dumps(search))
    assert_array_equal(other.predict(X, tasks=tasks), search.predict(X, tasks=tasks))
    assert other.score(X, y, tasks=tasks) == search.score(X, y, tasks=tasks)
    assert is_regressor(search)
    assert is_classifier(MultiTaskSearchCV(LassoClassifier()))
    assert not hasattr(MultiTaskSearchCV(LassoRegressor()), "predict_proba")
    with pytest.raises(NotFittedError):
        MultiTaskSearchCV(LassoRegressor()).predict(X)


@parametrize_with_checks(
    [
        MultiTaskSearchCV(LassoRegressor(tol=1e-12), n_lambdas=3, cv=2),
        MultiTaskSearchCV(JointFeatureClassifier(lambda2=0.1), n_lambdas=3, cv=2),
    ]
)
def test_sklearns_checks(estimator, check):
    check(estimator)


def test_one_warning():
    X, y, tasks = ragged()
    search = MultiTaskSearchCV(
        TraceNormRegressor(max_iter=1, tol=1e-12), n_lambdas=2, cv=2, refit=False
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y, tasks=tasks)
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert caught[0].filename == __file__


# --- refusals ------------------------------------------------------------------------------------

MODEL = LassoRegressor()
PIPELINE = make_pipeline(StandardScaler(), LassoRegressor())
REFUSED = [
    ({"lambda1": []}, "lambda1 is an empty grid"),
    ({"lambda2": []}, "lambda2 is an empty grid"),
    ({"param_grid": {"tol": []}}, "non-empty sequence"),
    ({"lambda1": [0.1, -1.0]}, r"lambda1 must be in \[0, inf\), got -1"),
    ({"lambda2": -0.5}, r"lambda2 must be in \[0, inf\), got -0.5"),
    ({"lambda1": "all"}, "'lambda1' parameter"),
    ({"selection": "best_se"}, "'selection' parameter"),
    ({"n_lambdas": 0}, "'n_lambdas' parameter"),
    ({"param_grid": {"lambda1": [0.1]}}, "param_grid has lambda1: give its values as lambda1="),
    ({"param_grid": {"n_clusters": [2]}}, "Invalid parameter 'n_clusters'"),
    ({"param_grid": {"tol": [-1.0]}}, "'tol' parameter"),
    ({"estimator": PIPELINE, "param_grid": {"lassoregressor__lambda1": [0.1]}}, "param_grid has"),
    ({"lambda2": [0.1], "param_grid": {"lambda2": [0.1]}}, "param_grid has lambda2"),
    ({"lambda2": "all"}, "'lambda2' parameter"),
    ({"scoring": "rmse"}, "scoring='rmse' is neither"),
    ({"scoring": "r2"}, "scoring='r2' cannot see the task labels given as `tasks`"),
    ({"scoring": lambda e, X, y: 0.0}, "cannot see the task labels"),
    ({"cv": 100}, "n_splits=100 cannot be greater"),
    ({"cv": 1}, "'cv' parameter"),
]


@pytest.mark.parametrize(("parameters", "match"), REFUSED)
def test_refused(parameters, match):
    X, y, tasks = ragged()
    search = MultiTaskSearchCV(**{"estimator": MODEL, "cv": 3, "n_lambdas": 3} | parameters)
    with pytest.raises(ValueError, match=match):
        search.fit(X, y, tasks=tasks)


def test_refused_estimators():
    X, y, tasks = ragged()
    for estimator in (MultiTaskLassoCV(), make_pipeline(StandardScaler(), MultiTaskLassoCV())):
        with pytest.raises(TypeError, match="estimator must be one of this package's"):
            MultiTaskSearchCV(estimator).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="requires y to be passed"):
        MultiTaskSearchCV(MODEL).fit(X, None, tasks=tasks)


def test_a_fold_without_a_class():
    X, y, tasks = ragged(classify=True)
    order = np.lexsort((y, tasks))
    X, y, tasks = X[order], y[order], tasks[order]
    first_class = (y == "no") & (tasks == "a")
    cv = PredefinedSplit(np.where(first_class, 0, np.where(tasks == "a", -1, 1)))
    search = MultiTaskSearchCV(LassoClassifier(), cv=cv, n_lambdas=3)
    with pytest.raises(ValueError, match=r"Fold 0: Task 'a' has only one class, 'yes'"):
        search.fit(X, y, tasks=tasks)
    search.set_params(cv=3).fit(X, y, tasks=tasks)
    assert search.best_score_ > 0.5
