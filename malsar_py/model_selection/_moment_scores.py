"""Scores of a path on the test part of a summary: from second moments, no row is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._labels import another_kind, positions_of, show_labels
from .._scoring import is_own
from .._summary import Summary, refuse_rows_needed, task_order
from .._typing import FloatArray, IntArray
from ..base import MultiTaskEstimator
from ._judge import Judge
from ._solve import Step
from ._template import Template


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums over the test rows of each task (T,); squared errors of all models (T, L)."""

    error: FloatArray
    spread: FloatArray  # squares of the targets about their mean; exactly 0 where they are equal
    weight: FloatArray
    n: IntArray  # number of rows
    mean: FloatArray  # of the targets
    shared: bool  # one column of y per task


def _mse(sums: Sums) -> FloatArray:
    return sums.error / sums.weight[:, None]


def _task_r2(sums: Sums) -> FloatArray:
    defined = sums.spread > 0.0
    if not defined.any():
        return np.full(sums.error.shape[1], np.nan)
    return np.mean(1.0 - sums.error[defined] / sums.spread[defined, None], axis=0)


def _own(sums: Sums) -> FloatArray:
    """The score of the estimators: tasks of equal targets are pooled, see `task_mean_score`."""
    constant = sums.spread == 0.0
    values = 1.0 - sums.error[~constant] / sums.spread[~constant, None]
    if constant.any():
        spread = _pooled_spread(sums, constant)
        if spread > 0.0 or constant.all():
            error, n = sums.error[constant].sum(axis=0), int(sums.n[constant].sum())
            values = np.vstack([values, _r2(error, spread, n)])
    return np.asarray(values.mean(axis=0))


def _pooled_r2(sums: Sums) -> FloatArray:
    if sums.shared:
        each = zip(sums.error, sums.spread, sums.n, strict=True)
        return np.mean([_r2(error, float(spread), int(n)) for error, spread, n in each], axis=0)
    every = np.ones(len(sums.n), bool)
    return _r2(sums.error.sum(axis=0), _pooled_spread(sums, every), int(sums.n.sum()))


def _r2(error: FloatArray, spread: float, n: int) -> FloatArray:
    """As scikit-learn has it where targets are equal: 1 for what is right and 0 for the rest."""
    if n < 2:
        return np.full_like(error, np.nan)
    return 1.0 - error / spread if spread > 0.0 else np.where(error > 0.0, 0.0, 1.0)


def _pooled_spread(sums: Sums, chosen: Any) -> float:
    """Squares of the targets of these tasks about the mean of all of them."""
    weight, apart = sums.weight[chosen], sums.mean[chosen] - sums.mean[chosen][0]
    between = apart - weight @ apart / weight.sum()
    return float(sums.spread[chosen].sum() + weight @ np.square(between))


def _pooled_mse(sums: Sums, finish: Callable[[FloatArray], FloatArray]) -> FloatArray:
    if sums.shared:
        return -np.mean(finish(_mse(sums)), axis=0)
    return -finish(sums.error.sum(axis=0) / sums.weight.sum())


def _same(values: FloatArray) -> FloatArray:
    return values


_SCORES: dict[str | None, Callable[[Sums], FloatArray]] = {
    None: _own,
    "mean_task_mse": lambda sums: -np.mean(_mse(sums), axis=0),
    "mean_task_rmse": lambda sums: -np.mean(np.sqrt(_mse(sums)), axis=0),
    "mean_task_r2": _task_r2,
    "r2": _pooled_r2,
    "neg_mean_squared_error": lambda sums: _pooled_mse(sums, _same),
    "neg_root_mean_squared_error": lambda sums: _pooled_mse(sums, np.sqrt),
}


def moment_score(scoring: Any) -> Callable[[Sums], FloatArray]:
    """The score of that name; greater is better."""
    if not has_moment_score(scoring):
        names = sorted(name for name in _SCORES if name is not None)
        raise TypeError(
            f"scoring={scoring!r} needs the rows themselves, and a summary keeps second moments: "
            f"choose one of {names}, or None for the estimator's score."
        )
    return _SCORES[scoring.removeprefix("neg_") if scoring in _NEGATED else scoring]


