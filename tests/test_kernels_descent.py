"""Block coordinate descent kernels: against plain Python, and against what they are to minimise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from malsar_py._kernels import row_norms
from malsar_py.design import Shared
from malsar_py.losses import Squared
from malsar_py.objective import make_objective
from malsar_py.penalties import RowL2
from malsar_py.solvers import solve_accelerated, solve_active_set

from .test_kernels import python, same

CODES = [row_norms.L1, row_norms.ROW_L2]


def norm(code, row):
    return np.abs(row).sum() if code == row_norms.L1 else np.linalg.norm(row)


def problem(*, n_tasks=3, k=6, n=12, seed=0, shared=False, ridge=0.1):
    """Scaled designs, one a task, of a least squares problem; column 2 is zero in task 0."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((1 if shared else n_tasks, n, k))
    X[0, :, 2] = 0.0
    y = rng.standard_normal((n_tasks, n)) * 2
    each = np.broadcast_to(X, (n_tasks, n, k))
    rhs = np.einsum("tnk,tn->tk", each, y)
    H = np.einsum("tni,tnj->tij", X, X)
    base = 0.5 * float((y * y).sum())
    threshold = np.linspace(0.5, 2.0, k)
    return each, y, H, rhs, base, threshold, ridge


def objective(code, each, y, threshold, ridge, W):
    fit = y - np.einsum("tnk,tk->tn", each, W)
    penalty = sum(tau * norm(code, w) for tau, w in zip(threshold, W.T, strict=True))
    return 0.5 * (fit * fit).sum() + penalty + 0.5 * ridge * (W * W).sum()


def stacked(each):
    """One feature a row, tasks side by side; starts and offsets."""
    n_tasks, n, k = each.shape
    offsets = np.arange(n_tasks + 1) * n
    return np.ascontiguousarray(each.transpose(2, 0, 1).reshape(k, -1)), offsets[:-1], offsets


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("a", [[2.0, 2.0, 2.0], [0.1, 1.0, 50.0], [1e-6, 1.0, 1e6]])
@pytest.mark.parametrize("tau", [0.0, 0.3, 2.9, 100.0])
@pytest.mark.parametrize("length", [0.0, 1.0, 1e6])
def test_solve_row(code, a, tau, length):
    """row_norms._solve_row is the minimiser: its optimality condition holds."""
    a, q = np.array(a), np.array([1.5, -2.5, 0.5])
    _, (_, _, w) = same(row_norms._solve_row, code, q, a, tau, length, np.empty(3))
    gradient = a * w - q
    if not w.any():
        dual = np.abs(gradient).max() if code == row_norms.L1 else np.linalg.norm(gradient)
        assert dual <= tau * (1 + 1e-12)
    elif code == row_norms.ROW_L2:
        assert_allclose(gradient, -tau * w / np.linalg.norm(w), atol=1e-9)
    else:
        assert_allclose(gradient[w != 0], -tau * np.sign(w[w != 0]), atol=1e-9)
        assert (np.abs(gradient[w == 0]) <= tau * (1 + 1e-12)).all()


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_tasks_by_themselves(ridge):
    """row_norms.gram_descent task by task: the minimum of all tasks together, for L1 alone."""
    _, y, H, rhs, base, threshold, _ = problem(n=5, k=7)
    threshold, bases = threshold / 3.0, 0.5 * np.square(y).sum(axis=1)
    W, G, goal = np.zeros(rhs.shape), rhs.copy(), 1e-9 * base
    terms = H, rhs, bases, threshold, ridge, goal, 5000, None
    args = row_norms.L1, *terms, W, G
    ((gap, epochs), (*_, W, G)) = same(row_norms.gram_descent, *args, rtol=1e-4)
    assert gap <= goal and 0 < epochs < 5000
    assert_allclose(G, rhs - np.einsum("tij,tj->ti", H, W), atol=1e-9)
    primal, again = row_norms.restricted_gap(row_norms.L1, threshold, ridge, base, False, rhs, W, G)
    together = np.zeros(rhs.shape), rhs.copy()
    row_norms.gram_descent(
        row_norms.L1, H, rhs, np.array([base]), threshold, ridge, goal, 5000, None, *together
    )
    other, _ = row_norms.restricted_gap(row_norms.L1, threshold, ridge, base, False, rhs, *together)
    assert again == pytest.approx(gap, abs=1e-12 * base) and abs(primal - other) <= 2.0 * goal
    with pytest.raises(ValueError, match="tasks meet"):
        row_norms.gram_descent(row_norms.ROW_L2, *terms, W, G)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shared", [True, False])
