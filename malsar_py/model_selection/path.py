"""Where to look for lambda1, and the solutions along it."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray, IntArray
from ..base import MultiTaskEstimator, Prepared, TaskEstimator
from ..models.kernel import PreparedFunctions, SeparableKernelRegressor
from ..objective import Penalty
from ..prox import singular_values
from ._solve import prepare_any, solve_path, warn_missed

__all__ = ["RegularizationPath", "lambda1_max", "lambda_grid", "regularization_path"]

_RANK_CUTOFF = 1e-10


def lambda1_max(
    estimator: MultiTaskEstimator,
    X: Any,
    y: Any = None,
    *,
    tasks: Any = None,
    sample_weight: Any = None,
) -> float:
    """The smallest `lambda1` at which all coefficients are zero, or a scale where there is none.

    For norms it is exact, whatever the other parameters of the estimator: with ``G0`` (n_features,
    n_tasks) the negative gradient of the loss at W = 0 and the best intercepts, it is the dual norm
    of G0: the largest ``|G0_jt|`` (Lasso), row norm (JointFeature) or singular value (TraceNorm).
    With ``positive=True`` it is that of the positive part of G0; features without a penalty
    (``feature_weight`` 0) are not zero, and G0 is taken at their best coefficients. In
    MultiTaskGLM, whose `lambda1` multiplies all of `penalty`, it is the dual norm of its structure.

    Where W = P + Q has two parts it is the dual norm of G0 that belongs to P, for any `lambda2`. If
    `lambda2` is at least the dual norm that belongs to Q, then W = 0 from this value on, and not
    below it. With a smaller `lambda2` (or with ``trace_bound > 0``) Q is in use and W not zero
    whatever `lambda1` is; P then is zero from a smaller value on, as a rule, for Q explains a part
    of the data. Along a grid of `lambda1`, `lambda2` stays what it is.

    Quadratic terms and the squared norms of clustered models shrink coefficients without setting
    them to zero, and under the square roots of MultiLevelLasso and NonconvexFused zero is a local
    minimum for any `lambda1`: they have no such value. For them the function returns the scale of
    the loss, ``mean_t tr(H_t) / n_features``, with H_t the (centred, weighted) Hessian of task t's
    loss: the mean variance of the features with the squared loss, a quarter of it (which bounds it)
    with the logistic loss. A `lambda1` of this size pulls about as hard as the data of one task.
    For SeparableKernelRegressor H_t is the (centred, weighted) kernel matrix of the task's rows.

    Parameters
    ----------
    estimator : estimator of this package
        Its `lambda1` does not matter, its other parameters do. It is not changed.
    X : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
        Features, with the labels in `task_column` if that is set; or a summary, given alone, as in
        `fit`.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Targets, as in `fit`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, as in `fit`.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights, as in `fit`.

    Returns
    -------
    lambda1 : float
        In [0, inf); 0 if the targets are constant in every task, as W = 0 then fits best whatever
        lambda1.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.model_selection import lambda1_max
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> largest = lambda1_max(JointFeatureRegressor(), X, y, tasks=tasks)
    >>> bool((JointFeatureRegressor(lambda1=largest).fit(X, y, tasks=tasks).coef_ == 0).all())
    True
    """
    model, prepared = _prepared(estimator, X, y, tasks, sample_weight)
    with one_blas_thread():
        return strength(model, prepared)[0]


def lambda_grid(
    estimator: MultiTaskEstimator,
    X: Any,
    y: Any = None,
    *,
    tasks: Any = None,
    sample_weight: Any = None,
    n_lambdas: int = 100,
    eps: float = 1e-3,
) -> FloatArray:
    """A geometric grid of `lambda1`, from large to small.

    For norms it runs from :func:`lambda1_max`, where W = 0, to `eps` times that. For models without
    a largest value it runs from ``lambda1_max / eps`` to ``lambda1_max * eps``, with the scale in
    the middle.

    Parameters
    ----------
    estimator : estimator of this package
        As for :func:`lambda1_max`.
    X, y, tasks, sample_weight : array-like
        As for :func:`lambda1_max`.
    n_lambdas : int, default=100
        Number of values, at least 1.
    eps : float, default=1e-3
        Smallest value relative to :func:`lambda1_max`, in (0, 1).

    Returns
    -------
    lambda1 : ndarray of shape (n_lambdas,)
        Decreasing and positive. If the targets are constant in every task, the grid is around the
        scale for every model.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.model_selection import lambda_grid
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> grid = lambda_grid(JointFeatureRegressor(), X, y, tasks=tasks, n_lambdas=5, eps=1e-2)
    >>> (grid / grid[0]).round(3)
    array([1.   , 0.316, 0.1  , 0.032, 0.01 ])
    """
    check_grid_size(n_lambdas, eps)
    model, prepared = _prepared(estimator, X, y, tasks, sample_weight)
    with one_blas_thread():
        return auto_grid(model, prepared, n_lambdas, float(eps))


@dataclass(frozen=True, eq=False)
class RegularizationPath:
    """Solutions for decreasing `lambda1`; what :func:`regularization_path` returns.

    Attributes
    ----------
    lambda1 : ndarray of shape (n_lambdas,)
        Decreasing.
    coef : ndarray of shape (n_lambdas, n_tasks, n_features)
        Coefficients, the label column left out. Of more than two classes (n_lambdas, n_tasks,
        n_classes, n_features).
    intercept : ndarray of shape (n_lambdas, n_tasks)
        Intercepts, of more than two classes (n_lambdas, n_tasks, n_classes).
    dual_gap : ndarray of shape (n_lambdas,)
        Duality gap at each solution. For models that are fitted in stages, which are not convex: of
        the convex problem that would be the next stage. It is zero at a stationary point, and does
        not say how far the objective is above its minimum.
    relative_gap : ndarray of shape (n_lambdas,)
        These divided by the objective at W = 0, comparable with the estimator's `tol`: what
        `relative_gap_` (`optimality_` of models fitted in stages) is after a fit.
    n_iter : ndarray of shape (n_lambdas,)
        Steps of the solver.
    solver : ndarray of shape (n_lambdas,)
        Which it was, as `solver_` of a fitted estimator.
    df : ndarray of shape (n_lambdas,)
        Size of the model: the rank of the coefficients for penalties on singular values (trace
        norm, clustered), else the number of features with a nonzero coefficient in some task.
    tasks : ndarray of shape (n_tasks,)
        Task labels, as `tasks_` of a fitted estimator.
    feature_names : ndarray of shape (n_features,)
        Names of the features, as `coef_feature_names_` of a fitted estimator.
    n_passes : int
        Passes over the source that :func:`path_batches` took, 1 of rows in memory or a summary.
    """

    lambda1: FloatArray
    coef: FloatArray
    intercept: FloatArray
    dual_gap: FloatArray
    relative_gap: FloatArray
    n_iter: IntArray
    solver: AnyArray
    df: IntArray
    tasks: AnyArray
    feature_names: AnyArray
    n_passes: int = 1


def regularization_path(
    estimator: MultiTaskEstimator,
    X: Any,
    y: Any = None,
    *,
    tasks: Any = None,
    sample_weight: Any = None,
    lambda1: Any = None,
    n_lambdas: int = 100,
    eps: float = 1e-3,
) -> RegularizationPath:
    """The solutions along `lambda1`, each started from the one before.

    They are those of separate fits with the same parameters, each certified to the estimator's
    `tol`, but data are checked and centred once, products such as Gram matrices are kept, and each
    solution starts the next: much less work than the fits one by one. Models that are fitted in
    stages (MultiStage, MultiLevelLasso, NonconvexFused) are not convex, and where they end depends
    on the start: each of their solutions starts anew, so that it is that of a separate fit.

    Parameters
    ----------
    estimator : estimator of this package
        Its `lambda1` does not matter, its other parameters do. It is not changed.
    X : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
        Features, with the labels in `task_column` if that is set; or a summary, given alone, as in
        `fit`.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Targets, as in `fit`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, as in `fit`.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights, as in `fit`.
    lambda1 : array-like of shape (n_lambdas,), default=None
        Values in [0, inf), in any order; None: those of :func:`lambda_grid`.
    n_lambdas : int, default=100
        Number of values, if `lambda1` is None.
    eps : float, default=1e-3
        See :func:`lambda_grid`, if `lambda1` is None.

    Returns
    -------
    path : RegularizationPath
        From large to small `lambda1`.

    Raises
    ------
    ValueError
        If `lambda1` is empty or has negative values, or what `fit` raises.
    TypeError
        If there is no path: SeparableKernelRegressor has no coefficients to follow (search its
        parameters with MultiTaskSearchCV), and MixedEffectsRegressor (search its parameters with
        GridSearchCV) and SharedSubspaceClustering no `lambda1`.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.model_selection import regularization_path
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> path = regularization_path(JointFeatureRegressor(), X, y, tasks=tasks, n_lambdas=10)
    >>> path.coef.shape[:2], int(path.df[0]), bool(path.df[-1] > 0)
    ((10, 4), 0, True)
    """
    values = None if lambda1 is None else strengths(lambda1, "lambda1")
    check_grid_size(n_lambdas, eps)
    check_model(estimator, coefficients=True)
    model, prepared = _prepared(estimator, X, y, tasks, sample_weight)
    assert isinstance(prepared, Prepared)
    with one_blas_thread():
        if values is None:
            values = auto_grid(model, prepared, n_lambdas, float(eps))
        steps = list(solve_path(model, prepared, values))
    path = RegularizationPath(
        values,
        np.stack([prepared.rows.by_task(step.W.T) for step in steps]),
        np.stack([prepared.rows.by_task(step.intercept) for step in steps]),
        np.array([step.solution.gap for step in steps]),
        np.array([step.gap for step in steps]),
        np.array([step.result.n_iter for step in steps]),
        np.array([step.result.solver for step in steps], object),
        np.array([degrees(step.W, step.objective.penalty) for step in steps]),
        prepared.rows.tasks,
        prepared.rows.feature_names,
    )
    warn_missed(model, path.relative_gap, values, stacklevel=3)
    return path


def degrees(W: FloatArray, penalty: Penalty) -> int:
    """Rank where the penalty is on singular values, else the number of rows in use."""
    structure = penalty.structure
    if structure is not None and structure.rotation_invariant:
        s = singular_values(W)
        return int((s > _RANK_CUTOFF * s.max(initial=0.0)).sum())
    return int(W.any(axis=1).sum())


def strength(
    model: MultiTaskEstimator, prepared: Prepared | PreparedFunctions
) -> tuple[float, bool]:
    """What :func:`lambda1_max` returns, and whether it is a largest value or but a scale."""
    if isinstance(prepared, PreparedFunctions):
        return curvature(prepared), False
    found = model._lambda1_max(prepared)
    return (curvature(prepared), False) if found is None else (float(found), True)


def curvature(prepared: Prepared | PreparedFunctions) -> float:
    """The scale of the loss: mean over the tasks of its Hessian's trace, by n_features."""
    if isinstance(prepared, PreparedFunctions):
        found = prepared.system.mean_trace() / prepared.rows.X.shape[1]
        return prepared.units.given(found, 2.0)
    return prepared.problem.units.given(prepared.objective.mean_curvature(), 2.0)


