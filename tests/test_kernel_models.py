"""Separable kernels: linear limits, every way of solving, learning the task kernel, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from malsar_py import (
    GraphRegressor,
    MeanRegularizedRegressor,
    SeparableKernelRegressor,
    graphs,
)
from malsar_py.solvers import dual_system

from .problems import assert_same_objective, objective_at_zero, ragged, shared


def model(**parameters):
    return SeparableKernelRegressor(**{"lambda1": 0.3, "lambda2": 0.05} | parameters)


WEIGHT = {"a": 1.0, "b": 2.0, "c": 0.5, "d": 1.5}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("task_weight", ["equal", "size", WEIGHT])
def test_linear_kernel_and_mean_is_mean_regularized(intercept, task_weight):
    X, y, tasks = ragged()
    s = np.random.default_rng(1).uniform(0.2, 2.0, len(y))
    own = {"lambda1": 0.3, "lambda2": 0.05, "fit_intercept": intercept, "task_weight": task_weight}
    one = MeanRegularizedRegressor(**own, tol=1e-12).fit(X, y, tasks=tasks, sample_weight=s)
    other = model(**own).fit(X, y, tasks=tasks, sample_weight=s)
    expected = one.predict(X, tasks=tasks)
    assert_allclose(other.predict(X, tasks=tasks), expected, atol=1e-8)
    unit = objective_at_zero(one, X, y, tasks=tasks, sample_weight=s)
    assert_same_objective(other.objective_[-1], one.objective_[-1], unit, tol=1e-12)
    assert_allclose(other.score(X, y, tasks=tasks), one.score(X, y, tasks=tasks), rtol=1e-8)
    # By the kernel's matrix instead of the features.
    matrix = model(**own, kernel=np.dot).fit(X, y, tasks=tasks, sample_weight=s)
    assert_allclose(matrix.predict(X, tasks=tasks), expected, atol=1e-8)
    assert other.relative_gap_ <= 1e-12
    assert not hasattr(other, "coef_")


@pytest.mark.parametrize("graph", ["chain", "complete", [("a", "b", 2.0), ("b", "d")]])
def test_linear_kernel_and_graph_is_graph(graph):
    X, y, tasks = ragged()
    one = GraphRegressor(graph=graph, lambda1=0.3, lambda2=0.05, tol=1e-12).fit(X, y, tasks=tasks)
    other = model(task_kernel=graph).fit(X, y, tasks=tasks)
    assert_allclose(other.predict(X, tasks=tasks), one.predict(X, tasks=tasks), atol=1e-7)


def test_one_task_is_kernel_ridge():
    X, y, _ = ragged()
    ours = model(kernel="rbf", gamma=0.2, fit_intercept=False).fit(X, y)
    theirs = KernelRidge(alpha=0.05 * len(y), kernel="rbf", gamma=0.2).fit(X, y)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)
    assert_allclose(ours.dual_coef_ * ours.task_kernel_[0, 0], theirs.dual_coef_, rtol=1e-7)


@pytest.mark.parametrize("task_kernel", ["mean", "independent"])
def test_shared_rows_by_eigenvectors_cholesky_and_gradients(task_kernel, monkeypatch):
    X, Y = shared()
    own = {"kernel": "rbf", "task_kernel": task_kernel, "tol": 1e-9}
    spectral = model(**own).fit(X, Y)
    stacked = np.tile(X, (4, 1)), Y.T.ravel()
    apart = model(**own).fit(*stacked, tasks=np.repeat(np.arange(4), len(X)))
    for t in range(4):
        one = apart.predict(X, tasks=np.full(len(X), t))
        assert_allclose(spectral.predict(X)[:, t], one, atol=1e-8)
    monkeypatch.setattr(dual_system, "_DENSE_SAMPLES", 0)
    iterated = model(**own).fit(*stacked, tasks=np.repeat(np.arange(4), len(X)))
    unit = np.sum((Y - Y.mean(axis=0)) ** 2) / (2 * len(Y))  # the objective of no function at all
    assert_same_objective(iterated.objective_[-1], spectral.objective_[-1], unit, tol=1e-9)
    Y[3:9, 1] = np.nan
    missing = model(**own).fit(X, Y)
    assert missing.relative_gap_ <= 1e-9
    assert missing.dual_coef_.shape == Y.shape
    assert (missing.dual_coef_[3:9, 1] == 0.0).all()


def test_precomputed_and_rows_left_out():
    X, y, tasks = ragged()
    y = y.copy()
    y[::7] = np.nan
    direct = model(kernel="rbf", gamma=0.2).fit(X, y, tasks=tasks)
    K = rbf_kernel(X, gamma=0.2)
    given = model(kernel="precomputed").fit(K, y, tasks=tasks)
    assert_allclose(given.predict(K, tasks=tasks), direct.predict(X, tasks=tasks), atol=1e-9)
    assert given.X_fit_ is None
    assert (given.rows_ % 7 != 0).all()
    assert direct.dual_coef_.shape == given.rows_.shape
    with pytest.raises(ValueError, match="needs X square and symmetric"):
        model(kernel="precomputed").fit(K[:, :-3], y, tasks=tasks)


def test_task_kernels_as_matrices():
    X, y, tasks = ragged()
    T, l1, l2 = 4, 0.3, 0.05
    independent = model(kernel="rbf", task_kernel="independent").fit(X, y, tasks=tasks)
    identity = model(kernel="rbf", task_kernel=np.eye(T)).fit(X, y, tasks=tasks)
    assert_allclose(identity.predict(X, tasks=tasks), independent.predict(X, tasks=tasks))
    rng = np.random.default_rng(0)
    R = rng.standard_normal((T, 2))
    low = model(kernel="rbf", task_kernel=R @ R.T).fit(X, y, tasks=tasks)
    assert np.linalg.matrix_rank(low.task_kernel_, tol=1e-10) == 2
    A = R @ R.T + np.eye(T)
    full = model(kernel="rbf", task_kernel=A).fit(X, y, tasks=tasks)
    expected = np.linalg.inv(l1 * np.linalg.inv(A) + l2 * np.eye(T))
    assert_allclose(full.task_kernel_, expected, rtol=1e-8)
    order = [2, 0, 3, 1]
    names = np.array(list("abcd"))[order]
    frame = pd.DataFrame(A[np.ix_(order, order)], index=names, columns=names)
    named = model(kernel="rbf", task_kernel=frame).fit(X, y, tasks=tasks)
    assert_allclose(named.task_kernel_, full.task_kernel_)


def test_unseen_tasks_get_the_mean_of_the_functions():
    X, y, tasks = ragged()
    fitted = model(kernel="rbf", unseen="mean").fit(X, y, tasks=tasks)
    each = [fitted.predict(X[:5], tasks=[t] * 5) for t in "abcd"]
    assert_allclose(fitted.predict(X[:5], tasks=["new"] * 5), np.mean(each, axis=0))


@pytest.mark.parametrize("seed", range(10))
def test_learned_task_kernel_is_optimal(seed):
    """Twin: the squared trace norm of the linear functions' coefficients."""
    cp = pytest.importorskip("cvxpy")
    X, y, tasks = ragged(seed=seed)
    l1, l2, intercept = 0.2, [0.02, 0.3][seed % 2], seed % 3 > 0
    own = {"lambda1": l1, "lambda2": l2, "fit_intercept": intercept, "tol": 1e-6}
    fitted = model(task_kernel="learned", **own).fit(X, y, tasks=tasks)
    assert 0.0 <= fitted.relative_gap_ <= 1e-6
    assert (np.diff(fitted.objective_) <= 0.0).all()
    W, b = cp.Variable((X.shape[1], 4)), cp.Variable(4)
    value = l1 / 2 * cp.square(cp.normNuc(W)) + l2 / 2 * cp.sum_squares(W)
    for t, label in enumerate("abcd"):
        at = tasks == label
        z = X[at] @ W[:, t] + (b[t] if intercept else 0.0)
        value += cp.sum_squares(y[at] - z) / (2 * at.sum())
    best = cp.Problem(cp.Minimize(value)).solve(solver=cp.CLARABEL)
    assert -1e-7 * best <= fitted.objective_[-1] - best <= fitted.dual_gap_ + 1e-7 * best
    assert_allclose(np.trace(fitted.task_covariance_), 1.0)
    assert np.linalg.eigvalsh(fitted.task_covariance_)[0] >= -1e-12


