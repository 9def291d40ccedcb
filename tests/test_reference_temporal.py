"""The models of ordered tasks against CVXPY: random shapes, weights and orders, ten seeds each."""

from __future__ import annotations

import numpy as np
import pytest

import malsar_py

from . import test_reference as reference

cp = pytest.importorskip("cvxpy")


def differences(W, p):
    """W with one column for each step from a task to the next."""
    order = p["positions"]
    return W[:, order[1:]] - W[:, order[:-1]]


def temporal_group(W, p):
    smooth = p["lambda3"] / 2 * cp.sum_squares(differences(W, p))
    return reference.joint_feature(W, p)[0] + smooth, []


def fused_sparse_group(W, p):
    group = p["lambda1"] * cp.sum(cp.norm(W, 2, axis=1))
    fused = p["lambda2"] * cp.sum(cp.abs(differences(W, p)))
    return group + fused + p["lambda3"] * cp.sum(cp.abs(W)), []


TWINS = {"TemporalGroup": temporal_group, "FusedSparseGroup": fused_sparse_group}


def make_parameters(name, seed, loss, labels):
    """Strengths, ``task_order`` and the same order as positions; extra labels must not matter."""
    rng = np.random.default_rng([seed, len(name)])
    size = 0.25 if loss == "logistic" else 1.0
    p = {
        "lambda1": size * float(rng.choice([0.03, 0.1, 0.3])),
        "lambda2": size * float(rng.choice([0.0, 0.02, 0.2])),
        "lambda3": size * float(rng.choice([0.01, 0.1, 0.5])),
    }
    if name == "FusedSparseGroup" and seed in (0, 3):  # without its group or its sparse term
        p["lambda1" if seed else "lambda3"] = 0.0
    order = None if seed % 3 == 0 else rng.permutation(len(labels))
    p["positions"] = np.arange(len(labels)) if order is None else order
    if order is not None:
        p["task_order"] = [labels[t] for t in order]
        if not isinstance(labels[0], int):
            p["task_order"].insert(1, "not fitted")
    return p


@pytest.mark.parametrize("seed", reference.SEEDS)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("name", TWINS)
def test_twin(name, loss, seed, monkeypatch):
    monkeypatch.setitem(reference.MODELS, name, TWINS[name])
    case = reference.make_case(seed, loss)
    labels = list(range(len(case.blocks)))
    if "tasks" in case.fit:
        labels = sorted(set(case.fit["tasks"].tolist()))
    p = make_parameters(name, seed, loss, labels)
    own = {key: value for key, value in p.items() if key != "positions"}
    cls = getattr(malsar_py, name + ("Regressor" if loss == "squared" else "Classifier"))
    model = cls(**own, **case.parameters, tol=reference.TOL).fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= reference.TOL
    W, b = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
    ours = reference.loss_value(case, W, b, loss)
    ours += reference.penalty_value(name, model, W, p)
    theirs = reference.twin(name, case, p, loss)
    assert abs(ours - theirs) <= reference.WITHIN * abs(theirs), ours / theirs - 1.0
    proven = model.objective_[-1] - model.dual_gap_
    assert proven <= min(ours, theirs * (1.0 + reference.WITHIN)) + 1e-12 * ours


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_fused_term_alone(loss, monkeypatch):
    """The mean of a row over the tasks carries no penalty: the certificate must allow for that."""
    monkeypatch.setitem(reference.MODELS, "FusedSparseGroup", fused_sparse_group)
    case = reference.make_case(4, loss)
    order = np.arange(len(case.blocks))
    p = {"lambda1": 0.0, "lambda2": 0.15, "lambda3": 0.0}
    cls = getattr(
        malsar_py, "FusedSparseGroup" + ("Regressor" if loss == "squared" else "Classifier")
    )
    model = cls(**p, **case.parameters, tol=1e-9).fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= 1e-9
    W, p = model.coef_.T, p | {"positions": order}
    ours = reference.loss_value(case, W, model.intercept_, loss)
    ours += reference.penalty_value("FusedSparseGroup", model, W, p)
    theirs = reference.twin("FusedSparseGroup", case, p, loss)
    assert abs(ours - theirs) <= reference.WITHIN * abs(theirs), ours / theirs - 1.0
