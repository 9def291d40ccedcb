"""What every public estimator does in model selection: folds, searches, paths, largest lambda1."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from malsar_py.model_selection import (
    MultiTaskSearchCV,
    TaskKFold,
    lambda1_max,
    lambda_grid,
    regularization_path,
)

from .test_everywhere import (
    CLUSTERS,
    EVERY,
    KERNEL,
    MATCHED,
    PATTERNS,
    VARIANCES,
    every,
    exempt,
    stacked,
    targets,
    with_labels,
)

GRID = [0.3, 0.1, 0.03]
# lambda2 stays where it is while lambda1 goes down a grid.
pytestmark = pytest.mark.filterwarnings("ignore:.*is zero whatever the data:UserWarning")
# A hundred stages may not do for 1e-9.
slow_stages = pytest.mark.filterwarnings("ignore:NonconvexFused.*did not reach tol")


def rows_of(model, n=32, seed=0):
    """(X, y) with the labels, or the missing sources, in X, and the model that finds them there."""
    rows, y, tasks, _ = stacked(*targets(model, n, seed))
    if PATTERNS in exempt(model):
        rows.iloc[::3, 2:] = np.nan
        return clone(model), rows, y
    return clone(model).set_params(task_column="school"), with_labels(rows, tasks), y


@every(CLUSTERS)
def test_folds(model):
    model, X, y = rows_of(model)
    cv = TaskKFold(3, task_column=model.task_column)
    scores = cross_val_score(model, X, y, cv=cv, error_score="raise")
    expected = []
    for train, test in cv.split(X, y):
        fold = clone(model).fit(X.iloc[train], y[train])
        if model.task_column is not None:
            assert fold.tasks_.tolist() == list("abc")
        expected.append(fold.score(X.iloc[test], y[test]))
    assert_array_equal(scores, expected)
    assert scores.mean() > 0.5


@slow_stages
@every(CLUSTERS, VARIANCES, MATCHED)
def test_search_is_a_grid_search(model):
    model, X, y = rows_of(model)
    model.set_params(tol=1e-10)
    cv = TaskKFold(2, task_column=model.task_column)
    ours = MultiTaskSearchCV(model, lambda1=GRID, lambda2=None, cv=cv).fit(X, y)
    theirs = GridSearchCV(model, {"lambda1": GRID}, cv=cv, error_score="raise").fit(X, y)
    assert [p["lambda1"] for p in ours.cv_results_["params"]] == GRID
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], atol=1e-6)
    assert ours.best_params_ == theirs.best_params_
    best = clone(model).set_params(**ours.best_params_).fit(X, y)
    assert_array_equal(ours.predict(X), best.predict(X))
    assert ours.score(X, y) == best.score(X, y)


@pytest.mark.parametrize("cv", [3, KFold(3)])
@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", "neg_mean_task_rmse"])
def test_search_with_missing_sources(cv, scoring):
    """The patterns are known before a fit is put together, whatever judges it."""
    model = next(m for m in EVERY if PATTERNS in exempt(m) and not is_classifier(m))
    model, X, y = rows_of(model)
    splits = [[0, 0, 1, 1], [0, 0, 0, 1]]
    X.iloc[::3, 3] = np.nan
    search = MultiTaskSearchCV(
        model, lambda1=GRID, param_grid={"sources": splits[:1]}, cv=cv, scoring=scoring
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    # What a source is decides on the data.
    X = X.assign(x2=np.where(X.x3.isna(), 0.0, X.x2))
    search.set_params(param_grid={"sources": splits[1:]}).fit(X, y)
    one = search.cv_results_["mean_test_score"]
    X = X.fillna(0.0)
    search.set_params(param_grid={"sources": splits}).fit(X, y)
    assert_allclose(*search.cv_results_["mean_test_score"].reshape(2, 3))
    assert np.abs(one - search.cv_results_["mean_test_score"][3:]).max() > 1e-6


@pytest.mark.parametrize("model", [m for m in EVERY if CLUSTERS in exempt(m)])
def test_what_has_no_lambda1_says_so(model):
    X, y, tasks, _ = stacked(*targets(model))
    message = "estimator must be one of this package's"
    for function in (lambda1_max, lambda_grid, regularization_path):
        with pytest.raises(TypeError, match=message):
            function(model, X, y, tasks=tasks)
    with pytest.raises(TypeError, match=message):
        MultiTaskSearchCV(model).fit(X, y, tasks=tasks)


@pytest.mark.parametrize("model", [m for m in EVERY if exempt(m) & {VARIANCES, MATCHED}])
def test_what_has_no_strengths_says_so(model):
    X, y, tasks, _ = stacked(*targets(model))
    message = f"{type(model).__name__} fits in a way of its own.*GridSearchCV"
    for function in (lambda1_max, lambda_grid, regularization_path):
        with pytest.raises(TypeError, match=message):
            function(model, X, y, tasks=tasks)
    with pytest.raises(TypeError, match=message):
        MultiTaskSearchCV(model).fit(X, y, tasks=tasks)
    # The remedy works.
    model, table, y = rows_of(model)
    cv = TaskKFold(2, task_column="school")
    grid = {"lambda1": GRID} if MATCHED in exempt(model) else {"covariance": ["diag", "iso"]}
    search = GridSearchCV(model, grid, cv=cv, error_score="raise").fit(table, y)
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("model", [m for m in EVERY if KERNEL in exempt(m)])
def test_what_has_no_coefficients_says_so(model):
    X, y, tasks, _ = stacked(*targets(model))
    message = f"{type(model).__name__} has no coefficients to follow along lambda1.*SearchCV"
    with pytest.raises(TypeError, match=message):
        regularization_path(model, X, y, tasks=tasks)
    # The remedy works, and has the grid that there is apart from it.
    grid = lambda_grid(model, X, y, tasks=tasks, n_lambdas=5)
    assert_allclose(grid[2], lambda1_max(model, X, y, tasks=tasks))
    search = MultiTaskSearchCV(model, n_lambdas=5, cv=2).fit(X, y, tasks=tasks)
    assert_array_equal(search.lambda1_, grid)
    assert search.best_score_ > 0.5


@slow_stages
@every(CLUSTERS, KERNEL, VARIANCES, MATCHED)
def test_a_path_is_its_separate_fits(model):
    """Also where the end depends on the start: stages that are not convex."""
    model, X, y = rows_of(model, n=48)
    path = regularization_path(model, X, y, n_lambdas=8, eps=1e-2)
    assert path.tasks.tolist() == clone(model).fit(X, y).tasks_.tolist()
    for i, value in enumerate(path.lambda1):
        fit = clone(model).set_params(lambda1=value).fit(X, y)
        assert_allclose(path.coef[i], fit.coef_, atol=1e-3)
        assert_allclose(path.intercept[i], fit.intercept_, atol=1e-3)
        reached = fit.optimality_ if hasattr(fit, "optimality_") else fit.relative_gap_
        assert (path.relative_gap[i] <= 1e-9) == (reached <= 1e-9)


@every(CLUSTERS, KERNEL, VARIANCES, MATCHED)
def test_picture_of_a_path(model):
    plotting = pytest.importorskip("malsar_py.plotting")
    pytest.importorskip("matplotlib")
    model, X, y = rows_of(model)
    path = regularization_path(clone(model).set_params(tol=1e-4), X, y, n_lambdas=3, eps=0.1)
    display = plotting.PathDisplay.from_path(path)
    assert display.ax_.get_lines()
    again = plotting.PathDisplay.from_estimator(model, X, y, lambda1=path.lambda1)
    assert len(again.ax_.get_lines()) == len(display.ax_.get_lines())


@every(CLUSTERS, KERNEL, VARIANCES, MATCHED)
def test_the_largest_lambda1(model):
    """All coefficients are zero at it and not just below it, or there is no such value."""
    model, X, y = rows_of(model)
    parts = hasattr(model, "_part_names")
    if parts:
        model.set_params(lambda2=100.0)  # the second part off: W is the first one
    largest = lambda1_max(model, X, y)
    assert largest > 0.0
    grid = lambda_grid(model, X, y, n_lambdas=3, eps=0.5)
    at, below = (clone(model).set_params(lambda1=f * largest) for f in (1.0, 0.999))
    if grid[0] > largest:
        # A scale: in the middle of the grid.
        assert_allclose(grid, [2.0 * largest, largest, 0.5 * largest])
        assert not parts
        if not hasattr(model, "max_stages"):
            assert at.fit(X, y).coef_.any()
        return
    assert not at.fit(X, y).coef_.any()
    assert below.fit(X, y).coef_.any()