def has_moment_score(scoring: Any) -> bool:
    """Whether that score is one of second moments."""
    known = scoring is None or isinstance(scoring, str)
    return known and (scoring in _SCORES or scoring in _NEGATED)


_NEGATED = {"neg_mean_task_mse", "neg_mean_task_rmse"}


def check_summary_search(template: Template, scoring: Any) -> None:
    """Refuse what a search cannot do on a summary."""
    if template.is_pipeline and len(template.estimator.steps) > 1:
        names = [name for name, _ in template.estimator.steps[:-1]]
        raise TypeError(
            f"A summary holds no rows to transform: the pipeline has {', '.join(names)} before the "
            "model. Transform the rows before they are summarised, and search the model alone."
        )
    refuse_rows_needed(template.model)
    moment_score(scoring)


class MomentJudge(Judge):
    """Scores from the moments of the test rows."""

    def __init__(self, model: MultiTaskEstimator, test: Summary, scoring: Any):
        methods = ("score", "predict")
        if not all(is_own(model, name) for name in methods):
            raise TypeError(
                f"{type(model).__name__} predicts or scores in a way of its own, which needs the "
                "rows themselves: search on these."
            )
        self._score, self._test, self._d = moment_score(scoring), test, test.n_features_in_
        moments = test.moments
        if test.n_targets > 1:
            self._task, order = np.arange(test.n_targets), np.zeros(1, np.intp)
        else:
            self._task, order = _fitted_tasks(model, test), task_order(test)
        self._moments = moments.select(order)
        self._steps: list[tuple[FloatArray, FloatArray]] = []

    def see(self, step: Step) -> None:
        """Take note of one solution."""
        W, intercept = step.W, step.intercept
        if (self._task < 0).any():
            m, b = step.mean
            W, intercept = np.hstack([W, m.T]), np.append(intercept, b)
        self._steps.append((W[:, self._task].T, intercept[self._task]))

    def scores(self) -> FloatArray:
        """The scores of all solutions seen, which are then forgotten."""
        steps, self._steps = self._steps, []
        moments, d, n_tasks = self._moments, self._d, len(self._task)
        q = moments.shift.shape[1] - d
        shared = q > 1
        targets = d + np.arange(q) if shared else np.full(n_tasks, d)
        W = np.stack([W for W, _ in steps], axis=2)
        used = np.flatnonzero(W.any(axis=(0, 2)))
        columns = np.append(used, d + np.arange(q))
        # Residuals are products of [x, y] with these, less the intercepts.
        A = np.zeros((n_tasks, len(columns), len(steps)))
        A[:, : len(used)] = -W[:, used]
        A[np.arange(n_tasks), targets - d + len(used)] = 1.0
        b = np.stack([intercept for _, intercept in steps], axis=1)
        scatter = moments.full_scatter()[:, columns[:, None], columns]
        within = np.maximum((A * (scatter @ A)).sum(axis=1), 0.0)
        mean = moments.mean
        off = (mean[:, None, columns] @ A)[:, 0] - b
        weight = np.broadcast_to(moments.weight, n_tasks)
        diagonal = np.diagonal(moments.scatter, axis1=1, axis2=2)
        keys = np.zeros(n_tasks, np.intp) if shared else np.arange(n_tasks)
        return self._score(
            Sums(
                within + weight[:, None] * np.square(off),
                diagonal[keys, targets],
                weight,
                np.broadcast_to(moments.n, n_tasks),
                mean[keys, targets],
                shared,
            )
        )


def _fitted_tasks(model: MultiTaskEstimator, test: Summary) -> IntArray:
    """Position of each test task among the fitted ones, -1 for the mean model."""
    fitted, tasks = model.tasks_, test.tasks_
    found = positions_of(tasks, fitted)
    unseen = found < 0
    if unseen.any() and model.unseen != "mean":
        raise ValueError(
            f"Tasks without rows in the training folds: {show_labels(tasks[unseen])}"
            f"{another_kind(tasks[unseen], fitted)}. Choose folds that have rows of every task in "
            'training, or set unseen="mean" to score such rows by the mean model.'
        )
    return found
