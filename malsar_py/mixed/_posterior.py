"""What the rows say of the coefficients of mean regularisation: their normal distribution.

Read as a model, the penalty says that tasks are draws around a common model::

    w_t ~ N(m, sigma2 / (nbar lambda1)), times N(0, sigma2 / (nbar lambda2));   m has no prior
    b_t ~ N(b0, sigma2 / (nbar kappa)),  y_ti = x_ti . w_t + b_t + e_ti,  e_ti ~ N(0, sigma2)

with nbar rows a task. Given the strengths all is normal, with the objective's Hessian as precision.
The common model is eliminated: the work is linear in the number of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._tasks import TaskRows
from .._typing import FloatArray, IntArray
from ._effects import RowVariances
from ._statistics import Frame, TaskStatistics, make_frame, task_statistics

# Less information than this share of what there could be is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of products of a fit's rows."""

    statistics: TaskStatistics

    def posterior(
        self,
        coef: FloatArray,
        intercept: FloatArray,
        *,
        coupling: FloatArray,
        ridge: float,
        kappa: float,
        center: FloatArray | None,
        shares: FloatArray,
    ) -> Posterior:
        """At coefficients (T, d) and intercepts (T,) that minimise the objective.

        For the data as given: ``lambda1 f_j`` in [0, inf] (d,), lambda2, kappa in [0, inf] and
        where it holds (d,), and what a row of weight 1 counts in each task (T,).
        """
        frame = self.statistics.frame
        first, d = int(frame.intercept), len(frame.unit)
        gram = self.statistics.gram
        center = frame.center if center is None else center
        move = np.eye(first + d)
        move[first:, :first] = ((frame.center - center) / frame.unit)[:, None]
        gram = move @ gram @ move.T
        none, n = np.zeros(first), self.statistics.n
        found = _Elimination.of(
            gram * shares[:, None, None],
            np.append(np.full(first, kappa), coupling / frame.unit**2),
            np.append(none, ridge / frame.unit**2),
        )
        freedom = n.sum() - found.degrees_of_freedom()
        if not freedom > 1e-9 * n.sum():
            raise ValueError(
                "As many coefficients as rows: nothing is left to tell the noise from. Strengthen "
                "the penalty, or leave out features."
            )
        sigma2 = self._squares(coef, intercept) / freedom
        moved = Frame(center, frame.unit, frame.y_center, frame.y_unit, frame.intercept)
        per_task = float(n.mean())
        return Posterior(found, _rounded(per_task * shares - 1.0), sigma2, per_task, moved)

    def _squares(self, coef: FloatArray, intercept: FloatArray) -> float:
        """Sum of the squared residuals, over the unit of y squared."""
        frame, s = self.statistics.frame, self.statistics
        v = coef * frame.unit / frame.y_unit
        if frame.intercept:
            level = (intercept + coef @ frame.center - frame.y_center) / frame.y_unit
            v = np.column_stack([level, v])
        fitted = np.einsum("tj,tjk,tk->", v, s.gram, v)
        return max(float(s.squares.sum() - 2.0 * np.sum(v * s.cross) + fitted), 0.0)


