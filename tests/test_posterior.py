"""Standard deviations and intervals of mean regularisation against the dense Hessian."""

from __future__ import annotations

import numpy as np
import pytest

from malsar_py import MeanRegularizedRegressor, MixedEffectsRegressor, summarize


def grouped(seed, n_tasks=5, d=3, sizes=(9, 14)):
    rng = np.random.default_rng(seed)
    n = rng.integers(*sizes, n_tasks)
    tasks = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(n.sum(), d)) + 0.5 * rng.normal(size=(n_tasks, d))[tasks] + 3.0
    W = 1.0 + 0.4 * rng.normal(size=(n_tasks, d))
    y = np.einsum("ij,ij->i", X, W[tasks]) + rng.normal(size=n_tasks)[tasks]
    return X, y + 0.5 * rng.normal(size=len(y)), tasks


def dense(model, X, y, tasks, s, f):
    """Covariances of every task's (b, w), the noise and that of a new row of each task at X[0].

    All coordinates at once: (b_t, w_t) of each task, b0 and m; infinite strengths as 1e9.
    """
    labels = np.unique(tasks)
    T, d = len(labels), X.shape[1]
    S = np.array([s[tasks == t].sum() for t in labels])
    nbar = S.mean()
    share = (S / nbar if model.task_weight == "size" else np.ones(T)) / S
    c = s * share[np.searchsorted(labels, tasks)]
    kappa = min(model.intercept_shrinkage, 1e9)
    center = c @ X / c.sum()
    Z = np.column_stack([np.ones(len(y)), X - center])
    p = d + 1
    coupling = np.append(kappa, np.minimum(model.lambda1 * f, 1e9))
    ridge = np.append(0.0, np.full(d, model.lambda2))
    H = np.zeros(((T + 1) * p, (T + 1) * p))
    noise = np.zeros_like(H)
    common = slice(T * p, None)
    for t, label in enumerate(labels):
        own, rows = slice(t * p, (t + 1) * p), tasks == label
        gram = Z[rows].T @ (Z[rows] * c[rows, None])
        H[own, own] = gram + np.diag(coupling + ridge)
        H[own, common] = H[common, own] = -np.diag(coupling)
        H[common, common] += np.diag(coupling)
        noise[own, own] = (nbar * share[t] - 1.0) * gram
    free = np.flatnonzero(np.diag(H) > 0.0)  # a common model without coupling is of no task
    V = np.zeros_like(H)
    V[np.ix_(free, free)] = np.linalg.inv(H[np.ix_(free, free)])
    r = y - model.predict(X, tasks=tasks)
    edf = sum(
        np.trace(
            V[t * p : (t + 1) * p, t * p : (t + 1) * p]
            @ (Z[tasks == label].T @ (Z[tasks == label] * c[tasks == label, None]))
        )
        for t, label in enumerate(labels)
    )
    sigma2 = s @ r**2 / (s.sum() - edf)
    cov = sigma2 / nbar * (V + V @ noise @ V)
    blocks = np.array([cov[t * p : (t + 1) * p, t * p : (t + 1) * p] for t in range(T)])
    std = np.sqrt(np.einsum("j,tjk,k->t", Z[0], blocks, Z[0]) + sigma2)
    return blocks, std, cov[common, common], sigma2 / nbar


@pytest.mark.parametrize("kappa", [0.0, 0.3, np.inf])
@pytest.mark.parametrize("task_weight", ["size", "equal"])
@pytest.mark.parametrize("f", [None, [1.0, 0.0, np.inf]])
def test_dense_hessian(kappa, task_weight, f):
    X, y, tasks = grouped(0)
    s = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    model = MeanRegularizedRegressor(
        lambda1=0.4,
        lambda2=0.05 if f else 0.0,
        intercept_shrinkage=kappa,
        task_weight=task_weight,
        feature_weight=f,
        unseen="mean",
    ).fit(X, y, tasks=tasks, sample_weight=s)
    weights = np.ones(3) if f is None else np.array(f)
    blocks, std, common, unit = dense(model, X, y, tasks, s, weights)
    half = np.sqrt(np.diagonal(blocks, axis1=1, axis2=2)[:, 1:]) * 1.6448536269514722
    lower, upper = model.coef_interval(0.9)
    np.testing.assert_allclose(upper - model.coef_, half, rtol=1e-5)
    np.testing.assert_allclose(model.coef_ - lower, half, rtol=1e-5)
    first = np.repeat(X[:1], 5, axis=0)
    mean, found = model.predict(first, tasks=np.arange(5), return_std=True)
    np.testing.assert_array_equal(mean, model.predict(first, tasks=np.arange(5)))
    np.testing.assert_allclose(found, std, rtol=1e-5)
    if kappa == 0.0:
        with pytest.raises(ValueError, match="intercept_shrinkage > 0"):
            model.predict(X[:1], tasks=[99], return_std=True)
    elif f is None:
        c = s * (1.0 if task_weight == "size" else 1.0 / np.bincount(tasks, s)[tasks])
        z = np.append(1.0, X[0] - c @ X / c.sum())
        spread = np.append(0.0 if kappa == np.inf else 1.0 / kappa, np.full(3, 1.0 / 0.4))
        variance = z @ (common + unit * np.diag(spread)) @ z + unit * s.sum() / 5
        _, found = model.predict(X[:1], tasks=[99], return_std=True)
        assert found[0] ** 2 == pytest.approx(variance, rel=1e-5)


