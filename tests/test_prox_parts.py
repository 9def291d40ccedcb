"""Operators and penalties of two-part models: against other routes than their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from malsar_py import penalties, prox

from .test_prox import KINDS, PROFILE, SCALES, SEEDS, SHAPES, SPECTRA, from_svd, matrix

SHAPE = st.sampled_from(SHAPES)
STRENGTHS = st.sampled_from([1e-6, 1e-2, 0.3, 1.0, 5.0])


def level_by_bisection(v, excess):
    """u with sum max(v - u, 0) = excess(u)."""

    def over(u):
        return np.maximum(v - u, 0.0).sum() - excess(u)

    return brentq(over, 0.0, v.max(), xtol=1e-300, rtol=1e-15) if over(0.0) > 0.0 else 0.0


@PROFILE
@given(seed=SEEDS, shape=SHAPE, kind=KINDS, scale=SCALES, per_row=st.booleans())
def test_row_maximum_cuts_rows_at_a_level(seed, shape, kind, scale, per_row):
    V = matrix(seed, shape, kind) * scale
    rng = np.random.default_rng(seed)
    tau = scale * (rng.uniform(0.0, 3.0, shape[0]) if per_row else 0.7)
    got = prox.prox_row_linf(V, tau)
    for row, p, radius in zip(V, got, np.broadcast_to(tau, shape[0]), strict=True):
        u = level_by_bisection(np.abs(row), lambda _, radius=radius: radius)
        if np.abs(row).sum() <= radius:
            assert not p.any()
        assert_allclose(p, np.clip(row, -u, u), rtol=0, atol=4e-15 * np.abs(row).max())
        # What is cut off lies in the l1 ball, on its surface if anything is left.
        cut = np.abs(row - p).sum()
        rounding = 1e-14 * np.abs(row).sum()
        assert cut <= radius + rounding
        assert not p.any() or cut >= radius - rounding


@PROFILE
@given(seed=SEEDS, shape=SHAPE, kind=KINDS, scale=SCALES)
def test_columns_against_the_formula(seed, shape, kind, scale):
    V = matrix(seed, shape, kind) * scale
    transposed = prox.prox_row_l2(np.ascontiguousarray(V.T), 0.7 * scale).T
    assert_allclose(prox.prox_column_l2(V, 0.7 * scale), transposed, rtol=0, atol=1e-14 * scale)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100])
def test_lowered_singular_values_against_the_svd(spectrum, shape, scale):
    U, s, Q = from_svd(3, shape, SPECTRA[spectrum](min(shape)))
    V = np.ascontiguousarray((U * s) @ Q.T) * scale
    # The rounding of the Gram matrix, eps s_1^2, moves s_i by eps s_1^2 / s_i; below 1e-6 an SVD.
    accuracy = {"rtol": 0, "atol": 1e-14 + 2e-15 / s[s > 1e-6].min(initial=1.0)}
    for tau in (0.0, 1e-9, 1e-3, 0.3, 1.0, 20.0):
        # u = tau (what is left of the sum)
        u = level_by_bisection(s, lambda u, tau=tau: u / tau) if tau and s.any() else 0.0
        got = prox.prox_squared_trace(V, tau) / scale
        assert_allclose(got, (U * np.maximum(s - u, 0.0)) @ Q.T, **accuracy)
        assert not np.shares_memory(got, V)
    for share in (0.0, 1e-9, 1e-3, 0.3, 0.999, 1.0, 2.0):
        bound = share * s.sum()
        u = level_by_bisection(s, lambda _, bound=bound: bound) if s.any() else 0.0
        got = prox.project_trace_ball(V, bound * scale) / scale
        assert_allclose(got, (U * np.maximum(s - u, 0.0)) @ Q.T, **accuracy)
        assert np.linalg.svd(got, compute_uv=False).sum() <= bound * (1.0 + 1e-9)


@PROFILE
@given(seed=SEEDS, shape=SHAPE, kind=KINDS, scale=SCALES, share=st.sampled_from([0.0, 0.1, 0.9]))
def test_projection_on_the_trace_ball(seed, shape, kind, scale, share):
    """<V - p, u - p> <= 0 for every u of the ball: p is the projection. And it is idempotent."""
    V = matrix(seed, shape, kind) * scale
    bound = share * np.linalg.norm(V, "nuc")
    p = prox.project_trace_ball(V, bound)
    rng = np.random.default_rng(seed)
    size = np.linalg.norm(V)
    for u in (V, -V, rng.standard_normal(shape)):
        norm = np.linalg.norm(u, "nuc")
        inside = u * (bound / norm if norm > 0.0 else 0.0)
        assert np.vdot(V - p, inside - p) <= 1e-11 * size * size
    assert_allclose(prox.project_trace_ball(p, bound), p, rtol=0, atol=1e-11 * size)
    ball = penalties.TraceBall(bound)
    assert ball.value(p) == 0.0
    if norm_of_trace(V) > 1.001 * bound:
        assert ball.value(V) == np.inf
    # The support function, attained at a rank-one matrix.
    U, s, Q = np.linalg.svd(V)
    assert_allclose(ball.support(V), bound * s[0], rtol=1e-10)
    assert_allclose(np.vdot(V, bound * np.outer(U[:, 0], Q[0])), ball.support(V), rtol=1e-9)


def norm_of_trace(V):
    return np.linalg.norm(V, "nuc")


@PROFILE
@given(seed=SEEDS, shape=SHAPE, kind=KINDS, lambda1=STRENGTHS, ridge=st.sampled_from([0.0, 0.4]))
def test_squared_trace_fenchel_young(seed, shape, kind, lambda1, ridge):
    """value(W) + conj(G) >= <W, G> everywhere, with equality where G is a subgradient at W."""
    penalty = penalties.SquaredTraceNorm(lambda1)
    both = penalty + penalties.Ridge(ridge)
    rng = np.random.default_rng(seed)
    W, G = matrix(seed, shape, kind), rng.standard_normal(shape)
    assert_allclose(penalty.value(W), lambda1 / 2 * norm_of_trace(W) ** 2, rtol=1e-10)
    for c in (1e-3, 1.0, 1e3):
        for _, conj in both.dual_bounds(W, c * G):
            total = both.value(W) + conj
            assert total >= c * np.vdot(W, G) - 1e-10 * total
    p = penalty.prox(W, 0.7)
    G = (W - p) / 0.7 + ridge * p  # a subgradient at p
    for at in (p, W):
        conj = min(conj for _, conj in both.dual_bounds(at, G))
        if at is p or ridge > 0.0:
            assert_allclose(both.value(p) + conj, np.vdot(p, G), rtol=1e-8, atol=1e-10)


# --- two parts ----------------------------------------------------------------------------------

SPLITS = {
    "dirty": (penalties.RowLinf(0.3), penalties.L1(0.2)),
    "robust feature": (penalties.RowL2(0.3), penalties.ColumnL2(0.4)),
    "robust low rank": (penalties.TraceNorm(0.3), penalties.ColumnL2(0.25)),
    "sparse low rank": (penalties.L1(0.2), penalties.TraceNorm(0.4)),
    "bounded": (penalties.L1(0.2), penalties.TraceBall(0.8)),
}


@pytest.mark.parametrize("name", SPLITS)
@PROFILE
@given(seed=SEEDS, shape=SHAPE, step=st.sampled_from([0.0, 0.1, 2.0]))
def test_split(name, seed, shape, step):
    first, second = SPLITS[name]
    split = penalties.Split(first, second)
    d, T = shape
    V = np.random.default_rng(seed).standard_normal((2 * d, T))
    new = split.prox(V, step)
    # (To rounding: sums over blocks that begin elsewhere in memory may differ by that.)
    assert_allclose(new[:d], first.prox(V[:d].copy(), step), rtol=1e-13, atol=1e-13)
    assert_allclose(new[d:], second.prox(V[d:].copy(), step), rtol=1e-13, atol=1e-13)
    assert new.flags.c_contiguous
    assert_allclose(split.value(new), first.value(new[:d]) + second.value(new[d:]))
    assert split.structure is split
    assert split.row_norm is None
    # The bound: alpha G is in the dual balls, and the pair costs its support there.
    G = np.random.default_rng(seed + 1).standard_normal(shape)
    [(alpha, cost)] = split.dual_bounds(V, G)
    assert 0.0 < alpha <= 1.0
    assert split.lambda1_max(G) == first.dual_norm(G)
    at = split.prox(V, 0.5)
    assert split.value(at) + cost >= alpha * np.vdot(at[:d] + at[d:], G) - 1e-12
    norms = [p for p in (first, second) if isinstance(p, penalties.Norm)]
    tightest = max(p.dual_norm(alpha * G) / p.lambda1 for p in norms)
    assert tightest <= 1.0 + 1e-12
    assert alpha == 1.0 or tightest >= 1.0 - 1e-12
