"""The resolver: three doors, one block form."""

import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning, NotFittedError

from malsar_py._tasks import resolve_fit, resolve_predict, resolve_score
from malsar_py._weights import task_weights

NAN = np.nan


class Model(RegressorMixin, BaseEstimator):
    """The resolver's view of an estimator."""

    classifier = False
    _takes_sparse = True
    _multi_class = False

    def __init__(self, task_column=None, unseen="error", fit_intercept=True):
        self.task_column = task_column
        self.unseen = unseen
        self.fit_intercept = fit_intercept

    def fit(self, X, y, **kwargs):
        rows = resolve_fit(self, X, y, classifier=self.classifier, **kwargs)
        self.rows, self.tasks_, self._door = rows, rows.tasks, rows.door
        return self


class Classifier(ClassifierMixin, Model):
    classifier = True

    def __init__(self, task_column=None, unseen="error", fit_intercept=True):
        super().__init__(task_column, unseen, fit_intercept)


def fit(X, y, *, classifier=False, tasks=None, sample_weight=None, **params):
    model = (Classifier if classifier else Model)(**params)
    return model.fit(X, y, tasks=tasks, sample_weight=sample_weight)


def rows_of(*args, **kwargs):
    return fit(*args, **kwargs).rows


X6 = np.arange(18.0).reshape(6, 3)
Y6 = np.arange(6.0)
T6 = np.array(["b", "a", "b", "a", "b", "b"])
SORTED6 = [1, 3, 0, 2, 4, 5]


def labelled(X, labels, position=0):
    """X with a label column inserted, as an object array."""
    return np.insert(X.astype(object), position, labels, axis=1)


def assert_same(got, expected):
    for field in ("X", "y", "sample_weight", "offsets"):
        a, b = getattr(got, field), getattr(expected, field)
        assert a.dtype == b.dtype
        assert a.flags.c_contiguous
        np.testing.assert_array_equal(a, b)
    assert got.tasks.tolist() == expected.tasks.tolist()


# --- fit: the doors ------------------------------------------------------------------------------


def test_plain_fit_is_one_task():
    rows = rows_of(X6, Y6)
    assert rows.door == "none"
    assert rows.one_task_plain
    assert not rows.shared
    assert rows.n_tasks == 1
    assert rows.tasks.tolist() == [0]
    assert rows.offsets.tolist() == [0, 6]
    assert rows.offsets.dtype == np.int64
    assert rows.classes is None
    assert rows.feature_names.tolist() == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(rows.sample_weight, np.ones(6))


def test_keyword_sorts_rows_by_task_stably():
    rows = rows_of(X6, Y6, tasks=T6, sample_weight=np.arange(1, 7))
    assert rows.door == "keyword"
    assert rows.tasks.tolist() == ["a", "b"]
    assert rows.offsets.tolist() == [0, 2, 6]
    np.testing.assert_array_equal(rows.X, X6[SORTED6])
    np.testing.assert_array_equal(rows.y, Y6[SORTED6])
    np.testing.assert_array_equal(rows.sample_weight, np.array(SORTED6) + 1.0)


@pytest.mark.parametrize("position", [0, 1, 3, -1, -4])
@pytest.mark.parametrize("labels", [T6, np.array([2, 1, 2, 1, 2, 2]), np.array([1.5, 0] * 3)])
def test_column_is_keyword(position, labels):
    X = labelled(X6, labels, position % 4)
    rows = rows_of(X, Y6, task_column=position)
    assert rows.door == "column"
    assert_same(rows, rows_of(X6, Y6, tasks=labels))
    names = ["x0", "x1", "x2", "x3"]
    del names[position]
    assert rows.feature_names.tolist() == names


def test_shared_is_keyword():
    Y = np.array([[1.0, NAN], [2.0, 5.0], [NAN, NAN], [3.0, 6.0]])
    X = X6[:4]
    rows = rows_of(X, Y)
    assert rows.shared
    assert rows.door == "shared"
    assert rows.tasks.tolist() == [0, 1]
    np.testing.assert_array_equal(rows.X, X[[0, 1, 3]])
    np.testing.assert_array_equal(rows.y, [1, 2, 3, 0, 5, 6])
    np.testing.assert_array_equal(rows.sample_weight, [1, 1, 1, 0, 1, 1])
    assert rows.offsets.tolist() == [0, 3, 6]


def test_shared_keeps_the_order_of_columns():
    Y = pd.DataFrame({"z": [1.0, 2], "a": [3.0, NAN]})
    rows = rows_of(X6[:2], Y)
    assert rows.tasks.tolist() == ["z", "a"]
    assert rows.y.tolist() == [1, 2, 3, 0]
    assert rows_of(X6[:2], pl.DataFrame({"z": [1.0, 2], "a": [3.0, None]})).tasks[0] == "z"
    assert rows_of(X6[:2], Y.set_axis([7, 3], axis=1)).tasks.dtype.kind == "i"
    tuples = rows_of(X6[:2], Y.set_axis(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), axis=1))
    assert tuples.tasks.tolist() == [("a", 1), ("b", 2)]


