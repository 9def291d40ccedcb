"""Levels at which vectors are cut: compiled against plain Python and against bisection."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from malsar_py._kernels import levels

from .test_kernels import PROFILE, both, matrices, same

KINDS = st.sampled_from(["random", "ties", "zeros", "spread", "one"])


def vector(seed, n, kind):
    v = np.abs(np.random.default_rng(seed).standard_normal(n))
    if kind == "ties":
        v = np.round(v)
    elif kind == "zeros":
        v[n // 2 :] = 0.0
    elif kind == "spread":
        v *= np.logspace(0, -14, n)
    elif kind == "one":
        v[1:] = v[0]
    return v


@PROFILE
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    kind=KINDS,
    share=st.sampled_from([0.0, 1e-14, 1e-3, 0.5, 0.999, 1.0, 3.0]),
    extra=st.sampled_from([0.0, 1e-9, 0.3, 7.0, 1e6]),
    scale=st.sampled_from([1.0, 1e-100, 1e100]),
)
@example(seed=0, n=4, kind="zeros", share=0.0, extra=0.0, scale=1.0)
def test_level(seed, n, kind, share, extra, scale):
    """u solves sum max(v - u, 0) = total + extra u."""
    v = vector(seed, n, kind) * scale
    total = share * v.sum()
    ((u,), _), ((plain,), _) = both(levels.level, v, total, extra)
    top = v.max()
    assert_allclose(u, plain, rtol=0, atol=1e-13 * top)
    if v.sum() <= total:
        # At equality the two sums, taken in different orders, may differ by rounding.
        assert u == 0.0 if v.sum() < (1.0 - 1e-12) * total else 0.0 <= u <= 1e-13 * top
        return

    def over(x):
        return np.maximum(v - x, 0.0).sum() - total - extra * x

    # (any u from the largest entry on solves it for a total of zero: that entry is meant)
    expected = brentq(over, 0.0, 2.0 * top, xtol=1e-300, rtol=1e-15)
    assert_allclose(u, min(expected, top), rtol=0, atol=1e-13 * top)


@PROFILE
@given(V=matrices(), seed=st.integers(0, 99))
def test_row_linf(V, seed):
    share = np.random.default_rng(seed).choice([0.0, 0.2, 0.9, 1.0, 2.0], len(V))
    threshold = share * np.abs(V).sum(axis=1)
    _, (_, _, out) = same(levels.row_linf, V, threshold, np.empty_like(V))
    for row, p, radius in zip(V, out, threshold, strict=True):
        u = np.abs(p).max()
        assert_allclose(p, np.clip(row, -u, u), rtol=0, atol=1e-14 * np.abs(row).max())
        removed = np.abs(row - p).sum()
        assert_allclose(removed, min(radius, np.abs(row).sum()), rtol=1e-12, atol=0)


def test_what_is_not_finite_stays_visible():
    V = np.array([[np.nan, 1.0], [np.inf, 1.0], [3.0, -1.0]])
    out = np.empty_like(V)
    levels.row_linf(V, np.full(3, 0.5), out)
    assert np.isnan(out[0, 0])
    assert not np.isfinite(out[1, 0])
    assert_allclose(out[2], [2.5, -1.0])
