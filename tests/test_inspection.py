"""Resampling: every resample is a fit of its own, by every door; what follows from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    DirtyRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    MixedEffectsRegressor,
    SeparableKernelRegressor,
    SharedSubspaceClustering,
    keep_tasks,
)
from malsar_py.inspection import bootstrap
from malsar_py.inspection._draws import draws
from malsar_py.model_selection._solve import read_rows

from .test_everywhere import (
    CLUSTERS,
    KERNEL,
    MATCHED,
    PATTERNS,
    every,
    exempt,
    stacked,
    targets,
    with_labels,
)


def simulated(T=4, n=20, d=3, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((T * n, d)) + 0.5
    tasks = np.repeat(np.arange(T), n)
    W = np.array([1.0, -0.5, 0.0])[:d] + 0.3 * rng.standard_normal((T, d)) * [1, 1, 0]
    y = np.einsum("ij,ij->i", X, W[tasks]) + tasks + noise * rng.standard_normal(T * n)
    shuffled = rng.permutation(T * n)
    return X[shuffled], y[shuffled], tasks[shuffled], W


def drawn(model, X, y, n_resamples, unit="row", half=False, seed=0, **labels):
    """The resamples of a call with this seed."""
    rows = read_rows(clone(model), X, y, labels.get("tasks"), labels.get("sample_weight"))
    return rows, list(draws(rows, n_resamples, unit, half, np.random.RandomState(seed)))


@pytest.mark.parametrize("half", [False, True])
def test_a_resample_is_a_fit_with_counts_as_weights(half):
    X, y, tasks, _ = simulated()
    y[3] = np.nan
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = JointFeatureRegressor(lambda1=0.1, tol=1e-12)
    given = {"tasks": tasks, "sample_weight": weight}
    result = bootstrap(model, X, y, n_resamples=5, half_samples=half, random_state=0, **given)
    for draw, coef, intercept in zip(
        drawn(model, X, y, 5, half=half, **given)[1], result.coefs, result.intercepts, strict=True
    ):
        count = np.bincount(draw.rows, minlength=len(y))
        sizes = np.bincount(tasks, weights=count)
        assert (sizes == (10 if half else np.bincount(tasks[~np.isnan(y)]))).all()
        one = clone(model).fit(X, y, tasks=tasks, sample_weight=weight * count)
        assert_allclose(coef, one.coef_, atol=1e-5)
        assert_allclose(intercept, one.intercept_, atol=1e-5)
    whole = clone(model).fit(X, y, **given)
    assert_array_equal(result.coef, whole.coef_)
    assert_array_equal(result.intercept, whole.intercept_)
    assert_array_equal(result.mean_coef, whole._mean_coef)
    assert_array_equal(result.estimator.predict(X, tasks=tasks), whole.predict(X, tasks=tasks))


def test_tasks_that_are_drawn_are_tasks_of_their_own():
    X, y, tasks, _ = simulated(T=5, n=8)
    names = np.array(list("abcde"))[tasks]
    model = MeanRegularizedRegressor(lambda1=0.3, tol=1e-12)
    result = bootstrap(model, X, y, tasks=names, n_resamples=6, unit="task", random_state=1)
    _, each = drawn(model, X, y, 6, "task", seed=1, tasks=names)
    assert any(len(set(draw.tasks)) < 5 for draw in each)
    for draw, coefs, mean in zip(each, result.coefs, result.mean_coefs, strict=True):
        parts = [np.flatnonzero(tasks == t) for t in draw.tasks]
        rows, labels = np.concatenate(parts), np.repeat(range(5), 8)
        one = clone(model).fit(X[rows], y[rows], tasks=labels)
        assert_allclose(mean, one._mean_coef, atol=1e-9)
        for t in range(5):
            own = np.flatnonzero(draw.tasks == t)
            if len(own):
                assert_allclose(coefs[t], one.coef_[own].mean(axis=0), atol=1e-9)
            else:
                assert np.isnan(coefs[t]).all()
    lower, upper = result.mean_interval(0.5)
    assert_allclose(lower, np.quantile(result.mean_coefs, 0.25, axis=0))
    assert_allclose(upper, np.quantile(result.mean_coefs, 0.75, axis=0))
    assert np.isfinite(result.standard_error).all()
    # Weights of the tasks go by label.
    weighted = clone(model).set_params(task_weight=dict(zip("abcde", [1, 2, 3, 4, 5], strict=True)))
    found = bootstrap(weighted, X, y, tasks=names, n_resamples=2, unit="task", random_state=1)
    rows = np.concatenate([np.flatnonzero(tasks == t) for t in each[0].tasks])
    relabelled = {i: t + 1 for i, t in enumerate(each[0].tasks)}
    one = clone(model).set_params(task_weight=relabelled)
    one.fit(X[rows], y[rows], tasks=np.repeat(range(5), 8))
    assert_allclose(found.mean_coefs[0], one._mean_coef, atol=1e-9)


@every(PATTERNS, CLUSTERS, KERNEL)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_model_by_every_door(model):
    X, Y = targets(model, n=24)
    rows, y, tasks, _ = stacked(X, Y)
    own = {"n_resamples": 2, "random_state": 0}
    by_keyword = bootstrap(model, rows, y, tasks=tasks, **own)
    by_column = bootstrap(
        clone(model).set_params(task_column="school"), with_labels(rows, tasks), y, **own
    )
    assert_array_equal(by_keyword.coefs, by_column.coefs)
    assert by_keyword.coefs.shape == (2, 3, 4)
    assert by_column.tasks.tolist() == list("abc")
    assert by_column.feature_names.tolist() == ["x0", "x1", "x2", "x3"]
    if MATCHED in exempt(model):
        return
    shared = bootstrap(model, X, Y, **own)
    _, each = drawn(model, X, Y, 1)
    one = clone(model).fit(X.iloc[each[0].rows], Y.iloc[each[0].rows])
    assert_allclose(shared.coefs[0], one.coef_, atol=5e-3)
    if "task_order" not in model.get_params():
        by_task = bootstrap(model, rows, y, tasks=tasks, unit="task", **own)
        columns = bootstrap(model, X, Y, unit="task", **own)
        assert_allclose(by_task.mean_coefs, columns.mean_coefs, atol=5e-3)


def test_classes_and_missing_targets_stay():
    """No task of a resample lacks a class, no column its targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    tasks = np.repeat([0, 1], 30)
    y = np.where(np.arange(60) % 30 < 2, "yes", "no")  # two of 30 in each task
    model = JointFeatureClassifier(lambda1=0.01, lambda2=0.1)
    assert is_classifier(model)
    result = bootstrap(model, X, y, tasks=tasks, n_resamples=30, random_state=0)
    assert np.isfinite(result.coefs).all()
    Y = rng.standard_normal((60, 2))
    Y[3:, 1] = np.nan
    result = bootstrap(MeanRegularizedRegressor(), X, Y, n_resamples=30, random_state=0)
    assert np.isfinite(result.coefs).all()
    rare = np.full((60, 50), np.nan)
    rare[np.arange(50), np.arange(50)] = 1.0
    rare[:5] = rng.standard_normal((5, 50))
    rare[:5, 49] = np.nan
    model = MeanRegularizedRegressor()
    assert np.isfinite(bootstrap(model, X, rare, n_resamples=2, random_state=0).coefs).all()
    rare[:5] = np.where(np.arange(50) == np.arange(5)[:, None], 1.0, np.nan)
    message = r"without a target to fit: task 0 \(column 0 of y\) has 1 observed targets"
    with pytest.raises(ValueError, match=message):
        bootstrap(model, X, rare, n_resamples=2, random_state=0)


