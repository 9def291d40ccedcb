"""How strongly intercepts are shrunk: a number, or what the data say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._tasks import TaskRows


@dataclass(frozen=True)
class Variances:
    """What mixed models, which are above this layer, say of the rows of a fit."""

    # How much intercepts vary, over the variance of the noise.
    of_intercepts: Callable[[TaskRows], float]
    # The strengths lambda1, lambda2 and kappa of mean regularisation that are the variances of a
    # mixed model, with intercepts or without.
    strengths: Callable[[TaskRows, bool], tuple[float, float, float]]
    # Sums of products that say what mean regularisation tells of the coefficients.
    moments: Callable[[TaskRows, bool], Any]


_known: list[Variances] = []


def provide_variances(variances: Variances) -> None:
    """Say how variances are estimated."""
    _known[:] = [variances]


def variances() -> Variances:
    """How they are."""
    return _known[0]


def shrinkage_of(model: Any, rows: TaskRows) -> float:
    """Kappa >= 0 for these rows, in the units of the data."""
    kappa = model.intercept_shrinkage
    if kappa == 0.0:
        return 0.0
    if not model.fit_intercept:
        raise ValueError(
            f"intercept_shrinkage={kappa!r} needs intercepts: set fit_intercept=True, or "
            "intercept_shrinkage=0."
        )
    if not isinstance(kappa, str):
        return float(kappa)
    if not model._loss(rows).affine:
        raise ValueError(
            'intercept_shrinkage="reml" is for the squared loss, which that of '
            f"{type(model).__name__} is not: give a number, or choose one by "
            'MultiTaskSearchCV(intercept_shrinkage="auto").'
        )
    return reml_shrinkage(rows)


def reml_shrinkage(rows: TaskRows) -> float:
    """``1 / (nbar tau)``: nbar the mean weight of a task, tau the variance by REML."""
    variance = variances().of_intercepts(rows)
    return float("inf") if variance == 0.0 else 1.0 / (rows.per_task * variance)
