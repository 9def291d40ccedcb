"""The benchmark's table of all models: who is in it, and what its last column says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import malsar_py
from malsar_py.model_selection import lambda1_max
from tests.benchmarks import models
from tests.benchmarks.problems import own_x

ENTRY = models.ENTRIES[1]


N_ROWS = 40


def small(seed=0):
    """X centred by task, y, offsets; the noise keeps the classes from being separable."""
    data = own_x(seed, N_ROWS, 4, 3, 10)
    X = data["X"].copy()
    for block in range(3):
        own = slice(N_ROWS * block, N_ROWS * (block + 1))
        X[own] -= X[own].mean(axis=0)
    y = data["y"] + 3.0 * data["y"].std() * np.random.default_rng(seed).standard_normal(len(X))
    return X, y, data["offsets"]


def test_every_model_has_a_row_or_a_reason():
    stems = {name for name in malsar_py.__all__ if name[0].isupper()} - {"Summary"}
    stems = {name.removesuffix("Regressor").removesuffix("Classifier") for name in stems}
    assert {entry.stem for entry in models.ENTRIES} | models.LEFT_OUT.keys() == stems
    assert not {entry.stem for entry in models.ENTRIES} & models.LEFT_OUT.keys()
    for entry in models.ENTRIES:
        lone = not hasattr(malsar_py, entry.stem + "Classifier")
        assert entry.regressor_only == lone


def test_scales_are_those_at_which_norms_give_zero():
    X, y, offsets = small()
    found = models.scales(X, y, offsets, 1.0)
    tasks = np.repeat(np.arange(3), N_ROWS)
    for stem, scale in (
        ("Lasso", found.entry),
        ("JointFeature", found.row),
        ("TraceNorm", found.spectral),
    ):
        model = getattr(malsar_py, stem + "Regressor")()
        assert lambda1_max(model, X, y, tasks=tasks) == pytest.approx(scale, rel=1e-12)
    mean = malsar_py.MeanRegularizedRegressor()
    assert lambda1_max(mean, X, y, tasks=tasks) == pytest.approx(found.curvature, rel=1e-12)
    assert found.sums >= found.row >= found.entry <= found.column <= found.spectral


def test_every_row_can_be_timed():
    X, y, offsets = small()
    tasks = np.repeat(np.arange(3), N_ROWS)
    reference = models.Timing(models.ENTRIES[0], "Regressor", [1.0], 0.0, "1")
    for entry, kind, model, target in models.estimators(X, y, offsets):
        model.set_params(max_iter=2000)
        found = models.time_fits(entry, kind, model, X, target, tasks, budget=0.0)
        assert found.kind == kind and len(found.times) == 1
        assert found.gap <= 1e-6, f"{entry.name} {kind}"
        assert found.verdict(np.inf) == "yes"
        text = models.table([dataclasses.replace(reference, kind=kind), found])
        assert f"| {entry.name} {kind.lower()} |" in text


def test_verdicts():
    def of(seconds, gap=1e-7, reason=""):
        entry = dataclasses.replace(ENTRY, reason=reason)
        return models.Timing(entry, "Regressor", [seconds, seconds, 9.0], gap, "1").verdict(0.01)

    assert of(1.9) == "yes"
    assert of(2.1) == "**no reason stated**"
    assert of(2.1, reason="it is not convex") == "no: it is not convex"
    assert of(1.9, gap=2e-6) == of(1.9, gap=np.nan) == "**not certified**"
