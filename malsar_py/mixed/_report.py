"""What a mixed model's fit says, as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray


@dataclass(frozen=True, eq=False)
class FitReport:
    """Fit statistics of a mixed model; ``str`` is the table.

    Attributes
    ----------
    fixed : dict of lists
        A row per fixed effect: name, estimate, std_error, z, lower, upper.
    random : dict of lists
        A row per random effect: name, variance, std.
    correlation : ndarray of shape (n_random, n_random)
        Correlations of the random effects (NaN for those of variance 0).
    sigma : float
        Standard deviation of the noise.
    log_likelihood, aic, bic : float
        As by `method`; AIC and BIC count the free fixed effects, the variances and covariances and
        that of the noise. Those of restricted likelihoods compare models with the same fixed
        effects only.
    n_parameters, n_tasks : int
        What AIC counts; the number of tasks.
    n_rows : float
        Number of rows (the sum of the weights, if these count rows).
    method : str
        "REML" or "ML".
    level : float
        Level of the intervals.
    notes : tuple of str
        Assumptions, and what is remarkable.
    """

    fixed: dict[str, list]
    random: dict[str, list]
    correlation: FloatArray
    sigma: float
    log_likelihood: float
    n_parameters: int
    n_tasks: int
    n_rows: float
    method: str
    level: float
    notes: tuple[str, ...] = ()

    @property
    def aic(self) -> float:
        """``2 k - 2 log-likelihood``."""
        return 2.0 * self.n_parameters - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """``k log(n_rows) - 2 log-likelihood``."""
        return float(self.n_parameters * np.log(self.n_rows) - 2.0 * self.log_likelihood)

    def __str__(self) -> str:
        width = max(map(len, ["fixed effect", *self.fixed["name"], *self.random["name"]]))
        percent = f"{100.0 * self.level:g} %"
        lines = [
            f"Linear mixed model by {self.method}: {self.n_rows:g} rows, {self.n_tasks} tasks",
            f"log-likelihood {self.log_likelihood:.3f}, AIC {self.aic:.1f}, BIC {self.bic:.1f} "
            f"({self.n_parameters} parameters)",
            "",
            f"{'fixed effect':{width}} {'estimate':>11} {'std. error':>11} {'z':>8} "
            f"{'[' + percent:>11} {'interval]':>11}",
        ]
        for name, estimate, error, z, lower, upper in zip(*self.fixed.values(), strict=True):
            lines.append(
                f"{name:{width}} {estimate:11.5g} {error:11.4g} {z:8.2f} {lower:11.5g} {upper:11.5g}"
            )
        lines += ["", f"{'random effect':{width}} {'variance':>11} {'std':>11}  correlations"]
        for j, (name, variance, std) in enumerate(zip(*self.random.values(), strict=True)):
            others = " ".join(
                f"{r:6.2f}" if np.isfinite(r) else "     -" for r in self.correlation[j, :j]
            )
            lines.append(f"{name:{width}} {variance:11.5g} {std:11.5g}  {others}".rstrip())
        lines.append(f"{'(noise)':{width}} {self.sigma**2:11.5g} {self.sigma:11.5g}")
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def __repr__(self) -> str:
        return str(self)
