"""The rows that count in a score: those with an observed target of positive weight."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from ._given import native
from ._tasks import _weights, class_targets
from ._typing import AnyArray


def counted_rows(y: Any, sample_weight: Any = None) -> AnyArray:
    """Mask (n,) of the rows with an observed target of positive weight."""
    values, observed = class_targets(y)
    counts = observed & (_weights(sample_weight, values, values.shape) > 0)
    return np.asarray(counts.reshape(len(counts), -1).any(axis=1))


def only_counted(X: Any, y: Any, tasks: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
    """The same without the rows that do not count: their labels may not have been fitted.

    All of them, if none counts: a metric says so.
    """
    given = tuple(map(native, (X, y, tasks, sample_weight)))
    counts = counted_rows(y, sample_weight)
    if counts.all() or not counts.any():
        return X, y, tasks, sample_weight
    X, y, tasks, sample_weight = (
        part if part is None or isinstance(part, numbers.Number) else _safe_indexing(part, counts)
        for part in given
    )
    return X, y, tasks, sample_weight
