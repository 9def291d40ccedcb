"""Scores of all models of a path on one test part.

The test rows are checked once, and scores are taken from predictions for them. Only for a callable,
which may look at anything, the estimator is put together at each step.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer

from .._pipelines import last_step
from .._scoring import is_own, mixed_mean_scores, positions, task_mean_scores
from .._summary import Summary
from .._tasks import PredictRows, ScoreRows, TaskRows, resolve_predict, resolve_score
from .._typing import AnyArray, FloatArray
from ..base import MultiTaskEstimator
from ..design import Design, Ragged, Repeated, Shared
from ..metrics import SCORERS, TaskScore, get_task_scorer, make_task_scorer
from ..models.kernel import SeparableKernelRegressor
from ._data import Data
from ._judge import Judge
from ._moment_scores import MomentJudge
from ._solve import Step
from ._template import Steps, Template, heeded


@dataclass(frozen=True)
class Scoring:
    """What `scoring` stands for; called as a scorer, with labels and weights if there are any."""

    given: str | Callable[..., Any] | None
    task_score: TaskScore | None = None
    scorer: Callable[..., Any] | None = None
    takes_weight: bool = True

    def __call__(
        self, estimator: Any, X: Any, y: Any, tasks: Any = None, sample_weight: Any = None
    ) -> float:
        """Score a fitted estimator."""
        extra = {} if tasks is None else {"tasks": tasks}
        if sample_weight is not None and self.takes_weight:
            extra["sample_weight"] = sample_weight
        if self.scorer is None:
            # Whatever routing is: a pipeline's own score takes no labels without it.
            model, X = last_step(estimator, X, **extra)
            return float(model.score(X, y, **extra))
        return float(self.scorer(estimator, X, y, **extra))

    def __repr__(self) -> str:
        return "the estimator's score" if self.given is None else f"scorer of {self.given!r}"


def read_scoring(scoring: Any, *, keyword: bool) -> Scoring:
    """Find the scorer, and refuse one that cannot see labels given by the keyword `tasks`."""
    if scoring is None:
        return Scoring(None)
    if isinstance(scoring, str):
        if scoring in SCORERS:
            return Scoring(scoring, get_task_scorer(scoring), make_task_scorer(scoring))
        try:
            scorer = get_scorer(scoring)
        except ValueError as error:
            raise ValueError(
                f"scoring={scoring!r} is neither one of malsar_py.metrics, {sorted(SCORERS)}, nor "
                "one of scikit-learn's (sklearn.metrics.get_scorer_names())."
            ) from error
        takes = set(inspect.signature(scorer._score_func).parameters) & {"sample_weight"}
    elif callable(scoring):
        scorer = scoring
        takes = set(inspect.signature(scoring).parameters)
    else:
        raise ValueError(
            "scoring must be None, the name of one score or a callable (estimator, X, y), got "
            f"{scoring!r}."
        )
    if keyword and "tasks" not in takes:
        raise ValueError(
            f"scoring={scoring!r} cannot see the task labels given as `tasks`: use a score of "
            "malsar_py.metrics by its name, a callable with an argument `tasks`, or keep the "
            "labels in a column of X (task_column)."
        )
    return Scoring(scoring, None, scorer, "sample_weight" in takes)


class TestRows:
    """Test rows by task: predictions of any coefficients by one product."""

    __test__ = False  # nothing for pytest

    def __init__(
        self,
        rows: PredictRows,
        n_tasks: int,
        observed: AnyArray | None = None,
        n_columns: int = 1,
    ):
        X, index = rows.X, rows.index
        self._unseen = False
        self._design: Design
        place: AnyArray
        if index is None:
            self._design = Shared(X, n_tasks)
            place = np.arange(n_tasks * len(X)).reshape(n_tasks, len(X)).T
        else:
            # Labels that were not fitted come last: the mean model is theirs.
            self._unseen = bool((index < 0).any())
            task = np.where(index < 0, n_tasks, index)
            order = np.argsort(task, kind="stable")
            sizes = np.bincount(task, minlength=n_tasks + self._unseen)
            self._design = Ragged(X[order], np.append(0, np.cumsum(sizes)).astype(np.int64))
            place = np.empty(len(X), np.intp)
            place[order] = np.arange(len(X))
        self._place = place if observed is None else place[observed]
        self._columns = None if n_columns == 1 else Repeated(self._design, n_columns)

    def predict(self, step: Step) -> FloatArray:
        """Linear predictions for the observed targets, or for all in the estimator's form."""
        W, intercept = step.W, step.intercept
        if self._unseen:
            m, b = step.mean
            W, intercept = np.column_stack([W, m.T]), np.append(intercept, b)
        design = self._design if self._columns is None else self._columns
        z = design.predict(W)
        z += np.repeat(intercept, np.diff(design.offsets))
        return (z if self._columns is None else self._columns.by_sample(z))[self._place]


def n_columns(model: MultiTaskEstimator) -> int:
    """Columns of W for each task."""
    classes = getattr(model, "classes_", ())
    return len(classes) if len(classes) > 2 else 1


