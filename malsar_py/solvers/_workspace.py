"""What solvers keep between problems on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from .._typing import FloatArray
from ..objective import Objective, Pass, Quadratic
from ..rotated import RotatedObjective


@dataclass(frozen=True)
class Known:
    """The last coefficients of a working-set solver, the pass there, and the thresholds then."""

    W: FloatArray
    seen: Pass
    threshold: FloatArray
    exact: bool = True


@dataclass(frozen=True)
class Factorized:
    """Systems of the tasks' losses and a quadratic term with ``rho`` more on the diagonal."""

    quadratic: Quadratic
    rho: float
    solve: Callable[[FloatArray], FloatArray]


@dataclass
class Workspace:
    """Intermediate results that do not depend on the penalty: the set-up of a path is paid once.

    Hand the same one to each solve along a path, with objectives from ``Objective.with_penalty``.
    Everything starts as None; each solver sets and reads its own entries after :meth:`open`, which
    forgets them all when the data are others.
    """

    # The data it belongs to: an objective's design, weights and loss.
    data: tuple[Any, ...] | None = None
    # Whether the problem is one of a path, and starts at the solution of the one before.
    follows: bool = False
    # Largest curvature of the loss alone.
    lipschitz: float | None = None
    # A shared X in its own eigenbasis.
    rotated: RotatedObjective | None = None
    # How often the tasks' Gram matrices were factorized, and their eigenbases if that was often.
    n_factors: int | None = None
    bases: Any = None
    # Rows partly centred for intercepts that are shrunk.
    tied: Any = None
    # The splitting's last systems.
    splitting: Factorized | None = None
    # Where the last working set ended, and its solver with columns or Gram matrices.
    known: Known | None = None
    before: Known | None = None  # the end before that one
    inner: Any = None

    def open(self, objective: Objective) -> None:
        """Make it the workspace of this objective's data."""
        mine = (objective.design, objective.y, objective.c, objective.loss, objective.intercepts)
        if self.data is None or any(a is not b for a, b in zip(self.data, mine, strict=True)):
            for field in fields(self):
                if field.name != "follows":
                    setattr(self, field.name, None)
            self.data = mine
