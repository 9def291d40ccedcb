"""The mixed model's likelihood against the N x N normal density, and its derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from malsar_py._kernels import mixed
from malsar_py._tasks import resolve_fit
from malsar_py.mixed import MixedEffectsRegressor
from malsar_py.mixed._covariance import Diagonal, Full
from malsar_py.mixed._likelihood import Likelihood
from malsar_py.mixed._statistics import make_frame, task_statistics

from .test_kernels import both

KINDS = ["iso", "diag", "full"]


def problem(seed=0, T=6, d=3, n_min=1, n_max=9, weighted=True, intercept=True, collinear=False):
    """Rows of a fit, with weights that are no whole numbers."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(n_min, n_max, T))
    X = rng.standard_normal((len(tasks), d)) * [1.0, 3.0, 0.2][:d] + [5.0, 0.0, -2.0][:d]
    if collinear:
        X = np.column_stack([X, X[:, 0] - 2.0 * X[:, 1]])
    W = rng.standard_normal((T, X.shape[1]))
    y = 7.0 + np.einsum("ij,ij->i", X, W[tasks]) + rng.standard_normal(T)[tasks]
    y += rng.standard_normal(len(tasks))
    weight = rng.uniform(0.3, 2.5, len(tasks)) if weighted else None
    model = MixedEffectsRegressor(fit_intercept=intercept)
    return resolve_fit(model, X, y, tasks=tasks, sample_weight=weight, classifier=False)


def likelihood_of(rows, reml, prior_mean, intercept=True, random=None):
    frame = make_frame(rows, intercept)
    statistics = task_statistics(rows, frame, precision=True)
    p = statistics.cross.shape[1]
    random = np.arange(p) if random is None else np.array(random)
    return Likelihood(statistics, random, reml=reml, prior_mean=prior_mean)


def brute_force(rows, likelihood, L, phi):
    """-2 log-likelihood of y by the covariance of all rows, and what follows from it."""
    frame = likelihood.statistics.frame
    Z = frame.rows(rows.X)
    y = (rows.y - frame.y_center) / frame.y_unit
    D = L @ L.T
    V = np.diag(1.0 / rows.sample_weight)
    for a, b in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
        own = Z[a:b][:, likelihood.random]
        V[a:b, a:b] += own @ D @ own.T
    fixed = Z
    if likelihood.prior_mean:
        slopes = Z[:, likelihood.slopes]
        V += phi * slopes @ slopes.T
        fixed = Z[:, : likelihood.first_slope]
    inverse = np.linalg.inv(V)
    S = fixed.T @ inverse @ fixed
    beta = np.linalg.lstsq(S, fixed.T @ inverse @ y, rcond=None)[0]
    r = y - fixed @ beta
    n, k = len(y), np.linalg.matrix_rank(fixed) if fixed.size else 0
    df = n - k if likelihood.reml else n
    sigma2 = r @ inverse @ r / df
    value = df * (1.0 + np.log(2.0 * np.pi * sigma2)) + np.linalg.slogdet(V)[1]
    if likelihood.reml and k == fixed.shape[1] > 0:
        value += np.linalg.slogdet(S)[1]
    return value, sigma2


def some_factor(kind, r, seed=1):
    rng = np.random.default_rng(seed)
    if kind == "iso":
        return np.diag(np.r_[0.9, np.full(r - 1, 0.4)])
    if kind == "diag":
        L = np.diag(rng.uniform(0.2, 1.5, r))
        L[-1, -1] = 0.0  # a variance of exactly 0
        return L
    return np.tril(rng.standard_normal((r, r)))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("prior_mean", [False, True])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_against_all_rows(kind, reml, prior_mean, seed):
    rows = problem(seed)
    likelihood = likelihood_of(rows, reml, prior_mean)
    L = some_factor(kind, 4)
    at = likelihood.evaluate(L, 0.7)
    value, sigma2 = brute_force(rows, likelihood, L, 0.7)
    assert_allclose(at.value, value, rtol=1e-12)
    assert_allclose(at.sigma2, sigma2, rtol=1e-12)
    # At a sigma2 that is given; at the best one it is the same.
    assert_allclose(likelihood.evaluate(L, 0.7, sigma2=sigma2).value, value, rtol=1e-12)
    assert likelihood.evaluate(L, 0.7, sigma2=1.3 * sigma2).value > value


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("prior_mean", [False, True])
def test_some_effects_only_and_no_intercepts(reml, prior_mean):
    rows = problem(2)
    for intercept, random in ((True, [0, 2]), (True, []), (False, [0, 1, 2]), (False, [1])):
        likelihood = likelihood_of(rows, reml, prior_mean, intercept, np.array(random, dtype=int))
        L = some_factor("full", len(random))
        value, sigma2 = brute_force(rows, likelihood, L, 0.3)
        at = likelihood.evaluate(L, 0.3)
        assert_allclose([at.value, at.sigma2], [value, sigma2], rtol=1e-12)


