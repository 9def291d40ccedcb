"""Weights of the tasks: how much the loss of each counts."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ._centring import bounded
from ._labels import as_labels, match_keys, object_array, show_label, show_labels
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


def class_weights(rows: TaskRows, class_weight: Any) -> TaskRows:
    """The rows with their sample weights times those of their classes.

    "balanced": in every task each of its classes counts the same, ``S_t / (K_t S_tk)`` with S_tk
    the weight of its samples of class k and K_t the number of classes it has.
    """
    if class_weight is None:
        return rows
    assert rows.classes is not None
    n_classes = len(rows.classes)
    # (Where a target is missing, the weight is 0.)
    codes = (rows.y > 0.0).astype(np.intp) if n_classes == 2 else rows.y.astype(np.intp)
    if isinstance(class_weight, str):
        starts, counts = rows.offsets[:-1], np.diff(rows.offsets)
        weight = bounded(rows.sample_weight, starts)
        task = np.repeat(np.arange(rows.n_tasks), counts)
        cell = task * n_classes + codes
        sums = np.bincount(cell, weight, minlength=rows.n_tasks * n_classes)
        by_class = sums.reshape(rows.n_tasks, n_classes)
        share = by_class.sum(axis=1) / (by_class > 0.0).sum(axis=1)
        own = sums[cell]
        factor = np.divide(np.repeat(share, counts), own, out=np.zeros_like(own), where=own > 0.0)
    else:
        factor = _weight_by_class(rows.classes, class_weight)[codes]
    return replace(rows, sample_weight=rows.sample_weight * factor)


def _weight_by_class(classes: AnyArray, class_weight: Mapping[Any, float]) -> FloatArray:
    """The weight of each class; of classes that are not named it is 1."""
    keys = object_array(class_weight)
    with contextlib.suppress(TypeError, ValueError):
        keys = as_labels(keys, "class_weight", "class")
    weight_of = dict(zip(match_keys(keys, classes), class_weight.values(), strict=True))
    weights, known = np.ones(len(classes)), 0
    for k, key in enumerate(match_keys(classes, keys)):
        if key not in weight_of:
            continue
        weight = weight_of[key]
        known += 1
        if not isinstance(weight, numbers.Real) or not 0 < float(weight) < np.inf:
            raise ValueError(
                f"class_weight must be finite and > 0, got {weight!r} for class "
                f"{show_label(classes, k)}."
            )
        weights[k] = weight
    if known < min(len(weight_of), len(classes)):
        raise ValueError(
            f"class_weight names classes that y has not: the classes are {show_labels(classes)}."
        )
    return weights


def _refuse_vanishing(omega: FloatArray, tasks: AnyArray, source: str) -> None:
    """Refuse weights beside which the loss of another task is lost in rounding."""
    low, high = int(omega.argmin()), int(omega.argmax())
    if not omega[low] > _LEAST_SHARE * omega[high]:
        raise ValueError(
            f"{source}: the weight of task {show_label(tasks, high)} is too large beside that of "
            f"task {show_label(tasks, low)}: no float holds both their losses. Weights of tasks "
            f"may differ by a factor of {1 / _LEAST_SHARE:g} at most."
        )
