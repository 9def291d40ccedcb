"""TaskShuffleSplit and LeaveOneTaskOut."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score

from malsar_py import MeanRegularizedRegressor
from malsar_py.model_selection import LeaveOneTaskOut, TaskShuffleSplit

NAN = np.nan


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=25).filter(lambda s: max(s) > 3),
    test_size=st.sampled_from([0.3, 0.5, 0.75]),
    seed=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_every_task_gives_its_share(sizes, test_size, seed):
    tasks = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    cv = TaskShuffleSplit(3, test_size=test_size, random_state=seed)
    X = np.zeros((len(tasks), 1))
    parts = list(cv.split(X, tasks=tasks))
    assert len(parts) == cv.get_n_splits() == 3
    for (train, test), again in zip(parts, cv.split(X, tasks=tasks), strict=True):
        assert np.array_equal(np.sort(np.r_[train, test]), np.arange(len(tasks)))
        assert np.array_equal(test, again[1])
        assert set(tasks[train]) == set(tasks)
        tested = np.bincount(tasks[test], minlength=len(sizes))
        assert (np.abs(tested - test_size * np.array(sizes)) < 1.0 + 1e-9).all()
    if sum(size > 3 for size in sizes) > 5:  # else they may be the same by chance
        assert any(not np.array_equal(parts[0][1], other[1]) for other in parts[1:])


def test_school_sized_parts():
    tasks = np.repeat(np.arange(40), 10)
    for _, test in TaskShuffleSplit(5, random_state=0).split(tasks[:, None], tasks=tasks):
        assert len(test) == 100
        assert np.isin(np.bincount(tasks[test]), [2, 3]).all()


def test_shuffle_split_keeps_classes():
    y = np.array(["n"] * 30 + ["y"] * 10)
    tasks = np.arange(40) % 2
    for train, test in TaskShuffleSplit(5, test_size=0.2, random_state=0).split(y, y, tasks):
        for t in (0, 1):
            assert (y[test][tasks[test] == t] == "n").sum() == 3
            assert (y[test][tasks[test] == t] == "y").sum() == 1
        assert len(train) == 32


def test_shuffle_split_keeps_rare_classes_over_tasks():
    tasks = np.repeat(np.arange(50), 20)
    y = np.tile(np.r_[np.ones(3), np.zeros(17)], 50)
    for _, test in TaskShuffleSplit(10, random_state=0).split(y, y, tasks):
        assert abs(y[test].sum() - 0.25 * 150) < 1.0
        assert abs(len(test) - 250) < 1.0
        rare = np.bincount(tasks[test][y[test] == 1], minlength=50)
        assert rare.max() == 1


def test_rows_of_weight_zero_are_not_tested():
    tasks = np.repeat([0, 1, 2, 3], [8, 8, 8, 2])
    weight = np.r_[np.tile([1.0, 0.0, 2.0, 0.5], 6), 0.0, 0.0]
    counts = weight > 0.0
    y = np.full(26, 7)
    y[counts] = np.arange(18) % 2
    for stratify in (False, True):
        cv = TaskShuffleSplit(20, stratify=stratify, random_state=0)
        for train, test in cv.split(y, y, tasks, sample_weight=weight):
            assert counts[test].all()
            assert set(tasks[train][counts[train]]) == {0, 1, 2}
            assert 4 <= len(test) <= 5
    Y = np.random.default_rng(0).normal(size=(26, 2))
    for train, test in TaskShuffleSplit(5, random_state=0).split(Y, Y, sample_weight=weight):
        assert counts[test].all()
        assert len(train) + len(test) == 26
    parts = list(LeaveOneTaskOut().split(y, y, tasks, sample_weight=weight))
    assert LeaveOneTaskOut().get_n_splits(y, y, tasks, sample_weight=weight) == len(parts) == 3
    assert [set(tasks[test]) for _, test in parts] == [{0}, {1}, {2}]
    assert all(counts[test].all() and len(test) == 6 for _, test in parts)


def test_shuffle_split_of_columns():
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(80, 6))
    full = [test for _, test in TaskShuffleSplit(2, random_state=0).split(Y, Y)]
    assert [len(test) for test in full] == [20, 20]
    Y[rng.random(Y.shape) < np.linspace(0, 0.95, 6)] = NAN
    Y[:2, -1] = 1.0
    Y[5] = NAN
    for train, test in TaskShuffleSplit(5, random_state=0).split(Y, Y):
        observed = ~np.isnan(Y)
        assert observed[train].any(axis=0).all()
        assert 5 not in test
        assert (observed[test].sum(axis=0) <= np.ceil(0.25 * observed.sum(axis=0))).all()
        assert 15 <= len(test) <= 20


def test_missing_targets_are_not_tested():
    y = np.array([NAN, 1, 2, 3, 4, NAN])
    tasks = ["a"] * 6
    for _, test in TaskShuffleSplit(5, test_size=0.5, random_state=0).split(y, y, tasks):
        assert len(test) == 2
        assert not np.isnan(y[test]).any()
    parts = list(LeaveOneTaskOut().split(y, y, [0, 0, 0, 1, 1, 1]))
    assert [test.tolist() for _, test in parts] == [[1, 2], [3, 4]]
    assert [train.tolist() for train, _ in parts] == [[3, 4, 5], [0, 1, 2]]


def test_leave_one_task_out_is_sklearns():
    tasks = np.array(list("bacabcab"))
    X = pd.DataFrame({"x": np.arange(8.0), "school": tasks})
    cv = LeaveOneTaskOut(task_column="school")
    assert cv.get_n_splits(X) == 3
    for got, expected in zip(cv.split(X), LeaveOneGroupOut().split(X, groups=tasks), strict=True):
        assert np.array_equal(got[0], expected[0])
        assert np.array_equal(got[1], expected[1])


def test_leave_one_task_out_needs_the_mean_model():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([0, 1, 2], 10), rng.normal(size=(30, 3))])
    y = X[:, 1:] @ [1.0, 2.0, 3.0] + rng.normal(size=30)
    model = MeanRegularizedRegressor(task_column=0)
    cv = LeaveOneTaskOut(task_column=0)
    with pytest.raises(ValueError, match="Unseen task labels"):
        cross_val_score(model, X, y, cv=cv, error_score="raise")
    mean = clone(model).set_params(unseen="mean")
    search = GridSearchCV(mean, {"lambda1": [0.1, 10.0]}, cv=cv).fit(X, y)
    assert search.best_score_ > 0.5
    assert search.n_splits_ == 3


@pytest.mark.parametrize(
    "cv", [TaskShuffleSplit(3, test_size=0.5, random_state=1), LeaveOneTaskOut(task_column=1)]
)
def test_repr_clone_pickle(cv):
    assert repr(clone(cv, safe=False)) == repr(pickle.loads(pickle.dumps(cv))) == repr(cv)
    assert repr(cv).startswith(type(cv).__name__ + "(")


X6 = np.zeros((6, 1))
REFUSED = [
    (lambda: TaskShuffleSplit(0), "n_splits must be"),
    (lambda: TaskShuffleSplit(test_size=1.0), "test_size must be"),
    (lambda: TaskShuffleSplit(test_size=5), "test_size must be"),
    (lambda: TaskShuffleSplit(stratify="yes"), "stratify must be"),
    (lambda: list(TaskShuffleSplit().split(X6, groups=[0] * 6)), "TaskShuffleSplit takes labels"),
    (lambda: list(TaskShuffleSplit().split(X6, tasks=range(6))), "leaves nothing to test"),
    (lambda: list(TaskShuffleSplit().split(X6, tasks=[0])), "`tasks` has 1 labels, X has 6"),
    (lambda: list(LeaveOneTaskOut().split(X6)), "at least two tasks, got 1"),
    (lambda: list(LeaveOneTaskOut().split(X6, np.zeros((6, 2)))), "belongs to all tasks"),
    (lambda: LeaveOneTaskOut().get_n_splits(), "pass X, and `tasks`"),
    (lambda: list(LeaveOneTaskOut().split(X6, groups=[0] * 6)), "LeaveOneTaskOut takes labels"),
]


@pytest.mark.parametrize(("call", "match"), REFUSED)
def test_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
