"""Losses of regressors: limits, doors, scores, searches, what they refuse and what they recover."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
)
from sklearn.metrics import (
    d2_log_loss_score,
    d2_pinball_score,
    d2_tweedie_score,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

import malsar_py
from malsar_py import (
    ClusteredRegressor,
    DistributionMatchingRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedRegressor,
    MultiStageRegressor,
    TraceNormRegressor,
    losses,
    metrics,
)
from malsar_py.model_selection import MultiTaskSearchCV, lambda1_max, regularization_path

NAMES = ["squared", "huber", "poisson", "gamma", "logistic", "quantile"]
D2 = {
    "poisson": lambda y, p, w=None: d2_tweedie_score(y, p, power=1, sample_weight=w),
    "gamma": lambda y, p, w=None: d2_tweedie_score(y, p, power=2, sample_weight=w),
    "logistic": lambda y, p, w=None: d2_log_loss_score(
        y, np.column_stack([1.0 - p, p]), sample_weight=w
    ),
    "squared": lambda y, p, w=None: r2_score(y, p, sample_weight=w),
    "huber": lambda y, p, w=None: r2_score(y, p, sample_weight=w),
    "quantile": lambda y, p, w=None: d2_pinball_score(y, p, sample_weight=w),
}


def draw(rng, loss, z):
    if loss in ("squared", "huber", "quantile"):
        return z + rng.standard_normal(len(z))
    if loss == "poisson":
        return rng.poisson(np.exp(z)).astype(float)
    if loss == "gamma":
        return rng.gamma(2.0, np.exp(z) / 2.0)
    return (rng.uniform(size=len(z)) < 1.0 / (1.0 + np.exp(-z))).astype(float)


def make(loss, seed=0, T=3, n=40, d=6):
    rng = np.random.default_rng(seed)
    X, tasks = rng.standard_normal((T * n, d)), np.repeat(list("abcdefgh"[:T]), n)
    w = rng.standard_normal(d) * (rng.uniform(size=d) < 0.7) * 0.5
    return X, draw(rng, loss, X @ w + 0.5), tasks


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "logistic"])
def test_one_task_is_scikit_learn(loss, weighted, fit_intercept):
    X, y, _ = make(loss)
    rng = np.random.default_rng(1)
    s = rng.uniform(0.2, 3.0, len(y)) if weighted else None
    total = len(y) if s is None else s.sum()
    theirs = {
        "poisson": PoissonRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-10, max_iter=1000),
        "gamma": GammaRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-10, max_iter=1000),
        "logistic": LogisticRegression(C=10.0 / total, tol=1e-12, max_iter=10000),
    }[loss].set_params(fit_intercept=fit_intercept)
    theirs.fit(X, y, sample_weight=s)
    for cls in (LassoRegressor, TraceNormRegressor):
        ours = cls(loss=loss, lambda1=0.0, lambda2=0.1, tol=1e-12, fit_intercept=fit_intercept).fit(
            X, y, sample_weight=s
        )
        assert_allclose(ours.coef_, np.ravel(theirs.coef_), atol=1e-6)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
        expected = theirs.predict_proba(X)[:, 1] if loss == "logistic" else theirs.predict(X)
        assert_allclose(ours.predict(X), expected, rtol=1e-5)
        assert_allclose(ours.score(X, y, sample_weight=s), D2[loss](y, expected, s), atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_one_task_is_a_quantile_regression(q, fit_intercept):
    X, y, _ = make("quantile", T=1, n=60)
    s = np.random.default_rng(1).uniform(0.2, 3.0, len(y))
    theirs = QuantileRegressor(quantile=q, alpha=0.03, fit_intercept=fit_intercept)
    theirs.fit(X, y, sample_weight=s / s.mean())
    ours = LassoRegressor(
        loss=losses.Quantile(q), lambda1=0.03, tol=1e-9, fit_intercept=fit_intercept
    ).fit(X, y, sample_weight=s)
    assert ours.relative_gap_ <= 1e-9
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    below = (s * (y < ours.predict(X) - 1e-6)).sum() / s.sum()
    if fit_intercept:
        assert abs(below - q) <= 0.1
    assert ours.score(X, y, sample_weight=s) == pytest.approx(
        d2_pinball_score(y, ours.predict(X), alpha=q, sample_weight=s)
    )


@pytest.mark.parametrize("kappa", [0.5, np.inf])
def test_mixed_losses_with_shrunk_intercepts(kappa):
    X, y, tasks = make_mixed()
    smooth = tasks != "quantile"
    found = [
        JointFeatureRegressor(
            loss=MIXED, lambda1=0.05, tol=1e-8, intercept_shrinkage=kappa, solver=solver
        ).fit(X[smooth], y[smooth], tasks=tasks[smooth])
        for solver in ("auto", "apg")
    ]
    assert max(model.relative_gap_ for model in found) <= 1e-8
    assert_allclose(found[0].objective_[-1], found[1].objective_[-1], rtol=1e-7)
    if kappa == np.inf:
        at_mean = found[0].intercept_ + found[0].coef_ @ X[smooth].mean(axis=0)
        assert np.ptp(at_mean) <= 1e-10


def test_quantiles_of_shrunk_intercepts():
    """One intercept for all is one segment; what is drawn to a mean takes smooth losses only."""
    X, y, tasks = make("quantile")
    model = JointFeatureRegressor(loss=losses.Quantile(0.3), lambda1=0.02, tol=1e-8)
    model.set_params(intercept_shrinkage=np.inf).fit(X, y, tasks=tasks)
    assert model.relative_gap_ <= 1e-8
    at_mean = model.intercept_ + model.coef_ @ X.mean(axis=0)
    assert np.ptp(at_mean) <= 1e-12
    with pytest.raises(ValueError, match="set intercept_shrinkage to 0 or inf"):
        model.set_params(intercept_shrinkage=1.0).fit(X, y, tasks=tasks)


def test_logistic_is_the_classifier():
    X, y, tasks = make("logistic")
    ours = JointFeatureRegressor(loss="logistic", tol=1e-10).fit(X, y, tasks=tasks)
    theirs = JointFeatureClassifier(tol=1e-10).fit(X, y, tasks=tasks)
    assert_array_equal(ours.coef_, theirs.coef_)
    assert_array_equal(ours.predict(X, tasks=tasks), theirs.predict_proba(X, tasks=tasks)[:, 1])


def test_a_saturated_logistic_has_no_negative_curvature():
    """Rounding may take c sigmoid(-y z) above c."""
    c = np.full(3, 0.1)
    theta = c * np.array([np.nextafter(1.0, 2.0), 1.0, 0.5])
    found = losses.Logistic().second_derivative(np.ones(3), theta, c)
    assert_array_equal(found, [0.0, 0.0, 0.025])


def test_huber_far_and_near():
    """Beyond all residuals it is the squared loss; scaled by delta it goes to absolute values."""
    X, y, tasks = make("huber")
    far = JointFeatureRegressor(loss=losses.Huber(1e3), tol=1e-10).fit(X, y, tasks=tasks)
    squared = JointFeatureRegressor(tol=1e-10).fit(X, y, tasks=tasks)
    assert_allclose(far.coef_, squared.coef_, atol=1e-6)
    delta = 1e-4
    near = LassoRegressor(
        loss=losses.Huber(delta), lambda1=0.0, lambda2=1e-3 * delta, tol=1e-10
    ).fit(X, y, tasks=tasks)
    for t, b in enumerate("abc"):
        r = (y - near.predict(X, tasks=tasks))[tasks == b]
        assert abs(np.sign(r[np.abs(r) > delta]).sum()) <= 7  # as many above as below, but for ties
        assert near.intercept_[t] == pytest.approx(np.median(r + near.intercept_[t]), abs=1e-2)


@pytest.mark.parametrize("scale", [1e-3, 1e4, 1e60])
def test_huber_is_equivariant(scale):
    X, y, tasks = make("huber", seed=2)
    own = JointFeatureRegressor(loss=losses.Huber(0.5), lambda1=0.05, tol=1e-10)
    model = clone(own).fit(X, y, tasks=tasks)
    other = clone(own).set_params(loss=losses.Huber(0.5 * scale), lambda1=0.05 * scale)
    other.fit(X, scale * y, tasks=tasks)
    assert_allclose(other.coef_ / scale, model.coef_, atol=1e-7)
    assert_allclose(other.dual_gap_ / scale**2, model.dual_gap_, atol=1e-9)


def test_exposure_as_weight():
    """Rates with exposures as weights: an offset log exposure, at lambda over the mean exposure."""
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(0)
    X, exposure = rng.standard_normal((60, 4)), rng.uniform(0.5, 4.0, 60)
    y = rng.poisson(exposure * np.exp(X @ [0.5, -0.3, 0.0, 0.2] + 0.3)).astype(float)
    lambda1, lambda2 = 0.05, 0.2
    w, b = cp.Variable(4), cp.Variable()
    z = X @ w + b + np.log(exposure)
    value = cp.sum(cp.exp(z) - cp.multiply(y, z)) / 60
    value += lambda1 * cp.norm1(w) + lambda2 / 2 * cp.sum_squares(w)
    cp.Problem(cp.Minimize(value)).solve(solver=cp.CLARABEL, tol_gap_rel=1e-12, tol_gap_abs=1e-12)
    ours = LassoRegressor(
        loss="poisson",
        lambda1=lambda1 / exposure.mean(),
        lambda2=lambda2 / exposure.mean(),
        tol=1e-12,
    ).fit(X, y / exposure, sample_weight=exposure)
    assert_allclose(ours.coef_, w.value, atol=1e-5)
    assert_allclose(ours.intercept_, b.value, atol=1e-5)


# --- one loss a task -----------------------------------------------------------------------------


def make_mixed(seed=0, n=40):
    parts = [make(loss, seed + k, T=1, n=n) for k, loss in enumerate(NAMES)]
    X, y = np.vstack([X for X, _, _ in parts]), np.concatenate([y for _, y, _ in parts])
    return X, y, np.repeat(NAMES, n)


MIXED = {name: name for name in NAMES}


def test_decoupled_tasks_are_separate_fits():
    X, y, tasks = make_mixed()
    mixed = LassoRegressor(loss={**MIXED, "more": "gamma"}, lambda1=0.05, tol=1e-12)
    mixed.fit(X, y, tasks=tasks)
    predicted, scores = mixed.predict(X, tasks=tasks), []
    for t, name in enumerate(mixed.tasks_):
        own = tasks == name
        alone = LassoRegressor(loss=name, lambda1=0.05, tol=1e-12).fit(X[own], y[own])
        assert_allclose(mixed.coef_[t], alone.coef_, atol=1e-6)
        assert_allclose(mixed.intercept_[t], alone.intercept_, atol=1e-6)
        assert_allclose(predicted[own], alone.predict(X[own]), rtol=1e-5)
        scores.append(D2[name](y[own], predicted[own]))
    assert mixed.score(X, y, tasks=tasks) == pytest.approx(np.mean(scores), rel=1e-12)


@pytest.mark.parametrize("cls", [JointFeatureRegressor, TraceNormRegressor, ClusteredRegressor])
def test_mixed_losses_by_every_door(cls):
    X, y, tasks = make_mixed()
    model = cls(loss=MIXED, lambda1=0.05, lambda2=0.05, tol=1e-9)
    keyword = clone(model).fit(X, y, tasks=tasks)
    assert keyword.relative_gap_ <= 1e-9
    codes = {name: float(k) for k, name in enumerate(sorted(NAMES))}
    stacked = np.column_stack([np.vectorize(codes.get)(tasks), X])
    by_code = {codes[name]: name for name in NAMES}
    column = clone(model).set_params(task_column=0, loss=by_code).fit(stacked, y)
    assert_allclose(column.coef_, keyword.coef_, atol=1e-6)
    assert_allclose(column.predict(stacked), keyword.predict(X, tasks=tasks), rtol=1e-6)
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((40, 6))
    Y = pd.DataFrame({name: draw(rng, name, shared[:, 0]) for name in NAMES})
    Y.iloc[::6, 1] = np.nan
    wide = clone(model).fit(shared, Y)
    long_X = np.vstack([shared[~np.isnan(Y[name])] for name in NAMES])
    long_y = np.concatenate([Y[name].dropna() for name in NAMES])
    labels = np.concatenate([[name] * int(Y[name].count()) for name in NAMES])
    long = clone(model).fit(long_X, long_y, tasks=labels)
    order = [list(long.tasks_).index(name) for name in wide.tasks_]
    assert_allclose(wide.coef_, long.coef_[order], atol=1e-6)
    seen = ~np.isnan(Y["huber"])
    assert_allclose(
        wide.predict(shared)[seen, 1],
        long.predict(shared[seen], tasks=["huber"] * int(seen.sum())),
        atol=1e-5,
    )
    assert wide.score(shared, Y) == pytest.approx(
        long.score(long_X, long_y, tasks=labels), abs=1e-6
    )


def test_mixed_losses_and_unknown_tasks():
    X, y, tasks = make_mixed()
    model = JointFeatureRegressor(loss=MIXED, unseen="mean").fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match=r"different links .*identity, log, logit"):
        model.predict(X[:2], tasks=["new", "squared"])
    own = np.isin(tasks, ["squared", "huber"])
    model.set_params(loss={"squared": "squared", "huber": losses.Huber(2.0)})
    model.fit(X[own], y[own], tasks=tasks[own])
    expected = X[:2] @ model._mean_coef + model._mean_intercept
    assert_allclose(model.predict(X[:2], tasks=["new", "newer"]), expected)
    with pytest.raises(ValueError, match="loss has none for task 'gamma'"):
        model.fit(X, y, tasks=tasks)


# --- scores, searches, paths, copies -------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMES)
def test_scores_and_predictions(loss):
    X, y, tasks = make(loss)
    model = JointFeatureRegressor(loss=loss, lambda1=0.02).fit(X, y, tasks=tasks)
    p = model.predict(X, tasks=tasks)
    z = (X * model.coef_[np.unique(tasks, return_inverse=True)[1]]).sum(axis=1)
    z += model.intercept_[np.unique(tasks, return_inverse=True)[1]]
    links = {"poisson": np.exp, "gamma": np.exp, "logistic": lambda z: 1.0 / (1.0 + np.exp(-z))}
    assert_allclose(p, links.get(loss, lambda z: z)(z), rtol=1e-12)
    s = np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    for weight in (None, s):
        expected = [
            D2[loss](y[tasks == t], p[tasks == t], None if weight is None else weight[tasks == t])
            for t in "abc"
        ]
        found = model.score(X, y, tasks=tasks, sample_weight=weight)
        assert found == pytest.approx(np.mean(expected), rel=1e-10)


@pytest.mark.parametrize("loss", ["huber", "poisson", "gamma", "logistic", "quantile"])
def test_paths_searches_and_copies(loss):
    X, y, tasks = make(loss)
    model = JointFeatureRegressor(loss=loss)
    top = lambda1_max(model, X, y, tasks=tasks)
    assert not clone(model).set_params(lambda1=1.001 * top).fit(X, y, tasks=tasks).coef_.any()
    assert clone(model).set_params(lambda1=0.98 * top).fit(X, y, tasks=tasks).coef_.any()
    path = regularization_path(model, X, y, tasks=tasks, lambda1=[0.5 * top, 0.1 * top])
    alone = clone(model).set_params(lambda1=0.1 * top, tol=1e-9).fit(X, y, tasks=tasks)
    assert_allclose(path.coef[-1], alone.coef_, atol=2e-2)
    assert (path.relative_gap <= 1e-6).all()
    search = MultiTaskSearchCV(model, n_lambdas=4, cv=3).fit(X, y, tasks=tasks)
    best = search.best_estimator_
    again = pickle.loads(pickle.dumps(best))
    assert_array_equal(again.predict(X, tasks=tasks), best.predict(X, tasks=tasks))
    assert again.score(X, y, tasks=tasks) == best.score(X, y, tasks=tasks)
    folds = search.cv_results_["mean_test_score"]
    slow = MultiTaskSearchCV(
        model,
        lambda1=search.lambda1_,
        cv=3,
        scoring=lambda e, X, y, tasks: e.score(X, y, tasks=tasks),
    ).fit(X, y, tasks=tasks)
    assert_allclose(folds, slow.cv_results_["mean_test_score"], rtol=1e-9)
    warm = clone(model).set_params(warm_start=True, lambda1=0.1 * top).fit(X, y, tasks=tasks)
    steps = warm.n_iter_
    assert warm.fit(X, y, tasks=tasks).n_iter_ <= (steps if loss == "quantile" else 2)


def test_a_search_over_losses():
    """Losses are parameters like others: data are prepared anew for each, results are the fits'."""
    X, y, tasks = make("huber")
    y[::7] += 20.0
    grid = {"loss": ["squared", losses.Huber(0.5), losses.Huber(2.0)]}
    search = MultiTaskSearchCV(
        JointFeatureRegressor(), lambda1=[0.1], param_grid=grid, cv=3, scoring="mean_task_mae"
    ).fit(X, y, tasks=tasks)
    assert search.best_params_["loss"] in (losses.Huber(0.5), losses.Huber(2.0))
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    for loss, score in zip(grid["loss"], scores, strict=True):
        one = MultiTaskSearchCV(
            JointFeatureRegressor(loss=loss), lambda1=[0.1], cv=3, scoring="mean_task_mae"
        ).fit(X, y, tasks=tasks)
        assert one.best_score_ == pytest.approx(score, rel=1e-12)


