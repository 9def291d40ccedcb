"""Splitting, proximal Newton and the linear systems below them, against plain gradient steps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    ClusteredClassifier,
    ClusteredRegressor,
    GraphClassifier,
    JointFeatureClassifier,
    LassoClassifier,
    MeanRegularizedClassifier,
    TraceNormClassifier,
    TraceNormRegressor,
    prox,
)
from malsar_py.design import Ragged, Shared
from malsar_py.losses import Squared
from malsar_py.model_selection import lambda1_max
from malsar_py.objective import make_objective
from malsar_py.penalties import Coupling, Ridge
from malsar_py.solvers import Workspace, _inner_smooth, _systems, solve_closed_form

from .problems import assert_same_objective, objective_at_zero


def ragged(d, low, high, T=6, seed=0, classes=False):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(low, high, T))
    X = rng.standard_normal((len(tasks), d)) * np.geomspace(1.0, 0.1, d) + 0.5
    W = rng.standard_normal((d, 2)) @ rng.standard_normal((2, T))
    z = np.einsum("ij,ji->i", X, W[:, tasks])
    y = z - z.mean() + rng.logistic(size=len(z))
    return X, (y > 0 if classes else y), tasks


SPECTRAL = [
    dict(lambda1=0.1),
    dict(lambda1=0.1, lambda2=0.05),
    dict(lambda1=0.5, lambda2=0.05, n_clusters=2, random_state=0),
]


def same_optimum(model, *args, tol=1e-10, by=None, **kwargs):
    values = []
    unit = objective_at_zero(model, *args, **kwargs)
    for solver in ("auto", "apg"):
        model.set_params(solver=solver, tol=tol, max_iter=100_000).fit(*args, **kwargs)
        assert model.relative_gap_ <= tol
        assert by is None or model.solver_ == (by if solver == "auto" else solver)
        values.append(model.objective_[-1])
    assert_same_objective(*values, unit, tol=tol)


@pytest.mark.parametrize("parameters", SPECTRAL)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(8, 20, 30), (40, 8, 14)])
def test_splitting(parameters, fit_intercept, shape):
    cls = ClusteredRegressor if "n_clusters" in parameters else TraceNormRegressor
    X, y, tasks = ragged(*shape)
    weight = np.random.default_rng(1).uniform(0.2, 2.0, len(y))
    model = cls(**parameters, fit_intercept=fit_intercept)
    same_optimum(model, X, y, tasks=tasks, sample_weight=weight, by="splitting")
    rng = np.random.default_rng(2)
    X = rng.standard_normal((20, shape[0]))
    Y = X[:, :3] @ rng.standard_normal((3, 5)) + rng.standard_normal((20, 5))
    same_optimum(model, X, Y, by="splitting")
    Y[rng.random(Y.shape) < 0.2] = np.nan
    same_optimum(model, X, Y, by="splitting")


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(6, 30, 40), (40, 8, 14)])
@pytest.mark.parametrize(
    "model",
    [
        TraceNormClassifier(lambda1=0.05),
        TraceNormClassifier(lambda1=0.05, lambda2=0.02),
        ClusteredClassifier(lambda1=0.2, lambda2=0.05, n_clusters=2, random_state=0),
        MeanRegularizedClassifier(lambda1=0.1, lambda2=0.02),
        GraphClassifier(graph="chain", lambda1=0.1, lambda2=0.02),
    ],
)
def test_newton(model, shape, fit_intercept):
    X, y, tasks = ragged(*shape, classes=True)
    model.set_params(fit_intercept=fit_intercept)
    same_optimum(model, X, y, tasks=tasks, by="newton")
    assert model.set_params(solver="auto").fit(X, y, tasks=tasks).n_iter_ <= 30


def test_newton_on_a_shared_x():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    Y = np.where(X[:, :3] + rng.logistic(size=(60, 3)) > 0.0, 1.0, 0.0)
    for lambda2 in (0.0, 0.01):
        same_optimum(MeanRegularizedClassifier(lambda1=0.1, lambda2=lambda2), X, Y)
        same_optimum(TraceNormClassifier(lambda1=0.02, lambda2=lambda2), X, Y)


def test_separable_classes_end_soon_with_a_warning():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    tasks = np.repeat([0, 1, 2], 20)
    with pytest.warns(ConvergenceWarning, match="no finite minimiser"):
        model = MeanRegularizedClassifier(lambda1=0.1).fit(X, X[:, 0] > 0, tasks=tasks)
    assert model.n_iter_ <= 60
    assert np.isfinite(model.coef_).all()


def test_tight_tolerances_are_reached_on_badly_scaled_data():
    X, y, tasks = ragged(6, 60, 80, classes=True)
    X = X * np.geomspace(1e-2, 1e2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for model in (
            MeanRegularizedClassifier(lambda1=0.1, lambda2=1e-3, tol=1e-10),
            TraceNormClassifier(lambda1=0.1, lambda2=1e-3, tol=1e-10),
            ClusteredClassifier(lambda1=0.1, lambda2=0.01, tol=1e-10, random_state=0),
        ):
            assert model.fit(X, y, tasks=tasks).relative_gap_ <= 1e-10


# (Chains are eliminated, see test_trees.)
RING = 2.0 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
RING[0, -1] = RING[-1, 0] = -1.0
QUADRATICS = {
    "ridge": Ridge(0.3),
    "mean": Coupling(0.7, np.eye(6) - 1.0 / 6) + Ridge(0.05),
    "ring": Coupling(0.7, RING) + Ridge(0.05),
}


@pytest.mark.parametrize("penalty", QUADRATICS.values(), ids=QUADRATICS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(10, 15, 25), (60, 6, 12), (30, 15, 25)])
@pytest.mark.parametrize("small", [True, False])
def test_systems_against_the_dense_one(monkeypatch, penalty, fit_intercept, shape, small):
    if not small:
        monkeypatch.setattr(_systems, "_KERNEL_SIZE", 0)
        monkeypatch.setattr(_systems, "_DENSE_SIZE", 0)
    X, y, tasks = ragged(*shape)
    sizes = np.bincount(tasks)
    offsets = np.append(0, np.cumsum(sizes))
    c = np.random.default_rng(1).uniform(0.2, 1.0, len(y)) / sizes[tasks]
    c[::7] = 0.0
    objective = make_objective(Ragged(X, offsets), Squared(), y, c, penalty, fit_intercept)
    found = solve_closed_form(objective, tol=1e-12)
    assert found.converged
    d = X.shape[1]
    system = np.kron(objective.quadratic.dense(6), np.eye(d))
    right = np.empty(6 * d)
    for t in range(6):
        rows = slice(offsets[t], offsets[t + 1])
        A, b, w = X[rows], y[rows], c[rows]
        if fit_intercept:
            A, b = A - w @ A / w.sum(), b - w @ b / w.sum()
        own = slice(t * d, (t + 1) * d)
        system[own, own] += (A.T * w) @ A
        right[own] = (A.T * w) @ b
    assert_allclose(found.W.T.ravel(), np.linalg.solve(system, right), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("matrix", [None, np.eye(6) - 1.0 / 6, RING], ids=QUADRATICS)
def test_systems_that_come_again_are_solved_in_their_eigenbases(monkeypatch, matrix):
    monkeypatch.setattr(_systems, "_DENSE_SIZE", 0)
    X, y, tasks = ragged(10, 15, 25)
    X[:, 3], X[:, 4] = 1.0, X[:, 5]  # a constant, and twice the same
    c = np.random.default_rng(1).uniform(0.2, 1.0, len(y))
    offsets = np.append(0, np.cumsum(np.bincount(tasks)))
    for scale, turned in ((1.0, True), (1e6, False)):  # of scales too uneven for one basis
        design = Ragged(X * np.where(np.arange(X.shape[1]) == 0, scale, 1.0), offsets)
        objective = make_objective(design, Squared(), y, c, Ridge(1.0), True)
        workspace = Workspace()
        for strength in (1.0, 10.0, 0.1, 1e-3, 1e3):
            penalty = Ridge(strength)
            if matrix is not None:
                penalty = Coupling(strength, matrix) + Ridge(0.05)
            step = objective.with_penalty(penalty)
            once = solve_closed_form(step, tol=1e-12).W
            found = solve_closed_form(step, tol=1e-12, workspace=workspace)
            assert found.converged
            assert_allclose(found.W, once, rtol=1e-8, atol=1e-10 * np.abs(once).max())
        assert (workspace.bases is not None) == turned


def test_a_wide_shared_x_is_solved_by_its_rows():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 4000)), rng.standard_normal((12, 6))
    c = np.full(Y.size, 1.0 / 12)
    workspace = Workspace()
    objective = make_objective(Shared(X, 6), Squared(), Y.T.ravel(), c, QUADRATICS["ring"], True)
    assert solve_closed_form(objective, tol=1e-12, workspace=workspace).converged
    assert workspace.rotated is not None
    assert workspace.rotated.shape[0] <= 12


def test_gram_route_where_one_factor_serves_the_small_values(monkeypatch):
    """The squared box norm clips them all: no SVD, and the same result to rounding."""
    rng = np.random.default_rng(0)
    U, _ = np.linalg.qr(rng.standard_normal((30, 6)))
    Q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    s = np.array([3.0, 2.0, 1.0, 0.5, 1e-8, 0.0])
    V = np.ascontiguousarray((U * s) @ Q.T)
    eta, tau = 0.1, 0.7
    theta, _ = prox.box_theta(s, 2, eta, tau * 0.1 * (1 + eta))
    expected = (U * (s * theta / (theta + tau * 0.1 * (1 + eta)))) @ Q.T
    trace = (U * np.maximum(s - 1e-9, 0.0)) @ Q.T
    assert_allclose(prox.prox_trace(V, 1e-9), trace, atol=1e-14)

    def refused(*args, **kwargs):
        raise AssertionError("an SVD")

    monkeypatch.setattr(prox.scipy.linalg, "svd", refused)
    assert_allclose(prox.prox_spectral_box(V, tau, 1.0, 0.1, 2), expected, atol=1e-14)
    with pytest.raises(AssertionError, match="an SVD"):
        prox.prox_trace(V, 1e-9)


# --- nearly separable classes ---------------------------------------------------------------------


def nearly_separable(seed=0, n=600, d=9, n_tasks=10):
    """Skewed, correlated features and 3 to 10 positives a task."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal((n, d))
    X = np.sinh(X / 3.0)
    tasks, y = np.arange(n) % n_tasks, np.zeros(n, np.int64)
    z = X @ rng.standard_normal(d) + 2.0 * rng.standard_normal(n)
    for t in range(n_tasks):
        own = np.flatnonzero(tasks == t)
        y[own[np.argsort(-z[own])[: rng.integers(3, 11)]]] = 1
    return (X - X.mean(axis=0)) / X.std(axis=0), y, tasks


@pytest.mark.parametrize("cls", [JointFeatureClassifier, LassoClassifier])
@pytest.mark.parametrize("share", [3e-4, 1e-4])
def test_nearly_separable_classes_take_few_newton_steps(cls, share, monkeypatch):
    """Descent crept through a thousand accelerated steps a round, and further."""
    X, y, tasks = nearly_separable()
    strongest = lambda1_max(cls(), X, y, tasks=tasks)

    def handed_over(*args, **kwargs):
        raise AssertionError("Newton's steps failed")

    slow = cls(lambda1=share * strongest, solver="apg", max_iter=100_000).fit(X, y, tasks=tasks)
    monkeypatch.setattr(_inner_smooth, "solve_accelerated", handed_over)
    fast = cls(lambda1=share * strongest).fit(X, y, tasks=tasks)
    assert fast.n_iter_ <= 10
    assert fast.relative_gap_ <= fast.tol
    margin = fast.dual_gap_ + slow.dual_gap_
    assert abs(fast.objective_[-1] - slow.objective_[-1]) <= margin + 1e-12
