"""What the working-set solver sees of features outside the set."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from malsar_py import LassoRegressor
from malsar_py.design import Ragged, Shared
from malsar_py.losses import Squared
from malsar_py.objective import make_objective
from malsar_py.penalties import L1, Ridge, RowL2
from malsar_py.solvers import _blocks, _inner_quadratic
from malsar_py.solvers.active_set import Survey


@pytest.mark.parametrize("norm", [L1, RowL2])
@pytest.mark.parametrize("ridge", [0.0, 0.3, 30.0])
@pytest.mark.parametrize("shared", [False, True])
def test_survey_is_the_certificate_of_all_features(norm, ridge, shared):
    """Features outside pull beyond their thresholds: with a ridge they cost, without they scale."""
    rng = np.random.default_rng(0)
    d, n_tasks, n = 7, 3, 20
    X = rng.standard_normal((n if shared else n * n_tasks, d))
    y = rng.standard_normal(n * n_tasks)
    design = Shared(X, n_tasks) if shared else Ragged(X, np.arange(n_tasks + 1) * n)
    penalty = norm(0.02) + Ridge(ridge)
    objective = make_objective(design, Squared(), y, np.full(y.shape, 1.0 / n), penalty, True)
    working = np.array([1, 4])
    W = np.zeros((d, n_tasks))
    W[working] = 0.1 * rng.standard_normal((2, n_tasks))
    seen = objective.pass_at(design.predict(W))
    survey = Survey(objective, penalty.structure.row_thresholds(d))
    primal, gap = survey.measure(seen, working, np.ascontiguousarray(W[working]))
    outside = np.setdiff1d(np.arange(d), working)
    assert (survey.sizes[outside] > 1.0).any()
    certificate = objective.certificate_of(W, seen)
    assert primal == pytest.approx(certificate.objective, rel=1e-13)
    assert gap == pytest.approx(certificate.gap, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("lambda2", [0.0, 0.01])
def test_many_tasks_with_few_rows_are_solved_by_themselves(lambda2):
    """Of 60 tasks of 3 rows some need thousands of epochs, most none: each is an ElasticNet."""
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((180, 8)), np.repeat(np.arange(60), 3)
    y = X @ rng.standard_normal(8) + 0.3 * rng.standard_normal(180)
    model = LassoRegressor(lambda1=0.1, lambda2=lambda2).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= model.tol
    alpha = 0.1 + lambda2
    own = ElasticNet(alpha=alpha, l1_ratio=0.1 / alpha, tol=1e-12, max_iter=1_000_000)
    total = 0.0
    for t in range(60):
        A, b = X[tasks == t], y[tasks == t]
        w = own.fit(A, b).coef_
        total += 0.5 * np.square(own.predict(A) - b).mean()
        total += 0.1 * np.abs(w).sum() + 0.5 * lambda2 * float(w @ w)
    scale = 0.5 * np.square(y - y.reshape(60, 3).mean(axis=1).repeat(3)).sum() / 3.0
    assert abs(model.objective_[-1] - total) <= model.tol * scale


@pytest.mark.parametrize("lambda2", [0.0, 0.01])
@pytest.mark.parametrize("copies", [0, 20])
def test_support_of_one_task(lambda2, copies, monkeypatch):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 100))
    X[:, :copies] = X[:, 50 : 50 + copies]  # columns twice: systems of supports are singular
    y = X @ (rng.standard_normal(100) * (rng.random(100) < 0.2)) + 0.1 * rng.standard_normal(60)
    models = []
    for near in (_inner_quadratic._NEAR, 0.0):  # with it, and without
        monkeypatch.setattr(_inner_quadratic, "_NEAR", near)
        model = LassoRegressor(lambda1=0.02, lambda2=lambda2, tol=1e-10, max_iter=10**6)
        models.append(model.fit(X, y))
        assert model.relative_gap_ <= 1e-10 and model.solver_ == "active-set"
    found, before = (model.objective_[-1] for model in models)
    np.testing.assert_allclose(found, before, rtol=1e-9)
    if lambda2 > 0.0 or not copies:
        np.testing.assert_allclose(models[0].coef_, models[1].coef_, atol=1e-5)


def test_extrapolation_of_a_linear_iteration():
    """It ends where that does, but for its damping; what comes in single precision stays in it."""
    rng = np.random.default_rng(0)
    factors, limit = np.array([0.9, 0.7, 0.5, 0.3]), rng.standard_normal((4, 1))
    W = [limit + factors[:, None] ** n for n in range(1, 7)]
    past = np.array(W), np.array(W, dtype=np.float32) @ np.ones((1, 3), np.float32)
    found, state = _blocks._extrapolate(*past)
    np.testing.assert_allclose(found, limit, atol=1e-4)
    assert state.dtype == np.float32
    np.testing.assert_allclose(state, np.repeat(found, 3, axis=1), atol=1e-3)
    assert _blocks._extrapolate(np.zeros((6, 4, 1)), past[1]) is None
