"""Large tables are converted and sorted piece by piece: the same numbers, and one copy at most."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest

from malsar_py import JointFeatureClassifier, JointFeatureRegressor, _features
from malsar_py._tasks import resolve_fit, resolve_predict

N, D = 120, 30


def data(n=N, d=D):
    """X and labels in mixed order."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.permutation(n) % 4


def names(tasks):
    return [f"site {t}" for t in tasks]


def frame(X, labels, position=11):
    """A frame with the labels at that position."""
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])], copy=False)
    table.insert(position, "task", labels)
    return table


def many_types(X, tasks):
    table = frame(X, names(tasks))
    table["x3"] = table["x3"] > 0.0
    table["x5"] = np.arange(len(X))
    table["x20"] = table["x20"].astype("Float64")
    table["x21"] = table["x21"].astype(object)
    return table


def polars(X, tasks):
    return pl.DataFrame({name: list(column) for name, column in frame(X, names(tasks)).items()})


# name -> (X, task_column, tasks) from an array and its labels
FORMS = {
    "array": lambda X, tasks: (X, None, tasks),
    "Fortran order": lambda X, tasks: (np.asfortranarray(X), None, tasks),
    "float32": lambda X, tasks: (X.astype("f4"), None, tasks),
    "float32, Fortran order": lambda X, tasks: (np.asfortranarray(X, "f4"), None, tasks),
    "integers": lambda X, tasks: ((9 * X).astype(int), None, tasks),
    "objects": lambda X, tasks: (X.astype(object), None, tasks),
    "list": lambda X, tasks: (X.tolist(), None, tasks),
    "column first": lambda X, tasks: (np.column_stack([tasks, X]), 0, None),
    "column last": lambda X, tasks: (np.column_stack([X, tasks]), -1, None),
    "column within": lambda X, tasks: (np.insert(X, 11, tasks, axis=1), 11, None),
    "strings among objects": lambda X, tasks: (
        np.insert(X.astype(object), 11, names(tasks), axis=1),
        11,
        None,
    ),
    "frame": lambda X, tasks: (frame(X, tasks), "task", None),
    "frame, string labels": lambda X, tasks: (frame(X, names(tasks), 0), "task", None),
    "frame, labels last": lambda X, tasks: (frame(X, tasks, X.shape[1]), "task", None),
    "frame, Fortran order": lambda X, tasks: (frame(np.asfortranarray(X), tasks), "task", None),
    "frame, float32": lambda X, tasks: (frame(X.astype("f4"), tasks), "task", None),
    "frame of one block": lambda X, tasks: (pd.DataFrame(X, copy=False), None, tasks),
    "frame of many blocks": lambda X, tasks: (
        pd.concat([pd.Series(column) for column in X.T], axis=1),
        None,
        tasks,
    ),
    "frame of many types": lambda X, tasks: (many_types(X, tasks), "task", None),
    "polars": lambda X, tasks: (polars(X, tasks), "task", None),
    "polars, float32": lambda X, tasks: (pl.DataFrame(X.astype("f4")), None, tasks),
    "shared": lambda X, tasks: (X, None, None),
    "shared, frame, float32": lambda X, tasks: (pd.DataFrame(X.astype("f4")), None, None),
}


def targets(X, shared, complete):
    """Rows without any target are dropped."""
    y = np.random.default_rng(2).standard_normal((len(X), 3) if shared else len(X))
    if not complete:
        y[[3, 50, 51]] = np.nan
    return y


def resolve(form, X, tasks, complete=True):
    """What was given, and what came of it."""
    X, column, tasks = FORMS[form](X, tasks)
    y = targets(X, column is None and tasks is None, complete)
    model = JointFeatureRegressor(task_column=column)
    return X, resolve_fit(model, X, y, tasks=tasks, classifier=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [1, 200, N * D - 1])
@pytest.mark.parametrize("complete", [True, False])
def test_pieces_make_no_difference(form, piece, complete, monkeypatch):
    _, expected = resolve(form, *data(), complete)
    monkeypatch.setattr(_features, "_PIECE", piece)
    _, found = resolve(form, *data(), complete)
    assert found.X.flags.c_contiguous and found.X.dtype == np.float64
    for name in ("X", "y", "offsets", "tasks", "feature_names"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith("shared")])
