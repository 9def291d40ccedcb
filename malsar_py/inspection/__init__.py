"""How sure a fitted model is: resampling."""

from __future__ import annotations

from ._bootstrap import bootstrap
from ._result import BootstrapResult

__all__ = ["BootstrapResult", "bootstrap"]
