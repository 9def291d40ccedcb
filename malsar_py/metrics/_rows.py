"""What a metric sees: observed targets, their predictions and weights, and the task of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_array, column_or_1d

from .._given import as_numbers, is_missing, native, unmask
from .._labels import (
    as_array,
    as_labels,
    factorize,
    label_order,
    match_keys,
    positions_of,
    show_labels,
)
from .._tasks import _regression_targets, _weights, class_targets, relative
from .._typing import AnyArray, FloatArray, IntArray

# How targets and predictions are read: as they come; numbers both; labels of any number of classes
# both; two classes both; two classes and a score, or a probability, of the positive one.
Kind = Literal["any", "values", "labels", "classes", "scores", "probabilities"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Flat rows of all tasks; nothing in them is missing and every weight is positive."""

    y: AnyArray  # numbers, or classes as given
    p: AnyArray  # numbers, or classes as given
    positive: AnyArray  # mask of y == the positive class; all False where no classes are read
    hit: AnyArray  # the same of p, where p holds two classes
    weight: FloatArray
    codes: IntArray  # the position of the row's task in the result
    n_tasks: int

    def sums(self, values: AnyArray) -> FloatArray:
        """Weighted sum over the rows of each task."""
        return sums(self.codes, self.weight * values, self.n_tasks)

    def means(self, values: AnyArray) -> FloatArray:
        """Weighted mean over the rows of each task, NaN for a task without rows."""
        return ratio(self.sums(values), self.sums(np.ones(len(self.y))))

    def pooled(self) -> Rows:
        """All rows as those of one task."""
        return replace(self, codes=np.zeros_like(self.codes), n_tasks=1)


def sums(codes: IntArray, values: AnyArray, n_tasks: int) -> FloatArray:
    """Sum of the values of each code."""
    return np.asarray(np.bincount(codes, weights=values, minlength=n_tasks), dtype=np.float64)


def ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """``a / b``, NaN where b is 0: there the metric is not defined."""
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b != 0.0)


def read_rows(
    y_true: Any,
    y_pred: Any,
    tasks: Any,
    kind: Kind,
    *,
    sample_weight: Any = None,
    classes: Any = None,
    labels: Any = None,
) -> Rows:
    """Check what a metric was given; skip missing targets and rows of weight 0."""
    values, observed = (
        _regression_targets(y_true, None, "y_true")
        if kind == "values"
        else class_targets(y_true, name="y_true")
    )
    if values.ndim == 2 and tasks is not None:
        if values.shape[1] > 1:
            raise ValueError(
                f"y_true of shape {values.shape} holds one task per column, which cannot be "
                "combined with `tasks`: pass a 1-D y_true, or leave `tasks` out."
            )
        values, observed = values[:, 0], observed[:, 0]
    weights = _weights(sample_weight, values, values.shape)
    keep = observed & (weights > 0.0)
    codes, n_tasks = _codes(values, tasks, labels, keep)
    if not keep.any():
        raise ValueError(
            "Nothing is left to score: every target in y_true is NaN (not observed) or has "
            "weight 0."
        )
    y = values[keep]
    several = kind == "probabilities" and np.ndim(y_pred) == values.ndim + 1
    several = several and np.shape(y_pred)[-1] > 2
    if several:  # of each class: that of the row's own says all
        p = _predictions(y_pred, (*values.shape, np.shape(y_pred)[-1]), kind)[keep]
        p = p[np.arange(len(y)), _positions(classes, y, p.shape[1])]
    else:
        p = _predictions(y_pred, values.shape, kind)[keep]
    if _undefined(p).any():
        raise ValueError("y_pred contains NaN or infinity where y_true is observed.")
    if kind == "probabilities" and not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(
            f"y_pred must hold probabilities in [0, 1], got values from {p.min():.3g} to "
            f"{p.max():.3g}: pass predict_proba's."
        )
    if kind in ("labels", "classes") and isinstance(y[0], str) != isinstance(p[0], str):
        raise ValueError(
            f"y_true and y_pred must hold labels of one type, got {y[0]!r} and {p[0]!r}."
        )
    positive = hit = np.zeros(len(y), bool)
    if several:
        positive = np.ones(len(y), bool)
    elif kind in ("classes", "scores", "probabilities"):
        label = _positive(classes, y)
        positive = y == label
        if kind == "classes":
            hit = p == label
    weight = weights[keep] if kind == "any" else relative(weights[keep])
    return Rows(y, p, positive, hit, weight, codes[keep], n_tasks)


