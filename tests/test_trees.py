"""Tasks along chains and trees: elimination against one dense system, and against iterations."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import GraphClassifier, GraphRegressor, TemporalGroupRegressor
from malsar_py.model_selection import MultiTaskSearchCV
from malsar_py.penalties import ChainCoupling, TaskQuadratic, _chains
from malsar_py.solvers import _systems, _trees, splitting
from malsar_py.solvers._trees import tree_of, tree_solver

EDGES = {
    "chain": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "another order": [(3, 0), (0, 4), (4, 1), (1, 2)],
    "star": [(2, 0), (2, 1), (2, 3), (2, 4)],
    "tree": [(0, 1), (0, 2), (2, 3), (2, 4)],
    "two trees and no edge": [(0, 3), (1, 4)],
    "none": [],
}


def laplacian(edges, n_tasks=5):
    L = np.zeros((n_tasks, n_tasks))
    for k, (t, u) in enumerate(edges):
        L[[t, u], [u, t]] -= 1.0 + 0.5 * k
    return L - np.diag(L.sum(axis=1))


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("ridge", [0.3, 0.0])
def test_elimination_solves_the_whole_system(name, ridge):
    rng = np.random.default_rng(0)
    n_tasks, d = 5, 3
    Z = rng.standard_normal((n_tasks, 4, d))
    if ridge == 0.0:
        Z[:, :, 1] = 0.0  # a feature that nothing says anything about
    gram = Z.transpose(0, 2, 1) @ Z
    Q = laplacian(EDGES[name]) + ridge * np.eye(n_tasks)
    tree = tree_of(Q)
    order, parent = tree
    assert sorted(order) == list(range(n_tasks))
    place = np.argsort(order)
    assert all(place[t] > place[u] for t, u in enumerate(parent) if u >= 0)
    system = np.kron(Q, np.eye(d))
    for t in range(n_tasks):
        system[t * d : (t + 1) * d, t * d : (t + 1) * d] += gram[t]
    R = np.einsum("tij,jt->it", Z.transpose(0, 2, 1), rng.standard_normal((4, n_tasks)))
    expected = np.linalg.lstsq(system, R.T.ravel(), rcond=1e-12)[0].reshape(n_tasks, d).T
    W = tree_solver(gram, Q, tree, _systems._inverse)(R)
    assert_allclose(W, expected, atol=1e-10)


def test_cycles_are_none_of_its_business():
    assert tree_of(laplacian([(0, 1), (1, 2), (2, 0)])) is None
    assert tree_of(laplacian([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)])) is None
    assert tree_of(np.ones((5, 5))) is None


@pytest.mark.parametrize("kind", [GraphRegressor, GraphClassifier])
@pytest.mark.parametrize("graph", ["chain", "star"])
def test_fits_are_those_by_iterations(kind, graph, monkeypatch):
    rng = np.random.default_rng(1)
    n_tasks, n, d = 40, 6, 8
    tasks = np.repeat(np.arange(n_tasks), n)
    X = rng.standard_normal((n_tasks * n, d)) + 1.0
    slopes = np.cumsum(0.3 * rng.standard_normal((n_tasks, d)), axis=0)
    y = np.einsum("ij,ij->i", X, slopes[tasks]) + rng.standard_normal(len(X))
    if kind is GraphClassifier:
        y = (y > np.median(y.reshape(n_tasks, n), axis=1)[tasks]).astype(int)
    if graph == "star":
        graph = np.zeros((n_tasks, n_tasks))
        graph[7] = graph[:, 7] = 1.0
        graph[7, 7] = 0.0
    fitted = []
    for most in (200, 0):
        monkeypatch.setattr(_trees, "_FEATURES", most)
        model = kind(graph=graph, lambda1=0.5, lambda2=0.01, tol=1e-11)
        fitted.append(model.fit(X, y, tasks=tasks))
        assert model.relative_gap_ <= 1e-11
    by_tree, by_steps = fitted
    assert_allclose(by_tree.coef_, by_steps.coef_, atol=1e-5)
    assert by_tree.objective_[-1] == pytest.approx(
        by_steps.objective_[-1], abs=2e-11 * by_steps.objective_[0]
    )


def test_eigenvectors_of_a_chain_are_those_of_any_matrix():
    Q = laplacian([(t, t + 1) for t in range(9)], 10)
    there, vectors = TaskQuadratic(Q, ridge=0.1)._eigh
    assert_allclose(there, np.maximum(np.linalg.eigvalsh(Q), 0.0) + 0.1, atol=1e-12)
    assert_allclose((vectors * (there - 0.1)) @ vectors.T, Q, atol=1e-12)
    assert_allclose(vectors.T @ vectors, np.eye(10), atol=1e-12)
    assert TaskQuadratic(Q).null_basis(10).shape == (10, 1)


def test_a_chain_says_what_eigenvectors_do(monkeypatch):
    rng = np.random.default_rng(2)
    W, G = rng.standard_normal((2, 3, 10))
    L = laplacian([(t, t + 1) for t in range(9) if t != 4], 10) + np.diag([0.0] * 9 + [0.7])
    quadratics = [TaskQuadratic(L, ridge=ridge) for ridge in (0.1, 1e-9)]
    found = [(q.value(W), q.conjugate(G)) for q in quadratics]
    assert "_eigh" not in vars(quadratics[0]) and "_eigh" in vars(quadratics[1])
    monkeypatch.setattr(_chains, "is_tridiagonal", lambda matrix: False)
    for ridge, values in zip((0.1, 1e-9), found, strict=True):
        usual = TaskQuadratic(L, ridge=ridge)
        assert usual._chain is None
        assert_allclose(values, (usual.value(W), usual.conjugate(G)), rtol=1e-10)


@pytest.mark.parametrize(
    "matrix",
    [
        laplacian([(0, 1), (0, 2)]),
        np.diag([2.0, 2.0, 2.0]) + np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1),
        np.diag([1.0, 1.0, 1.0]) - 0.6 * (np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)),
    ],
)
def test_other_matrices_are_no_chains(matrix):
    assert _chains.chain_of(matrix) is None


def test_a_chain_of_no_strength():
    G = np.ones((2, 3))
    assert TaskQuadratic(np.zeros((3, 3))).conjugate(G) == 0.0
    assert TaskQuadratic(np.zeros((3, 3)), ridge=0.5).conjugate(G) == pytest.approx(6.0)


def test_tasks_that_agree_do_not_cancel_along_a_chain():
    L = laplacian([(t, t + 1) for t in range(9)], 10)
    W = np.full((3, 10), 1e8) + np.arange(10.0)
    expected = 3 * sum(1.0 + 0.5 * k for k in range(9))
    assert_allclose(TaskQuadratic(L).coupling(W), expected, rtol=1e-14)


@pytest.mark.parametrize("T", [1, 2, 3, 10])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_chain_without_a_matrix(T, ridge):
    """It says what its matrix does, and makes none for what fits ask."""
    rng = np.random.default_rng(3)
    W, G = rng.standard_normal((2, 3, T))
    chain = ChainCoupling(0.7, T).plus(TaskQuadratic(ridge=ridge))
    D = np.diff(np.eye(T), axis=0)
    L = 0.7 * D.T @ D
    matrix = TaskQuadratic(L if T > 1 else None, ridge)
    for one in (chain, 3.0 * chain):
        other = matrix if one is chain else 3.0 * matrix
        assert_allclose(one.apply(W), other.apply(W), atol=1e-14)
        assert_allclose(one.value(W), other.value(W), rtol=1e-12)
        assert_allclose(one.largest, other.largest, rtol=1e-12)
        assert_allclose(one.smallest, other.smallest, atol=1e-12)
        if ridge > 0.0:
            assert_allclose(one.conjugate(G), other.conjugate(G), rtol=1e-10)
        elif T > 1:
            assert_allclose(one.null_basis(T), np.full((T, 1), T**-0.5), atol=1e-14)
        assert "matrix" not in vars(one)
    assert_allclose(chain.dense(T), matrix.dense(T), atol=1e-14)
    assert_allclose(chain.plus(matrix).dense(T), 2.0 * matrix.dense(T), atol=1e-14)
    assert_allclose(chain.prox_of_coupling(W, 0.4), matrix.prox_of_coupling(W, 0.4), atol=1e-13)


def test_the_order_of_tasks_decides_whether_there_is_a_matrix():
    rng = np.random.default_rng(4)
    X, tasks = rng.standard_normal((80, 4)), np.tile(np.arange(8), 10)
    y = X @ [1.0, 2.0, 0.0, 0.0] + 0.1 * tasks * X[:, 0] + rng.standard_normal(80)
    settings = {"lambda1": 0.3, "lambda3": 0.5, "tol": 1e-12}
    along = TemporalGroupRegressor(**settings).fit(X, y, tasks=tasks)
    labels = np.array([3, 6, 0, 7, 1, 5, 2, 4])
    moved = TemporalGroupRegressor(**settings, task_order=labels)
    moved.fit(X, y, tasks=labels[tasks])
    assert_allclose(moved.coef_[labels], along.coef_, atol=1e-6)
    assert_allclose(moved.objective_[-1], along.objective_[-1], rtol=1e-11)


def test_splitting_takes_tasks_along_a_chain():
    """And where it goes is where steps by the gradient go."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(8), 15)
    X = rng.standard_normal((120, 6)) + rng.standard_normal((120, 1))
    y = X[:, 0] * (1.0 + 0.2 * tasks) + rng.standard_normal(120)
    model = TemporalGroupRegressor(lambda1=0.2, lambda2=0.1, lambda3=0.5, tol=1e-11, max_iter=10**5)
    found = model.fit(X, y, tasks=tasks)
    assert found.solver_ == "splitting"
    coef = found.coef_
    other = model.set_params(solver="apg").fit(X, y, tasks=tasks)
    assert_allclose(coef, other.coef_, atol=1e-8)
    # Another strength of the chain makes other systems, on a path too.
    strengths = {"lambda3": [0.5, 5.0]}
    search = MultiTaskSearchCV(
        model.set_params(solver="auto"), lambda1=[0.2, 0.1], lambda2=None, param_grid=strengths
    ).fit(X, y, tasks=tasks)
    alone = MultiTaskSearchCV(
        model.set_params(solver="apg"), lambda1=[0.2, 0.1], lambda2=None, param_grid=strengths
    ).fit(X, y, tasks=tasks)
    score = "mean_test_score"
    assert_allclose(search.cv_results_[score], alone.cv_results_[score], rtol=1e-7)


def test_tasks_too_many_for_a_matrix_are_left_to_gradients(monkeypatch):
    monkeypatch.setattr(splitting, "_MOST_COUPLED", 4)
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((50, 3)), np.repeat(np.arange(5), 10)
    model = TemporalGroupRegressor(lambda1=0.05, lambda3=0.5)
    assert model.fit(X, X[:, 0], tasks=tasks).solver_ == "apg"