def test_pictures_name_what_coefficients_add_to():
    pytest.importorskip("matplotlib")
    from malsar_py.plotting import CoefficientMapDisplay

    X, y, tasks = make_mixed()
    words = {"poisson": "log y", "huber": "y", "logistic": "log odds"}
    kinds = {loss: loss for loss in words}
    for loss, said in [*words.items(), (kinds, "linear prediction")]:
        own = np.isin(tasks, [loss] if isinstance(loss, str) else list(words))
        model = LassoRegressor(loss=loss).fit(X[own], y[own], tasks=tasks[own])
        assert f"({said} per" in CoefficientMapDisplay.from_estimator(model).unit


def test_losses_are_values():
    assert losses.Huber(2.0) == losses.Huber(2.0) != losses.Huber(1.0)
    assert len({losses.Poisson(), losses.Poisson(), losses.Gamma(), losses.Squared()}) == 3
    for loss in (losses.Huber(0.7), losses.Poisson(), losses.Logistic()):
        assert pickle.loads(pickle.dumps(loss)) == loss
    assert repr(losses.Huber(0.5)) == "Huber(delta=0.5)"
    assert "loss=Huber(delta=0.5)" in repr(LassoRegressor(loss=losses.Huber(0.5)))
    for q in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"q == .*, must be in \(0, 1\)"):
            losses.Quantile(q)
    for delta in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"delta == .*in units of y"):
            losses.Huber(delta)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_deviances_as_scorers(loss):
    """By their names, in our search and as a scorer for scikit-learn's."""
    X, y, tasks = make(loss)
    model = JointFeatureRegressor(loss=loss, lambda1=0.02, task_column=0)
    stacked = np.column_stack([np.unique(tasks, return_inverse=True)[1], X])
    name = f"mean_task_{loss}_deviance"
    model.fit(stacked, y)
    expected = -getattr(metrics, name)(y, model.predict(stacked), tasks)
    for scorer in (name, f"neg_{name}"):
        assert metrics.make_task_scorer(scorer)(model, stacked, y) == pytest.approx(expected)
    search = MultiTaskSearchCV(model, n_lambdas=3, cv=3, scoring=name).fit(stacked, y)
    assert (search.cv_results_["mean_test_score"] < 0.0).all()


