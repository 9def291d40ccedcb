"""Strengths by restricted maximum likelihood: mean regularisation is the mixed model then."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from malsar_py import MeanRegularizedRegressor, MixedEffectsRegressor

REML = MeanRegularizedRegressor(lambda1="reml", task_weight="size", tol=1e-12)


def draw(T=15, n=12, d=3, spread=0.4, intercepts=1.0, seed=0):
    """Ragged tasks, with columns of one spread within the tasks."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(max(n - 3, 2), n + 4, T))
    X = rng.standard_normal((len(tasks), d))
    means = np.array([X[tasks == t].mean(axis=0) for t in range(T)])[tasks]
    X = 0.3 * means + 2.0 * (X - means) / np.sqrt(np.square(X - means).mean(axis=0))
    W = np.linspace(1.0, -0.5, d) + spread * rng.standard_normal((T, d))
    y = np.einsum("ij,ij->i", X, W[tasks]) + intercepts * rng.standard_normal(T)[tasks]
    return X, y + 0.7 * rng.standard_normal(len(y)), tasks


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_isotropic_mixed_model(seed, fit_intercept):
    X, y, tasks = draw(seed=seed)
    if not fit_intercept:
        X /= np.sqrt(np.square(X).mean(axis=0))
    weight = np.random.default_rng(seed).integers(1, 3, len(y))
    for weights in ({}, {"sample_weight": weight}):
        if weights:  # of one spread as weighted rows
            repeated = np.repeat(np.arange(len(y)), weight)
            X, y, tasks = X[repeated], y[repeated], tasks[repeated]
            share = np.array([X[tasks == t].mean(axis=0) for t in range(15)])[tasks]
            X = share + (X - share) / np.sqrt(np.square(X - share).mean(axis=0))
            if not fit_intercept:
                X /= np.sqrt(np.square(X).mean(axis=0))
            X, first = np.unique(np.column_stack([tasks, X, y]), axis=0, return_counts=True)
            tasks, X, y = X[:, 0].astype(int), X[:, 1:-1], X[:, -1]
            weights = {"sample_weight": first}
        mixed = MixedEffectsRegressor(
            covariance="iso",
            random=[0, 1, 2],
            prior=np.inf,
            tol=1e-13,
            fit_intercept=fit_intercept,
        )
        mixed.fit(X, y, tasks=tasks, **weights)
        model = clone(REML).set_params(fit_intercept=fit_intercept)
        model.fit(X, y, tasks=tasks, **weights)
        assert_allclose(model.coef_, mixed.coef_, atol=1e-8)
        assert_allclose(model.intercept_, mixed.intercept_, atol=1e-8)
        assert model.relative_gap_ <= 1e-12
        # The strengths are the variances.
        per_task = (weights["sample_weight"].sum() if weights else len(y)) / 15
        ratio = np.diag(mixed.random_variance_) / mixed.sigma2_
        phi = mixed.mean_variance_ / mixed.sigma2_
        unit = np.sqrt(np.mean(np.square(mixed._estimate.likelihood.statistics.frame.unit)))
        assert_allclose(model.lambda1_ + model.lambda2_, 1 / (per_task * ratio[-1]), rtol=1e-5)
        ridge = 1 / (15 * per_task * phi / unit**2 + per_task * ratio[-1])
        assert_allclose(model.lambda2_, ridge, rtol=1e-5)
        if fit_intercept:
            assert_allclose(model.intercept_shrinkage_, 1 / (per_task * ratio[0]), rtol=1e-5)


def test_fixed_strengths_give_the_same_fit():
    X, y, tasks = draw()
    model = clone(REML).fit(X, y, tasks=tasks)
    given = MeanRegularizedRegressor(
        lambda1=model.lambda1_,
        lambda2=model.lambda2_,
        intercept_shrinkage=model.intercept_shrinkage_,
        task_weight="size",
        tol=1e-12,
    ).fit(X, y, tasks=tasks)
    # The same problem: sums of compiled loops may differ in the last digit by where arrays lie.
    assert_allclose(model.coef_, given.coef_, rtol=1e-9, atol=1e-12)
    assert_allclose(model.objective_, given.objective_, rtol=1e-12)
    assert not hasattr(given, "lambda1_")
    # What another fit found is forgotten.
    model.set_params(lambda1=0.1).fit(X, y, tasks=tasks)
    for name in ("lambda1_", "lambda2_", "intercept_shrinkage_"):
        assert not hasattr(model, name)


def test_limits():
    # Nothing differs between the tasks: one slope, and one intercept.
    X, y, tasks = draw(spread=0.0, intercepts=0.0, seed=3)
    for seed in range(3, 30):
        X, y, tasks = draw(spread=0.0, intercepts=0.0, seed=seed)
        model = clone(REML).fit(X, y, tasks=tasks)
        if np.isinf(model.lambda1_) and np.isinf(model.intercept_shrinkage_):
            break
    assert np.isinf(model.lambda1_) and np.isinf(model.intercept_shrinkage_)
    assert_allclose(model.coef_, model.coef_[:1].repeat(15, axis=0), atol=1e-10)
    assert model.relative_gap_ <= 1e-12
    # They differ much: each is by itself, nearly.
    X, y, tasks = draw(spread=100.0, intercepts=100.0)
    model = clone(REML).fit(X, y, tasks=tasks)
    assert model.lambda1_ < 1e-3 and model.intercept_shrinkage_ < 1e-3
    # One task, and targets by column.
    plain = clone(REML).fit(X, y)
    assert np.isfinite(plain.coef_).all() and plain.relative_gap_ <= 1e-12
    Y = X[:40] @ np.random.default_rng(0).standard_normal((3, 4))
    shared = clone(REML).fit(X[:40], Y + 0.1 * np.random.default_rng(1).standard_normal(Y.shape))
    assert shared.coef_.shape == (4, 3) and shared.lambda1_ > 0.0
    # Shifting a column changes no strength; units of X and y are those of the strengths.
    X, y, tasks = draw()
    base = clone(REML).fit(X, y, tasks=tasks)
    moved = clone(REML).fit(X * 10.0 + [5.0, -3.0, 100.0], 3.0 * y + 7.0, tasks=tasks)
    assert_allclose(moved.lambda1_, 100.0 * base.lambda1_, rtol=1e-5)
    assert_allclose(moved.lambda2_, 100.0 * base.lambda2_, rtol=1e-4)
    assert_allclose(moved.intercept_shrinkage_, base.intercept_shrinkage_, rtol=1e-5)
    assert_allclose(moved.coef_, 0.3 * base.coef_, atol=1e-6)


def test_what_is_refused():
    X, y, tasks = draw()
    for own, message in (
        ({"task_weight": "equal"}, 'derived for task_weight="size"'),
        ({"task_weight": {t: 1.0 for t in range(15)}}, 'derived for task_weight="size"'),
        ({"lambda2": 0.1}, "sets lambda2 and intercept_shrinkage too"),
        ({"intercept_shrinkage": 1.0}, "sets lambda2 and intercept_shrinkage too"),
        ({"loss": "huber"}, "for the squared loss"),
        ({"positive": True}, "without feature_weight and positive"),
        ({"feature_weight": [1.0, 2.0, 1.0]}, "without feature_weight and positive"),
        ({"lambda1": "ml"}, "'lambda1' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(REML).set_params(**own).fit(X, y, tasks=tasks)
    clone(REML).set_params(intercept_shrinkage="reml").fit(X, y, tasks=tasks)
