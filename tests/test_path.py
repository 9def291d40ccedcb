"""lambda1_max, grids and paths."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso

from malsar_py import (
    ClusteredRegressor,
    DirtyRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
)
from malsar_py.model_selection import lambda1_max, lambda_grid, regularization_path

from .problems import ESTIMATORS, data_for, every_model, ids, ragged, shared

NORMS = [
    LassoRegressor(),
    LassoClassifier(),
    JointFeatureRegressor(),
    JointFeatureClassifier(),
    TraceNormRegressor(),
    TraceNormClassifier(),
]
every_norm = pytest.mark.parametrize("model", NORMS, ids=ids(NORMS))


def df_at(model, factor, X, y, **labels):
    largest = lambda1_max(model, X, y, **labels)
    fitted = clone(model).set_params(lambda1=factor * largest, tol=1e-10).fit(X, y, **labels)
    return int((fitted.coef_ != 0.0).any(axis=0).sum())


@every_norm
@pytest.mark.parametrize(
    "parameters",
    [{}, {"lambda2": 0.5}, {"fit_intercept": False}, {"task_weight": "size"}],
    ids=["plain", "ridge", "no intercept", "by size"],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_lambda1_max_is_exact(model, parameters, seed):
    model = clone(model).set_params(**parameters)
    X, y, tasks = data_for(model, seed=seed, d=7)
    assert df_at(model, 1.0, X, y, tasks=tasks) == 0
    assert df_at(model, 0.999, X, y, tasks=tasks) >= 1


@every_norm
def test_lambda1_max_by_every_door(model):
    X, y, tasks = data_for(model, seed=3)
    expected = lambda1_max(model, X, y, tasks=tasks)
    assert expected > 0.0
    frame = pd.DataFrame(X, columns=list("abcde")).assign(school=tasks)
    by_column = clone(model).set_params(task_column="school")
    assert_allclose(lambda1_max(by_column, frame, y), expected, rtol=1e-12)
    # Doubled weights change nothing; repeated rows are weights.
    again = lambda1_max(model, X, y, tasks=tasks, sample_weight=np.full(len(y), 2.0))
    assert_allclose(again, expected, rtol=1e-12)
    weight = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    assert_allclose(
        lambda1_max(model, X, y, tasks=tasks, sample_weight=weight),
        lambda1_max(model, X[rows], y[rows], tasks=tasks[rows]),
        rtol=1e-10,
    )


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("model", NORMS[::2], ids=ids(NORMS[::2]))
def test_lambda1_max_on_a_shared_x(model, holes):
    X, Y = shared()
    if holes:
        Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    assert df_at(model, 1.0, X, Y) == 0
    assert df_at(model, 0.999, X, Y) >= 1


def test_lambda1_max_by_formula():
    X, y, tasks = ragged()
    G = np.empty((4, 5))
    for t, label in enumerate("abcd"):
        own = tasks == label
        G[t] = (y[own] - y[own].mean()) @ X[own] / own.sum()
    found = [lambda1_max(model, X, y, tasks=tasks) for model in NORMS[::2]]
    expected = [np.abs(G).max(), np.linalg.norm(G, axis=0).max(), np.linalg.norm(G, 2)]
    assert_allclose(found, expected, rtol=1e-12)
    trace = np.mean([X[tasks == label].var(axis=0).mean() for label in "abcd"])
    for model in (MeanRegularizedRegressor(), ClusteredRegressor(), GraphRegressor(lambda3=0.1)):
        assert_allclose(lambda1_max(model, X, y, tasks=tasks), trace, rtol=1e-12)
    # The scale of a quadratic with missing targets: each task's own rows.
    X, Y = shared()
    Y[:10, 1] = np.nan
    trace = (3 * X.var(axis=0).mean() + X[10:].var(axis=0).mean()) / 4
    assert_allclose(lambda1_max(MeanRegularizedRegressor(), X, Y), trace, rtol=1e-12)


def test_lambda1_max_is_sklearns():
    X, Y = shared()
    model = JointFeatureRegressor()
    Xc, Yc = X - X.mean(axis=0), Y - Y.mean(axis=0)
    expected = np.linalg.norm(Xc.T @ Yc, axis=1).max() / len(X)
    assert_allclose(lambda1_max(model, X, Y), expected, rtol=1e-12)
    largest = np.abs(Xc.T @ Yc[:, 0]).max() / len(X)
    grid = lambda_grid(LassoRegressor(), X, Y[:, 0], n_lambdas=20, eps=1e-2)
    assert_allclose(grid, np.geomspace(largest, 1e-2 * largest, 20), rtol=1e-10)


WITH_LARGEST = (
    *("Lasso", "JointFeature", "GroupFeature", "TraceNorm", "TemporalGroup", "FusedSparseGroup"),
    *("CalibratedJointFeature", "Dirty", "RobustFeature", "RobustLowRank", "SparseLowRank"),
)


@every_model
def test_grid(model):
    X, y, tasks = data_for(model)
    largest = lambda1_max(model, X, y, tasks=tasks)
    grid = lambda_grid(model, X, y, tasks=tasks, n_lambdas=7, eps=1e-2)
    assert grid.shape == (7,)
    assert (np.diff(grid) < 0.0).all()
    assert_allclose(grid[-1], 1e-2 * largest)
    has_largest = type(model).__name__.startswith(WITH_LARGEST)
    assert_allclose(grid[0], largest if has_largest else 100.0 * largest)
    if has_largest:
        assert grid[0] >= largest
    else:
        assert_allclose(grid[3], largest)
    assert lambda_grid(model, X, y, tasks=tasks, n_lambdas=1).tolist() == [largest]
    assert len(lambda_grid(model, X, y, tasks=tasks)) == 100


def test_constant_targets_have_a_grid():
    X, y, tasks = ragged()
    model = LassoRegressor()
    y = np.where(tasks == "a", 1.0, 2.0)
    assert lambda1_max(model, X, y, tasks=tasks) == 0.0
    grid = lambda_grid(model, X, y, tasks=tasks)
    assert (grid > 0.0).all()
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=3)
    assert not path.coef.any()
    assert (path.dual_gap == 0.0).all()
    assert (lambda_grid(model, np.ones_like(X), y, tasks=tasks) > 0.0).all()
    # The scale is that of the data, be W one part or two.
    scale = lambda1_max(MeanRegularizedRegressor(), X, y, tasks=tasks)
    for model in (LassoRegressor(), DirtyRegressor()):
        grid = lambda_grid(model, X, y, tasks=tasks, n_lambdas=3)
        assert_allclose(grid, [1e3 * scale, scale, 1e-3 * scale])


# --- paths ---------------------------------------------------------------------------------------


@every_model
def test_a_path_is_its_separate_fits(model):
    model = clone(model).set_params(tol=1e-10, max_iter=50_000)
    X, y, tasks = data_for(model, d=6)
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=6, eps=1e-2)
    assert_array_equal(path.lambda1, lambda_grid(model, X, y, tasks=tasks, n_lambdas=6, eps=1e-2))
    assert path.coef.shape == (6, 4, 6)
    assert path.tasks.tolist() == list("abcd")
    assert path.feature_names.tolist() == [f"x{j}" for j in range(6)]
    for i, value in enumerate(path.lambda1):
        fitted = clone(model).set_params(lambda1=value).fit(X, y, tasks=tasks)
        assert_allclose(path.coef[i], fitted.coef_, atol=2e-4)
        assert_allclose(path.intercept[i], fitted.intercept_, atol=2e-4)
        assert path.relative_gap[i] <= 1e-10
        assert path.n_iter[i] >= 1
        rank = np.linalg.matrix_rank(path.coef[i], tol=1e-8)
        spectral = ("rank_", "task_labels_", "components_", "task_covariance_")
        by_rank = any(hasattr(fitted, name) for name in spectral)
        assert path.df[i] == (rank if by_rank else (path.coef[i] != 0).any(axis=0).sum())


@pytest.mark.parametrize("model", ESTIMATORS[:6], ids=ids(ESTIMATORS[:6]))
@pytest.mark.parametrize("holes", [False, True])
def test_a_path_on_a_shared_x(model, holes):
    X, Y = shared()
    if holes:
        Y[np.random.default_rng(0).random(Y.shape) < 0.3] = np.nan
    model = clone(model).set_params(tol=1e-9)
    path = regularization_path(model, X, Y, n_lambdas=5, eps=1e-2)
    for i, value in enumerate(path.lambda1):
        fitted = clone(model).set_params(lambda1=value).fit(X, Y)
        assert_allclose(path.coef[i], fitted.coef_, atol=5e-4)
        assert path.relative_gap[i] <= 1e-9


def test_a_path_is_sklearns():
    X, Y = shared(n=40, d=60)
    model = JointFeatureRegressor(tol=1e-11)
    path = regularization_path(model, X, Y, n_lambdas=8, eps=1e-2)
    for value, coef, intercept in zip(path.lambda1, path.coef, path.intercept, strict=True):
        peer = MultiTaskLasso(alpha=value, tol=1e-12, max_iter=100_000).fit(X, Y)
        assert_allclose(coef, peer.coef_, atol=1e-5)
        assert_allclose(intercept, peer.intercept_, atol=1e-5)


def test_lambda1_as_given():
    X, y, tasks = ragged()
    model = LassoRegressor(lambda1=3.0)
    before = model.get_params()
    path = regularization_path(model, X, y, tasks=tasks, lambda1=[0.1, 0.4, 0.0, 0.1])
    assert path.lambda1.tolist() == [0.4, 0.1, 0.0]
    assert model.get_params() == before
    assert not hasattr(model, "coef_")
    single = regularization_path(model, X, y, lambda1=0.2)
    assert single.coef.shape == (1, 1, 5)


def test_data_are_left_alone():
    X, y, tasks = ragged()
    X, y = np.ascontiguousarray(X[np.argsort(tasks)]), y[np.argsort(tasks)]
    kept = X.copy(), y.copy()
    regularization_path(JointFeatureRegressor(), X, y, tasks=np.sort(tasks), n_lambdas=3)
    assert_array_equal(X, kept[0])
    assert_array_equal(y, kept[1])


def test_one_warning_for_a_path():
    X, y, tasks = ragged()
    model = TraceNormRegressor(max_iter=1, tol=1e-12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = regularization_path(model, X, y, tasks=tasks, n_lambdas=5)
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert caught[0].filename == __file__
    assert "TraceNormRegressor did not reach tol=1e-12 at 4 of 5" in str(caught[0].message)
    assert (path.relative_gap[1:] > 1e-12).all()


X3, Y3 = np.eye(3), np.arange(3.0)
REFUSED = [
    ({"lambda1": []}, ValueError, "lambda1 is an empty grid"),
    ({"lambda1": [0.1, -0.2]}, ValueError, r"lambda1 must be in \[0, inf\), got -0.2"),
    ({"lambda1": [np.nan]}, ValueError, r"lambda1 must be in \[0, inf\), got nan"),
    ({"lambda1": "all"}, ValueError, "lambda1 must be numbers"),
    ({"lambda1": [[0.1]]}, ValueError, "lambda1 must be a 1d array"),
    ({"n_lambdas": 0}, ValueError, "n_lambdas must be"),
    ({"n_lambdas": 2.5}, ValueError, "n_lambdas must be"),
    ({"eps": 1.0}, ValueError, r"eps must be in \(0, 1\)"),
    ({"eps": "small"}, ValueError, r"eps must be in \(0, 1\)"),
    ({"tasks": [0]}, ValueError, "`tasks` has 1 labels"),
]


@pytest.mark.parametrize(("parameters", "error", "match"), REFUSED)
def test_refused(parameters, error, match):
    with pytest.raises(error, match=match):
        regularization_path(LassoRegressor(), X3, Y3, **parameters)
    with pytest.raises(TypeError, match="estimator must be one of this package's"):
        regularization_path(MultiTaskLasso(), X3, Y3)
    with pytest.raises(TypeError, match="estimator must be one of this package's"):
        lambda1_max(LassoRegressor, X3, Y3)
