"""Proximal points: interpolated tasks and ill-conditioned problems, certified to any tolerance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    CalibratedJointFeatureRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MultiStageRegressor,
)
from malsar_py.design import Masked, Ragged, Shared
from malsar_py.losses import Logistic, Squared, SquareRoot
from malsar_py.objective import make_objective
from malsar_py.penalties import L1, Ridge, RowL2, RowLinf, WeightedL1
from malsar_py.solvers import active_set, semismooth, solve_accelerated

from .problems import assert_same_objective, shared

OFFSETS = np.array([0, 9, 14, 15])


def certified(X, y, tasks=None, *, tol, **parameters):
    """The fit, which must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = CalibratedJointFeatureRegressor(**parameters, tol=tol).fit(X, y, tasks=tasks)
    assert -1e-14 <= model.relative_gap_ <= tol
    return model


# --- Whole fits ---------------------------------------------------------------------------------


def calibration(seed=0):
    """The recipe of MALSAR's calibration script: 10 tasks, 100 rows, 200 features."""
    rng = np.random.default_rng(seed)
    T, n, d = 10, 100, 200
    tasks = np.repeat(np.arange(T), n)
    X = np.sqrt(0.5) * (rng.normal(size=(T * n, d)) + rng.normal(size=(T * n, 1)))
    W = np.zeros((d, T))
    W[rng.choice(d, d // 20, replace=False)] = rng.normal(size=(d // 20, T))
    sigma = 2.0 * np.sqrt(2.0) * 2.0 ** (-np.arange(T) / 4)
    return X, (X * W.T[tasks]).sum(axis=1) + sigma[tasks] * rng.normal(size=T * n), tasks


@pytest.mark.parametrize("lambda2", [0.0, 0.01])
@pytest.mark.parametrize("lambda1", [0.01, 1.0])
def test_malsar_s_calibration_script(lambda1, lambda2):
    """All tasks interpolated at the script's lambdas: few points, whatever the tolerance."""
    X, y, tasks = calibration()
    parameters = {
        "lambda1": lambda1,
        "lambda2": lambda2,
        "task_weight": dict.fromkeys(range(10), 10.0),
        "fit_intercept": False,
    }
    for tol in (1e-6, 1e-10):
        model = certified(X, y, tasks, tol=tol, **parameters)
        assert model.n_iter_ <= 25
    assert (model.noise_levels_ < 1e-9).sum() >= 7
    if lambda1 < 0.1:
        z = model.predict(X, tasks=tasks)
        assert_allclose(z, y, atol=1e-7)


@pytest.mark.parametrize("seed", range(24))
def test_hard_cases(seed):
    """Correlated features, no noise, constant targets, tiny lambdas: the gap closes."""
    rng = np.random.default_rng([seed, 3])
    T, d = int(rng.choice([1, 3, 6])), int(rng.choice([10, 100]))
    tasks = np.repeat(np.arange(T), rng.integers(1, 40, T))
    correlation = rng.choice([0.0, 0.5, 0.95])
    n = len(tasks)
    X = np.sqrt(1.0 - correlation) * rng.standard_normal((n, d))
    X += np.sqrt(correlation) * rng.standard_normal((n, 1))
    W = np.zeros((d, T))
    W[:5] = rng.standard_normal((5, T))
    noise = rng.choice([0.0, 1e-3, 1.0]) * np.exp(rng.standard_normal(T))
    y = (X * W.T[tasks]).sum(axis=1) + noise[tasks] * rng.standard_normal(n)
    if seed % 4 == 0:
        y[tasks == 0] = 3.0
    certified(
        X,
        y,
        tasks,
        tol=1e-9,
        lambda1=float(rng.choice([0.0, 1e-4, 1e-2, 0.3])),
        lambda2=float(rng.choice([0.0, 1e-3])),
        fit_intercept=seed % 2 == 0,
    )


@pytest.mark.parametrize("lambda1", [0.0, 0.01])
def test_interpolated_with_missing_targets(lambda1):
    """Residuals that are rounding errors prove nothing, so that no gap is negative."""
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((6, 30)) + 1.0, rng.standard_normal((6, 3))
    Y[2, 1] = Y[3, 0] = np.nan
    model = certified(X, Y, tol=1e-9, lambda1=lambda1)
    assert_allclose(model.predict(X)[~np.isnan(Y)], Y[~np.isnan(Y)], atol=1e-7)


def test_a_large_shared_x_is_not_copied(monkeypatch):
    X, Y = shared()
    Y[2:9, 1] = np.nan
    one = certified(X[:12], Y[:12], tol=1e-9, lambda1=0.01)
    monkeypatch.setattr(semismooth, "_COPIES", 0.0)
    assert_allclose(certified(X[:12], Y[:12], tol=1e-9, lambda1=0.01).coef_, one.coef_, atol=1e-7)


def test_max_iter_bounds_the_points(capsys):
    X, y, tasks = calibration()
    model = CalibratedJointFeatureRegressor(lambda1=0.01, max_iter=4, verbose=1)
    with pytest.warns(ConvergenceWarning, match="did not reach tol"):
        model.fit(X, y, tasks=tasks)
    assert model.n_iter_ == 4
    assert model.relative_gap_ > model.tol
    assert "proximal point 0: " in capsys.readouterr().out


# --- Squared losses ------------------------------------------------------------------------------


def ill_conditioned(seed=0, n=30, d=120, T=3):
    """Fewer rows than features, which are correlated: descent crawls."""
    rng = np.random.default_rng([seed, 11])
    tasks = np.repeat(np.arange(T), n)
    X = np.sqrt(0.5) * (rng.standard_normal((T * n, d)) + rng.standard_normal((T * n, 1)))
    W = np.zeros((d, T))
    W[:8] = rng.standard_normal((8, T))
    return X, (X * W.T[tasks]).sum(axis=1) + rng.standard_normal(T * n), tasks


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "norm", [L1(0.02), RowL2(0.02), WeightedL1(0.02, weights=np.arange(1.0, 41.0))]
)
@pytest.mark.parametrize("kind", ["ragged", "shared", "masked"])
def test_squared_loss(kind, norm, fit_intercept, ridge):
    """From zero, against accelerated gradient steps."""
    rng = np.random.default_rng(2)
    n, d, T = 12, 40, 3
    c = np.full(T * n, 1.0 / n)
    if kind == "ragged":
        c = rng.uniform(0.02, 0.2, T * n)
        design = Ragged(rng.standard_normal((T * n, d)), np.array([0, 1, 20, T * n]))
    elif kind == "shared":
        design = Shared(rng.standard_normal((n, d)), T)
    else:
        design = Masked(rng.standard_normal((n, d)), T)
        c[rng.integers(0, T * n, 10)] = 0.0
    y = rng.standard_normal(T * n)
    objective = make_objective(design, Squared(), y, c, norm + Ridge(ridge), fit_intercept)
    assert semismooth.semismooth_pays(objective, d)
    start = np.zeros(objective.shape)
    found = semismooth.solve_semismooth(objective, start, tol=1e-11, max_iter=100)
    assert found.converged
    assert_allclose(found.gap, objective.final_certificate(found.W).gap, atol=1e-15)
    other = solve_accelerated(objective, start, tol=1e-9, max_iter=100_000)
    assert other.converged
    assert_same_objective(
        found.certificate.objective, other.certificate.objective, objective.scale, tol=1e-9
    )


@pytest.mark.parametrize("lambda2", [0.0, 1e-3])
@pytest.mark.parametrize("kind", [LassoRegressor, JointFeatureRegressor])
def test_descent_that_crawls_is_given_up(kind, lambda2, monkeypatch):
    X, y, tasks = ill_conditioned()
    parameters = {"lambda1": 1e-3, "lambda2": lambda2}
    for tol in (1e-6, 1e-10):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model = kind(**parameters, tol=tol).fit(X, y, tasks=tasks)
        assert model.n_iter_ <= active_set._SLOW + 40
        assert 0.0 <= model.relative_gap_ <= tol
    slow = active_set._SLOW
    monkeypatch.setattr(active_set, "_SLOW", 10**9)
    monkeypatch.setattr(active_set, "_WASTED", 10**9)
    other = kind(**parameters, tol=1e-5, max_iter=5000).fit(X, y, tasks=tasks)
    # (Where tasks do not meet, L1 has less to crawl on.)
    assert kind is LassoRegressor or other.n_iter_ > 2 * slow
    lowest = other.objective_[-1] - other.dual_gap_
    assert lowest <= model.objective_[-1] <= other.objective_[-1]


def test_rows_of_gram_matrices_that_crawl(capsys):
    """More rows than features, correlated: one round of descent that misses its goal is enough."""
    X, y, tasks = ill_conditioned(n=60, d=40)
    X = X + 3.0 * X.mean(axis=1, keepdims=True)
    model = JointFeatureRegressor(lambda1=1e-3, tol=1e-8, verbose=1).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= 1e-8
    assert "proximal point 0: " in capsys.readouterr().out
    assert model.n_iter_ < active_set._SLOW


def test_descent_goes_on_where_points_fail(monkeypatch):
    X, y, tasks = ill_conditioned()
    monkeypatch.setattr(semismooth, "_MOST_NEWTON", 1)
    monkeypatch.setattr(semismooth, "_MOST_SETS", 2)
    model = JointFeatureRegressor(lambda1=0.003, tol=1e-5).fit(X, y, tasks=tasks)
    assert model.n_iter_ > active_set._SLOW
    assert model.relative_gap_ <= 1e-5


def test_stages_with_weak_penalties():
    """A multi-stage fit whose stages descent would not finish."""
    X, y, tasks = ill_conditioned()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = MultiStageRegressor(lambda1=1e-3, threshold=2.0).fit(X, y, tasks=tasks)
    assert model.optimality_ <= model.tol
    assert model.n_iter_ < 200


def test_which_problems_it_is_for():
    X, y, _ = ill_conditioned()
    offsets = np.array([0, 30, 60, 90])
    c = np.full(90, 1 / 30)

    def fits(penalty, loss=None, n_active=100):
        loss = Squared() if loss is None else loss
        objective = make_objective(Ragged(X, offsets), loss, np.sign(y), c, penalty, True)
        return semismooth.semismooth_pays(objective, n_active)

    assert fits(L1(0.1))
    assert fits(RowL2(0.1) + Ridge(0.1))
    assert not fits(RowLinf(0.1))
    assert not fits(Ridge(0.1))
    assert not fits(L1(0.1), Logistic())
    # A term for each active row.
    assert fits(L1(0.1), n_active=20_000)
    assert not fits(RowL2(0.1), n_active=20_000)


# --- The equations ------------------------------------------------------------------------------


def part(fit_intercept=True, lambda1=0.3, lambda2=0.05, d=6, loss=None, norm=RowL2):
    """A small problem: more samples than features, fewer, and one; a sample that does not count."""
    rng = np.random.default_rng(0)
    c = rng.uniform(0.1, 1.0, OFFSETS[-1])
    c[3] = 0.0
    design = Ragged(rng.standard_normal((OFFSETS[-1], d)), OFFSETS)
    y = rng.standard_normal(OFFSETS[-1])
    penalty = norm(lambda1) + Ridge(lambda2)
    loss = SquareRoot() if loss is None else loss
    objective = make_objective(design, loss, y, c, penalty, fit_intercept)
    return objective, semismooth._Part(objective, np.arange(d), np.full(d, lambda1))


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equations_keep_norms_and_slopes(fit_intercept):
    """``||y - A w||`` is the norm of the centred, scaled residual; A'u is X'theta."""
    objective, equations = part(fit_intercept)
    rng = np.random.default_rng(1)
    W = rng.standard_normal(objective.shape)
    r = equations.y - equations._predict(np.ascontiguousarray(W.T))
    loss = objective.loss_at(objective.design.predict(W)).value
    assert_allclose(equations.radii @ np.sqrt(equations._sums(r * r)), loss)
    u = equations.enter(rng.standard_normal(OFFSETS[-1]))
    theta = np.sqrt(objective.c) * equations.leave(u)
    assert_allclose(equations._adjoint(u), objective.design.adjoint_rows(theta), atol=1e-12)
    assert_allclose(equations.enter(equations.leave(u)), u, atol=1e-12)
    if fit_intercept:
        assert_allclose(np.add.reduceat(theta, OFFSETS[:-1]), 0.0, atol=1e-12)


@pytest.mark.parametrize("loss", [SquareRoot(), Squared()])
@pytest.mark.parametrize(("lambda1", "norm"), [(0.0, RowL2), (0.3, RowL2), (0.3, L1)])
@pytest.mark.parametrize("seed", range(4))
def test_newton_direction(seed, lambda1, norm, loss):
    """The Jacobian times the direction is what is left of the equations: by differences."""
    _, equations = part(lambda1=lambda1, loss=loss, norm=norm)
    rng = np.random.default_rng([seed, 2])
    # The first residual is not shrunken to zero, the second is.
    s = np.ones(3) if equations.squared else np.array([0.2, 2.0, 0.2])
    equations.steps = semismooth._Steps(0.7, s)
    equations.W = rng.standard_normal((3, 6))
    equations.z = equations.enter(np.repeat([3.0, 0.0, 1.0], np.diff(OFFSETS)))
    equations.z *= rng.uniform(0.5, 2.0, equations.z.size)
    u = 0.1 * equations.enter(rng.standard_normal(OFFSETS[-1]))

    def left(u):
        trial = equations._at(u, equations._adjoint(u))
        return trial, equations.y - trial.z - equations._predict(trial.W)

    trial, rest = left(u)
    if not equations.squared:
        assert trial.kept[0] > 0.0 == trial.kept[1]
    du = equations._direction(trial, rest, 0.0)
    step = 1e-6 / np.abs(du).max()
    change = (left(u - step * du)[1] - left(u + step * du)[1]) / (2.0 * step)
    assert_allclose(change, rest, rtol=1e-6, atol=1e-6)


def test_line_search_leaves_little_of_the_slope():
    _, equations = part()
    rng = np.random.default_rng(4)
    equations.W = np.zeros((3, 6))
    equations.z = equations.enter(rng.standard_normal(OFFSETS[-1]))
    equations.steps = semismooth._Steps(2.0, np.full(3, 0.5))
    u = equations.enter(rng.standard_normal(OFFSETS[-1]))
    trial = equations._at(u, equations._adjoint(u))
    left = equations.y - trial.z - equations._predict(trial.W)
    for length in (1e-3, 1.0, 1e3):
        found = equations._search(trial, length * left, length * float(left @ left))
        after = equations.y - found.z - equations._predict(found.W)
        assert abs(after @ left) <= semismooth._LEFT * (left @ left) * (1.0 + 1e-9)


def test_a_singular_block_is_factorised():
    for H in (np.zeros((3, 3)), np.ones((4, 4))):
        L = np.tril(semismooth._cholesky(H.copy()))
        assert_allclose(L @ L.T, H, atol=1e-6)
