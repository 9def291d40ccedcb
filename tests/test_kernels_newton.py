"""Kernels with a weight per sample and task: against plain Python, and what they solve."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py._kernels import newton, row_norms

from .test_kernels import same
from .test_kernels_descent import CODES, problem, stacked


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("tau", [0.0, 0.3, 2.9, 100.0])
def test_solve_row(code, tau):
    """row_norms._solve_row: a task that stays out, with q = 0, changes nothing for the others."""
    a, q = np.array([0.1, 1.0, 1.0, 50.0]), np.array([1.5, 0.0, -2.5, 0.5])
    _, (_, _, w) = same(row_norms._solve_row, code, q, a, tau, 0.0, np.empty(4))
    assert w[1] == 0.0
    rest = np.array([0, 2, 3])
    _, (_, _, expected) = same(row_norms._solve_row, code, q[rest], a[rest], tau, 0.0, np.empty(3))
    assert_allclose(w[rest], expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("shared", [True, False])
def test_predict(shared):
    """newton.predict is a product with each task's samples."""
    each, *_ = problem(n=5, shared=shared)
    A, _, offsets = stacked(each)
    starts = np.zeros_like(offsets[:-1]) if shared else offsets[:-1]
    W = np.random.default_rng(0).standard_normal((3, 6))
    W[:, 1] = 0.0
    _, (_, _, _, _, z) = same(newton.predict, A, starts, offsets, W, np.full(15, np.nan))
    assert_allclose(z, np.einsum("tnk,tk->tn", each, W).ravel(), atol=1e-13)


def test_center():
    """row_norms._center: sums are zero in every task, D-weighted differences are kept."""
    offsets, D = np.array([0, 2, 5]), np.array([1.0, 2.0, 0.0, 1.0, 3.0])
    total = np.array([3.0, 4.0])
    _, arrays = same(row_norms._center, D, offsets, total, np.arange(5.0))
    U = arrays[3]
    assert_allclose(np.add.reduceat(U, offsets[:-1]), 0.0, atol=1e-15)
    assert U[2] == 2.0


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_block_epoch(code, ridge):
    """row_norms.own_block_epoch is row_norms.gram_epoch in the other layout."""
    _, _, H, rhs, _, threshold, _ = problem()
    H[1, 4] = H[1, :, 4] = 0.0
    rhs[1, 4] = 0.0
    W, G = np.zeros_like(rhs), rhs.copy()
    (_,), arrays = same(
        row_norms.gram_epoch, code, H, threshold, ridge, W, G, *np.zeros((3, rhs.shape[0]))
    )
    upper = np.ascontiguousarray(np.triu(H).transpose(1, 2, 0))
    W, G = np.zeros_like(rhs.T, order="C"), np.ascontiguousarray(rhs.T)
    args = (code, upper, threshold, ridge)
    (changed,), (_, _, after, _, moved) = same(
        row_norms.own_block_epoch, *args, W, G, np.empty_like(W)
    )
    assert changed
    assert_allclose(after.T, arrays[2], atol=1e-12)
    assert_allclose(moved, after, atol=1e-12)
    (changed,), _ = same(
        row_norms.own_block_epoch,
        code,
        upper,
        threshold + 1e6,
        ridge,
        0 * W,
        0 * W,
        np.empty_like(W),
    )
    assert not changed


