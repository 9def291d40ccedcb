"""Huber's threshold read off the targets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from malsar_py import JointFeatureRegressor, MeanRegularizedRegressor, losses
from malsar_py.model_selection import MultiTaskSearchCV

AUTO = losses.Huber(delta="auto")


def data(seed=0, sizes=(30, 12, 50)):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.standard_normal((len(tasks), 4))
    y = X[:, 0] - X[:, 1] + 10.0 * tasks + rng.standard_normal(len(tasks))
    y[rng.random(len(y)) < 0.1] += 300.0
    return X, y, tasks


def by_hand(y, tasks):
    away = np.concatenate([y[tasks == t] - np.median(y[tasks == t]) for t in np.unique(tasks)])
    return 1.345 * np.median(np.abs(away)) / 0.6745


def test_it_is_the_fit_with_that_number():
    X, y, tasks = data()  # (even and odd numbers of rows: medians by weight take the lower value)
    model = JointFeatureRegressor(loss=AUTO, lambda1=0.05, tol=1e-10).fit(X, y, tasks=tasks)
    delta = model.loss_.delta
    assert_allclose(delta, by_hand(y, tasks), rtol=0.1)
    given = clone(model).set_params(loss=losses.Huber(delta)).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_, given.coef_, rtol=1e-6, atol=1e-8)
    assert model.relative_gap_ <= 1e-10
    assert not hasattr(given, "loss_")
    assert model.set_params(loss="squared").fit(X, y, tasks=tasks).loss == "squared"
    assert not hasattr(model, "loss_")


@pytest.mark.parametrize("scale", [1e-3, 250.0, 2.0**-300])
def test_it_scales_with_y_and_moves_with_the_tasks(scale):
    X, y, tasks = data()
    one = JointFeatureRegressor(loss=AUTO, lambda1=0.05, tol=1e-9).fit(X, y, tasks=tasks)
    moved = scale * (y - 7.0 * tasks)
    other = clone(one).set_params(lambda1=0.05 * scale).fit(X, moved, tasks=tasks)
    assert_allclose(other.loss_.delta, scale * one.loss_.delta, rtol=1e-9)
    assert_allclose(other.coef_, scale * one.coef_, rtol=1e-4, atol=1e-6 * scale)


def test_outliers_hardly_change_it():
    X, y, tasks = data()
    far = np.where(y > 150.0, 1e6, y)
    found = [JointFeatureRegressor(loss=AUTO).fit(X, v, tasks=tasks).loss_.delta for v in (y, far)]
    assert found[0] == found[1] < 5.0


def test_weights_are_repetitions_and_single_rows_say_nothing():
    X, y, tasks = data()
    count = np.random.default_rng(1).integers(1, 4, len(y))
    model = JointFeatureRegressor(loss=AUTO).fit(X, y, tasks=tasks, sample_weight=count)
    rows = np.repeat(np.arange(len(y)), count)
    repeated = JointFeatureRegressor(loss=AUTO).fit(X[rows], y[rows], tasks=tasks[rows])
    assert model.loss_ == repeated.loss_
    alone = np.arange(40)
    single = JointFeatureRegressor(loss=AUTO).fit(
        np.concatenate([X, X[alone]]),
        np.concatenate([y, y[alone]]),
        tasks=np.concatenate([tasks, 5 + alone]),
    )
    assert single.loss_ == JointFeatureRegressor(loss=AUTO).fit(X, y, tasks=tasks).loss_


def test_tasks_with_losses_of_their_own():
    """Those that share the loss share the number, wherever they stand among the tasks."""
    X, y, tasks = data()
    mixed = {0: AUTO, 1: "squared", 2: AUTO}
    model = JointFeatureRegressor(loss=mixed).fit(X, y, tasks=tasks)
    own = tasks != 1
    together = JointFeatureRegressor(loss=AUTO).fit(X[own], y[own], tasks=tasks[own])
    assert model.loss_.losses == (together.loss_, losses.Squared(), together.loss_)


def test_searched_cloned_pickled_adapted():
    X, y, tasks = data()
    model = MeanRegularizedRegressor(lambda2=0.01)
    grid = {"loss": [AUTO, "squared"]}
    search = MultiTaskSearchCV(model, param_grid=grid, lambda1=[0.1], cv=3, scoring="mean_task_mae")
    search.fit(X, y, tasks=tasks)
    assert search.best_params_["loss"] == AUTO
    model = pickle.loads(pickle.dumps(search.best_estimator_))
    assert clone(model).loss == AUTO
    new = model.adapt(X[:9], y[:9], tasks=[7] * 9)
    assert new.loss_ == model.loss_
    assert np.isfinite(new.predict(X, tasks=[7] * len(X))).all()


def test_what_says_no_scale_is_refused():
    X, y, tasks = data()
    y = np.where(np.arange(len(y)) % 3 == 0, y, 4.0)
    with pytest.raises(ValueError, match="half of them are the median of their task: give delta"):
        JointFeatureRegressor(loss=AUTO).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="only once a model is fitted"):
        AUTO.value(y, y)
    with pytest.raises(ValueError, match='it is in units of y; or "auto"'):
        losses.Huber(delta="median")
    with pytest.raises(TypeError, match="off the targets of all rows at once"):
        JointFeatureRegressor(loss=AUTO).fit_batches([(X, y, tasks)])
