"""Losses of regressors against CVXPY (Clarabel), as `test_reference` does for squares.

The twin states the losses as their docstrings do; objectives are compared by an evaluator written
here, and what certificates prove at random points must lie below the twin's optimum.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import xlogy

import malsar_py
from malsar_py import losses
from malsar_py.model_selection._solve import prepare

from . import test_reference_twopart
from .test_reference import MODELS as ONE_PART
from .test_reference import cp

WITHIN, TOL = 1e-7, 1e-10
DELTA = 0.8
MODELS = {
    name: ONE_PART[name]
    for name in ("Lasso", "JointFeature", "TraceNorm", "MeanRegularized", "Clustered", "Graph")
} | {"Dirty": test_reference_twopart.MODELS["Dirty"]}
LOSSES = {
    "huber": losses.Huber(DELTA),
    "poisson": "poisson",
    "gamma": "gamma",
    "logistic": "logistic",
    "quantile": losses.Quantile(0.3),
}
LOSSES["mixed"] = {"a": LOSSES["huber"], "b": "poisson", "c": "gamma", "d": "logistic"}
# The other seeds are for CI.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 5))]


def twin_loss(loss, y, z, c):
    """The loss of one task, as an expression."""
    if loss == "huber":
        return 0.5 * c @ cp.huber(y - z, DELTA)
    if loss == "poisson":
        return c @ (cp.exp(z) - cp.multiply(y, z)) + c @ (xlogy(y, y) - y)
    if loss == "gamma":
        return c @ (cp.multiply(y, cp.exp(-z)) + z) - c @ (np.log(y) + 1.0)
    if loss == "quantile":
        return c @ cp.maximum(0.3 * (y - z), -0.7 * (y - z))
    return c @ cp.logistic(-cp.multiply(2.0 * y - 1.0, z))


def our_loss(loss, y, z, c):
    if loss == "huber":
        r = np.abs(y - z)
        return c @ np.where(r <= DELTA, 0.5 * r**2, DELTA * (r - 0.5 * DELTA))
    if loss == "poisson":
        return c @ (np.exp(z) - y * z + xlogy(y, y) - y)
    if loss == "gamma":
        return c @ (y * np.exp(-z) + z - np.log(y) - 1.0)
    if loss == "quantile":
        return c @ np.maximum(0.3 * (y - z), -0.7 * (y - z))
    return c @ np.logaddexp(0.0, -(2.0 * y - 1.0) * z)


def draw(rng, loss, z):
    """Targets of one task with linear predictions z."""
    if loss in ("huber", "quantile"):
        return z + rng.standard_t(2.0, len(z))
    if loss == "poisson":
        y = rng.poisson(np.exp(z)).astype(float)
        y[0] = 2.0
        return y
    if loss == "gamma":
        return rng.gamma(2.0, np.exp(z) / 2.0)
    y = (0.7 * z + rng.logistic(size=len(z)) > 0.0).astype(float)
    y[:4] = [1.0, 0.0, 0.0, 1.0]
    return y


def make_case(seed, loss):
    """Ragged tasks, or one X with missing targets; weights, zeros among them; few rows."""
    rng = np.random.default_rng([seed, list(LOSSES).index(loss)])
    own = [loss] * 3 if loss != "mixed" else ["huber", "poisson", "gamma", "logistic"]
    labels, d = list("abcd")[: len(own)], 7 if seed == 3 else 4
    sizes = [12] * len(own) if seed == 2 else list(rng.integers(6, 13, len(own)))
    shared = rng.standard_normal((12, d)) + 0.3
    true, Xs, ys, ss = rng.standard_normal((d, len(own))) * 0.4, [], [], []
    for t, n in enumerate(sizes):
        X = shared if seed == 2 else rng.standard_normal((n, d)) + 0.3
        ys.append(draw(rng, own[t], X @ true[:, t] + 0.4 * t))
        s = rng.uniform(0.2, 3.0, n) if seed in (1, 4) else np.ones(n)
        if seed == 4:
            s[5::3] = 0.0
        if seed == 2:
            ys[t][4 + t :: 4] = np.nan
        Xs.append(X), ss.append(s)
    omega = rng.uniform(0.3, 3.0, len(own)) if seed in (1, 3) else np.ones(len(own))
    blocks = []
    for X, y, s, o in zip(Xs, ys, ss, omega, strict=True):
        kept = ~np.isnan(y)
        blocks.append((X[kept], y[kept], o * s[kept] / s[kept].sum()))
    parameters = {
        "fit_intercept": seed != 1,
        "task_weight": dict(zip(labels, omega.tolist(), strict=True)),
        "loss": LOSSES[loss],
    }
    if seed == 2:
        pd = pytest.importorskip("pandas")
        return (
            shared,
            pd.DataFrame(np.stack(ys, axis=1), columns=labels),
            {},
            parameters,
            blocks,
            own,
        )
    fit = {"tasks": np.repeat(labels, sizes), "sample_weight": np.concatenate(ss)}
    return np.vstack(Xs), np.concatenate(ys), fit, parameters, blocks, own


def strengths(name, seed, rng):
    p = {"lambda1": float(rng.choice([0.03, 0.1, 0.3])), "lambda2": 0.0}
    if seed % 2 or name in ("MeanRegularized", "Graph"):
        p["lambda2"] = float(rng.choice([0.01, 0.2]))
    if name == "Dirty":
        p["lambda2"] = 0.6 * p["lambda1"]
    if name == "Clustered":
        p |= {"lambda2": 0.05, "n_clusters": 1 + seed % 2}
    if name == "Graph":
        p |= {"graph": "chain", "lambda3": 0.05 * (seed % 2)}
    return p


def twin(name, p, blocks, own, intercept):
    T, d = len(blocks), blocks[0][0].shape[1]
    W, b = cp.Variable((d, T)), cp.Variable(T) if intercept else np.zeros(T)
    value, constraints = MODELS[name](W, p)
    for t, (X, y, c) in enumerate(blocks):
        used = c > 0.0
        value += twin_loss(own[t], y[used], X[used] @ W[:, t] + b[t], c[used])
    problem = cp.Problem(cp.Minimize(value), constraints)
    accuracy = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "tol_ktratio": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "may be inaccurate": the comparison tells
        problem.solve(solver=cp.CLARABEL, **accuracy)
    assert problem.status in ("optimal", "optimal_inaccurate")
    return problem.value


def objective_at(name, model, p, blocks, own):
    """By formulas of this file; the penalty is CVXPY's at our W, its other variables minimised."""
    W, b = model.coef_.T, model.intercept_
    total = sum(our_loss(own[t], y, X @ W[:, t] + b[t], c) for t, (X, y, c) in enumerate(blocks))
    if name == "Dirty":
        P, Q = model.coef_shared_.T, model.coef_specific_.T
        np.testing.assert_allclose(P + Q, W, atol=1e-12)
        return total + p["lambda1"] * np.abs(P).max(axis=1).sum() + p["lambda2"] * np.abs(Q).sum()
    if name == "Clustered":
        M, eta = model.task_membership_, p["lambda2"] / p["lambda1"]
        scatter = np.trace(W @ np.linalg.solve(eta * np.eye(len(M)) + M, W.T))
        return total + p["lambda1"] * eta * (1 + eta) / 2 * scatter
    return total + MODELS[name](cp.Constant(W), p)[0].value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", MODELS)
