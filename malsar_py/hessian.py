"""The Hessian of weighted squares in W with the intercepts minimised out: blkdiag(H_t) - v v' / s.

Tasks meet only in the intercepts they share (v, s): what is solved task by task is solved for all
by one correction of rank one, or of one for each class (Sherman, Morrison, Woodbury).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ._linalg import free_solver, held, psd_solver
from ._protocols import Basis, Rows
from ._typing import AnyArray, FloatArray, IntArray
from .design import Design
from .intercepts import Intercepts, ShrunkIntercepts, Tie

# A step for a gradient, both (d, T); or of some features alone.
Solve = Callable[[FloatArray], FloatArray]

# What is left of s, as a share of it, where features can stand in for the common intercept.
_NOTHING = 1e-13


class Hessian:
    """Of ``1/2 sum weight (x_ti . w_t + b_t)^2`` and the cost of intercepts, least over these."""

    def __init__(
        self, design: Design, weight: FloatArray, intercepts: Intercepts, fit_intercept: bool
    ):
        self.design = design
        self.weight = weight
        self.intercepts = intercepts
        self.fit_intercept = fit_intercept
        self._gram: FloatArray | None = None
        # What was asked for last: H_t of some features, a system along one direction.
        self._some: tuple[IntArray, FloatArray] | None = None
        self._direction: tuple[IntArray, FloatArray, float, Solve] | None = None

    def gram(self) -> FloatArray:
        """The H_t, (T, d, d) or (1, d, d) when all tasks have the same."""
        if self._gram is None:
            self._gram = self.design.gram(self.weight, self.fit_intercept)
            if self.tie is not None:
                rows = self._kept_means
                self._gram = self._gram + rows[:, :, None] * rows[:, None, :]
        return self._gram

    def set_gram(self, gram: FloatArray) -> None:
        """Take H_t that are known."""
        self._gram = gram

    @property
    def has_gram(self) -> bool:
        """Whether the H_t are there already."""
        return self._gram is not None

    @cached_property
    def _totals(self) -> FloatArray:
        return np.add.reduceat(self.weight, self.design.offsets[:-1])

    @cached_property
    def _means(self) -> FloatArray:
        """Weighted means of the features in each task (T, d)."""
        return self.design.means(self.weight)

    @cached_property
    def _kept_means(self) -> FloatArray:
        """The means as rows (T, d) of weight one that the tasks' own intercepts leave in H_t."""
        kept = self.intercepts.kept(self._totals)
        return np.sqrt(self._totals * kept)[:, None] * self._means

    @cached_property
    def tie(self) -> Tie | None:
        """V (n_features, n_tasks) and s; None where tasks do not meet.

        One X with weights that are the same for all tasks is centred at its means: v is zero.
        """
        if not isinstance(self.intercepts, ShrunkIntercepts) or self.design.same_weights:
            return None
        tie = self.intercepts.tie(self._means, self._totals)
        return tie if (tie.s > 0.0).all() else None  # (below what floats hold, tasks are free)

    def scaled_rows(self) -> FloatArray:
        """Z (N, d) with ``Z_t'Z_t = H_t``, a new array."""
        if not self.intercepts.tied:
            return self.design.scaled_rows(self.weight, self.fit_intercept)
        Z = self.design.scaled_rows(self.weight, False)
        taken = 1.0 - np.sqrt(self.intercepts.kept(self._totals))
        means = np.repeat(taken[:, None] * self._means, np.diff(self.design.offsets), axis=0)
        return Z - np.sqrt(self.weight)[:, None] * means

    def each(self, V: FloatArray) -> FloatArray:
        """``H_t v_t`` by two passes over X."""
        z = self.design.predict(V)
        self.intercepts.remove(z, self.weight, self.design.offsets, 0.0)
        return self.design.adjoint(self.weight * z)

    def tied(self, solve: Solve) -> Solve:
        """Solutions with this Hessian, from those with ``blkdiag(H_t)`` in its place."""
        if self.tie is None:
            return solve
        tie, root = self.tie, np.sqrt(self.tie.s)
        along = np.stack([solve(v) for v in tie.each])
        taken = np.array([tie.along(found) for found in along])
        # Where it is singular, right-hand sides have no part.
        values, U = np.linalg.eigh(np.eye(len(root)) - taken / root / root[:, None])
        U = U[:, values > _NOTHING] / root[:, None]
        if U.size == 0:
            return solve
        inverse = (U / values[values > _NOTHING]) @ U.T

        def tied_solve(R: FloatArray) -> FloatArray:
            found = solve(R)
            return found + np.tensordot(inverse @ tie.along(found), along, 1)

        return tied_solve

    def free_step(
        self,
        G: FloatArray,
        rows: Rows,
        basis: Basis,
        kept: AnyArray | None = None,
        ridge: float = 0.0,
    ) -> FloatArray:
        """The step (d, T) in some rows, along the basis, after which G has no part there.

        With a mask of these coordinates: in those that are kept. ``ridge``: with so much on the
        diagonal, along a single direction.
        """
        return self.free_stepper(rows, basis, kept, ridge)(G)

    def free_stepper(
        self, rows: Rows, basis: Basis, kept: AnyArray | None, ridge: float = 0.0
    ) -> Solve:
        """The same for several G."""
        single = basis is not None and basis.shape[1] == 1
        if basis is not None and kept is None and _apart(basis):
            solver = self._along(rows, basis, ridge)

            def inner(R: FloatArray) -> FloatArray:
                return solver(R @ basis) @ basis.T

        else:
            if single:
                assert basis is not None
                gram = self._sum_along(rows, self._index(rows), basis[:, 0])[None]
            else:
                gram = self._gram_of(rows)
            free = free_solver(held(gram, kept), basis)

            def inner(R: FloatArray) -> FloatArray:
                return free(R if kept is None else R * kept)

        def solve(R: FloatArray) -> FloatArray:
            step = np.zeros_like(R)
            step[rows] = inner(R[rows])
            return step

        return self.tied(solve)

    def _gram_of(self, rows: Rows) -> FloatArray:
        """The H_t of some features; kept."""
        if isinstance(rows, slice):
            return self.gram()
        if self._gram is not None:
            return self._gram[:, rows][:, :, rows]
        if self._some is None or not np.array_equal(self._some[0], rows):
            gram = self.design.restrict(rows).gram(self.weight, self.fit_intercept)
            if self.tie is not None:
                own = self._kept_means[:, rows]
                gram = gram + own[:, :, None] * own[:, None, :]
            self._some = rows, gram
        return self._some[1]

    def _index(self, rows: Rows) -> IntArray:
        return np.arange(self.design.n_features) if isinstance(rows, slice) else rows

    def _along(self, rows: Rows, basis: FloatArray, ridge: float) -> Solve:
        """Solutions with ``sum_t basis_tk^2 H_t`` for column k, of some features, and the ridge.

        They are kept.
        """
        index = self._index(rows)
        last = self._direction
        if (
            last is None
            or last[2] != ridge
            or not (np.array_equal(last[0], index) and np.array_equal(last[1], basis))
        ):
            each = [self._sum_along(rows, index, direction) for direction in basis.T]
            solvers = [psd_solver(H + ridge * np.eye(len(H))) for H in each]

            def solve(R: FloatArray) -> FloatArray:
                return np.column_stack([own(R[:, k]) for k, own in enumerate(solvers)])

            last = index, basis, ridge, solve if len(solvers) > 1 else solvers[0]
            self._direction = last
        return last[3]

    def _sum_along(self, rows: Rows, index: IntArray, direction: FloatArray) -> FloatArray:
        if self._gram is not None:
            gram = np.broadcast_to(self._gram, (len(direction), *self._gram.shape[1:]))
            H = np.einsum("t,tij->ij", np.square(direction), gram)
            return H if isinstance(rows, slice) else H[np.ix_(index, index)]
        design = self.design if isinstance(rows, slice) else self.design.restrict(index)
        H = design.gram_along(self.weight, self.fit_intercept, direction)[0]
        if self.tie is not None:
            own = direction[:, None] * self._kept_means[:, index]
            H = H + own.T @ own
        return H


def _apart(basis: FloatArray) -> bool:
    """Whether no task has a part in two of the directions."""
    return basis.shape[1] == 1 or bool(((basis != 0.0).sum(axis=1) <= 1).all())
