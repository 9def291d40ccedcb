"""The part of W that is free of a penalty, where the dual point must not pull at it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._certificates import DualPoint
from ._protocols import Basis, Penalty, Rows
from ._typing import AnyArray, FloatArray

# Rounds in which more coefficients at a bound turn out to be pulled from it.
_MOST_SETS = 10
# A pull above this share of what |X|' |theta| can be is more than rounding: systems with condition
# numbers that doubles do not hold leave it.
_LOST = 1e-10


def released(
    penalty: Penalty,
    W: FloatArray,
    point: DualPoint,
    free: tuple[Rows, Basis],
    shift: Callable[[AnyArray | None], DualPoint | None],
) -> DualPoint | None:
    """A dual point that does not pull at what is free, up to a bound that W may be at.

    ``shift`` makes it from ``point``, for what of the free part is in a mask (None: all of it).
    """
    rows, basis = free
    # (A direction across tasks is held by the least of its coefficients.)
    here = W[rows] if basis is None else W[rows].min(axis=1, keepdims=True)
    kept, found = penalty.pulled(here, _along(point.G, rows, basis)), point
    for _ in range(_MOST_SETS):
        shifted = shift(kept)
        if shifted is None or kept is None:
            return shifted
        found = shifted
        more = penalty.pulled(np.zeros_like(here), _along(found.G, rows, basis))
        assert more is not None
        if not (more & ~kept).any():
            break
        kept = kept | more
    return found


def left_over(
    penalty: Penalty,
    G: FloatArray,
    free: tuple[Rows, Basis],
    energies: Callable[[], FloatArray],
    size: Callable[[], float],
) -> float:
    """What a step along a free coordinate could still gain: G should vanish there.

    As much as rounding leaves, as a rule; infinity where it is more, as the step may be along other
    directions, of less curvature. ``energies`` is the loss's curvature (n_features, n_tasks),
    ``size`` the norm of theta over the roots of the samples' curvatures.
    """
    rows, basis = free
    pull = _along(G, rows, basis)
    one_sided = penalty.pulled(np.zeros_like(pull), pull)
    pull = np.square(pull if one_sided is None else np.where(one_sided, pull, 0.0))
    if not pull.any():
        return 0.0
    curvature = energies()[rows]
    if basis is not None:
        curvature = curvature @ np.square(basis)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if (np.sqrt(pull) > _LOST * np.sqrt(curvature) * size()).any():
            return np.inf
        gain = np.divide(0.5 * pull, curvature, out=np.zeros_like(pull), where=pull > 0.0)
    return float(gain.max())


def _along(W: FloatArray, rows: Rows, basis: Basis) -> FloatArray:
    return W[rows] if basis is None else W[rows] @ basis
