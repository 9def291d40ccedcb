"""Wide and sparse data by batches: working sets over passes, equal to the fit of all rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from malsar_py import (
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    Summary,
    TraceNormClassifier,
    summarize,
)
from malsar_py.model_selection import lambda1_max, path_batches, regularization_path

pd = pytest.importorskip("pandas")

N, D, T = 900, 80, 3
ROOM = 40_000  # bytes; moments of all features take 157 kB
MODELS = [
    JointFeatureRegressor(lambda1=0.2),
    LassoRegressor(lambda1=0.1, lambda2=0.01),
    JointFeatureRegressor(lambda1=0.2, intercept_shrinkage=0.5),
    JointFeatureClassifier(lambda1=0.05),
    LassoClassifier(lambda1=0.05, fit_intercept=False),
    JointFeatureClassifier(lambda1=0.05, intercept_shrinkage=np.inf),
    JointFeatureRegressor(lambda1=0.25, loss="poisson"),
]


def name(model):
    shrunk = f"-{model.intercept_shrinkage}" if model.intercept_shrinkage else ""
    return f"{type(model).__name__}{shrunk}{'-poisson' * (getattr(model, 'loss', '') == 'poisson')}"


def data(model, thin, seed=0):
    """X, targets for the model, tasks, weights; a few features matter, one is constant."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D))
    if thin:
        X *= rng.random((N, D)) < 0.3
    tasks = rng.integers(0, T, N)
    W = np.zeros((D, T))
    W[:4] = rng.choice([-1.0, 1.0], (4, T))
    z = np.einsum("ij,ji->i", X, W[:, tasks])
    if hasattr(model, "classes_") or "Classifier" in type(model).__name__:
        y = np.where(rng.random(N) < 1.0 / (1.0 + np.exp(-z)), "yes", "no")
    elif getattr(model, "loss", "") == "poisson":
        y = rng.poisson(np.exp(0.5 * z)).astype(float)
    else:
        y = z + rng.standard_normal(N)
        y[::9] = np.nan
    weight = rng.uniform(0.5, 2.0, N)
    weight[::7] = 0.0
    X[:, 7] = 0.0
    labels = np.array(list("abc"))[tasks]
    if thin:
        return sparse.csr_array(X), y, labels, weight
    if model.fit_intercept:
        X += 30.0
    return X, y, labels, weight


def batches(X, y, tasks, weight, n=3):
    return [(X[i], y[i], tasks[i], weight[i]) for i in np.array_split(np.arange(N), n)]


@pytest.mark.parametrize("thin", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("model", MODELS, ids=name)
def test_fits_are_those_of_all_rows(model, thin):
    X, y, tasks, weight = data(model, thin)
    model = clone(model).set_params(tol=1e-13, unseen="mean")
    whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X, y, tasks, weight), max_memory=ROOM)
    assert found.relative_gap_ <= 1e-13 and found.n_passes_ <= 16
    assert 3 <= np.count_nonzero(whole.coef_.any(axis=0)) <= 30
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8 * np.abs(whole.coef_).max())
    assert_array_equal(found.coef_ != 0.0, whole.coef_ != 0.0)
    assert_allclose(found.intercept_, whole.intercept_, rtol=0, atol=1e-7)
    assert found.objective_[-1] == pytest.approx(whole.objective_[-1], rel=1e-11)
    assert (np.diff(found.objective_) <= 1e-12).all()
    a, b = (m._linear_prediction(X[:5], ["?"] * 5)[0] for m in (found, whole))
    assert_allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=name)
def test_tables(model):
    X, y, tasks, weight = data(model, False)
    table = pd.DataFrame(X, columns=[f"f{j}" for j in range(D)]).assign(y=y, w=weight)
    table.insert(1, "town", tasks)
    model = clone(model).set_params(tol=1e-12, task_column="town")
    frame = table.drop(columns=["y", "w"])
    whole = clone(model).fit(frame, table["y"], sample_weight=table["w"])
    source = [table[::2], table.iloc[:0], table[1::2]]
    given = {"task_column": "town", "target": "y", "sample_weight": "w", "max_memory": ROOM}
    found = model.fit_batches(source, **given)
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)
    assert_array_equal(found.feature_names_in_, whole.feature_names_in_)
    assert_array_equal(found.predict(frame)[:9] == whole.predict(frame)[:9], True) if hasattr(
        whole, "classes_"
    ) else assert_allclose(found.predict(frame), whole.predict(frame), atol=1e-7)


@pytest.mark.parametrize("thin", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=name)
def test_a_pass_is_for_all_values_of_a_path(model, thin):
    X, y, tasks, weight = data(model, thin)
    model = clone(model).set_params(tol=1e-12)
    given = {"tasks": tasks, "sample_weight": weight}
    top = lambda1_max(model, X, y, **given)
    values = top * np.array([1.01, 0.6, 0.35])
    source = batches(X, y, tasks, weight)
    path = path_batches(model, source, lambda1=values, max_memory=3 * ROOM)
    whole = regularization_path(model, X, y, **given, lambda1=values)
    assert (path.relative_gap <= 1e-12).all() and path.n_passes <= 18
    assert_allclose(path.coef, whole.coef, rtol=0, atol=1e-7)
    assert_array_equal(path.df, whole.df)
    assert path.df[0] == 0 < path.df[1]
    if thin:
        grid = path_batches(model, source, n_lambdas=2, eps=0.5)
        assert grid.lambda1[0] == pytest.approx(top, rel=1e-10)


