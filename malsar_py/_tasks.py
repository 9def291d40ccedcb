"""The only door for task labels: every input form -> one task-sorted block form, and back.

Labels come in by `task_column` (door "column"), as the columns of a 2-D y on a shared X (door
"shared"), by the keyword `tasks` (door "keyword"), or not at all (door "none": one task). Whatever
the door, a fit sees `TaskRows`: a flat, task-major sample space in which task t owns [offsets[t],
offsets[t + 1]). Everything that is refused about X, y, labels and sample weights is refused here.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    check_non_negative,
    validate_data,
)

from ._classes import class_numbers, refuse_one_class_tasks
from ._family import refuse_moved, warn_once
from ._features import feature_names, features, take_rows
from ._given import (
    as_numbers,
    frame_columns,
    is_missing,
    native,
    refuse_dates,
    refuse_mask,
    refuse_vectors,
    unmask,
)
from ._labels import (
    another_kind,
    as_array,
    factorize,
    label_order,
    object_array,
    positions_of,
    row_labels,
    show_label,
    show_labels,
    uniform,
)
from ._standins import Deviations, RowSource, StandsFor
from ._typing import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class TaskRows(Deviations):
    """What a fit needs: rows by task, targets and weights task-major."""

    # (n, d) float64, C-contiguous (a shared X: or Fortran) or CSR, finite, without the label column
    X: AnyArray
    # (N,) float64; the target, -1 / +1 for two classes, positions of more; 0 where missing
    y: FloatArray
    sample_weight: FloatArray  # (N,) float64; 0 where missing (door "shared" only)
    offsets: IntArray  # (T + 1,) int64
    tasks: AnyArray  # (T,) labels as given
    door: str  # "none" | "column" | "shared" | "keyword"
    classes: AnyArray | None  # for classifiers, all tasks' together; of two classes[1] is +1
    feature_names: AnyArray  # (d,)
    own: bool  # X was made for this fit; otherwise it may be the caller's: never write to it
    rows: IntArray  # (n,) positions of X's rows in the X given
    bound: float = np.inf  # no value of X is larger, as far as was looked at
    # Of rows that stand for many: X and y are deviations from the means that are kept here.
    stands_for: StandsFor | None = None

    @property
    def n_tasks(self) -> int:
        return len(self.tasks)

    @property
    def per_task(self) -> float:
        """Mean of the tasks' total sample weights."""
        with np.errstate(over="ignore"):
            return float(self.sample_weight.sum()) / self.n_tasks

    @property
    def n_columns(self) -> int:
        """Columns of coefficients for each task: a column for each of more than two classes."""
        return 1 if self.classes is None or len(self.classes) == 2 else len(self.classes)

    def by_task(self, values: FloatArray) -> FloatArray:
        """What columns of coefficients have (n_columns, ...), task by task: (n_tasks, ...).

        (n_tasks, n_classes, ...) where there are more than two.
        """
        each = (self.n_tasks,) if self.n_columns == 1 else (self.n_tasks, self.n_columns)
        return values.reshape(each + values.shape[1:])

    @property
    def one_task_plain(self) -> bool:
        return self.door == "none"


@dataclass(frozen=True, eq=False)
class PredictRows:
    """Rows to predict, in the order given."""

    X: AnyArray  # (n, d) float64, C-contiguous or CSR, finite, without the label column
    index: IntArray | None  # (n,) positions in tasks_, -1 = unseen; None: all tasks for all


@dataclass(frozen=True, eq=False)
class ScoreRows:
    """Rows to score: predict `rows`, then compare `prediction[observed]` with `y` task by task."""

    rows: PredictRows
    observed: AnyArray  # mask of the prediction's shape: target observed and weight > 0
    y: AnyArray  # (m,) targets as given, observed ones only
    sample_weight: FloatArray | None  # (m,)
    group: IntArray  # (m,) task codes; unseen labels have codes of their own


