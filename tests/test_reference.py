"""Every convex objective against CVXPY (Clarabel): random shapes and weights, ten seeds each.

The twin states the problem as the docstrings do, with intercepts and, for clustered tasks, the
membership matrix M as variables: it shares no closed form with the library. Objectives are
compared, by one evaluator written here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import malsar_py
from malsar_py import graphs

cp = pytest.importorskip("cvxpy")

WITHIN = 1e-7
TOL = 1e-10
SEEDS = range(10)


@dataclass(frozen=True)
class Case:
    """One data set, as fit takes it and task by task."""

    X: np.ndarray
    y: np.ndarray
    fit: dict  # further arguments of fit
    parameters: dict  # fit_intercept and task_weight
    blocks: list  # (X_t, y_t, c_t), observed rows only, y in {-1, 1} for classification


def make_case(seed, loss):
    """What is special about each seed: see the branches."""
    rng = np.random.default_rng([seed, loss == "logistic"])
    T, d = (2, 3, 4)[seed % 3], int(rng.integers(2, 6))
    intercept = seed not in (1, 6, 7)
    shared, missing = seed in (2, 3, 7), seed in (3, 7)
    sizes = [14] * T if shared else list(rng.integers(6, 13, T))
    if seed == 6:  # fewer rows than features
        d, sizes = 9, [5, 8, 6, 7][:T]
    if seed == 8:  # one task, no labels
        T, sizes = 1, [15]
    labels = ["c", "a", "d", "b"][:T]
    true = rng.standard_normal((d, T))
    X_shared = rng.standard_normal((14, d)) + 0.3
    Xs, ys, ss = [], [], []
    for t, n in enumerate(sizes):
        X = X_shared if shared else rng.standard_normal((n, d)) + 0.3
        z = X @ true[:, t] + t
        y = z + rng.standard_normal(n)
        if loss == "logistic":
            y = np.where(0.7 * (z - z.mean()) + rng.logistic(size=n) > 0.0, 1.0, -1.0)
            y[:4] = [1.0, -1.0, -1.0, 1.0]  # both classes, hard to separate
        s = np.ones(n)
        if seed in (1, 3, 5, 9):
            s = rng.uniform(0.2, 3.0, n)
        if seed == 5:
            s[4::3] = 0.0
        if missing:
            y[4 + t :: 4] = np.nan
        Xs.append(X), ys.append(y), ss.append(s)
    totals = [s[~np.isnan(y)].sum() for s, y in zip(ss, ys, strict=True)]
    task_weight, omega = "equal", np.ones(T)
    if seed in (4, 7):
        task_weight, omega = "size", np.array(totals) * T / np.sum(totals)
    if seed in (5, 9):
        omega = rng.uniform(0.3, 3.0, T)
        task_weight = dict(zip(labels, omega.tolist(), strict=True)) | {"another": 9.0}
    blocks = []
    for X, y, s, o, total in zip(Xs, ys, ss, omega, totals, strict=True):
        kept = ~np.isnan(y)
        blocks.append((X[kept], y[kept], o * s[kept] / total))
    parameters = {"fit_intercept": intercept, "task_weight": task_weight}
    if shared:
        fit = {"sample_weight": np.stack(ss, axis=1)} if seed == 3 else {}
        return Case(X_shared, np.stack(ys, axis=1), fit, parameters, blocks)
    fit = {} if seed == 8 else {"tasks": np.repeat(labels, sizes)}
    if seed in (1, 5, 9):
        fit["sample_weight"] = np.concatenate(ss)
    if T > 1:  # tasks_ is sorted
        order = np.argsort(labels)
        blocks = [blocks[t] for t in order]
    # Rows of the tasks mixed up.
    mixed = rng.permutation(sum(sizes))
    fit = {name: value[mixed] for name, value in fit.items()}
    return Case(np.vstack(Xs)[mixed], np.concatenate(ys)[mixed], fit, parameters, blocks)


# --- the models: parameters, and Omega in CVXPY and in numpy -------------------------------------


def ridge(W, lambda2):
    return lambda2 / 2 * cp.sum_squares(W)


def lasso(W, p):
    return p["lambda1"] * cp.sum(cp.abs(W)) + ridge(W, p["lambda2"]), []


def joint_feature(W, p):
    return p["lambda1"] * cp.sum(cp.norm(W, 2, axis=1)) + ridge(W, p["lambda2"]), []


def group_feature(W, p):
    groups = np.array(p["feature_groups"])
    value = p["lambda3"] * cp.sum(cp.abs(W)) + ridge(W, p["lambda2"])
    for g in set(groups.tolist()):
        rows = np.flatnonzero(groups == g)
        value += p["lambda1"] * np.sqrt(rows.size) * cp.norm(cp.vec(W[rows], order="C"), 2)
    return value, []


def trace_norm(W, p):
    return p["lambda1"] * cp.normNuc(W) + ridge(W, p["lambda2"]), []


def mean_regularized(W, p):
    T = W.shape[1]
    away = W @ (np.eye(T) - 1.0 / T)
    return p["lambda1"] / 2 * cp.sum_squares(away) + ridge(W, p["lambda2"]), []


def graph(W, p):
    R = structure(p["graph"], W.shape[1])
    value = p["lambda1"] / 2 * cp.sum_squares(W @ R) + ridge(W, p["lambda2"])
    return value + p["lambda3"] * cp.sum(cp.abs(W)), []


def clustered(W, p):
    T, k = W.shape[1], p["n_clusters"]
    eta = p["lambda2"] / p["lambda1"]
    if T == 1:
        return ridge(W, p["lambda2"]), []
    M = cp.Variable((T, T), PSD=True)
    scatter = cp.matrix_frac(W.T, eta * np.eye(T) + M)  # tr(W (eta I + M)^-1 W')
    return p["lambda1"] * eta * (1 + eta) / 2 * scatter, [np.eye(T) - M >> 0, cp.trace(M) == k]


MODELS = {
    "Lasso": lasso,
    "JointFeature": joint_feature,
    "GroupFeature": group_feature,
    "TraceNorm": trace_norm,
    "MeanRegularized": mean_regularized,
    "Graph": graph,
    "Clustered": clustered,
}


def structure(form, T):
    """R with ||W R||^2 the graph's penalty, written out here once more."""
    if isinstance(form, graphs.Incidence):
        return np.asarray(form.matrix)
    if isinstance(form, np.ndarray):
        columns = []
        for s in range(T):
            for t in range(s):
                column = np.zeros(T)
                column[[s, t]] = np.sqrt(form[s, t]), -np.sqrt(form[s, t])
                columns.append(column)
        return np.stack(columns, axis=1) if columns else np.zeros((T, 1))
    if form == "chain":
        return (np.eye(T, k=0) - np.eye(T, k=-1))[:, : max(T - 1, 1)] if T > 1 else np.zeros((1, 1))
    assert form == "complete"
    return np.eye(T) - 1.0 / T


