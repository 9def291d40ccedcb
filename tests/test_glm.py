"""MultiTaskGLM: the models of the package by their penalties; units, parts, errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge

from malsar_py import (
    ClusteredRegressor,
    DirtyRegressor,
    FusedSparseGroupRegressor,
    GraphRegressor,
    GroupFeatureRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    MultiTaskGLM,
    SparseLowRankRegressor,
    TaskRelationshipRegressor,
    TraceNormRegressor,
    penalties,
)
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

from .problems import ragged

GROUPS = np.array([0, 1, 0, 1, 2])
SAME = [
    (penalties.L1(), {"lambda2": 0.1}, LassoRegressor(lambda1=0.2, lambda2=0.1)),
    (penalties.RowL2(), {"lambda2": 0.1}, JointFeatureRegressor(lambda1=0.2, lambda2=0.1)),
    (penalties.TraceNorm(), {}, TraceNormRegressor(lambda1=0.2)),
    (penalties.MeanRegularized(), {}, MeanRegularizedRegressor(lambda1=0.2)),
    (penalties.Graph("chain"), {}, GraphRegressor(graph="chain", lambda1=0.2)),
    (
        penalties.L1(0.5) + penalties.Graph() + penalties.Ridge(0.25),
        {"lambda2": 0.1},
        GraphRegressor(lambda1=0.2, lambda2=0.15, lambda3=0.1),
    ),
    (
        penalties.Clustered(2, 1.0, 0.5),
        {},
        ClusteredRegressor(n_clusters=2, lambda1=0.2, lambda2=0.1),
    ),
    (penalties.SquaredTraceNorm(), {}, TaskRelationshipRegressor(lambda1=0.2)),
    (
        penalties.FusedSparseGroup(1.0, 0.5, 0.1),
        {},
        FusedSparseGroupRegressor(lambda1=0.2, lambda2=0.1, lambda3=0.02),
    ),
    (
        penalties.FeatureGroups(groups=GROUPS, weights=np.sqrt(np.bincount(GROUPS)), sparse=0.1),
        {},
        GroupFeatureRegressor(feature_groups=GROUPS, lambda1=0.2, lambda3=0.02),
    ),
    (
        penalties.Split(penalties.RowLinf(), penalties.L1(0.5)),
        {},
        DirtyRegressor(lambda1=0.2, lambda2=0.1),
    ),
    (
        penalties.Split(penalties.L1(), penalties.TraceBall(1.5)),
        {},
        SparseLowRankRegressor(lambda1=0.2, trace_bound=1.5),
    ),
]
every_penalty = pytest.mark.parametrize(
    ("penalty", "own", "named"), SAME, ids=[type(named).__name__ for *_, named in SAME]
)


def glm(penalty, own, **parameters):
    return MultiTaskGLM(penalty=penalty, lambda1=0.2, **own, **parameters)


@every_penalty
def test_it_is_the_model_of_that_name(penalty, own, named):
    X, y, tasks = ragged()
    one = glm(penalty, own, tol=1e-9).fit(X, y, tasks=tasks)
    other = clone(named).set_params(tol=1e-9).fit(X, y, tasks=tasks)
    assert one.relative_gap_ <= 1e-9
    assert_allclose(one.objective_[-1], other.objective_[-1], rtol=1e-8)
    assert_allclose(one.coef_, other.coef_, rtol=0, atol=1e-3)


@every_penalty
def test_units_do_not_matter(penalty, own, named):
    """Data of hostile scale: y times s and lambda1 times what its term then needs."""
    X, y, tasks = ragged()
    if isinstance(penalty, penalties.Split) and isinstance(penalty.second, penalties.TraceBall):
        penalty = penalties.Split(penalty.first, penalties.TraceBall(1.5 * 2.0**60))
        other = penalties.Split(penalty.first, penalties.TraceBall(1.5))
    else:
        other = penalty
    ordinary = glm(other, own).fit(X, y, tasks=tasks)
    # A norm grows with y, a quadratic with its square: sums of both need both.
    scaled = other.rescaled(2.0**120, 2.0**-60) if other is penalty else penalty
    lambda1 = 0.2 if other is penalty else 0.2 * 2.0**60
    far = MultiTaskGLM(penalty=scaled, lambda1=lambda1, **own).fit(X, 2.0**60 * y, tasks=tasks)
    assert far.relative_gap_ <= far.tol
    assert_allclose(far.coef_, 2.0**60 * ordinary.coef_, rtol=0, atol=2.0**60 * 2e-3)


@every_penalty
def test_the_largest_lambda1_is_exact(penalty, own, named):
    X, y, tasks = ragged()
    model = glm(penalty, own)
    top = lambda1_max(model, X, y, tasks=tasks)
    at = [clone(model).set_params(lambda1=f * top).fit(X, y, tasks=tasks) for f in (1.0, 0.98)]
    norm = model._lambda1_max(model_prepared(model, X, y, tasks)) is not None
    assert at[0].coef_.any() == (not norm)
    assert at[1].coef_.any()


def model_prepared(model, X, y, tasks):
    from malsar_py.model_selection._solve import prepare

    return prepare(clone(model), X, y, tasks, None)[1]


def test_without_a_penalty_it_is_one_ridge_a_task():
    X, y, tasks = ragged()
    for lambda2 in (0.0, 0.3):
        model = MultiTaskGLM(lambda2=lambda2, tol=1e-10).fit(X, y, tasks=tasks)
        for t, label in enumerate(model.tasks_):
            own = tasks == label
            alone = Ridge(lambda2 * own.sum()) if lambda2 else LinearRegression()
            assert_allclose(model.coef_[t], alone.fit(X[own], y[own]).coef_, rtol=1e-7)


def test_parts_add_up_and_start_the_next_fit():
    X, y, tasks = ragged()
    penalty = penalties.Split(penalties.RowL2(), penalties.ColumnL2())
    model = MultiTaskGLM(penalty=penalty, warm_start=True).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_parts_.sum(axis=0), model.coef_, rtol=1e-12)
    n_iter = model.n_iter_
    parts = model.coef_parts_.copy()
    assert model.fit(X, y, tasks=tasks).n_iter_ < n_iter
    assert_allclose(model.coef_parts_, parts, rtol=0, atol=1e-2)
    model.set_params(penalty=penalties.RowL2()).fit(X, y, tasks=tasks)
    assert not hasattr(model, "coef_parts_")


def test_penalties_are_searched():
    X, y, tasks = ragged()
    tried = [
        None,
        penalties.RowL2(),
        penalties.MeanRegularized(),
        penalties.L1() + penalties.Graph(),
    ]
    search = MultiTaskSearchCV(
        MultiTaskGLM(lambda2=0.01, tol=1e-9),
        param_grid={"penalty": tried},
        lambda1=[0.5, 0.05],
        cv=3,
    ).fit(X, y, tasks=tasks)
    scores = search.cv_results_["mean_test_score"].reshape(4, 2)
    assert scores[0, 0] == scores[0, 1]
    assert np.unique(scores).size == 7
    named = JointFeatureRegressor(lambda2=0.01, tol=1e-9)
    same = MultiTaskSearchCV(named, lambda1=[0.5, 0.05], cv=3).fit(X, y, tasks=tasks)
    assert_array_equal(scores[1], same.cv_results_["mean_test_score"])


def test_a_path_is_its_separate_fits():
    X, y, tasks = ragged()
    model = glm(penalties.RowL2() + penalties.Graph("chain"), {}, tol=1e-9)
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=5)
    assert path.df[0] == 0
    for lambda1, coef in zip(path.lambda1, path.coef, strict=True):
        alone = clone(model).set_params(lambda1=lambda1).fit(X, y, tasks=tasks)
        assert_allclose(coef, alone.coef_, rtol=0, atol=1e-3)


def test_what_it_refuses():
    X, y, tasks = ragged()
    split = penalties.Split(penalties.RowL2(), penalties.L1(0.7))
    with pytest.raises(ValueError, match="penalty has two parts"):
        MultiTaskGLM(penalty=split, lambda2=0.1).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="'penalty' parameter of MultiTaskGLM must be an instance"):
        MultiTaskGLM(penalty="l1").fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="graph"):
        MultiTaskGLM(penalty=penalties.Graph(np.eye(7))).fit(X, y, tasks=tasks)


def test_any_loss_with_any_penalty():
    X, y, tasks = ragged()
    counts = np.random.default_rng(0).poisson(np.exp(0.3 * np.clip(y, -4.0, 4.0)))
    targets = {"huber": y, "poisson": counts, "logistic": (y > 0).astype(float)}
    for loss, target in targets.items():
        for penalty, named in (
            (penalties.RowL2(), JointFeatureRegressor(lambda1=0.02, lambda2=0.01)),
            (penalties.TraceNorm(), TraceNormRegressor(lambda1=0.02, lambda2=0.01)),
        ):
            model = MultiTaskGLM(loss=loss, penalty=penalty, lambda1=0.02, lambda2=0.01, tol=1e-9)
            model.fit(X, target, tasks=tasks)
            assert model.relative_gap_ <= 1e-9
            other = clone(named).set_params(loss=loss, tol=1e-9).fit(X, target, tasks=tasks)
            assert_allclose(model.coef_, other.coef_, rtol=0, atol=1e-4)
            assert_allclose(
                model.predict(X, tasks=tasks), other.predict(X, tasks=tasks), rtol=0, atol=1e-2
            )
