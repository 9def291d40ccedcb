"""Kernels of rows over ordered tasks: jitted against Python, and against the optimality conditions.

x is the total variation prox of y if and only if ``u = cumsum(y - x)`` stays in [-tau, tau], ends
at 0, and is -tau where x jumps up and tau where it jumps down.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

from malsar_py._kernels import fused

from .test_kernels import PROFILE, SCALES, arrays, python, same


def signal(rng, kind, n):
    y = rng.standard_normal(n)
    if kind == "ties":
        y = rng.integers(-2, 3, n).astype(float)
    elif kind == "constant":
        y[:] = y[0]
    elif kind == "walk":
        y = np.cumsum(y)
    elif kind == "steps":
        y = np.repeat(rng.integers(-3, 4, n), 3)[:n].astype(float)
    elif kind == "zero":
        y[:] = 0.0
    elif kind == "offset":
        y += 1e6
    return y


KINDS = ["random", "ties", "constant", "walk", "steps", "zero", "offset"]
TAUS = [0.0, 1e-12, 1e-3, 0.1, 0.5, 1.0, 2.0, 10.0, 1e6, 1e20]


def variation(y, tau, run=lambda kernel: kernel):
    out = np.full_like(y, np.nan)
    # Nothing may be read that was not written.
    run(fused.total_variation)(y, tau, out, np.full((5, 2 * y.size), np.nan))
    return out


def assert_total_variation(y, tau, x):
    size = np.abs(y).max(initial=0.0)
    u, jump = np.cumsum(y - x), np.diff(x)
    rounding = 1e-14 * y.size * size
    assert abs(u[-1]) <= rounding
    assert np.all(np.abs(u[:-1]) <= tau + rounding)
    assert_allclose(u[:-1][jump > 0.0], -tau, rtol=0, atol=rounding)
    assert_allclose(u[:-1][jump < 0.0], tau, rtol=0, atol=rounding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tau", TAUS)
def test_total_variation(kind, tau):
    """7,000 signals in all: jitted, plain Python and the optimality conditions."""
    rng = np.random.default_rng([KINDS.index(kind), TAUS.index(tau)])
    for i in range(100):
        n = int(rng.integers(30, 150)) if i % 10 == 0 else int(rng.integers(1, 12))
        y = signal(rng, kind, n) * rng.choice([1.0, 1.0, 1e-100, 1e-8, 1e8])
        before = y.copy()
        x = variation(y, tau)
        assert_array_equal(y, before)
        size = np.abs(y).max()
        assert_allclose(x, variation(y, tau, python), rtol=0, atol=1e-13 * size)
        assert_total_variation(y, tau, x)
        # Fused neighbours are equal to the last bit (but for ties, where they may as well not be
        # fused).
        jumps = np.abs(np.diff(x))
        if kind in ("random", "walk") and tau > 1e-9 * size:
            assert np.all((jumps == 0.0) | (jumps > 1e-15 * size))


def test_total_variation_by_hand():
    # One entry, two entries (each moves by tau until they meet), and the mean for a large tau.
    assert_array_equal(variation(np.array([3.0]), 10.0), [3.0])
    assert_allclose(variation(np.array([0.0, 4.0]), 1.0), [1.0, 3.0])
    assert_array_equal(variation(np.array([0.0, 4.0]), 2.0), [2.0, 2.0])
    assert_array_equal(variation(np.array([0.0, 4.0, 5.0]), 1e300), [3.0, 3.0, 3.0])
    # A spike loses 2 tau, its neighbours win tau / 2 a piece of two.
    assert_allclose(variation(np.array([0.0, 0.0, 9.0, 0.0, 0.0]), 1.0), [0.5, 0.5, 7.0, 0.5, 0.5])


# --- rows: (V, order, group, fused, sparse) -----------------------------------------------------


STRENGTHS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0])


@st.composite
def rows(draw):
    d, T = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    V = draw(arrays((d, T))) * draw(SCALES)
    order = np.array(draw(st.permutations(range(T))), np.int64)
    return V, order, *(draw(arrays(d, STRENGTHS)) for _ in range(3))


def soft_variation(y, tau, sparse):
    x = variation(y, tau, python)
    return np.sign(x) * np.maximum(np.abs(x) - sparse, 0.0)


def prox_row(y, group, fuse, sparse):
    x = soft_variation(y, fuse, sparse)
    length = np.linalg.norm(x)
    return x * (1.0 - group / length) if length > group else 0.0 * x


@PROFILE
@given(rows(), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
def test_prox(problem, step):
    V, order, group, fuse, sparse = problem
    size = np.abs(V).max(initial=0.0)
    step *= size
    _, written = same(fused.prox, *problem, step, np.empty_like(V), scale=size)
    for j, out in enumerate(written[-1]):
        expected = prox_row(V[j, order], step * group[j], step * fuse[j], step * sparse[j])
        assert_allclose(out[order], expected, rtol=0, atol=1e-12 * size)


@PROFILE
@given(arrays(5), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.0, 0.2, 20.0]))
def test_sparse_fused(y, tau, sparse):
    (length,), written = same(
        fused._sparse_fused, y, tau, sparse, np.empty(5), np.zeros((5, 10)), scale=10.0
    )
    assert_allclose(written[1], soft_variation(y, tau, sparse), rtol=0, atol=1e-13 * 10)
    assert_allclose(length, np.linalg.norm(written[1]), rtol=1e-12)


@PROFILE
@given(rows())
def test_row_sums(problem):
    V, order, group, fuse, sparse = problem
    _, written = same(fused.row_sums, *problem, np.empty(V.shape[0]))
    W = V[:, order]
    jumps = np.abs(np.diff(W, axis=1)).sum(axis=1)
    expected = group * np.linalg.norm(W, axis=1) + fuse * jumps + sparse * np.abs(W).sum(axis=1)
    assert_allclose(written[-1], expected, rtol=1e-12, atol=1e-14 * np.abs(V).max())


@PROFILE
@given(rows())
def test_dual_norm(problem):
    G, order, group, fuse, sparse = problem
    alone = (group == 0.0) & (sparse == 0.0)
    G[alone] -= G[alone].mean(axis=1, keepdims=True)
    (largest,), _ = same(fused.dual_norm, *problem, rtol=1e-9)
    expected = 0.0
    for g, a, b, c in zip(G[:, order], group, fuse, sparse, strict=True):
        if not np.abs(g).max() > 0.0:
            continue
        if a == c == 0.0:
            u = np.abs(np.cumsum(g)[:-1]).max(initial=0.0)
            expected = max(expected, u / b if b > 0.0 else (np.inf if u > 0.0 else 0.0))
            continue
        high = min(
            np.linalg.norm(g) / a if a > 0.0 else np.inf, np.abs(g).max() / c if c > 0.0 else np.inf
        )

        def excess(s, g=g, a=a, b=b, c=c):
            return np.linalg.norm(soft_variation(g, s * b, s * c)) - s * a

        # Without a group term the excess ends at 0 and stays there: look for its end.
        tiny = 0.0 if a > 0.0 else 1e-13 * np.abs(g).max()
        if excess(high) >= tiny:
            expected = max(expected, high)
        else:
            root = brentq(lambda s: excess(s) - tiny, 0.0, high, xtol=1e-300, rtol=1e-14)  # noqa: B023
            expected = max(expected, root)
    if np.isfinite(expected):
        assert_allclose(largest, expected, rtol=1e-9, atol=1e-12 * np.abs(G).max())
    else:
        assert np.isinf(largest)


@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
@pytest.mark.parametrize("where", range(4))
def test_nan_stays(run, where):
    V = np.array([[1.0, 2.0, 3.0, 5.0], [1.0, 0.0, 2.0, 4.0]])
    V[0, where] = np.nan
    out = np.empty_like(V)
    half = np.full(2, 0.5)
    with np.errstate(invalid="ignore"):
        run(fused.prox)(V, np.arange(4), half, half, half, 1.0, out)
        sums = np.empty(2)
        run(fused.row_sums)(V, np.arange(4), half, half, half, sums)
    assert np.isnan(out[0]).any()
    assert np.isnan(sums[0])
    assert np.isfinite(out[1]).all()
    assert np.isfinite(sums[1])
