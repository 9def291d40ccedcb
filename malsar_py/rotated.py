"""A shared X in its own eigenbasis."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ._certificates import Certificate
from ._protocols import Basis, Rows
from ._typing import AnyArray, FloatArray
from .objective import QuadraticObjective
from .smooth import Affine


class RotatedObjective(Affine):
    """A shared X in its own eigenbasis: for penalties that see singular values only, H is diagonal.

    A view of an objective in Z. With ``H = U diag(h) U'`` and ``W = U Z`` the loss is ``sum_i h_i
    ||z_i||^2 / 2 - <Z, U'rhs>`` and the penalty is that of Z. Where n < d, U spans the rows of X,
    which hold every minimiser.
    """

    def __init__(self, original: QuadraticObjective):
        self.original = original
        self.penalty, self.scale = original.penalty, original.scale
        design = original.design
        self._rows: FloatArray | None = None
        if design.n_rows >= design.n_features:
            values, U = scipy.linalg.eigh(original.gram()[0], check_finite=False)
            self._U = U
        else:
            self._rows = design.scaled_rows(original.c, original.fit_intercept)
            values, V = scipy.linalg.eigh(self._rows @ self._rows.T, check_finite=False)
            kept = values > max(values[-1], 0.0) * design.n_rows * np.finfo(float).eps
            values = values[kept]
            self._U = V[:, kept] / np.sqrt(values)
        self.h = np.maximum(values, 0.0)[:, None]
        self.rhs = self.into(original.rhs)
        self.shape = self.rhs.shape

    def beside(self, original: QuadraticObjective) -> RotatedObjective:
        """The rotation of the same data with the penalty of ``original``."""
        other = self.with_penalty(original.penalty)
        other.original = original
        return other

    def into(self, W: FloatArray) -> FloatArray:
        """``U'W``."""
        return self._U.T @ (W if self._rows is None else self._rows @ W)

    def back(self, Z: FloatArray) -> FloatArray:
        """``U Z``."""
        W = self._U @ Z
        return np.ascontiguousarray(W if self._rows is None else self._rows.T @ W)

    def lift(self, W: FloatArray) -> FloatArray:
        return self.h * W

    def _free_step(
        self, G: FloatArray, rows: Rows, basis: Basis, kept: AnyArray | None
    ) -> FloatArray:
        assert kept is None  # a bound on coefficients is none in another basis
        step = np.divide(G, self.h, out=np.zeros_like(G), where=self.h > 0.0)
        return step if basis is None else (step @ basis) @ basis.T

    def _squares(self) -> FloatArray:
        return np.broadcast_to(self.h, self.shape)

    def full_pass(self, W: FloatArray) -> tuple[Certificate, FloatArray]:
        return self.original.full_pass(self.back(W))

    def mean_curvature(self) -> float:
        return float(self.h.mean()) if self.h.size else 0.0

    def loss_lipschitz(self) -> float:
        return float(self.h.max(initial=0.0))
