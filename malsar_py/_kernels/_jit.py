"""The one decorator of every kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ._uncollected import Uncollected

_uncollected = Uncollected()
with _uncollected:
    from numba import njit
    from numba.core import event

# Reassociation lets sums vectorise; NaN and inf keep their meaning (no nnan, no ninf).
_FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


class _Compiling(event.Listener):
    """Hears when numba starts and ends to compile a kernel."""

    def on_start(self, event: Any) -> None:
        if _is_kernel(event):
            _uncollected.__enter__()

    def on_end(self, event: Any) -> None:
        if _is_kernel(event):
            _uncollected.__exit__()


def _is_kernel(event: Any) -> bool:
    return event.data["dispatcher"].py_func.__module__.startswith(f"{__package__}.")


event.register("numba:compile", _Compiling())


def jit(function: Callable[..., Any]) -> Any:
    """Compile at first call, release the GIL, and keep the result on disk where that is possible.

    numba refuses to cache when neither the package folder nor the user's cache folder can be
    written (a read-only installation without a home): such a process compiles for itself.
    """
    return _compiled(function, inline="never")


def jit_inline(function: Callable[..., Any]) -> Any:
    """The same for what one kernel calls once: it becomes a part of that.

    A long function that is called stays one of its own, with copies in its callers, and which of
    them runs depends on what is compiled and what comes from disk: sums are added up in another
    order, and results differ in their last digits.
    """
    return _compiled(function, inline="always")


def _compiled(function: Callable[..., Any], inline: Literal["never", "always"]) -> Any:
    try:
        return njit(cache=True, nogil=True, fastmath=_FASTMATH, inline=inline)(function)
    except RuntimeError:
        return njit(cache=False, nogil=True, fastmath=_FASTMATH, inline=inline)(function)
