"""Compare the models on one table: read it, split it, choose, fit, test, say what came out.

This is the work behind :func:`malsar_py.compare` and ``python -m malsar_py compare``.
"""

from __future__ import annotations

from ._door import compare
from ._result import Comparison

__all__ = ["Comparison", "compare"]
