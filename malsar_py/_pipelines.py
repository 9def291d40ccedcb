"""Pipelines taken apart: the last step, what it sees, and the metadata that the others ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metadata_routing import get_routing_for_object


def requested(estimator: Any, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the metadata given that a call of the method passes on; none without routing."""
    if not _routing_enabled():
        return {}
    present = {name: value for name, value in given.items() if value is not None}
    names = get_routing_for_object(estimator).consumes(method, present.keys())
    return {name: present[name] for name in names}


def refused(estimator: Any, method: str, name: str) -> bool:
    """Whether the estimator says that its method does not take this metadata."""
    if not _routing_enabled():
        return False
    return getattr(get_routing_for_object(estimator), method).requests.get(name) is False


def last_step(estimator: Any, X: Any, **given: Any) -> tuple[Any, Any]:
    """The last step of a fitted pipeline, and X as it sees it; of others themselves."""
    while isinstance(estimator, Pipeline):
        if len(estimator.steps) > 1:
            head = estimator[:-1]
            X = head.transform(X, **requested(head, "transform", given))
        estimator = estimator.steps[-1][1]
    return estimator, X


def last_step_of(estimator: Any) -> Any:
    """The last step of a pipeline; of others themselves."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator
