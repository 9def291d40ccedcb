"""Several sources of features of which rows lack whole ones: joint selection over the patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_array

from .._labels import as_labels, factorize, object_array
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray, IntArray
from ..base import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, Problem
from ..penalties import Penalty, Ridge, RowL2


@dataclass(kw_only=True, eq=False, repr=False)
class _IncompleteMultiSource(MultiTaskEstimator):
    _multi_class: ClassVar[bool] = False
    sources: Any = None
    # A row's task is its pattern of present sources: there is no label to give or to miss.
    task_column: None = field(default=None, init=False)
    unseen: str = field(default="error", init=False)

    _label_source: ClassVar[str] = "the pattern of present sources"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: constraint
        for name, constraint in MultiTaskEstimator._parameter_constraints.items()
        if name not in ("task_column", "unseen")
    } | {"sources": [list, tuple, Mapping, "array-like", None]}

    def _needs_rows(self) -> str:
        return "the sources that a row lacks are its task"

    def _takes_batches(self) -> bool:
        return False

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        # Absent blocks are zero columns: their coefficients have no gradient and stay zero, outside
        # of the groups.
        return RowL2(lambda1) + Ridge(lambda2)

    def _set_tasks(self, rows: TaskRows) -> None:
        super()._set_tasks(rows)
        names = self.source_names_.tolist()
        self.patterns_ = np.array([[name in task for name in names] for task in rows.tasks])

    def _split_patterns(self, table: Any, *, reset: bool) -> tuple[FloatArray, AnyArray]:
        """X with zeros for missing blocks, and each row's pattern as a tuple of source names."""
        if reset:
            names = getattr(self, "feature_names_in_", None)
            self.source_names_, self.feature_sources_ = _read_sources(
                self.sources, table.shape[1], None if names is None else names.tolist()
            )
        several = "allow-nan" if len(self.source_names_) > 1 else True
        X = check_array(
            table,
            dtype=np.float64,
            ensure_all_finite=several,
            copy=several == "allow-nan",
            estimator=self,
            input_name="X",
        )
        missing = np.isnan(X)
        present = np.empty((len(X), len(self.source_names_)), bool)
        for s, name in enumerate(self.source_names_.tolist()):
            block = missing[:, self.feature_sources_ == s]
            present[:, s] = ~block.all(axis=1)
            partial = np.flatnonzero(block.any(axis=1) & present[:, s])
            if partial.size:
                raise ValueError(
                    f"Input X contains NaN in a part of source {name!r}: row {partial[0]} has "
                    f"{block[partial[0]].sum()} of its {block.shape[1]} columns missing. A source "
                    "is there or missing as a whole: fill the gaps, or split the source."
                )
        if missing.any():
            X[missing] = 0.0
        patterns, codes = np.unique(present, axis=0, return_inverse=True)
        codes = codes.reshape(-1)
        if not patterns[0].any():
            raise ValueError(
                f"Input X contains NaN in every column of row {np.argmax(codes == 0)}: a row needs "
                "at least one source."
            )
        if not reset:
            patterns = self._fitted_subsets(patterns, codes)
        labels = object_array(tuple(self.source_names_[pattern].tolist()) for pattern in patterns)
        return X, labels[codes]

    def _fitted_subsets(self, patterns: AnyArray, codes: IntArray) -> AnyArray:
        """For each pattern itself, if it was fitted, or its largest subset that was."""
        sizes = np.bincount(self.feature_sources_)
        n_sources, n_columns = self.patterns_.sum(axis=1), self.patterns_ @ sizes
        best = patterns.copy()
        for i, pattern in enumerate(patterns):
            inside = np.flatnonzero(~(self.patterns_ & ~pattern).any(axis=1))
            if not inside.size:
                raise ValueError(
                    f"Row {np.argmax(codes == i)} of X has the sources "
                    f"{self.source_names_[pattern].tolist()}, and no pattern that was fitted makes "
                    f"do with these; fitted patterns: {self.tasks_.tolist()}."
                )
            order = np.lexsort((-n_columns[inside], -n_sources[inside]))
            best[i] = self.patterns_[inside[order[0]]]
        return best

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        tags.input_tags.allow_nan = self.sources is not None
        tags.input_tags.sparse = False
        return tags


def _read_sources(
    sources: Any, n_features: int, feature_names: list[Any] | None
) -> tuple[AnyArray, IntArray]:
    """Names of the sources, and the position of each column's source among them."""
    if sources is None:
        return np.array([0]), np.zeros(n_features, np.intp)
    if not isinstance(sources, Mapping):
        items = list(sources)
        if not items or any(isinstance(item, str) or not np.iterable(item) for item in items):
            if len(items) != n_features:
                raise ValueError(
                    f"sources has {len(items)} labels, but X has {n_features} columns: give the "
                    "source of each column, or one list of columns per source."
                )
            return factorize(as_labels(sources, "sources"), "sources")
        sources = dict(enumerate(items))
    owner = np.full(n_features, -1, np.intp)
    for s, (name, columns) in enumerate(sources.items()):
        if isinstance(columns, str) or not np.iterable(columns):
            columns = [columns]
        positions = [_position(column, name, n_features, feature_names) for column in columns]
        if not positions:
            raise ValueError(f"Source {name!r} of sources has no column.")
        for position in positions:
            if owner[position] >= 0:
                raise ValueError(
                    f"Column {position} of X is named twice in sources: every column belongs to "
                    "one source."
                )
            owner[position] = s
    left = np.flatnonzero(owner < 0)
    if left.size:
        raise ValueError(
            f"Column {left[0]} of X is in no source ({left.size} such columns): every column "
            "belongs to one source."
        )
    return as_labels(object_array(sources), "sources"), owner


