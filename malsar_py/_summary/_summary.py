"""Summary: what the squared loss needs of any number of rows."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import Bunch, check_array, check_consistent_length

from .._labels import (
    as_labels,
    as_table,
    factorize,
    frame_columns,
    match_keys,
    object_array,
)
from .._sparse import is_sparse
from .._standins import RowSource
from .._tasks import TaskRows, read_weights
from .._typing import AnyArray, FloatArray, IntArray
from . import _fit
from ._keys import Key, Labels, counted, keys_of, label_array
from ._moments import Moments, equivalent_rows

MAX_MEMORY = 4 * 2**30


class Summary(RowSource):
    """Statistics of rows that add up: enough for any fit with the squared loss.

    Under the squared loss the n rows of a task can be replaced by min(n, d + 2) weighted rows with
    the same loss for all coefficients and intercepts. What they are made from, the weighted second
    moments of features and target, is kept for each task (and fold), so that data which fit in no
    memory, or lie on many machines, need one pass: `update` takes in rows, and summaries of parts
    add up in any order (``+``, `sum`). ``model.fit(summary)`` is then the fit of all rows, for any
    regressor with the squared loss; so are paths, and searches over the summary's folds.

    Parameters
    ----------
    max_memory : int, default=4294967296
        Bytes that the statistics may take: 8 K T (d + q)^2 for T tasks in K folds, d features and q
        targets.

    Attributes
    ----------
    tasks_ : ndarray of shape (n_tasks,)
        Labels of the tasks, sorted; the targets' names or numbers if there are several.
    folds_ : ndarray of shape (n_folds,) or None
        Labels of the folds, sorted.
    n_rows_ : int
        Rows taken in, without those of weight 0 or with a NaN target.
    n_features_in_ : int
        Number of features.
    feature_names_ : ndarray of shape (n_features,)
        Names of the features: those of the columns, or x0, x1, ...
    nbytes : int
        Bytes of the statistics.

    See Also
    --------
    summarize : From tables in batches, Arrow, or Dask.

    Notes
    -----
    Moments are taken about the means, which are kept as deviations from a first row, and parts are
    merged by Chan, Golub and LeVeque's formula [1]_; a fit gets centred rows and the means beside:
    no digits are lost to columns far from zero.

    References
    ----------
    .. [1] T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance: analysis
       and recommendations", The American Statistician, 37(3), 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import MeanRegularizedRegressor, Summary
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> parts = np.array_split(np.arange(len(exam.target)), 10)
    >>> summary = sum(
    ...     Summary().update(exam.data[rows], exam.target[rows], tasks=exam.tasks[rows])
    ...     for rows in parts
    ... )
    >>> summary
    Summary(4059 rows, 65 tasks, 15 features)
    >>> model = MeanRegularizedRegressor().fit(summary)
    >>> whole = MeanRegularizedRegressor().fit(exam.data, exam.target, tasks=exam.tasks)
    >>> bool(np.allclose(model.coef_, whole.coef_))
    True
    """

    def __init__(self, *, max_memory: int = MAX_MEMORY) -> None:
        self.max_memory = max_memory
        self._names: list[Any] | None = None  # of the features
        self._numbered = True
        self._targets: list[Any] | None = None  # of several targets; [] for one
        self._labelled = (False, False)  # whether there are tasks, folds
        self._column: tuple[str, int] | None = None  # where task labels were in tables
        self._kinds: tuple[str, str] = ("", "")
        self._labels: Labels = ({}, {})
        self._keys: dict[Key, int] = {}
        self._moments: Moments | None = None

    def update(
        self,
        X: Any,
        y: Any,
        *,
        tasks: Any = None,
        folds: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Take in rows.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Features, the same columns in every call.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets. Rows with a NaN target are left out; of several targets on a shared X none may
            be NaN.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, for one target. None: one task.
        folds : array-like of shape (n_samples,), default=None
            Label of the cross-validation fold that each row is tested in.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; rows of weight 0 are left out.

        Returns
        -------
        self : Summary
            Itself.

        Raises
        ------
        ValueError, TypeError
            If columns, shapes or label types differ from those before, or values cannot be used.
        MemoryError
            If the statistics would take more than `max_memory`.
        """
        X, names = read_features(X)
        y, targets = read_targets(y)
        check_consistent_length(X, y)
        return self._take(
            X, names, y, targets, tasks=tasks, folds=folds, sample_weight=sample_weight
        )

    def _take(
        self,
        X: FloatArray,
        names: list[Any] | int,
        y: FloatArray,
        targets: list[Any],
        *,
        tasks: Any,
        folds: Any,
        sample_weight: Any,
        column: tuple[str, int] | None = None,
    ) -> Self:
        """Take in rows of numbers; y is (n, q), NaN where not observed."""
        if np.isinf(y).any():
            raise ValueError("Input y contains infinity.")
        refuse_not_finite(X, names)
        keep = ~np.isnan(y).any(axis=1)
        if targets and not keep.all():
            raise ValueError(
                "y of several targets holds NaN: a summary needs all targets of a row. Give each "
                "target its own rows, with its name in `tasks`."
            )
        weight = None
        if sample_weight is not None:
            weight = read_weights(sample_weight, X, (len(X),))
            keep &= weight > 0.0
            if (weight[keep] == 1.0).all():
                weight = None
        if targets and tasks is not None:
            raise ValueError(
                f"y has {y.shape[1]} columns, one task each, which cannot be combined with "
                "`tasks`: pass a 1-D y, or leave `tasks` out."
            )
        self._agree(names, targets, (tasks is not None, folds is not None), column)
        codes, keys, labels, kinds = keys_of(tasks, folds, len(X))
        present, codes = counted(codes, keep, len(keys))
        where = self._places([keys[k] for k in present], X.shape[1] + y.shape[1], labels, kinds)
        if len(where):
            self.moments.add_rows(X, y, weight, codes, where)
        return self

    def __add__(self, other: Any) -> Summary:
        """The summary of both parts' rows; neither is changed."""
        if isinstance(other, int) and other == 0:  # sum() begins with 0
            return copy.deepcopy(self)
        if not isinstance(other, Summary):
            return NotImplemented
        first, second = (self, other) if self._moments is not None else (other, self)
        total = copy.deepcopy(first)
        total.max_memory = max(self.max_memory, other.max_memory)
        if second._keys and second._moments is not None:
            assert second._names is not None and second._targets is not None
            names = None if second._numbered else second._names
            total._agree(
                names or len(second._names), second._targets, second._labelled, second._column
            )
            p = second._moments.shift.shape[1]
            where = total._places(list(second._keys), p, second._labels, second._kinds)
            total.moments.add(second._moments, where)
        return total

    __radd__ = __add__

    @property
    def tasks_(self) -> AnyArray:
        """Labels of the tasks."""
        if self._targets:
            numbered = self._targets == list(range(len(self._targets)))
            return np.array(self._targets) if numbered else object_array(self._targets)
        if not self._labelled[0]:
            return np.array([0])
        return factorize(label_array(self._labels[0].values(), "`tasks`"), "`tasks`")[0]

    @property
    def folds_(self) -> AnyArray | None:
        """Labels of the folds."""
        if not self._labelled[1]:
            return None
        return factorize(label_array(self._labels[1].values(), "`folds`"), "`folds`")[0]

    @property
    def n_rows_(self) -> int:
        """Rows that count."""
        return 0 if self._moments is None else int(self._moments.n.sum())

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        return 0 if self._names is None else len(self._names)

    @property
    def feature_names_(self) -> AnyArray:
        """Names of the features."""
        return object_array(self._names or [])

    @property
    def nbytes(self) -> int:
        """Bytes of the statistics."""
        return 0 if self._moments is None else self._moments.nbytes

    def __repr__(self) -> str:
        folds = "" if self.folds_ is None else f", {len(self.folds_)} folds"
        return (
            f"Summary({self.n_rows_} rows, {len(self.tasks_)} tasks{folds}, "
            f"{self.n_features_in_} features)"
        )

    def rows(self) -> Bunch:
        """Weighted rows with the same squared loss as all that were taken in.

        Returns
        -------
        rows : Bunch
            For fits elsewhere: `data`, `target`, `tasks` (None without labels, or with several
            targets), `folds` (None without), `sample_weight` and `feature_names`. At most
            n_features + n_targets + 1 rows for each task and fold.
        """
        moments = self.moments
        d = self.n_features_in_
        keys = np.array(list(self._keys.values()), np.intp)
        deviations, sizes, weight = equivalent_rows(moments, keys)
        Z = np.repeat(moments.mean[keys], sizes, axis=0) + deviations
        pairs = zip(self._keys, sizes, strict=True)
        each = [pair for pair, size in pairs for _ in range(size)]
        tasks, folds = [task for task, _ in each], [fold for _, fold in each]
        labels = [
            label_array([named[key] for key in keys], source) if labelled else None
            for keys, named, labelled, source in zip(
                (tasks, folds), self._labels, self._labelled, ("`tasks`", "`folds`"), strict=True
            )
        ]
        return Bunch(
            data=Z[:, :d],
            target=Z[:, d:] if self._targets else Z[:, d],
            tasks=labels[0],
            folds=labels[1],
            sample_weight=weight,
            feature_names=self.feature_names_,
        )

    def pooled(self, folds: Collection[Any] | None = None) -> Summary:
        """The summary without folds, as if none had been given.

        Parameters
        ----------
        folds : collection of labels, default=None
            Labels in `folds_` of those whose rows count; None: all.

        Returns
        -------
        summary : Summary
            Of the rows of these folds; `tasks_` are the tasks that have such.
        """
        if folds is None and not self._labelled[1]:
            return self
        moments = self.moments
        chosen = None if folds is None else set(match_keys(*[as_labels(folds, "`folds`")] * 2))
        kept = [key for key in self._keys if chosen is None or key[1] in chosen]
        out = copy.copy(self)
        tasks = {task: i for i, task in enumerate(dict.fromkeys(task for task, _ in kept))}
        out._keys = {(task, None): i for task, i in tasks.items()}
        out._labels = ({key: label for key, label in self._labels[0].items() if key in tasks}, {})
        out._labelled, out._kinds = (self._labelled[0], False), (self._kinds[0], "")
        out._moments = Moments.zeros(len(tasks), moments.shift.shape[1]) if kept else None
        for fold in dict.fromkeys(fold for _, fold in kept):
            own = [task for task, other in kept if other == fold]
            part = moments.select(np.array([self._keys[task, fold] for task in own]))
            assert out._moments is not None
            out._moments.add(part, np.array([tasks[task] for task in own]))
        return out

    def task_rows(self, estimator: Any) -> TaskRows:
        """The rows for a fit of this estimator, by task, centred.

        Parameters
        ----------
        estimator : estimator of this package
            Not fitted yet.

        Returns
        -------
        rows : TaskRows
            What `fit` makes of a table, from the moments.
        """
        return _fit.task_rows(self, estimator)

    def check_features(self, estimator: Any) -> None:
        """Refuse features that are not those of the estimator's fit.

        Parameters
        ----------
        estimator : estimator of this package
            Fitted.
        """
        _fit.check_features(self, estimator)

    @property
    def n_targets(self) -> int:
        """Number of targets: 1, or as many as there are columns of y."""
        return len(self._targets or [None])

    @property
    def moments(self) -> Moments:
        """The statistics; an error if there are none."""
        if self._moments is None:
            raise ValueError("The summary is empty: update() has taken in no row that counts.")
        return self._moments

    def _agree(
        self,
        names: list[Any] | int,
        targets: list[Any],
        labelled: tuple[bool, bool],
        column: tuple[str, int] | None,
    ) -> None:
        """Refuse columns or labels that are not those of the rows before; note the first ones."""
        given = [f"x{j}" for j in range(names)] if isinstance(names, int) else names
        if self._names is None or self._targets is None:
            self._names, self._numbered = given, isinstance(names, int)
            self._targets, self._labelled = targets, labelled
            self._column = column
            return
        if given != self._names:
            missing = [name for name in self._names if name not in given]
            extra = [name for name in given if name not in self._names]
            told = (
                f"missing {missing[:5]}, new {extra[:5]}" if missing or extra else "another order"
            )
            raise ValueError(
                f"X must have the same columns as before: {len(self._names)} were seen first, "
                f"{len(given)} are given ({told})."
            )
        if targets != self._targets:
            raise ValueError(f"y must have the targets seen first, {self._targets}; got {targets}.")
        for before, now, name in zip(self._labelled, labelled, ("tasks", "folds"), strict=True):
            if before != now:
                raise ValueError(
                    f"`{name}` must be given with all rows or with none: the rows before had "
                    f"{'labels' if before else 'no labels'}."
                )

    def _places(
        self,
        keys: Sequence[Key],
        p: int,
        labels: Labels,
        kinds: tuple[str, str],
    ) -> IntArray:
        """Positions of the keys in the moments of p columns; room is made for new ones."""
        for before, now, source in zip(self._kinds, kinds, ("tasks", "folds"), strict=True):
            if before and now and before != now:
                raise TypeError(
                    f"`{source}` holds labels that are {now}, those before were {before}: convert "
                    "them to one type."
                )
        new = [key for key in keys if key not in self._keys]
        self._room(len(self._keys) + len(new), p)
        self._kinds = (kinds[0] or self._kinds[0], kinds[1] or self._kinds[1])
        for key in new:
            self._keys[key] = len(self._keys)
            for known, own, part in zip(self._labels, labels, key, strict=True):
                if part is not None:
                    known.setdefault(part, own[part])
        if new and self._moments is None:
            self._moments = Moments.zeros(len(self._keys), p)
        elif new and self._moments is not None:
            self._moments = self._moments.grown(len(self._keys))
        return np.array([self._keys[key] for key in keys], dtype=np.intp)

    def _room(self, n_keys: int, p: int) -> None:
        needed = 8 * n_keys * p * p
        if needed > self.max_memory:
            raise MemoryError(
                f"The statistics of {n_keys} tasks and folds with {p} features and targets take "
                f"8 x {n_keys} x {p}^2 = {needed / 2**30:.3g} GiB, more than "
                f"max_memory={self.max_memory}: take fewer folds or features, group the tasks, or "
                "raise max_memory."
            )


