"""W as a sum of parts with penalties of their own: one problem in the stacked parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._typing import FloatArray
from .objective import Certificate, DualPoint, Objective


class PartsObjective(Objective):
    """The objective whose variable is ``V = [P; Q; ...]``, of n_parts n_features rows.

    The loss sees the sum W of the parts alone: its gradient is that of W for every part, and the
    dual point is W's.
    """

    def __init__(self, whole: Objective):
        structure = whole.penalty.structure
        assert structure is not None and whole.quadratic.matrix is None
        self.whole = whole
        self.n_parts = structure.n_parts
        self.loss, self.penalty, self.quadratic = whole.loss, whole.penalty, whole.quadratic
        self.scale, self.b = whole.scale, whole.b
        self.shape = (self.n_parts * whole.shape[0], whole.shape[1])

    def coefficients(self, W: FloatArray) -> FloatArray:
        return W.reshape(self.n_parts, -1, W.shape[1]).sum(axis=0)

    def lift(self, W: FloatArray) -> FloatArray:
        return self.whole.lift(self.coefficients(W))

    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        return np.tile(self.whole.gradient(self.coefficients(W), lifted), (self.n_parts, 1))

    def curvature_along(self, D: FloatArray, lifted: FloatArray) -> float:
        return self.whole.curvature_along(self.coefficients(D), lifted)

    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        return self.whole.dual_point(self.coefficients(W), lifted)

    def full_pass(
        self, W: FloatArray, z: FloatArray | None = None, *, rough: bool = False
    ) -> tuple[Certificate, FloatArray]:
        whole, coefficients = self.whole, self.coefficients(W)
        value, theta = whole._evaluate(whole.design.predict(coefficients) if z is None else z)
        intercepts = whole.b.copy()
        point = whole._point(coefficients, value, theta, rough)
        return replace(self._certify(W, None, point), intercepts=intercepts), point.G

    def _shifted(
        self, W: FloatArray, lifted: FloatArray, point: DualPoint, basis: FloatArray
    ) -> DualPoint | None:
        raise AssertionError("parts have structures: no direction is free of penalty")

    def _loss_lipschitz(self) -> float:
        return self.n_parts * self.whole._loss_lipschitz()


def by_parts(objective: Objective) -> Objective:
    """The objective as a solver is to see it: in the parts of W, if its penalty has several."""
    structure = objective.penalty.structure
    several = structure is not None and structure.n_parts > 1
    return PartsObjective(objective) if several else objective
