"""Two-part models, shared subspace and task relationship against CVXPY, ten seeds each.

As in ``test_reference``: the twin states the problem as the docstrings do, with parts and M as
variables, and objectives are compared by an evaluator written here.
"""

from __future__ import annotations

import numpy as np
import pytest

import malsar_py

from .test_reference import SEEDS, TOL, WITHIN, cp, loss_value, make_case, ridge, twin


def row_max(P):
    return cp.sum(cp.norm(P, "inf", axis=1))


def rows(P):
    return cp.sum(cp.norm(P, 2, axis=1))


def columns(Q):
    return cp.sum(cp.norm(Q, 2, axis=0))


def entries(P):
    return cp.sum(cp.abs(P))


def two_parts(first, second):
    def omega(W, p):
        P = cp.Variable(W.shape)
        return p["lambda1"] * first(P) + p["lambda2"] * second(W - P), []

    return omega


def sparse_low_rank(W, p):
    if "trace_bound" not in p:
        return two_parts(entries, cp.normNuc)(W, p)
    P = cp.Variable(W.shape)
    return p["lambda1"] * entries(P), [cp.normNuc(W - P) <= p["trace_bound"]]


def shared_subspace(W, p):
    d, T = W.shape
    k, eta = p["n_components"], p["lambda2"] / p["lambda1"]
    if T == 1 or k >= d:
        return ridge(W, p["lambda2"]), []
    M = cp.Variable((d, d), PSD=True)
    outside = cp.matrix_frac(W, eta * np.eye(d) + M)  # tr(W' (eta I + M)^-1 W)
    return p["lambda1"] * eta * (1 + eta) / 2 * outside, [np.eye(d) - M >> 0, cp.trace(M) == k]


def task_relationship(W, p):
    # The covariance minimised out: where it is singular, as a variable, Clarabel has six digits.
    value = p["lambda1"] / 2 * cp.square(cp.normNuc(W))
    return value + ridge(W, p["lambda2"]), []


MODELS = {
    "Dirty": two_parts(row_max, entries),
    "RobustFeature": two_parts(rows, columns),
    "RobustLowRank": two_parts(cp.normNuc, columns),
    "SparseLowRank": sparse_low_rank,
    "SharedSubspace": shared_subspace,
    "TaskRelationship": task_relationship,
}
# lambda2 / lambda1 between the values from which on a part is zero, in the geometric mean's sense.
RATIOS = {
    "Dirty": lambda d, T: (1.0 / T, 1.0),
    "RobustFeature": lambda d, T: (T**-0.5, d**0.5),
    "RobustLowRank": lambda d, T: (T**-0.5, 1.0),
    "SparseLowRank": lambda d, T: (1.0, (d * T) ** 0.5),
}


def make_parameters(name, seed, loss, shape):
    rng = np.random.default_rng([seed, len(name)])
    size = 0.25 if loss == "logistic" else 1.0
    p = {"lambda1": size * float(rng.choice([0.1, 0.3, 1.0]))}
    if name in RATIOS:
        low, high = RATIOS[name](*shape)
        # One seed beyond either end: one part alone.
        share = {4: -0.3, 5: 1.3}.get(seed, float(rng.uniform(0.1, 0.9)))
        p["lambda2"] = p["lambda1"] * low ** (1.0 - share) * high**share
        if name == "SparseLowRank" and seed % 2:
            p["trace_bound"] = size * float(rng.choice([0.3, 1.0, 3.0]))
    elif name == "SharedSubspace":
        p["lambda2"] = size * float(rng.choice([0.03, 0.2, 1.0]))
        p["n_components"] = min(1 + seed % 2 + (seed == 5), shape[1])
    else:
        p["lambda2"] = size * float(rng.choice([0.0, 0.01, 0.2]))
    return p


