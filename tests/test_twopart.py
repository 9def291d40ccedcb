"""Two-part models, shared subspace, task relationship: limiting cases, attributes, refusals."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

import malsar_py
from malsar_py.datasets import make_joint_feature

from .problems import (
    assert_same_fit,
    assert_same_objective,
    data_for,
    objective_at_zero,
    ragged,
    shared,
    tight,
)

STEMS = {
    "Dirty": ("coef_shared_", "coef_specific_"),
    "RobustFeature": ("coef_shared_", "coef_specific_"),
    "RobustLowRank": ("coef_low_rank_", "coef_specific_"),
    "SparseLowRank": ("coef_sparse_", "coef_low_rank_"),
}
every_stem = pytest.mark.parametrize("stem", STEMS)
both_losses = pytest.mark.parametrize("classify", [False, True])
vanishing = pytest.mark.filterwarnings("ignore:.*is zero whatever the data:UserWarning")


def estimator(stem, classify=False, **parameters):
    return getattr(malsar_py, stem + ("Classifier" if classify else "Regressor"))(**parameters)


def strength(classify):
    return 0.03 if classify else 0.15


# --- limiting cases -----------------------------------------------------------------------------


@vanishing
@both_losses
@pytest.mark.parametrize(
    ("stem", "off", "alone"),
    [
        ("Dirty", "lambda1", "Lasso"),
        ("RobustFeature", "lambda2", "JointFeature"),
        ("RobustLowRank", "lambda2", "TraceNorm"),
        ("SparseLowRank", "lambda2", "Lasso"),
        ("SparseLowRank", "lambda1", "TraceNorm"),
    ],
)
def test_one_part_off(stem, off, alone, classify):
    """A part that costs too much is exactly zero: what is left is the other's model."""
    lambda_ = strength(classify)
    other = "lambda2" if off == "lambda1" else "lambda1"
    model = tight(estimator(stem, classify, **{off: 1e3, other: lambda_}))
    X, y, tasks = data_for(model)
    model.fit(X, y, tasks=tasks)
    expected = tight(estimator(alone, classify, lambda1=lambda_)).fit(X, y, tasks=tasks)
    assert_same_fit(model, expected)
    unit = objective_at_zero(model, X, y, tasks=tasks)
    assert_same_objective(model.objective_[-1], expected.objective_[-1], unit, tol=1e-12)
    first, second = (getattr(model, name) for name in STEMS[stem])
    zero, kept = (first, second) if off == "lambda1" else (second, first)
    assert not zero.any()
    assert_array_equal(kept, model.coef_)
    if hasattr(model, "outlier_tasks_"):
        assert len(model.outlier_tasks_) == 0


@both_losses
def test_trace_bounds_off_and_beyond(classify):
    """A bound of 0 is the Lasso; one that never binds, with P off, leaves no penalty at all."""
    lambda_ = strength(classify)
    model = tight(estimator("SparseLowRank", classify, lambda1=lambda_, trace_bound=0.0))
    X, y, tasks = data_for(model)
    model.fit(X, y, tasks=tasks)
    expected = tight(estimator("Lasso", classify, lambda1=lambda_)).fit(X, y, tasks=tasks)
    assert_same_fit(model, expected)
    assert not model.coef_low_rank_.any()
    if classify:
        return  # the data are separable: without a penalty there is no minimiser
    free = tight(estimator("SparseLowRank", classify, lambda1=1e3, trace_bound=1e3))
    free.fit(X, y, tasks=tasks)
    assert not free.coef_sparse_.any()
    plain = tight(estimator("Lasso", classify, lambda1=0.0)).fit(X, y, tasks=tasks)
    unit = objective_at_zero(plain, X, y, tasks=tasks)
    assert_same_objective(free.objective_[-1], plain.objective_[-1], unit, tol=1e-12)


def test_trace_bound_and_trace_norm_are_two_forms_of_one_problem():
    """The penalised solution solves the constrained problem with its own trace norm as bound."""
    X, y, tasks = ragged()
    penalised = tight(estimator("SparseLowRank", lambda1=0.15, lambda2=0.3)).fit(X, y, tasks=tasks)
    bound = np.linalg.norm(penalised.coef_low_rank_, "nuc")
    assert bound > 0.1
    bounded = tight(estimator("SparseLowRank", lambda1=0.15, trace_bound=bound))
    bounded.fit(X, y, tasks=tasks)
    unit = objective_at_zero(penalised, X, y, tasks=tasks)
    assert_same_objective(
        bounded.objective_[-1] + 0.3 * bound, penalised.objective_[-1], unit, tol=1e-12
    )
    assert_same_fit(bounded, penalised)
    assert_allclose(np.linalg.norm(bounded.coef_low_rank_, "nuc"), bound, rtol=1e-9)


