"""What a fitted model expects of a task it has not seen: a Gaussian prior, and its use.

The prior is the quadratic that touches the penalty at the fitted coefficients: minus its logarithm
is what one more task would cost, to second order, where the loss of a row counts 1 / nbar (nbar:
the mean weight of a task).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from ._typing import FloatArray


@dataclass(frozen=True, eq=False)
class Intercept:
    """``kappa/2 (b - b0)^2`` at the columns' center; kappa = 0: free."""

    kappa: float
    center: FloatArray  # (d,)
    b0: float


@dataclass(frozen=True, eq=False)
class TaskPrior:
    """``1/2 (w - mean)' (V diag(spread) V')^-1 (w - mean)``: infinite spread is no prior."""

    mean: FloatArray  # (d,)
    axes: FloatArray | None  # V (d, r) with orthonormal columns; None: the features
    spread: FloatArray  # (r,)

    def beside_ridge(self, ridge: float) -> TaskPrior:
        """With ``ridge/2 ||w||^2`` besides."""
        if ridge == 0.0:
            return self
        with np.errstate(divide="ignore"):
            spread = 1.0 / (1.0 / self.spread + ridge)
        drawn = self._onto(spread * self._along(self.mean[None])[0])
        return replace(self, mean=self.mean - ridge * drawn, spread=spread)

    @property
    def covariance(self) -> FloatArray:
        """The spread as a matrix (d, d)."""
        if self.axes is None:
            return np.diag(self.spread)
        return (self.axes * self.spread) @ self.axes.T

    def fit(
        self, X: FloatArray, y: FloatArray, c: FloatArray, intercept: Intercept | None
    ) -> tuple[FloatArray, float]:
        """Coefficients and intercept that minimise ``1/2 sum c (y - x.w - b)^2`` + prior."""
        center, level, column = np.zeros(X.shape[1]), 0.0, None
        if intercept is not None and intercept.kappa == 0.0:
            share = c / c.sum()
            center, level = share @ X, float(share @ y)
        elif intercept is not None:
            center, level = intercept.center, intercept.b0
            column = np.full((len(y), 1), intercept.kappa**-0.5)
        Z = X - center
        root = np.sqrt(self.spread)
        A = self._along(Z) * root
        if column is not None:
            A = np.column_stack([A, column])
        weight = np.sqrt(c)
        v = _ridge(A * weight[:, None], weight * (y - level - Z @ self.mean))
        if column is not None:
            level += float(column[0, 0] * v[-1])
            v = v[:-1]
        w = self.mean + self._onto(root * v)
        return w, 0.0 if intercept is None else level - float(center @ w)

    def _along(self, rows: FloatArray) -> FloatArray:
        return rows if self.axes is None else rows @ self.axes

    def _onto(self, v: FloatArray) -> FloatArray:
        return v if self.axes is None else self.axes @ v


def _ridge(A: FloatArray, e: FloatArray) -> FloatArray:
    """``argmin_v ||e - A v||^2 + ||v||^2``, by the smaller system, without squares."""
    n, r = A.shape
    if not (np.isfinite(A).all() and np.isfinite(e).all()):
        return np.full(r, np.nan)
    if n < r:  # the shortest (v, u) with A v + u = e
        system = np.hstack([A, np.eye(n)])
    else:
        system = np.vstack([A, np.eye(r)])
        e = np.concatenate([e, np.zeros(r)])
    solution: FloatArray = scipy.linalg.lstsq(system, e)[0]
    return solution[:r]
