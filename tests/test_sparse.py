"""Sparse X: the same fits as with dense X, and no dense copy where none is needed."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import MaxAbsScaler

from malsar_py import (
    ClusteredRegressor,
    GraphClassifier,
    GraphRegressor,
    GroupFeatureClassifier,
    GroupFeatureRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    SeparableKernelRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
    _sparse,
)
from malsar_py.inspection import bootstrap
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

from .problems import assert_same_objective, objective_at_zero

# Models that take sparse X as it is, with another strength.
MODELS = {
    LassoRegressor: {"lambda1": 0.02},
    JointFeatureRegressor: {"lambda1": 0.03, "lambda2": 1e-3},
    MeanRegularizedRegressor: {"lambda1": 0.1, "lambda2": 0.01},
    TraceNormRegressor: {"lambda1": 0.05},
    GraphRegressor: {"graph": "chain", "lambda1": 0.1, "lambda2": 0.01},
    GroupFeatureRegressor: {"lambda1": 0.03, "lambda2": 1e-3, "lambda3": 0.01},
    GroupFeatureClassifier: {"lambda1": 0.02, "lambda2": 1e-3, "lambda3": 0.01},
    LassoClassifier: {"lambda1": 0.02, "lambda2": 1e-3},
    JointFeatureClassifier: {"lambda1": 0.02, "lambda2": 1e-3},
    MeanRegularizedClassifier: {"lambda1": 0.1, "lambda2": 0.01},
    TraceNormClassifier: {"lambda1": 0.02, "lambda2": 1e-3},
    GraphClassifier: {"graph": "chain", "lambda1": 0.1, "lambda2": 0.01},
}
TOL = 1e-12


def data(shape, door, classes, seed=0):
    """Sparse X, y, labels and weights; "missing": not every target is observed."""
    n, d, n_tasks = shape
    rng = np.random.default_rng(seed)
    X = sparse.csr_array(rng.random((n, d)) * (rng.random((n, d)) < 0.15))
    W = np.zeros((d, n_tasks))
    W[:5] = rng.standard_normal((5, n_tasks))
    Y = X @ W + 0.1 * rng.standard_normal((n, n_tasks))
    if classes:
        Y = (np.median(Y, axis=0) < Y).astype(float)
    weight = rng.uniform(0.5, 2.0, n)
    if door == "shared":
        return X, Y, {}, {}
    if door == "missing":
        Y[rng.random(Y.shape) < 0.2] = np.nan
        return X, Y, {}, {"sample_weight": weight}
    tasks = rng.permutation(np.arange(n) % n_tasks)
    y = Y[np.arange(n), tasks]
    if door == "column":
        labelled = sparse.hstack([X[:, :3], sparse.csr_array(tasks[:, None] + 1.0), X[:, 3:]])
        return labelled.tocsc(), y, {"task_column": 3}, {"sample_weight": weight}
    return X, y, {}, {"tasks": tasks, "sample_weight": weight}


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("shape", [(90, 12, 3), (60, 150, 4)])
@pytest.mark.parametrize("door", ["shared", "missing", "keyword", "column"])
@pytest.mark.parametrize("intercept", [True, False])
def test_sparse_is_dense(cls, shape, door, intercept):
    if not intercept and door != "keyword":
        pytest.skip("intercepts are the same for all doors")
    X, y, settings, fit = data(shape, door, cls._classifier)
    model = cls(**MODELS[cls], **settings, fit_intercept=intercept, tol=TOL, max_iter=10**6)
    given = {name: value for name, value in fit.items() if name == "tasks"}
    one = model.fit(X.toarray(), y, **fit)
    dense = one.coef_, one.intercept_, one._mean_coef, one._mean_intercept
    best, predicted = one.objective_[-1], one.predict(X.toarray(), **given)
    model.fit(X, y, **fit)
    assert model.relative_gap_ <= TOL
    unit = objective_at_zero(model, X.toarray(), y, **fit)
    assert_same_objective(model.objective_[-1], best, unit, tol=TOL)
    # The gap is quadratic in the coefficients' error; without a ridge classes curve little.
    atol = 1e-6 if cls._classifier else 1e-9
    assert_allclose(model.coef_, dense[0], atol=atol)
    assert_allclose(model.intercept_, dense[1], atol=atol)
    assert_allclose(model._mean_coef, dense[2], atol=atol)
    assert_allclose(model._mean_intercept, dense[3], atol=atol)
    for other in (X, X.toarray()):
        found = model.predict(other, **given)
        assert np.mean(found == predicted) > 0.99 or np.abs(found - predicted).max() < 1e-8
        assert_allclose(model.score(other, y, **given), one.score(X.toarray(), y, **given))


FORMATS = [
    sparse.csr_array,
    sparse.csc_array,
    sparse.coo_array,
    sparse.csr_matrix,
    sparse.csc_matrix,
    lambda X: sparse.csr_array(X).astype(np.float32),
    lambda X: sparse.csc_array((X > 0.5).astype(np.int64)),
]


@pytest.mark.parametrize("make", FORMATS)
def test_formats(make):
    X, y, _, fit = data((60, 12, 3), "keyword", False)
    given, model = make(X.toarray()), LassoRegressor(lambda1=0.01, tol=1e-10)
    before = given.copy()
    expected = model.fit(np.asarray(given.todense(), float), y, **fit).coef_
    assert_allclose(model.fit(given, y, **fit).coef_, expected, atol=1e-9)
    assert (given != before).nnz == 0
    assert given.dtype == before.dtype


def test_entries_given_twice_are_added():
    X, y, _, fit = data((60, 12, 3), "keyword", False)
    coo = X.tocoo()
    places = np.tile(coo.coords[0], 2), np.tile(coo.coords[1], 2)
    twice = sparse.coo_array((np.tile(0.5 * coo.data, 2), places), X.shape)
    model = JointFeatureRegressor(lambda1=0.01, tol=1e-10)
    expected = model.fit(X, y, **fit).coef_
    assert_allclose(model.fit(twice, y, **fit).coef_, expected, atol=1e-10)
    rows = sparse.csr_array(X)
    rows.indices, rows.data = rows.indices.copy(), rows.data.copy()
    rows = rows[:, ::-1][:, ::-1]  # indices in no order
    assert_allclose(model.fit(rows, y, **fit).coef_, expected, atol=1e-10)


def test_frames_of_pandas():
    pd = pytest.importorskip("pandas")
    X, y, _, fit = data((60, 12, 3), "keyword", False)
    names = [f"w{j}" for j in range(12)]
    frame = pd.DataFrame.sparse.from_spmatrix(X, columns=names)
    model = LassoRegressor(lambda1=0.01, tol=1e-10)
    expected = model.fit(X, y, **fit).coef_
    assert_allclose(model.fit(frame, y, **fit).coef_, expected, atol=1e-12)
    assert model.feature_names_in_.tolist() == names
    assert_allclose(model.predict(frame, tasks=fit["tasks"]), model.predict(X, tasks=fit["tasks"]))
    labelled = frame.assign(site=np.array(list("abc"))[fit["tasks"]])
    model.set_params(task_column="site").fit(labelled, y, sample_weight=fit["sample_weight"])
    assert_allclose(model.coef_, expected, atol=1e-12)
    assert model.tasks_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="X holds text"):
        model.set_params(task_column=None).fit(labelled, y)


@pytest.mark.parametrize("door", ["shared", "keyword", "column"])
def test_paths_and_searches(door):
    X, y, settings, fit = data((90, 30, 3), door, False)
    fit.pop("sample_weight", None)
    model = JointFeatureRegressor(tol=1e-10, **settings)
    dense = X.toarray()
    assert_allclose(lambda1_max(model, X, y, **fit), lambda1_max(model, dense, y, **fit))
    path = regularization_path(model, X, y, n_lambdas=5, **fit)
    other = regularization_path(model, dense, y, n_lambdas=5, **fit)
    assert_allclose(path.coef, other.coef, atol=1e-7)
    assert_allclose(path.intercept, other.intercept, atol=1e-7)
    found = [MultiTaskSearchCV(model, n_lambdas=4, cv=3).fit(A, y, **fit) for A in (X, dense)]
    assert found[0].best_index_ == found[1].best_index_
    assert_allclose(found[0].best_score_, found[1].best_score_, rtol=1e-8)
    assert_allclose(found[0].best_estimator_.coef_, found[1].best_estimator_.coef_, atol=1e-7)


WIDE = (400, 15_000, 3)  # 48 MB as an array


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(0)
    n, d, n_tasks = WIDE
    X = sparse.random_array((n, d), density=0.003, random_state=rng, format="csr")
    W = np.zeros((d, n_tasks))
    W[:20] = rng.standard_normal((20, n_tasks))
    return X, X @ W + 0.05 * rng.standard_normal((n, n_tasks)), np.arange(n) % n_tasks


def peak(run):
    """The most memory that was allocated at a time, in bytes."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("own", [False, True])
