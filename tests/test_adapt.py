"""New tasks for fitted models: their prior touches the penalty, what follows is its minimiser."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from malsar_py import (
    ClusteredRegressor,
    GraphRegressor,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    TaskRelationshipRegressor,
    TraceNormRegressor,
    _task_prior,
)
from malsar_py._limits import penalty_in_units
from malsar_py.base import Problem
from malsar_py.losses import Squared

from .problems import ids

MODELS = [
    MeanRegularizedRegressor(lambda1=0.3),
    MeanRegularizedRegressor(lambda1=0.3, lambda2=0.05),
    JointFeatureRegressor(lambda1=0.2),
    JointFeatureRegressor(lambda1=0.2, lambda2=0.1),
    TraceNormRegressor(lambda1=0.2),
    TraceNormRegressor(lambda1=0.2, lambda2=0.1),
    TaskRelationshipRegressor(lambda1=0.05),
    ClusteredRegressor(lambda1=0.5, lambda2=0.05, n_clusters=2, random_state=0),
    GraphRegressor(lambda1=0.3, lambda2=0.05),
    JointFeatureRegressor(lambda1=0.1, common=True, intercept_shrinkage=0.5),
    TraceNormRegressor(lambda1=0.1, common=True, intercept_shrinkage=np.inf),
    TaskRelationshipRegressor(lambda1=0.05, common=True),
    ClusteredRegressor(lambda1=0.5, lambda2=0.05, n_clusters=2, random_state=0, common=True),
    MeanRegularizedRegressor(lambda1="reml", task_weight="size"),
]
every = pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))


def simulated(T=7, n=15, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((T * n, d)) + 0.5
    tasks = np.repeat(np.arange(T), n)
    W = np.array([1.0, -0.5, 0.3, 0.0]) + rng.standard_normal((T, 2)) @ rng.standard_normal((2, d))
    y = np.einsum("ij,ij->i", X, W[tasks]) + tasks + 0.5 * rng.standard_normal(T * n)
    return X, y, tasks


def fitted(model, old=5, **own):
    """A tight fit of the first tasks; the rows of the others."""
    X, y, tasks = simulated(**own)
    known = tasks < old
    model = type(model)(**model.get_params()).set_params(tol=1e-13)
    return model.fit(X[known], y[known], tasks=tasks[known]), (X[~known], y[~known], tasks[~known])


def penalty(model, W):
    problem = Problem(np.arange(W.shape[1]), W.shape[0])
    return penalty_in_units(model, problem, model._given()).value(W)


@every
def test_the_prior_touches_the_penalty(model):
    """One more task costs half its distance in the prior's metric, but for higher orders."""
    fit, _ = fitted(model)
    mean, covariance = (part[1:] for part in fit.task_prior_)
    # In units of the objective; exact where the penalty is quadratic.
    S = covariance[:, 1:] * fit._fit_of.per_task / fit._noise()
    W = fit.coef_.T
    rng = np.random.default_rng(0)
    values, axes = np.linalg.eigh(S)
    used = values > 1e-9 * values[-1]
    axes, values = axes[:, used], values[used]

    def cost(w):
        return penalty(fit, np.column_stack([W, w]))

    errors, direction = [], axes @ (np.sqrt(values) * rng.standard_normal(len(values)))
    for eps in (1e-1, 1e-2, 1e-3):
        # From the mean, where the slope is zero, to second order.
        step = eps * direction
        quadratic = 0.5 * float(np.square(axes.T @ step) @ (1.0 / values))
        symmetric = 0.5 * (cost(mean + step) + cost(mean - step)) - cost(mean)
        errors.append(abs(symmetric - quadratic) / quadratic)
        slope = (cost(mean + step) - cost(mean - step)) / 2.0
        assert abs(slope) <= 1e-6 * quadratic / eps + 1e-9 * cost(mean)
    exact = isinstance(fit, (MeanRegularizedRegressor, GraphRegressor))
    assert errors[1] < (1e-9 if exact else 0.1)
    if not exact:
        assert errors[1] < 0.1 * errors[0] + 1e-9
    if not used.all():  # where the prior has no width a step costs far more, to first order
        out = np.linalg.eigh(S)[1][:, 0]
        assert cost(mean + 1e-4 * out) - cost(mean) > 1e-6


