"""Mixed models against statsmodels and lme4's published figures, on public and simulated data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from malsar_py import MixedEffectsRegressor
from malsar_py.datasets import load_exam

pd = pytest.importorskip("pandas")
lmm = pytest.importorskip("statsmodels.regression.mixed_linear_model")


def exam(_):
    X, y = load_exam(return_X_y=True, as_frame=True)
    return X[["standLRT", "schavg"]].to_numpy(), y.to_numpy(), X["school"].to_numpy(), [0]


def parkinsons(shared_dir):
    table = pd.read_csv(shared_dir / "data" / "parkinsons_updrs.data", sep=None, engine="python")
    features = table[["test_time", "PPE", "age"]].to_numpy(dtype=float)
    return features, table["total_UPDRS"].to_numpy(), table["subject#"].to_numpy(), [0, 1]


def simulated(_, T=25, d=2, seed=0):
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(T), rng.integers(3, 15, T))
    X = rng.standard_normal((len(tasks), d)) * [1.0, 4.0] + [3.0, -10.0]
    u = rng.multivariate_normal([0, 0, 0], [[1, 0.3, 0], [0.3, 0.5, 0], [0, 0, 0.05]], T)[tasks]
    y = 2.0 + u[:, 0] + np.einsum("ij,ij->i", X - X.mean(axis=0), [1.0, -0.5] + u[:, 1:])
    return X, y + rng.standard_normal(len(tasks)), tasks, [0, 1]


def sleepstudy(shared_dir):
    table = pd.read_csv(shared_dir / "cases" / "tables" / "rd_sleepstudy.csv")
    return table[["Days"]].to_numpy(float), table["Reaction"].to_numpy(), table["Subject"], [0]


def orthodont(shared_dir):
    table = pd.read_csv(shared_dir / "cases" / "tables" / "rd_Orthodont.csv")
    X = np.column_stack([table["age"], table["Sex"] == "Male"]).astype(float)
    return X, table["distance"].to_numpy(), table["Subject"], [0]


DATA = [exam, parkinsons, simulated, sleepstudy, orthodont]


def theirs(X, y, tasks, slopes, covariance, reml):
    """statsmodels' fit on centred columns; None if it says that it did not converge."""
    X = X - X.mean(axis=0)
    exog = np.column_stack([np.ones(len(y)), X])
    random = np.column_stack([np.ones(len(y)), X[:, slopes]])
    model = lmm.MixedLM(y, exog, groups=np.asarray(tasks), exog_re=random)
    free = None
    if covariance == "diag":
        free = lmm.MixedLMParams.from_components(
            fe_params=np.ones(exog.shape[1]), cov_re=np.eye(random.shape[1])
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # As exactly as it can: its own tolerance leaves three digits of the variances of Exam.
        result = model.fit(reml=reml, free=free, method="bfgs", gtol=1e-9, maxiter=2000)
    boundary = any("boundary" in str(w.message) for w in caught)
    return result, result.converged and not boundary


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("data", DATA)
def test_statsmodels(data, covariance, reml, request):
    needs = data.__name__ in ("parkinsons", "sleepstudy", "orthodont")
    X, y, tasks, slopes = data(request.getfixturevalue("shared_dir") if needs else None)
    ours = MixedEffectsRegressor(
        covariance=covariance,
        random=slopes,
        prior=np.inf,
        prior_mean=False,
        method="reml" if reml else "ml",
        tol=1e-11,
    ).fit(X, y, tasks=tasks)
    result, converged = theirs(X, y, tasks, slopes, covariance, reml)
    assert ours.optimality_ <= 1e-10
    assert ours.log_likelihood_ >= result.llf - 1e-9 * abs(result.llf)
    if not converged and result.llf < ours.log_likelihood_ - 1e-6:
        return  # it stopped early, and says so
    assert_allclose(ours.log_likelihood_, result.llf, rtol=0, atol=1e-6)
    assert_allclose(ours.sigma2_, result.scale, rtol=1e-4)
    random = ours.random_variance_
    if covariance == "full":  # theirs is at the grand mean
        shift = np.eye(len(random))
        shift[0, 1:] = X.mean(axis=0)
        random = shift @ random @ shift.T
    kept = np.r_[0, np.array(slopes) + 1]
    size = np.sqrt(np.diag(result.cov_re))
    difference = (random[np.ix_(kept, kept)] - result.cov_re) / np.outer(size, size)
    assert np.abs(difference).max() <= 1e-4
    mean = np.r_[ours.intercept_mean_ + X.mean(axis=0) @ ours.coef_mean_, ours.coef_mean_]
    assert_allclose(mean, result.fe_params, rtol=0, atol=1e-6 * np.abs(mean).max())


def test_sleepstudy_as_published(shared_dir):
    """The figures of lme4's paper (Bates et al. 2015, section 1.2 and following)."""
    X, y, tasks, _ = sleepstudy(shared_dir)
    model = MixedEffectsRegressor(covariance="full", prior=np.inf, prior_mean=False)
    model.fit(X, y, tasks=tasks)
    assert round(model.intercept_mean_, 2) == 251.41 and round(model.coef_mean_[0], 2) == 10.47
    sd = np.sqrt(np.diag(model.random_variance_))
    assert sd.round(2).tolist() == [24.74, 5.92]
    assert round(model.random_variance_[0, 1] / sd.prod(), 2) == 0.07
    assert round(np.sqrt(model.sigma2_), 2) == 25.59
    assert round(model.log_likelihood_, 3) == -871.814
    report = model.fit_report()
    assert [round(e, 2) for e in report.fixed["std_error"]] == [6.82, 1.55]
    assert round(report.aic, 1) == 1755.6


def test_orthodont_has_an_effect_of_sex(shared_dir):
    """Constant within a child: boys are about 2.3 mm larger on average."""
    X, y, tasks, _ = orthodont(shared_dir)
    for parameters in ({"prior": np.inf, "prior_mean": False}, {}):
        model = MixedEffectsRegressor(**parameters).fit(X, y, tasks=tasks)
        assert model.coef_mean_[1] == pytest.approx(2.3, abs=0.25)
        assert (model.coef_[:, 1] == model.coef_mean_[1]).all()  # no random slope
        assert model.random_variance_[2].tolist() == [0.0] * 3
