"""Models that can take up new tasks without a fit of everything."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._classes import refuse_one_class_tasks
from .._labels import show_label
from .._limits import penalty_in_units, within_floats
from .._new_tasks import resolve_new_tasks
from .._solution import Prepared, Problem, Solution
from .._sparse import as_array
from .._task_prior import Intercept, TaskPrior
from .._tasks import TaskRows
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray
from .._units import shifted
from .._weights import task_weights
from ..losses import Logistic, Loss
from ..solvers import Result
from ._penalized import MultiTaskEstimator
from ._targets import MultiTaskClassifier, MultiTaskRegressor

# What rounding may make of a prediction by the prior, as a share of the targets.
_EPS, _SEEN = np.finfo(float).eps, 1e-6


@dataclass(frozen=True, eq=False)
class _Fit:
    """What there was to a fit, whatever the parameters are set to later."""

    parameters: dict[str, Any]
    n_tasks: int
    per_task: float  # mean of the tasks' total sample weights
    omega: float  # sum of the tasks' weights
    y_size: float  # largest target
    kappa: float = 0.0  # strength of the shrinkage of intercepts at the features' center
    center: FloatArray | None = None  # (n_features,), with kappa


@dataclass(kw_only=True, eq=False, repr=False)
class Adapting(MultiTaskEstimator):
    """A model whose penalty says what to expect of a new task (``_metric``)."""

    @abstractmethod
    def _metric(self, W: FloatArray) -> TaskPrior:
        """The prior of another task beside fitted coefficients (n_features, n_tasks)."""

    @property
    @abstractmethod
    def _loss_of_fit(self) -> Loss:
        """The loss that tasks were fitted with."""

    @abstractmethod
    def _new_targets(self, rows: TaskRows, free_intercepts: bool) -> FloatArray:
        """Targets of new tasks as that loss takes them."""

    def _set_solution(
        self, rows: TaskRows, result: Result, solution: Solution, problem: Problem
    ) -> None:
        super()._set_solution(rows, result, solution, problem)
        omega = float(task_weights(rows, self.task_weight).sum())
        y_size = float(np.abs(rows.targets_about(0.0)).max())
        per_task = self._weighed(rows).per_task
        self._fit_of = _Fit(self.get_params(deep=False), rows.n_tasks, per_task, omega, y_size)

    def _set_shrinkage(self, prepared: Prepared) -> None:
        super()._set_shrinkage(prepared)
        if prepared.kappa > 0.0:
            assert prepared.means is not None
            center = shifted(prepared.means[0], prepared.problem.units.x)
            self._fit_of = replace(self._fit_of, kappa=prepared.kappa, center=center)

    def _as_fitted(self) -> Self:
        """The model with the tasks and parameters of its fit."""
        fit = self._fit_of
        other = copy.copy(self)
        other.__dict__.update(fit.parameters)
        other.coef_ = self.coef_.reshape(self.n_tasks_, -1)[: fit.n_tasks]
        other.intercept_ = np.atleast_1d(self.intercept_)[: fit.n_tasks]
        other.tasks_, other.n_tasks_ = self.tasks_[: fit.n_tasks], fit.n_tasks
        return other

    def adapt(
        self, X_new: Any, y_new: Any = None, *, tasks: Any = None, sample_weight: Any = None
    ) -> Self:
        """A copy of the fitted model that knows new tasks too; the fitted tasks stay as they are.

        A new task minimises ``1/nbar sum_i s_i loss(y_i, x_i . w + b)``, nbar the mean weight of a
        task, plus what one more task would cost to second order: the Gaussian prior `task_prior_`.

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
            The copy, with the new tasks appended to `tasks_`. Its certificate is the fit's.

        Raises
        ------
        ValueError, TypeError
            If a label is one of a fitted task, nothing couples or shrinks the tasks, or there are
            more than two classes.
        """
        rows, labels = resolve_new_tasks(
            self, X_new, y_new, tasks=tasks, sample_weight=sample_weight
        )
        prior = self._checked(self._as_fitted()._prior())
        return self._adapted(rows, labels, [prior] * rows.n_tasks)

    def _check_plain(self) -> None:
        """Refuse what the prior does not know of."""
        n_classes = len(getattr(self, "classes_", ()))
        if n_classes > 2:
            raise ValueError(
                f"{type(self).__name__} has a prior for new tasks with two classes only, here are "
                f"{n_classes}: fit all tasks anew."
            )
        for name, plain in (("feature_weight", None), ("positive", False)):
            if getattr(self, name, plain) is not plain:
                raise ValueError(
                    f"{type(self).__name__} with {name} has no prior for new tasks: fit it without "
                    f"{name} to adapt it, or fit all tasks anew."
                )

    @within_floats
    def _prior(self) -> TaskPrior:
        self._check_plain()
        return self._metric(np.ascontiguousarray(self.coef_.T))

    def _checked(self, prior: TaskPrior) -> TaskPrior:
        if not np.isfinite(prior.spread).all():
            raise ValueError(
                f"{type(self).__name__} with these strengths says nothing of new tasks: none of "
                "the penalties is positive. Fit the new tasks by themselves, or all with penalties."
            )
        return prior

    def _adapted(self, rows: TaskRows, labels: AnyArray, priors: Sequence[TaskPrior]) -> Self:
        """The copy, its new tasks fitted with their priors."""
        place = self._intercept_prior()
        free = place is not None and place.kappa == 0.0
        rows, loss = self._as_fitted()._weighed(rows.with_means()), self._loss_of_fit
        rows = replace(rows, y=self._new_targets(rows, free))
        n_tasks = rows.n_tasks
        weight = rows.sample_weight / self._fit_of.per_task
        coef = np.empty((n_tasks, rows.X.shape[1]))
        intercept, gaps = np.zeros(n_tasks), np.zeros(n_tasks)
        with one_blas_thread(), np.errstate(all="ignore"):
            for t, prior in enumerate(priors):
                a, b = int(rows.offsets[t]), int(rows.offsets[t + 1])
                used = np.flatnonzero(weight[a:b] > 0.0)
                X = as_array(rows.X[used] if rows.shared else rows.X[a:b][used])
                rounding = _EPS * np.abs(X) @ np.abs(prior.mean)
                y_size = max(self._fit_of.y_size, float(np.abs(rows.y[a:b]).max()))
                y_size = y_size if loss.affine else max(y_size, 1.0)
                if not rounding.max() <= _SEEN * y_size:
                    coef[t] = np.nan
                    continue
                found = prior.fit(X, rows.y[a:b][used], weight[a:b][used], place, loss)
                coef[t], intercept[t], gaps[t] = found.coef, found.intercept, found.gap
        wrong = ~(np.isfinite(coef).all(axis=1) & np.isfinite(intercept))
        if wrong.any():
            t = int(np.argmax(wrong))
            raise ValueError(
                f"Floats do not hold the equations of task {show_label(rows.tasks, t)}: its "
                "features, targets or weights are too far from those of the fit. Rescale them all."
            )
        if gaps.max() > self.tol:
            t = int(gaps.argmax())
            warnings.warn(
                f"adapt did not reach tol={self.tol:g} for task {show_label(rows.tasks, t)}: the "
                f"relative duality gap is {gaps[t]:.3g}. Standardise the features.",
                ConvergenceWarning,
                stacklevel=3,
            )
        adapted = copy.copy(self)
        adapted.tasks_, adapted.n_tasks_ = labels, len(labels)
        adapted.coef_ = np.vstack([self.coef_, coef])
        adapted.intercept_ = np.concatenate([np.atleast_1d(self.intercept_), intercept])
        adapted._describe_new()
        return adapted

    def _intercept_prior(self) -> Intercept | None:
        """The prior of an intercept; None without one."""
        if not self._fit_of.parameters["fit_intercept"]:
            return None
        fit, center = self._fit_of, self._fit_of.center
        if center is None:
            return Intercept(0.0, np.zeros(self.coef_.shape[1]), self._mean_intercept)
        # The mean moves with the new task.
        kappa = fit.kappa * fit.n_tasks / (fit.n_tasks + 1)
        return Intercept(kappa, center, self._mean_intercept + float(center @ self._mean_coef))

    def _describe_new(self) -> None:
        """Bring what the model reads off its coefficients up to date."""
        parameters = self.get_params(deep=False)
        common = getattr(self, "coef_common_", None)
        self.__dict__.update(self._fit_of.parameters)
        W = np.ascontiguousarray(self.coef_.T)
        self._describe(W, Problem(self.tasks_, W.shape[0]))
        self.__dict__.update(parameters)
        if common is not None:  # it stays that of the fit
            self.coef_common_, self.coef_specific_ = common, self.coef_ - common

    @property
    def task_prior_(self) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of a new task's intercept and coefficients."""
        if not hasattr(self, "_fit_of"):
            raise AttributeError(f"This {type(self).__name__} is not fitted: no task_prior_.")
        if len(getattr(self, "classes_", ())) > 2:
            raise AttributeError("Of more than two classes there is no task_prior_.")
        fitted = self._as_fitted()
        prior = self._checked(fitted._prior())
        covariance = fitted._noise() / self._fit_of.per_task * prior.covariance
        place = self._intercept_prior()
        if place is None:
            return prior.mean, covariance
        d = len(prior.mean)
        joint = np.zeros((d + 1, d + 1))
        joint[1:, 1:] = covariance
        if place.kappa == 0.0:
            joint[0, 0] = np.inf
            return np.append(self._mean_intercept, prior.mean), joint
        joint[0, 0] = fitted._noise() / self._fit_of.per_task / place.kappa
        to_zero = np.eye(d + 1)  # from the columns' center to x = 0
        to_zero[0, 1:] = -place.center
        return to_zero @ np.append(place.b0, prior.mean), to_zero @ joint @ to_zero.T

    def _noise(self) -> float:
        """Variance of the noise where the strengths are variances; 1 for losses without one."""
        if not self._loss_of_fit.affine:
            return 1.0
        fit, given = self._fit_of, self._given()
        W = np.ascontiguousarray(self.coef_.T)
        penalty = penalty_in_units(self, Problem(self.tasks_, W.shape[0]), given).value(W)
        free = fit.n_tasks if fit.parameters["fit_intercept"] else 0
        if fit.center is not None:
            free = 1
        if given["lambda2"] == 0.0 and (self._quadratic() or getattr(self, "common", False)):
            free += W.shape[0]  # the mean of the tasks is
        # A norm is twice the quadratic that touches it.
        saved = (1.0 - 0.5 * self._strengths["lambda1"]) * penalty
        n = fit.per_task * fit.n_tasks
        squares = 2.0 * (float(self.objective_[-1]) - saved) / fit.omega * n
        return max(squares, 0.0) / max(n - free, 1.0)


@dataclass(kw_only=True, eq=False, repr=False)
class AdaptingRegressor(Adapting, MultiTaskRegressor):
    """A regressor that takes up new tasks."""

    @property
    def _loss_of_fit(self) -> Loss:
        return self._fitted_loss

    def _new_targets(self, rows: TaskRows, free_intercepts: bool) -> FloatArray:
        loss, given = self._fitted_loss, self._fit_of.parameters["loss"]
        if isinstance(given, Mapping) or not loss.smooth:
            raise ValueError(f"adapt is for one smooth loss for all tasks, got loss={given!r}.")
        return loss.check_targets(
            rows.y, rows.sample_weight, rows.offsets, rows.tasks, free_intercepts
        )


@dataclass(kw_only=True, eq=False, repr=False)
class AdaptingClassifier(Adapting, MultiTaskClassifier):
    """A classifier that takes up new tasks, of two classes."""

    @property
    def _loss_of_fit(self) -> Loss:
        return Logistic()

    def _new_targets(self, rows: TaskRows, free_intercepts: bool) -> FloatArray:
        if free_intercepts:
            kept = rows.sample_weight > 0.0
            refuse_one_class_tasks(rows.y, kept, rows.offsets, rows.tasks, self.classes_)
        return rows.y
