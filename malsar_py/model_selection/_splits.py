"""The folds of a search: what a splitter is told, and which rows are scored."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _num_samples

from .._counted import counted_rows
from .._labels import as_labels, as_table, column_position, split_column
from .._typing import IntArray
from ._data import Data, SummaryData
from ._splitter import TaskSplitter, TooManyFolds
from ._template import Template, transform
from .group_kfold import TaskGroupKFold
from .kfold import Folds, TaskKFold

Splits = list[tuple[IntArray, IntArray]]

_DEFAULT = 5


def make_splits(
    cv: Any, data: Data, labels: Callable[[], Any], groups: Any, *, classifier: bool
) -> Splits:
    """Training and test rows of each fold; test rows are those that count.

    `labels` reads the labels of the rows, for a splitter that wants them.
    """
    if isinstance(data, SummaryData):
        return _folds_of(data, cv, groups)
    if groups is not None:
        check_consistent_length(data.X, groups)
    splitter = cv
    if cv is None or isinstance(cv, numbers.Integral):
        kind = TaskKFold if groups is None else TaskGroupKFold
        splitter = kind(_DEFAULT if cv is None else int(cv), stratify=classifier)
    splitter = check_cv(splitter)
    given = {"groups": groups, "sample_weight": data.sample_weight}
    takes = inspect.signature(splitter.split).parameters
    if groups is not None and "groups" not in takes:
        raise ValueError(f"cv={splitter!r} takes no groups: use TaskGroupKFold, for example.")
    if "tasks" in takes and not (
        isinstance(splitter, TaskSplitter) and splitter.task_column is not None
    ):
        given["tasks"] = labels()
    given = {name: value for name, value in given.items() if value is not None and name in takes}
    split = _as_many_folds if cv is None else _split
    return _counted(split(splitter, data, given), data)


def row_labels(template: Template, data: Data) -> Any:
    """Labels of the rows, read where the model reads them."""
    column = template.model.task_column
    if column is None:
        return data.tasks
    steps, _ = template.parts({})
    table = as_table(transform(steps, data)[0].X, accept_sparse=True)
    labels, _ = split_column(table, column_position(table, column))
    as_labels(labels, f"task_column={column!r}")  # what is wrong is said of the column
    return labels  # as they are: categories may have an order


def _folds_of(data: SummaryData, cv: Any, groups: Any) -> Splits:
    """Training and test folds of a summary."""
    if cv is not None or groups is not None:
        raise ValueError(
            "The folds of a summary are those that it was made with: leave cv and groups out."
        )
    folds = data.X.folds_
    if folds is None or len(folds) < 2:
        raise ValueError(
            "The summary has no folds to search by: make it with summarize(..., folds=5), or name "
            "a column with the fold of each row, of two or more."
        )
    return [(np.delete(folds, k), folds[k : k + 1]) for k in range(len(folds))]


def _split(splitter: Any, data: Data, given: dict[str, Any]) -> Splits:
    return list(splitter.split(data.X, data.y, **given))


def _as_many_folds(splitter: Folds, data: Data, given: dict[str, Any]) -> Splits:
    """As many folds as the data allow, of two test rows or more, up to what the splitter has."""
    while True:
        last = splitter.n_splits == 2
        try:
            splits = _split(splitter, data, given)
            if last or min(len(test) for _, test in splits) > 1:
                return splits
        except TooManyFolds as error:
            if last:
                raise ValueError(
                    f"The data allow no folds by default (cv=None): {error}"
                ) from error
        splitter.n_splits -= 1


def _counted(splits: Splits, data: Data) -> Splits:
    """Without the test rows that do not count: their labels may be those of no task in training."""
    rows, counts = np.arange(_num_samples(data.X)), counted_rows(data.y, data.sample_weight)
    if counts.all():
        return splits
    found = []
    for k, (train, test) in enumerate(splits):
        scored = rows[test][counts[test]]
        if not len(scored):
            raise ValueError(
                f"Fold {k}: none of its test rows counts, their targets are NaN (not observed) or "
                "of weight 0. The splitters of malsar_py.model_selection test no such rows."
            )
        found.append((train, scored))
    return found
