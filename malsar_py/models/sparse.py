"""Sparse coefficients: entry by entry, or whole features across the tasks."""

from __future__ import annotations

from dataclasses import dataclass

from .._docs import document
from ..base import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, Problem
from ..penalties import L1, Penalty, Ridge, RowL2


@dataclass(kw_only=True, eq=False, repr=False)
class _Lasso(MultiTaskEstimator):
    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        return L1(lambda1) + Ridge(lambda2)


@document("regressor")
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

    Examples
    --------
    >>> from malsar_py import LassoRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = LassoRegressor(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.coef_.shape[0], model.relative_gap_ <= model.tol
    (4, True)
    """


@document("classifier")
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
class _JointFeature(MultiTaskEstimator):
    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        return RowL2(lambda1) + Ridge(lambda2)


@document("regressor")
@dataclass(kw_only=True, eq=False, repr=False)
class JointFeatureRegressor(_JointFeature, MultiTaskRegressor):
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


@document("classifier")
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