@every
def test_a_new_task_minimises_loss_and_prior(model):
    fit, (X, y, tasks) = fitted(model)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    adapted = fit.adapt(X, y, tasks=tasks, sample_weight=weight)
    prior = fit._as_fitted()._prior()
    for t in (5, 6):
        own = tasks == t
        w, c = adapted.coef_[t], weight[own] / 15.0
        rest = y[own] - X[own] @ w - adapted.intercept_[t]
        place = fit._intercept_prior()
        pulled = adapted.intercept_[t] + place.center @ w - place.b0
        if place.kappa == 0.0:
            assert abs(c @ rest) < 1e-10
        else:  # drawn to the mean, at the features' center
            assert abs(pulled - c @ rest / place.kappa) < 1e-9
        # (w - mean) = S X'C r, also where S is singular.
        Z = X[own] - place.center
        assert_allclose(w - prior.mean, prior.covariance @ (Z.T @ (c * rest)), atol=1e-9)
    # Few rows, by the smaller system, are the same.
    few = fit.adapt(X[:2], y[:2], tasks=tasks[:2])
    rest = y[:2] - X[:2] @ few.coef_[5] - few.intercept_[5]
    pull = (X[:2] - place.center).T @ rest / 15.0
    assert_allclose(few.coef_[5] - prior.mean, prior.covariance @ pull, atol=1e-9)


