"""A solver written outside, as CONTRIBUTING says: named, certified, searched, pickled, drawn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    DirtyRegressor,
    LassoClassifier,
    MeanRegularizedRegressor,
    MultiTaskGLM,
    TraceNormRegressor,
    penalties,
)
from malsar_py.model_selection import MultiTaskSearchCV, regularization_path
from malsar_py.solvers import SOLVERS, _choice

from .outside import written_outside
from .problems import ragged


@pytest.fixture(scope="module")
def outside(root):
    before, names = dict(_choice._REGISTER), set(SOLVERS)
    with written_outside(root, "A solver") as module:
        yield module
    _choice._REGISTER.clear()
    _choice._REGISTER.update(before)
    SOLVERS.intersection_update(names)


@pytest.mark.parametrize(
    "model",
    [
        TraceNormRegressor(lambda1=0.1, lambda2=0.05),
        TraceNormRegressor(lambda1=0.1, loss="huber"),
        DirtyRegressor(lambda1=0.1, lambda2=0.1),
        MultiTaskGLM(penalty=penalties.L1() + penalties.Graph("chain", 0.5), lambda1=0.1),
    ],
    ids=["trace", "huber", "parts", "coupled"],
)
def test_its_fits_are_certified_and_those_of_others(outside, model):
    X, y, tasks = ragged()
    ours = clone(model).set_params(solver="proximal-gradient", tol=1e-8).fit(X, y, tasks=tasks)
    assert ours.solver_ == "proximal-gradient"
    assert ours.relative_gap_ <= 1e-8
    expected = clone(model).set_params(tol=1e-10).fit(X, y, tasks=tasks)
    assert expected.solver_ != "proximal-gradient"
    assert_allclose(ours.objective_[-1], expected.objective_[-1], rtol=1e-7)
    assert len(ours.objective_) == len(ours.objective_iterations_)


def test_of_classes(outside):
    X, y, tasks = ragged()
    model = LassoClassifier(solver="proximal-gradient", lambda1=0.05).fit(X, y > 0, tasks=tasks)
    assert model.relative_gap_ <= model.tol


def test_too_few_steps_are_told(outside):
    X, y, tasks = ragged()
    with pytest.warns(ConvergenceWarning, match="did not reach tol=1e-06 in 2 iterations"):
        model = clone(outside.model).set_params(max_iter=2).fit(X, y, tasks=tasks)
    assert model.relative_gap_ > model.tol


def test_who_does_not_fit_is_told(outside):
    X, y, tasks = ragged()
    with pytest.raises(ValueError, match="is for losses of bounded curvature with a penalty"):
        MeanRegularizedRegressor(solver="proximal-gradient").fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="There is a solver 'proximal-gradient' already"):
        outside.register(_choice._REGISTER["proximal-gradient"])


def test_it_is_followed_searched_pickled_and_drawn(outside):
    pytest.importorskip("matplotlib")
    from malsar_py.plotting import PathDisplay

    X, y, tasks = ragged()
    model, grid = clone(outside.model), [0.3, 0.1]
    path = regularization_path(model, X, y, tasks=tasks, lambda1=grid)
    assert (path.relative_gap <= model.tol).all()
    search = MultiTaskSearchCV(
        model, param_grid={"solver": ["proximal-gradient", "auto"]}, lambda1=grid, cv=3
    ).fit(X, y, tasks=tasks)
    scores = np.reshape(search.cv_results_["mean_test_score"], (2, -1))
    assert_allclose(scores[0], scores[1], atol=1e-3)
    again = pickle.loads(pickle.dumps(model.fit(X, y, tasks=tasks)))
    assert_array_equal(again.predict(X, tasks=tasks), model.predict(X, tasks=tasks))
    assert PathDisplay.from_estimator(model, X, y, tasks=tasks, lambda1=grid).figure_ is not None
