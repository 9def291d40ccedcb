"""MALSAR's formulations at their true optimum: the golden problems, through the mapping table.

``data/golden_*.npz`` hold the small problems and their optima, so that the suite says something
without ``../shared``; every golden file found there is tested as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from malsar_py import stack_tasks

from . import malsar_map

TOL = 1e-10
WITHIN = 1e-8

KINDS = ("Lasso", "L21", "Trace", "SRMTL", "CMTL", "TGL", "CFGLasso")
FUNCTIONS = [f"{loss}_{kind}" for loss in ("Least", "Logistic") for kind in KINDS]
SHIPPED = sorted((Path(__file__).parent / "data").glob("golden_*.npz"))
ON_SCHOOL = [f for f in FUNCTIONS if f.startswith("Least") and f != "Least_CFGLasso"]
ARGUMENTS = ("rho1", "rho2", "rho3", "k", "rho_L2", "R")


# --- MALSAR's objectives, from its documentation ------------------------------------------------


def half_squares(Xs, ys, W, c):
    return sum(0.5 * np.sum((y - X @ w) ** 2) for X, y, w in zip(Xs, ys, W.T, strict=True))


def mean_logistic(Xs, ys, W, c):
    tasks = zip(Xs, ys, W.T, c, strict=True)
    return sum(np.mean(np.logaddexp(0.0, -y * (X @ w + b))) for X, y, w, b in tasks)


def cluster_penalty(W, rho1, rho2, k):
    """min over M of rho1 eta (1 + eta) tr(W (eta I + M)^-1 W'), 0 <= M <= I, tr M = k, eta = rho2 /
    rho1.

    M has the eigenvectors of W'W; its eigenvalues are clip(nu |s| - eta, 0, 1) for the nu that
    gives the trace.
    """
    eta = rho2 / rho1
    s = np.zeros(W.shape[1])
    values = np.linalg.svd(W, compute_uv=False)
    s[: len(values)] = values[: len(s)]
    used = s > 1e-13 * s.max(initial=1e-300)
    s = s[used]
    share = np.ones(len(s))
    if len(s) > k:
        high = (1.0 + eta) / s.min()
        nu = brentq(
            lambda nu: np.clip(nu * s - eta, 0.0, 1.0).sum() - k, 0.0, high, xtol=1e-300, rtol=1e-15
        )
        share = np.clip(nu * s - eta, 0.0, 1.0)
    return rho1 * eta * (1.0 + eta) * np.sum(s**2 / (eta + share))


def penalty(function, W, a):
    kind = function.split("_", 1)[1]
    ridge = a.get("rho_L2", 0.0) * np.sum(W**2)
    if kind == "Lasso":
        return ridge + a["rho1"] * np.abs(W).sum()
    if kind == "L21":
        return ridge + a["rho1"] * np.linalg.norm(W, axis=1).sum()
    if kind == "Trace":
        return ridge + a["rho1"] * np.linalg.norm(W, "nuc")
    if kind == "SRMTL":
        return ridge + a["rho1"] * np.sum((W @ a["R"]) ** 2) + a["rho2"] * np.abs(W).sum()
    if kind in ("TGL", "CFGLasso"):
        jumps, groups = np.diff(W, axis=1), np.linalg.norm(W, axis=1).sum()
        if kind == "TGL":
            return a["rho1"] * np.sum(W**2) + a["rho2"] * np.sum(jumps**2) + a["rho3"] * groups
        return a["rho1"] * np.abs(W).sum() + a["rho2"] * np.abs(jumps).sum() + a["rho3"] * groups
    assert kind == "CMTL"
    assert ridge == 0.0
    return cluster_penalty(W, a["rho1"], a["rho2"], int(a["k"]))


def malsar_objective(function, Xs, ys, W, c, arguments):
    loss = half_squares if function.startswith("Least") else mean_logistic
    return loss(Xs, ys, W, c) + penalty(function, W, arguments)


# --- the files ----------------------------------------------------------------------------------


def settings(golden, prefix=""):
    """The arguments of every setting: leading axis K, but one R for all."""
    names = [name for name in ARGUMENTS if prefix + name in golden]
    for i in range(len(golden[prefix + "obj_ref"])):
        yield {n: golden[prefix + n] if n == "R" else golden[prefix + n][i].item() for n in names}


def tasks_of(golden, prefix=""):
    T = 0
    while f"{prefix}X_{T + 1}" in golden:
        T += 1
    Xs = [golden[f"{prefix}X_{t}"] for t in range(1, T + 1)]
    return Xs, [golden[f"{prefix}y_{t}"].ravel() for t in range(1, T + 1)]


def school(shared_dir, labels):
    from scipy.io import loadmat

    mat = loadmat(shared_dir / "data" / "school.mat")
    Xs, ys = [], []
    for t in range(mat["X"].shape[1]):
        X = mat["X"][0, t].astype(float)
        spread = X.std(axis=0, ddof=1)
        spread[X.min(axis=0) == X.max(axis=0)] = np.inf
        Xs.append(np.column_stack([(X - X.mean(axis=0)) / spread, np.ones(len(X))]))
        ys.append(mat["Y"][0, t].astype(float).ravel())
    order = np.argsort(labels, kind="stable")
    return [Xs[t] for t in order], [ys[t] for t in order]


def check_all_settings(function, Xs, ys, golden, prefix="", within=WITHIN):
    X, y, tasks = stack_tasks(Xs, ys)
    T, N = len(Xs), len(y)
    f = malsar_map.scaling(function, T, N)
    for i, arguments in enumerate(settings(golden, prefix)):
        where = f"{function} setting {i}: { ({k: v for k, v in arguments.items() if k != 'R'}) }"
        model = malsar_map.estimator(function, arguments, T, N, tol=TOL).fit(X, y, tasks=tasks)
        assert model.relative_gap_ <= TOL, where
        W, c = model.coef_.T, model.intercept_
        reached = malsar_objective(function, Xs, ys, W, c, arguments)
        best = float(golden[prefix + "obj_ref"][i])
        # Nobody may be below the optimum either: that would be another problem.
        assert abs(reached - best) <= within * abs(best), (where, reached / best - 1.0)
        # The library's own account of the same number, and the bound it proves.
        assert_allclose(model.objective_[-1], f * reached, rtol=1e-11, err_msg=where)
        assert model.objective_[-1] - model.dual_gap_ <= f * best * (1.0 + 1e-10), where
        check_coefficients(function, Xs, golden, prefix, i, arguments, W, where)


def check_coefficients(function, Xs, golden, prefix, i, arguments, W, where):
    """Loosely, and only where the minimiser is unique: a ridge, or every task has more rows than
    features.
    """
    ridge = arguments.get("rho_L2", 0.0) > 0.0 or function.endswith("CMTL")
    # (a column that is constant in a task leaves its coefficient to the penalty)
    full_rank = all(np.linalg.matrix_rank(X) == X.shape[1] for X in Xs)
    if ridge or full_rank:
        W_ref = golden[prefix + "W_ref"][i]
        assert np.linalg.norm(W - W_ref) <= 1e-3 * np.linalg.norm(W_ref) + 1e-8, where


@pytest.mark.parametrize("function", FUNCTIONS)
def test_shipped_small_problems(function):
    prefix = f"{function}/"
    path = next(path for path in SHIPPED if prefix + "obj_ref" in np.load(path))
    with np.load(path) as golden:
        assert len(golden[prefix + "obj_ref"]) >= 3
        check_all_settings(function, *tasks_of(golden, prefix), golden, prefix)


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_golden_files(function, kind, shared_dir):
    path = shared_dir / "golden" / f"{function}__{kind}.npz"
    with np.load(path) as golden:
        assert str(golden["func"]) == function
        assert len(golden["obj_ref"]) == int(golden["K"]) >= 3
        check_all_settings(function, *tasks_of(golden), golden)


@pytest.mark.parametrize("function", ON_SCHOOL)
def test_school(function, shared_dir):
    path = shared_dir / "golden" / f"{function}__school.npz"
    with np.load(path) as golden:
        Xs, ys = school(shared_dir, golden["task_idx"])
        assert len(Xs) == int(golden["T"]) == 139
        assert Xs[0].shape[1] == int(golden["d"]) == 29
        check_all_settings(function, Xs, ys, golden)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_evaluators_agree_with_the_golden_optima(function, shared_dir):
    """The objectives above at the stored optima give the stored values: the yardstick itself is
    right.
    """
    for kind in ("small", "wide"):
        with np.load(shared_dir / "golden" / f"{function}__{kind}.npz") as golden:
            Xs, ys = tasks_of(golden)
            for i, arguments in enumerate(settings(golden)):
                c = golden["c_ref"][i] if "c_ref" in golden else np.zeros(len(Xs))
                value = malsar_objective(function, Xs, ys, golden["W_ref"][i], c, arguments)
                assert_allclose(value, golden["obj_ref"][i], rtol=1e-10)
