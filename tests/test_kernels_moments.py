"""Kernels of summaries: against plain Python and sums in long doubles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py._kernels import moments
from malsar_py._summary._moments import Moments

from .test_kernels import same


def test_sort_by_key():
    keys = np.random.default_rng(0).integers(0, 5, 60)
    keys[keys == 3] = 4
    *_, order, bounds = same(
        moments.sort_by_key, keys, 6, np.empty(60, np.intp), np.empty(7, np.intp)
    )[1]
    assert_array_equal(order, np.argsort(keys, kind="stable"))
    assert_array_equal(np.diff(bounds), np.bincount(keys, minlength=6))


def rows(n=40, d=3, q=2):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)) + 5.0, rng.standard_normal((n, q)), rng.uniform(0.5, 2, n)


@pytest.mark.parametrize("weighted", [True, False])
def test_fill_block(weighted):
    X, Y, s = rows()
    chosen, center = np.array([3, 7, 30]), np.arange(5.0)
    *_, block = same(
        moments.fill_block, X, Y, s, weighted, chosen, center, np.zeros((4, 6)), rtol=1e-14
    )[1]
    root = np.sqrt(s[chosen]) if weighted else np.ones(3)
    expected = np.column_stack([X[chosen] - center[:3], Y[chosen] - center[3:], np.ones(3)])
    assert_allclose(block[:3], root[:, None] * expected)
    assert not block[3].any()


def exact(Z, s):
    """Weight, mean and scatter in long doubles."""
    Z, s = Z.astype(np.longdouble), s.astype(np.longdouble)
    mean = s @ Z / s.sum()
    return float(s.sum()), mean, (s[:, None] * (Z - mean)).T @ (Z - mean)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("block", [4, 64])
def test_add_rows(weighted, block):
    """Two calls with keys in another order; three of four keys have rows, some rows no key."""
    X, Y, s = rows()
    keys = np.random.default_rng(1).integers(0, 4, 40)
    state = Moments.zeros(4, 5)
    names = ("n", "log_weight", "weight", "shift", "offset", "scatter")
    for part, where in ((slice(0, 25), [2, 0, 3]), (slice(25, 40), [0, 3, 2])):
        where = np.array(where)
        codes = np.full(40, 3)
        for code, k in enumerate(where):
            codes[keys == k] = code
        order, bounds = np.empty(len(codes[part]), np.intp), np.empty(5, np.intp)
        moments.sort_by_key(codes[part], 4, order, bounds)
        center = state.mean[where]
        given = [np.ascontiguousarray(v[part]) for v in (X, Y, s)]
        arrays = [getattr(state, name) for name in names]
        _, found = same(
            moments.add_rows,
            *given,
            weighted,
            order,
            bounds,
            where,
            *arrays,
            center,
            center - state.shift[where],
            np.empty((block, 6)),
            rtol=1e-12,
        )
        state = Moments(**dict(zip(names, found[6:12], strict=True)))
    for k in range(4):
        own = keys == k
        if k == 1:
            assert state.n[k] == 0 and not state.scatter[k].any()
            continue
        size = s[own] if weighted else np.ones(own.sum())
        weight, mean, scatter = exact(np.column_stack([X, Y])[own], size)
        assert state.n[k] == own.sum()
        assert_allclose(state.weight[k], weight)
        assert_allclose(state.log_weight[k], np.log(size).sum())
        assert_allclose(state.mean[k], mean.astype(float), rtol=1e-13)
        assert_allclose(state.full_scatter(k), scatter.astype(float), rtol=1e-11, atol=1e-12)
        assert not np.tril(state.scatter[k], -1).any()


@pytest.mark.parametrize("first", [1e3, 1e8])
@pytest.mark.parametrize("calls", [1, 3])
def test_rows_far_from_the_first(first, calls):
    """The first row, or all before the last call, far from the others: digits are kept."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((300, 2))
    Z[0] = first
    state = Moments.zeros(1, 2)
    codes = np.zeros(300, np.intp)
    for own in np.array_split(np.arange(300), calls):
        X, Y = np.ascontiguousarray(Z[own, :1]), np.ascontiguousarray(Z[own, 1:])
        state.add_rows(X, Y, None, codes[own], np.zeros(1, np.intp))
    _, mean, scatter = exact(Z, np.ones(300))
    assert_allclose(state.mean[0], mean.astype(float), rtol=1e-13, atol=1e-14 * first)
    assert_allclose(state.full_scatter(0), scatter.astype(float), rtol=1e-13)


def test_add_scatter():
    rng = np.random.default_rng(0)
    others, between = rng.standard_normal((2, 3, 3)), rng.standard_normal((2, 3))
    scatter, factor, where = rng.standard_normal((4, 3, 3)), np.array([0.5, 2.0]), np.array([3, 1])
    *_, found = same(
        moments.add_scatter, where, others, factor, between, scatter.copy(), rtol=1e-13
    )[1]
    expected = scatter.copy()
    products = factor[:, None, None] * between[:, :, None] * between[:, None]
    expected[where] += np.triu(others + products)
    assert_allclose(found, expected, rtol=1e-12)


def splitmix(row, n_folds):
    mask, state = (1 << 64) - 1, 0
    for bits in np.array(row).view(np.uint64).tolist():
        state = ((state ^ bits) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state % n_folds


@np.errstate(over="ignore")  # products are meant to wrap, also where kernels are plain Python
def test_hash_rows():
    X, Y, _ = rows(n=150)
    X[5] = 0.0
    folds = np.empty(150, np.intp)
    moments.hash_rows(X.view(np.uint64), Y.view(np.uint64), 5, folds)
    assert folds.tolist() == [splitmix(row, 5) for row in np.column_stack([X, Y])]
    assert np.bincount(folds).min() > 15
    X[5] = -0.0
    again = np.empty(150, np.intp)
    moments.hash_rows(X.view(np.uint64), Y.view(np.uint64), 5, again)
    assert_array_equal(folds, again)
