"""Every parameter of every estimator in a search: the scores of GridSearchCV, discovered."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV

from malsar_py import (
    ClusteredRegressor,
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
    GraphRegressor,
    MeanRegularizedRegressor,
    losses,
    penalties,
)
from malsar_py.base import CertifiedEstimator
from malsar_py.model_selection import MultiTaskSearchCV

from .test_everywhere import EVERY


def bump(x, z, width=1.0):
    """A kernel with a parameter."""
    return np.exp(-((x - z) @ (x - z)) / width)


# Two values of each parameter, and what else it needs.
VALUES = {
    "common": [False, True],
    "common_weight": [0.5, 1.5],
    "intercept_shrinkage": [0.0, 0.5],
    "lambda2": [0.4, 0.05],
    "lambda3": [0.0, 0.2],
    "fit_intercept": [True, False],
    "task_column": ["school", "town"],
    "task_weight": ["equal", "size"],
    "unseen": ["error", "mean"],
    "solver": ["auto", "apg"],
    "tol": [1e-7, 1e-8],
    "max_iter": [40_000, 50_000],
    "warm_start": [False, True],
    "verbose": [0, False],
    "max_stages": [100, 1],
    "threshold": [1.0, 0.2],
    "formulation": [1, 2],
    "beta": [1.0, 0.3],
    "graph": ["complete", "chain"],
    "task_order": [[0, 2, 1], None],
    "n_clusters": [1, 2],
    "n_components": [1, 2],
    "random_state": [0, 1],
    "trace_bound": [None, 0.5],
    "sources": [[0, 0, 1, 1], [0, 0, 1, 2]],
    "kernel": ["linear", "rbf"],
    "task_kernel": ["mean", "independent"],
    "gamma": [0.1, 1.0],
    "degree": [2, 3],
    "coef0": [1.0, 0.0],
    "kernel_params": [{"width": 1.0}, {"width": 9.0}],
    "loss": ["squared", losses.Huber(0.3)],
    "class_weight": [None, {"yes": 5.0, "no": 1.0}],
    "feature_weight": [None, [4.0, 0.5, 2.0, 1.0, 1.0]],
    "positive": [False, True],
    "feature_groups": [[0, 0, 1, 1, 2], [0, 1, 1, 2, 2]],
    "group_weight": [None, {0: 0.3, 1: 2.0, 2: 1.0}],
    "penalty": [None, penalties.RowL2()],
}
BESIDE = {
    "common_weight": {"common": True},
    "task_order": {"lambda1": 0.01, "lambda2": 0.03, "lambda3": 0.03},
    "formulation": {"lambda2": 0.0},
    "beta": {"lambda2": 0.0, "formulation": 2},
    "gamma": {"kernel": "rbf"},
    "degree": {"kernel": "poly"},
    "coef0": {"kernel": "poly"},
    "kernel_params": {"kernel": bump},
    "group_weight": {"feature_groups": [0, 0, 1, 1, 2]},
}
# How a fit is computed and what is read off it, not what it is.
WITHOUT_EFFECT = {
    "unseen": "all labels are fitted",
    "solver": "the optimum is one",
    "tol": "small",
    "max_iter": "large",
    "warm_start": "every fit is of a fresh clone",
    "verbose": "does not print",
    "random_state": "clusters are read off the coefficients",
    "sources": "which columns are missing together is the data's",
}
EXEMPT = {"lambda1": "has an argument of its own: every other test is about it"}
# There is no lambda1 of a norm to search over, and the search says so.
NOT_SEARCHED = (
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
)
SEARCHED = [
    model
    for model in EVERY
    if isinstance(model, CertifiedEstimator) and not isinstance(model, NOT_SEARCHED)
]
CASES = [(m, name) for m in SEARCHED for name in m.get_params() if name not in EXEMPT]
QUIET = ["ignore:.*is zero whatever the data", "ignore:.*did not reach tol"]
pytestmark = [pytest.mark.filterwarnings(text) for text in QUIET]


def rows(model, n=54, seed=0):
    """X with two columns of labels, or with missing sources, and y."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.standard_normal((n, 4)) + 0.3, columns=[f"x{j}" for j in range(4)])
    school, town = np.arange(n) % 9 // 2 % 3, (np.arange(n) % 5 > 2).astype(int)
    W = np.array([[2.0, 1.5, -1.0], [-1.0, -0.5, -1.5], [0.5, 1.0, 0.0], [0.0, 0.0, 0.5]])
    y = (X.to_numpy() * W.T[school]).sum(axis=1) + rng.standard_normal(n)
    if is_classifier(model):
        y = np.where(y + 3.0 * rng.standard_normal(n) > 0.0, "yes", "no")
    if "sources" in model.get_params():
        X.loc[np.arange(n) % 3 == 0, ["x2", "x3"]] = np.nan
        return clone(model).set_params(sources=[0, 0, 1, 1]), X, y
    if "penalty" in model.get_params():
        model = clone(model).set_params(penalty=penalties.RowL2())  # the tasks have a reason
    if "feature_groups" in model.get_params():
        model = clone(model).set_params(feature_groups=[0, 0, 1, 1, 2])
    return clone(model).set_params(task_column="school"), X.assign(school=school, town=town), y


