"""Linear mixed models: every task's coefficients are draws around common ones."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._intervals import check_level, normal_interval
from .._new_tasks import resolve_new_tasks
from .._tasks import TaskRows, resolve_predict
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray
from ..base import TaskRegressor
from ._effects import Effects
from ._estimate import Estimate, Settings, estimate
from ._likelihood import NUGGET, Likelihood
from ._names import chosen_features
from ._report import FitReport, make_report
from ._statistics import TaskStatistics, make_frame, task_statistics


@dataclass(kw_only=True, eq=False, repr=False)
class MixedEffectsRegressor(TaskRegressor):
    """Linear mixed model: partial pooling by random intercepts and slopes, BLUP for each task.

    The model of row i of task t (a hierarchical, or multilevel, linear model) is::

        y_ti = b0 + a_t + x_ti . (m + u_t) + e_ti,    (a_t, u_t) ~ N(0, sigma2 D),
                                                      e_ti ~ N(0, sigma2)

    with the common intercept b0 and slopes m, and m ~ N(0, sigma2 phi I) with `prior_mean`. The
    variances sigma2, sigma2 D and phi maximise the restricted likelihood, the mean slopes and b0
    integrated out (or the likelihood); coefficients are best linear unbiased predictions (BLUP)::

        minimise over b0, m, a, u:   sum_ti s_ti (y_ti - b0 - a_t - x_ti . (m + u_t))^2
                                     + sum_t (a_t, u_t) D^-1 (a_t, u_t)' + ||m||^2 / phi

    with sample weights s_ti: tasks with few rows are drawn to the common model, and how far is
    learned from the data.

    Parameters
    ----------
    covariance : "diag", "iso" or "full", default="diag"
        D: a variance for the intercepts and one for each slope; one for the intercepts and one for
        all slopes, on columns of one spread within the tasks; or any positive semidefinite matrix,
        for many tasks and few features. "diag" and "iso" are at the grand mean of the features.
    random : "varying" or list of names or positions, default="varying"
        Features with random slopes: those with at least 1 % of their sum of squares within the
        tasks; or these features, positions counted as in `coef_`, ``[]`` for random intercepts
        alone. All others have the same coefficient in every task.
    prior : float, default=1.0
        Standard deviation, in (0, inf], of the log slope variances around that of "iso", against
        wild variances; for "full" the density of the correlation matrix R is besides proportional
        to ``|R|^(1 / prior^2)`` [5]_, for all to the noise's share in the variance of an average
        row, ``1 / (1 + tr GD)`` with G the mean of zz', z = (1, x), to the power ``min(1, 1 /
        prior^2)``, against no noise in tasks of two rows [6]_. ``np.inf``: plain REML or ML.
    prior_mean : bool, default=True
        Whether the mean slopes are drawn from ``N(0, sigma2 phi I)`` on columns of one spread, with
        phi estimated too: needed where features are collinear or about as many as rows.
    method : "reml" or "ml", default="reml"
        Restricted or plain likelihood.
    weights : "frequency" or "precision", default="frequency"
        What `sample_weight` means: a row of weight 2 is two rows, as elsewhere in this package; or
        the noise of a row of weight s has variance ``sigma2 / s``, as in lme4 and nlme.
    fit_intercept : bool, default=True
        Whether there are intercepts b0 and a_t. Without them columns are not centred and every
        feature is "varying".
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    unseen : "error" or "mean", default="mean"
        What predict does with a task label that was not fitted: refuse it, or use the common model,
        the best prediction for a task of which nothing is known.
    tol : float, default=1e-8
        The fit stops when another step promises at most this much log-likelihood.
    max_iter : int, default=100
        Largest number of steps of each of the fits (the prior needs that of "iso" first).

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.
    coef_mean_ : ndarray of shape (n_features,)
        Common slopes m.
    intercept_mean_ : float
        Common intercept b0, at x = 0.
    sigma2_ : float
        Variance of the noise.
    random_variance_ : ndarray of shape (n_features + 1, n_features + 1)
        Covariance ``sigma2 D`` of a task's intercept (first) and slopes about the common ones, 0
        for those that do not vary; the intercept at the grand mean of the features for "diag" and
        "iso", at x = 0 for "full". Without intercepts: of the slopes.
    mean_variance_ : float
        ``sigma2 phi`` in units of y^2, on columns of unit spread; inf without `prior_mean`.
    log_likelihood_ : float
        Of the data at these variances, restricted if so chosen, without the prior on D.
    optimality_ : float
        How much log-likelihood another step promises, comparable with `tol`. The problem is not
        convex: the point is stationary.
    gradient_ : ndarray of the shape of `random_variance_`
        Derivative of ``objective_[-1]`` by `random_variance_`: 0 where a variance is positive, not
        negative where one is 0 (for "iso": of their sum; for "full": a positive semidefinite
        matrix whose product with `random_variance_` is 0).
    objective_ : ndarray
        Minus twice the log-likelihood, plus the prior's part, at the start and after each step; it
        never rises.
    objective_iterations_ : ndarray of the same length
        Number of steps after which these were.
    n_iter_ : int
        Number of steps.
    coef_cov_ : ndarray of shape (n_tasks, n_features + 1, n_features + 1)
        Covariances of each task's intercept (first, at x = 0) and coefficients about the true ones,
        computed when asked for.
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept and coefficients.

    See Also
    --------
    MeanRegularizedRegressor : The same coefficients, where the strengths are given: lambda1 =
        1 / (nbar D_jj) with ``task_weight="size"`` and nbar rows a task.

    Notes
    -----
    First to try for grouped rows with fewer features than rows. A few outliers can pass for random
    slopes, and intercepts that go with the features are drawn too far: compare, where tasks have
    three rows or more, by cross-validation with ``random=[]`` and :class:`MeanRegularizedRegressor`
    (guide "Partial pooling").

    Linear in the number of tasks; variances by projected Fisher scoring, of "full" by Gauss-Newton
    steps on a Cholesky factor of D, zeros exact. Standard errors and intervals take the variances
    as known (empirical Bayes): a little short where there are few tasks.

    References
    ----------
    .. [1] N. M. Laird, J. H. Ware, "Random-effects models for longitudinal data", Biometrics
       38, 1982.
    .. [2] C. R. Henderson, "Best linear unbiased estimation and prediction under a selection
       model", Biometrics 31, 1975.
    .. [3] D. A. Harville, "Maximum likelihood approaches to variance component estimation and to
       related problems", JASA 72, 1977.
    .. [4] D. Bates, M. Maechler, B. Bolker, S. Walker, "Fitting linear mixed-effects models using
       lme4", Journal of Statistical Software 67, 2015.
    .. [5] D. Lewandowski, D. Kurowicka, H. Joe, "Generating random correlation matrices based on
       vines and extended onion method", Journal of Multivariate Analysis 100, 2009.
    .. [6] Y. Chung et al., "A nondegenerate penalized likelihood estimator", Psychometrika, 2013.

    Examples
    --------
    >>> from malsar_py import MixedEffectsRegressor
    >>> from malsar_py.datasets import load_exam
    >>> exam = load_exam()
    >>> model = MixedEffectsRegressor().fit(exam.data, exam.target, tasks=exam.tasks)
    >>> model.coef_.shape, model.optimality_ <= model.tol
    ((65, 15), True)
    >>> mean, std = model.predict(exam.data[:2], tasks=["?", "?"], return_std=True)
    >>> mean.shape, std.shape
    ((2,), (2,))
    """

    covariance: str = "diag"
    random: Any = "varying"
    prior: float = 1.0
    prior_mean: bool = True
    method: str = "reml"
    weights: str = "frequency"
    unseen: str = "mean"
    tol: float = 1e-8
    max_iter: int = 100
    verbose: int = field(default=0, init=False)

    _linear: ClassVar[bool] = False
    _any_order: ClassVar[bool] = True
    _measure: ClassVar[str] = "gain in log-likelihood"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: constraint
        for name, constraint in TaskRegressor._parameter_constraints.items()
        if name != "verbose"
    } | {
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "covariance": [StrOptions({"diag", "iso", "full"})],
        "random": [StrOptions({"varying"}), "array-like"],
        "prior": [Interval(Real, 0, np.inf, closed="right")],
        "prior_mean": ["boolean"],
        "method": [StrOptions({"reml", "ml"})],
        "weights": [StrOptions({"frequency", "precision"})],
    }

    def _needs_rows(self) -> str:
        return ""

    # --- fit -------------------------------------------------------------------------------------

    def _fit_rows(self, rows: TaskRows) -> None:
        if not np.isfinite(rows.sample_weight.sum()):
            raise ValueError("sample_weight is too large: the sum of the weights is no float.")
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # see _set_variances
            frame = make_frame(rows, self.fit_intercept)
            statistics = task_statistics(rows, frame, self.weights == "precision")
            found = self._maximise(statistics, rows.feature_names)
            self._set_variances(found)
            self._set_tasks(rows)
            self._set_effects(Effects.of(found))

    def _maximise(self, statistics: TaskStatistics, feature_names: AnyArray) -> Estimate:
        """The variances from sums of products alone: no row is looked at."""
        settings = Settings(
            covariance=self.covariance,
            random=chosen_features(self.random, feature_names),
            prior=float(self.prior),
            prior_mean=self.prior_mean,
            reml=self.method == "reml",
            tol=self.tol,
            max_iter=self.max_iter,
        )
        found = estimate(statistics, settings)
        self._warn(found)
        return found

    def _warn(self, found: Estimate) -> None:
        name, message = type(self).__name__, None
        if found.degenerate:
            message = (
                f"{name} fits the targets to rounding: the variance of the noise cannot be told "
                f"from 0, and {NUGGET:g} times the targets' mean square is taken for it. Leave out "
                "features or random slopes; where tasks differ by far more than the noise, "
                "subtract each task's mean first."
            )
        elif not found.converged:
            message = (
                f"{name} did not reach tol={self.tol:g} in {found.n_iter} steps: the "
                f"{self._measure} still expected is {found.gain:.3g}. Increase max_iter or tol, or "
                'choose a simpler covariance ("diag", "iso").'
            )
        if message:
            warnings.warn(message, ConvergenceWarning, stacklevel=5)

    def _set_variances(self, found: Estimate) -> None:
        likelihood, at = found.likelihood, found.at
        frame, random = likelihood.statistics.frame, likelihood.random
        K = frame.to_given()
        if self.covariance != "full":
            K = np.diag(np.diag(K))  # at the grand mean
        p = len(K)
        D, gradient = np.zeros((p, p)), np.zeros((p, p))
        at_random = np.ix_(random, random)
        sigma2 = 0.0 if at.exact else at.sigma2
        D[at_random] = found.factor @ found.factor.T
        gradient[at_random] = found.gradient
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self.sigma2_ = float(sigma2 * np.square(np.float64(frame.y_unit)))
            self.random_variance_ = sigma2 * K @ D @ K.T
            usual = np.isfinite(K).all() and np.diag(K).all()
            back = np.linalg.inv(K) if usual else np.full_like(K, np.nan)
            self.gradient_ = back.T @ gradient @ back / at.sigma2
        numbers = np.append(self.random_variance_, [self.sigma2_, back.sum()])
        lost = (np.diag(D) > 0.0) & (np.diag(self.random_variance_) == 0.0)
        if not np.isfinite(numbers).all() or (sigma2 > 0.0) & (lost.any() or self.sigma2_ == 0.0):
            raise ValueError(
                "Variances are too large or too small to be represented: measure y and the "
                "columns of X in other units."
            )
        phi = at.phi if likelihood.prior_mean else np.inf
        self.mean_variance_ = float(phi * self.sigma2_) if np.isfinite(phi) else np.inf
        constant = likelihood.total == 0.0
        self.log_likelihood_ = np.inf if constant else likelihood.log_likelihood(at)
        self.objective_ = found.history - (at.value + 2.0 * likelihood.log_likelihood(at))
        self.objective_iterations_ = np.arange(len(found.history))
        self.optimality_ = float(found.gain)
        self.n_iter_ = found.n_iter
        self._estimate = replace(found, at=at.lean())

    def _set_effects(self, effects: Effects) -> None:
        frame = effects.statistics.frame
        K, start = frame.to_given(), int(frame.intercept)
        mean = K @ effects.beta
        each = effects.coefficients() @ K.T
        intercept = np.zeros(len(each))
        self.intercept_mean_ = 0.0
        if start:
            self.intercept_mean_ = float(mean[0] + frame.y_center)
            intercept = each[:, 0] + frame.y_center
        self.coef_mean_ = mean[start:]
        plain = self._door == "none"
        self.coef_: Any = each[0, start:] if plain else np.ascontiguousarray(each[:, start:])
        self.intercept_: Any = float(intercept[0]) if plain else intercept
        self._effects = effects

    # --- predictions -----------------------------------------------------------------------------

    def predict(self, X: Any, *, tasks: Any = None, return_std: bool = False) -> Any:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows, with the label column if there was one at fit.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, after a fit with `tasks`; after one on a 2-D y: predict each row
            for this task alone. Missing labels are errors, and unknown ones (see `unseen`).
        return_std : bool, default=False
            Whether to return standard deviations too: of a new target (of weight 1) about its
            prediction, noise included, the variances taken as known.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Predictions; two-dimensional after a fit on a 2-D y, unless `tasks` is given.
        std : ndarray of the same shape
            If `return_std`.
        """
        rows = resolve_predict(self, X, tasks=tasks)
        mean = self._predict_rows(rows.X, rows.index)
        if not return_std:
            return mean
        variance = self._effects.row_variances(rows.X, rows.index, self.n_tasks_)
        return mean, self._effects.frame.y_unit * np.sqrt(variance)

    def _predict_rows(self, X: FloatArray, index: AnyArray | None) -> FloatArray:
        coef = self.coef_.reshape(self.n_tasks_, -1)
        if index is None:
            return X @ coef.T + self.intercept_
        # The last one is that of unseen tasks, whose index is -1.
        coef = np.vstack([coef, self.coef_mean_])
        intercept = np.append(self.intercept_, self.intercept_mean_)
        return np.einsum("ij,ij->i", X, coef[index]) + intercept[index]

    # --- new tasks -------------------------------------------------------------------------------

    def adapt(
        self, X_new: Any, y_new: Any = None, *, tasks: Any = None, sample_weight: Any = None
    ) -> Self:
        """A copy of the fitted model that knows new tasks too, the variances as they are.

        The same coefficients, common ones included, as a fit of all data with these variances.

        Parameters
        ----------
        X_new : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
            Rows of the new tasks, or their :class:`malsar_py.Summary`, given alone.
        y_new : array-like of shape (n_samples,) or (n_samples, n_new_tasks)
            Their targets; after a fit on a 2-D y one column per new task.
        tasks, sample_weight : array-like, default=None
            As in `fit`.

        Returns
        -------
        model : object
            The copy, with the new tasks appended to `tasks_`.

        Raises
        ------
        ValueError, TypeError
            If a label is one of a fitted task, or the data cannot be used.
        """
        rows, labels = resolve_new_tasks(
            self, X_new, y_new, tasks=tasks, sample_weight=sample_weight
        )
        found, old = self._estimate, self._effects
        with one_blas_thread():
            likelihood = found.likelihood
            frame = likelihood.statistics.frame
            more = task_statistics(rows, frame, self.weights == "precision")
            everything = Likelihood(
                old.statistics.joined(more),
                likelihood.random,
                reml=likelihood.reml,
                prior_mean=likelihood.prior_mean,
            )
            if likelihood.nugget > 0.0:
                everything = everything.with_nugget()
            at = everything.evaluate(found.factor, found.at.phi, sigma2=found.at.sigma2)
        adapted = copy.copy(self)
        adapted.tasks_ = labels
        adapted.n_tasks_ = len(labels)
        if not found.at.exact:
            adapted.log_likelihood_ = everything.log_likelihood(at)
        adapted._set_effects(
            Effects(
                everything.statistics,
                old.random,
                old.factor,
                old.sigma2,
                at.beta,
                at.cov_beta,
            )
        )
        return adapted

    # --- uncertainty -----------------------------------------------------------------------------

    @property
    def coef_cov_(self) -> FloatArray:
        """Covariances of the tasks' intercepts and coefficients."""
        if not hasattr(self, "_effects"):
            raise AttributeError(f"This {type(self).__name__} is not fitted: coef_cov_ is unknown.")
        K = self._effects.statistics.frame.to_given()
        cov = K @ self._effects.covariances(np.arange(self.n_tasks_)) @ K.T
        return cov[0] if self._door == "none" else cov

    @property
    def task_prior_(self) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of a new task's intercept and coefficients."""
        if not hasattr(self, "_effects"):
            raise AttributeError(
                f"This {type(self).__name__} is not fitted: task_prior_ is unknown."
            )
        mean = self.coef_mean_
        if self.fit_intercept:
            mean = np.append(self.intercept_mean_, mean)
        K = self._effects.statistics.frame.to_given()
        return mean, K @ self._effects.covariances(np.array([-1]))[0] @ K.T

    def coef_interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Intervals that hold each coefficient with probability `level`, variances taken as known.

        Parameters
        ----------
        level : float, default=0.9
            Probability, in (0, 1).

        Returns
        -------
        lower, upper : ndarray of the shape of `coef_`
            ``coef_`` less and plus a normal quantile times its standard error.
        """
        check_is_fitted(self, "tasks_")
        check_level(level)
        variances = np.diagonal(self.coef_cov_, axis1=-2, axis2=-1)[..., int(self.fit_intercept) :]
        return normal_interval(self.coef_, variances, level)

    def fit_report(self, level: float = 0.95) -> FitReport:
        """Fixed effects with standard errors, variance components, and fit statistics.

        Parameters
        ----------
        level : float, default=0.95
            Level of the intervals of the fixed effects, in (0, 1).

        Returns
        -------
        report : FitReport
            Tables as attributes; printing it gives them as text.
        """
        check_is_fitted(self, "tasks_")
        check_level(level)
        return make_report(self, level)
