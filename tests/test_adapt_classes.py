"""New tasks for fitted classifiers of two classes."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import malsar_py
from malsar_py import (
    ClusteredClassifier,
    GraphClassifier,
    JointFeatureClassifier,
    LassoClassifier,
    MeanRegularizedClassifier,
    TaskRelationshipClassifier,
    TraceNormClassifier,
)
from malsar_py.losses import Logistic

from .problems import ids

MODELS = [
    MeanRegularizedClassifier(lambda1=0.3, lambda2=0.05),
    MeanRegularizedClassifier(lambda1=0.3, lambda2=0.05, intercept_shrinkage=0.5),
    JointFeatureClassifier(lambda1=0.05, lambda2=0.05),
    JointFeatureClassifier(lambda1=0.05, lambda2=0.02, common=True, intercept_shrinkage=0.5),
    TraceNormClassifier(lambda1=0.05, lambda2=0.05, fit_intercept=False),
    TraceNormClassifier(lambda1=0.05, lambda2=0.02, common=True, intercept_shrinkage=np.inf),
    TaskRelationshipClassifier(lambda1=0.02, lambda2=0.02),
    ClusteredClassifier(lambda1=0.2, lambda2=0.05, n_clusters=2, random_state=0),
    GraphClassifier(lambda1=0.3, lambda2=0.05),
]
every = pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))


def simulated(T=7, n=25, seed=0):
    rng = np.random.default_rng(seed)
    X, tasks = rng.standard_normal((T * n, 4)) + 0.5, np.repeat(np.arange(T), n)
    W = np.array([1.0, -0.5, 0.3, 0.0]) + 0.7 * rng.standard_normal((T, 4))
    z = np.einsum("ij,ij->i", X, W[tasks]) + 0.3 * (tasks - 3)
    return X, np.where(rng.random(len(z)) < 1 / (1 + np.exp(-z)), "well", "ill"), tasks


def fitted(model, old=5):
    """A tight fit of the first tasks; the rows of the others."""
    X, y, tasks = simulated()
    known = tasks < old
    model = clone(model).set_params(tol=1e-10)
    return model.fit(X[known], y[known], tasks=tasks[known]), (X[~known], y[~known], tasks[~known])


@every
def test_a_new_task_minimises_loss_and_prior(model):
    fit, (X, y, tasks) = fitted(model)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    adapted = fit.adapt(X, y, tasks=tasks, sample_weight=weight)
    prior, place = fit._as_fitted()._prior(), fit._intercept_prior()
    for t in (5, 6):
        own, signs = tasks == t, np.where(y[tasks == t] == "well", 1.0, -1.0)
        w, b, c = adapted.coef_[t], adapted.intercept_[t], weight[own] / 25.0
        theta = -c * Logistic().derivative(signs, X[own] @ w + b)
        Z = X[own] - (0.0 if place is None else place.center)
        if place is None:
            assert b == 0.0
        elif place.kappa == 0.0:
            assert abs(theta.sum()) < 1e-6
        else:
            assert_allclose(b + place.center @ w - place.b0, theta.sum() / place.kappa, atol=1e-6)
        assert_allclose(w - prior.mean, prior.covariance @ (Z.T @ theta), atol=1e-5)


@every
def test_the_copy_knows_old_and_new(model):
    fit, (X, y, tasks) = fitted(model)
    before = pickle.dumps(fit)
    adapted = fit.adapt(X, y, tasks=tasks)
    assert adapted.tasks_.tolist() == list(range(7))
    assert_array_equal(adapted.coef_[:5], fit.coef_)
    assert_array_equal(adapted.classes_, fit.classes_)
    again = pickle.loads(before).adapt(X, y, tasks=tasks)
    assert_array_equal(again.predict_proba(X, tasks=tasks), adapted.predict_proba(X, tasks=tasks))
    # Better on the new tasks than the mean of the others.
    mean = clone(model).set_params(unseen="mean").fit(*simulated()[:2], tasks=simulated()[2])
    assert adapted.score(X, y, tasks=tasks) >= 0.6
    assert mean.predict_proba(X, tasks=tasks + 90).shape == (50, 2)
    prior, covariance = fit.task_prior_
    size = 5 if model.fit_intercept else 4
    assert prior.shape == (size,) and covariance.shape == (size, size)


@pytest.mark.parametrize("name", ["MeanRegularized", "JointFeature", "TraceNorm"])
def test_the_regressor_with_the_same_loss(name):
    X, y, tasks = simulated()
    known, one = tasks < 5, (y == "well").astype(float)
    strengths = {"lambda1": 0.1, "lambda2": 0.05, "intercept_shrinkage": 0.4, "tol": 1e-10}
    both = [
        getattr(malsar_py, f"{name}Classifier")(**strengths),
        getattr(malsar_py, f"{name}Regressor")(**strengths, loss="logistic"),
    ]
    found = [
        model.fit(X[known], target[known], tasks=tasks[known]).adapt(
            X[~known], target[~known], tasks=tasks[~known]
        )
        for model, target in zip(both, (y, one), strict=True)
    ]
    assert_array_equal(found[0].coef_, found[1].coef_)
    assert_array_equal(found[0].intercept_, found[1].intercept_)
    for a, b in zip(found[0].task_prior_, found[1].task_prior_, strict=True):
        assert_array_equal(a, b)


def test_doors():
    X, y, tasks = simulated()
    known, names = tasks < 5, np.array([f"s{t}" for t in tasks])
    model = MODELS[1]
    by_keyword = clone(model).fit(X[known], y[known], tasks=names[known])
    by_keyword = by_keyword.adapt(X[~known], y[~known], tasks=names[~known])
    table = pd.DataFrame(X, columns=list("uvwx")).assign(school=names)
    by_column = clone(model).set_params(task_column="school").fit(table[known], y[known])
    by_column = by_column.adapt(table[~known], y[~known])
    assert_array_equal(by_column.coef_, by_keyword.coef_)
    assert_array_equal(by_column.predict(table), by_keyword.predict(X, tasks=names))
    Y = pd.DataFrame({k: simulated(seed=s)[1][:60] for s, k in enumerate("abcde")}, dtype=object)
    Y.loc[::3, "e"] = np.nan
    wide = clone(model).fit(X[:60], Y[list("abc")]).adapt(X[:60], Y[["d", "e"]])
    assert wide.tasks_.tolist() == list("abcde") and wide.predict(X[:60]).shape == (60, 5)


def test_tasks_and_labels_that_are_not_as_fitted():
    fit, (X, y, tasks) = fitted(MODELS[0])
    alone = np.where(tasks == 6, "well", y)
    with pytest.raises(ValueError, match=r"Task 6 has only one class, 'well'"):
        fit.adapt(X, alone, tasks=tasks)
    shrunk, _ = fitted(MODELS[1])
    adapted = shrunk.adapt(X, alone, tasks=tasks)
    p = adapted.predict_proba(X, tasks=tasks)[:, 1]
    assert (p < 1.0).all() and p[tasks == 6].mean() > p[tasks == 5].mean()
    with pytest.raises(ValueError, match=r"classes that the fit did not have: 'dead'\. Those"):
        fit.adapt(X, np.where(tasks == 6, "dead", y), tasks=tasks)
    numbers, _ = fitted(MODELS[1])
    with pytest.raises(ValueError, match="classes that the fit did not have"):
        numbers.adapt(X, (y == "well").astype(int), tasks=tasks)
    X, _, tasks = simulated()
    three = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
    fit = JointFeatureClassifier(lambda1=0.05, lambda2=0.05).fit(X, three, tasks=tasks)
    with pytest.raises(ValueError, match="with two classes only, here are 3"):
        fit.adapt(X[:9], three[:9], tasks=np.full(9, 11))
    assert not hasattr(fit, "task_prior_")
    assert not hasattr(LassoClassifier(), "adapt")


@pytest.mark.parametrize("class_weight", ["balanced", {"well": 3.0}])
def test_class_weights_are_sample_weights(class_weight):
    X, y, tasks = simulated()
    known = tasks < 5
    model = clone(MODELS[1]).set_params(tol=1e-10)
    named = clone(model).set_params(class_weight=class_weight)
    named = named.fit(X[known], y[known], tasks=tasks[known])
    named = named.adapt(X[~known], y[~known], tasks=tasks[~known])
    weight = np.where(y == "well", 3.0, 1.0)
    if class_weight == "balanced":
        for t in np.unique(tasks):
            for label in ("well", "ill"):
                own = (tasks == t) & (y == label)
                weight[own] = (tasks == t).sum() / 2.0 / own.sum()
    given = clone(model).fit(X[known], y[known], tasks=tasks[known], sample_weight=weight[known])
    given = given.adapt(X[~known], y[~known], tasks=tasks[~known], sample_weight=weight[~known])
    assert_allclose(named.coef_, given.coef_, atol=1e-9)
