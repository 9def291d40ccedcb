"""Fits along lambda1 on data that are checked, centred and multiplied out once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import validate_parameter_constraints

from .._limits import penalty_in_units, solved
from .._tasks import TaskRows, resolve_fit
from .._typing import FloatArray
from ..base import MultiTaskEstimator, Prepared, Problem, Solution
from ..models.kernel import PreparedFunctions, SeparableKernelRegressor
from ..objective import Objective
from ..solvers import Result, Workspace


@dataclass(frozen=True, eq=False)
class Step:
    """One fit of a path."""

    lambda1: float
    problem: Problem
    objective: Objective
    result: Result
    solution: Solution

    @property
    def W(self) -> FloatArray:
        """Coefficients (n_features, n_tasks)."""
        return self.solution.coefficients

    @property
    def intercept(self) -> FloatArray:
        """Intercepts (n_tasks,)."""
        return self.solution.intercept

    @property
    def mean(self) -> tuple[FloatArray, FloatArray]:
        """The model for tasks that were not fitted: (K, n_features) and (K,)."""
        assert self.solution.mean is not None
        return self.solution.mean

    @property
    def gap(self) -> float:
        """Its gap relative to the objective at W = 0."""
        return self.solution.relative_gap


@dataclass(frozen=True, eq=False)
class FittedStep:
    """One fit of a model without coefficients: all that there is to know is in the model."""

    gap: float


def prepare(
    model: MultiTaskEstimator, X: Any, y: Any, tasks: Any, sample_weight: Any
) -> tuple[TaskRows, Prepared]:
    """What `fit` does before it solves; the model learns names and number of its features."""
    rows = model._few_rows(read_rows(model, X, y, tasks, sample_weight))
    return rows, model._prepare(rows)


def read_rows(
    model: MultiTaskEstimator, X: Any, y: Any, tasks: Any, sample_weight: Any
) -> TaskRows:
    """Parameters and data, checked."""
    model._validate_params()
    return resolve_fit(
        model, X, y, tasks=tasks, sample_weight=sample_weight, classifier=model._classifier
    )


def prepare_any(
    model: MultiTaskEstimator, X: Any, y: Any, tasks: Any, sample_weight: Any
) -> tuple[TaskRows, Prepared | PreparedFunctions]:
    """The same, for models of functions too."""
    if isinstance(model, SeparableKernelRegressor):
        rows = read_rows(model, X, y, tasks, sample_weight)
        return rows, model._prepare_functions(rows)
    return prepare(model, X, y, tasks, sample_weight)


def solve_path(
    model: MultiTaskEstimator,
    prepared: Prepared,
    lambda1: FloatArray,
    workspace: Workspace | None = None,
) -> Iterator[Step]:
    """Solve for each lambda1, each from the solution before.

    The data are what `prepared` holds, and so may be the workspace's: the model's parameters may
    have changed since, but for those that weigh or centre the data.
    """
    workspace = Workspace() if workspace is None else workspace
    objective = prepared.objective
    result: Result | None = None
    _validate_ends(model, lambda1)
    for value in lambda1.tolist():
        given = model._given(lambda1=value)
        objective = objective.with_penalty(penalty_in_units(model, prepared.problem, given))
        workspace.follows = result is not None
        if result is None:
            W0 = prepared.start(model._start(prepared.rows))
            solve = partial(model._solve, objective, W0, workspace=workspace)
        else:
            solve = partial(model._follow, objective, result, workspace)
        result, finished, solution = solved(model, prepared, objective, solve, given)
        yield Step(value, prepared.problem, objective, finished, solution)


def fit_each(
    model: SeparableKernelRegressor, prepared: PreparedFunctions, lambda1: FloatArray
) -> Iterator[FittedStep]:
    """Fit the model for each lambda1, on the system of its rows."""
    _validate_ends(model, lambda1)
    for value in lambda1:
        model.lambda1 = float(value)
        model._fit_functions(prepared)
        yield FittedStep(model.relative_gap_)


def _validate_ends(model: MultiTaskEstimator, lambda1: FloatArray) -> None:
    for value in (lambda1.min(), lambda1.max()):  # the others are between them
        validate_parameter_constraints(
            model._parameter_constraints,
            {**model.get_params(deep=False), "lambda1": float(value)},
            caller_name=type(model).__name__,
        )


def warn_missed(model: Any, gaps: FloatArray, lambda1: FloatArray, stacklevel: int) -> None:
    """One warning for all fits of a path that did not reach `tol`."""
    missed = np.flatnonzero(~(gaps <= model.tol))
    if len(missed):
        limits = "max_stages, max_iter" if hasattr(model, "max_stages") else "max_iter"
        worst = missed[np.argmax(np.where(np.isnan(gaps[missed]), np.inf, gaps[missed]))]
        remedy = (
            f"Increase {limits} or tol, standardise the features, or end the grid at a larger "
            "lambda1."
        )
        if model._may_have_no_minimiser() and not np.isfinite(gaps[worst]):
            remedy = "There may be no finite minimiser: set lambda2 > 0."
        warnings.warn(
            f"{type(model).__name__} did not reach tol={model.tol:g} at {len(missed)} of "
            f"{len(gaps)} values of lambda1: the largest relative {model._measure} is "
            f"{gaps[worst]:.3g}, at lambda1={lambda1[worst]:.6g}. {remedy}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
