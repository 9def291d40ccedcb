"""Several sources of features of which rows lack whole ones: joint selection over the patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_array

from .._docs import document
from .._labels import as_labels, factorize, object_array
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray, IntArray
from ..base import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, Problem
from ..penalties import Penalty, Ridge, RowL2

_OWN_PARAMETERS = """\
    sources : list of lists, mapping or array-like of shape (n_features,), default=None
        Which columns of X belong together: one list of positions or names per source,
        ``{source: positions or names}``, or the source of each column. Every column is in exactly
        one source. None: all columns are one source, so nothing may be missing."""

_OWN_ATTRIBUTES = """\
    patterns_ : ndarray of shape (n_tasks, n_sources)
        Which sources each pattern has (bool); `tasks_` holds the same as tuples of source names.
    source_names_ : ndarray of shape (n_sources,)
        Names of the sources: the keys or labels given, or 0, 1, ... for lists.
    feature_sources_ : ndarray of shape (n_features,)
        Position in `source_names_` of each feature's source."""


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


def _document(kind: str) -> Any:
    return document(
        kind,
        own_parameters=_OWN_PARAMETERS,
        own_attributes=_OWN_ATTRIBUTES,
        without=("task_column", "unseen"),
    )


@_document("regressor")
@dataclass(kw_only=True, eq=False, repr=False)
class IncompleteMultiSourceRegressor(_IncompleteMultiSource, MultiTaskRegressor):
    """Regression on several sources of which rows lack whole ones (iMSF).

    The pattern of sources that a row has is its task. Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2,   w_jt = 0 where t lacks j

    so that the group of feature j is its coefficients over the patterns that have it. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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


@_document("classifier")
@dataclass(kw_only=True, eq=False, repr=False)
class IncompleteMultiSourceClassifier(_IncompleteMultiSource, MultiTaskClassifier):
    """Classification on several sources of which rows lack whole ones (iMSF).

    The pattern of sources that a row has is its task. Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2,   w_jt = 0 where t lacks j

    so that the group of feature j is its coefficients over the patterns that have it. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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
