"""Hostile data: every fit ends certified, or says how far it got; never NaN, never a hang."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from malsar_py import ClusteredRegressor, _kernels, prox
from malsar_py.base import TaskEstimator

from .test_common import kinds, public_estimators, takes_labels, with_random_state


def plain():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8))
    tasks = np.repeat(np.arange(4), 15)
    y = X[:, 0] - 2 * X[:, 1] + 0.5 * tasks + rng.standard_normal(60)
    return X, y, tasks


def zero_columns():
    X, y, tasks = plain()
    X[:, [0, 3]] = 0.0
    X[tasks == 1, 5] = 0.0
    return X, y, tasks


def duplicated_columns():
    X, y, tasks = plain()
    return np.hstack([X, X, X[:, :1]]), y, tasks


def one_sample_per_task():
    X, y, _ = plain()
    return X, y, np.arange(60)


def constant_target():
    X, _, tasks = plain()
    return X, np.full(60, 3.7), tasks


def scales():
    X, y, tasks = plain()
    return X * 10.0 ** np.linspace(-8, 8, 8), y, tasks


def offsets():
    X, y, tasks = plain()
    return X + 1e5, y + 1e5, tasks


def wide_and_short():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24, 200))
    return X, X[:, 0] + rng.standard_normal(24), np.repeat([0, 1, 2], 8)


def tiny_target():
    X, y, tasks = plain()
    return X, 1e-150 * y, tasks


def huge_target():
    X, y, tasks = plain()
    return X, 1e100 * y, tasks


CASES = [
    zero_columns,
    duplicated_columns,
    one_sample_per_task,
    constant_target,
    scales,
    offsets,
    wide_and_short,
    tiny_target,
    huge_target,
]


# Clustering has no objective to certify; see test_subspace_clustering.
MODELS = [c for c in public_estimators() if issubclass(c, TaskEstimator)]


def ways():
    """Every model by each of its solvers; accelerated steps on models solved alike are slow."""
    for cls in MODELS:
        if "solver" not in cls().get_params():
            yield pytest.param(cls, {}, id=cls.__name__)
            continue
        yield pytest.param(cls, {"solver": "auto"}, id=f"{cls.__name__}-auto")
        alike = cls not in kinds(MODELS) or cls.__name__.startswith("MultiStage")  # many fits
        marks = [pytest.mark.slow] if alike else []
        yield pytest.param(cls, {"solver": "apg"}, id=f"{cls.__name__}-apg", marks=marks)


@pytest.mark.filterwarnings("ignore:The number of tasks equals the number of rows:UserWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("cls", "way"), ways())
def test_ends_certified_or_with_a_warning(cls, way, case):
    X, y, tasks = case()
    classifier = is_classifier(cls())
    model = with_random_state(cls, **way, max_iter=2000)
    if "lambda1" in model.get_params():
        model.set_params(lambda1=0.05)
    if classifier:
        if case is constant_target:
            pytest.skip("a constant target has one class: refused, see test_bad_input")
        y = y > np.median(y)
        model.set_params(fit_intercept=case is not one_sample_per_task)
    labels = {"tasks": tasks} if takes_labels(cls) else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **labels)
    coefficients = getattr(model, "coef_", None)
    if coefficients is None:
        coefficients = model.dual_coef_
    for fitted in (coefficients, model.intercept_, model.predict(X, **labels)):
        assert np.isfinite(fitted).all()
    assert np.isfinite(model.objective_).all()
    warned = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    assert not [w for w in caught if issubclass(w.category, RuntimeWarning)]
    # Models that are not convex measure how stationary they are.
    convex = hasattr(model, "relative_gap_")
    reached = model.relative_gap_ if convex else model.optimality_
    if warned and "fits the targets to rounding" in warned[0]:  # no bound of the likelihood
        assert cls.__name__ == "MixedEffectsRegressor"
    elif warned:
        measure = "relative duality gap" if convex else "relative stationarity"
        if cls.__name__ == "MixedEffectsRegressor":
            measure = "gain in log-likelihood still expected"
        assert f"{measure} is" in warned[0]
        assert reached > model.tol
    else:
        assert reached <= model.tol


@pytest.mark.parametrize("lambda1", [1e-3, 1e-30])
def test_next_to_no_clustering(lambda1):
    """Eta = lambda2 / lambda1 in whose rounding M is lost: the k largest directions are M's."""
    X, y, tasks = plain()
    model = ClusteredRegressor(lambda1=lambda1, lambda2=1e10, n_clusters=2).fit(X, y, tasks=tasks)
    assert np.trace(model.task_membership_) == pytest.approx(2.0)
    assert model.relative_gap_ <= model.tol


def test_values_that_are_no_numbers_are_infinite():
    assert (prox.singular_values(np.array([[np.nan, 1.0], [0.0, 1.0]])) == np.inf).all()
    assert (prox.singular_values(np.array([[np.inf, 1.0, 2.0]])) == np.inf).all()


def test_a_shift_that_underflows():
    Z, out = np.array([[0.0, 0.0], [1e150, 1e150]]), np.empty((2, 2))
    _kernels.blocks.whiten(Z, np.array([0, 2]), np.array([1e-300]), 1e300, out)
    assert_allclose(out, [[0.0, 0.0], [np.sqrt(0.5) * 1e150] * 2])
