"""How alike the tasks' models are."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._typing import FloatArray
from ._draw import (
    Display,
    boundaries,
    correlation,
    draw_map,
    final_model,
    order_tasks,
    show_names,
    span,
    task_coefficients,
    with_grey,
)


class TaskSimilarityDisplay(Display):
    """Similarity of tasks as a square map: correlation of their coefficients, or memberships.

    It is recommended to use :meth:`from_estimator`. White is 0, unless all values are positive:
    then the colours run from the smallest to the largest, over a twentieth of that at least.

    Parameters
    ----------
    similarity : ndarray of shape (n_tasks, n_tasks)
        Values in [-1, 1].
    coef : ndarray of shape (n_tasks, n_features), default=None
        Coefficients, by which tasks are ordered by similarity; None: the rows of `similarity`.
    tasks : array-like of shape (n_tasks,), default=None
        Names of the tasks; None numbers them.
    clusters : array-like of int of shape (n_tasks,), default=None
        Cluster of each task.
    unit : str, default="similarity"
        What the colour bar says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    image_ : matplotlib AxesImage
        The map.
    colorbar_ : matplotlib Colorbar
        The colour bar.
    task_order_ : ndarray of shape (n_tasks,)
        Positions of the tasks in the order drawn.

    See Also
    --------
    CoefficientMapDisplay : The coefficients themselves.

    Examples
    --------
    >>> from malsar_py import ClusteredRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> from malsar_py.plotting import TaskSimilarityDisplay
    >>> X, y, tasks = make_clustered(n_tasks=8, n_clusters=2, random_state=0)
    >>> model = ClusteredRegressor(random_state=0).fit(X, y, tasks=tasks)
    >>> display = TaskSimilarityDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'task (by cluster)'
    """

    def __init__(
        self,
        similarity: FloatArray,
        *,
        coef: FloatArray | None = None,
        tasks: Any = None,
        clusters: Any = None,
        unit: str = "similarity",
    ) -> None:
        self.similarity = similarity
        self.coef = coef
        self.tasks = tasks
        self.clusters = clusters
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "correlation",
        order: Any = "auto",
        ax: Any = None,
        **image_options: Any,
    ) -> Self:
        """Draw the similarity of the tasks of a fitted model.

        Parameters
        ----------
        estimator : estimator of this package
            Fitted; or a search or a pipeline with one as its last step.
        kind : {"correlation", "membership"}, default="correlation"
            Correlation of the coefficients of two tasks over the features; it says something if
            the features are on one scale and there are more than a few. A task with equal
            coefficients, such as zeros, has none and is grey. Or the matrix M of a clustered model,
            `task_membership_`: two tasks with a large entry share a cluster.
        order : {"auto", "given", "cluster", "similarity"} or array-like, default="auto"
            See :meth:`CoefficientMapDisplay.from_estimator`; "auto" is by cluster if the model has
            clusters, else by similarity.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **image_options
            Passed to matplotlib's `imshow`.

        Returns
        -------
        display : TaskSimilarityDisplay
            The display, drawn.
        """
        model = final_model(estimator)
        coef = task_coefficients(model)
        if kind == "correlation":
            similarity, unit = correlation(coef), "correlation of coefficients"
        elif kind != "membership":
            raise ValueError(f'kind must be "correlation" or "membership", got {kind!r}.')
        elif hasattr(model, "task_membership_"):
            similarity, unit = model.task_membership_, "membership matrix M"
        else:
            raise ValueError(
                'kind="membership" needs a clustered model, which '
                f'{type(model).__name__} is not: use "correlation".'
            )
        clusters = getattr(model, "task_labels_", None)
        display = cls(similarity, coef=coef, tasks=model.tasks_, clusters=clusters, unit=unit)
        return display.plot(order=order, ax=ax, **image_options)

    def plot(self, *, order: Any = "auto", ax: Any = None, **image_options: Any) -> Self:
        """Draw.

        Parameters
        ----------
        order, ax : str or array-like, and Axes
            See :meth:`from_estimator`.
        **image_options
            See :meth:`from_estimator`.

        Returns
        -------
        display : TaskSimilarityDisplay
            Itself.
        """
        S = np.asarray(self.similarity, dtype=np.float64)
        clusters = None if self.clusters is None else np.asarray(self.clusters)
        if isinstance(order, str) and order == "auto":
            order = "similarity" if clusters is None else "cluster"
        coef = S if self.coef is None else np.asarray(self.coef, dtype=np.float64)
        positions, words = order_tasks(order, coef, clusters)
        side = span(len(S), 0.18, 2.5, 8.0)
        ax, width, height = self._start(ax, side, side, margins=(2.2, 1.0))
        values = np.ma.masked_invalid(S[np.ix_(positions, positions)])
        self.image_, self.colorbar_ = draw_map(
            ax, values, _colours(values) | image_options, self.unit, "equal coefficients"
        )
        for edge in boundaries(clusters, positions) if words == "by cluster" else ():
            ax.axvline(edge, color="black", linewidth=1.0)
            ax.axhline(edge, color="black", linewidth=1.0)
        names = np.arange(len(S)) if self.tasks is None else np.asarray(self.tasks)
        show_names(ax, "x", names[positions], width)
        show_names(ax, "y", names[positions], height)
        label = f"task ({words})" if words else "task"
        ax.set_xlabel(label)
        ax.set_ylabel(label)
        self.task_order_ = positions
        return self


def _colours(values: Any) -> dict[str, Any]:
    """Colours around 0; from the smallest value to the largest if all are positive.

    The range is a twentieth of the largest at least: over less, noise would look like differences.
    """
    low, high = (float(v) if v is not np.ma.masked else 0.0 for v in (values.min(), values.max()))
    if low > 0.0:
        return {"cmap": with_grey("cividis"), "vmin": min(low, 0.95 * high), "vmax": high}
    limit = max(-low, high)
    if limit < 1e-12:  # rounding
        limit = 1.0
    return {"cmap": with_grey("RdBu_r"), "vmin": -limit, "vmax": limit}
