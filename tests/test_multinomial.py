"""More than two classes: shapes, doors, limiting cases, certificates of the classifiers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import malsar_py
from malsar_py import (
    ClusteredClassifier,
    DirtyClassifier,
    GraphClassifier,
    GroupFeatureClassifier,
    JointFeatureClassifier,
    LassoClassifier,
    MeanRegularizedClassifier,
    RobustFeatureClassifier,
    RobustLowRankClassifier,
    SharedSubspaceClassifier,
    SparseLowRankClassifier,
    TaskRelationshipClassifier,
    TemporalGroupClassifier,
    TraceNormClassifier,
    losses,
)
from malsar_py._tasks import resolve_fit
from malsar_py.design import Ragged, Repeated
from malsar_py.metrics import make_task_scorer, mean_task_log_loss
from malsar_py.model_selection import (
    MultiTaskSearchCV,
    TaskKFold,
    lambda1_max,
    regularization_path,
)
from malsar_py.objective import make_objective
from malsar_py.penalties import L1, Ridge, RowL2
from malsar_py.solvers import solve

from .test_common import CLASSIFIERS

CLASSES = np.array(["low", "mid", "top"])


# --- which classifiers take more than two classes ------------------------------------------------

# Their penalties are of rows in an order, of patterns, or not convex; or fits are of all rows.
BINARY = [
    "DistributionMatchingClassifier",
    "FusedSparseGroupClassifier",
    "IncompleteMultiSourceClassifier",
    "MultiLevelLassoClassifier",
    "MultiStageClassifier",
    "NonconvexFusedClassifier",
]
SEVERAL = [
    LassoClassifier(lambda1=0.02),
    JointFeatureClassifier(lambda1=0.05),
    GroupFeatureClassifier(lambda1=0.05),
    TraceNormClassifier(lambda1=0.05, lambda2=0.02),
    MeanRegularizedClassifier(lambda2=0.02),
    GraphClassifier(graph="chain", lambda2=0.02, lambda3=0.02),
    ClusteredClassifier(lambda2=0.1, random_state=0),
    SharedSubspaceClassifier(lambda2=0.1),
    TaskRelationshipClassifier(lambda1=0.02, lambda2=0.02),
    TemporalGroupClassifier(lambda1=0.05, lambda3=0.1),
    DirtyClassifier(lambda1=0.1, lambda2=0.03),
    RobustFeatureClassifier(lambda1=0.06, lambda2=0.1),
    RobustLowRankClassifier(lambda1=0.06, lambda2=0.06),
    SparseLowRankClassifier(lambda1=0.03, lambda2=0.08),
]
every = pytest.mark.parametrize("model", SEVERAL, ids=lambda model: type(model).__name__)


def data(seed=0, sizes=(40, 50, 45), d=5, K=3, labels=("a", "b", "c"), noise=1.0):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(labels, sizes)
    X = rng.standard_normal((len(tasks), d)) + 0.3
    common = rng.standard_normal((d, K))
    W = {t: common + 0.5 * rng.standard_normal((d, K)) for t in labels}
    z = np.array([x @ W[t] for x, t in zip(X, tasks, strict=True)])
    return X, CLASSES[(z + noise * rng.gumbel(size=z.shape)).argmax(axis=1)], tasks


def test_tags_and_refusals():
    found = [c.__name__ for c in CLASSIFIERS if not get_tags(c()).classifier_tags.multi_class]
    assert sorted([*found, *("IncompleteMultiSourceClassifier",)]) == BINARY
    assert sorted(type(m).__name__ for m in SEVERAL) == sorted(
        c.__name__ for c in CLASSIFIERS if c.__name__ not in BINARY
    )
    X, y, tasks = data()
    for name in found:
        with pytest.raises(ValueError, match=r"Only binary classification.*multiclass \(3 classes"):
            getattr(malsar_py, name)().fit(X, y, tasks=tasks)


# --- shapes, doors, unseen tasks -----------------------------------------------------------------


@every
def test_shapes_and_doors(model):
    """Column, keyword and columns of y: the same fit, in the shapes of the docstrings."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4))
    Y = np.stack([data(seed, (40,), 4, labels=("a",))[1] for seed in (1, 2)], axis=1)
    model = clone(model).set_params(tol=1e-9)
    wide = clone(model).fit(X, Y)
    rows, y, tasks = np.tile(X, (2, 1)), Y.T.ravel(), np.repeat([0, 1], 40)
    long = clone(model).fit(rows, y, tasks=tasks)
    table = np.column_stack([tasks, rows])
    by_column = clone(model).set_params(task_column=0).fit(table, y)
    for fit in (wide, long, by_column):
        assert fit.coef_.shape == (2, 3, 4)
        assert fit.intercept_.shape == (2, 3)
        assert_array_equal(fit.classes_, CLASSES)
        assert fit.relative_gap_ <= 1e-9
        assert_allclose(fit.coef_, long.coef_, atol=1e-3)
        assert_allclose(fit.intercept_.sum(axis=1), wide.intercept_.sum(axis=1), atol=1e-3)
    z, p = wide.decision_function(X), wide.predict_proba(X)
    assert z.shape == p.shape == (40, 2, 3)
    assert_allclose(p, softmax(z, axis=-1))
    assert_allclose(p.sum(axis=-1), 1.0)
    assert_array_equal(wide.predict(X), CLASSES[z.argmax(axis=-1)])
    one = long.decision_function(rows, tasks=tasks)
    assert one.shape == (80, 3)
    for t in (0, 1):
        own = tasks == t
        assert_allclose(one[own], rows[own] @ long.coef_[t].T + long.intercept_[t], atol=1e-12)
    assert_allclose(one.reshape(2, 40, 3).transpose(1, 0, 2), z, atol=1e-3)
    assert_allclose(wide.decision_function(rows, tasks=tasks), one, atol=1e-3)
    assert_array_equal(by_column.predict(table), long.predict(rows, tasks=tasks))
    assert_allclose(wide.score(X, Y), long.score(rows, y, tasks=tasks), atol=0.02)
    shares = [np.mean(wide.predict(X)[:, t] == Y[:, t]) for t in (0, 1)]
    assert_allclose(wide.score(X, Y), np.mean(shares))


