"""The score of an estimator: the mean over tasks of a unit score, the same for every door."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import _safe_indexing, assert_all_finite

from ._given import native
from ._labels import factorize
from ._tasks import ScoreRows, relative
from ._typing import AnyArray, FloatArray, IntArray
from .losses import UnitScore


def is_own(estimator: Any, method: str) -> bool:
    """Whether a method is the library's, and not that of a subclass or a mixin."""
    return bool(getattr(estimator, method).__module__.partition(".")[0] == __package__)


def own_prediction(estimator: Any, scored: ScoreRows, X: Any, tasks: Any) -> AnyArray:
    """What a predict of somebody else's says of the rows that count."""
    counts = np.atleast_1d(scored.observed.reshape(len(scored.observed), -1).any(axis=1))
    rows = np.flatnonzero(counts)
    labels = {}
    if tasks is not None and _takes(estimator.predict, "tasks"):  # else it finds its own
        labels["tasks"] = _safe_indexing(native(tasks), rows)
    found = np.asarray(estimator.predict(_safe_indexing(native(X), rows), **labels))
    if found.shape[:1] != rows.shape:
        raise ValueError(
            f"{type(estimator).__name__}.predict returned an array of shape {found.shape} for "
            f"{len(rows)} rows."
        )
    prediction = np.empty((len(counts), *found.shape[1:]), found.dtype)
    prediction[rows] = found
    return prediction


def _takes(method: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(method).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def positions(rows: ScoreRows) -> IntArray:
    """Positions of the tasks of the targets (m,), -1 for one that was not fitted."""
    index = rows.rows.index
    return np.nonzero(rows.observed)[1] if index is None else index[rows.observed]


def score_rows(
    rows: ScoreRows, prediction: AnyArray, metrics: list[tuple[UnitScore, AnyArray]]
) -> float:
    """Score the prediction for `rows.rows`, one column per task where these are for all tasks.

    ``metrics`` are the unit scores with the masks of their rows.
    """
    y, found = rows.y, prediction[rows.observed]
    if y.dtype.kind == "O" and isinstance(y[0], Integral):
        # Classes beyond 64 bits, which sklearn does not read: as positions, -1 where wrong.
        codes = factorize(y, "y")[1]
        y, found = codes, np.where(y == found, codes, -1)
    if len(metrics) == 1:
        return task_mean_score(metrics[0][0], y, found, rows.group, rows.sample_weight)
    return float(mixed_mean_scores(metrics, y, found[:, None], rows.group, rows.sample_weight)[0])


def task_mean_score(
    metric: UnitScore,
    y_true: AnyArray,
    y_pred: AnyArray,
    group: IntArray,
    sample_weight: FloatArray | None = None,
) -> float:
    """Mean over tasks of the metric; `group` holds a task code per row, all targets are observed.

    A task with fewer than two rows or a constant target has no R2 or D2 of its own: such tasks are
    pooled into one extra group. It counts if the metric is defined on it (accuracy always is, R2
    and D2 need two different targets), or if there is nothing else: then sklearn's convention
    decides. One task gives sklearn's own score.
    """
    weight = None if sample_weight is None else relative(sample_weight)
    whole = np.nan
    if metric.whole is not None:
        # Of all rows first: sklearn's checks, and its own score where there is one task.
        whole = float(metric.whole(y_true, y_pred, sample_weight=weight))
    groups = _groups(metric, y_true, group)
    if metric.whole is not None and len(groups) == 1 and len(groups[0]) == len(y_true):
        return whole
    return float(_scores_of(groups, metric, y_true, y_pred[:, None], weight).mean(axis=0)[0])


def task_mean_scores(
    metric: UnitScore,
    y_true: AnyArray,
    y_pred: AnyArray,
    group: IntArray,
    sample_weight: FloatArray | None = None,
) -> FloatArray:
    """`task_mean_score` of every column of y_pred (n, k) at once; labels as positions in classes.

    Many predictions of the same targets: what of the metric is about the targets is done once.
    """
    weight = None if sample_weight is None else relative(sample_weight)
    groups = _groups(metric, y_true, group)
    alone = metric.constant is not None and len(groups) == 1 and _constant(y_true[groups[0]])
    if alone and metric.whole is not None:
        return np.array([metric.whole(y_true, p, sample_weight=weight) for p in y_pred.T])
    return _scores_of(groups, metric, y_true, y_pred, weight).mean(axis=0)


def mixed_mean_scores(
    metrics: list[tuple[UnitScore, AnyArray]],
    y_true: AnyArray,
    y_pred: AnyArray,
    group: IntArray,
    sample_weight: FloatArray | None = None,
) -> FloatArray:
    """The same where tasks have unit scores of their own, each with the mask of its rows."""
    weight = None if sample_weight is None else relative(sample_weight)
    found = []
    for metric, own in metrics:
        y, p, kept = y_true[own], y_pred[own], None if weight is None else weight[own]
        found.append(_scores_of(_groups(metric, y, group[own]), metric, y, p, kept))
    return np.concatenate(found).mean(axis=0)


def _scores_of(
    groups: list[IntArray],
    metric: UnitScore,
    y_true: AnyArray,
    y_pred: AnyArray,
    sample_weight: FloatArray | None,
) -> FloatArray:
    """The same, of targets and predictions that are checked."""
    if metric.whole is None:
        assert_all_finite(y_pred, input_name="the prediction")
        metric.check(y_true)
        if len(y_true) < 2:
            warnings.warn(
                "D^2 score is not well-defined with less than two samples.",
                UndefinedMetricWarning,
                stacklevel=2,
            )
            return np.full((1, y_pred.shape[1]), np.nan)
    return _each(groups, metric, y_true, y_pred, sample_weight)


def _each(
    groups: list[IntArray],
    metric: UnitScore,
    y_true: AnyArray,
    y_pred: AnyArray,
    sample_weight: FloatArray | None,
) -> FloatArray:
    """The groups' scores, one a row, for every column of y_pred."""
    sizes = [len(members) for members in groups]
    rows, starts = np.concatenate(groups), np.cumsum([0, *sizes[:-1]])
    y, p = y_true[rows], y_pred[rows]
    w = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
    total = np.add.reduceat(w, starts)
    if metric.constant is None:
        right = np.add.reduceat(w[:, None] * ~metric.loss(y[:, None], p), starts)
        return right / total[:, None]
    best = np.repeat(metric.constant(y, w, starts), sizes)
    spread = np.add.reduceat(w * metric.loss(y, best), starts)[:, None]
    error = np.add.reduceat(w[:, None] * metric.loss(y[:, None], p), starts)
    # As in sklearn: where the spread is lost in underflow, 1 for what is right and 0 for the rest.
    lost = np.where(error > 0.0, 1.0, 0.0)
    return 1.0 - np.divide(error, spread, out=lost, where=spread > 0.0)


def _groups(metric: UnitScore, y_true: AnyArray, group: IntArray) -> list[IntArray]:
    """The rows of each task that has a score of its own, and of those that are pooled."""
    # A stable sort keeps a task's rows in their order: one task is summed as sklearn sums it.
    order = np.argsort(group, kind="stable")
    ends = np.flatnonzero(np.diff(group[order])) + 1
    groups: list[IntArray] = []
    pooled: list[IntArray] = []
    for members in np.split(order, ends):
        (pooled if _constant(y_true[members]) else groups).append(members)
    if pooled:
        members = np.sort(np.concatenate(pooled))
        if not groups or metric.constant is None or not _constant(y_true[members]):
            groups.append(members)
    return groups


def _constant(y: AnyArray) -> bool:
    return bool((y == y[0]).all())
