"""The kernels of the multinomial loss: against plain Python, formulas and a generic minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from malsar_py._kernels import multinomial

from .test_kernels import python, same

SIZES, K = (7, 12, 5), 4


def samples(seed=0, scale=2.0, lacking=False):
    """y, z, c, offsets of three tasks of four classes; the first lacks a class, if it is to."""
    rng = np.random.default_rng(seed)
    sizes = np.repeat(SIZES, K)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    y, c = np.zeros(offsets[-1]), np.zeros(offsets[-1])
    for t, n in enumerate(SIZES):
        first = K - 1 if lacking and t == 0 else K
        label = np.concatenate([np.arange(first), rng.integers(0, first, n - first)])
        weight = rng.choice([0.1, 0.25, 1.0], n)
        weight[-1] = 0.0 if n > K + 1 else 0.5
        for k in range(K):
            own = slice(offsets[t * K + k], offsets[t * K + k + 1])
            y[own], c[own] = label == k, weight
            y[own][weight == 0.0] = 0.0
    return y, scale * rng.standard_normal(offsets[-1]), c, offsets


def blocks(offsets, *vectors):
    """Each task's part of the vectors, (K, n)."""
    for t in range(len(SIZES)):
        own = slice(offsets[t * K], offsets[(t + 1) * K])
        yield [v[own].reshape(K, -1) for v in vectors]


def loss(y, z, c, b):
    """Of one task, over the classes it has."""
    has = (c * y).sum(axis=1) > 0.0
    at = (z + b[:, None])[has]
    return float(c[0] @ (logsumexp(at, axis=0) - (y[has] * at).sum(axis=0)))


def shares(y, z, c, offsets, b):
    """``c p`` with the classes of the task."""
    parts = []
    for t, (yt, zt, ct) in enumerate(blocks(offsets, y, z, c)):
        has = (ct * yt).sum(axis=1) > 0.0
        at = np.where(has[:, None], zt + b[t * K : (t + 1) * K, None], -np.inf)
        parts.append((ct * softmax(at, axis=0)).ravel())
    return np.concatenate(parts)


@pytest.mark.parametrize("lacking", [False, True])
@pytest.mark.parametrize("start", [0.0, 3.0, -50.0])
def test_evaluate_with_intercepts(lacking, start):
    y, z, c, offsets = samples(lacking=lacking)
    b0 = start * np.arange(len(offsets) - 1.0)
    (value,), (*_, b, theta) = same(
        multinomial.evaluate, y, z, c, offsets, K, True, b0, np.empty_like(y), scale=40.0, rtol=1e-9
    )
    assert_allclose(theta, c * y - shares(y, z, c, offsets, b), rtol=1e-12, atol=1e-15)
    assert_allclose(np.add.reduceat(theta, offsets[:-1]), 0.0, atol=1e-12 * c.sum())
    best = 0.0
    for t, (yt, zt, ct) in enumerate(blocks(offsets, y, z, c)):
        own = b[t * K : (t + 1) * K]
        assert abs(own.sum()) < 1e-12 * (1.0 + np.abs(own).max())
        assert own[(ct * yt).sum(axis=1) == 0.0].sum() == 0.0
        best += minimize(lambda b, t=(yt, zt, ct): loss(*t, b), np.zeros(K), tol=1e-12).fun
    assert_allclose(value, best, rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 30.0, 1e3, 1e100])
def test_evaluate_without_intercepts(scale):
    y, z, c, offsets = samples(scale=scale, lacking=True)
    args = (y, z, c, offsets, K, False, np.full(len(offsets) - 1, 7.0), np.empty_like(y))
    (value,), (*_, b, theta) = same(multinomial.evaluate, *args, scale=0.0)
    assert (b == 0.0).all()
    expected, at = 0.0, []
    for yt, zt, ct in blocks(offsets, y, z, c):
        lead = zt - (yt * zt).sum(axis=0)
        expected += float(ct[0] @ logsumexp(lead, axis=0))
        p = softmax(zt, axis=0)
        # One minus the share of the class itself, to all digits.
        others = np.where(yt > 0.0, -np.inf, zt)
        own = np.exp(logsumexp(others, axis=0) - logsumexp(zt, axis=0))
        at.append((ct * np.where(yt > 0.0, own, -p)).ravel())
    assert_allclose(value, expected, rtol=1e-12)
    assert_allclose(theta, np.concatenate(at), rtol=1e-11, atol=1e-300)


