"""Two parts: what the tasks have in common, and what is a task's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._docs import document
from ..base import MultiTaskClassifier, MultiTaskRegressor, Problem
from ..penalties import L1, ColumnL2, RowL2, RowLinf, Split
from ._two_part import TwoPart

_PARTS = """\
    coef_shared_, coef_specific_ : ndarray of the shape of `coef_`
        P' and Q', which add up to `coef_`."""

_OUTLIERS = """
    outlier_tasks_ : ndarray
        Labels of the tasks whose column of Q is not zero."""

_DIRTY_RANGE = """\
P is zero for
    ``lambda2 < lambda1 / n_tasks``, Q is zero for ``lambda2 > lambda1``: a warning says so."""

_ROBUST_RANGE = """\
P is zero for
    ``lambda2 < lambda1 / sqrt(n_tasks)``, Q is zero for ``lambda2 > lambda1 sqrt(n_features)``: a
    warning says so."""


@dataclass(kw_only=True, eq=False, repr=False)
class _Dirty(TwoPart):
    lambda2: float = 0.05

    _part_names: ClassVar[tuple[str, str]] = ("coef_shared_", "coef_specific_")

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(RowLinf(lambda1), L1(lambda2))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return 1.0 / problem.n_columns, 1.0


@document(
    "regressor",
    own_attributes=_PARTS,
    lambda2="0.05",
    lambda2_range=_DIRTY_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class DirtyRegressor(_Dirty, MultiTaskRegressor):
    """Dirty model: features shared by the tasks plus features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j max_t |p_jt| + lambda2 sum_jt |q_jt|

    Row p^j of P is one feature
    across tasks, which costs as much as the task that uses it most; Q is sparse entry by entry.
    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RobustFeatureRegressor : Shared features, and whole tasks that are outliers.
    JointFeatureRegressor : Shared features only.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the row l1 norms of the gradient by
    lambda1, its entries by lambda2. W = 0 if and only if they hold at W = 0. The split of W into P
    and Q need not be unique. ``lambda2 -> inf`` leaves P alone, ``lambda1 -> inf`` is
    :class:`LassoRegressor`.

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.

    Examples
    --------
    >>> from malsar_py import DirtyRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = DirtyRegressor(lambda1=0.4, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> bool((model.coef_ == model.coef_shared_ + model.coef_specific_).all())
    True
    >>> model.relative_gap_ <= model.tol
    True
    """


@document(
    "classifier",
    own_attributes=_PARTS,
    lambda2="0.05",
    lambda2_range=_DIRTY_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class DirtyClassifier(_Dirty, MultiTaskClassifier):
    """Dirty logistic model: features shared by the tasks plus features of single tasks.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j max_t |p_jt| + lambda2 sum_jt |q_jt|

    Row p^j of P is one feature
    across tasks, which costs as much as the task that uses it most; Q is sparse entry by entry.
    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    DirtyRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.

    Examples
    --------
    >>> from malsar_py import DirtyClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = DirtyClassifier(lambda1=0.1, lambda2=0.05).fit(X, y, tasks=tasks)
    >>> model.coef_shared_.shape, model.coef_specific_.shape
    ((4, 20), (4, 20))
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _RobustFeature(TwoPart):
    _part_names: ClassVar[tuple[str, str]] = ("coef_shared_", "coef_specific_")
    _outliers: ClassVar[bool] = True

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Split:
        return Split(RowL2(lambda1), ColumnL2(lambda2, problem.n_classes))

    def _both_from_to(self, problem: Problem) -> tuple[float, float]:
        return float(1.0 / np.sqrt(problem.n_tasks)), float(np.sqrt(problem.n_features))


@document(
    "regressor",
    own_attributes=_PARTS + _OUTLIERS,
    lambda2="0.1",
    lambda2_range=_ROBUST_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class RobustFeatureRegressor(_RobustFeature, MultiTaskRegressor):
    """Robust joint features (rMTFL): tasks share features, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j ||p^j||_2 + lambda2 sum_t ||q_t||_2

    Row p^j of P is one feature
    across tasks; column q_t of Q is one task, and not zero for outlier tasks only.
    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : The same without outliers.
    RobustLowRankRegressor : The tasks share a subspace, and outlier tasks do not.
    DirtyRegressor : Own features of single tasks.

    Notes
    -----
    Solved in P and Q at once. Both dual balls bound the gap: the row 2-norms of the gradient by
    lambda1, its column 2-norms by lambda2. W = 0 if and only if they hold at W = 0. The split of W
    into P and Q need not be unique.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Robust multi-task feature learning", KDD 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import RobustFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=8, random_state=0)
    >>> y[tasks == 3] += X[tasks == 3].sum(axis=1)  # a task unlike the others
    >>> model = RobustFeatureRegressor(lambda1=1.0, lambda2=2.0).fit(X, y, tasks=tasks)
    >>> model.outlier_tasks_
    array([3])
    """


@document(
    "classifier",
    own_attributes=_PARTS + _OUTLIERS,
    lambda2="0.1",
    lambda2_range=_ROBUST_RANGE,
    two_parts=True,
)
@dataclass(kw_only=True, eq=False, repr=False)
class RobustFeatureClassifier(_RobustFeature, MultiTaskClassifier):
    """Robust joint features (rMTFL), logistic: tasks share features, and outlier tasks do not.

    Minimises over P, Q and b, with W = P + Q::

        F(P + Q, b) + lambda1 sum_j ||p^j||_2 + lambda2 sum_t ||q_t||_2

    Row p^j of P is one feature
    across tasks; column q_t of Q is one task, and not zero for outlier tasks only.
    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RobustFeatureRegressor : The same penalty with the squared loss, and notes on the two parts.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Robust multi-task feature learning", KDD 2012.

    Examples
    --------
    >>> from malsar_py import RobustFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = RobustFeatureClassifier(lambda1=0.1, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> model.relative_gap_ <= model.tol
    True
    """