def test_deviances():
    rng = np.random.default_rng(0)
    y, p, s = rng.poisson(2.0, 30).astype(float), rng.gamma(2.0, size=30), rng.uniform(0.1, 2, 30)
    tasks = np.repeat(["a", "b", "c"], 10)
    for weight in (None, s):
        for ours, theirs, targets in [
            (metrics.mean_task_poisson_deviance, mean_poisson_deviance, y),
            (metrics.mean_task_gamma_deviance, mean_gamma_deviance, y + 0.5),
            (metrics.mean_task_pinball_loss, mean_pinball_loss, y),
        ]:
            kept = [None if weight is None else weight[tasks == t] for t in "abc"]
            expected = np.mean(
                [
                    theirs(targets[tasks == t], p[tasks == t], sample_weight=k)
                    for t, k in zip("abc", kept, strict=True)
                ]
            )
            assert ours(targets, p, tasks, sample_weight=weight) == pytest.approx(expected)
    assert metrics.mean_task_pinball_loss(y, p, alpha=0.9) == pytest.approx(
        mean_pinball_loss(y, p, alpha=0.9)
    )
    with pytest.raises(ValueError, match="predictions > 0"):
        metrics.mean_task_poisson_deviance(y, -p)
    with pytest.raises(ValueError, match="targets y > 0, got 0"):
        metrics.mean_task_gamma_deviance(0.0 * y, p)
    with pytest.raises(ValueError, match=r"alpha == 1.0"):
        metrics.mean_task_pinball_loss(y, p, alpha=1.0)


