"""Low rank: the tasks' models span few directions, alone or beside a part that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._docs import document
from .._task_prior import TaskPrior
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    AdaptingRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    Problem,
    ScaledColumns,
)
from ..penalties import L1, ColumnL2, Penalty, Ridge, Split, TraceBall, TraceNorm
from ..prox import singular_values
from ._common import COMMON_ATTRIBUTES, COMMON_PARAMETER, CommonPart
from ._feature_weight import COLUMN_WEIGHTS
from ._metrics import around, left_singular, over
from ._two_part import TwoPart

# The prox sets singular values to zero; what rounding leaves of them lies far below this share of
# the largest.
_RANK_CUTOFF = 1e-10

_OWN_ATTRIBUTES = f"""\
    rank_ : int
        Rank of `coef_`: singular values above 1e-10 times the largest.
{COMMON_ATTRIBUTES}"""


_PARAMETERS = f"{COMMON_PARAMETER}\n{COLUMN_WEIGHTS}"


@dataclass(kw_only=True, eq=False, repr=False)
class _TraceNorm(ScaledColumns, CommonPart):
    _couples = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        return self._around(TraceNorm(lambda1)) + Ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        # tr (VV' + ww')^(1/2), to second order in w.
        center, V, more = around(W, self.common)
        axes, s = left_singular(V)
        return TaskPrior(center, axes, over(more * s, self.lambda1)).beside_ridge(self.lambda2)

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        super()._describe(W, problem)
        s = singular_values(W)
        self.rank_ = int((s > _RANK_CUTOFF * s.max(initial=0.0)).sum())


@document("regressor", own_parameters=_PARAMETERS, own_attributes=_OWN_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class TraceNormRegressor(_TraceNorm, AdaptingRegressor):
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


@document("classifier", own_parameters=_PARAMETERS, own_attributes=_OWN_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
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


_LOW_RANK_ATTRIBUTES = """\
    coef_low_rank_, coef_specific_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`.
    outlier_tasks_ : ndarray
        Labels of the tasks whose column of Q is not zero."""

_LOW_RANK_RANGE = """\
P is zero for
    ``lambda2 < lambda1 / sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1``: a warning says
    so."""

_SPARSE_PARAMETERS = """\
    trace_bound : float, default=None
        With a number tau in [0, inf) the second term is the constraint ``sum_i sigma_i(Q) <= tau``,
        and `lambda2` is not used."""

_SPARSE_ATTRIBUTES = """\
    coef_sparse_, coef_low_rank_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`."""

_SPARSE_RANGE = """\
P is zero for
    ``lambda2 < lambda1``, Q is zero for ``lambda2 > lambda1 sqrt(n_features n_tasks)``: a warning
    says so."""


@dataclass(kw_only=True, eq=False, repr=False)
class _RobustLowRank(TwoPart):
    lambda2: float = 0.08

    _part_names: ClassVar[tuple[str, str]] = ("coef_low_rank_", "coef_specific_")
    _outliers: ClassVar[bool] = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(TraceNorm(lambda1), ColumnL2(lambda2, problem.n_classes))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        # A task with one column has one singular value.
        most = min(problem.n_features, problem.n_classes)
        return float(1.0 / np.sqrt(problem.n_tasks)), float(np.sqrt(most))


@document(
    "regressor",
    own_attributes=_LOW_RANK_ATTRIBUTES,
    lambda2="0.08",
    lambda2_range=_LOW_RANK_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class RobustLowRankRegressor(_RobustLowRank, MultiTaskRegressor):
    """Robust low rank (RMTL): the tasks share a subspace, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_i sigma_i(P) + lambda2 sum_t ||q_t||_2

    with sigma_i(P) the singular
    values; column q_t of Q is one task, and not zero for outlier tasks only. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    TraceNormRegressor : The same without outliers.
    RobustFeatureRegressor : The tasks share features, and outlier tasks do not.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the spectral norm of the gradient by
    lambda1, its column 2-norms by lambda2. W = 0 if and only if they hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py import RobustLowRankRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=8, random_state=0)
    >>> y[tasks == 3] += 2.0 * X[tasks == 3].sum(axis=1)  # a task unlike the others
    >>> model = RobustLowRankRegressor(lambda1=3.0, lambda2=2.5).fit(X, y, tasks=tasks)
    >>> model.outlier_tasks_
    array([3])
    """


@document(
    "classifier",
    own_attributes=_LOW_RANK_ATTRIBUTES,
    lambda2="0.08",
    lambda2_range=_LOW_RANK_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class RobustLowRankClassifier(_RobustLowRank, MultiTaskClassifier):
    """Robust low rank (RMTL), logistic: the tasks share a subspace, outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_i sigma_i(P) + lambda2 sum_t ||q_t||_2

    with sigma_i(P) the singular
    values; column q_t of Q is one task, and not zero for outlier tasks only. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RobustLowRankRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] J. Chen, J. Zhou, J. Ye, "Integrating low-rank and group-sparse structures for robust
       multi-task learning", KDD 2011.

    Examples
    --------
    >>> from malsar_py import RobustLowRankClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = RobustLowRankClassifier(lambda1=0.2, lambda2=0.15).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _SparseLowRank(TwoPart):
    lambda2: float = 0.2
    trace_bound: float | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TwoPart._parameter_constraints,
        "trace_bound": [*NONNEGATIVE, None],
    }
    _sizes: ClassVar[tuple[str, ...]] = ("trace_bound",)
    _part_names: ClassVar[tuple[str, str]] = ("coef_sparse_", "coef_low_rank_")
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*TwoPart._penalty_parameters, "trace_bound")

    def _penalty(
        self, problem: Problem, lambda1: float, lambda2: float, trace_bound: float | None
    ) -> Split:
        if trace_bound is not None:
            return Split(L1(lambda1), TraceBall(trace_bound))
        return Split(L1(lambda1), TraceNorm(lambda2))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return 1.0, float(np.sqrt(problem.n_features * problem.n_columns))


