"""One number for all tasks: means over tasks, and the multi-task literature's pooled measures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from .._typing import FloatArray
from ._per_task import METRICS, amse, nmse, pinball_loss, scatter
from ._rows import Rows, read_rows


def _mean(
    name: str,
    y_true: Any,
    y_pred: Any,
    tasks: Any,
    compute: Callable[[Rows], FloatArray] | None = None,
    **options: Any,
) -> float:
    """Mean over the tasks on which the metric is defined."""
    metric = METRICS[name]
    rows = read_rows(y_true, y_pred, tasks, metric.kind, **options)
    values = (compute or metric.compute)(rows)
    defined = values[~np.isnan(values)]
    if not len(defined):
        return _undefined(f"{name} is not defined on any of the {len(values)} tasks")
    return float(defined.mean())


def _undefined(why: str) -> float:
    warnings.warn(f"{why}: the score is NaN.", UndefinedMetricWarning, stacklevel=4)
    return np.nan


def mean_task_rmse(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the root mean squared error: ``1/T sum_t sqrt(SSE_t / n_t)``.

    Every task counts the same, whatever its size. MALSAR's example evaluation weights the tasks
    by their sizes instead.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    rmse : float
        In the units of y.

    Examples
    --------
    >>> from malsar_py.metrics import mean_task_rmse
    >>> mean_task_rmse([1.0, 2.0, 3.0], [2.0, 2.0, 0.0], tasks=["a", "b", "c"])
    1.33...
    """
    return _mean("rmse", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_mse(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the mean squared error: ``1/T sum_t SSE_t / n_t``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    mse : float
        In the squared units of y. It is twice the data term F of the regressors with equal task
        weights, divided by the number of tasks.
    """
    return _mean("mse", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_mae(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the mean absolute error.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    mae : float
        In the units of y.
    """
    return _mean("mae", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_poisson_deviance(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the mean Poisson deviance, ``2 (y log(y / p) - y + p)``.

    Twice the data term F of regressors with ``loss="poisson"``, divided by the number of tasks.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    deviance : float
        At least 0.

    Raises
    ------
    ValueError
        If a target is negative or a prediction is not positive.
    """
    return _mean("poisson_deviance", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_gamma_deviance(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the mean gamma deviance, ``2 (log(p / y) + y / p - 1)``.

    Twice the data term F of regressors with ``loss="gamma"``, divided by the number of tasks.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    deviance : float
        At least 0.

    Raises
    ------
    ValueError
        If a target or a prediction is not positive.
    """
    return _mean("gamma_deviance", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_pinball_loss(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    sample_weight: Any = None,
    alpha: float = 0.5,
) -> float:
    """Mean over tasks of the mean pinball loss, ``max(alpha r, (alpha - 1) r)`` with r = y - p.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.
    alpha : float, default=0.5
        The quantile that is predicted, in (0, 1). The scorer of this name is for the median.

    Returns
    -------
    loss : float
        In the units of y, at least 0.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha == {alpha!r}, must be in (0, 1).")
    compute = partial(pinball_loss, alpha=alpha)
    return _mean(
        "pinball_loss", y_true, y_pred, tasks, compute=compute, sample_weight=sample_weight
    )


def mean_task_r2(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of ``R2_t = 1 - SSE_t / sum (y - mean y)^2``.

    Tasks of equal targets, of one row above all, have no R2 and are skipped; the `score` of a
    regressor pools them into one more task instead.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    r2 : float
        At most 1.
    """
    return _mean("r2", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_accuracy(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """Mean over tasks of the share of right labels.

    The `score` of a classifier is the same, except that it pools tasks of one class into one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predicted class labels.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.

    Returns
    -------
    accuracy : float
        In [0, 1].
    """
    return _mean("accuracy", y_true, y_pred, tasks, sample_weight=sample_weight)


def mean_task_f1(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    sample_weight: Any = None,
    classes: Any = None,
) -> float:
    """Mean over tasks of the F1 score of the positive class, ``2 TP / (2 TP + FP + FN)``.

    A task without a positive, true or predicted, has no F1 and is skipped.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predicted class labels.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.
    classes : pair of labels, default=None
        The negative and the positive class, see `task_scores`.

    Returns
    -------
    f1 : float
        In [0, 1].
    """
    return _mean("f1", y_true, y_pred, tasks, sample_weight=sample_weight, classes=classes)


def mean_task_auc(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    sample_weight: Any = None,
    classes: Any = None,
) -> float:
    """Mean over tasks of the area under the ROC curve.

    Scores are compared within a task only. A task of one class has no AUC and is skipped.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Scores of the positive class: `decision_function` or `predict_proba`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.
    classes : pair of labels, default=None
        The negative and the positive class, see `task_scores`.

    Returns
    -------
    auc : float
        In [0, 1].

    References
    ----------
    .. [1] Y. Xue, X. Liao, L. Carin, B. Krishnapuram, "Multi-task learning for classification with
       Dirichlet process priors", JMLR 8, 2007 (the mean AUC of the 29 Landmine tasks).

    Examples
    --------
    >>> from malsar_py.metrics import mean_task_auc
    >>> mean_task_auc([0, 1, 0, 1, 1], [0.1, 0.3, 0.6, 0.5, 0.7], tasks=["a", "a", "b", "b", "b"])
    0.75
    """
    return _mean("auc", y_true, y_pred, tasks, sample_weight=sample_weight, classes=classes)


def mean_task_log_loss(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    sample_weight: Any = None,
    classes: Any = None,
) -> float:
    """Mean over tasks of the mean log loss, the data term F of the classifiers divided by T.

    Probabilities are kept away from 0 and 1 by the machine epsilon, as in scikit-learn.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Probabilities of the positive class, or of all classes in a last axis: `predict_proba`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights within the tasks; rows of weight 0 are skipped.
    classes : pair of labels, default=None
        The negative and the positive class, see `task_scores`.

    Returns
    -------
    log_loss : float
        At least 0, in nats.
    """
    return _mean("log_loss", y_true, y_pred, tasks, sample_weight=sample_weight, classes=classes)


def normalized_mse(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """NMSE of all rows together: the mean squared error divided by the variance of the targets.

    ``sum (y - p)^2 / sum (y - mean y)^2`` with sums and the mean over the rows of all tasks, which
    is ``1 - explained_variance``. (For a value per task: ``task_scores(..., metric="nmse")``.)

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights; rows of weight 0 are skipped.

    Returns
    -------
    nmse : float
        1 for the best constant prediction; NaN, with a warning, if all targets are equal.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py.metrics import normalized_mse
    >>> normalized_mse([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0], tasks=[0, 0, 1, 1])
    0.2
    """
    return _defined(nmse, read_rows(y_true, y_pred, tasks, "values", sample_weight=sample_weight))


def averaged_mse(
    y_true: Any, y_pred: Any, tasks: Any = None, *, sample_weight: Any = None
) -> float:
    """AMSE of all rows together: the squared error divided by the squared norm of the targets.

    ``sum (y - p)^2 / sum y^2`` with sums over the rows of all tasks. (For a value per task:
    ``task_scores(..., metric="amse")``.)

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights; rows of weight 0 are skipped.

    Returns
    -------
    amse : float
        1 for the prediction 0; NaN, with a warning, if all targets are 0. It changes when a
        constant is added to y: compare it only with figures for the same targets.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py.metrics import averaged_mse
    >>> averaged_mse([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0], tasks=[0, 0, 1, 1])
    0.033...
    """
    return _defined(amse, read_rows(y_true, y_pred, tasks, "values", sample_weight=sample_weight))


def explained_variance(
    y_true: Any,
    y_pred: Any,
    tasks: Any = None,
    *,
    within_tasks: bool = False,
    sample_weight: Any = None,
) -> float:
    """Explained variance as the multi-task literature has it, ``1 - SSE / total``, of all rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        True targets, NaN where not observed: these are skipped. Two-dimensional: one column per
        task.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, with a 1-D y_true; None: one task.
    within_tasks : bool, default=False
        What the total is. False, pooled: ``sum (y - mean y)^2`` over all rows, so that telling the
        tasks apart counts as explaining [1]_ [2]_. True: ``sum_t sum (y - mean y_t)^2``, around
        the mean of each task's own rows [3]_.
    sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
        Nonnegative weights; rows of weight 0 are skipped.

    Returns
    -------
    share : float
        At most 1, as a fraction (papers print percents); NaN, with a warning, if the total is 0.

    Notes
    -----
    Papers use both scales for the School data and rarely say which; pooled figures are some ten
    points higher there. Errors are not centred: a constant error counts, as in R2, but unlike
    `sklearn.metrics.explained_variance_score`.

    References
    ----------
    .. [1] B. Bakker, T. Heskes, "Task clustering and gating for Bayesian multitask learning",
       JMLR 4, 2003.
    .. [2] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.
    .. [3] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
       Learning 73, 2008.

    Examples
    --------
    >>> from malsar_py.metrics import explained_variance
    >>> y_true, y_pred, tasks = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.5], [0, 0, 1, 1]
    >>> explained_variance(y_true, y_pred, tasks)
    0.95
    >>> explained_variance(y_true, y_pred, tasks, within_tasks=True)
    0.75
    """
    rows = read_rows(y_true, y_pred, tasks, "values", sample_weight=sample_weight)
    if not within_tasks:
        return 1.0 - _defined(nmse, rows)
    total = float(scatter(rows).sum())
    if total == 0.0:
        return _undefined("The targets are equal in every task")
    return 1.0 - float(rows.sums(np.square(rows.y - rows.p)).sum()) / total


def _defined(compute: Callable[[Rows], FloatArray], rows: Rows) -> float:
    value = float(compute(rows.pooled())[0])
    return _undefined("All targets are equal") if np.isnan(value) else value