def test_weighted_move():
    """newton.weighted_move."""
    rng = np.random.default_rng(0)
    D, dz, U = rng.random((3, 4, 2))
    shift = rng.random(2)
    _, arrays = same(newton.weighted_move, D, dz, shift, U)
    assert_allclose(arrays[3], U - D * (dz - shift), rtol=1e-14)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_newton_descent(fit_intercept):
    """row_norms.newton_descent minimises the weighted quadratic model, intercepts included."""
    rng = np.random.default_rng(3)
    each, y, *_ = problem(n=8)
    A, starts, offsets = stacked(each)
    D = rng.uniform(0.2, 1.0, offsets[-1])
    threshold = np.full(6, 0.7)
    start = D * y.ravel()
    args = (2, A, starts, offsets, D, threshold, 0.05, fit_intercept, -1.0, 200)
    _, arrays = same(row_norms.newton_descent, *args, np.zeros((3, 6)), start, rtol=1e-7)
    W, U = arrays[5:]
    G = np.stack(
        [A[:, offsets[t] : offsets[t + 1]] @ U[offsets[t] : offsets[t + 1]] for t in range(3)]
    )
    if fit_intercept:
        assert_allclose(np.add.reduceat(U, offsets[:-1]), 0.0, atol=1e-10)
    sizes = np.linalg.norm(W, axis=0)
    for j in range(6):
        rest = G[:, j] - 0.05 * W[:, j]
        if sizes[j] > 0:
            assert_allclose(rest, 0.7 * W[:, j] / sizes[j], atol=1e-6)
    dz = (start - U) / D
    for t in range(3):
        own = slice(offsets[t], offsets[t + 1])
        residue = dz[own] - A[:, own].T @ W[t]
        assert_allclose(residue, residue[0] if fit_intercept else 0.0, atol=1e-8)


@pytest.mark.parametrize("centered", [True, False])
def test_weighted_gram(centered):
    """newton.weighted_gram is the Gram matrix of the chosen features, scaled and centred."""
    each, *_ = problem(n=5, shared=False)
    A, _, offsets = stacked(each)
    n_tasks, k = len(each), each[0].shape[1]
    weight = np.random.default_rng(0).random(offsets[-1])
    chosen = np.array([np.roll(np.arange(k), t)[:3] for t in range(n_tasks)])
    H = np.empty((n_tasks, 3, 3))
    arrays = same(newton.weighted_gram, A, offsets[:-1], offsets, weight, chosen, centered, H)[1]
    for t, X in enumerate(each):
        d = weight[offsets[t] : offsets[t + 1]]
        S = X[:, chosen[t]] - (d @ X[:, chosen[t]] / d.sum() if centered else 0.0)
        assert_allclose(arrays[-1][t], S.T @ (d[:, None] * S), atol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_lasso_models(ridge):
    """newton.lasso_models meets the optimality conditions; threshold 0 leaves a feature free."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((4, 30, 12)) + 3.0  # strongly correlated
    H, rhs = np.einsum("tni,tnj->tij", S, S) / 30.0, rng.standard_normal((4, 12))
    threshold = np.full(12, 0.4)
    threshold[3] = 0.0
    W = rng.standard_normal((4, 12))
    _, arrays = same(newton.lasso_models, H, rhs, threshold, ridge, 100, 1e-9, 1e-11, W)
    W = arrays[-1]
    G = rhs - np.einsum("tij,tj->ti", H, W) - ridge * W
    zero = W == 0.0
    assert zero.any()
    assert not zero[:, 3].any()
    assert_allclose(G[~zero], (threshold * np.sign(W))[~zero], atol=1e-9)
    assert (np.abs(G) <= threshold * (1.0 + 1e-8))[zero].all()


def test_factor_of_some_rows():
    """newton._factor and newton._solve_factor: Cholesky of H + ridge over some rows and columns."""
    A = np.random.default_rng(0).standard_normal((6, 6))
    H, own = A @ A.T, np.array([4, 0, 2, 5])
    _, (*_, L) = same(newton._factor, H, 0.5, own, 3, 1e-12, np.zeros((6, 6)))
    block = H[np.ix_(own[:3], own[:3])] + 0.5 * np.eye(3)
    assert_allclose(L[:3, :3] @ L[:3, :3].T, block, rtol=1e-12)
    x = np.array([1.0, -2.0, 3.0, 7.0])
    _, (_, found) = same(newton._solve_factor, L, 3, x)
    assert_allclose(block @ found[:3], x[:3], rtol=1e-10)
    assert found[3] == 7.0