X, Y, TASKS = ragged()
REFUSED = {
    "mean": (lambda: model(lambda2=0.0), "lambda2 must be > 0 where task_kernel is 'mean'"),
    "learned": (
        lambda: model(task_kernel="learned", lambda2=0.0),
        "task_kernel='learned' needs lambda1 > 0 and lambda2 > 0",
    ),
    "no penalty": (
        lambda: model(task_kernel="independent", lambda1=0.0, lambda2=0.0),
        "lambda1 and lambda2 are 0",
    ),
    "shape": (lambda: model(task_kernel=np.eye(3)), "task_kernel has shape (3, 3), but 4 tasks"),
    "nan": (lambda: model(task_kernel=np.full((4, 4), np.nan)), "task_kernel contains NaN"),
    "indefinite": (
        lambda: model(task_kernel=np.ones((4, 4)) - np.eye(4)),
        "must be symmetric and positive semidefinite; say graphs.adjacency(A)",
    ),
    "zero": (lambda: model(task_kernel=np.zeros((4, 4))), "task_kernel is 0"),
    "frame": (
        lambda: model(task_kernel=pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))),
        "task_kernel has no row for task 'd'",
    ),
    "frame order": (
        lambda: model(
            task_kernel=pd.DataFrame(np.eye(4), index=list("abcd"), columns=list("badc"))
        ),
        "rows and columns must name the same tasks",
    ),
    "kernel": (lambda: model(kernel="none"), "The 'kernel' parameter"),
    "not a kernel": (
        lambda: model(kernel=lambda x, z: -10.0 * float(x @ z), task_kernel="independent"),
        "The kernel is not positive semidefinite",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError) as raised:
        make().fit(X, Y, tasks=TASKS)
    assert message in str(raised.value)


