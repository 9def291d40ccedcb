"""Tables, columns and labels as users hold them: arrays, lists, pandas and polars frames."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing, check_array

from ._given import column, frame_columns, is_frame, is_missing, native, refuse_mask
from ._typing import AnyArray, IntArray

__all__ = [
    "another_kind",
    "as_array",
    "as_labels",
    "as_table",
    "column_position",
    "factorize",
    "frame_columns",
    "is_missing",
    "label_order",
    "match_keys",
    "native",
    "object_array",
    "refuse_list_of_tables",
    "refuse_rounded",
    "row_labels",
    "show_label",
    "show_labels",
    "split_column",
    "uniform",
]

# From here on not every integer is a float.
_EXACT = 2.0**53


def as_array(values: Any) -> AnyArray:
    """np.asarray, except that a list of strings and numbers, or large integers, stays one."""
    array = np.asarray(values)
    if hasattr(values, "dtype"):
        return array
    if array.dtype.kind in "US":
        mixed = np.asarray(values, dtype=object)
        if not all(isinstance(value, str) for value in mixed.flat):
            return mixed
    elif array.dtype.kind == "f" and (np.abs(array) >= _EXACT).any():
        mixed = np.asarray(values, dtype=object)
        if any(isinstance(value, numbers.Integral) for value in mixed[np.abs(array) >= _EXACT]):
            return mixed
    return array


def as_table(X: Any, estimator: Any = None, *, accept_sparse: bool = False) -> Any:
    """X as a DataFrame or a 2-D array with at least one row and column, of any type."""
    if type(X) is np.ndarray and X.dtype.kind in "biuf" and X.ndim == 2 and X.size:
        return X
    X = native(X)
    refuse_mask(X, "X")
    refuse_list_of_tables(X)
    table = X
    if accept_sparse and sparse.issparse(X):
        return check_array(
            X, accept_sparse=True, dtype=None, ensure_all_finite=False, estimator=estimator
        )
    if not is_frame(X) and not sparse.issparse(X) and not isinstance(X, np.matrix):
        table = as_array(X)
        if table.ndim == 2 and table.dtype.kind != "c" and 0 not in table.shape:
            return table
    elif is_frame(X) and 0 not in X.shape:
        return X
    # What is left is refused, in sklearn's words (which it lacks for an empty frame).
    refused = np.empty(X.shape) if is_frame(X) else X
    return check_array(
        refused, dtype=None, ensure_all_finite=False, estimator=estimator, input_name="X"
    )


def refuse_list_of_tables(X: Any) -> None:
    """MALSAR's form of the data, one matrix per task, is not that of `fit`."""
    if isinstance(X, np.ndarray) and X.dtype == object:
        tables = list(X.ravel())  # a cell array of scipy.io.loadmat
    elif isinstance(X, list | tuple | Mapping):
        tables = list(X.values() if isinstance(X, Mapping) else X)
    else:
        return
    if len(tables) and all(_is_table(table) for table in tables[:2]):
        raise ValueError(
            f"X holds {len(tables)} tables, one per task. Expected a 2D array with the rows of all "
            "tasks: X, y, tasks = malsar_py.stack_tasks(X_list, y_list) makes one, for "
            "fit(X, y, tasks=tasks)."
        )


def _is_table(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) > 0 and isinstance(value[0], list | tuple | np.ndarray)
    return len(getattr(value, "shape", ())) == 2