# --- what is refused -----------------------------------------------------------------------------


def test_targets_out_of_range():
    X, _, tasks = make("poisson")
    bad = {
        "poisson": (-1.0, "loss='poisson' takes targets y >= 0, but task 'b' has -1"),
        "gamma": (0.0, "loss='gamma' takes targets y > 0, but task 'b' has 0"),
        "logistic": (2.0, "takes targets 0 and 1 only, but task 'b' has 2"),
    }
    for loss, (value, message) in bad.items():
        own = make(loss)[1]
        own[50] = value
        with pytest.raises(ValueError, match=message):
            JointFeatureRegressor(loss=loss).fit(X, own, tasks=tasks)
        # Without weight it does not count.
        weight = np.ones(len(own))
        weight[50] = 0.0
        JointFeatureRegressor(loss=loss).fit(X, own, tasks=tasks, sample_weight=weight)


@pytest.mark.parametrize(("loss", "value"), [("poisson", 0.0), ("logistic", 1.0)])
def test_tasks_without_events(loss, value):
    X, y, tasks = make(loss)
    y[tasks == "c"] = value
    with pytest.raises(ValueError, match=r"task 'c' .*no finite minimiser"):
        JointFeatureRegressor(loss=loss).fit(X, y, tasks=tasks)
    model = JointFeatureRegressor(loss=loss, fit_intercept=False, lambda2=0.1)
    assert model.fit(X, y, tasks=tasks).relative_gap_ <= 1e-6


