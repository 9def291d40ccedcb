"""Gains of tasks, or of what is added to one, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .._typing import IntArray
from ._draw import COLOURS, FAINT, Display, show_names, span

# Inches for a line, and how far lines of several references are apart, as a share of it.
_LINE, _APART = 0.24, 0.28


class GainsDisplay(Display):
    """Gains as points with their intervals, a line for each task, from the largest gain down.

    The results of `malsar_py.inspection.task_gains` and `task_affinity` make it in their `plot`.

    Parameters
    ----------
    gains : mapping of str to Gains
        What is gained over what: objects with `gain`, `lower` and `upper` of shape (n_names,). The
        first one orders the lines.
    names : array-like of shape (n_names,)
        Names of the tasks, or of what is added to one.
    unit : str, default=""
        What the gains are of.
    ylabel : str, default="task"
        What the names are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    intervals_ : list of matplotlib LineCollection
        The intervals, one collection for each of `gains`.
    points_ : list of matplotlib Line2D
        The gains.
    names_ : ndarray
        Positions of the names drawn, from top to bottom.

    See Also
    --------
    IntervalDisplay : Coefficients with their intervals.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> from malsar_py.inspection import task_gains
    >>> X, y, tasks = make_clustered(n_tasks=4, n_clusters=1, n_samples=15, random_state=0)
    >>> model = MeanRegularizedRegressor(lambda1=10.0, lambda2=0.1)
    >>> task_gains(model, X, y, tasks=tasks, pooled=None).plot().ax_.get_xlabel()
    'gain (RMSE; above 0: better)'
    """

    def __init__(
        self, gains: Mapping[str, Any], *, names: Any, unit: str = "", ylabel: str = "task"
    ) -> None:
        self.gains = gains
        self.names = names
        self.unit = unit
        self.ylabel = ylabel

    def plot(self, *, max_names: int | None = 40, ax: Any = None, **line_options: Any) -> Self:
        """Draw.

        Parameters
        ----------
        max_names : int or None, default=40
            With more names than that, those with the largest gains and the largest losses are
            drawn, half of each. None: all.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `hlines` for the intervals, such as ``linewidth``.

        Returns
        -------
        display : GainsDisplay
            Itself.
        """
        if not self.gains:
            raise ValueError("gains is empty: there is no reference to compare with.")
        names = np.asarray(self.names, dtype=object)
        shown, more = self._shown(max_names)
        several = len(self.gains)
        height = span(len(shown), _LINE * (1.0 + _APART * (several - 1)), 1.5, 12.0)
        ax, _, height = self._start(ax, 4.5, height, margins=(1.6, 0.8))
        places = np.arange(len(shown))
        ax.axvline(0.0, color=FAINT, linewidth=1.0, zorder=0)
        self.intervals_, self.points_ = [], []
        for i, (name, gains) in enumerate(self.gains.items()):
            at = places + _APART * (i - 0.5 * (several - 1))
            colour = COLOURS[i % len(COLOURS)]
            options = {"color": colour, "linewidth": 1.5} | line_options
            lower, upper = gains.lower[shown], gains.upper[shown]
            self.intervals_.append(ax.hlines(at, lower, upper, **options))
            marker = "osD^"[i % 4]
            (points,) = ax.plot(
                gains.gain[shown], at, marker, color=colour, markersize=4.5, label=name
            )
            self.points_.append(points)
        show_names(ax, "y", names[shown], height)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_xlabel(f"gain ({self.unit}; above 0: better)" if self.unit else "gain")
        ax.set_ylabel(f"{self.ylabel}{more}")
        if several > 1:
            # Above the axes: intervals may be anywhere in them.
            ax.legend(
                loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8
            )
        elif next(iter(self.gains)):
            ax.set_title(next(iter(self.gains)), fontsize=10)
        self.names_ = shown
        return self

    def _shown(self, most: int | None) -> tuple[IntArray, str]:
        """Positions of the names to draw, the largest gain first; in words which they are."""
        gain = next(iter(self.gains.values())).gain
        known = np.flatnonzero(~np.isnan(gain))
        order = known[np.argsort(-gain[known], kind="stable")]
        if most is None or len(order) <= most:
            return order, ""
        if most < 2:
            raise ValueError(f"max_names must be at least 2 or None, got {most}.")
        first = -(-most // 2)
        kept = np.concatenate([order[:first], order[first - most :]])
        return kept, f" ({most} of {len(order)}: largest gains and losses)"
