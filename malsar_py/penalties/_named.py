"""Penalties that depend on the tasks, by the names of the models that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graphs import to_laplacian
from ._base import Coupling, MeanCoupling, Penalty, Ridge, Scope
from ._fused import fused_rows
from ._spectral import SpectralBox
from ._unresolved import Unresolved


@dataclass(frozen=True)
class MeanRegularized(Unresolved):
    """``lambda1/2 sum_t ||w_t - mean(W)||^2``: every task is drawn to the mean of all [1]_.

    A quadratic, ``lambda1/2 tr(W (I - 11'/n_tasks) W')``, with the conjugate ``||G -
    mean(G)||_F^2 / (2 lambda1)`` where G has the mean 0.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import MeanRegularized
    >>> MeanRegularized().value(np.array([[1.0, 3.0]]))
    1.0
    """

    lambda1: float = 1.0

    @property
    def is_quadratic(self) -> bool:
        return True

    def at(self, problem: Scope) -> Penalty:
        return MeanCoupling(self.lambda1, problem.n_tasks)


@dataclass(frozen=True, eq=False)
class Graph(Unresolved):
    """``lambda1/2 tr(W L W')``: neighbours in a graph with Laplacian L are similar [1]_.

    A quadratic: the sum over edges (t, u) of ``lambda1/2 weight_tu ||w_t - w_u||^2``. Its conjugate
    is ``tr(G L^+ G') / (2 lambda1)`` where G is 0 along what L leaves free.

    Parameters
    ----------
    graph : graph, default="complete"
        How the tasks are related, in any form that :class:`malsar_py.GraphRegressor` takes.
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import Graph
    >>> Graph("chain").value(np.array([[1.0, 3.0, 3.0]]))
    2.0
    """

    graph: Any = "complete"
    lambda1: float = 1.0

    @property
    def is_quadratic(self) -> bool:
        return True

    def at(self, problem: Scope) -> Penalty:
        if isinstance(self.graph, str) and self.graph == "complete":
            return MeanCoupling(self.lambda1, problem.n_tasks)
        return Coupling(self.lambda1, to_laplacian(self.graph, problem.tasks))


@dataclass(frozen=True)
class Clustered(Unresolved):
    """The squared spectral box norm: a ridge on the best k directions, more on others [1]_ [2]_.

    ``kappa/2 min tr(W (eta I + M)^-1 W')`` over ``0 <= M <= I, tr M = k``, with ``eta = lambda2 /
    lambda1`` and ``kappa = lambda2 (1 + eta)``. Its conjugate is ``1/2 sum_i sigma_i(G)^2 / s_i``
    with ``s_i = lambda2`` for the largest k singular values, and ``lambda1 + lambda2`` for others.

    Parameters
    ----------
    k : int, default=2
        Number of clusters of tasks, or of directions, at least 1.
    lambda1 : float, default=1.0
        Strength of what is beyond k directions, in (0, inf).
    lambda2 : float, default=0.1
        Ridge, in (0, inf).

    References
    ----------
    .. [1] J. Zhou, J. Chen, J. Ye, "Clustered multi-task learning via alternating structure
       optimization", NIPS 2011.
    .. [2] A. M. McDonald, M. Pontil, D. Stamos, "New perspectives on k-support and cluster norms",
       JMLR 17, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import Clustered
    >>> round(Clustered(k=1, lambda2=1.0).value(np.array([[2.0, 2.0], [1.0, 1.0]])), 6)
    5.0
    """

    k: int = 2
    lambda1: float = 1.0
    lambda2: float = 0.1

    def at(self, problem: Scope) -> Penalty:
        if self.k >= min(problem.n_features, problem.n_tasks):
            return Ridge(self.lambda2)  # what it is in this limit
        return SpectralBox(self.lambda1, self.lambda2, self.k)


@dataclass(frozen=True)
class FusedSparseGroup(Unresolved):
    """``sum_j (group ||w^j||_2 + fused sum_t |w_jt - w_j(t-1)| + sparse ||w^j||_1)`` [1]_.

    Tasks follow each other in the order of their labels. The prox of each row is that of the
    differences (total variation), then a soft threshold, then a shrinkage of the row; the dual norm
    is found by bisection.

    Parameters
    ----------
    group, fused, sparse : float, default=1.0, 1.0, 0.0
        Strengths, in [0, inf).

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import FusedSparseGroup
    >>> FusedSparseGroup().value(np.array([[3.0, 4.0]]))
    6.0
    """

    group: float = 1.0
    fused: float = 1.0
    sparse: float = 0.0

    def at(self, problem: Scope) -> Penalty:
        strengths = {"group": self.group, "fused": self.fused, "sparse": self.sparse}
        return fused_rows(problem.n_features, np.arange(problem.n_tasks), **strengths)
