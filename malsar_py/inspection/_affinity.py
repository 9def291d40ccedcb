"""Which tasks to train with one in focus: its own rows, predicted with and without others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.parallel import Parallel, delayed

from .._intervals import check_level
from .._labels import as_labels, object_array, show_label
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray
from ..model_selection._data import Data, SummaryData, read_data
from ..model_selection._splits import make_splits
from ._checks import check_model, position, read_template
from ._folds import Candidate, Cells, base_of, mean_losses, tell
from ._gains import Gains, paired_gains
from ._tables import as_html, frame, lines, of_one


# In one piece: half of it is the signature and the result.
def task_affinity(
    model: BaseEstimator,
    X: Any,
    y: Any,
    *,
    task: Any,
    tasks: Any = None,
    auxiliary: Any = None,
    cv: Any = None,
    groups: Any = None,
    level: float = 0.95,
    n_jobs: int | None = None,
    verbose: int = 0,
    sample_weight: Any = None,
) -> TaskAffinity:
    """What other tasks do for one in focus: its loss out of fold when they are trained with it.

    The rows of the task in focus are split into folds. On each training part the model is fitted
    to the task alone, and to the task with all rows of an auxiliary one (or of several), and
    predicts the test rows of the task.

    Parameters
    ----------
    model : estimator
        A model of this package, a pipeline ending in one, or a search over either (which chooses on
        the rows of a fit: a model that may share less has less to lose). It is cloned.
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Features, with the label column if the model has a `task_column`.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Targets, as in `fit`.
    task : label
        The task in focus.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, as in `fit`.
    auxiliary : list of labels, or mapping of names to lists of labels, default=None
        The tasks to add one by one, or the groups of tasks to add as a whole. None: every other
        task by itself.
    cv : int, splitter or iterable of splits, default=None
        Folds of the task's own rows. None is 5, or as many as they allow. A splitter that repeats,
        such as ``RepeatedKFold``, makes differences less a matter of the folds.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows that belong together, of the whole data: passed to the splitter, and one unit
        of the standard errors.
    level : float, default=0.95
        Level of the intervals, in (0, 1).
    n_jobs : int, default=None
        Number of jobs of joblib.
    verbose : int, default=0
        Passed to joblib; prints progress if positive.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights, in fits and in mean losses.

    Returns
    -------
    affinity : TaskAffinity
        Gains of all that was added; printing it gives a table, ``plot()`` a picture.

    Raises
    ------
    ValueError, TypeError
        If a label is none of the tasks, or model, data or folds cannot be used.

    See Also
    --------
    task_gains : What all tasks gain by one model for all of them together.

    Notes
    -----
    Losses and intervals are those of :func:`task_gains`. Of K auxiliary tasks that do nothing
    ``(1 - level) K / 2`` are expected to be said to help, and as many to hurt. That two tasks help
    each does not say that both together help more: add them as a group to see [1]_.

    References
    ----------
    .. [1] T. Standley et al., "Which tasks should be learned together in multi-task learning?",
       ICML 2020.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> from malsar_py.inspection import task_affinity
    >>> X, y, tasks = make_clustered(n_tasks=4, n_clusters=2, n_samples=20, random_state=0)
    >>> model = MeanRegularizedRegressor(lambda1=10.0, lambda2=0.1)
    >>> found = task_affinity(model, X, y, task=0, tasks=tasks)
    >>> found.names
    array([1, 2, 3])
    """
    check_level(level)
    base = base_of(model)
    template = read_template(base)
    given = read_data(X, y, tasks, sample_weight)
    if isinstance(given, SummaryData):
        raise TypeError(
            "task_affinity predicts rows, which a summary does not keep: pass the rows."
        )
    if get_tags(base).input_tags.pairwise:
        raise TypeError("task_affinity takes features, and X is a matrix of kernel values.")
    _, rows = check_model("task_affinity", template, given)
    data, units = _by_task(given, rows, groups)
    last, rows = check_model("task_affinity", template, data)
    focus = position(rows.tasks, task)
    names, added = _read_auxiliary(auxiliary, rows.tasks, focus)
    cells = Cells.of(last, rows)
    member = [np.arange(a, b) for a, b in itertools.pairwise(rows.offsets)]
    own = member[focus]
    alone = Candidate(f"task {task!r} alone", model)
    alone.check()
    splits = make_splits(
        cv,
        replace(data.take(own), tasks=None),
        lambda: None,
        None if units is None else units[own],
        classifier=bool(last._classifier),
    )
    sets = [alone, *(Candidate(f"task {task!r} with {name!r}", model) for name in names.tolist())]
    jobs = [
        (candidate, np.concatenate([own[train], *(member[t] for t in others)]), own[test])
        for candidate, others in zip(sets, [[], *added], strict=True)
        for train, test in splits
    ]
    found = Parallel(n_jobs=n_jobs, verbose=int(verbose))(
        delayed(candidate.out_of_fold)(
            data.take(train), data.take(test), test, cells, None if units is None else units[train]
        )
        for candidate, train, test in jobs
    )
    tell((said for _, _, said in found), stacklevel=3)
    n = len(splits)
    losses = [
        mean_losses(found[k * n : (k + 1) * n], len(cells.codes))[own] for k in range(len(sets))
    ]
    return TaskAffinity(
        task=task,
        names=names,
        gains=_over_the_first(
            losses, own if units is None else units[own], rows.sample_weight[own], cells, level
        ),
        loss_name=cells.loss_name,
        n_splits=n,
    )


def _over_the_first(
    losses: list[FloatArray], units: AnyArray, weight: FloatArray, cells: Cells, level: float
) -> Gains:
    """Gains of all but the first, on the rows that were tested, as if each were a task."""
    tested, K = np.flatnonzero(~np.isnan(losses[0])), len(losses) - 1
    return paired_gains(
        np.tile(losses[0][tested], K),
        np.concatenate([loss[tested] for loss in losses[1:]]),
        np.repeat(np.arange(K), len(tested)),
        K,
        units=np.tile(units[tested], K),
        sample_weight=np.tile(weight[tested], K),
        root=cells.squared,
        level=level,
    )


def _by_task(data: Data, rows: TaskRows, groups: Any) -> tuple[Data, AnyArray | None]:
    """The rows that count, one for each target, task by task; and their groups."""
    groups = None if groups is None else np.asarray(groups)
    if not rows.shared:
        return data.take(rows.rows), None if groups is None else groups[rows.rows]
    n = len(rows.rows)
    kept = np.flatnonzero(rows.sample_weight > 0.0)
    at, y = rows.rows[kept % n], rows.y[kept]
    if rows.classes is not None:
        y = rows.classes[(y > 0.0).astype(np.intp) if rows.n_columns == 1 else y.astype(np.intp)]
    weight = None if data.sample_weight is None else rows.sample_weight[kept]
    stacked = Data(_safe_indexing(data.X, at), y, rows.tasks[kept // n], weight)
    return stacked, None if groups is None else groups[at]


def _read_auxiliary(
    auxiliary: Any, tasks: AnyArray, focus: int
) -> tuple[AnyArray, list[list[int]]]:
    """Names of what is added, and positions of its tasks."""
    if auxiliary is None:
        others = [t for t in range(len(tasks)) if t != focus]
        return tasks[others], [[t] for t in others]
    if isinstance(auxiliary, Mapping):
        names = object_array(list(auxiliary))
        sets = [list(labels) for labels in auxiliary.values()]
    else:
        names = as_labels(auxiliary, "auxiliary")
        sets = [[label] for label in names.tolist()]
    found = [[position(tasks, label, "auxiliary") for label in labels] for labels in sets]
    for name, positions in zip(names, found, strict=True):
        if not positions or focus in positions:
            wrong = (
                "is empty"
                if not positions
                else f"holds {show_label(tasks, focus)}, the task in focus"
            )
            raise ValueError(f"auxiliary {name!r} {wrong}: name other tasks.")
    if not found:
        raise ValueError("auxiliary is empty: name tasks to add, or leave it out.")
    return names, found


@dataclass(frozen=True, eq=False, repr=False)
class TaskAffinity:
    """What auxiliary tasks do for the one in focus; ``str`` is a table.

    Attributes
    ----------
    task : label
        The task in focus.
    names : ndarray of shape (n_auxiliary,)
        What was added: labels of tasks, or names of groups of tasks.
    gains : Gains
        Gains over the model of the task alone, in the order of `names`: `gain`, `standard_error`,
        `lower`, `upper`, `loss`, `reference` (n_auxiliary,).
    loss_name : str
        What the losses are.
    n_splits : int
        Number of folds.
    """

    task: Any
    names: AnyArray
    gains: Gains
    loss_name: str
    n_splits: int

    @property
    def helps(self) -> AnyArray:
        """Names of what clearly helps: the interval of its gain is above zero."""
        return self.names[self.gains.helps]

    @property
    def hurts(self) -> AnyArray:
        """Names of what clearly hurts: the interval of its gain is below zero."""
        return self.names[self.gains.hurts]

    def table(self) -> Any:
        """One row for each of `names`, the largest gain first.

        Returns
        -------
        table : DataFrame, or dict of ndarrays without pandas
            Columns `added`, `loss`, `gain`, `lower` and `upper`.
        """
        order = np.argsort(-self.gains.gain, kind="stable")
        columns = {"added": self.names[order]}
        for name in ("loss", "gain", "lower", "upper"):
            columns[name] = getattr(self.gains, name)[order]
        return frame(columns)

    def plot(self, *, max_names: int | None = 40, ax: Any = None, **options: Any) -> Any:
        """Draw the gains with their intervals, a line for each of `names`.

        Parameters
        ----------
        max_names : int or None, default=40
            With more names than that, those with the largest gains and losses are drawn. None: all.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **options
            Passed to matplotlib's `hlines`, such as ``linewidth``.

        Returns
        -------
        display : GainsDisplay
            The display, drawn.
        """
        from ..plotting import GainsDisplay

        title = f"task {self.task}, over the task alone"
        display = GainsDisplay(
            {title: self.gains}, names=self.names, unit=self.loss_name, ylabel="trained with"
        )
        return display.plot(max_names=max_names, ax=ax, **options)

    def __str__(self) -> str:
        gains = self.gains
        rows = [["trained with", "loss", "gain", f"[{100.0 * gains.level:g} %]", ""]]
        for k in np.argsort(-gains.gain, kind="stable"):
            says = "helps" if gains.helps[k] else "hurts" if gains.hurts[k] else ""
            rows.append([str(self.names[k]), *of_one(gains, k), says])
        head = (
            f"Task {self.task}: {self.loss_name} {gains.reference[0]:.4g} alone "
            f"({gains.n_rows[0]} rows, {self.n_splits} folds)"
        )
        return "\n".join([head, "", *lines(rows)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self)
