"""Paths and searches where rows are many: what they keep instead of reading X again."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import JointFeatureClassifier, JointFeatureRegressor, LassoRegressor
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold, regularization_path
from malsar_py.solvers import _inner

from .problems import shared


@pytest.fixture
def held(monkeypatch):
    """How many rows of the Gram matrix each inner solver held."""
    sizes = []

    class Recording(_inner.GramRows):
        def __init__(self, *args):
            super().__init__(*args)
            sizes.append(len(self.held))

    monkeypatch.setattr(_inner, "GramRows", Recording)
    return sizes


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
def test_rows_of_a_gram_matrix_grow(cls, intercept, held):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((700, 300)) + rng.standard_normal(300)
    W = rng.standard_normal((300, 3)) * (np.arange(300)[:, None] < 6)
    Y = X @ W + 3.0 * rng.standard_normal((700, 3)) + 1.0
    model = cls(lambda2=0.01, tol=1e-11, fit_intercept=intercept)
    path = regularization_path(model, X, Y, n_lambdas=30)
    sizes = sorted(set(held))
    assert held == sorted(held)
    assert len(sizes) >= 3
    assert sizes[0] >= 16
    assert sizes[-1] == 300
    assert all(b >= min(2 * a, 300) for a, b in pairwise(sizes))
    for i in (7, 17, 29):
        model.set_params(lambda1=path.lambda1[i]).fit(X, Y)
        assert_allclose(path.coef[i], model.coef_, atol=1e-6)
        assert_allclose(path.intercept[i], model.intercept_, atol=1e-6)
        assert path.relative_gap[i] <= 1e-11


@pytest.mark.parametrize(
    "scoring", ["r2", "neg_root_mean_squared_error", "neg_median_absolute_error"]
)
@pytest.mark.parametrize("scaled", [True, False])
def test_scorers_of_sklearn(scoring, scaled):
    X, Y = shared(n=60, d=6)
    y = Y[:, 0] if "median" in scoring else Y  # one task
    model = JointFeatureRegressor(tol=1e-10)
    grid = {"lambda1": [0.3, 0.1, 0.03]}
    if scaled:
        model = make_pipeline(StandardScaler(), model)
        grid = {"jointfeatureregressor__lambda1": [0.3, 0.1, 0.03]}
    _same_scores(model, grid, X, y, scoring)


@pytest.mark.parametrize("scoring", ["accuracy", "f1_micro"])
def test_scorers_of_classes_by_columns_of_y(scoring):
    X, Y = shared(n=60, d=6)
    _same_scores(
        JointFeatureClassifier(tol=1e-10),
        {"lambda1": [0.1, 0.03]},
        X,
        (np.median(Y, axis=0) < Y).astype(int),
        scoring,
    )


def test_a_scorer_refuses_what_is_not_observed():
    X, Y = shared(n=60, d=6)
    Y[::5, 1] = np.nan
    search = MultiTaskSearchCV(LassoRegressor(), scoring="neg_mean_squared_error")
    with pytest.raises(ValueError, match="contains NaN"):
        search.fit(X, Y)


def _same_scores(model, grid, X, y, scoring):
    ours = MultiTaskSearchCV(model, lambda1=next(iter(grid.values())), cv=3, scoring=scoring)
    cv = TaskKFold(3, stratify=is_classifier(model))
    theirs = GridSearchCV(model, grid, cv=cv, scoring=scoring).fit(X, y)
    ours.fit(X, y)
    for name in ("mean_test_score", "split0_test_score", "split2_test_score"):
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], atol=1e-6)
    assert_array_equal(ours.predict(X), theirs.predict(X))