@both_losses
@pytest.mark.parametrize("k", [1, 2, 3])
def test_shared_subspace_is_the_clustered_function(k, classify):
    lambdas = {"lambda1": 0.4, "lambda2": 0.03}
    subspace = tight(estimator("SharedSubspace", classify, **lambdas, n_components=k))
    X, y, tasks = data_for(subspace)
    subspace.fit(X, y, tasks=tasks)
    clustered = tight(estimator("Clustered", classify, **lambdas, n_clusters=k, random_state=0))
    clustered.fit(X, y, tasks=tasks)
    assert_same_fit(subspace, clustered)
    # The subspace is where the coefficients have most of their energy.
    V = subspace.components_
    assert_allclose(V @ V.T, np.eye(k), rtol=0, atol=1e-12)
    s = np.linalg.svd(subspace.coef_, compute_uv=False)
    assert_allclose(np.linalg.norm(subspace.coef_ @ V.T, axis=0), s[:k], rtol=1e-10)
    assert (np.abs(V).max(axis=1) == V.max(axis=1)).all()


@pytest.mark.parametrize(("d", "k"), [(5, 4), (3, 3), (3, 4), (1, 2)])
def test_shared_subspace_of_all_dimensions_is_ridge(d, k):
    X, y, tasks = ragged(d=d)
    lambda2 = 0.05
    model = tight(estimator("SharedSubspace", lambda1=0.7, lambda2=lambda2, n_components=k))
    model.fit(X, y, tasks=tasks)
    assert model.components_.shape == (min(k, d), d)
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        ridge = Ridge(alpha=lambda2 * own.sum()).fit(X[own], y[own])
        assert_allclose(model.coef_[t], ridge.coef_, rtol=0, atol=1e-9)
        assert_allclose(model.intercept_[t], ridge.intercept_, rtol=0, atol=1e-9)


@both_losses
@pytest.mark.parametrize("lambda2", [0.0, 0.05])
def test_task_covariance(lambda2, classify):
    model = tight(estimator("TaskRelationship", classify, lambda1=0.05, lambda2=lambda2))
    X, y, tasks = data_for(model)
    model.fit(X, y, tasks=tasks)
    C = model.coef_
    values, vectors = np.linalg.eigh(C @ C.T)  # W'W
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    assert_allclose(model.task_covariance_, root / np.trace(root), rtol=0, atol=1e-8)
    spread = np.sqrt(np.diag(model.task_covariance_))
    correlation = model.task_covariance_ / np.outer(spread, spread)
    assert_allclose(model.task_correlation_, correlation, rtol=0, atol=1e-12)
    assert_array_equal(np.diag(model.task_correlation_), 1.0)
    # The squared trace norm is a trace norm whose strength is lambda1 times the trace norm reached.
    size = np.linalg.norm(C, "nuc")
    same = tight(estimator("TraceNorm", classify, lambda1=0.05 * size, lambda2=lambda2))
    assert_same_fit(model, same.fit(X, y, tasks=tasks))


def test_task_relationship_at_its_limits():
    X, y, tasks = ragged()
    plain = tight(estimator("TaskRelationship", lambda1=0.0, lambda2=0.1)).fit(X, y, tasks=tasks)
    ridge = tight(estimator("Lasso", lambda1=0.0, lambda2=0.1)).fit(X, y, tasks=tasks)
    assert_same_fit(plain, ridge)
    constant = estimator("TaskRelationship").fit(X, np.ones(len(y)), tasks=tasks)
    assert_array_equal(constant.task_covariance_, np.eye(4) / 4)
    assert_array_equal(constant.task_correlation_, np.eye(4))
    # A task that has nothing to explain is related to none.
    dull = np.where(tasks == "b", 1.0, y)
    model = tight(estimator("TaskRelationship", lambda1=0.1)).fit(X, dull, tasks=tasks)
    assert_allclose(model.task_correlation_[1], [0, 1, 0, 0], rtol=0, atol=1e-6)
    # One task: half of lambda1 times the squared length, a ridge.
    own = tasks == "a"
    one = tight(estimator("TaskRelationship", lambda1=0.2)).fit(X[own], y[own])
    expected = Ridge(alpha=0.2 * own.sum()).fit(X[own], y[own])
    assert_allclose(one.coef_, expected.coef_, rtol=0, atol=1e-9)
    assert_array_equal(one.task_covariance_, [[1.0]])