def test_pipelines_are_fitted_to_each_resample():
    X, y, tasks, _ = simulated()
    table = pd.DataFrame(X * [1.0, 10.0, 100.0], columns=list("uvw")).assign(school=tasks)
    model = make_pipeline(
        keep_tasks(StandardScaler(), task_column="school"),
        LassoRegressor(lambda1=0.05, task_column="school", tol=1e-12),
    )
    result = bootstrap(model, table, y, n_resamples=3, random_state=0)
    last = clone(model[-1])
    _, each = drawn(last, table, y, 3)
    for draw, coef in zip(each, result.coefs, strict=True):
        one = clone(model).fit(table.iloc[draw.rows], y[draw.rows])
        assert_allclose(coef, one[-1].coef_, atol=1e-6)
    assert_array_equal(result.estimator.predict(table), clone(model).fit(table, y).predict(table))
    by_task = bootstrap(model, table, y, unit="task", n_resamples=3, random_state=0)
    assert np.isfinite(by_task.mean_coefs).all()


def test_reproducible_and_quiet(capsys):
    X, y, tasks, _ = simulated()
    before = X.copy()
    model = JointFeatureRegressor(lambda1=0.1, lambda2=0.01)
    own = {"tasks": tasks, "n_resamples": 4}
    one = bootstrap(model, X, y, random_state=3, **own)
    two = bootstrap(model, X, y, random_state=3, n_jobs=2, **own)
    other = bootstrap(model, X, y, random_state=4, **own)
    assert_array_equal(one.coefs, two.coefs)
    assert np.abs(one.coefs - other.coefs).max() > 1e-3
    assert_array_equal(X, before)
    assert not hasattr(model, "coef_")
    assert repr(one) == "BootstrapResult(4 resamples of rows: 4 tasks, 3 features)"
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_standard_errors_and_coverage_of_least_squares():
    """Where nothing is shrunk, they are those of least squares, and 90 % intervals hold 90 %."""
    model = MeanRegularizedRegressor(lambda1=0.0, lambda2=1e-9)
    held, ratios = [], []
    for seed in range(15):
        X, y, tasks, W = simulated(T=3, n=60, seed=seed)
        result = bootstrap(model, X, y, tasks=tasks, n_resamples=120, random_state=seed)
        lower, upper = result.coef_interval(0.9)
        held.append((lower <= W) & (upper >= W))
        for t in range(3):
            Z = X[tasks == t] - X[tasks == t].mean(axis=0)
            ratios.append(
                result.standard_error[t] / (0.5 * np.sqrt(np.diag(np.linalg.inv(Z.T @ Z))))
            )
    assert 0.9 < np.mean(ratios) < 1.05
    assert 0.82 < np.mean(held) < 0.95  # 135 intervals: standard error 2.6 %
    narrow, wide = result.coef_interval(0.5), result.coef_interval(0.99)
    assert (narrow[0] >= wide[0]).all() and (narrow[1] <= wide[1]).all()


