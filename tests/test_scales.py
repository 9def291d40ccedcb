"""Data, weights and strengths of any scale: a right fit or a clear refusal, never NaN or a hang."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from malsar_py import (
    CalibratedJointFeatureRegressor,
    ClusteredClassifier,
    GraphRegressor,
    JointFeatureClassifier,
    JointFeatureRegressor,
    LassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    RobustFeatureRegressor,
    SeparableKernelRegressor,
    SparseLowRankClassifier,
    TaskRelationshipRegressor,
    TraceNormRegressor,
)
from malsar_py.model_selection import lambda1_max, regularization_path

from .hostile import MODELS, classes, data, fitted_or_refused, labels_for, make, objective_of
from .problems import ESTIMATORS, data_for, ids

# Factors of X, of y, and what weights are.
SCALES = {
    "X-155": (1e-155, 1.0),
    "X-200": (1e-200, 1.0),
    "X300": (1e300, 1.0),
    "y-160": (1.0, 1e-160),
    "y160": (1.0, 1e160),
    "X20y20": (1e20, 1e20),
    "X200y-200": (1e200, 1e-200),
}
every_model = pytest.mark.parametrize("cls", MODELS, ids=[c.__name__ for c in MODELS])


@every_model
@pytest.mark.parametrize("scale", SCALES)
def test_scales_of_data(cls, scale):
    X, y, tasks = data()
    y = classes(y, tasks) if is_classifier(cls()) else y * SCALES[scale][1]
    for lambdas in ({"lambda1": 0.1}, {"lambda1": 0.0, "lambda2": 0.0}):
        own = {
            name: value
            for name, value in lambdas.items()
            if value > 0.0 or not _is_positive(cls, name)
        }
        model = make(cls, max_iter=50, max_stages=2, **own)
        fitted_or_refused(model, X * SCALES[scale][0], y, **labels_for(cls, tasks))


def _is_positive(cls, name):
    """Whether the strength may not be zero."""
    from sklearn.utils._param_validation import validate_parameter_constraints

    constraints = {name: cls._parameter_constraints[name]}
    try:
        validate_parameter_constraints(constraints, {name: 0.0}, cls.__name__)
    except ValueError:
        return True
    return "learned" in str(cls) or "Kernel" in cls.__name__


@every_model
@pytest.mark.parametrize("value", [1e308, 1e20, 1e-100, 1e-308])
def test_extreme_strengths(cls, value):
    X, y, tasks = data()
    y = classes(y, tasks) if is_classifier(cls()) else y
    for name in ("lambda1", "lambda2", "lambda3"):
        if name in cls().get_params():
            model = make(cls, max_iter=50, max_stages=2).set_params(**{name: value})
            fitted_or_refused(model, X, y, **labels_for(cls, tasks))


@every_model
@pytest.mark.parametrize("weight", [1e307, 1e-310])
def test_equal_weights_change_nothing(cls, weight):
    X, y, tasks = data()
    y = classes(y, tasks) if is_classifier(cls()) else y
    for task_weight in ("equal", "size"):
        fits = []
        for sample_weight in (None, np.full(len(y), weight)):
            model = make(cls, max_iter=300, task_weight=task_weight)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y, sample_weight=sample_weight, **labels_for(cls, tasks))
            fits.append(getattr(model, "coef_", None))
            if fits[-1] is None:
                fits[-1] = model.dual_coef_
        assert_allclose(fits[1], fits[0], rtol=1e-12, atol=1e-14)


def test_weights_of_one_task_may_have_any_size():
    X, y, tasks = data()
    usual = LassoRegressor().fit(X, y, tasks=tasks)
    tiny = LassoRegressor().fit(X, y, tasks=tasks, sample_weight=np.where(tasks == 0, 1e-320, 1.0))
    assert_allclose(tiny.coef_, usual.coef_, rtol=1e-12)


def test_weights_of_tasks_too_far_apart_are_refused():
    X, y, tasks = data()
    with pytest.raises(ValueError, match="task_weight: the weight of task 0 is too large beside"):
        LassoRegressor(task_weight={0: 1e308, 1: 1, 2: 1}).fit(X, y, tasks=tasks)
    weight = np.where(tasks == 1, 1e-100, 1.0)
    with pytest.raises(ValueError, match="sample_weight: the weight of task 0 is too large beside"):
        LassoRegressor(task_weight="size").fit(X, y, tasks=tasks, sample_weight=weight)


@pytest.mark.parametrize("model", ESTIMATORS, ids=ids(ESTIMATORS))
def test_the_fit_is_that_of_ordinary_data(model):
    """With strengths in proportion, coefficients and gap only change their units."""
    X, y, tasks = data_for(model)
    a, b = 2.0**-300, 1.0 if is_classifier(model) else 2.0**-280
    usual = make(type(model), **model.get_params()).fit(X, y, tasks=tasks)
    strengths = {}
    loss = 0 if is_classifier(model) else usual._fitted_loss.degree
    for name, power in model._strengths.items():
        strengths[name] = getattr(model, name) * b**loss / (b / a) ** power
    other = make(type(model), **model.get_params() | strengths)
    if any(value == 0.0 != getattr(model, name) for name, value in strengths.items()):
        pytest.skip("no float holds the strength")
    other.fit(X * a, y if is_classifier(model) else y * b, tasks=tasks)
    assert_allclose(other.coef_ * (a / b), usual.coef_, rtol=1e-3, atol=1e-3)
    assert other.relative_gap_ <= other.tol


def test_limits_of_strong_terms():
    X, y, tasks = data()
    common = MeanRegularizedRegressor(lambda1=1e308).fit(X, y, tasks=tasks)
    near = MeanRegularizedRegressor(lambda1=1e9).fit(X, y, tasks=tasks)
    assert (common.coef_ == common.coef_[0]).all()
    assert_allclose(common.coef_, near.coef_, atol=1e-7)
    assert common.relative_gap_ < 1e-12
    for model in (
        MeanRegularizedRegressor(lambda2=1e308),
        GraphRegressor(lambda2=1e308),
        MeanRegularizedClassifier(lambda2=1e308),
    ):
        target = classes(y, tasks) if is_classifier(model) else y
        assert not model.fit(X, target, tasks=tasks).coef_.any()
        assert model.relative_gap_ < 1e-12


def test_limits_of_weak_terms():
    X, y, tasks = data()
    least = np.stack(
        [
            np.linalg.lstsq(
                X[tasks == t] - X[tasks == t].mean(0), y[tasks == t] - y[tasks == t].mean(), None
            )[0]
            for t in range(3)
        ]
    )
    for model in (
        MeanRegularizedRegressor(lambda1=1e-308, lambda2=1e-308),
        JointFeatureRegressor(lambda1=1e-308, lambda2=1e-308),
        TraceNormRegressor(lambda1=1e-308),
        LassoRegressor(lambda1=1e-308, solver="apg", max_iter=100_000, tol=1e-12),
    ):
        assert_allclose(model.fit(X, y, tasks=tasks).coef_, least, rtol=1e-6)


def test_single_precision_is_left_before_it_overflows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 1200))
    Y = X[:, :3] @ rng.standard_normal((3, 2)) + 0.1 * rng.standard_normal((500, 2))
    usual = JointFeatureRegressor(lambda1=0.1).fit(X, Y)
    large = JointFeatureRegressor(lambda1=0.1e39).fit(X * 1e15, Y * 1e24)
    assert large.relative_gap_ <= large.tol
    assert_allclose(large.coef_ / 1e9, usual.coef_, atol=1e-3)


def test_a_start_that_is_not_finite_is_ignored():
    X, y, tasks = data()
    model = JointFeatureRegressor(warm_start=True).fit(X, y, tasks=tasks)
    usual = model.coef_.copy()
    for solver in ("auto", "apg"):
        model.coef_[:] = np.nan
        model.set_params(solver=solver).fit(X, y, tasks=tasks)
        assert_allclose(model.coef_, usual, atol=1e-3)
    model.coef_ = None
    assert_allclose(model.fit(X, y, tasks=tasks).coef_, usual, atol=1e-3)


def test_too_large_a_target_is_named():
    X, y, tasks = data()
    with pytest.raises(ValueError, match=r"The objective is too large for floats: y"):
        LassoRegressor(solver="apg").fit(X, y * 1e160, tasks=tasks)


@pytest.mark.parametrize(
    "kernel",
    [lambda a, b: np.nan, lambda a, b: np.inf, lambda a, b: 1e200],
    ids=["nan", "inf", "1e200"],
)
def test_kernels_that_are_no_numbers(kernel):
    X, y, tasks = data()
    with pytest.raises(ValueError, match="kernel: its largest value on the fitted rows is"):
        SeparableKernelRegressor(kernel=kernel).fit(X, y, tasks=tasks)


def test_what_overflows_on_the_way_leaves_an_honest_gap():
    """Strengths next to nothing beside an enormous X: no word of NumPy's, no worse than W = 0."""
    X, y, tasks = data(n=12, d=40, n_tasks=1)
    labels = classes(y, tasks)
    for model in (
        SparseLowRankClassifier(lambda1=1e-20, lambda2=0.01),
        SparseLowRankClassifier(lambda1=0.1, lambda2=1e-20, fit_intercept=False),
        ClusteredClassifier(n_clusters=1, lambda1=1e-308, lambda2=1e-6),
        TraceNormRegressor(lambda1=1e-300),
        RobustFeatureRegressor(lambda1=1e-20, lambda2=1e-300),
    ):
        target = labels if is_classifier(model) else y
        for scale in (1e-300, 1e20, 1e160):
            model = clone(model).set_params(max_iter=200)
            given = X * scale if is_classifier(model) else 1.7e9 + X * scale
            fitted = fitted_or_refused(model, given, target, tasks=tasks)
            if fitted is not None:
                centred = target - target.mean()
                at_zero = np.log(2.0) if is_classifier(model) else 0.5 * (centred @ centred) / 12
                assert fitted.objective_[-1] <= at_zero * (1.0 + 1e-6)


