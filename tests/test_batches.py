"""Fits pass by pass are those of all rows in memory, certified; what needs all rows is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    DirtyClassifier,
    FusedSparseGroupClassifier,
    IncompleteMultiSourceClassifier,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoClassifier,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    MultiStageClassifier,
    SeparableKernelRegressor,
    TraceNormClassifier,
)
from malsar_py.model_selection import lambda_grid, path_batches, regularization_path

pd = pytest.importorskip("pandas")

MODELS = [
    JointFeatureClassifier(lambda1=0.03),
    LassoClassifier(lambda1=0.01),
    MeanRegularizedClassifier(lambda1=0.2, lambda2=0.05),
    TraceNormClassifier(lambda1=0.03, lambda2=0.01),
    DirtyClassifier(lambda1=0.04, lambda2=0.02),
    JointFeatureRegressor(lambda1=0.03, loss="logistic"),
    JointFeatureRegressor(lambda1=0.05, loss="poisson"),
    JointFeatureRegressor(lambda1=0.05, loss="gamma"),
    MeanRegularizedRegressor(lambda1=0.2, lambda2=0.05, loss="poisson"),
    JointFeatureRegressor(lambda1=0.05, loss="huber"),
    MeanRegularizedRegressor(lambda1=0.2, lambda2=0.05, loss="huber"),
    JointFeatureClassifier(lambda1=0.03, intercept_shrinkage=0.5),
    JointFeatureClassifier(lambda1=0.03, intercept_shrinkage=np.inf),
    JointFeatureRegressor(lambda1=0.05, loss="poisson", intercept_shrinkage=1.0),
    JointFeatureRegressor(lambda1=0.05, loss="huber", intercept_shrinkage=1.0),
]


def name(model):
    shrunk = "" if model.intercept_shrinkage == 0.0 else f"-{model.intercept_shrinkage}"
    return f"{type(model).__name__}-{getattr(model, 'loss', '')}{shrunk}"


def data(model, n=1500, d=4, T=4, seed=0):
    """X, targets for the model's loss, tasks, weights."""
    rng = np.random.default_rng(seed)
    X, tasks = rng.standard_normal((n, d)) + 0.5, rng.choice(list("abcd")[:T], n)
    W = {t: rng.standard_normal(d) * [1.0, 0.5, 0.0, 0.3] for t in "abcd"}
    z = np.array([0.6 * x @ W[t] + 0.2 for x, t in zip(X, tasks, strict=True)])
    loss = getattr(model, "loss", "labels")
    if loss == "poisson":
        y = rng.poisson(np.exp(z)).astype(float)
    elif loss == "huber":
        y = z + rng.standard_t(2.0, n)
    elif loss == "gamma":
        y = rng.gamma(2.0, np.exp(z))
    else:
        y = (rng.random(n) < 1.0 / (1.0 + np.exp(-z))).astype(float)
        if loss == "labels":
            y = np.where(y == 1.0, "yes", "no")
    return X, y, tasks, rng.uniform(0.5, 2.0, n)


def batches(X, y, tasks, weight, n=5):
    return [(X[i], y[i], tasks[i], weight[i]) for i in np.array_split(np.arange(len(X)), n)]


@pytest.mark.filterwarnings("ignore:coef_specific_ of DirtyClassifier is zero")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("model", MODELS, ids=name)
def test_fits_are_those_of_all_rows(model, fit_intercept):
    if model.intercept_shrinkage and not fit_intercept:
        pytest.skip("there are none to be shrunk")
    X, y, tasks, weight = data(model)
    # Coefficients follow by strong convexity: errors are roots of gaps.
    quadratic = isinstance(model, MeanRegularizedRegressor | MeanRegularizedClassifier)
    tol, atol = 1e-14 if quadratic else 1e-12, 1e-8
    if getattr(model, "loss", "") == "huber":
        # Its slopes have kinks: theta is feasible to first order in the step only.
        tol, atol = 1e-10, 1e-6
    model = clone(model).set_params(tol=tol, fit_intercept=fit_intercept)
    whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X, y, tasks, weight))
    assert found.relative_gap_ <= tol and found.n_passes_ <= 14
    size = np.abs(whole.coef_).max()
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=atol * size)
    assert_allclose(found.intercept_, whole.intercept_, rtol=0, atol=atol)
    assert found.objective_[-1] == pytest.approx(whole.objective_[-1], rel=1e-10)
    assert (np.diff(found.objective_) <= 1e-12).all()
    assert_array_equal(found.tasks_, whole.tasks_)
    assert_array_equal(found.predict(X, tasks=tasks)[:5], whole.predict(X, tasks=tasks)[:5]) if (
        hasattr(whole, "classes_")
    ) else assert_allclose(
        found.predict(X, tasks=tasks), whole.predict(X, tasks=tasks), rtol=1e-7, atol=10 * atol
    )
    for m in (found, whole):
        m.set_params(unseen="mean")
    a, b = (m._linear_prediction(X, ["?"] * len(X))[0] for m in (found, whole))
    assert_allclose(a, b, rtol=0, atol=10 * atol)


