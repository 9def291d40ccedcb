"""How a procedure chooses: searches of this package, and plain folds for any other estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._typing import AnyArray, FloatArray, IntArray
from ..metrics import make_task_scorer
from ..model_selection import MultiTaskSearchCV
from ._measure import Measure
from ._source import Coded, Source, Split


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


@dataclass(frozen=True, eq=False)
class Candidate:
    """A row of the table."""

    name: str
    kind: str  # as of `Procedure`

    def choose(self, training: Training) -> Choice:
        """Choose everything by cross-validation on the training rows."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Searched(Candidate):
    """A model of this package, its strengths chosen by `MultiTaskSearchCV`."""

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


Setting = tuple[dict[str, Any], list[tuple[str, Any]]]  # parameters, steps


@dataclass(frozen=True, eq=False)
class Direct(Candidate):
    """Any estimators, each fitted in each fold."""

    make: Callable[[Training], list[Setting]]

    def choose(self, training: Training) -> Choice:
        settings = self.make(training)
        table, measure = training.source.table, training.measure
        scores = np.zeros(len(settings))
        for train, test in training.folds:
            found = self._predictions(settings, training, train, test)
            scores += [measure.score(table.y[test], p, table.codes[test]) for p in found]
        best = int(scores.argmax())
        parameters, steps = settings[best]
        return Choice(steps, parameters, float(scores[best] / len(training.folds)))

    def _predictions(
        self, settings: list[Setting], training: Training, train: IntArray, test: IntArray
    ) -> Iterator[AnyArray]:
        source, measure = training.source, training.measure
        for _, steps in settings:
            model = Pipeline([("columns", Coded(source)), *steps])
            model.fit(source.keys(train), source.table.y[train])
            yield measure.predict(model, source.keys(test))


@dataclass(frozen=True, eq=False)
class Boosted(Direct):
    """Trees one after another: smaller numbers of them are stages of the largest."""

    def _predictions(
        self, settings: list[Setting], training: Training, train: IntArray, test: IntArray
    ) -> Iterator[AnyArray]:
        source, n_classes = training.source, training.measure.n_classes
        model = Pipeline([("columns", Coded(source)), *settings[-1][1]])
        model.fit(source.keys(train), source.table.y[train])
        X = model[:-1].transform(source.keys(test))
        staged = model[-1].staged_predict_proba if n_classes else model[-1].staged_predict
        wanted = {parameters["trees"] for parameters, _ in settings}
        for n, p in enumerate(staged(X), start=1):
            if n in wanted:
                yield p[:, 1] if n_classes == 2 else p


def _places(training: Training) -> list[Split]:
    """The folds as positions among the training rows."""
    order = np.argsort(training.rows)
    at = training.rows[order]
    return [
        (order[np.searchsorted(at, train)], order[np.searchsorted(at, test)])
        for train, test in training.folds
    ]