# --- attributes and warnings ----------------------------------------------------------------------


@every_stem
@both_losses
def test_the_parts_in_every_form_of_labels(stem, classify):
    """Shapes of coef_, adding up to it, whichever door the labels come by."""
    parameters = {"lambda1": 0.05, "lambda2": 0.05 if stem != "Dirty" else 0.03, "tol": 1e-8}
    model = estimator(stem, classify, **parameters)
    X, y, tasks = data_for(model)
    target = (y == "yes").astype(float) if classify else y
    X2, Y2 = shared()
    Y2 = (np.median(Y2, axis=0) < Y2).astype(float) if classify else Y2
    codes = np.unique(tasks, return_inverse=True)[1]
    fits = [
        estimator(stem, classify, **parameters).fit(X, target, tasks=tasks),
        estimator(stem, classify, **parameters, task_column=0).fit(
            np.column_stack([codes, X]), target
        ),
        estimator(stem, classify, **parameters).fit(X2, Y2),
        estimator(stem, classify, **parameters).fit(X, target),
    ]
    for fitted, shape in zip(fits, [(4, 5), (4, 5), (4, 8), (5,)], strict=True):
        assert fitted.coef_.shape == shape
        first, second = (getattr(fitted, name) for name in STEMS[stem])
        assert first.shape == second.shape == shape
        assert first.flags.c_contiguous
        assert_array_equal(first + second, fitted.coef_)
        if stem.startswith("Robust"):
            nonzero = np.atleast_2d(second).any(axis=1)
            assert_array_equal(fitted.outlier_tasks_, fitted.tasks_[nonzero])
    assert_array_equal(fits[0].coef_, fits[1].coef_)


def test_outliers_are_named_as_the_labels_are():
    X, y, tasks, _ = make_joint_feature(6, 60, 10, coef=True, random_state=0)
    y = y + np.where(tasks == 4, 2.0 * X.sum(axis=1), 0.0)
    names = np.array(["u", "v", "w", "x", "y", "z"])[tasks]
    model = estimator("RobustFeature", lambda1=1.2, lambda2=2.0).fit(X, y, tasks=names)
    assert_array_equal(model.outlier_tasks_, ["y"])
    model = estimator("RobustFeature", lambda1=1.2, lambda2=2.0).fit(X, y, tasks=tasks)
    assert_array_equal(model.outlier_tasks_, [4])


BOUNDS = {
    "Dirty": lambda d, T: (1.0 / T, 1.0),
    "RobustFeature": lambda d, T: (T**-0.5, d**0.5),
    "RobustLowRank": lambda d, T: (T**-0.5, 1.0),
    "SparseLowRank": lambda d, T: (1.0, (d * T) ** 0.5),
}


@every_stem
@both_losses
def test_a_part_that_vanishes_is_announced(stem, classify):
    model = estimator(stem, classify, lambda1=strength(classify), tol=1e-10)
    X, y, tasks = data_for(model)
    low, high = BOUNDS[stem](5, 4)
    for ratio, gone in [(0.9 * low, 0), (1.1 * high, 1), (1.001 * low, None), (0.999 * high, None)]:
        model.set_params(lambda2=ratio * model.lambda1)
        if gone is None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.fit(X, y, tasks=tasks)
            continue
        message = (
            f"{STEMS[stem][gone]} of {type(model).__name__} is zero whatever the data, because "
            f"lambda2 / lambda1 = {ratio:.3g}: both parts can be in use from {low:.3g} to "
            f"{high:.3g}"
        )
        with pytest.warns(UserWarning, match=re.escape(message)) as caught:
            model.fit(X, y, tasks=tasks)
        assert caught[0].filename == __file__
        assert not getattr(model, STEMS[stem][gone]).any()
        assert getattr(model, STEMS[stem][1 - gone]).any()


@every_stem
def test_defaults_and_one_task_do_not_warn(stem):
    X, y, tasks = ragged()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(stem).fit(X, y, tasks=tasks)
        estimator(stem, lambda1=0.1, lambda2=7.0).fit(X, y)
        estimator("SparseLowRank", lambda1=5.0, trace_bound=1.0).fit(X, y, tasks=tasks)


