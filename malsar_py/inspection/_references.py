"""What sharing is compared with: one ridge model per task, and one for all tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import get_tags

from ..model_selection import MultiTaskSearchCV
from ..model_selection._data import Data
from ..model_selection._solve import prepare_any
from ..model_selection._template import Template, heeded, transform
from ..model_selection.path import curvature
from ..models import MeanRegularizedClassifier, MeanRegularizedRegressor

# A coupling this strong leaves one model (it is at its limit, which is solved exactly); with more
# than two classes, whose limit is not, relative to the curvature of the loss, by Newton steps.
_ONE_MODEL, _ONE_OF_MANY = 1e200, 1e4
# Losses out of fold do not see more digits.
_FITS: dict[str, Any] = {"tol": 1e-4, "max_iter": 1000}
# Strengths of the ridge, relative to the curvature of the loss.
_RIDGES = np.logspace(2.0, -4.0, 9)


class Reference:
    """Makes the search of one kind for training rows: ridge in place of the model, steps kept."""

    def __init__(self, template: Template, pooled: bool) -> None:
        self.template = template
        self.pooled = pooled

    def __call__(self, data: Data) -> MultiTaskSearchCV:
        """The search, whose grid is in the scale of the data."""
        steps, given = self.template.parts({})
        if get_tags(given).input_tags.pairwise:
            raise ValueError("X is a matrix of kernel values, which ridge models cannot use.")
        model = self._ridge(given)
        seen = heeded(model, "fit", transform(steps, data)[0])
        rows, prepared = prepare_any(model, seen.X, seen.y, seen.tasks, seen.sample_weight)
        scale = max(curvature(prepared), np.finfo(np.float64).tiny)
        if self.pooled:
            model.set_params(lambda1=_ONE_MODEL, task_weight="size")
            if rows.n_columns > 1:
                model.set_params(lambda1=_ONE_OF_MANY * scale, solver="newton")
            elif model.fit_intercept:
                model.set_params(intercept_shrinkage=np.inf)
        scoring = None
        if model._classifier:
            scoring = "neg_mean_task_log_loss"
        elif model.loss == "squared":
            scoring = "neg_mean_task_mse"
        return MultiTaskSearchCV(
            Template.joined(self.template.parts({})[0], model),
            lambda1=[model.lambda1],
            lambda2=scale * _RIDGES,
            scoring=scoring,
        )

    @staticmethod
    def _ridge(given: Any) -> Any:
        kept = ("task_column", "fit_intercept", "loss")
        parameters = given.get_params(deep=False)
        same = {name: parameters[name] for name in kept if name in parameters}
        kind = MeanRegularizedClassifier if given._classifier else MeanRegularizedRegressor
        return kind(lambda1=0.0, lambda2=1.0, **_FITS, **same)
