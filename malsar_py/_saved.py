"""What a comparison leaves to predict with: the model and how its table was read, without code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import persistence
from ._table import CompareError
from ._typing import AnyArray, FloatArray

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
# A task with so many rows beyond the interval to be expected has quantiles of its own.
_BEYOND = 2.0


@dataclass(frozen=True, eq=False)
class Saved:
    """What is in a file."""

    procedure: str
    model: Any
    inputs: list[str]  # columns that the model reads, the task first
    kinds: dict[str, str]  # of these columns
    target: str
    loss: str
    classes: list[str] | None
    tasks: list[str]
    missing: list[float]
    date: list[str]
    # For each of LEVELS, how far predictions of unseen rows were off, in units of `unit`; of tasks
    # with rows enough their own, NaN where these are too few for the level. Empty for classes.
    errors: list[float]
    task_errors: dict[str, list[float]]
    command: str
    versions: dict[str, str]

    @property
    def task(self) -> str:
        """The column of the task labels."""
        return self.inputs[0]


def save(found: Any, path: str | os.PathLike[str]) -> str:
    """Write the winner of a `Comparison`; which procedure it is, since trees cannot be kept."""
    procedure, model = found.winner.name, found.model
    if not _keepable(model):
        if found.sharing_model is None:
            raise CompareError(f"{procedure} cannot be kept in a file without code")
        procedure, model = found.sharing.name, found.sharing_model
    errors, task_errors = _errors(found.unseen.get(procedure), found.loss)
    saved = Saved(
        procedure=procedure,
        model=model,
        inputs=found.inputs,
        kinds={c.name: c.kind for c in found.columns if c.name in found.inputs},
        target=found.target,
        loss=found.loss,
        classes=found.classes,
        tasks=list(found.tasks),
        missing=found.settings.get("missing", []),
        date=found.settings.get("date", []),
        errors=errors,
        task_errors=task_errors,
        command=found.command,
        versions=found.versions,
    )
    content = {name: getattr(saved, name) for name in Saved.__dataclass_fields__}
    try:
        persistence.dump(content, path)
    except OSError as error:
        raise CompareError(f"{os.fspath(path)}: {error.strerror}") from error
    except ImportError as error:
        raise CompareError(str(error)) from error
    return procedure


def read(path: str | os.PathLike[str]) -> Saved:
    """Read a file of `save`; anything else is a `CompareError`."""
    try:
        content = persistence.load(path)
    except OSError as error:
        raise CompareError(f"{os.fspath(path)}: {error.strerror}") from error
    except (ImportError, ValueError) as error:
        raise CompareError(str(error)) from error
    if not isinstance(content, dict) or set(content) != set(Saved.__dataclass_fields__):
        raise CompareError(
            f"{os.fspath(path)} holds no model of compare --save (persistence.load reads others)"
        )
    return Saved(**content)


def unit(prediction: FloatArray, loss: str) -> FloatArray:
    """What errors are measured in: they grow with the prediction of counts and amounts."""
    if loss == "poisson":
        return np.sqrt(np.maximum(prediction, np.finfo(float).tiny))
    return prediction if loss == "gamma" else np.ones_like(prediction)


def _keepable(model: Any) -> bool:
    """Whether a file can hold it: trees are tables of jumps that no one checks."""
    return not hasattr(model[-1], "_predictors")


def _errors(unseen: Any, loss: str) -> tuple[list[float], dict[str, list[float]]]:
    """Quantiles of the errors of all tasks by level, and those of tasks with rows enough."""
    if unseen is None:
        return [], {}
    sizes = np.abs(unseen.y - unseen.prediction) / unit(unseen.prediction, loss)
    tasks = unseen.tasks.astype(str)
    own = {}
    for task in np.unique(tasks):
        of_task = sizes[tasks == task]
        found = [
            _quantile(of_task, level) if len(of_task) * (1.0 - level) >= _BEYOND else np.nan
            for level in LEVELS
        ]
        if not np.isnan(found).all():
            own[str(task)] = found
    return [_quantile(sizes, level) for level in LEVELS], own


def _quantile(sizes: AnyArray, level: float) -> float:
    """The conformal quantile: that share of new errors is below it, on average."""
    rank = int(np.ceil((len(sizes) + 1) * level))
    return float(np.sort(sizes)[rank - 1]) if rank <= len(sizes) else np.inf