@pytest.mark.parametrize("reml", [False, True])
def test_collinear_columns(reml):
    """With a prior nothing is special; without one the rank counts."""
    rows = problem(3, collinear=True)
    likelihood = likelihood_of(rows, reml, True)
    L = some_factor("diag", 5)
    assert likelihood.rank == 3
    assert_allclose(likelihood.evaluate(L, 0.7).value, brute_force(rows, likelihood, L, 0.7)[0])
    free = likelihood_of(rows, reml, False)
    assert free.df == len(rows.y) - 4 * reml
    value, sigma2 = brute_force(rows, free, L, np.inf)
    at = free.evaluate(L)
    assert_allclose(at.sigma2, sigma2, rtol=1e-11)
    if not reml:
        assert_allclose(at.value, value, rtol=1e-12)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("prior_mean", [False, True])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", ["iso", "iso-prior", "diag", "map", "full", "full-prior"])
def test_gradients_and_hessians(kind, reml, prior_mean, intercept):
    """Finite differences; what stands for the Hessian is positive semidefinite."""
    rows = problem(4, T=12, n_min=4, n_max=12, intercept=intercept)
    likelihood = likelihood_of(rows, reml, prior_mean, intercept)
    r = len(likelihood.random)
    target = np.full(r, 0.3)
    if intercept:
        target[0] = np.nan
    if kind.startswith("iso"):
        spread = 0.8 if kind == "iso-prior" else np.inf
        alike = np.minimum(np.arange(r), int(intercept))
        covariance = Diagonal(likelihood, alike, spread=spread)
    elif kind in ("diag", "map"):
        args = (target, 0.8) if kind == "map" else ()
        covariance = Diagonal(likelihood, np.arange(r), *args)
    else:
        covariance = Full(likelihood, *((target, 0.8) if kind == "full-prior" else ()))
    if kind.startswith("full"):
        theta = covariance.theta(some_factor("full", r), 0.6)
    else:
        n = len(covariance.target)
        theta = covariance.theta(np.random.default_rng(0).uniform(0.1, 2.0, n), 0.6)
    gradient, hessian, instead = covariance.derivatives(theta)
    steps = 1e-5 * np.eye(len(theta))
    by_differences = [
        (covariance.value(theta + h) - covariance.value(theta - h)) / 2e-5 for h in steps
    ]
    assert_allclose(gradient, by_differences, rtol=1e-6, atol=1e-6)
    by_differences = [
        (covariance.derivatives(theta + h)[0] - covariance.derivatives(theta - h)[0]) / 2e-5
        for h in steps
    ]
    if kind.startswith("full"):  # by D itself
        L = covariance.factor(theta)
        grown = covariance.theta(np.sqrt(1.0 + 1e-5) * L, 0.6)
        fallen = covariance.theta(np.sqrt(1.0 - 1e-5) * L, 0.6)
        slope = (covariance.value(grown) - covariance.value(fallen)) / 2e-5
        assert_allclose(np.sum(covariance.slope(theta) * (L @ L.T)), slope, rtol=1e-6)
    scale = np.abs(hessian).max()
    assert_allclose(hessian, by_differences, rtol=0, atol=1e-6 * scale)
    assert_allclose(instead, instead.T, rtol=0, atol=1e-10 * scale)
    assert np.linalg.eigvalsh(instead)[0] >= -1e-9 * np.abs(instead).max()


