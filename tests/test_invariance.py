"""The same fit said in different ways: doors, order, scale, weights, frames, copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from malsar_py import JointFeatureRegressor, stack_tasks

from .problems import (
    CLASSIFIERS,
    REGRESSORS,
    assert_same_fit,
    assert_same_objective,
    data_for,
    every_model,
    every_regressor,
    ids,
    objective_at_zero,
    ragged,
    shared,
    tight,
)

# --- one data set, four doors ---------------------------------------------------------------------


@every_model
def test_the_doors_agree(model):
    rng = np.random.default_rng(0)
    X, Y = shared(n=25, d=5)
    if hasattr(model, "predict_proba"):
        Y = np.where(Y - Y.mean(axis=0) + 3.0 * rng.standard_normal(Y.shape) > 0.0, 1.0, -1.0)
    T, n = Y.shape[1], len(X)
    stacked, y, tasks = np.tile(X, (T, 1)), Y.T.ravel(), np.repeat(np.arange(T), n)
    mixed = rng.permutation(T * n)
    stacked, y, tasks = stacked[mixed], y[mixed], tasks[mixed]

    shared_fit = tight(model).fit(X, Y)
    keyword = tight(model).fit(stacked, y, tasks=tasks)
    position = tight(model, task_column=2).fit(np.insert(stacked, 2, tasks, axis=1), y)
    frame = pd.DataFrame(stacked, columns=list("vwxyz")).assign(task=tasks)
    name = tight(model, task_column="task").fit(frame, y)
    for other in (keyword, position, name):
        assert_same_fit(other, shared_fit)
        assert_array_equal(other.tasks_, np.arange(T))
    assert_same_fit(name, keyword, atol=1e-12)
    assert_same_fit(position, keyword, atol=1e-12)

    # Predictions and scores, too.
    if hasattr(model, "predict_proba"):
        wide = shared_fit.predict_proba(X)
        assert wide.shape == (n, T)
        assert_allclose(
            wide.T.ravel()[mixed], keyword.predict_proba(stacked, tasks=tasks)[:, 1], atol=1e-5
        )
        assert_allclose(
            name.predict_proba(frame), keyword.predict_proba(stacked, tasks=tasks), atol=1e-10
        )
    else:
        wide = shared_fit.predict(X)
        assert wide.shape == (n, T)
        assert_allclose(wide.T.ravel()[mixed], keyword.predict(stacked, tasks=tasks), atol=1e-4)
        assert_allclose(name.predict(frame), keyword.predict(stacked, tasks=tasks), atol=1e-10)
    assert_allclose(shared_fit.score(X, Y), keyword.score(stacked, y, tasks=tasks), atol=1e-5)
    assert_allclose(name.score(frame, y), keyword.score(stacked, y, tasks=tasks), rtol=1e-10)
    assert_allclose(
        shared_fit.predict(X[:5], tasks=[0, 1, 2, 3, 3]),
        shared_fit.predict(X[:5])[range(5), [0, 1, 2, 3, 3]],
    )


@every_model
def test_missing_targets_are_rows_left_out(model):
    rng = np.random.default_rng(1)
    X, Y = shared(n=30, d=4)
    classify = hasattr(model, "predict_proba")
    if classify:
        Y = np.where(Y - Y.mean(axis=0) + 3.0 * rng.standard_normal(Y.shape) > 0.0, 1.0, 0.0)
    observed = rng.random(Y.shape) < 0.7
    observed[3] = False  # a row that nobody observed
    weight = rng.uniform(0.2, 2.0, Y.shape)
    rows, tasks = np.nonzero(observed)
    for weights in (None, weight):
        for omega in ("equal", "size"):
            masked = tight(model, task_weight=omega).fit(
                X, np.where(observed, Y, np.nan), sample_weight=weights
            )
            stacked = tight(model, task_weight=omega).fit(
                X[rows],
                Y[observed],
                tasks=tasks,
                sample_weight=None if weights is None else weights[observed],
            )
            assert_same_fit(masked, stacked)


# --- invariances ----------------------------------------------------------------------------------


@every_model
def test_order_of_rows_and_names_of_tasks(model):
    X, y, tasks = data_for(model)
    first = tight(model).fit(X, y, tasks=tasks)
    mixed = np.random.default_rng(5).permutation(len(y))
    assert_same_fit(tight(model).fit(X[mixed], y[mixed], tasks=tasks[mixed]), first, atol=2e-6)
    # The labels' order changes with their names.
    renamed = {"a": 30, "b": -2, "c": 7, "d": 0}
    own = {"task_order": list(renamed.values())} if "task_order" in model.get_params() else {}
    other = tight(model, **own).fit(X, y, tasks=[renamed[t] for t in tasks])
    order = [list(other.tasks_).index(renamed[t]) for t in first.tasks_]
    assert_allclose(other.coef_[order], first.coef_, atol=2e-6)
    assert_allclose(other.intercept_[order], first.intercept_, atol=2e-6)
    # So do the features.
    columns = np.random.default_rng(6).permutation(X.shape[1])
    assert_allclose(
        tight(model).fit(X[:, columns], y, tasks=tasks).coef_, first.coef_[:, columns], atol=2e-6
    )


# Power of the scale of y (and of X) that each lambda takes: norms are of degree one in W,
# quadratics of degree two.
NORMS = {
    "Lasso": ["lambda1"],
    "JointFeature": ["lambda1"],
    "GroupFeature": ["lambda1", "lambda3"],
    "CalibratedJointFeature": ["lambda1"],
    "TraceNorm": ["lambda1"],
    "Graph": ["lambda3"],
    "TemporalGroup": ["lambda1"],
    "FusedSparseGroup": ["lambda1", "lambda2", "lambda3"],
    "Dirty": ["lambda1", "lambda2"],
    "RobustFeature": ["lambda1", "lambda2"],
    "RobustLowRank": ["lambda1", "lambda2"],
    "SparseLowRank": ["lambda1", "lambda2"],
}


def degree(model):
    """The power of y in the loss: the square-root loss grows like y."""
    return 1 if "Calibrated" in type(model).__name__ else 2


def rescaled(model, x, y):
    """lambdas for X times x and y times y: coefficients then are y / x times what they were."""
    stem = type(model).__name__.removesuffix("Regressor").removesuffix("Classifier")
    scaled = {}
    for name in ("lambda1", "lambda2", "lambda3"):
        if hasattr(model, name):
            power = x * y if name in NORMS.get(stem, []) else x * x
            scaled[name] = getattr(model, name) * power * y ** (degree(model) - 2)
    return scaled


@every_regressor
@pytest.mark.parametrize(("x", "y"), [(1.0, 1e4), (1e-3, 1.0), (100.0, 1e-5)])
def test_scaling_of_x_and_y(model, x, y):
    X, target, tasks = ragged()
    first = tight(model).fit(X, target, tasks=tasks)
    other = tight(model, **rescaled(model, x, y)).fit(x * X, y * target, tasks=tasks)
    assert_allclose(other.coef_ * x / y, first.coef_, atol=2e-6)
    assert_allclose(other.intercept_ / y, first.intercept_, atol=5e-6)
    unit = objective_at_zero(model, X, target, tasks=tasks)
    assert_same_objective(
        other.objective_[-1] / y ** degree(model), first.objective_[-1], unit, tol=1e-12
    )


@pytest.mark.parametrize("model", CLASSIFIERS, ids=ids(CLASSIFIERS))
@pytest.mark.parametrize("x", [1e-3, 100.0])
def test_scaling_of_x_for_classifiers(model, x):
    X, y, tasks = ragged(classify=True)
    first = tight(model).fit(X, y, tasks=tasks)
    other = tight(model, **rescaled(model, x, 1.0)).fit(x * X, y, tasks=tasks)
    assert_allclose(other.coef_ * x, first.coef_, atol=5e-6)
    assert_allclose(other.intercept_, first.intercept_, atol=1e-5)


@every_model
def test_shifting_x_and_y_moves_the_intercepts_only(model):
    X, y, tasks = data_for(model)
    first = tight(model).fit(X, y, tasks=tasks)
    shift = np.array([1e3, -50.0, 3.0, 0.0, 1e5])
    other = tight(model, tol=1e-10).fit(X + shift, y, tasks=tasks)
    assert other.relative_gap_ <= 1e-10
    assert_allclose(other.coef_, first.coef_, atol=2e-5)
    assert_allclose(other.intercept_ + other.coef_ @ shift, first.intercept_, atol=1e-4)
    if not hasattr(model, "predict_proba"):
        other = tight(model, tol=1e-10).fit(X, y + 1e4, tasks=tasks)
        assert other.relative_gap_ <= 1e-10
        assert_allclose(other.coef_, first.coef_, atol=2e-5)
        assert_allclose(other.intercept_ - 1e4, first.intercept_, atol=2e-5)


@every_model
def test_swapping_the_classes_or_the_sign(model):
    X, y, tasks = data_for(model)
    first = tight(model).fit(X, y, tasks=tasks)
    if hasattr(model, "predict_proba"):
        other = tight(model).fit(X, np.where(y == "yes", "a no", "yes"), tasks=tasks)
        assert_array_equal(other.classes_, ["a no", "yes"])
    else:
        other = tight(model).fit(X, -y, tasks=tasks)
    assert_allclose(other.coef_, -first.coef_, atol=2e-6)
    assert_allclose(other.intercept_, -first.intercept_, atol=2e-6)


# --- weights --------------------------------------------------------------------------------------


@every_model
def test_weights_two_and_zero(model):
    X, y, tasks = data_for(model)
    rng = np.random.default_rng(2)
    copies = rng.integers(0, 3, len(y))
    repeated = np.repeat(np.arange(len(y)), copies)
    for omega in ("equal", "size"):
        weighted = tight(model, task_weight=omega).fit(X, y, tasks=tasks, sample_weight=copies)
        rows = tight(model, task_weight=omega).fit(X[repeated], y[repeated], tasks=tasks[repeated])
        assert_same_fit(weighted, rows)
        kept = copies > 0
        dropped = tight(model, task_weight=omega).fit(
            X[kept], y[kept], tasks=tasks[kept], sample_weight=copies[kept]
        )
        assert_same_fit(dropped, weighted, atol=1e-12)
    # The scale of the weights within a task is of no account under "equal".
    scaled = tight(model).fit(X, y, tasks=tasks, sample_weight=np.where(tasks == "b", 7.0, 0.5))
    assert_same_fit(scaled, tight(model).fit(X, y, tasks=tasks), atol=2e-6)


@every_model
def test_a_task_of_weight_zero_disappears(model):
    X, y, tasks = data_for(model)
    kept = tasks != "c"
    weighted = tight(model).fit(X, y, tasks=tasks, sample_weight=kept.astype(float))
    dropped = tight(model).fit(X[kept], y[kept], tasks=tasks[kept])
    assert_array_equal(weighted.tasks_, ["a", "b", "d"])
    assert_same_fit(weighted, dropped, atol=1e-12)


@every_model
def test_task_weights(model):
    X, y, tasks = data_for(model)
    weight = np.random.default_rng(3).uniform(0.5, 2.0, len(y))
    for sample_weight in (None, weight):
        s = np.ones(len(y)) if sample_weight is None else sample_weight
        total = {t: float(s[tasks == t].sum()) for t in "abcd"}
        size = {t: S * 4 / sum(total.values()) for t, S in total.items()}
        one = tight(model, task_weight="size").fit(X, y, tasks=tasks, sample_weight=sample_weight)
        other = tight(model, task_weight=size).fit(X, y, tasks=tasks, sample_weight=sample_weight)
        assert_same_fit(one, other, atol=2e-6)
        equal = tight(model, task_weight=dict.fromkeys("abcd", 1.0)).fit(
            X, y, tasks=tasks, sample_weight=sample_weight
        )
        assert_same_fit(
            equal, tight(model).fit(X, y, tasks=tasks, sample_weight=sample_weight), atol=1e-12
        )


# --- estimators as objects ------------------------------------------------------------------------


@every_model
def test_warm_start(model):
    X, y, tasks = data_for(model)
    parameters = {"solver": "apg", "warm_start": True}
    warm = tight(model, **parameters).fit(X, y, tasks=tasks)
    cold = warm.n_iter_
    coef = warm.coef_.copy()
    warm.fit(X, y, tasks=tasks)
    assert warm.n_iter_ <= 2 < cold
    assert_allclose(warm.coef_, coef, atol=1e-7)
    # A neighbouring lambda: the same solution as from zero, in about as many steps or fewer.
    warm.set_params(lambda1=1.02 * model.lambda1, tol=1e-8).fit(X, y, tasks=tasks)
    fresh = tight(model, lambda1=1.02 * model.lambda1, solver="apg", tol=1e-8).fit(
        X, y, tasks=tasks
    )
    assert warm.n_iter_ <= 1.25 * fresh.n_iter_
    assert_allclose(warm.coef_, fresh.coef_, atol=1e-3)
    assert warm.relative_gap_ <= 1e-8
    # Other tasks or features: a cold start, silently.
    kept = tasks != "c"
    other = warm.fit(X[kept], y[kept], tasks=tasks[kept])
    expected = tight(model, lambda1=1.02 * model.lambda1, solver="apg", tol=1e-8).fit(
        X[kept], y[kept], tasks=tasks[kept]
    )
    assert_array_equal(other.coef_, expected.coef_)
    assert other.n_iter_ == expected.n_iter_
    renamed = [pd.DataFrame(X[kept], columns=list(names)) for names in ("vwxyz", "zvwxy")]
    expected.fit(renamed[1], y[kept], tasks=tasks[kept])
    warm.fit(renamed[0], y[kept], tasks=tasks[kept]).fit(renamed[1], y[kept], tasks=tasks[kept])
    assert warm.n_iter_ == expected.n_iter_
    warm.fit(X[kept][:, :3], y[kept], tasks=tasks[kept])
    assert warm.coef_.shape == (3, 3)


@every_model
def test_frames(model):
    X, y, tasks = data_for(model)
    frame = pd.DataFrame(
        X, columns=[f"f{j}" for j in range(X.shape[1])], index=np.arange(len(y))[::-1]
    )
    plain = clone(model).fit(X, y, tasks=tasks)
    named = clone(model).fit(frame, pd.Series(y), tasks=pd.Series(tasks))
    assert_array_equal(named.coef_, plain.coef_)
    assert_array_equal(named.feature_names_in_, frame.columns)
    assert_array_equal(named.coef_feature_names_, frame.columns)
    assert_array_equal(plain.coef_feature_names_, [f"x{j}" for j in range(X.shape[1])])
    assert_array_equal(named.tasks_, ["a", "b", "c", "d"])
    column = clone(model).set_params(task_column="school").fit(frame.assign(school=tasks), y)
    assert_array_equal(column.coef_, plain.coef_)
    assert column.n_features_in_ == X.shape[1] + 1
    assert_array_equal(column.coef_feature_names_, frame.columns)


def test_frame_targets_name_the_tasks():
    X, Y = shared()
    frame = pd.DataFrame(Y, columns=["w", "x", "a", "b"])
    named = JointFeatureRegressor().fit(X, frame)
    assert_array_equal(named.tasks_, ["w", "x", "a", "b"])
    assert_array_equal(named.coef_, JointFeatureRegressor().fit(X, Y).coef_)
    assert_allclose(named.predict(X, tasks=["a"] * len(X)), named.predict(X)[:, 2])


@every_model
def test_lists_of_arrays(model):
    """MALSAR's cell arrays: one X and one y per task."""
    X, y, tasks = data_for(model)
    Xs, ys = [X[tasks == t] for t in "abcd"], [y[tasks == t].reshape(-1, 1) for t in "abcd"]
    stacked = stack_tasks(Xs, ys)
    plain = tight(model).fit(X, y, tasks=tasks)
    assert_allclose(tight(model).fit(*stacked[:2], tasks=stacked[2]).coef_, plain.coef_, atol=2e-6)
    X_named, y_named, labels = stack_tasks(
        [pd.DataFrame(X_t) for X_t in Xs], ys, labels=list("abcd")
    )
    assert_same_fit(tight(model).fit(X_named.to_numpy(), y_named, tasks=labels), plain, atol=2e-6)


