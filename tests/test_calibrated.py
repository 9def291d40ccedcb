"""Calibrated joint feature selection: what the square-root loss promises, and golden problems."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from malsar_py import CalibratedJointFeatureRegressor, stack_tasks
from malsar_py.losses import SquareRoot
from malsar_py.solvers import square_root

from .problems import ragged, shared


def fit(X, y, tasks=None, **parameters):
    parameters = {"lambda1": 0.05, "tol": 1e-9} | parameters
    return CalibratedJointFeatureRegressor(**parameters).fit(X, y, tasks=tasks)


def slopes_at_zero(X, y, tasks):
    """X' theta at W = 0, (d, T): unit residuals of the tasks, so of no unit of y."""
    columns = []
    for t in np.unique(tasks):
        r = y[tasks == t] - y[tasks == t].mean()
        Xc = X[tasks == t] - X[tasks == t].mean(axis=0)
        columns.append(Xc.T @ r / len(r) / np.sqrt(np.mean(r**2)))
    return np.array(columns).T


def test_lambda_max_is_the_largest_row_norm():
    X, y, tasks = ragged()
    highest = np.linalg.norm(slopes_at_zero(X, y, tasks), axis=1).max()
    assert (fit(X, y, tasks, lambda1=highest * (1 + 1e-9)).coef_ == 0.0).all()
    assert (fit(X, y, tasks, lambda1=highest * (1 - 1e-3)).coef_ != 0.0).any()


def test_lambda_does_not_depend_on_a_task_s_noise():
    """Pure noise: the lambda that keeps all coefficients zero is the same at any noise level."""
    X, _, tasks = ragged()
    rng = np.random.default_rng(3)
    y = rng.standard_normal(len(X))
    louder = np.where(tasks == "b", 1000.0 * y, y)
    highest = np.linalg.norm(slopes_at_zero(X, y, tasks), axis=1).max()
    for target in (y, louder):
        assert (fit(X, target, tasks, lambda1=highest * (1 + 1e-9)).coef_ == 0.0).all()
        assert (fit(X, target, tasks, lambda1=highest * (1 - 1e-3)).coef_ != 0.0).any()
    levels = fit(X, louder, tasks, lambda1=highest).noise_levels_
    assert_allclose(levels / fit(X, y, tasks, lambda1=highest).noise_levels_, [1, 1000, 1, 1])


def test_units_of_y_do_not_matter():
    X, y, tasks = ragged()
    one, other = fit(X, y, tasks), fit(X, 1e6 * y + 3e6, tasks)
    assert_allclose(other.coef_, 1e6 * one.coef_, rtol=1e-4, atol=10.0)
    assert_allclose(other.noise_levels_, 1e6 * one.noise_levels_, rtol=1e-6)
    assert_allclose(other.relative_gap_, one.relative_gap_, atol=1e-9)


def test_malsar_s_scaling_is_a_task_weight():
    """Sums of squares under the root: omega_t = sqrt(n_t), the same lambda."""
    X, y, tasks = ragged()
    labels, counts = np.unique(tasks, return_counts=True)
    model = fit(X, y, tasks, lambda1=1.0, task_weight=dict(zip(labels, counts**0.5, strict=True)))
    z = model.predict(X, tasks=tasks)
    loss = sum(np.linalg.norm((y - z)[tasks == t]) for t in labels)
    penalty = np.linalg.norm(model.coef_, axis=0).sum()
    assert_allclose(model.objective_[-1], loss + penalty, rtol=1e-12)


def test_without_the_norm_each_task_is_a_ridge_of_its_own_strength():
    X, y, tasks = ragged()
    model = fit(X, y, tasks, lambda1=0.0, lambda2=0.3, tol=1e-12)
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        alpha = 0.3 * own.sum() * model.noise_levels_[t]
        assert_allclose(model.coef_[t], Ridge(alpha).fit(X[own], y[own]).coef_, rtol=1e-5)


def test_without_any_penalty_it_is_least_squares():
    X, y, tasks = ragged()
    model = fit(X, y, tasks, lambda1=0.0)
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        A = np.column_stack([X[own], np.ones(own.sum())])
        assert_allclose(model.coef_[t], np.linalg.lstsq(A, y[own])[0][:-1], rtol=1e-6)
    assert model.relative_gap_ <= 1e-9


