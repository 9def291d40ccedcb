"""Python's search for cycles of dead objects, put off while numba works."""

from __future__ import annotations

import gc
import os
import threading


class Uncollected:
    """While entered, by however many threads, no cycles are searched for.

    numba makes half a million objects as it is imported, and many as it compiles. Nearly all of
    them stay: looking through them again and again was a third of a process's first fit.
    """

    def __init__(self) -> None:
        self._restart()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _restart(self) -> None:
        self._lock, self._depth, self._resume = threading.RLock(), 0, False

    def _forked(self) -> None:
        # Threads that had entered are not in this process.
        if self._resume:
            gc.enable()
        self._restart()

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._resume = gc.isenabled()
                gc.disable()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth > 0 or not self._resume:
                return
            self._resume = False
            # What is new counts as old at once, without a search, unless objects are frozen
            # already: those would thaw.
            if gc.get_freeze_count() == 0:
                gc.freeze()
                gc.unfreeze()
            gc.enable()