def mean_by_hand(fitted, X, tasks):
    """Coefficients weighed by sums of squares within tasks; their mean at the tasks' means."""
    own = [X[tasks == t] for t in fitted.tasks_]
    squares = np.array([len(A) * A.var(axis=0) for A in own])
    m = (squares * fitted.coef_).sum(axis=0) / squares.sum(axis=0)
    moved = [A.mean(axis=0) @ (w - m) for A, w in zip(own, fitted.coef_, strict=True)]
    return m, np.mean(fitted.intercept_ + moved)


@every_model
def test_unseen_tasks(model):
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(unseen="mean").fit(X, y, tasks=tasks)
    labels = tasks.astype("U3")
    labels[::2] = "new"
    m, b = mean_by_hand(fitted, X, tasks)
    z = X @ m + b
    known = fitted.predict(X, tasks=tasks)
    predicted = fitted.predict(X, tasks=labels)
    assert_array_equal(predicted[1::2], known[1::2])
    if hasattr(model, "predict_proba"):
        assert_allclose(fitted.decision_function(X, tasks=labels)[::2], z[::2])
        assert_allclose(
            fitted.predict_proba(X, tasks=labels)[::2, 1], 1.0 / (1.0 + np.exp(-z[::2]))
        )
        assert_array_equal(predicted[::2], fitted.classes_[(z[::2] > 0).astype(int)])
    else:
        assert_allclose(predicted[::2], z[::2])
    strict = clone(model).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match=r"(?s)new.*TaskKFold.*unseen=\"mean\""):
        strict.predict(X, tasks=labels)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_nothing_to_explain():
    """A target without variation: W = 0 and a gap of zero, at once."""
    X, _, tasks = ragged()
    for model in REGRESSORS:
        fitted = clone(model).fit(X, np.where(tasks == "a", 2.0, -1.5), tasks=tasks)
        assert not fitted.coef_.any()
        assert fitted.dual_gap_ == fitted.relative_gap_ == 0.0
        assert_allclose(fitted.intercept_, [2.0, -1.5, -1.5, -1.5])


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_nothing_to_explain_but_rounding():
    """0.1 is not exact in binary: the means are off by a last digit, which is no signal to fit."""
    X, _, tasks = ragged()
    for model in REGRESSORS:
        fitted = clone(model).fit(X, np.where(tasks == "a", 0.1, 1e5 + 0.3), tasks=tasks)
        assert_allclose(fitted.coef_, 0.0, atol=1e-9)
        assert_allclose(fitted.intercept_, [0.1] + 3 * [1e5 + 0.3])
