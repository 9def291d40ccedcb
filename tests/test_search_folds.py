"""The folds of a search: by default, by groups, and without the rows that do not count."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.metrics import make_scorer, mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    keep_tasks,
)
from malsar_py.model_selection import (
    LeaveOneTaskOut,
    MultiTaskSearchCV,
    TaskGroupKFold,
    TaskKFold,
    TaskShuffleSplit,
    lambda1_max,
    regularization_path,
)

NAN = np.nan
GRID = [0.3, 0.1, 0.03]


def sample(sizes=(20, 20, 20), seed=0):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(tasks), 4))
    y = X @ [1.0, 2.0, 0.0, 0.0] + tasks % 3 + rng.normal(size=len(tasks))
    return X, y, tasks


def means(search, *args, **kwargs):
    return search.fit(*args, **kwargs).cv_results_["mean_test_score"]


# --- by default ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "n_splits"),
    [
        ([4] * 10, 4),
        ([3] * 12, 3),
        ([2] * 20, 2),
        ([1, 2, 3, 4] * 4, 4),
        ([1] * 15 + [2] * 10, 2),
        ([1, 1, 1, 6], 3),
        ([5, 1, 2] * 5, 5),
        ([30, 2], 5),
    ],
)
def test_default_folds_are_as_many_as_the_data_allow(sizes, n_splits):
    X, y, tasks = sample(sizes)
    tested = []

    def scorer(estimator, X, y, tasks):
        assert len(y) > 1
        assert estimator.tasks_.tolist() == list(range(len(sizes)))
        tested.extend(tasks)
        return -mean_squared_error(y, estimator.predict(X, tasks=tasks))

    search = MultiTaskSearchCV(
        MeanRegularizedRegressor(lambda2=0.1), lambda1=[1.0], scoring=scorer
    ).fit(X, y, tasks=tasks)
    assert search.n_splits_ == n_splits
    assert np.isfinite(search.best_score_)
    assert (
        sorted(tested)
        == np.repeat(np.arange(len(sizes)), np.where(np.array(sizes) > 1, sizes, 0)).tolist()
    )


def test_default_folds_of_classes_and_columns():
    X, _, tasks = sample([4] * 10)
    search = MultiTaskSearchCV(MeanRegularizedClassifier(lambda2=0.1), lambda1=[1.0])
    for y in (np.tile([0, 1, 1, 0], 10), np.tile([0.0, 1.0, 1.0, 0.0], 10)):
        assert search.fit(X, y, tasks=tasks).n_splits_ == 4
    Y = np.full((12, 3), NAN)
    for j in range(3):
        Y[4 * j : 4 * j + 4, j] = X[:4, 0]
    search = MultiTaskSearchCV(MeanRegularizedRegressor(lambda2=0.1), lambda1=[1.0])
    assert search.fit(X[:12], Y).n_splits_ == 4


def test_folds_told_are_not_fewer():
    X, y, tasks = sample([4] * 10)
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=5)
    with pytest.raises(ValueError, match="n_splits=5 cannot be greater"):
        search.fit(X, y, tasks=tasks)
    assert search.set_params(cv=4).fit(X, y, tasks=tasks).n_splits_ == 4
    with pytest.raises(ValueError, match=r"allow no folds by default .*largest task has 1"):
        search.set_params(cv=None).fit(X, y, tasks=np.arange(40))


# --- groups --------------------------------------------------------------------------------------

GROUPS = np.tile(np.arange(5), 12)


@pytest.mark.parametrize(
    "cv", [GroupKFold(3), LeaveOneGroupOut(), StratifiedGroupKFold(3), TaskGroupKFold(3), 3, None]
)
def test_groups_go_to_the_splitter(cv):
    X, y, tasks = sample()
    y = np.where(y > 1.0, 1, 0)
    folds = cv if hasattr(cv, "split") else TaskGroupKFold(cv or 5, stratify=True)
    given = {"tasks": tasks} if isinstance(folds, TaskGroupKFold) else {}
    splits = list(folds.split(X, y, groups=GROUPS, **given))
    assert not any(set(GROUPS[train]) & set(GROUPS[test]) for train, test in splits)
    search = MultiTaskSearchCV(LassoClassifier(), lambda1=GRID, cv=cv)
    got = means(search, X, y, tasks=tasks, groups=pd.Series(GROUPS))
    assert search.n_splits_ == len(splits)
    assert_array_equal(got, means(search.set_params(cv=splits), X, y, tasks=tasks))


def test_groups_by_a_column_and_in_a_pipeline():
    X, y, tasks = sample()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(school=tasks)
    model = LassoRegressor(task_column="school")
    cv = TaskGroupKFold(3)
    splits = list(cv.split(X, y, GROUPS, tasks=tasks))
    for estimator in (
        model,
        make_pipeline(keep_tasks(StandardScaler(), task_column="school"), model),
    ):
        search = MultiTaskSearchCV(estimator, lambda1=GRID, cv=cv)
        got = means(search, frame, y, groups=GROUPS)
        assert_array_equal(got, means(search.set_params(cv=splits), frame, y))


def test_groups_with_a_column_per_task():
    X, y, _ = sample()
    Y = np.column_stack([y, -y, np.where(GROUPS > 0, y, NAN)])
    search = MultiTaskSearchCV(JointFeatureRegressor(), lambda1=GRID, cv=3)
    got = means(search, X, Y, groups=GROUPS)
    splits = list(TaskGroupKFold(3).split(X, Y, GROUPS))
    assert_array_equal(got, means(search.set_params(cv=splits), X, Y))


def test_default_folds_of_few_groups():
    X, y, tasks = sample()
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID)
    assert search.fit(X, y, tasks=tasks, groups=GROUPS % 3).n_splits_ == 3
    with pytest.raises(ValueError, match=r"no folds by default .* 0 of 3 can be tested"):
        search.fit(X, y, tasks=tasks, groups=tasks)


def test_groups_with_routing():
    X, y, tasks = sample()
    params = {"tasks": tasks, "groups": GROUPS}
    inner = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=TaskGroupKFold(2))
    with config_context(enable_metadata_routing=True):
        grid = GridSearchCV(
            LassoRegressor(tol=1e-10), {"lambda1": GRID}, cv=TaskGroupKFold(3), error_score="raise"
        ).fit(X, y, **params)
        nested = cross_validate(
            inner, X, y, cv=GroupKFold(2), params=params, error_score="raise", return_estimator=True
        )
        plain = cross_validate(
            MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=TaskKFold(3)).set_fit_request(
                groups=False
            ),
            X,
            y,
            cv=TaskGroupKFold(2),
            params=params,
            error_score="raise",
        )
    search = MultiTaskSearchCV(LassoRegressor(tol=1e-10), lambda1=GRID, cv=TaskGroupKFold(3))
    assert_allclose(grid.cv_results_["mean_test_score"], means(search, X, y, **params), atol=1e-6)
    for (train, _), fitted in zip(
        GroupKFold(2).split(X, y, GROUPS), nested["estimator"], strict=True
    ):
        parts = {name: value[train] for name, value in params.items()}
        assert_array_equal(
            means(inner, X[train], y[train], **parts), fitted.cv_results_["mean_test_score"]
        )
    assert np.isfinite(plain["test_score"]).all()


def test_groups_that_cannot_be_kept_together():
    X, y, tasks = sample()
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=TaskKFold(3))
    with pytest.raises(ValueError, match="not `groups`: TaskGroupKFold keeps"):
        search.fit(X, y, tasks=tasks, groups=GROUPS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search.set_params(cv=None).fit(X, y, tasks=tasks, groups=GROUPS[:-1])
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        search.set_params(cv=GroupKFold(3)).fit(X, y, tasks=tasks)


class Foreign:
    """A splitter of somebody else's that takes what ours take."""

    def split(self, X, y=None, tasks=None, sample_weight=None):
        assert len(tasks) == len(sample_weight) == len(X)
        yield from TaskKFold(3).split(X, y, tasks, sample_weight=sample_weight)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3


