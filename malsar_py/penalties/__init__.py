"""Penalties of the coefficients W (n_features, n_tasks), of unit strength unless told otherwise.

For :class:`malsar_py.MultiTaskGLM`, whose ``lambda1`` multiplies them::

    MultiTaskGLM(penalty=penalties.RowL2(), lambda1=0.1)
    MultiTaskGLM(penalty=penalties.L1() + penalties.Graph("chain", 2.0), lambda1=0.1)

``+`` adds penalties of one W, ``0.5 * penalty`` is a multiple. At most one term of a sum may be a
*structure*, a function with a prox (a norm, or another function of the singular values); all others
are *quadratics* (:func:`Ridge`, :class:`MeanRegularized`, :class:`Graph`), which become a part of
the smooth function. :class:`Split` is for W = P + Q, a structure for each. A norm of your own
derives from :class:`Norm` and says three things: its value, its prox and its dual norm.
"""

from __future__ import annotations

from ._base import ChainCoupling as ChainCoupling
from ._base import Composite as Composite
from ._base import Coupling as Coupling
from ._base import MeanCoupling as MeanCoupling
from ._base import Norm, Penalty, Ridge, Structure, TaskQuadratic
from ._common import AroundMean as AroundMean
from ._common import CommonL1 as CommonL1
from ._common import DataShared as DataShared
from ._common import mean_basis as mean_basis
from ._concave import CappedRows as CappedRows
from ._concave import Concave as Concave
from ._concave import FirstStage as FirstStage
from ._concave import FusedRoots as FusedRoots
from ._concave import RootRows as RootRows
from ._fused import FusedRows as FusedRows
from ._fused import fused_rows as fused_rows
from ._groups import FeatureGroups
from ._groups import feature_groups as feature_groups
from ._named import Clustered, FusedSparseGroup, Graph, MeanRegularized
from ._per_task import per_task as per_task
from ._per_task import whole_tasks as whole_tasks
from ._positive import NonnegativeNorm as NonnegativeNorm
from ._positive import Orthant as Orthant
from ._positive import nonnegative as nonnegative
from ._row_coupling import RowCoupling as RowCoupling
from ._rows import L1, ColumnL2, RowL2, RowLinf
from ._rows import WeightedL1 as WeightedL1
from ._rows import WeightedRowL2 as WeightedRowL2
from ._spectral import SpectralBox as SpectralBox
from ._spectral import SquaredTraceNorm, TraceBall, TraceNorm
from ._split import Split

__all__ = [
    "L1",
    "Clustered",
    "ColumnL2",
    "FeatureGroups",
    "FusedSparseGroup",
    "Graph",
    "MeanRegularized",
    "Norm",
    "Penalty",
    "Ridge",
    "RowL2",
    "RowLinf",
    "Split",
    "SquaredTraceNorm",
    "Structure",
    "TaskQuadratic",
    "TraceBall",
    "TraceNorm",
]


def __dir__() -> list[str]:
    return __all__
