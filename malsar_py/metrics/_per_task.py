"""Metrics of each task by sums over its rows: no loop over tasks, a search scores often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..losses import D2_GAMMA, D2_POISSON, UnitScore, d2_pinball
from ._rows import Kind, Rows, ratio, read_rows, sums


def mse(rows: Rows) -> FloatArray:
    """Mean squared error."""
    return rows.means(np.square(rows.y - rows.p))


def rmse(rows: Rows) -> FloatArray:
    """Root mean squared error."""
    return np.sqrt(mse(rows))


def mae(rows: Rows) -> FloatArray:
    """Mean absolute error."""
    return rows.means(np.abs(rows.y - rows.p))


def scatter(rows: Rows) -> FloatArray:
    """Sum of squares of the targets around their task's mean, exactly 0 where they are equal."""
    first = np.zeros(rows.n_tasks)
    first[rows.codes] = rows.y
    varies = rows.sums(rows.y != first[rows.codes]) > 0.0
    return np.where(varies, rows.sums(np.square(rows.y - rows.means(rows.y)[rows.codes])), 0.0)


def nmse(rows: Rows) -> FloatArray:
    """Squared error over the scatter of the targets."""
    return ratio(rows.sums(np.square(rows.y - rows.p)), scatter(rows))


def r2(rows: Rows) -> FloatArray:
    """Coefficient of determination."""
    return 1.0 - nmse(rows)


def amse(rows: Rows) -> FloatArray:
    """Squared error over the squares of the targets."""
    return ratio(rows.sums(np.square(rows.y - rows.p)), rows.sums(np.square(rows.y)))


def poisson_deviance(rows: Rows) -> FloatArray:
    """Mean Poisson deviance."""
    return _deviance(rows, D2_POISSON, "Poisson")


def gamma_deviance(rows: Rows) -> FloatArray:
    """Mean gamma deviance."""
    return _deviance(rows, D2_GAMMA, "gamma")


def _deviance(rows: Rows, score: UnitScore, name: str) -> FloatArray:
    score.check(rows.y)
    if not (rows.p > 0.0).all():
        raise ValueError(
            f"The {name} deviance is for predictions > 0, got {rows.p.min():g}: fit with "
            f"loss={name.lower()!r}, whose predictions are."
        )
    return rows.means(2.0 * score.loss(rows.y, rows.p))


def pinball_loss(rows: Rows, alpha: float = 0.5) -> FloatArray:
    """Mean pinball loss."""
    return rows.means(d2_pinball(alpha).loss(rows.y, rows.p))


def accuracy(rows: Rows) -> FloatArray:
    """Share of right labels."""
    return rows.means(rows.y == rows.p)


def f1(rows: Rows) -> FloatArray:
    """2 TP / (2 TP + FP + FN)."""
    return ratio(
        2.0 * rows.sums(rows.positive & rows.hit), rows.sums(rows.positive) + rows.sums(rows.hit)
    )


def log_loss(rows: Rows) -> FloatArray:
    """Minus the mean log probability of the true class."""
    eps = np.finfo(np.float64).eps  # as scikit-learn does
    return rows.means(-np.log(np.clip(np.where(rows.positive, rows.p, 1.0 - rows.p), eps, 1 - eps)))


def auc(rows: Rows) -> FloatArray:
    """Share of pairs of both classes that are in order; ties count half."""
    order = np.lexsort((rows.p, rows.codes))
    codes, p, weight = rows.codes[order], rows.p[order], rows.weight[order]
    positive = np.where(rows.positive[order], weight, 0.0)
    negative = weight - positive
    # Rows of a task with the same score are one step of its ROC curve.
    starts = np.flatnonzero(np.r_[True, (np.diff(codes) != 0) | (np.diff(p) != 0.0)])
    task = codes[starts]
    up, across = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    before = np.cumsum(across) - across
    before -= before[np.searchsorted(task, task)]  # from the task's first step on
    pairs = sums(task, up * (before + 0.5 * across), rows.n_tasks)
    return ratio(pairs, sums(task, up, rows.n_tasks) * sums(task, across, rows.n_tasks))


@dataclass(frozen=True)
class Metric:
    """A metric of tasks: what it reads and how it is computed."""

    kind: Kind
    compute: Callable[[Rows], FloatArray]


