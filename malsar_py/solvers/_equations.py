"""A task's samples as equations, without weights and intercept."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .._typing import FloatArray


class Equations:
    """One task's samples as equations ``y = A w + z`` for k features, (m, k) and (m,).

    The samples (those that count) are scaled by the roots of their weights. A reflection turns the
    direction of the intercept into the first equation, which is emptied; of more samples than
    features only their triangular factor is left. ``keep``: hold A, do not make it from X each
    time.
    """

    def __init__(
        self, X: FloatArray, y: FloatArray, root: FloatArray, fit_intercept: bool, keep: bool
    ):
        self.used = root > 0.0
        if not self.used.all():
            X, y, root = X[self.used], y[self.used], root[self.used]
        self.X, self.root = X, root
        self.mirror: FloatArray | None = None
        if fit_intercept:
            unit = root / np.linalg.norm(root)
            unit[0] += 1.0  # nonnegative: nothing cancels
            self.mirror = unit * np.sqrt(2.0 / (unit @ unit))
        self.basis: FloatArray | None = None
        self._A: FloatArray | None = None
        self.y = self._turn((root * y)[:, None])[:, 0]
        n_samples, n_features = X.shape
        if n_samples > n_features + 1:
            system = np.column_stack([self.A, self.y])
            self.basis, factor = scipy.linalg.qr(system, mode="economic", check_finite=False)
            self._A = np.ascontiguousarray(factor[:, :-1])
            self.y = factor[:, -1].copy()
        elif keep:
            self._A = self.A

    @property
    def A(self) -> FloatArray:
        return self._turn(self.root[:, None] * self.X) if self._A is None else self._A

    def enter(self, v: FloatArray) -> FloatArray:
        """Scaled samples as equations."""
        v = self._turn(v[self.used, None])[:, 0]
        return v if self.basis is None else np.dot(v, self.basis)

    def leave(self, v: FloatArray) -> FloatArray:
        """Equations as scaled samples."""
        v = v if self.basis is None else np.dot(self.basis, v)
        out = np.zeros(self.used.shape[0])
        out[self.used] = v if self.mirror is None else v - self.mirror * (self.mirror @ v)
        return out

    def _turn(self, scaled: FloatArray) -> FloatArray:
        if self.mirror is not None:
            scaled = scaled - np.outer(self.mirror, self.mirror @ scaled)
            scaled[0] = 0.0
        return scaled