class SparseBatch(TypeError):
    """Sparse rows where dense ones are needed."""


def refuse_not_finite(X: Any, names: list[Any] | int) -> None:
    """Refuse NaN and infinity among features, dense or sparse."""
    values = X.data if is_sparse(X) else X
    # A sum that is finite is one of finite numbers.
    if np.isfinite(values.sum()) or np.isfinite(values).all():
        return
    entries = X.tocoo() if is_sparse(X) else None
    where = np.argwhere(~np.isfinite(values))[0]
    row, j = where if entries is None else (c[where[0]] for c in (entries.row, entries.col))
    name = repr(names[j]) if isinstance(names, list) else int(j)
    raise ValueError(
        f"Input X contains NaN or infinity: column {name}, row {row}. Fill it in, or leave "
        "the row out."
    )


def read_features(X: Any) -> tuple[FloatArray, list[Any] | int]:
    """Float64 features, and the names of the columns or their number."""
    if is_sparse(X):
        raise SparseBatch(
            "X is sparse: a summary keeps products of all pairs of features, for which rows must "
            "be arrays. Pass X.toarray() if there are few features; if there are many, "
            "fit_batches of Lasso and JointFeature takes sparse batches as they are."
        )
    table = as_table(X)
    names = frame_columns(table)
    values = check_array(
        table, dtype=np.float64, order="C", ensure_all_finite=False, input_name="X"
    )
    return values, values.shape[1] if names is None else names


def read_targets(y: Any) -> tuple[FloatArray, list[Any]]:
    """Targets (n, q), NaN where not observed, and their names: [] for a single one."""
    names = frame_columns(y)
    values = check_array(
        y,
        dtype=np.float64,
        order="C",
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name="y",
    )
    if values.ndim == 1 or values.shape[1] == 1:
        return values.reshape(-1, 1), []
    return values, list(range(values.shape[1])) if names is None else names
