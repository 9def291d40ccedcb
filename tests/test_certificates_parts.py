"""The duality gap of two-part models and the squared trace norm proves what it says.

As in ``test_certificates``: nonnegative and valid anywhere, zero at the optimum, and equal to the
formulas, coded here a second time.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import malsar_py
from malsar_py.objective import make_objective
from malsar_py.parts import PartsObjective, by_parts
from malsar_py.penalties import (
    L1,
    ColumnL2,
    Ridge,
    RowL2,
    RowLinf,
    Split,
    SquaredTraceNorm,
    TaskQuadratic,
    TraceBall,
    TraceNorm,
)
from malsar_py.solvers import solve_accelerated

from .test_certificates import CHAIN, LOSSES, D, T, both_certificates, make_tasks

every_setting = pytest.mark.parametrize(
    ("loss", "fit_intercept", "kind"),
    [
        ("squared", True, "ragged"),
        ("squared", False, "shared"),
        ("logistic", True, "masked"),
        ("logistic", False, "ragged"),
    ],
)

NORMS = {
    "row max": lambda W: np.abs(W).max(axis=1).sum(),
    "rows": lambda W: np.linalg.norm(W, axis=1).sum(),
    "columns": lambda W: np.linalg.norm(W, axis=0).sum(),
    "entries": lambda W: np.abs(W).sum(),
    "trace": lambda W: np.linalg.norm(W, "nuc"),
}
DUAL_NORMS = {
    "row max": lambda G: np.abs(G).sum(axis=1).max(),
    "rows": lambda G: np.linalg.norm(G, axis=1).max(),
    "columns": lambda G: np.linalg.norm(G, axis=0).max(),
    "entries": lambda G: np.abs(G).max(),
    "trace": lambda G: np.linalg.norm(G, 2),
}
SPLITS = {
    "dirty": (Split(RowLinf(0.15), L1(0.07)), ("row max", 0.15), ("entries", 0.07)),
    "dirty, P only": (Split(RowLinf(0.1), L1(1.0)), ("row max", 0.1), ("entries", 1.0)),
    "robust feature": (Split(RowL2(0.1), ColumnL2(0.12)), ("rows", 0.1), ("columns", 0.12)),
    "robust low rank": (Split(TraceNorm(0.12), ColumnL2(0.1)), ("trace", 0.12), ("columns", 0.1)),
    "sparse low rank": (Split(L1(0.06), TraceNorm(0.12)), ("entries", 0.06), ("trace", 0.12)),
    "W = 0": (Split(L1(3.0), TraceNorm(5.0)), ("entries", 3.0), ("trace", 5.0)),
    "bounded": (Split(L1(0.06), TraceBall(0.7)), ("entries", 0.06), ("ball", 0.7)),
    "bounded by 0": (Split(L1(0.06), TraceBall(0.0)), ("entries", 0.06), ("ball", 0.0)),
}


def part_value(part, P):
    name, strength = part
    return 0.0 if name == "ball" else strength * NORMS[name](P)


def duality_gap(tasks, first, second, V, b):
    P, Q = V[:D], V[D:]
    theta = tasks.theta(P + Q, b)
    G = tasks.adjoint(theta)
    primal = tasks.loss_value(P + Q, b) + part_value(first, P) + part_value(second, Q)
    alpha, cost = 1.0, 0.0
    for name, strength in (first, second):
        if name == "ball":
            cost = strength * np.linalg.norm(G, 2)
        else:
            alpha = min(alpha, strength / DUAL_NORMS[name](G))
    return primal - (tasks.dual(alpha * theta) - alpha * cost)


def make(penalty, loss, fit_intercept, kind):
    design, tasks = make_tasks(kind, loss, fit_intercept)
    objective = make_objective(
        design, LOSSES[loss], tasks.y.copy(), tasks.c.copy(), penalty, fit_intercept
    )
    return by_parts(objective), tasks


@pytest.mark.parametrize("name", SPLITS)
@every_setting
def test_two_parts(name, loss, fit_intercept, kind):
    split, first, second = SPLITS[name]
    objective, tasks = make(split, loss, fit_intercept, kind)
    assert isinstance(objective, PartsObjective)
    assert objective.shape == (2 * D, T)
    zero = np.zeros(objective.shape)
    solution = solve_accelerated(objective, zero, tol=1e-12, max_iter=50_000)
    best = solution.history.objective[-1]
    assert solution.converged
    assert (name == "W = 0") == (not solution.W.any())
    for certificate in both_certificates(objective, solution.W):
        assert abs(certificate.gap) <= 2e-12 * objective.scale
        assert_allclose(certificate.objective, best, rtol=0, atol=1e-12 * objective.scale)
    rng = np.random.default_rng(1)
    directions = [rng.standard_normal(objective.shape) for _ in range(3)]
    directions.append(np.vstack([directions[0][:D], -directions[0][:D]]))  # W does not move
    for direction, scale in itertools.product(directions, [0.0, 1e-8, 1e-3, 0.1, 1.0, 30.0]):
        for start in (zero, solution.W):
            V = split.prox(start + scale * direction, 0.0)  # inside the ball, if there is one
            W = objective.coefficients(V)
            assert_allclose(W, V[:D] + V[D:], rtol=0, atol=0)
            b = tasks.best_intercepts(W)
            value = tasks.loss_value(W, b) + part_value(first, V[:D]) + part_value(second, V[D:])
            slack = tasks.slack(W, value, objective.scale)
            for certificate in both_certificates(objective, V):
                assert_allclose(certificate.objective, value, rtol=0, atol=slack)
                assert certificate.gap >= -1e-12 * value
                # Nothing above it is claimed to be below the optimum.
                assert certificate.objective - certificate.gap <= best + slack
                assert certificate.objective >= best - slack
                if scale <= 1.0:
                    expected = duality_gap(tasks, first, second, V, b)
                    assert_allclose(certificate.gap, expected, rtol=1e-7, atol=1e-11 * value)


@pytest.mark.parametrize("name", SPLITS)
@every_setting
def test_the_gap_vanishes_towards_the_optimum(name, loss, fit_intercept, kind):
    split = SPLITS[name][0]
    objective, _ = make(split, loss, fit_intercept, kind)
    zero = np.zeros(objective.shape)
    V = solve_accelerated(objective, zero, tol=1e-13, max_iter=50_000).W
    direction = np.random.default_rng(2).standard_normal(V.shape)
    for eps in (1e-3, 1e-5, 1e-7):
        for certificate in both_certificates(objective, split.prox(V + eps * direction, 0.0)):
            assert certificate.gap <= 30.0 * objective.scale * eps


def test_gradient_and_curvature_are_those_of_the_sum():
    """Against finite differences of the loss in the parts."""
    rng = np.random.default_rng(3)
    for loss, kind in itertools.product(LOSSES, ["ragged", "shared"]):
        objective, tasks = make(SPLITS["dirty"][0], loss, True, kind)
        V, direction = rng.standard_normal((2, 2 * D, T))

        def value(step, V=V, direction=direction, tasks=tasks):
            W = (V + step * direction)[:D] + (V + step * direction)[D:]
            return tasks.loss_value(W, tasks.best_intercepts(W))

        eps = 1e-4
        slope = (value(eps) - value(-eps)) / (2.0 * eps)
        bend = (value(eps) - 2.0 * value(0.0) + value(-eps)) / eps**2
        G = objective.gradient(V, objective.lift(V))
        assert_allclose(np.vdot(G, direction), slope, rtol=1e-6, atol=1e-6)
        at = objective.lift(V)
        curvature = objective.curvature_along(direction, objective.lift(direction), at)
        assert curvature >= bend * (1.0 - 1e-4)
        highest = objective.loss_lipschitz() * np.vdot(direction, direction)
        assert highest >= curvature * (1.0 - 1e-9)
        if loss == "squared":
            assert_allclose(curvature, bend, rtol=1e-4)


SINGLE = {
    "squared trace": (SquaredTraceNorm(0.3), None, 0.0),
    "squared trace ridge": (SquaredTraceNorm(0.3) + Ridge(0.1), None, 0.1),
    "squared trace chain ridge": (
        SquaredTraceNorm(0.3) + TaskQuadratic(0.2 * CHAIN) + Ridge(0.1),
        0.2 * CHAIN,
        0.1,
    ),
    "trace ball": (TraceBall(1.5), None, 0.0),
    "trace ball chain": (TraceBall(1.5) + TaskQuadratic(0.2 * CHAIN), 0.2 * CHAIN, 0.0),
    "row max": (RowLinf(0.1), None, 0.0),
    "row max ridge": (RowLinf(0.1) + Ridge(0.2), None, 0.2),
    "columns": (ColumnL2(0.1), None, 0.0),
    "columns chain ridge": (
        ColumnL2(0.1) + TaskQuadratic(0.2 * CHAIN, 0.1),
        0.2 * CHAIN,
        0.1,
    ),
}


@pytest.mark.parametrize("name", SINGLE)
@every_setting
def test_one_part(name, loss, fit_intercept, kind):
    penalty, coupling, ridge = SINGLE[name]
    objective, tasks = make(penalty, loss, fit_intercept, kind)
    assert not isinstance(objective, PartsObjective)
    structure = penalty.structure

    def value_at(W, b):
        value = tasks.loss_value(W, b) + 0.5 * ridge * np.sum(W**2)
        if coupling is not None:
            value += 0.5 * np.trace(W @ coupling @ W.T)
        if name.startswith("squared"):
            return value + 0.15 * np.linalg.norm(W, "nuc") ** 2
        if name.startswith("trace"):
            assert np.linalg.norm(W, "nuc") <= 1.5 * (1.0 + 1e-9)
            return value
        return value + 0.1 * NORMS["row max" if name.startswith("row") else "columns"](W)

    zero = np.zeros((D, T))
    solution = solve_accelerated(objective, zero, tol=1e-12, max_iter=50_000)
    best = solution.history.objective[-1]
    assert solution.converged
    for certificate in both_certificates(objective, solution.W):
        assert abs(certificate.gap) <= 2e-12 * objective.scale
    rng = np.random.default_rng(1)
    directions = [rng.standard_normal((D, T)), np.outer(rng.standard_normal(D), np.ones(T))]
    for direction, scale in itertools.product(directions, [0.0, 1e-8, 1e-3, 0.1, 1.0, 30.0]):
        for start in (zero, solution.W):
            W = start + scale * direction
            if isinstance(structure, TraceBall):
                W = structure.prox(W, 1.0)
            value = value_at(W, tasks.best_intercepts(W))
            slack = tasks.slack(W, value, objective.scale)
            for certificate in both_certificates(objective, W):
                assert_allclose(certificate.objective, value, rtol=0, atol=slack)
                assert certificate.gap >= -1e-12 * value
                assert certificate.objective - certificate.gap <= best + slack
    for eps in (1e-3, 1e-5, 1e-7):
        for certificate in both_certificates(objective, solution.W + eps * directions[0]):
            if not isinstance(structure, TraceBall):
                assert certificate.gap <= 30.0 * objective.scale * eps


# --- fits ---------------------------------------------------------------------------------------

MODELS = {
    "Dirty": ({"lambda1": 0.15, "lambda2": 0.07}, ("row max", 0.15), ("entries", 0.07)),
    "RobustFeature": ({"lambda1": 0.1, "lambda2": 0.12}, ("rows", 0.1), ("columns", 0.12)),
    "RobustLowRank": ({"lambda1": 0.12, "lambda2": 0.1}, ("trace", 0.12), ("columns", 0.1)),
    "SparseLowRank": ({"lambda1": 0.06, "lambda2": 0.12}, ("entries", 0.06), ("trace", 0.12)),
    "SparseLowRank bounded": (
        {"lambda1": 0.06, "trace_bound": 0.7},
        ("entries", 0.06),
        ("ball", 0.7),
    ),
}


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_gap_of_a_fit(name, loss, fit_intercept, tol):
    parameters, first, second = MODELS[name]
    _, tasks = make_tasks("ragged", loss, fit_intercept, seed=7)
    suffix = "Regressor" if loss == "squared" else "Classifier"
    model = getattr(malsar_py, name.split()[0] + suffix)(
        **parameters, fit_intercept=fit_intercept, tol=tol
    )
    model.set_params(task_weight={t: float(c.sum()) for t, c in enumerate(tasks.cs)})
    labels = np.repeat(np.arange(T), [len(y) for y in tasks.ys])
    model.fit(np.vstack(tasks.Xs), tasks.y, tasks=labels, sample_weight=tasks.c)
    V = np.vstack([getattr(model, part).T for part in model._part_names])
    assert_allclose(model.coef_.T, V[:D] + V[D:], rtol=0, atol=1e-15)
    b = model.intercept_
    zero = np.zeros((D, T))
    scale = tasks.loss_value(zero, tasks.best_intercepts(zero))
    assert model.relative_gap_ <= tol
    value = tasks.loss_value(model.coef_.T, b)
    value += part_value(first, V[:D]) + part_value(second, V[D:])
    assert_allclose(model.objective_[-1], value, rtol=1e-11)
    expected = duality_gap(tasks, first, second, V, b)
    assert_allclose(model.dual_gap_, expected, rtol=1e-6, atol=2e-12 * scale)
    assert_allclose(b, tasks.best_intercepts(model.coef_.T), rtol=0, atol=1e-7)
