"""BLAS held at one thread while we compute; large work spread over threads by task.

Products here are many and small: threads cost more than they bring, and under joblib they fight. It
also makes results the same whatever the number of threads.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ._typing import IntArray

# Numbers to be read from memory that are worth starting threads for.
_WORTH = 10_000_000


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

    def allowed(self) -> int:
        """Threads that this fit may use: as many as BLAS might have, if it is alone.

        That heeds OMP_NUM_THREADS and its like, threadpoolctl and joblib's processes. Threads other
        than the main one and child processes are taken for somebody's workers: one each.
        """
        alone = self._inside == 1 and getattr(self._thread, "depth", 0) > 0
        main = threading.current_thread() is threading.main_thread()
        if not (alone and main) or multiprocessing.parent_process() is not None:
            return 1
        return max(1, min([*self._found, *self._thread.found], default=1))

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
    for library, number in zip(libraries, found, strict=True):
        if number > 1:
            _set(library, 1)
    return found


def _restore(libraries: list[Any], numbers: list[int]) -> None:
    """What was limited is as it was; what had one thread was left alone."""
    for library, number in zip(libraries, numbers, strict=True):
        if number > 1:
            _set(library, number)


def _set(library: Any, number: int) -> None:
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


def spread(work: Callable[[int, int], None], offsets: IntArray, cost: float) -> None:
    """Call ``work(first, last)`` for runs of tasks that are all of them together.

    In threads of their own where ``cost``, in numbers to be read, is worth it. ``work`` should
    leave Python for most of its time and write to places of its own; what it computes for a task
    must not depend on the run. Threads end with the call: there is nothing for a fork to break.
    """
    n_tasks = offsets.shape[0] - 1
    parts = min(_one_thread.allowed(), n_tasks) if cost >= _WORTH else 1
    if parts < 2:
        work(0, n_tasks)
        return
    even = np.arange(1, parts) * (offsets[-1] / parts)
    # Runs of about as many rows each.
    cuts = [0, *np.searchsorted(offsets, even).tolist(), n_tasks]
    with ThreadPoolExecutor(parts - 1) as pool:
        others = [pool.submit(work, *cuts[i : i + 2]) for i in range(1, parts)]
        work(*cuts[:2])
        for other in others:
            other.result()
