"""Random splits within tasks, and one task left out at a time."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_random_state

from .._typing import AnyArray
from ._splitter import Sample, TaskSplitter

__all__ = ["LeaveOneTaskOut", "TaskShuffleSplit"]


class TaskShuffleSplit(TaskSplitter):
    """Random training and test parts, each with the same share of every task.

    The protocol of many multi-task papers ("75 % of each task for training"). Unlike the folds of
    :class:`TaskKFold`, test parts of several splits may overlap.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits, at least 1.
    test_size : float, default=0.25
        Share of each task's rows in the test part, in (0, 1): up to one row, so that small tasks
        get their turns at random and the whole test part has this share, too.
    task_column : int or str, default=None
        Position or name of the label column in the X given to `split`. None: labels come from the
        `tasks` argument of `split`, or there is one task.
    stratify : {"auto", True, False}, default="auto"
        Keep the class proportions of each task, as :class:`TaskKFold` does.
    random_state : int, RandomState instance or None, default=None
        Seed; an int makes `split` return the same parts at every call.

    Notes
    -----
    Every task (and every class in it, if stratified) keeps a row in training: a task of one row is
    never tested. With a 2-D y (one task per column, NaN where not observed) rows are drawn at
    random as long as no column gives more than its share; a column never gives its last target.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.model_selection import TaskShuffleSplit
    >>> tasks = np.repeat(["a", "b"], [4, 8])
    >>> for train, test in TaskShuffleSplit(2, random_state=0).split(tasks[:, None], tasks=tasks):
    ...     print(tasks[test])
    ['a' 'b' 'b']
    ['a' 'b' 'b']
    """

    n_splits: int
    test_size: float
    random_state: Any

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float = 0.25,
        task_column: int | str | None = None,
        stratify: bool | Literal["auto"] = "auto",
        random_state: Any = None,
    ) -> None:
        if not isinstance(n_splits, numbers.Integral) or n_splits < 1:
            raise ValueError(f"n_splits must be an integer of at least 1, got {n_splits!r}.")
        if not isinstance(test_size, numbers.Real) or not 0.0 < float(test_size) < 1.0:
            raise ValueError(f"test_size must be a share in (0, 1), got {test_size!r}.")
        self.n_splits = int(n_splits)
        self.test_size = float(test_size)
        self._set_options(task_column, stratify)
        self.random_state = random_state

    def split(
        self,
        X: Any,
        y: Any = None,
        tasks: Any = None,
        groups: Any = None,
        *,
        sample_weight: Any = None,
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
            Present for API compatibility; see :class:`TaskGroupKFold`.
        sample_weight : float or array-like, default=None
            Weights, (n_samples,) or the shape of y: rows of weight 0 always train.

        Yields
        ------
        train : ndarray
            The training set indices for that split.
        test : ndarray
            The testing set indices for that split.
        """
        self._refuse_groups(groups)
        sample = self._read(X, y, tasks, sample_weight)
        rng = check_random_state(self.random_state)
        draw = self._draw_rows if sample.by_column else self._draw
        for _ in range(self.n_splits):
            test = draw(sample, rng)
            if not test.any():
                raise ValueError(
                    f"test_size={self.test_size:g} leaves nothing to test: tasks are too small, "
                    "or classes too rare (stratify=False ignores them)."
                )
            yield np.flatnonzero(~test), np.flatnonzero(test)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        tasks: Any = None,
        groups: Any = None,
        *,
        sample_weight: Any = None,
    ) -> int:
        """Number of splits.

        Parameters
        ----------
        X, y, tasks, groups, sample_weight : object
            Ignored, here for API compatibility.

        Returns
        -------
        n_splits : int
            Number of splits.
        """
        return self.n_splits

    def _draw(self, sample: Sample, rng: np.random.RandomState) -> AnyArray:
        rows = rng.permutation(np.flatnonzero(sample.observed))
        n_classes = sample.classes.max() + 1
        codes, cells = np.unique(
            sample.tasks[rows] * n_classes + sample.classes[rows], return_inverse=True
        )
        test = np.zeros(len(sample.observed), bool)
        # Cells in random order, class by class; their shares are rounded where the running sum
        # passes an integer, so that the classes, too, give their share.
        due = rng.uniform()
        sizes = np.bincount(cells)
        order = rng.permutation(len(sizes))
        for cell in order[np.argsort(codes[order] % n_classes, kind="stable")]:
            due += self.test_size * sizes[cell]
            taken = min(int(due), sizes[cell] - 1)
            due -= int(due)
            test[rows[cells == cell][:taken]] = True
        return test

    def _draw_rows(self, sample: Sample, rng: np.random.RandomState) -> AnyArray:
        rows = rng.permutation(np.flatnonzero(sample.observed.any(axis=1)))
        total = sample.cells.sum(axis=0)
        test = np.zeros(len(sample.cells), bool)
        wanted = round(self.test_size * len(rows))
        most = np.maximum(total - 1, 0)
        taken = np.zeros_like(total)
        # First within every column's share; then, if columns stood in each other's way, beyond it.
        for limit in (np.minimum(np.ceil(self.test_size * total), most), most):
            for row in rows[~test[rows]]:
                if test.sum() >= wanted:
                    return test
                own = sample.cells[row]
                if (taken[own] < limit[own]).all():
                    test[row] = True
                    taken += own
        return test


