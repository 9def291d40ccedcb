"""What the user can put right."""

from __future__ import annotations


class CompareError(ValueError):
    """What the user can put right: shown as one line, without a traceback."""
