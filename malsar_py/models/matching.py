"""All rows for every task, weighted by how much they are like those of the task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils._param_validation import Interval

from .._tasks import TaskRows
from .._typing import FloatArray, IntArray
from ..base import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, Problem
from ..penalties import Penalty, Ridge

# The least ratio of densities: a task needs some weight, whatever the classifier says of its rows.
_LEAST_RATIO = 1e-12
# Coefficients of a task classifier up to which Newton steps are the faster way to an exact one.
_FEW_COEFFICIENTS = 400


@dataclass(kw_only=True, eq=False, repr=False)
class _DistributionMatching(MultiTaskEstimator):
    n_folds: int = 5
    # Every task is fitted by itself: tasks have no weights beside each other.
    task_weight: str | Mapping[Any, float] = field(default="equal", init=False)

    _couples = True
    _one_class_tasks: ClassVar[bool] = True  # every task has the rows of all
    _multi_class: ClassVar[bool] = False
    _strengths: ClassVar[Mapping[str, float]] = {"lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda2": "ridge"}
    _penalty_parameters: ClassVar[tuple[str, ...]] = ("lambda2",)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: constraint
        for name, constraint in MultiTaskEstimator._parameter_constraints.items()
        if name != "task_weight"
    } | {
        "lambda1": [Interval(Real, 0, np.inf, closed="right")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
    }

    def _penalty(self, problem: Problem, lambda2: float) -> Penalty:
        return Ridge(lambda2)

    def _needs_rows(self) -> str:
        return "its rows are weighted one by one"

    def _fit_rows(self, rows: TaskRows) -> None:
        if isinstance(getattr(self, "loss", None), Mapping):
            raise ValueError(
                "loss must be one for all tasks: with DistributionMatching a task is fitted to the "
                "rows of all others, too."
            )
        rows = _without_columns(rows)
        own = rows.sample_weight[None]
        weight, door = own, rows.door
        if rows.n_tasks > 1:
            weight = own * self._ratios(rows)
            n = len(rows.X)
            rows = replace(
                rows,
                y=np.tile(rows.y, rows.n_tasks),
                sample_weight=weight.ravel(),
                offsets=np.arange(rows.n_tasks + 1, dtype=np.int64) * n,
                door="shared",
            )
        super()._fit_rows(rows)
        self._door = door
        weight = weight / weight.max(axis=1, keepdims=True)
        self.effective_sample_size_ = weight.sum(axis=1) ** 2 / np.square(weight).sum(axis=1)

    def _ratios(self, rows: TaskRows) -> FloatArray:
        """``p(x, y | t) / p(x, y)`` (T, n) at all rows, by classifiers that did not see them."""
        counts = np.diff(rows.offsets)
        task = np.repeat(np.arange(rows.n_tasks), counts)
        ratios = np.ones((rows.n_tasks, len(task)))
        if np.isinf(self.lambda1):
            return ratios
        weight = rows.sample_weight / rows.sample_weight.max()
        Z = _features(rows.X, rows.y, weight, self._classifier)
        fold = _folds(Z, task, self.n_folds)
        for k in range(self.n_folds):
            held = fold == k
            if k == 0:  # those that are in all training sets
                held |= fold < 0
            if held.any():
                train = (fold != k) | (fold < 0)
                ratios[:, held] = _ratio(
                    Z[train], task[train], weight[train], Z[held], float(self.lambda1)
                )
        return np.maximum(ratios, _LEAST_RATIO)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags


def _without_columns(rows: TaskRows) -> TaskRows:
    if not rows.shared:
        return rows
    if rows.n_tasks > 1:
        raise ValueError(
            "y holds one task per column, on the same rows for all: there is nothing in x to tell "
            "tasks by, and no row to borrow. DistributionMatching is for tasks with rows of their "
            "own: pass a 1-D y with `tasks` or task_column."
        )
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y "
        "to (n_samples,), for example using ravel().",
        DataConversionWarning,
        stacklevel=4,
    )
    return replace(rows, door="none")


def _standard(Z: FloatArray, weight: FloatArray) -> FloatArray:
    """Columns of mean 0 and mean square 1; constant ones are 0."""
    with np.errstate(all="ignore"):
        Z = Z / np.maximum(np.abs(Z).max(axis=0), np.finfo(float).tiny)
        share = weight / weight.sum()
        Z = Z - share @ Z
        size = np.sqrt(share @ np.square(Z))
        return np.divide(Z, size, out=np.zeros_like(Z), where=size > 1e-12)


def _features(X: FloatArray, y: FloatArray, weight: FloatArray, classifier: bool) -> FloatArray:
    """What a task is told by: x, y and their products."""
    x = _standard(X, weight)
    target = y[:, None] if classifier else _standard(y[:, None], weight)
    return _standard(np.hstack([x, target, x * target]), weight)


def _folds(Z: FloatArray, task: IntArray, n_folds: int) -> IntArray:
    """The fold of each row, -1 for tasks that have but one (distinct) row."""
    key, place = np.unique(np.column_stack([task, Z]), axis=0, return_inverse=True)
    starts = np.searchsorted(key[:, 0], key[:, 0])
    fold = (np.arange(len(key)) - starts) % n_folds
    alone = np.bincount(key[:, 0].astype(np.intp), minlength=int(task.max()) + 1) == 1
    fold[alone[key[:, 0].astype(np.intp)]] = -1
    return fold[place.reshape(-1)]


def _ratio(
    Z: FloatArray, task: IntArray, weight: FloatArray, held: FloatArray, ridge: float
) -> FloatArray:
    """``p(t | z) / p(t)`` (T, m) at held-out rows, by multinomial regression on the others."""
    from sklearn.linear_model import LogisticRegression

    total = float(weight.sum())
    shares = np.bincount(task, weights=weight) / total
    exact = (Z.shape[1] + 1) * len(shares) <= _FEW_COEFFICIENTS
    classifier = LogisticRegression(
        C=max(1.0 / (ridge * total), np.finfo(float).tiny),
        solver="newton-cholesky" if exact else "lbfgs",
        tol=1e-10 if exact else 1e-5,
        max_iter=1000,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The inner solver of NewtonCholesky")
        classifier.fit(Z, task, sample_weight=weight)
    ratio: FloatArray = classifier.predict_proba(held).T / shares[:, None]
    return ratio


@dataclass(kw_only=True, eq=False, repr=False)
class DistributionMatchingRegressor(_DistributionMatching, MultiTaskRegressor):
    """Distribution matching: rows of other tasks count as far as they could be the task's own.

    Every task is fitted to the rows of all tasks, weighted by a ratio of densities r_t::

        minimise over w_t, b_t:   sum_i v_ti 1/2 (y_i - x_i . w_t - b_t)^2 / sum_i v_ti
                                  + lambda2/2 ||w_t||^2
        v_ti = s_i r_t(x_i, y_i),   r_t(x, y) = p(x, y | t) / p(x, y) = p(t | x, y) / p(t)

    with sample weights s_i. The probability ``p(t | x, y)`` of a task given a row and its target is
    that of a multinomial logistic regression on x, y and their products (all of unit spread) with
    the ridge ``lambda1/2 ||V||^2`` beside its mean loss, cross-fitted.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Ridge of the task classifier, in (0, inf]: ``inf`` weights all rows alike, which is one
        model for all tasks; where tasks are far apart a small one leaves each its own rows.
    lambda2 : float, default=0.0
        Ridge of the tasks' fits, in [0, inf).
    n_folds : int, default=5
        Number of folds of the cross-fitting, at least 2: the weights of a row come from a task
        classifier that was not trained on it. Folds are the same for any order of the rows, and
        equal rows are in one fold. A task with a single row is in all training sets.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
        "squared"; "huber" (outliers), "quantile" (the median), "poisson" (y >= 0), "gamma" (y > 0),
        "logistic" (y is 0 or 1, predicts the probability of 1); an instance, as
        ``losses.Quantile(q=0.9)``; or ``{label: loss}``. See the guide "Losses".
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    effective_sample_size_ : ndarray of shape (n_tasks,)
        ``(sum_i v_ti)^2 / sum_i v_ti^2`` with the weights v_ti of all rows in the fit of task t:
        about the number of rows of the task where no other is like it, that of all rows where all
        tasks are alike.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    MeanRegularizedRegressor : Ties the coefficients of the tasks, not their rows.

    Notes
    -----
    Tasks by the columns of a 2-D y are refused: they have the same rows. The weights are an
    estimate; the fits given these are convex, and the certificate is theirs. Rows are chosen by
    their targets too, so where tasks are told by y alone the noise of y takes part in the choice:
    the method is at its best with classes, and where tasks differ in x. `lambda1` is searched with
    scikit-learn's GridSearchCV.

    References
    ----------
    .. [1] S. Bickel, J. Bogojeska, T. Lengauer, T. Scheffer, "Multi-task learning for HIV therapy
       screening", ICML 2008.

    Examples
    --------
    >>> from malsar_py import DistributionMatchingRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=4, n_clusters=2, random_state=0)
    >>> model = DistributionMatchingRegressor(lambda1=0.01).fit(X, y, tasks=tasks)
    >>> bool((model.effective_sample_size_ > 0).all()), model.relative_gap_ <= model.tol
    (True, True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class DistributionMatchingClassifier(_DistributionMatching, MultiTaskClassifier):
    """Distribution matching, logistic: rows of others count as far as they could be the task's own.

    Every task is fitted to the rows of all tasks, weighted by a ratio of densities r_t::

        minimise over w_t, b_t:   sum_i v_ti log(1 + exp(-y_i (x_i . w_t + b_t))) / sum_i v_ti
                                  + lambda2/2 ||w_t||^2
        v_ti = s_i r_t(x_i, y_i),   r_t(x, y) = p(x, y | t) / p(x, y) = p(t | x, y) / p(t)

    with sample weights s_i and y in {-1, +1}. The probability ``p(t | x, y)`` of a task given a row
    and its class is that of a multinomial logistic regression on x, y and their products (all of
    unit spread) with the ridge ``lambda1/2 ||V||^2`` beside its mean loss, cross-fitted. A task may
    have rows of one class only.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Ridge of the task classifier, in (0, inf]: ``inf`` weights all rows alike, which is one
        model for all tasks; where tasks are far apart a small one leaves each its own rows.
    lambda2 : float, default=0.0
        Ridge of the tasks' fits, in [0, inf).
    n_folds : int, default=5
        Number of folds of the cross-fitting, at least 2: the weights of a row come from a task
        classifier that was not trained on it. Folds are the same for any order of the rows, and
        equal rows are in one fold. A task with a single row is in all training sets.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    class_weight : "balanced", mapping or None, default=None
        Factor on the weights of the samples of a class: "balanced" makes all classes of a task
        count alike; or ``{class: weight}``, in (0, inf), 1 for others.
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    classes_ : ndarray of shape (2,)
        Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
    effective_sample_size_ : ndarray of shape (n_tasks,)
        ``(sum_i v_ti)^2 / sum_i v_ti^2`` with the weights v_ti of all rows in the fit of task t:
        about the number of rows of the task where no other is like it, that of all rows where all
        tasks are alike.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.

    See Also
    --------
    DistributionMatchingRegressor : The same with the squared loss, and more on the parameters.

    References
    ----------
    .. [1] S. Bickel, J. Bogojeska, T. Lengauer, T. Scheffer, "Multi-task learning for HIV therapy
       screening", ICML 2008.

    Examples
    --------
    >>> from malsar_py import DistributionMatchingClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=4, classification=True, random_state=0)
    >>> model = DistributionMatchingClassifier(lambda1=0.01, lambda2=0.01).fit(X, y, tasks=tasks)
    >>> model.predict_proba(X[:3], tasks=tasks[:3]).shape
    (3, 2)
    """
