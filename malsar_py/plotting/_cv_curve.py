"""The scores of a search over one parameter, or two."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._typing import AnyArray, FloatArray, IntArray
from ..metrics import SCORERS
from ._draw import COLOURS, SMALL, Display, short_names, show_names, span


@dataclass(frozen=True, eq=False)
class Axis:
    """A searched parameter: its distinct values, and which of them each candidate has."""

    name: str
    values: AnyArray  # numbers, sorted; else words, in the order of the grid
    position: IntArray  # (n_candidates,), -1 where the candidate does not have the parameter

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers."""
        return self.values.dtype.kind == "f"

    @property
    def logarithmic(self) -> bool:
        """Whether the values are positive and spread over more than a decade."""
        return self.numeric and self.values[0] > 0.0 and self.values[-1] > 10.0 * self.values[0]

    def words(self) -> list[str]:
        """The values as text."""
        return [f"{v:.3g}" for v in self.values] if self.numeric else short_names(self.values)


class CVCurveDisplay(Display):
    """Cross-validated score against lambda1; a map if two parameters were searched.

    It is recommended to use :meth:`from_estimator`. For one parameter: the mean over the folds and
    a band of one standard error, ``sd / sqrt(n_splits)`` with the sample sd. For two: a map of the
    means. Marked are the best candidate and the one-standard-error choice [1]_, that is, the one
    with the largest lambda1 whose mean is within one standard error of the best.

    Parameters
    ----------
    cv_results : dict of ndarrays
        As `cv_results_` of a search.
    best_index : int, default=None
        Index of the candidate with the best mean; None finds it.
    one_se_index : int, default=None
        Index of the one-standard-error choice; None finds it.
    score_name : str, default="score"
        What the scores are.
    negate_score : bool, default=False
        Whether to show minus the scores: errors, if the scores are negated errors.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    best_index_, one_se_index_ : int
        The candidates marked; the latter None if lambda1 was not searched.
    image_, colorbar_ : matplotlib AxesImage, Colorbar
        With two parameters.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and regression trees",
       Wadsworth, 1984, section 3.4.3.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import load_exam
    >>> from malsar_py.model_selection import TaskKFold
    >>> from malsar_py.plotting import CVCurveDisplay
    >>> X, y = load_exam(return_X_y=True, as_frame=True)
    >>> search = GridSearchCV(
    ...     JointFeatureRegressor(task_column="school"),
    ...     {"lambda1": [0.1, 0.2, 0.4, 0.8]},
    ...     cv=TaskKFold(3, task_column="school"),
    ...     scoring="neg_root_mean_squared_error",
    ... ).fit(X, y)
    >>> display = CVCurveDisplay.from_estimator(search)
    >>> display.ax_.get_ylabel()
    'root mean squared error'
    """

    def __init__(
        self,
        cv_results: dict[str, Any],
        *,
        best_index: int | None = None,
        one_se_index: int | None = None,
        score_name: str = "score",
        negate_score: bool = False,
    ) -> None:
        self.cv_results = cv_results
        self.best_index = best_index
        self.one_se_index = one_se_index
        self.score_name = score_name
        self.negate_score = negate_score

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        x: str | None = None,
        y: str | None = None,
        score_name: str | None = None,
        negate_score: bool | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the scores of a fitted search.

        Parameters
        ----------
        estimator : MultiTaskSearchCV or GridSearchCV
            Fitted, with one metric.
        x, y : str, default=None
            Parameters on the axes, as in `best_params_`. None: x is lambda1 if it was searched,
            else the first parameter with several values; y is the next, if there is one.
            Where several candidates fall on a place, the best of them is shown.
        score_name : str, default=None
            What the scores are; None takes it from `scoring`.
        negate_score : bool, default=None
            Whether to show minus the scores. None: if they are negated errors, by the name of the
            scorer.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **options
            Passed to matplotlib's `plot` (one parameter) or `imshow` (two).

        Returns
        -------
        display : CVCurveDisplay
            The display, drawn.
        """
        check_is_fitted(estimator, "cv_results_")
        scoring = getattr(estimator, "scoring", None)
        # A scorer of ours names itself.
        scoring = getattr(getattr(scoring, "task_score", None), "name", scoring)
        name, error = _score_name(scoring)
        negate = error if negate_score is None else negate_score
        if score_name is None:
            score_name = f"minus {name}" if negate != error else name
        chosen = getattr(estimator, "best_index_", None)
        one_se = chosen if getattr(estimator, "selection", None) == "one_se" else None
        display = cls(
            estimator.cv_results_,
            one_se_index=None if one_se is None else int(one_se),
            score_name=score_name,
            negate_score=negate,
        )
        return display.plot(x=x, y=y, ax=ax, **options)

    def plot(
        self, *, x: str | None = None, y: str | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw.

        Parameters
        ----------
        x, y : str, default=None
            Parameters on the axes, see :meth:`from_estimator`.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **options
            Passed to matplotlib's `plot` or `imshow`.

        Returns
        -------
        display : CVCurveDisplay
            Itself.
        """
        means, errors, n_splits = _means(self.cv_results)
        if not np.isfinite(means).any():
            raise ValueError("No candidate has a finite mean score: there is nothing to draw.")
        best = int(np.nanargmax(means)) if self.best_index is None else self.best_index
        one_se = self.one_se_index
        if one_se is None:
            one_se = _one_se(self.cv_results, means, errors, best)
        self.best_index_, self.one_se_index_ = best, one_se
        across, up, rest = _axes(self.cv_results, x, y)
        marked = [(best, "best", "*")]
        if one_se == best:
            marked = [(best, "best and one standard error", "*")]
        elif one_se is not None:
            marked.append((one_se, "one standard error", "o"))
        if up is None:
            self._curve(ax, across, means, errors, n_splits, marked, options)
        else:
            self._map(ax, across, up, means, marked, options)
        if rest:
            self.ax_.set_title(f"best over {', '.join(rest)}", fontsize=10, loc="right")
        return self

    def _curve(
        self,
        ax: Any,
        across: Axis,
        means: FloatArray,
        errors: FloatArray,
        n_splits: int,
        marked: list[tuple[int, str, str]],
        options: dict[str, Any],
    ) -> None:
        ax, width, _ = self._start(ax, 6.5, 4.2)
        sign = -1.0 if self.negate_score else 1.0
        shown = _best_of(across.position, len(across.values), means)
        places = np.flatnonzero(shown >= 0)
        shown = shown[places]
        at = across.values[places] if across.numeric else places
        mean, error = sign * means[shown], errors[shown]
        look = {"color": COLOURS[0], "marker": ".", "label": f"mean over {n_splits} folds"}
        band = {"color": COLOURS[0], "label": "± standard error"}
        if across.numeric:
            ax.plot(at, mean, **(look | options))
            ax.fill_between(at, mean - error, mean + error, alpha=0.2, linewidth=0, **band)
        else:
            ax.plot(at, mean, **(look | {"linestyle": "none"} | options))
            ax.errorbar(at, mean, error, fmt="none", capsize=4, **band)
            ax.set_xlim(-0.5, len(across.values) - 0.5)
        for k, (index, label, marker) in enumerate(marked):
            place = across.position[index]
            spot = across.values[place] if across.numeric else place
            colour = COLOURS[1 + k]
            ax.axvline(spot, color=colour, linestyle=("--", ":")[k], linewidth=1.2)
            label = f"{label}: {across.words()[place]}"
            height = sign * means[index]
            size = 13 if marker == "*" else 8
            ax.plot([spot], [height], marker, color=colour, markersize=size, label=label)
        if across.logarithmic:
            ax.set_xscale("log")
        elif not across.numeric:
            show_names(ax, "x", across.words(), width)
        ax.set_xlabel(across.name)
        ax.set_ylabel(self.score_name)
        ax.legend(fontsize=SMALL)

    def _map(
        self,
        ax: Any,
        across: Axis,
        up: Axis,
        means: FloatArray,
        marked: list[tuple[int, str, str]],
        options: dict[str, Any],
    ) -> None:
        n_across, n_up = len(across.values), len(up.values)
        width, height = span(n_across, 0.3, 3.0, 9.0), span(n_up, 0.3, 1.5, 6.0)
        ax, width, height = self._start(ax, width, height, margins=(2.2, 1.4))
        there = (across.position >= 0) & (up.position >= 0)
        cell = np.where(there, up.position * n_across + across.position, -1)
        shown = _best_of(cell, n_across * n_up, means)
        sign = -1.0 if self.negate_score else 1.0
        table = np.where(shown >= 0, sign * means[shown], np.nan).reshape(n_up, n_across)
        look = {"cmap": "cividis_r" if self.negate_score else "cividis", "aspect": "auto"}
        look |= {"origin": "lower", "interpolation": "nearest"}
        # Hopeless candidates share the last colour, or all others would look the same.
        good = np.sort(means[shown[shown >= 0]])[::-1]
        worst = good[0] - 3.0 * (good[0] - np.median(good))
        extend = "neither"
        if good[-1] < worst:
            look["vmax" if self.negate_score else "vmin"] = sign * worst
            extend = "max" if self.negate_score else "min"
        self.image_ = ax.imshow(np.ma.masked_invalid(table), **(look | options))
        bar = {"label": self.score_name, "extend": extend}
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, **bar)
        for index, label, marker in marked:
            if there[index]:
                spot = [across.position[index]], [up.position[index]]
                size = 14 if marker == "*" else 9
                ax.plot(
                    *spot,
                    marker,
                    color=COLOURS[1],
                    markeredgecolor="white",
                    markersize=size,
                    label=label,
                )
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            frameon=False,
            fontsize=SMALL,
            ncols=2,
        )
        show_names(ax, "x", across.words(), width)
        show_names(ax, "y", up.words(), height)
        ax.set_xlabel(across.name)
        ax.set_ylabel(up.name)


