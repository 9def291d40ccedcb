"""Scores that are not defined in some folds, that fail, and settings beyond the data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import LeaveOneOut, PredefinedSplit
from sklearn.pipeline import make_pipeline

from malsar_py import (
    ClusteredClassifier,
    ClusteredRegressor,
    JointFeatureClassifier,
    LassoClassifier,
    LassoRegressor,
    SharedSubspaceRegressor,
)
from malsar_py.model_selection import LeaveOneTaskOut, MultiTaskSearchCV
from malsar_py.model_selection._results import Judged

from .problems import ragged

pytestmark = pytest.mark.filterwarnings("ignore:The best score is at the edge")
GRID = [0.3, 0.1, 0.03, 0.01]


def rare():
    """Classes by one feature; test folds 0 to 2 of five have no row of the rare one."""
    rng = np.random.default_rng(0)
    c = np.tile(np.r_[1, 1, np.zeros(8, int)], 10)
    X = rng.normal(size=(100, 3))
    X[:, 0] += 3 * c
    fold = np.tile(np.r_[3, 4, 0, 1, 2, 3, 4, 0, 1, 2], 10)
    return X, c, np.repeat(np.arange(10), 10), PredefinedSplit(fold)


def auc(estimator, X, y, tasks):
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) < 2:
        return np.nan
    return roc_auc_score(y, estimator.decision_function(X, tasks=tasks))


@pytest.mark.parametrize("scoring", ["mean_task_auc", auc], ids=["name", "callable"])
@pytest.mark.parametrize("selection", ["best", "one_se"])
@pytest.mark.parametrize("model", [JointFeatureClassifier(), LassoClassifier()])
def test_folds_without_a_score_do_not_choose(scoring, selection, model):
    X, c, tasks, cv = rare()
    search = MultiTaskSearchCV(model, scoring=scoring, n_lambdas=6, cv=cv, selection=selection)
    with pytest.warns(UserWarning, match=r"not defined \(NaN\) in folds 0, 1, 2, for 6 of 6"):
        search.fit(X, c, tasks=tasks)
    splits = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(5)])
    assert np.isnan(splits[:3]).all()
    assert_allclose(search.cv_results_["mean_test_score"], splits[3:].mean(axis=0))
    assert_allclose(search.cv_results_["std_test_score"], splits[3:].std(axis=0))
    assert search.best_score_ > 0.9
    assert search.best_estimator_.coef_.any()


@pytest.mark.parametrize("selection", ["best", "one_se"])
def test_no_score_at_all_is_an_error(selection):
    X, c, tasks, _ = rare()
    cv = PredefinedSplit(np.where(c == 1, -1, np.tile([0, 1, 2, 0, 1], 20)))
    search = MultiTaskSearchCV(
        JointFeatureClassifier(), scoring="mean_task_auc", cv=cv, selection=selection, n_lambdas=3
    )
    with pytest.raises(ValueError, match=r"'mean_task_auc' gave none in folds 0, 1, 2\. .*TaskKF"):
        search.fit(X, c, tasks=tasks)
    for value in (np.nan, -np.inf):
        search = MultiTaskSearchCV(
            LassoClassifier(), scoring=lambda *_, tasks, v=value: v, n_lambdas=3, cv=2
        )
        with pytest.raises(ValueError, match="gave none in folds 0, 1"):
            search.fit(X, c, tasks=tasks)


def test_single_rows_have_no_r2():
    X, y, _ = ragged()
    search = MultiTaskSearchCV(LassoRegressor(), cv=LeaveOneOut(), n_lambdas=3)
    with pytest.raises(ValueError, match="No candidate has a finite mean score: the estimator's"):
        search.fit(X[:8], y[:8])
    # The other splits decide where some have one row.
    cv = [(np.arange(20, 40), [0]), (np.arange(20, 40), np.arange(10))]
    search.set_params(cv=cv)
    with pytest.warns(UserWarning, match="in fold 0, .*compared by fold 1 alone"):
        search.fit(X[:40], y[:40])
    assert np.isfinite(search.best_score_)


def test_a_score_of_minus_infinity_is_bad_but_defined():
    X, y, tasks = ragged()

    def scorer(estimator, X, y, tasks):
        return -np.inf if estimator.lambda1 > 0.2 else estimator.score(X, y, tasks=tasks)

    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, scoring=scorer, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        search.fit(X, y, tasks=tasks)
    assert search.cv_results_["mean_test_score"][0] == -np.inf
    assert search.best_params_["lambda1"] < 0.2


def test_a_candidate_does_not_win_by_easier_folds():
    X, y, tasks = ragged()
    hard = {0: -9.0, 1: 0.0, 2: 0.0}
    calls = []

    def scorer(estimator, X, y, tasks):
        fold = len(calls) // len(GRID)
        calls.append(estimator.lambda1)
        if fold == 0 and estimator.lambda1 == 0.1:
            return np.nan  # its mean over the others is the highest of the means of what there is
        return hard[fold] + {0.3: 0.0, 0.1: 0.2, 0.03: 0.5, 0.01: 0.1}[estimator.lambda1]

    search = MultiTaskSearchCV(LassoRegressor(), lambda1=GRID, scoring=scorer, cv=3)
    with pytest.warns(UserWarning, match=r"in fold 0, for 1 of 4 .* by folds 1, 2 alone"):
        search.fit(X, y, tasks=tasks)
    assert search.best_params_ == {"lambda1": 0.03}
    assert_allclose(search.cv_results_["mean_test_score"], [0.0, 0.2, 0.5, 0.1])
    assert_array_equal(search.cv_results_["rank_test_score"], [4, 2, 1, 3])


NAN = np.nan
TABLES = [
    # scores (folds, candidates); folds compared; candidates compared
    ([[1.0, 2.0], [3.0, 4.0]], [1, 1], [1, 1]),
    ([[NAN, NAN], [3.0, 4.0]], [0, 1], [1, 1]),
    ([[NAN, 2.0], [NAN, 4.0]], [1, 1], [0, 1]),
    # Half of the folds will do; fewer will not.
    ([[NAN, 2.0], [3.0, 4.0]], [0, 1], [1, 1]),
    ([[NAN, 2.0], [NAN, 4.0], [1.0, 1.0]], [1, 1, 1], [0, 1]),
    ([[NAN, 2.0, 1.0], [NAN, 4.0, 1.0], [1.0, NAN, 1.0]], [1, 1, 0], [0, 1, 1]),
    # Each lacks another: one pattern.
    ([[NAN, 2.0, 5.0], [1.0, NAN, NAN]], [1, 0], [0, 1, 1]),
    ([[NAN, NAN]], [0], [0, 0]),
]


@pytest.mark.parametrize(("scores", "folds", "candidates"), TABLES)
def test_which_folds_are_compared(scores, folds, candidates):
    scores = np.array(scores)
    judged = Judged.of(scores)
    assert_array_equal(judged.folds, np.array(folds, bool))
    assert_array_equal(judged.candidates, np.array(candidates, bool))
    mean = judged.mean()
    assert_array_equal(np.isfinite(mean), judged.candidates)
    if judged.candidates.any():
        kept = scores[judged.folds][:, judged.candidates]
        assert_allclose(mean[judged.candidates], kept.mean(axis=0))


def test_error_score():
    X, c, tasks, _ = rare()
    # The training part of fold 0 lacks the rare class of task 0.
    fold = np.where((tasks == 0) & (c == 1), 0, 1 + np.arange(100) % 3)
    search = MultiTaskSearchCV(LassoClassifier(), cv=PredefinedSplit(fold), n_lambdas=3)
    with pytest.raises(ValueError, match="Fold 0: Task 0 has only one class"):
        search.fit(X, c, tasks=tasks)
    search.set_params(error_score=np.nan)
    with pytest.warns(FitFailedWarning, match="3 of 12 fits.*by folds 1, 2, 3 alone.*Fold 0"):
        search.fit(X, c, tasks=tasks)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    search.set_params(error_score=-7.0)
    with pytest.warns(FitFailedWarning):
        search.fit(X, c, tasks=tasks)
    assert_array_equal(search.cv_results_["split0_test_score"], [-7.0] * 3)

    def fails(estimator, X, y, tasks):
        raise KeyError("no such thing")

    search.set_params(scoring=fails, error_score="raise", cv=2)
    with pytest.raises(KeyError, match="no such thing"):
        search.fit(X, c, tasks=tasks)
    search.set_params(error_score=np.nan)
    with pytest.raises(ValueError, match=r"All fits or scores failed.*KeyError: 'no such thing'"):
        search.fit(X, c, tasks=tasks)


# --- beyond the data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ClusteredRegressor(random_state=0), "n_clusters"),
        (ClusteredClassifier(random_state=0, lambda2=0.01), "n_clusters"),
        (SharedSubspaceRegressor(), "n_components"),
    ],
)
@pytest.mark.parametrize("lambda1", ["auto", [0.5, 0.1]])
def test_settings_beyond_the_data_are_left_out(model, name, lambda1):
    X, y, tasks = ragged(classify=hasattr(model, "decision_function"))
    options = {"lambda1": lambda1, "n_lambdas": 2, "cv": 2}
    search = MultiTaskSearchCV(model, param_grid={name: [9, 2, 20]}, **options)
    with pytest.warns(UserWarning, match=f"4 of 6 candidates ask for more.*{name}=9 must be at m"):
        search.fit(X, y, tasks=tasks)
    alone = MultiTaskSearchCV(model, param_grid={name: [2]}, **options).fit(X, y, tasks=tasks)
    assert search.best_params_ == alone.best_params_
    assert_array_equal(search.lambda1_, alone.lambda1_)
    found = search.cv_results_["mean_test_score"]
    assert_array_equal(found[2:4], alone.cv_results_["mean_test_score"])
    assert np.isnan(found[[0, 1, 4, 5]]).all()
    with pytest.raises(ValueError, match=f"{name}=9 must be at most the number of tasks, 4"):
        search.set_params(param_grid={name: [9, 20]}).fit(X, y, tasks=tasks)


def test_a_setting_beyond_some_training_parts_is_left_out():
    """Three tasks of four in each."""
    X, y, tasks = ragged()
    search = MultiTaskSearchCV(
        ClusteredRegressor(unseen="mean", random_state=0),
        lambda1=[0.1],
        param_grid={"n_clusters": [4, 3]},
        cv=LeaveOneTaskOut(),
    )
    with pytest.warns(UserWarning, match="1 of 2 candidates.*Fold 0: n_clusters=4"):
        search.fit(X, y, tasks=tasks)
    assert search.best_params_["n_clusters"] == 3


def test_steps_beyond_the_data():
    X, y, tasks = ragged()
    pipeline = make_pipeline(PCA(), LassoRegressor())
    grid = {"pca__n_components": [2, 50]}
    search = MultiTaskSearchCV(pipeline, param_grid=grid, n_lambdas=3, cv=2, error_score=np.nan)
    with pytest.warns(FitFailedWarning, match="n_components=50"):
        search.fit(X, y, tasks=tasks)
    assert search.best_params_["pca__n_components"] == 2
