"""K folds that keep the rows of a group together, and every task in every training part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length, check_random_state

from .._labels import as_labels, factorize, show_label
from .._typing import AnyArray
from ._splitter import Sample, TooManyFolds
from .kfold import Folds, apart

__all__ = ["TaskGroupKFold"]

_ROUNDS = 3


class TaskGroupKFold(Folds):
    """K folds with every task in every training part, and no group in both parts.

    For rows that belong together, such as visits of one patient: all rows of a group, whatever
    their tasks, are tested in the same fold, and then none of them trains. A group that holds all
    rows of a task always trains and is never tested; every other group is tested once. Each group
    goes to the fold that has least of what it holds, large ones first, so that tasks, classes in
    the tasks, classes and rows are spread over the folds as evenly as groups allow.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of groups that can be tested.
    task_column : int or str, default=None
        Position or name of the label column in the X given to `split`. None: labels come from the
        `tasks` argument of `split`, or there is one task.
    stratify : {"auto", True, False}, default="auto"
        Spread the classes of y, too, as :class:`TaskKFold` does. A group that holds all rows of a
        class in a task then always trains and is never tested.
    shuffle : bool, default=False
        Whether to deal groups of similar weight (within a factor of two) in random order.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; an int makes `split` return the same folds at every call.

    See Also
    --------
    TaskKFold : Folds of single rows.
    sklearn.model_selection.StratifiedGroupKFold : Without tasks.

    Notes
    -----
    With metadata routing on, `split` requests `tasks` and `groups`.

    With a 2-D y (one task per column, NaN where not observed) groups are groups of its rows. Rows
    that do not count, without an observed target or with weight 0, are never tested; they train
    when their group does.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.model_selection import TaskGroupKFold
    >>> tasks = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])
    >>> patient = np.array([1, 2, 2, 3, 1, 2, 4, 4])
    >>> for train, test in TaskGroupKFold(2).split(tasks, groups=patient, tasks=tasks):
    ...     print(patient[train], patient[test], set(tasks[train]) == {"a", "b"})
    [3 4 4] [1 2 2 1 2] True
    [1 2 2 1 2] [3 4 4] True
    """

    __metadata_request__split: ClassVar = {"groups": True}

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
    ) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Generate indices to split data into training and test set.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Data; only the label column is read, if `task_column` is set.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Targets: needed to stratify, and to see what is not observed (NaN).
        groups : array-like of shape (n_samples,)
            Group of each row.
        tasks : array-like of shape (n_samples,), default=None
            Task labels.
        sample_weight : float or array-like, default=None
            Weights, (n_samples,) or the shape of y: rows of weight 0 are in no test part.

        Yields
        ------
        train : ndarray
            The training set indices for that split.
        test : ndarray
            The testing set indices for that split.

        Raises
        ------
        ValueError
            If there are fewer groups to test than folds, or groups that span several tasks make it
            impossible to keep a task (or a class in it) in every training part.
        """
        if groups is None:
            raise ValueError(
                "The 'groups' parameter should not be None: TaskGroupKFold needs the group of each "
                "row. TaskKFold does without."
            )
        sample = self._read(X, y, tasks, sample_weight)
        labels = as_labels(groups, "`groups`", "group")
        check_consistent_length(X, labels)
        distinct, codes = factorize(labels, "`groups`")
        fold = self._deal(sample, codes, len(distinct))[codes]
        counts = sample.observed.reshape(len(fold), -1).any(axis=1)
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero((fold == k) & counts)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        groups: Any = None,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
    ) -> int:
        """Number of folds.

        Parameters
        ----------
        X, y, groups, tasks, sample_weight : object
            Ignored, here for API compatibility.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def _deal(self, sample: Sample, codes: AnyArray, n_groups: int) -> AnyArray:
        """The fold that tests each group, -1 for none."""
        rows = sparse.csr_array(
            (np.ones(len(codes)), (codes, np.arange(len(codes)))), (n_groups, len(codes))
        )
        kept, owner, spread = _cells(sample)
        kept, spread = rows @ kept, rows @ spread
        size = spread[:, [-1]].toarray().ravel()
        holds = (kept > 0).tocsc()
        alone = np.diff(holds.indptr) == 1
        fixed = (size == 0) | (holds[:, alone].sum(axis=1) > 0)
        free = np.flatnonzero(~fixed)
        if len(free) < self.n_splits:
            remedy = "Lower n_splits, or set stratify=False."
            if len(free) < 2:
                remedy = (
                    "If groups are tasks, test on new ones by LeaveOneTaskOut, with a model that "
                    'has unseen="mean".'
                )
            raise TooManyFolds(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of "
                f"groups: {len(free)} of {n_groups} can be tested (not those that hold all rows of "
                f"a task, or of a class in it). {remedy}"
            )
        if self.shuffle:
            free = check_random_state(self.random_state).permutation(free)
        # Most to place first: large groups, and those with much of a small task or a rare class.
        shares = 1.0 / np.maximum(spread.sum(axis=0), 1.0)
        weight = np.round(spread[free] @ shares, 9)
        if self.shuffle:
            weight = np.floor(np.log2(weight))
        order = free[np.argsort(-weight, kind="stable")]
        fold = np.full(n_groups, -1)

        def deal(order: AnyArray) -> AnyArray:
            fold[order] = _least_loaded(spread[order], self.n_splits)
            return fold

        # Cells with a group that always trains are safe already.
        at_risk = np.flatnonzero((np.diff(holds.indptr) > 0) & (holds[fixed].sum(axis=0) == 0))
        stuck = apart(deal, order, holds[:, at_risk], self.n_splits)
        if stuck is None:
            return fold
        labels = sample.columns if sample.by_column else sample.labels
        raise TooManyFolds(
            f"Task {show_label(labels, int(owner[at_risk[stuck]]))}, or a class in it, cannot be "
            f"kept in every training part with n_splits={self.n_splits}: its groups are those of "
            "other tasks, too. Change n_splits, or set stratify=False."
        )


def _cells(sample: Sample) -> tuple[Any, AnyArray, Any]:
    """What must stay in training, whose task it is, and what is to be spread, (n_rows, n_cells).

    The last that is to be spread is the number of targets.
    """
    if sample.by_column:
        observed, cells = sample.observed.astype(float), sample.cells.astype(float)
        n_tasks = observed.shape[1]
        owner = np.arange(cells.shape[1]) % n_tasks
        classes = cells.reshape(len(cells), -1, n_tasks).sum(axis=2)
        parts = [cells, observed, classes, observed.sum(axis=1)[:, None]]
        return sparse.csr_array(cells), owner, sparse.csr_array(np.hstack(parts))
    n_classes = sample.classes.max(initial=0) + 1
    kept, cells = _indicator(sample.tasks * n_classes + sample.classes, sample.observed)
    parts = [_indicator(codes, sample.observed)[0] for codes in (sample.tasks, sample.classes)]
    whole = sparse.csr_array(sample.observed[:, None].astype(float))
    return kept, cells // n_classes, sparse.csr_array(sparse.hstack([kept, *parts, whole]))


def _indicator(codes: AnyArray, counts: AnyArray) -> tuple[Any, AnyArray]:
    """A column per code, 1 in the rows of it that count, and the codes."""
    rows = np.flatnonzero(counts)
    distinct, columns = np.unique(codes[rows], return_inverse=True)
    shape = len(codes), len(distinct)
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape), distinct


def _least_loaded(counts: Any, n_splits: int) -> AnyArray:
    """Deal items in their order, each to the fold that has least of the cells it is in.

    counts is (n_items, n_cells), sparse. Loads are relative to the size of the cells. Items are
    then taken out and dealt again, which brings the sum of squares of the loads down further.
    """
    total = counts.sum(axis=0)
    load = np.zeros((n_splits, counts.shape[1]))
    fold = np.full(counts.shape[0], -1)
    for _ in range(_ROUNDS):
        for i, (start, end) in enumerate(itertools.pairwise(counts.indptr)):
            own, count = counts.indices[start:end], counts.data[start:end]
            if fold[i] >= 0:
                load[fold[i], own] -= count
            # Rounded: folds that are equally loaded must tie on every machine.
            fold[i] = np.argmin(np.round(load[:, own] @ (count / total[own]), 9))
            load[fold[i], own] += count
    return fold
