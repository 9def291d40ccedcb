"""How predictions are judged: one loss a row, its mean in each task, the mean over tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score

from .. import metrics
from .._typing import AnyArray, FloatArray

# Losses of rows and the scorers that choose by their means, by the loss that is fitted.
_NAMES = {
    "squared": ("RMSE", "mse", "mean_task_mse"),
    "huber": ("MAE", "mae", "mean_task_mae"),
    "quantile": ("MAE", "mae", "mean_task_mae"),
    "poisson": ("deviance", "poisson_deviance", "mean_task_poisson_deviance"),
    "gamma": ("deviance", "gamma_deviance", "mean_task_gamma_deviance"),
    "logistic": ("log loss", "log_loss", "mean_task_log_loss"),
}
LOSSES = tuple(name for name in _NAMES if name != "logistic")


@dataclass(frozen=True)
class Measure:
    """The metric of the table, smaller is better, and a second one that everybody knows."""

    loss: str  # what is fitted
    n_classes: int = 0  # 0: regression

    @property
    def name(self) -> str:
        """Heading of the first column."""
        return _NAMES[self.loss][0]

    @property
    def second(self) -> str:
        """Heading of the second."""
        if self.n_classes:
            return "accuracy"
        return "R2" if self.loss == "squared" else "D2"

    @property
    def scoring(self) -> str:
        """The score by which strengths are chosen.

        Squared errors: the root of a mean over the two or three rows of a task in a fold is biased.
        """
        return _NAMES[self.loss][2]

    def of_rows(self, y: AnyArray, p: AnyArray) -> FloatArray:
        """Loss of each row."""
        # As many tasks as rows: the package's own metrics, row by row.
        return metrics.task_scores(
            y, p, np.arange(len(y)), metric=_NAMES[self.loss][1], **self._classes()
        )

    def of_tasks(self, losses: FloatArray, codes: AnyArray, n_tasks: int) -> FloatArray:
        """Metric of each task, NaN for those without rows."""
        n = np.bincount(codes, minlength=n_tasks)
        sums = np.bincount(codes, weights=losses, minlength=n_tasks)
        means = np.divide(sums, n, out=np.full(n_tasks, np.nan), where=n > 0)
        return np.sqrt(means) if self.name == "RMSE" else means

    def score(self, y: AnyArray, p: AnyArray, codes: AnyArray) -> float:
        """What decides inside: the score of the searches, greater is better."""
        return metrics.get_task_scorer(self.scoring).score(y, p, codes, **self._classes())

    def second_of(self, y: AnyArray, p: AnyArray) -> float:
        """R2, D2 or accuracy over all rows: the best constant has R2 and D2 of 0."""
        if self.n_classes:
            found = p.argmax(axis=1) if p.ndim == 2 else (p > 0.5).astype(int)
            return float(accuracy_score(y.astype(int), found))
        best = np.median(y) if self.name == "MAE" else y.mean()
        if self.name == "deviance" and best <= 0.0:
            return np.nan
        against = float(self.of_rows(y, np.full(len(y), best)).mean())
        return 1.0 - float(self.of_rows(y, p).mean()) / against if against > 0.0 else np.nan

    def predict(self, model: Any, X: Any) -> AnyArray:
        """Values, or probabilities: of class 1 of two, of all classes of more."""
        if not self.n_classes:
            return np.asarray(model.predict(X), dtype=np.float64)
        p = model.predict_proba(X)
        return p[:, 1] if self.n_classes == 2 else p

    def _classes(self) -> dict[str, Any]:
        if not self.n_classes:
            return {}
        return {"classes": tuple(map(float, range(self.n_classes)))}
