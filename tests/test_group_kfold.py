"""TaskGroupKFold: groups stay together, every task stays in training."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate

from malsar_py import LassoRegressor
from malsar_py.model_selection import TaskGroupKFold, TaskKFold

NAN = np.nan


def parts_of(cv, X, *args, **kwargs):
    parts = list(cv.split(X, *args, **kwargs))
    assert len(parts) == cv.get_n_splits(X, *args, **kwargs) == cv.n_splits
    assert all(len(test) for _, test in parts)
    tested = np.concatenate([test for _, test in parts])
    assert len(set(tested)) == len(tested)
    return parts


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 11), st.sampled_from("ny"), st.booleans()),
        min_size=20,
        max_size=90,
    ),
    stratify=st.booleans(),
    seed=st.none() | st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_groups_stay_together_and_tasks_stay_in_training(rows, stratify, seed):
    tasks, groups, y, counts = (np.array(column) for column in zip(*rows, strict=True))
    assume(counts.any())
    weight = counts.astype(float)
    cv = TaskGroupKFold(3, stratify=stratify, shuffle=seed is not None, random_state=seed)
    given = {"groups": groups, "tasks": tasks, "sample_weight": weight}
    cells = [f"{t}{c}" for t, c in zip(tasks, y, strict=True)] if stratify else tasks
    cells = np.unique(cells, return_inverse=True)[1]
    held = {c: set(groups[counts & (cells == c)]) for c in set(cells[counts])}
    alone = set().union(*(g for g in held.values() if len(g) == 1))
    testable = set(groups[counts]) - alone
    if len(testable) < 3:
        with pytest.raises(ValueError, match="greater than the number of groups"):
            list(cv.split(y, y, **given))
        return
    try:
        parts = parts_of(cv, y, y, **given)
    except ValueError as error:
        assert "cannot be kept in every training part" in str(error)
        assume(False)
    for (train, test), again in zip(parts, cv.split(y, y, **given), strict=True):
        assert np.array_equal(test, again[1])
        assert counts[test].all()
        assert not set(groups[train]) & set(groups[test])
        rest = np.setdiff1d(np.arange(len(y)), np.r_[train, test])
        assert not counts[rest].any()
        assert set(groups[rest]) <= set(groups[test])
        assert set(cells[train][counts[train]]) == set(held)
    tested = np.concatenate([test for _, test in parts])
    assert set(groups[tested]) == testable
    assert len(tested) == (counts & np.isin(groups, list(testable))).sum()


def test_equal_groups_are_spread_evenly():
    """50 tasks of 10 groups of 2 rows, 3 groups with positives."""
    tasks = np.repeat(np.arange(50), 20)
    groups = np.repeat(np.arange(500), 2)
    y = np.tile(np.r_[np.ones(6), np.zeros(14)], 50)
    for cv in (TaskGroupKFold(5), TaskGroupKFold(5, shuffle=True, random_state=0)):
        parts = parts_of(cv, y, y, groups, tasks=tasks)
        for _, test in parts:
            assert np.bincount(tasks[test]).tolist() == [4] * 50
            assert y[test].sum() == 60
            assert (np.bincount(tasks[test], weights=y[test]) <= 2).all()


def test_groups_over_tasks_of_any_size():
    rng = np.random.default_rng(0)
    size = rng.integers(1, 6, 300) ** 2
    groups = rng.choice(300, 3000, p=size / size.sum())
    homes = rng.integers(0, 50, (300, 3))
    tasks = homes[groups, rng.integers(0, 3, 3000)]
    y = rng.integers(0, 5, 3000) == 0
    parts = parts_of(TaskGroupKFold(5), y, y, groups, tasks=tasks)
    sizes = np.array([len(test) for _, test in parts])
    positives = np.array([y[test].sum() for _, test in parts])
    assert np.ptp(sizes) < 0.05 * sizes.mean()
    assert np.ptp(positives) < 0.2 * positives.mean()
    # Tasks are spread far better than by folds that do not know them.
    ours, theirs = (
        sum(
            np.abs(np.bincount(tasks[test], minlength=50) - np.bincount(tasks) / 5).sum()
            for _, test in folds
        )
        for folds in (parts, GroupKFold(5).split(y, y, groups))
    )
    assert 3 * ours < theirs


def test_the_only_group_of_a_task_trains():
    tasks = np.array(list("aaaabbbbc"))
    groups = np.array([1, 1, 2, 3, 4, 5, 6, 6, 3])  # c is of group 3 alone
    for train, test in parts_of(TaskGroupKFold(2), tasks, groups=groups, tasks=tasks):
        assert set(tasks[train]) == set("abc")
        assert 3 not in groups[test]
    # The only group of a class in a task, where classes matter.
    y = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1])
    stratified = parts_of(TaskGroupKFold(2), tasks, y, groups, tasks=tasks)
    assert {3} == set(groups) - set(groups[np.concatenate([test for _, test in stratified])])
    for train, _ in stratified:
        assert {(t, c) for t, c in zip(tasks[train], y[train], strict=True)} == {
            (t, c) for t, c in zip(tasks, y, strict=True)
        }


def test_a_group_of_each_row_is_a_row():
    rng = np.random.default_rng(0)
    tasks = rng.integers(0, 4, 60)
    y = rng.integers(0, 2, 60)
    for train, test in parts_of(TaskGroupKFold(5), y, y, np.arange(60), tasks=tasks):
        assert len(train) + len(test) == 60
        assert len(test) == 12
    counts = np.array(
        [
            np.bincount(2 * tasks[test] + y[test], minlength=8)
            for _, test in TaskGroupKFold(5).split(y, y, np.arange(60), tasks=tasks)
        ]
    )
    assert np.ptp(counts, axis=0).max() <= 1


def test_groups_of_rows_with_a_column_per_task():
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(60, 3))
    Y[:40, 2] = NAN
    Y[45:50] = NAN
    groups = rng.integers(0, 15, 60)
    weights = rng.integers(0, 3, Y.shape)
    for train, test in parts_of(TaskGroupKFold(3), Y, Y, groups, sample_weight=weights):
        counts = ~np.isnan(Y) & (weights > 0)
        assert counts[test].any(axis=1).all()
        assert counts[train].any(axis=0).all()
        assert not set(groups[train]) & set(groups[test])
    C = np.where(Y > 0.3, "y", "n").astype(object)
    C[np.isnan(Y)] = None
    for train, _ in parts_of(TaskGroupKFold(3), Y, C, groups):
        for column in C[train].T:
            assert {"n", "y"} <= set(column)


def test_shuffled_groups_of_similar_size():
    groups = np.repeat(np.arange(20), [8, 9, 10, 11] * 5)
    tasks = np.arange(len(groups)) % 2
    seen = set()
    for seed in range(5):
        cv = TaskGroupKFold(4, shuffle=True, random_state=seed)
        parts = parts_of(cv, tasks, groups=groups, tasks=tasks)
        assert np.ptp([len(test) for _, test in parts]) <= 8
        seen.add(tuple(sorted(set(groups[parts[0][1]]))))
    assert len(seen) > 1


def test_labels_and_groups_of_any_kind():
    tasks, groups = np.repeat(["u", "v"], 6), np.tile(["p", "q", "r"], 4)
    frame = pd.DataFrame({"x": np.arange(12.0), "school": tasks})
    expected = [test.tolist() for _, test in TaskGroupKFold(3).split(frame, None, groups)]
    assert expected == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    by_column = TaskGroupKFold(3, task_column="school")
    for labels in (pd.Series(groups), pd.Categorical(groups), groups[:, None], groups.tolist()):
        assert [test.tolist() for _, test in by_column.split(frame, groups=labels)] == expected


# --- with sklearn --------------------------------------------------------------------------------


def sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    tasks, groups = np.repeat([0, 1, 2], 20), np.tile(np.arange(5), 12)
    return X, X @ [1.0, 2.0, 0.0, 0.0] + tasks + rng.normal(size=60), tasks, groups


def test_groups_reach_it_without_routing():
    X, y, tasks, groups = sample()
    data = np.column_stack([tasks, X])
    cv, model = TaskGroupKFold(4, task_column=0), LassoRegressor(lambda1=0.01, task_column=0)
    splits = list(cv.split(data, y, groups))
    got = cross_val_score(model, data, y, groups=groups, cv=cv)
    assert np.array_equal(got, cross_val_score(model, data, y, cv=splits))
    search = GridSearchCV(model, {"lambda1": [0.01, 0.1]}, cv=cv, error_score="raise")
    assert search.fit(data, y, groups=groups).n_splits_ == 4


def test_tasks_groups_and_weights_reach_it_with_routing():
    X, y, tasks, groups = sample()
    weight = np.where(groups == 0, 0.0, 1.0)
    model = LassoRegressor(lambda1=0.01)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        params = {"tasks": tasks, "groups": groups, "sample_weight": weight}
        got = cross_validate(model, X, y, cv=TaskGroupKFold(4), params=params, error_score="raise")[
            "test_score"
        ]
    expected = []
    for train, test in TaskGroupKFold(4).split(X, y, **params):
        assert (groups[test] > 0).all()
        fold = clone(model).fit(X[train], y[train], tasks=tasks[train], sample_weight=weight[train])
        expected.append(fold.score(X[test], y[test], tasks=tasks[test]))
    assert got == pytest.approx(expected, 1e-12)


def test_repr_clone_pickle():
    cv = TaskGroupKFold(3, task_column="school", shuffle=True, random_state=1)
    assert repr(cv).startswith("TaskGroupKFold(n_splits=3")
    assert repr(clone(cv, safe=False)) == repr(pickle.loads(pickle.dumps(cv))) == repr(cv)


# --- refusals ------------------------------------------------------------------------------------

TASKS = np.repeat([0, 1, 2], 2)
TRIANGLE = np.array([0, 1, 1, 2, 2, 0])  # any two tasks share one of their two groups
REFUSED = [
    ({}, "The 'groups' parameter should not be None: TaskGroupKFold needs"),
    ({"groups": [1, 2]}, "inconsistent numbers of samples"),
    ({"groups": [1.0, NAN] * 3}, "`groups` contains NaN or infinity: the group of row 1"),
    ({"groups": TASKS, "tasks": TASKS}, "groups: 0 of 3 can be tested"),
    ({"groups": [0] * 6}, "groups: 0 of 1 can be tested"),
    ({"groups": TRIANGLE, "tasks": TASKS}, "Task [012], or a class in it, cannot be kept"),
    ({"groups": TRIANGLE, "sample_weight": [0, 1, 1, 0, 0, 0]}, "0 of 3 can be tested"),
]


@pytest.mark.parametrize(("given", "match"), REFUSED)
def test_refused(given, match):
    with pytest.raises(ValueError, match=match):
        list(TaskGroupKFold(2).split(np.zeros((6, 1)), **given))


def test_more_folds_may_do():
    parts = parts_of(TaskGroupKFold(3), TASKS, groups=TRIANGLE, tasks=TASKS)
    assert all(set(TASKS[train]) == {0, 1, 2} for train, _ in parts)
    with pytest.raises(ValueError, match="n_splits must be"):
        TaskGroupKFold(1)
    assert TaskKFold(3).get_n_splits() == TaskGroupKFold(3).get_n_splits() == 3
