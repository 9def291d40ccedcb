"""Incomplete multi-source models against CVXPY, ten seeds each: weights, intercepts, both losses.

The twin has a variable for every coefficient and states which of them are absent as constraints.
"""

from __future__ import annotations

import numpy as np
import pytest

from malsar_py import IncompleteMultiSourceClassifier, IncompleteMultiSourceRegressor

from .test_reference import MODELS, SEEDS, TOL, WITHIN, Case, joint_feature, loss_value, twin

SOURCES = np.array([0, 0, 1, 2, 2, 2])
PATTERNS = {(0, 1): [1, 1, 0], (0, 1, 2): [1, 1, 1], (0, 2): [1, 0, 1], (1, 2): [0, 1, 1]}


def make_case(seed, loss):
    """X with NaN blocks, and the same patterns as tasks with zeros for the twin."""
    rng = np.random.default_rng([seed, 7, loss == "logistic"])
    sizes = rng.integers(9, 16, len(PATTERNS)) if seed != 6 else [5, 4, 6, 5]
    true = rng.standard_normal((len(SOURCES), len(PATTERNS)))
    weighted, intercept = seed in (1, 3, 5, 9), seed not in (2, 6)
    Xs, ys, ss = [], [], []
    for n, pattern, w in zip(sizes, PATTERNS.values(), true.T, strict=True):
        X = rng.standard_normal((n, len(SOURCES))) + 0.5
        X[:, np.array(pattern)[SOURCES] == 0] = 0.0
        y = X @ w + rng.standard_normal(n)
        if loss == "logistic":
            y = np.where(0.3 * (y - y.mean()) + rng.logistic(size=n) > 0.0, 1.0, -1.0)
            y[:4] = [1.0, -1.0, -1.0, 1.0]
        Xs.append(X), ys.append(y), ss.append(rng.uniform(0.2, 3.0, n) if weighted else np.ones(n))
    totals = np.array([s.sum() for s in ss])
    task_weight, omega = "equal", np.ones(len(sizes))
    if seed in (4, 6):
        task_weight, omega = "size", totals * len(sizes) / totals.sum()
    if seed in (5, 8):
        omega = rng.uniform(0.3, 3.0, len(sizes))
        task_weight = dict(zip(PATTERNS, omega.tolist(), strict=True))
    blocks = [(X, y, o * s / S) for X, y, s, o, S in zip(Xs, ys, ss, omega, totals, strict=True)]
    X = np.vstack(Xs)
    X[X == 0.0] = np.nan
    mixed = rng.permutation(len(X))
    fit = {"sample_weight": np.concatenate(ss)[mixed]} if weighted else {}
    parameters = {"fit_intercept": intercept, "task_weight": task_weight}
    return Case(X[mixed], np.concatenate(ys)[mixed], fit, parameters, blocks)


def masked(W, p):
    absent = np.array([np.array(pattern)[SOURCES] == 0 for pattern in PATTERNS.values()]).T
    value, _ = joint_feature(W, p)
    return value, [W[j, t] == 0.0 for j, t in zip(*np.nonzero(absent), strict=True)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_twin(loss, seed, monkeypatch):
    monkeypatch.setitem(MODELS, "masked", masked)
    case = make_case(seed, loss)
    size = 0.25 if loss == "logistic" else 1.0
    p = {"lambda1": size * [0.03, 0.1, 0.3][seed % 3], "lambda2": size * [0.0, 0.2][seed % 2]}
    squared = loss == "squared"
    cls = IncompleteMultiSourceRegressor if squared else IncompleteMultiSourceClassifier
    model = cls(sources=SOURCES, **p, **case.parameters, tol=TOL).fit(case.X, case.y, **case.fit)
    assert model.relative_gap_ <= TOL
    assert model.tasks_.tolist() == list(PATTERNS)
    W, b = model.coef_.T, model.intercept_
    groups = np.linalg.norm(W, axis=1).sum()
    ours = loss_value(case, W, b, loss) + p["lambda1"] * groups + p["lambda2"] / 2 * np.sum(W**2)
    np.testing.assert_allclose(model.objective_[-1], ours, rtol=1e-12)
    theirs = twin("masked", case, p, loss)
    assert abs(ours - theirs) <= WITHIN * abs(theirs), ours / theirs - 1.0
    assert ours - model.dual_gap_ <= theirs * (1.0 + WITHIN)