def test_the_mixed_model_is_the_same():
    """REML strengths, on columns of one spread within the tasks: the same noise and intervals."""
    X, y, tasks = grouped(2, n_tasks=12)
    for t in range(12):
        own = X[tasks == t]
        Q = np.linalg.qr(own - own.mean(axis=0))[0]
        X[tasks == t] = own.mean(axis=0) + Q * np.sqrt(len(Q))
    mixed = MixedEffectsRegressor(covariance="iso", prior=np.inf, tol=1e-12)
    mixed.fit(X, y, tasks=tasks)
    ours = MeanRegularizedRegressor(lambda1="reml", task_weight="size", unseen="mean")
    ours.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(ours.coef_, mixed.coef_, rtol=1e-5)
    for one, other in zip(ours.coef_interval(), mixed.coef_interval(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # (The mean of tasks that a ridge draws to 0 is not quite their common model.)
    at = np.array([0, 3, 99])
    ours_at = ours.predict(X[:3], tasks=at, return_std=True)
    mixed_at = mixed.predict(X[:3], tasks=at, return_std=True)
    np.testing.assert_allclose(ours_at[0][:2], mixed_at[0][:2], rtol=1e-5)
    np.testing.assert_allclose(ours_at[1], mixed_at[1], rtol=1e-3)


def test_doors_and_summaries_agree():
    X, y, tasks = grouped(3)
    model = MeanRegularizedRegressor(lambda1=0.3, intercept_shrinkage=0.2, task_weight="size")
    lower, upper = model.fit(X, y, tasks=tasks).coef_interval()
    np.testing.assert_allclose(
        model.fit(summarize([(X, y, tasks)])).coef_interval(), [lower, upper], rtol=1e-8
    )
    columns = MeanRegularizedRegressor(lambda1=0.3).fit(X, np.column_stack([y, X[:, 0] - y]))
    mean, std = columns.predict(X, return_std=True)
    assert mean.shape == std.shape == (len(y), 2)
    _, one = columns.predict(X, tasks=np.ones(len(y), int), return_std=True)
    np.testing.assert_allclose(one, std[:, 1])
    alone = MeanRegularizedRegressor(lambda1=0.0).fit(X, y)
    assert alone.coef_interval()[0].shape == (3,)
    # One task without a penalty is least squares: the textbook's standard errors.
    Z = np.column_stack([np.ones(len(y)), X])
    r = y - alone.predict(X)
    errors = np.sqrt(np.diag(np.linalg.inv(Z.T @ Z))[1:] * (r @ r) / (len(y) - 4))
    np.testing.assert_allclose(alone.coef_interval(0.6826894921)[1] - alone.coef_, errors)


def test_constant_within_tasks():
    """The common coefficient of such a feature is not known where intercepts are free."""
    X, y, tasks = grouped(6)
    X = np.column_stack([X, tasks])
    model = MeanRegularizedRegressor(lambda1=3.0)
    with pytest.warns(UserWarning, match="Constant within every task"):
        model.fit(X, y, tasks=tasks)
    std = model.predict(X, tasks=tasks, return_std=True)[1]
    plain = MeanRegularizedRegressor(lambda1=3.0).fit(X[:, :3], y, tasks=tasks)
    np.testing.assert_allclose(std, plain.predict(X[:, :3], tasks=tasks, return_std=True)[1])


def test_coverage():
    """Draws of the model, strengths by REML: new rows of known tasks and of new ones."""
    hits, new_hits = [], []
    for seed in range(12):
        X, y, tasks = grouped(100 + seed, n_tasks=40, sizes=(8, 15))
        train = (np.arange(len(y)) % 2 == 0) & (tasks < 30)
        model = MeanRegularizedRegressor(lambda1="reml", task_weight="size", unseen="mean")
        model.fit(X[train], y[train], tasks=tasks[train])
        for which, into in ((~train & (tasks < 30), hits), (tasks >= 30, new_hits)):
            mean, std = model.predict(X[which], tasks=tasks[which], return_std=True)
            into.append(np.abs(y[which] - mean) <= 1.6448536269514722 * std)
    assert 0.87 <= np.concatenate(hits).mean() <= 0.93
    assert 0.85 <= np.concatenate(new_hits).mean() <= 0.96


def test_refusals():
    X, y, tasks = grouped(4)
    base = MeanRegularizedRegressor(lambda1=0.3)
    with pytest.raises(ValueError, match="squared loss"):
        base.set_params(loss="huber").fit(X, y, tasks=tasks).coef_interval()
    base = MeanRegularizedRegressor(lambda1=0.3, intercept_shrinkage=0.1).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="level must be in"):
        base.coef_interval(1.0)
    more = base.adapt(X[:4], y[:4], tasks=np.full(4, 9))
    with pytest.raises(ValueError, match=r"adapt has changed.*bootstrap"):
        more.predict(X[:1], tasks=[9], return_std=True)
    wide = MeanRegularizedRegressor(lambda1=0.3).fit(
        np.ones((4, 60)), np.arange(4.0), tasks=tasks[:4]
    )
    with pytest.raises(ValueError, match="features for each row"):
        wide.coef_interval()
    few = MeanRegularizedRegressor(lambda1=0.0, lambda2=1e-13).fit(X[:4], y[:4])
    with pytest.raises(ValueError, match="noise"):
        few.coef_interval()
