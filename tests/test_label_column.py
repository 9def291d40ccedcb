"""A label column by position in meta-estimators that choose or append columns; forgotten labels."""

from __future__ import annotations

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingRegressor,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectKBest,
    SequentialFeatureSelector,
    f_regression,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    keep_tasks,
)
from malsar_py._family import Family
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold

from .test_common import takes_labels
from .test_everywhere import EVERY

RNG = np.random.default_rng(0)
T = np.repeat([0, 1, 2], 20)
X = RNG.standard_normal((60, 5))
CODES = RNG.integers(0, 4, (60, 5))
Y = X @ RNG.standard_normal(5) + RNG.standard_normal(60)
A = np.c_[T, CODES].astype(float)
FRAME = pd.DataFrame(CODES, columns=list("abcde")).assign(school=T)


def regressor(column=0, **parameters):
    return JointFeatureRegressor(lambda1=0.05, task_column=column, **parameters)


def classifier(column=0):
    return JointFeatureClassifier(lambda1=0.02, task_column=column, fit_intercept=False)


THREE = np.c_[Y > 0, Y < 1, Y > 1].astype(int)
MOVED = {
    "RFE": lambda: RFE(regressor(), n_features_to_select=2).fit(A, Y),
    "RFE, steps": lambda: RFE(regressor(), n_features_to_select=1, step=2).fit(A, Y),
    "RFE, last": lambda: RFE(regressor(3), n_features_to_select=1).fit(
        np.insert(CODES, 3, T, axis=1), Y
    ),
    "RFE, classifier": lambda: RFE(classifier(), n_features_to_select=1).fit(A, Y > 0),
    "RFECV": lambda: RFECV(regressor(), cv=TaskKFold(3, task_column=0)).fit(A, Y),
    "bagging": lambda: BaggingRegressor(regressor(), max_features=0.5, random_state=0).fit(A, Y),
    "bagging, repeated": lambda: BaggingRegressor(
        regressor(), bootstrap_features=True, random_state=0
    ).fit(A, Y),
    "bagging, few rows": lambda: BaggingRegressor(
        regressor(), max_features=0.7, max_samples=0.7, random_state=0
    ).fit(A, Y),
    "bagging, classifier": lambda: BaggingClassifier(
        classifier(), max_features=0.5, random_state=0
    ).fit(A, Y > 0),
    "chain": lambda: RegressorChain(regressor(-1)).fit(np.c_[CODES, T], THREE),
    "chain, numbers": lambda: RegressorChain(regressor(-1)).fit(np.c_[X, T], np.c_[Y, 2 * Y]),
    "chain of classifiers": lambda: ClassifierChain(classifier(-1)).fit(np.c_[X, T], THREE),
    "selection in a search": lambda: GridSearchCV(
        make_pipeline(SelectKBest(f_regression), regressor()),
        {"selectkbest__k": [6, 5, 4, 3]},
        cv=TaskKFold(3, task_column=0),
        error_score="raise",
    ).fit(np.c_[T, X], Y),
}


@pytest.mark.parametrize("fit", MOVED.values(), ids=MOVED)
@pytest.mark.filterwarnings("ignore:The number of tasks:UserWarning")
def test_a_feature_in_the_place_of_the_label_is_refused(fit):
    with pytest.raises(ValueError, match=r"task_column=-?\d is a position, and there is another"):
        fit()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_sequential_selection_is_told(direction):
    selector = SequentialFeatureSelector(
        regressor(), n_features_to_select=2, direction=direction, cv=3
    )
    if direction == "forward":
        with pytest.raises(ValueError, match="no feature is left to fit"):
            selector.fit(A, Y)
    else:
        with pytest.warns(FitFailedWarning, match="is a position, and there is another"):
            selector.fit(A, Y)


