"""scikit-learn's meta-estimators around ours: what works by which door, and what is refused.

Door 1 (`task_column`) works everywhere. Door 2 (2-D y) and door 3 (`tasks=`) have limits that lie
in scikit-learn; each is pinned here together with its remedy.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    keep_tasks,
)
from malsar_py.datasets import load_exam, make_joint_feature
from malsar_py.model_selection import TaskKFold

NAMES = np.array(["north", "south", "west", "east"])
GRID = {"lambda1": [0.01, 0.1, 1.0]}


@pytest.fixture(scope="module")
def data():
    """X, y, tasks (0 to 3, in random order), y from few features; ragged."""
    X, y, tasks = make_joint_feature(4, [20, 25, 30, 35], 8, n_informative=3, random_state=0)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order], tasks[order]


@pytest.fixture(scope="module")
def labelled(data):
    """Door 1: the label is the first column of an array."""
    X, y, tasks = data
    return np.column_stack([tasks, X]), y


@pytest.fixture(scope="module")
def frame(data):
    """Door 1: the label is a column of strings in the middle of a DataFrame."""
    X, y, tasks = data
    table = pd.DataFrame(X, columns=[f"f{j}" for j in range(X.shape[1])])
    table.insert(3, "region", NAMES[tasks])
    return table, pd.Series(y)


@pytest.fixture(scope="module")
def masked():
    """Door 2: a shared X, y with a column per task and a third of it not observed."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 6))
    Y = X[:, :3] @ rng.standard_normal((3, 4)) + 0.3 * rng.standard_normal((60, 4))
    missing = rng.random(Y.shape) < 0.3
    missing[missing.all(axis=1), 0] = False  # rows without any target are never tested
    Y[missing] = np.nan
    return X, Y


@pytest.fixture(scope="module")
def exam():
    return load_exam(return_X_y=True, as_frame=True)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# --- door 1 --------------------------------------------------------------------------------------


def test_grid_search_on_exam(exam):
    X, y = exam
    search = GridSearchCV(
        JointFeatureRegressor(task_column="school"),
        {"lambda1": [0.03, 0.1, 0.3, 1.0]},
        cv=TaskKFold(5, task_column="school"),
        error_score="raise",
    ).fit(X, y)
    best = search.best_estimator_
    assert best.n_tasks_ == 65
    assert best.relative_gap_ <= best.tol
    assert search.best_params_["lambda1"] in (0.3, 1.0)
    assert search.predict(X[:7]).shape == (7,)
    # The mean of 65 R2, some on a test row or two, is a hard measure; over all rows:
    assert search.best_score_ < 0.25
    search.set_params(scoring="r2").fit(X, y)
    assert 0.35 < search.best_score_ < 0.5


def test_sorted_tasks_need_task_kfold(exam):
    """Exam is sorted by school: five consecutive blocks meet unseen schools in every fold."""
    X, y = exam
    model = JointFeatureRegressor(task_column="school")
    search = GridSearchCV(model, GRID, cv=5, error_score="raise")
    with pytest.raises(ValueError, match=r"Unseen task labels .*TaskKFold.*unseen=\"mean\""):
        search.fit(X, y)
    with pytest.raises(ValueError, match=r"TaskKFold.*unseen=\"mean\""):
        cross_val_predict(model, X, y, cv=5)
    # The remedies: pupils of known schools, or pupils of new ones.
    cv = TaskKFold(5, task_column="school")
    assert np.isfinite(cross_val_score(model, X, y, cv=cv)).all()
    assert np.isfinite(cross_val_score(model.set_params(unseen="mean"), X, y, cv=5)).all()


@pytest.mark.parametrize("label", ["integers", "strings"])
def test_searches_and_cross_validation(labelled, frame, label):
    column, (X, y) = (0, labelled) if label == "integers" else ("region", frame)
    model = JointFeatureRegressor(task_column=column)
    cv = TaskKFold(3, task_column=column)
    grid = GridSearchCV(model, GRID, cv=cv, error_score="raise").fit(X, y)
    assert grid.best_params_["lambda1"] < 1.0
    random = RandomizedSearchCV(model, GRID, n_iter=2, cv=cv, random_state=0, error_score="raise")
    assert random.fit(X, y).best_score_ <= grid.best_score_
    # sklearn's string scorers need no labels here.
    by_name = GridSearchCV(model, GRID, cv=cv, scoring="neg_root_mean_squared_error")
    assert by_name.fit(X, y).best_score_ < 0.0
    assert (cross_val_score(model, X, y, cv=cv, scoring="r2") > 0.2).all()
    found = cross_validate(model, X, y, cv=cv, return_estimator=True, error_score="raise")
    assert all(fitted.n_tasks_ == 4 for fitted in found["estimator"])
    predicted = cross_val_predict(model, X, y, cv=cv)
    assert np.corrcoef(predicted, y)[0, 1] > 0.5


