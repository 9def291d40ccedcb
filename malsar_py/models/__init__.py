"""The models, one idea a file."""

from __future__ import annotations

from .cluster import (
    ClusteredClassifier,
    ClusteredRegressor,
)
from .low_rank import (
    RobustLowRankClassifier,
    RobustLowRankRegressor,
    SparseLowRankClassifier,
    SparseLowRankRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from .nonconvex import (
    MultiLevelLassoClassifier,
    MultiLevelLassoRegressor,
    MultiStageClassifier,
    MultiStageRegressor,
    NonconvexFusedClassifier,
    NonconvexFusedRegressor,
)
from .relation import (
    GraphClassifier,
    GraphRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
)
from .robust import (
    DirtyClassifier,
    DirtyRegressor,
    RobustFeatureClassifier,
    RobustFeatureRegressor,
)
from .sparse import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
)
from .temporal import (
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    TemporalGroupClassifier,
    TemporalGroupRegressor,
)

__all__ = [
    "ClusteredClassifier",
    "ClusteredRegressor",
    "DirtyClassifier",
    "DirtyRegressor",
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
    "RobustFeatureClassifier",
    "RobustFeatureRegressor",
    "RobustLowRankClassifier",
    "RobustLowRankRegressor",
    "SparseLowRankClassifier",
    "SparseLowRankRegressor",
    "TemporalGroupClassifier",
    "TemporalGroupRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
]