@dataclass(frozen=True, eq=False)
class _Elimination:
    """The inverse Hessian in v_t = (b_t, w_t) and the common u = (b0, m), u eliminated last.

    Coordinates of infinite coupling are those of u in every task.
    """

    gram: FloatArray  # (T, p, p), as rows count in the objective
    own: FloatArray  # (T, p, p) covariance of v_t at a known u
    follow: FloatArray  # J (T, p, p): how v_t goes with u
    common: FloatArray  # (p, p) covariance of u
    drawn: FloatArray  # (p,) how the mean of a new task goes with u
    new: FloatArray  # (p,) its variances at a known u

    @classmethod
    def of(cls, gram: FloatArray, coupling: FloatArray, ridge: FloatArray) -> _Elimination:
        T, p, _ = gram.shape
        tied = np.isinf(coupling)
        a, z = np.flatnonzero(~tied), np.flatnonzero(tied)
        held = coupling[a] + ridge[a]
        within = gram[:, a[:, None], a]
        pulled = within + np.diag(ridge[a])
        inverse = np.linalg.inv(pulled + np.diag(coupling[a]))
        own, follow = np.zeros_like(gram), np.zeros_like(gram)
        own[:, a[:, None], a] = inverse
        across = gram[:, a[:, None], z]
        follow[:, a[:, None], a] = inverse * coupling[a]
        follow[:, a[:, None], z] = -inverse @ across
        follow[:, z, z] = 1.0
        precision = np.zeros((p, p))
        # (lambda - lambda A^-1 lambda, without the difference)
        drawn = coupling[a, None] * inverse
        precision[np.ix_(a, a)] = (drawn @ pulled).sum(axis=0)
        precision[np.ix_(a, z)] = (drawn @ across).sum(axis=0)
        precision[np.ix_(z, a)] = precision[np.ix_(a, z)].T
        rest = gram[:, z[:, None], z] - across.transpose(0, 2, 1) @ inverse @ across
        precision[np.ix_(z, z)] = rest.sum(axis=0) + T * np.diag(ridge[z])
        with np.errstate(divide="ignore", invalid="ignore"):
            share, new = np.ones(p), np.zeros(p)
            share[a], new[a] = coupling[a] / held, 1.0 / held
        most = np.einsum("tjj->j", gram) + T * ridge
        return cls(gram, own, follow, _inverse(precision, most), share, new)

    def degrees_of_freedom(self) -> float:
        """Trace of the matrix that takes targets to predictions."""
        return float(np.einsum("tjk,tkj->", self.gram, self.blocks()))

    def blocks(self) -> FloatArray:
        """Of the tasks' own coefficients (T, p, p)."""
        return self.own + self.follow @ self.common @ self.follow.transpose(0, 2, 1)


def _rounded(excess: FloatArray) -> FloatArray:
    """Zero where rows count alike but for rounding."""
    return np.where(np.abs(excess) > 1e-12, excess, 0.0)


def _inverse(precision: FloatArray, most: FloatArray) -> FloatArray:
    """Of a positive semidefinite matrix; what it says nothing of stays where it is.

    ``most``: what its diagonal could be (p,), beside which the rest is rounding.
    """
    unit = np.sqrt(np.where(most > 0.0, most, 1.0))
    values, Q = np.linalg.eigh(0.5 * (precision + precision.T) / np.outer(unit, unit))
    known = values > _NOTHING
    Q = Q[:, known] / unit[:, None]
    return (Q / values[known]) @ Q.T


@dataclass(frozen=True, eq=False)
class Posterior(RowVariances):
    """Covariances of the tasks' intercepts and coefficients, in the frame."""

    found: _Elimination
    excess: FloatArray  # (T,) weight of a row in the objective over that of its variance, less 1
    sigma2: float
    per_task: float
    measured: Frame

    @property
    def frame(self) -> Frame:
        return self.measured

    def covariances(self, index: IntArray) -> FloatArray:
        """Of these tasks (k, p, p); -1: of a task not seen."""
        found, new = self.found, index < 0
        t = index[~new]
        own, follow = found.own[t], found.follow[t]
        out = np.empty((len(index), *found.common.shape))
        common = found.common + self._more_common()
        out[new] = np.diag(found.new) + found.drawn[:, None] * common * found.drawn
        turned = follow.transpose(0, 2, 1)
        cov = own + follow @ common @ turned
        if self.excess.any():
            more = self.excess[t, None, None] * found.gram[t]
            half = own @ more @ follow @ found.common @ turned
            cov = cov + own @ more @ own + half + half.transpose(0, 2, 1)
        out[~new] = cov
        return self.sigma2 / self.per_task * out

    def _more_common(self) -> FloatArray:
        """What the common model's covariance is besides where rows do not count alike."""
        if not self.excess.any():
            return np.zeros_like(self.found.common)
        J, u = self.found.follow, self.found.common
        weighed = self.excess[:, None, None] * self.found.gram
        return u @ (J.transpose(0, 2, 1) @ weighed @ J).sum(axis=0) @ u


def moments(rows: TaskRows, fit_intercept: bool) -> Moments:
    """Of the rows of a fit."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        frame = make_frame(rows, fit_intercept)
        return Moments(task_statistics(rows, frame, precision=False))
