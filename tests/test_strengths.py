"""Strengths travel as arguments: a penalty is a pure function of them, and no model is changed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from malsar_py.base import Problem
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

from .problems import ESTIMATORS, data_for, every_model, ids, ragged


def strengths_seen(monkeypatch, cls):
    """Pairs (strengths that a penalty is made from, the model's own), as they come."""
    seen, original = [], cls._penalty

    def recording(self, problem, *args, **strengths):
        seen.append((strengths["lambda1"], self.lambda1))
        return original(self, problem, *args, **strengths)

    monkeypatch.setattr(cls, "_penalty", recording)
    return seen


@every_model
def test_a_penalty_is_a_function_of_the_strengths_passed(model):
    X, _, tasks = data_for(model)
    problem = Problem(np.unique(tasks), X.shape[1])
    n_parts = 2 if hasattr(model, "_part_names") else 1
    W = np.random.default_rng(0).standard_normal((n_parts * X.shape[1], problem.n_tasks))
    given = model._given()
    doubled = {name: None if value is None else 2.0 * value for name, value in given.items()}
    other = clone(model).set_params(**doubled)
    for strengths in (given, doubled):
        values = [each._penalty(problem, **strengths).value(W) for each in (model, other)]
        assert values[0] == values[1] > 0.0
    assert model._given() == given


@pytest.mark.parametrize("model", ESTIMATORS[:2], ids=ids(ESTIMATORS[:2]))
def test_paths_leave_the_model_alone(model, monkeypatch):
    X, y, tasks = ragged()
    seen = strengths_seen(monkeypatch, type(model))
    top = lambda1_max(model, X, y, tasks=tasks)
    regularization_path(model, X, y, tasks=tasks, lambda1=[0.5 * top, 0.1 * top])
    own = {lambda1 for _, lambda1 in seen}
    assert {0.5 * top, 0.1 * top, 1.0} <= {lambda1 for lambda1, _ in seen}
    assert own == {1.0}  # of the copy that the path works on


def test_a_scorer_sees_the_strength_that_it_scores():
    X, y, tasks = ragged()
    seen = []

    def scorer(estimator, X, y, tasks):
        seen.append(estimator.lambda1)
        return estimator.score(X, y, tasks=tasks)

    search = MultiTaskSearchCV(ESTIMATORS[0], lambda1=[0.1, 1.0], cv=2, scoring=scorer)
    search.fit(X, y, tasks=tasks)
    assert seen == [1.0, 0.1] * 2