def _score_name(scoring: Any) -> tuple[str, bool]:
    """What a scorer measures in words, and whether its scores are negated errors."""
    if isinstance(scoring, str):
        error = scoring.startswith("neg_") or (scoring in SCORERS and SCORERS[scoring].sign < 0)
        return scoring.removeprefix("neg_").replace("_", " "), error
    return "mean test score", False


def _means(results: dict[str, Any]) -> tuple[FloatArray, FloatArray, int]:
    """Mean and standard error of each candidate, and the number of folds."""
    if "mean_test_score" not in results:
        raise ValueError(
            "cv_results has no 'mean_test_score': searches with several metrics cannot be drawn."
        )
    n_splits = sum(key.startswith("split") and key.endswith("_test_score") for key in results)
    means = np.asarray(results["mean_test_score"], dtype=np.float64)
    # std_test_score is the root of the mean square, the sample's has n - 1.
    std = np.asarray(results["std_test_score"], dtype=np.float64)
    return means, std / np.sqrt(max(n_splits - 1, 1)), n_splits


def _one_se(
    results: dict[str, Any], means: FloatArray, errors: FloatArray, best: int
) -> int | None:
    """The largest lambda1 within one standard error of the best, all else as in the best."""
    found = [key for key in results if key.startswith("param_") and key.endswith("lambda1")]
    if len(found) != 1 or len(_axis(results, found[0]).values) < 2:
        return None
    others = [key for key in results if key.startswith("param_") and key != found[0]]
    same = np.ones(len(means), bool)
    for key in others:
        position = _axis(results, key).position
        same &= position == position[best]
    near = same & (means >= means[best] - errors[best])
    strength = np.asarray(results[found[0]], dtype=np.float64)
    return int(np.argmax(np.where(near, strength, -np.inf)))


