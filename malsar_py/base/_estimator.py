"""What every estimator of many tasks does: read the labels, predict, score."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions, make_constraint

from .._doc_link import PACKAGE, page_of
from .._family import Family
from .._given import label_like
from .._scoring import is_own, own_prediction, positions, score_rows
from .._sparse import is_sparse
from .._summary import MAX_MEMORY, Columns
from .._tasks import TaskRows, resolve_fit, resolve_predict, resolve_score
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray, IntArray
from ..losses import R2, UnitScore
from ._fit_batches import fit_batches, one_pass

# Values of parameters that cannot change, and how many of them are remembered as fine.
_PLAIN = (bool, int, float, str, type(None))
_MOST_MET = 1000


# Dataclasses write the constructors: every parameter is listed once, keyword-only, and sklearn
# finds it.
@dataclass(kw_only=True, eq=False, repr=False)
class TaskEstimator(BaseEstimator, ABC):
    """Template: resolve the tasks, fit their rows, predict linearly, score task by task."""

    fit_intercept: bool = True
    task_column: int | str | None = None
    unseen: str = "error"
    verbose: int = 0

    _classifier: ClassVar[bool] = False
    # Whether fits take sparse X as it is, and predictions; else it is made dense.
    _takes_sparse: ClassVar[bool] = False
    _linear: ClassVar[bool] = True
    # Whether fits take a shared X in Fortran order as it is.
    _any_order: ClassVar[bool] = False
    _doc_link_module = PACKAGE
    _doc_link_template = page_of()
    _param_names: ClassVar[list[str]]
    _constraints: ClassVar[dict[str, list[Any]]]
    _met: ClassVar[set[tuple[str, type, Any]]]
    _couples: ClassVar[bool] = False  # whether a fit of one task would have no purpose

    # Task labels are requested wherever they can be used (sklearn's metadata routing).
    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__predict_proba: ClassVar = {"tasks": True}
    __metadata_request__decision_function: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "fit_intercept": ["boolean"],
        "task_column": [Integral, str, None],
        "unseen": [StrOptions({"error", "mean"})],
        "verbose": ["verbose"],
    }

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # Read off the signature once for each class: that takes as long as a small fit.
        if "_param_names" not in vars(cls):
            cls._param_names = super()._get_param_names()
        return cls._param_names.copy()

    def _validate_params(self) -> None:
        # scikit-learn makes its constraints anew each time, a tenth of a small fit; where one is
        # not met it has the words.
        cls = type(self)
        if "_constraints" not in vars(cls):
            cls._met = set()
            cls._constraints = {
                name: [make_constraint(each) for each in given]
                for name, given in cls._parameter_constraints.items()
                if isinstance(given, list)  # ("no_validation" is none)
            }
        for name in self._get_param_names():
            value = getattr(self, name)
            # Plain values are looked at once: that they were fine is found in no time.
            known = (name, type(value), value) if isinstance(value, _PLAIN) else None
            if known is not None and known in cls._met:
                continue
            met = cls._constraints.get(name)
            if met is not None and not any(each.is_satisfied_by(value) for each in met):
                super()._validate_params()
            elif known is not None:
                if len(cls._met) >= _MOST_MET:
                    cls._met.clear()
                cls._met.add(known)

    @abstractmethod
    def _fit_rows(self, rows: TaskRows) -> None:
        """Fit to rows sorted by task, and set the fitted attributes."""

    def __sklearn_clone__(self) -> Self:
        copy = super().__sklearn_clone__()
        self._clones: Family = getattr(self, "_clones", None) or Family()
        copy._siblings = self._clones
        return copy

    def __getstate__(self) -> dict[str, Any]:
        # Having been cloned changes nothing that is kept, or hashed.
        return {name: v for name, v in super().__getstate__().items() if name != "_clones"}

    def _needs_rows(self) -> str:
        """Why a fit needs the rows themselves, "" if second moments of each task are enough."""
        return "it does not fit by least squares"

    def _takes_batches(self) -> bool:
        """Whether rows that come in batches can be fitted, where second moments are not enough."""
        return False

    def _over_features(self) -> bool:
        """Whether the penalty is a sum over features, so that moments of few of them are enough."""
        return False

    def _advise(self, rows: TaskRows) -> None:
        """Warn of what a fit of the user's own (not of a fold) shows to be a mistake."""

    def fit(self, X: Any, y: Any = None, *, tasks: Any = None, sample_weight: Any = None) -> Self:
        """Fit the tasks together.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
            Features, with the labels in `task_column` if that is set. With the squared loss also a
            :class:`malsar_py.Summary` of rows, given alone.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            Targets, missing where not observed. Two-dimensional: a column per task on a shared X.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the labels are neither in X nor the columns of y.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Nonnegative weights. Rows of weight 0 are dropped before tasks are formed.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter cannot be used; the message names which.
        """
        self._validate_params()
        rows = resolve_fit(
            self, X, y, tasks=tasks, sample_weight=sample_weight, classifier=self._classifier
        )
        if self._couples and rows.one_task_plain and rows.stands_for is None:
            self._warn_of_forgotten_labels(rows)
        with one_blas_thread():
            self._fit_rows(rows)
        if not hasattr(self, "_siblings"):
            self._advise(rows)
        return self

    def fit_batches(
        self,
        source: Any,
        *,
        task_column: str | None = None,
        target: str = "y",
        sample_weight: str | None = None,
        max_memory: int = MAX_MEMORY,
    ) -> Self:
        """Fit to rows of any number, read batch by batch: the guide "Any size".

        One pass with the squared loss, about ten (proximal Newton steps) with other smooth ones.

        Parameters
        ----------
        source : iterable of batches, table, Dask DataFrame or callable
            As for :func:`malsar_py.summarize`, or a function that returns the same batches again.
        task_column, target, sample_weight : str
            Columns of tables: task labels (default None), targets ("y"), weights (None).
        max_memory : int, default=4294967296
            Bytes that a summary may take: 8 T (d + 1)^2 for T tasks and d features, K^2 times that
            with K > 2 classes. Lasso and JointFeature (two classes at most) go on beyond, and with
            sparse batches, with working sets of d features.

        Returns
        -------
        self : object
            The fitted estimator; `n_passes_` is the number of passes, the first one included.

        Raises
        ------
        ValueError, TypeError, MemoryError
            If rows cannot be used, a loss is not smooth or a model has no such fit, source can be
            read only once, or a summary is larger than `max_memory`; the message names the batch.
        """
        self._validate_params()
        columns = Columns(task_column, target, None, sample_weight, max_memory)
        summary = None if self._needs_rows() else one_pass(self, source, columns)
        if summary is None:
            fit_batches(self, source, columns)
        else:
            self.fit(summary)
            self.n_passes_ = 1
        return self

    def _warn_of_forgotten_labels(self, rows: TaskRows) -> None:
        j = None if is_sparse(rows.X) else label_like(rows.X)
        if j is not None:
            warnings.warn(
                f"{type(self).__name__} couples tasks, but was fitted without task labels, as one "
                f"task. If the values of column {rows.feature_names[j]!r} are labels, pass its "
                "name or position as task_column; labels kept apart from X are passed as `tasks`.",
                UserWarning,
                stacklevel=3,
            )

    def _set_tasks(self, rows: TaskRows) -> None:
        self._door = rows.door
        self.tasks_ = rows.tasks
        self.n_tasks_ = rows.n_tasks
        self.coef_feature_names_ = rows.feature_names
        if rows.classes is not None:
            self.classes_ = rows.classes

    def _linear_prediction(self, X: Any, tasks: Any) -> tuple[FloatArray, IntArray | None]:
        """``x . w_t + b_t`` (n,) with the tasks' positions, or for all tasks (n, n_tasks)."""
        rows = resolve_predict(self, X, tasks=tasks)
        return self._predict_rows(rows.X, rows.index), rows.index

    def _predict_rows(self, X: FloatArray, index: AnyArray | None) -> FloatArray:
        # One model for each task, or (K, n_features) and (K,) of more than two classes.
        intercept = np.reshape(self.intercept_, (self.n_tasks_, -1))
        several = intercept.shape[1] > 1
        intercept = intercept if several else intercept[:, 0]
        coef = np.reshape(self.coef_, (*intercept.shape, -1))
        if index is None:
            z = X @ coef.reshape(intercept.size, -1).T
            return z.reshape(-1, *intercept.shape) + intercept
        z = np.empty((X.shape[0], *intercept.shape[1:]))
        order = np.argsort(index, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
            t = index[own[0]]
            w, b = self._mean_of_tasks() if t < 0 else (coef[t], intercept[t])
            z[own] = X[own] @ w.T + b
        return z

    def _mean_of_tasks(self) -> tuple[FloatArray, Any]:
        if hasattr(self, "_mean_coef"):
            return self._mean_coef, self._mean_intercept
        # Pickled by a version that did not keep it.
        return self.coef_.reshape(self.n_tasks_, -1).mean(axis=0), float(np.mean(self.intercept_))

    def score(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> float:
        """Mean over tasks of the task's R2 or D2 (regressors) or accuracy (classifiers).

        D2, for losses that are no squares: ``1 - sum loss(y, prediction) / sum loss(y, constant)``.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            True targets; NaN entries are skipped.
        tasks, sample_weight : array-like, default=None
            As in `fit`; the weights count within the tasks, rows of weight 0 are skipped.

        Returns
        -------
        score : float
            Tasks with fewer than two test rows or a constant target are pooled as one.
        """
        scored = resolve_score(self, X, y, tasks=tasks, sample_weight=sample_weight)
        if is_own(self, "predict"):
            given = scored.rows
            prediction = self._respond(self._predict_rows(given.X, given.index), given.index)
        else:
            prediction = own_prediction(self, scored, X, tasks)
        return score_rows(scored, prediction, self._unit_scores(positions(scored)))

    def _respond(self, z: FloatArray, index: IntArray | None) -> AnyArray:
        """What predict returns for linear predictions of tasks (None: in columns)."""
        return z

    def _unit_scores(self, index: IntArray) -> list[tuple[UnitScore, AnyArray]]:
        """What `score` means for the rows of tasks ``index``, with the masks of their rows."""
        return [(R2, np.ones(index.shape, dtype=np.bool_))]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = self.task_column is None
        return tags