def test_one_task_and_the_largest_lambda1():
    X, y, _, weight = data(MODELS[0], True)
    source = [(X[i], y[i], None, weight[i]) for i in np.array_split(np.arange(N), 4)]
    model = LassoRegressor(lambda1=0.2, tol=1e-12)
    whole = clone(model).fit(X, y, sample_weight=weight)
    found = model.fit_batches(lambda: iter(source))
    assert found.coef_.shape == (D,) and isinstance(found.intercept_, float)
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-9)
    assert_allclose(found.intercept_, whole.intercept_, rtol=0, atol=1e-9)
    zero = LassoRegressor(lambda1=1e3, tol=1e-12).fit_batches(source)
    assert not zero.coef_.any() and zero.relative_gap_ <= 1e-12


def test_columns_far_from_zero_keep_their_digits():
    X, y, tasks, weight = data(MODELS[0], False)
    model = JointFeatureRegressor(lambda1=0.2, tol=1e-12)
    near = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X + 1e8, y + 1e8, tasks, weight), max_memory=ROOM)
    # (Adding 1e8 rounds the data themselves to 1e-8.)
    assert_allclose(found.coef_, near.coef_, rtol=0, atol=1e-6)
    assert not found.coef_[:, 7].any()


def test_memory_is_that_of_the_working_set():
    """No products of all pairs of features, no dense copy of X."""
    n, d = 600, 3000
    rng = np.random.default_rng(0)
    X = sparse.random_array((n, d), density=0.005, random_state=rng, format="csr")
    tasks = np.arange(n) % 2
    y = 3.0 * X[:, :40].sum(axis=1) + 0.1 * rng.standard_normal(n)
    source = [(X[i], y[i], tasks[i]) for i in np.array_split(np.arange(n), 3)]
    model = JointFeatureRegressor(lambda1=0.005, tol=1e-8)
    clone(model).fit_batches(source)  # (kernels are compiled)
    tracemalloc.start()
    model.fit_batches(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.relative_gap_ <= 1e-8 and model.coef_.any(axis=0).sum() >= 5
    assert peak < 0.4 * 8 * n * d  # 8 T d^2 is ten times 8 n d


# --- what is refused -----------------------------------------------------------------------------


def test_what_has_no_room():
    X, y, tasks, weight = data(MODELS[0], False)
    source = batches(X, y, tasks, weight)
    with pytest.raises(MemoryError, match=r"the working set, \d+ features in 3 tasks and more"):
        JointFeatureRegressor(lambda1=0.01).fit_batches(source, max_memory=ROOM)
    with pytest.raises(MemoryError, match="more than max_memory=40000 / 2, for each lambda1"):
        path_batches(JointFeatureRegressor(), source, lambda1=[0.02, 0.01], max_memory=ROOM)
    # Penalties that are no sums over features need products of all pairs.
    for model in (
        MeanRegularizedRegressor(lambda2=0.1),
        TraceNormClassifier(),
        LassoRegressor(common=True),
    ):
        labels = y if "Regressor" in type(model).__name__ else np.where(y > 0.0, 1, 0)
        with pytest.raises(MemoryError, match="more than max_memory=40000"):
            model.fit_batches(batches(X, labels, tasks, weight), max_memory=ROOM)
    with pytest.raises(MemoryError, match="more than max_memory=40000"):  # it is read once
        JointFeatureRegressor().fit_batches(iter(source), max_memory=ROOM)
    three = np.where(np.isnan(y), "?", np.where(y > 0.0, "yes", "no"))
    with pytest.raises(MemoryError, match="for two classes only: here are 3"):
        JointFeatureClassifier().fit_batches(batches(X, three, tasks, weight), max_memory=ROOM)


def test_sparse_batches_that_cannot_be_used():
    X, y, tasks, weight = data(MODELS[0], True)
    source = batches(X, y, tasks, weight)
    with pytest.raises(TypeError, match=r"batch 0: X is sparse: .* fit_batches of Lasso and"):
        summarize(source)
    with pytest.raises(TypeError, match="X is sparse: a summary keeps products"):
        Summary().update(X, y)
    with pytest.raises(TypeError, match="batch 0: X is sparse"):
        TraceNormClassifier().fit_batches(batches(X, y > 0.0, tasks, weight))
    hole = X.copy()
    row, column = 500, int(hole.indices[hole.indptr[500]])
    hole.data[hole.indptr[500]] = np.nan
    with pytest.raises(ValueError, match=f"batch 1: .* column {column}, row {row - 300}"):
        JointFeatureRegressor().fit_batches(batches(hole, y, tasks, weight))
    two = np.column_stack([y, y])
    with pytest.raises(ValueError, match="batch 0: y has several columns"):
        JointFeatureRegressor().fit_batches([(X[:300], two[:300])])
    with pytest.raises(ValueError, match="X must have the same columns as before: 80 were"):
        JointFeatureRegressor().fit_batches([source[0], (X[:9, :5], y[:9], tasks[:9])])
