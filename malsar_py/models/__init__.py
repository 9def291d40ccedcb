"""The models, one idea a file."""

from __future__ import annotations

from .cluster import ClusteredClassifier, ClusteredRegressor
from .low_rank import TraceNormClassifier, TraceNormRegressor
from .relation import (
    GraphClassifier,
    GraphRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
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
    "TemporalGroupClassifier",
    "TemporalGroupRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
]