@every
def test_the_copy_knows_old_and_new(model):
    fit, (X, y, tasks) = fitted(model)
    before = pickle.dumps(fit)
    adapted = fit.adapt(X, y, tasks=tasks)
    assert adapted.tasks_.tolist() == list(range(7)) and adapted.n_tasks_ == 7
    assert_array_equal(adapted.coef_[:5], fit.coef_)
    assert_array_equal(adapted.intercept_[:5], fit.intercept_)
    assert pickle.loads(before).tasks_.tolist() == fit.tasks_.tolist() == list(range(5))
    assert pickle.loads(before).get_params() == fit.get_params() == adapted.get_params()
    # One after the other, from a copy on disk, and after a change of parameters.
    again = pickle.loads(before).set_params(lambda1=7.0)
    one = tasks == 5
    again = again.adapt(X[one], y[one], tasks=tasks[one])
    again = again.adapt(X[~one], y[~one], tasks=tasks[~one])
    assert again.lambda1 == 7.0
    assert_array_equal(again.coef_, adapted.coef_)
    assert_array_equal(again.predict(X, tasks=tasks), adapted.predict(X, tasks=tasks))
    if fit._fit_of.kappa < np.inf:  # with one intercept for all no task can be told
        assert adapted.score(X, y, tasks=tasks) > 0.5
    for name in ("task_covariance_", "task_membership_"):
        if hasattr(fit, name):
            assert getattr(fit, name).shape == (5, 5)
            assert getattr(adapted, name).shape == (7, 7)
    # What is said of tasks still unknown is what the fit says.
    adapted.set_params(unseen="mean"), fit.set_params(unseen="mean")
    assert_array_equal(adapted.predict(X, tasks=tasks + 90), fit.predict(X, tasks=tasks + 90))
    mean, covariance = fit.task_prior_
    assert mean.shape == (5,) and covariance.shape == (5, 5)
    if fit._fit_of.kappa == 0.0:
        assert covariance[0, 0] == np.inf and (covariance[0, 1:] == 0.0).all()
    else:
        assert (np.linalg.eigvalsh(covariance) > -1e-12).all()
    for one, other in zip(fit.task_prior_, adapted.task_prior_, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("kappa", [0.3, np.inf])
def test_shrunk_intercepts_are_exact_beside_the_others(kappa):
    """The objective of all tasks, minimised over the new one alone, intercept included."""
    X, y, tasks = simulated(T=7)
    known = tasks < 6
    model = MeanRegularizedRegressor(lambda1=0.4, intercept_shrinkage=kappa, tol=1e-13)
    fit = model.fit(X[known], y[known], tasks=tasks[known])
    adapted = fit.adapt(X[~known], y[~known], tasks=tasks[~known])
    center = X[known].mean(axis=0)
    Z, w = X[~known] - center, adapted.coef_[6]
    b = np.append(fit.intercept_, adapted.intercept_[6]) + adapted.coef_ @ center
    rest = (y[~known] - Z @ w - b[6]) / 15.0
    pull = -Z.T @ rest + 0.4 * (w - adapted.coef_.mean(axis=0))
    assert np.abs(pull).max() < 1e-9
    if np.isfinite(kappa):
        assert abs(-rest.sum() + kappa * (b[6] - b.mean())) < 1e-9
    else:
        assert_allclose(b, b[0], atol=1e-9)


@pytest.mark.parametrize("T", [2, 6])
def test_mean_regularized_is_exact_beside_the_others(T):
    """The objective of all tasks, minimised over the new ones alone."""
    X, y, tasks = simulated(T=T + 1)
    known = tasks < T
    model = MeanRegularizedRegressor(lambda1=0.4, lambda2=0.1, fit_intercept=False, tol=1e-13)
    fit = model.fit(X[known], y[known], tasks=tasks[known])
    adapted = fit.adapt(X[~known], y[~known], tasks=tasks[~known])
    A, r, total = X[~known], y[~known], fit.coef_.sum(axis=0)

    def gradient(w):
        mean = (total + w) / (T + 1)
        # d/dw of lambda1/2 sum_t ||w_t - mean||^2: the others' terms move with the mean.
        return A.T @ (A @ w - r) / 15.0 + 0.4 * (w - mean) + 0.1 * w

    assert np.abs(gradient(adapted.coef_[T])).max() < 1e-10


def test_edges():
    X, y, tasks = simulated()
    names = np.array(list("abcdefg"))[tasks]
    known = tasks < 5
    chain = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]
    fit = GraphRegressor(graph=chain, lambda1=0.5, lambda2=0.1, fit_intercept=False)
    fit.fit(X[known], y[known], tasks=names[known])
    new = X[~known], y[~known]
    edges = [("e", "f"), ("f", "a", 2.0), ("g", "b")]
    adapted = fit.adapt(*new, tasks=names[~known], edges=edges)
    W = adapted.coef_
    f = tasks == 5
    slope = X[f].T @ (X[f] @ W[5] - y[f]) / 15.0 + 0.1 * W[5]
    slope += 0.5 * (W[5] - W[4]) + 0.5 * 2.0 * (W[5] - W[0])
    assert np.abs(slope).max() < 1e-10
    assert not hasattr(fit, "task_prior_")
    with pytest.raises(ValueError, match=r"does not know the new tasks: pass edges="):
        fit.adapt(*new, tasks=names[~known])
    with pytest.raises(ValueError, match="edges must join a new task and a fitted one"):
        fit.adapt(*new, tasks=names[~known], edges=[("f", "g")])
    with pytest.raises(ValueError, match="edges must join a new task and a fitted one"):
        fit.adapt(*new, tasks=names[~known], edges=[("a", "b")])
    with pytest.raises(TypeError, match="edges must be a list"):
        fit.adapt(*new, tasks=names[~known], edges=np.eye(2) * 0)
    # Without an edge the ridge is the prior; without a ridge there is none.
    alone = fit.adapt(*new, tasks=names[~known], edges=edges[:2])
    g = tasks == 6
    ridge = np.linalg.solve(X[g].T @ X[g] / 15 + 0.1 * np.eye(4), X[g].T @ y[g] / 15)
    assert_allclose(alone.coef_[6], ridge, atol=1e-10)
    free = GraphRegressor(graph=chain, lambda1=0.5).fit(X[known], y[known], tasks=names[known])
    with pytest.raises(ValueError, match="Task 'g' has no edge to a fitted task"):
        free.adapt(*new, tasks=names[~known], edges=edges[:2])
    sparse = GraphRegressor(lambda3=0.1).fit(X[known], y[known], tasks=names[known])
    with pytest.raises(ValueError, match="fit with lambda3=0"):
        sparse.adapt(*new, tasks=names[~known])


