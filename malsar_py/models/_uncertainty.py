"""Standard deviations and intervals of quadratic models, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._intervals import check_level, normal_interval
from .._solution import Prepared, Problem, Solution
from .._sparse import is_sparse
from .._task_prior import TaskPrior
from .._tasks import TaskRows, resolve_predict
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray
from .._weights import task_weights
from ..base import AdaptingRegressor, variances
from ..solvers import Result

# Sums of products are kept where they are this many times as large as the data at most.
_MOST = 8


@dataclass(kw_only=True, eq=False, repr=False)
class Uncertain(AdaptingRegressor):
    """A regressor whose coupling is read as a normal distribution of the tasks."""

    def _read_rows(self, rows: TaskRows) -> None:
        self._unknown, self._read = self._why_unknown(rows), None
        if self._unknown:
            return
        with np.errstate(all="ignore"):
            sizes = np.add.reduceat(rows.sample_weight, rows.offsets[:-1])
            self._shares: FloatArray = task_weights(rows, self.task_weight) / sizes
            try:
                self._read = variances().moments(rows, self.fit_intercept)
            except ValueError:
                self._unknown = "the data are too far from ordinary size"

    def _set_solution(
        self, rows: TaskRows, result: Result, solution: Solution, problem: Problem
    ) -> None:
        super()._set_solution(rows, result, solution, problem)
        # Only what was read for this fit.
        self._moments, self._read = getattr(self, "_read", None), None

    def _set_shrinkage(self, prepared: Prepared) -> None:
        super()._set_shrinkage(prepared)
        weights = prepared.problem.feature_weight
        given = self._given()
        with np.errstate(over="ignore", invalid="ignore"):
            coupling = given["lambda1"] * (1.0 if weights is None else weights)
        self._held = {
            "coupling": np.broadcast_to(
                np.nan_to_num(coupling, nan=0.0, posinf=np.inf), self.coef_.shape[-1:]
            ),
            "ridge": given["lambda2"],
            "kappa": self._fit_of.kappa,
            "center": self._fit_of.center,
        }

    def _why_unknown(self, rows: TaskRows) -> str:
        """Why nothing is known of the fit's uncertainty, "" if it is."""
        if not self._loss(rows).affine:
            return "they are for the squared loss"
        if getattr(self, "positive", False):
            return "with positive=True coefficients are not normal"
        if is_sparse(rows.X):
            return "they are for dense X"
        if rows.n_tasks * (rows.X.shape[1] + 1) > _MOST * len(rows.y):
            return f"there are more than {_MOST} features for each row of a task"
        return ""

    def _adapted(self, rows: TaskRows, labels: AnyArray, priors: Sequence[TaskPrior]) -> Self:
        adapted = super()._adapted(rows, labels, priors)
        adapted._moments, adapted._unknown = None, "adapt has changed the tasks: fit all of them"
        return adapted

    def _posterior(self) -> Any:
        """The distribution of the tasks' coefficients."""
        check_is_fitted(self, "tasks_")
        moments = getattr(self, "_moments", None)
        if moments is None:
            why = getattr(self, "_unknown", "") or "they are for fits to rows"
            raise ValueError(
                f"{type(self).__name__} has no standard deviations and intervals here: {why}. "
                "malsar_py.inspection.bootstrap has them for every model."
            )
        coef = np.reshape(self.coef_, (self.n_tasks_, -1))
        with one_blas_thread(), np.errstate(all="ignore"):
            return moments.posterior(
                coef, np.atleast_1d(self.intercept_), shares=self._shares, **self._held
            )

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
            prediction, noise included; see Notes. An error where the fit has none
            (`coef_interval`), or nothing says where a new task's intercept is.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tasks)
            Predictions, by the inverse link of the loss; two-dimensional after a fit on a 2-D y,
            unless `tasks` is given.
        std : ndarray of the same shape
            If `return_std`.
        """
        if not return_std:
            return self._respond(*self._linear_prediction(X, tasks))
        rows = resolve_predict(self, X, tasks=tasks)
        y = self._respond(self._predict_rows(rows.X, rows.index), rows.index)
        posterior = self._posterior()
        with one_blas_thread(), np.errstate(all="ignore"):
            variance = posterior.row_variances(rows.X, rows.index, self.n_tasks_)
            std: FloatArray = posterior.frame.y_unit * np.sqrt(variance)
        if not np.isfinite(std).all():
            raise ValueError(
                "Nothing says how far the intercept or the coefficients of a new task may be: "
                "predict tasks that were fitted, or fit with intercept_shrinkage > 0 and "
                "lambda1 > 0."
            )
        return y, std

    def coef_interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Intervals that hold each coefficient with probability `level`; see Notes.

        Parameters
        ----------
        level : float, default=0.9
            Probability, in (0, 1).

        Returns
        -------
        lower, upper : ndarray of the shape of `coef_`
            ``coef_`` less and plus a normal quantile times its standard deviation.

        Raises
        ------
        ValueError
            If the fit has no standard deviations: another loss than the squared,
            ``positive=True``, sparse X, far more features than rows, after `adapt`.
        """
        check_is_fitted(self, "tasks_")
        check_level(level)
        posterior = self._posterior()
        frame = posterior.frame
        with one_blas_thread(), np.errstate(all="ignore"):
            cov = posterior.covariances(np.arange(self.n_tasks_))
        variances = np.diagonal(cov, axis1=1, axis2=2)[:, int(frame.intercept) :]
        variances = variances * (frame.y_unit / frame.unit) ** 2
        return normal_interval(self.coef_, variances.reshape(self.coef_.shape), level)