@pytest.mark.parametrize("prior_mean", [False, True])
@pytest.mark.parametrize("reml", [False, True])
def test_information_by_all_rows(reml, prior_mean):
    """``tr(P V_a P V_b) - tr(P V_a) tr(P V_b) / df``, entry by entry of D and for phi."""
    rows = problem(5, T=5, n_min=3, n_max=8)
    likelihood = likelihood_of(rows, reml, prior_mean)
    L, phi, r = some_factor("full", 4), 0.7, 4
    Z = likelihood.statistics.frame.rows(rows.X)
    V, blocks = np.diag(1.0 / rows.sample_weight), []
    for a, b in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
        own = np.zeros_like(Z)
        own[a:b] = Z[a:b]
        V += own @ L @ L.T @ own.T
        blocks.append(own)
    if prior_mean:
        V += phi * Z[:, 1:] @ Z[:, 1:].T
    P = np.linalg.inv(V)
    if reml:
        fixed = P @ (Z[:, :1] if prior_mean else Z)
        P = P - fixed @ np.linalg.solve(Z[:, : fixed.shape[1]].T @ fixed, fixed.T)
    changes = []
    for i in range(r):
        for j in range(r):
            changes.append(sum(z[:, [i]] @ z[:, [j]].T for z in blocks))
            changes[-1] = 0.5 * (changes[-1] + changes[-1].T)
    if prior_mean:
        changes.append(Z[:, 1:] @ Z[:, 1:].T)
    traces = np.array([np.trace(P @ C) for C in changes])
    expected = np.array([[np.trace(P @ C @ P @ E) for E in changes] for C in changes])
    expected -= np.outer(traces, traces) / likelihood.df
    derivatives = likelihood.derivatives(likelihood.evaluate(L, phi))
    found = derivatives.pairs().information
    # A pair of entries (i, j), (j, i) changes together, as D is symmetric.
    halves = np.eye(r * r).reshape(r, r, r, r)
    halves = (0.5 * (halves + halves.transpose(1, 0, 2, 3))).reshape(r * r, r * r)
    own, last = slice(0, r * r), slice(r * r, None)
    assert_allclose(halves @ found[own, own] @ halves, expected[own, own], rtol=1e-9, atol=1e-9)
    assert_allclose(found[last], expected[last], rtol=1e-9, atol=1e-9)
    kept = np.r_[np.arange(r) * (r + 1), np.arange(r * r, len(expected))]
    assert_allclose(derivatives.diagonal().information, expected[np.ix_(kept, kept)], rtol=1e-9)


def test_kernel_is_plain_python():
    rows = problem(6)
    likelihood = likelihood_of(rows, True, False)
    G, q = likelihood.gram, likelihood.statistics.cross
    for kind in KINDS:
        L = some_factor(kind, 4)
        shapes = np.empty_like(G), np.empty_like(q), np.empty(len(q)), np.empty(len(q))
        (_, compiled), (_, plain) = both(
            mixed.eliminate, G, q, L, np.arange(4), *[s.copy() for s in shapes]
        )
        for one, other in zip(compiled, plain, strict=True):
            assert_allclose(one, other, rtol=1e-11, atol=1e-11)


def test_where_rounding_leaves_nothing_no_step_leads():
    """Fewer rows than effects, slopes that vary without bound: no error, and no minimum there."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((26, 60)), rng.standard_normal(26)
    tasks = np.repeat([0, 1], 13)
    rows = resolve_fit(MixedEffectsRegressor(), X, y, tasks=tasks, classifier=False)
    likelihood = likelihood_of(rows, True, True)
    values = [
        likelihood.evaluate(np.diag(np.r_[0.0, np.full(60, size)]), 1e14).value
        for size in (1.0, 1e4, 1e7, 1e10)
    ]
    assert np.isfinite(values[0]) and np.inf in values and not np.isnan(values).any()


def test_statistics_of_sparse_rows():
    rows = problem()
    thin = replace(rows, X=sparse.csr_array(np.where(rows.X > 1.0, rows.X, 0.0)))
    dense = replace(rows, X=thin.X.toarray())
    found, known = (task_statistics(r, make_frame(r, True), precision=True) for r in (thin, dense))
    assert_allclose(found.gram, known.gram, rtol=1e-12)
    assert_allclose(found.cross, known.cross, rtol=1e-12, atol=1e-12)
