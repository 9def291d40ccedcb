"""Block coordinate descent by matrix products, extrapolated: what its two problems share.

Q. Bertrand, M. Massias (2021), "Anderson acceleration of coordinate descent".
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from .. import _kernels
from .._typing import FloatArray

_MEMORY = 5


def blocks(n_rows: int, size: int) -> list[slice]:
    """Rows in blocks."""
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def penalty_value(code: int, threshold: FloatArray, ridge: float, W: FloatArray) -> float:
    """A row-separable norm with its ridge at W (k, T)."""
    value, squares, *_ = _kernels.row_norms.penalty_terms(code, threshold, 0.0, True, W, W)
    return float(value) + 0.5 * ridge * float(squares)


def descend(
    W: FloatArray,
    state: FloatArray,
    goal: float,
    *,
    cycle: Callable[[FloatArray, FloatArray], None],
    primal: Callable[[FloatArray, FloatArray], float],
    gap: Callable[[FloatArray, FloatArray], float],
    epochs: int,
    before: float,
    hope: float,
) -> tuple[FloatArray, bool]:
    """Cycle until the gap is ``goal``; W and whether it is.

    ``cycle`` moves W, and in step with it the ``state``, which is affine in W. The gap is looked at
    when ``hope`` times the last progress, at first from the objective ``before``, is no more than
    what is aimed for.
    """
    past = [(np.empty_like(W), np.empty_like(state)) for _ in range(_MEMORY + 1)]
    for n_epoch in range(1, epochs + 1):
        _keep(past[(n_epoch - 1) % _MEMORY], W, state)
        cycle(W, state)
        if n_epoch % _MEMORY == 0:
            _keep(past[_MEMORY], W, state)
            value = primal(W, state)
            trial = _extrapolate(past)
            if trial is not None:
                there = primal(*trial)
                if there < value:
                    value, (W, state) = there, trial
            if hope * (before - value) <= goal and gap(W, state) <= goal:
                return W, True
            before = value
    return W, False


def _keep(place: tuple[FloatArray, FloatArray], W: FloatArray, state: FloatArray) -> None:
    place[0][...] = W
    place[1][...] = state


def _extrapolate(
    past: list[tuple[FloatArray, FloatArray]],
) -> tuple[FloatArray, FloatArray] | None:
    """Anderson's combination of iterates and of what is affine in them; None if degenerate."""
    U = [(after[0] - before[0]).ravel() for before, after in pairwise(past)]
    A = np.array([[np.dot(u, v) for v in U] for u in U])
    A[np.diag_indices_from(A)] += 1e-12 * np.trace(A)
    try:
        x = np.linalg.solve(A, np.ones(A.shape[0]))
    except np.linalg.LinAlgError:
        return None
    if not abs(x.sum()) > 0.0:
        return None
    x /= x.sum()
    combined = []
    for i in (0, 1):
        total = x[0] * past[1][i]
        for weight, point in zip(x[1:], past[2:], strict=True):
            total += weight * point[i]
        combined.append(total)
    return combined[0], combined[1]