def test_half_samples_select_what_is_there():
    rng = np.random.default_rng(0)
    T, n, d = 3, 60, 12
    X = rng.standard_normal((T * n, d))
    tasks = np.repeat(range(T), n)
    w = np.r_[1.0, -1.0, 0.7, np.zeros(d - 3)]
    y = X @ w + rng.standard_normal(T * n)
    model = JointFeatureRegressor(lambda1=0.45)
    result = bootstrap(model, X, y, tasks=tasks, n_resamples=50, half_samples=True, random_state=0)
    share = result.selection_frequency
    assert share.shape == (T, d)
    assert_array_equal(share, np.mean(result.coefs != 0.0, axis=0))
    assert (share[:, :3] > 0.95).all()
    assert (share[:, 3:] < 0.6).all()


def test_plain_fits_and_mixed_models():
    X, y, tasks, _ = simulated()
    plain = bootstrap(LassoRegressor(), X, y, n_resamples=2, random_state=0)
    assert plain.coef.shape == (1, 3) and plain.coefs.shape == (2, 1, 3)
    mixed = bootstrap(
        MixedEffectsRegressor(covariance="iso"), X, y, tasks=tasks, n_resamples=2, random_state=0
    )
    assert_array_equal(mixed.mean_coef, mixed.estimator.coef_mean_)
    # Parts start from the parts of the fit of all rows.
    dirty = bootstrap(DirtyRegressor(), X, y, tasks=tasks, unit="task", n_resamples=2)
    assert np.isfinite(dirty.mean_coefs).all()


def test_what_is_refused():
    X, y, tasks, _ = simulated()
    model = MeanRegularizedRegressor()
    for wrong in (Ridge(), SharedSubspaceClustering(), make_pipeline(StandardScaler(), Ridge())):
        with pytest.raises(TypeError, match="model must be one of this package's"):
            bootstrap(wrong, X, y, tasks=tasks)
    with pytest.raises(TypeError, match="learns functions: it has no coefficients"):
        bootstrap(SeparableKernelRegressor(), X, y, tasks=tasks)
    for wrong in (1, 2.5, True):
        with pytest.raises(ValueError, match="n_resamples must be an int of at least 2"):
            bootstrap(model, X, y, tasks=tasks, n_resamples=wrong)
    with pytest.raises(ValueError, match='unit must be "row" or "task", got \'cell\''):
        bootstrap(model, X, y, tasks=tasks, unit="cell")
    with pytest.raises(ValueError, match="half_samples must be True or False"):
        bootstrap(model, X, y, tasks=tasks, half_samples=0.5)
    with pytest.raises(ValueError, match=r"only one: use unit=\"row\""):
        bootstrap(model, X, y, unit="task")
    with pytest.raises(ValueError, match="GraphRegressor relates each to certain others"):
        bootstrap(GraphRegressor(graph="chain"), X, y, tasks=tasks, unit="task")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        bootstrap(model, X, y[:-1], tasks=tasks)
    result = bootstrap(model, X, y, tasks=tasks, n_resamples=2)
    for level in (0.0, 1.0, True, "x"):
        with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
            result.coef_interval(level)
    tight = JointFeatureRegressor(tol=1e-15, max_iter=1, solver="apg")
    with pytest.warns(ConvergenceWarning) as said:
        bootstrap(tight, X, y, tasks=tasks, n_resamples=2)
    assert [str(w.message)[:40] for w in said][1:] == ["2 of 2 resamples did not reach tol=1e-15"]
    assert len(said) == 2


def test_pictures():
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    X, y, tasks, _ = simulated()
    names = np.array(["a", "b", "c", "d"])[tasks]
    table = pd.DataFrame(X, columns=["age", "dose", "weight"])
    model = JointFeatureRegressor(lambda1=0.1)
    result = bootstrap(model, table, y, tasks=names, n_resamples=10, random_state=0)
    display = result.plot(level=0.8)
    assert display.ax_.get_xlabel() == "coefficient (mean model)"
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(table.columns)
    ends = np.array([segment[:, 0] for segment in display.intervals_.get_segments()])
    assert_allclose(ends.T, result.mean_interval(0.8))
    assert_allclose(display.points_.get_xdata(), result.mean_coef)
    one = result.plot(task="b", max_features=2)
    assert one.ax_.get_xlabel() == "coefficient (task b)"
    assert len(one.features_) == 2
    shares = result.plot(kind="selection")
    assert shares.image_.get_array().shape == (3, 4)
    assert shares.image_.get_clim() == (0.0, 1.0)
    with pytest.raises(ValueError, match="task='z' is none of the tasks"):
        result.plot(task="z")
    with pytest.raises(ValueError, match='kind must be "interval" or "selection"'):
        result.plot(kind="violin")