def test_a_splitter_gets_what_it_takes():
    X, y, tasks = sample()
    weight = np.arange(60) % 4
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=Foreign())
    got = means(search, X, y, tasks=tasks, sample_weight=weight)
    ours = means(search.set_params(cv=3), X, y, tasks=tasks, sample_weight=weight)
    assert_array_equal(got, ours)
    with pytest.raises(ValueError, match=r"Foreign .*takes no groups"):
        search.set_params(cv=Foreign()).fit(X, y, tasks=tasks, groups=GROUPS)


# --- rows that do not count ----------------------------------------------------------------------


def by_mse(estimator, X, y, tasks=None):
    assert np.isfinite(y).all()
    labels = {} if tasks is None else {"tasks": tasks}
    return -mean_squared_error(y, estimator.predict(X, **labels))


def with_more(missing):
    """Rows that do not count among others: of a new task, and of one of theirs; the weights."""
    X, y, tasks = sample((15, 15, 12))
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 42)
    at = [0, 0, 20, 42]
    more_y = np.full(4, NAN) if missing else np.array([90.0, -90.0, 70.0, 80.0])
    return (
        (X, y, tasks, weight),
        (
            np.insert(X, at, 5.0, axis=0),
            np.insert(y, at, more_y),
            np.insert(tasks, at, [2, 9, 0, 9]),
            np.insert(weight, at, np.ones(4) if missing else np.zeros(4)),
        ),
        np.insert(np.ones(42, bool), at, False),
    )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("scoring", [None, "neg_mean_task_rmse", "neg_mean_squared_error", by_mse])