def test_no_dense_copy_is_made(cls, own, wide):
    """Bytes are counted: a dense copy of X would be 48 MB."""
    X, y, tasks = wide
    if cls._classifier:
        y = (y > 0.0).astype(float)
    fit = {"tasks": tasks} if own else {}
    y = y[np.arange(len(y)), tasks] if own else y
    model = cls(**MODELS[cls]).set_params(lambda1=0.01, max_iter=5, tol=1e-2)

    def run():
        model.fit(X, y, **fit)
        model.predict(X, **fit)
        model.score(X, y, **fit)

    with warnings.catch_warnings(action="ignore"):
        model.fit(X, y, **fit)  # what is compiled is not counted
        assert peak(run) < 0.5 * 8 * WIDE[0] * WIDE[1]


def test_searches_make_none(wide):
    X, y, _ = wide
    search = MultiTaskSearchCV(JointFeatureRegressor(tol=1e-3), n_lambdas=3, cv=2)
    with warnings.catch_warnings(action="ignore"):
        search.fit(X, y)
        assert peak(lambda: search.fit(X, y)) < 0.6 * 8 * WIDE[0] * WIDE[1]
        assert peak(lambda: search.predict(X)) < 0.1 * 8 * WIDE[0] * WIDE[1]


@pytest.mark.parametrize(
    "model",
    [
        ClusteredRegressor(lambda1=0.5, lambda2=0.05, n_clusters=2),
        SeparableKernelRegressor(lambda1=0.1, lambda2=0.1),
        MixedEffectsRegressor(),
    ],
)
def test_other_models_take_a_dense_copy(model, monkeypatch):
    X, y, _, fit = data((60, 6, 3), "keyword", False)
    tasks = {"tasks": fit["tasks"]}
    dense = X.toarray()
    predicted = model.fit(dense, y, **tasks).predict(dense, **tasks)
    assert_allclose(model.fit(X, y, **tasks).predict(X, **tasks), predicted, atol=1e-8)
    monkeypatch.setattr(_sparse, "_MOST_BYTES", 8 * 60 * 6 - 1)
    with pytest.raises(MemoryError, match=r"needs a dense X.*60 x 6.*takes sparse X as it is"):
        model.fit(X, y, **tasks)