def test_twin(name, loss, seed):
    X, y, fit, parameters, blocks, own = make_case(seed, loss)
    rng = np.random.default_rng([seed, len(name)])
    p = strengths(name, seed, rng)
    cls = getattr(malsar_py, name + "Regressor")
    model = cls(**p, **parameters, tol=TOL).fit(X, y, **fit)
    assert model.relative_gap_ <= TOL
    ours = objective_at(name, model, p, blocks, own)
    theirs = twin(name, p, blocks, own, parameters["fit_intercept"])
    assert abs(ours - theirs) <= WITHIN * max(abs(theirs), model.dual_gap_ / TOL), ours - theirs
    np.testing.assert_allclose(model.objective_[-1], ours, rtol=1e-9)
    # What is proved anywhere lies below the optimum.
    given = {"tasks": None, "sample_weight": None} | fit
    _, prepared = prepare(cls(**p, **parameters), X, y, **given)
    objective = prepared.objective
    for size in (0.0, 0.3, 2.0):
        found = objective.final_certificate(size * rng.standard_normal(objective.shape))
        assert found.objective - found.gap <= min(ours, theirs) + WITHIN * abs(theirs)
        assert found.objective >= min(ours, theirs) - WITHIN * abs(theirs)


@pytest.mark.parametrize("loss", ["huber", "poisson", "gamma", "logistic", "quantile"])
@pytest.mark.parametrize("name", ["JointFeature", "TraceNorm"])
def test_accelerated_steps_find_the_same(name, loss):
    """Where there is no bound on the curvature step lengths come from a search on the value."""
    X, y, fit, parameters, *_ = make_case(4, loss)
    cls = getattr(malsar_py, name + "Regressor")
    found = [
        cls(lambda1=0.05, solver=solver, tol=1e-8, **parameters).fit(X, y, **fit)
        for solver in ("auto", "apg")
    ]
    assert max(model.relative_gap_ for model in found) <= 1e-8
    scale = found[0].dual_gap_ / found[0].relative_gap_ if found[0].relative_gap_ else 1.0
    assert abs(found[0].objective_[-1] - found[1].objective_[-1]) <= 1e-7 * max(scale, 1.0)
