"""The pictures of the page: SVG in the page's own colours and letters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import numpy as np

from .. import plotting
from ..plotting._draw import correlation, short_names
from ._coefficients import Coefficients
from ._words import by_gain

# Told apart by everybody, and readable on white and on black.
GAIN, LOSS, NEITHER = "#2a7fc1", "#d2601a", "#8a8f98"
_INK = "#0b0b0c"  # stands for the colour of the text around
_WIDTH = 5.4  # inches: on a telephone letters shrink to two thirds
_MOST_NAMES = 40
_MOST_FEATURES = 20

_RC = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 10.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"], _INK
    ),
}


def scores(found: Any) -> str:
    """Every procedure's score with two standard errors, the best at the top."""
    ranked = sorted(found.procedures, key=lambda one: one.mean)
    best, last, far = ranked[0], ranked[-1], ""
    if len(ranked) > 2 and last.mean - best.mean > 2.0 * (ranked[-2].mean - best.mean):
        # The others would be a point beside it.
        far = f"\nnot drawn: {ranked.pop().name}, {last.mean:.4g}"

    def draw(figure: Any) -> None:
        ax = figure.add_subplot()
        for place, one in enumerate(ranked):
            colour = {"reference": NEITHER, "separate": NEITHER}.get(one.kind, GAIN)
            error = 2.0 * one.standard_error
            error = error if math.isfinite(error) else 0.0
            ax.hlines(place, one.mean - error, one.mean + error, color=colour, linewidth=2.0)
            face = colour if colour == GAIN else "none"
            ax.plot(one.mean, place, "o", color=colour, markerfacecolor=face, markersize=6)
        _names(ax, [one.name for one in ranked])
        ax.set_xlabel(f"{found.metric} on unseen rows (smaller is better){far}")

    words = (
        f"{found.metric} of {len(found.procedures)} ways to predict, from {best.name} with "
        f"{best.mean:.4g} to {last.name} with {last.mean:.4g}; the table below has the numbers."
    )
    return _svg(draw, "scores", words, 0.26 * len(ranked) + 1.0)


def gains(found: Any) -> str:
    """What each task gains by sharing, with its interval, the largest gain at the top."""
    ranked = [one for one in by_gain(found) if math.isfinite(one.gain)]
    if not ranked:
        return ""

    def draw(figure: Any) -> None:
        ax = figure.add_subplot()
        places = np.arange(len(ranked))
        colours = [_colour(one) for one in ranked]
        low = np.array([one.low for one in ranked])
        high = np.array([one.high for one in ranked])
        seen = np.isfinite(low) & np.isfinite(high)
        gain = np.array([one.gain for one in ranked])
        ax.axvline(0.0, color=_INK, linewidth=0.8)
        ax.hlines(
            places[seen], low[seen], high[seen], colors=np.array(colours)[seen], linewidth=1.5
        )
        ax.scatter(gain, places, c=colours, s=22 if len(ranked) <= _MOST_NAMES else 9, zorder=3)
        ax.set_xlim(*_window(gain, low[seen], high[seen]))
        if len(ranked) <= _MOST_NAMES:
            _names(ax, [one.task for one in ranked])
        else:
            ax.set_yticks([])
            ax.set_ylabel(f"{len(ranked)} tasks, by gain")
            ax.set_ylim(len(ranked) - 0.5, -0.5)
            ax.spines["left"].set_visible(False)
        ax.set_xlabel(f"gain in {found.metric} over one model per task (> 0: sharing helps)")

    better = sum(one.clear and one.gain > 0 for one in ranked)
    worse = sum(one.clear and one.gain < 0 for one in ranked)
    words = (
        f"Gain by sharing of {len(ranked)} tasks with 95 % intervals: {better} gain clearly, "
        f"{worse} lose clearly; the largest gain is {ranked[0].gain:.3g} ({ranked[0].task}), the "
        f"smallest {ranked[-1].gain:.3g} ({ranked[-1].task})."
    )
    height = 0.2 * len(ranked) + 0.9 if len(ranked) <= _MOST_NAMES else 5.0
    return _svg(draw, "gains", words, max(height, 1.6))


