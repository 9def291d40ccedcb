"""A subclass's own predict is what is scored; graphs with unknown labels; odd warm starts."""

from __future__ import annotations

import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from malsar_py import (
    DirtyRegressor,
    GraphClassifier,
    GraphRegressor,
    JointFeatureRegressor,
    LassoClassifier,
    LassoRegressor,
    MeanRegularizedRegressor,
    SeparableKernelRegressor,
    graphs,
)
from malsar_py.metrics import mean_task_r2
from malsar_py.model_selection import LeaveOneTaskOut, MultiTaskSearchCV, TaskKFold

from .test_everywhere import CLUSTERS, PATTERNS, every

RNG = np.random.default_rng(0)
T = np.repeat([0, 1, 2], 20)
X = RNG.standard_normal((60, 5))
Y = X @ RNG.standard_normal(5) + RNG.standard_normal(60)
FRAME = pd.DataFrame(X, columns=list("abcde")).assign(t=T)


class Clip:
    """A mixin of users."""

    def predict(self, X, *, tasks=None):
        return np.maximum(super().predict(X, tasks=tasks), 0)


class Floor(Clip, LassoRegressor):
    pass


class Always(LassoClassifier):
    def predict(self, X, *, tasks=None):
        return np.full(len(X), self.classes_[1])


def test_score_is_that_of_predict():
    model = Floor().fit(X, Y, tasks=T)
    clipped = np.maximum(LassoRegressor().fit(X, Y, tasks=T).predict(X, tasks=T), 0)
    weight = np.where(np.arange(60) % 7 == 0, 0.0, 1.0 + T)
    hole = np.where(np.arange(60) % 5 == 0, np.nan, Y)
    for y, w in ((Y, None), (Y, weight), (hole, None), (hole, weight)):
        expected = mean_task_r2(y, clipped, T, sample_weight=w)
        assert model.score(X, y, tasks=T, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    by_column = Floor(task_column="t").fit(FRAME, Y)
    assert by_column.score(FRAME, hole) == pytest.approx(mean_task_r2(hole, clipped, T))
    Y2 = np.c_[hole, -Y]
    shared = Floor().fit(X, Y2)
    expected = mean_task_r2(Y2, np.maximum(LassoRegressor().fit(X, Y2).predict(X), 0))
    assert shared.score(X, Y2) == pytest.approx(expected, rel=1e-12)


def test_a_predict_that_finds_its_own_labels():
    class Own(LassoRegressor):
        def predict(self, X):
            return super().predict(X, tasks=np.where(np.asarray(X)[:, 0] > 0, "a", "b"))

        def score(self, X, y):
            return super().score(X, y, tasks=np.where(np.asarray(X)[:, 0] > 0, "a", "b"))

    labels = np.where(X[:, 0] > 0, "a", "b")
    model = Own().fit(X, Y, tasks=labels)
    assert model.score(X, Y) == LassoRegressor().fit(X, Y, tasks=labels).score(X, Y, tasks=labels)


def test_score_of_classes_is_that_of_predict():
    model = Always().fit(X, Y > 0, tasks=T)
    expected = np.mean([accuracy_score(Y[t == T] > 0, np.ones(20, bool)) for t in range(3)])
    assert model.score(X, Y > 0, tasks=T) == pytest.approx(expected)
    model.predict = lambda X, *, tasks=None: np.zeros(len(X), bool)
    assert model.score(X, Y > 0, tasks=T) == pytest.approx(1.0 - expected)


@every(CLUSTERS, PATTERNS)
def test_every_estimator(model):
    shifted = type(f"Shifted{type(model).__name__}", (Shift, type(model)), {})
    y = (Y > 0).astype(int) if model._classifier else Y
    found = shifted(**model.get_params()).fit(X, y, tasks=T)
    prediction = type(model)(**model.get_params()).fit(X, y, tasks=T).predict(X, tasks=T)
    if model._classifier:
        expected = np.mean([np.mean(prediction[t == T] != y[t == T]) for t in range(3)])
    else:
        expected = mean_task_r2(y, prediction + 1, T)
    assert found.score(X, y, tasks=T) == pytest.approx(expected, rel=1e-9)


class Shift:
    """The other class, or one more."""

    def predict(self, X, *, tasks=None):
        prediction = super().predict(X, tasks=tasks)
        return 1 - prediction if self._classifier else prediction + 1


@pytest.mark.parametrize("scoring", [None, "mean_task_rmse", "neg_mean_squared_error"])
@pytest.mark.parametrize("model", [Floor(task_column="t"), Always(task_column="t")])
def test_searches_score_by_it(model, scoring):
    y = Y
    if model._classifier:
        y = (Y > 0).astype(int)
        scoring = {None: None, "mean_task_rmse": "mean_task_accuracy"}.get(scoring, "accuracy")
    own = scoring is not None and "task" in scoring
    from malsar_py.metrics import make_task_scorer

    values, cv = [0.05, 0.5], TaskKFold(3, task_column="t")
    model = clone(model).set_params(tol=1e-12)
    found = MultiTaskSearchCV(model, lambda1=values, cv=cv, scoring=scoring).fit(FRAME, y)
    expected = GridSearchCV(
        model, {"lambda1": values}, cv=cv, scoring=make_task_scorer(scoring) if own else scoring
    ).fit(FRAME, y)
    assert_allclose(
        found.cv_results_["mean_test_score"][::-1],
        expected.cv_results_["mean_test_score"],
        rtol=1e-6,
    )


# --- edges that name no task ---------------------------------------------------------------------

STORES = np.array(["store A", "store B", "store C"])[T]
EDGES = [("store A", "storeB"), ("store B", "store C")]
LABELS = ["store A", "storeB", "store B", "store C", "far away"]
MATRIX = pd.DataFrame(
    [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 2, 0], [0, 0, 2, 0, 0], [0] * 5],
    index=LABELS,
    columns=LABELS,
)
TABLE = pd.DataFrame(X, columns=list("abcde")).assign(store=STORES)


