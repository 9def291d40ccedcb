"""MixedEffectsRegressor: predictions, covariances, invariances, limits, hostile data."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from malsar_py import MeanRegularizedRegressor, MixedEffectsRegressor

PLAIN = {"prior": np.inf, "prior_mean": False}
COVARIANCES = ["diag", "iso", "full"]


def draw(T=20, n=12, d=3, seed=0, sizes=None, spread=(0.6, 0.3, 0.0)):
    """X, y, tasks: intercepts of standard deviation 1, slopes of `spread`, noise 1."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), n if sizes is None else sizes)
    X = rng.standard_normal((len(tasks), d)) * [1.0, 3.0, 0.5][:d] + [2.0, -5.0, 0.0][:d]
    a, u = rng.standard_normal(T), rng.standard_normal((T, d)) * np.array(spread)[:d]
    y = 3.0 + a[tasks] + np.einsum("ij,ij->i", X, [1.0, -0.5, 0.7][:d] + u[tasks])
    return X, y + rng.standard_normal(len(tasks)), tasks


def fit(data=None, **parameters):
    X, y, tasks = draw() if data is None else data
    return MixedEffectsRegressor(**parameters).fit(X, y, tasks=tasks)


def at_center(model, X):
    """``random_variance_`` with the intercept at the grand mean."""
    if model.covariance != "full":
        return model.random_variance_
    shift = np.eye(len(model.random_variance_))
    shift[0, 1:] = X.mean(axis=0)
    return shift @ model.random_variance_ @ shift.T


def henderson(model, X, y, tasks):
    """Coefficients (T, p) and their covariances by the mixed-model equations."""
    T, p = len(np.unique(tasks)), X.shape[1] + 1
    Z = np.column_stack([np.ones(len(y)), X - X.mean(axis=0)])
    values, Q = np.linalg.eigh(at_center(model, X))
    kept = values > 1e-12 * values[-1]  # independent effects of variance 1, B of them u_t
    B = Q[:, kept] * np.sqrt(values[kept])
    r = B.shape[1]
    W = np.zeros((len(y), p + T * r))
    W[:, :p] = Z
    for t in range(T):
        W[tasks == t, p + t * r : p + (t + 1) * r] = Z[tasks == t] @ B
    C = W.T @ W / model.sigma2_
    C[p:, p:] += np.eye(T * r)
    if np.isfinite(model.mean_variance_):
        varying = model._estimate.likelihood.statistics.frame.unit
        C[1:p, 1:p] += np.diag(varying**2 / model.mean_variance_)
    inverse = np.linalg.inv(C)
    solution = inverse @ (W.T @ y / model.sigma2_)
    coefficients, covariances = [], []
    back = np.eye(p)
    back[0, 1:] = -X.mean(axis=0)  # the intercept at x = 0
    for t in range(T):
        pick = np.zeros((p, W.shape[1]))
        pick[:, :p] = np.eye(p)
        pick[:, p + t * r : p + (t + 1) * r] = B
        coefficients.append(back @ pick @ solution)
        covariances.append(back @ pick @ inverse @ pick.T @ back.T)
    return np.array(coefficients), np.array(covariances), back @ solution[:p]


