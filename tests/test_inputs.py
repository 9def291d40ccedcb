"""What means "missing" or "other" is never a number: NaT, masks, large integers, sparse frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import __version__ as sklearn_version
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.utils.fixes import parse_version

from malsar_py import (
    GraphRegressor,
    IncompleteMultiSourceRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    SharedSubspaceClustering,
    graphs,
    keep_tasks,
    metrics,
    stack_tasks,
)
from malsar_py.model_selection import (
    MultiTaskSearchCV,
    TaskKFold,
    TaskShuffleSplit,
    lambda1_max,
    regularization_path,
)

from .test_everywhere import CLUSTERS, PATTERNS, every

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
T = np.repeat([0, 1, 2], 20)
Y = X @ [1.0, -1.0, 0.5, 0.0] + RNG.standard_normal(60)
C = np.where(Y > 0, 1, 0)
Y_HOLE = np.r_[np.nan, Y[1:]]
NAT = np.timedelta64("NaT", "s")
DAYS = np.datetime64("2021-01-01") + np.arange(60)
# 1.6 cannot take rows of a table (scikit-learn's #31040).
SKLEARN_TAKES_PYARROW = parse_version(sklearn_version) >= parse_version("1.7")


def regressor(**parameters):
    return JointFeatureRegressor(**parameters)


def same_fit(a, b):
    assert_allclose(a.coef_, b.coef_, rtol=1e-12, atol=1e-14)
    assert_array_equal(a.tasks_, b.tasks_)


def objects(values, *, at=0, value=None):
    out = np.array(values, dtype=object)
    out[at] = value
    return out


# --- dates ---------------------------------------------------------------------------------------


@every(CLUSTERS)
@pytest.mark.parametrize("value", [pd.NaT, NAT, np.datetime64("NaT", "D"), None, pd.NA, np.nan])
def test_missing_among_objects_is_not_observed(model, value):
    rows = np.delete(np.arange(60), 7)
    y = C if is_classifier(model) else Y
    tasks = None if PATTERNS in _exempt(model) else T
    found = clone(model).fit(X, objects(y, at=7, value=value), tasks=tasks)
    expected = clone(model).fit(X[rows], y[rows], tasks=None if tasks is None else tasks[rows])
    assert_allclose(
        found.predict(X, **_labels(tasks)), expected.predict(X, **_labels(tasks)), rtol=1e-6
    )


def _exempt(model):
    from .test_everywhere import exempt

    return exempt(model)


def _labels(tasks):
    return {} if tasks is None else {"tasks": tasks}


@every(CLUSTERS)
def test_dates_are_no_targets_but_classes(model):
    tasks = None if PATTERNS in _exempt(model) else T
    if not is_classifier(model):
        for y in (DAYS, DAYS - DAYS[5], np.r_[np.arange(59), ["NaT"]].astype("m8[s]")):
            with pytest.raises(ValueError, match=r"y holds dates or durations .*needed: turn them"):
                clone(model).fit(X, y, tasks=tasks)
        return
    y = np.where(C, np.datetime64("2021"), np.datetime64("2020"))
    y[7] = np.datetime64("NaT")
    found = clone(model).fit(X, y, tasks=tasks)
    assert_array_equal(found.classes_, np.array(["2020", "2021"], dtype="M8[Y]"))
    codes = np.where(np.isnat(y), np.nan, C)
    assert_allclose(found.coef_, clone(model).fit(X, codes, tasks=tasks).coef_, rtol=1e-12)
    assert found.score(X, y, **_labels(tasks)) > 0.5


def test_a_class_and_nat_are_one_class():
    y = np.where(Y > 0, np.datetime64("2021"), np.datetime64("NaT"))
    with pytest.raises(ValueError, match="contains only one class"):
        JointFeatureClassifier().fit(X, y)


DATES = {
    "datetime": pd.to_datetime(["2020-01-01"] * 59 + [None]),
    "timedelta": pd.to_timedelta([1.0] * 59 + [None], unit="D"),
    "zone": pd.to_datetime(["2020-01-01"] * 59 + [None], utc=True),
    "objects": objects(np.ones(60), at=59, value=pd.NaT),
}


@pytest.mark.parametrize("dates", DATES.values(), ids=DATES)
def test_dates_in_x_are_refused_by_column_and_row(dates):
    table = pd.DataFrame(X, columns=list("abcd")).assign(when=dates, t=T)
    match = r"X holds dates .* in column 'when' \(NaT in row 59\)"
    model = regressor(task_column="t")
    with pytest.raises(ValueError, match=match):
        model.fit(table, Y)
    model.fit(table.drop(columns="when").assign(when=1.0)[[*"abcd", "when", "t"]], Y)
    with pytest.raises(ValueError, match=match):
        model.predict(table)
    with pytest.raises(ValueError, match=match):
        model.score(table, Y)
    with pytest.raises(ValueError, match="in column 4"):
        regressor(task_column=5).fit(table.to_numpy(dtype=object), Y)
    with pytest.raises(ValueError, match="dates"):
        SharedSubspaceClustering(n_clusters=2, task_column="t").fit(table)
    with pytest.raises(ValueError, match="dates"):
        IncompleteMultiSourceRegressor(sources=[0, 0, 0, 0, 1]).fit(table.drop(columns="t"), Y)


def test_dates_in_polars_and_in_arrays():
    table = pl.DataFrame({"a": X[:, 0], "when": DAYS, "t": T})
    with pytest.raises(ValueError, match=r"in column 'when' \(such as 2021-01-01"):
        regressor(task_column="t").fit(table, Y)
    with pytest.raises(ValueError, match="X holds dates"):
        regressor().fit((100 * X).astype("m8[s]"), Y)
    regressor(task_column="when").fit(table.with_columns(when=DAYS[T]), Y)  # dates are labels


def test_dates_elsewhere():
    nat = np.where(T == 1, np.datetime64("NaT"), DAYS)
    for labels in (nat, pd.Series(nat), list(nat), pd.Series(nat).astype(object)):
        for use in (
            lambda labels: regressor().fit(X, Y, tasks=labels),
            lambda labels: regressor().fit(X, Y, tasks=T).predict(X, tasks=labels),
            lambda labels: list(TaskKFold().split(X, Y, labels)),
            lambda labels: metrics.mean_task_rmse(Y, Y, labels),
        ):
            with pytest.raises(ValueError, match=r"`tasks` contains NaN.* of row 20"):
                use(labels)
    with pytest.raises(ValueError, match="sample_weight holds dates"):
        regressor().fit(X, Y, sample_weight=np.ones(60, "m8[s]"))
    with pytest.raises(ValueError, match="y_true holds dates"):
        metrics.mean_task_rmse(DAYS, Y, T)
    with pytest.raises(ValueError, match="y_pred holds dates"):
        metrics.mean_task_rmse(Y, DAYS, T)
    y = np.where(C, np.datetime64("2021"), np.datetime64("2020"))
    hole = np.r_[np.datetime64("NaT"), y[1:]]
    assert metrics.mean_task_accuracy(hole, y, T) == 1.0
    with pytest.raises(ValueError, match="y_pred contains NaN"):
        metrics.mean_task_accuracy(y, hole, T)
    assert all(0 not in test for _, test in TaskKFold(4).split(X, hole, T))
    assert_array_equal(np.isnat(stack_tasks([X, X], [hole, y])[1]), np.arange(120) == 0)


def test_dates_in_a_two_dimensional_y():
    hole = pd.DataFrame({"a": objects(Y, value=pd.NaT), "b": Y})
    expected = regressor().fit(X, np.c_[Y_HOLE, Y])
    assert_allclose(regressor().fit(X, hole).coef_, expected.coef_)
    assert_allclose(regressor().fit(X, hole.to_numpy()).coef_, expected.coef_)
    with pytest.raises(ValueError, match="y holds dates or durations in column 'b'"):
        regressor().fit(X, pd.DataFrame({"a": Y, "b": DAYS}))
    y = np.where(C, np.datetime64("2021"), np.datetime64("2020"))
    both = np.c_[y, np.r_[np.datetime64("NaT"), y[1:]]]
    codes = np.c_[C, np.r_[np.nan, C[1:]]]
    found, expected = (JointFeatureClassifier().fit(X, value) for value in (both, codes))
    assert_allclose(found.coef_, expected.coef_)
    assert found.score(X, both) == expected.score(X, codes)


# --- masks ---------------------------------------------------------------------------------------

MASK = np.arange(60) == 0
MASKED_X = np.ma.array(X, mask=np.arange(240).reshape(60, 4) == 6)
MASKED_T = np.ma.array(T, mask=MASK)
MASKED_Y = np.ma.masked_greater(np.r_[1e6, Y[1:]], 1e3)


@every(CLUSTERS)
def test_masked_targets_are_not_observed(model):
    tasks = None if PATTERNS in _exempt(model) else T
    y, hole = (C, np.r_[np.nan, C[1:]]) if is_classifier(model) else (Y, Y_HOLE)
    masked = np.ma.array(np.r_[1e6, y[1:]] if not is_classifier(model) else y, mask=MASK)
    found = clone(model).fit(X, masked, tasks=tasks)
    expected = clone(model).fit(X, hole, tasks=tasks)
    predictions = [fit.predict(X, **_labels(tasks)) for fit in (found, expected)]
    assert_allclose(*predictions)
    scores = [
        fit.score(X, target, **_labels(tasks))
        for fit, target in ((found, masked), (expected, hole))
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)


REFUSED_MASKS = {
    "X": (lambda: regressor().fit(MASKED_X, Y, tasks=T), r"X is a masked .*row 1, column 2"),
    "X, column": (
        lambda: regressor(task_column=0).fit(np.ma.column_stack([MASKED_T, X]), Y),
        "X is a masked",
    ),
    "X, list": (lambda: regressor().fit(list(MASKED_X), Y), "X is a masked"),
    "predict": (lambda: regressor().fit(X, Y).predict(MASKED_X), "X is a masked"),
    "score": (lambda: regressor().fit(X, Y).score(MASKED_X, Y), "X is a masked"),
    "tasks": (lambda: regressor().fit(X, Y, tasks=MASKED_T), r"`tasks` is a masked .*row 0"),
    "predict tasks": (
        lambda: regressor().fit(X, Y, tasks=T).predict(X, tasks=MASKED_T),
        "`tasks` is a masked",
    ),
    "weights": (
        lambda: regressor().fit(X, Y, sample_weight=np.ma.array(np.ones(60), mask=MASK)),
        r"sample_weight is a masked .*filled\(0\)",
    ),
    "search": (
        lambda: MultiTaskSearchCV(regressor(), n_lambdas=2).fit(MASKED_X, Y, tasks=T),
        "X is a masked",
    ),
    "search tasks": (
        lambda: MultiTaskSearchCV(regressor(), n_lambdas=2).fit(X, Y, tasks=MASKED_T),
        "`tasks` is a masked",
    ),
    "path": (lambda: regularization_path(regressor(), MASKED_X, Y), "X is a masked"),
    "lambda1_max": (lambda: lambda1_max(regressor(), X, Y, tasks=MASKED_T), "masked"),
    "folds": (lambda: list(TaskKFold().split(X, Y, MASKED_T)), "`tasks` is a masked"),
    "shuffle": (lambda: list(TaskShuffleSplit().split(X, Y, MASKED_T)), "`tasks` is a masked"),
    "metric": (lambda: metrics.mean_task_mae(Y, Y, MASKED_T), "`tasks` is a masked"),
    "prediction": (lambda: metrics.mean_task_mae(Y, MASKED_Y, T), "y_pred contains NaN"),
    "stack": (lambda: stack_tasks([X, MASKED_X], [Y, Y]), "position 1: X is a masked"),
    "keep": (lambda: keep_tasks("passthrough").fit(MASKED_X), "X is a masked"),
    "clusters": (lambda: SharedSubspaceClustering().fit(MASKED_X), "X is a masked"),
}


@pytest.mark.parametrize(("call", "match"), REFUSED_MASKS.values(), ids=REFUSED_MASKS)
def test_masks_that_would_be_dropped_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_masks_as_targets_elsewhere():
    search = MultiTaskSearchCV(regressor(), lambda1=[0.01, 0.1], cv=3)
    found = clone(search).fit(X, MASKED_Y, tasks=T)
    assert_allclose(
        found.cv_results_["mean_test_score"],
        clone(search).fit(X, Y_HOLE, tasks=T).cv_results_["mean_test_score"],
    )
    assert metrics.mean_task_rmse(MASKED_Y, np.zeros(60), T) == pytest.approx(
        metrics.mean_task_rmse(Y_HOLE, np.zeros(60), T)
    )
    assert_array_equal(stack_tasks([X, X], [MASKED_Y, Y])[1], np.r_[Y_HOLE, Y])
    assert all(0 not in test for _, test in TaskKFold(4).split(X, MASKED_Y, T))
    whole = regressor().fit(np.ma.array(X), np.ma.array(Y), tasks=np.ma.array(T))
    same_fit(whole, regressor().fit(X, Y, tasks=T))
    two = np.ma.array(np.c_[Y, Y], mask=np.c_[MASK, ~MASK & False])
    same_fit(regressor().fit(X, two), regressor().fit(X, np.c_[Y_HOLE, Y]))


# --- integers that floats cannot tell apart ------------------------------------------------------

BIG = {
    "beyond 2^63 and negative": (-1, 2**63 + 5, 2**63 + 6),
    "beyond 2^64": (5, 2**70, 2**70 + 1),
    "beyond 2^53, beside fractions": (0.5, 2**53, 2**53 + 1),
    "beyond 2^53, negative": (-(2**53) - 1, -(2**53), 2**63),
}


@pytest.mark.parametrize("big", BIG.values(), ids=BIG)
def test_large_integers_stay_apart(big):
    order = np.argsort(np.argsort(np.array(big, dtype=object)))
    reference = regressor().fit(X, Y, tasks=order[T])
    labels = [big[t] for t in T]
    rows = [[label, *row] for label, row in zip(labels, X.tolist(), strict=True)]
    doors = {
        "list": (regressor(), X, labels),
        "objects": (regressor(), X, objects(labels, at=slice(0, 0))),
        "list of rows": (regressor(task_column=0), rows, None),
        "array of objects": (regressor(task_column=0), np.array(rows, dtype=object), None),
        "frame": (regressor(task_column="t"), _frame(objects(labels, at=slice(0, 0))), None),
        "weights": (regressor(task_weight=dict.fromkeys(big, 1.0)), X, labels),
    }
    for name, (model, table, tasks) in doors.items():
        model.fit(table, Y, tasks=tasks)
        assert model.tasks_.tolist() == sorted(big), name
        assert_allclose(model.coef_, reference.coef_, err_msg=name)
        assert_allclose(model.predict(table, tasks=tasks), reference.predict(X, tasks=order[T]))
        with pytest.raises(ValueError, match="Unseen task labels"):
            regressor().fit(X, Y, tasks=labels).predict(X[:1], tasks=[big[2] + 1])
    folds = zip(TaskKFold().split(X, Y, labels), TaskKFold().split(X, Y, order[T]), strict=True)
    assert all(np.array_equal(a[1], b[1]) for a, b in folds)
    assert_allclose(
        metrics.task_scores(Y, np.zeros(60), labels),
        metrics.task_scores(Y, np.zeros(60), order[T]),
    )
    edges = [(big[1], big[2]), (big[0], big[2], 2.0)]
    same = [(order[1], order[2]), (order[0], order[2], 2.0)]
    for one, other in ((edges, same), (graphs.edges(edges), graphs.edges(same))):
        a = GraphRegressor(graph=one).fit(X, Y, tasks=labels)
        assert_allclose(a.coef_, GraphRegressor(graph=other).fit(X, Y, tasks=order[T]).coef_)


def _frame(labels):
    return pd.DataFrame(X, columns=list("abcd")).assign(t=pd.Series(labels))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_floats_in_which_integers_merge_are_refused(dtype):
    first = {np.float64: 2**53, np.float32: 2**24, np.float16: 2**11}[dtype]
    fine = (T + first - 3).astype(dtype)
    assert regressor().fit(X, Y, tasks=fine).n_tasks_ == 3
    labels = (T + first).astype(dtype)
    for use in (
        lambda: regressor().fit(X, Y, tasks=labels),
        lambda: regressor(task_column=0).fit(np.column_stack([labels, X.astype(dtype)]), Y),
        lambda: regressor(task_column="t").fit(_frame(labels), Y),
        lambda: regressor().fit(X, Y, tasks=T).predict(X, tasks=labels),
        lambda: list(TaskKFold(task_column="t").split(_frame(labels), Y)),
        lambda: metrics.mean_task_rmse(Y, Y, labels),
        lambda: stack_tasks([X, X], [Y, Y], labels=labels[[0, -1]]),
    ):
        with pytest.raises(ValueError, match=r"a float beyond 2\^.* integers of this size"):
            use()
    if dtype == np.float64:
        with pytest.raises(ValueError, match="float label beyond"):
            graphs.edges([(2.0**53, 1)])


@pytest.mark.parametrize(
    "pair", [(-1, 2**63 + 6), (2**53, 2**53 + 1), (2**70, 2**70 + 1), (2**63 + 5, 2**63 + 6)]
)
def test_large_integers_as_classes(pair):
    y = [pair[c] for c in C]
    expected = JointFeatureClassifier().fit(X, C, tasks=T)
    for given in (y, objects(y, at=slice(0, 0)), [None, *y[1:]]):
        found = JointFeatureClassifier().fit(X, given, tasks=T)
        assert found.classes_.tolist() == list(pair)
        if given[0] is not None:
            assert_allclose(found.coef_, expected.coef_)
    found = JointFeatureClassifier().fit(X, y, tasks=T)
    assert found.predict(X, tasks=T).tolist() == [pair[c] for c in expected.predict(X, tasks=T)]
    assert found.score(X, y, tasks=T) == expected.score(X, C, tasks=T)


def test_classes_that_floats_merge_are_refused():
    with pytest.raises(ValueError, match=r"y holds .* a float beyond 2\^53"):
        JointFeatureClassifier().fit(X, np.where(C, 2.0**53, 0.0), tasks=T)


# --- sparse frames, MALSAR's lists, pyarrow ------------------------------------------------------


def test_sparse_frames():
    dense = _frame(T)
    table = dense.assign(b=dense["b"].astype(pd.SparseDtype(float)))
    match = r"sparse columns, such as 'b'.*make them dense"
    one = regressor(task_column="t").fit(dense, Y)
    same_fit(regressor(task_column="t").fit(table, Y), one)
    assert_array_equal(one.predict(table), one.predict(dense))
    search = MultiTaskSearchCV(regressor(task_column="t"))
    assert search.fit(table, Y).best_score_ == search.fit(dense, Y).best_score_
    for use in (
        lambda: SharedSubspaceClustering(n_clusters=2, task_column="t").fit(table),
        lambda: IncompleteMultiSourceRegressor(sources=[0, 1]).fit(table[["a", "b"]], Y),
    ):
        with pytest.raises(ValueError, match=match):
            use()
    labels = dense.assign(t=dense["t"].astype(pd.SparseDtype(int)))
    same_fit(regressor(task_column="t").fit(labels, Y), regressor(task_column="t").fit(dense, Y))


@pytest.mark.parametrize("weight", ["heavy", pd.NA, (1.0, 2.0)], ids=str)
def test_weights_that_are_no_numbers_are_named(weight):
    weights = np.array([1.0] * len(Y), dtype=object)
    weights[3] = weight
    with pytest.raises(ValueError, match="sample_weight must hold numbers"):
        regressor().fit(X, Y, tasks=T, sample_weight=weights)


PARTS, TARGETS = [X[:20], X[20:50], X[50:]], [Y[:20], Y[20:50], Y[50:]]
LISTS = {
    "list": PARTS,
    "tuple": tuple(PARTS),
    "equal shapes": [X[:20], X[20:40]],
    "frames": [pd.DataFrame(part) for part in PARTS],
    "lists": [part.tolist() for part in PARTS],
    "dict": dict(zip("abc", PARTS, strict=True)),
    "cells": np.array([*PARTS, None], dtype=object)[:3].reshape(1, 3),
}


@pytest.mark.parametrize("Xs", LISTS.values(), ids=LISTS)
def test_lists_of_matrices_are_sent_to_stack_tasks(Xs):
    with pytest.raises(ValueError, match=r"tables, one per task.*stack_tasks"):
        regressor().fit(Xs, TARGETS)
    with pytest.raises(ValueError, match="stack_tasks"):
        MultiTaskSearchCV(regressor()).fit(Xs, TARGETS)
    with pytest.raises(ValueError, match="stack_tasks"):
        regressor().fit(X, Y).predict(Xs)


@pytest.mark.parametrize("model", [JointFeatureRegressor(), JointFeatureClassifier()])
def test_lists_of_targets_are_sent_to_stack_tasks(model):
    with pytest.raises(ValueError, match=r"y holds vectors .*stack_tasks"):
        model.fit(X, TARGETS)
    same_fit(regressor().fit(X, [[a, b] for a, b in zip(Y, Y, strict=True)]), _two())


def _two():
    return regressor().fit(X, np.c_[Y, Y])


def test_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = _frame(np.array(["b", "a", "c"])[T])
    arrow = pa.Table.from_pandas(table)
    model = regressor(task_column="t", tol=1e-12)
    expected = clone(model).fit(table, Y)
    for y in (Y, pa.array(Y), pa.chunked_array([Y[:7], Y[7:]])):
        found = clone(model).fit(arrow, y)
        same_fit(found, expected)
        assert_array_equal(found.feature_names_in_, table.columns)
        assert_allclose(found.predict(arrow), expected.predict(table))
        assert found.score(arrow, y) == expected.score(table, Y)
    hole = regressor().fit(X, pa.array([None, *Y[1:]]), tasks=arrow["t"])
    same_fit(hole, regressor().fit(X, Y_HOLE, tasks=table["t"]))
    columns = regressor().fit(arrow.select(["a", "b"]), pa.table({"u": Y, "v": Y}))
    assert columns.tasks_.tolist() == ["u", "v"]
    cv, grid = TaskKFold(3, task_column="t"), {"lambda1": [0.01, 0.1]}
    scores = GridSearchCV(model, grid, cv=cv).fit(table, Y).cv_results_["mean_test_score"]
    found = MultiTaskSearchCV(model, lambda1=[0.01, 0.1], cv=cv).fit(arrow, pa.array(Y))
    assert_allclose(found.cv_results_["mean_test_score"][::-1], scores)
    if SKLEARN_TAKES_PYARROW:
        found = GridSearchCV(model, grid, cv=cv).fit(arrow, pa.array(Y))
        assert_allclose(found.cv_results_["mean_test_score"], scores)
    days = pa.Table.from_pandas(table.assign(a=DAYS))
    with pytest.raises(ValueError, match="dates or durations in column 'a'"):
        clone(model).fit(days, Y)