def test_one_column_y():
    column = Y6[:, None]
    assert rows_of(X6, column).door == "shared"
    for kwargs in ({"tasks": T6}, {"task_column": 0}):
        X = labelled(X6, T6) if "task_column" in kwargs else X6
        with pytest.warns(DataConversionWarning, match="column-vector"):
            rows = rows_of(X, column, **kwargs)
        assert_same(rows, rows_of(X6, Y6, tasks=T6))


def test_weights_by_row_or_by_entry():
    Y = np.array([[1.0, 4.0], [2.0, NAN], [3.0, 6.0]])
    w = np.array([1.0, 2.0, 3.0])
    by_row = rows_of(X6[:3], Y, sample_weight=w)
    assert_same(by_row, rows_of(X6[:3], Y, sample_weight=np.c_[w, w]))
    assert by_row.sample_weight.tolist() == [1, 2, 3, 1, 0, 3]
    assert rows_of(X6, Y6, sample_weight=2).sample_weight.tolist() == [2.0] * 6
    assert rows_of(X6, Y6, sample_weight=[1] * 6).sample_weight.dtype == np.float64
    entry = np.array([[0.0, 1], [1, 5], [0, 0]])
    dropped = rows_of(X6[:3], Y, sample_weight=entry)
    assert dropped.y.tolist() == [0, 2, 4, 0]
    assert dropped.sample_weight.tolist() == [0, 1, 1, 0]


def test_no_copy_when_the_array_is_as_needed():
    assert rows_of(X6, Y6).X is X6
    assert np.shares_memory(rows_of(X6, Y6, tasks=np.sort(T6)).X, X6)
    assert np.shares_memory(rows_of(X6, np.c_[Y6, Y6]).X, X6)
    fortran = np.asfortranarray(X6)
    assert rows_of(fortran, Y6).X.flags.c_contiguous
    assert rows_of(fortran, Y6, tasks=T6).X.flags.c_contiguous
    before = X6.copy()
    rows_of(X6, Y6, tasks=T6)
    np.testing.assert_array_equal(X6, before)


# --- fit: kinds of X, labels and targets ---------------------------------------------------------