class PredictionJudge(Judge):
    """Scores from predictions: the estimator's own, or one of ``malsar_py.metrics``."""

    def __init__(self, model: MultiTaskEstimator, scored: ScoreRows, score: TaskScore | None):
        self._test = TestRows(scored.rows, model.n_tasks_, scored.observed, n_columns(model))
        self._scored, self._score, self._model = scored, score, model
        self._tasks = positions(scored)
        self._classes: AnyArray | None = model.classes_ if model._classifier else None
        self._method = "" if score is None else score.response_method(model)
        self._z: list[FloatArray] = []

    def see(self, step: Step) -> None:
        self._z.append(self._test.predict(step))

    def scores(self) -> FloatArray:
        with warnings.catch_warnings():
            # The search says in which folds.
            warnings.filterwarnings("ignore", ".*the score is NaN", UndefinedMetricWarning)
            warnings.filterwarnings("ignore", "R.2 score is not well", UndefinedMetricWarning)
            return self._scores()

    def _scores(self) -> FloatArray:
        Z, self._z = np.stack(self._z, axis=1), []
        rows, classes = self._scored, self._classes
        if self._score is not None:
            return np.array([self._one(self._score, Z[:, i]) for i in range(Z.shape[1])])
        truth: AnyArray = rows.y
        found: AnyArray = Z
        if classes is None:
            found = self._model._respond(Z, self._tasks)
        else:
            truth = np.full(rows.y.shape, -1)
            for k, label in enumerate(classes):
                truth[rows.y == label] = k
            found = self._model._positions(Z)
        metrics = self._model._unit_scores(self._tasks)
        if len(metrics) == 1:
            return task_mean_scores(metrics[0][0], truth, found, rows.group, rows.sample_weight)
        return mixed_mean_scores(metrics, truth, found, rows.group, rows.sample_weight)

    def _one(self, score: TaskScore, z: FloatArray) -> float:
        prediction: AnyArray = z
        if self._classes is None:
            prediction = self._model._respond(z, self._tasks)
        elif self._method == "predict_proba":
            prediction = self._model._probabilities(z)
        elif self._method == "predict":
            prediction = self._model._respond(z, self._tasks)
        rows = self._scored
        return score.score(rows.y, prediction, rows.group, self._classes, rows.sample_weight)


class ScorerJudge(Judge):
    """Scores by a scorer, which asks a fitted estimator for its predictions."""

    def __init__(self, estimator: Any, test: Data, scoring: Scoring):
        self._estimator, self._test, self._scoring = estimator, test, scoring
        self._found: list[float] = []

    def see(self, step: Any) -> None:
        test = self._test
        self._found.append(
            self._scoring(self._estimator, test.X, test.y, test.tasks, test.sample_weight)
        )

    def scores(self) -> FloatArray:
        found, self._found = np.array(self._found), []
        return found


class NamedJudge(ScorerJudge):
    """One of scikit-learn's scorers: it sees predictions only, which are made for it."""

    def __init__(self, model: MultiTaskEstimator, Xt: Any, test: Data, scoring: Scoring):
        super().__init__(model, test, scoring)
        rows = resolve_predict(model, Xt, tasks=test.tasks)
        self._rows, self._index = TestRows(rows, model.n_tasks_, None, n_columns(model)), rows.index

    def see(self, step: Step) -> None:
        z = self._rows.predict(step)
        vars(self._estimator)["_linear_prediction"] = lambda X, tasks: (z, self._index)
        # The targets are the same at every step: they were checked at the first one.
        checked = True if self._found and np.isfinite(z).all() else None
        with config_context(assume_finite=checked, skip_parameter_validation=checked):
            super().see(step)


class CallableJudge(ScorerJudge):
    """A callable, or a subclass, may look at anything: the estimator is put together for it."""

    def __init__(
        self,
        model: MultiTaskEstimator,
        rows: TaskRows,
        steps: Steps,
        test: Data,
        scoring: Scoring,
    ):
        super().__init__(Template.joined(steps, model), test, scoring)
        self._model, self._fitted = model, rows

    def see(self, step: Step) -> None:
        model = self._model.set_params(lambda1=step.lambda1)
        model._set_solution(self._fitted, step.result, step.solution, step.problem)
        super().see(step)


def make_judge(
    model: MultiTaskEstimator,
    rows: TaskRows,
    steps: Steps,
    test: Data,
    Xt: Any,
    scoring: Scoring,
) -> Judge:
    """The judge for a test part; Xt is its X as the model sees it."""
    if isinstance(test.X, Summary):
        model._set_tasks(rows)
        return MomentJudge(model, test.X, scoring.given)
    if scoring.scorer is None:
        test = heeded(model, "score", test)
    if isinstance(model, SeparableKernelRegressor):
        return ScorerJudge(Template.joined(steps, model), test, scoring)
    model._set_tasks(rows)
    methods = ("score", "predict", "predict_proba", "decision_function")
    redefined = any(not is_own(model, name) for name in methods if hasattr(model, name))
    if callable(scoring.given) or redefined:
        return CallableJudge(model, rows, steps, test, scoring)
    if scoring.scorer is not None and scoring.task_score is None:
        return NamedJudge(model, Xt, test, scoring)
    scored = resolve_score(model, Xt, test.y, tasks=test.tasks, sample_weight=test.sample_weight)
    return PredictionJudge(model, scored, scoring.task_score)
