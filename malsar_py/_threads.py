"""BLAS held at one thread while we compute.

Products here are many and small: threads cost more than they bring, and under joblib they fight. It
also makes results the same whatever the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside = 0
_controller: Any = None
_limiter: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread; the last of several overlapping callers restores what was.

    The limit belongs to the process: were each caller to restore what it found, one that came
    second would find the limit itself and leave it behind.
    """
    global _controller, _inside, _limiter
    with _lock:
        if _inside == 0:
            if _controller is None:  # finding the libraries takes milliseconds: once is enough
                _controller = ThreadpoolController()
            _limiter = _controller.limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limiter.restore_original_limits()
                _limiter = None
