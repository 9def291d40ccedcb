"""What a mixed model says of its uncertainty: coverage of its intervals, and its report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from malsar_py import MixedEffectsRegressor

from .test_mixed import PLAIN, draw, fit

# --- intervals hold what they say ----------------------------------------------------------------


def test_coverage_on_simulations():
    """Intervals of coefficients and of new targets, of known and of new tasks, T = 30, 6 rows."""
    inside, covered, unseen = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        T = 40
        W = np.array([1.0, 2.0, -1.0]) + rng.standard_normal((T, 3)) * [1.0, 0.5, 0.3]
        tasks = np.repeat(np.arange(T), 14)
        X = rng.standard_normal((len(tasks), 2))
        y = W[tasks, 0] + np.einsum("ij,ij->i", X, W[tasks, 1:]) + rng.standard_normal(len(tasks))
        train = (np.tile(np.arange(14), T) < 6) & (tasks < 30)
        model = MixedEffectsRegressor().fit(X[train], y[train], tasks=tasks[train])
        lower, upper = model.coef_interval(0.9)
        inside.append(((lower <= W[:30, 1:]) & (W[:30, 1:] <= upper)).mean())
        mean, std = model.predict(X[~train], tasks=tasks[~train], return_std=True)
        hit = np.abs(y[~train] - mean) <= norm.ppf(0.95) * std
        covered.append(hit[tasks[~train] < 30].mean())
        unseen.append(hit[tasks[~train] >= 30].mean())
    assert 0.85 <= np.mean(inside) <= 0.93  # of variances that are taken as known
    assert 0.87 <= np.mean(covered) <= 0.93
    assert 0.85 <= np.mean(unseen) <= 0.96


# --- report --------------------------------------------------------------------------------------


def test_report():
    y = draw()[1]
    model = fit(covariance="full", **PLAIN)
    report = model.fit_report(level=0.9)
    assert report.fixed["name"] == ["(intercept)", "x0", "x1", "x2"]
    assert_allclose(report.fixed["estimate"], np.r_[model.intercept_mean_, model.coef_mean_])
    half = norm.ppf(0.95) * np.array(report.fixed["std_error"])
    assert_allclose(np.array(report.fixed["upper"]) - report.fixed["estimate"], half)
    assert_allclose(np.square(report.random["std"]), np.diag(model.random_variance_))
    assert_allclose(np.diag(report.correlation), 1.0)
    assert report.n_parameters == 4 + 10 + 1
    assert report.aic == pytest.approx(2 * 15 - 2 * model.log_likelihood_)
    assert report.bic == pytest.approx(15 * np.log(len(y)) - 2 * model.log_likelihood_)
    text = str(report)
    assert "REML" in text and "20 tasks" in text and f"{model.log_likelihood_:.3f}" in text
    assert report._repr_html_().startswith("<pre>") and repr(report) == text
    assert max(map(len, text.splitlines())) <= 100
    assert pd.DataFrame(report.fixed).shape == (4, 6)
    notes = " ".join(fit().fit_report().notes)
    assert "grand mean" in notes and "prior_mean" in notes
    # intercept, phi, four variances and that of the noise
    assert fit().fit_report().n_parameters == 1 + 1 + 4 + 1