DATE = [datetime.date(2020, 1, d) for d in (2, 1, 2, 1, 2, 2)]
STAMP = [pd.Timestamp(d) for d in DATE]
LABELS = {
    "str": T6,
    "object str": T6.astype(object),
    "list": T6.tolist(),
    "categorical": pd.Series(T6, dtype="category"),
    "pandas str": pd.Series(T6),
    "pandas string": pd.Series(T6, dtype="string"),
    "polars": pl.Series(T6),
    "polars categorical": pl.Series(T6, dtype=pl.Categorical),
    "StringDType": T6.astype(np.dtypes.StringDType()),
    "bytes": T6.astype("S"),
    "int8": np.array([1, 0, 1, 0, 1, 1], dtype=np.int8),
    "Int64": pd.Series([1, 0, 1, 0, 1, 1], dtype="Int64"),
    "bool": np.array([1, 0, 1, 0, 1, 1], dtype=bool),
    "object bool": np.array([1, 0, 1, 0, 1, 1], dtype=bool).astype(object),
    "float": [1.5, 0, 1.5, 0, 1.5, 1.5],
    "object int, float": np.array([1.5, 0, 1.5, 0, 1.5, 1.5], dtype=object),
    "beyond int64": [2**70 + 1, -1, 2**70 + 1, -1, 2**70 + 1, 2**70 + 1],
    "uint64 and int": [2**63 + 1, -1, 2**63 + 1, -1, 2**63 + 1, 2**63 + 1],
    "Decimal": [decimal.Decimal(v) for v in (2, 1, 2, 1, 2, 2)],
    "date": DATE,
    "Timestamp": STAMP,
    "datetime64": pd.Series(STAMP),
    "timezone": pd.Series(STAMP).dt.tz_localize("Asia/Tokyo"),
    "timedelta": np.array([2, 1, 2, 1, 2, 2], dtype="m8[D]"),
    "Period": pd.Series(STAMP).dt.to_period("D"),
    "column": T6[:, None],
    "frame": pd.DataFrame(T6),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_label_types(labels):
    model = fit(X6, Y6, tasks=labels)
    assert model.rows.offsets.tolist() == [0, 2, 6]
    np.testing.assert_array_equal(model.rows.X, X6[SORTED6])
    assert resolve_predict(model, X6, tasks=labels).index.tolist() == [1, 0, 1, 0, 1, 1]


def test_labels_keep_their_type():
    assert rows_of(X6, Y6, tasks=LABELS["int8"]).tasks.dtype == np.int8
    assert rows_of(X6, Y6, tasks=T6).tasks.dtype.kind == "U"
    assert rows_of(X6, Y6, tasks=LABELS["categorical"]).tasks.dtype == object
    assert rows_of(X6, Y6, tasks=LABELS["datetime64"]).tasks.dtype.kind == "M"
    assert rows_of(X6, Y6, tasks=LABELS["beyond int64"]).tasks.tolist() == [-1, 2**70 + 1]
    numbers = rows_of(labelled(X6, [1, 0, 1, 0, 1, 1]), Y6, task_column=0)
    assert numbers.tasks.dtype.kind == "i"


@pytest.mark.parametrize("column", ["school", 1, -2])
@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_pandas_label_column(column, dtype):
    X = pd.DataFrame({"a": X6[:, 0], "school": pd.Series(T6, dtype=dtype), "b": X6[:, 1]})
    model = fit(X, Y6, task_column=column)
    assert_same(model.rows, rows_of(X6[:, :2], Y6, tasks=T6))
    assert model.rows.feature_names.tolist() == ["a", "b"]
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == ["a", "school", "b"]
    assert resolve_predict(model, X).index.tolist() == [1, 0, 1, 0, 1, 1]


def test_polars_label_column():
    X = pl.DataFrame({"a": X6[:, 0], "school": T6, "b": [0, 1, 2, 3, 4, 5]})
    rows = rows_of(X, pl.Series(Y6), task_column="school")
    assert_same(rows, rows_of(np.c_[X6[:, 0], np.arange(6.0)], Y6, tasks=T6))
    assert rows_of(X.drop("school"), Y6).X.shape == (6, 2)


def test_columns_named_by_numbers_are_taken_by_position():
    X = pd.DataFrame(labelled(X6, T6, 1), columns=[3, 2, 1, 0])
    rows = rows_of(X, Y6, task_column=1)
    assert_same(rows, rows_of(X6, Y6, tasks=T6))
    assert rows.feature_names.tolist() == ["x0", "x2", "x3"]


def test_lists_and_string_arrays():
    X = [[label, *row] for label, row in zip(T6.tolist(), X6.tolist(), strict=True)]
    expected = rows_of(X6, Y6, tasks=T6)
    assert_same(rows_of(X, Y6.tolist(), task_column=0), expected)
    assert_same(rows_of(np.array(X), Y6, task_column=0), expected)
    assert rows_of(X6.tolist(), Y6).X.dtype == np.float64
    assert rows_of(X6.astype(np.float32), Y6).X.dtype == np.float64


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1, None, 3, 4, 5], dtype=object),
        [0, 1, None, 3, 4, 5],
        pd.Series([0, 1, None, 3, 4, 5], dtype="Int64"),
        pd.Series([0, 1, NAN, 3, 4, 5], dtype="Float32"),
        pl.Series([0, 1, None, 3, 4, 5]),
    ],
    ids=["object", "list", "Int64", "Float32", "polars"],
)
def test_missing_regression_targets(y):
    rows = rows_of(X6, y, tasks=T6)
    assert rows.y.tolist() == [1, 3, 0, 4, 5]
    assert rows.sample_weight.tolist() == [1] * 5
    np.testing.assert_array_equal(rows.X, X6[[1, 3, 0, 4, 5]])


def test_rows_are_dropped_before_tasks_are_formed():
    y = np.array([0, NAN, 2, NAN, 4, 5])
    for rows in (
        rows_of(X6, y, tasks=T6),
        rows_of(labelled(X6, T6), Y6, task_column=0, sample_weight=(T6 == "b").astype(float)),
    ):
        assert rows.tasks.tolist() == ["b"]
        assert rows.offsets.tolist() == [0, 4]
        np.testing.assert_array_equal(rows.X, X6[[0, 2, 4, 5]])
    assert rows_of(X6, y).X.shape == (4, 3)
    assert rows_of(X6, Y6, sample_weight=[1, 0, 1, 0, 1, 1]).y.tolist() == [0, 2, 4, 5]


# --- fit: classes --------------------------------------------------------------------------------

CLASSES = {
    "str": (np.array(["no", "yes", "no", "yes", "yes", "no"]), ["no", "yes"], "U"),
    "object str": (np.array(["n", "y"] * 3, dtype=object), ["n", "y"], "O"),
    "int": ([0, 1, 1, 0, 0, 1], [0, 1], "i"),
    "bool": (np.array([True, False] * 3), [False, True], "b"),
    "float": ([-1.0, 1, 1, -1, -1, 1], [-1, 1], "f"),
    "object int": (np.array([3, 7] * 3, dtype=object), [3, 7], "i"),
    "Int64": (pd.Series([3, 7] * 3, dtype="Int64"), [3, 7], "i"),
    "categorical": (pd.Series(["u", "v"] * 3, dtype="category"), ["u", "v"], "O"),
}