def test_intercepts_of_hard_tasks():
    """Rare classes, huge margins, far starts: still the best intercepts."""
    rng = np.random.default_rng(0)
    n = 600
    offsets = np.arange(4) * n
    c = np.full(3 * n, 1.0 / n)
    for scale in (0.0, 1.0, 10.0, 50.0, 500.0):
        for rare in (1, 30):
            label = np.where(np.arange(n) < rare, 2, np.arange(n) % 2)
            y = (label == np.arange(3)[:, None]).astype(float).ravel()
            z = scale * rng.standard_normal(3 * n)
            values = []
            for start in ([0.0] * 3, [-40.0, 0.0, 9.0], [700.0, -700.0, 0.0]):
                b, theta = np.array(start), np.empty(3 * n)
                values.append(multinomial.evaluate(y, z, c, offsets, 3, True, b, theta))
                assert np.abs(theta.reshape(3, -1).sum(axis=1)).max() <= 1e-12
            assert_allclose(values, values[0], rtol=1e-12)


@pytest.mark.parametrize("lacking", [False, True])
def test_balance(lacking):
    """Sums of zero in every column; the mixture of the module's docstring."""
    y, z, c, offsets = samples(lacking=lacking)
    p = np.concatenate([softmax(zt, axis=0).ravel() for (zt,) in blocks(offsets, z)])
    theta = c * y - c * p
    _, (*_, out) = same(multinomial.balance, y, c, offsets, K, theta, rtol=1e-12, scale=1.0)
    assert_allclose(np.add.reduceat(out, offsets[:-1]), 0.0, atol=1e-15 * len(y))
    for yt, pt, ct, found in blocks(offsets, y, p, c, out):
        m, has = (ct * pt).sum(axis=1), (ct * yt).sum(axis=1)
        lack, excess = np.maximum(has - m, 0.0), np.maximum(m - has, 0.0)
        M = np.diag(np.minimum(1.0, has / m)) + np.outer(excess / m, lack) / lack.sum()
        assert_allclose(M.sum(axis=1), 1.0)
        assert_allclose(found, ct * (yt - M.T @ pt), atol=1e-15)
    # What is balanced stays as it is.
    again = out.copy()
    multinomial.balance(y, c, offsets, K, again)
    assert_allclose(again, out, atol=1e-15)


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0, 1e-9])
def test_dual(alpha):
    y, z, c, offsets = samples()
    p = np.concatenate([softmax(zt, axis=0).ravel() for (zt,) in blocks(offsets, z)])
    theta = c * (y - p)
    (value,), _ = same(multinomial.dual, y, theta, c, alpha, scale=c.sum(), rtol=1e-12)
    a = (1.0 - alpha) * y + alpha * p
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = -np.sum(c * np.where(a > 0.0, a * np.log(a), 0.0))
    assert_allclose(value, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_dual_outside_its_domain(run):
    y, c = np.array([1.0, 0.0, 0.0]), np.ones(3)
    dual = run(multinomial.dual)
    assert dual(y, np.array([1.5, -1.0, -0.5]), c, 1.0) == -np.inf
    assert dual(y, np.array([0.0, 0.1, -0.1]), c, 1.0) == -np.inf
    assert dual(y, np.array([np.nan, 0.0, 0.0]), c, 1.0) == -np.inf
    assert np.isfinite(dual(y, np.array([9.0, -0.5, -0.5]), np.array([0.0, 1.0, 1.0]), 1.0))


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_curve(fit_intercept):
    """The derivative of theta along a direction, the intercepts following."""
    y, z, c, offsets = samples(scale=1.0)
    v = np.random.default_rng(1).standard_normal(len(y))
    b, theta, e = np.zeros(len(offsets) - 1), np.empty_like(y), 1e-5

    def at(z):
        found = np.empty_like(y)
        multinomial.evaluate(y, z, c, offsets, K, fit_intercept, np.zeros_like(b), found)
        return found

    theta[:] = at(z)
    args = (y, theta, c, offsets, K, fit_intercept, v, np.empty_like(y))
    _, (*_, out) = same(multinomial.curve, *args, rtol=1e-9, scale=1.0)
    assert_allclose(out, (at(z - e * v) - at(z + e * v)) / (2.0 * e), atol=1e-9)


def test_totals():
    """multinomial._totals, multinomial._shares, multinomial._curvature, multinomial._solve."""
    y, z, c, offsets = samples()
    (yt, zt, ct), n = next(blocks(offsets, y, z, c)), SIZES[0]
    flat = (yt.ravel(), zt.ravel(), ct[0].copy())
    _, (*_, totals) = same(multinomial._totals, flat[0], flat[2], n, np.empty(K))
    assert_allclose(totals, (ct * yt).sum(axis=1))
    b, there = np.array([0.5, -0.2, 0.0, 1.0]), np.array([True, True, False, True])
    label = yt.argmax(axis=0)
    other = flat[0].copy()
    other.reshape(K, -1)[:, label == 2] = 0.0  # samples of a class that is not there
    other.reshape(K, -1)[0, label == 2] = 1.0
    room = [np.empty(K), np.empty(K), np.empty(n * K)]
    (value, slack), (*_, m, pull, out) = same(
        multinomial._shares, other, *flat[1:], n, b, there, *room
    )
    p = softmax(np.where(there[:, None], zt + b[:, None], -np.inf), axis=0)
    assert_allclose(out.reshape(K, -1), ct * p, atol=1e-16)
    assert_allclose(m, (ct * p).sum(axis=1), atol=1e-16)
    picked = p[other.reshape(K, -1).argmax(axis=0), np.arange(n)]
    assert_allclose(slack, ct[0] @ (1.0 - picked))
    assert_allclose(pull, (ct * (other.reshape(K, -1) - p)).sum(axis=1), atol=1e-14)
    assert_allclose(value, -ct[0] @ np.log(picked), rtol=1e-12)
    keep = np.array([True, False, False, True])
    _, (*_, H) = same(multinomial._curvature, out, flat[2], n, m, keep, np.zeros((K, K)))
    full = np.diag(m) - (ct * p) @ p.T
    expected = np.where(np.outer(keep, keep), full, np.diag(1.0 - keep))
    assert_allclose(np.tril(H), np.tril(expected), atol=1e-13)
    x = np.array([1.0, 0.0, 0.0, -2.0])
    _, (_, found) = same(multinomial._solve, H, x)
    assert_allclose(expected @ found, x, atol=1e-10)


def test_task_shares():
    """multinomial._task_shares, multinomial._along, multinomial._best_intercepts."""
    y, z, c, offsets = samples()
    (yt, zt, ct), n = next(blocks(offsets, y, z, c)), SIZES[0]
    p = softmax(zt, axis=0)
    theta = (ct * (yt - p)).ravel()
    (found,), _ = same(multinomial._task_shares, yt.ravel(), theta, ct[0].copy(), n, K)
    assert_allclose(found.reshape(K, -1), ct * p, atol=1e-15)
    v, shift = np.random.default_rng(0).standard_normal((K, n)), np.arange(K) * 0.1
    _, (*_, out) = same(
        multinomial._along, found, ct[0].copy(), n, v.ravel(), shift, np.empty(K * n)
    )
    u = v + shift[:, None]
    assert_allclose(out.reshape(K, -1), ct * p * (u - (p * u).sum(axis=0)), atol=1e-14)
    totals = (ct * yt).sum(axis=1)
    args = (yt.ravel(), zt.ravel(), ct[0].copy(), n, totals, totals > 0.0)
    _, (*_, b, _) = same(
        multinomial._best_intercepts, *args, np.zeros(K), np.empty(K * n), scale=10.0, rtol=1e-9
    )
    assert_allclose((ct * softmax(zt + b[:, None], axis=0)).sum(axis=1), totals, rtol=1e-11)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_nan_stays_in_its_task(run, fit_intercept):
    y, z, c, offsets = samples()
    z[1] = np.nan
    b, theta = np.zeros(len(offsets) - 1), np.zeros_like(y)
    with np.errstate(all="ignore"):
        assert np.isnan(run(multinomial.evaluate)(y, z, c, offsets, K, fit_intercept, b, theta))
    assert np.isfinite(theta[offsets[K] :]).all()
    assert np.isfinite(b[K:]).all()
