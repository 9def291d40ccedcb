"""Weights of the tasks: how much the loss of each counts."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._labels import as_labels, match_keys, object_array, show_label
from ._tasks import TaskRows
from ._typing import AnyArray, FloatArray

# The smallest weight of a task, as a share of the largest.
_LEAST_SHARE = 1e-60


def task_weights(rows: TaskRows, task_weight: Any) -> FloatArray:
    """omega_t, (T,): "equal" is 1, "size" is S_t T / sum(S), a mapping is used as given."""
    if isinstance(task_weight, str) and task_weight == "equal":
        return np.ones(rows.n_tasks)
    if isinstance(task_weight, str) and task_weight == "size":
        # Sizes count beside each other only: no sum of weights is too large, or too small.
        weight = rows.sample_weight / rows.sample_weight.max()
        size = np.add.reduceat(weight, rows.offsets[:-1])
        omega = size * (rows.n_tasks / size.sum())
        _refuse_vanishing(omega, rows.tasks, "sample_weight")
        return omega
    if not isinstance(task_weight, Mapping):
        raise ValueError(
            'task_weight must be "equal", "size" or a mapping from task label to weight, '
            f"got {task_weight!r}."
        )
    keys = object_array(task_weight)
    # Keys of several kinds cannot be sorted: they are compared one by one, as they are.
    with contextlib.suppress(TypeError, ValueError):
        keys = as_labels(keys, "task_weight")
    weight_of = dict(zip(match_keys(keys, rows.tasks), task_weight.values(), strict=True))
    omega = np.empty(rows.n_tasks)
    for t, key in enumerate(match_keys(rows.tasks, keys)):
        if key not in weight_of:
            raise ValueError(f"task_weight has no weight for task {show_label(rows.tasks, t)}.")
        weight = weight_of[key]
        if not isinstance(weight, numbers.Real) or not 0 < float(weight) < np.inf:
            raise ValueError(
                f"task_weight must be finite and > 0, got {weight!r} for task "
                f"{show_label(rows.tasks, t)}."
            )
        omega[t] = weight
    _refuse_vanishing(omega, rows.tasks, "task_weight")
    return omega


def _refuse_vanishing(omega: FloatArray, tasks: AnyArray, source: str) -> None:
    """Refuse weights beside which the loss of another task is lost in rounding."""
    low, high = int(omega.argmin()), int(omega.argmax())
    if not omega[low] > _LEAST_SHARE * omega[high]:
        raise ValueError(
            f"{source}: the weight of task {show_label(tasks, high)} is too large beside that of "
            f"task {show_label(tasks, low)}: no float holds both their losses. Weights of tasks "
            f"may differ by a factor of {1 / _LEAST_SHARE:g} at most."
        )
