"""The kernels of mixed models: against plain Python, and what they fill."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py._kernels import mixed

from .test_kernels import same


def test_eliminate():
    """mixed.eliminate: ``M = Z'V^-1 Z`` and ``m = Z'V^-1 y`` with V = I + Z_R D Z_R'."""
    rng = np.random.default_rng(0)
    Z, y = rng.standard_normal((3, 9, 4)), rng.standard_normal((3, 9))
    where = np.array([0, 2])
    L = np.array([[1.5, 0.0], [-0.4, 0.0]])  # of rank one
    gram, cross = np.einsum("tni,tnj->tij", Z, Z), np.einsum("tni,tn->ti", Z, y)
    shapes = [np.empty((3, 4, 4)), np.empty((3, 4)), np.empty(3), np.empty(3)]
    _, (*_, M, m, logdet, squares) = same(mixed.eliminate, gram, cross, L, where, *shapes)
    for t in range(3):
        V = np.eye(9) + Z[t][:, where] @ L @ L.T @ Z[t][:, where].T
        assert_allclose(M[t], Z[t].T @ np.linalg.solve(V, Z[t]), rtol=1e-10, atol=1e-12)
        assert_allclose(m[t], Z[t].T @ np.linalg.solve(V, y[t]), rtol=1e-10, atol=1e-12)
        assert_allclose(logdet[t], np.linalg.slogdet(V)[1], rtol=1e-12)
        q = cross[t][where] @ L
        A = np.eye(2) + L.T @ gram[t][np.ix_(where, where)] @ L
        assert_allclose(squares[t], q @ np.linalg.solve(A, q), rtol=1e-12)


def test_spread():
    """mixed.largest and mixed.squares: of columns that are moved run by run."""
    rng = np.random.default_rng(1)
    X, moved = rng.standard_normal((9, 3)), rng.standard_normal((2, 3))
    runs, weight, unit = np.array([0, 4, 9]), rng.random(9), np.array([1.0, 2.0, 0.5])
    Z = X + np.repeat(moved, [4, 5], axis=0)
    _, (*_, top) = same(mixed.largest, X, moved, runs, np.empty(3))
    assert_allclose(top, np.abs(Z).max(axis=0), rtol=1e-15)
    _, (*_, out) = same(mixed.squares, X, moved, runs, weight, unit, np.empty(3))
    assert_allclose(out, weight @ np.square(Z / unit), rtol=1e-13)
    tiny = np.full(3, 5e-324)  # its inverse is no float
    _, (*_, out) = same(mixed.squares, X * tiny, 0.0 * moved, runs, weight, tiny, np.empty(3))
    assert_allclose(out, weight @ np.square(X * tiny / tiny), rtol=1e-13)


@pytest.mark.parametrize("intercept", [0, 1])
@pytest.mark.parametrize("each", [True, False])
def test_sums(intercept, each):
    """mixed.sums: products of moved and scaled rows, over more than a block of them."""
    rng = np.random.default_rng(2)
    offsets = np.array([0, 3, 300])
    X, y, weight = rng.standard_normal((300, 2)), rng.standard_normal(300), rng.random(300)
    moved, unit = rng.standard_normal((2 if each else 1, 2)), np.array([1.0, 3.0])
    shapes = [np.empty((2, 2 + intercept, 2 + intercept)), np.empty((2, 2 + intercept))]
    used = np.array([True, False])
    _, (*_, gram, cross) = same(mixed.sums, X, moved, offsets, unit, used, weight, y, *shapes)
    for t in range(2):
        own = slice(*offsets[t : t + 2])
        Z = used * (X[own] + moved[t if each else 0]) / unit
        Z = np.column_stack([np.ones((len(Z), intercept)), Z])
        assert_allclose(gram[t], Z.T @ (weight[own, None] * Z), rtol=1e-12, atol=1e-12)
        assert_allclose(cross[t], Z.T @ (weight * y)[own], rtol=1e-12, atol=1e-12)
