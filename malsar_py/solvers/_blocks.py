"""Block coordinate descent by matrix products, extrapolated: what its two problems share.

Q. Bertrand, M. Massias (2021), "Anderson acceleration of coordinate descent".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import _kernels
from .._typing import AnyArray, FloatArray

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
    past_W = np.empty((_MEMORY + 1, *W.shape), W.dtype)
    past_state = np.empty((_MEMORY + 1, *state.shape), state.dtype)
    for n_epoch in range(1, epochs + 1):
        past_W[(n_epoch - 1) % _MEMORY] = W
        past_state[(n_epoch - 1) % _MEMORY] = state
        cycle(W, state)
        if n_epoch % _MEMORY == 0:
            past_W[_MEMORY], past_state[_MEMORY] = W, state
            value = primal(W, state)
            trial = _extrapolate(past_W, past_state)
            if trial is not None:
                there = primal(*trial)
                if there < value:
                    value, (W, state) = there, trial
            if hope * (before - value) <= goal and gap(W, state) <= goal:
                return W, True
            before = value
    return W, False


def _extrapolate(
    past_W: FloatArray, past_state: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Anderson's combination of iterates and of what is affine in them; None if degenerate."""
    U = (past_W[1:] - past_W[:-1]).reshape(_MEMORY, -1)
    A = np.dot(U, U.T)
    A.reshape(-1)[:: _MEMORY + 1] += 1e-12 * A.trace()
    try:
        x = np.linalg.solve(A, np.ones(_MEMORY))
    except np.linalg.LinAlgError:
        return None
    if not abs(x.sum()) > 0.0:
        return None
    x /= x.sum()
    return _combined(x, past_W), _combined(x, past_state)


def _combined(x: AnyArray, past: FloatArray) -> FloatArray:
    """In the precision of what is combined: products with more of it would be slow."""
    each = past[1:].reshape(_MEMORY, -1)
    out: FloatArray = np.dot(x.astype(past.dtype, copy=False), each).reshape(past.shape[1:])
    return out
