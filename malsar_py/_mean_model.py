"""The model of a task that was not fitted: the mean of all, by what each of them could learn.

A task learns the coefficient of a feature from how the feature varies within the task. Where it
does not, the coefficient is what the penalty left there, and the feature's effect is inside the
intercept. Where it hardly does, in all tasks together, the coefficient may be anything, and a new
task is as far from the fitted ones as they are from each other: its error would be multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._linalg import nonzero_rows
from ._typing import AnyArray, FloatArray

# A feature needs at least this share of its sum of squares within the tasks.
_LEAST_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class MeanModel:
    """``m_j = sum_t share_tj w_tj`` and ``b = sum_t weight_t (b_t + xbar_t . (w_t - m))``."""

    shares: FloatArray | None  # (n_tasks, n_features or 1); None: all are 1 / n_tasks
    centres: FloatArray | None  # xbar (n_tasks, n_features); None without intercepts
    weights: FloatArray  # (n_tasks,), their sum is 1

    def of(self, W: FloatArray, intercept: FloatArray) -> tuple[FloatArray, float]:
        """Coefficients (n_features,) and intercept for W (n_features, n_tasks)."""
        m, used = np.zeros(W.shape[0]), np.flatnonzero(nonzero_rows(W))
        W = W[used]
        if self.shares is None:
            m[used] = W.mean(axis=1)
        else:
            shares = np.broadcast_to(self.shares, (len(self.shares), len(m)))
            m[used] = np.einsum("tj,jt->j", shares[:, used], W)
        if self.centres is None:
            return m, 0.0
        rest = np.einsum("tj,jt->t", self.centres[:, used], W - m[used, None])
        return m, float(self.weights @ (intercept + rest))

    def among(self, tasks: AnyArray) -> MeanModel:
        """The rule where only some of the tasks (a mask) have a model."""
        if tasks.all():
            return self
        weights = np.where(tasks, self.weights, 0.0)
        shares = np.broadcast_to(1.0, (len(tasks), 1)) if self.shares is None else self.shares
        shares = np.where(tasks[:, None], shares, 0.0)
        total = shares.sum(axis=0)
        shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0.0)
        return MeanModel(shares, self.centres, weights / weights.sum())


def make_mean_model(
    squares: FloatArray | None,
    centres: FloatArray | None,
    sizes: FloatArray | None,
    weights: FloatArray,
) -> MeanModel:
    """The rule for these tasks.

    ``squares``: weighted sums of squares of the features within the tasks (T, d); ``sizes``: total
    sample weights (T,); both None where all tasks have the same. ``weights``: those of the tasks.
    """
    weights = weights / weights.sum()
    if squares is None or sizes is None:
        return MeanModel(None, centres, weights)
    total = squares.sum(axis=0)
    learnt = total > 0.0
    if centres is not None:
        apart = centres - sizes @ centres / sizes.sum()
        learnt &= total >= _LEAST_SHARE * (total + sizes @ np.square(apart))
    shares = np.divide(squares, total, out=np.zeros_like(squares), where=learnt)
    return MeanModel(shares, centres, weights)


def constant_within_tasks(squares: FloatArray | None, centres: FloatArray) -> AnyArray:
    """Which features differ between tasks but within none (d,)."""
    if squares is None:
        return np.zeros(centres.shape[1], bool)
    rounding = 16.0 * np.finfo(float).eps * np.abs(centres).max(axis=0)
    return ~squares.any(axis=0) & (np.ptp(centres, axis=0) > rounding)