def spread(found: Coefficients, response: str) -> str:
    """Coefficients per standard deviation: a line for each task, a point for what is common."""
    used = int(found.standardised.any(axis=0).sum())  # the first ones
    shown = min(used, _MOST_FEATURES)
    if not shown:
        return ""

    def draw(figure: Any) -> None:
        ax = figure.add_subplot()
        ax.axvline(0.0, color=_INK, linewidth=0.8)
        for place in range(shown):
            values = found.standardised[:, place]
            ax.plot(values, np.full(len(values), place), "|", color=GAIN, markersize=9, alpha=0.55)
            ax.plot(found.common[place], place, "o", color=LOSS, markersize=5)
        _names(ax, [row.name for row in found.rows[:shown]])
        ax.set_xlabel(f"{response} per standard deviation of the column")

    words = (
        f"Coefficients of {shown} of {len(found.rows)} columns, those that matter most, one mark "
        f"for each task and a point for the common part; {found.rows[0].name} has the largest ones."
    )
    return _svg(draw, "spread", words, max(0.26 * shown + 0.9, 1.6))


def similarity(found: Coefficients) -> str:
    """Which tasks have similar coefficients."""

    def draw(figure: Any) -> None:
        W = found.standardised
        display = plotting.TaskSimilarityDisplay(
            correlation(W), coef=W, tasks=found.tasks, unit="correlation of coefficients"
        )
        display.plot(order="similarity", ax=figure.add_subplot())

    words = (
        f"Map of the correlation between the coefficients of each pair of {len(found.tasks)} "
        "tasks, similar tasks side by side."
    )
    return _svg(draw, "similarity", words, 4.6)


def coefficient_map(found: Coefficients) -> str:
    """The coefficients of every task and feature as colours."""
    names = [row.name for row in found.rows]

    def draw(figure: Any) -> None:
        display = plotting.CoefficientMapDisplay(
            found.standardised, tasks=found.tasks, feature_names=names, unit="per std. deviation"
        )
        display.plot(order="similarity", max_features=_MOST_NAMES, ax=figure.add_subplot())

    words = f"Map of the coefficients of {len(names)} columns by {len(found.tasks)} tasks."
    return _svg(draw, "map", words, min(max(0.2 * len(names) + 1.6, 3.0), 7.0))


def _colour(one: Any) -> str:
    if not one.clear:
        return NEITHER
    return GAIN if one.gain > 0 else LOSS


def _window(gain: Any, low: Any, high: Any) -> tuple[float, float]:
    """Room for all gains and most intervals: a task of three rows may have a huge one."""
    ends = [*gain, 0.0]
    if len(low):
        ends += [*np.quantile(low, [0.05, 1.0]), *np.quantile(high, [0.0, 0.95])]
    least, most = min(ends), max(ends)
    room = 0.05 * (most - least) or 1.0
    return least - room, most + room


def _names(ax: Any, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), short_names(names))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=NEITHER, alpha=0.3, linewidth=0.6)
    ax.set_axisbelow(True)


def _svg(draw: Callable[[Any], None], name: str, words: str, height: float) -> str:
    """Draw on a figure of our own (pyplot knows nothing of it); the SVG element, with its words."""
    import matplotlib
    from markupsafe import escape
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {**_RC, "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids are the page's: two pictures may not share them.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    opening = re.match(r"<svg[^>]*>", text)
    assert opening is not None
    view = re.search(r'viewBox="[^"]*"', opening[0])
    assert view is not None
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view[0]} style="max-width: {_WIDTH}in" role="img" aria-label="{escape(words)}">'
    )
    return head + text[opening.end() :]
