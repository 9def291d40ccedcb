"""Penalties far weaker than the loss, on features of very different sizes: still certified."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from malsar_py import (
    DirtyRegressor,
    MultiStageRegressor,
    NonconvexFusedRegressor,
    RobustFeatureClassifier,
    RobustFeatureRegressor,
    RobustLowRankRegressor,
    SparseLowRankRegressor,
)
from malsar_py.model_selection import regularization_path

from .problems import ids

TWO_PART = [
    DirtyRegressor(lambda1=2e-3, lambda2=1e-3),
    RobustFeatureRegressor(lambda1=1e-3, lambda2=1e-3),
    RobustLowRankRegressor(lambda1=1e-3, lambda2=1e-3),
    SparseLowRankRegressor(lambda1=1e-3, lambda2=2e-3),
]
STAGED = [
    MultiStageRegressor(lambda1=0.03, threshold=0.5),
    NonconvexFusedRegressor(lambda1=0.03, lambda2=0.01),
    NonconvexFusedRegressor(formulation=2, lambda1=0.03),
]


def scaled(seed):
    """Tasks with rows of their own; columns of sizes from 0.2 to 5, correlated."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(6), 40)
    X = rng.standard_normal((240, 8)) + 0.7 * rng.standard_normal((240, 1))
    X *= np.geomspace(0.2, 5.0, 8)
    W = rng.standard_normal((6, 8))
    return X, np.einsum("ij,ij->i", X, W[tasks]) + rng.standard_normal(240), tasks


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("model", TWO_PART, ids=ids(TWO_PART))
def test_two_parts(model, seed):
    X, y, tasks = scaled(seed)
    fitted = clone(model).set_params(tol=1e-8).fit(X, y, tasks=tasks)
    assert fitted.relative_gap_ <= 1e-8
    assert fitted.n_iter_ <= fitted.max_iter
    # What it proves is true of the other solver's end, too.
    slow = clone(model).set_params(solver="apg", tol=1e-5, max_iter=20_000)
    slow.fit(X, y, tasks=tasks)
    assert slow.objective_[-1] >= fitted.objective_[-1] - fitted.dual_gap_
    assert fitted.objective_[-1] >= slow.objective_[-1] - slow.dual_gap_


def test_classes_along_a_path():
    """Few Newton steps a lambda: the quadratic models have the penalty of their own lambda."""
    X, y, tasks = scaled(0)
    labels = np.where(y + 3.0 * np.random.default_rng(0).standard_normal(240) > 0.0, "a", "b")
    model = RobustFeatureClassifier(lambda2=0.02, tol=1e-8)
    path = regularization_path(model, X, labels, tasks=tasks, lambda1=[0.03, 0.02, 0.015])
    assert (path.relative_gap <= 1e-8).all()
    assert (path.n_iter <= 10).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("model", STAGED, ids=["MultiStage", "nFSGL1", "nFSGL2"])
def test_stages(model, seed):
    X, y, tasks = scaled(seed)
    fitted = clone(model).set_params(tol=1e-7).fit(X, y, tasks=tasks)
    assert fitted.optimality_ <= 1e-7
    assert (np.diff(fitted.objective_) <= 1e-12 * fitted.objective_[0]).all()