@pytest.mark.parametrize("parameters", [PLAIN, {}], ids=["plain", "default"])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_predictions_and_covariances_are_hendersons(covariance, parameters):
    data = draw(T=8, sizes=[1, 2, 3, 4, 9, 12, 5, 7])
    X, y, tasks = data
    model = fit(data, covariance=covariance, **parameters)
    coefficients, covariances, mean = henderson(model, X, y, tasks)
    assert_allclose(model.intercept_, coefficients[:, 0], rtol=1e-8)
    assert_allclose(model.coef_, coefficients[:, 1:], rtol=1e-8, atol=1e-8)
    assert_allclose(np.r_[model.intercept_mean_, model.coef_mean_], mean, rtol=1e-8)
    assert_allclose(model.coef_cov_, covariances, rtol=1e-7, atol=1e-9)
    lower, upper = model.coef_interval(0.8)
    assert_allclose(0.5 * (lower + upper), model.coef_, rtol=1e-12)
    error = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)[:, 1:])
    assert_allclose(upper - lower, 2.0 * norm.ppf(0.9) * error, rtol=1e-6)
    # A new target: its coefficients' uncertainty and the noise.
    new = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    said, std = model.predict(new, tasks=[3, 5], return_std=True)
    z = np.column_stack([np.ones(2), new])
    variance = [z[i] @ covariances[t] @ z[i] + model.sigma2_ for i, t in enumerate([3, 5])]
    assert_allclose(std, np.sqrt(variance), rtol=1e-7)
    assert_array_equal(said, model.predict(new, tasks=[3, 5]))
    # A task that was not seen: the common model, and what tasks differ by.
    said, std = model.predict(new, tasks=["?", "?"], return_std=True)
    assert_allclose(said, z @ mean, rtol=1e-8)
    prior_mean, prior = model.task_prior_
    assert_allclose(prior_mean, mean, rtol=1e-8)
    assert_allclose(std**2, np.einsum("ij,jk,ik->i", z, prior, z) + model.sigma2_, rtol=1e-9)


def test_log_likelihood_is_that_of_the_data_as_given():
    """Also with weights as precisions: the density of y by the covariance of all rows."""
    X, y, tasks = draw(T=6, n=7)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, len(y))
    for method in ("reml", "ml"):
        model = MixedEffectsRegressor(method=method, weights="precision", **PLAIN)
        model.fit(X, y, tasks=tasks, sample_weight=weight)
        D = model.random_variance_
        center = weight @ X / weight.sum()
        Z = np.column_stack([np.ones(len(y)), X - center])
        V = np.diag(model.sigma2_ / weight)
        V += (Z @ D @ Z.T) * (tasks[:, None] == tasks)
        inverse = np.linalg.inv(V)
        S = Z.T @ inverse @ Z
        r = y - Z @ np.linalg.solve(S, Z.T @ inverse @ y)
        value = r @ inverse @ r + np.linalg.slogdet(V)[1]
        df = len(y)
        if method == "reml":
            value += np.linalg.slogdet(S)[1]
            df -= 4
        value += df * np.log(2.0 * np.pi)
        assert_allclose(model.log_likelihood_, -0.5 * value, rtol=1e-11)
        assert_allclose(model.objective_[-1], value, rtol=1e-11)


# --- variances -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("seed", range(4))
def test_zero_variances_are_exact_and_certified(seed, method):
    """The boundary: derivatives point out of it; elsewhere they vanish."""
    data = draw(seed=seed, spread=(0.5, 0.0, 0.0))
    model = fit(data, method=method, tol=1e-12, **PLAIN)
    variance, slope = np.diag(model.random_variance_), np.diag(model.gradient_)
    zero = variance == 0.0
    assert (slope[zero] > 0.0).all()
    size = np.maximum(variance, 1e-3)
    assert_allclose((slope * size)[~zero], 0.0, atol=1e-3)
    assert_array_equal(model.coef_[:, zero[1:]], np.tile(model.coef_mean_[zero[1:]], (20, 1)))
    assert model.optimality_ <= 1e-12
    # "full": a matrix on the boundary of the semidefinite ones.
    full = fit(data, covariance="full", method=method, tol=1e-12, **PLAIN)
    assert full.log_likelihood_ >= model.log_likelihood_ - 1e-9
    V, G = full.random_variance_, full.gradient_
    scale = np.sqrt(np.diag(V))
    assert np.linalg.eigvalsh(G * np.outer(scale, scale))[0] >= -1e-3
    assert_allclose(G @ V, 0.0, atol=1e-2)


def test_some_seed_has_a_zero_variance():
    found = [fit(draw(seed=s, spread=(0.5, 0.0, 0.0)), **PLAIN) for s in range(4)]
    assert any((np.diag(model.random_variance_) == 0.0).any() for model in found)