def test_one_task_without_labels():
    X, y, _ = data(sizes=(90,), labels=("a",))
    fit = LassoClassifier(lambda1=0.02).fit(X, y)
    assert fit.coef_.shape == (3, 5)
    assert fit.intercept_.shape == (3,)
    assert fit.predict_proba(X).shape == (90, 3)
    assert_allclose(fit.decision_function(X), X @ fit.coef_.T + fit.intercept_)
    assert_array_equal(fit.predict(X), fit.classes_[fit.decision_function(X).argmax(axis=1)])


def test_unseen_tasks_get_the_mean():
    X, y, tasks = data()
    fit = MeanRegularizedClassifier(lambda2=0.02, unseen="mean").fit(X, y, tasks=tasks)
    p = fit.predict_proba(X, tasks=np.full(len(X), "new"))
    assert_allclose(p.sum(axis=1), 1.0)
    m, b = fit._mean_coef, fit._mean_intercept
    assert (m.shape, b.shape) == ((3, 5), (3,))
    assert_allclose(p, softmax(X @ m.T + b, axis=1))
    assert np.mean(fit.predict(X, tasks=np.full(len(X), "new")) == y) > 0.6


def test_a_class_that_a_task_lacks():
    """Probability zero with intercepts; a plain part of the loss without."""
    X, y, tasks = data()
    y = np.where((tasks == "b") & (y == "top"), "low", y)
    fit = LassoClassifier(lambda1=0.01, unseen="mean", tol=1e-9).fit(X, y, tasks=tasks)
    assert fit.relative_gap_ <= 1e-9
    assert fit.intercept_[1, 2] == -np.inf
    assert np.isfinite(np.delete(fit.intercept_.ravel(), 5)).all()
    p = fit.predict_proba(X, tasks=tasks)
    assert (p[tasks == "b", 2] == 0.0).all()
    assert (p[tasks != "b"] > 0.0).all()
    # The mean model is that of the tasks that have it.
    new = fit.predict_proba(X, tasks=np.full(len(X), "new"))
    assert (new > 0.0).all()
    assert_allclose(new.sum(axis=1), 1.0)
    without = LassoClassifier(lambda1=0.01, fit_intercept=False).fit(X, y, tasks=tasks)
    assert (without.predict_proba(X, tasks=tasks) > 0.0).all()
    # One class only is refused as ever, and allowed without intercepts.
    alone = np.where(tasks == "b", "low", y)
    with pytest.raises(ValueError, match="Task 'b' has only one class, 'low'"):
        LassoClassifier().fit(X, alone, tasks=tasks)
    LassoClassifier(lambda1=0.01, fit_intercept=False).fit(X, alone, tasks=tasks)


