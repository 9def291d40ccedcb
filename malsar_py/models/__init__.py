"""The models, one idea a file."""

from __future__ import annotations

from .calibrated import (
    CalibratedJointFeatureRegressor,
)
from .cluster import (
    ClusteredClassifier,
    ClusteredRegressor,
    SharedSubspaceClassifier,
    SharedSubspaceRegressor,
)
from .glm import (
    MultiTaskGLM,
)
from .graph import (
    GraphClassifier,
    GraphRegressor,
)
from .groups import (
    GroupFeatureClassifier,
    GroupFeatureRegressor,
)
from .kernel import (
    SeparableKernelRegressor,
)
from .low_rank import (
    RobustLowRankClassifier,
    RobustLowRankRegressor,
    SparseLowRankClassifier,
    SparseLowRankRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from .matching import (
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
)
from .multisource import (
    IncompleteMultiSourceClassifier,
    IncompleteMultiSourceRegressor,
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
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TaskRelationshipClassifier,
    TaskRelationshipRegressor,
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
from .subspace_clustering import (
    SharedSubspaceClustering,
)
from .temporal import (
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    TemporalGroupClassifier,
    TemporalGroupRegressor,
)

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
    "TaskRelationshipClassifier",
    "TaskRelationshipRegressor",
    "TemporalGroupClassifier",
    "TemporalGroupRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
]