def test_prior_lies_between_iso_and_free_variances():
    data = draw()
    iso, free = fit(data, covariance="iso"), fit(data, prior=np.inf)
    near_iso, middle, near_free = (fit(data, prior=s) for s in (1e-3, 1.0, 1e3))
    unit = free._estimate.likelihood.statistics.frame.unit

    def ratio(model):
        return np.diag(model.random_variance_)[1:] * unit**2

    assert_allclose(ratio(near_iso), ratio(iso), rtol=1e-3)
    assert_allclose(ratio(near_free)[:2], ratio(free)[:2], rtol=1e-2)
    assert (ratio(middle) > 0.0).all()  # none is zero under the prior
    assert ratio(iso).std() < 1e-9 * ratio(iso).mean() < ratio(middle).std() < ratio(free).std()
    assert free.log_likelihood_ >= middle.log_likelihood_ >= iso.log_likelihood_
    for model in (iso, free, near_iso, middle, near_free):
        assert (np.diff(model.objective_) < 0.0).all()
    # So for "full", where the correlations have a prior too.
    near_iso = fit(data, covariance="full", prior=0.02)
    correlation = at_center(near_iso, data[0])
    size = np.sqrt(np.diag(correlation))
    correlation = correlation / np.outer(size, size)
    assert np.abs(correlation - np.eye(4)).max() < 0.05


def test_prior_keeps_some_noise():
    """Two rows a task, two random effects: the likelihood alone may leave no noise at all."""
    noise = {1.0: [], np.inf: []}
    for seed in range(12):
        data = draw(T=8, n=2, d=1, seed=seed, spread=(1.0,))
        for prior, found in noise.items():
            model = fit(data, prior=prior)
            found.append(model.sigma2_)
            assert model.optimality_ <= model.tol
    assert min(noise[np.inf]) < 0.02
    assert min(noise[1.0]) > 0.3
    assert 0.7 < np.median(noise[1.0]) < 2.0  # of 1


def test_random_chooses_features():
    X, y, tasks = draw()
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(school=tasks)
    by_name = MixedEffectsRegressor(random=["v"], task_column="school").fit(table, y)
    by_position = fit(random=[1])
    by_end = fit(random=[-2])
    for model in (by_name, by_position, by_end):
        kept = np.flatnonzero(np.diag(model.random_variance_))
        assert kept.tolist() == [0, 2]
        assert_allclose(model.coef_, by_name.coef_, rtol=1e-10)
    only_intercepts = fit(random=[])
    assert (only_intercepts.coef_ == only_intercepts.coef_mean_).all()
    assert np.ptp(only_intercepts.intercept_) > 0.5


def test_features_constant_within_tasks_have_no_random_slope():
    """They would be another random intercept; their effect is found."""
    X, y, tasks = draw(T=60)
    size = np.random.default_rng(5).standard_normal(60)[tasks]
    almost = size + 1e-3 * np.random.default_rng(6).standard_normal(len(y))
    data = np.column_stack([X, size, almost]), y + 2.0 * size, tasks
    for parameters in ({}, PLAIN):
        model = fit(data, **parameters)
        assert np.diag(model.random_variance_)[4:].tolist() == [0.0, 0.0]
        assert model.random_variance_[0, 0] > 0.3
        assert model.coef_mean_[3:].sum() == pytest.approx(2.0, abs=0.4)
    chosen = fit(data, random=[0, 3], **PLAIN)  # what the user asks for is done
    assert chosen.gradient_[4, 4] != 0.0


def test_few_and_small_tasks():
    X, y, tasks = draw(T=2)
    model = fit((X, y, tasks))
    assert model.coef_.shape == (2, 3) and model.optimality_ <= model.tol
    # One task: nothing is random; without a prior it is least squares.
    one = MixedEffectsRegressor(**PLAIN).fit(X, y)
    least_squares = LinearRegression().fit(X, y)
    assert_allclose(one.coef_, least_squares.coef_, rtol=1e-10)
    assert one.intercept_ == pytest.approx(least_squares.intercept_)
    assert isinstance(one.intercept_, float) and one.coef_.shape == (3,)
    residual = y - least_squares.predict(X)
    assert one.sigma2_ == pytest.approx(residual @ residual / (len(y) - 4))
    assert (one.random_variance_ == 0.0).all() and one.coef_cov_.shape == (4, 4)
    # Rows that are tasks of their own tell nothing about what tasks differ by.
    with pytest.warns(UserWarning, match="number of tasks equals the number of rows"):
        alone = MixedEffectsRegressor(**PLAIN).fit(X, y, tasks=np.arange(len(y)))
    assert_allclose(alone.coef_mean_, least_squares.coef_, rtol=1e-10)
    # One row in some tasks is no trouble.
    sizes = np.r_[np.ones(15, int), np.full(10, 8)]
    some = fit(draw(T=25, sizes=sizes))
    spread = np.sqrt(np.diagonal(some.coef_cov_, axis1=1, axis2=2))
    assert (spread[:15].mean(axis=0) >= spread[15:].mean(axis=0)).all()


