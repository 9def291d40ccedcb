"""The estimator of a search: a model, or a pipeline whose other steps are fitted in each fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metaestimators import _safe_split

from .._pipelines import refused, requested
from .._typing import IntArray
from ..base import MultiTaskEstimator
from ._data import Data

Setting = dict[str, Any]
Steps = list[tuple[str, Any]]


@dataclass(frozen=True, eq=False)
class Template:
    """The estimator of a search: a model, or a pipeline that ends in one."""

    estimator: Any

    @property
    def prefix(self) -> str:
        """What goes before the model's own parameters."""
        return f"{self.estimator.steps[-1][0]}__" if self.is_pipeline else ""

    @property
    def is_pipeline(self) -> bool:
        """Whether there are steps before the model."""
        return isinstance(self.estimator, Pipeline)

    @property
    def model(self) -> Any:
        """The model, last of the steps."""
        return self.estimator.steps[-1][1] if self.is_pipeline else self.estimator

    def parts(self, setting: Setting) -> tuple[Steps, MultiTaskEstimator]:
        """Fresh steps (none outside of a pipeline) and model, with these parameters."""
        fresh = clone(self.estimator).set_params(**clone(setting, safe=False))
        steps = list(fresh.steps) if self.is_pipeline else []
        return steps, steps[-1][1] if steps else fresh

    @staticmethod
    def joined(steps: Steps, model: MultiTaskEstimator) -> Any:
        """The pipeline of the steps with this model last; the model, where there are none."""
        return Pipeline([*steps[:-1], (steps[-1][0], model)]) if steps else model

    def groups(self, settings: list[Setting]) -> list[list[int]]:
        """Positions of the settings that see the same data."""
        found: dict[Any, list[int]] = {}
        for i, setting in enumerate(settings):
            own = self.parts(setting)[1]._penalty_parameters
            of_penalty = {f"{self.prefix}{name}" for name in own}
            rest = sorted(name for name in setting if name not in of_penalty)
            found.setdefault(tuple((name, key_of(setting[name])) for name in rest), []).append(i)
        return list(found.values())


def key_of(value: Any) -> Any:
    """The same for equal values of a parameter, if they can be told."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def take_parts(estimator: Any, data: Data, train: IntArray, test: IntArray) -> tuple[Data, Data]:
    """Training and test part; where X is a matrix of kernel values, of its columns too."""
    parts = data.take(train), data.take(test)
    if not get_tags(estimator).input_tags.pairwise:
        return parts
    return (
        replace(parts[0], X=_safe_split(estimator, data.X, None, train)[0]),
        replace(parts[1], X=_safe_split(estimator, data.X, None, test, train)[0]),
    )


def transform(steps: Steps, data: Data, test: Data | None = None) -> tuple[Data, Any]:
    """The data, and test rows, as the last step sees them; the steps before it are fitted.

    With metadata routing on they get the labels and weights that they request.
    """
    if len(steps) < 2:
        return data, None if test is None else test.X
    head = Pipeline(steps[:-1])
    X = head.fit_transform(data.X, data.y, **requested(head, "fit_transform", data.metadata))
    if test is None:
        return replace(data, X=X), None
    return replace(data, X=X), head.transform(test.X, **requested(head, "transform", test.metadata))


def heeded(model: Any, method: str, data: Data) -> Data:
    """The data without the labels or weights that the model says its method does not take."""
    return replace(data, **{name: None for name in data.metadata if refused(model, method, name)})


def fit_params(template: Template, data: Data) -> dict[str, Any]:
    """Labels and weights as `fit` of the estimator takes them."""
    prefix = "" if _routing_enabled() else template.prefix
    if not template.is_pipeline:
        data = heeded(template.model, "fit", data)
    return {prefix + name: v for name, v in data.metadata.items() if v is not None}
