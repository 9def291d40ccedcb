"""Tall rows of a search by the moments of its folds: one pass for all fits and scores.

What a fold trains on is the total less the fold. That pays where each training part has many more
rows than features. Where features are nearly dependent, or explain nearly all of a target, products
have lost digits that rows have: the search stays with the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from .._condensed import keeps_digits
from .._labels import as_labels
from .._scoring import is_own
from .._summary import Moments, Summary
from .._typing import IntArray
from ._data import Data, SummaryData
from ._moment_scores import has_moment_score
from ._template import Setting, Template

Splits = list[tuple[Any, Any]]

# Searches of fewer numbers are soon done; so many rows for each that is left; so many columns.
_LEAST_SIZE, _LEAST_RATIO, _MOST_COLUMNS = 1 << 19, 16, 512
# Bytes of the moments, and parts that are looked at one by one.
_MOST_BYTES, _MOST_PARTS = 1 << 28, 1000


def by_moments(
    template: Template, data: Data, settings: list[Setting], splits: Splits, scoring: Any
) -> tuple[Data, Splits] | None:
    """The same search on a summary of the rows, None if that is impossible or does not pay."""
    if isinstance(data, SummaryData) or template.is_pipeline or data.sample_weight is not None:
        return None
    # What most searches are refused for comes first, and costs nothing.
    if not (has_moment_score(scoring) and _is_tall(data, len(splits))):
        return None
    folds = _fold_of_rows(_num_samples(data.X), splits)
    if folds is None or not all(_is_for_moments(template.parts(s)[1]) for s in settings):
        return None
    summary = Summary(max_memory=_MOST_BYTES).update(data.X, data.y, tasks=data.tasks, folds=folds)
    every, d = summary.folds_, summary.n_features_in_
    assert every is not None
    parts = [(np.delete(every, k), every[k : k + 1]) for k in range(len(every))]
    n_tasks = 1 if summary.n_targets > 1 else len(summary.tasks_)
    for train, test in parts:
        trained, tested = (summary.pooled(part).moments for part in (train, test))
        if not (trained.n_keys == tested.n_keys == n_tasks and _keep_digits(trained, d)):
            return None
    return SummaryData(summary, None), parts


def _keep_digits(moments: Moments, d: int) -> bool:
    """Whether there are many rows of each task, and features that are not nearly dependent."""
    if moments.n.min() < _LEAST_RATIO * moments.shift.shape[1]:
        return False
    each = zip(moments.full_scatter(), moments.weight.tolist(), strict=True)
    return all(keeps_digits(scatter, weight, d) for scatter, weight in each)


def _is_for_moments(model: Any) -> bool:
    return (
        model.task_column is None
        and not model._needs_rows()
        and all(is_own(model, name) for name in ("score", "predict"))
    )


def _fold_of_rows(n_rows: int, splits: Splits) -> IntArray | None:
    """The fold that each row is tested in, None unless it is one, and the others train it."""
    folds = np.full(n_rows, -1)
    for k, (train, test) in enumerate(splits):
        if len(train) + len(test) != n_rows or (folds[test] >= 0).any():
            return None
        folds[test] = k
        seen = np.zeros(n_rows, bool)
        seen[train] = True
        if seen[test].any() or int(seen.sum()) != len(train):
            return None
    return None if (folds < 0).any() else folds


def _is_tall(data: Data, n_folds: int) -> bool:
    """Whether the data are finite arrays of numbers, of the size for which moments are."""
    X, y = data.X, data.y
    if not (_is_numeric(X) and _is_numeric(y) and np.ndim(X) == 2 and np.ndim(y) in (1, 2)):
        return False
    n, d = X.shape
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    if y.ndim == 2 and (n_targets == 1 or data.tasks is not None):
        return False
    p = d + n_targets
    if n * d < _LEAST_SIZE or p > _MOST_COLUMNS:
        return False
    tasks = 1 if data.tasks is None else len(set(as_labels(data.tasks, "`tasks`").tolist()))
    return bool(
        n >= _LEAST_RATIO * p * tasks
        and tasks * n_folds <= _MOST_PARTS
        and 8 * tasks * n_folds * p * p <= _MOST_BYTES
        and np.isfinite(X.sum())
        and np.isfinite(y.sum())
    )


def _is_numeric(values: Any) -> bool:
    """Whether these are numbers, in an array."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
