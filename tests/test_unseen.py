"""unseen="mean": new tasks are predicted by what was learnt, not by what no task could learn."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold

from malsar_py import (
    CalibratedJointFeatureRegressor,
    ClusteredRegressor,
    DirtyRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MultiLevelLassoRegressor,
    TraceNormRegressor,
)
from malsar_py._mean_model import constant_within_tasks, make_mean_model
from malsar_py.datasets import load_exam
from malsar_py.design import Masked, Ragged, Shared
from malsar_py.model_selection import LeaveOneTaskOut, MultiTaskSearchCV

SAID = "Constant within every task"


def schools(seed=0, T=40):
    """Pupils' features, one that varies a little in a single school, and one of the schools."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(4, 20, T))
    X = rng.standard_normal((len(tasks), 5)) + rng.standard_normal((T, 5))[tasks]
    W = np.array([1.0, -1.0, 0.5]) + 0.3 * rng.standard_normal((T, 3))
    y = (X[:, :3] * W[tasks]).sum(axis=1) + rng.standard_normal(T)[tasks]
    X[:, 3] = 2.0 * rng.standard_normal(T)[tasks]
    X[np.flatnonzero(tasks == 3)[0], 3] += 0.02
    X[:, 4] = rng.standard_normal(T)[tasks]
    return X, y + rng.standard_normal(len(tasks)), tasks


