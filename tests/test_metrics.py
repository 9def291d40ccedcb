"""Metrics of tasks: against scikit-learn's on single tasks, by hand, and what is not defined."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import Ridge

from malsar_py import metrics
from malsar_py.datasets import fetch_school, load_school_splits
from malsar_py.metrics import task_scores

RNG = np.random.default_rng(0)
N, T = 200, 5
TASKS = np.array(list("edcba"))[RNG.integers(0, T, N)]
Y = RNG.normal(size=N) + 3.0
P = Y + RNG.normal(size=N)
CLASS = RNG.integers(0, 2, N)
# Rounded, so that there are ties.
PROBA = np.clip(np.round(0.3 * CLASS + 0.6 * RNG.uniform(size=N), 1), 0.0, 1.0)
WEIGHT = RNG.uniform(0.1, 2.0, N)

REFERENCE = {
    "mse": (Y, P, sk.mean_squared_error),
    "rmse": (Y, P, sk.root_mean_squared_error),
    "mae": (Y, P, sk.mean_absolute_error),
    "r2": (Y, P, sk.r2_score),
    "accuracy": (CLASS, PROBA > 0.4, sk.accuracy_score),
    "f1": (CLASS, (PROBA > 0.4).astype(int), sk.f1_score),
    "auc": (CLASS, PROBA, sk.roc_auc_score),
    "log_loss": (CLASS, PROBA, sk.log_loss),
}
MEANS = {
    "rmse": metrics.mean_task_rmse,
    "mse": metrics.mean_task_mse,
    "mae": metrics.mean_task_mae,
    "r2": metrics.mean_task_r2,
    "accuracy": metrics.mean_task_accuracy,
    "f1": metrics.mean_task_f1,
    "auc": metrics.mean_task_auc,
    "log_loss": metrics.mean_task_log_loss,
}
POOLED = {
    "normalized_mse": metrics.normalized_mse,
    "averaged_mse": metrics.averaged_mse,
    "explained_variance": metrics.explained_variance,
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", REFERENCE)
def test_single_tasks_are_sklearns(name, weight):
    y, p, reference = REFERENCE[name]
    expected = []
    for task in sorted(set(TASKS)):
        own = task == TASKS
        extra = {} if weight is None else {"sample_weight": weight[own]}
        expected.append(reference(y[own], p[own], **extra))
    found = task_scores(y, p, TASKS, metric=name, sample_weight=weight)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(
        task_scores(y, p, TASKS, metric=reference, sample_weight=weight), expected, rtol=1e-12
    )
    mean = MEANS[name](y, p, TASKS, sample_weight=weight)
    np.testing.assert_allclose(mean, np.mean(expected), rtol=1e-12)
    # One task without labels is sklearn's own.
    extra = {} if weight is None else {"sample_weight": weight}
    np.testing.assert_allclose(
        MEANS[name](y, p, sample_weight=weight), reference(y, p, **extra), rtol=1e-12
    )


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_pooled_measures(weight):
    w = np.ones(N) if weight is None else weight
    sse = (w * (Y - P) ** 2).sum()
    mean = np.average(Y, weights=w)
    within = 0.0
    for task in set(TASKS):
        own = task == TASKS
        within += (w[own] * (Y[own] - np.average(Y[own], weights=w[own])) ** 2).sum()
    options = {"sample_weight": weight}
    nmse = metrics.normalized_mse(Y, P, TASKS, **options)
    np.testing.assert_allclose(nmse, sse / (w * (Y - mean) ** 2).sum())
    np.testing.assert_allclose(metrics.averaged_mse(Y, P, TASKS, **options), sse / (w * Y**2).sum())
    np.testing.assert_allclose(metrics.explained_variance(Y, P, TASKS, **options), 1.0 - nmse)
    np.testing.assert_allclose(
        metrics.explained_variance(Y, P, TASKS, within_tasks=True, **options), 1.0 - sse / within
    )
    # nMSE and aMSE do not look at the tasks.
    assert metrics.normalized_mse(Y, P, **options) == nmse


def test_by_hand():
    y = [1.0, 3.0, 2.0, 2.0, 4.0, 6.0]
    p = [1.0, 1.0, 2.0, 5.0, 4.0, 5.0]
    tasks = [2, 2, 0, 1, 1, 1]
    assert task_scores(y, p, tasks, metric="mse").tolist() == [0.0, 10 / 3, 2.0]
    assert task_scores(y, p, tasks, metric="mae").tolist() == [0.0, 4 / 3, 1.0]
    assert task_scores(y, p, tasks, metric="nmse")[1:].tolist() == [10 / 8, 4 / 2]
    assert task_scores(y, p, tasks, metric="amse").tolist() == [0.0, 10 / 56, 4 / 10]
    assert metrics.averaged_mse(y, p, tasks) == 14 / 70
    assert metrics.normalized_mse(y, p, tasks) == pytest.approx(14 / 16)
    assert metrics.explained_variance(y, p, tasks) == pytest.approx(2 / 16)
    assert metrics.explained_variance(y, p, tasks, within_tasks=True) == 1 - 14 / 10
    assert metrics.mean_task_rmse(y, p, tasks) == (0.0 + np.sqrt(10 / 3) + np.sqrt(2.0)) / 3


@pytest.mark.parametrize("name", REFERENCE)
def test_columns_of_y_are_tasks_and_nan_is_skipped(name):
    y, p, _ = REFERENCE[name]
    Y2, P2 = (np.array(v, dtype=float).reshape(40, T) for v in (y, p))
    missing = np.zeros(Y2.shape, bool)
    missing[::3, 1] = missing[1::2, 4] = True
    Y2[missing] = np.nan
    P2[missing] = np.nan  # nobody looks there
    columns = np.broadcast_to(np.arange(T), Y2.shape)
    stacked = task_scores(Y2[~missing], P2[~missing], columns[~missing], metric=name)
    np.testing.assert_array_equal(task_scores(Y2, P2, metric=name), stacked)
    # NaN in a 1-D y, too.
    np.testing.assert_array_equal(
        task_scores(Y2.ravel(), P2.ravel(), columns.ravel(), metric=name), stacked
    )
    weight = RNG.uniform(0.5, 1.0, 40)
    np.testing.assert_allclose(
        task_scores(Y2, P2, metric=name, sample_weight=weight),
        task_scores(Y2, P2, metric=name, sample_weight=np.tile(weight[:, None], T)),
    )


def test_a_single_column_is_a_vector():
    expected = task_scores(Y, P, TASKS)
    for y, p in ((Y[:, None], P), (Y, P[:, None]), (Y[:, None], P[:, None])):
        np.testing.assert_array_equal(task_scores(y, p, TASKS), expected)
    np.testing.assert_array_equal(task_scores(Y[:, None], P), task_scores(Y, P))


def test_weight_zero_is_no_row():
    weight = np.where(TASKS == "a", 0.0, 1.0)
    found = task_scores(Y, P, TASKS, sample_weight=weight)
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:], task_scores(Y, P, TASKS)[1:])
    np.testing.assert_allclose(
        metrics.normalized_mse(Y, P, TASKS, sample_weight=weight),
        metrics.normalized_mse(Y[TASKS != "a"], P[TASKS != "a"]),
    )


def test_labels_need_not_hold_tasks_that_do_not_count():
    y, p, tasks = [1.0, 2.0, 3.0], [1.0, 4.0, 9.0], ["a", "b", "c"]
    for how in ({"sample_weight": [1.0, 2.0, 0.0]}, {}):
        y = y if how else [1.0, 2.0, np.nan]
        got = task_scores(y, p, tasks, labels=["b", "a"], **how)
        assert got.tolist() == [2.0, 0.0]
    with pytest.raises(ValueError, match="`labels` lacks tasks of `tasks`: 'b'"):
        task_scores([1.0, 2.0, np.nan], p, tasks, labels=["a"])


def test_labels_order_and_complete_the_tasks():
    order = ["c", "x", "a", "b", "e", "d"]
    found = task_scores(Y, P, TASKS, labels=order)
    plain = dict(zip(sorted(set(TASKS)), task_scores(Y, P, TASKS), strict=True))
    assert np.isnan(found[1])
    assert found[[0, 2, 3, 4, 5]].tolist() == [plain[k] for k in "cabed"]
    with pytest.raises(ValueError, match="`labels` lacks tasks of `tasks`: 'd'"):
        task_scores(Y, P, TASKS, labels=order[:-1])
    with pytest.raises(ValueError, match="must be distinct"):
        task_scores(Y, P, TASKS, labels=[*order, "c"])
    with pytest.raises(ValueError, match="`labels` orders the labels in `tasks`"):
        task_scores(Y, P, labels=order)


def test_undefined_on_a_task_is_nan_and_skipped():
    #        constant ------  one row  proper
    y = [0.1, 0.1, 0.1, 7.0, 1.0, 3.0]
    p = [0.1, 0.1, 0.4, 7.0, 1.0, 2.0]
    tasks = ["a", "a", "a", "b", "c", "c"]
    for name in ("r2", "nmse"):
        assert np.isnan(task_scores(y, p, tasks, metric=name)).tolist() == [True, True, False]
    assert metrics.mean_task_r2(y, p, tasks) == 0.5
    assert np.isfinite(task_scores(y, p, tasks, metric="rmse")).all()
    np.testing.assert_array_equal(
        task_scores([0.0, 1.0], [0, 0], [0, 1], metric="amse"), [np.nan, 1]
    )


def test_tasks_of_one_class():
    y = [0, 0, 0, 1, 1, 1]
    p = [0.2, 0.4, 0.6, 0.5, 0.9, 0.8]
    tasks = ["a", "a", "b", "b", "c", "c"]
    np.testing.assert_array_equal(task_scores(y, p, tasks, metric="auc"), [np.nan, 0.0, np.nan])
    assert metrics.mean_task_auc(y, p, tasks) == 0.0
    hard = [0, 0, 1, 1, 1, 0]
    # No positive, true or predicted: sklearn's zero_division=nan.
    expected = [np.nan, 2 / 3, 2 / 3]
    np.testing.assert_allclose(task_scores(y, hard, tasks, metric="f1"), expected)
    assert np.isfinite(task_scores(y, p, tasks, metric="log_loss")).all()
    assert task_scores(y, hard, tasks, metric="accuracy").tolist() == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("function", "y", "p"),
    [
        (metrics.mean_task_r2, [1.0, 1.0], [1.0, 2.0]),
        (metrics.mean_task_auc, [1, 1], [0.1, 0.2]),
        (metrics.mean_task_f1, [0, 0], [0, 0]),
        (metrics.normalized_mse, [1.0, 1.0], [1.0, 2.0]),
        (metrics.averaged_mse, [0.0, 0.0], [1.0, 2.0]),
        (metrics.explained_variance, [1.0, 1.0], [1.0, 2.0]),
    ],
)
def test_undefined_on_all_tasks_is_nan_with_a_warning(function, y, p):
    with pytest.warns(UndefinedMetricWarning, match="the score is NaN"):
        assert np.isnan(function(y, p))


def test_within_tasks_of_single_rows_is_undefined():
    with pytest.warns(UndefinedMetricWarning, match="equal in every task"):
        value = metrics.explained_variance([1.0, 2.0], [1.0, 2.0], ["a", "b"], within_tasks=True)
    assert np.isnan(value)


def test_auc_compares_within_a_task_only():
    y, p, tasks = [0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], ["a", "a", "b", "b"]
    assert metrics.mean_task_auc(y, p, tasks) == 1.0
    assert metrics.mean_task_auc(y, p) == 0.75


def test_classes_of_any_type():
    names = np.where(CLASS == 1, "yes", "no")
    hard = np.where(PROBA > 0.4, "yes", "no")
    number = {"auc": PROBA, "log_loss": PROBA, "f1": (PROBA > 0.4) * 1, "accuracy": (PROBA > 0.4)}
    for name, p in number.items():
        given = hard if name in ("f1", "accuracy") else p
        for labels in (names, names.astype(object), names.tolist()):
            np.testing.assert_array_equal(
                task_scores(labels, given, TASKS, metric=name),
                task_scores(CLASS, p, TASKS, metric=name),
            )
    # predict_proba's two columns; the negative class by name.
    both = np.column_stack([1.0 - PROBA, PROBA])
    auc = metrics.mean_task_auc(names, PROBA, TASKS)
    assert metrics.mean_task_auc(names, both, TASKS) == auc
    swapped = metrics.mean_task_auc(names, PROBA, TASKS, classes=("yes", "no"))
    assert swapped == pytest.approx(1.0 - auc)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: task_scores(Y, P[:-1], TASKS), r"y_true has shape \(200,\), but y_pred has shape"),
        (lambda: task_scores(Y, P, TASKS[:-1]), "`tasks` has 199 labels, y_true has 200 rows"),
        (lambda: task_scores(Y, P, TASKS, metric="mape"), "metric must be a callable or one of"),
        (lambda: task_scores(Y, np.r_[P[:-1], np.nan]), "y_pred contains NaN or infinity where"),
        (lambda: task_scores([np.nan], [1.0]), "Nothing is left to score"),
        (lambda: task_scores(Y.reshape(40, 5), P.reshape(40, 5), TASKS[:40]), "combined with"),
        (lambda: task_scores(Y[None, None], P), "Found array with dim 3"),
        (lambda: task_scores(Y, P, TASKS, sample_weight=-WEIGHT), "Negative values in data"),
        (lambda: metrics.mean_task_log_loss([0, 1], [0.5, 1.5]), r"probabilities in \[0, 1\]"),
        (lambda: metrics.mean_task_auc([0, 1, 2], [0.1, 0.2, 0.3]), "Only binary"),
        (
            lambda: metrics.mean_task_auc(["n", "n"], [0.1, 0.2]),
            "one class only, 'n': pass classes",
        ),
        (
            lambda: metrics.mean_task_auc([0, 1], [0.1, 0.2], classes=[0]),
            "must be two class labels",
        ),
        (lambda: metrics.mean_task_auc([0, 2], [0.1, 0.2], classes=[0, 1]), "not in classes"),
        (lambda: metrics.mean_task_accuracy(["n", "y"], [0, 1]), "labels of one type"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_published_figures_of_school(shared_dir):
    """Pooled ridge (gamma = 1, no intercept) on the ten published splits of School.

    Mean per-task RMSE, nMSE, aMSE and explained variance, pooled and within schools, as an
    independent NumPy script computed them.
    """
    school = fetch_school(data_home=shared_dir / "data")
    X, y, tasks = school.data, school.target, school.tasks
    found = []
    for train, rest in load_school_splits():
        model = Ridge(alpha=1.0, fit_intercept=False).fit(X[train], y[train])
        test = y[rest], model.predict(X[rest]), tasks[rest]
        found.append(
            [
                metrics.mean_task_rmse(*test),
                metrics.normalized_mse(*test),
                metrics.averaged_mse(*test),
                100.0 * metrics.explained_variance(*test),
                100.0 * metrics.explained_variance(*test, within_tasks=True),
            ]
        )
    rounded = [
        np.round(value, n) for value, n in zip(np.mean(found, axis=0), (3, 3, 3, 2, 2), strict=True)
    ]
    assert rounded == [10.166, 0.661, 0.182, 33.86, 23.54]


@pytest.mark.parametrize("scale", [1e-310, 1e307])
@pytest.mark.parametrize("name", sorted(MEANS))
def test_equal_weights_change_nothing_whatever_their_size(name, scale):
    """Their sum is no float, or their products are none."""
    y, p = (Y > 0, P > 0) if name in ("accuracy", "f1") else (Y, P)
    if name in ("auc", "log_loss"):
        y, p = Y > 0, 1.0 / (1.0 + np.exp(-P))
    found = MEANS[name](y, p, TASKS, sample_weight=np.full(len(Y), scale))
    assert_allclose(found, MEANS[name](y, p, TASKS), rtol=1e-9)