@pytest.mark.parametrize(
    "cv",
    [
        None,
        TaskKFold(3, shuffle=True, random_state=0),
        TaskShuffleSplit(3, random_state=0),
        TaskGroupKFold(3),
        KFold(3, shuffle=True, random_state=0),
        LeaveOneTaskOut(),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_rows_that_do_not_count_have_no_say(missing, scoring, cv):
    """With ours the folds are those of the other rows alone; of any the scores are."""
    few, more, counts = with_more(missing)
    leave = isinstance(cv, LeaveOneTaskOut)
    model = LassoRegressor(task_column=0, unseen="mean" if leave else "error")
    search = MultiTaskSearchCV(model, lambda1=GRID, cv=cv, scoring=scoring)
    groups = isinstance(cv, TaskGroupKFold)

    def run(X, y, tasks, weight):
        extra = {"groups": np.round(3.0 * X[:, 1])} if groups else {}
        return means(search, np.column_stack([tasks, X]), y, sample_weight=weight, **extra)

    got = run(*more)
    if isinstance(cv, KFold):
        search.cv = [
            [np.flatnonzero(np.isin(np.flatnonzero(counts), part)) for part in parts]
            for parts in cv.split(more[0])
        ]
    assert_allclose(got, run(*few), rtol=1e-6)
    assert 9 not in search.best_estimator_.tasks_


def test_classes_of_rows_that_do_not_count():
    """A third class, and a class of which one row counts: it always trains."""
    X, y, tasks = sample((20, 20, 20))
    y, weight = np.where(y > 1.0, "y", "n").astype(object), np.ones(60)
    y[:20], y[[3, 8]] = "n", "y"
    y[[5, 25]], weight[[3, 5, 25]] = "?", 0.0
    search = MultiTaskSearchCV(LassoClassifier(), lambda1=GRID, scoring="mean_task_auc")
    for scoring in (None, "mean_task_accuracy", "mean_task_log_loss"):
        search.set_params(scoring=scoring).fit(X, y, tasks=tasks, sample_weight=weight)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.classes_.tolist() == ["n", "y"]
    tested = [test for _, test in TaskKFold(5).split(X, y, tasks, sample_weight=weight)]
    assert not {3, 5, 8, 25} & set(np.concatenate(tested))


def test_a_fold_in_which_nothing_counts():
    X, y, tasks = sample()
    weight = np.where(np.arange(60) % 3 == 1, 0.0, 1.0)
    cv = [
        (np.flatnonzero(np.arange(60) % 3 != k), np.flatnonzero(np.arange(60) % 3 == k))
        for k in range(3)
    ]
    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, cv=cv)
    with pytest.raises(ValueError, match="Fold 1: none of its test rows counts"):
        search.fit(X, y, tasks=tasks, sample_weight=weight)
    # Parts may be masks, too.
    masks = [(np.isin(np.arange(60), a), np.isin(np.arange(60), b)) for a, b in cv[::2]]
    got = means(search.set_params(cv=masks), X, y, tasks=tasks, sample_weight=weight)
    assert_array_equal(
        got, means(search.set_params(cv=cv[::2]), X, y, tasks=tasks, sample_weight=weight)
    )


def test_weights_by_routing():
    """GridSearchCV tells splitter, fit and score the weights: rows of weight 0 are not tested."""
    X, y, tasks = sample()
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 60) * (np.arange(60) % 3 > 0)
    weight[40:] = 0.0
    ours = MultiTaskSearchCV(LassoRegressor(tol=1e-10), lambda1=GRID, cv=3)
    expected = means(ours, X, y, tasks=tasks, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        model = LassoRegressor(tol=1e-10).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"lambda1": GRID}, cv=TaskKFold(3), error_score="raise")
        search.fit(X, y, tasks=tasks, sample_weight=weight)
    assert_allclose(search.cv_results_["mean_test_score"], expected, atol=1e-6)
    assert search.best_estimator_.tasks_.tolist() == [0, 1]


