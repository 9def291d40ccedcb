"""Coefficients of one model with their intervals."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._typing import FloatArray
from ._coefficients import _largest
from ._draw import COLOURS, FAINT, Display, show_names, span


class IntervalDisplay(Display):
    """Coefficients as points with their intervals, a line per feature.

    `malsar_py.inspection.BootstrapResult.plot` makes it.

    Parameters
    ----------
    coef : ndarray of shape (n_features,)
        Coefficients.
    lower, upper : ndarray of shape (n_features,)
        Ends of their intervals; they need not lie around the coefficient. NaN: there is none.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None numbers them.
    of : str, default=""
        Whose coefficients these are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    intervals_ : matplotlib LineCollection
        The intervals.
    points_ : matplotlib Line2D
        The coefficients.
    features_ : ndarray
        Positions of the features drawn, from top to bottom.

    See Also
    --------
    CoefficientMapDisplay : All tasks at once, without intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.plotting import IntervalDisplay
    >>> coef, width = np.array([1.0, -0.5]), np.array([0.2, 0.6])
    >>> display = IntervalDisplay(coef, coef - width, coef + width, feature_names=["age", "dose"])
    >>> display.plot().ax_.get_ylabel()
    'feature'
    """

    def __init__(
        self,
        coef: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        *,
        feature_names: Any = None,
        of: str = "",
    ) -> None:
        self.coef = coef
        self.lower = lower
        self.upper = upper
        self.feature_names = feature_names
        self.of = of

    def plot(self, *, max_features: int | None = 40, ax: Any = None, **line_options: Any) -> Self:
        """Draw.

        Parameters
        ----------
        max_features : int or None, default=40
            With more features than that, those with the largest coefficients are drawn, or those
            that are not zero if these are few enough. None: all.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `hlines` for the intervals, such as ``color``.

        Returns
        -------
        display : IntervalDisplay
            Itself.
        """
        coef, lower, upper = (
            np.asarray(v, dtype=np.float64) for v in (self.coef, self.lower, self.upper)
        )
        features, more = _largest(coef[None], max_features)
        height = span(len(features), 0.22, 1.5, 9.0)
        ax, _, height = self._start(ax, 4.0, height, margins=(1.6, 0.8))
        places = np.arange(len(features))
        ax.axvline(0.0, color=FAINT, linewidth=1.0, zorder=0)
        options = {"color": COLOURS[0], "linewidth": 2.0} | line_options
        self.intervals_ = ax.hlines(places, lower[features], upper[features], **options)
        (self.points_,) = ax.plot(
            coef[features], places, "o", color=COLOURS[1], markersize=4, linestyle="none"
        )
        names = np.arange(len(coef)) if self.feature_names is None else self.feature_names
        show_names(ax, "y", np.asarray(names)[features], height)
        ax.set_ylim(len(features) - 0.5, -0.5)
        ax.set_xlabel(f"coefficient ({self.of})" if self.of else "coefficient")
        ax.set_ylabel(f"feature{more}")
        self.features_ = features
        return self
