"""Clustering in a shared subspace: descent, labels, what is refused, MALSAR's example."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from malsar_py import SharedSubspaceClustering
from malsar_py.models.subspace_clustering import _multiply

from .benchmarks.recovery import clustered_rows as clustered


def objective(model, X, tasks):
    """As the docstring has it, from the fitted attributes."""
    total, W, M = 0.0, model.subspace_, model.shared_centers_
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        Xt, P = X[own].T, model.memberships_[own]
        total += model.share * np.sum((Xt - model.cluster_centers_[t] @ P.T) ** 2)
        total += (1.0 - model.share) * np.sum((W.T @ Xt - M @ P.T) ** 2)
    return total


@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 1.0])
def test_the_objective_never_rises(share):
    X, tasks, _ = clustered()
    model = SharedSubspaceClustering(share=share, random_state=1, n_init=2, tol=1e-5)
    model.fit(X, tasks=tasks)
    assert (np.diff(model.objective_) <= 1e-11 * model.objective_[0]).all()
    assert len(model.objective_) == model.n_iter_ > 2
    assert_allclose(model.objective_[-1], objective(model, X, tasks), rtol=1e-10)
    assert_allclose(model.subspace_.T @ model.subspace_, np.eye(2), atol=1e-12)
    assert (model.memberships_ >= 0.0).all()
    assert_array_equal(model.labels_, model.memberships_.argmax(axis=1))


def test_labels_by_column_or_keyword_or_none():
    X, tasks, _ = clustered()
    make = {"random_state": 0, "n_init": 1, "tol": 1e-4}
    one = SharedSubspaceClustering(**make).fit(X, tasks=tasks)
    frame = pd.DataFrame(X, columns=list("uvwxyz")).assign(task=tasks)
    other = SharedSubspaceClustering(task_column="task", **make).fit(frame)
    assert_array_equal(one.labels_, other.labels_)
    assert one.tasks_.tolist() == ["a", "b", "c"]
    assert other.n_features_in_ == 7
    assert one.cluster_centers_.shape == (3, 6, 2)
    alone = SharedSubspaceClustering(**make, n_components=20).fit(X)
    assert alone.subspace_.shape == (6, 6)
    assert alone.tasks_.tolist() == [0]


def test_rows_may_be_mixed_and_seeds_repeat():
    X, tasks, _ = clustered()
    model = SharedSubspaceClustering(random_state=3, n_init=2, tol=1e-4)
    first = model.fit_predict(X, tasks=tasks)
    assert_array_equal(first, model.fit_predict(X, tasks=tasks))
    mixed = np.argsort(np.arange(len(X)) % 7, kind="stable")
    model.fit(X[mixed], tasks=tasks[mixed])
    for t in "abc":
        own = tasks == t
        again = np.empty_like(first)
        again[mixed] = model.labels_
        assert adjusted_rand_score(first[own], again[own]) > 0.8


def test_too_few_sweeps_warn():
    X, tasks, _ = clustered()
    with pytest.warns(ConvergenceWarning, match="did not reach tol"):
        SharedSubspaceClustering(max_iter=2, random_state=0).fit(X, tasks=tasks)


X, TASKS, _ = clustered(n=5)
REFUSED = {
    "few": (
        lambda: SharedSubspaceClustering(n_clusters=6).fit(X, tasks=TASKS),
        "n_clusters=6 is more than n_samples=5 of task",
    ),
    "twice": (
        lambda: SharedSubspaceClustering(task_column=0).fit(X, tasks=TASKS),
        "Task labels were given twice, by task_column=0 and by `tasks`",
    ),
    "length": (
        lambda: SharedSubspaceClustering().fit(X, tasks=TASKS[:-1]),
        "`tasks` has 14 labels, X has 15 rows",
    ),
    "nan": (
        lambda: SharedSubspaceClustering().fit(np.where(X > 1, np.nan, X)),
        "Input X contains NaN",
    ),
    "share": (lambda: SharedSubspaceClustering(share=1.5).fit(X), "The 'share' parameter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError) as raised:
        call()
    assert message in str(raised.value)


def test_malsar_s_example_from_its_start(shared_dir):
    """Not above MALSAR's last objective, although W is orthonormal here as in the paper."""
    with np.load(shared_dir / "golden" / "LSSMTC__small.npz") as golden:
        blocks = [golden["X_1"], golden["X_2"]]
        starts = [golden["P0_1"].copy(), golden["P0_2"].copy()]
        model = SharedSubspaceClustering(
            n_clusters=int(golden["c"]),
            n_components=int(golden["l"]),
            share=float(golden["lam"]),
            max_iter=len(golden["fv"]),
            tol=0.0,
        )
        run = model._descend(blocks, starts)
        assert run.history[-1] <= golden["fv"][-1] * (1.0 + 1e-6)
        assert (np.diff(run.history) <= 1e-11 * run.history[0]).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_memberships_that_vanish():
    """They fall below the smallest ordinary float, and grow no more."""
    X = np.random.default_rng(77).standard_normal((60, 4))
    model = SharedSubspaceClustering().fit(X)
    assert np.isfinite(model.objective_).all()
    assert len(np.unique(model.labels_)) > 1


def test_a_quotient_beyond_floats():
    P, gram = np.array([[5e-324, 1.0]]), np.eye(2)
    found = _multiply(P, np.array([[1.0, 1.0]]), gram)
    assert_allclose(found, [[0.0, 1.0]])
