"""Every kind of X says the same about the same numbers."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from malsar_py import GraphRegressor, JointFeatureRegressor, TraceNormRegressor
from malsar_py.design import (
    Design,
    FeatureRows,
    Masked,
    Ragged,
    Repeated,
    Shared,
    from_rows,
    one_x,
    own_rows,
)
from malsar_py.design._one_x import OneX

from .problems import assert_same_objective

D, N, T = 5, 12, 3
OFFSETS = np.array([0, 4, 9, 12])


class Plain(Design):
    """No more than a kind of X must say: what the base class makes of it."""

    def __init__(self, X, offsets, one_x=False, same_weights=False):
        self.X, self.offsets = X, offsets
        self.n_rows, self.n_features = X.shape
        self.one_x, self.same_weights = one_x, same_weights

    @cached_property
    def blocks(self):
        places = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [self.X if self.one_x else self.X[a:b] for a, b in places]

    def predict(self, W):
        return np.concatenate([X @ w for X, w in zip(self.blocks, W.T, strict=True)])

    def adjoint_rows(self, theta, rough=False):
        parts = np.split(theta, self.offsets[1:-1])
        return np.stack([part @ X for part, X in zip(parts, self.blocks, strict=True)])

    def columns(self, features, out=None):
        found = np.ascontiguousarray(self.X[:, features].T)
        if out is None:
            return found
        out[:] = found
        return out

    def task_rows(self, t):
        return self.blocks[t]

    def restrict(self, features):
        return Plain(self.X[:, features], self.offsets, self.one_x, self.same_weights)


def numbers(rng):
    return (rng.standard_normal((N, D)) + 1.0) * (rng.random((N, D)) < 0.8)


def kinds():
    rng = np.random.default_rng(0)
    X = numbers(rng)
    one = np.arange(T + 1) * N
    alike, apart = np.tile(rng.random(N), T), rng.random(T * N)
    apart[[1, 17]] = 0.0
    S = sparse.csr_array(X)
    return {
        "sparse, shared": (one_x(S, T, True), alike),
        "sparse, masked": (one_x(S, T, False), apart),
        "sparse, masked alike": (one_x(S.tocsc(), T, False), alike),
        "sparse, own": (own_rows(S, OFFSETS), rng.random(N)),
        "shared": (Shared(X, T), alike),
        "masked": (Masked(X, T), apart),
        "masked, alike": (Masked(X, T), alike),
        "ragged": (Ragged(X, OFFSETS), rng.random(N)),
        "from rows": (from_rows(np.split(X, OFFSETS[1:-1])), rng.random(N)),
        "one X by feature": (FeatureRows(np.ascontiguousarray(X.T), Shared(X, T)), apart),
        "own by feature": (
            FeatureRows(np.ascontiguousarray(X.T), Ragged(X, OFFSETS)),
            rng.random(N),
        ),
        "plain, own": (Plain(X, OFFSETS), rng.random(N)),
        "plain, one X": (Plain(X, one, True), apart),
        "plain, alike": (Plain(X, one, True, True), alike),
    }


KINDS = kinds()


@pytest.fixture(params=KINDS)
def found(request):
    """A design, weights of its samples, and the rows of each task."""
    design, c = KINDS[request.param]
    rng = np.random.default_rng(0)
    X = numbers(rng)
    one = design.offsets[-1] == T * N
    return design, c, [X] * T if one else np.split(X, OFFSETS[1:-1]), X


def by_task(design, values):
    return np.split(values, design.offsets[1:-1])


def test_shape(found):
    design, _, blocks, X = found
    assert (design.n_rows, design.n_features, design.n_tasks) == (N, D, T)
    assert design.size == (X.size if design.rows_are_arrays else np.count_nonzero(X))
    assert design.one_x == (design.offsets[-1] == T * N)
    assert design.one_x or not design.same_weights
    assert len(design.segments) == (1 if design.one_x else T)
    columns = design.columns(np.array([3, 0]))
    assert columns.flags.c_contiguous
    assert_allclose(columns, X[:, [3, 0]].T)
    room = np.empty((4, N))
    assert_allclose(design.columns(np.array([1, 2]), out=room[1:3]), X[:, [1, 2]].T)
    assert_allclose(room[1:3], X[:, [1, 2]].T)
    for t, rows in enumerate(blocks):
        assert_allclose(design.task_rows(t), rows)
        assert_allclose(X[design.places[t]], rows)
        assert design.starts[t] == design.places[t].start


def test_products(found):
    design, c, blocks, X = found
    W = np.random.default_rng(1).standard_normal((D, T))
    z = np.concatenate([rows @ w for rows, w in zip(blocks, W.T, strict=True)])
    assert_allclose(design.predict(W), z, atol=1e-13)
    G = np.stack([part @ r for part, r in zip(by_task(design, c), blocks, strict=True)])
    assert_allclose(design.adjoint_rows(c), G, atol=1e-13)
    assert_allclose(design.adjoint(c), G.T, atol=1e-13)
    few = design.restrict(np.array([4, 1]))
    assert_allclose(few.adjoint_rows(c), G[:, [4, 1]], atol=1e-13)
    assert_allclose(few.columns(np.array([1])), X[:, [1]].T)
    assert_allclose(design.row_squares(), np.square(X).sum(axis=1))


def agree(Z, rows):
    """The array, or what is multiplied like it."""
    rng = np.random.default_rng(5)
    W, U = rng.standard_normal((D, 2)), rng.standard_normal((len(rows), 2))
    assert_allclose(Z @ W, rows @ W, atol=1e-13)
    assert_allclose(Z.T @ U, rows.T @ U, atol=1e-13)
    assert_allclose(Z @ Z.T, rows @ rows.T, atol=1e-12)


@pytest.mark.parametrize("centered", [False, True])
def test_second_moments(found, centered):
    design, c, blocks, _ = found
    shares = by_task(design, c)
    totals = np.array([share.sum() for share in shares])
    means = np.stack([w @ r / w.sum() for w, r in zip(shares, blocks, strict=True)])
    spread = [r - m * centered for r, m in zip(blocks, means, strict=True)]
    H = np.stack([(r * w[:, None]).T @ r for w, r in zip(shares, spread, strict=True)])
    one = design.same_weights or (design.one_x and bool((np.ptp(shares, axis=0) == 0).all()))
    gram = design.gram(c, centered)
    assert gram.shape[0] in ((1, T) if one else (T,))
    assert_allclose(np.broadcast_to(gram, H.shape), H, atol=1e-12)
    assert_allclose(np.broadcast_to(design.means(c), means.shape), means, atol=1e-13)
    direction = np.array([0.5, -1.0, 2.0])
    along = np.einsum("t,tij->ij", direction**2, H)[None]
    assert_allclose(design.gram_along(c, centered, direction), along, atol=1e-11)
    energies = np.stack([w @ np.square(r) for w, r in zip(shares, blocks, strict=True)], axis=1)
    assert_allclose(design.energies(c), energies, atol=1e-13)
    scaled = [np.sqrt(w)[:, None] * r for w, r in zip(shares, spread, strict=True)]
    scaled = scaled[:1] if design.same_weights else scaled
    if design.rows_are_arrays or design.same_weights:
        agree(design.scaled_rows(c, centered), np.concatenate(scaled))
    if design.rows_are_arrays or not design.one_x:
        for t, (rows, w) in enumerate(zip(spread, shares, strict=True)):
            agree(design.scaled_task(t, c, centered), np.sqrt(w)[:, None] * rows)
    weights = design.any_weights()
    assert not weights.same_weights
    assert_allclose(np.broadcast_to(weights.gram(c, centered), H.shape), H, atol=1e-12)
    squares = design.squares(c, centered)
    if squares is not None and (design.one_x or not centered):
        assert_allclose(squares, np.einsum("tjj->tj", H), atol=1e-12)
    assert squares is not None or design.same_weights
    if design.same_weights:
        rows, at = design.gram_rows(np.array([2, 4]), c, centered)
        assert_allclose(rows, H[0][[2, 4]], atol=1e-12)
        assert_allclose(at, means[0][[2, 4]] * centered, atol=1e-13)
    else:
        with pytest.raises(TypeError, match="no Gram matrix that is that of all tasks"):
            design.gram_rows(np.array([2]), c, centered)
    assert totals.all()


@pytest.mark.parametrize("shared", [False, True])
def test_columns_for_each_class(shared):
    """Repeated: a task's rows for each of its columns, one after the other."""
    rng = np.random.default_rng(0)
    X, K = rng.standard_normal((N, D)), 2
    tasks = Shared(X, T) if shared else Ragged(X, OFFSETS)
    design = Repeated(tasks, K)
    blocks = [tasks.task_rows(t) for t in range(T)]
    sizes = [len(rows) for rows in blocks for _ in range(K)]
    assert design.offsets.tolist() == [0, *np.cumsum(sizes)]
    assert (design.n_tasks, design.n_features, design.n_rows) == (T * K, D, N)
    assert not design.one_x and not design.same_weights
    W = rng.standard_normal((D, T * K))
    each = [rows @ W[:, t * K + k] for t, rows in enumerate(blocks) for k in range(K)]
    z = design.predict(W)
    assert_allclose(z, np.concatenate(each), atol=1e-13)
    by_sample = [np.stack(each[t * K : (t + 1) * K], axis=1) for t in range(T)]
    assert_allclose(design.by_sample(z), np.concatenate(by_sample), atol=1e-13)
    c = rng.random(len(z))
    parts = np.split(c, design.offsets[1:-1])
    rows = [blocks[t] for t in range(T) for _ in range(K)]
    G = np.stack([part @ own for part, own in zip(parts, rows, strict=True)])
    assert_allclose(design.adjoint_rows(c), G, atol=1e-13)
    H = [(own * part[:, None]).T @ own for part, own in zip(parts, rows, strict=True)]
    assert_allclose(design.gram(c, False), H, atol=1e-13)
    few = np.array([3, 0])
    assert_allclose(design.restrict(few).adjoint_rows(c), G[:, few], atol=1e-13)
    assert_allclose(design.columns(few), X[:, few].T)
    # And by feature, as working sets have it.
    if not shared:
        some = FeatureRows(design.columns(few), design)
        assert_allclose(some.predict(W[few]), design.restrict(few).predict(W[few]), atol=1e-13)
        assert_allclose(some.adjoint_rows(c), G[:, few], atol=1e-13)
        assert_allclose(some.gram(c, True), design.restrict(few).gram(c, True), atol=1e-13)
        assert_allclose(some.energies(c), design.energies(c)[few], atol=1e-13)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", [JointFeatureRegressor, TraceNormRegressor, GraphRegressor])
