"""School: errors on the ten published splits, lambda chosen on the training part, and searches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from malsar_py import (
    ClusteredRegressor,
    JointFeatureRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
)
from malsar_py.datasets import fetch_school, load_school_splits
from malsar_py.metrics import make_task_scorer, mean_task_rmse
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold, lambda_grid

# Raw columns and no intercepts, as the splits' publishers fit them. The smallest lambda1_max / eps
# that the norms need is far below: columns of these data differ in size by a factor of 50.
RIDGE = MeanRegularizedRegressor(lambda1=0.0, fit_intercept=False)
MEAN = MeanRegularizedRegressor(fit_intercept=False)
TRACE = TraceNormRegressor(fit_intercept=False, tol=1e-4)
JOINT = JointFeatureRegressor(fit_intercept=False, task_weight="size", tol=1e-5)
# (model, smallest lambda1 over the largest, mean over schools of the RMSE at most)
CASES = [
    pytest.param(RIDGE, None, 10.16, id="single-task ridge"),
    pytest.param(MEAN, 1e-3, 9.90, id="MeanRegularized"),
    pytest.param(TRACE, 1e-4, 9.95, id="TraceNorm"),
    pytest.param(JOINT, 1e-5, 10.05, id="JointFeature"),
]
# As many values as lambda_grid has by default. With 30 the lambda that is best in the folds falls
# between two of them: their error is larger, and JointFeature's 10.057; from 50 to 400 values it is
# 10.049 to 10.050.
N_LAMBDAS = 100


@pytest.mark.slow
@pytest.mark.parametrize(("model", "eps", "at_most"), CASES)
def test_published_splits(model, eps, at_most, shared_dir):
    school = fetch_school(data_home=shared_dir / "data")
    X, y, tasks = school.data, school.target, school.tasks
    errors, chosen = [], []
    for train, test in load_school_splits():
        part = X[train], y[train]
        lambda2 = None
        if eps is None:
            lambda1, lambda2 = 0.0, np.geomspace(1e-3, 1.0, N_LAMBDAS)
        else:
            lambda1 = lambda_grid(model, *part, tasks=tasks[train], n_lambdas=N_LAMBDAS, eps=eps)
        search = MultiTaskSearchCV(
            model, lambda1=lambda1, lambda2=lambda2, scoring="neg_mean_task_rmse"
        ).fit(*part, tasks=tasks[train])
        predicted = search.predict(X[test], tasks=tasks[test])
        errors.append(mean_task_rmse(y[test], predicted, tasks[test]))
        chosen.append(search.best_params_["lambda1" if lambda2 is None else "lambda2"])
        if lambda2 is None:
            assert search.lambda1_[-1] < search.best_params_["lambda1"] < search.lambda1_[0]
    print(
        f"\n{type(model).__name__}: {np.mean(errors):.3f} +- {np.std(errors):.3f}, "
        f"strengths {min(chosen):.3g} to {max(chosen):.3g}"
    )
    assert np.mean(errors) <= at_most


@pytest.mark.parametrize(
    "model",
    [
        JointFeatureRegressor(),
        TraceNormRegressor(),
        MeanRegularizedRegressor(),
        ClusteredRegressor(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("scoring", [None, "neg_mean_task_rmse"])
def test_a_search_is_grid_search_cv(model, scoring, shared_dir):
    school = fetch_school(data_home=shared_dir / "data")
    X = (school.data - school.data.mean(axis=0)) / np.maximum(school.data.std(axis=0), 1e-9)
    X, y = np.column_stack([school.tasks, X]), school.target
    model = clone(model).set_params(task_column=0, tol=1e-10, max_iter=100_000)
    lambda1 = lambda_grid(model, X, y, n_lambdas=5, eps=1e-2)
    cv = TaskKFold(3, task_column=0)
    search = MultiTaskSearchCV(model, lambda1=lambda1, lambda2=None, cv=cv, scoring=scoring)
    ours = search.fit(X, y)
    theirs = None if scoring is None else make_task_scorer(scoring, task_column=0)
    theirs = GridSearchCV(model, {"lambda1": lambda1}, cv=cv, scoring=theirs).fit(X, y)
    for k in range(3):
        name = f"split{k}_test_score"
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], rtol=0, atol=1e-6)
    assert ours.best_params_ == theirs.best_params_
    assert_allclose(ours.best_score_, theirs.best_score_, rtol=0, atol=1e-6)
    assert_allclose(ours.best_estimator_.coef_, theirs.best_estimator_.coef_, rtol=0, atol=1e-6)
