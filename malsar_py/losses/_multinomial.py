"""The multinomial loss: classes of which there are more than two.

A task has a column of W for each class, task-major, and its samples are there once for each:
column ``t K + k`` owns ``offsets[t K + k]:offsets[t K + k + 1]`` of the flat vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from .. import _kernels
from .._typing import AnyArray, FloatArray, IntArray
from ._base import Compiled
from ._scores import ACCURACY, UnitScore

# Second derivatives are at least this share of a sample's weight.
_LEAST = 1e-12
# In a quadratic model they have this share of their slope more.
_LEAST_BLOCK = 1e-3


@dataclass(frozen=True)
class Multinomial(Compiled):
    """The multinomial loss ``log sum_k exp(z_k) - z_y``: a prediction for each of K classes.

    With intercepts a class that a task lacks has probability zero there: its intercept would run
    to -inf.
    """

    n_classes: int

    # D. Boehning (1992), "Multinomial logistic regression algorithm".
    curvature: ClassVar[float | None] = 0.5
    attained: ClassVar[bool] = False

    @property
    def n_columns(self) -> int:
        """One for each class."""
        return self.n_classes

    @property
    def unit_score(self) -> UnitScore:
        """Accuracy."""
        return ACCURACY

    def by_column(self, values: FloatArray, offsets: IntArray) -> FloatArray:
        blocks = [np.tile(np.arange(a, b), self.n_classes) for a, b in pairwise(offsets.tolist())]
        return values[np.concatenate(blocks)]

    def targets_by_column(self, y: FloatArray, c: FloatArray, offsets: IntArray) -> FloatArray:
        """One where the column is the sample's class; samples of weight 0 have none."""
        sizes = np.repeat(np.diff(offsets), self.n_classes)
        column = np.repeat(np.tile(np.arange(self.n_classes), len(offsets) - 1), sizes)
        counts = self.by_column(c, offsets) > 0.0
        return ((self.by_column(y, offsets) == column) & counts).astype(np.float64)

    def together(self, offsets: IntArray) -> tuple[slice | IntArray, IntArray]:
        sizes = np.diff(offsets)
        column = np.repeat(np.tile(np.arange(self.n_classes), len(sizes) // self.n_classes), sizes)
        size = len(column) // self.n_classes
        return np.argsort(column, kind="stable"), np.arange(self.n_classes + 1) * size

    def _fill(self, *problem: Any) -> float:
        *given, fit_intercept, b, theta = problem
        return _kernels.multinomial.evaluate(*given, self.n_classes, fit_intercept, b, theta)

    def by_task(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, b: FloatArray
    ) -> FloatArray:
        sizes = np.diff(offsets)
        z = np.where(np.repeat(self.absent(y, c, offsets), sizes), -np.inf, z + np.repeat(b, sizes))
        out = np.empty(len(b) // self.n_classes)
        for t, block in enumerate(self._blocks(offsets)):
            own, hot = z[block].reshape(self.n_classes, -1), y[block].reshape(self.n_classes, -1)
            picked = np.where(hot > 0.0, own, 0.0).sum(axis=0)
            out[t] = c[block][: own.shape[1]] @ (np.logaddexp.reduce(own, axis=0) - picked)
        return out

    def feasible(self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray) -> None:
        _kernels.multinomial.balance(y, c, offsets, self.n_classes, theta)

    def parts(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """Targets and minus the probabilities, times c."""
        return np.stack([c * y, theta - c * y])

    def mixture(self, totals: FloatArray) -> FloatArray:
        """Classes that got more than their samples' weight hand it to those that lack some."""
        own, got = totals[0], np.maximum(-totals[1], 0.0)
        lack = np.maximum(own - got, 0.0)
        kept = np.minimum(np.divide(own, got, out=np.ones_like(own), where=got > 0.0), 1.0)
        lacking = lack.sum(axis=1, keepdims=True)
        share = np.divide(lack, lacking, out=np.zeros_like(lack), where=lacking > 0.0)
        kept[lacking[:, 0] == 0.0] = 1.0
        one = np.broadcast_to(np.eye(self.n_classes), (*own.shape, self.n_classes))
        return np.stack([one, one * kept[:, None] + (1.0 - kept)[:, :, None] * share[:, None]])

    def dual(self, y: FloatArray, theta: FloatArray, c: FloatArray, alpha: float) -> float:
        return _kernels.multinomial.dual(y, theta, c, alpha)

    def second_derivative(self, y: FloatArray, theta: FloatArray, c: FloatArray) -> FloatArray:
        """A diagonal above ``c (diag p - p p')``: ``2 c p (1 - p)``, by Gershgorin's circles."""
        p = np.clip(y - np.divide(theta, c, out=np.zeros_like(c), where=c > 0.0), 0.0, 1.0)
        return c * np.maximum(2.0 * p * (1.0 - p), _LEAST)

    def blocks(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> list[FloatArray]:
        """``c loss''`` of each task's samples (K, K, n), for a quadratic model of the loss."""
        found = []
        for own in self._blocks(offsets):
            slope, each = theta[own].reshape(self.n_classes, -1), c[own].reshape(self.n_classes, -1)
            share = np.maximum(each * y[own].reshape(each.shape) - slope, 0.0)
            weight = np.where(each > 0.0, each, 1.0)
            H = -share[:, None] * (share / weight)
            H[np.diag_indices(self.n_classes)] += share + _LEAST_BLOCK * np.abs(slope)
            found.append(H)
        return found

    def intercept_curvature(
        self, y: FloatArray, theta: FloatArray, c: FloatArray, offsets: IntArray
    ) -> FloatArray:
        found = np.empty((len(offsets) // self.n_classes, self.n_classes, self.n_classes))
        for t, own in enumerate(self._blocks(offsets)):
            each = c[own].reshape(self.n_classes, -1)
            share = np.maximum(
                each * y[own].reshape(each.shape) - theta[own].reshape(each.shape), 0
            )
            weight = np.where(each > 0.0, each, 1.0)
            found[t] = np.diag(share.sum(axis=1)) - (share / weight) @ share.T
        return found

    def curve(
        self,
        y: FloatArray,
        theta: FloatArray,
        c: FloatArray,
        offsets: IntArray,
        v: FloatArray,
        fit_intercept: bool,
    ) -> FloatArray:
        """``c loss'' (v + s)``; s, with intercepts, is what the best ones do about v."""
        out = np.empty_like(v)
        _kernels.multinomial.curve(y, theta, c, offsets, self.n_classes, fit_intercept, v, out)
        return out

    def absent(self, y: FloatArray, c: FloatArray, offsets: IntArray) -> AnyArray:
        return np.add.reduceat(c * y, offsets[:-1]) == 0.0

    def separates(
        self, y: FloatArray, z: FloatArray, c: FloatArray, offsets: IntArray, fit_intercept: bool
    ) -> AnyArray:
        found = np.zeros((len(offsets) - 1) // self.n_classes, bool)
        for t, block in enumerate(self._blocks(offsets)):
            used = c[block].reshape(self.n_classes, -1)[0] > 0.0
            own = z[block].reshape(self.n_classes, -1)[:, used]
            label = y[block].reshape(self.n_classes, -1)[:, used].argmax(axis=0)
            lead = own[label, np.arange(len(label))] - own
            # The least lead of class j over class k among the samples of j.
            least = np.full((self.n_classes, self.n_classes), np.inf)
            for j in np.unique(label):
                least[j] = lead[:, label == j].min(axis=1)
            np.fill_diagonal(least, np.inf)
            if fit_intercept:
                # These bridge the leads if there is no cycle along which nothing is gained.
                for k in range(self.n_classes):
                    least = np.minimum(least, least[:, k, None] + least[k])
                least = np.diag(least)
            found[t] = bool((least > 0.0).all())
        return np.repeat(found, self.n_classes)

    def _blocks(self, offsets: IntArray) -> list[slice]:
        return [slice(a, b) for a, b in pairwise(offsets[:: self.n_classes].tolist())]