def column_position(table: Any, task_column: Any) -> int:
    """Position of the label column, counted from the left."""
    names = frame_columns(table)
    if isinstance(task_column, str):
        if names is None:
            raise ValueError(
                f"task_column={task_column!r} is a column name, but X came as "
                f"{type(table).__name__} without column names. If you passed a DataFrame, what "
                "stands before the model made it an array (a transformer without "
                'set_output(transform="pandas"), or a meta-estimator such as RFE, Bagging or a '
                "chain); if you passed an array, name the column by its position."
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
    if is_frame(table):
        rest = [j for j in range(n_columns) if j != position]
        return _safe_indexing(table, position, axis=1), _safe_indexing(table, rest, axis=1)
    if sparse.issparse(table):
        by_column, others = table.tocsc(), np.delete(np.arange(n_columns), position)
        return by_column[:, [position]].toarray().ravel(), by_column[:, others]
    if position == 0:
        return table[:, 0], table[:, 1:]
    if position == n_columns - 1:
        return table[:, -1], table[:, :-1]
    return table[:, position], np.delete(table, position, axis=1)


def as_labels(values: Any, source: str, what: str = "task label") -> AnyArray:
    """Labels as a 1-D array of one kind, none missing; `source` names the door in errors."""
    values = native(values)
    refuse_mask(values, source)
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
    refuse_rounded(labels, source)
    return labels


def refuse_rounded(labels: AnyArray, source: str) -> None:
    """Refuse floats so large that different integers may have become equal."""
    if labels.dtype.kind != "f":
        return
    digits = np.finfo(labels.dtype).nmant + 1
    rounded = np.flatnonzero(np.abs(labels) >= 2.0**digits)
    if len(rounded):
        raise ValueError(
            f"{source} holds {labels[rounded[0]]} (row {rounded[0]}), a float beyond 2^{digits}: "
            f"different integers of this size are equal as {labels.dtype}. Pass them as integers "
            "or strings: in a DataFrame, in an array of their own, or in one of objects."
        )


def row_labels(estimator: Any, column: Any, tasks: Any, n_rows: int) -> tuple[AnyArray | None, str]:
    """The rows' labels, from the label column or the keyword, and the words that name the door."""
    if column is not None:
        source = getattr(estimator, "_label_source", f"task_column={estimator.task_column!r}")
        if tasks is not None and estimator.task_column is None:
            raise ValueError(f"`tasks` cannot be combined with {source}: leave it out.")
        if tasks is not None:
            raise ValueError(
                f"Task labels were given twice, by {source} and by `tasks`: "
                "pass one of them (task_column=None to use `tasks`)."
            )
        return as_labels(column, source), source
    if tasks is None:
        return None, ""
    labels = as_labels(tasks, "`tasks`")
    if len(labels) != n_rows:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"`tasks` has {len(labels)} labels, X has {n_rows} rows."
        )
    return labels, "`tasks`"


def label_order(values: Any, source: str) -> AnyArray | None:
    """The categories of an ordered categorical (pandas, polars' Enum); None for other labels."""
    values = native(values)
    if is_frame(values) and values.shape[1] == 1:
        values = column(values, 0)
    dtype = getattr(values, "dtype", None)
    if type(dtype).__name__ != "Enum" and getattr(dtype, "ordered", None) is not True:
        return None
    categories = getattr(dtype, "categories", None)
    return None if categories is None else as_labels(object_array(categories), source)


def factorize(
    labels: AnyArray, source: str, order: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    """Distinct labels, sorted or in the order of `order`, and each row's position among them."""
    if order is not None:
        distinct, codes = factorize(labels, source)
        rank = {key: i for i, key in enumerate(match_keys(order, distinct))}
        by_rank = np.argsort([rank[key] for key in match_keys(distinct, order)])
        return distinct[by_rank], np.argsort(by_rank)[codes]
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


def positions_of(labels: AnyArray, known: AnyArray) -> IntArray:
    """Where distinct labels are among those that are known; -1 for others."""
    where = {key: i for i, key in enumerate(match_keys(known, labels))}
    return np.array([where.get(key, -1) for key in match_keys(labels, known)], dtype=np.intp)


def show_labels(labels: AnyArray, limit: int = 5) -> str:
    """The first few labels, for a message."""
    shown = ", ".join(show_label(labels, i) for i in range(min(limit, len(labels))))
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > limit else "")


def show_label(labels: AnyArray, i: int) -> str:
    """One label, as Python writes it."""
    return str(labels[i]) if labels.dtype.kind in "mM" else repr(labels[i : i + 1].tolist()[0])


def another_kind(labels: AnyArray, fitted: AnyArray) -> str:
    """A hint where labels look alike but for their type."""
    shown = {str(label) for label in fitted.tolist()}
    if not any(str(label) in shown for label in labels.tolist()):
        return ""
    return " (labels are compared by value: 1 equals 1.0, but not '1')"


def object_array(values: Iterable[Any]) -> AnyArray:
    """A 1-D object array, also of tuples (which np.array would unpack)."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


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
        if array.dtype.kind != "f" or not (np.abs(array) >= _EXACT).any():
            return array
        if not any(isinstance(v, numbers.Integral) and abs(int(v)) >= _EXACT for v in values):
            return array
        if not np.isfinite(array).all():
            raise ValueError(f"{source} contains infinity beside integers.")
        # Large integers would be merged by rounding: they stay Python's.
        return object_array(int(v) if isinstance(v, numbers.Integral) else v for v in values)
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
