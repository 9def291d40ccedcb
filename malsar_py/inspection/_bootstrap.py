"""Fits of resamples: how far coefficients depend on the rows, or the tasks, that there are."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from .._threads import one_blas_thread
from .._typing import FloatArray
from ..model_selection._data import Data, SummaryData, read_data
from ..model_selection._template import Template
from ._checks import read_template, rows_of
from ._draws import Draw, draws
from ._result import BootstrapResult

# One fit: coefficients (T, d), intercepts (T,), those of the mean model (d,), its gap.
_Fit = tuple[FloatArray, FloatArray, FloatArray, float]


def bootstrap(
    model: BaseEstimator,
    X: Any,
    y: Any,
    *,
    tasks: Any = None,
    n_resamples: int = 200,
    unit: str = "row",
    half_samples: bool = False,
    n_jobs: int | None = None,
    random_state: Any = None,
    sample_weight: Any = None,
    verbose: int = 0,
) -> BootstrapResult:
    """Fit resamples of the data: intervals, standard errors and selection frequencies.

    Parameters
    ----------
    model : estimator
        A model of this package that has coefficients, or a pipeline ending in one; it is cloned.
        The other steps of a pipeline are fitted to each resample.
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Features, with the label column if the model has a `task_column`.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Targets, as in `fit`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, as in `fit`.
    n_resamples : int, default=200
        Number of resamples, at least 2. Intervals of level 0.9 want some hundreds.
    unit : "row" or "task", default="row"
        Rows are drawn within each task, as many as it has, with replacement; for classifiers within
        each class of a task, and of a 2-D y whole rows, with all their targets. Or tasks are drawn,
        each with all its rows, as if there were more tasks of that kind: one that is drawn twice is
        two tasks in the fit. That is for models which do not care about the order of tasks.
    half_samples : bool, default=False
        Whether to draw halves (rounded up) without replacement instead, as stability selection does
        [2]_: their spread about the fit of all rows is about the same.
    n_jobs : int, default=None
        Number of processes of joblib; the resamples are the same for any number.
    random_state : int, RandomState instance or None, default=None
        Seed of the resamples.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights, as in `fit`: they go with the rows, which are drawn with equal probability.
    verbose : int, default=0
        Passed to joblib; prints progress if positive.

    Returns
    -------
    result : BootstrapResult
        Coefficients of all resamples, with statistics and pictures.

    Raises
    ------
    ValueError, TypeError
        If the model has no coefficients, or the data or a parameter cannot be used.

    Notes
    -----
    Every resample starts from the fit of all rows (models that are fitted in stages do not: where
    they end depends on where they start). Intervals are percentiles [1]_ of the estimates, which
    are shrunk on purpose: they say how much these vary, and hold the true coefficient as often as
    their level says only where shrinkage is small beside that. Within a task of n rows resamples
    vary by ``(n - 1) / n`` of the variance.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993.
    .. [2] N. Meinshausen, P. Buehlmann, "Stability selection", JRSS B 72, 2010.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.inspection import bootstrap
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = JointFeatureRegressor(lambda1=0.5)
    >>> result = bootstrap(model, X, y, tasks=tasks, n_resamples=20, random_state=0)
    >>> lower, upper = result.coef_interval(0.9)
    >>> bool(((lower <= upper) & (result.selection_frequency <= 1)).all())
    True
    """
    template = read_template(model)
    _check_parameters(n_resamples, unit, half_samples)
    data = read_data(X, y, tasks, sample_weight)
    if isinstance(data, SummaryData):
        raise TypeError("bootstrap draws rows, which a summary does not keep: pass the rows.")
    steps, last = template.parts({})
    rows = rows_of(steps, last, data)
    with one_blas_thread():
        last._fit_rows(rows)
    if not hasattr(last, "coef_"):
        raise TypeError(f"{type(last).__name__} learns functions: it has no coefficients.")
    estimator = template.joined(steps, last)
    if unit == "task":
        _check_exchangeable(last)
    start = copy.copy(last)
    for name in ("_siblings", "_clones"):
        start.__dict__.pop(name, None)
    refit = partial(_refit, template, start, data)
    random = check_random_state(random_state)
    fits = Parallel(n_jobs=n_jobs, verbose=int(verbose))(
        delayed(refit)(draw) for draw in draws(rows, int(n_resamples), unit, half_samples, random)
    )
    _warn_of_gaps(last, [fit[3] for fit in fits])
    coef, intercept, mean_coef, _ = _read_off(last)
    return BootstrapResult(
        estimator=estimator,
        tasks=last.tasks_,
        feature_names=last.coef_feature_names_,
        coef=coef,
        intercept=intercept,
        mean_coef=mean_coef,
        coefs=np.stack([fit[0] for fit in fits]),
        intercepts=np.stack([fit[1] for fit in fits]),
        mean_coefs=np.stack([fit[2] for fit in fits]),
        unit=unit,
        half_samples=bool(half_samples),
    )


def _check_parameters(n_resamples: Any, unit: Any, half_samples: Any) -> None:
    if isinstance(n_resamples, bool) or not isinstance(n_resamples, Integral) or n_resamples < 2:
        raise ValueError(f"n_resamples must be an int of at least 2, got {n_resamples!r}.")
    if unit not in ("row", "task"):
        raise ValueError(f'unit must be "row" or "task", got {unit!r}.')
    if not isinstance(half_samples, (bool, np.bool_)):
        raise ValueError(f"half_samples must be True or False, got {half_samples!r}.")


def _check_exchangeable(model: Any) -> None:
    name = type(model).__name__
    if model.n_tasks_ < 2:
        raise ValueError('unit="task" draws tasks, but there is only one: use unit="row".')
    graph = getattr(model, "graph", "complete")
    if "task_order" in model.get_params() or not (isinstance(graph, str) and graph == "complete"):
        raise ValueError(
            f'unit="task" draws tasks as if they could change places, but {name} relates each to '
            'certain others: use unit="row".'
        )


def _refit(template: Template, start: Any, data: Data, draw: Draw) -> _Fit:
    """The fit of a resample, by label of the tasks of all rows."""
    steps, _ = template.parts({}) if template.is_pipeline else ([], None)
    model = copy.copy(start)
    labels = start.tasks_
    with warnings.catch_warnings():
        # What is to be said of the data the fit of all rows has said.
        warnings.simplefilter("ignore")
        rows = rows_of(steps, model, data if draw.rows is None else data.take(draw.rows))
        rows = draw.regrouped(rows, labels)
        _warm_up(model, draw)
        with one_blas_thread():
            model._fit_rows(rows)
    coef, intercept, mean_coef, gap = _read_off(model)
    if draw.tasks is not None:
        count = np.bincount(draw.tasks, minlength=len(labels)).astype(float)
        count[count == 0.0] = np.nan
        by_label = np.zeros((len(labels), coef.shape[1] + 1))
        np.add.at(by_label, draw.tasks, np.column_stack([coef, intercept]))
        by_label /= count[:, None]
        coef, intercept = by_label[:, :-1], by_label[:, -1]
    return coef, intercept, mean_coef, gap


def _warm_up(model: Any, draw: Draw) -> None:
    """Let the fit begin where that of all rows ended."""
    if "warm_start" not in model.get_params():
        return
    # In stages where a fit ends depends on where it starts.
    model.warm_start = not hasattr(model, "max_stages")
    if draw.tasks is not None:
        model.tasks_ = model.tasks_[draw.tasks]
        for name in ("coef_", *getattr(model, "_part_names", ())):
            setattr(model, name, getattr(model, name)[draw.tasks])


def _read_off(model: Any) -> _Fit:
    coef = model.coef_.reshape(model.n_tasks_, -1)
    mean = model.coef_mean_ if hasattr(model, "coef_mean_") else model._mean_of_tasks()[0]
    gap = getattr(model, "relative_gap_", getattr(model, "optimality_", 0.0))
    return coef, np.atleast_1d(model.intercept_), mean, float(gap)


def _warn_of_gaps(model: Any, gaps: list[float]) -> None:
    missed = [gap for gap in gaps if not gap <= model.tol]
    if missed:
        warnings.warn(
            f"{len(missed)} of {len(gaps)} resamples did not reach tol={model.tol:g}: the largest "
            f"relative {model._measure} is {max(missed):.3g}. Increase max_iter or tol, "
            "standardise the features, or strengthen the penalty.",
            ConvergenceWarning,
            stacklevel=3,
        )
