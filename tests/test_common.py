"""scikit-learn's own estimator checks over every public estimator, discovered, in three ways of giving labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import malsar_py


def public_estimators():
    members = (getattr(malsar_py, name) for name in malsar_py.__all__)
    return [c for c in members if isinstance(c, type) and issubclass(c, BaseEstimator)]


def with_random_state(cls, **parameters):
    return cls(**parameters, **({"random_state": 0} if "random_state" in cls().get_params() else {}))


@parametrize_with_checks([with_random_state(c) for c in public_estimators()])
def test_without_labels(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:The number of tasks equals the number of rows:UserWarning")
@parametrize_with_checks(
    [
        with_random_state(c, task_column=0, unseen="mean")
        for c in public_estimators()
        if not is_classifier(c())
    ]
)
def test_every_value_a_task(estimator, check):
    check(estimator)