def ordinary(model):
    """Uses of clones of one estimator in which nothing moves."""
    cv = TaskKFold(3, task_column=0)
    other = np.c_[np.tile([5, 7], 30), X]
    yield lambda: GridSearchCV(model, {"lambda1": [0.1, 0.2]}, cv=cv).fit(A, Y)
    yield lambda: cross_val_score(model, A, Y, cv=KFold(4, shuffle=True, random_state=0))
    yield lambda: cross_val_predict(model, A, Y, cv=cv)
    yield lambda: learning_curve(
        model, A, Y, cv=KFold(3, shuffle=True, random_state=0), train_sizes=[0.4, 0.7, 1.0]
    )
    yield lambda: BaggingRegressor(model, random_state=0).fit(A, Y)
    yield lambda: AdaBoostRegressor(model, n_estimators=4, random_state=0).fit(A, Y)
    yield lambda: MultiOutputRegressor(model).fit(A, np.c_[Y, -Y])
    yield lambda: RegressorChain(model).fit(A, THREE)
    yield lambda: StackingRegressor([("a", model), ("b", LassoRegressor())], cv=cv).fit(A, Y)
    yield lambda: MultiTaskSearchCV(model, n_lambdas=3, cv=3).fit(A, Y)
    yield lambda: [clone(model).fit(A[:, :k], Y) for k in (6, 3, 5, 2)]
    yield lambda: [clone(model).fit(table, Y) for table in (A, other, np.c_[T, X], A)]
    yield lambda: [clone(model).fit(np.c_[RNG.permutation(T), CODES], Y) for _ in range(5)]
    yield lambda: [clone(model).fit(np.c_[RNG.permutation(T), T, X], Y) for _ in range(3)]
    yield lambda: cross_val_score(model, np.c_[np.repeat([0, 1], 30), T, X], Y, cv=3)
    yield lambda: [clone(model).set_params(task_column=j).fit(A, Y) for j in (0, 1, 2)]
    yield lambda: clone(model).fit(np.c_[T, X][:, ::-1], Y, tasks=None)


