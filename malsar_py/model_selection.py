"""Cross-validation that knows tasks."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from ._labels import (
    as_labels,
    as_table,
    column_position,
    factorize,
    frame_columns,
    show_labels,
    split_column,
)
from ._tasks import class_targets
from ._typing import AnyArray

__all__ = ["TaskKFold"]

_CLASSES = ("binary", "multiclass")


class TaskKFold(BaseCrossValidator):
    """K folds with every task in every training part.

    Each task is spread over the folds on its own, so that a model fitted on a training part knows
    every task it is tested on. A task with fewer rows than folds is tested in as many folds as it
    has rows, starting where the task before it stopped: fold sizes stay within one row of each
    other. A task of one row always trains and is never tested; every other row is tested once.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2. At least one task must have that many rows.
    task_column : int or str, default=None
        Position or name of the label column in the X given to `split` (in a search over a
        pipeline: the X given to the pipeline). None: labels come from the `tasks` argument of
        `split`, or there is one task.
    stratify : {"auto", True, False}, default="auto"
        Keep the class proportions of each task in every fold. The only row of a class in its task
        then always trains and is never tested. "auto" does so when y holds booleans, strings, or
        two distinct integers; more integers may be counts or grades, so for them say True.
    shuffle : bool, default=False
        Whether to shuffle the rows of each task before they are dealt to the folds. Without it,
        the folds of a task are consecutive blocks of its rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; an int makes `split` return the same folds at every call.

    Notes
    -----
    With metadata routing on, `split` requests `tasks`: `GridSearchCV(model, grid,
    cv=TaskKFold()).fit(X, y, tasks=tasks)` passes them to the splitter and to the model.

    With a 2-D y (one task per column, NaN where not observed) the rows are dealt so that the
    observed targets of every column are spread over the folds, by a form of iterative
    stratification [1]_; a column whose observed targets would all fall into one fold is a
    ValueError. Rows without any observed target, and rows with a NaN target in a 1-D y, always
    train and are never tested.

    References
    ----------
    .. [1] Sechidis, Tsoumakas, Vlahavas (2011). On the stratification of multi-label data.
       ECML PKDD.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.model_selection import TaskKFold
    >>> tasks = np.array(["a", "a", "b", "b", "b", "c"])
    >>> for train, test in TaskKFold(2).split(np.zeros((6, 1)), tasks=tasks):
    ...     print(train, test)
    [1 4 5] [0 2 3]
    [0 2 3 5] [1 4]
    """

    # With metadata routing on, searches pass `tasks` without set_split_request.
    __metadata_request__split: ClassVar = {"tasks": True}

    n_splits: int
    task_column: int | str | None
    stratify: bool | Literal["auto"]
    shuffle: bool
    random_state: Any

    def __init__(
        self,
        n_splits: int = 5,
        *,
        task_column: int | str | None = None,
        stratify: bool | Literal["auto"] = "auto",
        shuffle: bool = False,
        random_state: Any = None,
    ) -> None:
        if not isinstance(n_splits, numbers.Integral) or n_splits < 2:
            raise ValueError(f"n_splits must be an integer of at least 2, got {n_splits!r}.")
        if not isinstance(shuffle, bool | np.bool_):
            raise ValueError(f"shuffle must be True or False, got {shuffle!r}.")
        if not shuffle and random_state is not None:
            raise ValueError(
                "Setting a random_state has no effect since shuffle is False. You should leave "
                "random_state to its default (None), or set shuffle=True."
            )
        if not (isinstance(stratify, bool | np.bool_) or stratify == "auto"):
            raise ValueError(f'stratify must be "auto", True or False, got {stratify!r}.')
        self.n_splits = int(n_splits)
        self.task_column = task_column
        self.stratify = stratify
        self.shuffle = shuffle
        self.random_state = random_state

    def split(
        self, X: Any, y: Any = None, tasks: Any = None, groups: Any = None
    ) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Generate indices to split data into training and test set.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Data; only the label column is read, if `task_column` is set.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Targets: needed to stratify, and to see what is not observed (NaN).
        tasks : array-like of shape (n_samples,), default=None
            Task labels.
        groups : None
            Present for API compatibility; labels are passed as `tasks`.

        Yields
        ------
        train : ndarray
            The training set indices for that split.
        test : ndarray
            The testing set indices for that split.
        """
        if groups is not None:
            raise ValueError("TaskKFold takes labels as `tasks` or by task_column, not `groups`.")
        fold = self._folds(X, y, tasks)
        tested = np.bincount(fold[fold >= 0], minlength=self.n_splits)
        if not tested.all():
            raise ValueError(
                f"Only {tested.sum()} rows can be tested, which leaves some of the n_splits="
                f"{self.n_splits} folds empty: lower n_splits, or set stratify=False."
            )
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)

    def get_n_splits(
        self, X: Any = None, y: Any = None, tasks: Any = None, groups: Any = None
    ) -> int:
        """Number of folds; the arguments are there for API compatibility."""
        return self.n_splits

    def _folds(self, X: Any, y: Any, tasks: Any) -> AnyArray:
        """The fold that tests each row, -1 for none."""
        labels, source = self._labels(X, tasks)
        n_rows = _num_samples(X)
        if labels is not None and len(labels) != n_rows:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"{source} has {len(labels)} labels, X has {n_rows} rows."
            )
        values, observed = None, np.ones(n_rows, bool)
        if y is not None:
            values, observed = class_targets(y)
            check_consistent_length(X, values)
        elif self.stratify is True:
            raise ValueError("stratify=True needs y.")
        rng = check_random_state(self.random_state) if self.shuffle else None
        if values is not None and values.ndim == 2:
            if values.shape[1] > 1:
                if labels is not None:
                    raise ValueError(
                        f"y of shape {values.shape} holds one task per column, which cannot be "
                        f"combined with {source}."
                    )
                return self._column_folds(values, observed, frame_columns(y), rng)
            values, observed = values[:, 0], observed[:, 0]
        rows = np.flatnonzero(observed)
        codes = np.zeros(n_rows, np.intp)
        if labels is not None:
            codes = factorize(labels, source)[1]
        cells = np.zeros(len(rows), np.intp)
        if values is not None and self._stratified(values[rows]):
            cells = factorize(values[rows], "y")[1]
        fold = np.full(n_rows, -1)
        fold[rows] = self._deal(codes[rows], cells, rng)
        return fold

    def _labels(self, X: Any, tasks: Any) -> tuple[AnyArray | None, str]:
        if self.task_column is None:
            return (None, "") if tasks is None else (as_labels(tasks, "`tasks`"), "`tasks`")
        source = f"task_column={self.task_column!r}"
        if tasks is not None:
            raise ValueError(f"Task labels were given twice, by {source} and by `tasks`.")
        table = as_table(X)
        column, _ = split_column(table, column_position(table, self.task_column))
        return as_labels(column, source), source

    def _stratified(self, values: AnyArray) -> bool:
        """Whether to keep class proportions of the (observed) targets."""
        if self.stratify is False or not values.size:
            return False
        if self.stratify == "auto":
            if values.dtype.kind in "iu":
                return len(np.unique(values)) <= 2
            return values.dtype.kind in "bUO" and type_of_target(values) in _CLASSES
        if type_of_target(values) not in _CLASSES:
            raise ValueError(
                "stratify=True needs a y of classes; supported target types are: "
                f"{_CLASSES}. Got {type_of_target(values)!r} instead."
            )
        return True

    def _deal(
        self, tasks: AnyArray, classes: AnyArray, rng: np.random.RandomState | None
    ) -> AnyArray:
        """Deal rows to folds like cards, cell by cell.

        The sizes of a cell, a task and the whole differ by at most one between folds.
        """
        sizes = np.bincount(tasks)
        if sizes.max(initial=0) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} cannot be greater than the number of rows in every "
                f"task; the largest task has {sizes.max(initial=0)} observed rows."
            )
        if rng is not None:
            tasks = rng.permutation(len(sizes))[tasks]
        order = np.lexsort((classes, tasks))
        ends = np.flatnonzero(np.diff(tasks[order]) | np.diff(classes[order])) + 1
        fold = np.full(len(tasks), -1)
        start = 0
        for members in np.split(order, ends):
            if len(members) == 1:
                continue
            cards = np.sort((start + np.arange(len(members))) % self.n_splits)
            if rng is not None:
                rng.shuffle(cards)
            fold[members] = cards
            start += len(members)
        return fold

    def _column_folds(
        self,
        values: AnyArray,
        observed: AnyArray,
        names: list[Any] | None,
        rng: np.random.RandomState | None,
    ) -> AnyArray:
        """Folds of the rows of a 2-D y, balanced in every column."""
        labels = np.array(range(values.shape[1]) if names is None else names, dtype=object)
        counts = observed.sum(axis=0)
        if counts.min() < 2:
            raise ValueError(
                f"Columns of y with fewer than two observed targets cannot be kept in every "
                f"training part: {show_labels(labels[counts < 2])}. Drop them."
            )
        if counts.max() < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} cannot be greater than the number of observed targets "
                f"in every column of y; the largest is {counts.max()}."
            )
        cells = observed
        if self._stratified(values[observed]):
            classes = factorize(values[observed], "y")[0]
            cells = np.hstack([observed & (values == label) for label in classes])
        fixed = cells[:, cells.sum(axis=0) == 1].any(axis=1)
        fold = np.full(len(values), -1)
        rows = np.flatnonzero(observed.any(axis=1) & ~fixed)
        if cells is observed and observed[rows].all():
            zeros = np.zeros(len(rows), np.intp)
            fold[rows] = self._deal(zeros, zeros, rng)
            return fold
        if rng is not None:
            rows = rng.permutation(rows)
        # Cells with a row that always trains are safe already.
        open_cells = np.flatnonzero(~cells[fixed].any(axis=0))
        for attempt in range(10):
            # Which rows meet first decides who gets stuck: other orders may not.
            order = np.random.RandomState(attempt).permutation(rows) if attempt else rows
            fold[order] = _balanced_folds(cells[order], self.n_splits)
            stuck = _separate(fold, cells[:, open_cells], self.n_splits)
            if stuck is None:
                return fold
        column = open_cells[stuck] % values.shape[1]
        raise ValueError(
            f"Column {labels[column]!r} of y cannot be kept in every training part with "
            f"n_splits={self.n_splits}: its {counts[column]} observed targets share rows with "
            "other sparse columns. Change n_splits or drop the column."
        )


