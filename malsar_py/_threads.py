"""BLAS held at one thread while we compute.

Products here are many and small: threads cost more than they bring, and under joblib they fight. It
also makes results the same whatever the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController


class _OneThread:
    """Limits set when the first thread comes in and taken back when the last one leaves.

    OpenBLAS has one limit for the process: were each thread to restore what it found, one that came
    second would find the limit itself and leave it behind, and one that left first would take it
    away from the others. Libraries with a limit for each thread (MKL, OpenBLAS over OpenMP) are
    limited and restored by each thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._inside = 0  # threads
        self._found: list[int] = []
        self._for_all: list[Any] | None = None
        self._for_each: list[Any] = []

    def enter(self) -> None:
        """Limit, unless this thread has done so already."""
        depth = getattr(self._thread, "depth", 0)
        self._thread.depth = depth + 1
        if depth:
            return
        with self._lock:
            if self._for_all is None:
                self._for_all = self._libraries()
            found = _limit(self._for_all)
            if self._inside == 0:
                self._found = found
            self._inside += 1
        self._thread.found = _limit(self._for_each)

    def leave(self) -> None:
        """Undo one ``enter`` of this thread."""
        self._thread.depth -= 1
        if self._thread.depth:
            return
        _restore(self._for_each, self._thread.found)
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _restore(self._for_all or [], self._found)

    def forked(self) -> None:
        """In a child process only the thread that forked is left."""
        self._lock = threading.Lock()
        inside = int(getattr(self._thread, "depth", 0) > 0)
        if self._inside and not inside:
            _restore(self._for_all or [], self._found)
        self._inside = inside

    def _libraries(self) -> list[Any]:
        # Finding them takes milliseconds: once is enough.
        libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        for_all: list[Any] = []
        for library in libraries:
            if library.get_num_threads() is None:
                continue  # it offers no limit
            own = library.internal_api == "mkl"
            own = own or getattr(library, "threading_layer", None) == "openmp"
            (self._for_each if own else for_all).append(library)
        return for_all


def _limit(libraries: list[Any]) -> list[int]:
    found = [library.get_num_threads() for library in libraries]
    _restore(libraries, [min(number, 1) for number in found])
    return found


def _restore(libraries: list[Any], numbers: list[int]) -> None:
    for library, number in zip(libraries, numbers, strict=True):
        if library.get_num_threads() == number:
            continue
        # threadpoolctl 3.8 lets one thread at a time set OpenBLAS's limit and ignores the others.
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)
        library.set_num_threads(number)
        if release is not None:
            release(force=True)


_one_thread = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread.forked)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread; the last of several overlapping callers restores what was."""
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()