CLASSES = [
    JointFeatureClassifier(lambda1=0.03),
    LassoClassifier(lambda1=0.01, lambda2=0.01),
    MeanRegularizedClassifier(lambda1=0.2, lambda2=0.05),
    TraceNormClassifier(lambda1=0.03, lambda2=0.01),
]


def classes(n=1200):
    """X far from zero, three classes, tasks, weights."""
    X, y, tasks, weight = data(JointFeatureRegressor(loss="huber"), n=n)
    rng = np.random.default_rng(3)
    score = np.stack([y, rng.gumbel(size=n), 0.5 * X[:, 0] + rng.gumbel(size=n)])
    return (
        X + np.array([0.0, 0.0, 30.0, 0.0]),
        np.array(list("pqr"))[score.argmax(axis=0)],
        tasks,
        weight,
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("model", CLASSES, ids=name)
def test_more_than_two_classes(model, fit_intercept):
    X, y, tasks, weight = classes()
    X = X if fit_intercept else X - X.mean(axis=0)
    model = clone(model).set_params(fit_intercept=fit_intercept)
    whole = clone(model).set_params(tol=1e-9).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.set_params(tol=1e-11).fit_batches(batches(X, y, tasks, weight))
    assert found.relative_gap_ <= 1e-11 and found.n_passes_ <= 18
    at_zero = whole.objective_[0]
    assert found.objective_[0] == pytest.approx(at_zero, rel=1e-10)
    assert found.objective_[-1] - whole.objective_[-1] <= 1e-11 * at_zero
    assert whole.objective_[-1] - found.objective_[-1] <= 1e-9 * at_zero
    # The error in memory is the root of its gap.
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=2e-4)
    assert found.intercept_.shape == (4, 3)
    proba = found.predict_proba(X, tasks=tasks)
    assert_allclose(proba, whole.predict_proba(X, tasks=tasks), rtol=0, atol=2e-4)
    for m in (found, whole):
        m.set_params(unseen="mean")
    a, b = (m.predict_proba(X, tasks=["?"] * len(X)) for m in (found, whole))
    assert_allclose(a, b, rtol=0, atol=1e-3)


def test_a_task_of_one_class_where_intercepts_are_shrunk():
    X, y, tasks, weight = data(MODELS[0])
    y = np.where(tasks == "b", "no", y)
    model = JointFeatureClassifier(lambda1=0.03, tol=1e-12, intercept_shrinkage=0.5)
    whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X, y, tasks, weight))
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)
    assert_allclose(found.intercept_, whole.intercept_, rtol=0, atol=1e-8)
    assert found.intercept_mean_ == pytest.approx(whole.intercept_mean_, abs=1e-8)


@pytest.mark.parametrize(
    "model", [MODELS[0], MODELS[2], MODELS[6], MODELS[8], MODELS[9], CLASSES[0]], ids=name
)
def test_a_pass_is_for_all_values_of_a_path(model):
    X, y, tasks, weight = classes() if model is CLASSES[0] else data(model)
    several, huber = model is CLASSES[0], getattr(model, "loss", "") == "huber"
    model = clone(model).set_params(tol=1e-8 if several else 1e-9 if huber else 1e-13)
    source = batches(X, y, tasks, weight)
    given = {"tasks": tasks, "sample_weight": weight}
    path = path_batches(model, source, n_lambdas=4)
    assert_allclose(path.lambda1, lambda_grid(model, X, y, **given, n_lambdas=4, eps=1e-2))
    assert (path.relative_gap <= model.tol).all() and path.n_passes <= 25
    whole = regularization_path(model, X, y, **given, lambda1=path.lambda1)
    atol = 1e-3 if several else 3e-5 if huber else 1e-6
    assert_allclose(path.coef, whole.coef, rtol=0, atol=atol)
    assert_allclose(path.intercept, whole.intercept, rtol=0, atol=20 * atol)
    assert_array_equal(path.df, whole.df)
    # In groups of two, each of which starts where the last one ended.
    room = 2 * 8 * 4 * (3 if several else 1) ** 2 * 25
    again = path_batches(model, source, lambda1=path.lambda1, max_memory=room)
    assert path.n_passes < again.n_passes
    assert_allclose(again.coef, path.coef, rtol=0, atol=atol)


