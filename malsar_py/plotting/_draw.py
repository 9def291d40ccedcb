"""What the pictures share: axes, colours, names at the ticks, units, order of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from .._typing import AnyArray, FloatArray, IntArray

# Okabe and Ito's colours without yellow, told apart by everybody; with line styles for a second
# round.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", ":")
FAINT = "#BBBBBB"
MISSING = "#BDBDBD"

_LONGEST_NAME = 24
SMALL = 8  # points, of names at the ticks and in legends
_LETTER, _LINE = 0.085, 0.17  # inches a letter and a line of that size take


class Display:
    """Axes to draw on, and the picture in notebooks."""

    ax_: Any
    figure_: Any

    def _start(
        self, ax: Any, width: float, height: float, margins: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[Any, float, float]:
        """Set `ax_` and `figure_`: the axes given, or those of a new figure of pyplot's.

        Returns the axes and their size in inches; width and height are those wanted, with margins
        around them for what stands beside.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot requires matplotlib. You can install it with "
                '`pip install "malsar_py[plot]"`.'
            ) from error
        self._own_figure = ax is None
        if ax is None:
            size = width + margins[0], height + margins[1]
            _, ax = pyplot.subplots(figsize=size, layout="constrained")
        else:
            box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
            width, height = box.width, box.height
        self.ax_, self.figure_ = ax, ax.figure
        return ax, width, height

    def _repr_png_(self) -> bytes | None:
        # Axes that were given belong to a figure which its owner shows.
        if not getattr(self, "_own_figure", False):
            return None
        from matplotlib import get_backend, pyplot

        buffer = BytesIO()
        self.figure_.savefig(buffer, format="png", dpi=100)
        if "inline" in get_backend():
            pyplot.close(self.figure_)  # or the notebook would show it a second time
        return buffer.getvalue()


def final_model(estimator: Any, needs: str = "coef_") -> Any:
    """The fitted model of this package in a search or a pipeline, or the estimator itself.

    ``needs``: the attribute that is drawn; functions and clusters have no coefficients.
    """
    for _ in range(10):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            break
    check_is_fitted(estimator)
    if not hasattr(estimator, "tasks_") or not hasattr(estimator, needs):
        raise TypeError(
            f"expected a fitted model of this package with {needs}, or a search or pipeline ending "
            f"in one, got {type(estimator).__name__}."
        )
    return estimator


def feature_unit(estimator: Any) -> str:
    """What one unit of a feature is to the model in a search or pipeline: "unit" if as given."""
    unit = "unit"
    for _ in range(10):
        estimator = getattr(estimator, "best_estimator_", estimator)
        if not hasattr(estimator, "steps"):
            break
        for _, step in estimator.steps[:-1]:
            step = getattr(step, "transformer", step)  # keep_tasks
            if step is None or isinstance(step, str):  # "passthrough"
                continue
            scaled = isinstance(step, StandardScaler) and step.with_std
            if scaled:
                unit = "standard deviation"
            elif not isinstance(step, StandardScaler):
                unit = "unit of the transformed feature"
        estimator = estimator.steps[-1][1]
    return unit


def task_coefficients(model: Any) -> FloatArray:
    """`coef_` with a row for each task, also after a fit without labels.

    With more than two classes a row holds the coefficients of all of them.
    """
    return np.asarray(model.coef_, dtype=np.float64).reshape(len(model.tasks_), -1)


def column_coefficients(model: Any) -> tuple[FloatArray, list[Any], int]:
    """`coef_` as (n_columns, n_features), names of the columns, and how many a task has.

    One for each task, or for each class of each task if there are more than two.
    """
    coef = np.asarray(model.coef_, dtype=np.float64)
    coef = coef.reshape(-1, coef.shape[-1])
    tasks = list(model.tasks_)
    each = len(coef) // len(tasks)
    if each == 1:
        return coef, tasks, 1
    names = [f"{task}: {name}" for task in tasks for name in model.classes_]
    return coef, names if len(tasks) > 1 else list(map(str, model.classes_)), each


def span(n: int, each: float, least: float, most: float) -> float:
    """Inches for n things in a row."""
    return float(np.clip(each * n, least, most))


def short_names(names: Iterable[Any], longest: int = _LONGEST_NAME) -> list[str]:
    """Names that fit beside an axis: long ones are cut where they are alike, different ones differ.

    Of names that would be cut to the same, what all begin and end with goes, not what tells them
    apart; where even that is too long they are numbered.
    """
    texts = [" ".join(str(name).split()) for name in names]
    distinct = list(dict.fromkeys(texts))
    shown = {text: _cut(text, 0, len(text), longest) for text in distinct}
    for _, alike in _by_value(shown):
        first = _alike(alike)
        last = _alike([text[first:][::-1] for text in alike])
        for text in alike:
            shown[text] = _cut(text, first, len(text) - last, longest)
    taken = set(shown.values())
    for cut, alike in _by_value(shown):
        number = 1
        for text in alike:
            while (numbered := f"{cut[: longest - len(str(number)) - 1]}…{number}") in taken:
                number += 1
            shown[text] = numbered
            taken.add(numbered)
    return [shown[text] for text in texts]


