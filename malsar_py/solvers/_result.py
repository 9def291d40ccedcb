"""What every solver returns."""

from __future__ import annotations

from dataclasses import dataclass

from .._typing import FloatArray
from ..objective import Certificate


@dataclass(frozen=True)
class Result:
    """Coefficients ``W`` (n_features, n_tasks) and the certificate that belongs to them.

    ``certificate`` is from a full pass, so it has the intercepts; ``history`` holds the objective
    at every certificate, the last one being ``W``'s.
    """

    W: FloatArray
    certificate: Certificate
    history: list[float]
    n_iter: int
    converged: bool

    @property
    def gap(self) -> float:
        """The duality gap, absolute."""
        return self.certificate.gap

    @property
    def intercepts(self) -> FloatArray:
        """The best intercepts at W (n_tasks,)."""
        assert self.certificate.intercepts is not None
        return self.certificate.intercepts
