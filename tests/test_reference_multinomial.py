"""More than two classes against CVXPY (Clarabel): ragged tasks, weights, missing targets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp

import malsar_py

WITHIN = 1e-7
TOL = 1e-10
CLASSES = np.array(["low", "mid", "top", "void"])


@dataclass(frozen=True)
class Case:
    """One data set, as fit takes it and task by task."""

    X: np.ndarray
    y: np.ndarray
    fit: dict  # further arguments of fit
    parameters: dict  # fit_intercept and task_weight
    blocks: list  # (X_t, classes of its rows as positions, c_t), observed rows only
    K: int


def make_case(seed):
    """Ragged tasks; what is special about each seed: see the branches."""
    rng = np.random.default_rng([seed, 7])
    T, d, K = (2, 3, 3)[seed % 3], int(rng.integers(2, 5)), (3, 4)[seed % 2]
    shared = seed in (2, 4)
    sizes = [16] * T if shared else list(rng.integers(12, 20, T))
    if seed == 3:  # one task, no labels
        T, sizes = 1, [25]
    labels = ["c", "a", "d"][:T]
    one_x = rng.standard_normal((16, d)) + 0.3
    Xs, ys, ss = [], [], []
    for t, n in enumerate(sizes):
        X = one_x if shared else rng.standard_normal((n, d)) + 0.3
        y = (X @ rng.standard_normal((d, K)) + 1.5 * rng.gumbel(size=(n, K))).argmax(axis=1)
        first = K - 1 if seed == 5 and t == 0 else K  # a task without the last class
        y = np.where(y < first, y, 0)
        y[: 2 * first] = np.tile(np.arange(first), 2)
        s = rng.uniform(0.2, 3.0, n) if seed in (1, 5) else np.ones(n)
        if seed == 5:
            s[2 * K + 1 :: 4] = 0.0
        y = y.astype(float)
        if seed == 4:
            y[2 * K + t :: 4] = np.nan
        Xs.append(X), ys.append(y), ss.append(s)
    totals = [s[~np.isnan(y)].sum() for s, y in zip(ss, ys, strict=True)]
    task_weight, omega = "equal", np.ones(T)
    if seed == 4:
        task_weight, omega = "size", np.array(totals) * T / np.sum(totals)
    if seed == 1:
        omega = rng.uniform(0.3, 3.0, T)
        task_weight = dict(zip(labels, omega.tolist(), strict=True))
    blocks = []
    for X, y, s, o, total in zip(Xs, ys, ss, omega, totals, strict=True):
        kept = ~np.isnan(y) & (s > 0.0)
        blocks.append((X[kept], y[kept].astype(int), o * s[kept] / total))
    parameters = {"fit_intercept": seed not in (0, 2), "task_weight": task_weight}
    if shared:
        return Case(one_x, np.stack(ys, axis=1), {}, parameters, blocks, K)
    fit = {} if seed == 3 else {"tasks": np.repeat(labels, sizes)}
    if seed in (1, 5):
        fit["sample_weight"] = np.concatenate(ss)
    if T > 1:
        blocks = [blocks[t] for t in np.argsort(labels)]
    mixed = rng.permutation(sum(sizes))
    fit = {name: value[mixed] for name, value in fit.items()}
    y = CLASSES[np.concatenate(ys)[mixed].astype(int)]
    return Case(np.vstack(Xs)[mixed], y, fit, parameters, blocks, K)


def grand_mean(case):
    """Of the features over all rows: where shrunk intercepts are compared."""
    total = sum(c.sum() for _, _, c in case.blocks)
    return sum(c @ X for X, _, c in case.blocks) / total


def columns(model, K):
    """W (d, T K) and b (T, K)."""
    return model.coef_.reshape(-1, model.coef_.shape[-1]).T, model.intercept_.reshape(-1, K)


def loss_value(case, W, b):
    total = 0.0
    for t, (X, y, c) in enumerate(case.blocks):
        z = X @ W[:, t * case.K : (t + 1) * case.K] + b[t]
        total += c @ (logsumexp(z, axis=1) - z[np.arange(len(y)), y])
    return float(total)


def whole(W, T):
    """(d K, T) from (d, T K)."""
    K = W.shape[1] // T
    return np.vstack([W[:, k::K] for k in range(K)])


def singular_values(W):
    return np.linalg.svd(W, compute_uv=False)


# --- models: what CVXPY minimises, and the same in numpy ----------------------------------------


def lasso(cp, W, T, p):
    return p["lambda1"] * cp.sum(cp.abs(W))


def joint_feature(cp, W, T, p):
    return p["lambda1"] * cp.sum(cp.norm(W, 2, axis=1))


def trace_norm(cp, W, T, p):
    return p["lambda1"] * cp.normNuc(W)


def mean_regularized(cp, W, T, p):
    K = W.shape[1] // T
    value = 0.0
    for k in range(K):  # class by class
        own = W[:, k::K]
        value += cp.sum_squares(own @ (np.eye(T) - 1.0 / T))
    return p["lambda1"] / 2 * value


def graph(cp, W, T, p):
    K = W.shape[1] // T
    value = 0.0
    for t in range(T - 1):
        value += cp.sum_squares(W[:, (t + 1) * K : (t + 2) * K] - W[:, t * K : (t + 1) * K])
    return p["lambda1"] / 2 * value + p["lambda3"] * cp.sum(cp.abs(W))


def temporal(cp, W, T, p):
    own = {"lambda1": p["lambda3"], "lambda3": 0.0}
    return joint_feature(cp, W, T, p) + graph(cp, W, T, own)


def relationship(cp, W, T, p):
    K = W.shape[1] // T
    return p["lambda1"] / 2 * cp.square(cp.normNuc(cp.vstack([W[:, k::K] for k in range(K)])))


def clustered(cp, W, T, p):
    """The clustered penalty of whole tasks, M minimised out by CVXPY."""
    W = cp.vstack([W[:, k :: W.shape[1] // T] for k in range(W.shape[1] // T)])
    eta, M = p["lambda2"] / p["lambda1"], cp.Variable((T, T), PSD=True)
    terms = [cp.matrix_frac(W[j], eta * np.eye(T) + M) for j in range(W.shape[0])]
    value = 0.5 * p["lambda1"] * eta * (1.0 + eta) * sum(terms)
    return value, [np.eye(T) - M >> 0, cp.trace(M) == p["n_clusters"]]


def data_shared(cp, W, T, p):
    m = cp.Variable((W.shape[0], W.shape[1] // T))
    rest = W - m @ np.tile(np.eye(m.shape[1]), T)
    weight = p.get("common_weight", np.sqrt(T))
    return p["lambda1"] * (weight * cp.sum(cp.abs(m)) + cp.sum(cp.abs(rest))), []


def around(omega):
    """The norm of what tasks add to the mean of all, class by class."""

    def penalty(cp, W, T, p):
        own = np.kron(np.eye(T) - 1.0 / T, np.eye(W.shape[1] // T))
        return omega(cp, W @ own, T, p)

    return penalty


MODELS = {
    "Lasso": (lasso, {"lambda1": 0.05}),
    "JointFeature": (joint_feature, {"lambda1": 0.1}),
    "TraceNorm": (trace_norm, {"lambda1": 0.1}),
    "MeanRegularized": (mean_regularized, {"lambda1": 0.3}),
    "Graph": (graph, {"lambda1": 0.3, "lambda3": 0.03, "graph": "chain"}),
    "TemporalGroup": (temporal, {"lambda1": 0.08, "lambda3": 0.2}),
    "TaskRelationship": (relationship, {"lambda1": 0.05}),
}


clustered_around = around(clustered)
AROUND = {
    "JointFeature": (around(joint_feature), {"lambda1": 0.1}),
    "TraceNorm": (around(trace_norm), {"lambda1": 0.1}),
    "TaskRelationship": (around(relationship), {"lambda1": 0.05}),
    "Clustered": (clustered_around, {"lambda1": 0.3, "n_clusters": 2}),
    "Lasso": (data_shared, {"lambda1": 0.05}),
}


def twin(omega, case, p):
    """Optimum by CVXPY."""
    cp = pytest.importorskip("cvxpy")
    T, d, K = len(case.blocks), case.X.shape[1], case.K
    kappa = p.get("intercept_shrinkage", 0.0)
    W = cp.Variable((d, T * K))
    b = cp.Variable((T, K)) if case.parameters["fit_intercept"] else np.zeros((T, K))
    value, limits = omega(cp, W, T, p), []
    if isinstance(value, tuple):
        value, limits = value
    if omega is not clustered_around:  # (whose ridge is a part of the norm)
        value += p["lambda2"] / 2 * cp.sum_squares(W)
    b0 = cp.Variable((1, K))
    if kappa == np.inf:
        limits = [*limits, b == np.ones((T, 1)) @ b0]
    elif kappa > 0.0:
        value += kappa / 2 * cp.sum_squares(b - np.ones((T, 1)) @ b0)
    for t, (X, y, c) in enumerate(case.blocks):
        has = np.arange(K)
        if case.parameters["fit_intercept"] and kappa == 0.0:
            has = np.unique(y)  # the intercepts of other classes run to -inf
        z = (X if kappa == 0.0 else X - grand_mean(case)) @ W[:, t * K : (t + 1) * K]
        at = cp.hstack([cp.reshape(z[:, k] + b[t, k], (len(y), 1), order="C") for k in has])
        hot = (y[:, None] == has).astype(float)
        value += c @ (cp.log_sum_exp(at, axis=1) - cp.sum(cp.multiply(hot, at), axis=1))
    problem = cp.Problem(cp.Minimize(value), limits)
    accuracy = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10, "tol_ktratio": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver=cp.CLARABEL, **accuracy)
    assert problem.status in ("optimal", "optimal_inaccurate")
    return problem.value


def check_twin(name, seed, lambda2):
    omega, own = MODELS[name]
    case, p = make_case(seed), own | {"lambda2": lambda2}
    model = getattr(malsar_py, f"{name}Classifier")(**p, **case.parameters, tol=TOL)
    model.fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= TOL
    W, b = columns(model, case.K)
    T = len(case.blocks)
    cp = pytest.importorskip("cvxpy")
    ours = loss_value(case, W, b) + omega(cp, cp.Constant(W), T, p).value
    ours += lambda2 / 2 * np.square(W).sum()
    assert_allclose(model.objective_[-1], ours, rtol=1e-9)
    theirs = twin(omega, case, p)
    assert abs(ours - theirs) <= WITHIN * abs(theirs), ours / theirs - 1.0
    bound = model.objective_[-1] - model.dual_gap_
    assert bound <= min(ours, theirs * (1.0 + WITHIN)) + 1e-12 * ours


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["Lasso", "MeanRegularized"])
def test_twin(name, seed):
    check_twin(name, seed, 0.0 if name == "Lasso" and seed % 2 else 0.05)


@pytest.mark.parametrize("seed", [1, 4, 5])
@pytest.mark.parametrize("name", ["JointFeature", "TraceNorm", "Graph"])
def test_twin_of_others(name, seed):
    check_twin(name, seed, 0.03 if seed == 4 or name == "Graph" else 0.0)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lambda2", [0.0, 0.1])
def test_twin_thoroughly(name, seed, lambda2):
    quadratic = name in ("MeanRegularized", "Graph")
    check_twin(name, seed, 0.02 if quadratic and not lambda2 else lambda2)


# --- intercepts that are shrunk, common parts ---------------------------------------------------


def check_pooled_twin(name, seed, kappa, common, lambda2):
    omega, own = (AROUND if common else MODELS)[name]
    case = make_case(seed)
    p = own | {"lambda2": lambda2, "intercept_shrinkage": kappa}
    parameters = case.parameters | {"fit_intercept": True}
    case = Case(case.X, case.y, case.fit, parameters, case.blocks, case.K)
    more = {"common": True} if common else {}
    more |= {"random_state": 0} if name == "Clustered" else {}
    model = getattr(malsar_py, f"{name}Classifier")(**p, **parameters, **more, tol=1e-9)
    model.fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= 1e-9
    theirs = twin(omega, case, p)
    assert abs(model.objective_[-1] - theirs) <= WITHIN * abs(theirs)
    if kappa == np.inf:  # one intercept for each class, where they are compared
        W, b = columns(model, case.K)
        there = b + (grand_mean(case) @ W).reshape(b.shape)
        assert_allclose(there, np.tile(there[0], (len(b), 1)), rtol=0, atol=1e-12)
    if common:
        parts = model.coef_common_ + model.coef_specific_
        assert_allclose(parts, model.coef_, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kappa", [0.3, np.inf])
@pytest.mark.parametrize(
    ("name", "seed", "common"),
    [("JointFeature", 5, False), ("JointFeature", 4, True), ("Lasso", 1, True)],
)
def test_pooled_twin(name, seed, common, kappa):
    check_pooled_twin(name, seed, kappa, common, 0.02 if name != "Lasso" else 0.0)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("kappa", [0.0, 0.3, np.inf])
@pytest.mark.parametrize(
    ("name", "common", "lambda2"),
    [(name, False, 0.02) for name in MODELS]
    + [(name, True, 0.0 if name == "Lasso" else 0.05) for name in AROUND]
    + [("JointFeature", True, 0.0), ("TraceNorm", True, 0.0)],
)
def test_pooled_twin_thoroughly(name, common, lambda2, kappa, seed):
    check_pooled_twin(name, seed, kappa, common, lambda2)
