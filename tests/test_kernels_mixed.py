"""The kernel of mixed models: against plain Python, and what it fills."""

from __future__ import annotations

import numpy as np
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
