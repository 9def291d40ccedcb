"""Strengths of mean regularisation that are the variances of an isotropic mixed model.

With nbar rows a task, and the loss of every row counting the same, the coefficients of the model
with slopes ``m + u_t``, ``u_t ~ N(0, sigma2 D I)``, ``m ~ N(0, sigma2 phi I)`` and intercepts of
variance ``sigma2 tau`` about a common one are those of mean regularisation with

    lambda2 = 1 / (N phi + nbar D),   lambda1 = 1 / (nbar D) - lambda2,   kappa = 1 / (nbar tau).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._tasks import TaskRows
from ._estimate import Settings, estimate
from ._statistics import make_frame, task_statistics


def reml_strengths(rows: TaskRows, fit_intercept: bool) -> tuple[float, float, float]:
    """lambda1, lambda2 and kappa by restricted maximum likelihood, on the columns as given."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        frame = make_frame(rows, fit_intercept)
        d = len(frame.unit)
        # One unit for all columns: that of the strengths.
        unit = float(np.sqrt(np.mean(np.square(frame.unit / frame.unit.max())))) * frame.unit.max()
        frame = replace(frame, unit=np.full(d, unit))
        statistics = task_statistics(rows, frame, precision=False)
        found = estimate(
            statistics,
            Settings(
                covariance="iso",
                random=np.arange(d),
                prior=np.inf,
                prior_mean=True,
                reml=True,
                tol=1e-12,
                max_iter=200,
                alike=False,
            ),
        )
    first, random = int(fit_intercept), found.likelihood.random
    variances = np.square(found.factor).sum(axis=1)
    slopes, intercepts = variances[random >= first], variances[random < first]
    D = float(slopes[0]) / unit**2 if len(slopes) else 0.0
    tau = float(intercepts[0]) if len(intercepts) else 0.0
    phi = found.at.phi / unit**2 if found.likelihood.prior_mean else np.inf
    total = float(rows.sample_weight.sum())
    per_task = rows.per_task
    with np.errstate(divide="ignore"):
        lambda2 = float(np.divide(1.0, total * phi + per_task * D))
        own = float(np.divide(1.0, per_task * D))
        kappa = float(np.divide(1.0, per_task * tau))
    return (own - lambda2 if np.isfinite(own) else own), lambda2, kappa
