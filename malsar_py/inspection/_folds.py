"""Losses out of fold: estimators fitted to training rows, and what their predictions lose."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils.validation import has_fit_parameter

from .._pipelines import last_step
from .._tasks import TaskRows
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray, IntArray
from ..losses import R2, UnitScore
from ..model_selection import MultiTaskSearchCV
from ..model_selection._data import Data
from ..model_selection._template import Template, fit_params

_OF_SEARCHES = "values of lambda1"  # in what they say of fits that they compare
# Category of a warning, who gave it, and its text.
Said = tuple[type[Warning], str, str]


@dataclass(frozen=True, eq=False)
class Cells:
    """The targets of all tasks, task by task, as those of fits; what a prediction of one loses."""

    rows: TaskRows
    metrics: list[tuple[UnitScore, AnyArray]]  # of regressors, with the masks of their cells

    @classmethod
    def of(cls, model: Any, rows: TaskRows) -> Cells:
        """What there is to predict in these rows of the model's."""
        if rows.classes is not None:
            return cls(rows, [])
        model._set_tasks(rows)
        return cls(rows, model._unit_scores(np.repeat(range(rows.n_tasks), np.diff(rows.offsets))))

    @property
    def codes(self) -> IntArray:
        """The task of each cell."""
        return np.repeat(np.arange(self.rows.n_tasks), np.diff(self.rows.offsets))

    @property
    def row(self) -> IntArray:
        """The row of the X given that each cell is in."""
        return np.tile(self.rows.rows, self.rows.n_tasks if self.rows.shared else 1)

    @property
    def loss_name(self) -> str:
        """What is lost, in words."""
        if self.rows.classes is not None:
            return "log loss"
        if self.squared:
            return "RMSE"
        names = {
            metric.name.replace("r2", "squared").replace("d2_", "") for metric, _ in self.metrics
        }
        return f"{' / '.join(sorted(names))} loss"

    @property
    def squared(self) -> bool:
        """Whether losses are squares."""
        return bool(self.metrics) and all(metric is R2 for metric, _ in self.metrics)

    def of_rows(self, test: IntArray) -> tuple[IntArray, IntArray, Any]:
        """The observed cells in rows of the X given, and where their predictions are."""
        place = np.full(int(max(self.rows.rows.max(), test.max())) + 1, -1)
        place[self.rows.rows] = np.arange(len(self.rows.rows))
        at = np.flatnonzero(place[test] >= 0)
        found = place[test[at]]
        if not self.rows.shared:
            return found, at, None
        n, T = len(self.rows.rows), self.rows.n_tasks
        cells = (found[:, None] + n * np.arange(T)).ravel()
        seen = self.rows.sample_weight[cells] > 0.0
        return cells[seen], np.repeat(at, T)[seen], np.tile(np.arange(T), len(at))[seen]

    def losses(self, cells: IntArray, predicted: AnyArray) -> FloatArray:
        """Losses of cells: of predictions, or of the probabilities of the classes they have."""
        if self.rows.classes is not None:
            return -np.log(np.clip(predicted, np.finfo(np.float64).eps, 1.0))
        out = np.empty(len(cells))
        for metric, own in self.metrics:
            of = own[cells]
            out[of] = metric.loss(self.rows.y[cells[of]], predicted[of])
        return out


def base_of(estimator: Any) -> Any:
    """The estimator that a search tries."""
    return estimator.estimator if hasattr(estimator, "estimator") else estimator


def fitted(estimator: Any, data: Data, groups: Any = None) -> Any:
    """A clone fitted to the data; of a search the best estimator."""
    copy = clone(estimator)
    more = {}
    if groups is not None and isinstance(copy, MultiTaskSearchCV | BaseSearchCV):
        more["groups"] = groups
    if isinstance(copy, MultiTaskSearchCV):
        more |= {name: value for name, value in data.metadata.items() if value is not None}
    else:
        more |= fit_params(Template(base_of(copy)), data)
    copy.fit(data.X, data.y, **more)
    return getattr(copy, "best_estimator_", copy)


