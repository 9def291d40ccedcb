"""What the working-set solver sees of features outside the set."""

from __future__ import annotations

import numpy as np
import pytest

from malsar_py.design import Ragged, Shared
from malsar_py.losses import Squared
from malsar_py.objective import make_objective
from malsar_py.penalties import L1, Ridge, RowL2
from malsar_py.solvers.active_set import Survey


@pytest.mark.parametrize("norm", [L1, RowL2])
@pytest.mark.parametrize("ridge", [0.0, 0.3, 30.0])
@pytest.mark.parametrize("shared", [False, True])
def test_survey_is_the_certificate_of_all_features(norm, ridge, shared):
    """Features outside pull beyond their thresholds: with a ridge they cost, without they scale."""
    rng = np.random.default_rng(0)
    d, n_tasks, n = 7, 3, 20
    X = rng.standard_normal((n if shared else n * n_tasks, d))
    y = rng.standard_normal(n * n_tasks)
    design = Shared(X, n_tasks) if shared else Ragged(X, np.arange(n_tasks + 1) * n)
    penalty = norm(0.02) + Ridge(ridge)
    objective = make_objective(design, Squared(), y, np.full(y.shape, 1.0 / n), penalty, True)
    working = np.array([1, 4])
    W = np.zeros((d, n_tasks))
    W[working] = 0.1 * rng.standard_normal((2, n_tasks))
    seen = objective.pass_at(design.predict(W))
    survey = Survey(objective, penalty.structure.row_thresholds(d))
    primal, gap = survey.measure(seen, working, np.ascontiguousarray(W[working]))
    outside = np.setdiff1d(np.arange(d), working)
    assert (survey.sizes[outside] > 1.0).any()
    certificate = objective.certificate_of(W, seen)
    assert primal == pytest.approx(certificate.objective, rel=1e-13)
    assert gap == pytest.approx(certificate.gap, rel=1e-10, abs=1e-14)
