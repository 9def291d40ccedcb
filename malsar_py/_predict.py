"""``python -m malsar_py predict``: a kept model on the rows of a new file."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ._saved import LEVELS, Saved, read, unit
from ._table import CompareError, label_text, read_frame, some
from ._typing import AnyArray, FloatArray


def predict(
    model: Path,
    file: Path,
    *,
    output: Path | None = None,
    intervals: bool = False,
    level: float = 0.95,
    encoding: str | None = None,
) -> None:
    """Write a line of CSV for each row of the file: its number, task and prediction."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        saved = read(model)
    for text in sorted({str(one.message).split("\n")[0] for one in raised}):
        _say(f"note: {text}")
    if intervals and saved.classes is not None:
        raise CompareError(
            "--intervals is for numbers: here the probability of each class is given anyway"
        )
    frame, notes = read_frame(file, encoding, [saved.task])
    for text in notes:
        _say(text)
    rows, tasks = _rows(saved, frame, file)
    found = _columns(saved, rows, tasks, intervals, level)
    import pandas as pd

    table = pd.DataFrame({"row": np.arange(1, len(rows) + 1), saved.task: tasks, **found})
    if output is None:
        sys.stdout.write(table.to_csv(index=False, lineterminator="\n"))
        return
    try:
        table.to_csv(output, index=False)
    except OSError as error:
        raise CompareError(f"--output: {output}: {error.strerror}") from error
    _say(f"{len(table)} rows predicted by {saved.procedure}, written to {output}")


# --- rows as at training -------------------------------------------------------------------------


def _rows(saved: Saved, frame: Any, file: Path) -> tuple[Any, AnyArray]:
    """The columns that the model reads, as they were when it was fitted, and labels as text."""
    lost = [name for name in saved.inputs if name not in frame.columns]
    if lost:
        raise CompareError(
            f"{file} lacks {len(lost)} of the columns that the model was fitted with: "
            f"{some(map(repr, lost), 10)}; it has {some(map(repr, frame.columns), 20)}"
        )
    extra = [name for name in frame.columns if name not in (*saved.inputs, saved.target)]
    if extra:
        _say(f"columns that the model does not use: {some(extra, 10)}")
    rows = frame[saved.inputs].copy()
    faults: list[str] = []
    tasks = _tasks(saved, rows[saved.task], faults)
    for name in saved.inputs[1:]:
        rows[name] = _feature(saved, rows[name], faults)
    if faults:
        raise CompareError(f"{file}: {'; '.join(faults)}")
    _tell_unknown(saved, tasks)
    rows[saved.task] = _labels(saved, tasks)
    return rows, tasks


def _tasks(saved: Saved, column: Any, faults: list[str]) -> AnyArray:
    empty = np.flatnonzero(column.isna())
    if len(empty):
        faults.append(
            f"the task ({saved.task}) is missing in {_where(empty)}: name it; a name that training "
            "did not have is a new task"
        )
    return np.array([label_text(value) for value in column], dtype=object)


def _feature(saved: Saved, column: Any, faults: list[str]) -> Any:
    """A column with the type that it had: missing values stay, the model fills them in."""
    import pandas as pd

    kind, number = saved.kinds[str(column.name)], column.dtype.kind in "iuf"
    if column.name in saved.date:
        return pd.to_datetime(column, errors="coerce", format="mixed")
    if kind == "number":
        if not number:
            known = np.flatnonzero(column.notna())
            if len(known):
                faults.append(
                    f"column {column.name!r} held numbers when the model was fitted; here "
                    f"{column.iloc[known[0]]!r} is in row {known[0] + 1}"
                )
            return pd.Series(np.nan, index=column.index, name=column.name)
        infinite = np.flatnonzero(np.isinf(column.to_numpy(dtype=float)))
        if len(infinite):
            faults.append(f"column {column.name!r} is infinite in {_where(infinite)}")
        return column.where(~column.isin(saved.missing)) if saved.missing else column
    if number:
        texts = [None if np.isnan(value) else label_text(value) for value in column]
        return pd.Series(texts, index=column.index, name=column.name, dtype=object)
    return column


def _tell_unknown(saved: Saved, tasks: AnyArray) -> None:
    unknown = [task not in set(saved.tasks) for task in tasks]
    if any(unknown):
        names = dict.fromkeys(tasks[unknown])
        _say(
            f"tasks that training did not have, predicted by what the others have in common: "
            f"{some(names, 5)} (rows: {sum(unknown)})"
        )


def _labels(saved: Saved, tasks: AnyArray) -> AnyArray:
    """Labels as at training: numbers get new ones where the text is no known number."""
    if saved.kinds[saved.task] != "number":
        return tasks
    known = {task: float(task) for task in saved.tasks}
    unused = max(known.values()) + 1.0
    for task in dict.fromkeys(tasks):
        if task not in known:
            known[task] = unused
            unused += 1.0
    return np.array([known[task] for task in tasks])


def _where(places: AnyArray) -> str:
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"row {places[0] + 1}{more}"


# --- predictions ---------------------------------------------------------------------------------


def _columns(
    saved: Saved, rows: Any, tasks: AnyArray, intervals: bool, level: float
) -> dict[str, AnyArray]:
    """The prediction of each row, with the probabilities of classes or an interval."""
    X = rows if hasattr(saved.model[0], "feature_names_in_") else rows.to_numpy(dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # categories that training did not have are read as such
        if saved.classes is not None:
            p = saved.model.predict_proba(X)
            found = {"prediction": saved.model.predict(X)}
            names = [f"P({name})" for name in saved.classes]
            return found | dict(zip(names, np.asarray(p).T, strict=True))
        mean = np.asarray(saved.model.predict(X), dtype=np.float64)
        if not intervals:
            return {"prediction": mean}
        low, high = _interval(saved, X, tasks, mean, level)
    return {"prediction": mean, "low": low, "high": high}


def _interval(
    saved: Saved, X: Any, tasks: AnyArray, mean: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Where a new target lies with that probability.

    A mixed model knows its variances, those of tasks it has not seen included. Of other models the
    errors of unseen rows say it (split conformal): of the task where it has rows enough, else of
    all tasks. They say nothing about new tasks.
    """
    last = saved.model[-1]
    if hasattr(last, "random_variance_"):
        _, std = last.predict(saved.model[:-1].transform(X), return_std=True)
        reach = stats.norm.ppf(0.5 + level / 2.0) * std
    else:
        place = LEVELS.index(level)
        known = set(saved.tasks)
        own = (saved.task_errors.get(task, saved.errors)[place] for task in tasks)
        sizes = [saved.errors[place] if np.isnan(size) else size for size in own]
        reach = np.array(
            [size if task in known else np.nan for size, task in zip(sizes, tasks, strict=True)]
        ) * unit(mean, saved.loss)
        if np.isnan(reach).any():
            _say("no interval for rows of tasks that training did not have")
    low = mean - reach
    return np.maximum(low, 0.0) if saved.loss in ("poisson", "gamma") else low, mean + reach


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
