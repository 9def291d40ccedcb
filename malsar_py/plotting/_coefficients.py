"""The coefficients as a map of features by tasks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier

from .._typing import FloatArray, IntArray
from ._draw import (
    Display,
    boundaries,
    column_coefficients,
    draw_map,
    feature_unit,
    final_model,
    order_tasks,
    show_names,
    span,
    with_grey,
)


class CoefficientMapDisplay(Display):
    """Coefficients as a map of features by tasks: red positive, blue negative, grey exactly 0.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    coef : ndarray of shape (n_tasks, n_features)
        Coefficients, as `coef_`.
    tasks : array-like of shape (n_tasks,), default=None
        Names of the tasks; None numbers them.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None numbers them.
    clusters : array-like of int of shape (n_tasks,), default=None
        Cluster of each task.
    unit : str, default="coefficient"
        What the colour bar says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes; without `ax` a new one of pyplot's, as for scikit-learn's displays.
    image_ : matplotlib AxesImage
        The map.
    colorbar_ : matplotlib Colorbar
        The colour bar.
    task_order_ : ndarray of shape (n_tasks,)
        Positions of the tasks in the order drawn.
    features_ : ndarray
        Positions of the features drawn.

    See Also
    --------
    TaskSimilarityDisplay : Which tasks have similar coefficients.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import load_exam
    >>> from malsar_py.plotting import CoefficientMapDisplay
    >>> exam = load_exam()
    >>> model = JointFeatureRegressor(lambda1=0.2).fit(exam.data, exam.target, tasks=exam.tasks)
    >>> display = CoefficientMapDisplay.from_estimator(model, order="similarity")
    >>> display.ax_.get_ylabel()
    'feature'
    """

    def __init__(
        self,
        coef: FloatArray,
        *,
        tasks: Any = None,
        feature_names: Any = None,
        clusters: Any = None,
        unit: str = "coefficient",
    ) -> None:
        self.coef = coef
        self.tasks = tasks
        self.feature_names = feature_names
        self.clusters = clusters
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        order: Any = "auto",
        max_features: int | None = 100,
        unit: str | None = None,
        ax: Any = None,
        **image_options: Any,
    ) -> Self:
        """Draw the coefficients of a fitted model.

        Parameters
        ----------
        estimator : estimator of this package
            Fitted; or a search or a pipeline with one as its last step. With more than two classes
            each task has a column for each of them.
        order : {"auto", "given", "cluster", "similarity"} or array-like, default="auto"
            Order of the tasks from left to right: as in `tasks_`; by the clusters of a clustered
            model, with lines between them; by similarity (leaves of a tree of the correlation
            distances); or positions. "auto": by cluster if the model has clusters, else as given.
        max_features : int or None, default=100
            With more features than that, those with the largest norms over the tasks are drawn, or
            those that are not zero if these are few enough. None: all.
        unit : str, default=None
            What the colour bar says. None: that coefficients are in y (log odds) per unit of the
            feature, or per standard deviation where a pipeline has a StandardScaler.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **image_options
            Passed to matplotlib's `imshow`, such as ``cmap`` or ``vmax``.

        Returns
        -------
        display : CoefficientMapDisplay
            The display, drawn.
        """
        model = final_model(estimator)
        if unit is None:
            loss = getattr(model, "_fitted_loss", None)
            response = "y" if loss is None else loss.of_y
            response = "log odds" if is_classifier(model) else response
            unit = f"coefficient ({response} per {feature_unit(estimator)})"
        coef, names, each = column_coefficients(model)
        clusters = getattr(model, "task_labels_", None)
        display = cls(
            coef,
            tasks=model.tasks_ if each == 1 else names,
            feature_names=model.coef_feature_names_,
            clusters=clusters if clusters is None else np.repeat(clusters, each),
            unit=unit,
        )
        return display.plot(order=order, max_features=max_features, ax=ax, **image_options)

    def plot(
        self,
        *,
        order: Any = "auto",
        max_features: int | None = 100,
        ax: Any = None,
        **image_options: Any,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        order, max_features, ax : str, int and Axes
            See :meth:`from_estimator`.
        **image_options
            See :meth:`from_estimator`.

        Returns
        -------
        display : CoefficientMapDisplay
            Itself.
        """
        coef = np.asarray(self.coef, dtype=np.float64)
        n_tasks, n_features = coef.shape
        clusters = None if self.clusters is None else np.asarray(self.clusters)
        positions, words = order_tasks(order, coef, clusters)
        features, more = _largest(coef, max_features)
        width, height = span(n_tasks, 0.18, 2.5, 10.0), span(len(features), 0.18, 1.8, 9.0)
        ax, width, height = self._start(ax, width, height, margins=(2.5, 1.2))
        values = np.ma.masked_equal(coef[np.ix_(positions, features)].T, 0.0)
        limit = image_options.get("vmax", float(np.abs(coef).max(initial=0.0)) or 1.0)
        options = {"cmap": with_grey("RdBu_r"), "vmin": -limit, "vmax": limit, "aspect": "auto"}
        self.image_, self.colorbar_ = draw_map(
            ax, values, options | image_options, self.unit, "exactly 0"
        )
        for x in boundaries(clusters, positions) if words == "by cluster" else ():
            ax.axvline(x, color="black", linewidth=1.0)
        names = np.arange(n_tasks) if self.tasks is None else np.asarray(self.tasks)
        show_names(ax, "x", names[positions], width)
        names = np.arange(n_features) if self.feature_names is None else self.feature_names
        show_names(ax, "y", np.asarray(names)[features], height)
        ax.set_xlabel(f"task ({words})" if words else "task")
        ax.set_ylabel(f"feature{more}")
        self.task_order_, self.features_ = positions, features
        return self


def _largest(coef: FloatArray, max_features: int | None) -> tuple[IntArray, str]:
    """Positions of the features to draw, in their order, and in words which these are."""
    n_features = coef.shape[1]
    if max_features is None or n_features <= max_features:
        return np.arange(n_features), ""
    if max_features < 1:
        raise ValueError(f"max_features must be at least 1 or None, got {max_features}.")
    used = np.flatnonzero(coef.any(axis=0))
    if 0 < len(used) <= max_features:
        return used, f" ({len(used)} of {n_features}, the others are 0)"
    norms = np.linalg.norm(coef, axis=0)
    largest = np.sort(np.argsort(-norms, kind="stable")[:max_features])
    return largest, f" ({max_features} largest of {n_features})"
