"""Regularised multi-task learning with a certificate of optimality."""

from __future__ import annotations

from ._keep_tasks import keep_tasks
from ._stack import stack_tasks
from .models import (
    ClusteredClassifier,
    ClusteredRegressor,
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    GraphClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MultiLevelLassoClassifier,
    MultiLevelLassoRegressor,
    MultiStageClassifier,
    MultiStageRegressor,
    NonconvexFusedClassifier,
    NonconvexFusedRegressor,
    TemporalGroupClassifier,
    TemporalGroupRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)

__version__ = "0.1.0"

__all__ = [
    "ClusteredClassifier",
    "ClusteredRegressor",
    "FusedSparseGroupClassifier",
    "FusedSparseGroupRegressor",
    "GraphClassifier",
    "GraphRegressor",
    "JointFeatureClassifier",
    "JointFeatureRegressor",
    "LassoClassifier",
    "LassoRegressor",
    "MeanRegularizedClassifier",
    "MeanRegularizedRegressor",
    "MultiLevelLassoClassifier",
    "MultiLevelLassoRegressor",
    "MultiStageClassifier",
    "MultiStageRegressor",
    "NonconvexFusedClassifier",
    "NonconvexFusedRegressor",
    "TemporalGroupClassifier",
    "TemporalGroupRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
    "keep_tasks",
    "stack_tasks",
]
