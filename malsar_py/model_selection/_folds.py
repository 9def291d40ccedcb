"""One fold of a search: a path for every setting of the other parameters, and its scores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._threads import one_blas_thread
from .._typing import FloatArray, IntArray
from ..base import MultiTaskEstimator
from ..solvers import Workspace
from ._data import Data
from ._scoring import Scoring, make_judge
from ._solve import prepare, solve_path

# Parameters of an estimator on which its data depend, as they are when they are solved for: other
# parameters may change without preparing anew.
_OF_THE_DATA = ("fit_intercept", "sources", "task_column", "task_weight", "unseen")

Setting = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a fold tells, one row a setting, one column a lambda1."""

    score: FloatArray
    fit_time: FloatArray
    score_time: FloatArray
    gap: FloatArray  # relative

    @classmethod
    def stack(cls, parts: list[Scores]) -> Scores:
        """The scores of several settings as one."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))


@dataclass(frozen=True, eq=False)
class Template:
    """The estimator of a search: a model, or a pipeline that ends in one."""

    estimator: Any

    @property
    def prefix(self) -> str:
        """What goes before the model's own parameters."""
        return f"{self.estimator.steps[-1][0]}__" if self.is_pipeline else ""

    @property
    def is_pipeline(self) -> bool:
        """Whether there are steps before the model."""
        return isinstance(self.estimator, Pipeline)

    @property
    def model(self) -> Any:
        """The model, last of the steps."""
        return self.estimator.steps[-1][1] if self.is_pipeline else self.estimator

    def parts(self, setting: Setting) -> tuple[list[tuple[str, Any]], MultiTaskEstimator]:
        """Fresh steps (none outside of a pipeline) and model, with these parameters."""
        fresh = clone(self.estimator).set_params(**setting)
        steps = list(fresh.steps) if self.is_pipeline else []
        return steps, steps[-1][1] if steps else fresh

    def groups(self, settings: list[Setting]) -> list[list[int]]:
        """Positions of the settings that see the same data."""
        found: dict[Any, list[int]] = {}
        for i, setting in enumerate(settings):
            key = tuple((k, _key(v)) for k, v in sorted(setting.items()) if self._is_of_data(k))
            found.setdefault(key, []).append(i)
        return list(found.values())

    def _is_of_data(self, name: str) -> bool:
        prefix = self.prefix
        return not name.startswith(prefix) or name[len(prefix) :] in _OF_THE_DATA


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def transform(steps: list[tuple[str, Any]], data: Data, test: Any = None) -> tuple[Data, Any]:
    """The data, and test rows, as the last step sees them; the steps before it are fitted."""
    if len(steps) < 2:
        return data, test
    head = Pipeline(steps[:-1])
    X = head.fit_transform(data.X, data.y)
    return Data(X, data.y, data.tasks, data.sample_weight), (
        None if test is None else head.transform(test)
    )


def run_fold(
    template: Template,
    data: Data,
    train: IntArray,
    test: IntArray,
    settings: list[Setting],
    lambda1: FloatArray,
    scoring: Scoring,
    name: str,
) -> Scores:
    """Fit on the training part and score on the test part, for every setting and lambda1."""
    shape = len(settings), len(lambda1)
    out = Scores(*(np.full(shape, np.nan) for _ in range(4)))
    parts = data.take(train), data.take(test)
    with one_blas_thread():
        for group in template.groups(settings):
            for i, row in _run_group(
                template, *parts, [settings[i] for i in group], lambda1, scoring, name
            ):
                for whole, part in zip(_arrays(out), _arrays(row), strict=True):
                    whole[group[i]] = part
    return out


def _arrays(scores: Scores) -> tuple[FloatArray, ...]:
    return scores.score, scores.fit_time, scores.score_time, scores.gap


def _run_group(
    template: Template,
    train: Data,
    test: Data,
    settings: list[Setting],
    lambda1: FloatArray,
    scoring: Scoring,
    name: str,
) -> Iterator[tuple[int, Scores]]:
    """Scores of settings that share the data."""
    start = time.perf_counter()
    steps, model = template.parts(settings[0])
    try:
        seen, Xt = transform(steps, train, test.X)
        rows, prepared = prepare(model, seen.X, seen.y, seen.tasks, seen.sample_weight)
        judge = make_judge(model, rows, steps, test, Xt, scoring)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    workspace = Workspace()
    for i, setting in enumerate(settings):
        model.set_params(**{k.removeprefix(template.prefix): v for k, v in _own(template, setting)})
        times, gaps, seconds = [], [], 0.0
        for step in solve_path(model, prepared, lambda1, workspace):
            now = time.perf_counter()
            times.append(now - start)
            gaps.append(step.solution.relative_gap)
            judge.see(step)
            start = time.perf_counter()
            seconds += start - now
        score = judge.scores()
        seconds += time.perf_counter() - start
        shares = np.full(len(lambda1), seconds / len(lambda1))
        yield i, Scores(score, np.array(times), shares, np.array(gaps))
        start = time.perf_counter()


def _own(template: Template, setting: Setting) -> list[tuple[str, Any]]:
    """The parameters of the setting that are the model's."""
    return [(k, v) for k, v in setting.items() if k.startswith(template.prefix)]
