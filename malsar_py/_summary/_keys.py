"""Keys of a summary, a task and a fold each: read from labels, counted, and labels again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from .._labels import as_labels, factorize, match_keys, object_array
from .._typing import AnyArray, IntArray

Key = tuple[Hashable, Hashable]  # of a task and of a fold; None where there are none
Labels = tuple[dict[Hashable, Any], dict[Hashable, Any]]  # of tasks and of folds

_KINDS = {"U": "strings", "S": "bytes", "O": "objects"}
# Whole numbers are counted rather than sorted where they are in a range of so many per row.
_DENSE = 8


def keys_of(
    tasks: Any, folds: Any, n_rows: int
) -> tuple[IntArray, list[Key], Labels, tuple[str, str]]:
    """Code of each row, the keys that codes stand for, labels by key, and kinds of labels."""
    parts: list[tuple[IntArray, list[Hashable], dict[Hashable, Any], str]] = []
    for given, source in ((tasks, "`tasks`"), (folds, "`folds`")):
        if given is None:
            parts.append((np.zeros(n_rows, np.intp), [None], {}, ""))
            continue
        labels = as_labels(given, source)
        if len(labels) != n_rows:
            raise ValueError(f"{source} has {len(labels)} labels, X has {n_rows} rows.")
        distinct, codes = _distinct(labels, source)
        keys = match_keys(distinct, distinct)
        dated = str(labels.dtype) if labels.dtype.kind in "mM" else "numbers"
        kind = _KINDS.get(labels.dtype.kind, dated)
        if kind == "objects" and all(isinstance(label, str) for label in distinct.tolist()):
            kind = "strings"
        parts.append((codes, keys, dict(zip(keys, distinct, strict=True)), kind))
    (task_codes, task_keys, task_labels, a), (fold_codes, fold_keys, fold_labels, b) = parts
    codes = task_codes * len(fold_keys) + fold_codes
    pairs = [(task, fold) for task in task_keys for fold in fold_keys]
    return codes, pairs, (task_labels, fold_labels), (a, b)


def _distinct(labels: AnyArray, source: str) -> tuple[AnyArray, IntArray]:
    """`factorize`, without sorting where labels are numbers of a small range, or strings."""
    if labels.dtype.kind in "US":
        distinct, codes = factorize(labels.astype(object), source)
        return distinct.astype(labels.dtype), codes
    if labels.dtype.kind not in "iu" or not len(labels):
        return factorize(labels, source)
    low, high = int(labels.min()), int(labels.max())
    if high - low >= _DENSE * (len(labels) + 1000):
        return factorize(labels, source)
    shifted = (labels - labels.dtype.type(low)).astype(np.intp)
    there = np.bincount(shifted) > 0
    distinct = np.flatnonzero(there)
    return (distinct + low).astype(labels.dtype), (np.cumsum(there) - 1)[shifted]


def counted(codes: IntArray, keep: Any, n_keys: int) -> tuple[IntArray, IntArray]:
    """Codes that rows to keep have, and each row's position among them, behind all for others."""
    if not keep.all():
        codes = np.where(keep, codes, n_keys)
    there = np.bincount(codes, minlength=n_keys + 1) > 0
    there[n_keys] = False
    position = np.cumsum(there) - 1
    position[n_keys] = there.sum()
    return np.flatnonzero(there), position[codes]


def label_array(labels: Iterable[Any], source: str) -> AnyArray:
    """Labels as an array of the type that they came in."""
    values = list(labels)
    native = all(isinstance(label, np.generic) for label in values)
    return as_labels(np.array(values) if native else object_array(values), source)
