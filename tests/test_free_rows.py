"""Features without a norm, eliminated by least squares: the same minimiser as with all features."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from malsar_py import JointFeatureRegressor, MultiStageRegressor
from malsar_py.design import Masked, Ragged, Shared
from malsar_py.losses import Squared
from malsar_py.objective import make_objective
from malsar_py.penalties import Ridge, WeightedL1
from malsar_py.solvers import (
    free_rows,
    free_rows_fit,
    solve_accelerated,
    solve_active_set,
    solve_around_free_rows,
)

from .problems import assert_same_objective

FREE = np.array([True, False, False, True, False, False])


def problem(kind, fit_intercept, ridge, free=FREE):
    rng = np.random.default_rng(3)
    T, n, d = 3, 20, free.size
    c = np.full(T * n, 1.0 / n)
    if kind == "shared":
        design = Shared(rng.standard_normal((n, d)), T)
    elif kind == "masked":
        design = Masked(rng.standard_normal((n, d)), T)
        c[rng.integers(0, T * n, 15)] = 0.0
    else:
        # The last task has fewer rows than free features.
        design = Ragged(rng.standard_normal((41, d)), np.array([0, 25, 40, 41]))
        c = rng.uniform(0.02, 0.1, 41)
    y = 2.0 * rng.standard_normal(c.size)
    penalty = WeightedL1(0.1, weights=np.where(free, 0.0, 1.0)) + Ridge(ridge)
    return make_objective(design, Squared(), y, c, penalty, fit_intercept)


def around(objective, free, tol):
    """By working sets over the others."""

    def solve(reduced, W0, tol):
        return solve_active_set(reduced, W0, tol=tol, max_iter=1000)

    start = np.zeros(objective.shape)
    return solve_around_free_rows(objective, start, free, solve, tol=tol)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["ragged", "shared", "masked"])
def test_the_minimiser_and_its_gap(kind, fit_intercept, ridge):
    objective = problem(kind, fit_intercept, ridge)
    assert free_rows_fit(objective)
    found = around(objective, FREE, 1e-10)
    assert found.converged
    certificate = objective.final_certificate(found.W)
    assert_allclose(found.certificate.objective, certificate.objective, rtol=1e-12)
    assert_allclose(found.intercepts, certificate.intercepts, atol=1e-12)
    assert -1e-13 <= certificate.gap <= 1e-9 * objective.scale
    other = solve_accelerated(objective, np.zeros(objective.shape), tol=1e-10, max_iter=20000)
    assert other.converged
    assert_same_objective(
        found.certificate.objective, other.certificate.objective, objective.scale, tol=1e-10
    )


def test_all_features_free():
    objective = problem("ragged", True, 0.0, np.ones(6, bool))
    found = around(objective, np.ones(6, bool), 1e-10)
    assert found.converged
    for a, b, t in ((0, 25, 0), (25, 40, 1)):
        root = np.sqrt(objective.c[a:b])
        A = root[:, None] * np.column_stack([objective.design.X[a:b], np.ones(b - a)])
        fit = np.linalg.lstsq(A, root * objective.y[a:b])[0]
        assert_allclose(found.W[:, t], fit[:-1], atol=1e-10)
        assert_allclose(found.intercepts[t], fit[-1])


def test_free_features_that_say_the_same():
    """Dummies that sum to one, in units far apart: the shortest of the minimisers."""
    rng = np.random.default_rng(7)
    kinds = rng.integers(0, 3, 60)
    X = np.column_stack([1e3 * (kinds[:, None] == np.arange(3)), rng.standard_normal((60, 4))])
    X -= X.mean(axis=0)
    free = np.arange(7) < 3
    penalty = WeightedL1(0.05, weights=np.where(free, 0.0, 1.0)) + Ridge(0.0)
    c = np.full(60, 1 / 60)
    y = rng.standard_normal(60) + kinds
    objective = make_objective(Ragged(X, np.array([0, 60])), Squared(), y, c, penalty, True)
    found = around(objective, free, 1e-10)
    assert found.converged
    assert found.gap >= -1e-13
    fit = np.linalg.lstsq(X[:, :3], y - y.mean() - X[:, 3:] @ found.W[3:, 0])[0]
    assert_allclose(found.W[:3, 0], fit, atol=1e-10)


def test_nothing_left_to_explain():
    objective = problem("ragged", True, 0.0)
    objective = make_objective(
        objective.design, Squared(), 0.0 * objective.y, objective.c, objective.penalty, True
    )
    found = around(objective, FREE, 1e-10)
    assert (found.W == 0.0).all()
    assert found.gap == 0.0


def test_a_large_masked_design_is_not_copied(monkeypatch):
    monkeypatch.setattr(free_rows, "_COPIES", 0.0)
    assert not free_rows_fit(problem("masked", True, 0.0))
    assert free_rows_fit(problem("shared", True, 0.0))


@pytest.mark.parametrize("missing", [False, True])
def test_a_staged_fit_does_not_depend_on_it(missing, monkeypatch):
    """With the elimination and without: the same stages, the same stationary point."""
    rng = np.random.default_rng(5)
    X, W = rng.standard_normal((40, 15)), np.zeros((15, 4))
    W[:4] = 2.0 * rng.standard_normal((4, 4))
    Y = X @ W + 0.5 * rng.standard_normal((40, 4))
    if missing:
        Y[3:9, 1] = np.nan
    fit = partial(MultiStageRegressor, lambda1=0.1, threshold=2.0, tol=1e-9)
    one = fit().fit(X, Y)
    assert one.n_stages_ > 1
    assert one.optimality_ <= 1e-9
    other = fit(solver="apg").fit(X, Y)
    assert one.n_stages_ == other.n_stages_
    assert_allclose(one.coef_, other.coef_, atol=1e-5)
    monkeypatch.setattr(free_rows, "_COPIES", 0.0)
    assert_allclose(fit().fit(X, Y).coef_, one.coef_, atol=1e-5)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("loss", ["squared", "huber", "quantile"])
def test_what_cannot_be_solved_for_is_in_the_gap(loss, mean):
    """A common model that is free and fits each row: the least loss is 0, and gaps are the loss."""
    rng = np.random.default_rng(0)
    X, y = mean + rng.standard_normal((12, 40)), rng.standard_normal(12)
    model = JointFeatureRegressor(loss=loss, lambda1=1e-12, common=True, fit_intercept=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.dual_gap_ >= (1.0 - 1e-9) * model.objective_[-1] - 1e-18
    assert model.relative_gap_ < 1e-3
