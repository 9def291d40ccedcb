"""Extrapolated fixed-point iterations, and where paths use them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py import DirtyRegressor, RobustLowRankRegressor, TraceNormRegressor
from malsar_py.model_selection import lambda_grid, regularization_path
from malsar_py.solvers import _anderson
from malsar_py.solvers._anderson import Anderson


def contraction(n=6, slowest=0.99, seed=0):
    """A nonexpansive affine map and its fixed point."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    M = (Q * np.linspace(0.0, slowest, n)) @ Q.T
    point = rng.standard_normal(n)
    return lambda x: M @ (x - point) + point, point


def test_an_affine_map_is_followed_to_its_fixed_point():
    g, point = contraction()
    x, aid = np.zeros((2, 3)), Anderson(6)
    for _ in range(20):
        x = aid.after(x, g(x.ravel()).reshape(2, 3) - x)
    assert_allclose(x.ravel(), point, atol=1e-9)
    plain = np.zeros(6)
    for _ in range(20):
        plain = g(plain)
    assert np.abs(plain - point).max() > 0.1


def test_the_first_point_is_the_plain_one():
    g, _ = contraction()
    x, aid = np.ones(6), Anderson(6)
    assert_array_equal(aid.after(x, g(x) - x), x + (g(x) - x))


def test_a_longer_step_takes_it_back():
    g, _ = contraction()
    x, aid = np.ones(6), Anderson(6)
    for _ in range(3):
        f = g(x) - x
        plain, x = x + f, aid.after(x, f)
    assert np.abs(x - plain).max() > 1e-3
    assert_array_equal(aid.after(x, 2.0 * f), plain)
    # What it remembered was of no use: the next step is a plain one.
    f = g(plain) - plain
    assert_array_equal(aid.after(plain, f), plain + f)


def test_steps_that_vanish_stay():
    aid = Anderson(3)
    for _ in range(4):
        assert_array_equal(aid.after(np.ones(3), np.zeros(3)), np.ones(3))
    x = aid.after(np.ones(3), np.full(3, np.nan))
    assert np.isnan(x).all()


def data(seed=0, n_tasks=12, n=40, d=12):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_tasks * n, d)) + rng.standard_normal((n_tasks * n, 1))
    tasks = np.repeat(np.arange(n_tasks), n)
    W = rng.standard_normal((n_tasks, 2)) @ rng.standard_normal((2, d))
    return X, (X * W[tasks]).sum(axis=1) + 3.0 * rng.standard_normal(len(X)), tasks


@pytest.mark.parametrize(
    "model",
    [
        TraceNormRegressor(),
        RobustLowRankRegressor(lambda2=3.0),
        DirtyRegressor(lambda2=0.3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_paths_are_extrapolated_and_end_where_fits_do(model, monkeypatch):
    X, y, tasks = data()
    model.set_params(tol=1e-11, max_iter=20_000, solver="splitting")
    grid = lambda_grid(model, X, y, tasks=tasks, n_lambdas=6, eps=0.05)
    path = regularization_path(model, X, y, tasks=tasks, lambda1=grid)
    calls = []
    after = _anderson.Anderson.after
    monkeypatch.setattr(_anderson.Anderson, "after", lambda *args: calls.append(1) or after(*args))
    again = regularization_path(model, X, y, tasks=tasks, lambda1=grid)
    assert calls
    assert_array_equal(path.coef, again.coef)
    calls.clear()
    for value, coef in zip(grid, path.coef, strict=True):
        alone = model.set_params(lambda1=value).fit(X, y, tasks=tasks)
        assert_allclose(coef, alone.coef_, atol=1e-7 * np.abs(alone.coef_).max(initial=1e-9))
    assert not calls
