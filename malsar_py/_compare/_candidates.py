"""The rows of the table: references, and models with the settings to try."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from .. import mixed, models
from .._typing import AnyArray, FloatArray, IntArray
from ..metrics import make_task_scorer
from ..model_selection import MultiTaskSearchCV, lambda1_max, lambda_grid
from ._measure import Measure
from ._result import BOOSTING, DUMMIES, MEAN, POOLED, SINGLE
from ._source import Coded, Source, Split

# The search ranks settings; only the final fit needs the digits.
_SEARCH: dict[str, Any] = {"tol": 1e-4, "max_iter": 1000, "task_column": 0, "unseen": "mean"}
# Values of lambda1 for each setting of the other parameters.
_N_LAMBDAS = 12
# Multiples of the features' mean curvature: references; beside a coupling; a little where l2 is no
# more than what makes a solution unique.
_RIDGE_GRID = np.logspace(2.0, -4.0, 13)
_BESIDE = np.logspace(0.5, -4.0, 7)
_LITTLE = np.array([1e-2, 3e-1])
_APART = np.array([0.2, 0.7])
# Features that are constant within the tasks leave rounding alone, and no scale.
_SMALLEST = 1e-12
# Trees of gradient boosting: chosen among these by cross-validation.
_TREES = np.array([5, 10, 20, 40, 80, 150])
# scikit-learn's trees take so many categories.
_MOST_CATEGORIES = 255


@dataclass(frozen=True, eq=False)
class Training:
    """Training rows and their folds."""

    source: Source
    rows: IntArray
    folds: list[Split]
    measure: Measure
    seed: int

    @property
    def y(self) -> FloatArray:
        """Targets of the rows."""
        return self.source.table.y[self.rows]

    @property
    def encoded(self) -> FloatArray:
        """Codes and features of the rows."""
        return self.source.encoded(self.rows)[self.rows]

    @property
    def kind(self) -> str:
        """End of the names of estimators."""
        return "Classifier" if self.measure.n_classes else "Regressor"


@dataclass(frozen=True, eq=False)
class Choice:
    """What cross-validation on the training rows says about a candidate."""

    steps: list[tuple[str, Any]]  # unfitted, after that of the columns
    parameters: dict[str, Any]
    score: float  # greater is better
    edges: frozenset[str] = frozenset()
    search: Any = None


class Candidate(Protocol):
    """A row of the table."""

    name: str
    kind: str

    def choose(self, training: Training) -> Choice:
        """Choose everything by cross-validation on the training rows."""


@dataclass(frozen=True, eq=False)
class Searched:
    """A model of this package, its strengths chosen by `MultiTaskSearchCV`."""

    name: str
    kind: str
    # The steps after the columns, and the values of the parameters of the last one.
    make: Callable[[Training], tuple[list[tuple[str, Any]], dict[str, Any]]]

    def choose(self, training: Training) -> Choice:
        steps, grid = self.make(training)
        pipeline = Pipeline([("columns", Coded(training.source)), *steps])
        rest = {k: v for k, v in grid.items() if "lambda" not in k}
        hidden = len(steps) > 1  # the model does not see the tasks: the scorer must
        name = training.measure.scoring
        search = MultiTaskSearchCV(
            pipeline,
            lambda1=grid["lambda1"],
            lambda2=grid.get("lambda2"),
            param_grid={f"model__{k}": v for k, v in rest.items()} or None,
            refit=False,
            cv=_places(training),
            scoring=make_task_scorer(name, task_column=0) if hidden else name,
        ).fit(training.source.keys(training.rows), training.y)
        chosen = {k.rpartition("__")[2]: v for k, v in search.best_params_.items()}
        last = clone(steps[-1][1])
        default = type(last)()
        last.set_params(**chosen, tol=default.tol, max_iter=default.max_iter)
        return Choice(
            [*steps[:-1], ("model", last)],
            chosen,
            float(search.best_score_),
            # The largest lambda1 is a limit: what it ties is tied for good.
            frozenset(
                name
                for name, end in zip(
                    (k.rpartition("__")[2] for k in search.edges_),
                    search.edges_.values(),
                    strict=True,
                )
                if (name, end) != ("lambda1", "largest")
            ),
            search,
        )


@dataclass(frozen=True, eq=False)
class Direct:
    """Any estimators: each is fitted in each fold, those at the front may be stages of one fit."""

    name: str
    kind: str
    make: Callable[[Training], list[tuple[dict[str, Any], list[tuple[str, Any]]]]]

    def choose(self, training: Training) -> Choice:
        settings = self.make(training)
        scores = np.zeros(len(settings))
        table, keys = training.source.table, training.source.keys
        for train, test in training.folds:
            for i, predict in enumerate(self._fitted(settings, training, train)):
                p = predict(keys(test))
                scores[i] += training.measure.score(table.y[test], p, table.codes[test])
        best = int(scores.argmax())
        parameters, steps = settings[best]
        return Choice(steps, parameters, float(scores[best] / len(training.folds)))

    @staticmethod
    def _fitted(
        settings: list[Any], training: Training, rows: IntArray
    ) -> Iterator[Callable[[Any], AnyArray]]:
        source, measure = training.source, training.measure
        for _, steps in settings:
            model = Pipeline([("columns", Coded(source)), *steps])
            model.fit(source.keys(rows), source.table.y[rows])
            yield lambda X, model=model: measure.predict(model, X)


@dataclass(frozen=True, eq=False)
class Boosted(Direct):
    """Trees one after another: all numbers of trees are stages of the largest."""

    @staticmethod
    def _fitted(
        settings: list[Any], training: Training, rows: IntArray
    ) -> Iterator[Callable[[Any], AnyArray]]:
        source, n_classes = training.source, training.measure.n_classes
        _, steps = settings[-1]
        model = Pipeline([("columns", Coded(source)), *steps])
        model.fit(source.keys(rows), source.table.y[rows])
        stages = "staged_predict_proba" if n_classes else "staged_predict"
        for parameters, _ in settings:

            def predict(X: Any, n: int = parameters["trees"]) -> AnyArray:
                found = list(getattr(model[-1], stages)(model[:-1].transform(X)))[n - 1]
                return found[:, 1] if n_classes == 2 else found

            yield predict


def _places(training: Training) -> list[Split]:
    """The folds as positions among the training rows."""
    order = np.argsort(training.rows)
    at = training.rows[order]
    return [
        (order[np.searchsorted(at, train)], order[np.searchsorted(at, test)])
        for train, test in training.folds
    ]


# --- references ----------------------------------------------------------------------------------


class MeanModel(BaseEstimator):
    """The mean of the targets, or the shares of the classes: what is known without any feature."""

    def fit(self, X: Any, y: Any) -> Self:
        """Take the mean."""
        self.n_features_in_ = X.shape[1]
        if isinstance(self, ClassifierMixin):
            self.classes_, counts = np.unique(np.asarray(y), return_counts=True)
            self.shares_ = counts / counts.sum()
        else:
            self.mean_ = float(np.mean(y))
        return self


class MeanRegressor(RegressorMixin, MeanModel):
    """The mean of the targets for every row."""

    def predict(self, X: Any) -> FloatArray:
        """The same for all rows."""
        return np.full(len(X), self.mean_)


class MeanClassifier(ClassifierMixin, MeanModel):
    """The shares of the classes for every row."""

    def predict_proba(self, X: Any) -> FloatArray:
        """The same for all rows."""
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X: Any) -> AnyArray:
        """The most frequent class."""
        return np.full(len(X), self.classes_[self.shares_.argmax()])


def _mean(training: Training) -> Any:
    model = MeanClassifier() if training.measure.n_classes else MeanRegressor()
    return [({}, [("model", model)])]


def _features_only() -> tuple[str, Any]:
    return "features", ColumnTransformer([("x", "passthrough", slice(1, None))])


def _dummies() -> tuple[str, Any]:
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return "features", ColumnTransformer(
        [("task", one_hot, slice(0, 1)), ("x", "passthrough", slice(1, None))]
    )


def _boosting(training: Training) -> Any:
    n_classes, loss = training.measure.n_classes, training.measure.loss
    few = training.source.table.n_tasks <= _MOST_CATEGORIES
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
    task: Any = OrdinalEncoder(**unknown) if few else TargetEncoder(random_state=training.seed)
    columns = ColumnTransformer([("task", task, slice(0, 1)), ("x", "passthrough", slice(1, None))])
    options: dict[str, Any] = {
        "max_leaf_nodes": 8,
        "min_samples_leaf": min(20, max(2, len(training.rows) // 20)),
        "categorical_features": [0] if few else None,
        "early_stopping": False,
        "random_state": training.seed,
    }
    if n_classes:
        trees: Any = HistGradientBoostingClassifier(**options)
    else:
        names = {"squared": "squared_error", "huber": "absolute_error", "quantile": "quantile"}
        trees = HistGradientBoostingRegressor(loss=names.get(loss, loss), **options)
        if loss == "quantile":
            trees.set_params(quantile=0.5)
    return [
        (
            {"trees": int(n)},
            [("features", columns), ("model", clone(trees).set_params(max_iter=int(n)))],
        )
        for n in _TREES
    ]


# --- models of this package ----------------------------------------------------------------------


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
        grids = [
            lambda_grid(model, training.encoded, training.y, n_lambdas=n or _N_LAMBDAS)
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
        return [("model", model)], {
            "lambda1": family.strengths(start),
            "intercept_shrinkage": shrinkage,
        }

    return make


def _quadratic(name: str) -> Callable[[Training], Any]:
    def make(training: Training) -> Any:
        family = Family(training)
        chain = {"graph": _chain(training)} if name == "Graph" else {}
        beside = _LITTLE if name == "Graph" else _BESIDE
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
    return list(zip(order[:-1], order[1:], strict=True))


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


def candidates(measure: Measure, *, new_tasks: bool, only: list[str] | None) -> list[Candidate]:
    """References, Lasso and the models that share (or those of `only`)."""
    found: list[Candidate] = [
        Direct(MEAN, "reference", _mean),
        Searched(POOLED, "reference", _alone(_features_only)),
        Searched(SINGLE, "reference", _alone(None)),
        Searched(DUMMIES, "reference", _alone(_dummies)),
        Boosted(BOOSTING, "reference", _boosting),
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
    if only is None:
        return found
    return [c for c in found if c.kind == "reference" or c.name in only]