# In one piece: one check after the other on what came, for every door.
def resolve_fit(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    tasks: Any = None,
    sample_weight: Any = None,
    classifier: bool,
    classes: AnyArray | None = None,
) -> TaskRows:
    """Check what came into `fit` by any door and bring it into the task-sorted form.

    ``classes``: those of a classifier, if they are known; None: those of y.
    Sets `n_features_in_` (the label column counts) and `feature_names_in_` on the estimator.
    """
    if isinstance(X, RowSource):
        refuse_beside(y=y, tasks=tasks, sample_weight=sample_weight)
        rows: TaskRows = X.task_rows(estimator)
        return rows
    X, column, own, bound = features(estimator, X, reset=True)
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, "
            "but the target y is None."
        )
    y = native(y)
    names = frame_columns(y)
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"The columns of y name the tasks: names must be distinct, got {names}.")
    if classifier:
        values, observed = class_targets(y, estimator)
    else:
        values, observed = _regression_targets(y, estimator)
    _refuse_lengths(X, values)
    labels, source = row_labels(estimator, column, tasks, X.shape[0])
    if labels is not None and column is not None:
        refuse_moved(estimator, X, labels, None if classifier else values)
    if values.ndim == 2 and labels is not None:
        if values.shape[1] > 1:
            raise ValueError(
                f"y of shape {values.shape} holds one task per column, which cannot be combined "
                f"with {source}: pass a 1-D y, or drop the labels."
            )
        values, observed = column_or_1d(values, warn=True), observed.ravel()
    weights = _weights(sample_weight, X, values.shape)
    keep = observed if sample_weight is None else observed & (weights > 0)
    if not keep.any():
        raise ValueError(
            "Nothing is left to fit: every target in y is NaN (not observed) or has weight 0."
        )
    if classifier:
        classes, values = class_numbers(estimator, values, keep, classes)
    if values.ndim == 2:
        door = "shared"
        task_labels = _column_labels(names, values.shape[1])
        order, y, weights = _shared_blocks(values, weights, keep, task_labels)
        n_rows = X.shape[0] if order is None else len(order)
        offsets = np.arange(len(task_labels) + 1, dtype=np.int64) * n_rows
    else:
        door = "none" if labels is None else "keyword" if column is None else "column"
        ordered = label_order(tasks if column is None else column, source)
        order, y, weights, offsets, task_labels = _stacked_blocks(
            estimator, values, weights, keep, labels, source, ordered
        )
    shrunk = getattr(estimator, "intercept_shrinkage", 0.0) != 0.0
    free = not (shrunk or getattr(estimator, "_one_class_tasks", False))
    if classes is not None and getattr(estimator, "fit_intercept", True) and free:
        refuse_one_class_tasks(y, weights > 0.0, offsets, task_labels, classes)
    positions = np.arange(X.shape[0]) if order is None else order
    any_order = (
        door == "shared" and len(task_labels) > 1 and getattr(estimator, "_any_order", False)
    )
    X, own = take_rows(X, order, own, any_order)
    columns = feature_names(estimator, column)
    return TaskRows(
        X, y, weights, offsets, task_labels, door, classes, columns, own, positions, bound
    )


def check_features(estimator: Any, X: Any) -> None:
    """Refuse columns that are not those of the estimator's fit."""
    if isinstance(X, RowSource):
        X.check_features(estimator)
    else:
        validate_data(estimator, X, reset=False, skip_check_array=True)


def refuse_beside(**given: Any) -> None:
    """Refuse what is in a summary already."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"`{name}` was given beside a summary, which holds targets, labels and weights of "
                "its rows: pass the summary alone."
            )


def resolve_predict(estimator: Any, X: Any, *, tasks: Any = None) -> PredictRows:
    """Check X and find each row's fitted task."""
    rows, labels, source = _resolve_rows(estimator, X, tasks)
    _refuse_unseen(estimator, rows, labels, source)
    return rows


def resolve_score(
    estimator: Any, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None
) -> ScoreRows:
    """Check what came into `score`; missing targets and rows of weight 0 are left out.

    Of rows that do not count X must be finite, as in `fit`, but their labels need not be known.
    """
    rows, labels, source = _resolve_rows(estimator, X, tasks)
    y = native(y)
    names = frame_columns(y)
    if is_classifier(estimator):
        values, observed = class_targets(y, estimator)
    else:
        values, observed = _regression_targets(y, estimator)
    check_consistent_length(rows.X, values)
    if rows.index is None:
        n_tasks = len(estimator.tasks_)
        if n_tasks == 1:
            values, observed = values.reshape(len(values), -1), observed.reshape(len(values), -1)
        if values.ndim != 2 or values.shape[1] != n_tasks:
            raise ValueError(
                f"y has shape {values.shape}, but the model was fitted on a y of {n_tasks} "
                "columns: pass one column per task, or 1-D y with `tasks`."
            )
        fitted = estimator.tasks_
        if names is not None and fitted.dtype.kind == "O" and names != fitted.tolist():
            raise ValueError(
                "The columns of y should be those seen during fit, in the same order: "
                f"{show_labels(fitted)}; got {names[:5]}."
            )
        group = np.broadcast_to(np.arange(n_tasks), values.shape)
    else:
        if values.ndim == 2:
            values, observed = column_or_1d(values, warn=True), observed.ravel()
        group = np.zeros(len(values), np.intp)
        if labels is not None:
            group = factorize(labels, "tasks")[1]
    weights = _weights(sample_weight, rows.X, values.shape)
    observed = observed & (weights > 0)
    if not observed.any():
        raise ValueError(
            "Nothing is left to score: every target in y is NaN (not observed) or has weight 0."
        )
    _refuse_unseen(estimator, rows, labels, source, observed)
    kept = None if sample_weight is None else weights[observed]
    return ScoreRows(rows, observed, values[observed], kept, group[observed])