def predicted(estimator: Any, test: Data, cells: Cells, of: IntArray, at: IntArray, to: Any) -> Any:
    """Predictions of cells; of classifiers the probabilities of the classes that they have."""
    labels = {} if test.tasks is None else {"tasks": test.tasks}
    model, X = last_step(estimator, test.X, **labels)
    index = (at,) if to is None else (at, to)
    classes = cells.rows.classes
    if classes is None:
        return np.asarray(model.predict(X, **labels))[index]
    P = np.asarray(model.predict_proba(X, **labels))
    y = cells.rows.y[of]
    truth = (y > 0.0).astype(np.intp) if cells.rows.n_columns == 1 else y.astype(np.intp)
    if P.ndim == len(index):  # of the second of two classes, in columns of tasks
        P = np.stack([1.0 - P, P], axis=-1)
    where = {label: k for k, label in enumerate(model.classes_.tolist())}
    known = np.array([where.get(label, -1) for label in classes.tolist()])[truth]
    return np.where(known >= 0, P[(*index, known)], 0.0)


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is fitted in every fold."""

    name: str
    estimator: Any
    make: Callable[[Data], Any] | None = None  # the estimator for training rows; ours, if there is

    def check(self) -> None:
        """Refuse what cannot be fitted in folds."""
        cv = getattr(self.estimator, "cv", None)
        if cv is not None and not isinstance(cv, Integral) and not hasattr(cv, "split"):
            raise ValueError(
                f"{self.name}: the search has rows as cv, but it is fitted to parts of the data: "
                "give it a number of folds or a splitter, such as TaskKFold."
            )
        if getattr(self.estimator, "refit", True) is False:
            raise ValueError(f"{self.name}: the search must have refit=True to predict.")

    def out_of_fold(
        self, train: Data, test: Data, rows: IntArray, cells: Cells, groups: Any
    ) -> tuple[IntArray, FloatArray, list[Said]]:
        """Cells of the test rows with their losses by a fit of the others, and its warnings."""
        of, at, to = cells.of_rows(rows)
        with one_blas_thread(), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            # Of all rows, not of a part of tasks that have two or three each.
            warnings.filterwarnings("ignore", "The number of tasks", UserWarning)
            try:
                estimator = self.estimator if self.make is None else self.make(train)
                if not has_fit_parameter(Template(base_of(estimator)).model, "tasks"):
                    train, test = replace(train, tasks=None), replace(test, tasks=None)
                found = predicted(fitted(estimator, train, groups), test, cells, of, at, to)
            except ValueError as error:
                remedy = "" if self.make is None else " Pass another reference, or None."
                raise ValueError(f"{self.name}: {error}{remedy}") from error
        texts = [
            (one.category, self.name, str(one.message))
            for one in said
            # Of our own searches there is nothing to tell but that what was chosen is not a fit.
            if self.make is None
            or (
                issubclass(one.category, ConvergenceWarning)
                and _OF_SEARCHES not in str(one.message)
            )
        ]
        return of, cells.losses(of, found), texts


def mean_losses(folds: list[Any], n_cells: int) -> FloatArray:
    """Mean loss of each cell over the folds that test it; NaN where none does."""
    total, count = np.zeros(n_cells), np.zeros(n_cells)
    for cells, losses, _ in folds:
        total[cells] += losses
        count[cells] += 1.0
    return np.divide(total, count, out=np.full(n_cells, np.nan), where=count > 0.0)


def tell(said: Iterable[list[Said]], stacklevel: int) -> None:
    """One warning for all fits that say the same, if with other numbers."""
    first: dict[Any, Said] = {}
    count: Counter[Any] = Counter()
    for fit in said:
        found = {(one[0], one[2][:60]): one for one in fit}
        count.update(list(found))
        first = found | first
    for key, (category, name, text) in first.items():
        more = f" (So in {count[key]} fits; this is the first.)" if count[key] > 1 else ""
        warnings.warn(f"{name}: {text}{more}", category, stacklevel=stacklevel)
