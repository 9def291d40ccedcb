"""Groups of features: chosen together, over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from .._docs import document
from .._labels import as_labels, factorize, match_keys, object_array, show_label
from .._typing import AnyArray, FloatArray, IntArray
from ..base import (
    NONNEGATIVE,
    MultiTaskClassifier,
    MultiTaskEstimator,
    MultiTaskRegressor,
    Problem,
)
from ..penalties import Penalty, Ridge, feature_groups

_PARAMETERS = """\
    feature_groups : array-like of shape (n_features,), default=None
        The group of each feature, by any label, in the order of the columns of X without the label
        column. None: every feature is a group by itself.
    group_weight : mapping, default=None
        ``{group: weight}``, weights in (0, inf); None: the square root of the number of features.
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf)."""

_ATTRIBUTES = """\
    feature_groups_ : ndarray of shape (n_groups,)
        Labels of the groups.
    selected_groups_ : ndarray
        Labels of those with a coefficient that is not zero."""


@dataclass(kw_only=True, eq=False, repr=False)
class _GroupFeature(MultiTaskEstimator):
    _takes_sparse: ClassVar[bool] = True
    feature_groups: Any = None
    group_weight: Mapping[Any, float] | None = None
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskEstimator._parameter_constraints,
        "feature_groups": ["array-like", None],
        "group_weight": [Mapping, None],
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 1.0, "lambda2": 2.0, "lambda3": 1.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda1": "norm", "lambda2": "ridge", "lambda3": "norm"}
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "feature_groups",
        "group_weight",
        "lambda3",
    )

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        names, codes = self._groups(problem.n_features)
        weights = self._weights(names, codes)
        return feature_groups(codes, weights, group=lambda1, sparse=lambda3) + Ridge(lambda2)

    def _groups(self, n_features: int) -> tuple[AnyArray, IntArray]:
        """Labels of the groups, and the position of each feature's among them."""
        if self.feature_groups is None:
            return np.arange(n_features), np.arange(n_features)
        labels = as_labels(self.feature_groups, "feature_groups", "group label")
        if len(labels) != n_features:
            raise ValueError(
                f"feature_groups has {len(labels)} labels, but X has {n_features} features: give "
                "the group of each feature, in the order of the columns of X (but for the label "
                "column)."
            )
        return factorize(labels, "feature_groups")

    def _weights(self, names: AnyArray, codes: IntArray) -> FloatArray:
        if self.group_weight is None:
            return np.sqrt(np.bincount(codes))
        given = dict(
            zip(
                match_keys(object_array(self.group_weight), names),
                self.group_weight.values(),
                strict=True,
            )
        )
        weights = np.empty(len(names))
        for g, key in enumerate(match_keys(names, object_array(self.group_weight))):
            weight = given.get(key)
            if weight is None:
                raise ValueError(f"group_weight has no weight for group {show_label(names, g)}.")
            if not isinstance(weight, Real) or not 0.0 < float(weight) < np.inf:
                raise ValueError(
                    f"group_weight must be finite and > 0, got {weight!r} for group "
                    f"{show_label(names, g)}."
                )
            weights[g] = weight
        return weights

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.feature_groups_, codes = self._groups(problem.n_features)
        used = np.bincount(codes, W.any(axis=1), minlength=len(self.feature_groups_)) > 0.0
        self.selected_groups_ = self.feature_groups_[used]


@document("regressor", own_parameters=_PARAMETERS, own_attributes=_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class GroupFeatureRegressor(_GroupFeature, MultiTaskRegressor):
    """Multi-task group lasso: groups of features count for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_g weight_g ||W_g||_F + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with W_g the rows of W (features) in group g; the groups are disjoint. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : Every feature is a group by itself.
    malsar_py.penalties.FeatureGroups : The penalty.

    Notes
    -----
    Groups of one feature each are :class:`JointFeatureRegressor`. With ``lambda3 > 0`` (sparse
    group lasso) single coefficients inside of a selected group may be zero.

    References
    ----------
    .. [1] M. Yuan, Y. Lin, "Model selection and estimation in regression with grouped variables",
       J. Royal Statistical Society B 68, 2006.
    .. [2] N. Simon, J. Friedman, T. Hastie, R. Tibshirani, "A sparse-group lasso", J. Computational
       and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> from malsar_py import GroupFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> groups = [j // 5 for j in range(X.shape[1])]
    >>> model = GroupFeatureRegressor(feature_groups=groups, lambda1=0.2).fit(X, y, tasks=tasks)
    >>> len(model.feature_groups_), model.relative_gap_ <= model.tol
    (4, True)
    """


@document("classifier", own_parameters=_PARAMETERS, own_attributes=_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class GroupFeatureClassifier(_GroupFeature, MultiTaskClassifier):
    """Multi-task group lasso for classes: groups of features count for all tasks or for none.

    Minimises over W and b::

        F(W, b) + lambda1 sum_g weight_g ||W_g||_F + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with W_g the rows of W (features) in group g; the groups are disjoint. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    GroupFeatureRegressor : The same penalty with numbers as targets.

    References
    ----------
    .. [1] L. Meier, S. van de Geer, P. Bühlmann, "The group lasso for logistic regression",
       J. Royal Statistical Society B 70, 2008.

    Examples
    --------
    >>> from malsar_py import GroupFeatureClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> groups = [j // 5 for j in range(X.shape[1])]
    >>> model = GroupFeatureClassifier(feature_groups=groups, lambda1=0.03).fit(X, y, tasks=tasks)
    >>> model.predict(X[:3], tasks=tasks[:3]).shape
    (3,)
    """
