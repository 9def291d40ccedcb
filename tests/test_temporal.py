"""Ordered tasks: limiting cases, the order itself, certificates at any point, what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import malsar_py
from malsar_py import (
    FusedSparseGroupClassifier,
    FusedSparseGroupRegressor,
    GraphRegressor,
    JointFeatureClassifier,
    LassoClassifier,
    LassoRegressor,
    NonconvexFusedRegressor,
    TemporalGroupClassifier,
    TemporalGroupRegressor,
)
from malsar_py.model_selection import TaskKFold
from malsar_py.objective import make_objective
from malsar_py.penalties import FusedRows, Ridge, WeightedL1, fused_rows
from malsar_py.solvers import solve_accelerated

from .problems import assert_same_fit, ragged, shared, tight
from .test_certificates import LOSSES, D, T, both_certificates, every_setting, make_tasks

ORDERED = [TemporalGroupRegressor, FusedSparseGroupRegressor, NonconvexFusedRegressor]
every_ordered = pytest.mark.parametrize("cls", ORDERED)

# --- limiting cases -------------------------------------------------------------------------------

SIZES = {"Regressor": 0.1, "Classifier": 0.03}
both_kinds = pytest.mark.parametrize("kind", SIZES)


def pair(kind, one, other, n_tasks=4):
    """Two models fitted to the same data."""
    X, y, tasks = ragged(classify=kind == "Classifier", labels=("a", "b", "c", "d")[:n_tasks])
    for stem, parameters in (one, other):
        model = getattr(malsar_py, stem + kind)(**parameters)
        yield tight(model).fit(X, y, tasks=tasks)


@both_kinds
def test_without_neighbours_it_is_joint_feature(kind):
    size = SIZES[kind]
    own = {"lambda1": size, "lambda2": 0.02}
    assert_same_fit(*pair(kind, ("TemporalGroup", own), ("JointFeature", own)))
    own = {"lambda1": size}
    assert_same_fit(*pair(kind, ("FusedSparseGroup", own), ("JointFeature", own)))


@both_kinds
def test_without_a_group_term_temporal_is_a_chain(kind):
    chain = {"graph": "chain", "lambda1": 0.3, "lambda2": 0.02}
    temporal = {"lambda1": 0.0, "lambda2": 0.02, "lambda3": 0.3}
    assert_same_fit(*pair(kind, ("TemporalGroup", temporal), ("Graph", chain)))


@both_kinds
def test_the_sparse_term_alone_is_the_lasso(kind):
    size = SIZES[kind]
    fused = {"lambda1": 0.0, "lambda3": size}
    assert_same_fit(*pair(kind, ("FusedSparseGroup", fused), ("Lasso", {"lambda1": size})))


@both_kinds
def test_one_task_is_lasso_plus_group(kind):
    """With one task ``||w^j||_2 = |w_j|`` and nothing is fused: a Lasso."""
    size = SIZES[kind]
    fused = {"lambda1": 0.4 * size, "lambda2": 7.0, "lambda3": 0.6 * size}
    assert_same_fit(
        *pair(kind, ("FusedSparseGroup", fused), ("Lasso", {"lambda1": size}), n_tasks=1)
    )


def test_a_large_fused_term_makes_one_model():
    """Equal slopes for all tasks: with the weights of the tasks, one JointFeature on all rows."""
    X, y, tasks = ragged()
    model = tight(FusedSparseGroupRegressor(lambda1=0.05, lambda2=1e3)).fit(X, y, tasks=tasks)
    assert_array_equal(model.coef_, np.tile(model.coef_[0], (4, 1)))
    # ||(w, w, w, w)|| = 2 |w|, against a loss that is the sum of four.
    joint = tight(FusedSparseGroupRegressor(lambda1=0.1, lambda3=0.0, fit_intercept=False))
    rows = X - np.array([X[tasks == t].mean(axis=0) for t in tasks])
    target = y - np.array([y[tasks == t].mean() for t in tasks])
    weight = np.array([1.0 / np.sum(tasks == t) for t in tasks])
    joint.set_params(lambda1=0.05 * 2.0 / 4.0)
    joint.fit(rows, target, sample_weight=weight)
    assert_allclose(model.coef_[0], joint.coef_, atol=1e-6)


def test_no_term_left():
    X, y, tasks = ragged()
    free = tight(FusedSparseGroupRegressor(lambda1=0.0)).fit(X, y, tasks=tasks)
    ridge = tight(LassoRegressor(lambda1=0.0)).fit(X, y, tasks=tasks)
    assert_same_fit(free, ridge)
    alone = FusedSparseGroupRegressor(lambda1=0.0, lambda2=1.0)
    one = tight(alone).fit(X[tasks == "a"], y[tasks == "a"])
    assert_allclose(one.coef_, free.coef_[0], atol=1e-6)


@both_kinds
def test_everything_is_zero_from_lambda1_max_on(kind):
    X, y, tasks = ragged(classify=kind == "Classifier")
    for stem, own in (
        ("TemporalGroup", {"lambda3": 0.3, "lambda2": 0.1}),
        ("FusedSparseGroup", {"lambda2": 0.02, "lambda3": 0.02}),
    ):
        model = getattr(malsar_py, stem + kind)(**own)
        offsets = np.concatenate([[0], np.cumsum([np.sum(tasks == t) for t in "abcd"])])
        order = np.argsort(tasks, kind="stable")
        y01 = np.where(y[order] == "yes", 1.0, -1.0) if kind == "Classifier" else y[order]
        if kind == "Regressor":
            y01 = y01 - np.array([y[tasks == t].mean() for t in tasks[order]])
        c = np.array([1.0 / np.sum(tasks == t) for t in tasks[order]])
        loss = LOSSES["logistic" if kind == "Classifier" else "squared"]
        zero = np.zeros((X.shape[1], 4))
        design = malsar_py.design.Ragged(X[order], offsets)
        objective = make_objective(design, loss, y01, c, Ridge(0.0), True)
        _, G0 = objective.full_pass(zero)
        structure = fused_rows(
            X.shape[1], np.arange(4), group=1.0, fused=own["lambda2"], sparse=own["lambda3"]
        )
        largest = np.linalg.norm(G0, axis=1).max()
        if stem == "FusedSparseGroup":
            largest = structure.lambda1_max(G0)
        model.set_params(lambda1=largest * (1.0 + 1e-9)).fit(X, y, tasks=tasks)
        assert not model.coef_.any()
        model.set_params(lambda1=largest * 0.99, tol=1e-12).fit(X, y, tasks=tasks)
        assert model.coef_.any()


# --- the order ------------------------------------------------------------------------------------


@every_ordered
@pytest.mark.parametrize("labels", [("a", "b", "c", "d"), (4, 1, 3, 2), (0.5, 2.5, 1.5, 3.5)])
def test_task_order(cls, labels):
    X, y, tasks = ragged(labels=labels)
    model = cls(lambda1=0.05, lambda2=0.1, tol=1e-10)
    if cls is TemporalGroupRegressor:
        model.set_params(lambda3=0.5)
    wanted = [labels[i] for i in (2, 0, 3, 1)]
    ordered = clone(model).set_params(task_order=wanted).fit(X, y, tasks=tasks)
    # The same by names that sort in this order.
    names = {label: i for i, label in enumerate(wanted)}
    renamed = model.fit(X, y, tasks=[names[t] for t in tasks.tolist()])
    place = [names[t] for t in ordered.tasks_.tolist()]
    assert_allclose(ordered.coef_, renamed.coef_[place], atol=1e-6)
    # Backwards is the same order, labels of others are passed over, and an array will do.
    for order in (wanted[::-1], [*wanted, type(labels[0])(99)], np.array(wanted)):
        again = clone(ordered).set_params(task_order=order).fit(X, y, tasks=tasks)
        assert_allclose(again.coef_, ordered.coef_, atol=1e-6)
    assert not np.allclose(ordered.coef_, clone(model).fit(X, y, tasks=tasks).coef_, atol=1e-4)


def test_task_order_of_columns():
    X, Y = shared()
    own = {"lambda1": 0.1, "lambda2": 0.2, "lambda3": 0.05, "tol": 1e-10}
    order = [2, 0, 3, 1]
    model = FusedSparseGroupRegressor(task_order=order, **own).fit(X, Y)
    other = FusedSparseGroupRegressor(**own).fit(X, Y[:, order])
    assert_allclose(model.coef_[order], other.coef_, atol=1e-6)


@pytest.mark.parametrize("kind", ["default", "chain"])
def test_the_default_is_the_order_of_tasks(kind):
    X, y, tasks = ragged(labels=("d", "a", "c", "b"))
    own = {"lambda1": 0.0, "lambda2": 0.02, "lambda3": 0.5, "tol": 1e-11}
    model = TemporalGroupRegressor(**own).fit(X, y, tasks=tasks)
    if kind == "default":
        other = TemporalGroupRegressor(**own, task_order=list("abcd")).fit(X, y, tasks=tasks)
    else:
        other = GraphRegressor(graph="chain", lambda1=0.5, lambda2=0.02, tol=1e-11)
        other.fit(X, y, tasks=tasks)
    assert_allclose(model.coef_, other.coef_, atol=1e-6)


@every_ordered
def test_orders_that_are_refused(cls):
    X, y, tasks = ragged()
    with pytest.raises(ValueError, match="task_order does not hold the fitted task 'c'"):
        cls(task_order=["a", "b", "d"]).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="task_order repeats the fitted task 'b': list"):
        cls(task_order=["a", "b", "b", "c", "d"]).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="task_order does not hold the fitted task 0"):
        cls(task_order=["a"]).fit(X, y)
    with pytest.raises(ValueError, match="'task_order' parameter"):
        cls(task_order=3).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="task_order should be a 1d array"):
        cls(task_order=[["a", "b"], ["c", "d"]]).fit(X, y, tasks=tasks)


@pytest.mark.parametrize("cls", [TemporalGroupRegressor, FusedSparseGroupRegressor])
def test_bad_strengths(cls):
    X, y, tasks = ragged()
    for name in ("lambda1", "lambda2", "lambda3"):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__}"):
            cls(**{name: -0.1}).fit(X, y, tasks=tasks)


def test_solvers_that_do_not_apply():
    X, y, tasks = ragged()
    for solver in ("active-set", "closed-form"):
        with pytest.raises(ValueError, match=f"solver='{solver}' is for"):
            FusedSparseGroupRegressor(solver=solver).fit(X, y, tasks=tasks)


def test_search_with_an_order():
    """Folds keep every task, so one order serves them all."""
    X, y, tasks = ragged(labels=(1, 2, 3, 4))
    rows = np.column_stack([tasks, X])
    model = FusedSparseGroupRegressor(task_column=0, task_order=[4, 2, 1, 3, 9])
    search = GridSearchCV(model, {"lambda2": [0.01, 1.0]}, cv=TaskKFold(3, task_column=0))
    assert search.fit(rows, y).best_score_ <= 1.0
    assert hasattr(search, "best_estimator_")


# --- certificates ---------------------------------------------------------------------------------


def strengths(*rows):
    group, fused, sparse = np.array(rows, dtype=float).T
    return FusedRows(order=np.array([2, 0, 3, 1]), group=group, fused=fused, sparse=sparse)


PENALTIES = {
    "all terms": strengths((0.05, 0.03, 0.02), (0.1, 0.02, 0.01), (0.03, 0.1, 0.05)),
    "group and fused": strengths(*[(0.05, 0.05, 0.0)] * 3),
    "sparse and fused": strengths(*[(0.0, 0.05, 0.05)] * 3),
    "large": strengths(*[(2.0, 2.0, 2.0)] * 3),
    "ridge": strengths(*[(0.03, 0.03, 0.03)] * 3) + Ridge(0.2),
    "fused and ridge": strengths(*[(0.0, 0.1, 0.0)] * 3) + Ridge(0.2),
    "fused alone": strengths(*[(0.0, 0.1, 0.0)] * 3),
    "fused alone in a row": strengths((0.0, 0.1, 0.0), (0.05, 0.02, 0.0), (0.0, 0.02, 0.05)),
    "weights": WeightedL1(0.1, weights=np.array([0.3, 1.0, 2.0])),
    "free rows": WeightedL1(0.1, weights=np.array([0.0, 1.0, 0.0])),
    "nothing but free rows": WeightedL1(0.1, weights=np.zeros(3)),
    "free rows and ridge": WeightedL1(0.1, weights=np.array([0.0, 1.0, 0.0])) + Ridge(0.2),
}


@pytest.mark.parametrize("name", PENALTIES)
@every_setting
def test_the_gap_at_any_point_and_at_the_optimum(name, loss, fit_intercept, kind):
    design, tasks = make_tasks(kind, loss, fit_intercept)
    penalty = PENALTIES[name]
    objective = make_objective(
        design, LOSSES[loss], tasks.y.copy(), tasks.c.copy(), penalty, fit_intercept
    )
    zero = np.zeros((D, T))
    solution = solve_accelerated(objective, zero, tol=1e-12, max_iter=20_000)
    assert solution.converged
    best = solution.history.objective[-1]
    rng = np.random.default_rng(1)
    direction = rng.standard_normal((D, T))
    sparse = direction * (np.arange(D) == 1)[:, None]
    steps = list(itertools.product((direction, sparse), [1e-8, 1e-3, 0.1, 1.0, 30.0, 1e4]))
    for step, scale in [*steps, (direction, 0.0), (-sparse, 1e-3), (-sparse, 1.0)]:
        for start in (zero, solution.W):
            W = start + scale * step
            value = tasks.loss_value(W, tasks.best_intercepts(W)) + penalty.value(W)
            slack = tasks.slack(W, value, objective.scale)
            for certificate in both_certificates(objective, W):
                assert_allclose(certificate.objective, value, rtol=0, atol=slack)
                assert certificate.gap >= -1e-12 * value
                assert certificate.objective - certificate.gap <= best + slack
                assert certificate.objective >= best - slack
    for eps in (1e-3, 1e-5, 1e-7):
        for certificate in both_certificates(objective, solution.W + eps * direction):
            assert certificate.gap <= 30.0 * objective.scale * eps


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_of_some_rows(name):
    penalty = PENALTIES[name]
    W = np.random.default_rng(0).standard_normal((D, T))
    kept = np.array([2, 0])
    alone = np.zeros_like(W)
    alone[kept] = W[kept]
    assert_allclose(penalty.restrict(kept).value(W[kept]), penalty.value(alone), rtol=1e-12)


@pytest.mark.parametrize("cls", [TemporalGroupClassifier, FusedSparseGroupClassifier])
def test_classifiers_against_their_first_terms(cls):
    """A strong group term takes the same features as the models it is built from."""
    X, y, tasks = ragged(classify=True)
    model = cls(lambda1=0.05, tol=1e-9).fit(X, y, tasks=tasks)
    joint = JointFeatureClassifier(lambda1=0.05, tol=1e-9).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_, joint.coef_, atol=1e-4)
    lasso = LassoClassifier(lambda1=0.05).fit(X, y, tasks=tasks)
    assert model.score(X, y, tasks=tasks) >= lasso.score(X, y, tasks=tasks) - 0.1
