"""Working sets for the logistic loss and missing targets: every regime, and tight tolerances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    stack_tasks,
)
from malsar_py.design import FeatureRows, Ragged, Shared
from malsar_py.losses import Logistic
from malsar_py.objective import make_objective
from malsar_py.penalties import Ridge, RowL2
from malsar_py.solvers import Workspace, _inner_smooth, _inner_weighted, _support, solve_active_set

from . import malsar_map
from .problems import assert_same_objective
from .test_golden import settings, tasks_of
from .test_solvers import agree, ragged, shared

TIGHT = 1e-11


@pytest.fixture
def models(monkeypatch):
    """Names of the quadratic models that were built."""
    names = []
    original = _inner_weighted.Model.__init__

    def recording(self, *args):
        names.append(type(self).__name__)
        original(self, *args)

    monkeypatch.setattr(_inner_weighted.Model, "__init__", recording)
    return names


@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("expected", "data", "lambda1"),
    [("GramModel", dict(n=60, d=30), 0.1), ("BlockModel", dict(n=80, d=150), 0.01)],
)
def test_missing_targets(models, cls, fit_intercept, expected, data, lambda1):
    X, Y = shared(**data)
    Y[np.random.default_rng(1).random(Y.shape) < 0.3] = np.nan
    agree(cls(lambda1=lambda1, lambda2=0.01, fit_intercept=fit_intercept), X + 1.0, Y)
    assert expected in models


@pytest.mark.parametrize("cls", [LassoClassifier, JointFeatureClassifier])
@pytest.mark.parametrize(
    ("expected", "data", "lambda1"),
    [
        ("GramModel", dict(d=20, low=150, high=200), 0.02),
        ("ResidualModel", dict(d=100, low=100, high=120), 0.002),  # nearly collinear: cycles fail
    ],
)
def test_logistic_own_rows(models, monkeypatch, cls, expected, data, lambda1):
    monkeypatch.setattr(_support, "_MOST_WORK", 0.0)
    X, y, tasks = ragged(**data)
    if expected == "ResidualModel":
        X = X + 5.0
    model = cls(lambda1=lambda1, lambda2=1e-3, fit_intercept=expected != "ResidualModel")
    agree(model, X, y > 0, tasks=tasks)
    assert expected in models


def test_cycles_over_the_features(models):
    """Wide and well conditioned: no model is set up, a few cycles on the data will do."""
    X, y, tasks = ragged(d=150)
    agree(JointFeatureClassifier(lambda1=0.02), X, y > 0, tasks=tasks)
    models.clear()
    assert JointFeatureClassifier(lambda1=0.02).fit(X, y > 0, tasks=tasks).relative_gap_ <= 1e-6
    assert not models


@pytest.mark.parametrize("cls", [LassoClassifier, JointFeatureClassifier])
@pytest.mark.parametrize("missing", [True, False])
def test_logistic_shared(models, monkeypatch, cls, missing):
    """One X: where cycles over the features fail, blocks with their Gram matrices follow."""
    monkeypatch.setattr(_support, "_MOST_WORK", 0.0)
    X, Y = shared(n=120, d=90)
    target = (Y > 0).astype(float)
    if missing:
        target[np.random.default_rng(1).random(Y.shape) < 0.2] = np.nan
    agree(cls(lambda1=0.002, lambda2=1e-3, fit_intercept=False), X + 5.0, target)
    assert {"GramModel", "BlockModel"} & set(models)
    assert "ResidualModel" not in models  # its copy of the features would be one a task


def test_where_newton_steps_fail(monkeypatch):
    """The accelerated gradient method takes over."""
    monkeypatch.setattr(_inner_smooth, "_NEWTON_STEPS", 0)
    X, y, tasks = ragged(low=30, high=40)
    agree(JointFeatureClassifier(lambda1=0.02), X, y > 0, tasks=tasks)


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_path(kind):
    """Along a path, features and predictions of the last problem serve the next."""
    if kind == "own":
        X, y, tasks = ragged(low=30, high=40)
        design = Ragged(X, np.append(0, np.cumsum(np.bincount(tasks))))
    else:
        X, Y = shared()
        y, design = Y.T.ravel(), Shared(X, Y.shape[1])
    c = np.repeat(1.0 / np.diff(design.offsets), np.diff(design.offsets))
    objective = make_objective(design, Logistic(), np.sign(y), c, RowL2(1.0) + Ridge(0.01), True)
    workspace, W = Workspace(), np.zeros(objective.shape)
    for lambda1 in (0.2, 0.1, 0.05, 0.02):
        at = objective.with_penalty(RowL2(lambda1) + Ridge(0.01))
        warm = solve_active_set(at, W, tol=TIGHT, max_iter=1000, workspace=workspace)
        cold = solve_active_set(at, np.zeros_like(W), tol=TIGHT, max_iter=1000)
        assert warm.converged
        assert cold.converged
        assert_same_objective(
            warm.certificate.objective, cold.certificate.objective, at.scale, tol=TIGHT
        )
        W = warm.W


def test_features_as_rows():
    """FeatureRows is the design it was taken from."""
    X, _, tasks = ragged(d=7)
    offsets = np.append(0, np.cumsum(np.bincount(tasks)))
    rng = np.random.default_rng(0)
    for design in (Ragged(X, offsets), Shared(X, 4)):
        rows = FeatureRows(np.ascontiguousarray(design.X.T), design)
        W, theta = rng.standard_normal((7, design.n_tasks)), rng.random(design.offsets[-1])
        assert_allclose(rows.predict(W), design.predict(W), atol=1e-12)
        assert_allclose(rows.adjoint(theta), design.adjoint(theta), atol=1e-12)
        assert_allclose(rows.gram(theta, True), design.gram(theta, True), atol=1e-11)
        assert_allclose(rows.energies(theta), design.energies(theta), atol=1e-12)
        few, used = rows.restrict(np.array([4, 1])), np.zeros_like(W)
        used[[4, 1]] = W[[4, 1]]
        assert_allclose(few.predict(W[[4, 1]]), rows.predict(used), atol=1e-12)


def classification(seed):
    """A small problem, some with ill-conditioned features; own rows or one X, targets missing."""
    rng = np.random.default_rng(seed)
    n_tasks, d = int(rng.integers(2, 8)), int(rng.integers(5, 60))
    sizes = rng.integers(10, 60, n_tasks)
    one = seed % 3 == 0
    n = int(sizes[0]) + 10 if one else int(sizes.sum())
    X = rng.standard_normal((n, d))
    if seed % 4 == 1:
        X *= np.exp(1.5 * rng.standard_normal(d))
    if seed % 4 == 2:
        X = X @ rng.standard_normal((d, d)) / np.sqrt(d)
    if seed % 5 == 4:
        X += 10.0 * rng.standard_normal(d)
    W = rng.standard_normal((d, n_tasks)) * (rng.random((d, 1)) < 0.3)
    if one:
        Y = (X @ W + rng.standard_normal((n, n_tasks)) > 0.0).astype(float)
        Y[0], Y[1] = 1.0, 0.0
        if seed % 6 == 3:
            Y[2:][rng.random((n - 2, n_tasks)) < 0.3] = np.nan
        return X, Y, {}
    tasks = np.repeat(np.arange(n_tasks), sizes)
    y = np.einsum("ij,ji->i", X, W[:, tasks]) + rng.standard_normal(n) > 0.0
    first = np.append(0, np.cumsum(sizes)[:-1])
    y[first], y[first + 1] = True, False
    return X, y, {"tasks": tasks}


@pytest.mark.parametrize("seed", range(20))
def test_tight_tolerances(seed):
    """Gaps of 1e-11 do not hang on how this processor rounds."""
    X, y, labels = classification(seed)
    rng = np.random.default_rng(1000 + seed)
    for cls, lambda2, fit_intercept, weighted in itertools.product(
        (LassoClassifier, JointFeatureClassifier), (0.0, 0.01), (True, False), (True, False)
    ):
        lambda1 = 10.0 ** rng.uniform(-2.5, -1.0)
        weight = rng.uniform(0.1, 3.0, len(X)) if weighted else None
        model = cls(lambda1=lambda1, lambda2=lambda2, fit_intercept=fit_intercept, tol=TIGHT)
        model.fit(X, y, sample_weight=weight, **labels)
        assert model.relative_gap_ <= TIGHT, model


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("function", ["Logistic_L21", "Logistic_Lasso"])
def test_golden_at_tight_tolerances(function, kind, shared_dir):
    with np.load(shared_dir / "golden" / f"{function}__{kind}.npz") as golden:
        Xs, ys = tasks_of(golden)
        X, y, tasks = stack_tasks(Xs, ys)
        for arguments in settings(golden):
            model = malsar_map.estimator(function, arguments, len(Xs), len(y), tol=TIGHT)
            assert model.fit(X, y, tasks=tasks).relative_gap_ <= TIGHT, arguments


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_newton_on_the_support_leaves_its_start_alone(n_tasks):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((40 * n_tasks, 6)), rng.standard_normal(40 * n_tasks)
    rows = FeatureRows(np.ascontiguousarray(X.T), Ragged(X, np.arange(n_tasks + 1) * 40))
    W, threshold = np.full((6, n_tasks), 0.1), np.full(6, 0.01)
    weight = np.full(len(y), 1 / 40)
    theta = weight * (y - rows.predict(W))
    step = _support.support_direction(
        True, rows, weight, rows.adjoint_rows(theta), W, threshold, 0.0, False
    )
    assert np.all(W == 0.1) and np.abs(step).min(axis=0).min() > 0.0
    # Of least squares the model is exact: there the gradient is the threshold, or below it.
    G = rows.adjoint_rows(weight * (y - rows.predict(W + step))).T
    assert_allclose(np.where(W + step != 0.0, np.abs(G), 0.01), 0.01, rtol=1e-6)
