"""What clones of one estimator have seen: whether a label column has moved, what has been said.

Meta-estimators that choose or append columns (RFE, BaggingRegressor(max_features=), chains) fit
clones of one estimator to other columns of the same rows. A position then names another column,
without a word from scikit-learn. The clones of an estimator share a `Family`, which keeps a few
rows of each fit. Rows are known again by their place or by their target.
"""

from __future__ import annotations

import numbers
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._typing import AnyArray, FloatArray

_ROWS = 32  # kept of each fit, twice
_FITS = 16  # kept
_MOST_FEATURES = 4096
_ENOUGH = 10  # rows that two fits share


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of a fit, by keys that are the same for the same rows."""

    keys: AnyArray
    labels: FloatArray
    X: FloatArray


@dataclass(frozen=True, eq=False)
class _Fit:
    n_rows: int
    by_place: _Rows
    by_target: _Rows


@dataclass(eq=False)
class Family:
    """The last fits of clones of one estimator, by their `task_column`, and their warnings."""

    fits: dict[int, deque[_Fit]] = field(default_factory=dict)
    said: set[str] | None = field(default_factory=set)  # None: others say it

    def __reduce__(self) -> Any:
        # Memory of this process only. In a copy it starts anew, but for what is said: copies are
        # made for the folds of a search that spreads over processes.
        return Family, ({}, None)

    def tell(self, text: str, stacklevel: int) -> None:
        """Warn, if none of the clones has said so before."""
        if self.said is not None and text not in self.said:
            self.said.add(text)
            warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)

    def see(self, position: int, labels: AnyArray, X: FloatArray, y: AnyArray | None) -> bool:
        """Take note of a fit; whether its label column was a feature before, or the other way."""
        if not X.shape[0] or X.shape[1] > _MOST_FEATURES:
            return False
        new = _read(labels, X, y)
        seen = self.fits.setdefault(int(position), deque(maxlen=_FITS))
        if any(
            _moved(*rows, appended=position < 0) for old in seen for rows in _same_rows(old, new)
        ):
            seen.clear()  # which of them was right is not known: the next use starts anew
            return True
        seen.append(new)
        return False


def warn_once(estimator: Any, text: str, stacklevel: int) -> None:
    """Warn; clones of one estimator, such as those in the folds of a search, say a thing once."""
    family = getattr(estimator, "_siblings", None) or Family()
    family.tell(text, stacklevel + 1)


def refuse_moved(estimator: Any, X: AnyArray, labels: AnyArray, y: AnyArray | None) -> None:
    """Refuse a label column by position, if its position holds another column than before."""
    family, position = getattr(estimator, "_siblings", None), estimator.task_column
    if family is None or not isinstance(position, numbers.Integral):
        return
    if family.see(position, labels, X, y if y is not None and y.ndim == 1 else None):
        raise ValueError(
            f"task_column={position} is a position, and there is another column now than when the "
            "same estimator was cloned and fitted to the same rows before: a meta-estimator that "
            "chooses or appends columns (RFE, max_features of Bagging, chains) took a feature for "
            "the task label. Keep labels out of X and pass `tasks`, or name the column of a "
            "DataFrame; if you changed the columns yourself, start from a new estimator."
        )


def _read(labels: AnyArray, X: FloatArray, y: AnyArray | None) -> _Fit:
    if labels.dtype.kind not in "biuf":  # equal to no feature
        labels = np.unique(labels.astype(str), return_inverse=True)[1].reshape(-1) + 0.5
    labels = labels.astype(np.float64)
    n_rows = X.shape[0]
    places = np.unique(np.linspace(0, n_rows - 1, _ROWS).astype(np.intp))
    by_target = places[:0]
    keys: AnyArray = np.empty(0)
    if y is not None:
        keys, first = np.unique(y, return_index=True)
        # The same ones whatever the other rows: a bootstrap sample has most of them.
        some = np.argsort(np.modf(np.abs(keys) * 1e4 * np.e)[0])[:_ROWS]
        keys, by_target = keys[some], first[some]
    return _Fit(
        n_rows,
        _Rows(places, labels[places], _array(X[places])),
        _Rows(keys, labels[by_target], _array(X[by_target])),
    )


def _array(rows: Any) -> FloatArray:
    """A few rows, be they sparse."""
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def _same_rows(old: _Fit, new: _Fit) -> Iterator[tuple[_Rows, _Rows]]:
    """What both fits know of rows that are, or may be, the same."""
    pairs = [(old.by_target, new.by_target)]
    if old.n_rows == new.n_rows:
        pairs.append((old.by_place, new.by_place))
    for a, b in pairs:
        keys, i, k = np.intersect1d(a.keys, b.keys, return_indices=True)
        if len(keys) >= _ENOUGH:
            yield _Rows(keys, a.labels[i], a.X[i]), _Rows(keys, b.labels[k], b.X[k])


def _moved(old: _Rows, new: _Rows, *, appended: bool) -> bool:
    """Whether the label of one is a feature of the other alone, and other columns are the same.

    Columns that are appended move a position from the right only: who puts new labels in front
    and keeps the old ones as a feature means it.
    """
    if np.array_equal(old.labels, new.labels):
        return False
    old_in, new_in = _where(old.labels, old, new), _where(new.labels, new, old)
    if not appended and new.X.shape[1] > old.X.shape[1]:
        old_in = None
    if old_in is None and new_in is None:
        return False
    return bool(_varying(old, new_in) & _varying(new, old_in))  # they are the same rows


def _where(labels: FloatArray, own: _Rows, other: _Rows) -> int | None:
    """The feature of the other fit that these labels are, if they are none of their own fit."""
    if (labels == labels[0]).all() or (labels[:, None] == own.X).all(axis=0).any():
        return None
    found = np.flatnonzero((labels[:, None] == other.X).all(axis=0))
    return int(found[0]) if len(found) else None


def _varying(rows: _Rows, without: int | None) -> set[bytes]:
    """The features that are not constant, but for one."""
    return {
        column.tobytes()
        for j, column in enumerate(rows.X.T)
        if j != without and (column != column[0]).any()
    }