METRICS = {
    "mse": Metric("values", mse),
    "rmse": Metric("values", rmse),
    "mae": Metric("values", mae),
    "r2": Metric("values", r2),
    "nmse": Metric("values", nmse),
    "amse": Metric("values", amse),
    "poisson_deviance": Metric("values", poisson_deviance),
    "gamma_deviance": Metric("values", gamma_deviance),
    "pinball_loss": Metric("values", pinball_loss),
    "accuracy": Metric("labels", accuracy),
    "f1": Metric("classes", f1),
    "auc": Metric("scores", auc),
    "log_loss": Metric("probabilities", log_loss),
}


def task_scores(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    metric: str | Callable[..., float] = "rmse",
    sample_weight: Any = None,
    classes: Any = None,
    labels: Any = None,
) -> FloatArray:
    """One value of a metric per task.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions: values; class labels for "accuracy" and "f1"; scores or probabilities of the
        positive class for "auc"; its probabilities for "log_loss". For the last two the
        (n_samples, 2) array of `predict_proba` will do, too; for "log_loss" of more than two
        classes it is needed, (n_samples, n_classes) or (n_samples, n_tasks, n_classes).
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    metric : str or callable, default="rmse"
        A callable is called as ``metric(y_true, y_pred)`` with the rows of one task, and
        ``sample_weight=`` if there is one, such as the functions of `sklearn.metrics`. Or a name,
        with sums weighted by sample_weight:

        - "mse", "rmse", "mae": (root) mean squared error, mean absolute error;
        - "r2": ``1 - SSE / sum (y - mean y)^2``, and "nmse": 1 - r2, that is, the MSE divided by
          the variance of the task's targets;
        - "amse": ``SSE / sum y^2``;
        - "poisson_deviance" (y >= 0) and "gamma_deviance" (y > 0), of predictions > 0: the mean of
          ``2 (y log(y / p) - y + p)`` and of ``2 (log(p / y) + y / p - 1)``; "pinball_loss" of the
          median, half the "mae";
        - "accuracy"; "f1" of the positive class; "auc", the area under the ROC curve; "log_loss".
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights of the rows; rows of weight 0 are skipped.
    classes : pair of labels, default=None
        The negative and the positive class, as in a classifier's `classes_`. None: the larger of
        the labels in y_true is the positive one; 1, if only one of -1, 0 and 1 occurs. For
        "log_loss" of more: all of them, in the order of the probabilities.
    labels : array-like of shape (n_tasks,), default=None
        The tasks in the order wanted, such as a model's `tasks_`; it must hold all of `tasks`.

    Returns
    -------
    scores : ndarray of shape (n_tasks,)
        In the order of `labels`, else of the sorted labels (ordered categories in their order), or
        of the columns of y_true. NaN where
        the metric is not defined: no row; "r2" and "nmse" of equal targets (a single row, too);
        "amse" of zeros; "auc" of one class; "f1" without a positive, true or predicted.

    Raises
    ------
    ValueError
        If shapes differ, y_pred is NaN where y_true is observed, nothing is observed, or the
        metric is not known.

    Examples
    --------
    >>> from malsar_py.metrics import task_scores
    >>> y_true, y_pred = [1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 4.0, 5.0]
    >>> task_scores(y_true, y_pred, ["a", "b", "b", "b"])
    array([0.        , 0.577...])
    >>> task_scores(y_true, y_pred, ["a", "b", "b", "b"], metric="r2")
    array([       nan, 0.785...])
    """
    if callable(metric):
        return _by_callable(metric, y_true, y_pred, tasks, sample_weight, labels)
    if metric not in METRICS:
        raise ValueError(f"metric must be a callable or one of {sorted(METRICS)}, got {metric!r}.")
    found = METRICS[metric]
    rows = read_rows(
        y_true,
        y_pred,
        tasks,
        found.kind,
        sample_weight=sample_weight,
        classes=classes,
        labels=labels,
    )
    return found.compute(rows)


def _by_callable(
    metric: Callable[..., float],
    y_true: Any,
    y_pred: Any,
    tasks: Any,
    sample_weight: Any,
    labels: Any,
) -> FloatArray:
    rows = read_rows(y_true, y_pred, tasks, "any", sample_weight=sample_weight, labels=labels)
    scores = np.full(rows.n_tasks, np.nan)
    for t in np.unique(rows.codes):
        own = rows.codes == t
        extra = {} if sample_weight is None else {"sample_weight": rows.weight[own]}
        scores[t] = metric(rows.y[own], rows.p[own], **extra)
    return scores