def test_predictions_in_pieces(form, monkeypatch):
    X, column, tasks = FORMS[form](*data())
    model = JointFeatureRegressor(task_column=column).fit(X, np.arange(N) % 5, tasks=tasks)
    expected = resolve_predict(model, X, tasks=tasks)
    monkeypatch.setattr(_features, "_PIECE", 200)
    found = resolve_predict(model, X, tasks=tasks)
    np.testing.assert_array_equal(found.X, expected.X)
    np.testing.assert_array_equal(found.index, expected.index)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [200, 1 << 20])
@pytest.mark.parametrize("complete", [True, False])
def test_what_is_ours_is_not_the_callers(form, piece, complete, monkeypatch):
    monkeypatch.setattr(_features, "_PIECE", piece)
    X, rows = resolve(form, *data(), complete)
    kept = np.array(X, dtype=object)
    if rows.own:
        rows.X[...] = -1.0
        assert (np.array(X, dtype=object) == kept).all()
    else:
        assert piece > N * D or not isinstance(X, np.ndarray) or np.may_share_memory(rows.X, X)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "list"])
@pytest.mark.parametrize("complete", [True, False])
def test_one_copy_at_most(form, complete, monkeypatch):
    """Of a table whose pieces are small beside it (a list becomes an array first)."""
    n, d = 2000, 200
    monkeypatch.setattr(_features, "_PIECE", 20_000)
    X, tasks = data(n, d)
    resolve(form, X, tasks)  # imports
    X, column, tasks = FORMS[form](X, tasks)
    y = targets(X, column is None and tasks is None, complete)
    model = JointFeatureRegressor(task_column=column)
    tracemalloc.start()
    try:
        resolve_fit(model, X, y, tasks=tasks, classifier=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    copies = 0 if form == "shared" and complete else 1
    assert peak <= (copies + 0.35) * 8 * n * d


def test_no_copy_of_what_is_sorted():
    X, tasks = data()
    model, y = JointFeatureRegressor(), np.ones(N)
    rows = resolve_fit(model, X, y, tasks=np.sort(tasks), classifier=False)
    assert rows.X is X and not rows.own
    table = pd.DataFrame(X, copy=False)
    rows = resolve_fit(model, table, np.ones((N, 2)), classifier=False)
    assert np.shares_memory(rows.X, X) and not rows.own


@pytest.mark.parametrize("model", [JointFeatureRegressor, JointFeatureClassifier])
@pytest.mark.parametrize("intercept", [True, False])
def test_fits_in_pieces(model, intercept, monkeypatch):
    (X, tasks), y = data(), np.random.default_rng(3).permutation(np.arange(N) % 2)
    reference = model(lambda1=0.02, fit_intercept=intercept).fit(X, y, tasks=tasks)
    monkeypatch.setattr(_features, "_PIECE", 200)
    table = frame(X, names(tasks))
    kept = table.copy()
    found = model(lambda1=0.02, fit_intercept=intercept, task_column="task").fit(table, y)
    np.testing.assert_allclose(found.coef_, reference.coef_, rtol=1e-12, atol=1e-14)
    pd.testing.assert_frame_equal(table, kept)


def test_what_is_refused_in_pieces(monkeypatch):
    monkeypatch.setattr(_features, "_PIECE", 200)
    X, tasks = data()
    model, y = JointFeatureRegressor(task_column="task"), np.ones(N)
    bad = frame(X.copy(), tasks)
    bad.loc[77, "x29"] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(bad, y)
    bad["x29"] = "words"
    with pytest.raises(ValueError, match=r"X holds text .*words.*task_column"):
        model.fit(bad, y)
    bad = X.astype(np.float32)
    bad[100, 29] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        JointFeatureRegressor().fit(bad, y, tasks=tasks)


def test_columns_of_both_kinds_are_made_dense_in_pieces(monkeypatch):
    monkeypatch.setattr(_features, "_PIECE", 200)
    X, tasks = data()
    model, y, table = JointFeatureRegressor(task_column="task"), np.ones(N), frame(X, tasks)
    dense = resolve_fit(model, table, y, classifier=False).X
    table["x4"] = table["x4"].astype(pd.SparseDtype(float))
    np.testing.assert_array_equal(resolve_fit(model, table, y, classifier=False).X, dense)
