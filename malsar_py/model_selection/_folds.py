"""One fold of a search: a path for every setting of the other parameters, and its scores."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray, IntArray
from ..base import BeyondData, MultiTaskEstimator
from ..models.kernel import PreparedFunctions
from ..solvers import Workspace
from ._data import Data
from ._judge import Judge
from ._scoring import Scoring, make_judge
from ._solve import FittedStep, Step, fit_each, prepare_any, solve_path
from ._template import Setting, Template, heeded, take_parts, transform

ErrorScore = float | Literal["raise"]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a fold tells, one row a setting, one column a lambda1."""

    score: FloatArray
    fit_time: FloatArray
    score_time: FloatArray
    gap: FloatArray  # relative
    beyond: AnyArray  # why a setting is beyond the data, or ""
    failed: AnyArray  # why fit or score failed, or ""

    @classmethod
    def empty(cls, n_settings: int, n_lambdas: int) -> Scores:
        """Nothing known yet."""
        shape = n_settings, n_lambdas
        numbers = (np.full(shape, np.nan) for _ in range(4))
        return cls(*numbers, *(np.full(shape, "", object) for _ in range(2)))

    @classmethod
    def stack(cls, parts: list[Scores]) -> Scores:
        """The scores of several settings as one."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))


def _arrays(scores: Scores) -> tuple[AnyArray, ...]:
    return tuple(vars(scores).values())


@dataclass(frozen=True, eq=False)
class Fold:
    """What the fits and scores of a fold have in common."""

    template: Template
    train: Data
    test: Data
    lambda1: FloatArray
    scoring: Scoring
    error_score: ErrorScore
    name: str


def run_fold(
    template: Template,
    data: Data,
    train: IntArray,
    test: IntArray,
    settings: list[Setting],
    lambda1: FloatArray,
    scoring: Scoring,
    error_score: ErrorScore,
    name: str,
) -> Scores:
    """Fit on the training part and score on the test part, for every setting and lambda1."""
    out = Scores.empty(len(settings), len(lambda1))
    with one_blas_thread(), warnings.catch_warnings():
        # Of all rows, not of a part of tasks that have two or three each.
        warnings.filterwarnings("ignore", "The number of tasks", UserWarning)
        for group in template.groups(settings):
            own = [settings[i] for i in group]
            joined = template.joined(*template.parts(own[0]))
            parts = take_parts(joined, data, train, test)
            fold = Fold(template, *parts, lambda1, scoring, error_score, name)
            for i, row in zip(group, _run_group(fold, own), strict=True):
                for whole, part in zip(_arrays(out), _arrays(row), strict=True):
                    whole[i] = part[0]
    return out


def _run_group(fold: Fold, settings: list[Setting]) -> Iterator[Scores]:
    """Scores of settings that share the data."""
    shared: Shared | None = None
    for setting in settings:
        out = Scores.empty(1, len(fold.lambda1))
        try:
            if shared is None:
                shared = _share(fold, setting)
            shared.run(setting, out)
        except BeyondData as error:
            out.beyond[:] = f"{fold.name}: {error}"
        except Exception as error:
            if fold.error_score == "raise":
                if isinstance(error, ValueError):
                    raise ValueError(f"{fold.name}: {error}") from error
                raise
            out.failed[:] = f"{fold.name}: {type(error).__name__}: {error}"
            out.score[:] = fold.error_score
            shared = None  # its judge may have seen a part of a path
        yield out


@dataclass(eq=False)
class Shared:
    """Data and judge of settings that differ in the penalty alone."""

    fold: Fold
    model: MultiTaskEstimator
    prepared: Any
    judge: Judge
    workspace: Workspace
    start: float

    def run(self, setting: Setting, out: Scores) -> None:
        """Fit and score one setting."""
        fresh = self.fold.template.parts(setting)[1]
        self.model.set_params(**fresh.get_params(deep=False))
        n = len(self.fold.lambda1)
        times, gaps, seconds = [], [], 0.0
        for step in self._path():
            now = time.perf_counter()
            times.append(now - self.start)
            gaps.append(step.gap)
            self.judge.see(step)
            self.start = time.perf_counter()
            seconds += self.start - now
        out.score[0] = self.judge.scores()
        end = time.perf_counter()
        seconds += end - self.start
        out.fit_time[0], out.gap[0], out.score_time[0] = times, gaps, seconds / n
        self.start = end

    def _path(self) -> Iterator[Step | FittedStep]:
        if isinstance(self.prepared, PreparedFunctions):
            return fit_each(self.model, self.prepared, self.fold.lambda1)
        return solve_path(self.model, self.prepared, self.fold.lambda1, self.workspace)


def _share(fold: Fold, setting: Setting) -> Shared:
    """Prepare the training part, and what is to be scored."""
    start = time.perf_counter()
    steps, model = fold.template.parts(setting)
    seen, Xt = transform(steps, fold.train, fold.test)
    seen = heeded(model, "fit", seen)
    rows, prepared = prepare_any(model, seen.X, seen.y, seen.tasks, seen.sample_weight)
    judge = make_judge(model, rows, steps, fold.test, Xt, fold.scoring)
    return Shared(fold, model, prepared, judge, Workspace(), start)
