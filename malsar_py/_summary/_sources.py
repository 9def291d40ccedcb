"""Where rows come from: tables in batches, Arrow, Dask; none of these is imported unless given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from .._labels import frame_columns
from .._typing import AnyArray, FloatArray, IntArray
from ._summary import _MAX_MEMORY, Summary


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are; picklable, for workers."""

    task_column: str | None
    target: str | list[str]
    folds: str | int | None
    sample_weight: str | None
    max_memory: int

    def summary(self, batch: Any, number: int) -> Summary:
        """The summary of one batch."""
        return self.add_to(Summary(max_memory=self.max_memory), batch, number)

    def add_to(self, summary: Summary, batch: Any, number: int) -> Summary:
        """Take in a batch: a table, or (X, y), (X, y, tasks), (X, y, tasks, sample_weight)."""
        try:
            return self._take(summary, batch)
        except (ValueError, TypeError) as error:
            raise type(error)(f"batch {number}: {error}") from error

    def _take(self, summary: Summary, batch: Any) -> Summary:
        if isinstance(batch, tuple):
            X, y, tasks, weight = (*batch, None, None)[:4]
            folds = None if self.folds is None else _hashed(_numbers(X, y), self._n_folds())
            if len(_as_array(X)) == 0:
                return summary
            return summary.update(X, y, tasks=tasks, folds=folds, sample_weight=weight)
        read, names, n_rows = _table(batch)
        if n_rows == 0:  # an empty partition
            return summary
        targets = [self.target] if isinstance(self.target, str) else list(self.target)
        named = [self.task_column, *targets, self.sample_weight]
        if isinstance(self.folds, str):
            named.append(self.folds)
        missing = [name for name in named if name is not None and name not in names]
        if missing:
            raise ValueError(
                f"the table has no column {missing[0]!r}; its columns are {', '.join(names[:10])}"
                f"{', ...' if len(names) > 10 else ''}."
            )
        features = [name for name in names if name not in named]
        if isinstance(summary._names, list) and set(features) == set(summary._names):
            features = summary._names  # the order of the first batch
        if not features:
            raise ValueError("no feature column is left besides the task, target and weights.")
        X = np.column_stack([_float_column(read(name), name) for name in features])
        y = np.column_stack([_float_column(read(name), name) for name in targets])
        folds = None
        if isinstance(self.folds, str):
            folds = read(self.folds)
        elif self.folds is not None:
            folds = _hashed(np.column_stack([X, y]), self._n_folds())
        tasks = None if self.task_column is None else read(self.task_column)
        weight = None if self.sample_weight is None else read(self.sample_weight)
        several = not isinstance(self.target, str)
        column = None
        if self.task_column is not None:
            apart = [name for name in named if name not in (None, self.task_column)]
            kept = [name for name in names if name not in apart]
            column = self.task_column, kept.index(self.task_column)
        return summary._take(
            X,
            features,
            y,
            list(targets) if several and len(targets) > 1 else [],
            tasks=tasks,
            folds=folds,
            sample_weight=weight,
            column=column,
        )

    def _n_folds(self) -> int:
        if isinstance(self.folds, str) or self.folds is None:
            raise ValueError(
                "folds must be a number of folds where batches are arrays: they have no columns."
            )
        return int(self.folds)


def summarize(
    batches: Any,
    *,
    task_column: str | None = None,
    target: str | list[str] = "y",
    folds: str | int | None = None,
    sample_weight: str | None = None,
    max_memory: int = _MAX_MEMORY,
) -> Summary:
    """Summarise tables of any size in one pass.

    Parameters
    ----------
    batches : table, iterable of tables or of tuples, or Dask collection
        A table is a pandas or polars DataFrame, or an Arrow table or record batch. Also: an Arrow
        data set, scanner or reader, of which one batch at a time is read; a Dask DataFrame, or a
        list of its delayed parts, whose partitions are summarised where they are and added up in
        pairs; an iterable of (X, y, tasks) or (X, y, tasks, sample_weight), tasks may be None.
    task_column : str, default=None
        Column of the task labels. None: one task, or one for each of several targets.
    target : str or list of str, default="y"
        Column to predict; several are one task each, on a shared X.
    folds : str or int, default=None
        Column of the cross-validation fold that a row is tested in; or the number of folds, dealt
        by a hash of the row's own numbers: the same for any order and partition, equal rows fall
        into the same fold.
    sample_weight : str, default=None
        Column of nonnegative weights.
    max_memory : int, default=4294967296
        See :class:`Summary`.

    Returns
    -------
    summary : Summary
        All other columns are features, in the order of the first batch.

    Raises
    ------
    ValueError, TypeError
        If columns are missing, are no numbers or differ between batches; the message names the
        batch.
    MemoryError
        If the statistics would take more than `max_memory`.

    Examples
    --------
    >>> from malsar_py import summarize
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> thirds = [slice(0, 1000), slice(1000, 3000), slice(3000, None)]
    >>> summarize((exam.data[rows], exam.target[rows], exam.tasks[rows]) for rows in thirds)
    Summary(4059 rows, 65 tasks, 15 features)
    """
    if isinstance(folds, Integral) and folds < 2:
        raise ValueError(f"folds must be a column or at least 2, got {folds}.")
    columns = Columns(task_column, target, folds, sample_weight, max_memory)
    parts = _delayed_parts(batches)
    if parts is not None:
        return _added_in_pairs(columns, parts)
    total = Summary(max_memory=max_memory)
    for number, batch in enumerate(_batches(batches)):
        columns.add_to(total, batch, number)
    return total


