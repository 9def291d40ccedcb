"""What resamples tell: intervals, standard errors, selection frequencies, a picture."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._intervals import check_level
from .._typing import AnyArray, FloatArray
from ._checks import position


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult:
    """The coefficients of all resamples, and what follows from them.

    Attributes
    ----------
    estimator : estimator
        The fit of all rows.
    tasks : ndarray of shape (n_tasks,)
        Task labels, as `tasks_`.
    feature_names : ndarray of shape (n_features,)
        Names of the features, as `coef_feature_names_`.
    coef : ndarray of shape (n_tasks, n_features)
        Coefficients of the fit of all rows; one task too is a row.
    intercept : ndarray of shape (n_tasks,)
        Its intercepts.
    mean_coef : ndarray of shape (n_features,)
        Its model for a task that was not fitted, as ``unseen="mean"`` uses it.
    coefs : ndarray of shape (n_resamples, n_tasks, n_features)
        Coefficients of the resamples. With ``unit="task"`` those of a task that was drawn several
        times are the mean of these, and those of one that was not drawn are NaN; all statistics
        below are of the resamples that have the task.
    intercepts : ndarray of shape (n_resamples, n_tasks)
        Intercepts, likewise.
    mean_coefs : ndarray of shape (n_resamples, n_features)
        The model for a task that was not fitted, of each resample.
    unit : "row" or "task"
        What was drawn.
    half_samples : bool
        Whether halves were drawn without replacement.
    """

    estimator: Any
    tasks: AnyArray
    feature_names: AnyArray
    coef: FloatArray
    intercept: FloatArray
    mean_coef: FloatArray
    coefs: FloatArray
    intercepts: FloatArray
    mean_coefs: FloatArray
    unit: str
    half_samples: bool

    def __repr__(self) -> str:
        B, T, d = self.coefs.shape
        drawn = f"half of the {self.unit}s" if self.half_samples else f"{self.unit}s"
        return f"BootstrapResult({B} resamples of {drawn}: {T} tasks, {d} features)"

    @property
    def standard_error(self) -> FloatArray:
        """Standard deviation of each coefficient over the resamples (n_tasks, n_features)."""
        return _over_resamples(np.nanstd, self.coefs, ddof=1)

    @property
    def selection_frequency(self) -> FloatArray:
        """Share of the resamples in which each coefficient is not zero (n_tasks, n_features).

        Meinshausen and Buehlmann (2010) call a variable stable whose share is 0.6 to 0.9 or more in
        half samples.
        """
        used = np.where(np.isnan(self.coefs), np.nan, self.coefs != 0.0)
        return _over_resamples(np.nanmean, used)

    def coef_interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Percentile intervals of the coefficients.

        Parameters
        ----------
        level : float, default=0.9
            Share of the resamples within the interval, in (0, 1).

        Returns
        -------
        lower, upper : ndarray of shape (n_tasks, n_features)
            Quantiles ``(1 - level) / 2`` and ``(1 + level) / 2``.
        """
        return self.interval(self.coefs, level)

    def intercept_interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Percentile intervals of the intercepts.

        Parameters
        ----------
        level : float, default=0.9
            As in :meth:`coef_interval`.

        Returns
        -------
        lower, upper : ndarray of shape (n_tasks,)
            The ends.
        """
        return self.interval(self.intercepts, level)

    def mean_interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Percentile intervals of the model for a task that was not fitted.

        With ``unit="task"`` they say how much it depends on which tasks there happen to be.

        Parameters
        ----------
        level : float, default=0.9
            As in :meth:`coef_interval`.

        Returns
        -------
        lower, upper : ndarray of shape (n_features,)
            The ends.
        """
        return self.interval(self.mean_coefs, level)

    @staticmethod
    def interval(values: FloatArray, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Percentile intervals of anything that was computed of each resample.

        Parameters
        ----------
        values : ndarray of shape (n_resamples, ...)
            One value, or array, for each resample; those that are NaN are left out.
        level : float, default=0.9
            As in :meth:`coef_interval`.

        Returns
        -------
        lower, upper : ndarray of shape (...)
            The ends.
        """
        check_level(level)
        ends = [0.5 - 0.5 * float(level), 0.5 + 0.5 * float(level)]
        lower, upper = _over_resamples(np.nanquantile, values, q=ends)
        return lower, upper

    def plot(
        self,
        *,
        kind: str = "interval",
        task: Any = None,
        level: float = 0.9,
        max_features: int | None = 40,
        ax: Any = None,
        **options: Any,
    ) -> Any:
        """Draw intervals, or the selection frequencies.

        Parameters
        ----------
        kind : {"interval", "selection"}, default="interval"
            Coefficients with their intervals, of one task or of the mean model; or a map of the
            selection frequencies of all.
        task : label, default=None
            The task whose coefficients are drawn; None: those of the mean model, or of the only
            task.
        level : float, default=0.9
            As in :meth:`coef_interval`.
        max_features : int or None, default=40
            With more features than that, those with the largest coefficients are drawn. None: all.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **options
            Passed to matplotlib's `errorbar`, or `imshow` for the selection frequencies.

        Returns
        -------
        display : IntervalDisplay or CoefficientMapDisplay
            The display, drawn.
        """
        from ..plotting import CoefficientMapDisplay, IntervalDisplay
        from ..plotting._draw import with_grey

        if kind not in ("interval", "selection"):
            raise ValueError(f'kind must be "interval" or "selection", got {kind!r}.')
        if kind == "selection":
            shares = CoefficientMapDisplay(
                self.selection_frequency,
                tasks=self.tasks,
                feature_names=self.feature_names,
                unit="selection frequency",
            )
            options = {"cmap": with_grey("Blues"), "vmin": 0.0, "vmax": 1.0} | options
            return shares.plot(order="given", max_features=max_features, ax=ax, **options)
        if task is None and len(self.tasks) > 1:
            estimate, ends, of = self.mean_coef, self.mean_interval(level), "mean model"
        else:
            t = 0 if task is None else position(self.tasks, task)
            ends = tuple(end[t] for end in self.coef_interval(level))
            estimate, of = self.coef[t], "" if task is None else f"task {task}"
        display = IntervalDisplay(estimate, *ends, feature_names=self.feature_names, of=of)
        return display.plot(max_features=max_features, ax=ax, **options)


def _over_resamples(statistic: Any, values: FloatArray, **options: Any) -> FloatArray:
    with warnings.catch_warnings():
        # Of tasks in none or one of the resamples there is nothing to tell: NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        found: FloatArray = statistic(values, axis=0, **options)
    return found
