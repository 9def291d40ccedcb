"""Every jitted loop of the library, by theme.

Submodules are imported at first use: importing numba costs as much as a whole fit, and
``import malsar_py`` must not pay for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        blocks,
        fused,
        levels,
        losses,
        mixed,
        moments,
        momentum,
        multinomial,
        newton,
        row_norms,
        spectral,
    )

__all__ = [
    "blocks",
    "fused",
    "levels",
    "losses",
    "mixed",
    "moments",
    "momentum",
    "multinomial",
    "newton",
    "row_norms",
    "spectral",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