def test_shared_x_is_the_same_as_copies(monkeypatch):
    X, Y = shared()
    Y[2:9, 1] = np.nan
    together = fit(X, Y)
    parts = [(X[~np.isnan(y)], y[~np.isnan(y)]) for y in Y.T]
    apart = fit(*stack_tasks(*zip(*parts, strict=True)))
    assert_allclose(together.coef_, apart.coef_, atol=1e-6)
    # A large X is not copied.
    monkeypatch.setattr(square_root, "_COPIES", 0.0)
    assert_allclose(fit(X, Y).coef_, apart.coef_, atol=1e-6)
    assert_allclose(fit(X, Y[:, :1]).coef_, fit(X, Y[:, 0]).coef_[None], atol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
def test_tasks_with_nothing_to_explain(intercept):
    """Constant targets, and a task of one row: kinks at the very start."""
    X, y, tasks = ragged()
    y = np.where(tasks == "b", 7.0, y)
    X, y, tasks = np.vstack([X, X[:1]]), np.append(y, 3.0), np.append(tasks, "single")
    model = fit(X, y, tasks, fit_intercept=intercept, tol=1e-7)
    assert model.relative_gap_ <= 1e-7
    if intercept:
        assert_allclose(model.coef_[[1, 4]], 0.0, atol=1e-8)
        assert_allclose(model.intercept_[1], 7.0)
    everything = fit(X, np.full(len(X), 2.0), tasks)
    assert (everything.coef_ == 0.0).all()
    assert everything.dual_gap_ == 0.0


def test_every_inner_solver_gives_the_same():
    X, y, tasks = ragged()
    one = fit(X, y, tasks)
    assert_allclose(fit(X, y, tasks, solver="apg").coef_, one.coef_, atol=1e-6)
    assert_allclose(fit(X, y, tasks, solver="active-set").coef_, one.coef_, atol=1e-12)
    with pytest.raises(ValueError, match="solver='closed-form' is for"):
        fit(X, y, tasks, solver="closed-form")


def test_warm_start_and_few_rounds(capsys):
    X, y, tasks = ragged()
    with pytest.warns(ConvergenceWarning, match="CalibratedJointFeatureRegressor did not reach"):
        cut = fit(X, y, tasks, max_iter=2)
    assert cut.n_iter_ == 2
    assert cut.relative_gap_ > 1e-9
    model = fit(X, y, tasks, warm_start=True, verbose=1)
    assert "round 1: objective" in capsys.readouterr().out
    rounds, coef = model.n_iter_, model.coef_
    model.fit(X, y, tasks=tasks)
    assert model.n_iter_ == 1 < rounds
    assert_array_equal(model.coef_, coef)


def test_the_loss_is_a_norm_and_its_dual_point_fits():
    """Fenchel: at theta of any residual, loss + conjugate = <theta, residual>, in the ball."""
    rng = np.random.default_rng(0)
    offsets = np.array([0, 4, 9, 12])
    c = rng.uniform(0.1, 1.0, 12)
    c[[1, 5]] = 0.0
    y, z = rng.standard_normal(12), rng.standard_normal(12)
    z[9:] = y[9:]  # interpolated
    for intercept in (False, True):
        value, theta, b = SquareRoot().evaluate(y, z, c, offsets, intercept)
        r = y - z - np.repeat(b, np.diff(offsets))
        expected = [
            np.sqrt(c[own].sum() * (c[own] @ r[own] ** 2))
            for own in (slice(0, 4), slice(4, 9), slice(9, 12))
        ]
        assert_allclose(value, sum(expected))
        assert_allclose(theta @ r, value)
        used = c > 0
        squares = np.add.reduceat(
            np.divide(theta**2, c, out=np.zeros(12), where=used), offsets[:-1]
        )
        radii = np.add.reduceat(c, offsets[:-1])
        assert_allclose(squares[:2], radii[:2])
        assert squares[2] <= radii[2]
        if intercept:
            assert_allclose(np.add.reduceat(theta, offsets[:-1]), 0.0, atol=1e-14)
        assert_allclose(SquareRoot().dual(y, theta, c, 0.5), 0.5 * (y @ theta))


# --- MALSAR's formulation at its optimum --------------------------------------------------------

FUNCTIONS = ["MTFLC_ADMM", *(f"MTFLCd_{m}" for m in ("ADMM", "DFISTA", "DPG", "SFISTA", "SPG"))]


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_golden(function, kind, shared_dir):
    """All of MALSAR's solvers state one problem: norms of the residuals, the ridge with 1/2."""
    with np.load(shared_dir / "golden" / f"{function}__{kind}.npz") as golden:
        T = int(golden["T"])
        Xs = [golden[f"X_{t}"] for t in range(1, T + 1)]
        ys = [golden[f"y_{t}"].ravel() for t in range(1, T + 1)]
        X, y, tasks = stack_tasks(Xs, ys)
        weights = {t: np.sqrt(np.sum(tasks == t)) for t in np.unique(tasks)}
        assert len(golden["obj_ref"]) == int(golden["K"]) == 2
        for i, best in enumerate(golden["obj_ref"]):
            l1, l2 = float(golden["lambda1"][i]), float(golden["lambda2"][i])
            model = fit(
                X,
                y,
                tasks,
                lambda1=l1,
                lambda2=l2,
                fit_intercept=False,
                task_weight=weights,
                tol=1e-8,
            )
            assert model.relative_gap_ <= 1e-8
            W = model.coef_.T
            loss = sum(np.linalg.norm(y - X @ w) for X, y, w in zip(Xs, ys, W.T, strict=True))
            reached = loss + l1 * np.linalg.norm(W, axis=1).sum() + l2 / 2 * np.sum(W**2)
            assert abs(reached - best) <= 1e-7 * best, (i, reached / best - 1.0)
            assert_allclose(model.objective_[-1], reached, rtol=1e-10)
            assert reached - model.dual_gap_ <= best * (1.0 + 1e-9)
            if kind == "wide":
                assert (model.noise_levels_ < 1e-6).any()


def test_interpolated_school_like_problem_is_certified():
    """Many tasks, some with fewer rows than features, at the default tolerance: no warning."""
    rng = np.random.default_rng(5)
    sizes = rng.integers(3, 40, 30)
    tasks = np.repeat(np.arange(30), sizes)
    X = rng.standard_normal((len(tasks), 15))
    y = X[:, :4] @ rng.standard_normal(4) + rng.uniform(0.1, 5.0, 30)[tasks] * rng.standard_normal(
        len(tasks)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for lambda1 in (1.0, 0.3, 0.1):
            model = fit(X, y, tasks, lambda1=lambda1, tol=1e-6)
            assert 0.0 <= model.relative_gap_ <= 1e-6