@pytest.mark.parametrize("missing", [False, True])
def test_paths_of_rows_that_count(missing):
    few, more, _ = with_more(missing)

    def given(X, y, tasks, weight):
        return (LassoRegressor(), X, y), {"tasks": tasks, "sample_weight": weight}

    (args, kwargs), (more_args, more_kwargs) = given(*few), given(*more)
    assert lambda1_max(*more_args, **more_kwargs) == pytest.approx(
        lambda1_max(*args, **kwargs), 1e-12
    )
    got, expected = (
        regularization_path(*a, lambda1=GRID, **k).coef
        for a, k in ((more_args, more_kwargs), (args, kwargs))
    )
    assert_allclose(got, expected, atol=1e-10)


def test_one_class_in_a_fold_names_stratify():
    X, _, tasks = sample()
    y = np.tile(np.r_[np.ones(4), np.zeros(16)], 3)
    search = MultiTaskSearchCV(LassoClassifier(), lambda1=GRID, cv=TaskKFold(4, stratify=False))
    with pytest.raises(ValueError, match=r"Fold 0: .* only one class.*stratify=True"):
        search.fit(X, y, tasks=tasks)
    assert search.set_params(cv=TaskKFold(4)).fit(X, y, tasks=tasks).n_splits_ == 4


def test_sklearns_scorers_on_rows_that_count():
    few, more, _ = with_more(missing=True)
    scorer = make_scorer(mean_squared_error, greater_is_better=False)  # it refuses NaN
    search = MultiTaskSearchCV(LassoRegressor(task_column=0), lambda1=GRID, scoring=scorer)
    got, expected = (means(search, np.c_[tasks, X], y) for X, y, tasks, _ in (more, few))
    assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("scoring", [None, "neg_mean_task_rmse", "neg_mean_squared_error", by_mse])
def test_score_of_a_search_on_rows_that_count(scoring):
    few, more, _ = with_more(missing=True)
    model = LassoRegressor(task_column=0)
    search = MultiTaskSearchCV(model, lambda1=GRID, scoring=scoring).fit(
        np.c_[few[2], few[0]], few[1]
    )
    got, expected = (search.score(np.c_[tasks, X], y) for X, y, tasks, _ in (more, few))
    assert got == pytest.approx(expected, 1e-12)


def test_a_part_of_small_tasks_is_no_mistake_in_labels():
    """A training part with one row of each task is not taken for a column that holds no labels."""
    X, y, tasks = sample([2] * 12)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        MultiTaskSearchCV(LassoRegressor(), n_lambdas=3).fit(X, y, tasks=tasks)
    assert not [w for w in said if "number of tasks" in str(w.message)]
    said = pytest.warns(UserWarning, match=r"number of tasks equals the number of rows \(12\)")
    with said, pytest.raises(ValueError, match="no folds by default"):
        MultiTaskSearchCV(LassoRegressor(), n_lambdas=3).fit(X[::2], y[::2], tasks=range(12))
