"""Regressors and classifiers: what they predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import StrOptions

from .._solution import Prepared
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray, IntArray
from .._weights import class_weights
from ..losses import (
    ACCURACY,
    NAMES,
    Logistic,
    Loss,
    Multinomial,
    Squared,
    UnitScore,
    read_loss,
    task_losses,
)
from ._estimator import TaskEstimator
from ._penalized import MultiTaskEstimator

_LOSSES: list[Any] = [StrOptions(set(NAMES)), Loss, Mapping]
_CLASS_WEIGHTS: list[Any] = [StrOptions({"balanced"}), Mapping, None]


@dataclass(kw_only=True, eq=False, repr=False)
class TaskRegressor(RegressorMixin, TaskEstimator):
    """Predicts numbers, by whatever it fits."""

    score = TaskEstimator.score  # ahead of the mixin's

    def predict(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, after a fit with `tasks`; after one on a 2-D y: predict each row
            for this task alone. Missing labels are errors, and unknown ones (see `unseen`).

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Predictions, by the inverse link of the loss; two-dimensional after a fit on a 2-D y,
            unless `tasks` is given.
        """
        return self._respond(*self._linear_prediction(X, tasks))


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskRegressor(TaskRegressor, MultiTaskEstimator):
    """Any loss: the targets are numbers."""

    loss: str | Loss | Mapping[Any, str | Loss] = "squared"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # (A model's own constraints are those of a base that has no loss.)
        cls._parameter_constraints = {"loss": _LOSSES, **cls._parameter_constraints}

    def _loss(self, rows: TaskRows) -> Loss:
        return task_losses(self.loss, rows.tasks, rows.offsets)

    def _needs_rows(self) -> str:
        known = all(loss.of_moments for loss in read_loss(self.loss))
        return "" if known else "its loss is not quadratic"

    def _set_tasks(self, rows: TaskRows) -> None:
        super()._set_tasks(rows)
        self._fitted_loss = self._loss(rows)

    def _set_shrinkage(self, prepared: Prepared) -> None:
        super()._set_shrinkage(prepared)
        read = self._fitted_loss.of_targets
        if read:
            self._fitted_loss = prepared.objective.loss.in_units(-prepared.problem.units.y)
        self._set_or_forget({"loss_": self._fitted_loss if read else None})

    def _respond(self, z: FloatArray, index: IntArray | None) -> AnyArray:
        return self._known_loss.respond(z, index)

    def _unit_scores(self, index: IntArray) -> list[tuple[UnitScore, AnyArray]]:
        return self._known_loss.unit_scores(index)

    @property
    def _known_loss(self) -> Loss:
        # (A model pickled by a version that had one loss has none of its own.)
        return getattr(self, "_fitted_loss", Squared())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = any(loss.positive_only for loss in read_loss(self.loss))
        return tags

    @property
    def _attained(self) -> bool:
        return all(loss.attained for loss in read_loss(self.loss))


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskClassifier(ClassifierMixin, MultiTaskEstimator):
    """Logistic loss of two classes, multinomial loss of more."""

    class_weight: str | Mapping[Any, float] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # (A model's own constraints are those of a base that has no classes.)
        own = {"class_weight": _CLASS_WEIGHTS}
        cls._parameter_constraints = own | cls._parameter_constraints

    _classifier: ClassVar[bool] = True
    _multi_class: ClassVar[bool] = True  # whether the penalty takes a column for each class

    score = MultiTaskEstimator.score  # ahead of the mixin's

    def decision_function(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Log odds of ``classes_[1]``, or what each of more than two classes has.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for `predict`.

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            ``x . w_t + b_t``. More than two classes have a last axis: ``x . w_tk + b_tk``, -inf for
            a class that the task did not have.
        """
        return self._linear_prediction(X, tasks)[0]

    def predict(self, X: Any, *, tasks: Any = None) -> AnyArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, after a fit with `tasks`; after one on a 2-D y: predict each row
            for this task alone. Missing labels are errors, and unknown ones (see `unseen`).

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Class labels.
        """
        return self._respond(*self._linear_prediction(X, tasks))

    def predict_proba(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Class probabilities.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for `predict`.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            After a fit on a 2-D y, without `tasks`: of ``classes_[1]``, (n_samples, n_tasks); with
            more than two classes, (n_samples, n_tasks, n_classes).
        """
        p = self._probabilities(self._linear_prediction(X, tasks)[0])
        return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p

    def _weighed(self, rows: TaskRows) -> TaskRows:
        return class_weights(super()._weighed(rows), self.class_weight)

    def _loss(self, rows: TaskRows) -> Loss:
        return Logistic() if rows.n_columns == 1 else Multinomial(rows.n_columns)

    def _unit_scores(self, index: IntArray) -> list[tuple[UnitScore, AnyArray]]:
        return [(ACCURACY, np.ones(index.shape, dtype=np.bool_))]

    @property
    def _attained(self) -> bool:
        return Logistic.attained

    def _respond(self, z: FloatArray, index: IntArray | None) -> AnyArray:
        return self.classes_[self._positions(z)]

    def _positions(self, z: FloatArray) -> IntArray:
        """Positions in `classes_` for linear predictions, of more than two in the last axis."""
        if len(self.classes_) > 2:
            return np.argmax(z, axis=-1)
        return (z > 0.0).astype(np.intp)

    def _probabilities(self, z: FloatArray) -> FloatArray:
        """The probabilities of ``classes_[1]``, or of each of more than two."""
        return np.asarray(softmax(z, axis=-1) if len(self.classes_) > 2 else expit(z))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self._multi_class
        return tags
