"""What acceleration wants to know about steps, and extrapolation; arrays are flat."""

from __future__ import annotations

from ._jit import jit


@jit
def momentum_test(V, W, new):
    """The two sums of :func:`step` for a step made elsewhere (flat arrays)."""
    uphill = 0.0
    moved = 0.0
    for i in range(V.shape[0]):
        difference = new[i] - V[i]
        uphill -= difference * (new[i] - W[i])
        moved += difference * difference
    return uphill, moved


@jit
def extrapolate(new, old, beta, out):
    """``out = new + beta * (new - old)`` on flat arrays."""
    for i in range(new.shape[0]):
        out[i] = new[i] + beta * (new[i] - old[i])