@every
def test_every_door(model):
    X, y, tasks = simulated()
    names = np.array([f"s{t}" for t in tasks])
    known = tasks < 5
    table = pd.DataFrame(X, columns=list("uvwx")).assign(school=names)
    model = type(model)(**model.get_params())
    by_keyword = model.fit(X[known], y[known], tasks=names[known])
    by_keyword = by_keyword.adapt(X[~known], y[~known], tasks=names[~known])
    by_column = type(model)(**model.get_params()).set_params(task_column="school")
    by_column = by_column.fit(table[known], y[known]).adapt(table[~known], y[~known])
    assert_array_equal(by_column.coef_, by_keyword.coef_)
    assert_array_equal(by_column.predict(table), by_keyword.predict(X, tasks=names))
    # Columns of a 2-D y: with names, or numbered on; NaN is not observed.
    rng = np.random.default_rng(0)
    Y = pd.DataFrame(X[:40] @ rng.standard_normal((4, 6)) + rng.standard_normal((40, 6)))
    Y.columns = list("abcdef")
    Y.iloc[::3, 5] = np.nan
    named = type(model)(**model.get_params()).fit(X[:40], Y[list("abcd")])
    named = named.adapt(X[:40], Y[["e", "f"]])
    values = Y.to_numpy()
    numbered = type(model)(**model.get_params()).fit(X[:40], values[:, :4])
    numbered = numbered.adapt(X[:40], values[:, 4:])
    assert named.tasks_.tolist() == list("abcdef")
    assert numbered.tasks_.tolist() == [0, 1, 2, 3, 4, 5]
    assert_array_equal(named.coef_, numbered.coef_)
    assert named.predict(X[:40]).shape == (40, 6)
    seen = ~np.isnan(values[:, 5])
    one = named.adapt(X[:40][seen], Y["f"][seen], tasks=["g"] * seen.sum())
    assert_allclose(one.coef_[6], named.coef_[5], rtol=1e-9)


def test_limits_and_what_is_refused():
    X, y, tasks = simulated()
    known = tasks < 5
    rows, new = (X[known], y[known]), (X[~known], y[~known])
    free = MeanRegularizedRegressor(lambda1=0.0).fit(*rows, tasks=tasks[known])
    with pytest.raises(ValueError, match="says nothing of new tasks: none of the penalties"):
        free.adapt(*new, tasks=tasks[~known])
    # Infinite coupling: the mean model with its own intercept.
    stiff = MeanRegularizedRegressor(lambda1=1e12).fit(*rows, tasks=tasks[known])
    adapted = stiff.adapt(*new, tasks=tasks[~known])
    assert_allclose(adapted.coef_[5:], stiff.coef_[:2], atol=1e-9)
    # Much data: least squares, by any metric of full rank.
    rng = np.random.default_rng(0)
    many = rng.standard_normal((4000, 4))
    z = many @ [1.0, 2.0, 3.0, 4.0] + 5.0
    fit = MeanRegularizedRegressor(lambda1=1e-3).fit(*rows, tasks=tasks[known])
    adapted = fit.adapt(many, z, tasks=np.full(4000, 9))
    assert_allclose(adapted.coef_[5], [1, 2, 3, 4], atol=1e-4)
    assert_allclose(adapted.intercept_[5], 5.0, atol=1e-4)
    # Features that no task uses stay out.
    faint = [1.0, 1.0, 1.0, 1e-3]
    joint = JointFeatureRegressor(lambda1=0.2).fit(X[known] * faint, y[known], tasks=tasks[known])
    assert joint.coef_.any(axis=0).tolist() == [True, True, True, False]
    adapted = joint.adapt(X[~known] * faint, y[~known], tasks=tasks[~known])
    assert adapted.coef_[5:, :3].all() and not adapted.coef_[5:, 3].any()
    with pytest.raises(ValueError, match=r"fitted already: \[?3, 4\]?.*adapt adds new tasks"):
        fit.adapt(X[:4], y[:4], tasks=[99, 4, 3, 99])
    with pytest.raises(ValueError, match=r"Every row of X_new needs the label.*tasks="):
        fit.adapt(X[:4], y[:4])
    with pytest.raises(ValueError, match="one task per column"):
        fit.adapt(X[:4], np.column_stack([y[:4], y[:4]]))
    with pytest.raises(ValueError, match="X has 2 features, but MeanRegularizedRegressor is"):
        fit.adapt(X[:4, :2], y[:4], tasks=[99] * 4)
    for scale in (1e-200, 1e8):
        scaled = fit.adapt(scale * X[:3], y[:3], tasks=[99] * 3)
        assert_allclose(scaled.predict(scale * X[:3], tasks=[99] * 3), y[:3], atol=3.0)
    for scale in (1e15, 1e200, 1e307):
        with pytest.raises(ValueError, match=r"task 99: its.*too far from those of the fit"):
            fit.adapt(scale * X[:4], y[:4], tasks=[99] * 4)
    by_task = {t: "huber" if t == 0 else "squared" for t in range(5)}
    mixed = MeanRegularizedRegressor(loss=by_task).fit(*rows, tasks=tasks[known])
    with pytest.raises(ValueError, match="adapt is for one smooth loss for all tasks"):
        mixed.adapt(*new, tasks=tasks[~known])
    for own in ({"positive": True}, {"feature_weight": [1.0, 1.0, 1.0, 2.0]}):
        special = MeanRegularizedRegressor(lambda1=0.1, lambda2=0.1, **own)
        special.fit(*rows, tasks=tasks[known])
        with pytest.raises(ValueError, match=f"with {next(iter(own))} has no prior for new tasks"):
            special.adapt(*new, tasks=tasks[~known])
    plain = MeanRegularizedRegressor(lambda1=0.1, lambda2=0.1).fit(X, y)
    with pytest.raises(ValueError, match="fitted without task labels"):
        plain.adapt(X[:4], y[:4])
    assert not hasattr(LassoRegressor(), "adapt")
    assert not hasattr(MeanRegularizedRegressor(), "task_prior_")