def test_both_label_kinds_give_the_same_model(labelled, frame):
    by_number = JointFeatureRegressor(task_column=0).fit(*labelled)
    by_name = JointFeatureRegressor(task_column="region").fit(*frame)
    order = np.argsort(NAMES)  # tasks_ is sorted
    assert by_name.tasks_.tolist() == sorted(NAMES)
    np.testing.assert_allclose(by_name.coef_, by_number.coef_[order], atol=1e-4)


def test_classifier_by_column(labelled):
    X, y = labelled
    classes = np.where(y > 0, "yes", "no")
    model = JointFeatureClassifier(task_column=0, lambda1=0.01)
    cv = TaskKFold(3, task_column=0)
    search = GridSearchCV(model, {"lambda1": [0.01, 0.1]}, cv=cv, error_score="raise")
    assert search.fit(X, classes).best_score_ > 0.6
    assert search.predict_proba(X).shape == (len(y), 2)
    p = cross_val_predict(model, X, classes, cv=cv, method="predict_proba")
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    for scoring in ("accuracy", "neg_log_loss", "roc_auc"):
        assert np.isfinite(cross_val_score(model, X, classes, cv=cv, scoring=scoring)).all()


def test_pipeline_keeps_integer_labels(labelled):
    X, y = labelled
    scaled = X * np.r_[1.0, 10.0 ** np.arange(X.shape[1] - 1)]
    model = make_pipeline(keep_tasks(StandardScaler()), JointFeatureRegressor(task_column=0))
    model.fit(scaled, y)
    np.testing.assert_array_equal(model[-1].tasks_, [0, 1, 2, 3])
    np.testing.assert_allclose(model.predict(scaled), model.fit(X, y).predict(X), atol=1e-6)
    search = GridSearchCV(
        model,
        {"jointfeatureregressor__lambda1": [0.01, 0.1]},
        cv=TaskKFold(3, task_column=0),
        error_score="raise",
    ).fit(scaled, y)
    assert search.best_score_ > 0.3


def test_pipeline_keeps_string_labels_by_name(frame):
    X, y = frame
    model = make_pipeline(
        keep_tasks(StandardScaler(), "region"), JointFeatureRegressor(task_column="region")
    ).fit(X, y)
    assert model[-1].tasks_.tolist() == sorted(NAMES)
    assert model[-1].coef_feature_names_.tolist() == [f"f{j}" for j in range(8)]
    cv = TaskKFold(3, task_column="region")  # the column of the X that the pipeline gets
    assert (cross_val_score(model, X, y, cv=cv, error_score="raise") > 0.2).all()


def test_pipeline_keeps_string_labels_in_an_array(frame):
    X, y = frame
    table = X.to_numpy(dtype=object)
    model = make_pipeline(keep_tasks(StandardScaler(), 3), JointFeatureRegressor(task_column=0))
    named = make_pipeline(
        keep_tasks(StandardScaler(), "region"), JointFeatureRegressor(task_column="region")
    )
    np.testing.assert_allclose(
        model.fit(table, y).predict(table), named.fit(X, y).predict(X), atol=1e-8
    )


def test_a_bare_scaler_loses_integer_labels(labelled):
    """Why `keep_tasks` is there: scaled labels are other labels."""
    X, y = labelled
    model = make_pipeline(StandardScaler(), JointFeatureRegressor(task_column=0)).fit(X, y)
    assert not np.isin(model[-1].tasks_, [0, 1, 2, 3]).any()


def test_stacking(labelled):
    X, y = labelled
    stack = StackingRegressor(
        [
            ("joint", JointFeatureRegressor(task_column=0)),
            ("mean", MeanRegularizedRegressor(task_column=0)),
        ],
        final_estimator=Ridge(1e-3),
        cv=TaskKFold(3, task_column=0),
    ).fit(X, y)
    assert all(model.n_tasks_ == 4 for model in stack.estimators_)
    assert stack.predict(X).shape == y.shape
    assert stack.score(X, y) > 0.5


