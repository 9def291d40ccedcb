"""New tasks: `adapt` is a refit with the variances as they are, by every door."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py import MixedEffectsRegressor

from .test_mixed import COVARIANCES, PLAIN, draw, fit


def split(T=20, old=15, **own):
    X, y, tasks = draw(T=T, **own)
    return (X, y, tasks), tasks < old


def refit(model, X, y, tasks):
    """Coefficients (T, p) of all tasks by generalised least squares at the model's variances."""
    frame = model._estimate.likelihood.statistics.frame
    p = X.shape[1] + 1
    origin = np.zeros(p - 1) if model.covariance == "full" else frame.center
    Z = np.column_stack([np.ones(len(y)), X - origin])
    D = model.random_variance_
    same = tasks[:, None] == tasks
    V = model.sigma2_ * np.eye(len(y)) + (Z @ D @ Z.T) * same
    prior = np.zeros((p, p))
    if np.isfinite(model.mean_variance_):
        prior[1:, 1:] = np.diag(frame.unit**2 / model.mean_variance_)
    inverse = np.linalg.inv(V)
    beta = np.linalg.solve(Z.T @ inverse @ Z + prior, Z.T @ inverse @ y)
    pull = inverse @ (y - Z @ beta)
    labels = np.unique(tasks)
    each = np.array([beta + D @ Z[tasks == t].T @ pull[tasks == t] for t in labels])
    each[:, 0] -= each[:, 1:] @ origin
    return each


@pytest.mark.parametrize("parameters", [PLAIN, {}], ids=["plain", "default"])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_adapting_is_refitting(covariance, parameters):
    (X, y, tasks), old = split()
    model = fit((X[old], y[old], tasks[old]), covariance=covariance, **parameters)
    before = model.coef_.copy()
    adapted = model.adapt(X[~old], y[~old], tasks=tasks[~old])
    expected = refit(model, X, y, tasks)
    scale = np.abs(expected).max()
    assert_allclose(adapted.coef_, expected[:, 1:], rtol=0, atol=1e-10 * scale)
    assert_allclose(adapted.intercept_, expected[:, 0], rtol=0, atol=1e-10 * scale)
    assert adapted.tasks_.tolist() == list(range(20)) and adapted.n_tasks_ == 20
    assert_array_equal(model.coef_, before)
    assert model.n_tasks_ == 15
    for name in ("sigma2_", "random_variance_", "mean_variance_"):
        assert_array_equal(getattr(adapted, name), getattr(model, name))
    # One after the other is the same, and so is a copy on disk.
    one = tasks == 15
    first = pickle.loads(pickle.dumps(model)).adapt(X[one], y[one], tasks=tasks[one])
    rest = ~old & ~one
    both = first.adapt(X[rest], y[rest], tasks=tasks[rest])
    assert_allclose(both.coef_, adapted.coef_, atol=1e-12 * scale)
    assert_allclose(both.log_likelihood_, adapted.log_likelihood_, rtol=1e-12)
    assert_allclose(both.coef_cov_, adapted.coef_cov_, atol=1e-10)
    # Predictions and intervals know the new tasks.
    said, std = adapted.predict(X, tasks=tasks, return_std=True)
    assert_allclose(
        said, expected[tasks, 0] + np.einsum("ij,ij->i", X, expected[tasks, 1:]), atol=1e-9 * scale
    )
    unseen = model.predict(X, tasks=tasks, return_std=True)[1]
    assert (std[~old] < unseen[~old]).all()
    assert "20 tasks" in str(adapted.fit_report())


def test_one_task_is_blup_with_the_uncertainty_of_the_mean():
    """``beta + D~ Z'(I + Z D~ Z')^-1 (y - Z beta)`` with D~ the prior of a new task."""
    (X, y, tasks), old = split(T=16)
    model = fit((X[old], y[old], tasks[old]))
    mean, prior = model.task_prior_
    new = np.flatnonzero(tasks == 15)
    Z = np.column_stack([np.ones(len(new)), X[new]])
    for k in (1, 2, 5, 12):
        rows = new[:k]
        pull = Z[:k] @ prior @ Z[:k].T + model.sigma2_ * np.eye(k)
        w = mean + prior @ Z[:k].T @ np.linalg.solve(pull, y[rows] - Z[:k] @ mean)
        adapted = model.adapt(X[rows], y[rows], tasks=tasks[rows])
        assert_allclose(np.r_[adapted.intercept_[-1], adapted.coef_[-1]], w, rtol=1e-9)


def test_refitting_at_the_same_variances_has_the_likelihood_it_says():
    """The adapted likelihood is that of all data, at the variances of the fit."""
    X, y, tasks = draw()
    model = fit((X, y, tasks), tol=1e-12, **PLAIN)
    part = tasks < 12
    start = fit((X[part], y[part], tasks[part]), **PLAIN)
    adapted = start.adapt(X[~part], y[~part], tasks=tasks[~part])
    assert adapted.log_likelihood_ <= model.log_likelihood_ + 1e-9


