"""Tasks with losses of their own in one fit: samples are task-major, so each has a slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray
from ._base import Evaluation, Loss
from ._scores import UnitScore


class _Run(NamedTuple):
    """Neighbouring tasks of one loss."""

    loss: Loss
    tasks: slice
    samples: slice
    offsets: IntArray


@dataclass(frozen=True)
class PerTask(Loss):
    """A loss for each task; ``bounds`` (T + 1) are those of the tasks' samples."""

    losses: tuple[Loss, ...]
    bounds: tuple[int, ...]

    @property
    def curvature(self) -> float | None:  # type: ignore[override]
        """The largest bound, None if there is one without."""
        known = [loss.curvature for loss in self.losses if loss.curvature is not None]
        return max(known) if len(known) == len(self.losses) else None

    @property
    def degree(self) -> int:  # type: ignore[override]
        """That of all of them, 0 where they differ."""
        degrees = {loss.degree for loss in self.losses}
        return degrees.pop() if len(degrees) == 1 else 0

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether all are."""
        return all(loss.smooth for loss in self.losses)

    @property
    def attained(self) -> bool:  # type: ignore[override]
        """Whether all are."""
        return all(loss.attained for loss in self.losses)

    @property
    def of_y(self) -> str:
        """What linear predictions are, where that is the same."""
        found = {loss.of_y for loss in self.losses}
        return found.pop() if len(found) == 1 else "linear prediction"

    def value(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return self._each(lambda run, own: run.loss.value(y[own], z[own]))

    def derivative(self, y: FloatArray, z: FloatArray) -> FloatArray:
        return self._each(lambda run, own: run.loss.derivative(y[own], z[own]))

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return self._each(lambda run, own: run.loss.second_derivative(y[own], theta[own], c[own]))

    def model_curvature(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return self._each(lambda run, own: run.loss.model_curvature(y[own], theta[own], c[own]))

    def weights(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        return self._each(lambda run, own: run.loss.weights(y[own], theta[own], c[own]))

    def smoothed(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, width: float
    ) -> tuple[Loss, FloatArray]:
        losses, targets = [], y.copy()
        for loss, t, own, _ in self._runs:
            if not loss.smooth:
                loss, targets[own] = loss.smoothed(y[own], theta[own], c[own], width)
            losses += [loss] * (t.stop - t.start)
        return replace(self, losses=tuple(losses)), targets

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        parts = ((run.loss, run.samples) for run in self._runs)
        return sum(loss.dual(y[own], theta[own], c[own], alpha) for loss, own in parts)

    def evaluate(
        self,
        y: FloatArray,
        z: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        fit_intercept: bool,
        start: FloatArray | None = None,
    ) -> Evaluation:
        if not self._by_task(offsets):
            return super().evaluate(y, z, c, offsets, fit_intercept, start)
        found = [
            loss.evaluate(
                y[own], z[own], c[own], bounds, fit_intercept, None if start is None else start[t]
            )
            for loss, t, own, bounds in self._runs
        ]
        values, theta, b = zip(*found, strict=True)
        return Evaluation(sum(values), np.concatenate(theta), np.concatenate(b))

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        if not self._by_task(offsets):
            super().feasible(y, theta, c, offsets)
            return
        for loss, _, own, bounds in self._runs:
            loss.feasible(y[own], theta[own], c[own], bounds)

    def centered(
        self, y: FloatArray, c: FloatArray, offsets: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        if not self._by_task(offsets):
            return super().centered(y, c, offsets)
        found = [loss.centered(y[own], c[own], bounds) for loss, _, own, bounds in self._runs]
        return np.concatenate([y for y, _ in found]), np.concatenate([b for _, b in found])

    def moved(self, y: FloatArray, c: FloatArray, offsets: IntArray, by: FloatArray) -> float:
        return sum(loss.moved(y[own], c[own], bounds, by[t]) for loss, t, own, bounds in self._runs)

    def separates(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> AnyArray:
        return np.concatenate(
            [
                loss.separates(y[own], z[own], c[own], bounds, fit_intercept)
                for loss, _, own, bounds in self._runs
            ]
        )

    def check_targets(
        self,
        y: FloatArray,
        weight: FloatArray,
        offsets: IntArray,
        tasks: AnyArray,
        free_intercepts: bool,
    ) -> FloatArray:
        return np.concatenate(
            [
                loss.check_targets(y[own], weight[own], bounds, tasks[t], free_intercepts)
                for loss, t, own, bounds in self._runs
            ]
        )

    def check_together(self, y: FloatArray, weight: FloatArray) -> None:
        # One loss whose targets hold the mean of the intercepts is enough.
        error: ValueError | None = None
        for loss, _, own, _ in self._runs:
            try:
                loss.check_together(y[own], weight[own])
                return
            except ValueError as found:
                error = found
        if error is not None:
            raise error

    @property
    def of_targets(self) -> bool:
        """Whether a parameter of one is to be read off the targets."""
        return any(loss.of_targets for loss in self.losses)

    def resolved(self, y: FloatArray, weight: FloatArray, offsets: IntArray) -> Loss:
        found = {}
        for loss in {loss for loss in self.losses if loss.of_targets}:
            mine = [t for t, other in enumerate(self.losses) if other == loss]
            rows = np.concatenate([np.arange(offsets[t], offsets[t + 1]) for t in mine])
            bounds = np.append(0, np.cumsum(np.diff(offsets)[mine]))
            found[loss] = loss.resolved(y[rows], weight[rows], bounds)
        return replace(self, losses=tuple(found.get(loss, loss) for loss in self.losses))

    def in_units(self, exponent: int) -> Self:
        return replace(self, losses=tuple(loss.in_units(exponent) for loss in self.losses))

    def respond(self, z: FloatArray, index: IntArray | None) -> FloatArray:
        links = {loss.link.name: loss.link for loss in self.losses}
        if index is not None and (index < 0).any() and len(links) > 1:
            raise ValueError(
                f"The tasks have different links ({', '.join(sorted(links))}), so there is no mean "
                "model for tasks that were not fitted: predict fitted tasks only."
            )
        out = np.array(z)
        for name, link in links.items():
            mine = np.array([loss.link.name == name for loss in self.losses])
            own = (slice(None), mine) if index is None else mine[index]
            with np.errstate(over="ignore"):
                out[own] = link.inverse(out[own])
        return out

    def unit_scores(self, index: IntArray) -> list[tuple[UnitScore, AnyArray]]:
        scores = [loss.unit_score for loss in self.losses]
        distinct = list({score.name: score for score in scores}.values())
        masks = (np.array([score == each for score in scores])[index] for each in distinct)
        return [(each, mask) for each, mask in zip(distinct, masks, strict=True) if mask.any()]

    def _by_task(self, offsets: IntArray) -> bool:
        return len(offsets) == len(self.bounds)

    @cached_property
    def _runs(self) -> list[_Run]:
        first, runs = 0, []
        for loss, same in groupby(self.losses):
            last = first + len(list(same))
            bounds = np.array(self.bounds[first : last + 1], dtype=np.int64)
            samples = slice(self.bounds[first], self.bounds[last])
            runs.append(_Run(loss, slice(first, last), samples, bounds - bounds[0]))
            first = last
        return runs

    def _each(self, values: Callable[[_Run, slice], FloatArray]) -> FloatArray:
        return np.concatenate([values(run, run.samples) for run in self._runs])