@pytest.mark.parametrize(
    "model",
    [
        MeanRegularizedRegressor(lambda1=0.1),
        MeanRegularizedRegressor(lambda1=0.1, task_weight="size"),
        JointFeatureRegressor(lambda1=0.05),
        TraceNormRegressor(lambda1=0.05),
        ClusteredRegressor(lambda1=0.1, lambda2=0.1, random_state=0),
        DirtyRegressor(lambda1=0.05, lambda2=0.05),
        CalibratedJointFeatureRegressor(lambda1=0.05),
        MultiLevelLassoRegressor(lambda1=0.05),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:Constant within")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_new_schools_are_predicted_about_as_well_as_by_one_ridge(model):
    """A feature that varies in one school has a coefficient of any size there."""
    for seed in range(3):
        X, y, tasks = schools(seed)
        new = tasks >= 32
        pooled = RidgeCV(np.logspace(-3, 3, 13)).fit(X[~new], y[~new]).predict(X[new])
        fit = model.set_params(unseen="mean").fit(X[~new], y[~new], tasks=tasks[~new])
        error = fit.predict(X[new], tasks=tasks[new]) - y[new]
        assert np.sqrt(np.mean(error**2)) < 1.4 * np.sqrt(np.mean((pooled - y[new]) ** 2))


def test_by_hand():
    """Two tasks of three, by the formula; the third has one row and nothing to say."""
    x = np.array([0.0, 2.0, 4.0, 10.0, 14.0, 7.0])
    y = np.array([0.0, 2.0, 4.0, 30.0, 42.0, 5.0])
    tasks = list("aaabbc")
    model = MeanRegularizedRegressor(lambda1=0.0, unseen="mean").fit(x[:, None], y, tasks=tasks)
    assert_allclose(model.coef_[:2, 0], [1.0, 3.0])
    m = (8.0 * 1.0 + 8.0 * 3.0) / 16.0
    b = np.mean([2.0 - 2.0 * m, 36.0 - 12.0 * m, 5.0 - 7.0 * m])
    assert_allclose(model.predict([[0.0], [1.0]], tasks=["z", "new"]), [b, b + m])
    # Rows that count more; tasks that count by their size.
    model.set_params(task_weight="size").fit(
        x[:, None], y, tasks=tasks, sample_weight=[2, 2, 2, 1, 1, 1]
    )
    m = (16.0 * 1.0 + 8.0 * 3.0) / 24.0
    b = np.average([2.0 - 2.0 * m, 36.0 - 12.0 * m, 5.0 - 7.0 * m], weights=[6, 2, 1])
    assert_allclose(model.predict([[0.0], [1.0]], tasks=["z", "new"]), [b, b + m])


def test_without_intercepts():
    """A feature is learnt from its values, constant or not; there is no intercept to predict."""
    X, y, tasks = schools()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MeanRegularizedRegressor(lambda1=0.1, fit_intercept=False, unseen="mean")
        model.fit(X, y, tasks=tasks)
    squares = np.array([np.square(X[tasks == t]).sum(axis=0) for t in model.tasks_])
    m = (squares * model.coef_).sum(axis=0) / squares.sum(axis=0)
    assert_allclose(model.predict(X, tasks=np.full(len(X), -1)), X @ m)


def test_columns_of_y():
    """One X, every target observed: the plain mean. Where some are missing, what was observed."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 3)) + 2.0, rng.standard_normal((30, 4))
    model = MeanRegularizedRegressor(lambda1=0.1, unseen="mean").fit(X, Y)
    new = np.full(30, "new")
    plain = X @ model.coef_.mean(axis=0) + model.intercept_.mean()
    assert_allclose(model.predict(X, tasks=new), plain)
    Y[rng.random(Y.shape) < 0.3] = np.nan
    model.fit(X, Y)
    seen = ~np.isnan(Y)
    squares = np.array([s.sum() * X[s].var(axis=0) for s in seen.T])
    m = (squares * model.coef_).sum(axis=0) / squares.sum(axis=0)
    slope = model.predict(X[:1] + np.eye(3), tasks=new[:3]) - model.predict(X[:1], tasks=new[:1])
    assert_allclose(slope, m)


@pytest.mark.parametrize("lambda1", [0.01, 0.1])
def test_classes_column_door_and_pickles(lambda1):
    X, y, tasks = schools()
    c = np.where(y > 0.0, "yes", "no")
    keep = np.isin(tasks, [t for t in range(40) if len(set(c[tasks == t])) == 2])
    table = np.column_stack([tasks, X])[keep]
    fit = JointFeatureClassifier(lambda1=lambda1, unseen="mean", task_column=0)
    with pytest.warns(UserWarning, match=SAID):
        fit.fit(table, c[keep])
    again = pickle.loads(pickle.dumps(fit))
    table[:, 0] = 99
    z = table[:, 1:] @ fit._mean_coef + fit._mean_intercept
    for model in (fit, again):
        assert_array_equal(model.decision_function(table), z)
        assert_allclose(model.predict_proba(table)[:, 1], 1.0 / (1.0 + np.exp(-z)))
        assert_array_equal(model.predict(table), np.where(z > 0.0, "yes", "no"))
    # A model from before the rule, and coefficients changed by hand.
    del again._mean_coef, again._mean_intercept
    plain = table[:, 1:] @ again.coef_.mean(axis=0) + again.intercept_.mean()
    assert_allclose(again.decision_function(table), plain)
    fit.coef_ = np.zeros_like(fit.coef_)
    assert_array_equal(fit.decision_function(table), z)


@pytest.mark.filterwarnings("ignore:Constant within")
@pytest.mark.parametrize(
    "scoring", [None, "r2", "neg_mean_task_rmse", lambda m, X, y, tasks: m.score(X, y, tasks=tasks)]
)
def test_searches_judge_new_tasks_by_the_same_model(scoring):
    """Folds over tasks: the scores of a search are those of fits."""
    X, y, tasks = schools(T=12)
    model = MeanRegularizedRegressor(unseen="mean", tol=1e-10)
    values = [0.1, 1.0]
    splits = list(GroupKFold(4).split(X, y, groups=tasks))
    if scoring == "r2":  # a scorer of scikit-learn sees labels in a column only
        X, model = np.column_stack([tasks, X]), model.set_params(task_column=0)
        given = {}
    else:
        given = {"tasks": tasks}
    search = MultiTaskSearchCV(model, lambda1=values, lambda2=None, cv=splits, scoring=scoring)
    search.fit(X, y, **given)
    for i, value in enumerate(search.cv_results_["param_lambda1"]):
        for k, (train, test) in enumerate(splits):
            of = {name: labels[train] for name, labels in given.items()}
            fit = model.set_params(lambda1=value).fit(X[train], y[train], **of)
            of = {name: labels[test] for name, labels in given.items()}
            predicted = fit.predict(X[test], **of)
            if scoring == "neg_mean_task_rmse":
                groups = [tasks[test] == t for t in np.unique(tasks[test])]
                errors = [np.sqrt(np.mean((y[test] - predicted)[own] ** 2)) for own in groups]
                expected = -np.mean(errors)
            elif scoring == "r2":
                expected = 1.0 - np.sum((y[test] - predicted) ** 2) / np.sum(
                    (y[test] - y[test].mean()) ** 2
                )
            else:
                expected = fit.score(X[test], y[test], **of)
            assert_allclose(search.cv_results_[f"split{k}_test_score"][i], expected, rtol=1e-6)


def test_columns_constant_within_every_task_are_named():
    X, y, tasks = schools()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d", "level"])
    with pytest.warns(UserWarning, match=r"Constant within every task: 'level'\. .*intercepts"):
        MeanRegularizedRegressor().fit(frame, y, tasks=tasks)
    with pytest.warns(UserWarning, match=r"Constant within every task: 'x4'\. "):
        MeanRegularizedClassifier(lambda2=0.1).fit(X, np.arange(len(y)) % 2, tasks=tasks)
    many = np.column_stack([X[:, :1]] + 7 * [X[:, 4]])
    with pytest.warns(UserWarning, match=r"task: 'x1', 'x2', .*'x5', \.\.\. \(7 in all\)"):
        JointFeatureRegressor(lambda1=0.5).fit(many, y, tasks=tasks)


def test_nothing_is_said_where_nothing_is_lost():
    X, y, tasks = schools()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine = X[:, :4]
        MeanRegularizedRegressor().fit(fine, y, tasks=tasks)
        constant = np.column_stack([fine, np.full(len(X), 0.1)])
        MeanRegularizedRegressor().fit(constant, y, tasks=tasks)
        MeanRegularizedRegressor(fit_intercept=False).fit(X, y, tasks=tasks)
        MeanRegularizedRegressor().fit(X, y)
        MeanRegularizedRegressor().fit(constant, np.column_stack([y, y]))


def test_a_search_says_it_once():
    X, y, tasks = schools()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        MultiTaskSearchCV(MeanRegularizedRegressor(), n_lambdas=3, cv=3).fit(X, y, tasks=tasks)
    assert sum(SAID in str(w.message) for w in said) == 1


def test_the_rule():
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((30, 4)), rng.standard_normal((4, 3))
    offsets = np.array([0, 10, 12, 30])
    weight = rng.uniform(0.5, 1.5, 30)
    squares = Ragged(X, offsets).squares(weight, False)
    own = [slice(0, 10), slice(10, 12), slice(12, 30)]
    assert_allclose(squares, [weight[s] @ X[s] ** 2 for s in own])
    assert Shared(X, 3).squares(np.ones(90), True) is None
    mask = rng.integers(0, 2, (3, 30)).astype(float)
    centred = [(X[m > 0] - X[m > 0].mean(axis=0)) for m in mask]
    assert_allclose(
        Masked(X, 3).squares(mask.ravel(), True), [np.square(A).sum(axis=0) for A in centred]
    )
    # Less than one per cent of a feature's squares is within the tasks: it is not used.
    centres = np.array([[0.0, 0.0, 1.0, 0.0]] * 2 + [[100.0, 0.0, 1.0, 5.0]])
    squares[:, 3] = 0.0
    sizes = np.array([10.0, 2.0, 18.0])
    rule = make_mean_model(squares, centres, sizes, np.ones(3))
    m, b = rule.of(W, np.zeros(3))
    assert m[0] == m[3] == 0.0
    assert_allclose(m[1:3], (squares.T * W).sum(axis=1)[1:3] / squares.sum(axis=0)[1:3])
    assert_allclose(b, np.mean([x @ (w - m) for x, w in zip(centres, W.T, strict=True)]))
    assert_array_equal(constant_within_tasks(squares, centres), [False, False, False, True])


@pytest.mark.filterwarnings("ignore:Constant within")
def test_tuning_for_new_schools():
    exam = load_exam()
    rows = np.flatnonzero(np.isin(exam.tasks, np.unique(exam.tasks)[:15]))
    X, y, tasks = exam.data[rows], exam.target[rows], exam.tasks[rows]
    model = MeanRegularizedRegressor(unseen="mean")
    search = MultiTaskSearchCV(model, n_lambdas=4, cv=LeaveOneTaskOut()).fit(X, y, tasks=tasks)
    assert search.best_score_ > 0.1
    assert np.isfinite(search.predict(X, tasks=np.full(len(X), -5))).all()