class LeaveOneTaskOut(TaskSplitter):
    """Test on all rows of one task after training on the others.

    It tells how well the mean model serves a task that was never seen, so it is for estimators with
    ``unseen="mean"``; with ``unseen="error"`` they refuse the test rows.

    Parameters
    ----------
    task_column : int or str, default=None
        Position or name of the label column in the X given to `split`. None: labels come from the
        `tasks` argument of `split`.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> from malsar_py.model_selection import LeaveOneTaskOut
    >>> import numpy as np
    >>> X, y, tasks = make_clustered(n_tasks=4, n_clusters=1, random_state=0)
    >>> model = MeanRegularizedRegressor(lambda1=1.0, task_column=0, unseen="mean")
    >>> cv = LeaveOneTaskOut(task_column=0)
    >>> cross_val_score(model, np.column_stack([tasks, X]), y, cv=cv).shape
    (4,)
    """

    def __init__(self, *, task_column: int | str | None = None) -> None:
        self._set_options(task_column, False)

    def split(
        self,
        X: Any,
        y: Any = None,
        tasks: Any = None,
        groups: Any = None,
        *,
        sample_weight: Any = None,
    ) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Generate indices to split data into training and test set.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Data; only the label column is read, if `task_column` is set.
        y : array-like of shape (n_samples,), default=None
            Targets; rows with a NaN are in no test part.
        tasks : array-like of shape (n_samples,), default=None
            Task labels.
        groups : None
            Present for API compatibility; see :class:`TaskGroupKFold`.
        sample_weight : float or array-like, default=None
            Weights, (n_samples,): rows of weight 0 are in no test part.

        Yields
        ------
        train : ndarray
            The training set indices for that split.
        test : ndarray
            The testing set indices for that split: one task, in the order of `tasks_`.
        """
        self._refuse_groups(groups)
        sample = self._one_task_a_row(X, y, tasks, sample_weight)
        for code in np.unique(sample.tasks[sample.observed]):
            own = sample.tasks == code
            yield np.flatnonzero(~own), np.flatnonzero(own & sample.observed)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        tasks: Any = None,
        groups: Any = None,
        *,
        sample_weight: Any = None,
    ) -> int:
        """Number of tasks.

        Parameters
        ----------
        X, y, tasks, groups, sample_weight : array-like
            As for `split`.

        Returns
        -------
        n_splits : int
            Number of tasks.
        """
        if X is None:
            raise ValueError("The number of splits is the number of tasks: pass X, and `tasks`.")
        sample = self._one_task_a_row(X, y, tasks, sample_weight)
        return len(np.unique(sample.tasks[sample.observed]))

    def _one_task_a_row(self, X: Any, y: Any, tasks: Any, sample_weight: Any) -> Sample:
        sample = self._read(X, y, tasks, sample_weight)
        if sample.by_column:
            raise ValueError(
                "LeaveOneTaskOut leaves out rows, and every row of a 2-D y belongs to all tasks: "
                "stack the tasks (malsar_py.stack_tasks) and pass labels."
            )
        found = np.unique(sample.tasks[sample.observed])
        if len(found) < 2:
            raise ValueError(
                f"LeaveOneTaskOut needs at least two tasks, got {len(found)}: set task_column, or "
                "pass `tasks`."
            )
        return sample
