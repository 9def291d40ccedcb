"""Products of compressed rows: against plain Python and dense products."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from scipy import sparse

from malsar_py._kernels import sparse as kernels

from .test_kernels import same


def problem():
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.random((9, 5)) * (rng.random((9, 5)) < 0.4))
    places, bounds = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X, (X.data, places, bounds, np.array([0, 2, 3, 9])), rng


def test_predict():
    """sparse.predict"""
    X, rows, rng = problem()
    W = rng.standard_normal((3, 5))
    _, (*_, out) = same(kernels.predict, *rows, W, np.full(9, np.nan))
    tasks = np.repeat([0, 1, 2], [2, 1, 6])
    assert_allclose(out, np.einsum("ij,ij->i", X.toarray(), W[tasks]), atol=1e-14)


def test_adjoint():
    """sparse.adjoint: what was in its place does not count, rows of weight 0 neither."""
    X, rows, rng = problem()
    theta = rng.standard_normal(9)
    theta[4] = 0.0
    _, (*_, out) = same(kernels.adjoint, *rows, theta, np.full((3, 5), np.nan))
    assert_allclose(out, np.add.reduceat(theta[:, None] * X.toarray(), [0, 2, 3]), atol=1e-14)
