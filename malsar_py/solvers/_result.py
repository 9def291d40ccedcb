"""What every solver returns."""

from __future__ import annotations

from dataclasses import dataclass

from .._typing import FloatArray


@dataclass(frozen=True)
class Result:
    """Coefficients ``W`` (n_features, n_tasks) and the certificate that belongs to them.

    ``gap`` is absolute; ``history`` holds the objective at every certificate, the last one being
    ``W``'s.
    """

    W: FloatArray
    gap: float
    history: list[float]
    n_iter: int
    converged: bool