def _axes(
    results: dict[str, Any], x: str | None, y: str | None
) -> tuple[Axis, Axis | None, list[str]]:
    """The parameters on the axes, and the names of those on none of them."""
    found = [_axis(results, key) for key in results if key.startswith("param_")]
    by_name = {axis.name: axis for axis in found}
    for name in (x, y):
        if name is not None and name not in by_name:
            raise ValueError(f"{name!r} was not searched; parameters are {list(by_name)}.")
    varied = [axis for axis in found if len(axis.values) > 1] or found
    varied.sort(key=lambda axis: not axis.name.endswith("lambda1"))  # lambda1 first
    across = by_name[x] if x is not None else next(a for a in varied if a.name != y)
    rest = [axis for axis in varied if axis is not across and len(axis.values) > 1]
    up = by_name[y] if y is not None else rest[0] if rest else None
    return across, up, [axis.name for axis in rest if axis is not up]


def _axis(results: dict[str, Any], key: str) -> Axis:
    values = np.ma.getdata(results[key])
    missing = np.ma.getmaskarray(results[key])
    name = key.removeprefix("param_")
    position = np.full(len(values), -1)
    given = [value for value, gone in zip(values.tolist(), missing, strict=True) if not gone]
    numeric = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in given)
    if numeric and given:
        distinct, position[~missing] = np.unique(np.array(given, float), return_inverse=True)
        return Axis(name, distinct, position)
    words = [value if isinstance(value, str) else repr(value) for value in given]
    order = list(dict.fromkeys(words))
    position[~missing] = [order.index(word) for word in words]
    return Axis(name, np.array(order, dtype=object), position)


def _best_of(place: IntArray, n_places: int, means: FloatArray) -> IntArray:
    """The candidate with the best mean at each place, -1 for none."""
    best = np.full(n_places, -1)
    for index in np.argsort(means, kind="stable"):
        if place[index] >= 0 and np.isfinite(means[index]):
            best[place[index]] = index
    return best