def test_voting(labelled):
    X, y = labelled
    models = [JointFeatureRegressor(task_column=0), LassoRegressor(task_column=0)]
    vote = VotingRegressor(list(zip("ab", models, strict=True))).fit(X, y)
    alone = np.mean([model.fit(X, y).predict(X) for model in models], axis=0)
    np.testing.assert_allclose(vote.predict(X), alone)


def test_transformed_target(labelled):
    X, y = labelled
    shift = TransformedTargetRegressor(
        JointFeatureRegressor(task_column=0), transformer=StandardScaler()
    )
    shift.fit(X, 100.0 + 5.0 * y)
    assert shift.regressor_.n_tasks_ == 4
    assert abs(shift.predict(X).mean() - (100.0 + 5.0 * y).mean()) < 0.1
    assert cross_val_score(shift, X, y, cv=TaskKFold(3, task_column=0)).min() > 0.2


def test_permutation_importance(frame):
    X, y = frame
    model = JointFeatureRegressor(task_column="region", lambda1=0.6).fit(X, y)
    found = permutation_importance(model, X, y, n_repeats=3, random_state=0)
    importance = dict(zip(X.columns, found.importances_mean, strict=True))
    assert importance["region"] > 0.0  # the label is a column like the others here
    unused = model.coef_feature_names_[(model.coef_ == 0).all(axis=0)]
    assert len(unused)
    assert all(importance[name] == 0.0 for name in unused)


def test_cross_val_predict_needs_every_row_tested(labelled):
    """A one-row task always trains, so the test parts of TaskKFold are no partition."""
    X, y = labelled
    X, y = np.vstack([X, np.r_[9.0, X[0, 1:]]]), np.append(y, 0.0)
    model, cv = JointFeatureRegressor(task_column=0), TaskKFold(3, task_column=0)
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(model, X, y, cv=cv)
    assert np.isfinite(cross_val_score(model, X, y, cv=cv)).all()


def test_select_from_model_is_not_for_the_label_column(labelled):
    X, y = labelled
    selector = SelectFromModel(JointFeatureRegressor(task_column=0, lambda1=0.2)).fit(X, y)
    assert selector.estimator_.coef_.shape[1] == X.shape[1] - 1
    with pytest.raises((ValueError, IndexError)):
        selector.transform(X)


# --- door 2 --------------------------------------------------------------------------------------


def test_grid_search_with_missing_targets(masked):
    X, Y = masked
    search = GridSearchCV(JointFeatureRegressor(), GRID, cv=TaskKFold(3), error_score="raise")
    search.fit(X, Y)
    assert search.best_params_["lambda1"] < 1.0
    assert search.best_score_ > 0.6
    assert search.predict(X).shape == Y.shape
    assert np.isfinite(search.score(X, Y))
    # Any splitter object will do, as long as no column loses all its targets.
    other = GridSearchCV(JointFeatureRegressor(), GRID, cv=KFold(3), error_score="raise")
    assert other.fit(X, Y).best_score_ > 0.6
    predicted = cross_val_predict(JointFeatureRegressor(), X, Y, cv=TaskKFold(3))
    assert predicted.shape == Y.shape


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning:sklearn")
def test_grid_search_with_missing_classes(masked):
    X, Y = masked
    classes = np.where(np.isnan(Y), np.nan, Y > 0.0)
    search = GridSearchCV(
        JointFeatureClassifier(), {"lambda1": [0.01, 0.1]}, cv=TaskKFold(3), error_score="raise"
    ).fit(X, classes)
    assert search.best_score_ > 0.7
    assert search.predict_proba(X).shape == Y.shape
    # An integer means stratified folds for a classifier, and these refuse NaN.
    with pytest.raises(ValueError, match="NaN"):
        GridSearchCV(JointFeatureClassifier(), {"lambda1": [0.01]}, cv=3).fit(X, classes)


def test_string_scorers_refuse_missing_targets(masked):
    X, Y = masked
    search = GridSearchCV(
        JointFeatureRegressor(), GRID, cv=TaskKFold(3), scoring="r2", error_score="raise"
    )
    with pytest.raises(ValueError, match="Input contains NaN"):
        search.fit(X, Y)
    complete = np.where(np.isnan(Y), 0.0, Y)
    assert search.fit(X, complete).best_score_ > 0.0


def test_transformed_target_refuses_missing_targets(masked):
    X, Y = masked
    shift = TransformedTargetRegressor(JointFeatureRegressor(), transformer=StandardScaler())
    with pytest.raises(ValueError, match="Input y contains NaN"):
        shift.fit(X, Y)
    # The remedy: StandardScaler skips NaN by itself.
    scaler = StandardScaler().fit(Y)
    model = JointFeatureRegressor().fit(X, scaler.transform(Y))
    assert scaler.inverse_transform(model.predict(X)).shape == Y.shape


