"""Every accepted graph gives the quadratic it says, and every mistake a sentence."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV

from malsar_py import graphs
from malsar_py.graphs import connected_components, to_laplacian

nx = pytest.importorskip("networkx")

LABELS = ["a", "b", "c", "d"]
A = np.array(
    [
        [0.0, 1.0, 0.0, 2.0],
        [1.0, 0.0, 0.5, 0.0],
        [0.0, 0.5, 0.0, 0.0],
        [2.0, 0.0, 0.0, 0.0],
    ]
)
L = np.diag(A.sum(axis=1)) - A
EDGES = [("a", "b"), ("b", "c", 0.5), ("d", "a", 2)]


def structure_matrix(adjacency):
    pairs = [(s, t) for s, t in itertools.combinations(range(len(adjacency)), 2) if adjacency[s, t]]
    R = np.zeros((len(adjacency), len(pairs)))
    for e, (s, t) in enumerate(pairs):
        R[s, e], R[t, e] = np.sqrt(adjacency[s, t]), -np.sqrt(adjacency[s, t])
    return R


def networkx_graph():
    graph = nx.Graph()
    graph.add_edge("a", "b")
    graph.add_edge("b", "c", weight=0.5)
    graph.add_edge("a", "d", weight=2)
    return graph


FORMS = {
    "array": A,
    "integers": (2 * A).astype(int),
    "matrix with a diagonal": A + np.diag([1.0, 2.0, 3.0, 4.0]),
    "csr_array": sp.csr_array(A),
    "coo_matrix": sp.coo_matrix(A),
    "frame": pd.DataFrame(A, index=LABELS, columns=LABELS),
    "frame, other order": pd.DataFrame(A, index=LABELS, columns=LABELS).loc[
        list("cabd"), list("dbac")
    ],
    "edges": EDGES,
    "edges as lists": [list(edge) for edge in EDGES],
    "edges as set": set(EDGES),
    "edge added up": [*EDGES[1:], ("b", "a", 0.25), ("a", "b", 0.75)],
    "graphs.edges": graphs.edges(iter(EDGES)),
    "networkx": networkx_graph(),
    "networkx multigraph": nx.MultiGraph(
        [("a", "b"), ("b", "c", {"weight": 0.5}), ("a", "d"), ("d", "a")]
    ),
    "graphs.adjacency": graphs.adjacency(A),
    "graphs.adjacency, labels": graphs.adjacency(A, tasks=LABELS),
    "graphs.adjacency, frame": graphs.adjacency(pd.DataFrame(A, index=LABELS, columns=LABELS)),
    "graphs.laplacian": graphs.laplacian(L),
    "graphs.laplacian, sparse": graphs.laplacian(sp.csr_array(L)),
    "graphs.laplacian, frame": graphs.laplacian(pd.DataFrame(L, index=LABELS, columns=LABELS)),
    "graphs.incidence": graphs.incidence(structure_matrix(A)),
    "graphs.incidence, sparse": graphs.incidence(sp.csc_matrix(structure_matrix(A)), tasks=LABELS),
    "graphs.incidence, frame": graphs.incidence(pd.DataFrame(structure_matrix(A), index=LABELS)),
}
LABELLED = {
    name: form
    for name, form in FORMS.items()
    if name.startswith(("frame", "edge", "graphs.edges", "networkx"))
    or name.endswith(("labels", "frame"))
    or name == "graphs.incidence, sparse"
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_laplacian(name):
    result = to_laplacian(FORMS[name], LABELS)
    assert result.dtype == np.float64
    assert isinstance(result, np.ndarray)
    assert_allclose(result, 2 * L if name == "integers" else L, atol=1e-14)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    "tasks",
    [["d", "b", "a"], ["z", "b", "c"], ["c"], ["d", "c", "b", "a"], ["a", "b", "c", "d", 5]],
)
def test_labelled_forms_are_restricted_to_the_fitted_tasks(name, tasks):
    full = pd.DataFrame(A, index=LABELS, columns=LABELS).reindex(
        index=tasks, columns=tasks, fill_value=0.0
    )
    part = full.to_numpy()
    expected = np.diag(part.sum(axis=1)) - part
    labels = np.array(tasks, dtype=object)
    assert_allclose(to_laplacian(LABELLED[name], labels), expected, atol=1e-14)


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_forms_need_one_common_label(name):
    with pytest.raises(ValueError, match=r"none of its task labels .* is a fitted task"):
        to_laplacian(LABELLED[name], [1, 2, 3])


@pytest.mark.parametrize("name", [name for name in FORMS if name not in LABELLED])
def test_unlabelled_forms_must_have_the_size(name):
    with pytest.raises(ValueError, match="graph has 4 tasks but the model is fitted on 3 tasks"):
        to_laplacian(FORMS[name], ["a", "b", "c"])


@pytest.mark.parametrize("labels", [[1.0, 2.0, 3.0], np.arange(1, 4), np.float32([1, 2, 3])])
def test_labels_are_compared_by_value(labels):
    expected = [[1, -1, 0], [-1, 1, 0], [0, 0, 0]]
    assert_array_equal(to_laplacian([(1, 2)], labels), expected)
    assert_array_equal(to_laplacian([(np.int16(1), np.float64(2))], labels), expected)
    assert_array_equal(
        to_laplacian([(np.str_("a"), "b")], np.array(["a", "b"])), [[1, -1], [-1, 1]]
    )


def test_complete_is_mean_regularisation():
    W = np.random.default_rng(0).normal(size=(3, 5))
    result = to_laplacian("complete", range(5))
    assert_allclose(result, np.eye(5) - 0.2)
    centred = W - W.mean(axis=1, keepdims=True)
    assert_allclose(np.trace(W @ result @ W.T), (centred**2).sum())
    assert_allclose(to_laplacian(graphs.complete(5), range(5)), result, atol=1e-15)


def test_chain_follows_the_order_of_the_tasks():
    W = np.random.default_rng(0).normal(size=(3, 5))
    result = to_laplacian("chain", ["e", "a", "d", "b", "c"])
    assert_allclose(np.trace(W @ result @ W.T), (np.diff(W, axis=1) ** 2).sum())
    assert_array_equal(to_laplacian(graphs.chain(5), range(5)), result)


@pytest.mark.parametrize("word", ["complete", "chain", np.str_("chain")])
def test_words_with_one_task(word):
    assert_array_equal(to_laplacian(word, ["only"]), np.zeros((1, 1)))


@given(st.integers(1, 6), st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_any_incidence_is_r_r(n_tasks, n_edges, seed):
    R = np.random.default_rng(seed).normal(size=(n_tasks, n_edges))
    assert_allclose(to_laplacian(graphs.incidence(R), range(n_tasks)), R @ R.T)


def test_a_general_quadratic_is_used_as_it_is():
    Q = np.array([[2.0, 0.5], [0.5, 1.0]])
    assert_array_equal(to_laplacian(graphs.laplacian(Q), [0, 1]), Q)


def test_a_quadratic_that_cannot_be_restricted():
    v = np.array([[1.0, 1.0, -1.0]])
    with pytest.raises(ValueError, match="no longer positive semidefinite"):
        to_laplacian(graphs.laplacian(v.T @ v, tasks=[0, 1, 2]), [0, 1])


def test_the_callers_arrays_are_left_alone():
    matrix = A + np.eye(4)
    before = matrix.copy()
    wrapped = graphs.adjacency(matrix)
    quadratic = graphs.laplacian(L, tasks=LABELS)
    to_laplacian(quadratic, LABELS[:2])
    result = to_laplacian(quadratic, LABELS)
    result += 1.0
    assert_array_equal(matrix, before)
    assert_array_equal(to_laplacian(wrapped, LABELS), L)
    assert_array_equal(to_laplacian(quadratic, LABELS), L)


ERRORS = [
    (np.ones((3, 4)), ValueError, r"square.*\(3, 4\).*graphs\.incidence"),
    (np.ones(3), ValueError, "square"),
    (np.array([[0.0, 1.0, 0], [0, 0, 0], [0, 0, 0]]), ValueError, r"symmetric.*graphs\.incidence"),
    (L[:3, :3], ValueError, r"nonnegative.*graphs\.incidence"),
    (np.full((3, 3), np.nan), ValueError, "NaN or infinity"),
    (sp.csr_array(np.full((3, 3), np.inf)), ValueError, "NaN or infinity"),
    (np.full((3, 3), "x"), TypeError, r"real numbers: got dtype <U1.*graphs\.incidence"),
    (np.full((3, 3), "x", dtype=object), TypeError, "real numbers"),
    (np.zeros((3, 3), dtype=complex), TypeError, "real numbers"),
    (sp.csr_array((3, 4)), ValueError, "square"),
    ("ring", ValueError, r"'graph' parameter must be a str among .*Got 'ring' instead"),
    (None, TypeError, r"'graph' parameter must be .*Got NoneType instead"),
    (3, TypeError, "Got int instead"),
    ({("a", "b"): 1.0}, TypeError, "Got dict instead"),
    (iter([("a", "b")]), TypeError, r"second fit.*list\(graph\)"),
    ([], ValueError, "none of its task labels"),
    ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], ValueError, r"nested list.*numpy\.array"),
    ([("a", "b", 1, 2)], ValueError, r"an edge is a tuple .*got \('a', 'b', 1, 2\)"),
    (["ab"], ValueError, "an edge is a tuple"),
    ([1, 2], ValueError, "an edge is a tuple"),
    ([("a", "a")], ValueError, "joins task 'a' to itself"),
    ([("a", "b", -1)], ValueError, "finite and nonnegative"),
    ([("a", "b", np.nan)], ValueError, "finite and nonnegative"),
    ([("a", "b", "heavy")], TypeError, "must be a number"),
    ([("a", ["b"])], TypeError, "hashable"),
    (nx.DiGraph([("a", "b")]), ValueError, r"directed.*to_undirected"),
    (nx.Graph([("a", "a")]), ValueError, "joins task 'a' to itself"),
    (nx.Graph(), ValueError, "none of its task labels"),
    (pd.DataFrame(A, index=LABELS, columns=list("abce")), ValueError, "index and its columns"),
    (
        pd.DataFrame(A, index=list("abcc"), columns=list("abcc")),
        ValueError,
        "index and its columns",
    ),
    (pd.DataFrame(A[:, :3], index=LABELS), ValueError, "index and its columns"),
]


@pytest.mark.parametrize(("graph", "error", "message"), ERRORS, ids=lambda x: type(x).__name__)
def test_mistakes_are_refused(graph, error, message):
    with pytest.raises(error, match=message):
        to_laplacian(graph, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphs.laplacian(A),
            ValueError,
            "positive semidefinite.*adjacency is passed bare",
        ),
        (lambda: graphs.laplacian(np.triu(L)), ValueError, "L must be symmetric"),
        (lambda: graphs.laplacian(np.ones((2, 3))), ValueError, "L must be square"),
        (lambda: graphs.incidence(np.ones(3)), ValueError, r"R must be 2-D.*\(3,\)"),
        (lambda: graphs.incidence([[1.0], [1.0, 2.0]]), TypeError, "R must be a matrix"),
        (lambda: graphs.incidence(np.ones((3, 1)), tasks=[1, 2]), ValueError, "3 rows.*2 labels"),
        (lambda: graphs.incidence(np.ones((2, 1)), tasks=[1, 1]), ValueError, "more than once"),
        (lambda: graphs.adjacency(A, tasks=[[1], [2], [3], [4]]), TypeError, "hashable"),
    ],
)
def test_wrappers_check_what_they_wrap(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_connected_components():
    blocks = [graphs.chain(3), [[0.0]], graphs.complete(2)]
    adjacency = sp.block_diag(blocks).toarray()
    assert_array_equal(connected_components(to_laplacian(adjacency, range(6))), [0, 0, 0, 1, 2, 2])
    assert_array_equal(connected_components(np.zeros((1, 1))), [0])
    assert_array_equal(connected_components(to_laplacian("complete", range(200))), np.zeros(200))


def test_cancelled_edges_do_not_join_components():
    R = np.array([[0.1, 0.2, 0.3, 0.0], [0.2, 0.5, -0.4, 0.0], [0.0, 0.0, 0.0, 1.0]])
    result = to_laplacian(graphs.incidence(R), range(3))
    result[0, 1] = result[1, 0] = 1e-17
    assert_array_equal(connected_components(result), [0, 1, 2])


class TakesGraph(RegressorMixin, BaseEstimator):
    def __init__(self, graph="complete"):
        self.graph = graph

    def fit(self, X, y):
        self.laplacian_ = to_laplacian(self.graph, LABELS)
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("name", FORMS)
def test_as_a_parameter_of_an_estimator(name):
    copy = clone(TakesGraph(FORMS[name]))
    assert_allclose(copy.fit(None, None).laplacian_, to_laplacian(FORMS[name], LABELS))
    assert repr(copy).startswith("TakesGraph(")
    assert pickle.loads(pickle.dumps(copy)).get_params().keys() == {"graph"}


def test_in_a_grid_search():
    forms = ["chain", graphs.incidence(structure_matrix(A)), graphs.adjacency(A), EDGES]
    search = GridSearchCV(TakesGraph(), {"graph": forms}, cv=2, error_score="raise")
    search.fit(np.zeros((8, 1)), np.arange(8.0))
    assert len(search.cv_results_["params"]) == 4


def test_wrappers_print_short():
    assert repr(graphs.incidence(np.ones((90, 3)), tasks=np.arange(90))) == (
        "incidence(<array of shape (90, 3)>, tasks=[0, 1, 2, 3, 4, 5, ...])"
    )
    assert repr(graphs.laplacian(L)) == "laplacian(<array of shape (4, 4)>)"
