"""The coefficients of a fitted comparison in the units of the columns as given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._table import label_text
from .._typing import FloatArray
from ..inspection._scales import affine

_N_DEVIATIONS = 2


@dataclass(frozen=True)
class Row:
    """One feature (or the intercept) over the tasks."""

    name: str
    common: float
    spread: float  # standard deviation over the tasks
    smallest: float
    largest: float
    deviations: list[tuple[str, float]]  # tasks furthest from the common part, and how far


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Slopes, the largest per standard deviation first, and intercepts."""

    rows: list[Row]
    intercept: Row
    never: list[str]  # tasks and classes without a row, and so without an intercept
    tasks: list[str]  # with more than two classes: each task with each of them
    standardised: FloatArray  # (n_tasks, n_features), per standard deviation, in the order of rows
    common: FloatArray  # (n_features,), the same


def coefficients(found: Any) -> Coefficients | None:
    """Of the model that the comparison shows; None where there are none."""
    linear = found.linear
    if linear is None:
        return None
    model = found.model if found.model[-1] is linear else found.sharing_model
    names = found.inputs[1:]
    if hasattr(model[0], "feature_names_in_"):
        names = [str(name) for name in model[0].get_feature_names_out()[1:]]
    W = np.asarray(linear.coef_, dtype=np.float64)
    tasks = [label_text(task) for task in linear.tasks_]
    columns = tasks
    if W.ndim == 3:  # more than two classes: a column for each of them
        columns = [f"{task}: {name}" for task in tasks for name in linear.classes_]
    W = W.reshape(len(columns), -1)
    b = np.asarray(linear.intercept_, dtype=np.float64).reshape(len(columns))
    mean, scale = affine([model[0]], len(names))
    slopes = W / scale
    intercepts = b - slopes @ mean
    common = getattr(linear, "coef_mean_", None)
    # A model with a common part has its own; else the mean over the tasks.
    middle = W.mean(axis=0) if common is None or np.shape(common) != W.shape[1:] else common
    order = np.argsort(-np.abs(W).max(axis=0), kind="stable")
    rows = [_row(names[j], slopes[:, j], float(middle[j] / scale[j]), columns) for j in order]
    # A class of which a task has no row has no intercept: minus infinity.
    has = np.isfinite(intercepts)
    named = [column for column, finite in zip(columns, has, strict=True) if finite]
    intercept = _row("intercept", intercepts[has], float(intercepts[has].mean()), named)
    never = [column for column in columns if column not in named]
    return Coefficients(rows, intercept, never, columns, W[:, order], middle[order])


def _row(name: str, values: FloatArray, common: float, tasks: list[str]) -> Row:
    away = values - common
    order = np.argsort(-np.abs(away), kind="stable")[:_N_DEVIATIONS]
    deviations = [(tasks[t], float(away[t])) for t in order if away[t] != 0.0]
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Row(name, common, spread, float(values.min()), float(values.max()), deviations)