def test_features_that_are_all_constant():
    y = data()[1]
    Y = np.column_stack([y, -y])
    for model in (TaskRelationshipRegressor(), TraceNormRegressor(), MeanRegularizedRegressor()):
        constant = model.fit(np.full((len(y), 40), 3.0), Y)
        assert not constant.coef_.any() and constant.relative_gap_ <= model.tol
        few = model.fit(np.full((12, 40), 3.0), Y[:12])
        assert not few.coef_.any() and few.relative_gap_ <= model.tol


def test_a_feature_too_small_beside_others_is_told():
    X, y, tasks = data()
    X[:, 1] *= 1e-180
    with pytest.warns(UserWarning, match="Feature x1 of X is too small beside the largest one"):
        model = JointFeatureRegressor(lambda1=0.0).fit(X, y, tasks=tasks)
    assert_allclose(model.coef_[:, 1], 0.0, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-4, 1e-6, 1e-10])
@pytest.mark.parametrize("door", ["tasks", "shared", "masked"])
def test_least_squares_on_features_of_uneven_scale(factor, door):
    """A small feature counts as much as a large one: what was dropped would be a false gap of 0."""
    X, y, tasks = data()
    fit = {"tasks": tasks} if door == "tasks" else {}
    if door != "tasks":
        y = np.column_stack([y, -y])
        y[::5, 1] = y[::5, 1] if door == "shared" else np.nan
    usual = MeanRegularizedRegressor(lambda1=0, lambda2=0).fit(X, y, **fit)
    uneven = MeanRegularizedRegressor(lambda1=0, lambda2=0)
    uneven.fit(X * [factor, 1.0, 1.0 / factor], y, **fit)
    assert_allclose(uneven.coef_ * [factor, 1.0, 1.0 / factor], usual.coef_, rtol=1e-6)


