"""The forms scikit-learn's data sets have: Bunch, DataFrame, ``(data, target)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._typing import AnyArray, IntArray

__all__ = ["one_of", "present", "rows_of_tasks", "stack"]


def stack(
    X: Sequence[AnyArray], y: Sequence[AnyArray], prefix: str = "x"
) -> tuple[dict[str, AnyArray], AnyArray, IntArray]:
    """Numbered columns, target and task of each row, from one block per task, 1 to T."""
    features = {f"{prefix}{j}": column for j, column in enumerate(np.vstack(X).T)}
    tasks = np.repeat(np.arange(1, len(y) + 1), [block.size for block in y])
    return features, np.concatenate([block.ravel() for block in y]), tasks


def rows_of_tasks(
    features: Mapping[str, AnyArray],
    target: tuple[str, AnyArray],
    tasks: tuple[str, AnyArray],
    *,
    frame: Mapping[str, AnyArray] | None = None,
    **more: Any,
) -> Any:
    """Bunch of rows that each belong to one task.

    `features` maps names to columns, `target` and `tasks` are pairs of name and column; `frame`
    are the columns of the raw table, by default tasks, features and target.
    """
    joined = {tasks[0]: tasks[1], **features, target[0]: target[1]}
    data = np.empty((len(target[1]), len(features)))
    for j, column in enumerate(features.values()):
        data[:, j] = column
    return Bunch(
        data=data,
        target=target[1],
        tasks=tasks[1],
        task_name=tasks[0],
        frame=dict(joined if frame is None else frame),
        feature_names=list(features),
        target_names=[target[0]],
        **more,
    )


def present(caller: str, bunch: Any, return_X_y: bool, as_frame: bool) -> Any:
    """The form asked for, from arrays and the columns of ``frame``."""
    if as_frame:
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(f"{caller} with as_frame=True requires pandas.") from error
        index = bunch.get("index")
        bunch.data = pd.DataFrame(bunch.data, columns=bunch.feature_names, index=index)
        if bunch.target.ndim == 1:
            bunch.data.insert(0, bunch.task_name, bunch.tasks)
            bunch.target = pd.Series(bunch.target, name=bunch.target_names[0])
        else:
            bunch.target = pd.DataFrame(bunch.target, columns=bunch.target_names, index=index)
        bunch.frame = pd.DataFrame(bunch.frame, index=index)
    else:
        bunch.frame = None
    return (bunch.data, bunch.target) if return_X_y else bunch


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """`value` if it is one of the choices; ValueError naming the argument otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}.")
    return value
