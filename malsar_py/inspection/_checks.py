"""What functions of this room ask of a model and its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._labels import factorize, match_keys, show_labels
from .._tasks import TaskRows
from .._typing import AnyArray
from ..base import TaskEstimator
from ..model_selection._data import Data
from ..model_selection._solve import read_rows
from ..model_selection._template import Steps, Template, transform


def read_template(estimator: Any) -> Template:
    """The estimator as steps and a model of this package that has tasks by labels."""
    template = Template(estimator)
    last = template.model
    if not isinstance(last, TaskEstimator) or "unseen" not in last.get_params():
        raise TypeError(
            "model must be one of this package's that has tasks by labels, or a pipeline ending in "
            f"one; got {type(last).__name__}."
        )
    return template


def rows_of(steps: Steps, model: Any, data: Data) -> TaskRows:
    """The rows of a fit of the last step; those before it are fitted."""
    seen, _ = transform(steps, data)
    return read_rows(model, seen.X, seen.y, seen.tasks, seen.sample_weight)


def check_model(name: str, template: Template, data: Data) -> tuple[Any, TaskRows]:
    """A fresh last step, and its rows of all tasks: two or more."""
    steps, last = template.parts({})
    rows = rows_of(steps, last, data)
    if rows.n_tasks < 2:
        raise ValueError(
            f"{name} compares tasks, but there is only one: set task_column, pass `tasks`, or a "
            "2-D y."
        )
    return last, rows


def position(tasks: AnyArray, task: Any, name: str = "task") -> int:
    """Where a task is among the labels."""
    wanted = factorize(np.array([task]), name)[0]
    keys = list(match_keys(tasks, wanted))
    key = next(iter(match_keys(wanted, tasks)))
    if key not in keys:
        raise ValueError(f"{name}={task!r} is none of the tasks: {show_labels(tasks)}.")
    return keys.index(key)