def _delayed_parts(batches: Any) -> list[Any] | None:
    """Delayed partitions of a Dask collection, None for anything else."""
    if hasattr(batches, "to_delayed") and hasattr(batches, "npartitions"):
        return list(batches.to_delayed())
    if isinstance(batches, list) and batches and all(hasattr(b, "dask") for b in batches):
        return batches
    return None


def _added_in_pairs(columns: Columns, parts: list[Any]) -> Summary:
    from dask.base import compute
    from dask.delayed import delayed

    summary = delayed(columns.summary, pure=False)
    add = delayed(_add, pure=False)
    level = [summary(part, number) for number, part in enumerate(parts)]
    while len(level) > 1:
        pairs = [add(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    (total,) = compute(level[0])
    assert isinstance(total, Summary)
    return total


def _add(first: Summary, second: Summary) -> Summary:
    return first + second


def _batches(batches: Any) -> Iterator[Any]:
    """One table or tuple after the other."""
    if hasattr(batches, "to_batches") and not hasattr(batches, "to_pydict"):  # Arrow data set
        yield from batches.to_batches()
    elif hasattr(batches, "collect"):  # polars' LazyFrame
        raise TypeError(
            f"a lazy {type(batches).__name__} has no rows yet: pass its collect(), or batches."
        )
    elif frame_columns(batches) is not None or hasattr(batches, "to_pydict"):
        yield batches
    elif isinstance(batches, Iterable):
        yield from batches
    else:
        raise TypeError(
            "batches must be a table, an iterable of tables or of (X, y, tasks), or a Dask "
            f"DataFrame, got {type(batches).__name__}."
        )


def _table(batch: Any) -> tuple[Callable[[str], AnyArray], list[str], int]:
    """How to read a column, the names of all, and the number of rows."""
    if hasattr(batch, "to_pydict") and hasattr(batch, "schema"):  # Arrow: table or record batch

        def column(name: str) -> AnyArray:
            return np.asarray(batch.column(name).to_numpy(zero_copy_only=False))

        return column, list(batch.schema.names), batch.num_rows
    names = frame_columns(batch)
    if names is None:
        raise TypeError(
            f"expected a table or (X, y, tasks), got {type(batch).__name__}: arrays have no "
            "columns to find task and target by."
        )
    return lambda name: batch[name], names, len(batch)


def _float_column(values: Any, name: str) -> FloatArray:
    """A column as float64, null as NaN; a hole in a feature is refused by the summary."""
    try:
        if hasattr(values, "to_numpy"):
            values = values.to_numpy()
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {name!r} does not hold numbers ({error}): encode or leave it out."
        ) from error


def _as_array(X: Any) -> Any:
    return X if hasattr(X, "__len__") else np.asarray(X)


def _numbers(X: Any, y: Any) -> FloatArray:
    return np.column_stack([np.asarray(X, np.float64), np.asarray(y, np.float64)])


def _hashed(values: FloatArray, n_folds: int) -> IntArray:
    """Each row's numbers, mixed to one of so many folds (splitmix64 of Steele, Lea, Flood 2014)."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)  # -0.0 is 0.0
    state = np.zeros(len(values), np.uint64)
    for column in bits.T:
        state = (state ^ column) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state % np.uint64(n_folds)).astype(np.intp)
