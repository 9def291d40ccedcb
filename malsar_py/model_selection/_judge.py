"""What scores the solutions of a path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .._typing import FloatArray


class Judge(ABC):
    """Takes the steps of a path, then gives their scores."""

    @abstractmethod
    def see(self, step: Any) -> None:
        """Take note of one solution, a `Step` (or `FittedStep`, after which the model says all)."""

    @abstractmethod
    def scores(self) -> FloatArray:
        """The scores of all solutions seen, which are then forgotten."""
