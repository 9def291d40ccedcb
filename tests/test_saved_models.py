"""Models that earlier versions saved load, and predict what they did."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from . import saved_models

FILES = sorted(saved_models.FOLDER.glob("models_*.pickle"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_saved_models_predict_the_same(path):
    saved = pickle.loads(path.read_bytes())
    assert len(saved) >= 9
    for name, (model, expected) in saved.items():
        found = saved_models.predictions(name, model)
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12, err_msg=name)
        clone(model)  # its parameters are still known
        assert repr(model)


def test_there_are_some():
    assert FILES


def test_the_data_are_as_they_were():
    X, y, counts, tasks = saved_models.data()
    assert X.shape == (48, 3) and set(tasks) == {"east", "north", "west"}
    assert_allclose([X.sum(), y.sum(), counts.sum()], [7.0605030, 51.7180384, 71.0], atol=1e-6)
    assert np.isfinite(y).all()
