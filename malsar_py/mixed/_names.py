"""Features and tasks as users name them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .._labels import as_labels, match_keys, object_array, show_labels
from .._tasks import TaskRows
from .._typing import AnyArray, IntArray


def chosen_features(random: Any, names: AnyArray) -> IntArray | None:
    """Positions of the features with random slopes, None if the data decide."""
    if isinstance(random, str):
        return None
    known = {name: j for j, name in enumerate(names.tolist())}
    found = set()
    for chosen in random:
        if isinstance(chosen, str) and chosen in known:
            found.add(known[chosen])
        elif isinstance(chosen, Integral) and -len(names) <= int(chosen) < len(names):
            found.add(int(chosen) % len(names))
        else:
            raise ValueError(
                f"random names {chosen!r}, which is not one of the {len(names)} features: "
                f"{show_labels(names)}. Give names, or positions as in coef_."
            )
    return np.array(sorted(found), dtype=np.intp)


def appended_labels(model: Any, rows: TaskRows) -> AnyArray:
    """The labels of the fitted tasks, then of the new ones."""
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
