"""Sparse coefficients: entry by entry, or whole features across the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._docs import document
from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import AdaptingRegressor, MultiTaskClassifier, MultiTaskRegressor, Problem, RowWeighted
from ..penalties import (
    L1,
    CommonL1,
    DataShared,
    Penalty,
    Ridge,
    RowL2,
    WeightedL1,
    WeightedRowL2,
)
from ._common import COMMON_ATTRIBUTES, COMMON_PARAMETER, CommonPart
from ._feature_weight import ROW_WEIGHTS
from ._metrics import around, over

_PARAMETERS = f"{COMMON_PARAMETER}\n{ROW_WEIGHTS}"
_LASSO_PARAMETERS = f"""\
{ROW_WEIGHTS}
    common : bool, default=False
        Whether ``W = m 1' + V`` with a common model m that has an L1 norm of its own, the
        data-shared lasso [2]_: the norm is then ``lambda1 (common_weight sum_j |m_j| + sum_jt
        |v_jt|)``, and lambda2 must be 0.
    common_weight : float, default=None
        Weight of the common model's norm, in (0, inf); None: ``sqrt(n_tasks)``. From n_tasks on m
        is 0."""

_LASSO_ATTRIBUTES = """\
    coef_common_ : ndarray of shape (n_features,)
        With ``common=True``: the common model m.
    coef_specific_ : ndarray of shape (n_tasks, n_features)
        With ``common=True``: what each task adds, V'."""


@dataclass(kw_only=True, eq=False, repr=False)
class _Lasso(RowWeighted, CommonPart):
    common_weight: float | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CommonPart._parameter_constraints,
        **RowWeighted._parameter_constraints,
        "common_weight": [Interval(Real, 0, None, closed="neither"), None],
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *CommonPart._penalty_parameters,
        "common_weight",
    )
    # The common model has a norm of its own, and no ridge.
    _moves_zero: ClassVar[bool] = False
    _ridge_on_all: ClassVar[bool] = False

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        weights = problem.feature_weight
        if not self.common:
            norm = L1(lambda1) if weights is None else WeightedL1(lambda1, weights=weights)
            return self._signed(norm + Ridge(lambda2))
        if weights is not None or self.positive:
            raise ValueError(
                f"common=True of {type(self).__name__} goes with neither feature_weight nor "
                "positive=True: leave them out, or set common=False."
            )
        if lambda1 == 0.0 or lambda2 > 0.0:
            raise ValueError(
                f"common=True splits the coefficients of {type(self).__name__} into two parts with "
                f"a norm each, which needs lambda1 > 0 and lambda2 = 0, got lambda1={lambda1}"
                f" and lambda2={lambda2}."
            )
        weight = self.common_weight
        mu = lambda1 * (np.sqrt(problem.n_tasks) if weight is None else weight)
        return DataShared(CommonL1(float(mu)), L1(lambda1))

    def _start(self, rows: TaskRows) -> FloatArray:
        W = super()._start(rows)
        if not self.common:
            return W
        specific = getattr(self, "coef_specific_", None)
        if not W.any() or specific is None:
            return np.zeros((2 * W.shape[0], W.shape[1]))
        return np.concatenate(
            [np.repeat(self.coef_common_[:, None], W.shape[1], axis=1), specific.T]
        )

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        if not self.common:
            super()._describe(W, problem)
            return
        common, specific = np.split(W, 2)
        self.coef_common_ = common[:, 0].copy()
        self.coef_specific_ = np.ascontiguousarray(specific.T)


