"""Block coordinate descent over some features, for the squared loss.

Gram matrices while they are small, residuals above.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .. import _kernels
from .._protocols import Rows
from .._typing import FloatArray, IntArray
from ..objective import Objective, Pass, QuadraticObjective
from ._blocks import blocks, descend, penalty_value
from ._inner_base import Inner
from ._norms import by_entries, kernel_terms
from ._support import lasso_models

# Gram matrices of all of so many features are soon made.
WHOLE_GRAM = 1500
_ROUND_EPOCHS = 40
_BLOCK = 64
# Numbers gathered at a time: temporaries of the size of the working set would count.
_PIECE = 1 << 18
# Rows of a Gram matrix that are hardly dearer than one: X is read but once.
_ROWS_AT_ONCE = 16
# Look at the gap when so much of the last progress is less than what is aimed for.
_HOPE = 0.1
# One task's Lasso: from which share of the scale its support is looked for, or after how many
# epochs, where what is aimed for is so much less.
_NEAR, _NEAR_EPOCHS, _MUCH = 1e-3, 60, 0.2
# Larger supports cost more than the epochs they save.
_MOST_NEAR = 150
_EPS = float(np.finfo(float).eps)
# Rounding errors of this share do not show in a gap.
_NEGLIGIBLE = 1e-11


def tasks_are_apart(objective: Objective) -> bool:
    """Whether neither rows nor the norm join the tasks."""
    own = isinstance(objective, QuadraticObjective) and not objective.design.one_x
    return own and objective.shape[1] > 1 and by_entries(objective)


class Columns(Inner):
    """Holds the features ``sqrt(c) (x - mean)``, one a row of A: what all quadratic ones need."""

    def __init__(
        self,
        objective: QuadraticObjective,
        working: IntArray,
        last: Columns | None,
        dtype: type = np.float64,
    ):
        super().__init__(objective, working)
        self.segments = objective.design.segments
        stop = self.segments[-1].stop
        if last is None:
            self.factor = np.sqrt(objective.c[:stop])
            self.root = np.where(self.factor > 0.0, self.factor, 1.0)
            self.y = objective.theta0.reshape(-1, stop) / self.root
        else:  # of the same data
            self.factor, self.root, self.y = last.factor, last.root, last.y
        k, n_tasks = working.size, objective.shape[1]
        self.A = np.empty((k, stop), dtype)
        self.means = np.zeros((k, len(self.segments)))
        self.rhs = np.empty((n_tasks, k))
        # Places of the features that were there before, their places there, places of the others.
        self.places: tuple[Rows, Rows, Rows] = (slice(0), slice(0), slice(0, k))
        if last is not None and (dtype == np.float32 or last.A.dtype == np.float64):
            # The same rows as before are copied, not gathered from the columns of X.
            self.places = _same(last.working, working, objective.shape[0])
            old, where, _ = self.places
            self.means[old], self.rhs[:, old] = last.means[where], last.rhs[:, where]
            if isinstance(old, slice):
                self.A[old] = last.A
            else:
                assert not isinstance(where, slice)
                for piece in _pieces(old.size, stop):
                    self.A[old[piece]] = last.A[where[piece]]
        fresh = self.places[2]
        if not isinstance(fresh, slice):
            fresh = fresh[np.argsort(working[fresh])]
            for piece in _pieces(fresh.size, stop):
                self._gather(fresh[piece])
            return
        for piece in _pieces(k - fresh.start, stop):
            self._gather(slice(fresh.start + piece.start, min(fresh.start + piece.stop, k)))

    def _gather(self, fresh: Rows) -> None:
        """Rows ``fresh`` of A, with their means and products with y."""
        root, c = self.factor, self.objective.c
        A = self.objective.design.columns(self.working[fresh])
        n_tasks = self.objective.shape[1]
        for t, own in enumerate(self.segments):
            if self.objective.fit_intercept:
                mean = A[:, own] @ c[own] / c[own].sum()
                A[:, own] -= mean[:, None]
                self.means[fresh, t] = mean
            A[:, own] *= root[own]
            tasks = slice(t, t + 1) if len(self.segments) == n_tasks else slice(None)
            self.rhs[tasks, fresh] = np.dot(self.y[:, own], A[:, own].T)
        self.A[fresh] = A

    def predict(self, W: FloatArray) -> FloatArray | None:
        W = W.T
        if len(self.segments) < W.shape[0]:
            scaled = np.dot(np.ascontiguousarray(W, dtype=self.A.dtype), self.A)
            return (scaled / self.root + np.dot(W, self.means)).ravel()
        z = np.empty(self.root.shape[0])
        for t, own in enumerate(self.segments):
            w = np.ascontiguousarray(W[t])
            z[own] = w @ self.A[:, own] / self.root[own] + w @ self.means[:, t]
        return z


def _same(before: IntArray, now: IntArray, n_features: int) -> tuple[Rows, Rows, Rows]:
    """Positions in ``now`` of the features of ``before``, those in ``before``, and the rest.

    As slices where the features of ``before`` come first, all of them.
    """
    known = before.size
    if known <= now.size and (before == now[:known]).all():
        return slice(0, known), slice(0, known), slice(known, now.size)
    where = np.full(n_features, -1)
    where[before] = np.arange(before.size)
    where = where[now]
    old, fresh = np.flatnonzero(where >= 0), np.flatnonzero(where < 0)
    return old, where[old], fresh


class ByGram(Inner):
    """Descent on the Gram matrices ``H`` and products ``rhs`` that a subclass puts together."""

    H: FloatArray
    rhs: FloatArray
    # Layout of _kernels.row_norms.
    row_major = False

    def solve(
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W, G = (W, G_rows.T) if self.row_major else (W.T, G_rows)
        W, G = np.array(W, order="C"), np.ascontiguousarray(G)
        most, by_row = self.epochs, True if self.row_major else None
        gap, epochs = np.inf, 0
        near = goal < _MUCH * _NEAR * self.objective.scale
        if W.shape[0] == 1 and near and by_entries(self.objective):
            self._onto_support(threshold, W, G)
        for apart in (True, False) if tasks_are_apart(self.objective) else (False,):
            if gap > goal:  # (each task's share of the gap may be less than rounding leaves)
                bases = self._losses_at_zero() if apart else np.array([self.objective.scale])
                gap, epochs = _kernels.row_norms.gram_descent(
                    code, self.H, self.rhs, bases, threshold, ridge, goal, most, by_row, W, G
                )
        return W if by_row else W.T, gap <= goal or epochs < most

    def _onto_support(self, threshold: FloatArray, W: FloatArray, G: FloatArray) -> None:
        """Of one task's Lasso: not far from the solution find the support, and solve there.

        W and G become those of what is found. Descent may take hundreds of epochs for that.
        """
        code, ridge = kernel_terms(self.objective)
        scale, near = self.objective.scale, _NEAR * self.objective.scale
        base = np.array([scale])
        gap, _ = _kernels.row_norms.gram_descent(
            code, self.H, self.rhs, base, threshold, ridge, near, _NEAR_EPOCHS, None, W, G
        )
        if np.count_nonzero(W) > _MOST_NEAR:
            return
        new = W.copy()
        lasso_models(self.H, self.rhs, threshold, ridge, new)
        pulled = self.rhs - np.dot(new, self.H[0])
        there = _kernels.row_norms.restricted_gap(
            code, threshold, ridge, scale, False, self.rhs, new, pulled
        )[1]
        if there < gap:  # (it may be no number, where features are dependent)
            W[:], G[:] = new, pulled

    def _losses_at_zero(self) -> FloatArray:
        """Of the tasks (T,)."""
        theta, c = self.objective.theta0, self.objective.c
        squares = np.divide(theta * theta, c, out=np.zeros_like(c), where=c > 0.0)
        return 0.5 * np.add.reduceat(squares, self.objective.design.offsets[:-1])


class Gram(ByGram, Columns):
    """Block descent on ``rhs - H W``; H grows with the working set."""

    # Epochs are cheap beside passes over all features.
    share = 2e-3
    last_share = 1e-6

    def __init__(self, objective: QuadraticObjective, working: IntArray, last: Columns | None):
        super().__init__(objective, working, last)
        k = working.size
        self.H = np.empty((len(self.segments), k, k))
        fresh: Rows = slice(0, k)
        if isinstance(last, Gram):
            old, where, fresh = self.places
            if isinstance(old, slice):
                self.H[:, old, old] = last.H
            else:
                self.H[np.ix_(np.arange(len(self.H)), old, old)] = last.H[:, where][:, :, where]
        if isinstance(fresh, slice) and fresh.start == k:
            return
        for t, own in enumerate(self.segments):
            cross = np.dot(self.A[:, own], self.A[fresh, own].T)
            self.H[t, :, fresh] = cross if isinstance(fresh, slice) else cross.T
            self.H[t, fresh] = cross.T


class WholeGram(ByGram):
    """The same for all features at once."""

    def __init__(self, objective: QuadraticObjective, working: IntArray):
        super().__init__(objective, working)
        self.rhs, self.H = objective.rhs_rows, objective.gram()
        # Loops over the tasks are the long ones.
        own = self.H.shape[0] == objective.shape[1] and not tasks_are_apart(objective)
        self.row_major = own and self.H.shape[0] >= self.H.shape[1]
        if self.row_major:
            self.rhs = np.ascontiguousarray(self.rhs.T)
            self.H = np.ascontiguousarray(self.H.transpose(1, 2, 0))

    def predict(self, W: FloatArray) -> FloatArray | None:
        return None


class GramRows(ByGram):
    """A tall X that all tasks share: rows of the Gram matrix, as the working set grows.

    They give the gradients of all features without another pass over X.
    """

    share = 2e-3
    last_share = 1e-6

    def __init__(
        self,
        objective: QuadraticObjective,
        working: IntArray,
        last: GramRows | None,
        sizes: FloatArray | None,
    ):
        super().__init__(objective, working)
        n_features = objective.shape[0]
        design, c, centered = objective.design, objective.c, objective.fit_intercept
        self.rows: FloatArray
        self.means: FloatArray
        self.held: IntArray
        held: IntArray = last.held if last is not None else np.empty(0, dtype=np.intp)
        fresh = np.setdiff1d(working, held)
        if fresh.size and sizes is not None:
            fresh = _with_next(fresh, held, sizes)
        if last is not None and not fresh.size:
            self.held = held
            self.rows, self.means = last.rows, last.means
        elif (2 if sizes is None else 4) * (held.size + fresh.size) > n_features:
            # Many rows cost as much as all of them at once, of which half follow by symmetry; so do
            # fewer, if more are to come.
            self.held = np.arange(n_features)
            self.rows = objective.gram()[0]
            self.means = design.means(c)[0] if centered else np.zeros(n_features)
        else:
            self.held = np.concatenate([held, fresh])
            self.rows, self.means = design.gram_rows(fresh, c, centered)
            if last is not None:
                self.rows = np.concatenate([last.rows, self.rows])
                self.means = np.concatenate([last.means, self.means])
        where = np.empty(n_features, dtype=np.intp)
        where[self.held] = np.arange(self.held.size)
        self.where = where[working]
        self.H = np.ascontiguousarray(self.rows[np.ix_(self.where, working)])[None]
        self.rhs = np.ascontiguousarray(objective.rhs_rows[:, working])

    def predict(self, W: FloatArray) -> FloatArray | None:
        return None

    def look(self, W: FloatArray) -> tuple[Pass, bool]:
        objective = self.objective
        used = np.flatnonzero(W.any(axis=1))
        rows, W = self.rows[self.where[used]], np.ascontiguousarray(W[used].T)
        moved = np.dot(W, rows)
        G_rows = objective.rhs_rows - moved
        features = self.working[used]
        pulled = float(np.vdot(W, objective.rhs_rows[:, features]))
        loss = objective.scale - pulled + 0.5 * float(np.vdot(W, moved[:, features]))
        intercepts = objective.b0 - np.dot(W, self.means[self.where[used]])
        # Products that cancel in G leave rounding errors of their own size.
        largest = float(np.max(np.dot(np.abs(W), np.abs(rows)), initial=0.0))
        exact = largest * _EPS <= _NEGLIGIBLE * float(np.abs(G_rows).max(initial=0.0))
        exact = exact and objective.scale * _EPS <= _NEGLIGIBLE * loss
        return Pass(max(loss, 0.0), G_rows, intercepts), exact


def _with_next(fresh: IntArray, held: IntArray, sizes: FloatArray) -> IntArray:
    """The features, and those that are next by the sizes of their gradients.

    What is held doubles at least, and grows faster where many features enter at once, so that a
    path reads X a few times only.
    """
    score = sizes.copy()
    score[held] = -1.0
    score[fresh] = np.inf
    wanted = max(4 * fresh.size, held.size, _ROWS_AT_ONCE)
    wanted = min(wanted, score.size - held.size)
    return np.sort(np.argpartition(score, -wanted)[-wanted:])


class Residual(Columns):
    """Block descent with residuals: more features than a Gram matrix pays for."""

    trims = True
    epochs = _ROUND_EPOCHS

    def __init__(self, objective: QuadraticObjective, working: IntArray, last: Columns | None):
        super().__init__(objective, working, last)
        norms = [np.einsum("ji,ji->j", self.A[:, own], self.A[:, own]) for own in self.segments]
        self.h = np.ascontiguousarray(np.broadcast_to(np.stack(norms), self.rhs.shape))

    def solve(
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W = np.ascontiguousarray(W.T)
        R = self.y.copy()
        for t, own in enumerate(self.segments):
            R[:, own] -= np.dot(W if len(self.segments) < W.shape[0] else W[t], self.A[:, own])
        gap, epochs = _kernels.row_norms.residual_descent(
            code,
            self.A,
            self.objective.design.starts,
            self.objective.design.offsets,
            self.h,
            self.rhs,
            self.objective.scale,
            threshold,
            ridge,
            goal,
            self.epochs,
            W,
            R.ravel(),
        )
        return W.T, gap <= goal or epochs < self.epochs


class Blocks(Columns):
    """One X: blocks of rows by matrix products, cyclic inside a block by its Gram matrix.

    What is kept up to date beside W is the ``state``: residuals or gradients, one column a task.
    """

    @abstractmethod
    def _state(self, W: FloatArray, G_rows: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _gradient(self, state: FloatArray, rows: slice) -> FloatArray: ...

    @abstractmethod
    def _move(self, state: FloatArray, rows: slice, change: FloatArray) -> None: ...

    @abstractmethod
    def _loss(self, W: FloatArray, state: FloatArray) -> float: ...

    _squares: list[FloatArray]

    def solve(
        self, W: FloatArray, G_rows: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        code, ridge = kernel_terms(self.objective)
        W = np.ascontiguousarray(W)
        state = self._state(W, G_rows)
        rhs = np.ascontiguousarray(self.rhs.T)
        change = np.empty((_BLOCK, W.shape[1]))
        parts = [
            (rows, H, threshold[rows])
            for rows, H in zip(blocks(self.working.size, _BLOCK), self._squares, strict=True)
        ]

        def cycle(W: FloatArray, state: FloatArray) -> None:
            for rows, H, tau in parts:
                g = self._gradient(state, rows)
                d = change[: g.shape[0]]
                if _kernels.row_norms.shared_block_epoch(code, H, tau, ridge, W[rows], g, d):
                    self._move(state, rows, d)

        def primal(W: FloatArray, state: FloatArray) -> float:
            return self._loss(W, state) + penalty_value(code, threshold, ridge, W)

        def gap(W: FloatArray, state: FloatArray) -> float:
            gradient = self._gradient(state, slice(None))
            return _kernels.row_norms.restricted_gap(
                code, threshold, ridge, self.objective.scale, True, rhs, W, gradient
            )[1]

        return descend(
            W,
            state,
            goal,
            cycle=cycle,
            primal=primal,
            gap=gap,
            epochs=self.epochs,
            before=primal(W, state),
            hope=_HOPE,
        )


class BlockGram(Gram, Blocks):
    """Gradients, moved by the columns of the Gram matrix."""

    def __init__(self, objective: QuadraticObjective, working: IntArray, last: Columns | None):
        super().__init__(objective, working, last)
        parts = blocks(working.size, _BLOCK)
        self._squares = [np.ascontiguousarray(self.H[0, rows, rows]) for rows in parts]

    solve = Blocks.solve

    def _state(self, W: FloatArray, G_rows: FloatArray) -> FloatArray:
        return np.ascontiguousarray(G_rows.T)

    def _gradient(self, state: FloatArray, rows: slice) -> FloatArray:
        return state[rows].copy()

    def _move(self, state: FloatArray, rows: slice, change: FloatArray) -> None:
        state -= np.dot(self.H[0, :, rows], change)

    def _loss(self, W: FloatArray, state: FloatArray) -> float:
        inner = float(np.vdot(W, state)) + float(np.vdot(W, self.rhs.T))
        return self.objective.scale - 0.5 * inner


class BlockResidual(Blocks):
    """Residuals (n, T): both products of a block then run at full speed.

    Far from the optimum single precision does, at twice that speed.
    """

    trims = True
    epochs = _ROUND_EPOCHS

    def __init__(
        self,
        objective: QuadraticObjective,
        working: IntArray,
        last: Columns | None,
        single: bool,
    ):
        self.single = single
        super().__init__(objective, working, last, np.float32 if single else np.float64)
        self.start = np.ascontiguousarray(self.y.T, dtype=self.A.dtype)
        self._squares = [
            np.dot(self.A[r], self.A[r].T).astype(np.float64, copy=False)
            for r in blocks(working.size, _BLOCK)
        ]

    def _state(self, W: FloatArray, G_rows: FloatArray) -> FloatArray:
        return self.start - np.dot(self.A.T, W.astype(self.A.dtype, copy=False))

    def _gradient(self, state: FloatArray, rows: slice) -> FloatArray:
        return np.dot(self.A[rows], state).astype(np.float64, copy=False)

    def _move(self, state: FloatArray, rows: slice, change: FloatArray) -> None:
        state -= np.dot(self.A[rows].T, change.astype(state.dtype, copy=False))

    def _loss(self, W: FloatArray, state: FloatArray) -> float:
        return 0.5 * float(np.vdot(state, state))


def _pieces(n_rows: int, width: int) -> list[slice]:
    """Rows of a matrix in parts of ``_PIECE`` numbers, or one block if that is more."""
    step = max(_BLOCK, _PIECE // width)
    return [slice(start, start + step) for start in range(0, n_rows, step)]
