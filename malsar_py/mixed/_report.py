"""What a mixed model's fit says, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

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

    fixed: dict[str, list[Any]]
    random: dict[str, list[Any]]
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
                f"{name:{width}} {estimate:11.5g} {error:11.4g} {z:8.2f} {lower:11.5g} "
                f"{upper:11.5g}"
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


def make_report(model: Any, level: float) -> FitReport:
    """The report of a fitted MixedEffectsRegressor."""
    found, effects = model._estimate, model._effects
    names = [str(name) for name in model.coef_feature_names_]
    estimates = model.coef_mean_
    if model.fit_intercept:
        names = ["(intercept)", *names]
        estimates = np.append(model.intercept_mean_, estimates)
    K = effects.statistics.frame.to_given()
    errors = np.sqrt(np.maximum(np.diag(K @ effects.cov_beta @ K.T), 0.0) * effects.sigma2)
    z = np.divide(estimates, errors, out=np.full(len(errors), np.nan), where=errors > 0.0)
    half = norm.ppf(0.5 + 0.5 * level) * errors
    covariance = model.random_variance_[np.ix_(effects.random, effects.random)]
    variance = np.diag(covariance)
    std = np.sqrt(variance)
    scale = np.outer(std, std)
    correlation = np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=scale > 0.0)
    likelihood = found.likelihood
    return FitReport(
        fixed={
            "name": names,
            "estimate": estimates.tolist(),
            "std_error": errors.tolist(),
            "z": z.tolist(),
            "lower": (estimates - half).tolist(),
            "upper": (estimates + half).tolist(),
        },
        random={
            "name": [names[j] for j in effects.random],
            "variance": variance.tolist(),
            "std": std.tolist(),
        },
        correlation=correlation,
        sigma=float(np.sqrt(model.sigma2_)),
        log_likelihood=model.log_likelihood_,
        n_parameters=likelihood.n_fixed + likelihood.prior_mean + found.n_variances + 1,
        n_tasks=model.n_tasks_,
        n_rows=float(effects.statistics.n.sum()),
        method=model.method.upper(),
        level=float(level),
        notes=_notes(model),
    )


def _notes(model: Any) -> tuple[str, ...]:
    notes = []
    if model.fit_intercept and model.covariance != "full":
        notes.append("The random intercept is that at the grand mean of the features.")
    if model._estimate.likelihood.prior_mean:
        notes.append("Mean slopes are shrunk (prior_mean): z is not that of a test.")
    if np.isfinite(model.prior):
        notes.append("Variances are shrunk (prior), so the likelihood is not the largest.")
    return tuple(notes)