# --- limiting cases ------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_task_is_scikit_learns(fit_intercept):
    X, y, _ = data(sizes=(80,), labels=("a",))
    weight = np.random.default_rng(3).uniform(0.5, 2.0, len(y))
    lambda2 = 0.05
    ours = MeanRegularizedClassifier(
        lambda1=0.0, lambda2=lambda2, fit_intercept=fit_intercept, tol=1e-14
    ).fit(X, y, sample_weight=weight)
    theirs = LogisticRegression(
        C=1.0 / (lambda2 * weight.sum()),
        fit_intercept=fit_intercept,
        solver="newton-cg",
        tol=1e-12,
        max_iter=10_000,
    ).fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    if fit_intercept:
        assert_allclose(ours.intercept_, theirs.intercept_ - theirs.intercept_.mean(), atol=1e-6)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


def test_tasks_that_nothing_couples_are_fits_of_their_own():
    X, y, tasks = data()
    model = LassoClassifier(lambda1=0.03, tol=1e-11)
    fit = clone(model).fit(X, y, tasks=tasks)
    for t, task in enumerate("abc"):
        own = tasks == task
        alone = clone(model).fit(X[own], y[own])
        assert_allclose(fit.coef_[t], alone.coef_, atol=1e-5)
        assert_allclose(fit.intercept_[t], alone.intercept_, atol=1e-5)


@pytest.mark.parametrize(
    ("penalty", "factor"), [("l1", 1.0), ("rows", np.sqrt(2.0)), ("ridge", 2.0)]
)
def test_two_classes_as_multinomial_predict_as_logistic(penalty, factor):
    """At lambda2 doubled, norms of rows times sqrt 2, L1 as it is."""

    X, y, tasks = data(K=2)
    X = (
        X
        - np.stack([X[tasks == t].mean(axis=0) for t in "abc"])[np.searchsorted(list("abc"), tasks)]
    )
    build = {"l1": L1, "rows": RowL2, "ridge": Ridge}[penalty]
    strength = {"l1": 0.03, "rows": 0.05, "ridge": 0.1}[penalty]
    offsets = np.array([0, 40, 90, 135])
    c = 1.0 / np.repeat(np.diff(offsets), np.diff(offsets))
    code = (y == "mid").astype(float)
    found = []
    for K in (1, 2):
        loss = losses.Logistic() if K == 1 else losses.Multinomial(2)
        targets = 2.0 * code - 1.0 if K == 1 else loss.targets_by_column(code, c, offsets)
        design = Ragged(X, offsets) if K == 1 else Repeated(Ragged(X, offsets), 2)
        weights = loss.by_column(c, offsets)
        penalty_ = build(strength if K == 1 else strength * factor)
        objective = make_objective(design, loss, targets, weights, penalty_, True)
        how = {"tol": 1e-12, "max_iter": 50_000, "verbose": 0, "workspace": None}
        result = solve(objective, np.zeros(objective.shape), solver="auto", name="", **how)
        assert result.gap <= 1e-12 * objective.scale
        z = design.predict(result.W) + np.repeat(result.intercepts, np.diff(design.offsets))
        if K == 2:
            by_sample = design.by_sample(z)
            z = by_sample[:, 1] - by_sample[:, 0]
        found.append(z)
    assert_allclose(found[0], found[1], atol=2e-5)


# --- certificates --------------------------------------------------------------------------------