def test_adjacency_said_so_is_a_graph():
    adjacency = np.ones((4, 4)) - np.eye(4)
    one = model(task_kernel=graphs.adjacency(adjacency / 4)).fit(X, Y, tasks=TASKS)
    assert_allclose(one.task_kernel_, model().fit(X, Y, tasks=TASKS).task_kernel_, atol=1e-12)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "laplacian"])
@pytest.mark.parametrize("n_features", [5, 70])
@pytest.mark.parametrize("task_kernel", ["mean", "learned"])
def test_rows_far_from_the_origin(kernel, n_features, task_kernel):
    """Kernels of differences, and intercepts, make nothing of where that is."""
    rng = np.random.default_rng(1)
    X = rng.integers(-8, 9, (60, n_features)) / 4.0  # (exact beside the offset, too)
    tasks, y = np.repeat([0, 1, 2], 20), rng.standard_normal(60) + X[:, 0]
    model = SeparableKernelRegressor(kernel=kernel, task_kernel=task_kernel, gamma=0.1)
    near = clone(model).fit(X, y, tasks=tasks)
    for offset in (3e5, 2.0**40):
        far = clone(model).fit(X + offset, y, tasks=tasks)
        assert far.relative_gap_ <= far.tol
        assert_allclose(far.objective_[-1], near.objective_[-1], rtol=1e-6)
        found = far.predict(X + offset, tasks=tasks)
        assert_allclose(found, near.predict(X, tasks=tasks), atol=5e-3)


def test_what_is_solved_directly_has_no_steps_to_add():
    rng = np.random.default_rng(0)
    X, y, tasks = rng.standard_normal((60, 3)), rng.standard_normal(60), np.repeat([0, 1, 2], 20)
    with pytest.warns(ConvergenceWarning, match="Rounding is in the way") as caught:
        SeparableKernelRegressor(fit_intercept=False, tol=1e-16).fit(X + 1e6, y, tasks=tasks)
    assert "max_iter" not in str(caught[0].message)


@pytest.mark.parametrize("task_kernel", ["mean", "independent", "chain"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("lambda1", [1e-6, 0.3, 1e6])
def test_many_rows_by_coefficients(task_kernel, fit_intercept, lambda1, monkeypatch):
    """Tasks that mean the same to each other need no iterations, and end where these do."""
    rng = np.random.default_rng(0)
    sizes = [2, 30, 40, 25, 60]
    tasks = np.repeat(np.arange(5), sizes)
    X = rng.standard_normal((len(tasks), 4)) * [1.0, 30.0, 0.1, 1.0] + 5.0
    X[tasks == 2, 3] = 1.0
    y = X[:, 0] + (1.0 + tasks) * X[:, 2] + rng.standard_normal(len(tasks))
    model = SeparableKernelRegressor(
        task_kernel=task_kernel, fit_intercept=fit_intercept, lambda1=lambda1, lambda2=0.01
    )
    steps = []
    cg = dual_system.cg
    monkeypatch.setattr(dual_system, "cg", lambda *args, **kw: steps.append(1) or cg(*args, **kw))
    found = clone(model).fit(X, y, tasks=tasks)
    if lambda1 < 1.0:
        assert bool(steps) == (task_kernel == "chain")
    monkeypatch.setattr(dual_system, "_FEATURES", 0)
    steps.clear()
    other = clone(model).fit(X, y, tasks=tasks)
    assert steps
    assert found.relative_gap_ <= 1e-10
    assert_allclose(found.dual_coef_, other.dual_coef_, atol=1e-9 * np.abs(y).max())
    new = rng.standard_normal((5, 4)) * [1.0, 30.0, 0.1, 1.0] + 5.0
    predicted = (model.predict(new, tasks=np.arange(5)) for model in (found, other))
    assert_allclose(*predicted, rtol=1e-8)