def test_gram_and_residual_epochs_are_the_same_descent(code, shared):
    """row_norms.gram_epoch, row_norms.residual_epoch and row_norms.residual_gradient."""
    each, y, H, rhs, _, threshold, ridge = problem(shared=shared)
    n_tasks, k = rhs.shape
    scratch = [np.zeros(n_tasks) for _ in range(3)]
    W, G = np.zeros((n_tasks, k)), rhs.copy()
    (changed,), arrays = same(row_norms.gram_epoch, code, H, threshold, ridge, W, G, *scratch)
    assert changed
    W, G = arrays[2], arrays[3]
    A, starts, offsets = stacked(each)
    h = np.einsum("tnk,tnk->tk", each, each)
    rows = np.arange(k)
    (changed,), arrays = same(
        row_norms.residual_epoch, code, A, starts, offsets, rows, k, h, threshold, ridge,
        np.zeros((n_tasks, k)), y.ravel(), *scratch,
    )  # fmt: skip
    R = arrays[7]
    assert changed
    assert_allclose(arrays[6], W, atol=1e-12)
    _, arrays = same(row_norms.residual_gradient, A, starts, offsets, R, np.empty((n_tasks, k)))
    assert_allclose(arrays[4], G, atol=1e-10)
    assert_allclose(G, rhs - np.einsum("tij,tj->ti", np.broadcast_to(H, (3, k, k)), W), atol=1e-10)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_block_epoch(code, ridge):
    """row_norms.shared_block_epoch is gram_epoch in the other layout; zero columns stay zero."""
    _, _, H, rhs, _, threshold, _ = problem(shared=True)
    W, G = np.zeros_like(rhs), rhs.copy()
    (_,), arrays = same(
        row_norms.gram_epoch, code, H, threshold, ridge, W, G, *np.zeros((3, rhs.shape[0]))
    )
    W, G = np.zeros_like(rhs.T, order="C"), np.ascontiguousarray(rhs.T)
    change = np.zeros_like(W)
    (changed,), (_, _, after, _, moved) = same(
        row_norms.shared_block_epoch, code, H[0], threshold, ridge, W, G, change
    )
    assert changed
    assert_allclose(after.T, arrays[2], atol=1e-12)
    assert_allclose(moved, after, atol=1e-12)
    assert not after[2].any()
    G = np.ascontiguousarray((rhs - np.einsum("ij,tj->ti", H[0], after.T)).T)
    G[0, 0] = np.nan
    (_,), (_, _, broken, _, _) = same(
        row_norms.shared_block_epoch, code, H[0], threshold, ridge, after, G, change
    )
    assert np.isnan(broken).any()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_restricted_gap(code, ridge):
    """row_norms.restricted_gap, of row_norms._loss, row_norms.penalty_terms and
    row_norms._primal_and_gap: the objective, and a bound that is below every value.
    """
    each, y, H, rhs, base, threshold, _ = problem()
    best = objective(code, each, y, threshold, ridge, solved(code, ridge))
    for scale in (0.0, 0.1, 1.0, 10.0):
        W = scale * np.random.default_rng(1).standard_normal(rhs.shape)
        G = rhs - np.einsum("tij,tj->ti", H, W)
        (primal, gap), _ = same(
            row_norms.restricted_gap, code, threshold, ridge, base, False, rhs, W, G, rtol=1e-10
        )
        assert_allclose(primal, objective(code, each, y, threshold, ridge, W), rtol=1e-10)
        assert primal - gap <= best * (1 + 1e-10)
        value, *terms = row_norms.penalty_terms(code, threshold, ridge, False, W, G)
        (loss,), _ = same(row_norms._loss, base, rhs, W, terms[1], rtol=1e-10)
        assert_allclose(loss, objective(code, each, y, 0.0 * threshold, 0.0, W), rtol=1e-9)
        found, _ = same(row_norms._primal_and_gap, loss, value, ridge, *terms, rtol=1e-10)
        assert_allclose(found, (primal, gap), rtol=1e-9)