@every
def test_the_dual_stays_below_the_optimum(model):
    """At random coefficients, too."""
    X, y, tasks = data(seed=4, sizes=(20, 25, 18))
    model = clone(model).set_params(tol=1e-10, max_iter=50_000)
    optimum = model.fit(X, y, tasks=tasks).objective_[-1]
    rows = resolve_fit(clone(model), X, y, tasks=tasks, classifier=True)
    objective = model._prepare(rows).objective
    rng = np.random.default_rng(0)
    bounds = []
    for size in (0.0, 0.01, 0.1, 1.0, 10.0):
        W = size * rng.standard_normal(objective.shape)
        certificate, _ = objective.full_pass(W)
        assert certificate.gap >= 0.0
        bounds.append(certificate.objective - certificate.gap)
    assert max(bounds) <= optimum * (1.0 + 1e-9)
    assert np.isfinite(bounds[:3]).any()


# --- weights, labels, warm starts ----------------------------------------------------------------


@pytest.mark.parametrize("model", SEVERAL[:4], ids=lambda model: type(model).__name__)
def test_weights_are_repeated_rows(model):
    X, y, tasks = data()
    times = np.random.default_rng(1).integers(0, 3, len(y))
    model = clone(model).set_params(tol=1e-10, task_weight="size")
    weighted = clone(model).fit(X, y, tasks=tasks, sample_weight=times)
    again = np.repeat(np.arange(len(y)), times)
    repeated = clone(model).fit(X[again], y[again], tasks=tasks[again])
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-5)
    assert_allclose(
        weighted.score(X, y, tasks=tasks, sample_weight=times),
        repeated.score(X[again], y[again], tasks=tasks[again]),
    )


def test_labels_of_any_type():
    X, y, tasks = data()
    expected = LassoClassifier(lambda1=0.02).fit(X, y, tasks=tasks)
    codes = np.searchsorted(CLASSES, y)
    for labels in ([10, 20, 30], [-1.0, 0.0, 2.0], np.array(["x", "y", "z"], object)):
        named = np.asarray(labels)[codes]
        fit = LassoClassifier(lambda1=0.02).fit(X, named, tasks=tasks)
        assert_array_equal(fit.coef_, expected.coef_)
        assert_array_equal(fit.classes_, labels)
        assert fit.score(X, named, tasks=tasks) == expected.score(X, y, tasks=tasks)


@pytest.mark.parametrize("model", SEVERAL[:10:3], ids=lambda model: type(model).__name__)
def test_warm_start_and_pickle(model):
    X, y, tasks = data()
    fit = clone(model).set_params(warm_start=True).fit(X, y, tasks=tasks)
    p = fit.predict_proba(X, tasks=tasks)
    assert_array_equal(pickle.loads(pickle.dumps(fit)).predict_proba(X, tasks=tasks), p)
    coef = fit.coef_.copy()
    fit.fit(X, y, tasks=tasks)
    assert fit.n_iter_ == 1
    assert_allclose(fit.coef_, coef, atol=1e-6)
    # Another number of classes starts anew.
    fit.fit(X, np.where(y == "top", "mid", y), tasks=tasks)
    assert fit.coef_.shape == (3, 5)


# --- searches, paths, pictures -------------------------------------------------------------------


