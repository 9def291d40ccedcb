"""Which rows and tasks a resample has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .._features import take_rows
from .._labels import show_label
from .._tasks import TaskRows
from .._typing import AnyArray, IntArray

# So many times rows of a shared X are drawn again until every task has what a fit needs.
_TRIES = 200


@dataclass(frozen=True, eq=False)
class Draw:
    """A resample of rows, or of tasks with all their rows."""

    rows: IntArray | None  # positions in the data as given; None: all of them
    tasks: IntArray | None = None  # positions of the tasks drawn, where tasks are
    groups: IntArray | None = None  # (len(rows),) which of the tasks drawn a row belongs to

    def regrouped(self, rows: TaskRows, labels: AnyArray) -> TaskRows:
        """The rows of the resample with every task drawn as one of its own."""
        if self.tasks is None:
            return rows
        labels = labels[self.tasks]
        if self.groups is None:
            n = rows.X.shape[0]
            y = rows.y.reshape(-1, n)[self.tasks].ravel()
            weight = rows.sample_weight.reshape(-1, n)[self.tasks].ravel()
            offsets = np.arange(len(labels) + 1, dtype=np.int64) * n
            return replace(rows, y=y, sample_weight=weight, offsets=offsets, tasks=labels)
        group = self.groups[rows.rows]
        order = np.argsort(group, kind="stable")
        sizes = np.bincount(group, minlength=len(labels))
        return replace(
            rows,
            X=take_rows(rows.X, order, False)[0],
            y=rows.y[order],
            sample_weight=rows.sample_weight[order],
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            tasks=labels,
            rows=rows.rows[order],
            own=True,
        )


def draws(
    rows: TaskRows, n_resamples: int, unit: str, half: bool, random: np.random.RandomState
) -> Iterator[Draw]:
    """The resamples of a fit's rows, one after the other."""
    for _ in range(n_resamples):
        if unit == "task":
            yield _draw_tasks(rows, half, random)
        elif rows.shared:
            yield _draw_shared(rows, half, random)
        else:
            yield _draw_rows(rows, half, random)


def _some(n: int, half: bool, random: np.random.RandomState) -> IntArray:
    """As many of n positions with replacement, or half (rounded up) without."""
    if half:
        return np.sort(random.permutation(n)[: -(-n // 2)])
    return np.sort(random.randint(0, n, n))


def _draw_rows(rows: TaskRows, half: bool, random: np.random.RandomState) -> Draw:
    """Rows of each task; of a classifier, of each class of a task: none loses one."""
    bounds = rows.offsets[1:-1]
    members = np.split(np.arange(len(rows.y)), bounds)
    if rows.classes is not None:
        members = [own[rows.y[own] == sign] for own in members for sign in np.unique(rows.y)]
    chosen = [own[_some(len(own), half, random)] for own in members if len(own)]
    return Draw(rows.rows[np.concatenate(chosen)])


def _draw_shared(rows: TaskRows, half: bool, random: np.random.RandomState) -> Draw:
    """Rows of the X that all tasks share, with all their targets."""
    n = rows.X.shape[0]
    observed = rows.sample_weight.reshape(-1, n) > 0.0
    needed = [observed]
    if rows.classes is not None:
        y = rows.y.reshape(-1, n)
        needed = [observed & (y == sign) for sign in np.unique(y[observed])]
    needed = [some[some.any(axis=1)] for some in needed]
    for _ in range(_TRIES):
        chosen = _some(n, half, random)
        if all(some[:, chosen].any(axis=1).all() for some in needed):
            return Draw(rows.rows[chosen])
    rarest = min((some.sum(axis=1) for some in needed), key=np.min)
    t = int(np.argmin(rarest))
    what = "observed targets" if rows.classes is None else "rows of one class"
    raise ValueError(
        f"Resamples of the rows leave tasks without a target to fit: task "
        f"{show_label(rows.tasks, t)} (column {t} of y) has {int(rarest[t])} {what}. Leave such "
        "columns out, or pass the observed cells as rows with `tasks`."
    )


def _draw_tasks(rows: TaskRows, half: bool, random: np.random.RandomState) -> Draw:
    chosen = _some(rows.n_tasks, half, random)
    if rows.shared:
        return Draw(None, chosen)
    sizes = np.diff(rows.offsets)[chosen]
    members = [np.arange(rows.offsets[t], rows.offsets[t + 1]) for t in chosen]
    groups = np.repeat(np.arange(len(chosen)), sizes)
    return Draw(rows.rows[np.concatenate(members)], chosen, groups)