def solved(code, ridge, **kwargs):
    """row_norms.gram_descent to the end."""
    _each, _y, H, rhs, base, threshold, _ = problem(**kwargs)
    W, G = np.zeros_like(rhs), rhs.copy()
    bases, goal = np.array([base]), 1e-13 * base
    gap, _ = row_norms.gram_descent(code, H, rhs, bases, threshold, ridge, goal, 5000, None, W, G)
    assert gap <= 1e-13 * base
    return W


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("shared", [True, False])
def test_descents_reach_the_minimum(code, ridge, shared):
    """row_norms.gram_descent and row_norms.residual_descent, more rows than samples included."""
    for n in (12, 4):
        each, y, _H, rhs, base, threshold, _ = problem(n=n, shared=shared)
        W = solved(code, ridge, n=n, shared=shared)
        A, starts, offsets = stacked(each)
        h = np.einsum("tnk,tnk->tk", each, each)
        V, R = np.zeros_like(rhs), y.ravel().copy()
        gap, _ = row_norms.residual_descent(
            code, A, starts, offsets, h, rhs, base, threshold, ridge, 1e-12 * base, 5000, V, R
        )
        assert gap <= 1e-12 * base
        values = [objective(code, each, y, threshold, ridge, M) for M in (W, V)]
        assert_allclose(values[0], values[1], rtol=1e-11)

        def smooth(w, each=each, y=y, threshold=threshold, shape=rhs.shape):
            return objective(code, each, y, threshold, ridge, w.reshape(shape))

        assert minimize(smooth, W.ravel(), method="Powell").fun >= values[0] * (1 - 1e-9)


def test_descents_in_plain_python():
    """The whole loops, jitted and not: row_norms.gram_descent, row_norms.residual_descent.

    They end where the gap has digits: much smaller ones are rounding of the base.
    """
    each, y, H, rhs, base, threshold, ridge = problem(n=5)
    W, G = np.zeros_like(rhs), rhs.copy()
    args = (2, H, rhs, np.array([base]), threshold, ridge, 1e-5 * base, 30, None, W, G)
    same(row_norms.gram_descent, *args, rtol=1e-6)
    A, starts, offsets = stacked(each)
    h = np.einsum("tnk,tnk->tk", each, each)
    same(
        row_norms.residual_descent, 2, A, starts, offsets, h, rhs, base, threshold, ridge,
        1e-5 * base, 30, np.zeros_like(rhs), y.ravel().copy(), rtol=1e-6,
    )  # fmt: skip


def test_nonzero():
    """row_norms._nonzero."""
    (found,), (_, rows) = same(
        row_norms._nonzero, np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0]]), np.arange(4)
    )
    assert found == 2
    assert rows[:2].tolist() == [1, 3]


def test_small_systems():
    """row_norms._solve_small, and row_norms._anderson (row_norms._copy)."""
    A, b = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]]), [1.0, -2.0, 3.0]
    (fine,), (solved_,) = same(row_norms._solve_small, np.column_stack((A, b)))
    assert fine
    assert_allclose(A @ solved_[:, -1], b)
    assert not row_norms._solve_small(np.zeros((2, 3)))
    # A linear iteration in two dimensions is extrapolated to its fixed point.
    M, b = np.array([[0.5, 0.2], [0.1, 0.8]]), np.array([1.0, -1.0])
    past = [np.array([3.0, 2.0])]
    for _ in range(2):
        past.append(M @ past[-1] + b)
    past = np.array(past)
    G = past @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]) + 5.0
    (fine,), arrays = same(row_norms._anderson, past, G, np.zeros(2), np.zeros(3), rtol=1e-4)
    assert fine
    before, after = (np.linalg.norm(M @ w + b - w) for w in (past[-1], arrays[2]))
    assert after < before
    assert not row_norms._anderson(np.ones((3, 2)), G, np.zeros(2), np.zeros(3))