@pytest.mark.parametrize("unseen", ["error", "mean"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_task_log_loss", "accuracy", "neg_log_loss"])
def test_search_is_a_grid_search(scoring, unseen):
    """Every way to a score, with the labels in a column; whole tasks may be new."""
    X, y, tasks = data(sizes=(36, 40, 44))
    table = np.column_stack([np.searchsorted(list("abc"), tasks), X])
    model = JointFeatureClassifier(lambda2=0.01, task_column=0, unseen=unseen, tol=1e-9)
    folds = TaskKFold(3, task_column=0, shuffle=True, random_state=0)
    splits = list(folds.split(table, y))
    if unseen == "mean":
        splits.append((np.flatnonzero(tasks != "b"), np.flatnonzero(tasks == "b")))
    grid = [0.02, 0.08]
    ours = MultiTaskSearchCV(model, lambda1=grid, cv=splits, scoring=scoring, refit=True)
    ours.fit(table, y)
    known = scoring not in (None, "accuracy", "neg_log_loss")
    theirs = GridSearchCV(
        model,
        {"lambda1": grid},
        cv=splits,
        scoring=make_task_scorer(scoring) if known else scoring,
        error_score="raise",
    ).fit(table, y)
    order = np.argsort([p["lambda1"] for p in ours.cv_results_["params"]])
    for k in range(len(splits)):
        assert_allclose(
            ours.cv_results_[f"split{k}_test_score"][order],
            theirs.cv_results_[f"split{k}_test_score"],
            atol=1e-4,
        )
    assert ours.best_params_ == theirs.best_params_
    assert_array_equal(ours.classes_, CLASSES)
    assert_allclose(ours.predict_proba(table), theirs.predict_proba(table), atol=1e-4)


def test_search_over_columns_of_targets():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    Y = np.stack([data(seed, (60,), 4, labels=("a",))[1] for seed in (1, 2)], axis=1).astype(object)
    Y[::7, 1] = None
    model = LassoClassifier(tol=1e-9)
    for scoring in (None, "neg_mean_task_log_loss"):
        folds = TaskKFold(3, shuffle=True, random_state=0)
        search = MultiTaskSearchCV(model, lambda1=[0.03, 0.1], cv=folds, scoring=scoring).fit(X, Y)
        for i, p in enumerate(search.cv_results_["params"]):
            for k, (train, test) in enumerate(folds.split(X, Y)):
                fit = clone(model).set_params(**p).fit(X[train], Y[train])
                score = fit.score(X[test], Y[test])
                if scoring:
                    p_test = fit.predict_proba(X[test])
                    score = -mean_task_log_loss(Y[test], p_test, classes=fit.classes_)
                found = search.cv_results_[f"split{k}_test_score"][i]
                assert_allclose(found, score, atol=1e-5)


@pytest.mark.parametrize("model", SEVERAL[:3], ids=lambda model: type(model).__name__)
def test_path_is_fits(model):
    X, y, tasks = data()
    model = clone(model).set_params(tol=1e-9)
    largest = lambda1_max(model, X, y, tasks=tasks)
    assert not clone(model).set_params(lambda1=largest).fit(X, y, tasks=tasks).coef_.any()
    assert clone(model).set_params(lambda1=0.98 * largest).fit(X, y, tasks=tasks).coef_.any()
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=4, eps=0.1)
    assert path.coef.shape == (4, 3, 3, 5)
    assert path.intercept.shape == (4, 3, 3)
    for value, coef, intercept in zip(path.lambda1, path.coef, path.intercept, strict=True):
        fit = clone(model).set_params(lambda1=value).fit(X, y, tasks=tasks)
        assert_allclose(coef, fit.coef_, atol=1e-3)
        assert_allclose(intercept, fit.intercept_, atol=1e-3)


def test_pictures():
    plotting = pytest.importorskip("malsar_py.plotting")
    X, y, tasks = data()
    fit = ClusteredClassifier(lambda2=0.1, random_state=0).fit(X, y, tasks=tasks)
    assert fit.task_membership_.shape == (3, 3)
    assert fit.task_labels_.shape == (3,)
    display = plotting.CoefficientMapDisplay.from_estimator(fit)
    assert display.image_.get_array().shape == (5, 9)
    assert sorted(display.task_order_) == list(range(9))
    shown = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert "a: low" in shown
    similarity = plotting.TaskSimilarityDisplay.from_estimator(fit)
    assert similarity.image_.get_array().shape == (3, 3)
    path = regularization_path(LassoClassifier(), X, y, tasks=tasks, n_lambdas=3)
    lines = plotting.PathDisplay.from_path(path).lines_
    assert len(lines) == 5
    expected = np.linalg.norm(path.coef[-1].reshape(9, 5), axis=0)
    assert_allclose([line.get_ydata()[-1] for line in lines], expected)


def test_log_loss_of_all_classes():
    X, y, tasks = data()
    fit = LassoClassifier(lambda1=0.02).fit(X, y, tasks=tasks)
    p = fit.predict_proba(X, tasks=tasks)
    each = [log_loss(y[tasks == t], p[tasks == t], labels=CLASSES) for t in "abc"]
    assert_allclose(mean_task_log_loss(y, p, tasks, classes=fit.classes_), np.mean(each))
    assert_allclose(mean_task_log_loss(y, p, tasks), np.mean(each))
    with pytest.raises(ValueError, match="probabilities of 3 classes, but there are 2"):
        mean_task_log_loss(y, p, tasks, classes=CLASSES[:2])
    with pytest.raises(ValueError, match="not in classes"):
        mean_task_log_loss(np.where(y == "low", "odd", y), p, tasks, classes=CLASSES)


# --- weights of classes and features, signs ------------------------------------------------------


def test_class_weights_are_sample_weights():
    X, y, tasks = data()
    model = JointFeatureClassifier(lambda1=0.04, tol=1e-10)
    given = {"low": 2.0, "top": 0.5}
    weight = np.array([given.get(label, 1.0) for label in y])
    expected = clone(model).fit(X, y, tasks=tasks, sample_weight=weight)
    found = clone(model).set_params(class_weight=given).fit(X, y, tasks=tasks)
    assert_allclose(found.coef_, expected.coef_, atol=1e-5)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y, tasks=tasks)
    p = balanced.predict_proba(X, tasks=tasks)
    for t in "abc":  # the best intercepts: of all classes as much as they weigh
        own = tasks == t
        counts = {label: np.mean(y[own] == label) for label in CLASSES}
        each = np.array([1.0 / counts[label] for label in y[own]])
        assert_allclose(each @ p[own] / each.sum(), 1.0 / 3.0, atol=1e-4)


