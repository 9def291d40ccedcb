"""MALSAR-style lists of one array per task, stacked."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, check_array

from ._given import native, unmask
from ._labels import as_array, as_labels, as_table, factorize, frame_columns, label_order
from ._typing import AnyArray


# In one piece: one check after the other, each with its message.
def stack_tasks(Xs: Iterable[Any], ys: Iterable[Any], labels: Any = None) -> tuple[Any, Any, Any]:  # noqa: C901
    """Stack one array per task, as MALSAR and RMTL hold them, into rows with task labels.

    Parameters
    ----------
    Xs : sequence of {array-like, DataFrame} of shape (n_samples_t, n_features)
        The features, one table per task, all with the same columns.
    ys : sequence of array-like of shape (n_samples_t,) or (n_samples_t, 1)
        The targets, one vector per task. NaN means not observed.
    labels : array-like of shape (n_tasks,), default=None
        A distinct label for each task; 0, 1, ..., n_tasks - 1 by default.

    Returns
    -------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The rows of all tasks, in the order given; a DataFrame when all of `Xs` are.
    y : ndarray of shape (n_samples,)
        The targets.
    tasks : array of shape (n_samples,)
        The task label of each row: the `tasks` argument of `fit` and `score`. Labels of an ordered
        categorical stay one.

    Raises
    ------
    ValueError
        If the tables do not fit together; the message names the task's position.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import stack_tasks
    >>> X, y, tasks = stack_tasks([np.zeros((2, 3)), np.ones((1, 3))], [[1.0, 2.0], [[3.0]]])
    >>> X.shape
    (3, 3)
    >>> y
    array([1., 2., 3.])
    >>> tasks
    array([0, 0, 1])
    """
    Xs, ys = [native(X) for X in Xs], list(ys)
    if not Xs or len(Xs) != len(ys):
        raise ValueError(
            f"stack_tasks needs one X and one y per task, got {len(Xs)} X and {len(ys)} y."
        )
    ordered = None if label_order(labels, "labels") is None else native(labels)
    labels = np.arange(len(Xs)) if labels is None else as_labels(labels, "labels")
    if len(labels) != len(Xs):
        raise ValueError(f"labels has {len(labels)} entries, but there are {len(Xs)} tasks.")
    if len(factorize(labels, "labels")[0]) != len(labels):
        raise ValueError("labels must be distinct: one label per task.")
    tables: list[Any] = []
    targets: list[AnyArray] = []
    columns = frame_columns(Xs[0])
    for t, (X, y) in enumerate(zip(Xs, ys, strict=True)):
        names = frame_columns(X)
        if (names is None) != (columns is None):
            raise ValueError(f"Xs[{t}]: pass all tasks as DataFrames or all as arrays.")
        try:
            table = as_table(X)
            if names is None:
                table = check_array(table, dtype=np.float64, ensure_all_finite=False)
            y = as_array(unmask(native(y), np.nan if _holds_numbers(y) else None))
            y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        except ValueError as error:
            raise ValueError(f"Task at position {t}: {error}") from error
        if names != columns:
            raise ValueError(f"Xs[{t}] has the columns {names}, but Xs[0] has {columns}.")
        if tables and table.shape[1] != tables[0].shape[1]:
            raise ValueError(
                f"Xs[{t}] has {table.shape[1]} features, but Xs[0] has {tables[0].shape[1]}."
            )
        if y.ndim != 1 or len(y) != len(table):
            raise ValueError(
                f"ys[{t}] has shape {y.shape}, but Xs[{t}] has {len(table)} rows: "
                "expected one target per row."
            )
        if targets and (y.dtype.kind in "biuf") != (targets[0].dtype.kind in "biuf"):
            raise ValueError(f"ys[{t}] is of type {y.dtype}, but ys[0] of {targets[0].dtype}.")
        tables.append(table)
        targets.append(y)
    if columns is None:
        stacked = np.concatenate(tables)
    else:
        # The frames' own library (pandas, polars) is loaded already; its concat is the one to use.
        stacked = importlib.import_module(type(Xs[0]).__module__.split(".")[0]).concat(tables)
        if hasattr(stacked, "reset_index"):
            stacked = stacked.reset_index(drop=True)
    rows = np.repeat(np.arange(len(labels)), [len(y) for y in targets])
    return (
        stacked,
        np.concatenate(targets),
        _safe_indexing(labels if ordered is None else ordered, rows),
    )


def _holds_numbers(y: Any) -> bool:
    return getattr(y, "dtype", np.dtype(float)).kind in "biuf"