def test_no_false_alarm():
    model = regressor(unseen="mean")
    uses = list(ordinary(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "All coefficients are zero at the best")  # noise
        warnings.filterwarnings("ignore", "Constant within every task")  # by chance in a fold
        for use in uses[:-1]:
            use()
        assert GridSearchCV(model, {"task_column": [0, 1, 2]}, cv=3).fit(A, Y).n_splits_ == 3


def test_after_a_refusal_the_estimator_is_as_before():
    model = regressor()
    for _ in range(2):
        with pytest.raises(ValueError, match="is a position"):
            RFE(model, n_features_to_select=2).fit(A, Y)
        search = GridSearchCV(
            model, {"lambda1": [0.1]}, cv=TaskKFold(3, task_column=0), error_score="raise"
        )
        assert_array_equal(search.fit(A, Y).best_estimator_.tasks_, [0, 1, 2])


def test_what_clones_share_is_not_copied():
    model = regressor()
    first, second = clone(model), clone(model)
    assert first._siblings is second._siblings
    for copy in (pickle.loads(pickle.dumps(first)), deepcopy(first)):
        assert isinstance(copy._siblings, Family) and copy._siblings is not first._siblings
    first.fit(A, Y)
    assert clone(first).get_params() == model.get_params()
    with pytest.raises(ValueError, match="is a position"):
        second.fit(A[:, 1:], Y)
    model.fit(A[:, 1:], Y)  # a fit of the user's own has no clones to look at
    strings = np.array(["b", "a", "c"], dtype=object)[T]
    table = np.insert(CODES.astype(object), 0, strings, axis=1)
    one, two = (clone(model) for _ in range(2))
    assert one.fit(table, Y).n_tasks_ == 3
    with pytest.raises(ValueError, match="is a position"):
        two.fit(table[:, 1:], Y)


def test_selection_by_coefficients_is_for_labels_beside_x():
    """As the README says: RFE passes `tasks` on to fit."""
    selector = RFE(JointFeatureRegressor(lambda1=0.05), n_features_to_select=2)
    selector.fit(np.c_[X[:, :2], 1e-3 * RNG.standard_normal(60), X[:, 2:]], Y, tasks=T)
    assert not selector.support_[2]
    assert_array_equal(selector.estimator_.tasks_, [0, 1, 2])


@pytest.mark.parametrize(
    "meta",
    [
        lambda model: RFE(model, n_features_to_select=2),
        lambda model: BaggingRegressor(model, max_features=0.5),
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: make_pipeline(keep_tasks(StandardScaler(), 5), model, memory=None),
    ],
)
def test_a_name_that_was_lost_on_the_way(meta):
    """By name, a column cannot be mistaken; the message says what became of the DataFrame."""
    model = meta(regressor("school"))
    if "keep" in repr(model):
        assert model.fit(FRAME, Y)[-1].n_tasks_ == 3
        return
    with pytest.raises(ValueError, match=r"X came as ndarray .*If you passed a DataFrame, what"):
        model.fit(FRAME, Y)
    plain = regressor("school").fit(FRAME, Y)
    with pytest.raises(ValueError, match="came as ndarray"):
        plain.predict(FRAME.to_numpy())
    with pytest.raises(ValueError, match="came as ndarray"):
        next(TaskKFold(task_column="school").split(FRAME.to_numpy().tolist(), Y))


def test_fractions_as_labels():
    with pytest.warns(UserWarning, match=r"number of tasks is 45, of 60 rows.*`task_column`"):
        regressor().fit(np.c_[np.r_[X[:45, 0], X[:15, 0]], X], Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().fit(np.c_[np.array([0.5, 1.0, 1.5])[T], X], Y)


# --- labels forgotten in X -----------------------------------------------------------------------

REFUSES_COLUMNS = (DistributionMatchingClassifier, DistributionMatchingRegressor)
COUPLING = [model for model in EVERY if getattr(model, "_couples", False)]


def test_which_models_have_no_purpose_without_labels():
    names = {type(model).__name__.removesuffix("Regressor") for model in COUPLING}
    assert {name for name in names if not name.endswith("Classifier")} == {
        "Clustered",
        "Dirty",
        "DistributionMatching",
        "FusedSparseGroup",
        "Graph",
        "MeanRegularized",
        "NonconvexFused",
        "RobustFeature",
        "RobustLowRank",
        "SharedSubspace",
        "SparseLowRank",
        "TaskRelationship",
        "TemporalGroup",
        "TraceNorm",
    }


@pytest.mark.parametrize("model", COUPLING, ids=lambda model: type(model).__name__)
@pytest.mark.filterwarnings("ignore:.*did not reach tol|.*is zero whatever the data")
def test_labels_left_in_x_are_hinted_at(model):
    y = (Y > 0).astype(int) if model._classifier else Y
    table = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(school=T + 7)
    with pytest.warns(UserWarning, match=r"was fitted without task labels.*'school'.*task_column"):
        clone(model).fit(table, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*without task labels")
        clone(model).set_params(task_column="school").fit(table, y)
        clone(model).fit(table, y, tasks=T)
        clone(model).fit(table[["a", "b"]], y)
        if not isinstance(model, REFUSES_COLUMNS):
            clone(model).fit(table, np.c_[y, y])
        clone(model).fit(table[["a", "b"]].assign(c=X[:, 2] > 0), y)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (np.repeat([0, 1], 30), True),
        (np.tile([0, 1], 30), False),
        (np.tile([0, 1, 2], 20), True),
        (np.repeat([101, 205, 999], 20), True),
        (np.repeat(np.arange(20), 3), True),
        (np.arange(60), False),
        (np.ones(60), False),
        (np.r_[np.zeros(59), 1], False),
        (0.5 * T, False),
    ],
)
def test_what_looks_like_labels(column, told):
    model = next(model for model in COUPLING if type(model).__name__ == "MeanRegularizedRegressor")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clone(model).fit(np.c_[X, column], Y)
    assert ["'x5'" in str(warning.message) for warning in caught] == [True] * told


def test_every_estimator_with_labels_is_in_the_family():
    for model in EVERY:
        if takes_labels(type(model)) and hasattr(model, "predict"):
            assert clone(model)._siblings is clone(model)._siblings