@pytest.mark.parametrize(("y", "classes", "kind"), CLASSES.values(), ids=CLASSES)
def test_classes(y, classes, kind):
    rows = rows_of(X6, y, classifier=True)
    assert rows.classes.tolist() == classes
    assert rows.classes.dtype.kind == kind
    assert set(rows.y) == {-1.0, 1.0}
    np.testing.assert_array_equal(rows.y == 1, np.asarray(y) == classes[1])


MISSING_CLASSES = {
    "float": [0.0, 1, NAN, 1, 0, 1],
    "None": [False, True, None, True, False, True],
    "object": np.array(["n", "y", NAN, "y", "n", "y"], dtype=object),
    "boolean": pd.Series([False, True, None, True, False, True], dtype="boolean"),
    "string": pd.Series(["n", "y", None, "y", "n", "y"], dtype="string"),
    "category": pd.Series(["n", "y", None, "y", "n", "y"], dtype="category"),
    "polars": pl.Series(["n", "y", None, "y", "n", "y"]),
}


@pytest.mark.parametrize("y", MISSING_CLASSES.values(), ids=MISSING_CLASSES)
def test_missing_classes(y):
    rows = rows_of(X6, y, classifier=True)
    assert rows.y.tolist() == [-1, 1, 1, -1, 1]
    np.testing.assert_array_equal(rows.X, X6[[0, 1, 3, 4, 5]])


def test_missing_classes_in_columns():
    Y = np.array([["n", "y"], ["y", None], [None, "n"], [None, None]], dtype=object)
    rows = rows_of(X6[:4], Y, classifier=True)
    assert rows.y.tolist() == [-1, 1, 0, 1, 0, -1]
    assert rows.sample_weight.tolist() == [1, 1, 0, 1, 0, 1]
    assert rows.classes.tolist() == ["n", "y"]


def test_a_class_of_weight_zero_is_not_a_class():
    rows = rows_of(X6, [0, 1, 2, 0, 1, 2], classifier=True, sample_weight=[1, 1, 0, 1, 1, 0])
    assert rows.classes.tolist() == [0, 1]


def test_one_class_task_needs_no_intercept():
    y = [0, 1, 0, 1, 1, 0]
    with pytest.raises(ValueError, match=r"Task 'a' has only one class, 1: .*fit_intercept=False"):
        fit(X6, y, classifier=True, tasks=T6)
    rows = rows_of(X6, y, classifier=True, tasks=T6, fit_intercept=False)
    assert rows.y.tolist() == [1, 1, -1, -1, 1, -1]
    Y = np.array([[0, 1, 1], [1, 1, 1]])
    with pytest.raises(ValueError, match=r"Task 1 .*2 such tasks: 1, 2"):
        fit(X6[:2], Y, classifier=True)


# --- fit: refusals -------------------------------------------------------------------------------