def _balanced_folds(cells: AnyArray, n_splits: int) -> AnyArray:
    """Iterative stratification: cells is (n_rows, n_cells) bool.

    Rows are dealt in the order of their rarest cells, each to the fold that still wants most of
    it: by what is missing of the row's cells, each relative to its size, the number of rows being
    one more cell.
    """
    n_cells = cells.shape[1]
    cells = np.hstack([cells, np.ones((len(cells), 1), bool)])
    total = cells.sum(axis=0)
    left = total[:n_cells].copy()
    want = np.tile(total / n_splits, (n_splits, 1))
    fold = np.full(len(cells), -1)
    while left.any():
        rarest = int(np.argmin(np.where(left > 0, left, len(cells) + 1)))
        for row in np.flatnonzero(cells[:, rarest] & (fold < 0)):
            own = np.flatnonzero(cells[row])
            # Rounded: folds that are equally in want must tie on every machine.
            fold[row] = np.argmax(np.round(want[:, own] @ (1.0 / total[own]), 9))
            want[fold[row], own] -= 1.0
            left -= cells[row, :n_cells]
    return fold


def _separate(fold: AnyArray, cells: AnyArray, n_splits: int) -> int | None:
    """Move rows, in place, until no cell lies in one fold; the first cell for which that fails."""
    counts = np.stack([cells[fold == k].sum(axis=0) for k in range(n_splits)])
    total = counts.sum(axis=0)
    for cell in np.flatnonzero(counts.max(axis=0) == total):
        if counts[:, cell].max() < total[cell]:
            continue  # freed by a move for an earlier cell
        for row in np.flatnonzero(cells[:, cell]):
            shares = cells[row]
            for k in np.argsort(counts.sum(axis=1), kind="stable"):
                if k != fold[row] and (counts[k] + 1 < total)[shares].all():
                    break
            else:
                continue
            counts[fold[row]] -= shares
            counts[k] += shares
            fold[row] = k
            break
        if counts[:, cell].max() == total[cell]:
            return int(cell)
    return None
