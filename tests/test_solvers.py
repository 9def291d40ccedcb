"""The regimes inside the solvers: each is reached, and all agree at the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import (
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
)
from malsar_py.design import Shared
from malsar_py.losses import Squared
from malsar_py.objective import Certificate, make_objective
from malsar_py.penalties import L1, Ridge, RowL2, TraceNorm
from malsar_py.rotated import RotatedObjective
from malsar_py.solvers import (
    Workspace,
    _inner_quadratic,
    _systems,
    _trees,
    accelerated,
    active_set,
    solve_accelerated,
    solve_active_set,
    solve_closed_form,
)

from .problems import assert_same_objective, objective_at_zero


def shared(n=60, d=30, T=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    W = rng.standard_normal((d, T)) * (rng.random((d, 1)) < 0.2)
    return X, X @ W + rng.standard_normal((n, T))


def ragged(T=6, d=30, low=10, high=20, seed=0):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(low, high, T))
    X = rng.standard_normal((len(tasks), d))
    W = rng.standard_normal((d, T)) * (rng.random((d, 1)) < 0.3)
    return X, np.einsum("ij,ji->i", X, W[:, tasks]) + rng.standard_normal(len(tasks)), tasks


@pytest.fixture
def used(monkeypatch):
    """Names of the inner solvers that were built."""
    names = []
    original = active_set.inner_solver

    def recording(*args):
        inner = original(*args)
        names.append(type(inner).__name__)
        return inner

    monkeypatch.setattr(active_set, "inner_solver", recording)
    return names


def agree(model, *args, **kwargs):
    """active-set and apg: the same objective as far as their certificates promise."""
    values = []
    unit = objective_at_zero(model, *args, **kwargs)
    for solver in ("active-set", "apg"):
        fitted = model.set_params(solver=solver, tol=1e-11, max_iter=100_000).fit(*args, **kwargs)
        assert fitted.relative_gap_ <= 1e-11
        values.append(fitted.objective_[-1])
    assert_same_objective(*values, unit, tol=1e-11)


@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
@pytest.mark.parametrize(
    ("expected", "data", "lambda1"),
    [
        ("WholeGram", dict(n=60, d=20), 0.1),
        ("GramRows", dict(n=200, d=60), 0.1),  # no second pass over a tall X
        ("Gram", dict(n=80, d=300), 0.5),  # a growing working set
        ("BlockGram", dict(n=400, d=600), 0.02),
        ("Residual", dict(n=30, d=120), 0.002),  # more active features than samples
        ("BlockResidual", dict(n=60, d=300), 0.002),
        ("BlockResidual", dict(n=300, d=2000), 0.02),  # first passes in single precision
    ],
)
def test_shared(used, cls, expected, data, lambda1):
    agree(cls(lambda1=lambda1, lambda2=0.01), *shared(**data))
    assert expected in used


@pytest.mark.parametrize(
    ("cls", "expected", "data", "lambda1"),
    [
        (LassoRegressor, "WholeGram", dict(d=6), 0.1),
        (JointFeatureRegressor, "WholeGram", dict(d=6), 0.1),
        (LassoRegressor, "Gram", dict(d=150), 0.5),
        (JointFeatureRegressor, "Gram", dict(d=150, low=80, high=100), 0.5),
        (LassoRegressor, "Gram", dict(d=150), 0.002),  # each task by itself
        (JointFeatureRegressor, "Residual", dict(d=150), 0.002),
    ],
)
def test_own_rows(used, cls, expected, data, lambda1):
    X, y, tasks = ragged(**data)
    agree(cls(lambda1=lambda1, lambda2=0.01), X, y, tasks=tasks)
    assert expected in used


def test_missing_targets(used):
    X, Y = shared()
    Y[np.random.default_rng(1).random(Y.shape) < 0.3] = np.nan
    agree(JointFeatureRegressor(lambda1=0.1), X, Y)
    assert set(used) == {"Weighted"}


@pytest.mark.parametrize("cls", [LassoClassifier, JointFeatureClassifier])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic(used, cls, fit_intercept):
    X, y, tasks = ragged(low=30, high=40)
    agree(cls(lambda1=0.02, fit_intercept=fit_intercept), X, y > 0, tasks=tasks)
    X, Y = shared()
    agree(cls(lambda1=0.02, fit_intercept=fit_intercept), X, Y > 0)
    assert set(used) == {"Newton"}


def test_weights_and_warm_start():
    X, y, tasks = ragged(d=80)
    weight = np.random.default_rng(2).uniform(0.1, 2.0, len(y))
    model = JointFeatureRegressor(lambda1=0.2, task_weight="size", warm_start=True)
    agree(model, X, y, tasks=tasks, sample_weight=weight)
    first = model.set_params(solver="active-set", tol=1e-8).fit(X, y, tasks=tasks).n_iter_
    again = model.fit(X, y, tasks=tasks)
    assert again.n_iter_ <= first
    assert again.relative_gap_ <= 1e-8


@pytest.mark.parametrize("shape", [dict(n=60, d=30), dict(n=20, d=50)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_rotation_changes_nothing(monkeypatch, shape, fit_intercept):
    X, Y = shared(**shape)
    model = TraceNormRegressor(lambda1=0.5, tol=1e-11, fit_intercept=fit_intercept)
    rotated = model.fit(X, Y + 3.0).coef_
    objective = model.objective_[-1]
    monkeypatch.setattr(accelerated, "_ROTATION", 0)
    plain = model.fit(X, Y + 3.0)
    unit = objective_at_zero(model, X, Y + 3.0)
    assert_same_objective(plain.objective_[-1], objective, unit, tol=1e-11)
    assert_allclose(plain.coef_, rotated, atol=1e-5)


@pytest.mark.parametrize("gram", [True, False])
def test_conjugate_gradients(monkeypatch, gram):
    """More coefficients than a dense system holds."""
    X, y, tasks = ragged(T=12, d=20, low=25, high=40)
    monkeypatch.setattr(_systems, "_DENSE_SIZE", 100)
    monkeypatch.setattr(_trees, "_FEATURES", 0)
    if not gram:
        monkeypatch.setattr(_systems, "_FACTOR_NUMBERS", 100)
    model = GraphRegressor(graph="chain", lambda1=0.7, lambda2=0.05, tol=1e-10)
    direct = model.set_params(solver="closed-form").fit(X, y, tasks=tasks)
    assert direct.relative_gap_ <= 1e-10
    coef = direct.coef_
    monkeypatch.undo()
    assert_allclose(model.fit(X, y, tasks=tasks).coef_, coef, atol=1e-7)


def test_singular_dense_system():
    """No penalty on the common direction and too few rows: least norm, still certified."""
    X, y, tasks = ragged(T=3, d=30, low=4, high=6)
    model = GraphRegressor(graph="chain", lambda1=1.0, solver="closed-form").fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= 1e-6
    mean = MeanRegularizedRegressor(lambda1=1.0, solver="closed-form").fit(X, y, tasks=tasks)
    assert mean.relative_gap_ <= 1e-6


def test_verbose_prints(capsys):
    X, y, tasks = ragged()
    JointFeatureRegressor(lambda1=0.3, verbose=1).fit(X, y, tasks=tasks)
    assert "features, objective" in capsys.readouterr().out
    TraceNormRegressor(lambda1=0.3, verbose=1).fit(X, y, tasks=tasks)
    assert "iteration 0: objective" in capsys.readouterr().out
    JointFeatureRegressor(lambda1=0.3).fit(X, y, tasks=tasks)
    assert capsys.readouterr() == ("", "")


def test_a_workspace_is_kept_along_a_path(monkeypatch):
    """The eigenbasis is computed once per data set, and the solutions are those without it."""
    calls = []
    original = accelerated.RotatedObjective

    def counting(objective):
        calls.append(1)
        return original(objective)

    monkeypatch.setattr(accelerated, "RotatedObjective", counting)
    X, Y = shared(n=40, d=60)
    c = np.full(Y.size, 1.0 / len(X))
    workspace = Workspace()
    for data in (Y, Y + X[:, :5]):
        y = Squared().centered(data.T.ravel(), c, np.arange(6) * len(X))[0]
        objective = make_objective(Shared(X, 5), Squared(), y, c, TraceNorm(1.0), True)
        before = len(calls)
        for lambda1 in (0.5, 0.2, 0.1):
            there = objective.with_penalty(TraceNorm(lambda1) + Ridge(0.01))
            W0 = np.zeros(objective.shape)
            kept = solve_accelerated(there, W0, tol=1e-11, max_iter=10_000, workspace=workspace)
            assert len(calls) == before + 1
            fresh = RotatedObjective(there)
            assert_allclose(workspace.rotated.h, fresh.h)
            alone = make_objective(
                Shared(X, 5), Squared(), y, c, TraceNorm(lambda1) + Ridge(0.01), True
            )
            monkeypatch.setattr(accelerated, "_ROTATION", 0)
            plain = solve_accelerated(alone, W0, tol=1e-11, max_iter=10_000)
            monkeypatch.setattr(accelerated, "_ROTATION", 1500)
            assert kept.converged and plain.converged
            assert_same_objective(
                kept.certificate.objective, plain.certificate.objective, there.scale, tol=1e-11
            )
            assert_allclose(kept.W, plain.W, atol=1e-5)
            assert_allclose(kept.intercepts, plain.intercepts, atol=1e-5)


@pytest.mark.parametrize(
    "shape", [dict(n=60, d=20), dict(n=200, d=60), dict(n=50, d=300), dict(n=300, d=400)]
)
@pytest.mark.parametrize("norm", [L1, RowL2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_working_sets_along_a_path(shape, norm, fit_intercept):
    """Columns, Gram matrices and the last pass are kept; the solutions are those without them."""
    X, Y = shared(**shape)
    c = np.full(Y.size, 1.0 / len(X))
    offsets = np.arange(6) * len(X)
    y = Squared().centered(Y.T.ravel(), c, offsets)[0] if fit_intercept else Y.T.ravel()
    objective = make_objective(Shared(X + 0.5, 5), Squared(), y, c, norm(1.0), fit_intercept)
    most = norm(1.0).dual_norm(objective.rhs)
    workspace, W = Workspace(), np.zeros(objective.shape)
    for lambda1 in most * np.geomspace(1.0, 0.02, 12):
        there = objective.with_penalty(norm(lambda1))
        kept = solve_active_set(there, W, tol=1e-9, max_iter=1000, workspace=workspace)
        alone = solve_active_set(there, np.zeros(objective.shape), tol=1e-9, max_iter=1000)
        assert kept.converged and alone.converged
        assert_same_objective(
            kept.certificate.objective, alone.certificate.objective, there.scale, tol=1e-9
        )
        fresh = make_objective(Shared(X + 0.5, 5), Squared(), y, c, norm(lambda1), fit_intercept)
        assert fresh.final_certificate(kept.W).gap <= 1.01e-9 * fresh.scale
        assert_allclose(kept.intercepts, fresh.final_certificate(kept.W).intercepts, atol=1e-9)
        W = kept.W


def test_other_data_find_an_empty_workspace():
    X, Y = shared()
    c = np.full(Y.size, 1.0 / len(X))
    workspace = Workspace()
    for data in (Y, -3.0 * Y):
        y = data.T.ravel()
        objective = make_objective(Shared(X, 5), Squared(), y, c, RowL2(0.1), False)
        W0 = np.zeros(objective.shape)
        found = solve_active_set(objective, W0, tol=1e-10, max_iter=1000, workspace=workspace)
        assert objective.final_certificate(found.W).gap <= 1.01e-10 * objective.scale


def test_a_workspace_serves_closed_forms():
    X, Y = shared()
    c = np.full(Y.size, 1.0 / len(X))
    workspace = Workspace()
    objective = make_objective(Shared(X, 5), Squared(), Y.T.ravel(), c, Ridge(1.0), False)
    for lambda2 in (1.0, 0.1):
        there = objective.with_penalty(Ridge(lambda2))
        kept = solve_closed_form(there, tol=1e-12, workspace=workspace)
        assert kept.converged
        gram = X.T @ X / len(X) + lambda2 * np.eye(X.shape[1])
        assert_allclose(kept.W, np.linalg.solve(gram, X.T @ Y / len(X)), rtol=1e-9, atol=1e-12)


def test_gram_matrices_follow_their_features():
    """Rows that were there before are found again in whatever order they come."""
    X, Y = shared(n=80, d=30)
    c = np.full(Y.size, 1.0 / len(X))
    objective = make_objective(Shared(X, 5), Squared(), Y.T.ravel(), c, RowL2(0.1), True)
    before = _inner_quadratic.Gram(objective, np.array([7, 2, 9, 4]), None)
    for working in ([2, 7, 9, 4], [7, 2, 9, 4, 1, 0], [4, 3, 2], [9, 8, 7, 2, 4]):
        now = _inner_quadratic.Gram(objective, np.array(working), before)
        alone = _inner_quadratic.Gram(objective, np.array(working), None)
        assert_allclose(now.H, alone.H, atol=1e-14)
        assert_allclose(now.rhs, alone.rhs, atol=1e-14)


class Own:
    """``1/2 ||2 V - A||^2 + lambda ||V||_1`` as nothing but the protocol of gradient steps says."""

    def __init__(self, A, penalty):
        self.A, self.penalty, self.scale = A, penalty, 0.5 * float(np.vdot(A, A))

    def lift(self, W):
        return 4.0 * W

    def gradient(self, W, lifted):
        return lifted - 2.0 * self.A

    def curvature_along(self, D, lifted, at):
        return float(np.vdot(D, lifted))

    def certificate(self, W, lifted):
        residual = self.A - 0.5 * lifted
        top = np.abs(2.0 * residual).max()
        theta = residual * min(1.0, self.penalty.structure.lambda1 / top)
        primal = 0.5 * float(np.vdot(residual, residual)) + self.penalty.value(W)
        bound = float(np.vdot(self.A, theta)) - 0.5 * float(np.vdot(theta, theta))
        return Certificate(primal, max(primal - bound, 0.0))

    def final_certificate(self, W):
        return self.certificate(W, self.lift(W))


def test_gradient_steps_ask_no_more_than_their_protocol():
    """An objective, its parts and its rotation are views with it; so is a problem of one's own."""
    A = np.random.default_rng(0).standard_normal((5, 3))
    problem = Own(A, L1(0.7))
    found = accelerated._iterate(problem, np.zeros_like(A), 4.0, 1e-12, 200, 0)
    assert found.converged
    expected = np.sign(A) * np.maximum(np.abs(A) / 2.0 - 0.7 / 4.0, 0.0)
    assert_allclose(found.W, expected, atol=1e-10)
