"""TaskKFold: every task in every training part."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)

from malsar_py.model_selection import TaskKFold
from malsar_py.model_selection.kfold import _separate

NAN = np.nan


def folds_of(cv, *args, **kwargs):
    """The fold that tests each row, -1 for none; checks that the parts are complementary."""
    n = len(args[0])
    fold = np.full(n, -1)
    parts = list(cv.split(*args, **kwargs))
    assert len(parts) == cv.get_n_splits(*args, **kwargs)
    for k, (train, test) in enumerate(parts):
        assert np.array_equal(np.sort(np.r_[train, test]), np.arange(n))
        assert len(test)
        assert (fold[test] == -1).all()
        fold[test] = k
    return fold


def spread(fold, cell, n_splits):
    """Rows of each cell in each fold, (n_cells, n_splits)."""
    return np.array(
        [np.bincount(fold[(cell == c) & (fold >= 0)], minlength=n_splits) for c in set(cell)]
    )


# --- tasks ---------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    n_splits=st.integers(2, 6),
    seed=st.none() | st.integers(0, 3),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_every_task_in_every_training_part(sizes, n_splits, seed, data):
    sizes[0] = max(sizes[0], n_splits)
    tasks = np.array(data.draw(st.permutations(np.repeat(np.arange(len(sizes)), sizes).tolist())))
    cv = TaskKFold(n_splits, shuffle=seed is not None, random_state=seed)
    X = np.zeros((len(tasks), 1))
    fold = folds_of(cv, X, tasks=tasks)
    assert np.array_equal(fold, folds_of(cv, X, tasks=tasks))
    single = np.isin(tasks, np.flatnonzero(np.array(sizes) == 1))
    assert np.array_equal(fold == -1, single)
    for k in range(n_splits):
        assert set(tasks[fold != k]) == set(tasks)
    counts = spread(fold, tasks, n_splits)
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert np.ptp(counts.sum(axis=0)) <= 1


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["a", "n", "y"])), min_size=30, max_size=80
    ),
    n_splits=st.integers(2, 5),
    seed=st.none() | st.integers(0, 3),
)
@settings(max_examples=100, deadline=None)
def test_stratified_within_tasks_and_over_them(cells, n_splits, seed):
    tasks, y = (np.array(column) for column in zip(*cells, strict=True))
    cv = TaskKFold(n_splits, shuffle=seed is not None, random_state=seed)
    fold = folds_of(cv, np.zeros((len(y), 1)), y, tasks)
    assert np.array_equal(fold, folds_of(cv, np.zeros((len(y), 1)), y, tasks))
    cell = np.unique([f"{t}{c}" for t, c in cells], return_inverse=True)[1]
    assert np.array_equal(fold == -1, np.bincount(cell)[cell] == 1)
    for of in (cell, tasks, y, np.zeros(len(y))):
        assert (np.ptp(spread(fold, of, n_splits), axis=1) <= 1).all()
    for k in range(n_splits):
        assert set(cell[fold != k]) == set(cell)


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize(
    ("sizes", "positives", "n_splits"),
    [
        ([20] * 50, [3] * 50, 5),
        ([20] * 50, [2] * 50, 4),
        ([10, 20] * 20, [1, 4] * 20, 10),
        ([12, 7, 24, 5] * 9, [2, 2, 3, 2] * 9, 6),
    ],
)
def test_rare_classes_of_all_tasks_are_spread(sizes, positives, n_splits, seed):
    """Sizes that are multiples of the folds, alone or mixed."""
    tasks = np.repeat(np.arange(len(sizes)), sizes)
    y = np.concatenate(
        [np.r_[np.ones(p), np.zeros(n - p)] for n, p in zip(sizes, positives, strict=True)]
    ).astype(int)
    cv = TaskKFold(n_splits, shuffle=seed is not None, random_state=seed)
    fold = folds_of(cv, y[:, None], y, tasks)
    tested = np.bincount(fold[(fold >= 0) & (y == 1)], minlength=n_splits)
    assert np.ptp(tested) <= 1
    assert tested.sum() == sum(p for p in positives if p > 1)
    assert np.ptp(np.bincount(fold[fold >= 0])) <= 1
    assert (np.ptp(spread(fold, tasks, n_splits), axis=1) <= 1).all()


def test_one_task_is_kfold():
    X = np.zeros((17, 2))
    for got, expected in zip(TaskKFold(5).split(X), KFold(5).split(X), strict=True):
        assert np.array_equal(got[0], expected[0])
        assert np.array_equal(got[1], expected[1])
    same = folds_of(TaskKFold(5), X, tasks=["a"] * 17)
    assert np.array_equal(same, folds_of(TaskKFold(5), X))
    y = np.array([0, 1, 1] * 5)
    sizes = [np.bincount(y[test]) for _, test in TaskKFold(5).split(y, y)]
    assert np.array_equal(sizes, [np.bincount(y[t]) for _, t in StratifiedKFold(5).split(y, y)])


def test_small_tasks_start_where_the_last_one_stopped():
    tasks = np.r_[np.zeros(5), np.repeat(np.arange(1, 41), 2)]
    fold = folds_of(TaskKFold(5), np.zeros((85, 1)), tasks=tasks)
    assert np.bincount(fold).tolist() == [17] * 5


def test_folds_are_blocks_unless_shuffled():
    tasks = np.array(["a", "b"] * 10)
    X = np.zeros((20, 1))
    plain = folds_of(TaskKFold(5), X, tasks=tasks)
    assert (np.diff(plain[tasks == "a"]) >= 0).all()
    shuffled = [
        folds_of(TaskKFold(5, shuffle=True, random_state=s), X, tasks=tasks) for s in (0, 1)
    ]
    assert not np.array_equal(*shuffled)
    assert not np.array_equal(shuffled[0], plain)
    state = np.random.RandomState(0)
    cv = TaskKFold(5, shuffle=True, random_state=state)
    assert not np.array_equal(folds_of(cv, X, tasks=tasks), folds_of(cv, X, tasks=tasks))


@pytest.mark.parametrize(
    ("X", "column"),
    [
        (np.c_[np.arange(6), [0, 0, 1, 1, 1, 1], [NAN] * 6], 1),
        (np.c_[np.arange(6), [0, 0, 1, 1, 1, 1]].tolist(), -1),
        (np.array([["a", 1.0]] * 2 + [["b", NAN]] * 4, dtype=object), 0),
        (pd.DataFrame({"x": [NAN] * 6, "school": pd.Categorical(list("aabbbb"))}), "school"),
        (pl.DataFrame({"x": [None] * 6, "school": list("aabbbb")}), "school"),
    ],
    ids=["array", "list", "objects", "pandas", "polars"],
)
def test_labels_from_a_column(X, column):
    got = folds_of(TaskKFold(2, task_column=column), X)
    assert got.tolist() == folds_of(TaskKFold(2), X, tasks=list("aabbbb")).tolist()
    assert got.tolist() == [0, 1, 0, 0, 1, 1]


# --- y -------------------------------------------------------------------------------------------

TASKS = np.array([0] * 6 + [1] * 6)
X12 = np.zeros((12, 1))


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array(["n", "y"] * 6), True),
        (np.array(["n", "y", None] * 4, dtype=object), True),
        (pd.Series(["n", "y", "z"] * 4, dtype="category"), True),
        (np.array([True, False] * 6), True),
        ([0, 1] * 6, True),
        ([0, 1, 2] * 4, False),
        ([0.0, 1.0] * 6, True),
        ([0.0, 1.0, NAN] * 4, True),
        (pd.array([-1.0, 1.0, None] * 4, dtype="Float64"), True),
        (pd.array([False, True, None] * 4, dtype="boolean"), True),
        (np.array([1.0, 2.0, None] * 4, dtype=object), True),
        (np.array(["2021", "2022"] * 6, dtype="M8[Y]"), True),
        ([0.0, 1.0, 2.0] * 4, False),
        ([0.5, 1.5] * 6, False),
        (np.linspace(0, 1, 12), False),
        (None, False),
    ],
)
def test_auto_stratifies_what_must_be_classes(y, expected):
    auto = folds_of(TaskKFold(2), X12, y, TASKS)
    as_told = folds_of(TaskKFold(2, stratify=expected), X12, y, TASKS)
    assert np.array_equal(auto, as_told)


def test_stratify_by_order():
    y = np.array([0, 0, 0, 1, 1, 1] * 2)
    assert folds_of(TaskKFold(3), X12, y, TASKS).tolist() == [0, 1, 2] * 4
    assert folds_of(TaskKFold(3, stratify=False), X12, y, TASKS).tolist() == [0, 0, 1, 1, 2, 2] * 2
    grades = np.array([1, 2, 3, 3, 2, 4] * 2)
    fold = folds_of(TaskKFold(2, stratify=True), X12, grades, TASKS)
    assert fold[grades == 1].tolist() == [-1, -1]
    assert sorted(fold[grades == 2].tolist()) == [0, 0, 1, 1]


@pytest.mark.parametrize("column", [False, True])
def test_missing_targets_train_and_are_not_tested(column):
    y = np.array([NAN, 1, 2, 3, 4, 5, NAN, NAN, NAN, NAN, NAN, 6])
    fold = folds_of(TaskKFold(2), X12, y[:, None] if column else y, TASKS)
    assert fold.tolist() == [-1, 0, 0, 0, 1, 1, -1, -1, -1, -1, -1, -1]
    words = np.array([None, "n", "y"] * 4, dtype=object)
    assert (folds_of(TaskKFold(2), X12, words, TASKS) == -1).tolist() == [True, False, False] * 4


@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize("column", [False, True])
def test_rows_of_weight_zero_train_and_do_not_count(stratify, column):
    """The other rows are dealt as if they were alone."""
    rng = np.random.default_rng(0)
    tasks = np.r_[np.repeat([0, 1, 2], 12), [3, 3, 4, 4]]
    y = rng.permutation(np.arange(40) % 2)
    weight = rng.uniform(0.1, 2.0, 40) * (rng.random(40) < 0.7)
    weight[36:] = [0.0, 1.0, 0.0, 0.0]  # a task with one row that counts, and one with none
    if column:
        tasks = None
    counts = weight > 0.0
    y = np.where(counts, y, 5)  # what does not count is of no class
    y = y[:, None] if column else y
    cv = TaskKFold(3, stratify=stratify)
    fold = folds_of(cv, y, y, tasks, sample_weight=weight)
    assert (fold[~counts] == -1).all()
    alone = folds_of(cv, y[counts], y[counts], None if column else tasks[counts])
    assert np.array_equal(fold[counts], alone)
    if not column:
        assert (fold[36:] == -1).all()
    missing = np.where(counts.reshape(y.shape), y, NAN)
    assert np.array_equal(folds_of(cv, y, missing, tasks), fold)


def test_weights_without_y_and_of_cells():
    weight = np.r_[0.0, np.ones(11)]
    assert folds_of(TaskKFold(2), X12, tasks=TASKS, sample_weight=weight)[0] == -1
    assert (folds_of(TaskKFold(2), X12, tasks=TASKS, sample_weight=2.0) >= 0).all()
    Y = np.random.default_rng(0).normal(size=(12, 2))
    weights = np.ones((12, 2))
    weights[:8, 1] = 0.0
    weights[3] = 0.0
    fold = folds_of(TaskKFold(2), Y, Y, sample_weight=weights)
    assert np.flatnonzero(fold == -1).tolist() == [3]
    assert np.bincount(fold[8:]).tolist() == [2, 2]
    assert np.array_equal(fold, folds_of(TaskKFold(2), Y, np.where(weights > 0, Y, NAN)))


# --- y with a column per task --------------------------------------------------------------------


def test_complete_columns_are_kfold():
    Y = np.random.default_rng(0).normal(size=(13, 3))
    expected = folds_of(KFold(4), Y)
    assert np.array_equal(folds_of(TaskKFold(4), Y, Y), expected)
    Y[5] = NAN
    fold = folds_of(TaskKFold(4), Y, Y)
    assert fold[5] == -1
    assert np.array_equal(np.delete(fold, 5), folds_of(KFold(4), Y[:12]))


@pytest.mark.parametrize("seed", range(20))
def test_columns_are_balanced(seed):
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(100, 12))
    Y[rng.random(Y.shape) < np.linspace(0, 0.97, 12)] = NAN
    Y[:2, -1] = 1.0
    cv = TaskKFold(4, shuffle=bool(seed % 2), random_state=seed if seed % 2 else None)
    fold = folds_of(cv, Y, Y)
    assert np.array_equal(fold, folds_of(cv, Y, Y))
    assert (fold >= 0).all()
    counts = np.array([(~np.isnan(Y[fold == k])).sum(axis=0) for k in range(4)])
    total = counts.sum(axis=0)
    assert (counts < total).all()
    assert np.ptp(counts, axis=0).max() <= 4
    assert (np.ptp(counts, axis=0)[total <= 20] <= 2).all()
    assert np.ptp(np.bincount(fold)) <= 3


def test_columns_of_classes_are_stratified():
    rng = np.random.default_rng(0)
    Y = np.where(rng.random((60, 4)) < 0.2, "y", "n").astype(object)
    Y[rng.random(Y.shape) < 0.3] = None
    Y[:, 3] = np.where(Y[:, 3] == "y", "n", Y[:, 3])
    Y[7] = [None, None, None, "y"]  # the only one of its class: always trains
    fold = folds_of(TaskKFold(3), Y, Y)
    assert np.flatnonzero(fold == -1).tolist() == [7]
    for value in "ny":
        counts = np.array([(Y[fold == k] == value).sum(axis=0) for k in range(3)])
        assert np.ptp(counts, axis=0).max() <= 2
    free = folds_of(TaskKFold(3, stratify=False), Y, Y)
    assert free[7] >= 0


def test_a_column_may_lack_a_class():
    Y = np.array([["n", "y"], ["n", "n"], ["n", "y"], ["n", None], ["n", "n"], [None, "y"]], object)
    fold = folds_of(TaskKFold(2), Y, Y)
    assert (fold >= 0).all()
    assert np.ptp(np.bincount(fold)) == 0


def test_a_column_that_cannot_be_kept():
    Y = pd.DataFrame({"u": np.arange(6.0), "v": [1.0] + [NAN] * 5, "w": [NAN] * 6})
    with pytest.raises(ValueError, match=r"fewer than two observed .*: 'v', 'w'"):
        list(TaskKFold(2).split(Y, Y))
    # Three columns of two rows each, every two sharing one: two folds cannot separate them.
    Y = np.full((8, 4), NAN)
    Y[:, 3] = 1.0
    Y[[0, 1], 0] = Y[[1, 2], 1] = Y[[0, 2], 2] = 1.0
    with pytest.raises(
        ValueError, match=r"Column [012] of y cannot be kept in every training part"
    ):
        list(TaskKFold(2).split(Y, Y))
    assert (folds_of(TaskKFold(3), Y, Y) >= 0).all()


def test_sparse_columns_are_separated_where_possible():
    rng = np.random.default_rng(3)
    for _ in range(100):
        Y = np.full((12, 9), NAN)
        Y[:, -1] = 0.0
        side = rng.permutation(12) % 2  # an assignment that separates exists
        for j in range(8):
            Y[[rng.choice(np.flatnonzero(side == s)) for s in (0, 1)], j] = 1.0
        for n_splits in (2, 3):
            fold = folds_of(TaskKFold(n_splits), Y, Y)
            for k in range(n_splits):
                assert (~np.isnan(Y[fold != k])).any(axis=0).all()


def test_one_move_may_free_two_columns():
    fold = np.array([0, 0, 1])
    cells = np.array([[True, True], [True, True], [False, False]])
    assert _separate(fold, cells, 2) is None
    assert fold.tolist() == [1, 0, 1]


# --- with sklearn --------------------------------------------------------------------------------


class TaskMeans(RegressorMixin, BaseEstimator):
    """Mean of y by task; refuses tasks that it does not know."""

    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    def __init__(self, shift=0.0, task_column=None):
        self.shift = shift
        self.task_column = task_column

    def _labels(self, X, tasks):
        if self.task_column is not None:
            return X[self.task_column].tolist()
        return list(tasks)

    def fit(self, X, y, tasks=None):
        labels = self._labels(X, tasks)
        assert len(labels) == len(y)
        self.means_ = {v: np.nanmean(y[[u == v for u in labels]]) for v in set(labels)}
        return self

    def predict(self, X, tasks=None):
        return np.array([self.means_[v] for v in self._labels(X, tasks)]) + self.shift

    def score(self, X, y, tasks=None):
        return -np.mean((y - self.predict(X, tasks)) ** 2)


def test_search_by_task_column():
    frame = pd.DataFrame({"x": np.arange(12.0), "school": ["a"] * 6 + ["b"] * 6})
    y = np.where(frame["school"] == "a", 0.0, 5.0)
    cv = TaskKFold(3, task_column="school")
    model = TaskMeans(task_column="school")
    search = GridSearchCV(model, {"shift": [0.0, 1.0]}, cv=cv, error_score="raise")
    assert search.fit(frame, y).best_score_ == 0.0
    assert search.n_splits_ == 3
    assert np.array_equal(cross_val_predict(model, frame, y, cv=cv), y)
    # Sorted by school, plain folds meet unknown schools.
    with pytest.raises(KeyError):
        cross_val_score(model, frame, y, cv=KFold(2), error_score="raise")


def test_search_with_routing_passes_tasks():
    y = np.where(TASKS == 0, 0.0, 5.0)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            TaskMeans(), {"shift": [0.0, 1.0]}, cv=TaskKFold(3), error_score="raise"
        )
        search.fit(X12, y, tasks=TASKS)
        assert search.best_score_ == 0.0
        assert search.best_params_ == {"shift": 0.0}
        got = cross_validate(TaskMeans(), X12, y, cv=TaskKFold(2), params={"tasks": TASKS})
        assert got["test_score"].tolist() == [0.0, 0.0]


def test_repr_clone_pickle():
    cv = TaskKFold(3, task_column="school", shuffle=True, random_state=1)
    text = repr(cv)
    for part in (
        "TaskKFold(n_splits=3",
        "random_state=1",
        "task_column='school'",
        "stratify='auto'",
    ):
        assert part in text
    assert repr(clone(cv, safe=False)) == repr(pickle.loads(pickle.dumps(cv))) == text
    assert TaskKFold().get_n_splits() == 5


# --- refusals ------------------------------------------------------------------------------------

CONSTRUCTOR = [
    ({"n_splits": 1}, "n_splits must be"),
    ({"n_splits": 2.0}, "n_splits must be"),
    ({"shuffle": 1}, "shuffle must be"),
    ({"random_state": 0}, "random_state has no effect"),
    ({"stratify": "yes"}, "stratify must be"),
]


@pytest.mark.parametrize(("params", "match"), CONSTRUCTOR)
def test_refused_parameters(params, match):
    with pytest.raises(ValueError, match=match):
        TaskKFold(**params)


Y2 = np.zeros((12, 2))
REFUSED = [
    ({}, {"groups": TASKS}, ValueError, "not `groups`: TaskGroupKFold keeps"),
    ({}, {"sample_weight": TASKS[:3]}, ValueError, "sample_weight"),
    ({}, {"sample_weight": -np.ones(12)}, ValueError, "Negative values"),
    ({}, {"sample_weight": np.zeros(12)}, ValueError, "at least one non-zero"),
    ({}, {"sample_weight": np.eye(12)[0]}, ValueError, "the largest task has 1 observed rows of p"),
    ({}, {"tasks": TASKS[:3]}, ValueError, "`tasks` has 3 labels, X has 12"),
    ({}, {"tasks": [1, "a"] * 6}, TypeError, "`tasks` mixes"),
    ({}, {"tasks": [NAN] * 12}, ValueError, "`tasks` contains NaN"),
    ({}, {"y": [1.0]}, ValueError, "inconsistent numbers of samples"),
    ({}, {"y": np.full(12, np.inf)}, ValueError, "infinity"),
    ({}, {"y": np.full(12, NAN)}, ValueError, "the largest task has 0 observed rows"),
    ({}, {"y": Y2, "tasks": TASKS}, ValueError, "cannot be combined with `tasks`"),
    ({"task_column": 0}, {"y": Y2}, ValueError, "combined with task_column=0"),
    ({"task_column": 0}, {"tasks": TASKS}, ValueError, "given twice"),
    ({"task_column": 1}, {}, ValueError, "task_column=1 is out of range"),
    ({"task_column": "a"}, {}, ValueError, "task_column='a' is a column name"),
    ({"task_column": "a"}, {"X": pd.DataFrame(Y2, columns=["a", "a"])}, ValueError, "names 2"),
    ({"n_splits": 7}, {"tasks": TASKS}, ValueError, "n_splits=7 cannot be greater"),
    ({"n_splits": 13}, {"y": Y2}, ValueError, "n_splits=13 cannot be greater .* column of y"),
    ({"stratify": True}, {}, ValueError, "stratify=True needs y"),
    ({"stratify": True}, {"y": np.linspace(0, 1, 12)}, ValueError, "Got 'continuous'"),
    ({"stratify": True}, {"y": np.arange(12)}, ValueError, "Only 0 rows can be tested"),
]


@pytest.mark.parametrize(("params", "args", "error", "match"), REFUSED)
def test_refused_at_split(params, args, error, match):
    args = {"X": X12, **args}
    with pytest.raises(error, match=match):
        list(TaskKFold(**{"n_splits": 3, **params}).split(**args))


def test_sparse_X():
    labelled = np.column_stack([TASKS, X12])
    folds = [TaskKFold(3, task_column=0).split(X) for X in (labelled, sparse.csr_array(labelled))]
    for one, other in zip(*folds, strict=True):
        assert one[1].tolist() == other[1].tolist()


def test_sparse_X_needs_no_column():
    assert len(folds_of(TaskKFold(3), np.zeros(12), tasks=TASKS)) == 12
    assert len(list(TaskKFold(3).split(sparse.csr_array(X12), tasks=TASKS))) == 3