FRAME = pd.DataFrame(X6, columns=list("abc"))
TWO = np.c_[Y6, Y6]
C6 = np.array([0, 1] * 3)
REFUSED = {
    "y is None": (ValueError, "requires y to be passed", X6, None, {}),
    "X 1-D": (ValueError, "Reshape your data", X6[0], Y6, {}),
    "X 1-D with task_column": (ValueError, "Reshape your data", X6[0], Y6, {"task_column": 0}),
    "X 3-D": (ValueError, "dim 3", X6[None], Y6, {}),
    "X scalar": (ValueError, "scalar array", 3.0, Y6, {}),
    "X series": (ValueError, "2-dimensional container", pd.Series(Y6), Y6, {}),
    "X without rows": (ValueError, r"0 sample\(s\)", X6[:0], Y6[:0], {}),
    "X without columns": (ValueError, r"0 feature\(s\)", X6[:, :0], Y6, {"task_column": 0}),
    "frame without columns": (ValueError, r"0 feature\(s\)", FRAME[[]], Y6, {"task_column": "a"}),
    "X complex": (ValueError, "Complex data", X6 + 1j, Y6, {"task_column": 0}),
    "X NaN": (ValueError, "Input X contains NaN", np.where(X6 == 4, NAN, X6), Y6, {}),
    "X inf": (ValueError, "Input X contains inf", np.where(X6 == 4, np.inf, X6), Y6, {}),
    "X strings": (ValueError, "could not convert string", labelled(X6, T6), Y6, {}),
    "X matrix": (TypeError, "np.matrix is not supported", np.asmatrix(X6), Y6, {}),
    "X holds a dict": (TypeError, "a string or a real number", labelled(X6, [{}] * 6), Y6, {}),
    "lengths": (ValueError, "inconsistent numbers of samples", X6, Y6[:5], {}),
    "y inf": (ValueError, "Input y contains infinity", X6, np.full(6, np.inf), {}),
    "y all NaN": (ValueError, "Nothing is left to fit", X6, np.full(6, NAN), {}),
    "y complex": (ValueError, "Complex data", X6, Y6 + 1j, {}),
    "y strings": (ValueError, "could not convert string", X6, T6, {}),
    "y 3-D": (ValueError, "dim 3", X6, Y6[:, None, None], {}),
    "y sparse": (TypeError, "Sparse", X6, sparse.csr_array(TWO), {}),
    "y scalar": (TypeError, "at least 1 dimension", X6, 1.0, {}),
    "y without columns": (ValueError, r"0 feature\(s\)", X6, TWO[:, :0], {}),
    "y names": (ValueError, "distinct", X6, pd.DataFrame(TWO, columns=["a", "a"]), {}),
    "2-D y, tasks": (ValueError, "combined with `tasks`", X6, TWO, {"tasks": T6}),
    "2-D y, column": (ValueError, "combined with task_column=0", X6, TWO, {"task_column": 0}),
    "both doors": (ValueError, "given twice", X6, Y6, {"tasks": T6, "task_column": 0}),
    "column range": (ValueError, "task_column=3 is out of range", X6, Y6, {"task_column": 3}),
    "column range -": (ValueError, "task_column=-4 is out of range", X6, Y6, {"task_column": -4}),
    "column type": (ValueError, "task_column must be", X6, Y6, {"task_column": 1.5}),
    "column bool": (ValueError, "task_column must be", X6, Y6, {"task_column": True}),
    "name, array": (ValueError, "task_column='a' is a column name", X6, Y6, {"task_column": "a"}),
    "name not found": (ValueError, "task_column='d' names 0", FRAME, Y6, {"task_column": "d"}),
    "only labels": (ValueError, "n_features=1", X6[:, :1], Y6, {"task_column": 0}),
    "tasks length": (ValueError, "`tasks` has 5 labels", X6, Y6, {"tasks": T6[:5]}),
    "tasks scalar": (ValueError, "1d array", X6, Y6, {"tasks": "a"}),
    "tasks 2-D": (ValueError, "1d array", X6, Y6, {"tasks": TWO}),
    "tasks NaN": (ValueError, "`tasks` contains NaN.*row 0", X6, Y6, {"tasks": [NAN] * 6}),
    "tasks inf": (ValueError, "infinity", X6, Y6, {"tasks": [np.inf] * 6}),
    "tasks None": (ValueError, "NaN.*row 5", X6, Y6, {"tasks": ["a"] * 5 + [None]}),
    "tasks NA": (ValueError, "NaN.*row 5", X6, Y6, {"tasks": ["a"] * 5 + [pd.NA]}),
    "tasks NaT": (ValueError, "NaN", X6, Y6, {"tasks": np.array(["NaT"] * 6, "M8[D]")}),
    "tasks object NaT": (ValueError, "row 5", X6, Y6, {"tasks": [*STAMP[:5], pd.NaT]}),
    "tasks object inf": (ValueError, "infinity", X6, Y6, {"tasks": np.full(6, np.inf, object)}),
    "tasks complex": (ValueError, "Complex data", X6, Y6, {"tasks": X6[:, 0] + 1j}),
    "tasks object complex": (ValueError, "Complex", X6, Y6, {"tasks": np.full(6, 1j, object)}),
    "tasks mixed": (TypeError, "`tasks` mixes", X6, Y6, {"tasks": [1, "a"] * 3}),
    "column mixed": (
        TypeError,
        "task_column=0 mixes",
        labelled(X6, np.array([1, "a"] * 3, object)),
        Y6,
        {"task_column": 0},
    ),
    "column dict": (
        TypeError,
        "argument must be .* string.* number",
        labelled(X6, [{}, 1, 1, 1, 1, 1]),
        Y6,
        {"task_column": 0},
    ),
    "column arrays": (
        TypeError,
        "mixes or holds",
        labelled(X6, np.array([1, np.ones(2)] * 3, object)),
        Y6,
        {"task_column": 0},
    ),
    "unsortable": (TypeError, "cannot be sorted", X6, Y6, {"tasks": np.array([{}] * 6)}),
    "weight length": (ValueError, r"expected \(6,\)", X6, Y6, {"sample_weight": [1] * 5}),
    "weight 2-D": (ValueError, "must be 1D array", X6, Y6, {"sample_weight": TWO}),
    "weight shape": (ValueError, r"expected \(6, 2\)", X6, TWO, {"sample_weight": X6}),
    "weight negative": (ValueError, "Negative values in data", X6, Y6, {"sample_weight": -Y6}),
    "weight NaN": (ValueError, "contains NaN", X6, Y6, {"sample_weight": Y6 * NAN}),
    "weight NaN scalar": (ValueError, "contains NaN", X6, Y6, {"sample_weight": NAN}),
    "weight inf": (ValueError, "contains infinity", X6, TWO, {"sample_weight": TWO + np.inf}),
    "weight zero": (ValueError, "at least one non-zero", X6, Y6, {"sample_weight": Y6 * 0}),
    "weight zero 2-D": (ValueError, "at least one non-zero", X6, TWO, {"sample_weight": TWO * 0}),
    "empty column": (
        ValueError,
        r"Task 'v' \(column 1 of y\)",
        X6,
        pd.DataFrame({"u": Y6, "v": NAN}),
        {},
    ),
    "column of weight 0": (ValueError, "Task 1", X6, TWO, {"sample_weight": TWO * [1, 0]}),
    "class continuous": (ValueError, "Unknown label type: continuous", X6, Y6 + 0.5, "classifier"),
    "class inf": (ValueError, "Input y contains inf", X6, np.full(6, np.inf), "classifier"),
    "class object inf": (
        ValueError,
        "Input y contains inf",
        X6,
        np.array([1, 0, np.inf] * 2, object),
        "classifier",
    ),
    "three classes": (
        ValueError,
        r"Only binary classification is supported\. The type of the target is multiclass",
        X6,
        [0, 1, 2] * 2,
        "classifier",
    ),
    "one class": (ValueError, "contains only one class: 'n'", X6, ["n"] * 6, "classifier"),
    "class all missing": (ValueError, "Nothing is left", X6, [None] * 6, "classifier"),
    "class mixed": (TypeError, "y mixes", X6, [1, "a"] * 3, "classifier"),
    "class sparse": (TypeError, "Sparse", X6, sparse.csr_array(TWO), "classifier"),
    "class complex": (ValueError, "Complex data", X6, C6 + 1j, "classifier"),
}


