"""Groups of features across the tasks, with a sparse term inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .. import prox
from .._typing import FloatArray, IntArray
from ._base import FreePart, Norm, Penalty, Ridge

# Newton's steps to a root; ten are many.
_STEPS = 100
# Steps of this share are rounding.
_ROUNDING = 4.0 * np.finfo(float).eps


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureGroups(Norm):
    """``lambda1 (sum_g weights_g ||W_g||_F + sparse sum_jt |w_jt|)``: groups of features [1]_ [2]_.

    W_g are the rows of group g: all coefficients of its features over the tasks, which are zero or
    not together. The prox is a soft threshold at ``tau sparse``, then ``max(1 - tau weights_g /
    ||V_g||_F, 0)`` on each group. The dual norm is ``max_g ||G_g||_F / weights_g``; with a sparse
    term the largest s with ``||soft(G_g, s sparse)||_F = s weights_g`` of a group.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).
    groups : ndarray of int of shape (n_features,)
        The group of each feature, numbered from 0.
    weights : ndarray of shape (n_groups,)
        Weight of each group, in [0, inf); the square root of its size as a rule.
    sparse : float, default=0.0
        Weight of the sparse term, in [0, inf).

    References
    ----------
    .. [1] M. Yuan, Y. Lin, "Model selection and estimation in regression with grouped variables",
       J. Royal Statistical Society B 68, 2006.
    .. [2] N. Simon, J. Friedman, T. Hastie, R. Tibshirani, "A sparse-group lasso", J. Computational
       and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import FeatureGroups
    >>> penalty = FeatureGroups(groups=np.array([0, 0, 1]), weights=np.array([2.0, 1.0]))
    >>> penalty.value(np.array([[3.0], [4.0], [1.0]]))
    11.0
    """

    groups: IntArray
    weights: FloatArray
    sparse: float = 0.0

    def value(self, W: FloatArray) -> float:
        value = float(self.weights @ self._lengths(W))
        if self.sparse > 0.0:
            value += self.sparse * float(np.abs(W).sum())
        return self.lambda1 * value

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        tau = step * self.lambda1
        V = prox.prox_l1(V, tau * self.sparse) if self.sparse > 0.0 else V
        lengths, cut = self._lengths(V), tau * self.weights
        share = np.divide(cut, lengths, out=np.ones_like(lengths), where=lengths > cut)
        return V * (1.0 - np.where(cut > 0.0, share, 0.0))[self.groups, None]

    def dual_norm(self, G: FloatArray) -> float:
        if self.sparse == 0.0:
            lengths, used = self._lengths(G), self.weights > 0.0
            return float((lengths[used] / self.weights[used]).max(initial=0.0))
        # Where the soft threshold of a group fits its ball: its length less the ball's radius is
        # convex and falls, so Newton's steps from below end there and never beyond.
        sizes, at = np.abs(G), np.zeros(len(self.weights))
        for _ in range(_STEPS):
            beside = np.maximum(sizes - (at * self.sparse)[self.groups, None], 0.0)
            lengths = self._lengths(beside)
            outside = lengths > at * self.weights
            if not outside.any():
                break
            sums = np.bincount(self.groups, beside.sum(axis=1), minlength=len(at))
            slope = np.divide(sums, lengths, out=np.zeros_like(at), where=outside)
            step = (lengths - at * self.weights) / (self.sparse * slope + self.weights + ~outside)
            new = np.where(outside, at + step, at)
            if (new <= at * (1.0 + _ROUNDING)).all():
                break
            at = new
        else:
            at = np.where(outside, self._largest(G) / self.sparse, at)  # a bound
        return float(at.max(initial=0.0))

    def lambda1_max(self, G0: FloatArray) -> float | None:
        """The smallest strength of the groups at which W = 0, beside the sparse term as it is."""
        lengths = self._beside(G0, np.full(len(self.weights), self.lambda1 * self.sparse))
        used = self.weights > 0.0
        return float((lengths[used] / self.weights[used]).max(initial=0.0))

    def restrict(self, features: IntArray) -> Self:
        return replace(self, groups=self.groups[features])

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        if self.sparse > 0.0:
            return None
        rows = np.flatnonzero(self.weights[self.groups] == 0.0)
        return (rows, None) if rows.size else None

    def _lengths(self, W: FloatArray) -> FloatArray:
        """``||W_g||_F`` of every group."""
        squares = np.einsum("jt,jt->j", W, W)
        return np.sqrt(np.bincount(self.groups, squares, minlength=len(self.weights)))

    def _beside(self, G: FloatArray, cut: FloatArray) -> FloatArray:
        """The same for the soft threshold of each group at its cut."""
        return self._lengths(np.maximum(np.abs(G) - cut[self.groups, None], 0.0))

    def _largest(self, G: FloatArray) -> FloatArray:
        found = np.zeros(len(self.weights))
        np.maximum.at(found, self.groups, np.abs(G).max(axis=1))
        return found


def feature_groups(
    groups: IntArray, weights: FloatArray, *, group: float, sparse: float
) -> Penalty:
    """Two strengths for the two terms; no penalty at all if nothing is left of it."""
    if group == sparse == 0.0:
        return Ridge(0.0)
    return FeatureGroups(groups=groups, weights=group * weights, sparse=sparse)