def test_weights_and_signs_of_features():
    X, y, tasks = data()
    lasso = LassoClassifier(lambda1=0.03, tol=1e-9)
    without = clone(lasso).set_params(feature_weight=[1, 1, np.inf, 1, 0.0])
    without.fit(X, y, tasks=tasks)
    assert without.relative_gap_ <= 1e-9
    assert not without.coef_[:, :, 2].any()
    assert without.coef_[:, :, 4].any()
    for model in (lasso, MeanRegularizedClassifier(lambda2=0.05, tol=1e-9)):
        signed = clone(model).set_params(positive=True).fit(X, y, tasks=tasks)
        assert signed.relative_gap_ <= 1e-9
        assert (signed.coef_ >= 0.0).all()
        free = clone(model).fit(X, y, tasks=tasks)
        assert signed.objective_[-1] > free.objective_[-1]
    with pytest.raises(ValueError, match="positive=True needs lambda2 > 0 with more than two"):
        MeanRegularizedClassifier(positive=True).fit(X, y, tasks=tasks)
    coupled = MeanRegularizedClassifier(lambda1=0.3, lambda2=0.05, tol=1e-9)
    far = clone(coupled).set_params(feature_weight=[1, np.inf, 1, 1, 1]).fit(X, y, tasks=tasks)
    assert far.relative_gap_ <= 1e-9
    assert np.ptp(far.coef_[:, :, 1], axis=0).max() < 1e-8
    assert np.ptp(far.coef_[0, :, 1]) > 0.1


@pytest.mark.parametrize("cls", [MeanRegularizedClassifier, GraphClassifier])
def test_strong_ties_between_tasks_take_no_more_steps(cls):
    rng = np.random.default_rng(7)
    X, tasks = rng.standard_normal((120, 4)), np.repeat(list("abcd"), 30)
    y = (X[:, :3] + rng.standard_normal((120, 3))).argmax(axis=1)
    ties = {"graph": "chain"} if cls is GraphClassifier else {}
    for lambda1 in (1.0, 1e4, 1e9, 1e200):
        model = cls(lambda1=lambda1, lambda2=0.05, tol=1e-9, **ties).fit(X, y, tasks=tasks)
        assert model.relative_gap_ <= 1e-9 and model.n_iter_ <= 150
    by_task = model.coef_.reshape(len(model.tasks_), -1)
    assert np.abs(by_task).max() > 0.1
    assert_array_equal(by_task, np.broadcast_to(by_task[0], by_task.shape))