@pytest.mark.parametrize(("error", "match", "X", "y", "kwargs"), REFUSED.values(), ids=REFUSED)
def test_refused_at_fit(error, match, X, y, kwargs):
    kwargs = {"classifier": True} if kwargs == "classifier" else kwargs
    with pytest.raises(error, match=match), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit(X, y, **kwargs)


def test_as_many_tasks_as_rows_is_a_warning():
    with pytest.warns(UserWarning, match="`task_column`"):
        rows = rows_of(X6, Y6, task_column=0)
    assert rows.n_tasks == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(X6[:1], Y6[:1], tasks=["a"])
        fit(X6, Y6, tasks=[0, 1, 2, 3, 4, 4])


# --- predict -------------------------------------------------------------------------------------


def test_predict_rows_of_each_door():
    assert resolve_predict(fit(X6, Y6), X6).index.tolist() == [0] * 6
    assert resolve_predict(fit(X6, TWO), X6).index is None
    assert resolve_predict(fit(X6, Y6[:, None]), X6).index is None
    columns = [1, 0, 1, 1, 0, 0]
    assert resolve_predict(fit(X6, TWO), X6, tasks=columns).index.tolist() == columns
    keyword = fit(X6, Y6, tasks=T6)
    got = resolve_predict(keyword, X6[:2], tasks=["a", "b"])
    assert got.index.tolist() == [0, 1]
    assert got.index.dtype == np.intp
    single = fit(X6, Y6, tasks=["a"] * 6)
    assert resolve_predict(single, X6).index.tolist() == [0] * 6
    assert resolve_predict(single, X6, tasks=["a"] * 6).index.tolist() == [0] * 6
    column = fit(labelled(X6, T6, 1), Y6, task_column=1)
    got = resolve_predict(column, labelled(X6, T6, 1))
    assert got.index.tolist() == [1, 0, 1, 0, 1, 1]
    assert got.X.flags.c_contiguous
    np.testing.assert_array_equal(got.X, X6)


def test_shared_names_at_predict():
    model = fit(X6, pd.DataFrame(TWO, columns=["z", "a"]))
    assert resolve_predict(model, X6[:3], tasks=["a", "z", "a"]).index.tolist() == [1, 0, 1]


