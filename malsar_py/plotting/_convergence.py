"""How a fit came to its optimum."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._typing import FloatArray, IntArray
from ._draw import COLOURS, SMALL, Display, final_model


class ConvergenceDisplay(Display):
    """Objective of a fit above the proven lower bound of its minimum, at each certificate.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    objective : ndarray of shape (n_certificates,)
        Objective at each certificate, as `objective_`.
    iterations : ndarray of shape (n_certificates,), default=None
        Number of steps after which these were, as `objective_iterations_`. None: one each.
    gap : float, default=None
        Duality gap at the last one, as `dual_gap_`: ``objective[-1] - gap`` is a lower bound of the
        minimum. None, for models without one: the picture shows the objective above its last value.
    allowed : float, default=None
        The gap at which the fit was to stop: a horizontal line.
    title : str, default=None
        Title of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    line_ : matplotlib Line2D
        The curve.

    Examples
    --------
    >>> from malsar_py import TraceNormRegressor
    >>> from malsar_py.datasets import load_exam
    >>> from malsar_py.plotting import ConvergenceDisplay
    >>> exam = load_exam()
    >>> model = TraceNormRegressor(lambda1=0.5).fit(exam.data, exam.target, tasks=exam.tasks)
    >>> display = ConvergenceDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'iteration'
    """

    def __init__(
        self,
        objective: FloatArray,
        *,
        iterations: IntArray | None = None,
        gap: float | None = None,
        allowed: float | None = None,
        title: str | None = None,
    ) -> None:
        self.objective = objective
        self.iterations = iterations
        self.gap = gap
        self.allowed = allowed
        self.title = title

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw the history of a fitted model.

        Parameters
        ----------
        estimator : estimator of this package
            Fitted; or a search or a pipeline with one as its last step.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `plot`.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        model = final_model(estimator, needs="objective_")
        gap = getattr(model, "dual_gap_", None)
        effort = f"{model.n_iter_} step{'s' if model.n_iter_ != 1 else ''}"
        allowed, title = None, f"{type(model).__name__}, {effort}"
        if gap is not None and model.relative_gap_ != 0.0:
            # The relative gap is the gap over the objective at W = 0, if that is not 0.
            allowed = model.tol * gap / model.relative_gap_
        # (Models pickled by earlier versions do not have them.)
        steps = getattr(model, "objective_iterations_", None)
        display = cls(model.objective_, iterations=steps, gap=gap, allowed=allowed, title=title)
        return display.plot(ax=ax, **line_options)

    def plot(self, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            See :meth:`from_estimator`.

        Returns
        -------
        display : ConvergenceDisplay
            Itself.
        """
        history = np.asarray(self.objective, dtype=np.float64)
        ax = self._start(ax, 6.0, 4.0)[0]
        from matplotlib.ticker import MaxNLocator

        # What rounding leaves of the objective cannot be shown on a logarithmic axis as less.
        smallest = max(np.finfo(np.float64).eps * np.abs(history).max(initial=0.0), 1e-300)
        counted = self.iterations is not None
        steps = np.asarray(self.iterations) if counted else np.arange(1, len(history) + 1)
        ends = (steps[0], steps[-1]) if len(steps) else (1, 1)
        if self.gap is None:
            height, steps = history[:-1] - history[-1], steps[:-1]
            ax.set_ylabel("objective above its last value")
        else:
            height = history - (history[-1] - self.gap)
            ax.set_ylabel("objective above its lower bound")
        options = {"color": COLOURS[0], "marker": "o", "markersize": 4} | line_options
        (self.line_,) = ax.plot(steps, np.maximum(height, smallest), **options)
        if self.gap is not None and len(steps):
            last = max(self.gap, smallest)
            label = f"duality gap of the fit: {self.gap:.1e}"
            ax.plot(steps[-1:], [last], "D", color=COLOURS[1], markersize=7, label=label)
        if self.allowed is not None:
            label = f"allowed by tol: {self.allowed:.1e}"
            ax.axhline(self.allowed, color=COLOURS[2], linestyle="--", label=label)
        if self.gap is not None:
            ax.legend(fontsize=SMALL)
        ax.set_yscale("log")
        ax.set_xlabel("iteration")
        margin = max(0.5, 0.02 * (ends[1] - ends[0]))
        ax.set_xlim(ends[0] - margin, ends[1] + margin)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if self.title:
            ax.set_title(self.title, fontsize=10)
        return self
