"""The rows of the table: models with the settings to try."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from .. import models
from .._table import CompareError, Table
from .._typing import AnyArray, FloatArray, IntArray
from ..base import MultiTaskEstimator
from ..graphs import adjacency
from ..model_selection import MultiTaskSearchCV, lambda1_max, lambda_grid

# The search ranks settings; only the final fit needs the digits.
_SEARCH: dict[str, Any] = {"tol": 1e-4, "max_iter": 1000, "task_column": 0}
# Values of lambda1 for each setting of the other parameters.
_N_LAMBDAS = 20
# Multiples of the features' mean curvature.
_RIDGE_GRID = np.logspace(2.0, -4.0, 13)
_APART = np.array([0.1, 0.3, 1.0])
# Features that are constant within the tasks leave rounding alone, and no scale.
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of all tasks, standardised as the training part is."""

    X: FloatArray
    y: FloatArray
    codes: IntArray

    @property
    def rows(self) -> FloatArray:
        """X with the task codes in column 0, where the models look for them."""
        return np.column_stack([self.codes, self.X])

    def take(self, rows: AnyArray) -> Part:
        """Some of the rows."""
        return Part(self.X[rows], self.y[rows], self.codes[rows])


def split_table(table: Table, seed: int) -> tuple[Part, Part]:
    """Training part and test part: a quarter of each task (of each class in it), rounded."""
    rng = np.random.default_rng(seed)
    cells = table.codes if table.classes is None else 2 * table.codes + table.y.astype(np.intp)
    test = np.zeros(len(cells), bool)
    for cell in np.unique(cells):
        rows = rng.permutation(np.flatnonzero(cells == cell))
        test[rows[: round(len(rows) / 4)]] = True  # at least one row stays
    if not test.any():
        raise CompareError(f"--task {table.task}: no task has enough rows to test on (three)")
    mean, std = table.X[~test].mean(axis=0), table.X[~test].std(axis=0)
    X = (table.X - mean) / np.where(std > 1e-12 * np.abs(mean), std, 1.0)
    whole = Part(X, table.y, table.codes)
    return whole.take(~test), whole.take(test)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A row of the table: an estimator and the values of its parameters to try."""

    name: str
    estimator: Any  # a model that finds the task in column 0, or a pipeline that drops it
    grid: dict[str, Any]
    shares: bool = True  # False: the references and Lasso, whose tasks are fitted as if alone

    @property
    def pooled(self) -> bool:
        """Whether the model does not see the tasks."""
        return isinstance(self.estimator, Pipeline)

    @property
    def n_settings(self) -> int:
        """Number of combinations."""
        return math.prod(map(len, self.grid.values()))

    def search(self, **options: Any) -> MultiTaskSearchCV:
        """The search over the grid."""
        rest = {name: values for name, values in self.grid.items() if "lambda" not in name}
        return MultiTaskSearchCV(
            self.estimator,
            lambda1=self.grid["lambda1"],
            lambda2=self.grid.get("lambda2"),
            param_grid=rest or None,
            refit=False,
            **options,
        )


def last_step(estimator: Any) -> MultiTaskEstimator:
    """The model in an estimator that may be a pipeline."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def candidates(train: Part, *, classify: bool, seed: int) -> list[Candidate]:
    """The models with grids in the scale of the training part."""
    kind = "Classifier" if classify else "Regressor"

    def make(name: str, **parameters: Any) -> MultiTaskEstimator:
        return getattr(models, name + kind)(**{**_SEARCH, **parameters})

    def strengths(model: MultiTaskEstimator, n_lambdas: int) -> FloatArray:
        grid = lambda_grid(model, train.rows, train.y, n_lambdas=n_lambdas)
        return np.unique(np.maximum(grid, _SMALLEST))

    n_tasks = int(train.codes.max()) + 1
    single = make("MeanRegularized", lambda1=0.0)
    pooled = Pipeline(
        [
            ("x", ColumnTransformer([("x", "passthrough", slice(1, None))])),
            ("model", make("MeanRegularized", lambda1=0.0, task_column=None)),
        ]
    )
    curvature = max(lambda1_max(single, train.rows, train.y), _SMALLEST)
    ridges = {"lambda1": [0.0], "lambda2": curvature * _RIDGE_GRID}
    quadratic = {"lambda2": curvature * np.array([1e-2, 1e-1, 1.0])}
    n_clusters = [k for k in (1, 2, 3, 5) if k == 1 or k < min(n_tasks, train.X.shape[1])]
    clusters = {"lambda2": curvature * np.array([1e-1, 1.0]), "n_clusters": n_clusters}
    # Strengths of single coefficients, or of those of single tasks, beside what is shared.
    apart = {"lambda2": _APART * max(lambda1_max(make("Lasso"), train.rows, train.y), _SMALLEST)}
    ridge = "logistic" if classify else "ridge"
    found = [
        Candidate(f"pooled {ridge}", pooled, ridges, shares=False),
        Candidate(f"single-task {ridge}", single, ridges, shares=False),
    ]
    for name, model, others, n_lambdas in (
        ("Lasso", make("Lasso"), {}, _N_LAMBDAS),
        ("JointFeature", make("JointFeature"), {}, _N_LAMBDAS),
        ("TraceNorm", make("TraceNorm"), {}, _N_LAMBDAS),
        ("MeanRegularized", make("MeanRegularized"), quadratic, _N_LAMBDAS),
        # Fewer where a solution takes longer, or there is more to choose.
        ("Graph (chain)", make("Graph", graph=_chain(train)), quadratic, _N_LAMBDAS // 2),
        ("Clustered", make("Clustered", random_state=seed), clusters, _N_LAMBDAS // 2),
        ("Dirty", make("Dirty"), apart, _N_LAMBDAS // 2),
        ("RobustFeature", make("RobustFeature"), apart, _N_LAMBDAS // 2),
        ("TaskRelationship", make("TaskRelationship"), {}, _N_LAMBDAS),
    ):
        grid = {"lambda1": strengths(model, n_lambdas), **others}
        found.append(Candidate(name, model, grid, shares=name != "Lasso"))
    return found


def _chain(part: Part) -> Any:
    """The chain of tasks in the order of their mean target."""
    sums = np.bincount(part.codes, weights=part.y)
    order = np.argsort(sums / np.bincount(part.codes), kind="stable")
    A = np.zeros((len(order), len(order)))
    A[order[:-1], order[1:]] = A[order[1:], order[:-1]] = 1.0
    return adjacency(A)