def test_fewer_rows_than_features():
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(6), 5)
    X = rng.standard_normal((30, 40))
    y = X[:, 0] + rng.standard_normal(6)[tasks] + 0.1 * rng.standard_normal(30)
    model = fit((X, y, tasks), covariance="iso", max_iter=1000)
    assert np.isfinite(model.coef_).all() and model.optimality_ <= model.tol
    assert np.abs(model.coef_mean_).argmax() == 0
    with pytest.raises(ValueError, match=r"30 fixed effects but only n_samples=30.*prior_mean"):
        fit((X, y, tasks), **PLAIN)


# --- invariances ---------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [PLAIN, {}], ids=["plain", "default"])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_shifts_and_units(covariance, parameters):
    """No prediction depends on where columns are measured from, or in which units."""
    X, y, tasks = data = draw()
    model = fit(data, covariance=covariance, tol=1e-10, **parameters)
    said, std = model.predict(X, tasks=tasks, return_std=True)
    for shift, unit, y_shift, y_unit in (
        ([2e3, 0.0, -7.0], [1.0, 1.0, 1.0], 0.0, 1.0),
        ([0.0, 0.0, 0.0], [1e3, 1.0, -1e-4], 0.0, 1.0),
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 1e4, -1e3),
        ([0.0, 1e8, 0.0], [1.0, 1.0, 1.0], 1e8, 1.0),
    ):
        moved = X * unit + shift
        other = fit(
            (moved, y * y_unit + y_shift, tasks), covariance=covariance, tol=1e-10, **parameters
        )
        again, again_std = other.predict(moved, tasks=tasks, return_std=True)
        atol = 1e-5 if max(np.abs(shift).max(), abs(y_shift)) > 1e7 else 1e-6
        assert_allclose((again - y_shift) / y_unit, said, atol=atol)
        assert_allclose(again_std / abs(y_unit), std, rtol=1e-5)
        assert_allclose(other.sigma2_ / y_unit**2, model.sigma2_, rtol=1e-5)


def test_units_change_likelihoods_as_densities_do():
    X, y, tasks = data = draw()
    for parameters in (PLAIN, {}):
        one = fit(data, **parameters).log_likelihood_
        n = len(y) - (4 if parameters else 1)
        other = fit((X, 10.0 * y, tasks), **parameters).log_likelihood_
        assert other == pytest.approx(one - n * np.log(10.0), abs=1e-6)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_collinear_columns(covariance):
    """A repeated column takes nothing from the predictions of fixed effects."""
    X, y, tasks = draw()
    wide = np.column_stack([X, X[:, 0] - 2.0 * X[:, 1], np.full(len(y), 4.0)])
    model = fit((wide, y, tasks), covariance=covariance, random=[0, 1, 2], **PLAIN)
    plain = fit((X, y, tasks), covariance=covariance, **PLAIN)
    assert_allclose(model.predict(wide, tasks=tasks), plain.predict(X, tasks=tasks), atol=1e-6)
    assert_allclose(model.sigma2_, plain.sigma2_, rtol=1e-6)
    for parameters in (PLAIN, {}):
        both = fit((np.column_stack([X, X]), y, tasks), covariance=covariance, **parameters)
        assert np.isfinite(both.coef_).all()
        assert both.score(np.column_stack([X, X]), y, tasks=tasks) > 0.5
        assert_allclose(both.coef_mean_[:3], both.coef_mean_[3:], rtol=1e-6)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_weights_are_numbers_of_rows(covariance):
    X, y, tasks = draw()
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), weight)
    model = MixedEffectsRegressor(covariance=covariance)
    weighted = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    repeated = clone(model).fit(X[again], y[again], tasks=tasks[again])
    for name in ("coef_", "random_variance_", "sigma2_", "log_likelihood_"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-7, atol=1e-9)
    assert str(weighted.fit_report()) == str(repeated.fit_report())


