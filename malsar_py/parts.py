"""W as a sum of parts with penalties of their own: one problem in the stacked parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from ._typing import AnyArray, FloatArray, IntArray
from .design import Design
from .losses import Evaluation
from .objective import (
    Basis,
    DualPoint,
    GeneralObjective,
    Objective,
    Pass,
    Penalty,
    Rows,
    WholeObjective,
)


class PartsObjective(Objective):
    """A view of an objective in ``V = [P; Q; ...]``, of n_parts n_features rows.

    The loss sees the sum W of the parts alone: its gradient is that of W for every part, and the
    dual point is W's.
    """

    def __init__(self, whole: WholeObjective):
        structure = whole.penalty.structure
        assert structure is not None and whole.quadratic.largest == 0.0
        self.whole = whole
        self.n_parts = structure.n_parts
        self.shape = (self.n_parts * whole.shape[0], whole.shape[1])
        self.penalty, self.scale = whole.penalty, whole.scale
        self.design, self.loss, self.y, self.c = whole.design, whole.loss, whole.y, whole.c
        self.fit_intercept, self.shrinkage = whole.fit_intercept, whole.shrinkage
        self.intercepts = whole.intercepts

    def coefficients(self, W: FloatArray) -> FloatArray:
        return W.reshape(self.n_parts, -1, W.shape[1]).sum(axis=0)

    def with_penalty(self, penalty: Penalty) -> Self:
        other = super().with_penalty(penalty)
        other.whole = self.whole.with_penalty(penalty)
        return other

    def on(self, design: Design, features: IntArray) -> Self:
        return type(self)(self.whole.on(design, features))

    def lift(self, W: FloatArray) -> FloatArray:
        return self.whole.lift(self.coefficients(W))

    def gradient(self, W: FloatArray, lifted: FloatArray) -> FloatArray:
        return np.tile(self.whole.gradient(self.coefficients(W), lifted), (self.n_parts, 1))

    def curvature_along(self, D: FloatArray, lifted: FloatArray, at: FloatArray) -> float:
        return self.whole.curvature_along(self.coefficients(D), lifted, at)

    def dual_point(self, W: FloatArray, lifted: FloatArray) -> DualPoint:
        return self.whole.dual_point(self.coefficients(W), lifted)

    def pass_at(self, z: FloatArray | None, rough: bool = False) -> Pass:
        return self.whole.pass_at(z, rough)

    def dual_of(self, found: Pass, inner: float) -> Callable[[float], float]:
        return self.whole.dual_of(found, inner)

    def loss_at(self, z: FloatArray, start: FloatArray | None = None) -> Evaluation:
        return self.whole.loss_at(z, start)

    def model(self, W: FloatArray, z: FloatArray) -> PartsObjective:
        """The loss to second order at W with predictions z; the parts are as they were."""
        assert isinstance(self.whole, GeneralObjective)
        return PartsObjective(self.whole.model(self.coefficients(W), z))

    def loss_lipschitz(self) -> float:
        return self.n_parts * self.whole.loss_lipschitz()

    def mean_curvature(self) -> float:
        return self.whole.mean_curvature()

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

    def _squares(self) -> FloatArray:
        return self.whole._squares()

    def _size_of(self, point: DualPoint) -> float:
        return self.whole._size_of(point)


def by_parts(objective: WholeObjective) -> Objective:
    """The objective as a solver is to see it: in the parts of W, if its penalty has several."""
    structure = objective.penalty.structure
    several = structure is not None and structure.n_parts > 1
    return PartsObjective(objective) if several else objective


def whole_of(objective: Objective) -> WholeObjective:
    """The objective in W, be a solver's variable W or its parts."""
    whole = objective.whole if isinstance(objective, PartsObjective) else objective
    assert isinstance(whole, WholeObjective)
    return whole
