"""Tasks tied to each other: to their mean, or by a covariance that is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.utils._param_validation import StrOptions

from .._docs import document
from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    AdaptingRegressor,
    CouplingWeighted,
    MultiTaskClassifier,
    Prepared,
    Problem,
    ScaledColumns,
    pooling_strengths,
)
from ..penalties import (
    MeanCoupling,
    Penalty,
    Ridge,
    SquaredTraceNorm,
    per_task,
    whole_tasks,
)
from ._common import COMMON_ATTRIBUTES, COMMON_PARAMETER, CommonPart
from ._feature_weight import COLUMN_WEIGHTS, COUPLING_WEIGHTS
from ._metrics import around, left_singular, over
from ._uncertainty import Uncertain


@dataclass(kw_only=True, eq=False, repr=False)
class _MeanRegularized(CouplingWeighted):
    _couples = True
    _takes_sparse: ClassVar[bool] = True
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

    def _metric(self, W: FloatArray) -> TaskPrior:
        center, _, more = around(W, True)
        given = self._given()
        spread = over(np.full_like(center, more), given["lambda1"])
        return TaskPrior(center, None, spread).beside_ridge(given["lambda2"])

    def _quadratic(self) -> bool:
        return True


_REML_STRENGTHS = """\
    lambda1 : float or "reml", default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above. "reml"
        sets all strengths, also lambda2 and intercept_shrinkage (which are left at 0), to those
        that are the variances of a mixed model of the training data (restricted maximum
        likelihood, one variance for all slopes): nothing is left to cross-validation. For the
        squared loss and ``task_weight="size"``, fewer features than rows, and tasks with rows of
        their own (errors of several targets of the same row are correlated, which it denies).
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf)."""

_REML_ATTRIBUTES = """\
    lambda1_ : float
        With ``lambda1="reml"``: lambda1, infinite where all tasks have the same slopes.
    lambda2_ : float
        With ``lambda1="reml"``: lambda2; and `intercept_shrinkage_` is kappa."""


@document(
    "regressor",
    strengths=_REML_STRENGTHS,
    own_parameters=COUPLING_WEIGHTS,
    own_attributes=_REML_ATTRIBUTES,
)
@dataclass(kw_only=True, eq=False, repr=False)
class MeanRegularizedRegressor(_MeanRegularized, Uncertain):
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

    `predict(return_std=True)` and `coef_interval` read the penalty as a model [2]_: coefficients
    are draws ``w_t ~ N(m, sigma2 / (nbar lambda1))`` around common ones (for which the ridge stands
    alone), intercepts ``b_t ~ N(b0, sigma2 / (nbar kappa))``, errors ``N(0, sigma2)`` alike in all
    tasks, with nbar rows a task. The strengths are taken as known, and sigma2 is the sum of squared
    residuals over n less the degrees of freedom. So they are right where the strengths are about
    those of the data (``lambda1="reml"``, or chosen by cross-validation); the biases that a model
    is sure of (another shape of the effects, errors that are correlated) are not in them.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.
    .. [2] G. Wahba, "Bayesian 'confidence intervals' for the cross-validated smoothing spline",
       JRSS B 45, 1983.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> model = MeanRegularizedRegressor(lambda1=1.0).fit(exam.data, exam.target, tasks=exam.tasks)
    >>> model.n_tasks_, model.relative_gap_ <= model.tol
    (65, True)
    """

    lambda1: float | str = 0.1  # type: ignore[assignment]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_MeanRegularized._parameter_constraints,
        "lambda1": [*NONNEGATIVE, StrOptions({"reml"})],
    }

    def _given(self, **others: Any) -> dict[str, Any]:
        if self.lambda1 != "reml":
            return super()._given(**others)
        return {"lambda1": self.lambda1_, "lambda2": self.lambda2_} | others

    def _prepare(self, rows: TaskRows) -> Prepared:
        found: tuple[float | None, ...] = (None, None, None)
        if self.lambda1 == "reml":
            self._check_reml(rows)
            found = pooling_strengths[0](rows, self.fit_intercept)
        self._set_or_forget(dict(zip(("lambda1_", "lambda2_", "_kappa"), found, strict=True)))
        return super()._prepare(rows)

    def _check_reml(self, rows: TaskRows) -> None:
        if not self._loss(rows).affine:
            raise ValueError(
                'lambda1="reml" is for the squared loss: choose strengths by MultiTaskSearchCV.'
            )
        if not (isinstance(self.task_weight, str) and self.task_weight == "size"):
            raise ValueError(
                'lambda1="reml" is derived for task_weight="size", where every row counts the '
                f"same, got {self.task_weight!r}."
            )
        if self.feature_weight is not None or self.positive:
            raise ValueError(
                'lambda1="reml" is derived without feature_weight and positive: leave them out.'
            )
        if self.lambda2 != 0.0 or self.intercept_shrinkage not in (0.0, "reml"):
            raise ValueError(
                'lambda1="reml" sets lambda2 and intercept_shrinkage too: leave them at 0.'
            )

    def _shrinkage(self, rows: TaskRows) -> float:
        if self.lambda1 != "reml":
            return super()._shrinkage(rows)
        return self._kappa if self.fit_intercept else 0.0

    def _set_shrinkage(self, prepared: Prepared) -> None:
        super()._set_shrinkage(prepared)
        if self.lambda1 == "reml":
            self.intercept_shrinkage_ = prepared.kappa


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

    def _metric(self, W: FloatArray) -> TaskPrior:
        # (tr (VV' + ww')^(1/2))^2 / 2, to second order in w.
        center, V, more = around(W, self.common)
        axes, s = left_singular(V)
        total = s.sum()
        spread = over(more * (s / total if total > 0.0 else np.ones_like(s)), self.lambda1)
        return TaskPrior(center, axes, spread).beside_ridge(self.lambda2)

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
class TaskRelationshipRegressor(_TaskRelationship, AdaptingRegressor):
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