@document(
    "regressor",
    own_parameters=_SPARSE_PARAMETERS,
    own_attributes=_SPARSE_ATTRIBUTES,
    lambda2="0.2",
    lambda2_range=_SPARSE_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class SparseLowRankRegressor(_SparseLowRank, MultiTaskRegressor):
    """Sparse plus low rank: a common subspace, and own features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_jt |p_jt| + lambda2 sum_i sigma_i(Q)

    or, with `trace_bound`, under the constraint ``sum_i sigma_i(Q) <= trace_bound`` in place of the
    last term; sigma_i(Q) are the singular values. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    LassoRegressor : The sparse part alone.
    TraceNormRegressor : The low-rank part alone.
    DirtyRegressor : Sparse plus shared features.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the entries of the gradient by
    lambda1, its spectral norm by lambda2; under the constraint, the spectral norm times
    trace_bound is part of the bound. W = 0 if and only if the balls hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] J. Chen, J. Liu, J. Ye, "Learning incoherent sparse and low-rank patterns from multiple
       tasks", KDD 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import SparseLowRankRegressor
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, random_state=0)
    >>> model = SparseLowRankRegressor(lambda1=0.3, trace_bound=5.0).fit(X, y, tasks=tasks)
    >>> float(np.linalg.norm(model.coef_low_rank_, "nuc").round(6))
    5.0
    """


@document(
    "classifier",
    own_parameters=_SPARSE_PARAMETERS,
    own_attributes=_SPARSE_ATTRIBUTES,
    lambda2="0.2",
    lambda2_range=_SPARSE_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class SparseLowRankClassifier(_SparseLowRank, MultiTaskClassifier):
    """Sparse plus low rank, logistic: a common subspace, and own features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_jt |p_jt| + lambda2 sum_i sigma_i(Q)

    or, with `trace_bound`, under the constraint ``sum_i sigma_i(Q) <= trace_bound`` in place of the
    last term; sigma_i(Q) are the singular values. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    SparseLowRankRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] J. Chen, J. Liu, J. Ye, "Learning incoherent sparse and low-rank patterns from multiple
       tasks", KDD 2010.

    Examples
    --------
    >>> from malsar_py import SparseLowRankClassifier
    >>> from malsar_py.datasets import make_low_rank
    >>> X, y, tasks = make_low_rank(n_tasks=6, classification=True, random_state=0)
    >>> model = SparseLowRankClassifier(lambda1=0.05, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> model.coef_sparse_.shape, model.coef_low_rank_.shape
    ((6, 20), (6, 20))
    """
