"""Non-convex models: stages that never rise to a stationary point, paths, golden problems."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import malsar_py
from malsar_py import (
    LassoClassifier,
    LassoRegressor,
    MultiLevelLassoClassifier,
    MultiLevelLassoRegressor,
    MultiStageClassifier,
    MultiStageRegressor,
    NonconvexFusedClassifier,
    NonconvexFusedRegressor,
    stack_tasks,
)
from malsar_py.model_selection import regularization_path

from . import malsar_map
from .problems import assert_same_fit, data_for, ids, ragged, shared
from .test_golden import half_squares, tasks_of

MODELS = [
    MultiStageRegressor(lambda1=0.3, lambda2=0.01, threshold=0.8),
    MultiStageRegressor(lambda1=0.3, threshold=0.8),
    MultiLevelLassoRegressor(lambda1=0.3, lambda2=0.2),
    NonconvexFusedRegressor(lambda1=0.3, lambda2=0.1),
    NonconvexFusedRegressor(formulation=2, lambda1=0.3, beta=0.5),
    MultiStageClassifier(lambda1=0.05, lambda2=0.01, threshold=0.4),
    MultiLevelLassoClassifier(lambda1=0.04, lambda2=0.03),
    NonconvexFusedClassifier(lambda1=0.03, lambda2=0.02),
    NonconvexFusedClassifier(formulation=2, lambda1=0.03, beta=0.5),
]
every_model = pytest.mark.parametrize(
    "model", MODELS, ids=[f"{name}{i}" for i, name in enumerate(ids(MODELS))]
)
first_stage_only = pytest.mark.filterwarnings("ignore:.*did not reach tol")


def sizes(W):
    return np.abs(W).sum(axis=1)


def jumps(W):
    return np.abs(np.diff(W, axis=1)).sum(axis=1)


def penalty(model, W):
    """Omega without smoothing, W (features, tasks) in the order of the tasks."""
    p = model.get_params()
    if "threshold" in p:
        capped = np.minimum(sizes(W), p["threshold"]).sum()
        return p["lambda1"] * capped + p["lambda2"] / 2 * np.sum(W**2)
    if "formulation" not in p:
        return 2.0 * np.sqrt(p["lambda1"] * p["lambda2"]) * np.sqrt(sizes(W)).sum()
    if p["formulation"] == 1:
        return p["lambda1"] * np.sqrt(sizes(W)).sum() + p["lambda2"] * jumps(W).sum()
    return p["lambda1"] * np.sqrt(jumps(W) + p["beta"] * sizes(W)).sum()


def loss(model, X, y, tasks, W, b):
    total = 0.0
    for t, label in enumerate(model.tasks_):
        z = X[tasks == label] @ W[:, t] + b[t]
        target = y[tasks == label]
        if hasattr(model, "classes_"):
            sign = np.where(target == model.classes_[1], 1.0, -1.0)
            total += np.mean(np.logaddexp(0.0, -sign * z))
        else:
            total += np.mean(0.5 * (target - z) ** 2)
    return total


# --- what a fit says ------------------------------------------------------------------------------


@every_model
def test_stages(model):
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(tol=1e-9).fit(X, y, tasks=tasks)
    assert fitted.n_stages_ == len(fitted.objective_) >= 2
    assert np.all(np.diff(fitted.objective_) <= 0.0)
    assert -1e-15 <= fitted.optimality_ <= 1e-9
    assert not hasattr(fitted, "dual_gap_")
    assert not hasattr(fitted, "relative_gap_")
    W, b = fitted.coef_.T, fitted.intercept_
    assert W.any()
    value = loss(fitted, X, y, tasks, W, b) + penalty(fitted, W)
    # Smoothed roots are lower by at most sqrt(eps), 1e-6 of the largest one, a row.
    rtol = 1e-11 if hasattr(fitted, "threshold") else 1e-5
    assert_allclose(fitted.objective_[-1], value, rtol=rtol)


@every_model
def test_no_direction_leads_downhill(model):
    """Stationarity from its definition: no directional derivative is negative."""
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(tol=1e-11).fit(X, y, tasks=tasks)
    W, b = fitted.coef_.T, fitted.intercept_

    def value(W, b):
        return loss(fitted, X, y, tasks, W, b) + penalty(fitted, W)

    rng = np.random.default_rng(0)
    step, here = 1e-6, value(W, b)
    for i in range(300):
        D, e = rng.standard_normal(W.shape), rng.standard_normal(b.shape)
        if i % 3 == 0:  # one row
            D *= (np.arange(len(D)) == i % len(D))[:, None]
        if i % 3 == 1:  # tasks alike, and what is used
            D = np.sign(W) * D[:, :1] if i % 2 else np.repeat(D[:, :1], W.shape[1], axis=1)
        # (curvature, and the rounding of the value, over the step)
        assert (value(W + step * D, b + step * e) - here) / step >= -1e-7


@every_model
def test_a_second_fit_from_the_first(model):
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(warm_start=True).fit(X, y, tasks=tasks)
    coef, objective = fitted.coef_.copy(), fitted.objective_[-1]
    again = fitted.fit(X, y, tasks=tasks)
    assert again.n_stages_ == 0
    assert again.n_iter_ == 1
    assert_array_equal(again.coef_, coef)
    assert_allclose(again.objective_, [objective], rtol=1e-6)


@every_model
def test_a_strong_penalty_leaves_nothing(model):
    X, y, tasks = data_for(model)
    fitted = clone(model).set_params(lambda1=100.0).fit(X, y, tasks=tasks)
    assert not fitted.coef_.any()
    assert fitted.n_stages_ == 1
    assert fitted.optimality_ <= 1e-12


@every_model
def test_doors_agree(model):
    X, Y = shared(n=40, d=5)
    if hasattr(model, "predict_proba"):
        noise = 3.0 * np.random.default_rng(0).standard_normal(Y.shape)
        Y = np.where(Y - Y.mean(axis=0) + noise > 0.0, 1.0, -1.0)
    n_tasks = Y.shape[1]
    tasks = np.repeat(np.arange(n_tasks), len(X))
    stacked, y = np.tile(X, (n_tasks, 1)), Y.T.ravel()
    columns = clone(model).set_params(tol=1e-11).fit(X, Y)
    keyword = clone(columns).fit(stacked, y, tasks=tasks)
    first = clone(columns).set_params(task_column=0).fit(np.column_stack([tasks, stacked]), y)
    assert_same_fit(columns, keyword)
    assert_array_equal(first.coef_, keyword.coef_)


@every_model
def test_a_path_starts_its_stages_anew(model):
    """A feature that one fit leaves out may be taken by the next: paths are separate fits."""
    model = clone(model).set_params(tol=1e-9, max_stages=200)
    X, y, tasks = data_for(model, d=8)
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=10, eps=1e-2)
    for i, value in enumerate(path.lambda1):
        fitted = clone(model).set_params(lambda1=value).fit(X, y, tasks=tasks)
        # To rounding: the search for intercepts starts from the last ones.
        assert_allclose(path.coef[i], fitted.coef_, atol=1e-10)
        assert_allclose(path.intercept[i], fitted.intercept_, atol=1e-10)
        assert path.relative_gap[i] <= 1e-9
    assert path.df[-1] > path.df[0]


# --- limiting cases -------------------------------------------------------------------------------

STEMS = ["Regressor", "Classifier"]


def named(kind):
    return ragged(classify=kind == "Classifier")


@first_stage_only
@pytest.mark.parametrize("kind", STEMS)
def test_the_first_stage_is_the_lasso(kind):
    X, y, tasks = named(kind)
    own = {"max_stages": 1, "tol": 1e-11}
    for stem, p, lambdas in (
        ("MultiStage", {"lambda1": 0.05, "lambda2": 0.02, "threshold": 0.1}, (0.05, 0.02)),
        ("MultiLevelLasso", {"lambda1": 0.1, "lambda2": 0.025}, (0.05, 0.0)),
        ("NonconvexFused", {"lambda1": 0.05}, (0.05, 0.0)),
    ):
        staged = getattr(malsar_py, stem + kind)(**p, **own).fit(X, y, tasks=tasks)
        lasso = getattr(malsar_py, "Lasso" + kind)(
            lambda1=lambdas[0], lambda2=lambdas[1], tol=1e-12
        )
        assert_same_fit(staged, lasso.fit(X, y, tasks=tasks))
        assert staged.n_stages_ == 1
    for formulation, fused in ((1, {"lambda2": 0.1}), (2, {"beta": 0.5})):
        staged = getattr(malsar_py, "NonconvexFused" + kind)(
            formulation=formulation, lambda1=0.05, **fused, **own
        )
        sparse, steps = (0.05, 0.1) if formulation == 1 else (0.025, 0.05)
        convex = getattr(malsar_py, "FusedSparseGroup" + kind)(
            lambda1=0.0, lambda2=steps, lambda3=sparse, tol=1e-12
        )
        assert_same_fit(staged.fit(X, y, tasks=tasks), convex.fit(X, y, tasks=tasks))


@pytest.mark.parametrize("kind", STEMS)
def test_a_huge_threshold_is_the_lasso(kind):
    X, y, tasks = named(kind)
    own = {"lambda1": 0.05, "lambda2": 0.01, "tol": 1e-11}
    staged = getattr(malsar_py, "MultiStage" + kind)(threshold=1e6, **own).fit(X, y, tasks=tasks)
    assert staged.n_stages_ == 1
    assert_same_fit(
        staged, getattr(malsar_py, "Lasso" + kind)(**own).fit(X, y, tasks=tasks), atol=1e-6
    )


def test_a_tiny_threshold_is_least_squares_on_what_the_lasso_takes():
    X, y, tasks = ragged()
    staged = MultiStageRegressor(lambda1=0.4, threshold=1e-9, tol=1e-12).fit(X, y, tasks=tasks)
    taken = LassoRegressor(lambda1=0.4, tol=1e-12).fit(X, y, tasks=tasks).coef_.any(axis=0)
    assert_array_equal(staged.coef_.any(axis=0), taken)
    plain = LassoRegressor(lambda1=0.0, tol=1e-12).fit(X[:, taken], y, tasks=tasks)
    assert_allclose(staged.coef_[:, taken], plain.coef_, atol=1e-6)


@pytest.mark.parametrize("kind", STEMS)
def test_two_names_for_the_same_root(kind):
    """Multi-level Lasso and formulations 1 and 2 meet where there are no differences."""
    X, y, tasks = named(kind)
    own = {"tol": 1e-11, "warm_start": True}
    level = getattr(malsar_py, "MultiLevelLasso" + kind)(lambda1=0.04, lambda2=0.01, **own)
    level.fit(X, y, tasks=tasks)
    root = getattr(malsar_py, "NonconvexFused" + kind)(lambda1=2.0 * np.sqrt(4e-4), **own)
    root.fit(X, y, tasks=tasks)
    # From the same start: the penalties are the same function.
    root.coef_ = level.coef_.copy()
    root.fit(X, y, tasks=tasks)
    assert root.n_stages_ <= 1
    assert_same_fit(root, level)


def test_the_levels_of_a_coefficient():
    """``w_jt = theta_j gamma_jt`` costs what its root does, and no other theta costs less."""
    X, y, tasks = ragged()
    model = MultiLevelLassoRegressor(lambda1=0.3, lambda2=0.1, tol=1e-10).fit(X, y, tasks=tasks)
    theta, W = model.feature_weights_, model.coef_.T
    used = theta > 0.0
    assert_array_equal(used, W.any(axis=1))
    gamma = W[used] / theta[used, None]
    fit = loss(model, X, y, tasks, W, model.intercept_)
    value = fit + 0.3 * theta.sum() + 0.1 * np.abs(gamma).sum()
    assert_allclose(value, fit + penalty(model, W), rtol=1e-12)
    for factor in (0.9, 1.1):
        other = 0.3 * factor * theta.sum() + 0.1 * np.abs(gamma).sum() / factor
        assert fit + other > value


@pytest.mark.parametrize("formulation", [1, 2])
def test_without_any_strength(formulation):
    X, y, tasks = ragged()
    model = NonconvexFusedRegressor(lambda1=0.0, formulation=formulation, tol=1e-10)
    free = LassoRegressor(lambda1=0.0, tol=1e-10).fit(X, y, tasks=tasks)
    assert_same_fit(model.fit(X, y, tasks=tasks), free)
    stage = MultiStageRegressor(lambda1=0.0, tol=1e-10).fit(X, y, tasks=tasks)
    assert_same_fit(stage, free)


def test_solvers_agree():
    X, y, tasks = ragged()
    for model in MODELS[:3]:
        fits = [
            clone(model).set_params(solver=solver, tol=1e-11).fit(X, y, tasks=tasks)
            for solver in ("auto", "apg", "active-set")
        ]
        for other in fits[1:]:
            assert_same_fit(other, fits[0])


# --- what is refused, and what is warned of -------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (MultiStageRegressor(threshold=0.0), "threshold"),
        (MultiStageRegressor(lambda1=-1.0), "lambda1"),
        (MultiStageRegressor(max_stages=0), "max_stages"),
        (MultiStageRegressor(solver="closed-form"), "solver"),
        (MultiLevelLassoRegressor(lambda1=0.0), "lambda1"),
        (MultiLevelLassoRegressor(lambda2=0.0), "lambda2"),
        (NonconvexFusedRegressor(formulation=3), "formulation"),
        (NonconvexFusedRegressor(beta=0.0), "beta"),
        (NonconvexFusedRegressor(solver="active-set"), "solver"),
    ],
)
def test_bad_parameters(model, name):
    X, y, tasks = ragged()
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {type(model).__name__} must"):
        model.fit(X, y, tasks=tasks)


def test_a_parameter_of_the_other_formulation():
    X, y, tasks = ragged()
    with pytest.raises(ValueError, match=r"lambda2=0.3 belongs to.*leave lambda2 at 0"):
        NonconvexFusedRegressor(formulation=2, lambda2=0.3).fit(X, y, tasks=tasks)


def test_too_few_stages_or_no_minimiser():
    X, y, tasks = ragged()
    model = NonconvexFusedRegressor(lambda1=0.3, lambda2=0.1, max_stages=2)
    with pytest.warns(ConvergenceWarning, match=r"NonconvexFusedRegressor did not reach.*2 stages"):
        model.fit(X, y, tasks=tasks)
    assert model.optimality_ > model.tol
    # Classes that a free feature separates.
    X = np.linspace(-1.0, 1.0, 20)[:, None]
    y = (X[:, 0] > 0.0).astype(int)
    model = MultiStageClassifier(lambda1=0.01, threshold=0.1, max_iter=200)
    with pytest.warns(ConvergenceWarning, match="MultiStageClassifier did not reach"):
        model.fit(X, y)
    assert np.all(np.diff(model.objective_) <= 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(lambda2=0.01).fit(X, y)


def test_what_a_missed_path_says():
    X, y, tasks = ragged()
    model = NonconvexFusedRegressor(lambda2=0.1, max_stages=2)
    message = "largest relative stationarity is .* Increase max_stages, max_iter or tol"
    with pytest.warns(ConvergenceWarning, match=message):
        regularization_path(model, X, y, tasks=tasks, lambda1=[0.3])


@pytest.mark.parametrize("seed", range(5))
def test_classes_that_free_features_do_not_separate(seed):
    """There is no gap where the Lasso ends, but a minimiser to go to."""
    X, y, tasks = ragged(classify=True, seed=seed, labels=("a", "b"), d=3)
    y = np.where(np.random.default_rng(seed).random(len(y)) < 0.15, "yes", y)
    model = MultiStageClassifier(lambda1=0.01, threshold=1e-3, tol=1e-9).fit(X, y, tasks=tasks)
    assert model.optimality_ <= 1e-9
    free = LassoClassifier(lambda1=0.0, tol=1e-10).fit(X, y, tasks=tasks)
    assert_same_fit(model, free, atol=1e-4)


# --- MALSAR's problems ----------------------------------------------------------------------------

WITHIN = 1e-6


def golden_objective(function, Xs, ys, W, a):
    value = half_squares(Xs, ys, W, None)
    if function == "Least_NCFGLassoF1":
        return value + a["lam"] * np.sqrt(sizes(W)).sum() + a["gamma"] * jumps(W).sum()
    if function == "Least_NCFGLassoF2":
        return value + a["lam"] * np.sqrt(jumps(W) + a["beta"] * sizes(W)).sum()
    assert function == "Least_msmtfl_capL1"
    return 2.0 * value + a["lam"] * np.minimum(sizes(W), a["theta"]).sum()


@pytest.mark.parametrize("kind", ["small", "wide"])
@pytest.mark.parametrize("name", malsar_map.NONCONVEX)
def test_golden_files(name, kind, shared_dir):
    """Stationary, and as low as the best known point: from our start, or else from MALSAR's."""
    function = f"Least_{name}"
    formulation = {"NCFGLassoF1": {"formulation": 1}, "NCFGLassoF2": {"formulation": 2}}
    with np.load(shared_dir / "golden" / f"{function}__{kind}.npz") as golden:
        Xs, ys = tasks_of(golden)
        X, y, tasks = stack_tasks(Xs, ys)
        for i, best in enumerate(golden["obj_ref"]):
            a = {n: golden[n][i].item() for n in ("lam", "gamma", "beta", "theta") if n in golden}
            reference = golden_objective(function, Xs, ys, golden["W_ref"][i], a)
            assert_allclose(reference, best, rtol=1e-10)
            model = malsar_map.estimator(
                function,
                a | formulation.get(name, {}),
                len(Xs),
                len(y),
                tol=1e-10,
                warm_start=True,
            )
            reached = []
            for start in (None, golden["W"][i].T):
                if start is not None:
                    model.coef_ = np.ascontiguousarray(start)
                model.fit(X, y, tasks=tasks)
                assert model.optimality_ <= 1e-10
                assert np.all(np.diff(model.objective_) <= 0.0)
                reached.append(golden_objective(function, Xs, ys, model.coef_.T, a))
            # A cap divides the starts for good: once a row of the exact Lasso lies just below it,
            # and above it in MALSAR's Lasso, which stops early.
            lowest = min(reached) if name == "msmtfl_capL1" else max(reached)
            assert lowest <= best * (1.0 + WITHIN), (i, reached)


