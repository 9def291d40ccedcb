"""The design of rows as they are: arrays or sparse."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from .._typing import IntArray
from ._base import Design
from ._one_x import Masked, Shared
from ._ragged import Ragged
from ._sparse import SparseMasked, SparseRagged, SparseShared


def one_x(X: Any, n_tasks: int, same_weights: bool) -> Design:
    """Of rows that all tasks share."""
    if sparse.issparse(X):
        return (SparseShared if same_weights else SparseMasked)(X, n_tasks)
    return (Shared if same_weights else Masked)(X, n_tasks)


def own_rows(X: Any, offsets: IntArray) -> Design:
    """Of rows of each task's own, sorted by task."""
    return SparseRagged(X, offsets) if sparse.issparse(X) else Ragged(X, offsets)
