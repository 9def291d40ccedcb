"""X as a fit needs it: float64, finite, without its label column, and copied at most once."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import validate_data

from ._given import is_frame, native, refuse_dates, refuse_sparse
from ._labels import as_table, column_position, split_column
from ._sparse import dense_frame, is_sparse, sparse_features, sparse_frame
from ._typing import AnyArray, FloatArray, IntArray

# Numbers that are converted or moved at a time, where a table has more.
_PIECE = 1 << 20


class Features(NamedTuple):
    """Features, and what is known of them."""

    values: AnyArray  # finite float64, in any memory order
    column: Any  # the label column as given
    own: bool  # the array was made here and may be written to
    bound: float = np.inf  # no value is larger, as far as was looked at


def features(estimator: Any, X: Any, *, reset: bool) -> Features:
    """The features in X, without its label column.

    Sets `n_features_in_` and `feature_names_in_` if ``reset``, compares with them if not.
    """
    X = native(X)
    table = as_table(X, estimator, accept_sparse=True)
    _check_columns(estimator, X, reset)
    if hasattr(estimator, "_split_patterns"):  # what a row lacks is its label
        if is_frame(table):
            refuse_sparse(table)
        refuse_dates(table, "X")
        parts, patterns = estimator._split_patterns(table, reset=reset)
        return Features(parts, patterns, _made_here(parts, X))
    position = None
    if estimator.task_column is not None:
        position = column_position(table, estimator.task_column)
        if table.shape[1] == 1:
            raise ValueError(
                f"X has n_features=1, the labels of task_column={estimator.task_column!r}: "
                "no feature is left to fit."
            )
    refuse_dates(table, "X", skip=position)
    try:
        if is_sparse(table) or sparse_frame(table, position):
            values, column = sparse_features(estimator, table, position, fit=reset)
            return Features(values, column, False)
        table = dense_frame(table)
        if _in_pieces(table, position):
            column = None if position is None else _safe_indexing(table, position, axis=1)
            return Features(_converted(table, position, estimator), column, True)
        column = None
        if position is not None:
            column, table = split_column(table, position)
        bound = _bound(table)
        if not np.isfinite(bound):
            table = _checked(table, estimator)
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        label = f"the task labels are those of task_column={estimator.task_column!r}"
        if position is None:
            label = "if it is the task label, name its column by `task_column`"
        raise ValueError(
            f"X holds text ({error}): {label}; encode other text columns as numbers (skrub's "
            "TableVectorizer does, inside of keep_tasks where X has a label column)."
        ) from error
    return Features(table, column, _made_here(table, X), bound)


def _check_columns(estimator: Any, X: Any, reset: bool) -> None:
    """Number and names of the columns, as scikit-learn's validate_data sees to them."""
    if reset and type(X) is np.ndarray:  # (it would ask which of many kinds of table this is)
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_ = X.shape[1]
    else:
        validate_data(estimator, X, reset=reset, skip_check_array=True)


def _made_here(table: AnyArray, X: Any) -> bool:
    """Whether the memory cannot be the caller's."""
    return not np.may_share_memory(table, X) if isinstance(X, np.ndarray) else isinstance(X, list)


def feature_names(estimator: Any, column: Any) -> AnyArray:
    """Names of the features, without that of the label column."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = _numbered(estimator.n_features_in_)
    task_column = estimator.task_column
    if column is None or task_column is None:
        return np.array(names)
    position = (
        names.tolist().index(task_column) if isinstance(task_column, str) else int(task_column)
    )
    return np.delete(names, position)


def take_rows(
    X: AnyArray, order: IntArray | None, own: bool, any_order: bool = False
) -> tuple[FloatArray, bool]:
    """``X[order]`` (None: all rows as they are) in C order, and whether it may be written to.

    ``any_order``: of all rows Fortran order, which tables have, will do.

    An array that is ours (``own``) is sorted in place: X counts once, not twice.
    """
    if is_sparse(X):
        return (X if order is None else X[order]), False
    if order is None:
        if any_order and X.flags.f_contiguous:
            return X, own
        rows = np.ascontiguousarray(X)
        return rows, own or not np.may_share_memory(rows, X)
    if X.size <= _PIECE:
        return np.ascontiguousarray(X[order]), True
    if own and X.flags.c_contiguous:
        width = max(1, _PIECE // len(X))
        for start in range(0, X.shape[1], width):
            piece = X[:, start : start + width]
            piece[: len(order)] = piece[order]
        return X[: len(order)], True
    out = np.empty((len(order), X.shape[1]))
    height = max(1, _PIECE // X.shape[1])
    for start in range(0, len(order), height):
        out[start : start + height] = X[order[start : start + height]]
    return out, True


def _bound(table: Any) -> float:
    """Of all values, from one pass; finite only for arrays of finite float64, which are valid."""
    if type(table) is not np.ndarray or table.dtype != np.float64:
        return np.inf
    if not (table.flags.c_contiguous or table.flags.f_contiguous):
        return np.inf
    flat = table.ravel(order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(np.dot(flat, flat))


def _checked(table: Any, estimator: Any) -> FloatArray:
    """As scikit-learn checks it."""
    return check_array(table, dtype=np.float64, estimator=estimator, input_name="X")


def _in_pieces(table: Any, position: int | None) -> bool:
    """Whether the table is large and numpy could not simply have a view of its features."""
    n_rows, n_columns = table.shape
    if n_rows * n_columns <= _PIECE:
        return False
    if isinstance(table, np.ndarray):
        return table.dtype != np.float64 or position not in (None, 0, n_columns - 1)
    if not is_frame(table):
        return False
    if position is None and hasattr(table, "iloc"):
        # A frame of one block gives numpy views of it: the same row twice is the same memory.
        row = np.asarray(table.iloc[:1])
        one_block = np.may_share_memory(row, np.asarray(table.iloc[:1]))
        return not one_block or row.dtype != np.float64
    return True


def _converted(table: Any, position: int | None, estimator: Any) -> FloatArray:
    """The features in a new array, filled piece by piece: rows of an array, columns of a frame."""
    n_rows, n_columns = table.shape
    out = np.empty((n_rows, n_columns - (position is not None)))
    if isinstance(table, np.ndarray):
        height = max(1, _PIECE // n_columns)
        for start in range(0, n_rows, height):
            piece = table[start : start + height]
            if position is not None:
                piece = split_column(piece, position)[1]
            out[start : start + height] = _checked(piece, estimator)
        return out
    width = max(1, _PIECE // n_rows)
    ends = [n_columns] if position is None else [position, n_columns]
    start = done = 0
    for end in ends:
        while start < end:
            stop = min(start + width, end)
            piece = _safe_indexing(table, slice(start, stop), axis=1)
            out[:, done : done + stop - start] = _checked(piece, estimator)
            done += stop - start
            start = stop
        start = end + 1
    return out


@functools.lru_cache(maxsize=4)
def _numbered(n_features: int) -> AnyArray:
    """x0, x1, ... as one read-only array: a loop over 10,000 features takes as long as a fit."""
    names = np.array([f"x{j}" for j in range(n_features)], dtype=object)
    names.flags.writeable = False
    return names