def test_paths_of_squares_need_one_pass():
    X, _, tasks, weight = data(MODELS[0])
    y = X[:, 0] + np.random.default_rng(0).standard_normal(len(X))
    path = path_batches(JointFeatureRegressor(), iter(batches(X, y, tasks, weight)), n_lambdas=3)
    whole = regularization_path(
        JointFeatureRegressor(), X, y, tasks=tasks, sample_weight=weight, lambda1=path.lambda1
    )
    assert path.n_passes == 1
    assert_allclose(path.coef, whole.coef, atol=1e-4)
    with pytest.raises(TypeError, match="MultiStageClassifier cannot be fitted by batches"):
        path_batches(MultiStageClassifier(), batches(X, y, tasks, weight))


def test_gaps_hold_at_any_tolerance():
    """What is certified is true: the objective is no further above the optimum."""
    X, y, tasks, weight = data(MODELS[0])
    best = JointFeatureClassifier(lambda1=0.03, tol=1e-12)
    best.fit(X, y, tasks=tasks, sample_weight=weight)
    passes = []
    for tol in (1e-1, 1e-3, 1e-6):
        model = JointFeatureClassifier(lambda1=0.03, tol=tol)
        model.fit_batches(batches(X, y, tasks, weight))
        assert model.relative_gap_ <= tol
        above = model.objective_[-1] - best.objective_[-1]
        assert -1e-12 <= above <= model.dual_gap_ + 1e-12
        passes.append(model.n_passes_)
    assert passes[0] < passes[1] < passes[2]


@pytest.mark.parametrize("task_weight", ["size", {"a": 3.0, "b": 1.0, "c": 1.0, "d": 0.2}])
def test_task_weights(task_weight):
    X, y, tasks, weight = data(MODELS[0])
    model = JointFeatureClassifier(lambda1=0.03, tol=1e-12, task_weight=task_weight)
    whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X, y, tasks, weight))
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)


def test_one_task_and_rows_that_do_not_count():
    X, y, _, weight = data(MODELS[6])
    y[::7], weight[::5] = np.nan, 0.0
    model = JointFeatureRegressor(lambda1=0.05, loss="poisson", tol=1e-12)
    whole = clone(model).fit(X, y, sample_weight=weight)
    source = [(X[i], y[i], None, weight[i]) for i in np.array_split(np.arange(len(X)), 4)]
    found = model.fit_batches(lambda: iter(source))  # a function gives the batches anew
    assert found.coef_.shape == (4,) and isinstance(found.intercept_, float)
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[6]], ids=name)
def test_tables_and_dask(model):
    X, y, tasks, weight = data(model)
    table = pd.DataFrame(X, columns=list("efgh")).assign(y=y, w=weight)
    table.insert(1, "town", tasks)
    table = table.sort_values("town")
    model = clone(model).set_params(tol=1e-12, task_column="town")
    given = {"task_column": "town", "target": "y", "sample_weight": "w"}
    frame = table[["e", "town", "f", "g", "h"]]
    whole = clone(model).fit(frame, table["y"], sample_weight=table["w"])
    sources = [[table[::2], table.iloc[:0], table[1::2]], table]
    try:
        import dask.dataframe as dask_frame
    except ImportError:
        pass
    else:
        sources.append(dask_frame.from_pandas(table, npartitions=4, sort=False))
    for source in sources:
        found = clone(model).fit_batches(source, **given)
        assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)
        assert_array_equal(found.feature_names_in_, whole.feature_names_in_)
        assert_allclose(
            found._linear_prediction(frame, None)[0],
            whole._linear_prediction(frame, None)[0],
            atol=1e-7,
        )


def test_the_squared_loss_needs_one_pass():
    X, _, tasks, weight = data(MODELS[0])
    y = X[:, 0] + np.random.default_rng(0).standard_normal(len(X))
    for model in (JointFeatureRegressor(tol=1e-12), MixedEffectsRegressor(tol=1e-12)):
        whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
        found = model.fit_batches(iter(batches(X, y, tasks, weight)))
        assert found.n_passes_ == 1
        assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100_000, 1_000_000])
