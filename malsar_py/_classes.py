"""Classes of targets as numbers."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from ._labels import (
    another_kind,
    factorize,
    positions_of,
    refuse_rounded,
    show_label,
    show_labels,
)
from ._typing import AnyArray

# Of fewer targets scikit-learn may say that two classes are many.
_MANY = 20
_ONE_CLASS_HINT = (
    "In cross-validation, keep both classes in training with TaskKFold(stratify=True)."
)


def class_numbers(
    estimator: Any, values: AnyArray, keep: AnyArray, known: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    """The classes, and the targets as -1 / +1 or as positions of more (0 where not kept).

    ``known``: the classes that there are.
    """
    kept = values[keep]
    refuse_rounded(kept, "y")
    classes, codes = _distinct(kept)
    if known is not None:
        classes, codes = known, _positions(classes, known)[codes]
    if len(classes) > 2 and not estimator._multi_class:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass "
            f"({len(classes)} classes)."
        )
    if len(classes) < 2:
        raise ValueError(
            "This solver needs samples of at least 2 classes in the data, but the data contains "
            f"only one class: {show_label(classes, 0)}. {_ONE_CLASS_HINT}"
        )
    coded = np.zeros(values.shape)
    coded[keep] = codes if len(classes) > 2 else 2.0 * codes - 1.0
    return classes, coded


def _distinct(kept: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The classes and the position of each target among them; what are no classes is refused."""
    if kept.dtype.kind in "biuf" and len(kept) > _MANY:
        found = factorize(kept, "y")
        if len(found[0]) == 2 and (found[0] % 1 == 0).all():
            return found  # scikit-learn takes its time to say that these are two classes
    if kept.dtype.kind != "O" or not isinstance(kept[0], numbers.Integral):  # beyond 64 bits
        check_classification_targets(kept)
    return factorize(kept, "y")


def _positions(found: AnyArray, known: AnyArray) -> AnyArray:
    """Those of the classes found among the ones that are known."""
    positions = positions_of(found, known)
    if (positions < 0).any():
        strange = found[positions < 0]
        raise ValueError(
            f"y has classes that the fit did not have: {show_labels(strange)}"
            f"{another_kind(strange, known)}. Those of the fit are {show_labels(known)}."
        )
    return positions


def refuse_one_class_tasks(
    y: AnyArray, kept: AnyArray, offsets: AnyArray, tasks: AnyArray, classes: AnyArray
) -> None:
    """Refuse tasks whose intercept has no finite minimiser."""
    codes = (-1.0, 1.0) if len(classes) == 2 else range(len(classes))
    has = np.stack([np.logical_or.reduceat(kept & (y == k), offsets[:-1]) for k in codes])
    alone = np.flatnonzero(has.sum(axis=0) == 1)
    if len(alone):
        only = show_label(classes, int(has[:, alone[0]].argmax()))
        more = f" ({len(alone)} such tasks: {show_labels(tasks[alone])})" if len(alone) > 1 else ""
        raise ValueError(
            f"Task {show_label(tasks, int(alone[0]))} has only one class, {only}{more}: with "
            "fit_intercept=True its intercept has no finite minimiser. Drop the task, merge it "
            "with another, or set fit_intercept=False or intercept_shrinkage > 0. "
            f"{_ONE_CLASS_HINT}"
        )