# --- features with a small spread beside their mean ----------------------------------------------


def timestamps(n=200):
    rng = np.random.default_rng(0)
    x = 1.7e9 + 4e-5 * rng.uniform(-1, 1, n)
    z = x - 1.7e9
    return x[:, None], z / z.std(), z / z.std() + 0.1 * rng.standard_normal(n)


def doors(X, y):
    tasks = np.arange(len(y)) % 2
    yield {}, X, y
    yield {"tasks": tasks}, X, y
    yield {"tasks": tasks, "sample_weight": 1.0 + tasks}, X, y
    yield {}, X, np.column_stack([y, y])
    yield {}, X, np.column_stack([y, np.where(tasks, y, np.nan)])


@pytest.mark.parametrize("door", range(5))
def test_small_spread_beside_a_large_mean_is_fitted(door):
    X, _, y = timestamps()
    fit, X, y = list(doors(X, y))[door]
    for model in (
        MeanRegularizedRegressor(lambda1=0, lambda2=0),
        JointFeatureRegressor(lambda1=0),
        LassoRegressor(lambda1=1e-9),
        CalibratedJointFeatureRegressor(lambda1=1e-9),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y, **fit)
        # No float is nearer to the best intercept than half a unit of its last place, and so it is
        # with predictions.
        rounding = np.spacing(np.abs(np.atleast_1d(model.intercept_)).max())
        if model.relative_gap_ > model.tol:
            assert "Floats do not hold the intercepts" in str(caught[0].message)
        slope = model.coef_.reshape(model.n_tasks_, -1) * (X - 1.7e9).std()
        assert_allclose(slope, 1.0, atol=0.1)
        targets = y.reshape(len(y), -1)
        predicted = model.predict(X, **{k: v for k, v in fit.items() if k == "tasks"})
        rest = predicted.reshape(len(y), -1) - targets
        assert np.nanstd(rest) < 0.11 + 2 * rounding


