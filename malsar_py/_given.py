"""What users give, before it is read: pyarrow's tables, masked arrays, dates among numbers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ._typing import FloatArray

_DATES = (
    datetime.date,  # datetime, pandas' Timestamp and NaT are such
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
)
_FILL = {
    "sample_weight": "rows that are not to count have weight 0: sample_weight.filled(0)",
    "X": "leave such rows out, or fill them with a value of your choice: X.filled(value)",
}


def native(values: Any) -> Any:
    """What pyarrow holds as pandas does, an Index or Categorical as a Series; others as they are.

    Of an Index scikit-learn takes no rows, of a Categorical it drops the order.
    """
    library = type(values).__module__.partition(".")[0]
    if library == "pyarrow" and hasattr(values, "to_pandas"):
        return values.to_pandas()
    if library == "pandas" and hasattr(values, "dtype") and not hasattr(values, "iloc"):
        from pandas import Series

        return Series(values)
    return values


def is_frame(X: Any) -> bool:
    """Whether X is a DataFrame (pandas, polars)."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "to_numpy"))


def frame_columns(X: Any) -> list[Any] | None:
    """Column names of a DataFrame, None for anything else."""
    return list(X.columns) if is_frame(X) else None


def column(frame: Any, j: int) -> Any:
    """A column of a DataFrame, by position."""
    return frame.iloc[:, j] if hasattr(frame, "iloc") else frame.to_series(j)


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


def _masked(values: Any) -> Any:
    """The masked array that `values` is, or is a list of, if it hides something; else None."""
    if isinstance(values, list | tuple) and any(np.ma.isMaskedArray(value) for value in values):
        values = np.ma.array(values)
    return values if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any() else None


def refuse_mask(values: Any, name: str) -> None:
    """Refuse a masked array that hides something: numpy would bring the hidden values back."""
    masked = _masked(values)
    if masked is None:
        return
    where = [int(index[0]) for index in np.nonzero(np.ma.getmaskarray(masked))]
    place = ", ".join(
        f"{axis} {i}" for axis, i in zip(("row", "column", "axis 2"), where, strict=False)
    )
    remedy = _FILL.get(name, "every row needs a label, so leave such rows out of all arguments")
    raise ValueError(f"{name} is a masked array with masked entries ({place}): {remedy}.")


def unmask(y: Any, missing: Any) -> Any:
    """Targets with masked entries as not observed: NaN, or None among classes."""
    masked = _masked(y)
    if masked is None:
        return y
    if masked.dtype.kind == "f":
        missing = np.nan
    values = np.array(np.ma.getdata(masked), dtype=object if missing is None else np.float64)
    values[np.ma.getmaskarray(masked)] = missing
    return values


def refuse_vectors(y: Any, name: str) -> None:
    """Refuse MALSAR's form of the targets, one vector per task."""
    if not isinstance(y, list | tuple):
        return
    parts = [np.asarray(part) for part in y[:2] if not np.isscalar(part) and np.iterable(part)]
    if len({part.shape for part in parts if part.dtype != object}) > 1:
        raise ValueError(
            f"{name} holds vectors of different lengths, one per task: stack them with X, y, "
            "tasks = malsar_py.stack_tasks(X_list, y_list), then fit(X, y, tasks=tasks)."
        )


def as_numbers(y: Any, name: str) -> Any:
    """Targets for check_array: NaN where they are masked or missing; dates are refused."""
    y = unmask(native(y), np.nan)
    refuse_vectors(y, name)
    if is_frame(y):
        if not any(str(dtype) == "object" for dtype in y.dtypes):
            refuse_dates(y, name)
            return y
        y = y.to_numpy(dtype=object)
    if sparse.issparse(y):
        return y
    array = np.asarray(y)
    if array.dtype == object and array.ndim:
        array = np.array(array)  # a copy
        missing = [is_missing(value) for value in array.flat]
        array[np.reshape(missing, array.shape)] = np.nan
    elif array.dtype.kind not in "mM":
        return y
    refuse_dates(array, name)
    return array


def refuse_dates(values: Any, name: str, *, skip: int | None = None) -> None:
    """Refuse dates and durations: as numbers they would be counts of some unit, NaT a huge one.

    ``skip`` is the position of a column that may hold them, the task labels.
    """
    for place, items in _date_columns(values, skip):
        missing = [row for row, item in enumerate(items) if is_missing(item)]
        which = f"NaT in row {missing[0]}" if missing else f"such as {items[0]}"
        raise ValueError(
            f"{name} holds dates or durations{place} ({which}) where numbers are needed: turn "
            "them into numbers first, as in values / np.timedelta64(1, 'D'), or leave them out."
        )


def _date_columns(values: Any, skip: int | None) -> Iterator[tuple[str, list[Any]]]:
    """Columns with dates: where they are, in words, and what they hold."""
    if is_frame(values):
        # There are few types and may be many columns.
        suspects = {kind for kind in set(values.dtypes) if _is_date(kind) or str(kind) == "object"}
        for j, dtype in enumerate(values.dtypes if suspects else ()):
            if j != skip and dtype in suspects:
                items = column(values, j).to_list()
                if _is_date(dtype) or any(isinstance(item, _DATES) for item in items):
                    yield f" in column {values.columns[j]!r}", items
        return
    dtype = getattr(values, "dtype", None)
    if dtype is None or not (_is_date(dtype) or dtype.kind == "O"):
        return
    array = np.asarray(values)
    if array.ndim == 1:
        array = array[:, None]
    for j, items in enumerate(array.T if array.ndim == 2 else ()):
        if j == skip or not len(items):
            continue
        if _is_date(dtype) or any(isinstance(item, _DATES) for item in items.tolist()):
            yield "" if np.ndim(values) == 1 else f" in column {j}", list(items)


def _is_date(dtype: Any) -> bool:
    """Whether a type of numpy, pandas or polars is one of dates or durations."""
    temporal = getattr(dtype, "is_temporal", None)  # polars
    return bool(temporal()) if temporal is not None else getattr(dtype, "kind", "") in ("m", "M")


def refuse_sparse(frame: Any, *, skip: int | None = None) -> None:
    """Refuse a DataFrame with sparse columns."""
    if not any(hasattr(dtype, "fill_value") for dtype in set(frame.dtypes)):
        return
    for j, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        if j != skip and hasattr(dtype, "fill_value"):
            raise ValueError(
                f"X has sparse columns, such as {name!r}, and sparse data are not supported: make "
                f"them dense, as in X.astype({{{name!r}: float}})."
            )


def label_like(X: FloatArray) -> int | None:
    """The first feature that could be a task label: whole numbers, few of them and repeated.

    Two values are a label only where they come in blocks: else they are a yes and a no.
    """
    for j in np.flatnonzero((X[:64] % 1 == 0).all(axis=0)):
        values, sizes = np.unique(X[:, j], return_counts=True)
        few = 2 <= len(values) <= len(X) / 2 and sizes.min() >= 2 and (values % 1 == 0).all()
        if few and (len(values) > 2 or np.count_nonzero(np.diff(X[:, j])) == 1):
            return int(j)
    return None