def make_parameters(name, seed, loss, T, d):
    rng = np.random.default_rng([seed, len(name)])
    size = 0.25 if loss == "logistic" else 1.0
    p = {"lambda1": size * float(rng.choice([0.03, 0.1, 0.3, 1.0])), "lambda2": 0.0}
    # Without a ridge a logistic loss needs data that no free direction separates; norms need
    # nothing.
    quadratic = name in ("MeanRegularized", "Graph")
    if seed % 2 or (quadratic and (loss == "logistic" or seed == 6)):
        p["lambda2"] = size * float(rng.choice([0.01, 0.2, 1.0]))
    if name == "Graph":
        adjacency = np.triu(rng.choice([0.0, 0.5, 2.0], (T, T)), 1)
        forms = [
            "chain",
            adjacency + adjacency.T,
            graphs.incidence(rng.standard_normal((T, 2))),
            "complete",
        ]
        p["graph"] = forms[seed % 4]
        p["lambda3"] = 0.0 if seed % 3 == 0 else size * 0.1
    if name == "GroupFeature":
        p["feature_groups"] = rng.choice(["g", "a", "k"], d).tolist()
        p["lambda3"] = 0.0 if seed % 3 == 0 else size * 0.05
    if name == "Clustered":
        p["lambda2"] = p["lambda2"] or size * 0.05
        p["n_clusters"] = min(1 + seed % 2 + (seed == 5), T)
    return p


def twin(name, case, p, loss, models=MODELS):
    """Optimum by CVXPY."""
    T, d = len(case.blocks), case.X.shape[1]
    W = cp.Variable((d, T))
    b = cp.Variable(T) if case.parameters["fit_intercept"] else np.zeros(T)
    value, constraints = models[name](W, p)
    for t, (X, y, c) in enumerate(case.blocks):
        used = c > 0.0
        X, y, c = X[used], y[used], c[used]
        z = X @ W[:, t] + b[t]
        if loss == "squared":
            value += cp.sum_squares(cp.multiply(np.sqrt(c / 2), y - z))
        else:
            value += c @ cp.logistic(-cp.multiply(y, z))
    problem = cp.Problem(cp.Minimize(value), constraints)
    accuracy = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "tol_ktratio": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "may be inaccurate": the comparison tells
        problem.solve(solver=cp.CLARABEL, **accuracy)
    assert problem.status in ("optimal", "optimal_inaccurate")
    return problem.value


