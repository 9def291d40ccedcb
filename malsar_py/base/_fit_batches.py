"""Fits to rows that come in batches: what is refused, and the first pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._labels import match_keys, show_labels
from .._solution import Problem
from .._summary import Columns, SparseBatch, Summary, added, added_up, rows_of, task_order
from .._tasks import TaskRows
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray
from .._weights import task_weights
from ._batches import BatchFit, batches_of
from ._passes import Counted, Reader, count
from ._wide import WideFit

if TYPE_CHECKING:
    from ._estimator import TaskEstimator
    from ._penalized import MultiTaskEstimator


def fit_batches(model: Any, source: Any, columns: Columns) -> None:
    """Fit the model to all rows of a source that can be read again and again."""
    check_batches(model)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        fit = begin_batches(model, source, columns)
        penalty = fit.penalty()
        result, _ = fit.serve([fit.newton(penalty)])[0]
        solution = fit.solution(result, penalty)
    model._set_solution(fit.rows, result, solution, fit.problem)
    model._set_shrinkage(fit._known(penalty))
    model.n_passes_ = fit.n_passes
    if not solution.relative_gap <= model.tol:
        model._warn_gap(result, solution)


def one_pass(model: TaskEstimator, source: Any, columns: Columns) -> Summary | None:
    """The summary that is enough with the squared loss; None if working sets are to do."""
    try:
        return added_up(batches_of(source), columns)
    except (MemoryError, SparseBatch):
        if isinstance(source, Iterator) or not model._over_features():
            raise
        return None


def check_batches(model: TaskEstimator) -> None:
    """Refuse models that need all rows at once."""
    for name in ("feature_weight", "class_weight"):
        if getattr(model, name, None) is not None:
            raise ValueError(
                f"{name} is not for fits by batches with this loss: leave it at None, or fit rows."
            )
    if not model._takes_batches():
        raise TypeError(f"{type(model).__name__} cannot be fitted by batches.")


def begin_batches(model: MultiTaskEstimator, source: Any, columns: Columns) -> BatchFit:
    """The first pass: tasks, classes, weights."""
    if isinstance(source, Iterator):
        raise TypeError(
            f"source is a {type(source).__name__}, which is empty after one pass: pass a list, an "
            "Arrow data set, a Dask DataFrame, or a function that returns the batches anew."
        )
    counted, n_passes = _first_look(model, source, columns)
    summary, spread, classes = counted.summary, counted.spread, None
    rows = rows_of(summary, model) if spread is None else spread.rows(summary, model)
    if model._classifier:
        classes = summary.folds_
        assert classes is not None
        _check_classes(model, classes)
        rows = replace(rows, classes=classes)
    loss = model._loss(rows)
    if not loss.smooth or isinstance(getattr(model, "loss", None), Mapping):
        raise TypeError(
            f"{type(model).__name__} with {loss!r} cannot be fitted by batches: the loss must be "
            "smooth, and the same for all tasks."
        )
    if loss.of_targets:
        raise TypeError(
            f"{loss!r} reads a parameter off the targets of all rows at once, which batches do not "
            "give: set it to a number."
        )
    kappa = model._shrinkage(rows)
    if kappa > 0.0 and loss.n_columns > 1:
        raise ValueError(
            f"intercept_shrinkage={model.intercept_shrinkage!r} is for two classes at most in fits "
            f"by batches, here are {loss.n_columns}: set intercept_shrinkage=0, or fit rows."
        )
    problem = Problem(rows.tasks, rows.X.shape[1], n_classes=loss.n_columns)
    total = np.add.reduceat(rows.sample_weight, rows.offsets[:-1])
    omega = task_weights(rows, model.task_weight)
    assert summary._names is not None and rows.stands_for is not None
    center = rows.stands_for.X
    if not model.fit_intercept:
        center = np.zeros_like(center)
    elif kappa > 0.0:
        center = np.broadcast_to(omega @ center / omega.sum(), center.shape)
    level = np.zeros(rows.n_tasks)
    if model.fit_intercept and loss.affine:
        level = rows.stands_for.y
        level = level if kappa == 0.0 else np.full_like(level, omega @ level / omega.sum())
    share = omega / total
    reader = Reader(columns, loss, summary._names, rows.tasks, classes, share, center, level)
    shares = None if classes is None else _class_shares(rows, summary, classes, total)
    kind = BatchFit if spread is None else WideFit
    room = columns.max_memory
    fit = kind(model, reader, source, rows, shares, kappa, problem, room, n_passes)
    fit.check_room()
    return fit


def _first_look(model: MultiTaskEstimator, source: Any, columns: Columns) -> tuple[Counted, int]:
    """What the first pass finds, and how many were begun for it."""
    look = partial(count, columns, model._classifier)
    try:
        counted, n_passes = added(batches_of(source), partial(look, False)), 1
    except (MemoryError, SparseBatch):
        if not model._over_features():
            raise
        counted, n_passes = added(batches_of(source), partial(look, True)), 2
    if not isinstance(counted, Counted):
        raise ValueError("source holds no batch.")
    return counted, n_passes


def _check_classes(model: MultiTaskEstimator, classes: AnyArray) -> None:
    n = len(classes)
    if n == 2 or (n > 2 and getattr(model, "_multi_class", False)):
        return
    only = "Only binary classification is supported" if n > 2 else "Two classes at least are needed"
    raise ValueError(
        f"{only}: the source holds {n} class{'es' if n > 1 else ''}, {show_labels(classes)}."
    )


def _class_shares(
    rows: TaskRows, summary: Summary, classes: AnyArray, total: FloatArray
) -> FloatArray:
    """The share of each class in the weight of each task (T, K)."""
    shares = np.zeros((rows.n_tasks, len(classes)))
    for k in range(len(classes)):
        own = summary.pooled(classes[k : k + 1])
        labels, weight = own.tasks_, own.moments.weight[task_order(own)]
        of = dict(zip(match_keys(labels, rows.tasks), weight, strict=True))
        shares[:, k] = [of.get(key, 0.0) for key in match_keys(rows.tasks, labels)]
    return shares / total[:, None]
