"""GroupFeature: limiting cases, weights, labels, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from sklearn.base import clone

from malsar_py import (
    GroupFeatureClassifier,
    GroupFeatureRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
)
from malsar_py.model_selection import lambda1_max
from malsar_py.penalties import FeatureGroups

from .problems import ragged

GROUPS = ["b", "a", "b", "a", "c"]
KINDS = [
    (GroupFeatureRegressor, JointFeatureRegressor, LassoRegressor, 0.2),
    (GroupFeatureClassifier, JointFeatureClassifier, LassoClassifier, 0.03),
]
every_kind = pytest.mark.parametrize(
    ("cls", "joint", "lasso", "lambda1"), KINDS, ids=["regressor", "classifier"]
)


@every_kind
def test_groups_of_one_are_joint_features(cls, joint, lasso, lambda1):
    X, y, tasks = ragged(classify=cls is GroupFeatureClassifier)
    other = joint(lambda1=lambda1, lambda2=0.01, tol=1e-11).fit(X, y, tasks=tasks)
    for groups in (None, ["v", "w", "x", "y", "z"]):
        model = cls(feature_groups=groups, lambda1=lambda1, lambda2=0.01, tol=1e-11)
        model.fit(X, y, tasks=tasks)
        assert_allclose(model.coef_, other.coef_, rtol=0, atol=1e-5)
        assert_allclose(model.objective_[-1], other.objective_[-1], rtol=1e-9)


@every_kind
def test_the_sparse_term_alone_is_the_lasso(cls, joint, lasso, lambda1):
    X, y, tasks = ragged(classify=cls is GroupFeatureClassifier)
    other = lasso(lambda1=lambda1, tol=1e-11).fit(X, y, tasks=tasks)
    model = cls(feature_groups=GROUPS, lambda1=0.0, lambda3=lambda1, tol=1e-11)
    assert_allclose(model.fit(X, y, tasks=tasks).coef_, other.coef_, rtol=0, atol=1e-5)


@every_kind
def test_one_group_is_chosen_as_a_whole(cls, joint, lasso, lambda1):
    X, y, tasks = ragged(classify=cls is GroupFeatureClassifier)
    for lambda3 in (0.0, 0.2 * lambda1):
        model = cls(feature_groups=GROUPS, lambda3=lambda3)
        top = lambda1_max(model, X, y, tasks=tasks)
        assert not clone(model).set_params(lambda1=top).fit(X, y, tasks=tasks).coef_.any()
        below = clone(model).set_params(lambda1=0.97 * top).fit(X, y, tasks=tasks)
        assert below.feature_groups_.tolist() == ["a", "b", "c"]
        assert len(below.selected_groups_) == 1
        of_it = np.array(GROUPS) == below.selected_groups_[0]
        used = (below.coef_ != 0.0).any(axis=0)
        assert not used[~of_it].any()
        assert used[of_it].all() or lambda3 > 0.0


def test_weights_of_groups():
    X, y, tasks = ragged()
    model = GroupFeatureRegressor(feature_groups=GROUPS, tol=1e-9).fit(X, y, tasks=tasks)
    sizes = {"c": 1.0, "b": np.sqrt(2.0), "a": np.sqrt(2.0), "unused": 7.0}
    same = clone(model).set_params(group_weight=sizes).fit(X, y, tasks=tasks)
    assert_array_equal(same.coef_, model.coef_)
    heavy = clone(model).set_params(group_weight=sizes | {"b": 1e3}).fit(X, y, tasks=tasks)
    assert heavy.selected_groups_.tolist() == ["a", "c"]


def test_labels_go_by_the_features_without_the_label_column():
    X, y, tasks = ragged(labels=(1.0, 2.0, 3.0, 4.0))
    by_keyword = GroupFeatureRegressor(feature_groups=GROUPS).fit(X, y, tasks=tasks)
    by_column = GroupFeatureRegressor(feature_groups=GROUPS, task_column=2)
    by_column.fit(np.insert(X, 2, tasks, axis=1), y)
    assert_array_equal(by_column.coef_, by_keyword.coef_)


def test_what_it_refuses():
    X, y, tasks = ragged()
    for parameters, message in (
        ({"feature_groups": [0, 1]}, "feature_groups has 2 labels, but X has 5 features"),
        ({"feature_groups": [0, 1, None, 1, 0]}, "feature_groups"),
        ({"group_weight": {0: 1.0}}, "group_weight has no weight for group 1"),
        ({"group_weight": dict.fromkeys(range(5), -1.0)}, "must be finite and > 0, got -1.0"),
        ({"lambda3": -1.0}, "'lambda3' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            GroupFeatureRegressor(**parameters).fit(X, y, tasks=tasks)


@pytest.mark.parametrize("sparse", [1e-6, 0.1, 1e3])
def test_dual_norm_of_groups_with_a_sparse_term_is_a_root(sparse):
    rng = np.random.default_rng(0)
    groups = np.array([0, 0, 1, 2, 2, 2, 3])
    weights = np.array([1.0, 1e-9, 2.0, 0.0])
    G = rng.standard_normal((7, 5)) * 10.0 ** rng.uniform(-3, 3, (7, 1))
    penalty = FeatureGroups(groups=groups, weights=weights, sparse=sparse)
    found = []
    for g, weight in enumerate(weights):
        sizes = np.abs(G[groups == g])

        def outside(s, sizes=sizes, weight=weight):
            return np.linalg.norm(np.maximum(sizes - s * sparse, 0.0)) - s * weight

        end = sizes.max() / sparse
        found.append(end if weight == 0.0 else brentq(outside, 0.0, end, xtol=1e-300, rtol=1e-15))
    assert_allclose(penalty.dual_norm(G), max(found), rtol=1e-12)
    assert penalty.dual_norm(np.zeros((7, 5))) == 0.0
