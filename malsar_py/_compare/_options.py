"""What is asked of a comparison, beside the columns."""

from __future__ import annotations

from dataclasses import dataclass

from .._table import CompareError, Table
from ._candidates import SHARING
from ._measure import Measure

# Splits of tables up to so many rows, and of larger ones; folds within, the same.
_SMALL, _LARGE = 2000, 20_000


@dataclass(frozen=True)
class Options:
    """How the rows are split, and what is fitted."""

    seed: int = 0
    n_jobs: int | None = None
    repeats: int | None = None
    new_tasks: bool = False
    models: tuple[str, ...] = ()
    loss: str | None = None
    n_rows: int = 0
    n_classes: int = 0

    @property
    def n_splits(self) -> int:
        """Outer splits."""
        if self.repeats is not None:
            return self.repeats
        return 5 if self.n_rows <= _LARGE else 3

    @property
    def folds(self) -> int:
        """Folds within a training part."""
        return 5 if self.n_rows <= _SMALL and self.n_classes <= 2 else 3

    def measure(self, table: Table) -> Measure:
        """The loss and how it is judged."""
        if table.classes is not None:
            if self.loss not in (None, "logistic"):
                raise CompareError(f"--loss {self.loss} is for numbers, --classify for classes")
            return Measure("logistic", len(table.classes))
        return Measure(self.loss or "squared")

    def only(self) -> list[str] | None:
        """The models asked for; an error names those there are."""
        names = [*SHARING, "Lasso"]
        if [name.lower() for name in self.models] == ["all"]:
            return names
        known = {name.lower(): name for name in names} | {"graph": "Graph (chain)"}
        found = []
        for name in self.models:
            if name.lower() not in known:
                raise CompareError(f"--models: no {name!r}; there are {', '.join(names)}, or all")
            found.append(known[name.lower()])
        return found or None