def test_the_gap_is_no_less_than_the_intercept_s_rounding():
    X, _, y = timestamps()
    model = MeanRegularizedRegressor(lambda1=0, lambda2=0)
    with pytest.warns(
        ConvergenceWarning, match="the mean of 'x0' is large beside its spread. Subtract it from X"
    ):
        model.fit(X, y)
    tasks = np.zeros(len(y), int)
    best = MeanRegularizedRegressor(lambda1=0, lambda2=0).fit(X - 1.7e9, y)
    least = objective_of(best, X - 1.7e9, y, tasks)
    assert objective_of(model, X, y, tasks) - least <= model.dual_gap_ + best.dual_gap_ + 1e-15


@pytest.mark.parametrize("mean", [1e6, 1.7e9, 1e12])
@pytest.mark.parametrize("share", [2.0, 2.0**8, 2.0**16])
@pytest.mark.parametrize("door", range(5))
def test_the_column_of_a_large_mean_is_named(mean, share, door):
    """Spreads of few to many units in the last place: a fit as good as floats hold, or a word."""
    rng = np.random.default_rng(0)
    z = np.round(rng.uniform(-1, 1, 200) * 8) / 8
    far = mean + z * 8 * share * np.spacing(mean)
    near = (far - mean) / (8 * share * np.spacing(mean))  # exact
    other = rng.standard_normal(200)
    target = near - other + 0.1 * rng.standard_normal(200)
    fit, X, y = list(doors(np.column_stack([other, far]), target))[door]
    for model in (MeanRegularizedRegressor(lambda1=0, lambda2=0), JointFeatureRegressor(lambda1=0)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y, **fit)
        slope = model.coef_.reshape(model.n_tasks_, -1)
        assert_allclose(slope[:, 1] * 8 * share * np.spacing(mean), 1.0, atol=0.1)
        assert_allclose(slope[:, 0], -1.0, atol=0.1)
        if model.relative_gap_ > model.tol:
            assert "the mean of 'x1' is large beside its spread" in str(caught[0].message)


