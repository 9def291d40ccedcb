"""What every solver returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray, IntArray
from ..objective import Certificate


class History:
    """The objective at each certificate, and after which iteration that was."""

    def __init__(self, entries: Iterable[tuple[int, float]] = ()):
        self.iterations: list[int] = []
        self.objective: list[float] = []
        for n_iter, objective in entries:
            self.add(n_iter, objective)

    def add(self, n_iter: int, objective: float) -> None:
        """One more certificate, in place of the last one if it is of the same iteration."""
        if self.iterations and n_iter <= self.iterations[-1]:
            self.objective[-1] = objective
        else:
            self.iterations.append(n_iter)
            self.objective.append(objective)

    def then(self, rest: History) -> History:
        """One history and another, which counts on from the last iteration."""
        start = self.iterations[-1]
        later = [start + n_iter for n_iter in rest.iterations]
        entries = [*self._entries(), *zip(later, rest.objective, strict=True)]
        return History(entries)

    def ending(self, objective: float) -> History:
        """The same with another last objective."""
        return History([*self._entries(), (self.iterations[-1], objective)])

    def _entries(self) -> Iterable[tuple[int, float]]:
        return zip(self.iterations, self.objective, strict=True)

    @property
    def steps(self) -> IntArray:
        """The iterations; a start that was good enough counts as the first."""
        steps = np.array(self.iterations)
        return np.maximum(steps, 1) if len(steps) == 1 else steps


@dataclass(frozen=True)
class Result:
    """Coefficients ``W`` (n_features, n_tasks) and the certificate that belongs to them.

    ``certificate`` is from a full pass, so it has the intercepts; the last objective of ``history``
    is ``W``'s, after the last iteration.
    """

    W: FloatArray
    certificate: Certificate
    history: History
    converged: bool
    # Which solver it is of, as the register names it; "a -> b" where a handed over to b.
    solver: str = ""

    @property
    def n_iter(self) -> int:
        """Number of iterations, at least 1."""
        return int(self.history.steps[-1])

    @property
    def gap(self) -> float:
        """The duality gap, absolute."""
        return self.certificate.gap

    @property
    def intercepts(self) -> FloatArray:
        """The best intercepts at W (n_tasks,)."""
        assert self.certificate.intercepts is not None
        return self.certificate.intercepts
