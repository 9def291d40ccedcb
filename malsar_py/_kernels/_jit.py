"""The one decorator of every kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

# Reassociation lets sums vectorise; NaN and inf keep their meaning (no nnan, no ninf).
_FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def jit(function: Callable[..., Any]) -> Any:
    """Compile at first call, release the GIL, and keep the result on disk where that is possible.

    numba refuses to cache when neither the package folder nor the user's cache folder can be
    written (a read-only installation without a home): such a process compiles for itself.
    """
    try:
        return njit(cache=True, nogil=True, fastmath=_FASTMATH)(function)
    except RuntimeError:
        return njit(cache=False, nogil=True, fastmath=_FASTMATH)(function)