def test_a_stage_whose_free_features_separate_the_classes_ends_the_fit():
    """There is no finite minimiser, and only there the message says so."""
    rng = np.random.default_rng(0)
    X, tasks = rng.standard_normal((120, 6)), np.repeat([0, 1], 60)
    y = np.where(tasks == 1, X[:, 0] > 0.0, X[:, 0] + rng.logistic(size=120) > 0.0)
    model = MultiStageClassifier(lambda1=0.02, threshold=0.5)
    with pytest.warns(ConvergenceWarning, match=r"separate the classes of task 1.*lambda2 > 0"):
        model.fit(X, y, tasks=tasks)
    assert model.n_iter_ < 100
    assert model.set_params(lambda2=0.01).fit(X, y, tasks=tasks).optimality_ <= model.tol
    noisy = y ^ (rng.random(120) < 0.2)
    model.set_params(lambda2=0.0).fit(X, noisy, tasks=tasks)
    assert model.n_stages_ > 1
    assert model.optimality_ <= model.tol


def test_newton_stages_on_one_x():
    """A 2-D y: features past the threshold cost nothing, the certificate needs their pull."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 5))
    Y = X[:, :1] + X[:, 1:2] * [[0.5, -0.5]] + rng.standard_normal((80, 2)) > 0.0
    stacked = np.tile(X, (2, 1)), Y.T.ravel(), np.repeat([0, 1], 80)
    for missing in (False, True):
        y = Y.astype(float)
        if missing:
            y[::7, 1] = np.nan
        keep = ~np.isnan(y.T.ravel())
        for lambda1 in (0.02, 0.1):
            model = MultiStageClassifier(lambda1=lambda1, threshold=0.3)
            one = model.fit(X, y)
            assert one.optimality_ <= 1e-6
            coef = one.coef_
            two = model.fit(stacked[0][keep], stacked[1][keep], tasks=stacked[2][keep])
            assert_allclose(coef, two.coef_, atol=1e-3)