SPLITS = [(np.arange(54) % 2 == k, np.arange(54) % 2 != k) for k in (0, 1)]
SPLITS = [(np.flatnonzero(train), np.flatnonzero(test)) for train, test in SPLITS]


def test_every_parameter_is_tried():
    """A new one gets its two values, or an exemption with a reason."""
    assert len(SEARCHED) >= 36
    names = {name for _, name in CASES}
    assert names == set(VALUES)
    assert set(BESIDE) | set(WITHOUT_EFFECT) <= names
    for model in SEARCHED:
        assert set(model._penalty_parameters) <= set(model.get_params())


@pytest.mark.parametrize(
    ("model", "name"),
    [
        # Fits that come out the same: more than half of the time.
        pytest.param(
            model,
            name,
            marks=[pytest.mark.slow] if name in WITHOUT_EFFECT else [],
            id=f"{type(model).__name__}-{name}",
        )
        for model, name in CASES
    ],
)
def test_a_parameter_is_searched_as_by_grid_search(model, name):
    model, X, y = rows(model)
    own = {"lambda1": 0.1, "tol": 1e-7} | BESIDE.get(name, {})
    if name.startswith("common") and "common_weight" in model.get_params():
        own |= {"lambda2": 0.0}  # the common model has a norm of its own
    model.set_params(**{key: value for key, value in own.items() if key in model.get_params()})
    scoring = "neg_log_loss" if is_classifier(model) else None
    grid = {name: VALUES[name]}
    search = MultiTaskSearchCV(
        model, lambda1=[model.lambda1], lambda2=None, param_grid=grid, scoring=scoring, cv=SPLITS
    )
    ours = search.set_params(refit=False).fit(X, y).cv_results_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = GridSearchCV(
            model, grid, scoring=scoring, cv=SPLITS, refit=False, error_score="raise"
        )
        theirs = theirs.fit(X, y).cv_results_
    for k in range(2):
        assert_allclose(ours[f"split{k}_test_score"], theirs[f"split{k}_test_score"], atol=1e-6)
    first, second = theirs["mean_test_score"]
    if name in WITHOUT_EFFECT:
        assert abs(first - second) < 1e-4
    else:
        assert abs(first - second) > 1e-5


@pytest.mark.parametrize(
    ("model", "grids"),
    [
        (ClusteredRegressor(n_clusters=2), [{"n_clusters": [1]}, {}]),
        (GraphRegressor(lambda2=0.1), [{"graph": ["chain"], "lambda3": [0.3]}, {"lambda3": [0.1]}]),
        (MeanRegularizedRegressor(), [{"lambda2": [0.4]}, {"task_weight": ["size"]}, {}]),
    ],
    ids=["clusters", "graph", "mean"],
)
def test_a_setting_leaves_nothing_to_the_next(model, grids):
    model, X, y = rows(model)
    model.set_params(tol=1e-10)
    lambda1 = [0.5, 0.1]
    ours = MultiTaskSearchCV(
        model, lambda1=lambda1, lambda2=None, param_grid=grids, cv=SPLITS, refit=False
    ).fit(X, y)
    theirs = GridSearchCV(model, [{**g, "lambda1": lambda1} for g in grids], cv=SPLITS).fit(X, y)
    for params, score in zip(
        ours.cv_results_["params"], ours.cv_results_["mean_test_score"], strict=True
    ):
        i = theirs.cv_results_["params"].index(params)
        assert_allclose(score, theirs.cv_results_["mean_test_score"][i], atol=1e-6)


def test_a_parameter_of_a_subclass_prepares_anew():
    """It is not declared, so it may be about the data."""

    class Clipped(MeanRegularizedRegressor):
        def __init__(self, *, limit=1.0, lambda1=0.1, lambda2=0.1, task_column=None):
            super().__init__(lambda1=lambda1, lambda2=lambda2, task_column=task_column)
            self.limit = limit

        def _prepare(self, rows):
            np.clip(rows.y, -self.limit, self.limit, out=rows.y)
            return super()._prepare(rows)

    Clipped._parameter_constraints = {
        **MeanRegularizedRegressor._parameter_constraints,
        "limit": [float],
    }
    model, X, y = rows(Clipped())
    grid = {"limit": [0.5, 2.0]}
    ours = MultiTaskSearchCV(model, lambda1=[0.1], param_grid=grid, cv=SPLITS).fit(X, y)
    theirs = GridSearchCV(model, grid, cv=SPLITS).fit(X, y)
    found, expected = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    assert_allclose(found, expected, atol=1e-8)
    assert abs(found[0] - found[1]) > 1e-3