def _column_labels(names: list[Any] | None, n_tasks: int) -> AnyArray:
    """Labels of the columns of a 2-D y, in their order."""
    if names is None:
        return np.arange(n_tasks)
    if all(isinstance(name, numbers.Integral) for name in names):
        return np.array(names)
    return object_array(names)


def _resolve_rows(estimator: Any, X: Any, tasks: Any) -> tuple[PredictRows, AnyArray | None, str]:
    """Rows to predict with their positions in `tasks_`, their labels, and where these came from."""
    check_is_fitted(estimator, "tasks_")
    X, column, *_ = features(estimator, X, reset=False)
    X, n_rows = take_rows(X, None, False)[0], X.shape[0]
    labels, source = row_labels(estimator, column, tasks, n_rows)
    fitted = estimator.tasks_
    if labels is None:
        if estimator._door == "shared":
            return PredictRows(X, None), None, source
        if len(fitted) > 1:
            raise ValueError(
                f"The model was fitted on {len(fitted)} tasks, so every row needs a task label: "
                "pass tasks=, or fit with task_column to keep the labels in X."
            )
        return PredictRows(X, np.zeros(n_rows, np.intp)), None, source
    if estimator._door == "none":
        raise ValueError(
            "`tasks` was given, but the model was fitted without task labels: fit with `tasks`, "
            "`task_column` or a 2-D y, or leave `tasks` out."
        )
    distinct, codes = factorize(labels, source)
    return PredictRows(X, positions_of(distinct, fitted)[codes]), labels, source


def _refuse_unseen(
    estimator: Any,
    rows: PredictRows,
    labels: AnyArray | None,
    source: str,
    counts: AnyArray | None = None,
) -> None:
    """Refuse labels that were not fitted, if not for the mean model, of the rows that count."""
    if labels is None or rows.index is None or estimator.unseen == "mean":
        return
    unseen = rows.index < 0 if counts is None else (rows.index < 0) & counts
    if unseen.any():
        fitted = estimator.tasks_
        strange = factorize(labels[unseen], source)[0]
        raise ValueError(
            f"Unseen task labels in {source}: {show_labels(strange)}"
            f"{another_kind(strange, fitted)}. The model was fitted on {len(fitted)} "
            f"tasks: {show_labels(fitted)}. In cross-validation, keep every task in training with "
            'TaskKFold; or set unseen="mean" to predict such rows with the mean model.'
        )


# --- targets and weights -------------------------------------------------------------------------


def _regression_targets(y: Any, estimator: Any, name: str = "y") -> tuple[AnyArray, AnyArray]:
    """Float64 targets and the mask of the observed ones."""
    if _all_observed(y):
        return y, np.ones(y.shape, np.bool_)
    y = check_array(
        as_numbers(y, name),
        dtype=np.float64,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        estimator=estimator,
        input_name=name,
    )
    return y, ~np.isnan(y)


