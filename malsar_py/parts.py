"""W as a sum of parts with penalties of their own: one problem in the stacked parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from ._typing import AnyArray, FloatArray
from .objective import Basis, Certificate, DualPoint, GeneralObjective, Objective, Penalty, Rows


class PartsObjective(Objective):
    """The objective whose variable is ``V = [P; Q; ...]``, of n_parts n_features rows.

    A ``SmoothFunction`` in V. The loss sees the sum W of the parts alone: its gradient is that of W
    for every part, and the dual point is W's.
    """

    def __init__(self, whole: Objective):
        structure = whole.penalty.structure
        assert structure is not None and whole.quadratic.largest == 0.0
        vars(self).update(vars(whole))
        self.whole = whole
        self.n_parts = structure.n_parts
        self.shape = (self.n_parts * whole.shape[0], whole.shape[1])

    def coefficients(self, W: FloatArray) -> FloatArray:
        return W.reshape(self.n_parts, -1, W.shape[1]).sum(axis=0)

    def with_penalty(self, penalty: Penalty) -> Self:
        other = super().with_penalty(penalty)
        other.whole = self.whole.with_penalty(penalty)
        return other

    def lift(self, W: FloatArray) -> FloatArray:
        return self.whole.lift(self.coefficients(W))

    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        return np.tile(self.whole.gradient(self.coefficients(W), lifted), (self.n_parts, 1))

    def curvature_along(self, D: FloatArray, lifted: FloatArray, at: FloatArray) -> float:
        return self.whole.curvature_along(self.coefficients(D), lifted, at)

    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        return self.whole.dual_point(self.coefficients(W), lifted)

    def full_pass(self, W: FloatArray) -> tuple[Certificate, FloatArray]:
        coefficients = self.coefficients(W)
        z = self.design.predict(coefficients) if coefficients.any() else None
        found = self.whole.pass_at(z)
        G = np.ascontiguousarray(found.G_rows.T)
        dual = self.whole.dual_of(found, float(np.vdot(coefficients, G)))
        certificate = self._certify(W, None, DualPoint(found.loss, G, dual, found.theta))
        return replace(certificate, intercepts=found.intercepts), G

    def model(self, W: FloatArray, z: FloatArray) -> PartsObjective:
        """The loss to second order at W with predictions z; the parts are as they were."""
        assert isinstance(self.whole, GeneralObjective)
        return PartsObjective(self.whole.model(self.coefficients(W), z))

    def loss_lipschitz(self) -> float:
        return self.n_parts * self.whole.loss_lipschitz()

    def _point(self, W: FloatArray, value: float, theta: FloatArray) -> DualPoint:
        return self.whole._point(self.coefficients(W), value, theta)

    def _shifted(
        self,
        W: FloatArray,
        lifted: FloatArray,
        point: DualPoint,
        rows: Rows,
        basis: Basis,
        kept: AnyArray | None,
    ) -> DualPoint | None:
        return self.whole._shifted(self.coefficients(W), lifted, point, rows, basis, kept)


def by_parts(objective: Objective) -> Objective:
    """The objective as a solver is to see it: in the parts of W, if its penalty has several."""
    structure = objective.penalty.structure
    several = structure is not None and structure.n_parts > 1
    return PartsObjective(objective) if several else objective


def whole_of(objective: Objective) -> Objective:
    """The objective in W, be a solver's variable W or its parts."""
    return objective.whole if isinstance(objective, PartsObjective) else objective