def test_pipeline_on_a_shared_x(masked):
    X, Y = masked
    model = make_pipeline(StandardScaler(), JointFeatureRegressor()).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.6


def test_select_from_model_on_a_shared_x(masked):
    X, Y = masked
    selector = SelectFromModel(JointFeatureRegressor(lambda1=0.3), threshold=1e-12).fit(X, Y)
    kept = (selector.estimator_.coef_ != 0).any(axis=0)
    assert 0 < kept.sum() < X.shape[1]
    np.testing.assert_array_equal(selector.get_support(), kept)
    np.testing.assert_array_equal(selector.transform(X), X[:, kept])


# --- door 3 --------------------------------------------------------------------------------------


def test_grid_search_with_routing(data, labelled, routing):
    X, y, tasks = data
    search = GridSearchCV(JointFeatureRegressor(), GRID, cv=TaskKFold(3), error_score="raise")
    search.fit(X, y, tasks=tasks)
    by_column = GridSearchCV(
        JointFeatureRegressor(task_column=0), GRID, cv=TaskKFold(3, task_column=0)
    ).fit(*labelled)
    assert search.best_params_ == by_column.best_params_
    assert search.best_score_ == pytest.approx(by_column.best_score_)
    assert search.score(X, y, tasks=tasks) == pytest.approx(by_column.score(*labelled))


def test_search_predict_does_not_pass_labels(data, routing):
    X, y, tasks = data
    search = GridSearchCV(JointFeatureRegressor(), GRID, cv=TaskKFold(3), error_score="raise")
    search.fit(X, y, tasks=tasks)
    with pytest.raises(TypeError, match="tasks"):
        search.predict(X, tasks=tasks)
    with pytest.raises(ValueError, match="every row needs a task label"):
        search.predict(X)
    assert search.best_estimator_.predict(X, tasks=tasks).shape == y.shape  # the remedy


def test_cross_val_predict_does_not_pass_labels(data, routing):
    X, y, tasks = data
    model, cv = JointFeatureRegressor(), TaskKFold(3)
    with pytest.raises(ValueError, match="every row needs a task label"):
        cross_val_predict(model, X, y, cv=cv, params={"tasks": tasks})
    scores = cross_validate(model, X, y, cv=cv, params={"tasks": tasks}, error_score="raise")
    assert (scores["test_score"] > 0.2).all()


def test_string_scorers_do_not_pass_labels(data, routing):
    X, y, tasks = data
    search = GridSearchCV(
        JointFeatureRegressor(), GRID, cv=TaskKFold(3), scoring="r2", error_score="raise"
    )
    with pytest.raises((TypeError, ValueError), match="task"):
        search.fit(X, y, tasks=tasks)


def test_labels_need_routing(data):
    X, y, tasks = data
    search = GridSearchCV(JointFeatureRegressor(), GRID, cv=TaskKFold(3), error_score="raise")
    # Without routing the search hands `tasks` to fit alone: not to the splitter, not to score.
    with pytest.raises(ValueError, match="every row needs a task label"):
        search.fit(X, y, tasks=tasks)


def test_pipeline_with_routing(data, routing):
    X, y, tasks = data
    model = make_pipeline(StandardScaler(), MeanRegularizedRegressor(lambda1=0.5))
    model.fit(X, y, tasks=tasks)
    assert model[-1].n_tasks_ == 4
    assert model.predict(X, tasks=tasks).shape == y.shape
    assert model.score(X, y, tasks=tasks) > 0.5


def test_classifier_with_routing(data, routing):
    X, y, tasks = data
    classes = (y > 0).astype(int)
    search = GridSearchCV(
        MeanRegularizedClassifier(lambda2=0.01), GRID, cv=TaskKFold(3), error_score="raise"
    )
    assert search.fit(X, classes, tasks=tasks).best_score_ > 0.6


def test_select_from_model_by_keyword(data):
    X, y, tasks = data
    selector = SelectFromModel(JointFeatureRegressor(lambda1=0.3), threshold=1e-12)
    selector.fit(X, y, tasks=tasks)
    kept = (selector.estimator_.coef_ != 0).any(axis=0)
    assert 0 < kept.sum() < X.shape[1]
    assert selector.transform(X).shape == (len(X), kept.sum())