def test_the_target_of_a_large_mean_is_named():
    X, y, tasks = data()
    model = LassoRegressor(lambda1=0.01)
    with pytest.warns(ConvergenceWarning, match="the mean of y is large beside its spread"):
        model.fit(X, 1e12 + y * 1e-3, tasks=tasks)


def test_classes_with_a_small_spread_beside_a_large_mean():
    X, _, y = timestamps()
    labels = y + np.random.default_rng(1).logistic(size=len(y)) > 0
    for cls in (MeanRegularizedClassifier, JointFeatureClassifier):
        model = cls(lambda1=0, lambda2=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, labels)
        centred = cls(lambda1=0, lambda2=0).fit(X - 1.7e9, labels)
        assert_allclose(model.coef_, centred.coef_, rtol=1e-3)


@pytest.mark.parametrize("mean", [0.1, 1e9, -3.3e17, 1e-200])
def test_constant_columns_stay_without_coefficients(mean):
    X, y, tasks = data()
    X[:, 2] = mean
    X[tasks == 1, 0] = 0.3
    for weight in (None, np.linspace(0.1, 2.0, len(y))):
        for model in (
            MeanRegularizedRegressor(lambda1=0, lambda2=0),
            JointFeatureRegressor(lambda1=0),
            LassoRegressor(lambda1=1e-12),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                model.fit(X, y, tasks=tasks, sample_weight=weight)
            assert not model.coef_[:, 2].any()
            assert model.coef_[1, 0] == 0.0


def test_targets_with_a_small_spread_beside_a_large_mean():
    X, y, tasks = data()
    usual = LassoRegressor(lambda1=0.01).fit(X, y, tasks=tasks)
    given = 1e12 + np.round(y * 2**10) / 2**13
    model = LassoRegressor(lambda1=0.01 / 8).fit(X, given, tasks=tasks)
    assert_allclose(model.coef_ * 8, usual.coef_, atol=0.01)
    small = LassoRegressor(lambda1=0).fit(X, 1.7e9 + 1e-6 * y, tasks=tasks)
    assert small.coef_.any()


@pytest.mark.parametrize("cls", [LassoRegressor, JointFeatureRegressor])
def test_one_feature_that_several_tasks_share(cls):
    """One Gram matrix for all tasks has one entry then: kernels must not look for one a task."""
    X, y, _ = data()
    Y = np.column_stack([y, 2.0 * y, -y])
    both = cls(lambda1=0.01).fit(X[:, :1], Y)
    assert both.relative_gap_ <= both.tol
    tasks = np.repeat([0, 1, 2], len(X))
    stacked = cls(lambda1=0.01).fit(np.tile(X[:, :1], (3, 1)), Y.T.ravel(), tasks=tasks)
    assert_allclose(both.coef_, stacked.coef_, atol=1e-4)


# --- what else is made of fits -------------------------------------------------------------------


@pytest.mark.parametrize("x", [2.0**-300, 2.0**300])
@pytest.mark.parametrize("model", [JointFeatureRegressor(), MeanRegularizedRegressor()], ids=str)
def test_paths_are_in_the_units_of_the_data(model, x):
    X, y, tasks = data()
    power = model._strengths["lambda1"]
    usual = lambda1_max(model, X, y, tasks=tasks)
    assert_allclose(lambda1_max(model, X * x, y, tasks=tasks), usual * x**power, rtol=1e-12)
    path = regularization_path(model, X, y, tasks=tasks, n_lambdas=5)
    other = regularization_path(model, X * x, y, tasks=tasks, n_lambdas=5)
    assert_allclose(other.lambda1, path.lambda1 * x**power, rtol=1e-12)
    assert_allclose(other.coef * x, path.coef, atol=1e-3)
    assert (other.relative_gap >= 0.0).all() and (other.relative_gap <= model.tol).all()
    alone = type(model)(lambda1=float(other.lambda1[-1])).fit(X * x, y, tasks=tasks)
    assert_allclose(other.coef[-1] * x, alone.coef_ * x, atol=1e-3)
