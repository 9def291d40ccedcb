"""Penalties: value, prox and conjugate bound; ``+`` adds them on one W.

A penalty has at most one *structure* (a norm or the squared spectral box norm: handled by its prox)
and one *quadratic* (ridge, mean, graph, chain: part of the smooth function). ``W`` is (n_features,
n_tasks).
"""

from __future__ import annotations

from ._base import Composite, Coupling, Norm, Penalty, Ridge, Structure, TaskQuadratic
from ._concave import CappedRows, Concave, FirstStage, FusedRoots, RootRows
from ._fused import FusedRows, fused_rows
from ._rows import L1, RowL2, WeightedL1
from ._spectral import SpectralBox, TraceNorm

__all__ = [
    "L1",
    "CappedRows",
    "Composite",
    "Concave",
    "Coupling",
    "FirstStage",
    "FusedRoots",
    "FusedRows",
    "Norm",
    "Penalty",
    "Ridge",
    "RootRows",
    "RowL2",
    "SpectralBox",
    "Structure",
    "TaskQuadratic",
    "TraceNorm",
    "WeightedL1",
    "fused_rows",
]
