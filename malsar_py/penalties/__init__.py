"""Penalties: value, prox and conjugate bound; ``+`` adds them on one W.

A penalty has at most one *structure* (a norm or the squared spectral box norm: handled by its prox)
and one *quadratic* (ridge, mean, graph, chain: part of the smooth function). ``W`` is (n_features,
n_tasks).
"""

from __future__ import annotations

from ._base import (
    Composite,
    Coupling,
    MeanCoupling,
    Norm,
    Penalty,
    Ridge,
    Structure,
    TaskQuadratic,
)
from ._concave import CappedRows, Concave, FirstStage, FusedRoots, RootRows
from ._fused import FusedRows, fused_rows
from ._per_task import per_task, whole_tasks
from ._rows import L1, ColumnL2, RowL2, RowLinf, WeightedL1
from ._spectral import SpectralBox, SquaredTraceNorm, TraceBall, TraceNorm
from ._split import Split

__all__ = [
    "L1",
    "CappedRows",
    "ColumnL2",
    "Composite",
    "Concave",
    "Coupling",
    "FirstStage",
    "FusedRoots",
    "FusedRows",
    "MeanCoupling",
    "Norm",
    "Penalty",
    "Ridge",
    "RootRows",
    "RowL2",
    "RowLinf",
    "SpectralBox",
    "Split",
    "SquaredTraceNorm",
    "Structure",
    "TaskQuadratic",
    "TraceBall",
    "TraceNorm",
    "WeightedL1",
    "fused_rows",
    "per_task",
    "whole_tasks",
]
