"""K folds with every task in every training part."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from .._typing import AnyArray
from ._splitter import Sample, TaskSplitter, TooManyFolds

__all__ = ["TaskKFold"]


class Folds(TaskSplitter):
    """Parameters of the splitters into K folds."""

    n_splits: int
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
        self.n_splits = int(n_splits)
        self._set_options(task_column, stratify)
        self.shuffle = shuffle
        self.random_state = random_state


class TaskKFold(Folds):
    """K folds with every task in every training part.

    Each task is spread over the folds on its own, so that a model fitted on a training part knows
    every task it is tested on. A task with fewer rows than folds is tested in as many folds as it
    has rows, starting where the task before it stopped. A task of one row always trains and is
    never tested; every other row is tested once. Between folds the sizes of a task, of a class in
    a task, of a class and of the whole differ by at most one [2]_.

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
        two distinct integers (also as floats: 0. and 1.); more numbers may be counts or grades, so
        for them say True.
    shuffle : bool, default=False
        Whether to shuffle the rows of each task before they are dealt to the folds. Without it,
        the folds of a task are consecutive blocks of its rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; an int makes `split` return the same folds at every call.

    Notes
    -----
    With metadata routing on, `split` requests `tasks` and `sample_weight`: `GridSearchCV(model,
    grid, cv=TaskKFold()).fit(X, y, tasks=tasks)` passes them to the splitter and to the model.

    With a 2-D y (one task per column, NaN where not observed) the rows are dealt so that the
    observed targets of every column are spread over the folds, by a form of iterative
    stratification [1]_; a column whose observed targets would all fall into one fold is a
    ValueError. Rows that do not count (no observed target, or weight 0) always train and are never
    tested.

    References
    ----------
    .. [1] Sechidis, Tsoumakas, Vlahavas (2011). On the stratification of multi-label data.
       ECML PKDD.
    .. [2] de Werra (1971). Balanced schedules. INFOR 9.

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
        fold = self._folds(self._read(X, y, tasks, sample_weight))
        tested = np.bincount(fold[fold >= 0], minlength=self.n_splits)
        if not tested.all():
            raise TooManyFolds(
                f"Only {tested.sum()} rows can be tested, which leaves some of the n_splits="
                f"{self.n_splits} folds empty: lower n_splits, or set stratify=False."
            )
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        tasks: Any = None,
        groups: Any = None,
        *,
        sample_weight: Any = None,
    ) -> int:
        """Number of folds.

        Parameters
        ----------
        X, y, tasks, groups, sample_weight : object
            Ignored, here for API compatibility.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def _folds(self, sample: Sample) -> AnyArray:
        """The fold that tests each row, -1 for none."""
        rng = check_random_state(self.random_state) if self.shuffle else None
        if sample.by_column:
            return self._column_folds(sample, rng)
        rows = np.flatnonzero(sample.observed)
        fold = np.full(len(sample.observed), -1)
        fold[rows] = self._deal(sample.tasks[rows], sample.classes[rows], rng)
        return fold

    def _deal(
        self, tasks: AnyArray, classes: AnyArray, rng: np.random.RandomState | None
    ) -> AnyArray:
        """Deal rows to folds like cards, cell by cell.

        The sizes of a cell, a task, a class and the whole differ by at most one between folds.
        """
        n_splits = self.n_splits
        sizes = np.bincount(tasks)
        if sizes.max(initial=0) < n_splits:
            raise TooManyFolds(
                f"n_splits={n_splits} cannot be greater than the number of rows in every task; the "
                f"largest task has {sizes.max(initial=0)} observed rows of positive weight "
                f"(n_samples={len(tasks)})."
            )
        if rng is not None:
            tasks = rng.permutation(len(sizes))[tasks]
        n_classes = classes.max() + 1
        cells, codes, sizes = np.unique(
            tasks * n_classes + classes, return_inverse=True, return_counts=True
        )
        order = np.argsort(codes, kind="stable")
        order, cells, sizes = order[sizes[codes[order]] > 1], cells[sizes > 1], sizes[sizes > 1]
        # Each cell begins where the one before it stopped.
        share, more = np.divmod(sizes, n_splits)
        place = (np.arange(n_splits) - (np.cumsum(sizes) - sizes)[:, None]) % n_splits
        extra = place < more[:, None]
        even_out(extra, cells // n_classes, cells % n_classes)
        fold = np.full(len(tasks), -1)
        counts = share[:, None] + extra
        fold[order] = np.repeat(np.tile(np.arange(n_splits), len(cells)), counts.ravel())
        if rng is not None:
            for members in np.split(order, np.cumsum(sizes)[:-1]):
                cards = fold[members]
                rng.shuffle(cards)
                fold[members] = cards
        return fold

    def _column_folds(self, sample: Sample, rng: np.random.RandomState | None) -> AnyArray:
        """Folds of the rows of a 2-D y, balanced in every column."""
        observed, cells, labels = sample.observed, sample.cells, sample.columns
        counts = observed.sum(axis=0)
        if counts.max() < self.n_splits:
            raise TooManyFolds(
                f"n_splits={self.n_splits} cannot be greater than the number of observed targets "
                f"in every column of y; the largest is {counts.max()}."
            )
        fixed = cells[:, cells.sum(axis=0) == 1].any(axis=1)
        fold = np.full(len(observed), -1)
        rows = np.flatnonzero(observed.any(axis=1) & ~fixed)
        if cells is observed and observed[rows].all():
            zeros = np.zeros(len(rows), np.intp)
            fold[rows] = self._deal(zeros, zeros, rng)
            return fold
        if rng is not None:
            rows = rng.permutation(rows)
        # Cells with a row that always trains are safe already; a column may lack a class.
        open_cells = np.flatnonzero(cells.any(axis=0) & ~cells[fixed].any(axis=0))

        def deal(order: AnyArray) -> AnyArray:
            fold[order] = _balanced_folds(cells[order], self.n_splits)
            return fold

        stuck = apart(deal, rows, cells[:, open_cells], self.n_splits)
        if stuck is None:
            return fold
        column = open_cells[stuck] % observed.shape[1]
        raise TooManyFolds(
            f"Column {labels[column]!r} of y cannot be kept in every training part with "
            f"n_splits={self.n_splits}: its {counts[column]} observed targets share rows with "
            "other sparse columns. Change n_splits or drop the column."
        )


def even_out(extra: AnyArray, tasks: AnyArray, classes: AnyArray) -> None:
    """Exchange folds between cells, in place, until those of every class differ by at most one.

    `extra` (n_cells, n_splits) tells which folds get one row of a cell more than the others; its
    sums over a task's cells, and over all cells, differ by at most one between folds, and still do
    afterwards. As in the proof that bipartite graphs have balanced edge colourings (de Werra,
    1971): a cell is an edge between its task and its class, a fold a colour. Of two folds, the
    edges that have one of them are paired at every task and class, and the pairs form chains along
    which the folds alternate.
    """
    while len(extra):
        loads = np.stack([extra[classes == c].sum(axis=0) for c in np.unique(classes)])
        worst = loads[np.argmax(np.ptp(loads, axis=1))]
        if np.ptp(worst) <= 1:
            break
        a, b = int(worst.argmax()), int(worst.argmin())
        edges = np.flatnonzero(extra[:, a] != extra[:, b])
        extra[edges, a] = _alternate(tasks[edges], classes[edges])
        extra[edges, b] = ~extra[edges, a]


def _alternate(tasks: AnyArray, classes: AnyArray) -> AnyArray:
    """A side for each edge; those of a task, of a class and of all differ by at most one."""
    partner = [_pairs(tasks), _pairs(classes)]
    side = [-1] * len(tasks)
    first = 0
    # Open chains from an end, then those that are closed.
    open_ends = [e for e in range(len(side)) if min(partner[0][e], partner[1][e]) < 0]
    for start in itertools.chain(open_ends, range(len(side))):
        if side[start] >= 0:
            continue
        edge, now = start, first
        leave = int(partner[0][start] < 0)
        while edge >= 0 and side[edge] < 0:
            side[edge] = now
            edge, now, leave = partner[leave][edge], 1 - now, 1 - leave
        first = now  # a chain of odd length gives its first side one more
    return np.array(side, bool)


def _pairs(codes: AnyArray) -> list[int]:
    """For each position another one of the same code, -1 for one left over."""
    partner = [-1] * len(codes)
    waiting: dict[int, int] = {}
    for i, code in enumerate(codes.tolist()):
        j = waiting.pop(code, None)
        if j is None:
            waiting[code] = i
        else:
            partner[i], partner[j] = j, i
    return partner


def apart(
    deal: Callable[[AnyArray], AnyArray], items: AnyArray, cells: Any, n_splits: int
) -> int | None:
    """Deal items to folds so that no cell lies in one fold; the first cell that does all the same.

    Which items meet first decides who gets stuck: other orders may not.
    """
    stuck = None
    for attempt in range(10):
        order = np.random.RandomState(attempt).permutation(items) if attempt else items
        stuck = _separate(deal(order), cells, n_splits)
        if stuck is None:
            break
    return stuck


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


def _separate(fold: AnyArray, cells: Any, n_splits: int) -> int | None:
    """Move rows, in place, until no cell lies in one fold; the first cell for which that fails.

    cells is (n_rows, n_cells) bool, dense or sparse.
    """
    by_row = sparse.csr_array(cells).astype(np.intp)
    by_cell = by_row.tocsc()
    counts = np.stack([by_row[fold == k].sum(axis=0) for k in range(n_splits)])
    total = counts.sum(axis=0)
    for cell in np.flatnonzero(counts.max(axis=0) == total):
        if counts[:, cell].max() < total[cell]:
            continue  # freed by a move for an earlier cell
        for row in by_cell.indices[by_cell.indptr[cell] : by_cell.indptr[cell + 1]]:
            own = by_row.indices[by_row.indptr[row] : by_row.indptr[row + 1]]
            for k in np.argsort(counts.sum(axis=1), kind="stable"):
                if k != fold[row] and (counts[k, own] + 1 < total[own]).all():
                    break
            else:
                continue
            counts[fold[row], own] -= 1
            counts[k, own] += 1
            fold[row] = k
            break
        if counts[:, cell].max() == total[cell]:
            return int(cell)
    return None