def auto_grid(
    model: MultiTaskEstimator,
    prepared: Prepared | PreparedFunctions,
    n_lambdas: int,
    eps: float,
) -> FloatArray:
    """The values of :func:`lambda_grid`."""
    largest, exact = strength(model, prepared)
    if exact and not largest > 0.0:
        largest, exact = curvature(prepared), False
    return spread(largest if largest > 0.0 else 1.0, exact, n_lambdas, eps)


def spread(largest: float, exact: bool, n_lambdas: int, eps: float) -> FloatArray:
    """A geometric grid below a largest value, or around a scale."""
    if n_lambdas == 1:
        return np.array([largest])
    top = largest if exact else largest / eps
    grid = np.geomspace(top, largest * eps, n_lambdas)
    grid[0] = top  # not a rounding below
    return grid


def strengths(values: Any, name: str) -> FloatArray:
    """Values of a strength as given, checked, distinct, from large to small."""
    try:
        grid = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, got {values!r}.") from error
    if grid.ndim != 1:
        raise ValueError(f"{name} must be a 1d array, got shape {grid.shape}.")
    if not grid.size:
        raise ValueError(f"{name} is an empty grid: give at least one value.")
    if not (np.isfinite(grid) & (grid >= 0.0)).all():
        bad = grid[~(np.isfinite(grid) & (grid >= 0.0))][0]
        raise ValueError(f"{name} must be in [0, inf), got {bad:g}.")
    return np.unique(grid)[::-1].copy()


