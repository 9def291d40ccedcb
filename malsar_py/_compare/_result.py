"""What a comparison finds: plain data, of which all that is shown and written is made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .._table import Column, CompareError
from .._typing import AnyArray, FloatArray

# The row of the table that is judged against the references.
CHOSEN = "sharing, chosen by CV"
MEAN = "mean alone"
POOLED = "one model for all"
SINGLE = "one model per task"
DUMMIES = "ridge + task dummies"
BOOSTING = "gradient boosting"


@dataclass(frozen=True, eq=False)
class Procedure:
    """A way from training rows to a model: a row of the table."""

    name: str
    kind: str  # "reference", "separate" (Lasso), "sharing", or "chosen"
    scores: FloatArray  # the metric of each repeat, smaller is better
    second: FloatArray  # R2, D2 or accuracy
    parameters: list[dict[str, Any]]  # what was chosen in each repeat
    edges: dict[str, int]  # parameter -> in how many repeats at the end of its grid
    relative_gap: float  # the largest, NaN without a certificate
    converged: bool
    seconds: float  # of the processor, all repeats together

    @property
    def mean(self) -> float:
        """Mean of the metric over the repeats."""
        return float(self.scores.mean())

    @property
    def standard_error(self) -> float:
        """Of this mean, over the repeats; NaN for one repeat."""
        n = len(self.scores)
        return float(self.scores.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan

    def typical(self, parameter: str) -> float | None:
        """Median of what was chosen for a parameter, None if it has none."""
        found = [p[parameter] for p in self.parameters if parameter in p]
        return float(np.median(found)) if found else None


@dataclass(frozen=True, eq=False)
class Verdict:
    """Sharing against a reference, repeat by repeat: how much smaller its metric is."""

    reference: str
    difference: float  # reference minus sharing: positive where sharing is better
    low: float  # of a 95 % interval, NaN with fewer than three repeats
    high: float

    @property
    def clear(self) -> str:
        """The word "better" or "worse" if the interval is beyond 0, else ""."""
        return "better" if self.low > 0.0 else "worse" if self.high < 0.0 else ""


@dataclass(frozen=True, eq=False)
class TaskGain:
    """One task: the metric of its test rows without and with sharing."""

    task: str
    n: int  # rows
    n_test: int  # rows tested
    single: float  # one model per task
    pooled: float  # one model for all
    shared: float  # sharing, chosen by CV
    gain: float  # single - shared: positive where sharing helps
    low: float  # of a 95 % interval, NaN with fewer than three rows
    high: float

    @property
    def clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def flag(self) -> str:
        """What is said about a task that loses."""
        return ("HURTS" if self.clear else "hurts") if self.gain < 0.0 else ""


@dataclass(frozen=True, eq=False)
class Unseen:
    """Rows that were tested, with the mean of the predictions of models that had not seen them."""

    tasks: AnyArray  # their labels as text
    y: FloatArray
    prediction: FloatArray


@dataclass(eq=False)
class Comparison:
    """Models compared on one table: what was read, what each procedure scored, and the winner.

    Made by :func:`malsar_py.compare`.

    Attributes
    ----------
    name, task, target : str
        Of the data, of the column of the task labels and of the target.
    kind : "regression" or "classification"
    loss : str
        What was fitted: "squared", "huber", "quantile", "poisson", "gamma" or "logistic".
    metric, second : str
        Headings of the two scores.
    classes : list of str or None
    columns : list of Column
        Every column of the table: its role, kind, missing values and why it is set aside.
    notes : list of str
        What is to be said about the data, a sentence each.
    tasks : dict
        Number of rows used of each task.
    left_out : dict
        Tasks that were left out, and why.
    n_rows, n_features : int
        Rows used; numbers a row becomes.
    settings : dict
        How it was done: seed, repeats, folds, split, options.
    procedures : list of Procedure
        The table.
    winner : Procedure
        The one with the smallest mean.
    verdicts : list of Verdict
        Sharing, chosen by cross-validation, against the references.
    gains : list of TaskGain
        From the largest gain to the largest loss.
    inputs : list of str
        Columns that `model` reads, the task first.
    model : Pipeline
        The winner, its parameters chosen by cross-validation on all rows, fitted to all rows.
    model_parameters : dict
        What was chosen for it.
    sharing : Procedure or None
        The model that shares with the smallest mean: the winner, if it shares.
    sharing_model : Pipeline or None
        The same of it as `model` of the winner.
    search : MultiTaskSearchCV or None
        The search on all rows that chose the parameters of `sharing_model`.
    unseen : dict of str to Unseen
        Of regressions: the rows that were tested, as the winner and the best sharing model predict
        them, by its name.
    command : str
        The command that does the same.
    versions : dict
        Of the packages involved.
    """

    name: str
    task: str
    target: str
    kind: str
    loss: str
    metric: str
    second: str
    classes: list[str] | None
    columns: list[Column]
    notes: list[str]
    tasks: dict[str, int]
    left_out: dict[str, str]
    n_rows: int
    n_features: int
    settings: dict[str, Any]
    procedures: list[Procedure]
    winner: Procedure
    verdicts: list[Verdict]
    gains: list[TaskGain]
    inputs: list[str]
    model: Pipeline
    model_parameters: dict[str, Any]
    sharing: Procedure | None = None
    sharing_model: Pipeline | None = None
    search: Any = None
    unseen: dict[str, Unseen] = field(default_factory=dict)
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Procedure:
        """The procedure of that name."""
        return next(found for found in self.procedures if found.name == name)

    @property
    def linear(self) -> Any:
        """The fitted model of this package that knows the tasks: the winner, or `sharing_model`."""
        for pipeline in (self.model, self.sharing_model):
            if pipeline is not None and len(pipeline) == 2 and hasattr(pipeline[-1], "coef_"):
                return pipeline[-1]
        return None

    def sentence(self) -> str:
        """The verdict in one sentence."""
        from ._text import sentence

        return sentence(self)

    def remark(self) -> str:
        """What choosing the winner by the test rows does to its score."""
        from ._text import remark

        return remark(self)

    def uneven(self) -> str:
        """Which procedures did far worse in one split than in all others, "" if none did."""
        from ._text import uneven

        return uneven(self)

    def text(self, *, per_task: bool = False) -> str:
        """What the command prints."""
        from ._text import comparison_text

        return comparison_text(self, per_task=per_task)

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain Python, ready for JSON."""
        from ._text import as_dict

        return as_dict(self)

    def report(self, path: str | os.PathLike[str] | None = None) -> str:
        """The comparison as one page of HTML, which needs nothing beside it.

        Parameters
        ----------
        path : path, default=None
            Where to write it, too.

        Returns
        -------
        html : str
            The page.
        """
        from .._report import render

        html = render(self)
        if path is not None:
            write_text(path, html)
        return html

    def _repr_html_(self) -> str | None:
        """The verdict with its tables and pictures, in notebooks that can draw them."""
        from .._report import fragment

        try:
            return fragment(self)
        except ImportError:  # jinja2 or matplotlib
            return None

    def save(self, path: str | os.PathLike[str]) -> str:
        """Keep the winner in a file without code, for ``python -m malsar_py predict``.

        The file is one of skops: `malsar_py.persistence.load` reads it, and nothing in it is ever
        run. Trees cannot be kept that way: where gradient boosting won, `sharing_model` is kept.

        Parameters
        ----------
        path : path
            Where to; the usual ending is ``.skops``.

        Returns
        -------
        name : str
            The procedure that was kept.
        """
        from .._saved import save

        return save(self, path)

    def __repr__(self) -> str:
        return f"<Comparison of {self.name}: {self.sentence()}>"


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file, or say why not."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CompareError(f"{os.fspath(path)}: {error.strerror}") from error