@pytest.mark.parametrize("loss", ["counts", None, 3, {"a": "nothing"}])
def test_no_loss(loss):
    X, y, tasks = make("squared")
    for cls in (JointFeatureRegressor, MultiStageRegressor):
        with pytest.raises(ValueError, match="loss"):
            cls(loss=loss).fit(X, y, tasks=tasks)


def test_counts_that_a_free_feature_explains_away():
    """A level of a category without events has no finite minimiser: near enough, or it says so."""
    X, y, tasks = make("poisson")
    level = (np.arange(len(y)) % 5 == 0).astype(float)
    X, y = np.column_stack([X, level]), y * (1.0 - level)
    model = MeanRegularizedRegressor(loss="poisson")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, tasks=tasks)
    # How far out rounding ends it depends on the processor.
    assert model.relative_gap_ <= model.tol or "no finite minimiser" in str(caught[0].message)
    assert (model.coef_[:, -1] < -10.0).all()
    with pytest.warns(UserWarning, match="no finite minimiser: set lambda2 > 0"):
        model.set_params(solver="apg", max_iter=300).fit(X, y, tasks=tasks)
    assert (model.coef_[:, -1] < -5.0).all()


def test_huge_counts_and_steep_features():
    """Exponentials overflow on the way, not in the end."""
    X, y, tasks = make("poisson")
    for factor in (1e6, 1e12):
        for solver in ("auto", "apg"):
            model = JointFeatureRegressor(loss="poisson", lambda1=0.1, solver=solver)
            model.fit(50.0 * X, factor * (y + 0.1), tasks=tasks)
            assert np.isfinite(model.coef_).all()
            assert model.relative_gap_ <= 1e-6


