"""Calibrated models against CVXPY (a second-order cone problem): weights, intercepts, kinks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from malsar_py import CalibratedJointFeatureRegressor

from .test_reference import SEEDS, WITHIN, Case, make_case

cp = pytest.importorskip("cvxpy")

TOL = 1e-10


def interpolating_case(seed, sizes=(5, 8, 25)):
    """Fewer rows than features in most tasks, rows of their own or shared."""
    rng = np.random.default_rng([seed, 21])
    T, d = len(sizes), 12
    sizes = [9] * T if seed % 2 else list(sizes)
    omega = rng.uniform(0.5, 2.0, T) if seed % 3 else np.ones(T)
    true = rng.standard_normal((d, T))
    parameters = {
        "fit_intercept": seed % 4 < 2,
        "task_weight": dict(enumerate(omega.tolist())),
    }
    if seed % 2:
        X = rng.standard_normal((9, d))
        Y = X @ true + 0.5 * rng.standard_normal((9, T))
        blocks = [(X, Y[:, t], np.full(9, omega[t] / 9)) for t in range(T)]
        return Case(X, Y, {}, parameters, blocks)
    X = rng.standard_normal((sum(sizes), d))
    tasks = np.repeat(np.arange(T), sizes)
    y = np.einsum("ij,ji->i", X, true[:, tasks]) + 0.5 * rng.standard_normal(len(X))
    s = rng.uniform(0.5, 2.0, len(X))
    blocks = []
    for t in range(T):
        own = tasks == t
        blocks.append((X[own], y[own], omega[t] * s[own] / s[own].sum()))
    return Case(X, y, {"tasks": tasks, "sample_weight": s}, parameters, blocks)


def value(case, W, b, p):
    """The objective as the docstring has it."""
    total = p["lambda1"] * np.linalg.norm(W, axis=1).sum() + p["lambda2"] / 2 * np.sum(W**2)
    for t, (X, y, c) in enumerate(case.blocks):
        total += np.sqrt(c.sum() * np.sum(c * (y - X @ W[:, t] - b[t]) ** 2))
    return total


def twin(case, p):
    T, d = len(case.blocks), case.X.shape[1]
    W = cp.Variable((d, T))
    b = cp.Variable(T) if case.parameters["fit_intercept"] else np.zeros(T)
    total = p["lambda1"] * cp.sum(cp.norm(W, 2, axis=1)) + p["lambda2"] / 2 * cp.sum_squares(W)
    for t, (X, y, c) in enumerate(case.blocks):
        used = c > 0.0
        residual = y[used] - X[used] @ W[:, t] - b[t]
        total += np.sqrt(c.sum()) * cp.norm(cp.multiply(np.sqrt(c[used]), residual))
    problem = cp.Problem(cp.Minimize(total))
    accuracy = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "tol_ktratio": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "may be inaccurate": the comparison tells
        problem.solve(solver=cp.CLARABEL, **accuracy)
    assert problem.status in ("optimal", "optimal_inaccurate")
    return problem.value


def check(case, p):
    model = CalibratedJointFeatureRegressor(**p, **case.parameters, tol=TOL)
    model.fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= TOL
    W, b = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
    ours, theirs = value(case, W, b, p), twin(case, p)
    assert abs(ours - theirs) <= WITHIN * abs(theirs), ours / theirs - 1.0
    np.testing.assert_allclose(model.objective_[-1], ours, rtol=1e-10)
    assert ours - model.dual_gap_ <= theirs * (1.0 + WITHIN)
    levels = [
        np.sqrt(np.sum(c * (y - X @ W[:, t] - b[t]) ** 2) / c.sum())
        for t, (X, y, c) in enumerate(case.blocks)
    ]
    np.testing.assert_allclose(model.noise_levels_, levels, rtol=1e-7, atol=1e-9)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_twin(seed):
    case = make_case(seed, "squared")
    rng = np.random.default_rng([seed, 5])
    check(case, {"lambda1": float(rng.choice([0.03, 0.1, 0.3])), "lambda2": [0.0, 0.1][seed % 2]})


@pytest.mark.parametrize("lambda2", [0.0, 0.05])
@pytest.mark.parametrize("lambda1", [0.02, 1e-3])
@pytest.mark.parametrize("seed", SEEDS)
def test_twin_with_interpolated_tasks(seed, lambda1, lambda2):
    model = check(interpolating_case(seed), {"lambda1": lambda1, "lambda2": lambda2})
    assert (model.noise_levels_ < 1e-6).any()


@pytest.mark.parametrize("lambda1", [0.3, 0.02, 1e-3])
@pytest.mark.parametrize("seed", SEEDS)
def test_square_root_group_lasso_with_fewer_rows_than_features(seed, lambda1):
    """One task, interpolated or not."""
    model = check(interpolating_case(seed, sizes=(8,)), {"lambda1": lambda1, "lambda2": 0.0})
    if lambda1 < 0.01:
        assert (model.noise_levels_ < 1e-6).all()
