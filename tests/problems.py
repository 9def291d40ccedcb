"""Convex models under both losses, and data for them: what several test files fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import __version__ as sklearn_version
from sklearn.base import clone
from sklearn.utils.fixes import parse_version

from malsar_py import (
    CalibratedJointFeatureRegressor,
    ClusteredClassifier,
    ClusteredRegressor,
    DirtyClassifier,
    DirtyRegressor,
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    GraphClassifier,
    GraphRegressor,
    GroupFeatureClassifier,
    GroupFeatureRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    RobustFeatureClassifier,
    RobustFeatureRegressor,
    RobustLowRankClassifier,
    RobustLowRankRegressor,
    SharedSubspaceClassifier,
    SharedSubspaceRegressor,
    SparseLowRankClassifier,
    SparseLowRankRegressor,
    TaskRelationshipClassifier,
    TaskRelationshipRegressor,
    TemporalGroupClassifier,
    TemporalGroupRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from malsar_py._tasks import resolve_fit

# Every model with parameters under which the minimiser is unique.
UNROUTED = pytest.mark.skipif(
    parse_version(sklearn_version) < parse_version("1.8"),
    reason="searches of scikit-learn before 1.8 route nothing to the score of a pipeline",
)

REGRESSORS = [
    LassoRegressor(lambda1=0.05, lambda2=0.02),
    JointFeatureRegressor(lambda1=0.1, lambda2=0.02),
    # (Groups of one feature, for data of any number of features; test_groups.py is about others.)
    GroupFeatureRegressor(lambda1=0.1, lambda2=0.02, lambda3=0.02),
    TemporalGroupRegressor(lambda1=0.1, lambda2=0.02, lambda3=0.2),
    FusedSparseGroupRegressor(lambda1=0.05, lambda2=0.1, lambda3=0.02),
    CalibratedJointFeatureRegressor(lambda1=0.1, lambda2=0.02),
    TraceNormRegressor(lambda1=0.1, lambda2=0.02),
    MeanRegularizedRegressor(lambda1=0.7, lambda2=0.02),
    GraphRegressor(graph="complete", lambda1=0.7, lambda2=0.02, lambda3=0.05),
    ClusteredRegressor(lambda1=0.5, lambda2=0.05, n_clusters=2, random_state=0),
    SharedSubspaceRegressor(lambda1=0.5, lambda2=0.05, n_components=2),
    TaskRelationshipRegressor(lambda1=0.1, lambda2=0.02),
    DirtyRegressor(lambda1=0.2, lambda2=0.1),
    RobustFeatureRegressor(lambda1=0.2, lambda2=0.2),
    RobustLowRankRegressor(lambda1=0.2, lambda2=0.15),
    SparseLowRankRegressor(lambda1=0.1, lambda2=0.2),
]
CLASSIFIERS = [
    LassoClassifier(lambda1=0.02, lambda2=0.02),
    JointFeatureClassifier(lambda1=0.03, lambda2=0.02),
    GroupFeatureClassifier(lambda1=0.03, lambda2=0.02, lambda3=0.01),
    TemporalGroupClassifier(lambda1=0.03, lambda2=0.02, lambda3=0.05),
    FusedSparseGroupClassifier(lambda1=0.02, lambda2=0.03, lambda3=0.01),
    TraceNormClassifier(lambda1=0.03, lambda2=0.02),
    MeanRegularizedClassifier(lambda1=0.2, lambda2=0.02),
    GraphClassifier(graph="complete", lambda1=0.2, lambda2=0.02, lambda3=0.01),
    ClusteredClassifier(lambda1=0.2, lambda2=0.05, n_clusters=2, random_state=0),
    SharedSubspaceClassifier(lambda1=0.2, lambda2=0.05, n_components=2),
    TaskRelationshipClassifier(lambda1=0.02, lambda2=0.02),
    DirtyClassifier(lambda1=0.04, lambda2=0.02),
    RobustFeatureClassifier(lambda1=0.04, lambda2=0.04),
    RobustLowRankClassifier(lambda1=0.04, lambda2=0.03),
    SparseLowRankClassifier(lambda1=0.02, lambda2=0.04),
]
ESTIMATORS = REGRESSORS + CLASSIFIERS


def ids(estimators):
    return [type(e).__name__ for e in estimators]


every_model = pytest.mark.parametrize("model", ESTIMATORS, ids=ids(ESTIMATORS))
every_regressor = pytest.mark.parametrize("model", REGRESSORS, ids=ids(REGRESSORS))


def tight(model, **parameters):
    return clone(model).set_params(**{"tol": 1e-12, "max_iter": 50_000} | parameters)


def ragged(classify=False, seed=0, labels=("a", "b", "c", "d"), d=5):
    """X, y, tasks with rows of all tasks mixed up."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(labels, rng.integers(15, 30, len(labels)))
    rng.shuffle(tasks)
    W = dict(zip(labels, rng.standard_normal((len(labels), d)), strict=True))
    X = rng.standard_normal((len(tasks), d)) + 0.5
    z = np.array([x @ W[t] for x, t in zip(X, tasks, strict=True)]) + 1.0
    if classify:
        return X, np.where(0.5 * z + rng.logistic(size=len(z)) > 0.5, "yes", "no"), tasks
    return X, z + rng.standard_normal(len(z)), tasks


def data_for(model, **own):
    return ragged(classify=hasattr(model, "predict_proba"), **own)


def prepared(model, X, y, *, tasks=None, sample_weight=None):
    """The objective of a fit."""
    rows = resolve_fit(
        clone(model), X, y, tasks=tasks, sample_weight=sample_weight, classifier=model._classifier
    )
    return model._prepare(rows).objective


def objective_at_zero(model, X, y, *, tasks=None, sample_weight=None):
    """The objective at W = 0 with the best intercepts: the unit of `tol` and `relative_gap_`."""
    return prepared(model, X, y, tasks=tasks, sample_weight=sample_weight).scale


def assert_gaps_hold(objective, W, best, sizes):
    """So far from W (n_features, n_columns), certificates stay below the optimum."""
    start = np.concatenate([W] * (objective.shape[0] // len(W)))
    rng = np.random.default_rng(0)
    for size in sizes:
        point = start + size * rng.standard_normal(objective.shape)
        for found in (
            objective.final_certificate(point),
            objective.certificate(point, objective.lift(point)),
        ):
            assert found.gap >= 0.0
            assert found.objective - found.gap <= best + 1e-9 * objective.scale


def assert_same_objective(one, other, unit, tol):
    """What certificates promise of two objectives: neither is above the other by tol * unit.

    Ten times that is allowed, since rounding differs from one processor to the next.
    """
    assert_allclose(one, other, rtol=0, atol=10 * tol * unit)


def assert_same_fit(one, other, rtol=0, atol=1e-5):
    assert_array_equal(one.tasks_, other.tasks_)
    assert_allclose(one.coef_, other.coef_, rtol=rtol, atol=atol)
    assert_allclose(one.intercept_, other.intercept_, rtol=rtol, atol=atol)


def shared(n=30, d=8, T=4, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((d, T)) * (np.arange(d)[:, None] < 3)
    X = rng.standard_normal((n, d)) + 1.0
    return X, X @ W + rng.standard_normal((n, T)) + np.arange(T)