def _position(column: Any, source: Any, n_features: int, names: list[Any] | None) -> int:
    if isinstance(column, str):
        if names is None or column not in names:
            known = "X has no column names" if names is None else "X has no such column"
            raise ValueError(f"Source {source!r} of sources names column {column!r}: {known}.")
        return names.index(column)
    if not isinstance(column, int | np.integer) or isinstance(column, bool):
        raise ValueError(
            f"Source {source!r} of sources: a column is a position or a name, got {column!r}."
        )
    if not -n_features <= column < n_features:
        raise ValueError(
            f"Source {source!r} of sources: column {column} is out of range for X with "
            f"{n_features} columns."
        )
    return int(column) % n_features


@dataclass(kw_only=True, eq=False, repr=False)
class IncompleteMultiSourceRegressor(_IncompleteMultiSource, MultiTaskRegressor):
    """Regression on several sources of which rows lack whole ones (iMSF).

    The pattern of sources that a row has is its task. Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2,   w_jt = 0 where t lacks j

    so that the group of feature j is its coefficients over the patterns that have it.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    sources : list of lists, mapping or array-like of shape (n_features,), default=None
        Which columns of X belong together: one list of positions or names per source, ``{source:
        positions or names}``, or the source of each column. Every column is in exactly one source.
        None: all columns are one source, so nothing may be missing.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
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
    patterns_ : ndarray of shape (n_tasks, n_sources)
        Which sources each pattern has (bool); `tasks_` holds the same as tuples of source names.
    source_names_ : ndarray of shape (n_sources,)
        Names of the sources: the keys or labels given, or 0, 1, ... for lists.
    feature_sources_ : ndarray of shape (n_features,)
        Position in `source_names_` of each feature's source.
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
    JointFeatureRegressor : The same penalty for tasks of any kind and complete features.

    Notes
    -----
    Missing blocks are NaN in X, in `fit` as in `predict`. A row whose pattern was not fitted is
    predicted by the fitted pattern that has most of its sources and no other (of several: the one
    with most features, then the first in `patterns_`). There are no task labels: `tasks` is
    refused, keys of a mapping `task_weight` are tuples of source names, and `score` is the mean
    over the patterns that predict. Rows with the same pattern and no missing ones at all are the
    limiting case of a (group) lasso.

    References
    ----------
    .. [1] L. Yuan, Y. Wang, P. M. Thompson, V. A. Narayan, J. Ye, "Multi-source feature learning
       for joint analysis of incomplete multiple heterogeneous neuroimaging data", NeuroImage 61,
       2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import IncompleteMultiSourceRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> y = X[:, 0] - X[:, 4] + 0.1 * rng.standard_normal(60)
    >>> X[:20, 3:] = np.nan  # the first rows lack the second source
    >>> model = IncompleteMultiSourceRegressor(sources=[[0, 1, 2], [3, 4]], lambda1=0.1).fit(X, y)
    >>> model.tasks_.tolist()
    [(0,), (0, 1)]
    >>> model.coef_[0, 3:], model.relative_gap_ <= model.tol
    (array([0., 0.]), True)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class IncompleteMultiSourceClassifier(_IncompleteMultiSource, MultiTaskClassifier):
    """Classification on several sources of which rows lack whole ones (iMSF).

    The pattern of sources that a row has is its task. Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2,   w_jt = 0 where t lacks j

    so that the group of feature j is its coefficients over the patterns that have it.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    sources : list of lists, mapping or array-like of shape (n_features,), default=None
        Which columns of X belong together: one list of positions or names per source, ``{source:
        positions or names}``, or the source of each column. Every column is in exactly one source.
        None: all columns are one source, so nothing may be missing.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    class_weight : "balanced", mapping or None, default=None
        Factor on the weights of the samples of a class: "balanced" makes all classes of a task
        count alike; or ``{class: weight}``, in (0, inf), 1 for others.
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
    patterns_ : ndarray of shape (n_tasks, n_sources)
        Which sources each pattern has (bool); `tasks_` holds the same as tuples of source names.
    source_names_ : ndarray of shape (n_sources,)
        Names of the sources: the keys or labels given, or 0, 1, ... for lists.
    feature_sources_ : ndarray of shape (n_features,)
        Position in `source_names_` of each feature's source.
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
    IncompleteMultiSourceRegressor : The same penalty with the squared loss, and notes on patterns.

    References
    ----------
    .. [1] L. Yuan, Y. Wang, P. M. Thompson, V. A. Narayan, J. Ye, "Multi-source feature learning
       for joint analysis of incomplete multiple heterogeneous neuroimaging data", NeuroImage 61,
       2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import IncompleteMultiSourceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> y = X[:, 0] - X[:, 4] + 0.5 * rng.standard_normal(60) > 0
    >>> X[:20, 3:] = np.nan  # the first rows lack the second source
    >>> model = IncompleteMultiSourceClassifier(sources=["a", "a", "a", "b", "b"], lambda1=0.02)
    >>> model.fit(X, y).tasks_.tolist()
    [('a',), ('a', 'b')]
    """
