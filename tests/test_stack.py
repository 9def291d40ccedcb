"""Lists of one array per task, stacked; labels as messages show them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from malsar_py import stack_tasks
from malsar_py._labels import as_labels, show_labels

from .test_tasks import FRAME, NAN, T6, TWO, X6, Y6, rows_of


def test_stack_tasks():
    X, y, tasks = stack_tasks([X6[:2], X6[2:]], [Y6[:2], Y6[2:, None]])
    np.testing.assert_array_equal(X, X6)
    np.testing.assert_array_equal(y, Y6)
    assert tasks.tolist() == [0, 0, 1, 1, 1, 1]
    assert stack_tasks(X6.reshape(3, 2, 3), Y6.reshape(3, 2))[2].tolist() == [0, 0, 1, 1, 2, 2]
    X, y, tasks = stack_tasks([[[1, 2]], [[3, NAN]]], [["u"], ["v"]], labels=["q", "p"])
    assert y.tolist() == ["u", "v"]
    assert tasks.tolist() == ["q", "p"]
    assert X.dtype == np.float64
    rows = rows_of(*stack_tasks([X6[:2], X6[2:]], [Y6[:2], Y6[2:]])[:2])
    assert rows.n_tasks == 1


def test_stack_frames():
    frame = FRAME.assign(c=T6)
    X, _, tasks = stack_tasks([frame[:2], frame[2:]], [Y6[:2], Y6[2:]], labels=pd.Index([5, 4]))
    pd.testing.assert_frame_equal(X, frame)
    assert tasks.tolist() == [5, 5, 4, 4, 4, 4]
    polars = pl.DataFrame({"a": Y6, "b": Y6})
    X, _, _ = stack_tasks([polars[:2], polars[2:]], [Y6[:2], Y6[2:]])
    assert X.equals(polars)


@pytest.mark.parametrize(
    ("Xs", "ys", "labels", "match"),
    [
        ([], [], None, "one X and one y per task, got 0"),
        ([X6], [Y6, Y6], None, "got 1 X and 2 y"),
        ([X6, X6], [Y6, Y6], ["a"], "labels has 1 entries"),
        ([X6, X6], [Y6, Y6], ["a", "a"], "distinct"),
        ([X6, X6], [Y6, Y6], ["a", None], "labels contains NaN"),
        ([X6, X6[:, :2]], [Y6, Y6], None, r"Xs\[1\] has 2 features, but Xs\[0\] has 3"),
        ([X6, X6[0]], [Y6, Y6], None, "(?s)position 1: .*Reshape"),
        ([X6, X6[:0]], [Y6, Y6[:0]], None, r"position 1: .*0 sample\(s\)"),
        ([X6, [["a"]]], [Y6, [1]], None, "position 1: could not convert"),
        ([X6, X6], [Y6, Y6[:5]], None, r"ys\[1\] has shape \(5,\), but Xs\[1\] has 6 rows"),
        ([X6, X6], [Y6, TWO], None, r"ys\[1\] has shape \(6, 2\)"),
        ([X6, X6], [Y6, 1.0], None, r"ys\[1\] has shape \(\)"),
        ([X6, X6], [Y6, T6], None, r"ys\[1\] is of type"),
        ([X6, FRAME], [Y6, Y6], None, r"Xs\[1\]: .*DataFrames"),
        ([FRAME, FRAME[["b", "a", "c"]]], [Y6, Y6], None, r"Xs\[1\] has the columns"),
    ],
)
def test_refused_stacks(Xs, ys, labels, match):
    with pytest.raises(ValueError, match=match):
        stack_tasks(Xs, ys, labels)


def test_sparse_stack_is_a_type_error():
    with pytest.raises(TypeError, match="Sparse"):
        stack_tasks([sparse.csr_array(X6)], [Y6])


def test_shown_labels():
    assert show_labels(np.array(["a", "b"])) == "'a', 'b'"
    assert show_labels(np.array([1.5])) == "1.5"
    assert show_labels(np.array(["2020-01-02"], "M8[ns]")).startswith("2020-01-02")
    assert as_labels([True, 2], "x").tolist() == [1, 2]