def test_precisions_have_no_scale():
    X, y, tasks = draw()
    weight = np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    model = MixedEffectsRegressor(weights="precision", tol=1e-11)
    one = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    other = clone(model).fit(X, y, tasks=tasks, sample_weight=1e-3 * weight)
    assert_allclose(one.coef_, other.coef_, rtol=1e-5)
    assert_allclose(one.log_likelihood_, other.log_likelihood_, rtol=1e-9)
    assert_allclose(one.sigma2_, 1e3 * other.sigma2_, rtol=1e-5)
    with pytest.raises(ValueError, match=r"sum of the weights.*"):
        MixedEffectsRegressor().fit(X, y, tasks=tasks, sample_weight=weight / weight.sum())


# --- what it equals ------------------------------------------------------------------------------


def test_is_mean_regularised_on_scaled_columns():
    """lambda1 = 1 / nbar on columns times the root of D, the ones column among them."""
    X, y, tasks = data = draw(sizes=np.random.default_rng(0).integers(3, 20, 20))
    model = fit(data, prior_mean=False)
    Z = np.column_stack([np.ones(len(y)), X - X.mean(axis=0)])
    root = np.sqrt(np.diag(model.random_variance_) / model.sigma2_)
    other = MeanRegularizedRegressor(
        lambda1=len(np.unique(tasks)) / len(y), fit_intercept=False, task_weight="size", tol=1e-15
    ).fit(Z * root, y, tasks=tasks)
    said = model.predict(X, tasks=tasks)
    assert_allclose(other.predict(Z * root, tasks=tasks), said, rtol=0, atol=1e-10 * np.ptp(said))
    assert_allclose(other.coef_[:, 1:] * root[1:], model.coef_, atol=1e-10)


def test_without_intercepts():
    """A column of ones is an intercept."""
    X, y, tasks = draw()
    ones = np.column_stack([np.ones(len(y)), X - X.mean(axis=0)])
    without = fit((ones, y, tasks), fit_intercept=False, tol=1e-11, **PLAIN)
    plain = fit((X, y, tasks), tol=1e-11, **PLAIN)
    assert_allclose(without.predict(ones, tasks=tasks), plain.predict(X, tasks=tasks), atol=1e-5)
    assert without.intercept_.tolist() == [0.0] * 20 and without.intercept_mean_ == 0.0
    assert_allclose(without.log_likelihood_, plain.log_likelihood_, atol=1e-6)
    assert without.random_variance_.shape == (4, 4) and without.coef_cov_.shape == (20, 4, 4)
    assert without.fit_report().fixed["name"] == ["x0", "x1", "x2", "x3"]


# --- hostile -------------------------------------------------------------------------------------


def test_constant_targets():
    X, _, tasks = draw()
    for value in (3.7, 1e9 / 3.0):
        model = fit((X, np.full(len(X), value), tasks))
        said, std = model.predict(X, tasks=tasks, return_std=True)
        assert_allclose(said, value, rtol=1e-15)
        assert (std == 0.0).all() and model.sigma2_ == 0.0 and model.log_likelihood_ == np.inf
        assert "(noise)" in str(model.fit_report())


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_targets_without_noise(covariance):
    X, _, tasks = draw()
    W = np.random.default_rng(0).standard_normal((20, 3))
    y = np.einsum("ij,ij->i", X, W[tasks])
    with pytest.warns(ConvergenceWarning, match="fits the targets to rounding"):
        model = fit((X, y, tasks), covariance=covariance)
    assert_allclose(model.coef_, W, atol=1e-4)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e8])
def test_tasks_that_differ_by_far_more_than_the_noise(size):
    """The right fit, or a warning that says what to do."""
    X, y, tasks = draw()
    offset = size * np.random.default_rng(1).standard_normal(20)[tasks]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit((X, y + offset, tasks), **PLAIN)
    lost = [w for w in caught if "subtract each task's mean" in str(w.message)]
    assert bool(lost) == (size >= 1e6)
    if not lost:
        assert model.sigma2_ == pytest.approx(fit(**PLAIN).sigma2_, rel=0.01)


