"""Paths over lambda1 on rows that come in batches: one pass serves all values."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from .._summary import MAX_MEMORY, Columns
from .._threads import one_blas_thread
from .._typing import FloatArray
from ..base import BatchFit, MultiTaskEstimator, begin_batches, check_batches, one_pass
from ._solve import warn_missed
from .path import (
    RegularizationPath,
    check_grid_size,
    check_model,
    degrees,
    regularization_path,
    spread,
    strengths,
)

__all__ = ["path_batches"]


def path_batches(
    estimator: MultiTaskEstimator,
    source: Any,
    *,
    task_column: str | None = None,
    target: str = "y",
    sample_weight: str | None = None,
    max_memory: int = MAX_MEMORY,
    lambda1: Any = None,
    n_lambdas: int = 20,
    eps: float = 1e-2,
) -> RegularizationPath:
    """Solutions along `lambda1` for rows of any number, read batch by batch in some passes.

    They are those of ``estimator.fit_batches(source, ...)`` at each value, but every pass is for
    all of them: a path takes about as many passes as its slowest fit. With the squared loss one
    pass does.

    Parameters
    ----------
    estimator : estimator of this package
        Its `lambda1` does not matter, its other parameters do. It is not changed.
    source : iterable of batches, table, Dask DataFrame or callable
        As for the estimator's `fit_batches`: what can be read again and again.
    task_column : str, default=None
        Column of the task labels of tables.
    target : str, default="y"
        Column to predict.
    sample_weight : str, default=None
        Column of nonnegative weights.
    max_memory : int, default=4294967296
        Bytes that the statistics of a pass may take, 8 T (d + 1)^2 for each value of `lambda1`, T
        tasks and d features (for K > 2 classes 8 T K^2 (d + 1)^2). Values that do not fit in
        together are solved one group after the other, from large to small, each group starting
        where the last one ended. Where not even one fits in, Lasso and JointFeature go on with
        working sets, as in `fit_batches`; the values share the memory then.
    lambda1 : array-like of shape (n_lambdas,), default=None
        Values in [0, inf), in any order; None: as those of
        :func:`~malsar_py.model_selection.lambda_grid`.
    n_lambdas : int, default=20
        Number of values, if `lambda1` is None.
    eps : float, default=0.01
        Smallest value relative to the largest, if `lambda1` is None.

    Returns
    -------
    path : RegularizationPath
        From large to small `lambda1`; `n_passes` is the number of passes, `n_iter` are steps.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As of :func:`~malsar_py.model_selection.regularization_path` and `fit_batches`.

    See Also
    --------
    regularization_path : For rows in memory, or a summary.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import JointFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.model_selection import path_batches
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> batches = [(X[i::3], y[i::3] > 0, tasks[i::3]) for i in range(3)]
    >>> path = path_batches(JointFeatureClassifier(), batches, n_lambdas=5)
    >>> path.coef.shape[:2], int(path.df[0]), bool(path.df[-1] > 0), path.n_passes < 15
    ((5, 4), 0, True, True)
    """
    values = None if lambda1 is None else strengths(lambda1, "lambda1")
    check_grid_size(n_lambdas, eps)
    check_model(estimator, coefficients=True)
    columns = Columns(task_column, target, None, sample_weight, max_memory)
    model = clone(estimator).set_params(lambda1=1.0)
    model._validate_params()
    summary = None if model._needs_rows() else one_pass(model, source, columns)
    if summary is not None:
        return regularization_path(estimator, summary, lambda1=values, n_lambdas=n_lambdas, eps=eps)
    check_batches(model)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        fit = begin_batches(model, source, columns)
        if values is None:
            values = _grid(fit, n_lambdas, float(eps))
        path = _solved(fit, values, fit.share_room(len(values)))
    warn_missed(model, path.relative_gap, values, stacklevel=3)
    return path


def _grid(fit: BatchFit, n_lambdas: int, eps: float) -> FloatArray:
    largest = fit.penalty(1.0).lambda1_max(fit.slope())
    exact = largest is not None and largest > 0.0
    top = float(largest) if exact and largest is not None else fit.curvature()
    return spread(top if top > 0.0 else 1.0, exact, n_lambdas, eps)


def _solved(fit: BatchFit, values: FloatArray, at_once: int) -> RegularizationPath:
    """The path, so many values at once."""
    results, solutions, state = [], [], None
    penalties = [fit.penalty(value) for value in values.tolist()]
    for first in range(0, len(values), at_once):
        some = penalties[first : first + at_once]
        found = fit.serve([fit.newton(penalty, state) for penalty in some])
        results += [result for result, _ in found]
        solutions += [fit.solution(r, p) for (r, _), p in zip(found, some, strict=True)]
        state = found[-1][1]
    rows, W = fit.rows, [solution.coefficients for solution in solutions]
    sizes = [degrees(w, penalty) for w, penalty in zip(W, penalties, strict=True)]
    return RegularizationPath(
        values,
        np.stack([rows.by_task(w.T) for w in W]),
        np.stack([rows.by_task(solution.intercept) for solution in solutions]),
        np.array([solution.gap for solution in solutions]),
        np.array([solution.relative_gap for solution in solutions]),
        np.array([result.n_iter for result in results]),
        np.array([result.solver for result in results], object),
        np.array(sizes),
        rows.tasks,
        rows.feature_names,
        fit.n_passes,
    )
