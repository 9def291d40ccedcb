"""The rows of the table: references, and models with the settings to try."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from .. import mixed, models
from .._typing import FloatArray
from ..model_selection import lambda1_max, lambda_grid
from ._choice import Boosted, Candidate, Direct, Searched, Training
from ._measure import Measure
from ._references import boosting, dummies, features_only, mean
from ._result import BOOSTING, DUMMIES, MEAN, POOLED, SINGLE

# The search ranks settings; only the final fit needs the digits.
_SEARCH: dict[str, Any] = {"tol": 1e-4, "max_iter": 300, "task_column": 0, "unseen": "mean"}
# Values of lambda1 for each setting of the other parameters.
_N_LAMBDAS = 12
# Multiples of the features' mean curvature: references; beside a coupling; a little where l2 is no
# more than what makes a solution unique; of a common part beside few rows.
_RIDGE_GRID = np.logspace(2.0, -4.0, 13)
_BESIDE = np.logspace(0.5, -4.0, 7)
_LITTLE = np.array([1e-2])
_HELD = (1e-2, 1e-1, 1.0)
# The same of features of which some are nearly others: smallest eigenvalue of their correlation.
_HELD_APART, _COLLINEAR = (1e-3, 1e-1), 1e-3
_APART = np.array([0.2, 0.7])
# Rows for each feature below which a common part is not just left free.
_FEW_ROWS = 10
# Features that are constant within the tasks leave rounding alone, and no scale.
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Family:
    """Makes the models of a training part."""

    training: Training
    scale: float = field(default=0.0, init=False)  # the features' mean curvature

    def __post_init__(self) -> None:
        single = self.make("MeanRegularized", lambda1=0.0)
        scale = max(lambda1_max(single, self.training.encoded, self.training.y), _SMALLEST)
        object.__setattr__(self, "scale", scale)

    def make(self, name: str, **parameters: Any) -> Any:
        """An estimator that is quick rather than exact."""
        estimator = getattr(models, name + self.training.kind)
        if not self.training.measure.n_classes:
            parameters = {"loss": self.training.measure.loss, **parameters}
        return estimator(**{**_SEARCH, **parameters})

    @property
    def multinomial(self) -> bool:
        """Whether fits take so much longer that there are fewer."""
        return self.training.measure.n_classes > 2

    def held(self) -> FloatArray:
        """Strengths of what the tasks have in common: free, it would explain few rows all."""
        n, columns = self.training.encoded.shape
        # An exponential goes astray along features that are nearly the same, such as dates'.
        free = self.training.measure.loss not in ("poisson", "gamma") or not self._collinear()
        if n >= _FEW_ROWS * (columns - 1):
            return np.zeros(1) if free else self.scale * np.array(_HELD_APART)
        return self.scale * np.array([0.0 if free and n > columns else 1e-4, *_HELD])

    def _collinear(self) -> bool:
        X = self.training.encoded[:, 1:]
        X = X[:, np.ptp(X, axis=0) > 0.0]
        values = np.linalg.eigvalsh(np.corrcoef(X, rowvar=False)) if X.shape[1] > 1 else [1.0]
        return bool(values[0] < _COLLINEAR)

    def shrinkage(self) -> list[Any]:
        """Strengths that draw the intercepts together, to try."""
        measure = self.training.measure
        if measure.n_classes > 2:
            return [0.0]
        if measure.loss == "squared":
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = self.make("MeanRegularized", lambda1=self.scale)
                    model.set_params(intercept_shrinkage="reml", max_iter=2)
                    model.fit(self.training.encoded, self.training.y)
            except ValueError:  # too few rows for variances
                pass
            else:
                return ["reml"]
        # Of intercepts of tasks of weight 1: nearly free, and drawn by half.
        return [0.03 * self.unit, self.unit]

    @property
    def unit(self) -> float:
        """Curvature of the loss in an intercept, about."""
        loss, y = self.training.measure.loss, self.training.y
        return {"logistic": 0.25, "poisson": max(float(y.mean()), _SMALLEST)}.get(loss, 1.0)

    def strengths(self, *estimators: Any, n: int = 0) -> FloatArray:
        """Values of lambda1 from the largest that any of them needs."""
        training = self.training
        n_lambdas = (n or _N_LAMBDAS) // (1 + self.multinomial)
        grids = [
            lambda_grid(model, training.encoded, training.y, n_lambdas=n_lambdas)
            for model in estimators
        ]
        return np.unique(np.maximum(max(grids, key=lambda grid: grid[0]), _SMALLEST))


def _alone(step: Callable[[], tuple[str, Any]] | None) -> Callable[[Training], Any]:
    """Ridge of any loss for each task, or behind a step that hides the tasks."""

    def make(training: Training) -> Any:
        family = Family(training)
        grid = {"lambda1": [0.0], "lambda2": family.scale * _RIDGE_GRID}
        if step is None:
            return [("model", family.make("MeanRegularized", lambda1=0.0))], grid
        model = family.make("MeanRegularized", lambda1=0.0, task_column=None)
        return [step(), ("model", model)], grid

    return make


def _norm(name: str, *, common: bool) -> Callable[[Training], Any]:
    """A norm, of what the tasks add to a common model where that is possible."""

    def make(training: Training) -> Any:
        family = Family(training)
        both = common and training.measure.n_classes <= 2
        model = family.make(name, **({"common": True} if both else {}))
        shrinkage = [0.0] if name == "Lasso" else family.shrinkage()
        start = clone(model).set_params(intercept_shrinkage=shrinkage[-1])
        held = family.held() if both else [0.0]
        starts = [clone(start).set_params(lambda2=value) for value in held]
        return [("model", model)], {
            "lambda1": family.strengths(*starts),
            "intercept_shrinkage": shrinkage,
            **({"lambda2": held} if len(held) > 1 else {}),
        }

    return make


def _quadratic(name: str) -> Callable[[Training], Any]:
    def make(training: Training) -> Any:
        family = Family(training)
        chain = {"graph": _chain(training)} if name == "Graph" else {}
        beside = _LITTLE if name == "Graph" else _BESIDE[:: 1 + 2 * family.multinomial]
        model = family.make(name, **chain)
        return [("model", model)], {
            "lambda1": family.strengths(model, n=_N_LAMBDAS * 2 // 3),
            "lambda2": family.scale * beside,
            "intercept_shrinkage": family.shrinkage(),
        }

    return make


def _clustered(training: Training) -> Any:
    family = Family(training)
    codes, X = training.encoded[:, 0], training.encoded[:, 1:]
    most = min(len(np.unique(codes)), X.shape[1])
    common = {"common": True} if training.measure.n_classes <= 2 else {}
    model = family.make("Clustered", random_state=training.seed, **common)
    return [("model", model)], {
        "lambda1": family.strengths(model, n=_N_LAMBDAS * 2 // 3),
        "lambda2": family.scale * np.array([1e-2, 1e-1, 1.0]),
        "n_clusters": [k for k in (1, 3) if k == 1 or k < most],
        "intercept_shrinkage": family.shrinkage(),
    }


def _two_part(name: str) -> Callable[[Training], Any]:
    def make(training: Training) -> Any:
        family = Family(training)
        # Strengths of single coefficients, or of those of single tasks, beside what is shared.
        lasso = family.make("Lasso")
        largest = max(lambda1_max(lasso, training.encoded, training.y), _SMALLEST)
        model = family.make(name)
        return [("model", model)], {
            "lambda1": family.strengths(model, n=_N_LAMBDAS * 2 // 3),
            "lambda2": largest * _APART,
            "intercept_shrinkage": family.shrinkage(),
        }

    return make


def _mixed(training: Training) -> Any:
    X = training.encoded[:, 1:]
    n_tasks, p = len(np.unique(training.encoded[:, 0])), X.shape[1] + 1
    # A full covariance asks for many tasks beside its parameters.
    kinds = ["diag", "full"] if p <= 6 and n_tasks > p * (p + 1) / 2 else ["diag"]
    return [
        (
            {"covariance": kind},
            [("model", mixed.MixedEffectsRegressor(covariance=kind, task_column=0))],
        )
        for kind in kinds
    ]


def _chain(training: Training) -> list[tuple[float, float]]:
    """The chain of tasks in the order of their mean target, as edges between their codes."""
    codes = training.encoded[:, 0].astype(np.intp)
    n = np.bincount(codes)
    tasks = np.flatnonzero(n)
    means = np.bincount(codes, weights=training.y)[tasks] / n[tasks]
    order = tasks[np.argsort(means, kind="stable")].astype(float).tolist()
    return list(itertools.pairwise(order))


NAMES = {
    "MeanRegularized": _quadratic("MeanRegularized"),
    "JointFeature": _norm("JointFeature", common=True),
    "TraceNorm": _norm("TraceNorm", common=True),
    "TaskRelationship": _norm("TaskRelationship", common=True),
    "Graph (chain)": _quadratic("Graph"),
    "Clustered": _clustered,
    "Dirty": _two_part("Dirty"),
    "RobustFeature": _two_part("RobustFeature"),
}
MIXED = "MixedEffects"
SHARING = (MIXED, *NAMES)
# What is tried unasked: the quick ones. Of more than two classes every fit takes longer.
_MULTINOMIAL = ("Lasso", "MeanRegularized", "JointFeature", "TraceNorm")
_QUICK = (*_MULTINOMIAL, MIXED, "TaskRelationship")


def candidates(measure: Measure, *, new_tasks: bool, only: list[str] | None) -> list[Candidate]:
    """References, Lasso and the models that share: those of `only`, or the quick ones."""
    found: list[Candidate] = [
        Direct(MEAN, "reference", mean),
        Searched(POOLED, "reference", _alone(features_only)),
        Searched(SINGLE, "reference", _alone(None)),
        Searched(DUMMIES, "reference", _alone(dummies)),
        Boosted(BOOSTING, "reference", boosting),
        Searched("Lasso", "separate", _norm("Lasso", common=False)),
    ]
    # REML is about squares; a chain in the order of the means has no place for a new task.
    if measure.loss == "squared":
        found.append(Direct(MIXED, "sharing", _mixed))
    found += [
        Searched(name, "sharing", make)
        for name, make in NAMES.items()
        if not (new_tasks and name == "Graph (chain)")
    ]
    wanted = only or _unasked(measure)
    return [c for c in found if c.kind == "reference" or c.name in wanted]


def _unasked(measure: Measure) -> tuple[str, ...]:
    return _MULTINOMIAL if measure.n_classes > 2 else _QUICK


def untried(measure: Measure, *, new_tasks: bool, only: list[str] | None) -> list[str]:
    """Models that there are beside the ones tried unasked."""
    if only is not None:
        return []
    tried = _unasked(measure)
    every = candidates(measure, new_tasks=new_tasks, only=[*SHARING])
    return [c.name for c in every if c.kind != "reference" and c.name not in tried]
