"""Searches tell scikit-learn's callbacks what GridSearchCV tells them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from malsar_py import MeanRegularizedRegressor
from malsar_py.model_selection import MultiTaskSearchCV

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9")


class Recorder:
    """What a callback is told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.told.append(("begin", context.task_name, context.task_id, len(X), sorted(metadata)))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", context.task_name, context.task_id))

    def teardown(self, estimator, context):
        self.told.append("teardown")


def simulated():
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((20, 2)), np.repeat([0, 1], 10)
    return X, X[:, 0] + tasks + rng.standard_normal(20), tasks


@pytest.mark.parametrize("refit", [True, False])
def test_what_callbacks_are_told(refit):
    X, y, tasks = simulated()
    recorder = Recorder()
    search = MultiTaskSearchCV(
        MeanRegularizedRegressor(), lambda1=[0.1, 1.0], lambda2=[0.1, 0.2], cv=2, refit=refit
    )
    plain = clone(search).fit(X, y, tasks=tasks)
    search.set_callbacks(recorder).fit(X, y, tasks=tasks)
    assert search.best_params_ == plain.best_params_
    part, whole = "candidate-split-evaluation", ["tasks"]
    expected = [
        "setup",
        ("begin", "fit", 0, 20, whole),
        ("begin", "search", 0, 20, whole),
        ("begin", part, 0, 10, whole),
        ("end", part, 0),
        ("begin", part, 1, 10, whole),
        ("end", part, 1),
        ("end", "search", 0),
    ]
    if refit:
        expected += [
            ("begin", "refit-with-best-params", 1, 20, whole),
            ("end", "refit-with-best-params", 1),
        ]
    assert recorder.told == [*expected, ("end", "fit", 0), "teardown"]
    assert pickle.loads(pickle.dumps(search)).best_params_ == plain.best_params_


def test_an_error_ends_what_began():
    X, y, tasks = simulated()
    recorder = Recorder()
    search = MultiTaskSearchCV(MeanRegularizedRegressor(), lambda1=[1.0], cv=2)

    def fail(estimator, X, y, tasks):
        raise RuntimeError("no score")

    search.set_params(scoring=fail).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="no score"):
        search.fit(X, y, tasks=tasks)
    begun = [told[1:3] for told in recorder.told if told[0] == "begin"]
    ended = [told[1:3] for told in recorder.told if told[0] == "end"]
    assert sorted(begun) == sorted(ended)
    assert recorder.told[-1] == "teardown"
