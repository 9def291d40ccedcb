"""Shrunk intercepts and common parts against CVXPY, and their gaps at random points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy

from malsar_py import (
    ClusteredClassifier,
    ClusteredRegressor,
    GraphClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TaskRelationshipClassifier,
    TaskRelationshipRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)

from .problems import assert_gaps_hold, data_for, objective_at_zero, prepared, tight

KAPPAS = [0.0, 0.3, np.inf]
every_kappa = pytest.mark.parametrize("kappa", KAPPAS)


def own(W):
    n_tasks = W.shape[1]
    return W @ (np.eye(n_tasks) - 1.0 / n_tasks)


def _row_norms(cp, W):
    return cp.sum(cp.norm(W, 2, axis=1))


def _box(cp, W, lambda1, lambda2, k):
    """The clustered penalty with M minimised out by CVXPY."""
    eta, n_tasks = lambda2 / lambda1, W.shape[1]
    M = cp.Variable((n_tasks, n_tasks), PSD=True)
    terms = [cp.matrix_frac(W[j], eta * np.eye(n_tasks) + M) for j in range(W.shape[0])]
    limits = [np.eye(n_tasks) - M >> 0, cp.trace(M) == k]
    return 0.5 * lambda1 * eta * (1.0 + eta) * sum(terms), limits


# Model and twin of its penalty: (cp, W) -> expression, constraints.
PLAIN = {
    "lasso": (
        [LassoRegressor(lambda1=0.1, lambda2=0.02), LassoClassifier(lambda1=0.02, lambda2=0.02)],
        lambda cp, W, l1: (l1 * cp.sum(cp.abs(W)) + 0.01 * cp.sum_squares(W), []),
    ),
    "joint": (
        [JointFeatureRegressor(lambda1=0.1), JointFeatureClassifier(lambda1=0.03)],
        lambda cp, W, l1: (l1 * _row_norms(cp, W), []),
    ),
    "trace": (
        [TraceNormRegressor(lambda1=0.1), TraceNormClassifier(lambda1=0.03)],
        lambda cp, W, l1: (l1 * cp.normNuc(W), []),
    ),
    "mean": (
        [
            MeanRegularizedRegressor(lambda1=0.7),
            MeanRegularizedClassifier(lambda1=0.2, lambda2=0.0),
        ],
        lambda cp, W, l1: (0.5 * l1 * cp.sum_squares(own(W)), []),
    ),
    "chain": (
        [
            GraphRegressor(graph="chain", lambda1=0.7, lambda2=0.02, lambda3=0.05),
            GraphClassifier(graph="chain", lambda1=0.7, lambda2=0.02, lambda3=0.05),
        ],
        lambda cp, W, l1: (
            0.5 * l1 * cp.sum_squares(W[:, 1:] - W[:, :-1])
            + 0.01 * cp.sum_squares(W)
            + 0.05 * cp.sum(cp.abs(W)),
            [],
        ),
    ),
}
AROUND = {
    "joint": (
        [
            JointFeatureRegressor(lambda1=0.1, common=True),
            JointFeatureClassifier(lambda1=0.03, common=True),
        ],
        lambda cp, W, l1: (l1 * _row_norms(cp, own(W)), []),
    ),
    "joint, ridge": (
        [
            JointFeatureRegressor(lambda1=0.1, lambda2=0.1, common=True),
            JointFeatureClassifier(lambda1=0.03, lambda2=0.1, common=True),
        ],
        lambda cp, W, l1: (l1 * _row_norms(cp, own(W)) + 0.05 * cp.sum_squares(W), []),
    ),
    "trace": (
        [
            TraceNormRegressor(lambda1=0.1, common=True),
            TraceNormClassifier(lambda1=0.03, common=True),
        ],
        lambda cp, W, l1: (l1 * cp.normNuc(own(W)), []),
    ),
    "relation": (
        [
            TaskRelationshipRegressor(lambda1=0.1, lambda2=0.02, common=True),
            TaskRelationshipClassifier(lambda1=0.02, lambda2=0.02, common=True),
        ],
        lambda cp, W, l1: (
            0.5 * l1 * cp.square(cp.normNuc(own(W))) + 0.01 * cp.sum_squares(W),
            [],
        ),
    ),
    "clustered": (
        [
            ClusteredRegressor(lambda1=0.5, lambda2=0.05, common=True, random_state=0),
            ClusteredClassifier(lambda1=0.2, lambda2=0.05, common=True, random_state=0),
        ],
        lambda cp, W, l1: _box(cp, own(W), l1, 0.05, 2),
    ),
    "lasso": (
        [LassoRegressor(lambda1=0.1, common=True), LassoClassifier(lambda1=0.03, common=True)],
        lambda cp, W, l1: _data_shared(cp, W, l1, np.sqrt(W.shape[1])),
    ),
    "lasso, weight": (
        [
            LassoRegressor(lambda1=0.1, common=True, common_weight=0.7),
            LassoClassifier(lambda1=0.03, common=True, common_weight=0.7),
        ],
        lambda cp, W, l1: _data_shared(cp, W, l1, 0.7),
    ),
}


def _data_shared(cp, W, lambda1, weight):
    m = cp.Variable(W.shape[0])
    rest = W - cp.reshape(m, (W.shape[0], 1), order="C") @ np.ones((1, W.shape[1]))
    return lambda1 * (weight * cp.sum(cp.abs(m)) + cp.sum(cp.abs(rest))), []


def samples(model, X, y, tasks, weight):
    """Rows by task, centred at the weighted grand mean, with their shares c."""
    labels = np.unique(tasks)
    sizes = np.array([weight[tasks == t].sum() for t in labels])
    omega = np.ones(len(labels))
    if model.task_weight == "size":
        omega = sizes * len(labels) / sizes.sum()
    share = np.zeros(len(y))
    for t, label in enumerate(labels):
        own_rows = tasks == label
        share[own_rows] = omega[t] * weight[own_rows] / sizes[t]
    X = X - share @ X / share.sum()
    return [(X[tasks == t], y[tasks == t], share[tasks == t]) for t in labels]


def twin(model, penalty, X, y, tasks, weight, kappa):
    cp = pytest.importorskip("cvxpy")
    blocks = samples(model, X, y, tasks, weight)
    n_tasks = len(blocks)
    W, b, b0 = cp.Variable((X.shape[1], n_tasks)), cp.Variable(n_tasks), cp.Variable()
    total, limits = penalty(cp, W, model.lambda1)
    for t, (rows, targets, c) in enumerate(blocks):
        z = rows @ W[:, t] + (b0 if kappa == np.inf else b[t])
        total += cp.sum(cp.multiply(c, _losses(cp, model, targets, z)))
    if 0.0 < kappa < np.inf:
        total += 0.5 * kappa * cp.sum_squares(b - b0)
    problem = cp.Problem(cp.Minimize(total), limits)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value


def _losses(cp, model, y, z):
    """The loss of each sample."""
    if model._classifier:
        return cp.logistic(-cp.multiply(np.where(y == "yes", 1.0, -1.0), z))
    if model.loss == "huber":
        return 0.5 * cp.huber(y - z, 1.35)
    if model.loss == "poisson":
        return cp.exp(z) - cp.multiply(y, z) + xlogy(y, y) - y
    if model.loss == "gamma":
        return cp.multiply(y, cp.exp(-z)) + z - np.log(y) - 1.0
    return 0.5 * cp.square(y - z)


def settings():
    for part, models in (("plain", PLAIN), ("around", AROUND)):
        for name in models:
            for kind in (0, 1):
                for kappa in KAPPAS:
                    if part == "plain" and kappa == 0.0:
                        continue  # every model has that twin elsewhere
                    usual = name == "joint" and kappa == 0.3
                    marks = [] if usual else [pytest.mark.thorough]
                    said = f"{part}-{name}-{'squared' if kind == 0 else 'logistic'}-{kappa}"
                    yield pytest.param(models[name], kind, kappa, id=said, marks=marks)


# Data sets: one for each weight of the tasks, three more in slow tests.
DRAWS = [("size", 3), ("equal", 4)]
DRAWS += [pytest.param("size", seed, marks=pytest.mark.slow) for seed in (31, 32, 33)]


@pytest.mark.parametrize(("entry", "kind", "kappa"), [*settings()])
@pytest.mark.parametrize(("task_weight", "seed"), DRAWS)
def test_twins(entry, kind, kappa, task_weight, seed):
    models, penalty = entry
    X, y, tasks = data_for(models[kind], seed=seed, d=4)
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, len(y))
    model = tight(models[kind], intercept_shrinkage=kappa, task_weight=task_weight, tol=1e-9)
    unit = objective_at_zero(model, X, y, tasks=tasks, sample_weight=weight)
    model.fit(X, y, tasks=tasks, sample_weight=weight)
    best = twin(model, penalty, X, y, tasks, weight, kappa)
    assert model.relative_gap_ <= 1e-9
    assert abs(model.objective_[-1] - best) <= 1e-7 * unit


@pytest.mark.parametrize("kappa", [0.3, np.inf])
@pytest.mark.parametrize("part", ["plain", "around"])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "huber"])
@pytest.mark.parametrize(
    ("name", "seed"),
    [("joint", 18)]
    + [
        pytest.param(name, seed, marks=pytest.mark.slow)
        for name in ("lasso", "joint", "trace")
        for seed in (19, 20, 21, 22)
    ],
)
def test_twins_of_other_losses(name, seed, loss, part, kappa):
    """A task without events, too: shrunk intercepts keep its own finite."""
    models, penalty = (PLAIN if part == "plain" else AROUND)[name]
    rng = np.random.default_rng(seed)
    X, z, tasks = data_for(models[0], seed=seed, d=3)
    z = 0.2 * z
    y = {
        "poisson": np.where(tasks == "c", 0.0, rng.poisson(np.exp(0.3 * z))),
        "gamma": rng.gamma(2.0, 0.5 * np.exp(0.3 * z)) + 1e-3,
        "huber": z + rng.standard_t(2, len(z)),
    }[loss].astype(float)
    weight = rng.uniform(0.5, 2.0, len(y))
    strengths = {"lambda1": 0.03, "intercept_shrinkage": kappa}
    model = tight(models[0], loss=loss, task_weight="size", tol=1e-8, **strengths)
    unit = objective_at_zero(model, X, y, tasks=tasks, sample_weight=weight)
    model.fit(X, y, tasks=tasks, sample_weight=weight)
    best = twin(model, penalty, X, y, tasks, weight, kappa)
    assert model.relative_gap_ <= 1e-8
    assert abs(model.objective_[-1] - best) <= 1e-7 * unit


@every_kappa
@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("name", AROUND)
def test_gaps_hold_anywhere(name, kind, kappa):
    model = tight(AROUND[name][0][kind], intercept_shrinkage=kappa, task_weight="size", tol=1e-10)
    X, y, tasks = data_for(model, seed=5)
    best = model.fit(X, y, tasks=tasks).objective_[-1]
    objective = prepared(model, X, y, tasks=tasks)
    assert_gaps_hold(objective, model.coef_.T, best, (0.0, 1e-3, 0.1, 3.0))
