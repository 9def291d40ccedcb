"""Tasks tied to each other along a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from .._docs import document
from .._edges import warn_of_unknown
from .._labels import show_label
from .._new_tasks import resolve_new_tasks
from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    AdaptingRegressor,
    CouplingWeighted,
    MultiTaskClassifier,
    MultiTaskEstimator,
    Prepared,
    Problem,
)
from ..graphs import to_laplacian
from ..penalties import L1, Coupling, MeanCoupling, Penalty
from ._feature_weight import COUPLING_WEIGHTS
from ._metrics import over
from ._new_edges import edge_weights

_GRAPH_PARAMETERS = f"""\
    graph : str, array-like, sparse matrix, DataFrame, list of edges or networkx graph,
    default="complete"
        How the tasks are related. "complete": all of them, with weights 1/n_tasks (mean
        regularisation); "chain": each to the next in the order of `tasks_`. A bare array is an
        adjacency matrix (n_tasks, n_tasks), symmetric with weights in [0, inf), in the order of
        `tasks_`; :func:`malsar_py.graphs.incidence` and :func:`malsar_py.graphs.laplacian` wrap the
        other matrices. Edges ``(label, label[, weight])``, a labelled DataFrame and a networkx
        graph go by task labels and are restricted to the fitted tasks; an edge that names another
        label is told by a warning (not in clones, which may be fitted to folds without a task).
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
{COUPLING_WEIGHTS}"""


@dataclass(kw_only=True, eq=False, repr=False)
class _Graph(CouplingWeighted):
    _couples = True

    graph: Any = "complete"
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CouplingWeighted._parameter_constraints,
        "graph": "no_validation",  # type: ignore[dict-item]  # checked against the tasks
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 2.0,
        "lambda2": 2.0,
        "lambda3": 1.0,
    }
    _terms: ClassVar[Mapping[str, str]] = {
        "lambda1": "coupling",
        "lambda2": "ridge",
        "lambda3": "norm",
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "graph",
        "lambda3",
    )

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        if isinstance(self.graph, str) and self.graph == "complete":
            coupling = partial(MeanCoupling, n_tasks=problem.n_tasks, n_classes=problem.n_classes)
        else:
            laplacian = to_laplacian(self.graph, problem.tasks)
            coupling = partial(Coupling, matrix=laplacian, n_classes=problem.n_classes)
        if lambda3 > 0.0 and problem.feature_weight is not None:
            raise ValueError(
                f"feature_weight of {type(self).__name__} does not go with lambda3 > 0: set "
                "lambda3=0, or leave feature_weight at None."
            )
        whole = self._signed(L1(lambda3) + self._coupled(coupling, problem, lambda1, lambda2))
        self._refuse_parts(whole, problem)
        return whole

    def _refuse_parts(self, penalty: Penalty, problem: Problem) -> None:
        """Where several sums over tasks are free, there is no certificate under a constraint."""
        free = penalty.free_part(problem.n_columns) if self.positive else None
        basis = None if free is None else free[1]
        if basis is not None and (basis.shape[1] > 1 or np.ptp(basis) > 1e-6):
            raise ValueError(
                "positive=True needs lambda2 > 0 where graph is not one connected graph: what its "
                "parts have in common is free of any penalty."
            )

    def _advise(self, rows: TaskRows) -> None:
        warn_of_unknown(self.graph, rows.tasks, "graph")

    def _quadratic(self) -> bool:
        return self.lambda3 == 0.0

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        return None  # the norm is lambda3's


@document("regressor", own_parameters=_GRAPH_PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class GraphRegressor(_Graph, AdaptingRegressor):
    """Graph-regularised multi-task regression: neighbours in a graph have similar models.

    Minimises over W and b::

        F(W, b) + lambda1/2 tr(W L W') + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with L the graph's Laplacian: ``tr(W L W') = sum over edges (t, u) of weight_tu ||w_t -
    w_u||^2``. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    MeanRegularizedRegressor : The complete graph.
    malsar_py.graphs : Ways to give a graph.

    Notes
    -----
    With ``lambda3 = 0`` the problem is linear and solved directly. MALSAR's SRMTL:
    ``graph=incidence(R)``.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.
    .. [2] J. Zhou, J. Chen, J. Ye, "MALSAR: Multi-tAsk Learning via StructurAl Regularization",
       2012.

    Examples
    --------
    >>> from malsar_py import GraphRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = GraphRegressor(graph="chain", lambda1=1.0).fit(X, y, tasks=tasks)
    >>> edges = [(0, 1), (1, 2), (2, 3)]
    >>> same = GraphRegressor(graph=edges, lambda1=1.0).fit(X, y, tasks=tasks)
    >>> bool(abs(model.coef_ - same.coef_).max() < 1e-8)
    True
    """

    def adapt(
        self,
        X_new: Any,
        y_new: Any = None,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
        edges: Any = None,
    ) -> Self:
        """A copy of the fitted model that knows new tasks too; the fitted tasks stay as they are.

        The coefficients of a new task minimise ``1/nbar sum_i s_i loss(y_i, x_i . w + b) +
        lambda1/2 sum_u a_u ||w - w_u||^2 + lambda2/2 ||w||^2`` with a_u the weights of its edges to
        fitted tasks u, and nbar the mean of the fitted tasks' total weights: each row counts as
        those of the fit do with ``task_weight="size"``.

        Parameters
        ----------
        X_new, y_new, tasks, sample_weight
            As for the other models, see :meth:`MeanRegularizedRegressor.adapt`.
        edges : list of tuple, default=None
            Edges ``(label, label[, weight])`` between a new and a fitted task, weights in (0, inf).
            Needed unless the graph is "complete", whose edges have weight 1/(n_tasks + 1).

        Returns
        -------
        model : object
            The copy, with the new tasks appended to `tasks_`.

        Raises
        ------
        ValueError, TypeError
            As for the other models; with lambda3 > 0; or if an edge does not join a new task and a
            fitted one, or a new task has neither an edge nor a ridge.
        """
        rows, labels = resolve_new_tasks(
            self, X_new, y_new, tasks=tasks, sample_weight=sample_weight
        )
        fitted = self._as_fitted()
        fitted._check_plain()
        if fitted.lambda3 > 0.0:
            raise ValueError("adapt is for quadratic penalties: fit with lambda3=0.")
        complete = isinstance(fitted.graph, str) and fitted.graph == "complete"
        if edges is None and complete:
            return super().adapt(X_new, y_new, tasks=tasks, sample_weight=sample_weight)
        if edges is None:
            raise ValueError(
                "The graph of the fit does not know the new tasks: pass edges=[(new, fitted), ...]."
            )
        new = labels[self.n_tasks_ :]
        weights = edge_weights(edges, new, fitted.tasks_)
        priors = [fitted._beside(w, fitted.lambda1, fitted.lambda2) for w in weights]
        alone = [t for t, prior in enumerate(priors) if not np.isfinite(prior.spread).all()]
        if alone:
            raise ValueError(
                f"Task {show_label(new, alone[0])} has no edge to a fitted task, and there is no "
                "ridge: add an edge, or fit with lambda2 > 0."
            )
        return self._adapted(rows, labels, priors)

    def _beside(self, weights: FloatArray, lambda1: float, lambda2: float) -> TaskPrior:
        """The prior of a task with edges of these weights to the fitted ones."""
        total = weights.sum()
        center = weights @ self.coef_ / total if total > 0.0 else np.zeros(self.coef_.shape[1])
        spread = over(np.ones_like(center), lambda1 * total)
        return TaskPrior(center, None, spread).beside_ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        if not (isinstance(self.graph, str) and self.graph == "complete"):
            raise AttributeError("What is expected of a new task depends on its edges; see adapt.")
        T = W.shape[1]
        return self._beside(np.full(T, 1.0 / (T + 1)), self.lambda1, self.lambda2)


@document("classifier", own_parameters=_GRAPH_PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class GraphClassifier(_Graph, MultiTaskClassifier):
    """Graph-regularised multi-task logistic regression: neighbours in a graph have similar models.

    Minimises over W and b::

        F(W, b) + lambda1/2 tr(W L W') + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with L the graph's Laplacian: ``tr(W L W') = sum over edges (t, u) of weight_tu ||w_t -
    w_u||^2``. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    GraphRegressor : The same penalty with the squared loss.
    malsar_py.graphs : Ways to give a graph.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.
    .. [2] J. Zhou, J. Chen, J. Ye, "MALSAR: Multi-tAsk Learning via StructurAl Regularization",
       2012.

    Examples
    --------
    >>> from malsar_py import GraphClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = GraphClassifier(graph="chain", lambda1=0.1, lambda2=0.01).fit(X, y, tasks=tasks)
    >>> model.classes_
    array([0, 1])
    """
