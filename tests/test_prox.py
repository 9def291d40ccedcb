"""Proximal operators from their definition, against other routes, and at the extremes of scale;
conjugates and dual norms.

``p = prox_{tau f}(v)`` if and only if ``f(u) >= f(p) + <v - p, u - p> / tau`` for every u: the
three-point inequality, tried at random points and at points close to p.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, minimize

from malsar_py import penalties, prox

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)
SHAPES = [(1, 1), (1, 5), (6, 1), (7, 4), (4, 7), (5, 5), (40, 3)]
SEEDS = st.integers(0, 2**32 - 1)

# --- independent values -------------------------------------------------------------------------


def l1_value(W):
    return np.abs(W).sum()


def row_value(W):
    return np.linalg.norm(W, axis=1).sum()


def row_max_value(W):
    return np.abs(W).max(axis=1).sum()


def column_value(W):
    return np.linalg.norm(W, axis=0).sum()


def squared_trace_value(W):
    return 0.5 * trace_value(W) ** 2


def trace_value(W):
    return np.linalg.svd(W, compute_uv=False).sum()


def box_minimiser(s, eta, k):
    """argmin sum s^2 / theta over eta <= theta <= 1 + eta, sum theta = k + m eta, by bisection on
    theta = clip(s u).
    """
    theta = np.full(len(s), eta)
    used = s > 1e-14 * s.max(initial=0.0)
    if used.sum() <= k:
        theta[used] = 1.0 + eta
        return theta
    total = k + len(s) * eta

    def spent(u):
        return np.clip(s * u, eta, 1.0 + eta).sum() - total

    u = brentq(spent, 0.0, (1.0 + eta) / s[used].min(), xtol=1e-300, rtol=1e-15, maxiter=2000)
    return np.clip(s * u, eta, 1.0 + eta)


def box_value(W, l1, l2, k):
    s, eta = np.linalg.svd(W, compute_uv=False), l2 / l1
    return 0.5 * l2 * (1.0 + eta) * np.sum(s**2 / box_minimiser(s, eta, k))


def box_conjugate(G, l1, l2, k):
    s = np.linalg.svd(G, compute_uv=False)
    return 0.5 * np.sum(s[:k] ** 2) / l2 + 0.5 * np.sum(s[k:] ** 2) / (l1 + l2)


BOXES = [(1.0, 1.0, 1), (10.0, 1e-3, 2), (1e-3, 10.0, 1), (0.3, 0.7, 3), (100.0, 1.0, 2)]


def fused_strengths(shape):
    """Strengths of the rows and an order of the columns, for any shape."""
    rng = np.random.default_rng(shape)
    strengths = rng.choice([0.0, 0.3, 1.0, 2.0], (3, shape[0]))
    return rng.permutation(shape[1]), *strengths


def fused_value(W):
    order, group, fuse, sparse = fused_strengths(W.shape)
    jumps = np.abs(np.diff(W[:, order], axis=1)).sum(axis=1)
    sizes = np.abs(W).sum(axis=1)
    return group @ np.linalg.norm(W, axis=1) + fuse @ jumps + sparse @ sizes


def fused_prox(V, tau):
    return prox.prox_fused_rows(V, tau, *fused_strengths(V.shape))


def cases():
    """(value, prox(V, tau)) by name."""
    named = {
        "l1": (l1_value, prox.prox_l1),
        "row_l2": (row_value, prox.prox_row_l2),
        "fused_rows": (fused_value, fused_prox),
        "row_linf": (row_max_value, prox.prox_row_linf),
        "column_l2": (column_value, prox.prox_column_l2),
        "trace": (trace_value, prox.prox_trace),
        "squared_trace": (squared_trace_value, prox.prox_squared_trace),
    }
    for box in BOXES:
        named[f"box{box}"] = (
            lambda W, box=box: box_value(W, *box),
            lambda V, tau, box=box: prox.prox_spectral_box(V, tau, *box),
        )
    return named


CASES = cases()


def matrix(seed, shape, kind):
    """A test matrix; ``kind`` says what is special about it."""
    rng = np.random.default_rng(seed)
    V = rng.standard_normal(shape)
    if kind == "low rank":
        V = np.outer(V[:, 0], V[0])
    elif kind == "zero":
        V[:] = 0.0
    elif kind == "zero rows":
        V[:: max(2, shape[0] - 1)] = 0.0
    elif kind == "ties":
        V = np.sign(V)
    elif kind == "spread":
        U, s, Q = np.linalg.svd(V, full_matrices=False)
        V = (U * np.logspace(0, -12, len(s))) @ Q
    elif kind == "orthogonal":
        U, _, Q = np.linalg.svd(V, full_matrices=False)
        V = U @ Q
    return V


KINDS = st.sampled_from(["random", "low rank", "zero", "zero rows", "ties", "spread", "orthogonal"])
SCALES = st.sampled_from([1.0, 1.0, 1e-8, 1e8, 1e-60, 1e60])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shape", SHAPES)
@settings(PROFILE, max_examples=25)
@given(
    seed=SEEDS, kind=KINDS, scale=SCALES, tau=st.sampled_from([1e-12, 1e-6, 1e-3, 0.1, 1.0, 10.0])
)
def test_three_inequality(name, shape, seed, kind, scale, tau):
    value, operator = CASES[name]
    V = matrix(seed, shape, kind) * scale
    if not name.startswith(("box", "squared")):
        tau = tau * scale  # a norm is homogeneous of degree one, the squared box norm of degree two
    before = V.copy()
    p = operator(V, tau)
    assert_array_equal(V, before)
    assert p.shape == V.shape
    assert p.flags.c_contiguous
    assert not np.shares_memory(p, V)
    rng = np.random.default_rng(seed + 1)
    step = rng.standard_normal(shape) * scale
    points = [V, np.zeros_like(V), -V, step, p + step, 2.0 * p, V + step]
    points += [p + eps * (u - p) for eps in (1e-2, 1e-4) for u in (V, step, 0.5 * p)]
    slope = (V - p) / tau
    at_p = value(p)
    # V - p carries the rounding of V, for the spectral maps that of the Gram matrix (see the
    # comparison with the SVD).
    exact = name in ("l1", "row_l2", "row_linf", "column_l2")
    digits = 1e-15 if exact else 1e-11
    for u in points:
        distance = np.linalg.norm(u - p)
        slack = digits * distance * (np.linalg.norm(V) / tau + np.linalg.norm(slope))
        slack += 1e-13 * (abs(at_p) + value(u))
        assert value(u) >= at_p + np.vdot(slope, u - p) - slack


@pytest.mark.parametrize("name", CASES)
@PROFILE
@given(seed=SEEDS, shape=st.sampled_from(SHAPES), tau=st.sampled_from([1e-3, 0.3, 3.0]))
def test_firmly_nonexpansive(name, seed, shape, tau):
    operator = CASES[name][1]
    rng = np.random.default_rng(seed)
    V, U = rng.standard_normal((2, *shape))
    p, q = operator(V, tau), operator(U, tau)
    assert np.vdot(p - q, p - q) <= np.vdot(p - q, V - U) * (1.0 + 1e-10) + 1e-14


# --- rows ---------------------------------------------------------------------------------------


@PROFILE
@given(seed=SEEDS, shape=st.sampled_from(SHAPES), kind=KINDS, scale=SCALES, per_row=st.booleans())
def test_rows_against_the_formula(seed, shape, kind, scale, per_row):
    V = matrix(seed, shape, kind) * scale
    rng = np.random.default_rng(seed)
    tau = scale * (rng.uniform(0.0, 2.0, shape[0]) if per_row else 0.7)
    column = np.broadcast_to(tau, shape[0])[:, None]
    assert_allclose(
        prox.prox_l1(V, tau),
        np.sign(V) * np.maximum(np.abs(V) - column, 0.0),
        rtol=0,
        atol=1e-15 * scale,
    )
    norms = np.linalg.norm(V, axis=1, keepdims=True)
    shrunk = V * np.maximum(1.0 - column / np.where(norms > 0.0, norms, 1.0), 0.0)
    assert_allclose(prox.prox_row_l2(V, tau), shrunk, rtol=0, atol=1e-14 * scale)


@pytest.mark.parametrize(
    "operator",
    [prox.prox_l1, prox.prox_row_l2, prox.prox_row_linf, prox.prox_column_l2, prox.prox_trace],
)
def test_norms_at_threshold_zero_and_beyond(operator):
    V = matrix(0, (6, 4), "random")
    assert_allclose(operator(V, 0.0), V, rtol=0, atol=1e-14)
    assert (operator(V, 100.0) == 0.0).all()
    assert (operator(np.zeros((6, 4)), 0.0) == 0.0).all()


# --- spectral -----------------------------------------------------------------------------------


def from_svd(seed, shape, s):
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((shape[0], len(s))))[0]
    Q = np.linalg.qr(rng.standard_normal((shape[1], len(s))))[0]
    return U, np.asarray(s), Q


SPECTRA = {
    "spread": lambda m: np.logspace(0, -12, m),
    "cliff": lambda m: np.where(np.arange(m) < 2, 1.0, 1e-7),
    "near the floor": lambda m: np.where(np.arange(m) < m - 1, 1.0, 2e-6),
    "equal": np.ones,
    "half zero": lambda m: np.where(np.arange(m) < (m + 1) // 2, np.linspace(1.0, 0.5, m), 0.0),
    "zero": np.zeros,
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100])
def test_trace_against_the_svd(spectrum, shape, scale):
    U, s, Q = from_svd(3, shape, SPECTRA[spectrum](min(shape)))
    V = np.ascontiguousarray((U * s) @ Q.T) * scale
    for tau in (0.0, 1e-15, 1e-9, 0.99e-6, 1.01e-6, 1e-5, 1e-3, 0.3, 1.0, 2.0):
        expected = (U * np.maximum(s - tau, 0.0)) @ Q.T
        got = prox.prox_trace(V, tau * scale) / scale
        # Full accuracy where the SVD is used, that is where values below 1e-6 of the largest
        # survive; else the Gram matrix's: its rounding eps s_1^2 moves s_i by eps s_1^2 / s_i.
        exact = tau < 1e-6 and s.min() < 1e-6
        kept = s[s > tau].min(initial=1.0)
        assert_allclose(got, expected, rtol=0, atol=1e-14 if exact else 1e-14 + 1e-15 / kept)
        if tau > 1e-6:
            assert np.linalg.matrix_rank(got, tol=1e-10) <= (s > tau).sum()


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100])
def test_box_against_the_svd(spectrum, shape, scale):
    U, s, Q = from_svd(4, shape, SPECTRA[spectrum](min(shape)))
    V = np.ascontiguousarray((U * s) @ Q.T) * scale
    for l1, l2, k in BOXES:
        if k > min(shape):
            continue
        for tau in (1e-9, 1e-2, 1.0, 1e3):
            eta = l2 / l1
            shift = tau * l2 * (1.0 + eta)
            theta = shifted_theta(s, eta, k, shift)
            expected = (U * (s * theta / (theta + shift))) @ Q.T
            got = prox.prox_spectral_box(V, tau, l1, l2, k) / scale
            assert_allclose(got, expected, rtol=0, atol=1e-11)


def shifted_theta(s, eta, k, shift):
    """clip(s u - shift, eta, 1 + eta), summing to k + m eta, by bisection; top k at the upper end
    if rank <= k.
    """
    used = s > 0.0
    if used.sum() <= k:
        return np.where(used, 1.0 + eta, eta)

    def at(u):
        return np.where(used, np.clip(s * u - shift, eta, 1.0 + eta), eta)

    end = (1.0 + eta + shift) / s[used].min()
    total = k + len(s) * eta
    return at(
        brentq(lambda u: at(u).sum() - total, 0.0, end, xtol=1e-300, rtol=1e-15, maxiter=2000)
    )


@PROFILE
@given(
    seed=SEEDS,
    m=st.integers(1, 9),
    eta=st.sampled_from([1e-8, 1e-3, 0.5, 1.0, 30.0, 1e5]),
    shift=st.sampled_from([0.0, 1e-6, 0.2, 5.0, 1e4]),
    kind=st.sampled_from(["random", "ties", "zeros", "spread"]),
    ascending=st.booleans(),
)
@example(seed=0, m=4, eta=0.5, shift=0.0, kind="ties", ascending=True)
def test_box_theta(seed, m, eta, shift, kind, ascending):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, m + 1))
    s = np.sort(rng.uniform(0.1, 3.0, m))[::-1].copy()
    if kind == "ties":
        s = np.round(s)
    elif kind == "zeros":
        s[m // 2 :] = 0.0
    elif kind == "spread":
        s = s[0] * np.logspace(0, -12, m)
    if ascending:
        s = s[::-1].copy()
    theta, u = prox.box_theta(s, k, eta, shift)
    if not s.any():
        assert_array_equal(theta, np.full(m, eta))
        assert u == np.inf
        return
    assert (theta >= eta).all()
    assert (theta <= 1.0 + eta).all()
    # theta = s u - shift carries the rounding of the larger terms.
    assert_allclose(theta, shifted_theta(s, eta, k, shift), rtol=1e-12, atol=2e-15 * (1.0 + shift))
    if (s > 0.0).sum() >= k:
        assert_allclose(theta.sum(), k + m * eta, rtol=1e-13)


def test_box_theta_minimises():
    """No other theta in the box with the same sum has a smaller sum of s^2 / theta (random and by
    SLSQP).
    """
    rng = np.random.default_rng(0)
    for _ in range(5):
        s = np.sort(rng.uniform(0.05, 2.0, 5))[::-1].copy()
        for eta, k in [(0.1, 1), (0.5, 2), (2.0, 4)]:
            theta, _ = prox.box_theta(s, k, eta)
            best = np.sum(s**2 / theta)
            found = minimize(
                lambda t, s=s: np.sum(s**2 / t),
                np.full(5, k / 5 + eta),
                jac=lambda t, s=s: -(s**2) / t**2,
                bounds=[(eta, 1.0 + eta)] * 5,
                constraints={"type": "eq", "fun": lambda t, k=k, eta=eta: t.sum() - k - 5 * eta},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            assert_allclose(best, found.fun, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e60])
def test_box_value_and_conjugate(shape, scale):
    for kind in ("random", "low rank", "zero", "spread", "orthogonal"):
        W = matrix(7, shape, kind) * scale
        s = prox.singular_values(W)
        for l1, l2, k in BOXES:
            ours = prox.spectral_box_value(s, l1, l2, k)
            assert_allclose(ours, box_value(W, l1, l2, k), rtol=1e-9)
            assert_allclose(
                prox.spectral_box_conjugate(s, l1, l2, k), box_conjugate(W, l1, l2, k), rtol=1e-12
            )
            # Between the ridges lambda2 and lambda1 + lambda2; lambda2 for rank at most k.
            ridge = 0.5 * np.vdot(W, W)
            assert l2 * ridge * (1 - 1e-12) <= ours <= (l1 + l2) * ridge * (1 + 1e-12)
            if np.linalg.matrix_rank(W) <= k and kind != "spread":
                assert_allclose(ours, l2 * ridge, rtol=1e-9)


@pytest.mark.parametrize("box", BOXES)
@PROFILE
@given(
    seed=SEEDS, shape=st.sampled_from(SHAPES), kind=KINDS, tau=st.sampled_from([0.01, 1.0, 100.0])
)
def test_box_fenchel_young(box, seed, shape, kind, tau):
    """value(W) + conj(G) >= <W, G> everywhere, with equality where G is a subgradient at W."""
    penalty = penalties.SpectralBox(*box)
    rng = np.random.default_rng(seed)
    W, G = matrix(seed, shape, kind), rng.standard_normal(shape)
    for c in (1e-3, 1.0, 1e3):
        both = penalty.value(W) + penalty.conjugate(c * G)
        assert both >= c * np.vdot(W, G) - 1e-12 * both
    p = penalty.prox(W, tau)
    G = (W - p) / tau
    both = penalty.value(p) + penalty.conjugate(G)
    # rounding of W - p: relative 1e-16 of W over tau, against the conjugate's curvature
    noise = 1e-14 * np.vdot(W, W) / tau
    assert_allclose(
        both, np.vdot(p, G), rtol=1e-9, atol=noise + 1e-12 * np.vdot(W, W) / (tau**2 * box[1])
    )


@PROFILE
@given(seed=SEEDS, shape=st.sampled_from(SHAPES), kind=KINDS, scale=SCALES)
def test_singular_values_and_spectral_norm(seed, shape, kind, scale):
    V = matrix(seed, shape, kind) * scale
    expected = np.linalg.svd(V, compute_uv=False)
    got = prox.singular_values(V)
    assert got.shape == (min(shape),)
    assert (np.diff(got) <= 0.0).all()
    assert_allclose(got, expected, rtol=1e-13, atol=1e-14 * expected[0])
    assert_allclose(prox.spectral_norm(V), expected[0], rtol=1e-13)
    assert prox.spectral_norm(V[:0]) == 0.0


# --- penalties ----------------------------------------------------------------------------------

NORMS = {
    "l1": penalties.L1,
    "row_l2": penalties.RowL2,
    "row_linf": penalties.RowLinf,
    "column_l2": penalties.ColumnL2,
    "trace": penalties.TraceNorm,
}


def attaining(name, G):
    """A W with <G, W> = dual norm of G and N(W) = 1."""
    W = np.zeros_like(G)
    if name == "l1":
        i = np.unravel_index(np.abs(G).argmax(), G.shape)
        W[i] = np.sign(G[i])
    elif name == "row_l2":
        j = np.linalg.norm(G, axis=1).argmax()
        W[j] = G[j] / np.linalg.norm(G[j])
    elif name == "row_linf":
        j = np.abs(G).sum(axis=1).argmax()
        W[j] = np.sign(G[j])
    elif name == "column_l2":
        t = np.linalg.norm(G, axis=0).argmax()
        W[:, t] = G[:, t] / np.linalg.norm(G[:, t])
    else:
        U, _, Q = np.linalg.svd(G)
        W = np.outer(U[:, 0], Q[0])
    return W


@pytest.mark.parametrize("name", NORMS)
@PROFILE
@given(seed=SEEDS, shape=st.sampled_from(SHAPES), lambda1=st.sampled_from([1e-3, 1.0, 50.0]))
def test_norms(name, seed, shape, lambda1):
    """value = lambda N; the dual norm bounds <G, W> by N(W) and is attained; the prox is the free
    function's.
    """
    value, operator = CASES[name]
    penalty = NORMS[name](lambda1)
    rng = np.random.default_rng(seed)
    W, G = rng.standard_normal((2, *shape))
    assert_allclose(penalty.value(W), lambda1 * value(W), rtol=1e-12)
    dual = penalty.dual_norm(G)
    assert np.vdot(G, W) <= dual * value(W) * (1.0 + 1e-12)
    assert_allclose(np.vdot(G, attaining(name, G)), dual, rtol=1e-12)
    assert_allclose(value(attaining(name, G)), 1.0, rtol=1e-12)
    assert_array_equal(penalty.prox(W, 0.3), operator(W, 0.3 * lambda1))
    # Moreau: V = prox of the norm + projection onto the dual ball.
    rest = W - penalty.prox(W, 1.0)
    assert penalty.dual_norm(rest) <= lambda1 * (1.0 + 1e-10)
    assert_allclose(np.vdot(rest, W - rest), penalty.value(W - rest), rtol=1e-9, atol=1e-12)
    assert penalty.dual_norm(np.zeros(shape)) == 0.0


@pytest.mark.parametrize("ridge", [0.0, 0.4])
@pytest.mark.parametrize("T", [1, 2, 6])
def test_task_quadratic(ridge, T):
    rng = np.random.default_rng(T)
    R = rng.standard_normal((T, max(T - 2, 1)))
    W, G = rng.standard_normal((2, 5, T))
    for matrix_ in (None, R @ R.T, np.zeros((T, T)), np.eye(T) - 1.0 / T):
        Q = penalties.TaskQuadratic(matrix_, ridge)
        dense = ridge * np.eye(T) + (0.0 if matrix_ is None else matrix_)
        assert_allclose(Q.dense(T), dense, rtol=0, atol=1e-15)
        assert_allclose(Q.value(W), 0.5 * np.trace(W @ dense @ W.T), rtol=1e-12, atol=1e-14)
        assert_allclose(Q.apply(W), W @ dense, rtol=0, atol=1e-14)
        assert_allclose(Q.largest, np.linalg.eigvalsh(dense)[-1], rtol=1e-12, atol=1e-15)
        basis = Q.null_basis(T)
        values = np.linalg.eigvalsh(dense)
        nullity = int((values < 1e-10 * max(values[-1], 1e-10)).sum())
        assert (0 if basis is None else basis.shape[1]) == nullity
        H = G
        if basis is not None:
            assert_allclose(dense @ basis, 0.0, atol=1e-13)
            assert_allclose(basis.T @ basis, np.eye(nullity), atol=1e-13)
            H = G - G @ basis @ basis.T
        conj = Q.conjugate(H)
        assert_allclose(
            conj,
            0.5 * np.trace(H @ np.linalg.pinv(dense, rcond=1e-10) @ H.T),
            rtol=1e-9,
            atol=1e-13,
        )
        # Fenchel-Young, with equality at G = W Q.
        assert Q.value(W) + conj >= np.vdot(W, H) - 1e-10
        assert_allclose(
            Q.value(W) + Q.conjugate(W @ dense), np.vdot(W, W @ dense), rtol=1e-9, atol=1e-13
        )


def test_sums_of_penalties():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 3))
    A = np.eye(3) - 1.0 / 3.0
    total = penalties.L1(0.3) + penalties.TaskQuadratic(2.0 * A) + penalties.Ridge(0.5)
    expected = 0.3 * np.abs(W).sum() + np.trace(W @ A @ W.T) + 0.25 * np.vdot(W, W)
    assert_allclose(total.value(W), expected)
    assert isinstance(total.structure, penalties.L1)
    assert_allclose(total.quadratic.dense(3), 2.0 * A + 0.5 * np.eye(3))
    both = penalties.TaskQuadratic(A) + penalties.TaskQuadratic(3.0 * A, 0.1)
    assert_allclose(both.quadratic.dense(3), 4.0 * A + 0.1 * np.eye(3))
    assert both.structure is None
    # A norm of strength zero is not there: its dual ball would be a point.
    assert (penalties.L1(0.0) + penalties.Ridge(0.5)).structure is None
    assert (penalties.Ridge(0.5) + penalties.TraceNorm(1.0)).structure is not None
    with pytest.raises(TypeError, match="two structures on one W"):
        penalties.L1(0.3) + penalties.RowL2(0.1)
    with pytest.raises(TypeError, match="TraceNorm is not row-separable"):
        penalties.TraceNorm(0.3).row_thresholds(3)
    assert_array_equal(penalties.RowL2(0.3).row_thresholds(2), [0.3, 0.3])
    assert_array_equal(penalties.L1(0.3).row_thresholds(2), [0.3, 0.3])
    assert penalties.L1(0.3).quadratic.value(W) == 0.0
    assert penalties.Ridge(0.0).conjugate(W) == 0.0
