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

__all__ = [
    "ClusteredClassifier",
    "ClusteredRegressor",
    "GraphClassifier",
    "GraphRegressor",
    "JointFeatureClassifier",
    "JointFeatureRegressor",
    "LassoClassifier",
    "LassoRegressor",
    "MeanRegularizedClassifier",
    "MeanRegularizedRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
]