def test_many_rows(n):
    X, y, tasks, weight = data(MODELS[0], n=n)
    model = JointFeatureClassifier(lambda1=0.03, tol=1e-10)
    whole = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = model.fit_batches(batches(X, y, tasks, weight, n=n // 50_000))
    assert found.relative_gap_ <= 1e-10 and found.n_passes_ <= 12
    assert_allclose(found.coef_, whole.coef_, rtol=0, atol=1e-8)


# --- what is refused -----------------------------------------------------------------------------


def test_models_that_need_all_rows():
    source = batches(*data(MODELS[0]))
    for model in (
        MultiStageClassifier(),
        SeparableKernelRegressor(),
        IncompleteMultiSourceClassifier(),
    ):
        with pytest.raises(TypeError, match="cannot be fitted by batches"):
            model.fit_batches(source)
    numbers = batches(*data(MODELS[6]))
    own = {"a": "squared", "b": "huber", "c": "squared", "d": "squared"}
    for loss in ("quantile", own):
        with pytest.raises(TypeError, match="must be smooth, and the same for all tasks"):
            JointFeatureRegressor(loss=loss).fit_batches(numbers)
    with pytest.raises(ValueError, match="leaves a part of the coefficients without a penalty"):
        MeanRegularizedClassifier(lambda2=0.0).fit_batches(source)
    for own in ({"class_weight": "balanced"}, {"feature_weight": "varying"}):
        with pytest.raises(ValueError, match=f"{next(iter(own))} is not for fits by batches"):
            JointFeatureClassifier(**own).fit_batches(source)
    with pytest.raises(TypeError, match="which is empty after one pass"):
        JointFeatureClassifier().fit_batches(iter(source))


def test_targets_that_cannot_be_used():
    X, y, tasks, weight = data(MODELS[0])
    third = np.where(np.arange(len(y)) == 700, "maybe", y)
    with pytest.raises(ValueError, match="has no rows of class 'maybe': by batches each task"):
        JointFeatureClassifier().fit_batches(batches(X, third, tasks, weight))
    with pytest.raises(ValueError, match="the source holds 3 classes, 'maybe', 'no', 'yes'"):
        FusedSparseGroupClassifier().fit_batches(batches(X, third, tasks, weight))
    alone = np.where(tasks == "b", "no", y)
    with pytest.raises(ValueError, match=r"Task 'b' has targets of one kind only"):
        JointFeatureClassifier().fit_batches(batches(X, alone, tasks, weight))
    counts = np.where(np.arange(len(y)) == 700, -1.0, 1.0)
    with pytest.raises(ValueError, match="batch 2: loss='poisson' takes targets y >= 0"):
        JointFeatureRegressor(loss="poisson").fit_batches(batches(X, counts, tasks, weight))
    below = np.where(tasks == "b", -2.0, 1.0)
    with pytest.raises(ValueError, match=r"negative targets, but those of task 'b' have mean -2"):
        JointFeatureRegressor(loss="poisson").fit_batches(batches(X, below, tasks, weight))
    with pytest.raises(ValueError, match="batch 0: Input X contains NaN"):
        JointFeatureClassifier().fit_batches(batches(X * np.nan, y, tasks, weight))
    with pytest.raises(ValueError, match="source holds no batch"):
        JointFeatureClassifier().fit_batches([])
    with pytest.raises(MemoryError, match="more than max_memory=100"):
        JointFeatureClassifier().fit_batches(batches(X, y, tasks, weight), max_memory=100)
    with pytest.raises(MemoryError, match=r"3 classes in 4 tasks .* 8 x 4 x \(3 x 5\)\^2"):
        JointFeatureClassifier().fit_batches(batches(*classes()), max_memory=4000)


def test_sources_that_change():
    X, y, tasks, weight = data(MODELS[0])
    times = []

    def source():
        times.append(1)
        labels = tasks if len(times) == 1 else np.where(tasks == "a", "new", tasks)
        return batches(X, y, labels, weight)

    with pytest.raises(ValueError, match="'new' were not there in the first pass"):
        JointFeatureClassifier().fit_batches(source)


def test_what_rounding_leaves_is_said():
    X, y, tasks, weight = data(MODELS[0])
    model = LassoClassifier(lambda1=0.01, tol=1e-30)
    with pytest.warns(ConvergenceWarning, match="did not reach tol=1e-30"):
        model.fit_batches(batches(X, y, tasks, weight))
    assert model.tol < model.relative_gap_ < 1e-12 and model.n_passes_ < 30