def test_labels_compare_by_value():
    model = fit(X6, Y6, tasks=[1, 0, 1, 0, 1, 1])
    assert resolve_predict(model, X6[:2], tasks=[0.0, 1.0]).index.tolist() == [0, 1]
    assert resolve_predict(model, X6[:2], tasks=[False, True]).index.tolist() == [0, 1]
    days = fit(X6, Y6, tasks=np.array(DATE, "M8[D]"))
    for dates in (STAMP, DATE, np.array(DATE, "M8[ns]"), pd.Series(STAMP)):
        assert resolve_predict(days, X6, tasks=dates).index.tolist() == [1, 0, 1, 0, 1, 1]
    hours = np.array([48, 24], "m8[h]")
    model = fit(X6, Y6, tasks=LABELS["timedelta"])
    assert resolve_predict(model, X6[:2], tasks=hours).index.tolist() == [1, 0]


KINDS = {
    "str": ["1", "2"],
    "bytes": [b"1", b"2"],
    "int": [8, 9],
    "date": DATE[:2],
    "delta": np.array([8, 9], "m8[D]"),
    "objects": [(1, 2), (3, 4)],
}


@pytest.mark.parametrize("fitted", [[1, 2] * 3, ["a", "b"] * 3, STAMP], ids=["int", "str", "date"])
@pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS)
def test_labels_of_another_kind_are_unseen(fitted, labels):
    if fitted is STAMP:
        fitted = [pd.Timestamp("1999-01-01"), pd.Timestamp("1998-01-01")] * 3
    tasks = np.empty(2, dtype=object) if isinstance(labels[0], tuple) else labels
    if tasks is not labels:
        tasks[0], tasks[1] = labels
    model = fit(X6, Y6, tasks=fitted, unseen="mean")
    assert resolve_predict(model, X6[:2], tasks=tasks).index.tolist() == [-1, -1]
    model.unseen = "error"
    with pytest.raises(ValueError, match=r"Unseen task labels in `tasks`.*TaskKFold"):
        resolve_predict(model, X6[:2], tasks=tasks)


def test_unseen_labels():
    model = fit(X6, Y6, tasks=T6)
    with pytest.raises(ValueError, match=r"in `tasks`: 'c', 'd'\. .*TaskKFold.*unseen=\"mean\""):
        resolve_predict(model, X6[:3], tasks=["d", "a", "c"])
    with pytest.raises(ValueError, match=r"0, 1, 2, 3, 4, \.\.\. \(6 in all\)"):
        resolve_predict(model, X6, tasks=range(6))
    model.unseen = "mean"
    assert resolve_predict(model, X6[:3], tasks=["d", "a", "b"]).index.tolist() == [-1, 0, 1]
    column = fit(labelled(X6, T6), Y6, task_column=0)
    with pytest.raises(ValueError, match="Unseen task labels in task_column=0: 'q'"):
        resolve_predict(column, labelled(X6, ["q"] * 6))


def test_refused_at_predict():
    with pytest.raises(NotFittedError):
        resolve_predict(Model(), X6)
    with pytest.raises(ValueError, match=r"fitted on 2 tasks.*pass tasks="):
        resolve_predict(fit(X6, Y6, tasks=T6), X6)
    with pytest.raises(ValueError, match="fitted without task labels"):
        resolve_predict(fit(X6, Y6), X6, tasks=T6)
    with pytest.raises(ValueError, match="`tasks` has 6 labels, X has 2"):
        resolve_predict(fit(X6, Y6, tasks=T6), X6[:2], tasks=T6)
    with pytest.raises(ValueError, match="X has 2 features"):
        resolve_predict(fit(X6, Y6), X6[:, :2])
    with pytest.raises(ValueError, match="Reshape your data"):
        resolve_predict(fit(X6, Y6), X6[0])
    column = fit(labelled(X6, T6), Y6, task_column=0)
    with pytest.raises(ValueError, match="given twice"):
        resolve_predict(column, labelled(X6, T6), tasks=T6)
    column.unseen = "mean"
    with pytest.raises(ValueError, match="task_column=0 contains NaN"):
        resolve_predict(column, labelled(X6, [None] * 6))
    named = fit(FRAME.assign(a=T6), Y6, task_column="a")
    with pytest.warns(UserWarning, match="feature names"), pytest.raises(ValueError, match="'a'"):
        resolve_predict(named, labelled(X6[:, 1:], T6))


# --- score ---------------------------------------------------------------------------------------


def test_score_rows_of_each_door():
    y = np.array([0, NAN, 2, 3, 4, 5])
    w = np.array([1.0, 1, 2, 3, 0, 1])
    plain = resolve_score(fit(X6, Y6), X6, y, sample_weight=w)
    assert plain.observed.tolist() == [True, False, True, True, False, True]
    assert plain.y.tolist() == [0, 2, 3, 5]
    assert plain.sample_weight.tolist() == [1, 2, 3, 1]
    assert plain.group.tolist() == [0] * 4
    keyword = resolve_score(fit(X6, Y6, tasks=T6), X6, y, tasks=T6)
    assert keyword.group.tolist() == [1, 1, 0, 1, 1]
    assert keyword.sample_weight is None
    column = resolve_score(fit(labelled(X6, T6), Y6, task_column=0), labelled(X6, T6), y)
    assert column.group.tolist() == keyword.group.tolist()
    with pytest.warns(DataConversionWarning):
        resolve_score(fit(X6, Y6), X6, Y6[:, None])


