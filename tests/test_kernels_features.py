"""Kernels that look at all features: against plain Python and the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py._kernels import row_norms

from .test_kernels import same

CODES = [row_norms.L1, row_norms.ROW_L2]


def dual_norms(code, G):
    return np.abs(G).max(axis=0) if code == row_norms.L1 else np.linalg.norm(G, axis=0)


def excess_of(code, G, threshold):
    if code == row_norms.L1:
        return (np.maximum(np.abs(G) - threshold, 0.0) ** 2).sum()
    return (np.maximum(np.linalg.norm(G, axis=0) - threshold, 0.0) ** 2).sum()


@pytest.mark.parametrize("code", CODES)
def test_survey(code):
    """row_norms.survey: sizes of all features, the largest and the excess outside the set."""
    rng = np.random.default_rng(0)
    G = rng.standard_normal((3, 40))
    threshold = rng.uniform(0.5, 2.0, 40)
    inside = rng.random(40) < 0.3
    (largest, excess), (_, _, _, sizes) = same(
        row_norms.survey, code, G, threshold, inside, np.empty(40), rtol=1e-12
    )
    assert_allclose(sizes, dual_norms(code, G) / threshold)
    assert_allclose(largest, sizes[~inside].max())
    assert_allclose(excess, excess_of(code, G[:, ~inside], threshold[~inside]))


@pytest.mark.parametrize("code", CODES)
def test_survey_of_broken_numbers(code):
    G = np.zeros((2, 4))
    G[1, 0], G[0, 2] = np.nan, 3.0
    threshold = np.array([1.0, 0.0, 0.0, 1.0])
    (largest, _), (_, _, _, sizes) = same(
        row_norms.survey, code, G, threshold, np.zeros(4, dtype=bool), np.empty(4)
    )
    assert np.isnan(sizes[0])
    assert_allclose(sizes[1:], [0.0, np.inf, 0.0])
    assert not largest <= 1.0


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.7])
@pytest.mark.parametrize("row_major", [True, False])
def test_penalty_terms(code, ridge, row_major):
    """row_norms.penalty_terms against the formulas, a threshold of zero included."""
    rng = np.random.default_rng(1)
    W, G = rng.standard_normal((2, 6, 3))
    threshold = rng.uniform(0.5, 2.0, 6)

    def given(*arrays):
        return arrays if row_major else [np.ascontiguousarray(A.T) for A in arrays]

    (value, squares, inner, largest, excess), _ = same(
        row_norms.penalty_terms, code, threshold, ridge, row_major, *given(W, G), rtol=1e-12
    )
    norms = np.abs(W).sum(axis=1) if code == row_norms.L1 else np.linalg.norm(W, axis=1)
    assert_allclose(value, threshold @ norms)
    assert_allclose(squares, (W * W).sum())
    assert_allclose(inner, (W * G).sum())
    assert_allclose(largest, (dual_norms(code, (G - ridge * W).T) / threshold).max())
    assert_allclose(excess, excess_of(code, G.T, threshold))
    threshold[2] = 0.0
    assert row_norms.penalty_terms(code, threshold, ridge, row_major, *given(W, G))[3] == np.inf
