"""Rows of tasks that a fitted model does not know yet."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._labels import as_labels, match_keys, object_array, show_labels
from ._tasks import TaskRows, check_features, resolve_fit
from ._typing import AnyArray


def resolve_new_tasks(
    model: Any, X_new: Any, y_new: Any, *, tasks: Any, sample_weight: Any
) -> tuple[TaskRows, AnyArray]:
    """The rows by new task, and the labels of the fitted tasks, then of the new ones."""
    check_is_fitted(model, "tasks_")
    check_features(model, X_new)
    with warnings.catch_warnings():
        # Of a new task there may be one row: that is no sign of a mistake here.
        warnings.filterwarnings("ignore", "The number of tasks equals the number of rows")
        reader = copy.copy(model)
        reader._one_class_tasks = True  # what tasks of one class need was settled by the fit
        rows = resolve_fit(
            reader,
            X_new,
            y_new,
            tasks=tasks,
            sample_weight=sample_weight,
            classifier=model._classifier,
            classes=getattr(model, "classes_", None),
        )
    return rows, _appended_labels(model, rows)


def _appended_labels(model: Any, rows: TaskRows) -> AnyArray:
    fitted, new = model.tasks_, rows.tasks
    if model._door == "none":
        raise ValueError(
            "The model was fitted without task labels, so there is no new task to add: fit with "
            "`tasks`, `task_column` or a 2-D y."
        )
    if rows.door == "none":
        raise ValueError(
            "Every row of X_new needs the label of its new task: pass tasks="
            + (", or y_new with a column per new task." if model._door == "shared" else ".")
        )
    if rows.shared and model._door != "shared":
        raise ValueError(
            "y_new holds one task per column, but the model was fitted on labelled rows: pass a "
            "1-D y_new with labels."
        )
    numbered = fitted.dtype.kind in "iu" and np.array_equal(fitted, np.arange(len(fitted)))
    if rows.shared and numbered and np.array_equal(new, np.arange(len(new))):
        new = new + len(fitted)
    known = set(match_keys(fitted, new))
    again = [i for i, key in enumerate(match_keys(new, fitted)) if key in known]
    if again:
        raise ValueError(
            f"Tasks that are fitted already: {show_labels(new[again])}. adapt adds new tasks; fit "
            "again with all rows of these."
        )
    if fitted.dtype.kind == new.dtype.kind:
        return np.concatenate([fitted, new])
    return as_labels(object_array([*fitted.tolist(), *new.tolist()]), "`tasks`")
