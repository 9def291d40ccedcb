"""A design written outside, as CONTRIBUTING says: fitted, certified, searched, pickled, drawn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from malsar_py import JointFeatureRegressor
from malsar_py.design import Ragged
from malsar_py.model_selection import MultiTaskSearchCV, regularization_path

from .outside import written_outside


@pytest.fixture(scope="module")
def outside(root):
    with written_outside(root, "An X") as module:
        yield module


@pytest.fixture(scope="module")
def genotypes():
    """Counts of 0, 1 and 2, three tasks with rows of their own."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (90, 8)).astype(np.float64)
    tasks = np.repeat(["a", "b", "c"], [20, 30, 40])
    W = np.where(np.arange(8) < 3, rng.standard_normal((3, 8)), 0.0)
    place = np.searchsorted(["a", "b", "c"], tasks)
    return X, np.einsum("ij,ij->i", X, W[place]) + 0.5 * rng.standard_normal(90), tasks


def plain(model):
    """The same model that keeps X as it is."""
    return JointFeatureRegressor(**model.get_params())


def test_what_follows_is_that_of_arrays(outside, genotypes):
    offsets = np.array([0, 20, 50, 90])
    given, ours = (cls(genotypes[0], offsets) for cls in (Ragged, outside.Bytes))
    assert 8 * ours.X.nbytes == given.X.nbytes
    rng = np.random.default_rng(1)
    W, theta, c = rng.standard_normal((8, 3)), rng.standard_normal(90), rng.random(90)
    some = np.array([1, 4])
    for method, arguments in [
        ("predict", (W,)),
        ("adjoint", (theta,)),
        ("columns", (some,)),
        ("means", (c,)),
        ("gram", (c, True)),
        ("squares", (c, False)),
        ("energies", (c,)),
        ("row_squares", ()),
        ("scaled_rows", (c, True)),
    ]:
        expected, found = (getattr(design, method)(*arguments) for design in (given, ours))
        assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=method)
    assert_allclose(ours.restrict(some).predict(W[some]), given.restrict(some).predict(W[some]))


@pytest.mark.parametrize("solver", ["auto", "apg"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_its_fit_is_certified_and_that_of_arrays(outside, genotypes, solver, loss):
    X, y, tasks = genotypes
    used = []
    made = outside.Bytes.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outside.Bytes, "__init__", lambda *a: used.append(a[1].shape) or made(*a))
        model = clone(outside.model).set_params(solver=solver, loss=loss, tol=1e-10)
        model.fit(X, y, tasks=tasks)
    assert used[0] == X.shape
    assert model.relative_gap_ <= 1e-10
    expected = plain(model).fit(X, y, tasks=tasks)
    assert_allclose(model.objective_[-1], expected.objective_[-1], rtol=1e-9)
    assert_allclose(model.coef_, expected.coef_, atol=1e-5)
    assert_allclose(model.intercept_, expected.intercept_, atol=1e-5)


def test_numbers_that_are_no_bytes_are_kept_as_they_are(outside, genotypes):
    X, y, tasks = genotypes
    model = clone(outside.model).fit(X / 3.0, y, tasks=tasks)
    assert_array_equal(model.coef_, plain(model).fit(X / 3.0, y, tasks=tasks).coef_)


def test_it_is_followed_searched_pickled_and_drawn(outside, genotypes):
    pytest.importorskip("matplotlib")
    from malsar_py.plotting import PathDisplay

    X, y, tasks = genotypes
    model, grid = clone(outside.model).set_params(tol=1e-9), [0.5, 0.1, 0.02]
    path = regularization_path(model, X, y, tasks=tasks, lambda1=grid)
    expected = regularization_path(plain(model), X, y, tasks=tasks, lambda1=grid)
    assert_allclose(path.coef, expected.coef, atol=1e-4)
    scores = [
        MultiTaskSearchCV(one, lambda1=grid, cv=3)
        .fit(X, y, tasks=tasks)
        .cv_results_["mean_test_score"]
        for one in (model, plain(model))
    ]
    assert_allclose(*scores, atol=1e-5)
    again = pickle.loads(pickle.dumps(model.fit(X, y, tasks=tasks)))
    assert type(again) is outside.GenotypeRegressor
    assert_array_equal(again.predict(X, tasks=tasks), model.predict(X, tasks=tasks))
    assert PathDisplay.from_estimator(model, X, y, tasks=tasks, lambda1=grid).figure_ is not None