def _codes(values: AnyArray, tasks: Any, labels: Any, keep: AnyArray) -> tuple[IntArray, int]:
    """The task of each target, and how many tasks there are; `labels` are those of the kept."""
    if labels is not None and tasks is None:
        raise ValueError("`labels` orders the labels in `tasks`, which was not given.")
    if values.ndim == 2:
        n_tasks = values.shape[1]
        return np.broadcast_to(np.arange(n_tasks), values.shape), n_tasks
    if tasks is None:
        return np.zeros(len(values), np.intp), 1
    given = as_labels(tasks, "`tasks`")
    if len(given) != len(values):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"`tasks` has {len(given)} labels, y_true has {len(values)} rows."
        )
    distinct, codes = factorize(given, "`tasks`", label_order(tasks, "`tasks`"))
    if labels is None:
        return codes, len(distinct)
    wanted = as_labels(labels, "`labels`")
    if len(set(match_keys(wanted, distinct))) < len(wanted):
        raise ValueError(f"`labels` must be distinct, got {show_labels(wanted)}.")
    found = positions_of(distinct, wanted)
    lacking = np.unique(codes[keep & (found[codes] < 0)])
    if len(lacking):
        raise ValueError(f"`labels` lacks tasks of `tasks`: {show_labels(distinct[lacking])}.")
    return found[codes], len(wanted)


def _predictions(y_pred: Any, shape: tuple[int, ...], kind: Kind) -> AnyArray:
    """Predictions of the shape of y_true."""
    if kind in ("any", "labels", "classes"):
        p = as_array(unmask(native(y_pred), None))
    else:
        p = check_array(
            as_numbers(y_pred, "y_pred"),
            dtype=np.float64,
            ensure_2d=False,
            allow_nd=True,
            ensure_all_finite=False,  # looked at where y_true is observed
            input_name="y_pred",
        )
        # predict_proba of stacked rows: the column of classes[1].
        if len(shape) == 1 and p.ndim == 2 and p.shape[1] == 2 and kind != "values":
            p = p[:, 1]
    if len(shape) == 1 and p.ndim == 2 and p.shape[1] == 1:
        p = column_or_1d(p)
    if len(shape) == 2 and shape[1] == 1 and p.ndim == 1:
        p = p[:, None]
    if p.shape != shape:
        raise ValueError(f"y_true has shape {shape}, but y_pred has shape {p.shape}.")
    return p


def _positions(classes: Any, y: AnyArray, n_classes: int) -> IntArray:
    """The position of each label in the classes, which are those of y if none are given."""
    found, codes = factorize(y, "y_true")
    given = found if classes is None else as_array(classes)
    if len(given) != n_classes:
        raise ValueError(
            f"y_pred has probabilities of {n_classes} classes, but there are {len(given)}: "
            f"{show_labels(given)}. Pass classes=, such as a classifier's classes_."
        )
    where = {label: k for k, label in enumerate(given.tolist())}
    strange = [label for label in found.tolist() if label not in where]
    if strange:
        raise ValueError(
            f"y_true holds labels that are not in classes={given.tolist()}: {strange}."
        )
    return np.array([where[label] for label in found.tolist()], dtype=np.intp)[codes]


def _undefined(p: AnyArray) -> AnyArray:
    """Predictions that are NaN, infinite, NaT or None."""
    if p.dtype.kind in "mM":
        return np.isnat(p)
    if p.dtype.kind == "O":
        return np.array([is_missing(value) for value in p.ravel()], dtype=bool)
    return ~np.isfinite(p) if p.dtype.kind == "f" else np.zeros(p.shape, bool)


def _positive(classes: Any, y: AnyArray) -> Any:
    """The positive class: the second one given, or the larger one found."""
    found = factorize(y, "y_true")[0].tolist()
    if classes is not None:
        pair = as_array(classes).tolist()
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(
                f"classes must be two class labels, negative and positive, got {classes!r}."
            )
        strange = [label for label in found if label not in pair]
        if strange:
            raise ValueError(f"y_true holds labels that are not in classes={pair}: {strange}.")
        return pair[1]
    if len(found) > 2:
        raise ValueError(f"Only binary classification is supported; y_true has classes {found}.")
    if len(found) == 2:
        return found[1]
    if found[0] in (-1, 0, 1):
        return 1
    raise ValueError(
        f"y_true holds one class only, {found[0]!r}: pass classes=(negative, positive)."
    )
