"""Starts foreseen from earlier solutions, and paths on which descent would creep."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import JointFeatureRegressor, LassoRegressor
from malsar_py.model_selection import regularization_path
from malsar_py.solvers import active_set

from .problems import shared


def _dependent_columns(seed):
    """More features than rows, all positive, targets of three values: lines of equal fit."""
    rng = np.random.default_rng(seed)
    n_features = int(rng.choice([5, 14, 30, 60]))
    n_tasks = int(rng.choice([1, 2, 4]))
    X = rng.random((15, n_features))
    X = np.vstack([X] * rng.integers(1, 4))
    rng.integers(0, 3, len(X)), rng.integers(0, 5, len(X))  # drawn for another case of the seed
    return X, rng.integers(0, 3, (len(X), n_tasks)).astype(float)


# By descent alone: 1000 rounds, and a gap of 6e-6 and 4e-6 for one lambda each.
@pytest.mark.parametrize("seed", [13, 373])
def test_descent_does_not_creep(seed):
    path = regularization_path(LassoRegressor(tol=1e-10), *_dependent_columns(seed), n_lambdas=6)
    assert path.relative_gap.max() <= 1e-10
    assert path.n_iter.max() <= 200


@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
@pytest.mark.parametrize("size", [dict(n=200, d=20), dict(n=60, d=200), dict(n=300, d=8)])
def test_a_foreseen_start_saves_rounds_and_changes_no_solution(cls, size, monkeypatch):
    X, Y = shared(**size)
    model = cls(tol=1e-10, lambda2=0.02)
    path = regularization_path(model, X, Y, n_lambdas=40)
    monkeypatch.setattr(active_set, "foresee", lambda *args: None)
    plain = regularization_path(model, X, Y, n_lambdas=40)
    assert_allclose(path.coef, plain.coef, atol=1e-6)
    assert path.relative_gap.max() <= 1e-10
    assert path.n_iter.sum() <= plain.n_iter.sum()
    # At the usual tolerance some solutions are where the line leads: one look is all they take.
    monkeypatch.undo()
    usual = regularization_path(model.set_params(tol=1e-6), X, Y, n_lambdas=100)
    assert (usual.n_iter == 1).sum() > 5
    assert usual.relative_gap.max() <= 1e-6