def networkx_graph():
    graph = nx.Graph(EDGES)
    graph.add_node("far away")  # not at the end of an edge
    return graph


GRAPHS = {
    "list": EDGES,
    "weights": [(a, b, 2.0) for a, b in EDGES],
    "edges": graphs.edges(EDGES),
    "networkx": networkx_graph(),
    "frame": MATRIX,
    "adjacency": graphs.adjacency(MATRIX.to_numpy(), tasks=LABELS),
    "laplacian": graphs.laplacian(graphs.to_laplacian(MATRIX, LABELS), tasks=LABELS),
    "incidence": graphs.incidence([[1.0], [-1.0], [0.0], [0.0]], tasks=LABELS[:4]),
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_an_edge_that_names_no_task_is_told(graph):
    match = r"has edges that name 'storeB', which is no fitted task.* 'store A', 'store B'"
    for model in (GraphRegressor, GraphClassifier):
        y = Y if model is GraphRegressor else Y > 0
        with pytest.warns(UserWarning, match="graph " + match):
            model(graph=graph, lambda2=0.1).fit(X, y, tasks=STORES)
    if not hasattr(graph, "iloc"):
        with pytest.warns(UserWarning, match="task_kernel " + match):
            SeparableKernelRegressor(task_kernel=graph).fit(X, Y, tasks=STORES)


@pytest.mark.parametrize(
    "graph", ["chain", "complete", EDGES[1:], np.ones((3, 3)), GRAPHS["networkx"]]
)
def test_no_word_where_all_is_well(graph):
    tasks = STORES
    if isinstance(graph, nx.Graph):
        tasks = np.where(STORES == "store C", "storeB", STORES)
        graph = nx.Graph([("store A", "storeB")])
        graph.add_node("far away")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GraphRegressor(graph=graph, lambda2=0.1).fit(X, Y, tasks=tasks)


def test_numbers_and_words_are_not_the_same_label():
    with pytest.warns(UserWarning, match=r"name '2', .* so 1 is not '1'"):
        GraphRegressor(graph=[(0, 1), (1, "2")]).fit(X, Y, tasks=T)


def test_folds_are_silent_and_the_refit_is_not():
    model = GraphRegressor(graph=EDGES, task_column="store", unseen="mean", lambda3=0.01)
    whole = clone(model).set_params(graph=[("store A", "store B"), ("store B", "store C")])
    cv = TaskKFold(3, task_column="store")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_val_score(whole, TABLE, Y, cv=LeaveOneTaskOut(task_column="store"))
        MultiTaskSearchCV(whole, lambda1=[1.0], cv=LeaveOneTaskOut(task_column="store")).fit(
            TABLE, Y
        )
        cross_val_score(model, TABLE, Y, cv=cv)
        GridSearchCV(model, {"lambda1": [1.0, 2.0]}, cv=cv).fit(TABLE, Y)
        MultiTaskSearchCV(model, lambda1=[1.0, 2.0], cv=cv, refit=False).fit(TABLE, Y)
    with pytest.warns(UserWarning, match="'storeB'") as caught:
        MultiTaskSearchCV(model, lambda1=[1.0, 2.0], cv=cv).fit(TABLE, Y)
    assert len(caught) == 1


# --- fitted labels, warm starts ------------------------------------------------------------------


def test_unseen_labels_come_with_those_fitted():
    model = JointFeatureRegressor().fit(X, Y, tasks=T)
    with pytest.raises(ValueError, match=r"'0', '1', '2' \(labels are compared.* tasks: 0, 1, 2\."):
        model.predict(X, tasks=T.astype(str))
    with pytest.raises(ValueError, match=r"labels in `tasks`: 7\. The model .* 3 tasks: 0, 1, 2\."):
        model.predict(X[:1], tasks=[7])
    words = JointFeatureRegressor().fit(X, Y, tasks=T.astype(str))
    with pytest.raises(ValueError, match=r"0, 1, 2 \(labels .* tasks: '0', '1', '2'\."):
        words.score(X, Y, tasks=T)


@pytest.mark.parametrize("model", [LassoRegressor(), DirtyRegressor(), MeanRegularizedRegressor()])
@pytest.mark.parametrize("coef", [None, np.zeros(3), [[1.0, 2.0]]])
def test_a_warm_start_without_coefficients_starts_at_zero(model, coef):
    model = clone(model).set_params(warm_start=True, tol=1e-10).fit(X, Y, tasks=T)
    expected = model.coef_
    model.coef_ = coef
    assert_allclose(model.fit(X, Y, tasks=T).coef_, expected, rtol=1e-4, atol=1e-5)


def test_a_warm_start_without_parts():
    model = DirtyRegressor(warm_start=True).fit(X, Y, tasks=T)
    expected = model.objective_[-1]
    setattr(model, model._part_names[0], None)
    assert model.fit(X, Y, tasks=T).objective_[-1] == pytest.approx(expected, rel=1e-5)


def test_too_few_predictions_are_told():
    class Short(LassoRegressor):
        def predict(self, X, *, tasks=None):
            return np.zeros(3)

    X, y, tasks = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20.0), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"Short.predict returned .* shape \(3,\) for 20 rows"):
        Short().fit(X, y, tasks=tasks).score(X, y, tasks=tasks)