def test_a_shared_x_in_fortran_order_is_taken_as_it_is(kind, missing, monkeypatch):
    """What a DataFrame of one block gives: the same fit, X is neither copied nor written to."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 40))
    X[:, 2] += 1e5
    X[:, 5] = 2.0
    Y = X[:, 6:9] + rng.standard_normal((30, 3))
    if missing:
        Y[::7, 0] = np.nan
    F = np.asfortranarray(X)
    F.flags.writeable = False
    for fit_intercept in (True, False):
        model = kind(lambda1=0.1, lambda2=0.1, fit_intercept=fit_intercept, tol=1e-10)
        expected = clone(model).fit(X, Y)
        found = clone(model).fit(F, Y)
        assert_same_objective(
            found.objective_[-1], expected.objective_[-1], expected.objective_[0], tol=1e-10
        )
        assert_allclose(found.coef_, expected.coef_, atol=1e-4)
    seen = []
    monkeypatch.setattr(OneX, "__init__", _noting(OneX.__init__, seen))
    kind(lambda1=0.1, lambda2=0.1, fit_intercept=False).fit(F, np.nan_to_num(Y))
    assert np.shares_memory(seen[0], F)


def _noting(init, seen):
    def noting(self, X, n_tasks):
        seen.append(X)
        init(self, X, n_tasks)

    return noting
