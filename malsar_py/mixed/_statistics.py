"""What a linear mixed model needs to know of the rows: sums of products of each task."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import _kernels
from .._labels import show_label
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray, IntArray

# Digits that centring loses: what is left of a constant column is rounding, not signal.
_ROUNDING = 16.0 * np.finfo(float).eps
_NOTHING = 1e-12  # a share of a sum of squares that is rounding


@dataclass(frozen=True, eq=False)
class Frame:
    """Where columns and targets are measured from, and in what units."""

    center: FloatArray  # (d,)
    unit: FloatArray  # (d,) > 0
    y_center: float
    y_unit: float  # > 0
    intercept: bool  # whether z = [1, x] or z = x

    def to_given(self) -> FloatArray:
        """Matrix (p, p) from effects in this frame to effects on the columns at x = 0.

        (But for the target's own center, which the intercept gets besides.)
        """
        K = np.diag(self.y_unit / self.unit)
        if not self.intercept:
            return K
        p = len(self.unit) + 1
        full = np.zeros((p, p))
        full[0, 0] = self.y_unit
        full[1:, 1:] = K
        full[0, 1:] = -self.center @ K
        return full

    def rows(self, X: FloatArray) -> FloatArray:
        """The z of rows as given (n, p)."""
        return self.centred(X - self.center)

    def centred(self, X: FloatArray) -> FloatArray:
        """The same of rows less the center."""
        Z = np.empty((X.shape[0], X.shape[1] + self.intercept))
        Z[:, : self.intercept] = 1.0
        np.divide(X, self.unit, out=Z[:, self.intercept :])
        return Z


@dataclass(frozen=True, eq=False)
class TaskStatistics:
    """Sums over the rows of each task, in a frame: all that a fit looks at.

    With z = [1, x] (z = x without intercepts) and weights S: ``gram = Z'SZ`` (T, p, p),
    ``cross = Z'Sy`` (T, p), ``squares = y'Sy`` (T,), ``n`` (T,) the number of rows, and the sum of
    the log weights.
    """

    gram: FloatArray
    cross: FloatArray
    squares: FloatArray
    n: FloatArray
    log_weight: float
    frame: Frame

    def in_units(self, unit: FloatArray) -> TaskStatistics:
        """The same with columns measured in these units (d,) of their own."""
        factor = np.ones(self.cross.shape[1])
        factor[self.frame.intercept :] = 1.0 / unit
        return replace(
            self,
            gram=self.gram * np.outer(factor, factor),
            cross=self.cross * factor,
            frame=replace(self.frame, unit=self.frame.unit * unit),
        )

    def joined(self, other: TaskStatistics) -> TaskStatistics:
        """The tasks of both, which are in one frame."""
        return replace(
            self,
            gram=np.concatenate([self.gram, other.gram]),
            cross=np.concatenate([self.cross, other.cross]),
            squares=np.concatenate([self.squares, other.squares]),
            n=np.concatenate([self.n, other.n]),
            log_weight=self.log_weight + other.log_weight,
        )

    def grouped(self) -> bool:
        """Whether there are several tasks, and anything varies within them.

        If not, nothing tells what tasks differ by from noise.
        """
        if len(self.n) < 2 or not self.frame.intercept:
            return len(self.n) > 1
        within = float((self.squares - self.cross[:, 0] ** 2 / self.gram[:, 0, 0]).sum())
        varies = within > _NOTHING * self.squares.sum()
        return bool(varies or (self.within_shares() > _NOTHING).any())

    def within_shares(self) -> FloatArray:
        """Share of each column's sum of squares that is within the tasks (d,), 0 for constants."""
        if not self.frame.intercept:
            return (np.einsum("tjj->j", self.gram) > 0.0).astype(float)
        size = self.gram[:, 0, 0]
        diagonal = np.einsum("tjj->tj", self.gram)[:, 1:]
        within = np.maximum(diagonal - self.gram[:, 0, 1:] ** 2 / size[:, None], 0.0).sum(axis=0)
        total = diagonal.sum(axis=0)
        return np.divide(within, total, out=np.zeros_like(within), where=total > 0.0)


def make_frame(rows: TaskRows, intercept: bool) -> Frame:
    """The weighted grand means and the root mean squares about them."""
    n_features, weight = rows.X.shape[1], rows.sample_weight
    row_weight = weight.reshape(rows.n_tasks, -1).sum(axis=0) if rows.shared else weight
    share, y_share = row_weight / row_weight.sum(), weight / weight.sum()
    center, y_center = np.zeros(n_features), 0.0
    if intercept:
        # About the first task's means, where there are such: that keeps digits.
        known = rows.stands_for
        if known is not None:
            center, y_center = known.X[0], float(known.y[0])
        center = center + share @ (rows.X if known is None else rows.features_about(center))
        y_center += float(y_share @ rows.targets_about(y_center))
    if not (np.isfinite(center).all() and np.isfinite(y_center)):
        raise ValueError("X or y holds numbers too large to be summed: divide them by some unit.")
    unit = _units(rows.X, *rows.moves_to(center), share, center)
    y = np.where(weight > 0.0, rows.targets_about(y_center), 0.0)[:, None]
    whole = np.zeros((1, 1)), np.array([0, len(y)])
    y_unit = _units(y, *whole, y_share, np.array([y_center]))
    return Frame(center, unit, y_center, float(y_unit[0]), intercept)


def _units(
    X: FloatArray, moved: FloatArray, runs: IntArray, share: FloatArray, center: FloatArray
) -> FloatArray:
    """Root mean squares of the columns of moved rows; 1 where they are rounding of a center."""
    X, size = np.ascontiguousarray(X), np.empty(X.shape[1])
    top, flat = _flat(X, moved, runs, center)
    known = ~flat & np.isfinite(top)
    _kernels.mixed.squares(X, moved, runs, share, np.where(known, top, 1.0), size)
    size = top * np.sqrt(size)
    return np.where(known & (size > 0.0), size, 1.0)


def _flat(
    X: FloatArray, moved: FloatArray, runs: IntArray, center: FloatArray
) -> tuple[FloatArray, AnyArray]:
    """Largest sizes in the columns of moved rows, and which of these are rounding of a center."""
    top = np.empty(X.shape[1])
    _kernels.mixed.largest(X, moved, runs, top)
    return top, top <= _ROUNDING * np.sqrt(len(X)) * np.abs(center)


def task_statistics(rows: TaskRows, frame: Frame, precision: bool) -> TaskStatistics:
    """Sums of products of the rows.

    ``precision``: a weight is an inverse variance of a row; otherwise a number of equal rows.
    """
    X = np.ascontiguousarray(rows.X)
    moved, runs = rows.moves_to(frame.center)
    # Constant columns are zero, whatever their rounding.
    _, flat = _flat(X, moved, runs, frame.center)
    y, s, offsets = rows.targets_about(frame.y_center), rows.sample_weight, rows.offsets
    y /= frame.y_unit
    if np.abs(y[s > 0.0]).max() * frame.y_unit <= _ROUNDING * np.sqrt(len(y)) * abs(frame.y_center):
        y = np.zeros_like(y)
    weighted = np.where(s > 0.0, s * y, 0.0)
    n_tasks, p = rows.n_tasks, X.shape[1] + frame.intercept
    gram, cross = np.empty((n_tasks, p, p)), np.empty((n_tasks, p))
    if rows.shared:
        Z = frame.centred(rows.features_about(frame.center))
        Z[:, int(frame.intercept) :][:, flat] = 0.0
        weights = s.reshape(n_tasks, -1)
        for t, own in enumerate(weights):
            same = t > 0 and np.array_equal(own, weights[t - 1])
            gram[t] = gram[t - 1] if same else Z.T @ (Z * own[:, None])
        cross[:] = weighted.reshape(n_tasks, -1) @ Z
    else:
        _kernels.mixed.sums(X, moved, offsets, frame.unit, ~flat, s, y, gram, cross)
    squares = np.add.reduceat(weighted * y, offsets[:-1])
    _refuse_overflow(gram, cross, squares, rows)
    n, log_weight = _counts(rows) if precision else (np.add.reduceat(s, offsets[:-1]), 0.0)
    return TaskStatistics(gram, cross, squares, n, log_weight, frame)


def _counts(rows: TaskRows) -> tuple[FloatArray, float]:
    """Number of rows of each task, and the sum of the logs of their weights."""
    if rows.stands_for is not None:
        return rows.stands_for.n.astype(float), float(rows.stands_for.log_weight.sum())
    s = rows.sample_weight
    n = np.add.reduceat((s > 0.0).astype(float), rows.offsets[:-1])
    return n, float(np.log(s[s > 0.0]).sum())


def _refuse_overflow(
    gram: FloatArray, cross: FloatArray, squares: FloatArray, rows: TaskRows
) -> None:
    wrong = ~np.isfinite(gram.reshape(len(gram), -1).sum(axis=1) + cross.sum(axis=1) + squares)
    if wrong.any():
        t: IntArray = np.flatnonzero(wrong)
        raise ValueError(
            f"Squares of task {show_label(rows.tasks, int(t[0]))} overflow: its features, targets "
            "or weights are too far from those of the others. Divide them by some unit."
        )