@every_stem
@both_losses
def test_zero_if_and_only_if_both_dual_norms_allow_it(stem, classify):
    model = estimator(stem, classify)
    X, y, tasks = data_for(model)
    sign = np.where(y == "yes", 1.0, 0.0) if classify else y
    G = []
    for t in np.unique(tasks):
        own = tasks == t
        G.append((X[own] - X[own].mean(axis=0)).T @ (sign[own] - sign[own].mean()) / own.sum())
    G = np.stack(G, axis=1)
    norms = {
        "Dirty": (np.abs(G).sum(axis=1).max(), np.abs(G).max()),
        "RobustFeature": (np.linalg.norm(G, axis=1).max(), np.linalg.norm(G, axis=0).max()),
        "RobustLowRank": (np.linalg.norm(G, 2), np.linalg.norm(G, axis=0).max()),
        "SparseLowRank": (np.abs(G).max(), np.linalg.norm(G, 2)),
    }[stem]
    for factors, zero in [((1.0001, 1.0001), True), ((0.99, 1.5), False), ((1.5, 0.99), False)]:
        lambda1, lambda2 = np.multiply(norms, factors)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is zero whatever the data")
            model.set_params(lambda1=lambda1, lambda2=lambda2, tol=1e-10).fit(X, y, tasks=tasks)
        assert (not model.coef_.any()) == zero


@every_stem
def test_warm_start_restores_both_parts(stem):
    X, y, tasks = ragged()
    share = {"Dirty": 0.6, "RobustFeature": 1.0, "RobustLowRank": 0.7, "SparseLowRank": 2.0}[stem]
    model = estimator(stem, lambda1=0.12, lambda2=0.12 * share, warm_start=True, tol=1e-10)
    parts = [getattr(model.fit(X, y, tasks=tasks), name) for name in STEMS[stem]]
    assert all(part.any() for part in parts)
    model.fit(X, y, tasks=tasks)
    assert model.n_iter_ == 1
    for name, part in zip(STEMS[stem], parts, strict=True):
        assert_array_equal(getattr(model, name), part)


def test_warm_start_under_a_new_bound_is_feasible():
    X, y, tasks = ragged()
    model = estimator("SparseLowRank", lambda1=0.15, lambda2=0.3, warm_start=True, tol=1e-9)
    model.fit(X, y, tasks=tasks)
    for bound in (0.7, 0.3, 2.0):
        model.set_params(trace_bound=bound).fit(X, y, tasks=tasks)
        assert np.isfinite(model.objective_).all()
        assert np.linalg.norm(model.coef_low_rank_, "nuc") <= bound * (1.0 + 1e-9)
        cold = estimator("SparseLowRank", lambda1=0.15, trace_bound=bound, tol=1e-9)
        cold.fit(X, y, tasks=tasks)
        unit = objective_at_zero(cold, X, y, tasks=tasks)
        assert_same_objective(model.objective_[-1], cold.objective_[-1], unit, tol=1e-9)


# --- what they refuse -----------------------------------------------------------------------------

RANGE = "parameter of {} must be a float in the range (0.0, inf)"
REFUSED = {
    f"{stem}-{name}": (stem, {name: value}, f"The '{name}' {RANGE.format(stem + 'Regressor')}")
    for stem in STEMS
    for name in ("lambda1", "lambda2")
    for value in (0.0, -1.0)
} | {
    "trace_bound-negative": (
        "SparseLowRank",
        {"trace_bound": -1.0},
        "The 'trace_bound' parameter of SparseLowRankRegressor must be a float in the range "
        "[0.0, inf) or None",
    ),
    "n_components-zero": (
        "SharedSubspace",
        {"n_components": 0},
        "The 'n_components' parameter of SharedSubspaceRegressor must be an int in the range "
        "[1, inf)",
    ),
    "n_components-beyond": (
        "SharedSubspace",
        {"n_components": 5},
        "n_components=5 must be at most the number of tasks, 4",
    ),
    "subspace-without-ridge": (
        "SharedSubspace",
        {"lambda2": 0.0},
        f"The 'lambda2' {RANGE.format('SharedSubspaceRegressor')}",
    ),
    "relationship-negative": (
        "TaskRelationship",
        {"lambda1": -1.0},
        "The 'lambda1' parameter of TaskRelationshipRegressor must be a float in the range "
        "[0.0, inf)",
    ),
    "active-set": (
        "Dirty",
        {"solver": "active-set"},
        "solver='active-set' is for penalties that separate over the features (L1, L2,1), which "
        "DirtyRegressor with these parameters is not: use 'auto', 'apg' or 'splitting'.",
    ),
    "closed-form": (
        "RobustFeature",
        {"solver": "closed-form"},
        "solver='closed-form' is for the squared loss with quadratic penalties only, which "
        "RobustFeatureRegressor with these parameters is not",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    stem, parameters, message = REFUSED[name]
    X, y, tasks = ragged()
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator(stem, **parameters).fit(X, y, tasks=tasks)
