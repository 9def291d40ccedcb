"""Tasks tied to each other: to their mean, along a graph, or by a covariance that is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.linalg

from .._docs import document
from .._edges import warn_of_unknown
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    CouplingWeighted,
    MultiTaskClassifier,
    MultiTaskEstimator,
    MultiTaskRegressor,
    Prepared,
    Problem,
    ScaledColumns,
)
from ..graphs import to_laplacian
from ..penalties import (
    L1,
    Coupling,
    MeanCoupling,
    Penalty,
    Ridge,
    SquaredTraceNorm,
    per_task,
    whole_tasks,
)
from ._common import COMMON_ATTRIBUTES, COMMON_PARAMETER, CommonPart
from ._feature_weight import COLUMN_WEIGHTS, COUPLING_WEIGHTS


@dataclass(kw_only=True, eq=False, repr=False)
class _MeanRegularized(CouplingWeighted):
    _couples = True
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 2.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "coupling", "lambda2": "ridge"}

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        if problem.n_classes > 1 and self.positive and lambda2 == 0.0:
            raise ValueError(
                "positive=True needs lambda2 > 0 with more than two classes: the means of the "
                "classes are free of any penalty."
            )
        coupling = partial(MeanCoupling, n_tasks=problem.n_tasks, n_classes=problem.n_classes)
        return self._signed(self._coupled(coupling, problem, lambda1, lambda2))

    def _quadratic(self) -> bool:
        return True


@document("regressor", own_parameters=COUPLING_WEIGHTS)
@dataclass(kw_only=True, eq=False, repr=False)
class MeanRegularizedRegressor(_MeanRegularized, MultiTaskRegressor):
    """Mean-regularised multi-task regression: every task's model is drawn to the mean of all.

    Minimises over W and b::

        F(W, b) + lambda1/2 sum_t ||w_t - mean(W)||^2 + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    GraphRegressor : Neighbours in a graph are drawn to each other; the complete graph gives this
    model.

    Notes
    -----
    ``lambda1 = 0`` is one ridge per task; ``lambda1 -> inf`` is one slope for all tasks with
    intercepts of their own. Solved directly: one factorisation per task and one system of
    n_features equations.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> model = MeanRegularizedRegressor(lambda1=1.0).fit(exam.data, exam.target, tasks=exam.tasks)
    >>> model.n_tasks_, model.relative_gap_ <= model.tol
    (65, True)
    """


@document("classifier", own_parameters=COUPLING_WEIGHTS)
@dataclass(kw_only=True, eq=False, repr=False)
class MeanRegularizedClassifier(_MeanRegularized, MultiTaskClassifier):
    """Mean-regularised logistic regression: every task's model is drawn to the mean of all.

    Minimises over W and b::

        F(W, b) + lambda1/2 sum_t ||w_t - mean(W)||^2 + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    MeanRegularizedRegressor : The same penalty with the squared loss.

    Notes
    -----
    With ``lambda2 = 0`` the mean carries no penalty: when a hyperplane separates the classes of all
    tasks at once there is no finite minimiser, and the fit ends with a ConvergenceWarning.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=4, classification=True, random_state=0)
    >>> model = MeanRegularizedClassifier(lambda1=0.1, lambda2=0.01).fit(X, y, tasks=tasks)
    >>> model.decision_function(X[:3], tasks=tasks[:3]).shape
    (3,)
    """


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
class GraphRegressor(_Graph, MultiTaskRegressor):
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


_RELATION_ATTRIBUTES = f"""\
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The minimising Omega, ``(W'W)^(1/2)`` divided by its trace; I/n_tasks if W = 0.
    task_correlation_ : ndarray of shape (n_tasks, n_tasks)
        The same scaled to ones on the diagonal; a task without coefficients is related to none.
        With ``common=True`` both are of what the tasks add to the common model.
{COMMON_ATTRIBUTES}"""


_PARAMETERS = f"{COMMON_PARAMETER}\n{COLUMN_WEIGHTS}"


@dataclass(kw_only=True, eq=False, repr=False)
class _TaskRelationship(ScaledColumns, CommonPart):
    _couples = True
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 2.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "size", "lambda2": "ridge"}

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        ridge = Ridge(lambda2)
        if lambda1 == 0.0:
            return ridge
        return self._around(per_task(SquaredTraceNorm(lambda1), problem.n_classes)) + ridge

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        if self.common:
            W = self.coef_specific_.T
        W = whole_tasks(self._as_penalised(W, problem), problem.n_classes)
        _, s, directions = scipy.linalg.svd(W, full_matrices=False, check_finite=False)
        root = (directions.T * s) @ directions
        total = s.sum()
        T = problem.n_tasks
        self.task_covariance_ = root / total if total > 0.0 else np.eye(T) / T
        spread = np.sqrt(np.diag(self.task_covariance_))
        spread[spread == 0.0] = 1.0
        self.task_correlation_ = self.task_covariance_ / np.outer(spread, spread)
        np.fill_diagonal(self.task_correlation_, 1.0)


@document("regressor", own_parameters=_PARAMETERS, own_attributes=_RELATION_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class TaskRelationshipRegressor(_TaskRelationship, MultiTaskRegressor):
    """Task relationship learning (MTRL): the tasks' covariance is learnt with the models.

    Minimises over W, b and Omega::

        F(W, b) + lambda1/2 tr(W Omega^-1 W') + lambda2/2 ||W||_F^2
        subject to Omega >= 0, tr Omega = 1

    with Omega (n_tasks x n_tasks) the covariance of the tasks' coefficients. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    GraphRegressor : The relations are given.
    TraceNormRegressor : The trace norm, not squared.

    Notes
    -----
    Omega can be minimised out, at ``(W'W)^(1/2) / tr``: what is left is ``lambda1/2`` times the
    squared trace norm of W, convex, with an exact prox. It is that of convex multi-task feature
    learning [2]_ too, where the covariance is between features.

    References
    ----------
    .. [1] Y. Zhang, D.-Y. Yeung, "A convex formulation for learning task relationships in
       multi-task learning", UAI 2010.
    .. [2] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
       Learning 73, 2008.

    Examples
    --------
    >>> from malsar_py import TaskRelationshipRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=6, n_clusters=2, random_state=0)
    >>> model = TaskRelationshipRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.task_correlation_.shape, model.relative_gap_ <= model.tol
    ((6, 6), True)
    """


@document("classifier", own_parameters=_PARAMETERS, own_attributes=_RELATION_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class TaskRelationshipClassifier(_TaskRelationship, MultiTaskClassifier):
    """Task relationship learning (MTRL), logistic: the tasks' covariance is learnt.

    Minimises over W, b and Omega::

        F(W, b) + lambda1/2 tr(W Omega^-1 W') + lambda2/2 ||W||_F^2
        subject to Omega >= 0, tr Omega = 1

    with Omega (n_tasks x n_tasks) the covariance of the tasks' coefficients. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TaskRelationshipRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] Y. Zhang, D.-Y. Yeung, "A convex formulation for learning task relationships in
       multi-task learning", UAI 2010.
    .. [2] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
       Learning 73, 2008.

    Examples
    --------
    >>> from malsar_py import TaskRelationshipClassifier
    >>> from malsar_py.datasets import make_clustered
    >>> X, y, tasks = make_clustered(n_tasks=6, n_clusters=2, classification=True, random_state=0)
    >>> model = TaskRelationshipClassifier(lambda1=0.01).fit(X, y, tasks=tasks)
    >>> model.task_correlation_.shape, model.relative_gap_ <= model.tol
    ((6, 6), True)
    """
