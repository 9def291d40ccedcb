"""The problem over some features for other losses and designs than descent knows."""

from __future__ import annotations

import numpy as np

from .. import _kernels
from .._typing import FloatArray, IntArray
from ..objective import Objective
from ._inner_base import INNER_EPOCHS, Inner, kernel_terms, starts
from .accelerated import solve_accelerated

_NEWTON_STEPS = 30
_NEWTON_EPOCHS = 20
_NEWTON_REDUCTION = 0.01
_CURVATURE_FLOOR = 1e-4
_ROUNDING = 1e-14


class Newton(Inner):
    """Proximal Newton for other losses: descent on the quadratic model, then a line search."""

    def __init__(self, objective: Objective, working: IntArray):
        super().__init__(objective, working)
        self.objective = objective.restrict(working)
        self.A = np.ascontiguousarray(self.objective.design.X.T)

    def predict(self, W: FloatArray) -> FloatArray:
        return self.objective.design.predict(W)

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        objective = self.objective
        code, ridge = kernel_terms(objective)
        offsets, first = objective.design.offsets, starts(objective)
        for _ in range(_NEWTON_STEPS):
            z = objective.design.predict(W)
            certificate, theta = objective.certificate_and_theta(W, z)
            if certificate.gap <= goal:
                return W, True
            D = objective.loss.second_derivative(objective.y, theta, objective.c)
            np.maximum(D, _CURVATURE_FLOOR * objective.c, out=D)
            U = theta.copy()
            new = np.ascontiguousarray(W.T)
            _kernels.descent.newton_descent(
                code,
                self.A,
                first,
                offsets,
                D,
                threshold,
                ridge,
                objective.fit_intercept,
                _NEWTON_REDUCTION,
                _NEWTON_EPOCHS,
                new,
                U,
            )
            dz = np.divide(theta - U, D, out=np.zeros_like(D), where=D > 0.0)
            dW = new.T - W
            # Where the objective's digits end, full steps still lower the gap.
            highest = certificate.objective + _ROUNDING * objective.scale
            step, value = 1.0, np.inf
            while step > 1e-6:
                trial = W + step * dW
                value = objective.value_at(trial, z + step * dz)
                if value <= highest:
                    break
                step *= 0.5
            if value > highest:
                return W, True  # no descent left
            W = trial
        return W, False


class Accelerated(Inner):
    """The restricted problem by accelerated proximal gradient: any loss, any design."""

    def __init__(self, objective: Objective, working: IntArray):
        super().__init__(objective, working)
        self.objective = objective.restrict(working)

    def predict(self, W: FloatArray) -> FloatArray:
        return self.objective.design.predict(W)

    def solve(
        self, W: FloatArray, G: FloatArray, threshold: FloatArray, goal: float
    ) -> tuple[FloatArray, bool]:
        tol = goal / self.objective.scale
        result = solve_accelerated(self.objective, W, tol=tol, max_iter=INNER_EPOCHS)
        return result.W, result.converged
