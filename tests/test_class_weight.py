"""class_weight is sample_weight by hand, within each task."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression

from malsar_py import JointFeatureClassifier, LassoClassifier, MultiStageClassifier
from malsar_py.model_selection import MultiTaskSearchCV

from .problems import CLASSIFIERS, ids, ragged
from .test_common import public_estimators

every_classifier = pytest.mark.parametrize("model", CLASSIFIERS, ids=ids(CLASSIFIERS))


def by_hand(y, tasks, weight=None):
    """n_t / (2 n_tk)."""
    weight = np.ones(len(y)) if weight is None else weight
    factor = np.empty(len(y))
    for t in np.unique(tasks):
        for k in np.unique(y):
            cell = (tasks == t) & (y == k)
            factor[cell] = weight[tasks == t].sum() / (2.0 * weight[cell].sum())
    return weight * factor


@every_classifier
def test_balanced_is_by_hand(model):
    X, y, tasks = ragged(classify=True)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y, tasks=tasks)
    same = clone(model).fit(X, y, tasks=tasks, sample_weight=by_hand(y, tasks))
    assert_allclose(balanced.coef_, same.coef_, rtol=0, atol=1e-6)
    plain = clone(model).fit(X, y, tasks=tasks)
    assert np.abs(balanced.intercept_ - plain.intercept_).max() > 1e-3


def test_every_classifier_has_it():
    classes = [c for c in public_estimators() if is_classifier(c())]
    assert len(classes) >= 19
    for cls in classes:
        assert cls(class_weight="balanced").get_params()["class_weight"] == "balanced"
        assert "class_weight" in cls._parameter_constraints
        assert "class_weight : " in cls.__doc__


@pytest.mark.parametrize("model", [LassoClassifier(lambda1=0.02), MultiStageClassifier()])
@pytest.mark.parametrize("task_weight", ["equal", "size"])
def test_it_multiplies_sample_weight(model, task_weight):
    X, y, tasks = ragged(classify=True)
    model = clone(model).set_params(task_weight=task_weight, lambda2=0.01)
    weight = np.random.default_rng(0).uniform(0.2, 3.0, len(y))
    for class_weight, factor in (
        ("balanced", by_hand(y, tasks, weight)),
        ({"yes": 5.0, "no": 0.5}, weight * np.where(y == "yes", 5.0, 0.5)),
        ({"yes": 5.0}, weight * np.where(y == "yes", 5.0, 1.0)),
    ):
        one = clone(model).set_params(class_weight=class_weight)
        one.fit(X, y, tasks=tasks, sample_weight=weight)
        other = clone(model).fit(X, y, tasks=tasks, sample_weight=factor)
        assert_allclose(one.coef_, other.coef_, rtol=0, atol=1e-9)
        assert_allclose(one.intercept_, other.intercept_, rtol=0, atol=1e-9)


def test_every_door():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    Y = (X @ rng.standard_normal((3, 2)) + rng.standard_normal((40, 2)) > 0.5).astype(float)
    Y[::7, 0] = np.nan
    model = LassoClassifier(lambda1=0.02, class_weight="balanced", tol=1e-10)
    wide = clone(model).fit(X, Y)
    observed = ~np.isnan(Y)
    rows = [X[observed[:, t]] for t in (0, 1)]
    y = np.concatenate([Y[observed[:, t], t] for t in (0, 1)])
    tasks = np.repeat([0, 1], [len(part) for part in rows])
    long = clone(model).fit(np.vstack(rows), y, tasks=tasks)
    column = clone(model).set_params(task_column=0)
    column.fit(np.column_stack([tasks, np.vstack(rows)]), y)
    for other in (long, column):
        assert_allclose(other.coef_, wide.coef_, rtol=0, atol=1e-6)


def test_one_task_is_scikit_learns():
    X, y, _ = ragged(classify=True)
    for class_weight in ("balanced", {"yes": 3.0}):
        ours = LassoClassifier(lambda1=0.0, lambda2=0.1, class_weight=class_weight, tol=1e-12).fit(
            X, y
        )
        counts = {k: (y == k).sum() for k in ("no", "yes")}
        total = len(y) if class_weight == "balanced" else counts["no"] + 3.0 * counts["yes"]
        theirs = LogisticRegression(
            C=1.0 / (0.1 * total), class_weight=class_weight, tol=1e-10, max_iter=10_000
        ).fit(X, y)
        assert_allclose(ours.coef_, theirs.coef_[0], rtol=0, atol=1e-6)
        assert_allclose(ours.intercept_, theirs.intercept_[0], rtol=0, atol=1e-6)


def test_it_is_searched():
    X, y, tasks = ragged(classify=True)
    model = JointFeatureClassifier(lambda2=0.01)
    tried = [None, "balanced", {"yes": 9.0}]
    search = MultiTaskSearchCV(
        model, param_grid={"class_weight": tried}, lambda1=[0.1, 0.01], cv=3
    ).fit(X, y, tasks=tasks)
    for class_weight, scores in zip(
        tried, search.cv_results_["mean_test_score"].reshape(3, 2), strict=True
    ):
        alone = MultiTaskSearchCV(
            clone(model).set_params(class_weight=class_weight), lambda1=[0.1, 0.01], cv=3
        ).fit(X, y, tasks=tasks)
        assert_array_equal(alone.cv_results_["mean_test_score"], scores)


def test_what_it_refuses():
    X, y, tasks = ragged(classify=True)
    for class_weight, message in (
        ("even", "'class_weight' parameter of LassoClassifier"),
        ({"yes": -1.0}, "class_weight must be finite and > 0, got -1.0 for class 'yes'"),
        ({"maybe": 2.0}, "class_weight names classes that y has not"),
    ):
        with pytest.raises(ValueError, match=message):
            LassoClassifier(class_weight=class_weight).fit(X, y, tasks=tasks)


def test_three_classes():
    X, y, tasks = ragged()
    noise = np.random.default_rng(0).logistic(size=len(y))
    y = np.array(["a", "b", "c"])[np.digitize(y + noise, [0.0, 2.0])]
    factor = np.empty(len(y))
    for t in np.unique(tasks):
        for k in "abc":
            cell = (tasks == t) & (y == k)
            factor[cell] = (tasks == t).sum() / (3.0 * cell.sum())
    model = LassoClassifier(lambda1=0.02, tol=1e-9)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y, tasks=tasks)
    same = clone(model).fit(X, y, tasks=tasks, sample_weight=factor)
    assert_allclose(balanced.coef_, same.coef_, rtol=0, atol=1e-6)
    heavy = clone(model).set_params(class_weight={"b": 100.0}).fit(X, y, tasks=tasks)
    assert (heavy.predict(X, tasks=tasks) == "b").mean() > 0.9