def test_plain_python_is_reachable():
    assert python(row_norms.gram_epoch).__name__ == "gram_epoch"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_row_major_descent_is_the_same(code, ridge):
    """row_norms.row_epoch, and gram_descent and restricted_gap in its layout."""
    _, _, H, rhs, base, threshold, _ = problem()
    across = np.ascontiguousarray(H.transpose(1, 2, 0))
    scratch = np.zeros((3, rhs.shape[0]))
    W, G = np.zeros_like(rhs), rhs.copy()
    _, arrays = same(row_norms.gram_epoch, code, H, threshold, ridge, W, G, *scratch)
    W, G = np.zeros(rhs.T.shape), np.ascontiguousarray(rhs.T)
    (changed,), (_, _, after, left, *_) = same(
        row_norms.row_epoch, code, across, threshold, ridge, W, G, *scratch
    )
    assert changed
    assert_allclose(after.T, arrays[2], atol=1e-12)
    assert_allclose(left.T, arrays[3], atol=1e-12)
    rows = np.ascontiguousarray(rhs.T)
    args = (code, threshold, ridge, base)
    expected = row_norms.restricted_gap(*args, False, rhs, arrays[2], arrays[3])
    found, _ = same(row_norms.restricted_gap, *args, True, rows, after, left, rtol=1e-10)
    assert_allclose(found, expected, rtol=1e-10)
    W, G = np.zeros(rhs.T.shape), rows.copy()
    goal = 1e-13 * base
    gap, _ = row_norms.gram_descent(
        code, across, rows, np.array([base]), threshold, ridge, goal, 5000, True, W, G
    )
    assert gap <= goal
    assert_allclose(W.T, solved(code, ridge), atol=1e-5)


@pytest.mark.parametrize("code", [0, 3, -1])
@pytest.mark.parametrize("run", [lambda k: k, python], ids=["jitted", "python"])
def test_unknown_norms_are_refused(code, run):
    """row_norms._refuse_unknown, at every entry: no norm is another's by default."""
    W, H = np.ones((2, 2)), np.eye(2)
    tau, offsets = np.ones(2), np.array([0, 2, 4])
    D, A = np.ones(4), np.ones((2, 4))
    inside = np.zeros(2, bool)
    entries = {
        "_refuse_unknown": (),
        "penalty_terms": (tau, 0.0, True, W, W),
        "survey": (W, tau, inside, np.empty(2)),
        "gram_descent": (H[None], W, np.ones(1), tau, 0.0, 0.0, 5, None, W, W.copy()),
        "residual_descent": (A, offsets[:-1], offsets, W, W, 1.0, tau, 0.0, 0.0, 5, W, D),
        "shared_block_epoch": (H, tau, 0.0, W, W.copy(), W.copy()),
        "own_block_epoch": (np.ones((2, 2, 2)), tau, 0.0, W, W.copy(), W.copy()),
        "newton_descent": (A, offsets[:-1], offsets, D, tau, 0.0, True, 0.1, 2, W, D.copy()),
    }
    if code != row_norms.NONE:  # a prox without a norm is the identity
        entries["prox"] = (W, tau, W.copy())
        entries["step"] = (W, W, W, tau, 0.1, 0.0, W.copy())
    for name, args in entries.items():
        with pytest.raises(ValueError, match="row norms are L1"):
            run(getattr(row_norms, name))(code, *args)


def test_an_unknown_name_of_a_norm_is_refused():
    class Other(RowL2):
        row_norm = "Linf"

    X, y = np.eye(4), np.arange(8.0)
    for solve in (solve_active_set, solve_accelerated):
        objective = make_objective(Shared(X, 2), Squared(), y, np.ones(8), Other(0.1), False)
        with pytest.raises(ValueError, match=r"Other.row_norm='Linf': the kernels know L1, L2"):
            solve(objective, np.zeros((4, 2)), tol=1e-6, max_iter=10)