def test_numbers_that_are_too_large_or_too_small():
    X, y, tasks = draw()
    for scale in (1e-150, 1e150):
        model = fit((X, scale * y, tasks))
        assert_allclose(model.coef_ / scale, fit().coef_, rtol=1e-6)
    for data in ((X, 1e200 * y, tasks), (1e200 * X, y, tasks), (X, 1e-200 * y, tasks)):
        with pytest.raises(ValueError, match="Variances are too large or too small"):
            fit(data)


def test_stopped_early_is_said():
    with pytest.warns(ConvergenceWarning, match=r"gain in log-likelihood still expected is .*max_"):
        model = fit(max_iter=1)
    assert model.optimality_ > model.tol and model.n_iter_ == 1


BAD = {
    "covariance": ("ar1", "covariance"),
    "random": ("some", "random"),
    "prior": (0.0, "prior"),
    "prior_mean": (2, "prior_mean"),
    "method": ("ls", "method"),
    "weights": ("count", "weights"),
    "tol": (0.0, "tol"),
    "max_iter": (0, "max_iter"),
    "unseen": ("zero", "unseen"),
}


@pytest.mark.parametrize("name", BAD)
def test_parameters_are_checked(name):
    value, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        fit(**{name: value})


@pytest.mark.parametrize("random", [["z"], [3], [-4], [1.5], [None]])
def test_random_names_features(random):
    with pytest.raises(ValueError, match=r"random names .* not one of the 3 features.*'x0'"):
        fit(random=random)


@pytest.mark.parametrize("level", [0, 1, -0.5, 90, np.nan, True, "a", None])
def test_levels_are_checked(level):
    model = fit()
    for call in (model.coef_interval, model.fit_report):
        with pytest.raises(ValueError, match="level must be in"):
            call(level)


def test_a_fit_that_fails_leaves_nothing_fitted():
    X, y, tasks = draw()
    for data, own in (((X, 1e200 * y, tasks), {}), ((X, y, tasks), {"random": ["z"]})):
        model = MixedEffectsRegressor(**own)
        with pytest.raises(ValueError):
            model.fit(data[0], data[1], tasks=data[2])
        with pytest.raises(ValueError, match="not fitted"):
            model.predict(X, tasks=tasks)


def test_not_fitted():
    model = MixedEffectsRegressor()
    for call in (model.coef_interval, model.fit_report, lambda: model.adapt([[1.0]], [1.0])):
        with pytest.raises(ValueError, match="not fitted"):
            call()
    for name in ("coef_cov_", "task_prior_"):
        assert not hasattr(model, name)


@pytest.mark.slow
def test_time_is_linear_in_the_tasks():
    def seconds(T):
        data = draw(T=T, n=30, d=3)
        start = time.process_time()
        fit(data, **PLAIN)
        return time.process_time() - start

    seconds(10)
    small, large = min(seconds(500) for _ in range(3)), min(seconds(5000) for _ in range(2))
    assert large < 25.0 * small + 0.1


@pytest.mark.parametrize("x", [1e-300, 1e-155, 1.0, 1e155, 1e300])
@pytest.mark.parametrize("y", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_a_fit_or_an_error_at_any_scale(x, y):
    """No NaN, and no error but a clear one."""
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((60, 2)), np.repeat(range(6), 10)
    target = X @ [1.0, -1.0] + tasks + rng.standard_normal(60)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = MixedEffectsRegressor().fit(X * x, target * y, tasks=tasks)
    except ValueError as error:
        assert "too large or too small to be represented" in str(error)
        return
    assert np.isfinite(model.coef_).all() and np.isfinite(model.random_variance_).all()
    assert np.corrcoef(model.predict(X * x, tasks=tasks) / y, target)[0, 1] > 0.8


def test_weights_that_overflow_are_refused():
    X, tasks = np.random.default_rng(0).standard_normal((60, 2)), np.repeat(range(6), 10)
    with pytest.raises(ValueError, match="sample_weight is too large"):
        MixedEffectsRegressor().fit(X, X[:, 0], tasks=tasks, sample_weight=np.full(60, 1e307))