LOSSES = ["huber", "poisson", "logistic"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_other_losses_by_the_same_prior(loss, fit_intercept):
    """The slope of loss and prior vanishes, and squares by Newton steps are least squares."""
    X, z, tasks = simulated()
    z = 0.3 * (z - z.mean())
    rng = np.random.default_rng(0)
    y = {
        "huber": z + (rng.random(len(z)) < 0.1) * 20.0,
        "poisson": rng.poisson(np.exp(z)).astype(float),
        "logistic": (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(float),
    }[loss]
    known = tasks < 5
    model = TraceNormRegressor(
        lambda1=0.05, lambda2=0.05, loss=loss, fit_intercept=fit_intercept, tol=1e-9
    )
    fit = model.fit(X[known], y[known], tasks=tasks[known])
    weight = rng.uniform(0.5, 2.0, len(y))
    adapted = fit.adapt(X[~known], y[~known], tasks=tasks[~known], sample_weight=weight[~known])
    prior = fit._as_fitted()._prior()
    for t in (5, 6):
        own = tasks == t
        w, b, c = adapted.coef_[t], adapted.intercept_[t], weight[own] / 15.0
        inner = 2.0 * y[own] - 1.0 if loss == "logistic" else y[own]
        theta = -c * fit._fitted_loss.derivative(inner, X[own] @ w + b)
        assert abs(theta.sum()) < 1e-5 if fit_intercept else b == 0.0
        assert_allclose(w - prior.mean, prior.covariance @ (X[own].T @ theta), atol=1e-5)
    assert_array_equal(
        adapted.predict(X[known], tasks=tasks[known]), fit.predict(X[known], tasks=tasks[known])
    )


@pytest.mark.parametrize("free", [True, False])
def test_newton_steps_on_squares_are_least_squares(free):
    rng = np.random.default_rng(0)
    A, y, at_mean = rng.standard_normal((9, 4)), rng.standard_normal(9), rng.standard_normal(9)
    c = rng.uniform(0.5, 2.0, 9)
    centred = A - c @ A / c.sum() if free else A
    expected = _task_prior._least_squares(centred, y, at_mean, c, free, Squared())
    found = _task_prior._newton(centred, y, at_mean, c, free, Squared())
    assert_allclose(found[0], expected[0], atol=1e-10)
    assert_allclose(found[1], expected[1], atol=1e-10)
    assert found[2] < 1e-12


def test_weights_count_rows():
    X, y, tasks = simulated()
    known = tasks < 5
    fit = TraceNormRegressor(lambda1=0.2).fit(X[known], y[known], tasks=tasks[known])
    weight = np.random.default_rng(0).integers(0, 3, (~known).sum())
    again = np.repeat(np.flatnonzero(~known), weight)
    one = fit.adapt(X[~known], y[~known], tasks=tasks[~known], sample_weight=weight)
    other = fit.adapt(X[again], y[again], tasks=tasks[again])
    assert_allclose(one.coef_, other.coef_, rtol=1e-9)
    # The unit of the weights is that of the fit.
    double = TraceNormRegressor(lambda1=0.2)
    double.fit(X[known], y[known], tasks=tasks[known], sample_weight=np.full(known.sum(), 2.0))
    double = double.adapt(X[again], y[again], tasks=tasks[again], sample_weight=[2.0] * len(again))
    assert_allclose(double.coef_, other.coef_, atol=1e-6)