def test_score_rows_of_columns():
    model = fit(X6, TWO)
    Y = np.c_[Y6, [NAN, 1, 2, NAN, 4, 5]]
    got = resolve_score(model, X6, Y)
    assert got.observed.shape == (6, 2)
    assert got.y.tolist() == Y[~np.isnan(Y)].tolist()
    assert got.group.tolist() == np.nonzero(~np.isnan(Y))[1].tolist()
    assert resolve_score(model, X6, Y, sample_weight=Y6).sample_weight.tolist()[:2] == [1, 1]
    by_label = resolve_score(model, X6, Y6, tasks=[0, 1] * 3)
    assert by_label.group.tolist() == [0, 1] * 3
    single = fit(X6, Y6[:, None])
    assert resolve_score(single, X6, Y6).observed.shape == (6, 1)


def test_score_of_unseen_labels_groups_them_by_label():
    model = fit(X6, Y6, tasks=T6, unseen="mean")
    got = resolve_score(model, X6, Y6, tasks=["q", "a", "r", "a", "q", "r"])
    assert got.rows.index.tolist() == [-1, 0, -1, 0, -1, -1]
    assert got.group.tolist() == [1, 0, 2, 0, 1, 2]


def test_score_of_classes():
    y = np.array(["n", None, "y", "n", "y", "y"], dtype=object)
    got = resolve_score(fit(X6, y, classifier=True), X6, y)
    assert got.y.tolist() == ["n", "y", "n", "y", "y"]


def test_refused_at_score():
    with pytest.raises(ValueError, match="Nothing is left to score"):
        resolve_score(fit(X6, Y6), X6, Y6 * NAN)
    with pytest.raises(ValueError, match="non-zero"):
        resolve_score(fit(X6, Y6), X6, Y6, sample_weight=Y6 * 0)
    with pytest.raises(ValueError, match="inconsistent"):
        resolve_score(fit(X6, Y6), X6, Y6[:5])
    with pytest.raises(ValueError, match="should be a 1d array"):
        resolve_score(fit(X6, Y6), X6, TWO)
    for y in (Y6, X6):
        with pytest.raises(ValueError, match="fitted on a y of 2 columns"):
            resolve_score(fit(X6, TWO), X6, y)
    named = fit(X6, pd.DataFrame(TWO, columns=["u", "v"]))
    with pytest.raises(ValueError, match="same order: 'u', 'v'"):
        resolve_score(named, X6, pd.DataFrame(TWO, columns=["v", "u"]))
    assert resolve_score(named, X6, TWO).y.shape == (12,)


# --- task weights --------------------------------------------------------------------------------


def test_task_weights():
    rows = rows_of(X6, Y6, tasks=T6, sample_weight=[1, 2, 1, 2, 1, 1])
    assert task_weights(rows, "equal").tolist() == [1, 1]
    np.testing.assert_allclose(task_weights(rows, "size"), [1, 1])
    assert task_weights(rows, {"b": 2, "a": 0.5, "other": -1, 3: NAN}).tolist() == [0.5, 2]
    shared = rows_of(X6, np.c_[Y6, [NAN, NAN, NAN, 1, 2, 3]])
    np.testing.assert_allclose(task_weights(shared, "size"), [4 / 3, 2 / 3])
    assert task_weights(shared, {0.0: 1, 1.0: 3}).tolist() == [1, 3]
    dates = rows_of(X6, Y6, tasks=DATE)
    assert task_weights(dates, {STAMP[0]: 2, STAMP[1]: 3}).tolist() == [3, 2]
    pairs = rows_of(X6, pd.DataFrame(TWO, columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])))
    assert task_weights(pairs, {("a", 1): 2, ("b", 2): 3}).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        ("sizes", "task_weight must be"),
        ([1, 2], "task_weight must be"),
        ({"a": 1}, "no weight for task 'b'"),
        ({"a": 1, "b": 0}, "finite and > 0, got 0 for task 'b'"),
        ({"a": 1, "b": -1}, "finite and > 0"),
        ({"a": 1, "b": NAN}, "finite and > 0"),
        ({"a": np.inf, "b": 1}, "finite and > 0"),
        ({"a": "1", "b": 1}, "finite and > 0"),
    ],
)
def test_refused_task_weights(weight, match):
    with pytest.raises(ValueError, match=match):
        task_weights(rows_of(X6, Y6, tasks=T6), weight)
