"""What a search tries: settings of the other parameters, values of lambda1."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid

from .._typing import FloatArray
from ..base import BeyondData, MultiTaskEstimator
from ._data import Data
from ._folds import ErrorScore
from ._solve import prepare_any
from ._template import Setting, Template, heeded, transform
from .path import auto_grid, curvature, strengths

_EPS = 1e-3
# Automatic values of lambda2, relative to the curvature of the loss.
_RIDGES = np.array([1.0, 0.1, 0.01, 0.0])


def read_settings(template: Template, param_grid: Any, lambda2: Any) -> list[Setting]:
    """Settings of the parameters other than lambda1; automatic values of lambda2 are to come."""
    prefix = template.prefix
    grid = [{}] if param_grid is None else list(ParameterGrid(param_grid))
    if any(f"{prefix}lambda1" in setting for setting in grid):
        raise ValueError(f"param_grid has {prefix}lambda1: give its values as lambda1=.")
    if not (lambda2 is None or isinstance(lambda2, str)):
        key = f"{prefix}lambda2"
        if any(key in setting for setting in grid):
            raise ValueError(f"param_grid has {key}: give its values there or as lambda2=.")
        values = strengths(lambda2, "lambda2").tolist()
        grid = [{**setting, key: v} for setting, v in itertools.product(grid, values)]
    for setting in grid:
        template.parts(setting)[1]._validate_params()
    return grid


def read_grids(
    template: Template,
    data: Data,
    settings: list[Setting],
    *,
    lambda1: Any,
    lambda2: Any,
    n_lambdas: int,
    error_score: ErrorScore,
) -> tuple[list[Setting], FloatArray]:
    """Settings with automatic values of lambda2, and the values of lambda1, for all data."""
    given = None if isinstance(lambda1, str) else strengths(lambda1, "lambda1")
    grids: list[FloatArray] = []
    ridges: dict[int, list[float]] = {}
    # The folds leave out what fails here, too, and say so.
    tolerated = BeyondData if error_score == "raise" else Exception
    failure: Exception | None = None
    key = f"{template.prefix}lambda2"
    for group in template.groups(settings):
        prepared: Any = None
        for i in group:
            steps, model = template.parts(settings[i])
            rides = isinstance(lambda2, str) and key not in settings[i] and _takes_ridges(model)
            if given is not None and not rides:
                continue
            try:
                if prepared is None:
                    seen = heeded(model, "fit", transform(steps, data)[0])
                    _, prepared = prepare_any(model, seen.X, seen.y, seen.tasks, seen.sample_weight)
                if given is None:
                    grids.append(auto_grid(model, prepared, n_lambdas, _EPS))
            except tolerated as error:
                failure = failure or error
                continue
            if rides:
                ridges[i] = np.unique(curvature(prepared) * _RIDGES)[::-1].tolist()
    if given is None:
        if not grids:
            assert failure is not None
            raise failure
        given = max(grids, key=lambda grid: grid[0])
    spread: list[Setting] = []
    for i, setting in enumerate(settings):
        spread += [{**setting, key: v} for v in ridges[i]] if i in ridges else [setting]
    return spread, given


def _takes_ridges(model: MultiTaskEstimator) -> bool:
    """Whether lambda2 = 0 would leave the common model without any penalty."""
    return model._needs_ridge() and model.lambda2 == 0.0
