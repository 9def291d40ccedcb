"""Kernels of the losses: jitted and as plain Python, against formulas and conjugates by search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq, minimize_scalar

from malsar_py._kernels import losses
from malsar_py.losses import Gamma, Huber, Logistic, Poisson

from .test_kernels import PROFILE, arrays, python, same, task_samples, task_slices

COUNTS = st.sampled_from([0.0, 0.0, 1.0, 2.0, 7.0, 0.5, 300.0])
AMOUNTS = st.sampled_from([1e-3, 0.2, 1.0, 1.0, 3.5, 1e3])
EVERY = [Huber(0.7), Poisson(), Gamma(), Logistic()]


def targets_of(loss, rng, n):
    return {
        "Huber": lambda: rng.standard_normal(n) * 3.0,
        "Poisson": lambda: rng.poisson(1.5, n).astype(float),
        "Gamma": lambda: rng.gamma(2.0, 1.0, n),
        "Logistic": lambda: rng.permuted(
            np.resize([-1.0, 1.0, 1.0], n).reshape(-1, 10), axis=1
        ).ravel(),
    }[type(loss).__name__]()


def with_events(y, c, offsets):
    y = y.copy()
    y[offsets[:-1]] = np.maximum(y[offsets[:-1]], 0.5)
    return y


@PROFILE
@given(
    samples=task_samples(),
    fit=st.booleans(),
    delta=st.sampled_from([0.1, 1.35, 100.0]),
    start=arrays(4),
)
def test_clipped(samples, fit, delta, start):
    y, z, c, offsets = samples
    T = len(offsets) - 1
    b0 = start[:T].copy()
    (value,), written = same(
        losses.clipped,
        y,
        z,
        c,
        offsets,
        fit,
        -0.5 * delta,
        delta,
        1.0,
        b0,
        np.empty_like(y),
        scale=20.0,
        rtol=1e-11,
    )
    b, theta = written[-2:]
    r = y - z - np.repeat(b, np.diff(offsets))
    a = np.clip(r, -0.5 * delta, delta)
    assert_allclose(theta, c * a, rtol=1e-12, atol=1e-13)
    assert_allclose(value, np.sum(c * a * (r - 0.5 * a)), rtol=1e-12, atol=1e-13)
    if fit:
        for own in task_slices(offsets):
            assert abs(theta[own].sum()) <= 1e-12 * delta * c[own].sum()
    else:
        assert (b == 0.0).all()


@PROFILE
@given(samples=task_samples(targets=COUNTS), fit=st.booleans(), scale=st.sampled_from([1.0, 30.0]))
def test_poisson(samples, fit, scale):
    y, z, c, offsets = samples
    y, z = with_events(y, c, offsets), scale * z
    T = len(offsets) - 1
    (value,), written = same(
        losses.poisson, y, z, c, offsets, fit, np.ones(T), np.empty_like(y), scale=c @ y, rtol=1e-10
    )
    b, theta = written[-2:]
    at = z + np.repeat(b, np.diff(offsets))
    assert_allclose(theta, c * (y - np.exp(at)), rtol=1e-11, atol=1e-12 * np.abs(theta).max())
    expected = np.where(c > 0.0, c * Poisson().value(y, at), 0.0).sum()
    assert_allclose(value, expected, rtol=1e-9, atol=1e-10 * (c @ (y * (1.0 + np.abs(at)))))
    if fit:
        for own in task_slices(offsets):
            assert abs(theta[own].sum()) <= 1e-11 * (c[own] @ y[own])


@PROFILE
@given(samples=task_samples(targets=AMOUNTS), fit=st.booleans(), scale=st.sampled_from([1.0, 30.0]))
def test_gamma(samples, fit, scale):
    y, z, c, offsets = samples
    z = scale * z
    T = len(offsets) - 1
    (value,), written = same(
        losses.gamma, y, z, c, offsets, fit, np.ones(T), np.empty_like(y), scale=c.sum(), rtol=1e-10
    )
    b, theta = written[-2:]
    at = z + np.repeat(b, np.diff(offsets))
    assert_allclose(theta, c * (y * np.exp(-at) - 1.0), rtol=1e-10, atol=1e-12 * c.max())
    expected = np.where(c > 0.0, c * Gamma().value(y, at), 0.0).sum()
    assert_allclose(value, expected, rtol=1e-10, atol=1e-12 * c.sum())
    if fit:
        for own in task_slices(offsets):
            assert abs(theta[own].sum()) <= 1e-11 * np.abs(theta[own]).sum() + 1e-13 * c.sum()


@pytest.mark.parametrize("loss", EVERY, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_intercepts_are_the_best_ones(loss, seed):
    """Of every segment, tasks or all samples as one, whatever the start."""
    rng = np.random.default_rng(seed)
    y, z, c = targets_of(loss, rng, 30), rng.standard_normal(30), rng.uniform(0.1, 1.0, 30)
    c[::7] = 0.0
    for offsets in (np.array([0, 10, 20, 30]), np.array([0, 30])):
        found = loss.evaluate(y, z, c, offsets, True)
        far = loss.evaluate(y, z, c, offsets, True, np.full(len(offsets) - 1, 30.0))
        generic = super(type(loss), loss).evaluate(y, z, c, offsets, True)
        assert_allclose(far.value, found.value, rtol=1e-12)
        assert_allclose(generic.value, found.value, rtol=1e-11)
        assert_allclose(generic.theta, found.theta, atol=1e-9)
        own = loss.by_task(y, z, c, offsets, found.intercepts)
        assert_allclose(own.sum(), found.value, rtol=1e-12)
        for t, segment in enumerate(task_slices(offsets)):
            one = np.array([0, segment.stop - segment.start])

            def at(b, segment=segment, one=one):
                return loss.by_task(y[segment], z[segment], c[segment], one, np.array([b]))[0]

            best = minimize_scalar(at, bracket=(-3.0, 3.0), tol=1e-10).fun
            assert own[t] <= best * (1.0 + 1e-12) + 1e-15


@pytest.mark.parametrize("loss", EVERY, ids=str)
def test_derivatives_and_conjugates(loss):
    """By differences, and the conjugate by maximising ``-theta z - c loss(z)``."""
    rng = np.random.default_rng(0)
    y, z, c = targets_of(loss, rng, 20), rng.standard_normal(20), rng.uniform(0.1, 1.0, 20)
    h = 1e-6
    slope = (loss.value(y, z + h) - loss.value(y, z - h)) / (2.0 * h)
    assert_allclose(loss.derivative(y, z), slope, atol=1e-6)
    theta = -c * loss.derivative(y, z)
    bend = c * (loss.derivative(y, z + h) - loss.derivative(y, z - h)) / (2.0 * h)
    assert_allclose(loss.second_derivative(y, theta, c), bend, atol=1e-6)
    assert (loss.model_curvature(y, theta, c) >= loss.second_derivative(y, theta, c)).all()
    assert (loss.value(y, z) >= 0.0).all()
    for alpha in (0.0, 0.3, 1.0):
        for i in range(20):
            one = slice(i, i + 1)

            def conjugate(at, one=one, alpha=alpha):
                return float(
                    (c[one] * loss.value(y[one], np.array([at])) + alpha * theta[one] * at)[0]
                )

            best = minimize_scalar(conjugate, bracket=(-1.0, 1.0), tol=1e-12)
            dual = loss.dual(y[one], theta[one], c[one], alpha)
            assert dual <= best.fun + 1e-9  # the infimum, where it is attained
            if -25.0 < best.x < 25.0:
                assert_allclose(dual, best.fun, atol=1e-8)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_duals_outside_their_domains(run):
    y, c = np.array([2.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.0])
    poisson, gamma = run(losses.poisson_dual), run(losses.gamma_dual)
    assert poisson(y, np.array([2.1, -1.0, 9.0]), c, 1.0) == -np.inf
    assert poisson(y, np.array([0.0, 0.1, 9.0]), c, 1.0) == -np.inf
    assert np.isfinite(poisson(y, np.array([2.0, -1.0, 9.0]), c, 1.0))
    assert poisson(y, np.array([np.nan, -1.0, 9.0]), c, 1.0) == -np.inf
    y = np.array([2.0, 0.5, 1.0])
    assert gamma(y, np.array([-1.1, 0.0, 9.0]), c, 1.0) == -np.inf
    assert gamma(y, np.array([np.nan, 0.0, 9.0]), c, 1.0) == -np.inf
    assert np.isfinite(gamma(y, np.array([-1.0, 5.0, 9.0]), c, 1.0))
    assert Huber(1.0).dual(y, np.array([1.1, 0.0, 0.0]), c, 1.0) == -np.inf
    assert Huber(1.0).dual(y, np.array([np.nan, 0.0, 0.0]), c, 1.0) == -np.inf


@PROFILE
@given(samples=task_samples(targets=COUNTS))
def test_poisson_balance(samples):
    y, z, c, offsets = samples
    y = with_events(y, c, offsets)
    theta = c * (y - np.exp(z))
    (_), (*_, out) = same(
        losses.poisson_balance, y, c, offsets, theta, scale=c @ (y + np.exp(z)), rtol=1e-11
    )
    for own in task_slices(offsets):
        assert abs(out[own].sum()) <= 1e-12 * (c[own] @ (y[own] + np.exp(z[own])))
    assert (out <= c * y * (1.0 + 1e-15)).all()
    again = out.copy()
    losses.poisson_balance(y, c, offsets, again)
    assert_allclose(again, out, rtol=1e-9, atol=1e-12 * (c @ (y + np.exp(z))))
    assert np.isfinite(losses.poisson_dual(y, out, c, 1.0))


@PROFILE
@given(samples=task_samples(targets=AMOUNTS))
def test_gamma_balance(samples):
    y, z, c, offsets = samples
    theta = c * np.expm1(np.log(y) - z)
    (_), (*_, out) = same(
        losses.gamma_balance, c, offsets, theta, scale=c @ (1.0 + y * np.exp(-z)), rtol=1e-11
    )
    for own in task_slices(offsets):
        assert abs(out[own].sum()) <= 1e-12 * c[own].sum()
    assert np.isfinite(losses.gamma_dual(y, out, c, 1.0))


@PROFILE
@given(samples=task_samples(targets=COUNTS), alpha=st.sampled_from([0.0, 1e-9, 0.5, 1.0]))
def test_poisson_dual(samples, alpha):
    y, z, c, _ = samples
    theta = c * (y - np.exp(z))
    (value,), _ = same(losses.poisson_dual, y, theta, c, alpha, scale=c.sum(), rtol=1e-11)
    u = (1.0 - alpha) * y + alpha * np.exp(z)
    expected = c * (u - u * np.log(np.where(u > 0.0, u, 1.0)) - y)
    expected += c * y * np.log(np.where(y > 0.0, y, 1.0))
    assert_allclose(value, expected.sum(), rtol=1e-9, atol=1e-11 * (c @ (1.0 + y * y + u * u)))


@PROFILE
@given(samples=task_samples(targets=AMOUNTS), alpha=st.sampled_from([0.0, 1e-9, 0.5, 1.0]))
def test_gamma_dual(samples, alpha):
    y, z, c, _ = samples
    theta = c * (y * np.exp(-z) - 1.0)
    (value,), _ = same(losses.gamma_dual, y, theta, c, alpha, scale=c.sum(), rtol=1e-10)
    u = (1.0 - alpha) + alpha * y * np.exp(-z)
    expected = c * (u * np.log(y / u) + u - np.log(y) - 1.0)
    assert_allclose(value, expected.sum(), rtol=1e-8, atol=1e-10 * (c @ (u * u + 10.0)))


@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
def test_huber_intercepts_of_hard_tasks(scale):
    """Two heaps far apart, far starts: the root in a bounded number of steps."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(1001) < 500, 0.0, 1e6) + scale * rng.standard_normal(1001)
    c, offsets = np.full(1001, 1e-3), np.array([0, 1001])

    def slope(b):
        return float(np.sum(c * np.clip(y - b, -1.0, 1.0)))

    for start in (0.0, -1e9, 1e9):
        b, theta = np.array([start]), np.empty(1001)
        losses.clipped(y, np.zeros(1001), c, offsets, True, -1.0, 1.0, 1.0, b, theta)
        assert abs(slope(b[0])) <= 1e-11  # y has ten digits before the point
        assert abs(slope(brentq(slope, -1e7, 1e7, xtol=1e-12))) <= 1e-9