def _all_observed(y: Any, others: str = "") -> bool:
    """Whether this is an array of finite floats, or of these kinds: nothing to refuse."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or not y.size:
        return False
    if y.dtype != np.float64:
        return y.dtype.kind in others
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(y.sum()))


def class_targets(y: Any, estimator: Any = None, name: str = "y") -> tuple[AnyArray, AnyArray]:
    """Targets in their own type (any value where missing) and the mask of the observed ones."""
    if _all_observed(y, "biu"):
        return y, np.ones(y.shape, np.bool_)
    y = unmask(native(y), None)
    refuse_vectors(y, name)
    y = check_array(
        y if sparse.issparse(y) else as_array(y),
        dtype=None,
        ensure_2d=False,
        ensure_all_finite=False,
        estimator=estimator,
        input_name=name,
    )
    if y.dtype.kind == "f":
        assert_all_finite(y, allow_nan=True, input_name=name)
        return y, ~np.isnan(y)
    if y.dtype.kind in "mM":
        return y, ~np.isnat(y)
    if y.dtype.kind in "biuUS":
        return y, np.ones(y.shape, bool)
    values = y.ravel().astype(object)
    observed = ~np.fromiter(map(is_missing, values.tolist()), bool, len(values))
    if not observed.any():
        return np.zeros(y.shape), observed.reshape(y.shape)
    values[~observed] = values[np.argmax(observed)]
    values = uniform(values, name)
    if values.dtype.kind == "f":
        assert_all_finite(values, input_name=name)
    return values.reshape(y.shape), observed.reshape(y.shape)


def _refuse_lengths(X: Any, values: AnyArray) -> None:
    if values.ndim == 0 or len(values) != X.shape[0]:
        check_consistent_length(X, values)


def _weights(sample_weight: Any, X: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Valid weights of the targets' shape, not all of them 0."""
    weights = read_weights(sample_weight, X, shape)
    if sample_weight is not None and not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def read_weights(sample_weight: Any, X: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Weights of the targets' shape; (n,) weights hold for every column of a 2-D y."""
    if sample_weight is None:
        return np.ones(shape[::-1]).T  # (of columns of targets, task by task)
    if isinstance(sample_weight, numbers.Number):
        sample_weight = np.full(X.shape[0], sample_weight)
    sample_weight = native(sample_weight)
    refuse_mask(sample_weight, "sample_weight")
    sample_weight = np.asarray(sample_weight)
    refuse_dates(sample_weight, "sample_weight")
    if sample_weight.dtype.kind in "OSU":
        try:
            sample_weight = sample_weight.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"sample_weight must hold numbers: {error}.") from error
    if len(shape) == 2 and sample_weight.ndim == 2:
        weights = check_array(sample_weight, dtype=np.float64, input_name="sample_weight")
        if weights.shape != shape:
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {shape}!")
    else:
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weights = np.broadcast_to(weights.reshape((-1,) + (1,) * (len(shape) - 1)), shape)
    check_non_negative(weights, "`sample_weight`")
    return weights


def relative(weights: AnyArray) -> AnyArray:
    """Weights by a power of two, the largest near 1: their sum is a float, ratios are the same."""
    return np.asarray(np.ldexp(weights, -np.frexp(weights.max())[1]))


# --- blocks --------------------------------------------------------------------------------------


def _stacked_blocks(
    estimator: Any,
    y: AnyArray,
    weights: AnyArray,
    keep: AnyArray,
    labels: AnyArray | None,
    source: str,
    ordered: AnyArray | None,
) -> tuple[IntArray | None, AnyArray, AnyArray, IntArray, AnyArray]:
    """The kept rows sorted by task, in their order within a task; None if that is how they are."""
    if labels is None and keep.all():
        return None, y, weights, np.array([0, len(y)], np.int64), np.array([0])
    rows = np.flatnonzero(keep)
    if labels is None:
        tasks, order, sizes = np.array([0]), rows, np.array([len(rows)])
    else:
        tasks, codes = factorize(labels[rows], source, ordered)
        order, sizes = rows[np.argsort(codes, kind="stable")], np.bincount(codes)
        fractions = tasks.dtype.kind == "f" and bool((tasks % 1 != 0).any())
        if 2 <= len(tasks) == len(rows) or (fractions and 2 * len(tasks) > len(rows)):
            how_many = f"equals the number of rows ({len(rows)})"
            if len(tasks) < len(rows):
                how_many = f"is {len(tasks)}, of {len(rows)} rows, with labels as {tasks[0]}"
            warn_once(
                estimator,
                f"The number of tasks {how_many}: is {source} really a column of task labels? "
                "Check `task_column` or `tasks`.",
                stacklevel=4,
            )
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if len(order) == len(y) and not np.any(order[1:] < order[:-1]):
        return None, y, weights, offsets, tasks
    return order, y[order], weights[order], offsets, tasks


def _shared_blocks(
    y: AnyArray, weights: AnyArray, keep: AnyArray, tasks: AnyArray
) -> tuple[IntArray | None, AnyArray, AnyArray]:
    """The used rows, None if all are; one block of them per column of y.

    Missing entries have target and weight 0.
    """
    if keep.all():
        return None, y.T.flatten(), weights.T.reshape(-1)
    empty = np.flatnonzero(~keep.any(axis=0))
    if len(empty):
        raise ValueError(
            f"Task {show_label(tasks, int(empty[0]))} (column {empty[0]} of y) has no observed "
            "target of positive weight: drop the column."
        )
    y, weights = np.where(keep, y, 0.0), np.where(keep, weights, 0.0)
    used = keep.any(axis=1)
    if used.all():
        return None, y.T.ravel(), weights.T.ravel()
    return np.flatnonzero(used), y[used].T.ravel(), weights[used].T.ravel()