def test_prediction_is_never_dense(monkeypatch):
    X, y, _, fit = data((60, 6, 3), "keyword", False)
    model = ClusteredRegressor(lambda1=0.5, lambda2=0.05, n_clusters=2, unseen="mean")
    model.fit(X, y, **fit)
    expected = model.predict(X.toarray(), tasks=fit["tasks"] + 1)
    monkeypatch.setattr(_sparse, "_MOST_BYTES", 1)
    assert_allclose(model.predict(X, tasks=fit["tasks"] + 1), expected)


def test_what_is_refused():
    X, y, _, fit = data((60, 12, 3), "keyword", False)
    bad = X.copy()
    bad.data[3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        LassoRegressor().fit(bad, y, **fit)
    with pytest.raises(ValueError, match="column name"):
        LassoRegressor(task_column="site").fit(X, y)
    with pytest.raises(ValueError, match="X has 11 features"):
        LassoRegressor().fit(X, y, **fit).predict(X[:, :11], tasks=fit["tasks"])
    with pytest.raises(ValueError, match="Complex data not supported"):
        LassoRegressor().fit(X.astype(complex), y, **fit)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("door", ["shared", "keyword"])
def test_weights_of_features_and_shrunk_intercepts(kind, door):
    X, y, _, fit = data((60, 12, 3), door, False)
    weight = np.linspace(0.5, 2.0, 12)
    for model in (
        JointFeatureRegressor(lambda1=0.02, tol=1e-10, feature_weight=weight),
        MeanRegularizedRegressor(lambda1=0.2, lambda2=0.01, tol=1e-10, feature_weight=weight),
        LassoRegressor(lambda1=0.02, tol=1e-10, intercept_shrinkage=2.0),
    ):
        expected = model.fit(X.toarray(), y, **fit).coef_
        assert_allclose(model.fit(kind(X), y, **fit).coef_, expected, atol=1e-8)


def test_new_tasks_and_resamples():
    X, y, _, fit = data((90, 8, 3), "keyword", False)
    fit.pop("sample_weight")
    model = MeanRegularizedRegressor(lambda1=0.2, lambda2=0.01, tol=1e-10)
    new = np.where(fit["tasks"] == 2, 7, fit["tasks"])[fit["tasks"] == 2]
    some = fit["tasks"] < 2
    found = []
    for A in (X, X.toarray()):
        fitted = clone(model).fit(A[some], y[some], tasks=fit["tasks"][some])
        found.append(fitted.adapt(A[~some], y[~some], tasks=new).predict(A[~some], tasks=new))
    assert_allclose(found[0], found[1], atol=1e-8)
    draws = [
        bootstrap(model, A, y, **fit, n_resamples=3, unit="task", random_state=0)
        for A in (X, X.toarray())
    ]
    assert_allclose(draws[0].coef, draws[1].coef, atol=1e-8)


def test_hostile_scales():
    X, y, _, fit = data((60, 12, 3), "keyword", False)
    model = JointFeatureRegressor(lambda1=0.02, tol=1e-10)
    expected = model.fit(X, y, **fit).coef_
    scaled = JointFeatureRegressor(lambda1=0.02 * 2.0**300, tol=1e-10).fit(X * 2.0**300, y, **fit)
    assert_allclose(scaled.coef_ * 2.0**300, expected, atol=1e-9)
    tiny = X.tocsc()
    tiny.data[tiny.indptr[5] : tiny.indptr[6]] *= 2.0**-350
    with pytest.warns(UserWarning, match="Feature x5 of X is too small"):
        model.fit(tiny.tocsr(), y, **fit)
    assert (model.coef_[:, 5] == 0.0).all()


def test_in_a_pipeline_behind_a_scaler():
    X, y, settings, fit = data((60, 12, 3), "column", False)
    fit.pop("sample_weight")
    scaled = sparse.hstack([X[:, :3], X[:, [3]], X[:, 4:]]).tocsr()
    direct = MaxAbsScaler().fit_transform(scaled)
    direct[:, [3]] = X[:, [3]]
    model = LassoRegressor(lambda1=0.01, **settings).fit(direct.tocsr(), y)
    assert model.tasks_.tolist() == [1.0, 2.0, 3.0]