def loss_value(case, W, b, loss):
    total = 0.0
    for t, (X, y, c) in enumerate(case.blocks):
        z = X @ W[:, t] + b[t]
        total += c @ (0.5 * (y - z) ** 2 if loss == "squared" else np.logaddexp(0.0, -y * z))
    return total


def penalty_value(name, model, W, p):
    """Omega at our solution; for clustered tasks at the fitted M, which must be feasible."""
    T = W.shape[1]
    if name != "Clustered":
        return MODELS[name](cp.Constant(W), p)[0].value
    M, eta = model.task_membership_, p["lambda2"] / p["lambda1"]
    np.testing.assert_allclose(M, M.T, rtol=0, atol=1e-12)
    shares = np.linalg.eigvalsh(M)
    assert shares.min() >= -1e-12
    assert shares.max() <= 1.0 + 1e-12
    np.testing.assert_allclose(shares.sum(), p["n_clusters"], rtol=1e-12)
    return (
        p["lambda1"] * eta * (1 + eta) / 2 * np.trace(W @ np.linalg.solve(eta * np.eye(T) + M, W.T))
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("name", MODELS)
def test_twin(name, loss, seed):
    case = make_case(seed, loss)
    p = make_parameters(name, seed, loss, len(case.blocks), case.X.shape[1])
    cls = getattr(malsar_py, name + ("Regressor" if loss == "squared" else "Classifier"))
    model = cls(**p, **case.parameters, tol=TOL).fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= TOL
    W, b = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
    ours = loss_value(case, W, b, loss) + penalty_value(name, model, W, p)
    theirs = twin(name, case, p, loss)
    assert abs(ours - theirs) <= WITHIN * abs(theirs), ours / theirs - 1.0
    # What the certificate proves lies below both.
    assert (
        model.objective_[-1] - model.dual_gap_ <= min(ours, theirs * (1.0 + WITHIN)) + 1e-12 * ours
    )


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("name", ["MeanRegularized", "Graph"])
def test_twin_without_any_ridge(name, loss):
    """Directions that carry no penalty at all, with more than two components; data that no
    direction separates.
    """
    rng = np.random.default_rng(11)
    sizes, d, T = [20, 26, 24], 2, 3
    Xs = [rng.standard_normal((n, d)) for n in sizes]
    ys = [X @ [1.0, -0.5] + t + rng.standard_normal(len(X)) for t, X in enumerate(Xs)]
    if loss == "logistic":
        ys = [
            np.where(y - t + 2.0 * rng.standard_normal(len(y)) > 0.0, 1.0, -1.0)
            for t, y in enumerate(ys)
        ]
    blocks = [(X, y, np.full(len(y), 1.0 / len(y))) for X, y in zip(Xs, ys, strict=True)]
    case = Case(np.vstack(Xs), np.concatenate(ys), {}, {"fit_intercept": True}, blocks)
    adjacency = np.array([[0.0, 0, 1], [0, 0, 0], [1, 0, 0]])
    forms = [{}] if name == "MeanRegularized" else [{"graph": "chain"}, {"graph": adjacency}]
    if name == "Graph":
        forms += [
            {"graph": graphs.incidence(rng.standard_normal((T, 2)))},
            {"graph": np.zeros((T, T))},
        ]
    cls = getattr(malsar_py, name + ("Regressor" if loss == "squared" else "Classifier"))
    for form in forms:
        p = {"lambda1": 0.3, "lambda2": 0.0, "lambda3": 0.0} | form
        own = {key: value for key, value in p.items() if key in cls().get_params()}
        model = cls(**own, tol=TOL).fit(case.X, case.y, tasks=np.repeat(np.arange(T), sizes))
        assert model.relative_gap_ <= TOL
        W = model.coef_.T
        ours = loss_value(case, W, model.intercept_, loss) + penalty_value(name, model, W, p)
        theirs = twin(name, case, p, loss)
        assert abs(ours - theirs) <= WITHIN * abs(theirs), (form, ours / theirs - 1.0)
