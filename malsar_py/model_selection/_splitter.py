"""What task splitters share: labels from a column or the keyword, classes, what counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from .._labels import (
    as_labels,
    as_table,
    column_position,
    factorize,
    frame_columns,
    label_order,
    native,
    show_labels,
    split_column,
)
from .._tasks import _weights, class_targets
from .._typing import AnyArray

_CLASSES = ("binary", "multiclass")


class TooManyFolds(ValueError):
    """With another number of folds the data might be split."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows to split. Classes of rows that do not count mean nothing."""

    # (n,) bool, target observed and weight positive; with one task per column of y: (n, n_tasks)
    observed: AnyArray
    labels: AnyArray  # (n_tasks,) distinct labels of the tasks, in their order
    tasks: AnyArray  # (n,) code of each row's task
    classes: AnyArray  # (n,) code of each row's class; 0 without stratification
    cells: AnyArray  # by column: (n, n_cells) bool, what is to be spread: (task, class) pairs
    columns: AnyArray  # by column: names of the columns of y
    by_column: bool


class TaskSplitter(BaseCrossValidator):
    """Base of the splitters."""

    # With metadata routing on, searches pass these without set_split_request.
    __metadata_request__split: ClassVar = {"tasks": True, "sample_weight": True}

    task_column: int | str | None
    stratify: bool | Literal["auto"] = False

    def _set_options(self, task_column: int | str | None, stratify: bool | Literal["auto"]) -> None:
        if not (isinstance(stratify, bool | np.bool_) or stratify == "auto"):
            raise ValueError(f'stratify must be "auto", True or False, got {stratify!r}.')
        self.task_column = task_column
        self.stratify = stratify

    def _refuse_groups(self, groups: Any) -> None:
        if groups is not None:
            raise ValueError(
                f"{type(self).__name__} takes labels as `tasks` or by task_column, not `groups`: "
                "TaskGroupKFold keeps the rows of a group together."
            )

    def _read(self, X: Any, y: Any, tasks: Any, sample_weight: Any = None) -> Sample:
        """Check what is to be split."""
        labels, source, order = self._labels(X, tasks)
        n_rows = _num_samples(X)
        if labels is not None and len(labels) != n_rows:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"{source} has {len(labels)} labels, X has {n_rows} rows."
            )
        values, observed = None, np.ones(n_rows, bool)
        if y is not None:
            y = native(y)
            values, observed = class_targets(y)
            check_consistent_length(X, values)
        elif self.stratify is True:
            raise ValueError("stratify=True needs y.")
        if sample_weight is not None:
            observed = observed & (_weights(sample_weight, observed, observed.shape) > 0)
        if values is not None and values.ndim == 2:
            if values.shape[1] > 1:
                if labels is not None:
                    raise ValueError(
                        f"y of shape {values.shape} holds one task per column, which cannot be "
                        f"combined with {source}."
                    )
                return self._read_columns(values, observed, frame_columns(y))
            values, observed = values[:, 0], observed[:, 0]
        distinct, codes = np.zeros(1, np.intp), np.zeros(n_rows, np.intp)
        if labels is not None:
            distinct, codes = factorize(labels, source, order)
        classes = np.zeros(n_rows, np.intp)
        if values is not None and self._stratified(values[observed]):
            classes[observed] = factorize(values[observed], "y")[1]
        none = np.empty(0)
        return Sample(observed, distinct, codes, classes, none, none, by_column=False)

    def _read_columns(
        self, values: AnyArray, observed: AnyArray, names: list[Any] | None
    ) -> Sample:
        columns = np.array(range(values.shape[1]) if names is None else names, dtype=object)
        counts = observed.sum(axis=0)
        if counts.min() < 2:
            raise ValueError(
                f"Columns of y with fewer than two observed targets (of positive weight) cannot be "
                f"kept in every training part: {show_labels(columns[counts < 2])}. Drop them."
            )
        cells = observed
        if self._stratified(values[observed]):
            classes = factorize(values[observed], "y")[0]
            cells = np.hstack([observed & (values == label) for label in classes])
        none = np.empty(0)
        return Sample(observed, none, none, none, cells, columns, by_column=True)

    def _labels(self, X: Any, tasks: Any) -> tuple[AnyArray | None, str, AnyArray | None]:
        """Labels of the rows, the words that name their door, the order of ordered ones."""
        source = "`tasks`"
        if self.task_column is not None:
            source = f"task_column={self.task_column!r}"
            if tasks is not None:
                raise ValueError(f"Task labels were given twice, by {source} and by `tasks`.")
            table = as_table(X, accept_sparse=True)
            tasks, _ = split_column(table, column_position(table, self.task_column))
        if tasks is None:
            return None, "", None
        return as_labels(tasks, source), source, label_order(tasks, source)

    def _stratified(self, values: AnyArray) -> bool:
        """Whether to keep class proportions of the targets that count."""
        if self.stratify is False or not values.size:
            return False
        if self.stratify == "auto":
            if values.dtype.kind not in "iuf":
                return values.dtype.kind != "S" and type_of_target(values) in _CLASSES
            # More than two numbers may be counts or grades.
            return len(np.unique(values)) <= 2 and type_of_target(values) == "binary"
        if type_of_target(values) not in _CLASSES:
            raise ValueError(
                "stratify=True needs a y of classes; supported target types are: "
                f"{_CLASSES}. Got {type_of_target(values)!r} instead."
            )
        return True
