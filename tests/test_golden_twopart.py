"""MALSAR's two-part and shared-subspace formulations at their true optimum: its golden problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import stack_tasks

from . import malsar_map
from .test_golden import TOL, cluster_penalty, half_squares, mean_logistic, school, tasks_of

FILES = [
    f"{function}__{kind}"
    for function in (
        "Least_Dirty",
        "Logistic_Dirty",
        "Least_rMTFL",
        "Logistic_rMTFL",
        "Least_RMTL",
        "Least_SparseTrace",
        "Least_CASO",
        "Logistic_CASO",
    )
    for kind in ("small", "wide")
] + ["Least_Dirty__school", "Least_rMTFL__school", "Least_RMTL__school"]


@dataclass(frozen=True)
class Parts:
    """A solution; P and Q add up to W."""

    W: np.ndarray
    c: np.ndarray
    P: np.ndarray
    Q: np.ndarray


def penalty(kind, at, a):
    if kind == "Dirty":
        return a["rho1"] * np.abs(at.P).max(axis=1).sum() + a["rho2"] * np.abs(at.Q).sum()
    if kind == "rMTFL":
        rows, columns = np.linalg.norm(at.P, axis=1).sum(), np.linalg.norm(at.Q, axis=0).sum()
        return a["rho1"] * rows + a["rho2"] * columns
    if kind == "RMTL":
        columns = np.linalg.norm(at.Q, axis=0).sum()
        return a["rho1"] * np.linalg.norm(at.P, "nuc") + a["rho2"] * columns
    if kind == "SparseTrace":
        assert np.linalg.norm(at.Q, "nuc") <= a["tau"] * (1.0 + 1e-9)
        return a["gamma"] * np.abs(at.P).sum()
    assert kind == "CASO"
    return cluster_penalty(at.W, a["rho1"], a["rho2"], int(a["k"]))


def objective(function, Xs, ys, at, arguments):
    loss, kind = function.split("_")
    value = (half_squares if loss == "Least" else mean_logistic)(Xs, ys, at.W, at.c)
    whole = 2.0 if function in malsar_map.WHOLE_SQUARES else 1.0
    return whole * value + penalty(kind, at, arguments)


def fitted(model):
    names = model._part_names if hasattr(model, "_part_names") else ("coef_", "coef_")
    P, Q = (getattr(model, name).T for name in names)
    if names[0] != "coef_":
        assert_allclose(model.coef_.T, P + Q, rtol=0, atol=1e-15 * np.abs(model.coef_).max())
    return Parts(model.coef_.T, model.intercept_, P, Q)


def load(shared_dir, name):
    """Function, X_t, y_t and the file's settings: (arguments, stored optimum, its objective)."""
    function, kind = name.split("__")
    with np.load(shared_dir / "golden" / f"{name}.npz") as golden:
        assert str(golden["func"]) == function
        data = school(shared_dir, golden["task_idx"]) if kind == "school" else tasks_of(golden)
        arguments = [a for a in ("rho1", "rho2", "k", "gamma", "tau", "rho_L2") if a in golden]
        assert len(golden["obj_ref"]) == int(golden["K"]) >= (1 if kind == "school" else 3)
        settings = []
        for i, best in enumerate(golden["obj_ref"]):
            W = golden["W_ref"][i]
            c = golden["c_ref"][i] if "c_ref" in golden else np.zeros(W.shape[1])
            P, Q = (golden[n][i] if n in golden else W for n in ("P_ref", "Q_ref"))
            a = {name: golden[name][i].item() for name in arguments}
            settings.append((a, Parts(W, c, P, Q), float(best)))
        return function, *data, settings


@pytest.mark.parametrize("name", FILES)
def test_golden_file(name, shared_dir):
    function, Xs, ys, settings = load(shared_dir, name)
    X, y, tasks = stack_tasks(Xs, ys)
    T, N = len(Xs), len(y)
    f = malsar_map.scaling(function, T, N)
    for arguments, stored, best in settings:
        where = f"{function}, {arguments}"
        # The yardstick itself: the stored optimum has the stored value.
        assert_allclose(objective(function, Xs, ys, stored, arguments), best, rtol=1e-10)
        model = malsar_map.estimator(function, arguments, T, N, tol=TOL).fit(X, y, tasks=tasks)
        assert model.relative_gap_ <= TOL, where
        reached = objective(function, Xs, ys, fitted(model), arguments)
        # Nobody may be below the optimum either: that would be another problem.
        assert abs(reached - best) <= 1e-8 * abs(best), (where, reached / best - 1.0)
        # The library's own account of the same number, and the bound it proves.
        assert_allclose(model.objective_[-1], f * reached, rtol=1e-11, err_msg=where)
        assert model.objective_[-1] - model.dual_gap_ <= f * best * (1.0 + 1e-10), where
        if all(np.linalg.matrix_rank(X_t) == X_t.shape[1] for X_t in Xs) or "CASO" in function:
            # W is unique; its parts need not be.
            distance = np.linalg.norm(model.coef_.T - stored.W)
            assert distance <= 1e-3 * np.linalg.norm(stored.W) + 1e-8, where
