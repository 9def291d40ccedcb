"""The public penalties: names, documentation, sums, multiples, and what waits for a problem."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import malsar_py
from malsar_py import penalties
from malsar_py.base import Problem

GROUPS = np.array([0, 1, 1, 0, 2])
UNIT = [
    penalties.L1(),
    penalties.RowL2(),
    penalties.RowLinf(),
    penalties.ColumnL2(),
    penalties.TraceNorm(),
    penalties.FeatureGroups(groups=GROUPS, weights=np.array([1.0, 2.0, 0.5])),
    penalties.FeatureGroups(groups=GROUPS, weights=np.array([1.0, 2.0, 0.5]), sparse=0.4),
    penalties.SquaredTraceNorm(),
    penalties.Ridge(),
    penalties.MeanRegularized(),
    penalties.Graph("chain"),
    penalties.Clustered(),
    penalties.FusedSparseGroup(1.0, 0.5, 0.2),
]
NORMS = [p for p in UNIT if isinstance(p, penalties.Norm)]
names = [f"{type(p).__name__}{i}" for i, p in enumerate(UNIT)]
every_unit = pytest.mark.parametrize("penalty", UNIT, ids=names)
every_norm = pytest.mark.parametrize("penalty", NORMS, ids=names[: len(NORMS)])
PROBLEM = Problem(np.arange(4), 5)


def matrix(seed=0):
    return np.random.default_rng(seed).standard_normal((5, 4))


def test_the_module_is_there_and_shows_its_api():
    code = (
        "import malsar_py; print(sorted(dir(malsar_py.penalties))); "
        "print(malsar_py.model_selection.__name__); "
        "print('matplotlib' in __import__('sys').modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        str(sorted(penalties.__all__)),
        "malsar_py.model_selection",
        "False",
    ]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        malsar_py.nothing  # noqa: B018
    assert {"penalties", "model_selection", "MultiTaskGLM"} <= set(dir(malsar_py))


@pytest.mark.parametrize("name", penalties.__all__)
def test_each_is_documented(name):
    entry = getattr(penalties, name)
    assert inspect.getdoc(entry)
    if name not in ("Penalty", "Structure", "TaskQuadratic"):
        assert all(part in entry.__doc__ for part in ("Parameters\n", "References\n", "Examples\n"))


@every_unit
def test_multiples(penalty):
    W = matrix()
    for factor, size in ((3.0, 1.0), (0.25, 8.0)):
        other = penalty.rescaled(factor, size)
        assert_allclose(other.value(W), factor * penalty.value(size * W), rtol=1e-13)
    assert_allclose((2.0 * penalty).value(W), 2.0 * penalty.value(W), rtol=1e-13)
    assert_allclose((penalty * 2.0).value(W), 2.0 * penalty.value(W), rtol=1e-13)
    with pytest.raises(ValueError, match="multiplied by a number in"):
        0.0 * penalty


@every_unit
def test_sums(penalty):
    W = matrix()
    for beside in (penalties.Ridge(0.3), penalties.Graph("chain", 0.2)):
        for whole in (penalty + beside, beside + penalty):
            assert_allclose(whole.value(W), penalty.value(W) + beside.value(W), rtol=1e-13)
            resolved = whole.at(PROBLEM)
            assert_allclose(resolved.value(W), whole.value(W), rtol=1e-13)
            doubled = (2.0 * whole).at(PROBLEM)
            assert_allclose(doubled.value(W), 2.0 * whole.value(W), rtol=1e-13)
            assert resolved.quadratic.largest > 0.0
            assert whole.is_quadratic == penalty.is_quadratic


@every_unit
def test_copies(penalty):
    W = matrix()
    for other in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
        assert other.value(W) == penalty.value(W)
    assert type(penalty).__name__ in repr(penalty)


@every_norm
def test_the_dual_norm_is_where_the_prox_ends(penalty):
    G = matrix(1)
    size = penalty.dual_norm(G)
    assert not penalty.prox(G, size * (1.0 + 1e-12)).any()
    assert penalty.prox(G, size * (1.0 - 1e-6)).any()
    assert_allclose(penalty.zero_factor(G), size, rtol=1e-15)
    # <G, W> <= N*(G) N(W)
    for seed in range(20):
        W = matrix(seed + 2)
        assert np.vdot(G, W) <= size * penalty.value(W) * (1.0 + 1e-12)


@every_norm
def test_the_prox_is_a_minimiser(penalty):
    V, step = matrix(3), 0.4

    def objective(w):
        return step * penalty.value(w.reshape(V.shape)) + 0.5 * np.sum(np.square(w - V.ravel()))

    P = penalty.prox(V, step)
    found = minimize(objective, P.ravel(), method="Powell", options={"maxfev": 4000})
    assert objective(P.ravel()) <= found.fun + 1e-12


def test_the_dual_norm_of_groups_with_a_sparse_term_by_its_definition():
    cp = pytest.importorskip("cvxpy")
    G, penalty = matrix(4), UNIT[6]
    W = cp.Variable(G.shape)
    norm = 0.4 * cp.sum(cp.abs(W))
    for g, weight in enumerate(penalty.weights):
        rows = np.flatnonzero(g == GROUPS)
        norm += weight * cp.norm(cp.vec(W[rows], order="C"), 2)
    cp.Problem(cp.Maximize(cp.sum(cp.multiply(G, W))), [norm <= 1.0]).solve(solver=cp.CLARABEL)
    assert_allclose(penalty.dual_norm(G), np.vdot(G, W.value), rtol=1e-6)


def test_what_waits_for_a_problem_says_so():
    waiting = penalties.Graph("chain") + penalties.L1()
    with pytest.raises(TypeError, match="depends on the problem"):
        waiting.structure  # noqa: B018
    with pytest.raises(TypeError, match="two structures on one W"):
        penalties.L1() + penalties.RowL2()
    with pytest.raises(TypeError):
        penalties.L1() + 3.0

    class NoMultiples(penalties.Penalty):
        def value(self, W):
            return 0.0

    with pytest.raises(TypeError, match="NoMultiples has no multiples: define rescaled"):
        2.0 * NoMultiples()
