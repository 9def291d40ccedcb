"""Gains of tasks out of fold: against a loop over folds by hand, by every door."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malsar_py import (
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    SharedSubspaceClustering,
    keep_tasks,
)
from malsar_py.inspection import task_affinity, task_gains
from malsar_py.inspection._gains import paired_gains
from malsar_py.inspection._references import Reference
from malsar_py.model_selection import MultiTaskSearchCV, TaskKFold
from malsar_py.model_selection._data import Data
from malsar_py.model_selection._template import Template

SHARING = MeanRegularizedRegressor(lambda1=1.0, lambda2=0.02)
ALONE = MeanRegularizedRegressor(lambda1=0.0, lambda2=0.05)


def simulated(T=4, n=15, d=3, seed=0, spread=0.2, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((T * n, d))
    tasks = np.repeat(np.arange(T), n)
    W = [1.0, -0.5, 0.3] + spread * rng.standard_normal((T, d))
    y = np.einsum("ij,ij->i", X, W[tasks]) + 0.5 * tasks + noise * rng.standard_normal(T * n)
    order = rng.permutation(T * n)
    return X[order], y[order], tasks[order]


def test_gains_are_those_of_a_loop():
    X, y, tasks = simulated()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    names = np.array(list("abcd"))[tasks]
    given = {"sample_weight": weight, "single": ALONE, "pooled": Ridge(2.0), "cv": TaskKFold(3)}
    found = task_gains(SHARING, X, y, tasks=names, **given)
    losses = {}
    for name, model in (("model", SHARING), ("single", ALONE), ("pooled", Ridge(2.0))):
        losses[name] = np.full(len(y), np.nan)
        for train, test in TaskKFold(3).split(X, y, tasks=names):
            labels = [{} if name == "pooled" else {"tasks": names[rows]} for rows in (train, test)]
            one = clone(model).fit(X[train], y[train], sample_weight=weight[train], **labels[0])
            losses[name][test] = (y[test] - one.predict(X[test], **labels[1])) ** 2
    for gains, name in ((found.over_single, "single"), (found.over_pooled, "pooled")):
        by_hand = paired_gains(
            losses[name], losses["model"], tasks, 4, sample_weight=weight, root=True
        )
        for part in ("reference", "loss", "gain", "lower", "upper"):
            assert_allclose(getattr(gains, part), getattr(by_hand, part), rtol=1e-7)
        assert_allclose(gains.mean_lower, by_hand.mean_lower)
    assert found.tasks.tolist() == list("abcd")
    assert_array_equal(found.n_rows, [15] * 4)
    table = found.table()
    assert list(table) == [
        "task", "n_rows", "loss", "single", "gain_over_single", "lower_over_single",
        "upper_over_single", "pooled", "gain_over_pooled", "lower_over_pooled",
        "upper_over_pooled",
    ]  # fmt: skip
    assert isinstance(table, pd.DataFrame)


def test_every_door_and_repeated_folds():
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((24, 3)), rng.standard_normal((3, 2))
    Y = X @ W + rng.standard_normal((24, 2))
    Y[::7, 1] = np.nan
    own = {"single": ALONE, "pooled": None, "cv": KFold(4)}
    by_column_of_y = task_gains(SHARING, X, pd.DataFrame(Y, columns=["u", "v"]), **own)
    assert by_column_of_y.tasks.tolist() == ["u", "v"]
    assert_array_equal(by_column_of_y.n_rows, [24, 20])
    assert by_column_of_y.over_pooled is None
    # The same rows with labels, in the same folds.
    fold = np.arange(24) // 6
    rows, labels = np.tile(X, (2, 1)), np.repeat(["u", "v"], 24)
    splits = [(np.flatnonzero(np.tile(fold, 2) != k), np.flatnonzero(np.tile(fold, 2) == k))
              for k in range(4)]  # fmt: skip
    stacked = {"single": ALONE, "pooled": None, "cv": splits, "groups": np.tile(range(24), 2)}
    stacked_y = Y.T.ravel()
    by_keyword = task_gains(SHARING, rows, stacked_y, tasks=labels, **stacked)
    table = pd.DataFrame(rows, columns=list("abc")).assign(task=labels)
    named = [clone(one).set_params(task_column="task") for one in (SHARING, ALONE)]
    by_column = task_gains(named[0], table, stacked_y, **(stacked | {"single": named[1]}))
    for other in (by_keyword, by_column):
        assert_allclose(other.over_single.gain, by_column_of_y.over_single.gain, rtol=1e-6)
        for end in ("lower", "mean_lower"):
            expected = getattr(by_column_of_y.over_single, end)
            assert_allclose(getattr(other.over_single, end), expected, rtol=1e-6)
    # Rows that are tested twice count once.
    twice = task_gains(SHARING, rows, stacked_y, tasks=labels, **(stacked | {"cv": splits * 2}))
    assert_allclose(twice.over_single.lower, by_keyword.over_single.lower)


def test_classifiers_lose_by_log_loss():
    X, y, tasks = simulated(n=18)
    y = np.select([y < -0.5, y < 0.7], ["low", "mid"], "high")
    model = MeanRegularizedClassifier(lambda1=1.0, lambda2=0.05)
    for target, ridge in ((y, None), (y == "high", "ridge")):
        found = task_gains(model, X, target, tasks=tasks, cv=2, single=ridge, pooled=ridge)
        assert found.loss_name == "log loss"
        losses = np.empty(len(y))
        labels = np.unique(target).tolist()
        for train, test in TaskKFold(2, stratify=True).split(X, target, tasks=tasks):
            one = clone(model).fit(X[train], target[train], tasks=tasks[train])
            P = one.predict_proba(X[test], tasks=tasks[test])
            truth = [labels.index(label) for label in target[test]]
            losses[test] = -np.log(P[np.arange(len(test)), truth])
        by_hand = [losses[tasks == t].mean() for t in range(4)]
        assert_allclose(found.loss, by_hand, rtol=1e-6)
        assert (found.over_pooled is None) == (found.over_single is None) == (ridge is None)
    # Of more than two classes one model for all has coefficients that are one.
    pooled = Reference(Template(model), True)(Data(X, y, tasks)).set_params(lambda2=[0.05], cv=2)
    coef = pooled.fit(X, y, tasks=tasks).best_estimator_.coef_
    assert_allclose(coef, np.broadcast_to(coef[0], coef.shape), atol=1e-3)


def test_references_are_ridge_on_the_training_rows():
    """One for all is Ridge on all rows, one per task on its own, at one of the strengths."""
    X, y, tasks = simulated(seed=3, n=12)
    table = pd.DataFrame(X * [1.0, 10.0, 100.0], columns=list("abc")).assign(task=tasks)
    model = make_pipeline(
        keep_tasks(StandardScaler(), task_column="task"), clone(SHARING).set_params(task_column=0)
    )
    cv = TaskKFold(2, task_column="task")
    found = task_gains(model, table, y, cv=cv)
    scales = np.logspace(2.0, -4.0, 9)
    losses = np.empty((2, len(scales), len(y)))
    for train, test in cv.split(table, y):
        scaler = StandardScaler().fit(table[list("abc")].iloc[train])
        Z = scaler.transform(table[list("abc")])
        own = tasks[train]
        curvature = np.mean([Z[train][own == t].var(axis=0).mean() for t in range(4)])
        for i, scale in enumerate(scales * curvature):
            one = Ridge(scale * len(train)).fit(Z[train], y[train])
            losses[1, i, test] = (one.predict(Z[test]) - y[test]) ** 2
            for t in range(4):
                rows, at = train[own == t], test[tasks[test] == t]
                one = Ridge(scale * len(rows)).fit(Z[rows], y[rows])
                losses[0, i, at] = (one.predict(Z[at]) - y[at]) ** 2
    # Of folds the strengths chosen may differ: no task does better than by the best in each fold.
    for k, gains in enumerate((found.over_single, found.over_pooled)):
        for t in range(4):
            each = losses[k][:, tasks == t]
            low, high = np.sqrt(each.min(axis=0).mean()), np.sqrt(each.max(axis=0).mean())
            assert low - 1e-6 <= gains.reference[t] <= high + 1e-6
    # With one strength it is that model exactly.
    only = task_gains(
        model, table, y, cv=cv, single=None,
        pooled=GridSearchCV(model, {"meanregularizedregressor__lambda2": [0.3]}, cv=2),
    )  # fmt: skip
    assert only.over_single is None and np.isfinite(only.over_pooled.gain).all()


def test_all_is_chosen_on_training_rows():
    """A search as model is a search in each fold: the loop that has nothing to do with us."""
    X, y, tasks = simulated()
    search = MultiTaskSearchCV(SHARING, lambda1=[0.01, 1.0, 100.0], lambda2=None, cv=2)
    found = task_gains(search, X, y, tasks=tasks, single=ALONE, pooled=None, cv=3)
    losses = np.empty(len(y))
    for train, test in TaskKFold(3).split(X, y, tasks=tasks):
        one = clone(search).fit(X[train], y[train], tasks=tasks[train])
        losses[test] = (y[test] - one.predict(X[test], tasks=tasks[test])) ** 2
    assert_allclose(found.loss, [np.sqrt(losses[tasks == t].mean()) for t in range(4)])
    parallel = task_gains(search, X, y, tasks=tasks, single=ALONE, pooled=None, cv=3, n_jobs=2)
    assert_array_equal(found.over_single.lower, parallel.over_single.lower)


def test_who_gains_is_found():
    """Small alike tasks gain over their own models; those of a large unlike one lose by pooling."""
    X, y, tasks = simulated(T=8, n=8, spread=0.05, noise=1.0)
    model = MeanRegularizedRegressor(lambda1=10.0, lambda2=0.01)
    found = task_gains(model, X, y, tasks=tasks, cv=3)
    assert found.over_single.mean_lower > 0.0
    assert found.over_pooled.mean_lower > 0.0  # intercepts differ
    text = str(found)
    assert text.startswith("Gains out of fold (RMSE, 3 folds)")
    assert "over single: mean gain +" in text and "8 tasks clearly gain" in text
    assert max(map(len, text.splitlines())) <= 100


def test_affinity_is_a_loop_over_fits():
    X, y, tasks = simulated(spread=0.5)
    found = task_affinity(SHARING, X, y, task=2, tasks=tasks, cv=3)
    own = np.flatnonzero(tasks == 2)
    assert found.names.tolist() == [0, 1, 3]
    losses = np.empty((4, len(own)))
    for k, others in enumerate(([], [0], [1], [3])):
        for train, test in KFold(3).split(own):
            rows = np.concatenate([own[train], np.flatnonzero(np.isin(tasks, others))])
            one = clone(SHARING).fit(X[rows], y[rows], tasks=tasks[rows])
            at = own[test]
            losses[k, test] = (y[at] - one.predict(X[at], tasks=tasks[at])) ** 2
    for k in range(3):
        by_hand = paired_gains(losses[0], losses[k + 1], np.zeros(15, np.intp), 1, root=True)
        assert_allclose(found.gains.gain[k], by_hand.gain[0])
        assert_allclose(found.gains.lower[k], by_hand.lower[0])
    both = task_affinity(SHARING, X, y, task=2, tasks=tasks, cv=3, auxiliary={"rest": [0, 1, 3]})
    assert both.names.tolist() == ["rest"]
    alone = task_affinity(SHARING, X, y, task=2, tasks=tasks, cv=3, auxiliary=[1])
    assert_allclose(alone.gains.gain, found.gains.gain[1])
    assert list(found.table()) == ["added", "loss", "gain", "lower", "upper"]
    assert str(found).startswith("Task 2: RMSE ")


def test_affinity_by_columns_of_y_and_of_classes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    Z = X @ rng.standard_normal((3, 3)) + rng.standard_normal((30, 3))
    Z[::5, 1] = np.nan
    Y = pd.DataFrame(Z, columns=list("uvw"))
    found = task_affinity(SHARING, X, Y, task="v", cv=3)
    keep = ~np.isnan(Z.T.ravel())
    rows, labels = np.tile(X, (3, 1))[keep], np.repeat(list("uvw"), 30)[keep]
    other = task_affinity(SHARING, rows, Z.T.ravel()[keep], task="v", tasks=labels, cv=3)
    assert_allclose(found.gains.lower, other.gains.lower)
    classes = Y.map(lambda z: "yes" if z > 0 else "no").where(Y.notna(), None)
    model = MeanRegularizedClassifier(lambda1=1.0, lambda2=0.1)
    by_column = task_affinity(model, X, classes, task="v", cv=3)
    assert by_column.loss_name == "log loss" and (by_column.gains.n_rows == 24).all()


def test_affinity_finds_clusters_and_outliers():
    """Tasks of the own cluster help, the opposite of a task hurts: what is planted is found."""
    ordered, hurt = 0, 0
    model = MeanRegularizedRegressor(lambda1=1.0, lambda2=0.05)
    for seed in range(5):
        rng = np.random.default_rng(100 + seed)
        centre = rng.standard_normal(8)
        W = np.array([centre, centre, -centre, centre, -centre]) + 0.2 * rng.standard_normal((5, 8))
        X, tasks = rng.standard_normal((100, 8)), np.repeat(np.arange(5), 20)
        y = (X * W[tasks]).sum(axis=1) + rng.standard_normal(100)
        found = task_affinity(model, X, y, task=0, tasks=tasks)
        gain = dict(zip(found.names.tolist(), found.gains.gain, strict=True))
        ordered += min(gain[1], gain[3]) > max(gain[2], gain[4])
        hurt += len(found.hurts)
        assert not set(found.hurts) & {1, 3} and not set(found.helps) & {2, 4}
    assert ordered == 5 and hurt >= 5  # of 10


def test_pictures():
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    X, y, tasks = simulated(T=6, n=6)
    found = task_gains(
        SHARING, X, y, tasks=np.array(list("abcdef"))[tasks], single=ALONE, pooled=Ridge(), cv=3
    )
    display = found.plot()
    order = np.argsort(-found.over_single.gain)
    assert_array_equal(display.names_, order)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == [found.tasks[t] for t in order]
    ends = np.array([line[:, 0] for line in display.intervals_[1].get_segments()])
    assert_allclose(ends.T, [found.over_pooled.lower[order], found.over_pooled.upper[order]])
    assert_allclose(display.points_[0].get_xdata(), found.over_single.gain[order])
    few = found.plot(max_tasks=3)
    assert_array_equal(few.names_, order[[0, 1, 5]])
    assert few.ax_.get_ylabel() == "task (3 of 6: largest gains and losses)"
    with pytest.raises(ValueError, match="max_names must be at least 2"):
        found.plot(max_tasks=1)
    affinity = task_affinity(SHARING, X, y, task=0, tasks=tasks, cv=3).plot()
    assert affinity.ax_.get_title() == "task 0, over the task alone"
    assert affinity.ax_.get_ylabel() == "trained with"


def test_what_is_refused():
    X, y, tasks = simulated(T=2, n=9)
    own = {"tasks": tasks, "cv": 3}
    with pytest.raises(TypeError, match="model must be one of this package's"):
        task_gains(Ridge(), X, y, **own)
    with pytest.raises(TypeError, match="model must be one of this package's"):
        task_affinity(SharedSubspaceClustering(), X, y, task=0, **own)
    with pytest.raises(ValueError, match="there is only one: set task_column, pass `tasks`"):
        task_gains(SHARING, X, y)
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        task_gains(SHARING, X, y, level=95, **own)
    with pytest.raises(ValueError, match='single must be "ridge", an estimator or None'):
        task_gains(SHARING, X, y, single="lasso", **own)
    rows = MultiTaskSearchCV(SHARING, cv=[(np.arange(9), np.arange(9, 18))])
    with pytest.raises(ValueError, match="the model: the search has rows as cv"):
        task_gains(rows, X, y, **own)
    with pytest.raises(ValueError, match="must have refit=True to predict"):
        task_gains(MultiTaskSearchCV(SHARING, refit=False), X, y, **own)
    with pytest.raises(ValueError, match="task='z' is none of the tasks: 0, 1"):
        task_affinity(SHARING, X, y, task="z", **own)
    with pytest.raises(ValueError, match="auxiliary='z' is none of the tasks"):
        task_affinity(SHARING, X, y, task=0, auxiliary=["z"], **own)
    with pytest.raises(ValueError, match="auxiliary 'all' holds 0, the task in focus"):
        task_affinity(SHARING, X, y, task=0, auxiliary={"all": [0, 1]}, **own)
    one_class = np.where(tasks == 0, 1, y > 0)
    classifier = MeanRegularizedClassifier(lambda2=0.1, intercept_shrinkage=1.0)
    with pytest.raises(ValueError, match=r"one model per task: .* Pass another reference, or None"):
        task_gains(classifier, X, one_class, **own)


def test_warnings_are_told_once():
    X, y, tasks = simulated(T=2, n=9)
    hasty = MeanRegularizedRegressor(lambda1=1.0, tol=1e-16, max_iter=1, solver="apg")
    with pytest.warns(UserWarning) as said:
        task_gains(hasty, X, y, tasks=tasks, single=None, pooled=None, cv=3)
    (text,) = {str(w.message) for w in said}
    assert text.startswith("the model: ") and text.endswith("(So in 3 fits; this is the first.)")
    assert len(said) == 1 and said[0].filename == __file__