def test_every_door():
    (X, y, tasks), old = split()
    names = np.array([f"s{t:02d}" for t in tasks])
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(school=names)
    by_keyword = fit((X[old], y[old], names[old])).adapt(X[~old], y[~old], tasks=names[~old])
    by_column = MixedEffectsRegressor(task_column="school").fit(table[old], y[old])
    by_column = by_column.adapt(table[~old], y[~old])
    assert by_column.tasks_.tolist() == sorted(set(names))
    assert_allclose(by_column.coef_, by_keyword.coef_, rtol=1e-10)
    said = by_column.predict(table)
    assert_allclose(said, by_keyword.predict(X, tasks=names), rtol=1e-10)
    # Columns of a 2-D y: with names, or numbered on; NaN is not observed.
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((12, 3))
    Y = shared @ rng.standard_normal((3, 6)) + rng.standard_normal((12, 6))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    frame = pd.DataFrame(Y, columns=list("abcdef"))
    named = MixedEffectsRegressor().fit(shared, frame[list("abcd")])
    named = named.adapt(shared, frame[["e", "f"]])
    numbered = MixedEffectsRegressor().fit(shared, Y[:, :4]).adapt(shared, Y[:, 4:])
    assert named.tasks_.tolist() == list("abcdef")
    assert numbered.tasks_.tolist() == [0, 1, 2, 3, 4, 5]
    assert_allclose(named.coef_, numbered.coef_, rtol=1e-12)
    assert named.predict(shared).shape == (12, 6)
    std = named.predict(shared, return_std=True)[1]
    assert_allclose(
        std[:, 4], named.predict(shared, tasks=["e"] * 12, return_std=True)[1], rtol=1e-12
    )
    # Weights count rows here too.
    weight = rng.integers(0, 3, (~old).sum())
    again = np.repeat(np.flatnonzero(~old), weight)
    model = fit((X[old], y[old], tasks[old]))
    one = model.adapt(X[~old], y[~old], tasks=tasks[~old], sample_weight=weight)
    other = model.adapt(X[again], y[again], tasks=tasks[again])
    assert_allclose(one.coef_, other.coef_, rtol=1e-9)


def test_what_is_refused():
    X, y, tasks = draw()
    model = fit((X, y, tasks))
    with pytest.raises(ValueError, match=r"fitted already: \[?3, 4\]?.*adapt adds new tasks"):
        model.adapt(X[:4], y[:4], tasks=[99, 4, 3, 99])
    with pytest.raises(ValueError, match=r"Every row of X_new needs the label.*tasks="):
        model.adapt(X[:4], y[:4])
    with pytest.raises(ValueError, match="one task per column"):
        model.adapt(X[:4], np.column_stack([y[:4], y[:4]]))
    with pytest.raises(ValueError, match="X has 2 features, but MixedEffectsRegressor is expect"):
        model.adapt(X[:4, :2], y[:4], tasks=[99] * 4)
    with pytest.raises(TypeError, match="uniformly strings or uniformly numbers"):
        model.adapt(X[:4], y[:4], tasks=["z"] * 4)
    with pytest.raises(ValueError, match="Input y contains infinity"):
        model.adapt(X[:4], np.full(4, np.inf), tasks=[99] * 4)
    plain = MixedEffectsRegressor().fit(X, y)
    with pytest.raises(ValueError, match="fitted without task labels"):
        plain.adapt(X[:4], y[:4])
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(school=tasks)
    by_column = MixedEffectsRegressor(task_column="school").fit(table, y)
    with pytest.raises(ValueError, match="feature names should match"):
        by_column.adapt(table.rename(columns={"u": "q"}).assign(school=99), y)
    with pytest.raises(ValueError, match="given twice"):
        by_column.adapt(table.assign(school=99), y, tasks=tasks)


def test_few_labels_never_hurt_much():
    """Five labelled rows of new tasks are better than none, on average over tasks."""
    (X, y, tasks), old = split(T=60, old=40, n=25)
    model = fit((X[old], y[old], tasks[old]))
    rows = np.tile(np.arange(25), 60)
    test = ~old & (rows >= 20)

    def rmse(fitted):
        return np.sqrt(np.mean(np.square(y[test] - fitted.predict(X[test], tasks=tasks[test]))))

    errors = [rmse(model)]
    for k in (1, 2, 5, 20):
        some = ~old & (rows < k)
        errors.append(rmse(model.adapt(X[some], y[some], tasks=tasks[some])))
    assert (np.diff(errors) < 0.02 * errors[0]).all()
    assert errors[3] < 0.9 * errors[0]
