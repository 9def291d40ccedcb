"""Regularised multi-task learning with a certificate of optimality."""

from __future__ import annotations

import importlib
from typing import Any

from ._keep_tasks import keep_tasks
from ._stack import stack_tasks
from ._summary import Summary, summarize
from .mixed import MixedEffectsRegressor
from .models import (
    CalibratedJointFeatureRegressor,
    ClusteredClassifier,
    ClusteredRegressor,
    DirtyClassifier,
    DirtyRegressor,
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    GraphClassifier,
    GraphRegressor,
    GroupFeatureClassifier,
    GroupFeatureRegressor,
    IncompleteMultiSourceClassifier,
    IncompleteMultiSourceRegressor,
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
    MultiTaskGLM,
    NonconvexFusedClassifier,
    NonconvexFusedRegressor,
    RobustFeatureClassifier,
    RobustFeatureRegressor,
    RobustLowRankClassifier,
    RobustLowRankRegressor,
    SeparableKernelRegressor,
    SharedSubspaceClassifier,
    SharedSubspaceClustering,
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

__version__ = "1.0.0rc1"

__all__ = [
    "CalibratedJointFeatureRegressor",
    "ClusteredClassifier",
    "ClusteredRegressor",
    "DirtyClassifier",
    "DirtyRegressor",
    "DistributionMatchingClassifier",
    "DistributionMatchingRegressor",
    "FusedSparseGroupClassifier",
    "FusedSparseGroupRegressor",
    "GraphClassifier",
    "GraphRegressor",
    "GroupFeatureClassifier",
    "GroupFeatureRegressor",
    "IncompleteMultiSourceClassifier",
    "IncompleteMultiSourceRegressor",
    "JointFeatureClassifier",
    "JointFeatureRegressor",
    "LassoClassifier",
    "LassoRegressor",
    "MeanRegularizedClassifier",
    "MeanRegularizedRegressor",
    "MixedEffectsRegressor",
    "MultiLevelLassoClassifier",
    "MultiLevelLassoRegressor",
    "MultiStageClassifier",
    "MultiStageRegressor",
    "MultiTaskGLM",
    "NonconvexFusedClassifier",
    "NonconvexFusedRegressor",
    "RobustFeatureClassifier",
    "RobustFeatureRegressor",
    "RobustLowRankClassifier",
    "RobustLowRankRegressor",
    "SeparableKernelRegressor",
    "SharedSubspaceClassifier",
    "SharedSubspaceClustering",
    "SharedSubspaceRegressor",
    "SparseLowRankClassifier",
    "SparseLowRankRegressor",
    "Summary",
    "TaskRelationshipClassifier",
    "TaskRelationshipRegressor",
    "TemporalGroupClassifier",
    "TemporalGroupRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
    "compare",
    "keep_tasks",
    "stack_tasks",
    "summarize",
]

# Imported when first asked for.
_MODULES = (
    "datasets",
    "graphs",
    "inspection",
    "losses",
    "metrics",
    "model_selection",
    "penalties",
    "persistence",
    "plotting",
    "prox",
)


def __getattr__(name: str) -> Any:
    if name in ("compare", "Comparison"):
        return getattr(importlib.import_module(f"{__name__}._compare"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])
