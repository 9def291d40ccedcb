"""What the steps before a model did to the units of its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from .._keep_tasks import KeepTasks
from .._typing import FloatArray

# x becomes (x - center) / scale.
Affine = tuple[FloatArray, FloatArray]


def is_identity(step: Any) -> bool:
    """Whether a step of a pipeline leaves features as they are."""
    return step is None or isinstance(step, str)


def affine(steps: Sequence[Any], n_features: int) -> Affine:
    """Center and scale of each feature by the scalers that come last among the steps.

    What enters these is the original: of a step that makes other features of those given the
    features it makes.
    """
    center, scale = np.zeros(n_features), np.ones(n_features)
    for step in reversed(flat(steps)):
        found = _of_step(step, n_features)
        if found is None:
            break
        # z = ((x - c) / s - center) / scale
        center, scale = found[0] + found[1] * center, found[1] * scale
        if isinstance(inner(step), ColumnTransformer):
            break  # its other columns are made by it
    return center, scale


def flat(steps: Sequence[Any]) -> list[Any]:
    """The steps of pipelines among the steps, too."""
    found: list[Any] = []
    for step in steps:
        own = inner(step)
        if isinstance(own, Pipeline):
            found += flat([one for _, one in own.steps])
        elif not is_identity(own):
            found.append(step)
    return found


def inner(step: Any) -> Any:
    """What `keep_tasks` applies, as fitted; other steps themselves."""
    if isinstance(step, KeepTasks):
        check_is_fitted(step)
        return step.transformer_
    return step


def _of_step(step: Any, n_features: int) -> Affine | None:
    """Center and scale of the features that a step gives; None if it makes them of others."""
    step = inner(step)
    if isinstance(step, ColumnTransformer):
        return _of_columns(step, n_features)
    center, scale = np.zeros(n_features), np.ones(n_features)
    if isinstance(step, StandardScaler | RobustScaler | MaxAbsScaler):
        check_is_fitted(step)
        given = getattr(step, "mean_", None), getattr(step, "scale_", None)
        if isinstance(step, RobustScaler):
            given = step.center_, step.scale_
        if isinstance(step, StandardScaler) and not step.with_mean:
            given = None, step.scale_
        center = center if given[0] is None else np.asarray(given[0], dtype=np.float64)
        scale = scale if given[1] is None else np.asarray(given[1], dtype=np.float64)
    elif isinstance(step, MinMaxScaler):
        check_is_fitted(step)
        center, scale = -step.min_ / step.scale_, 1.0 / step.scale_
    else:
        return None
    if len(center) != n_features or len(scale) != n_features:
        raise ValueError(
            f"{type(step).__name__} was fitted to {max(len(center), len(scale))} features, but "
            f"the model has {n_features} coefficients a task: pass the scaler of its features."
        )
    return center, scale


def _of_columns(columns: ColumnTransformer, n_features: int) -> Affine:
    """The same of a ColumnTransformer: what its scalers do, the others' columns as they are.

    Outputs beyond the features of the model are label columns, which it takes out.
    """
    check_is_fitted(columns)
    width = max((part.stop for part in columns.output_indices_.values()), default=0)
    center, scale = np.zeros(width), np.ones(width)
    for name, transformer, _ in columns.transformers_:
        own = columns.output_indices_[name]
        steps = transformer.named_steps.values() if isinstance(transformer, Pipeline) else None
        chain = [transformer] if steps is None else list(steps)
        center[own], scale[own] = affine(chain, own.stop - own.start)
    return center, scale
