"""Tables, columns and labels as users hold them: arrays, lists, pandas and polars frames."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing, check_array

from ._typing import AnyArray


def frame_columns(X: Any) -> list[Any] | None:
    """Column names of a DataFrame (pandas, polars), None for anything else."""
    if hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "to_numpy")):
        return list(X.columns)
    return None


def as_array(values: Any) -> AnyArray:
    """np.asarray, except that a list of strings and numbers stays what it is."""
    array = np.asarray(values)
    if array.dtype.kind in "US" and not hasattr(values, "dtype"):
        mixed = np.asarray(values, dtype=object)
        if not all(isinstance(value, str) for value in mixed.flat):
            return mixed
    return array


def as_table(X: Any, estimator: Any = None) -> Any:
    """X as a DataFrame or a 2-D array with at least one row and column, of any type."""
    table = X
    if frame_columns(X) is None and not sparse.issparse(X) and not isinstance(X, np.matrix):
        table = as_array(X)
        if table.ndim == 2 and table.dtype.kind != "c" and 0 not in table.shape:
            return table
    elif frame_columns(X) is not None and 0 not in X.shape:
        return X
    # What is left is refused, in sklearn's words (which it lacks for an empty frame).
    refused = X if frame_columns(X) is None else np.empty(X.shape)
    return check_array(
        refused, dtype=None, ensure_all_finite=False, estimator=estimator, input_name="X"
    )


def column_position(table: Any, task_column: Any) -> int:
    """Position of the label column, counted from the left."""
    names = frame_columns(table)
    if isinstance(task_column, str):
        if names is None:
            raise ValueError(
                f"task_column={task_column!r} is a column name, but X has no column names: "
                "pass a DataFrame, or the position of the column."
            )
        if names.count(task_column) != 1:
            raise ValueError(
                f"task_column={task_column!r} names {names.count(task_column)} columns of X; "
                f"expected exactly one. Columns of X: {', '.join(map(str, names[:10]))}"
                f"{', ...' if len(names) > 10 else ''}."
            )
        return names.index(task_column)
    n_columns = table.shape[1]
    if not isinstance(task_column, numbers.Integral) or isinstance(task_column, bool):
        raise ValueError(
            f"task_column must be the position or the name of a column, got {task_column!r}."
        )
    if not -n_columns <= task_column < n_columns:
        raise ValueError(
            f"task_column={task_column} is out of range for X with {n_columns} columns."
        )
    return int(task_column) % n_columns


def split_column(table: Any, position: int) -> tuple[Any, Any]:
    """The column at `position` and the table without it: views where numpy can."""
    n_columns = table.shape[1]
    if frame_columns(table) is not None:
        rest = [j for j in range(n_columns) if j != position]
        return _safe_indexing(table, position, axis=1), _safe_indexing(table, rest, axis=1)
    if position == 0:
        return table[:, 0], table[:, 1:]
    if position == n_columns - 1:
        return table[:, -1], table[:, :-1]
    return table[:, position], np.delete(table, position, axis=1)


def as_labels(values: Any, source: str, what: str = "task label") -> AnyArray:
    """Labels as a 1-D array of one kind, none missing; `source` names the door in errors."""
    labels = as_array(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"{source} should be a 1d array with one label per row, "
            f"got an array of shape {labels.shape}."
        )
    if labels.dtype.kind not in "biufcmMUS":
        labels = uniform(labels.astype(object), source)
    if labels.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {source} holds complex task labels.")
    bad = np.zeros(len(labels), bool)
    if labels.dtype.kind == "f":
        bad = ~np.isfinite(labels)
    elif labels.dtype.kind in "mM":
        bad = np.isnat(labels)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{source} contains NaN or infinity: the {what} of row {row} is {labels[row]}. "
            "Every row needs a label."
        )
    return labels


def factorize(labels: AnyArray, source: str) -> tuple[AnyArray, AnyArray]:
    """Sorted distinct labels and each row's position among them."""
    if labels.dtype.kind != "O":
        distinct, codes = np.unique(labels, return_inverse=True)
        return distinct, codes.reshape(-1)
    values = labels.tolist()
    try:
        distinct = object_array(sorted(set(values)))
    except TypeError as error:
        raise TypeError(f"The labels of {source} cannot be sorted: {error}") from error
    position = {label: code for code, label in enumerate(distinct.tolist())}
    return distinct, np.fromiter(map(position.__getitem__, values), np.intp, len(values))


def show_labels(labels: AnyArray, limit: int = 5) -> str:
    """The first few labels, for a message."""
    shown = ", ".join(show_label(labels, i) for i in range(min(limit, len(labels))))
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > limit else "")


def show_label(labels: AnyArray, i: int) -> str:
    """One label, as Python writes it."""
    return str(labels[i]) if labels.dtype.kind in "mM" else repr(labels[i : i + 1].tolist()[0])


def object_array(values: Iterable[Any]) -> AnyArray:
    """A 1-D object array, also of tuples (which np.array would unpack)."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def is_missing(value: Any) -> bool:
    """None, NaN, NaT or pandas' NA: the values that do not equal themselves."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        return True
    except ValueError:  # an array
        return False


def uniform(labels: AnyArray, source: str) -> AnyArray:
    """An object array as the numbers or dates it holds; strings and others stay objects."""
    values = labels.tolist()
    types = set(map(type, values))
    if not all(issubclass(kind, (str, numbers.Integral)) for kind in types):
        for row, value in enumerate(values):
            if is_missing(value):
                raise ValueError(
                    f"{source} contains NaN: the label of row {row} is missing. "
                    "Every row needs a label."
                )
    if all(issubclass(kind, str) for kind in types):
        return labels
    if all(issubclass(kind, (numbers.Number, np.bool_)) for kind in types):
        array = np.array(values)
        whole = all(issubclass(kind, numbers.Integral) for kind in types)
        # Integers beyond 64 bits would be merged by rounding: they stay Python's.
        return labels if whole and array.dtype.kind == "f" else array
    dates = all(issubclass(kind, (datetime.date, np.datetime64)) for kind in types)
    if dates and not any(getattr(value, "tzinfo", None) for value in values):
        values = [v.to_datetime64() if hasattr(v, "to_datetime64") else v for v in values]
        return np.array([np.datetime64(value) for value in values])
    if len(types) == 1:
        return labels
    raise TypeError(
        f"The labels argument must be uniformly strings or uniformly numbers, but {source} mixes "
        f"or holds {sorted(kind.__name__ for kind in types)}: convert them to one type."
    )


def match_keys(labels: AnyArray, other: AnyArray) -> list[Any]:
    """Hashable values equal where labels are: 1 == 1.0, "1" != 1, dates whatever their unit."""
    kind = labels.dtype.kind
    if kind not in "mM":
        return labels.tolist()
    if kind == "m":
        labels = labels.astype("m8[ns]")
    elif other.dtype.kind == "M":
        labels = labels.astype(np.result_type(labels.dtype, other.dtype))
    return [(kind, value) for value in labels.astype(np.int64).tolist()]
