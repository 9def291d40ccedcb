"""Scorers of tasks in scikit-learn's searches: every door, signs, responses, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import MeanRegularizedClassifier, MeanRegularizedRegressor, keep_tasks, metrics
from malsar_py.metrics import SCORERS, get_task_scorer, make_task_scorer
from malsar_py.model_selection import TaskKFold

ERRORS = ["mean_task_rmse", "mean_task_mse", "mean_task_mae", "normalized_mse", "averaged_mse"]
ERRORS += ["mean_task_pinball_loss"]
# For counts and amounts: see `test_losses`.
DEVIANCES = ["mean_task_poisson_deviance", "mean_task_gamma_deviance"]
REGRESSION = [
    *ERRORS,
    *(f"neg_{name}" for name in ERRORS),
    "mean_task_r2",
    "pooled_explained_variance",
    "within_task_explained_variance",
]
CLASSIFICATION = {
    "mean_task_accuracy": "predict",
    "mean_task_f1": "predict",
    "mean_task_auc": "decision_function",
    "mean_task_log_loss": "predict_proba",
    "neg_mean_task_log_loss": "predict_proba",
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.array(["a", "b", "c"]), [30, 40, 50])
    X = rng.normal(size=(120, 4))
    w = rng.normal(size=4) + 0.3 * rng.normal(size=(3, 4))
    y = np.einsum("ij,ij->i", X, w[np.repeat([0, 1, 2], [30, 40, 50])]) + rng.normal(size=120) + 2
    return X, y, tasks, np.where(y > 2, "yes", "no")


def with_column(X, tasks):
    return np.column_stack([np.searchsorted(["a", "b", "c"], tasks), X])


def test_the_names():
    deviances = [*DEVIANCES, *(f"neg_{name}" for name in DEVIANCES)]
    assert sorted(SCORERS) == sorted([*REGRESSION, *CLASSIFICATION, *deviances])
    for name, scorer in SCORERS.items():
        assert get_task_scorer(name) is scorer
        assert SCORERS[scorer.name] is scorer
        plain = scorer.name.removeprefix("pooled_").removeprefix("within_task_")
        assert plain in metrics.__all__


@pytest.mark.parametrize("name", [*REGRESSION, *CLASSIFICATION])
def test_greater_is_better(name):
    y, good, bad = [0, 1, 0, 1], [0, 1, 0, 1], [1, 0, 0, 1]
    tasks = [0, 0, 1, 1]
    scorer = get_task_scorer(name)
    assert scorer.score(y, good, tasks) > scorer.score(y, bad, tasks)
    assert scorer.score(y, good, tasks, sample_weight=[1, 1, 2, 2]) > scorer.score(
        y, bad, tasks, sample_weight=[1, 1, 2, 2]
    )
    # An error by either of its names is a negative number.
    error = scorer.name in ERRORS or "loss" in name
    assert scorer.sign == (-1 if error else 1)
    assert not error or scorer.score(y, bad, tasks) < 0


def expected_score(name, model, X, y, tasks, **how):
    scorer = get_task_scorer(name)
    response = CLASSIFICATION.get(name, "predict")
    p = getattr(model, response)(X, **how)
    return scorer.score(y, p, tasks, getattr(model, "classes_", None))


@pytest.mark.parametrize("name", [*REGRESSION, *CLASSIFICATION])
def test_the_label_column(name, data):
    X, y, tasks, classes = data
    X = with_column(X, tasks)
    model = MeanRegularizedRegressor(task_column=0)
    if name in CLASSIFICATION:
        model, y = MeanRegularizedClassifier(task_column=0), classes
    cv = TaskKFold(3, task_column=0)
    found = cross_val_score(model, X, y, cv=cv, scoring=make_task_scorer(name))
    again = cross_val_score(model, X, y, cv=cv, scoring=make_task_scorer(name, task_column=0))
    np.testing.assert_array_equal(found, again)
    for (train, test), value in zip(cv.split(X, y), found, strict=True):
        fitted = clone(model).fit(X[train], y[train])
        assert value == expected_score(name, fitted, X[test], y[test], tasks[test])
    search = GridSearchCV(
        model, {"lambda1": [0.01, 10.0]}, cv=cv, scoring=make_task_scorer(name), refit=False
    ).fit(X, y)
    lambda1 = search.best_params_["lambda1"]
    means = [
        cross_val_score(
            clone(model).set_params(lambda1=v), X, y, cv=cv, scoring=make_task_scorer(name)
        ).mean()
        for v in (0.01, 10.0)
    ]
    assert lambda1 == [0.01, 10.0][int(np.argmax(means))]


def test_pipelines_and_other_peoples_models(data):
    X, y, tasks, classes = data
    X = with_column(X, tasks)
    scorer = make_task_scorer("mean_task_rmse", task_column=0)
    cv = TaskKFold(3, task_column=0)
    pipeline = make_pipeline(
        keep_tasks(StandardScaler(), task_column=0), MeanRegularizedRegressor(task_column=0)
    )
    for model in (pipeline, Ridge(), RandomForestRegressor(5, random_state=0)):
        found = cross_val_score(model, X, y, cv=cv, scoring=scorer)
        for (train, test), value in zip(cv.split(X, y), found, strict=True):
            p = clone(model).fit(X[train], y[train]).predict(X[test])
            assert value == -metrics.mean_task_rmse(y[test], p, tasks[test])
    auc = make_task_scorer("mean_task_auc", task_column=0)
    model = LogisticRegression().fit(X, classes)
    p = model.predict_proba(X)[:, 1]
    assert auc(model, X, classes) == pytest.approx(metrics.mean_task_auc(classes, p, tasks))


def test_names_of_columns(data):
    pandas = pytest.importorskip("pandas")
    X, y, tasks, _ = data
    frame = pandas.DataFrame(X, columns=list("pqrs"))
    frame.insert(2, "school", tasks)
    model = MeanRegularizedRegressor(task_column="school").fit(frame, y)
    value = -metrics.mean_task_rmse(y, model.predict(frame), tasks)
    assert make_task_scorer("mean_task_rmse")(model, frame, y) == value
    assert make_task_scorer("mean_task_rmse", task_column="school")(model, frame, y) == value


def test_columns_of_y(data):
    X, _, _, _ = data
    rng = np.random.default_rng(1)
    Y = X[:, :3] + rng.normal(size=(120, 3))
    Y[::4, 1] = np.nan
    cv = TaskKFold(3)
    found = cross_val_score(
        MeanRegularizedRegressor(), X, Y, cv=cv, scoring=make_task_scorer("mean_task_rmse")
    )
    for (train, test), value in zip(cv.split(X, Y), found, strict=True):
        p = MeanRegularizedRegressor().fit(X[train], Y[train]).predict(X[test])
        assert value == -metrics.mean_task_rmse(Y[test], p)
    C = (X[:, :3] + rng.normal(size=(120, 3)) > 0).astype(float)
    C[::4, 1] = np.nan
    model = MeanRegularizedClassifier().fit(X, C)
    for name in CLASSIFICATION:
        assert make_task_scorer(name)(model, X, C) == expected_score(name, model, X, C, None)


def test_routing(data):
    X, y, tasks, _ = data
    model, cv = MeanRegularizedRegressor(), TaskKFold(3)
    with config_context(enable_metadata_routing=True):
        scorer = make_task_scorer("mean_task_rmse")
        found = cross_validate(model, X, y, cv=cv, scoring=scorer, params={"tasks": tasks})
        weighted = scorer.set_score_request(sample_weight=True)
        model.set_fit_request(sample_weight=False)
        weight = np.random.default_rng(0).uniform(0.5, 1.0, 120)
        search = GridSearchCV(model, {"lambda1": [0.1]}, cv=cv, scoring=weighted)
        search.fit(X, y, tasks=tasks, sample_weight=weight)
    for k, (train, test) in enumerate(cv.split(X, y, tasks)):
        fitted = clone(model).fit(X[train], y[train], tasks=tasks[train])
        p = fitted.predict(X[test], tasks=tasks[test])
        own = y[test], p, tasks[test]
        assert found["test_score"][k] == -metrics.mean_task_rmse(*own)
        value = -metrics.mean_task_rmse(*own, sample_weight=weight[test])
        assert search.cv_results_[f"split{k}_test_score"][0] == value


def test_a_model_of_one_task_needs_no_labels(data):
    X, y, _, _ = data
    model = MeanRegularizedRegressor().fit(X, y)
    value = make_task_scorer("mean_task_r2")(model, X, y)
    assert value == pytest.approx(model.score(X, y))


def test_what_is_refused(data):
    X, y, tasks, classes = data
    model = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match=r"'mean_task_rmse' cannot see the tasks.*task_column="):
        make_task_scorer("mean_task_rmse")(model, X, y)
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
    with pytest.raises(ValueError, match="cannot see the tasks"):
        make_task_scorer("mean_task_rmse")(pipeline, X, y)
    with pytest.raises(ValueError, match="given twice"):
        make_task_scorer("mean_task_rmse", task_column=0)(model, X, y, tasks=tasks)
    with pytest.raises(ValueError, match="mean_task_log_loss needs predict_proba, which Mean"):
        make_task_scorer("mean_task_log_loss")(model, X, classes, tasks=tasks)
    with pytest.raises(ValueError, match="'rmse' is not a scorer of tasks; these are"):
        make_task_scorer("rmse")


def test_copies_and_prints(data):
    import pickle

    scorer = make_task_scorer("neg_mean_task_rmse", task_column="school")
    assert repr(scorer) == "make_task_scorer('mean_task_rmse', task_column='school')"
    again = pickle.loads(pickle.dumps(scorer))
    assert again.task_score == scorer.task_score and again.task_column == "school"


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", ["neg_mean_task_rmse", "mean_task_r2", "normalized_mse"])
def test_rows_that_do_not_count_have_no_say(data, name, missing):
    """Their labels need not have been fitted."""
    X, y, tasks, _ = data
    more = np.vstack([X, X[:2]]), np.r_[tasks, ["z", "a"]]
    weight = np.r_[np.ones(len(y)), 0.0, 0.0]
    target = np.r_[y, 50.0, -50.0]
    if missing:
        target, weight = np.r_[y, np.nan, np.nan], None
    scorer = make_task_scorer(name)
    model = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    expected = scorer(model, X, y, tasks=tasks)
    got = scorer(model, more[0], target, tasks=more[1], sample_weight=weight)
    assert got == pytest.approx(expected, 1e-12)
    by_column = MeanRegularizedRegressor(task_column=0).fit(with_column(X, tasks), y)
    got = scorer(by_column, with_column(*more), target, sample_weight=weight)
    assert got == pytest.approx(expected, 1e-12)
    with pytest.raises(ValueError, match="Nothing is left to score"):
        scorer(model, *more[:1], np.full(len(target), np.nan), tasks=np.r_[tasks, tasks[:2]])
