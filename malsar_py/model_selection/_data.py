"""What fits and scores are given, and its rows."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

from sklearn.utils import _safe_indexing, indexable

from .._given import native
from .._labels import refuse_list_of_tables
from .._summary import Summary
from .._tasks import refuse_beside
from .._typing import IntArray


@dataclass(frozen=True, eq=False)
class Data:
    """What a fit is given."""

    X: Any
    y: Any
    tasks: Any = None
    sample_weight: Any = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What goes beside X and y, by name."""
        return {"tasks": self.tasks, "sample_weight": self.sample_weight}

    def take(self, rows: IntArray) -> Data:
        """Some of the rows."""
        weight = self.sample_weight
        return Data(
            _safe_indexing(self.X, rows),
            _safe_indexing(self.y, rows),
            None if self.tasks is None else _safe_indexing(self.tasks, rows),
            weight if _is_number(weight) else _safe_indexing(weight, rows),
        )


@dataclass(frozen=True, eq=False)
class SummaryData(Data):
    """A summary in the place of all that a fit is given."""

    def take(self, rows: Any) -> Data:
        """The rows of some folds."""
        return SummaryData(self.X.pooled(rows), None)


def read_data(X: Any, y: Any, tasks: Any, sample_weight: Any) -> Data:
    """The same as things of which rows can be taken; a single weight stays one."""
    if isinstance(X, Summary):
        refuse_beside(y=y, tasks=tasks, sample_weight=sample_weight)
        return SummaryData(X, None)
    X, y, tasks, sample_weight = map(native, (X, y, tasks, sample_weight))
    refuse_list_of_tables(X)
    if _is_number(sample_weight):
        X, y, tasks = indexable(X, y, tasks)
    else:
        X, y, tasks, sample_weight = indexable(X, y, tasks, sample_weight)
    return Data(X, y, tasks, sample_weight)


def _is_number(weight: Any) -> bool:
    return weight is None or isinstance(weight, numbers.Number)
