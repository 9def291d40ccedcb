"""A summary as the rows of a fit: few for each task, centred, the means beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._features import feature_names
from .._labels import match_keys, object_array
from .._standins import StandsFor
from .._tasks import TaskRows
from .._typing import AnyArray, IntArray
from ._moments import equivalent_rows

if TYPE_CHECKING:
    from ._summary import Summary


def task_rows(summary: Summary, estimator: Any) -> TaskRows:
    """Rows with the squared loss of all; sets what the estimator knows of its features."""
    refuse_rows_needed(estimator)
    return rows_of(summary, estimator)


def rows_of(summary: Summary, estimator: Any) -> TaskRows:
    """The same for an estimator of any loss."""
    return few_rows(summary.pooled(), *door_of(summary, estimator))


def door_of(summary: Summary, estimator: Any) -> tuple[str, AnyArray]:
    """How labels came, and names of features; sets what the estimator knows of these."""
    summary.moments  # noqa: B018 - an empty summary is refused
    column = _label_column(summary, estimator)
    _set_features(summary, estimator, column)
    labelled = "keyword" if column is None else "column"
    return labelled if summary._labelled[0] else "none", feature_names(estimator, column)


def few_rows(whole: Summary, door: str, names: AnyArray) -> TaskRows:
    """Rows of a summary without folds, by task; with several targets the door is "shared"."""
    moments, d, tasks = whole.moments, whole.n_features_in_, whole.tasks_
    if whole._targets:
        Z, sizes, weight = equivalent_rows(moments, np.zeros(1, np.intp))
        q = len(tasks)
        y, weight = Z[:, d:].T.flatten(), np.tile(weight, q)
        offsets = np.arange(q + 1, dtype=np.int64) * len(Z)
        means, door = np.repeat(moments.mean, q, axis=0), "shared"
        apart = np.zeros((q, d + 1))
        apart[:, d] = moments.mean[0, d:] - moments.mean[0, d]
        n, log_weight = np.repeat(moments.n, q), np.repeat(moments.log_weight, q)
        known = StandsFor(means[:, :d], moments.mean[0, d:], n, log_weight, apart)
    else:
        order = task_order(whole)
        Z, sizes, weight = equivalent_rows(moments, order)
        y = Z[:, d].copy()
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        means = moments.mean[order]
        apart = (moments.shift[order] - moments.shift[order[0]]) + (
            moments.offset[order] - moments.offset[order[0]]
        )
        n, log_weight = moments.n[order], moments.log_weight[order]
        known = StandsFor(means[:, :d], means[:, d], n, log_weight, apart)
    return TaskRows(
        np.ascontiguousarray(Z[:, :d]),
        y,
        weight,
        offsets,
        tasks,
        door,
        None,
        names,
        True,
        np.arange(len(Z)),
        stands_for=known,
    )


def task_order(summary: Summary) -> IntArray:
    """Positions in the moments of a summary without folds, in the order of its `tasks_`."""
    if not summary._labelled[0]:
        return np.zeros(1, np.intp)
    keys = [summary._keys[task, None] for task in summary._labels[0]]
    where = {key: t for t, key in enumerate(match_keys(summary.tasks_, summary.tasks_))}
    order = np.empty(len(keys), np.intp)
    order[[where[task] for task in summary._labels[0]]] = keys
    return order


def refuse_rows_needed(estimator: Any) -> None:
    """Refuse what needs more of the rows than a summary keeps."""
    reason = estimator._needs_rows()
    if reason:
        raise TypeError(
            f"{type(estimator).__name__} cannot be fitted to a summary, which keeps second moments "
            f"of each task: {reason}. Fit it to the rows themselves."
        )


def _label_column(summary: Summary, estimator: Any) -> int | None:
    """Position of the label column among those of X, None if labels were kept apart from X."""
    wanted = estimator.task_column
    if wanted is None:
        return None
    name, position = summary._column or (None, None)
    if position is None or wanted not in (name, position, position - summary.n_features_in_ - 1):
        labels = "were given as `tasks`" if summary._labelled[0] else "are missing"
        if name is not None:
            labels = f"came from column {name!r} (position {position})"
        raise ValueError(
            f"task_column={wanted!r}, but the task labels of the summary {labels}: set "
            f"task_column={name!r}, or summarize tables with task_column={wanted!r}."
        )
    return position


def _set_features(summary: Summary, estimator: Any, column: int | None) -> None:
    names = _names(summary, column)
    estimator.n_features_in_ = summary.n_features_in_ + (column is not None)
    if names is not None:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _names(summary: Summary, column: int | None) -> AnyArray | None:
    """Names of the columns of X as scikit-learn keeps them: all strings, or none."""
    assert summary._names is not None
    names = list(summary._names)
    if column is not None:
        assert summary._column is not None
        names.insert(column, summary._column[0])
    if summary._numbered or not all(isinstance(name, str) for name in names):
        return None
    return object_array(names)


def check_features(summary: Summary, estimator: Any) -> None:
    """Refuse features that are not those of the fit."""
    column = _label_column(summary, estimator)
    names, fitted = _names(summary, column), getattr(estimator, "feature_names_in_", None)
    if names is not None and fitted is not None and names.tolist() != fitted.tolist():
        raise ValueError(
            "The feature names should match those that were passed during fit, in the same order: "
            f"{fitted.tolist()[:5]}; the summary has {names.tolist()[:5]}."
        )
    n = summary.n_features_in_ + (column is not None)
    if n != estimator.n_features_in_:
        raise ValueError(
            f"The summary has {n} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