def _alike(texts: list[str]) -> int:
    """How many letters all texts begin with."""
    first, last = min(texts), max(texts)  # what these two share is shared by all between them
    pairs = zip(first, last, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


def _by_value(shown: dict[str, str]) -> list[tuple[str, list[str]]]:
    """The short names that several names share, with those names."""
    names: dict[str, list[str]] = {}
    for text, cut in shown.items():
        names.setdefault(cut, []).append(text)
    return [(cut, alike) for cut, alike in names.items() if len(alike) > 1]


def _cut(text: str, first: int, last: int, longest: int) -> str:
    """The text in so many letters, with as much of text[first:last] as there is room for."""
    if len(text) <= longest:
        return text
    if first == 0 and last == len(text):  # nothing is known to be alike: the middle goes
        head = longest // 2
        return f"{text[:head]}…{text[head + 1 - longest :]}"
    middle = _cut(text[first:last], 0, last - first, longest - 4)
    room = longest - len(middle) - 2
    head = min(first, room - min(room // 2, len(text) - last))
    tail = min(room - head, len(text) - last)
    start = text[:first] if head == first else f"{text[:head]}…"
    end = text[last:] if tail == len(text) - last else f"…{text[len(text) - tail :]}"
    return f"{start}{middle}{end}"


def show_names(ax: Any, which: str, names: Sequence[Any] | AnyArray, inches: float) -> None:
    """Names at the ticks 0, 1, ... of axis "x" or "y": every second, third, ... where many.

    Below the axes they are turned if they would touch.
    """
    names = short_names(names)
    most = max(int(inches / _LINE), 1)
    step = -(-len(names) // most)
    ticks = range(0, len(names), step)
    getattr(ax, f"{which}axis").set_ticks(ticks, [names[i] for i in ticks], fontsize=SMALL)
    longest = max(map(len, names), default=0)
    if which == "x" and (longest + 1) * _LETTER > inches * step / max(len(names), 1):
        ax.tick_params(axis="x", rotation=90)


def order_tasks(order: Any, coef: FloatArray, clusters: IntArray | None) -> tuple[IntArray, str]:
    """Positions of the tasks in the order to draw them, and what it is in words."""
    n_tasks = len(coef)
    if not isinstance(order, str):
        positions = np.asarray(order)
        if not np.array_equal(np.sort(positions), np.arange(n_tasks)):
            raise ValueError(f"order must hold each position from 0 to {n_tasks - 1} once.")
        return positions, ""
    if order not in ("auto", "given", "cluster", "similarity"):
        raise ValueError(
            'order must be "auto", "given", "cluster", "similarity" or positions of tasks, got '
            f"{order!r}."
        )
    if order == "cluster" and clusters is None:
        raise ValueError('order="cluster" needs cluster labels, which the model does not have.')
    if order in ("auto", "cluster") and clusters is not None:
        similar = _by_similarity(coef)
        return similar[np.argsort(clusters[similar], kind="stable")], "by cluster"
    if order == "similarity":
        return _by_similarity(coef), "by similarity"
    return np.arange(n_tasks), ""


def _by_similarity(coef: FloatArray) -> IntArray:
    """Leaves of the average-linkage tree of the correlation distances."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(coef) < 3:
        return np.arange(len(coef))
    distance = squareform(1.0 - np.nan_to_num(correlation(coef)), checks=False)
    tree = linkage(distance, method="average")
    return leaves_list(optimal_leaf_ordering(tree, distance)).astype(np.intp)


def correlation(coef: FloatArray) -> FloatArray:
    """Correlation of the rows; NaN where a row is constant."""
    Z = coef - coef.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(Z).sum(axis=1))
    # Equal coefficients differ from their mean by rounding only.
    norm[norm <= 1e-14 * np.abs(coef).max(axis=1, initial=0.0) * coef.shape[1]] = np.nan
    Z = Z / norm[:, None]
    return np.asarray(np.clip(Z @ Z.T, -1.0, 1.0), dtype=np.float64)


def boundaries(clusters: IntArray | None, positions: IntArray) -> FloatArray:
    """Where neighbours belong to different clusters."""
    if clusters is None:
        return np.empty(0)
    return np.flatnonzero(np.diff(clusters[positions])).astype(np.float64) + 0.5


def with_grey(name: str) -> Any:
    """A colour map of matplotlib with grey for what is missing."""
    from matplotlib import colormaps

    return colormaps[name].with_extremes(bad=MISSING)


def draw_map(
    ax: Any, values: Any, options: dict[str, Any], unit: str, missing: str
) -> tuple[Any, Any]:
    """A masked matrix as an image with its colour bar; below that, what grey stands for."""
    from matplotlib.patches import Patch

    image = ax.imshow(values, **({"interpolation": "nearest"} | options))
    colorbar = ax.figure.colorbar(image, ax=ax, label=unit)
    if np.ma.is_masked(values):
        # Above the axes it would be where titles are.
        colorbar.ax.legend(
            handles=[Patch(facecolor=MISSING, label=missing)],
            loc="upper left",
            bbox_to_anchor=(0.0, 0.0),
            borderaxespad=1.0,
            borderpad=0.0,
            frameon=False,
            fontsize=SMALL,
            handlelength=1.0,
            handletextpad=0.4,
        )
    return image, colorbar
