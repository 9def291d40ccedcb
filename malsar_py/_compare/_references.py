"""What sharing is compared with: the mean, steps that hide the tasks, and trees."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from .._typing import AnyArray, FloatArray
from ._choice import Training

# Trees of gradient boosting: chosen among these by cross-validation.
_TREES = np.array([5, 10, 20, 40, 80, 150])
# scikit-learn's trees take so many categories.
_MOST_CATEGORIES = 255


class MeanModel(BaseEstimator):
    """The mean of the targets, or the shares of the classes: what is known without any feature."""

    def fit(self, X: Any, y: Any) -> Self:
        """Take the mean."""
        self.n_features_in_ = X.shape[1]
        if isinstance(self, ClassifierMixin):
            self.classes_, counts = np.unique(np.asarray(y), return_counts=True)
            self.shares_ = counts / counts.sum()
        else:
            self.mean_ = float(np.mean(y))
        return self


class MeanRegressor(RegressorMixin, MeanModel):
    """The mean of the targets for every row."""

    def predict(self, X: Any) -> FloatArray:
        """The same for all rows."""
        return np.full(len(X), self.mean_)


class MeanClassifier(ClassifierMixin, MeanModel):
    """The shares of the classes for every row."""

    def predict_proba(self, X: Any) -> FloatArray:
        """The same for all rows."""
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X: Any) -> AnyArray:
        """The most frequent class."""
        return np.full(len(X), self.classes_[self.shares_.argmax()])


def mean(training: Training) -> Any:
    """No features: the mean, or the shares of the classes."""
    model = MeanClassifier() if training.measure.n_classes else MeanRegressor()
    return [({}, [("model", model)])]


def features_only() -> tuple[str, Any]:
    """The step that leaves the task out."""
    return "features", ColumnTransformer([("x", "passthrough", slice(1, None))])


def with_task(encoder: Any) -> tuple[str, Any]:
    """The step that encodes the task, in front of the features."""
    return "features", ColumnTransformer(
        [("task", encoder, slice(0, 1)), ("x", "passthrough", slice(1, None))]
    )


def dummies() -> tuple[str, Any]:
    """A column for each task."""
    return with_task(OneHotEncoder(handle_unknown="ignore", sparse_output=False))


def _by_target(training: Training) -> Any:
    """The encoder of very many tasks, whose folds are the same at every run."""
    if TargetEncoder().get_params().get("shuffle") is True:  # scikit-learn before 1.9
        return TargetEncoder(random_state=training.seed)
    kind = StratifiedKFold if training.measure.n_classes else KFold
    return TargetEncoder(cv=kind(5, shuffle=True, random_state=training.seed))


def boosting(training: Training) -> Any:
    """Gradient boosted trees with the task as a category, by their number."""
    n_classes, loss = training.measure.n_classes, training.measure.loss
    few = training.source.table.n_tasks <= _MOST_CATEGORIES
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
    task: Any = OrdinalEncoder(**unknown) if few else _by_target(training)
    columns = with_task(task)
    options: dict[str, Any] = {
        "max_leaf_nodes": 8,
        "min_samples_leaf": min(20, max(2, len(training.rows) // 20)),
        "categorical_features": [0] if few else None,
        "early_stopping": False,
        "random_state": training.seed,
    }
    if n_classes:
        trees: Any = HistGradientBoostingClassifier(**options)
    else:
        names = {"squared": "squared_error", "huber": "absolute_error", "quantile": "quantile"}
        trees = HistGradientBoostingRegressor(loss=names.get(loss, loss), **options)
        if loss == "quantile":
            trees.set_params(quantile=0.5)
    return [
        (
            {"trees": int(n)},
            [columns, ("model", clone(trees).set_params(max_iter=int(n)))],
        )
        for n in _TREES
    ]
