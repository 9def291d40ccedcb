"""Low rank: the tasks' models span few directions."""

from __future__ import annotations

from dataclasses import dataclass

from .._docs import document
from .._typing import FloatArray
from ..base import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, Problem
from ..penalties import Penalty, Ridge, TraceNorm
from ..prox import singular_values

# The prox sets singular values to zero; what rounding leaves of them lies far below this share of
# the largest.
_RANK_CUTOFF = 1e-10

_OWN_ATTRIBUTES = """\
    rank_ : int
        Rank of `coef_`: singular values above 1e-10 times the largest."""


@dataclass(kw_only=True, eq=False, repr=False)
class _TraceNorm(MultiTaskEstimator):
    def _penalty(self, problem: Problem) -> Penalty:
        return TraceNorm(self.lambda1) + Ridge(self.lambda2)

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        s = singular_values(W)
        self.rank_ = int((s > _RANK_CUTOFF * s.max(initial=0.0)).sum())


@document("regressor", own_attributes=_OWN_ATTRIBUTES)
class TraceNormRegressor(_TraceNorm, MultiTaskRegressor):
    """Low-rank coefficients (trace norm): the tasks' models lie in a common small subspace.

    Minimises over W and b::

        F(W, b) + lambda1 sum_i sigma_i(W) + lambda2/2 ||W||_F^2

    with sigma_i(W) the singular values. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : The tasks share features.
    ClusteredRegressor : The tasks form groups.

    References
    ----------
    .. [1] S. Ji, J. Ye, "An accelerated gradient method for trace norm minimization", ICML 2009.
    .. [2] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> from malsar_py import TraceNormRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, random_state=0)
    >>> model = TraceNormRegressor(lambda1=1.0).fit(X, y, tasks=tasks)
    >>> model.rank_ < 6, model.relative_gap_ <= model.tol
    (True, True)
    """


@document("classifier", own_attributes=_OWN_ATTRIBUTES)
class TraceNormClassifier(_TraceNorm, MultiTaskClassifier):
    """Low-rank logistic regression (trace norm): the tasks' models lie in a common subspace.

    Minimises over W and b::

        F(W, b) + lambda1 sum_i sigma_i(W) + lambda2/2 ||W||_F^2

    with sigma_i(W) the singular values. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TraceNormRegressor : The same penalty with the squared loss.

    References
    ----------
    .. [1] S. Ji, J. Ye, "An accelerated gradient method for trace norm minimization", ICML 2009.

    Examples
    --------
    >>> from malsar_py import TraceNormClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = TraceNormClassifier(lambda1=0.1).fit(X, y, tasks=tasks)
    >>> model.rank_ < 6
    True
    """