def omega(name, model, W, p):
    """The penalty in numbers; for M and Omega at the fitted ones."""
    singular = np.linalg.svd(W, compute_uv=False)
    if name == "TaskRelationship":
        covariance = model.task_covariance_
        np.testing.assert_allclose(np.trace(covariance), 1.0, rtol=1e-12)
        inverse = np.linalg.pinv(covariance, rcond=1e-9, hermitian=True)
        np.testing.assert_allclose(np.trace(W @ inverse @ W.T), singular.sum() ** 2, rtol=1e-6)
        # No other covariance is better.
        rng = np.random.default_rng(0)
        for _ in range(5):
            R = rng.standard_normal(covariance.shape)
            other = covariance + 0.1 * R @ R.T
            cost = np.trace(W @ np.linalg.solve(other / np.trace(other), W.T))
            assert cost >= singular.sum() ** 2 * (1.0 - 1e-9)
        return p["lambda1"] / 2 * singular.sum() ** 2 + p["lambda2"] / 2 * np.sum(W**2)
    if name == "SharedSubspace":
        components = model.components_
        k = min(p["n_components"], len(W))
        np.testing.assert_allclose(components @ components.T, np.eye(k), rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(components @ W), np.linalg.norm(singular[:k]))
        return box_norm(singular, p, W.shape)
    P, Q = (np.atleast_2d(getattr(model, part)).T for part in model._part_names)
    np.testing.assert_allclose(P + Q, W, rtol=0, atol=1e-14 * max(np.abs(W).max(), 1e-300))
    N1, N2 = NUMBERS[name]
    if p.get("trace_bound") is not None:
        assert N2(Q) <= p["trace_bound"] * (1.0 + 1e-9)
        return p["lambda1"] * N1(P)
    return p["lambda1"] * N1(P) + p["lambda2"] * N2(Q)


def box_norm(s, p, shape):
    """min over the eigenvalues of M, by CVXPY's own conic form."""
    k, eta = p["n_components"], p["lambda2"] / p["lambda1"]
    if shape[1] == 1 or k >= min(shape):
        return p["lambda2"] / 2 * np.sum(s**2)
    theta = cp.Variable(len(s))
    cost = cp.sum(cp.multiply(s**2, cp.inv_pos(theta)))
    bounds = [theta >= eta, theta <= 1 + eta, cp.sum(theta) == k + len(s) * eta]
    problem = cp.Problem(cp.Minimize(cost), bounds)
    problem.solve(solver=cp.CLARABEL)
    return p["lambda1"] * eta * (1 + eta) / 2 * problem.value


NUMBERS = {
    "Dirty": (lambda P: np.abs(P).max(axis=1).sum(), lambda Q: np.abs(Q).sum()),
    "RobustFeature": (
        lambda P: np.linalg.norm(P, axis=1).sum(),
        lambda Q: np.linalg.norm(Q, axis=0).sum(),
    ),
    "RobustLowRank": (
        lambda P: np.linalg.norm(P, "nuc"),
        lambda Q: np.linalg.norm(Q, axis=0).sum(),
    ),
    "SparseLowRank": (lambda P: np.abs(P).sum(), lambda Q: np.linalg.norm(Q, "nuc")),
}


@pytest.mark.filterwarnings("ignore:.*is zero whatever the data:UserWarning")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("name", MODELS)
def test_twin(name, loss, seed):
    case = make_case(seed, loss)
    p = make_parameters(name, seed, loss, (case.X.shape[1], len(case.blocks)))
    cls = getattr(malsar_py, name + ("Regressor" if loss == "squared" else "Classifier"))
    model = cls(**p, **case.parameters, tol=TOL).fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= TOL
    W, b = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
    ours = loss_value(case, W, b, loss) + omega(name, model, W, p)
    theirs = twin(name, case, p, loss, MODELS)
    assert abs(ours - theirs) <= WITHIN * abs(theirs), ours / theirs - 1.0
    # (the norm of SharedSubspace is CVXPY's, and as exact as that)
    rtol = WITHIN if name == "SharedSubspace" else 1e-10
    np.testing.assert_allclose(model.objective_[-1], ours, rtol=rtol)
    # What the certificate proves lies below both.
    proven = model.objective_[-1] - model.dual_gap_
    assert proven <= min(model.objective_[-1], theirs * (1.0 + WITHIN)) + 1e-12 * ours


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_row_maximum_alone(loss):
    """Dirty with lambda2 > lambda1 has no Q: the L1,inf problem."""
    for seed in range(3):
        case = make_case(seed, loss)
        p = {"lambda1": 0.2 if loss == "squared" else 0.05}
        cls = malsar_py.DirtyRegressor if loss == "squared" else malsar_py.DirtyClassifier
        with pytest.warns(UserWarning, match="coef_specific_ of Dirty"):
            model = cls(**p, lambda2=50.0, **case.parameters, tol=TOL).fit(
                case.X, case.y, **case.fit
            )
        assert not model.coef_specific_.any()
        alone = {"row maximum": lambda W, p: (p["lambda1"] * row_max(W), [])}
        theirs = twin("row maximum", case, p, loss, alone)
        assert abs(model.objective_[-1] - theirs) <= WITHIN * theirs