def check_grid_size(n_lambdas: Any, eps: Any) -> None:
    """Refuse what is no number of values, or no share."""
    if not isinstance(n_lambdas, numbers.Integral) or n_lambdas < 1:
        raise ValueError(f"n_lambdas must be an integer of at least 1, got {n_lambdas!r}.")
    if not isinstance(eps, numbers.Real) or not 0.0 < float(eps) < 1.0:
        raise ValueError(f"eps must be in (0, 1), got {eps!r}.")


def check_model(estimator: Any, *, coefficients: bool = False) -> None:
    """Refuse what has no lambda1, or no coefficients to follow along it."""
    if not isinstance(estimator, TaskEstimator):
        raise TypeError(
            f"estimator must be one of this package's regressors or classifiers, got {estimator!r}."
        )
    if type(estimator)._fit_rows is MultiTaskEstimator._fit_rows:
        return
    name = type(estimator).__name__
    if not isinstance(estimator, SeparableKernelRegressor):
        raise TypeError(
            f"{name} fits in a way of its own, which has no path over lambda1: search its "
            "parameters with scikit-learn's GridSearchCV."
        )
    if coefficients:
        raise TypeError(
            f"{name} has no coefficients to follow along lambda1: search its parameters with "
            "MultiTaskSearchCV or scikit-learn's GridSearchCV."
        )


def _prepared(
    estimator: MultiTaskEstimator, X: Any, y: Any, tasks: Any, sample_weight: Any
) -> tuple[MultiTaskEstimator, Prepared | PreparedFunctions]:
    check_model(estimator)
    model = clone(estimator).set_params(lambda1=1.0)
    with one_blas_thread():
        return model, prepare_any(model, X, y, tasks, sample_weight)[1]