# --- what they recover ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_huber_with_outliers(seed):
    """One target in ten off by 20 standard deviations: the error is at least halved."""
    rng = np.random.default_rng(seed)
    T, n, d = 5, 60, 10
    X, tasks = rng.standard_normal((T * n, d)), np.repeat(np.arange(T), n)
    W = rng.standard_normal((T, d)) * (np.arange(d) < 4)
    y = (X * W[tasks]).sum(axis=1) + rng.standard_normal(T * n)
    y[rng.choice(T * n, T * n // 10, replace=False)] += 20.0 * rng.choice([-1.0, 1.0], T * n // 10)
    errors = {}
    for loss in ("squared", "huber"):
        search = MultiTaskSearchCV(
            JointFeatureRegressor(loss=loss), n_lambdas=8, cv=3, scoring="mean_task_mae"
        ).fit(X, y, tasks=tasks)
        errors[loss] = np.linalg.norm(search.best_estimator_.coef_ - W)
    assert errors["huber"] <= 0.5 * errors["squared"]


@pytest.mark.parametrize("seed", range(3))
def test_poisson_on_counts(seed):
    """The means of new counts are nearer, and so are coefficients than those of log(1 + y)."""
    rng = np.random.default_rng(seed)
    T, n, d = 5, 80, 10
    X, tasks = rng.standard_normal((2 * T * n, d)), np.tile(np.repeat(np.arange(T), n), 2)
    W = 0.5 * rng.standard_normal((T, d)) * (np.arange(d) < 4)
    mean = np.exp((X * W[tasks]).sum(axis=1) + 0.3)
    y = rng.poisson(mean).astype(float)
    train, test = slice(0, T * n), slice(T * n, None)
    found = {}
    for loss in ("squared", "poisson"):
        search = MultiTaskSearchCV(JointFeatureRegressor(loss=loss), n_lambdas=8, cv=3)
        search.fit(X[train], y[train], tasks=tasks[train])
        p = search.predict(X[test], tasks=tasks[test])
        found[loss] = np.mean(np.square(np.sqrt(np.maximum(p, 0.0)) - np.sqrt(mean[test])))
        if loss == "poisson":
            poisson = np.linalg.norm(search.best_estimator_.coef_ - W)
    logs = MultiTaskSearchCV(JointFeatureRegressor(), n_lambdas=8, cv=3)
    logs.fit(X[train], np.log1p(y[train]), tasks=tasks[train])
    assert found["poisson"] <= 0.5 * found["squared"]
    assert poisson <= 0.8 * np.linalg.norm(logs.best_estimator_.coef_ - W)


# --- all models ----------------------------------------------------------------------------------


def takers():
    """Every regressor with a loss."""
    members = (getattr(malsar_py, name) for name in malsar_py.__all__ if name.endswith("Regressor"))
    return [cls for cls in members if "loss" in cls().get_params()]


def test_who_takes_a_loss():
    names = {cls.__name__ for cls in takers()}
    without = {name for name in malsar_py.__all__ if name.endswith("Regressor")} - names
    assert without <= {
        "CalibratedJointFeatureRegressor",
        "MixedEffectsRegressor",
        "SeparableKernelRegressor",
        "DistributionMatchingRegressor",
    }


@pytest.mark.parametrize("loss", ["huber", "poisson", "gamma", "logistic", "quantile", "mixed"])
@pytest.mark.parametrize("cls", takers(), ids=lambda cls: cls.__name__)
def test_every_model(cls, loss):
    X, y, tasks = make_mixed(n=24) if loss == "mixed" else make(loss, n=24)
    fit = {"tasks": tasks}
    if loss == "mixed" and cls is DistributionMatchingRegressor:
        with pytest.raises(ValueError, match="loss must be one for all tasks"):
            cls(loss=MIXED).fit(X, y, **fit)
        return
    if "sources" in cls().get_params():  # the tasks are patterns of missing columns
        if loss == "mixed":
            pytest.skip("one loss for all patterns here")
        X, fit = X.copy(), {}
        X[tasks == "a", 3:] = np.nan
    model = cls(loss=MIXED if loss == "mixed" else loss)
    own = model.get_params()
    model.set_params(**{k: v for k, v in {"lambda1": 0.05, "lambda2": 0.05}.items() if k in own})
    if "sources" in own:
        model.set_params(sources=[[0, 1, 2], [3, 4, 5]])
    if "max_stages" in own and loss in ("quantile", "mixed"):
        with pytest.raises(ValueError, match="is not smooth, which fits in stages do not take"):
            model.fit(X, y, **fit)
        return
    model.fit(X, y, **fit)
    assert getattr(model, "relative_gap_", getattr(model, "optimality_", np.inf)) <= model.tol
    p = model.predict(X, **fit)
    assert np.isfinite(p).all()
    if loss in ("poisson", "gamma"):
        assert (p > 0.0).all()
    assert np.isfinite(model.score(X, y, **fit))


def with_negative_targets(estimator):
    """scikit-learn's check draws targets of any sign whatever the tag says."""
    if estimator.__sklearn_tags__().target_tags.positive_only:
        return {"check_regressor_multioutput": "its targets are negative"}
    return {}


@parametrize_with_checks(
    [
        JointFeatureRegressor(loss="poisson"),
        TraceNormRegressor(loss="huber"),
        MeanRegularizedRegressor(loss="gamma", lambda2=0.1),
    ],
    expected_failed_checks=with_negative_targets,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
