"""Penalties that wait for the problem, and their sums and multiples."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._typing import AnyArray, FloatArray
from ._base import Penalty, Scope, Structure, TaskQuadratic


class Unresolved(Penalty):
    """A penalty that depends on the tasks or features: :meth:`at` says what it is for a problem."""

    resolved: ClassVar[bool] = False

    @property
    def structure(self) -> Structure | None:
        raise TypeError(f"{type(self).__name__} depends on the problem: ask at(problem) instead.")

    @property
    def quadratic(self) -> TaskQuadratic:
        raise TypeError(f"{type(self).__name__} depends on the problem: ask at(problem) instead.")

    @property
    def is_quadratic(self) -> bool:
        return False

    @abstractmethod
    def at(self, problem: Scope) -> Penalty: ...

    def value(self, W: FloatArray) -> float:
        """Omega(W), for tasks in the order of the columns of W, labelled 0, 1, ..."""
        return self.at(Sizes(np.arange(W.shape[1]), W.shape[0])).value(W)

    def rescaled(self, factor: float, size: float = 1.0) -> Penalty:
        return Multiple(self, factor, size)

    def __add__(self, other: Penalty) -> Penalty:
        return Sum((self, other)) if isinstance(other, Penalty) else NotImplemented

    def __radd__(self, other: Penalty) -> Penalty:
        return Sum((other, self)) if isinstance(other, Penalty) else NotImplemented


@dataclass(frozen=True, eq=False)
class Sizes:
    """Tasks and a number of features."""

    tasks: AnyArray
    n_features: int

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.tasks)


@dataclass(frozen=True)
class Multiple(Unresolved):
    """``factor Omega(size W)``."""

    penalty: Penalty
    factor: float
    size: float = 1.0

    @property
    def is_quadratic(self) -> bool:
        return self.penalty.is_quadratic

    def at(self, problem: Scope) -> Penalty:
        return self.penalty.at(problem).rescaled(self.factor, self.size)


@dataclass(frozen=True)
class Sum(Unresolved):
    """The sum of several penalties of one W."""

    parts: tuple[Penalty, ...]

    @property
    def is_quadratic(self) -> bool:
        return all(part.is_quadratic for part in self.parts)

    def at(self, problem: Scope) -> Penalty:
        first, *others = (part.at(problem) for part in self.parts)
        return sum(others, start=first)