@document("regressor", own_parameters=_LASSO_PARAMETERS, own_attributes=_LASSO_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class LassoRegressor(_Lasso, MultiTaskRegressor):
    """Sparse coefficients, every task on its own (L1), with one lambda for all.

    Minimises over W and b::

        F(W, b) + lambda1 sum_jt |w_jt| + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : The tasks agree on which features count.

    Notes
    -----
    With one task this is scikit-learn's ``ElasticNet``: ``lambda1 = alpha l1_ratio``, ``lambda2 =
    alpha (1 - l1_ratio)``. The tasks share nothing but lambda: the baseline of sparse models.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. Royal Statistical
       Society B 58, 1996.
    .. [2] S. M. Gross, R. Tibshirani, "Data shared lasso: a novel tool to discover uplift",
       Computational Statistics and Data Analysis 101, 2016.

    Examples
    --------
    >>> from malsar_py import LassoRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = LassoRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.coef_.shape[0], model.relative_gap_ <= model.tol
    (4, True)
    """


@document("classifier", own_parameters=_LASSO_PARAMETERS, own_attributes=_LASSO_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class LassoClassifier(_Lasso, MultiTaskClassifier):
    """Sparse logistic regression, every task on its own (L1), with one lambda for all.

    Minimises over W and b::

        F(W, b) + lambda1 sum_jt |w_jt| + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    LassoRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. Royal Statistical
       Society B 58, 1996.
    .. [2] S. M. Gross, R. Tibshirani, "Data shared lasso: a novel tool to discover uplift",
       Computational Statistics and Data Analysis 101, 2016.

    Examples
    --------
    >>> from malsar_py import LassoClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = LassoClassifier(lambda1=0.02).fit(X, y, tasks=tasks)
    >>> model.predict_proba(X[:3], tasks=tasks[:3]).shape
    (3, 2)
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _JointFeature(RowWeighted, CommonPart):
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CommonPart._parameter_constraints,
        **RowWeighted._parameter_constraints,
    }

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        weights = problem.feature_weight
        norm = RowL2(lambda1) if weights is None else WeightedRowL2(lambda1, weights=weights)
        if not self.common:
            return self._signed(norm + Ridge(lambda2))
        if self.positive:
            raise ValueError(
                f"common=True of {type(self).__name__} does not go with positive=True: set one of "
                "them to False."
            )
        return self._around(norm) + Ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        # sum_j (||v^j||^2 + w_j^2)^(1/2), to second order in w.
        center, V, more = around(W, self.common)
        spread = over(more * np.sqrt(np.square(V).sum(axis=1)), self.lambda1)
        return TaskPrior(center, None, spread).beside_ridge(self.lambda2)


@document("regressor", own_parameters=_PARAMETERS, own_attributes=COMMON_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class JointFeatureRegressor(_JointFeature, AdaptingRegressor):
    """Joint feature selection (L2,1): a feature counts for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    LassoRegressor : Every task chooses features of its own.
    TraceNormRegressor : The tasks share directions rather than features.

    Notes
    -----
    On a shared X this is scikit-learn's ``MultiTaskLasso(alpha=lambda1)``; with ``lambda2`` its
    ``MultiTaskElasticNet``. Here tasks may have rows of their own.

    References
    ----------
    .. [1] A. Argyriou, T. Evgeniou, M. Pontil, "Multi-task feature learning", NIPS 2006.
    .. [2] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.
    .. [3] J. Liu, S. Ji, J. Ye, "Multi-task feature learning via efficient L2,1-norm minimization",
       UAI 2009.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = JointFeatureRegressor(lambda1=0.5).fit(X, y, tasks=tasks)
    >>> selected = (model.coef_ != 0).any(axis=0)
    >>> bool(selected.sum() < model.coef_.shape[1]), model.relative_gap_ <= model.tol
    (True, True)
    """


@document("classifier", own_parameters=_PARAMETERS, own_attributes=COMMON_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class JointFeatureClassifier(_JointFeature, MultiTaskClassifier):
    """Joint feature selection (L2,1) for classification: a feature counts for all tasks or none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> from malsar_py import JointFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = JointFeatureClassifier(lambda1=0.05).fit(X, y, tasks=tasks)
    >>> model.predict(X[:3], tasks=tasks[:3]).shape
    (3,)
    """
