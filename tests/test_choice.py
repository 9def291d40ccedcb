"""The register of solvers: which one runs, by name and by itself, and what is said of it."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    CalibratedJointFeatureRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MultiStageRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from malsar_py.model_selection import MultiTaskSearchCV, regularization_path
from malsar_py.solvers import SOLVERS, Solver, _choice, register, solve_accelerated

# Models, the solvers that fit them, the first by itself.
FITTING = {
    "lasso": (LassoRegressor(lambda1=0.1), ["active-set", "apg", "semismooth", "splitting"]),
    "joint feature": (
        JointFeatureRegressor(lambda1=0.1, lambda2=0.01),
        ["active-set", "apg", "semismooth", "splitting"],
    ),
    "mean": (MeanRegularizedRegressor(lambda1=0.3, lambda2=0.1), ["closed-form", "apg"]),
    "trace": (TraceNormRegressor(lambda1=0.1), ["splitting", "apg"]),
    "trace, classes": (TraceNormClassifier(lambda1=0.1, lambda2=0.01), ["newton", "apg"]),
    "mean, classes": (MeanRegularizedClassifier(lambda1=0.3, lambda2=0.1), ["newton", "apg"]),
    "classes": (
        JointFeatureClassifier(lambda1=0.1, lambda2=0.01),
        ["active-set", "apg", "newton"],
    ),
    "calibrated": (
        CalibratedJointFeatureRegressor(lambda1=0.4),
        ["square-root", "semismooth"],
    ),
}


def data(classes=False):
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((45, 6)), np.repeat(["a", "b", "c"], 15)
    y = X[:, 0] + 0.5 * X[:, 1] + 0.5 * rng.standard_normal(45)
    return X, (y > 0.0 if classes else y), tasks


@pytest.mark.parametrize("model", FITTING)
def test_every_solver_that_fits_can_be_named(model):
    model, names = FITTING[model]
    X, y, tasks = data(model._classifier)
    model.set_params(tol=1e-11, max_iter=20_000, solver="auto").fit(X, y, tasks=tasks)
    assert model.solver_.split(" -> ")[0] == names[0]
    best, coef = model.objective_[-1], model.coef_
    for name in names:
        model.set_params(solver=name).fit(X, y, tasks=tasks)
        assert model.solver_.split(" -> ")[0] == name
        assert model.relative_gap_ <= 1e-11
        assert_allclose(model.objective_[-1], best, rtol=1e-9)
        assert_allclose(model.coef_, coef, atol=1e-4)


@pytest.mark.parametrize("model", FITTING)
def test_others_are_refused_by_name(model):
    model, names = FITTING[model]
    if "square-root" in names:
        names = [*names, "active-set", "apg", "splitting"]  # of the least-squares problems
    X, y, tasks = data(model._classifier)
    for name in SOLVERS - {"auto", *names}:
        with pytest.raises(ValueError, match=f"solver='{name}' is for .* use 'auto'") as error:
            model.set_params(solver=name).fit(X, y, tasks=tasks)
        for other in {"apg", *names} - {"square-root", "semismooth"}:
            assert repr(other) in str(error.value)


def test_which_solver_ran_is_kept():
    X, y, tasks = data()
    search = MultiTaskSearchCV(JointFeatureRegressor(), n_lambdas=3, cv=3).fit(X, y, tasks=tasks)
    assert search.best_estimator_.solver_ == "active-set"
    path = regularization_path(LassoRegressor(), X, y, tasks=tasks, n_lambdas=3)
    assert path.solver.tolist() == ["active-set"] * 3
    assert MultiStageRegressor(lambda1=0.1).fit(X, y, tasks=tasks).solver_ == "active-set"


def test_a_solver_hands_over_and_says_so(capsys):
    X, y, tasks = data()
    model = TraceNormRegressor(lambda1=0.01, tol=1e-15, max_iter=400, verbose=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, tasks=tasks)
    printed = "splitting hands over to apg" in capsys.readouterr().out
    assert printed == (model.solver_ == "splitting -> apg")
    assert np.all(np.diff(model.objective_iterations_) > 0)


@pytest.fixture
def own_register(monkeypatch):
    monkeypatch.setattr(_choice, "_REGISTER", dict(_choice._REGISTER))
    names = set(SOLVERS)
    yield
    SOLVERS.intersection_update(names)


def test_a_solver_of_another_package(own_register):
    """One entry: it can be named, "auto" takes it in its turn, and its certificate is checked."""
    calls = []

    def solve_slowly(objective, W0, *, tol, max_iter, verbose=0, workspace=None):
        calls.append(max_iter)
        return solve_accelerated(objective, W0, tol=tol, max_iter=max_iter)

    def fits(objective):
        return objective.loss.smooth

    register(Solver("slow", solve_slowly, fits=fits, purpose="smooth losses"))
    X, y, tasks = data()
    fit = partial(JointFeatureRegressor, lambda1=0.1, tol=1e-8)
    model = fit(solver="slow").fit(X, y, tasks=tasks)
    assert model.solver_ == "slow"
    assert calls == [10_000]
    assert model.relative_gap_ <= 1e-8
    assert_allclose(model.coef_, fit().fit(X, y, tasks=tasks).coef_, atol=1e-4)
    with pytest.raises(ValueError, match="There is a solver 'slow' already"):
        register(Solver("slow", solve_slowly, fits=fits, purpose="smooth losses"))
