"""Gains of tasks: paired differences of the losses of two predictions of the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .._typing import AnyArray, FloatArray, IntArray

# Of fewer rows (or groups of rows) a standard error would be a guess.
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Gains:
    """How much smaller the loss of one prediction is than that of another, task by task.

    Attributes
    ----------
    reference, loss : ndarray of shape (n_tasks,)
        Mean loss (or its root) of a task's rows by the reference, and by the model. NaN for a task
        without rows; so are all that follow.
    gain : ndarray of shape (n_tasks,)
        ``reference - loss``: positive where the model is better.
    standard_error : ndarray of shape (n_tasks,)
        Of the gain; NaN with fewer than three rows (or groups).
    lower, upper : ndarray of shape (n_tasks,)
        Ends of the intervals of the gains.
    n_rows : ndarray of shape (n_tasks,)
        Number of rows that the means are over.
    mean, mean_lower, mean_upper : float
        The mean gain of the tasks, with its interval.
    level : float
        Level of the intervals.
    """

    reference: FloatArray
    loss: FloatArray
    gain: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    n_rows: IntArray
    mean: float
    mean_lower: float
    mean_upper: float
    level: float

    @property
    def helps(self) -> AnyArray:
        """Mask (n_tasks,) of the tasks whose interval is above zero."""
        return self.lower > 0.0

    @property
    def hurts(self) -> AnyArray:
        """Mask (n_tasks,) of the tasks whose interval is below zero."""
        return self.upper < 0.0


def paired_gains(
    reference: FloatArray,
    loss: FloatArray,
    codes: AnyArray,
    n_tasks: int,
    *,
    units: Any = None,
    sample_weight: FloatArray | None = None,
    root: bool = False,
    level: float = 0.95,
) -> Gains:
    """Gains, with intervals, from the losses of rows under two predictions.

    Parameters
    ----------
    reference, loss : ndarray of shape (n,)
        Losses of the same rows, such as squared errors of predictions out of fold. Where a row was
        predicted several times, the mean of its losses.
    codes : ndarray of shape (n,)
        Task of each row, from 0.
    n_tasks : int
        Number of tasks.
    units : array-like of shape (n,), default=None
        What was drawn independently: rows of equal values (groups of rows, or the targets in one
        row of a shared X) count as one. None: each row.
    sample_weight : ndarray of shape (n,), default=None
        Positive weights of the rows.
    root : bool, default=False
        Compare roots of mean losses, as RMSEs.
    level : float, default=0.95
        Level of the intervals, in (0, 1).

    Returns
    -------
    gains : Gains
        One for each task, and their mean.

    Notes
    -----
    With ``d_i`` the difference of the losses of row i and ``s_i`` its weight, the gain of a task is
    ``g = sum s_i d_i / sum s_i`` and its variance is estimated by ``n/(n-1) sum s_i^2 (d_i - g)^2 /
    (sum s_i)^2``, sums of squares being over units, of which there are n; the interval is that of
    Student's t with ``n - 1`` degrees of freedom. Roots have the variance of their linearisation.
    The fits are taken as given: what another sample would have taught them is not in it.
    """
    n = len(codes)
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    given = np.arange(n) if units is None else np.asarray(units)
    unit = np.unique(given, return_inverse=True)[1].ravel()  # (numpy 2.0 keeps the shape)
    total = np.bincount(codes, weights=weight, minlength=n_tasks)
    before, after = (_means(v, weight, codes, total) for v in (reference, loss))
    # How much the gain of its task moves with a row.
    moves = reference - before[codes] - (loss - after[codes])
    if root:
        before, after = np.sqrt(before), np.sqrt(after)
        slopes = [np.divide(0.5, v, out=np.zeros(n_tasks), where=v > 0.0) for v in (before, after)]
        moves = (reference - before[codes] ** 2) * slopes[0][codes]
        moves -= (loss - after[codes] ** 2) * slopes[1][codes]
    moves = weight * moves / total[codes]
    gain = before - after
    pairs, where = np.unique(codes * n + unit, return_inverse=True)
    by_unit = np.bincount(where, weights=moves)
    owner = pairs // n
    count = np.bincount(owner, minlength=n_tasks)
    squares = np.bincount(owner, weights=by_unit**2, minlength=n_tasks)
    error, half = _spread(squares, count, level)
    present = total > 0.0
    shared = np.bincount(unit, weights=moves) / max(present.sum(), 1)
    _, mean_half = _spread(np.array([shared @ shared]), np.array([len(np.unique(unit))]), level)
    mean = float(gain[present].mean()) if present.any() else np.nan
    return Gains(
        reference=before,
        loss=after,
        gain=gain,
        standard_error=error,
        lower=gain - half,
        upper=gain + half,
        n_rows=np.bincount(codes, minlength=n_tasks),
        mean=mean,
        mean_lower=mean - float(mean_half[0]),
        mean_upper=mean + float(mean_half[0]),
        level=float(level),
    )


def _means(values: FloatArray, weight: FloatArray, codes: AnyArray, total: AnyArray) -> FloatArray:
    sums = np.bincount(codes, weights=weight * values, minlength=len(total))
    return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0.0)


def _spread(squares: AnyArray, count: AnyArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Standard errors and half lengths of intervals, from sums of squares over so many units."""
    free = np.where(count >= _FEWEST, count - 1.0, np.nan)
    error = np.sqrt(squares * (count / free))
    return error, stats.t.ppf(0.5 + 0.5 * level, free) * error
