"""What a search tries for the shrinkage of intercepts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..base import MultiTaskEstimator, Prepared, reml_shrinkage
from ._data import Data
from ._solve import prepare_any
from ._template import Setting, Template, heeded, transform

# Automatic values: relative to that of a mixed model, or to the mean weight of the tasks.
_OF_REML = np.array([0.0, 1.0, 10.0])
_OF_WEIGHT = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf])
# Variance of intercepts, over that of the noise, from which on they are free.
_MOST = 1e6


def with_shrinkages(
    template: Template, data: Data, settings: list[Setting], values: Any
) -> list[Setting]:
    """Settings with values of `intercept_shrinkage`: None, those given, or automatic ones."""
    if values is None:
        return settings
    key = f"{template.prefix}intercept_shrinkage"
    if "intercept_shrinkage" not in template.model.get_params(deep=False):
        if isinstance(values, str):
            return settings
        raise ValueError(f"{type(template.model).__name__} has no intercept_shrinkage to search.")
    if not isinstance(values, str):
        if any(key in setting for setting in settings):
            raise ValueError(f"param_grid has {key}: give its values there or as its argument.")
        given = _read(values)
        return [{**setting, key: v} for setting, v in itertools.product(settings, given)]
    found: list[Setting] = []
    for setting in settings:
        steps, model = template.parts(setting)
        if key in setting or not model.fit_intercept:
            found.append(setting)
            continue
        model.intercept_shrinkage = 1.0  # tasks of one class can be fitted
        seen = heeded(model, "fit", transform(steps, data)[0])
        _, prepared = prepare_any(model, seen.X, seen.y, seen.tasks, seen.sample_weight)
        assert isinstance(prepared, Prepared)
        found += [{**setting, key: v} for v in automatic_shrinkages(model, prepared)]
    return found


def automatic_shrinkages(model: MultiTaskEstimator, prepared: Prepared) -> list[float]:
    """From strong to weak."""
    if prepared.objective.loss.affine:
        try:
            return _around(reml_shrinkage(prepared.rows), prepared.rows)
        except ValueError:
            pass  # too few rows for variances
    units = prepared.problem.units
    unit = float(prepared.omega.mean()) / units.of_intercepts(1.0)
    grid = _OF_WEIGHT[_one_class(model, prepared) :] * unit
    return np.sort(grid)[::-1].tolist()


def _around(kappa: float, rows: Any) -> list[float]:
    if kappa == np.inf:
        return [np.inf]
    if kappa * rows.per_task < 1.0 / _MOST:
        return [0.0]
    return np.sort(_OF_REML * kappa)[::-1].tolist()


def _one_class(model: MultiTaskEstimator, prepared: Prepared) -> int:
    """1 if a task of one class does not allow for free intercepts."""
    if not model._classifier:
        return 0
    y, starts = prepared.rows.y, prepared.rows.offsets[:-1]
    several = np.minimum.reduceat(y, starts) < np.maximum.reduceat(y, starts)
    return int(not several.all())


def _read(values: Any) -> list[float]:
    try:
        grid: FloatArray = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"intercept_shrinkage must be numbers, got {values!r}.") from error
    if grid.ndim != 1 or not grid.size or not (grid >= 0.0).all():
        raise ValueError(f"intercept_shrinkage must be values in [0, inf], got {values!r}.")
    return np.unique(grid)[::-1].tolist()
