"""Whether models find what simulations put in, averaged over ten seeds.

The studies are those of ``python -m tests.benchmarks --recovery``, which prints them as tables.
"""

from __future__ import annotations

import numpy as np
import pytest

from malsar_py import JointFeatureRegressor, LassoRegressor
from malsar_py.datasets import make_joint_feature
from malsar_py.model_selection import lambda1_max

from .benchmarks.recovery import SEEDS, STUDIES, recovery_table


def test_ten_seeds():
    assert len(SEEDS) == 10


@pytest.mark.parametrize(
    ("study", "robust", "plain", "exactly"),
    [
        ("features and outliers", "RobustFeatureRegressor", "JointFeatureRegressor", 1.0),
        ("low rank and outliers", "RobustLowRankRegressor", "TraceNormRegressor", 0.7),
    ],
)
def test_outlier_tasks_are_found(study, robust, plain, exactly):
    """Every outlier is named, nearly no other task is, and the coefficients are closer to the truth
    than those of the model that knows of no outliers.
    """
    found = STUDIES[study].results()
    assert (found[robust]["outliers named"] == 1.0).all()
    assert found[robust]["exactly these"].mean() >= exactly
    assert found[robust]["error"].mean() < 0.92 * found[plain]["error"].mean()
    if "features right" in found[robust]:
        assert found[robust]["features right"].mean() > 0.85


def test_clusters_of_tasks_are_found():
    found = STUDIES["tasks"].results()
    alone = found["ridge"]
    for name in ("ClusteredRegressor", "SharedSubspaceRegressor"):
        index = found[name]["adjusted Rand index"]
        assert index.mean() > 0.9
        assert (index >= alone["adjusted Rand index"]).mean() >= 0.8
        assert index.mean() > alone["adjusted Rand index"].mean() + 0.05
        assert (found[name]["error"] < alone["error"]).all()
    share = "centres in the subspace"
    assert (found["SharedSubspaceRegressor"][share] > alone[share]).all()


def test_clusters_of_rows_are_found():
    found = STUDIES["rows"].results()["SharedSubspaceClustering"]
    assert found["adjusted Rand index"].mean() > 0.9


def test_shared_features_are_found():
    found = STUDIES["features"].results()
    lasso = found.pop("LassoRegressor")
    for measures in found.values():
        assert measures["recall"].mean() > 0.9
        assert measures["precision"].mean() > 0.9
        assert (measures["precision"] > lasso["precision"]).all()
        assert (measures["error"] < lasso["error"]).all()


def test_the_error_falls_with_the_stages():
    found = STUDIES["stages"].results()["MultiStageRegressor"]
    mean = np.mean(list(found.values()), axis=1)
    assert np.all(np.diff(mean) < 0.0), mean
    assert mean[-1] < 0.5 * mean[0], mean


def test_the_tables(monkeypatch):
    monkeypatch.setattr("tests.benchmarks.recovery.STUDIES", {"rows": STUDIES["rows"]})
    text = recovery_table(None)
    assert "### Clusters of rows\n" in text
    assert "| model | adjusted Rand index |\n" in text
    assert "| SharedSubspaceClustering | 1 (1 to 1) |" in text


@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
@pytest.mark.parametrize("n_features", [60, 300])
def test_what_is_dropped_is_exactly_zero(cls, n_features):
    """At the default tolerance, too: no fit ends on an extrapolated point."""
    for seed in range(3):
        X, y, tasks = make_joint_feature(10, 30, n_features, n_informative=6, random_state=seed)
        model = cls(lambda1=lambda1_max(cls(), X, y, tasks=tasks) / 4)
        used = model.fit(X, y, tasks=tasks).coef_.any(axis=0)
        fine = model.set_params(tol=1e-12).fit(X, y, tasks=tasks).coef_.any(axis=0)
        assert (used != fine).sum() <= 1
