"""Newton steps within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg

from .._typing import FloatArray

_HALVINGS = 40
_DEFINITE = 1e-6
_EPS = np.finfo(float).eps


class Problem(Protocol):
    """A function of parameters that have bounds, and may not go further than `reach` in a step."""

    lower: FloatArray
    upper: FloatArray
    reach: FloatArray

    def value(self, theta: FloatArray) -> float:
        """The function."""

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Gradient, Hessian, and a positive semidefinite matrix where that has other signs."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where Newton's steps ended."""

    theta: FloatArray
    history: list[float]
    gain: float  # what the next step would lower the function by, as far as can be foretold
    n_iter: int
    converged: bool


def minimize(problem: Problem, theta: FloatArray, *, tol: float, max_iter: int) -> Minimum:
    """Projected Newton steps, halved until the function falls; the end where ``gain <= tol``.

    Parameters at a bound whose gradient points out of it stay there.
    """
    lower, upper = problem.lower, problem.upper
    theta = np.clip(theta, lower, upper)
    history = [problem.value(theta)]
    gain, n_iter = 0.0, 0
    while True:
        gradient, hessian, instead = problem.derivatives(theta)
        free = ((theta > lower) | (gradient < 0.0)) & ((theta < upper) | (gradient > 0.0))
        step = np.zeros_like(theta)
        inner = np.ix_(free, free)
        step[free] = -_solve(hessian[inner], instead[inner], gradient[free])
        gain = -0.5 * float(gradient @ step)
        # What rounding leaves of the function cannot be lowered.
        if gain <= max(tol, 2.0 * _EPS * abs(history[-1])):
            return Minimum(theta, history, gain, n_iter, True)
        if n_iter == max_iter:
            return Minimum(theta, history, gain, n_iter, False)
        n_iter += 1
        step /= max(1.0, float((np.abs(step) / problem.reach).max()))
        share = 1.0
        for _ in range(_HALVINGS):
            new = np.clip(theta + share * step, lower, upper)
            value = problem.value(new)
            if value < history[-1]:
                break
            share /= 2.0
        else:  # not a step
            return Minimum(theta, history, gain, n_iter - 1, False)
        theta = new
        history.append(value)


def _solve(H: FloatArray, instead: FloatArray, g: FloatArray) -> FloatArray:
    """``H^-1 g`` if H is positive definite, else the same with the other matrix.

    Without the directions that this one does not know.
    """
    if g.size == 0:
        return g
    size = np.sqrt(np.maximum(np.diag(instead), 0.0))
    known = size > 0.0
    size[~known] = 1.0
    scale = np.outer(size, size)
    values, Q = scipy.linalg.eigh(H / scale, check_finite=False)
    if values[0] <= _DEFINITE * max(1.0, values[-1]):
        values, Q = scipy.linalg.eigh(instead / scale, check_finite=False)
    large = values > 1e-10 * values[-1]
    Q = Q[:, large]
    return np.where(known, Q @ ((Q.T @ (g / size)) / values[large]) / size, 0.0)
