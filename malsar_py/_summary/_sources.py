"""Where rows come from: tables in batches, Arrow, Dask; none of these is imported unless given."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import _num_samples

from .. import _kernels
from .._labels import frame_columns
from .._typing import AnyArray, FloatArray, IntArray
from ._summary import MAX_MEMORY, Summary


class BatchRows(NamedTuple):
    """What a batch holds, labels and weights as given."""

    X: Any
    names: list[Any] | None  # of a table's features; None: X and y are as in `fit`
    y: Any  # of a table its columns, with their names
    tasks: Any
    folds: Any
    sample_weight: Any
    column: tuple[str, int] | None  # where the labels were


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
        rows = self.rows(batch, summary._names)
        if rows is None:
            return summary
        given = {"tasks": rows.tasks, "folds": rows.folds, "sample_weight": rows.sample_weight}
        if rows.names is None:
            return summary.update(rows.X, rows.y, **given)
        several = not isinstance(self.target, str)
        y = np.column_stack([_float_column(*column) for column in rows.y])
        names = [name for _, name in rows.y] if several and len(rows.y) > 1 else []
        return summary._take(rows.X, rows.names, y, names, column=rows.column, **given)

    def rows(self, batch: Any, known: list[Any] | None) -> BatchRows | None:
        """The rows of a batch, columns in the order of those known; None if there are none."""
        if isinstance(batch, tuple):
            X, y, tasks, weight = (*batch, None, None)[:4]
            if _num_samples(X) == 0:
                return None
            folds = None
            if self.folds is not None:
                folds = _hashed(_numbers(X), _numbers(y), self._n_folds())
            return BatchRows(X, None, y, tasks, folds, weight, None)
        read, names, n_rows = _table(batch)
        if n_rows == 0:  # an empty partition
            return None
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
        if isinstance(known, list) and set(features) == set(known):
            features = known  # the order of the first batch
        if not features:
            raise ValueError("no feature column is left besides the task, target and weights.")
        X = np.column_stack([_float_column(read(name), name) for name in features])
        y = [(read(name), name) for name in targets]
        folds = None
        if isinstance(self.folds, str):
            folds = read(self.folds)
        elif self.folds is not None:
            numbers = np.column_stack([_float_column(*column) for column in y])
            folds = _hashed(X, numbers, self._n_folds())
        tasks = None if self.task_column is None else read(self.task_column)
        weight = None if self.sample_weight is None else read(self.sample_weight)
        column = None
        if self.task_column is not None:
            apart = [name for name in named if name not in (None, self.task_column)]
            kept = [name for name in names if name not in apart]
            column = self.task_column, kept.index(self.task_column)
        return BatchRows(X, features, y, tasks, folds, weight, column)

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
    max_memory: int = MAX_MEMORY,
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
    return added_up(batches, Columns(task_column, target, folds, sample_weight, max_memory))


def added_up(batches: Any, columns: Columns) -> Summary:
    """The summary of all batches."""
    if _delayed_parts(batches) is not None:
        found = added(batches, columns.summary)
        assert isinstance(found, Summary)
        return found
    total = Summary(max_memory=columns.max_memory)
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


def added(batches: Any, summarise: Callable[[Any, int], Any]) -> Any:
    """What the batches give, added up: of a Dask collection in pairs, where its partitions are."""
    parts = _delayed_parts(batches)
    if parts is None:
        total: Any = 0
        for number, batch in enumerate(_batches(batches)):
            total = total + summarise(batch, number)
        return total
    from dask.base import compute
    from dask.delayed import delayed

    once, add = delayed(summarise, pure=False), delayed(operator.add, pure=False)
    level = [once(part, number) for number, part in enumerate(parts)]
    while len(level) > 1:
        pairs = [add(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return compute(level[0])[0]


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
    elif isinstance(batches, str | PathLike):
        raise TypeError(
            f"{str(batches)!r} is the name of a file, which is not read here: pass "
            "pandas.read_csv(..., chunksize=), pyarrow.dataset.dataset(...) or a Dask DataFrame."
        )
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


def _numbers(values: Any) -> FloatArray:
    return np.ascontiguousarray(values, np.float64).reshape(len(values), -1)


def _hashed(X: FloatArray, y: FloatArray, n_folds: int) -> IntArray:
    """Each row's numbers, mixed to one of so many folds."""
    folds = np.empty(len(X), np.intp)
    _kernels.moments.hash_rows(X.view(np.uint64), y.view(np.uint64), n_folds, folds)
    return folds
