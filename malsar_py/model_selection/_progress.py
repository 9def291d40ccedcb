"""How far a search is, told to scikit-learn's callbacks (from version 1.9) as GridSearchCV does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from ._data import Data
from ._folds import Scores, run_fold

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context as managed
except ImportError:
    from contextlib import nullcontext as managed

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What scikit-learn has from version 1.9."""


__all__ = ["CallbackSupportMixin", "Progress", "managed", "run_told"]


@dataclass(frozen=True, eq=False)
class Progress:
    """A part of a fit: that it begins and ends is told to the callbacks, if there are any."""

    caller: Any
    context: Any  # scikit-learn's; None: nobody listens
    data: Callable[[], Data]

    @classmethod
    def of(cls, caller: Any, data: Data, n_parts: int) -> Progress:
        """The whole fit."""
        made = partial(_given, data)
        if not getattr(caller, "_skl_callbacks", None):
            return cls(None, None, made)
        return cls(caller, caller._init_callback_context(max_subtasks=n_parts), made)

    def part(
        self, name: str, data: Callable[[], Data], place: int | None = None, n_parts: int = 0
    ) -> Progress:
        """A part, of data that are made if a callback asks; places are for parts in any order."""
        if self.context is None:
            return self
        context = self.context.subcontext(
            task_name=name,
            task_id=place,
            max_subtasks=n_parts,
            sequential_subtasks=n_parts == 0,
        )
        return Progress(self.caller, context, data)

    def __enter__(self) -> Self:
        self._tell("call_on_fit_task_begin")
        return self

    def __exit__(self, *error: Any) -> None:
        self._tell("call_on_fit_task_end")

    def _tell(self, hook: str) -> None:
        if self.context is None:
            return
        getattr(self.context, hook)(
            estimator=self.caller,
            X=lambda: self.data().X,
            y=lambda: self.data().y,
            metadata=lambda: {k: v for k, v in self.data().metadata.items() if v is not None},
        )


def _given(data: Data) -> Data:
    return data


def run_told(progress: Progress, *fold: Any) -> Scores:
    """A fold, and that it begins and ends."""
    with progress:
        return run_fold(*fold)
