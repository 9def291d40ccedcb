"""Ordered tasks, such as time points: neighbours in the order have similar models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._docs import document
from .._labels import as_labels, match_keys, show_label
from .._typing import IntArray
from ..base import (
    NONNEGATIVE,
    MultiTaskClassifier,
    MultiTaskEstimator,
    MultiTaskRegressor,
    Problem,
)
from ..graphs import to_laplacian
from ..penalties import Coupling, Penalty, Ridge, RowL2, fused_rows

ORDER_PARAMETER = """\
    task_order : array-like of shape (n_labels,), default=None
        Task labels in their order, each fitted one once; labels of other tasks are passed over.
        With None it is that of `tasks_`: sorted labels, the categories of an ordered categorical
        in their order, or the columns of a 2-D y as they are."""


@dataclass(kw_only=True, eq=False, repr=False)
class OrderedTasks(MultiTaskEstimator):
    """Template of models whose tasks follow each other."""

    task_order: Any = None

    _couples = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "task_order": ["array-like", None],
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "task_order",
    )

    def _order(self, problem: Problem) -> IntArray:
        """Positions in `tasks_`, as the tasks follow each other."""
        if self.task_order is None:
            return np.arange(problem.n_tasks)
        labels = as_labels(self.task_order, "task_order")
        position = {key: t for t, key in enumerate(match_keys(problem.tasks, labels))}
        order = [position[key] for key in match_keys(labels, problem.tasks) if key in position]
        times = np.bincount(np.array(order, np.intp), minlength=problem.n_tasks)
        for t in np.flatnonzero(times != 1)[:1]:
            fault = "does not hold" if times[t] == 0 else "repeats"
            raise ValueError(
                f"task_order {fault} the fitted task {show_label(problem.tasks, t)}: "
                "list the label of every task once."
            )
        return np.array(order, np.intp)


@dataclass(kw_only=True, eq=False, repr=False)
class _TemporalGroup(OrderedTasks):
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OrderedTasks._parameter_constraints,
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 1.0,
        "lambda2": 2.0,
        "lambda3": 2.0,
    }
    _terms: ClassVar[Mapping[str, str]] = {
        "lambda1": "norm",
        "lambda2": "ridge",
        "lambda3": "coupling",
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*OrderedTasks._penalty_parameters, "lambda3")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        rank = np.argsort(self._order(problem))
        chain = to_laplacian("chain", problem.tasks)[np.ix_(rank, rank)]
        coupling = Coupling(lambda3, chain, problem.n_classes)
        return RowL2(lambda1) + coupling + Ridge(lambda2)


_TEMPORAL_PARAMETERS = f"""\
    lambda3 : float, default=0.0
        Strength of ``1/2 sum_t ||w_(t+1) - w_t||^2`` over neighbours in the order, in [0, inf).
{ORDER_PARAMETER}"""


@document("regressor", own_parameters=_TEMPORAL_PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TemporalGroupRegressor(_TemporalGroup, MultiTaskRegressor):
    """Temporal group lasso (TGL): ordered tasks share features, and neighbours are similar.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2
                + lambda3/2 sum_t ||w_(t+1) - w_t||^2

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    FusedSparseGroupRegressor : Neighbours are equal but for a few jumps.
    JointFeatureRegressor : The same without an order (``lambda3 = 0``).
    GraphRegressor : Neighbours in any graph, without joint features.

    Notes
    -----
    Tasks are time points in [1]_: the same patients at later and later visits. A label that was not
    fitted has no place in the order; ``unseen="mean"`` predicts with the mean of all tasks.

    References
    ----------
    .. [1] J. Zhou, L. Yuan, J. Liu, J. Ye, "A multi-task learning formulation for predicting
       disease progression", KDD 2011.

    Examples
    --------
    >>> from malsar_py import TemporalGroupRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = TemporalGroupRegressor(lambda1=0.5, lambda3=1.0, task_order=[3, 2, 0, 1])
    >>> model.fit(X, y, tasks=tasks).relative_gap_ <= model.tol
    True
    """


@document("classifier", own_parameters=_TEMPORAL_PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TemporalGroupClassifier(_TemporalGroup, MultiTaskClassifier):
    """Temporal group lasso (TGL) for classes: ordered tasks share features, neighbours are similar.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2
                + lambda3/2 sum_t ||w_(t+1) - w_t||^2

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TemporalGroupRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] J. Zhou, L. Yuan, J. Liu, J. Ye, "A multi-task learning formulation for predicting
       disease progression", KDD 2011.

    Examples
    --------
    >>> from malsar_py import TemporalGroupClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = TemporalGroupClassifier(lambda1=0.02, lambda3=0.1).fit(X, y, tasks=tasks)
    >>> model.predict_proba(X[:3], tasks=tasks[:3]).shape
    (3, 2)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _FusedSparseGroup(OrderedTasks):
    _multi_class: ClassVar[bool] = False
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OrderedTasks._parameter_constraints,
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 1.0,
        "lambda2": 1.0,
        "lambda3": 1.0,
    }
    _terms: ClassVar[Mapping[str, str]] = dict.fromkeys(_strengths, "norm")
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*OrderedTasks._penalty_parameters, "lambda3")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        strengths = {"group": lambda1, "fused": lambda2, "sparse": lambda3}
        return fused_rows(problem.n_features, self._order(problem), **strengths)


_FUSED_PARAMETERS = f"""\
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
{ORDER_PARAMETER}"""
_FUSED_TERM = "``sum_jt |w_j(t+1) - w_jt|`` over neighbours in the order"


@document("regressor", own_parameters=_FUSED_PARAMETERS, lambda2_term=_FUSED_TERM)
@dataclass(kw_only=True, eq=False, repr=False)
class FusedSparseGroupRegressor(_FusedSparseGroup, MultiTaskRegressor):
    """Convex fused sparse group lasso (cFSGL): a feature's weight changes at few places in time.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2 sum_jt |w_j(t+1) - w_jt|
                + lambda3 sum_jt |w_jt|

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TemporalGroupRegressor : Neighbours are similar, and a ridge.
    NonconvexFusedRegressor : Penalties that shrink what they keep less.

    Notes
    -----
    The prox is exact: one-dimensional total variation of each row by dynamic programming [2]_, then
    a soft threshold, then shrinkage of the row. Neighbours that are fused have exactly the same
    coefficient. Without group and sparse terms (``lambda1 = lambda3 = 0``) the mean of a row over
    the tasks carries no penalty.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.
    .. [2] N. A. Johnson, "A dynamic programming algorithm for the fused lasso and L0-segmentation",
       J. Computational and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> from malsar_py import FusedSparseGroupRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = FusedSparseGroupRegressor(lambda1=0.5, lambda2=100.0).fit(X, y, tasks=tasks)
    >>> bool((model.coef_ == model.coef_[0]).all())
    True
    """


@document("classifier", own_parameters=_FUSED_PARAMETERS, lambda2_term=_FUSED_TERM)
@dataclass(kw_only=True, eq=False, repr=False)
class FusedSparseGroupClassifier(_FusedSparseGroup, MultiTaskClassifier):
    """Convex fused sparse group lasso (cFSGL) for classes: weights change at few places in time.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2 sum_jt |w_j(t+1) - w_jt|
                + lambda3 sum_jt |w_jt|

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    FusedSparseGroupRegressor : The same penalty with the squared loss, and notes on its prox.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import FusedSparseGroupClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = FusedSparseGroupClassifier(lambda1=0.02, lambda2=0.02).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """
