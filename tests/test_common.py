"""scikit-learn's own checks over every public estimator, discovered, with labels in three ways."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from sklearn import __version__ as sklearn_version
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

import malsar_py


def public_estimators():
    members = (getattr(malsar_py, name) for name in malsar_py.__all__)
    return [c for c in members if isinstance(c, type) and issubclass(c, BaseEstimator)]


def takes_labels(cls):
    """Not so where the pattern of missing sources is the task, or in clustering."""
    return "unseen" in cls().get_params()


# The largest size of a row is the cost of all classes that have it: with this penalty alone their
# coefficients tie, and rounding says which class is predicted.
UNTIED = {malsar_py.DirtyClassifier: {"lambda2": 0.02}}


def with_random_state(cls, **parameters):
    quick = {"random_state": 0, "n_init": 1}
    quick = {k: v for k, v in quick.items() if k in cls().get_params()}
    return cls(**quick | UNTIED.get(cls, {}) | parameters)


# A model of every way of fitting, with labels in every way. The checks of all others are for CI;
# with labels, where they differ in nothing but the way to a fit, they are slow.
KINDS = ("JointFeature", "TraceNorm", "MeanRegularized", "Dirty", "MultiStage", "SeparableKernel")


def kinds(classes):
    return [c for c in classes if c.__name__.startswith(KINDS)]


def others(classes):
    return [c for c in classes if not c.__name__.startswith(KINDS)]


def of_two_classes(estimator):
    """Checks that make two classes of several.

    In scikit-learn 1.6 one of them is that of the first row, which is another one where rows are
    weighted than where they are repeated.
    """
    old = parse_version(sklearn_version) < parse_version("1.7")
    if not old or not is_classifier(estimator) or getattr(estimator, "_multi_class", True):
        return {}
    kinds = ["dense", "sparse"] if get_tags(estimator).input_tags.sparse else ["dense"]
    names = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in kinds]
    return dict.fromkeys(names, "scikit-learn 1.6 compares fits to different classes")


@parametrize_with_checks(
    [with_random_state(c) for c in kinds(public_estimators())],
    expected_failed_checks=of_two_classes,
)
def test_without_labels(estimator, check):
    check(estimator)


@pytest.mark.thorough
@parametrize_with_checks(
    [with_random_state(c) for c in others(public_estimators())],
    expected_failed_checks=of_two_classes,
)
def test_without_labels_thoroughly(estimator, check):
    check(estimator)


LABELLED = [c for c in public_estimators() if takes_labels(c)]
REGRESSORS = [c for c in LABELLED if not is_classifier(c())]
CLASSIFIERS = [c for c in LABELLED if is_classifier(c())]


def with_column(cls):
    return with_random_state(cls, task_column=0, unseen="mean")


every_value_a_task = pytest.mark.filterwarnings(
    "ignore:The number of tasks equals the number of rows:UserWarning"
)


@every_value_a_task
@parametrize_with_checks([with_column(c) for c in kinds(REGRESSORS)])
def test_every_value_a_task(estimator, check):
    check(estimator)


@pytest.mark.slow
@every_value_a_task
@parametrize_with_checks([with_column(c) for c in others(REGRESSORS)])
def test_every_value_a_task_thoroughly(estimator, check):
    check(estimator)


class TwoTasks:
    """Mixin: the label of a row is the parity of the whole part of its first feature.

    The checks know nothing of labels; this way they meet two tasks of several rows each.
    """

    @staticmethod
    def _labels(X):
        try:
            table = X.toarray() if sparse.issparse(X) else np.asarray(X)
            column = table[:, 0].astype(float, casting="same_kind")
        except (TypeError, ValueError, IndexError):
            return None  # nothing that has labels: the estimator says what is wrong with X
        return np.floor(np.where(np.isfinite(column), column, 0.0)) % 2

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, tasks=self._labels(X), sample_weight=sample_weight)

    def predict(self, X):
        return super().predict(X, tasks=self._labels(X))

    def score(self, X, y, sample_weight=None):
        return super().score(X, y, tasks=self._labels(X), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False  # labels and a 2-D y exclude each other
        return tags


class TwoTasksClassifier(TwoTasks):
    def predict_proba(self, X):
        return super().predict_proba(X, tasks=self._labels(X))

    def decision_function(self, X):
        return super().decision_function(X, tasks=self._labels(X))


@cache  # one class per estimator, or pickle finds another one by its name
def two_tasks_class(cls):
    mixin = TwoTasksClassifier if is_classifier(cls()) else TwoTasks
    made = type(f"TwoTasks{cls.__name__}", (mixin, cls), {"__module__": __name__})
    globals()[made.__name__] = made
    return made


def with_two_tasks(cls, **parameters):
    return with_random_state(two_tasks_class(cls), unseen="mean", **parameters)


# With intercepts, the random data of these checks leave a task with one class: a documented error.
ONE_CLASS = dict.fromkeys(
    [
        "check_classifiers_classes",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_predict1d",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_sample_weights_not_an_array",
        "check_sample_weights_not_overwritten",
        "check_sample_weights_pandas_series",
        "check_sample_weights_shape",
    ],
    "a task of the check's data has one class, so its intercept has no finite minimiser",
)


if parse_version(sklearn_version) < parse_version("1.8"):  # ten rows, later fifteen
    ONE_CLASS["check_n_features_in_after_fitting"] = ONE_CLASS["check_dict_unchanged"]

# The check wants one class to win everywhere, on blobs around the origin.
NO_INTERCEPT = {
    "check_class_weight_classifiers": "without an intercept both sides of the origin have a class"
}


def expected_failures(estimator):
    if not is_classifier(estimator):
        return {}
    if not estimator.fit_intercept:
        return NO_INTERCEPT | of_two_classes(estimator)
    known = {} if getattr(estimator, "_one_class_tasks", False) else ONE_CLASS
    return known | of_two_classes(estimator)


def labelled_by_parity(regressors, classifiers):
    """A little ridge: some of the checks' data are separable.

    The checks compare the probabilities of two fits to 1e-7: that takes a tight tolerance.
    """
    tight = {"lambda2": 0.1, "tol": 1e-12}
    return (
        [with_two_tasks(c) for c in regressors]
        + [with_two_tasks(c, **tight) for c in classifiers]
        # Once more without intercepts: so every check runs for the classifiers too.
        + [with_two_tasks(c, **tight, fit_intercept=False) for c in classifiers]
    )


@parametrize_with_checks(
    labelled_by_parity(kinds(REGRESSORS), kinds(CLASSIFIERS)),
    expected_failed_checks=expected_failures,
)
def test_two_tasks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    labelled_by_parity(others(REGRESSORS), others(CLASSIFIERS)),
    expected_failed_checks=expected_failures,
)
def test_two_tasks_thoroughly(estimator, check):
    check(estimator)
