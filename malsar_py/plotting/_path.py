"""How the solution grows as the penalty weakens."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import model_selection
from .._typing import AnyArray, FloatArray, IntArray
from ._draw import COLOURS, FAINT, SMALL, STYLES, Display, final_model, short_names


class PathDisplay(Display):
    """Norms of the features' coefficients, or singular values, against lambda1.

    It is recommended to use :meth:`from_path` or :meth:`from_estimator`.

    Parameters
    ----------
    lambda1 : ndarray of shape (n_lambdas,)
        Strengths of the penalty.
    coef : ndarray of shape (n_lambdas, n_tasks, n_features)
        Coefficients at each.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None numbers them.
    df : ndarray of shape (n_lambdas,), default=None
        Size of the model at each strength: numbers above the axes.
    chosen : float, default=None
        A strength to mark, such as that chosen by a search.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of the axes, known to pyplot.
    lines_ : list of matplotlib Line2D
        One per feature or singular value.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import load_exam
    >>> from malsar_py.plotting import PathDisplay
    >>> exam = load_exam()
    >>> display = PathDisplay.from_estimator(
    ...     JointFeatureRegressor(), exam.data, exam.target, tasks=exam.tasks, n_lambdas=20
    ... )
    >>> display.ax_.get_ylabel()
    'norm of the coefficients over the tasks'
    """

    def __init__(
        self,
        lambda1: FloatArray,
        coef: FloatArray,
        *,
        feature_names: Any = None,
        df: AnyArray | None = None,
        chosen: float | None = None,
    ) -> None:
        self.lambda1 = lambda1
        self.coef = coef
        self.feature_names = feature_names
        self.df = df
        self.chosen = chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
        lambda1: Any = None,
        n_lambdas: int = 100,
        eps: float = 1e-3,
        kind: str = "auto",
        n_named: int = 8,
        ax: Any = None,
        **line_options: Any,
    ) -> Self:
        """Compute the path of an estimator and draw it.

        Parameters
        ----------
        estimator : estimator of this package, or a search
            Of a fitted model, or the best one of a fitted search, the path with its other
            parameters is drawn and its `lambda1` marked.
        X, y, tasks, sample_weight, lambda1 : array-like
            See :func:`malsar_py.model_selection.regularization_path`.
        n_lambdas : int, default=100
            Number of strengths, without `lambda1`.
        eps : float, default=1e-3
            The smallest of them relative to the largest.
        kind : {"auto", "rows", "singular-values"}, default="auto"
            What a line is, see :meth:`from_path`.
        n_named : int, default=8
            So many features get a colour and a name.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `plot`, for every line.

        Returns
        -------
        display : PathDisplay
            The display, drawn.
        """
        chosen = None
        if hasattr(estimator, "best_estimator_") or hasattr(estimator, "coef_"):
            estimator = final_model(estimator)
            chosen = float(estimator.lambda1)
        path = model_selection.regularization_path(
            estimator,
            X,
            y,
            tasks=tasks,
            sample_weight=sample_weight,
            lambda1=lambda1,
            n_lambdas=n_lambdas,
            eps=eps,
        )
        return cls.from_path(path, kind=kind, n_named=n_named, chosen=chosen, ax=ax, **line_options)

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        kind: str = "auto",
        n_named: int = 8,
        chosen: float | None = None,
        ax: Any = None,
        **line_options: Any,
    ) -> Self:
        """Draw a path.

        Parameters
        ----------
        path : RegularizationPath
            What :func:`malsar_py.model_selection.regularization_path` returns.
        kind : {"auto", "rows", "singular-values"}, default="auto"
            A line per feature, the norm of its coefficients over the tasks; or a line per singular
            value of the coefficients. "auto" shows singular values if `path.df` is their number
            (trace norm, clusters) and features if it is theirs.
        n_named : int, default=8
            So many features get a colour and a name: those that are largest over the path, that is,
            by the mean over its strengths of the norm, divided by the largest norm there.
        chosen : float, default=None
            A strength to mark, such as `best_params_["lambda1"]` of a search.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `plot`, for every line.

        Returns
        -------
        display : PathDisplay
            The display, drawn.
        """
        names = getattr(path, "feature_names", None)
        display = cls(path.lambda1, path.coef, feature_names=names, df=path.df, chosen=chosen)
        return display.plot(kind=kind, n_named=n_named, ax=ax, **line_options)

    def plot(
        self, *, kind: str = "auto", n_named: int = 8, ax: Any = None, **line_options: Any
    ) -> Self:
        """Draw.

        Parameters
        ----------
        kind : {"auto", "rows", "singular-values"}, default="auto"
            What a line is, see :meth:`from_path`.
        n_named : int, default=8
            So many features get a colour and a name.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_options
            Passed to matplotlib's `plot`, for every line.

        Returns
        -------
        display : PathDisplay
            Itself.
        """
        if kind not in ("auto", "rows", "singular-values"):
            raise ValueError(f'kind must be "auto", "rows" or "singular-values", got {kind!r}.')
        positive = np.asarray(self.lambda1) > 0.0  # 0 has no place on a logarithmic axis
        if not positive.any():
            raise ValueError("A path needs a positive lambda1 to be drawn.")
        x, coef = np.asarray(self.lambda1)[positive], np.asarray(self.coef)[positive]
        coef = coef.reshape(len(coef), -1, coef.shape[-1])  # tasks, or their classes
        df = None if self.df is None else np.asarray(self.df)[positive]
        if kind == "auto":
            of_rows = df is None or np.array_equal(df, coef.any(axis=1).sum(axis=1))
            kind = "rows" if of_rows else "singular-values"
        ax = self._start(ax, 7.5, 4.5)[0]
        if kind == "rows":
            curves = np.linalg.norm(coef, axis=1)
            named = _largest(curves, n_named)
            ax.set_ylabel("norm of the coefficients over the tasks")
        else:
            curves = np.linalg.svd(coef, compute_uv=False)
            named = np.arange(0)
            ax.set_ylabel("singular values of the coefficients")
        self.lines_ = self._lines(ax, x, curves, named, kind, line_options)
        handles = [self.lines_[j] for j in named]
        if self.chosen is not None and self.chosen > 0.0:
            label = f"chosen: {self.chosen:.3g}"
            look = {"color": "black", "linestyle": "--", "linewidth": 1.0}
            handles.append(ax.axvline(self.chosen, label=label, **look))
        if handles:
            ax.legend(
                handles=handles,
                title=_title(len(named), curves.shape[1]),
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                frameon=False,
                fontsize=SMALL,
                title_fontsize=SMALL,
            )
        ax.set_xscale("log")
        ax.set_xlabel("lambda1 (log scale)")
        ax.set_ylim(bottom=0.0)
        if df is not None:
            _sizes_above(ax, x, df, "features used" if kind == "rows" else "rank")
        return self

    def _lines(
        self,
        ax: Any,
        x: FloatArray,
        curves: FloatArray,
        named: IntArray,
        kind: str,
        line_options: dict[str, Any],
    ) -> list[Any]:
        names = np.arange(curves.shape[1])
        if kind == "rows" and self.feature_names is not None:
            names = np.asarray(self.feature_names)
        labels = short_names(names)
        rank = {int(j): place for place, j in enumerate(named)}
        lines = []
        for j in range(curves.shape[1]):
            look: dict[str, Any] = {"color": FAINT, "linewidth": 1.0, "zorder": 1}
            if kind != "rows":
                look = {"color": COLOURS[0], "linewidth": 1.2}
            elif j in rank:
                turn, place = divmod(rank[j], len(COLOURS))
                style = STYLES[turn % len(STYLES)]
                look = {"color": COLOURS[place], "linestyle": style, "zorder": 2}
            lines += ax.plot(x, curves[:, j], label=labels[j], **(look | line_options))
        return lines


def _title(n_named: int, n_curves: int) -> str | None:
    """What the legend names."""
    if n_named == 0:
        return None
    return "largest features" if n_named < n_curves else "features"


def _largest(curves: FloatArray, n_named: int) -> IntArray:
    """Which curves are large over the path, not only at its end, where noise is large, too."""
    peaks = curves.max(axis=1, initial=0.0)
    share = (curves[peaks > 0.0] / peaks[peaks > 0.0, None]).sum(axis=0)
    named = np.argsort(-share, kind="stable")[:n_named]
    # Those named are to be seen at all.
    return named[curves.max(axis=0, initial=0.0)[named] > 1e-3 * peaks.max(initial=0.0)]


def _sizes_above(ax: Any, x: FloatArray, df: AnyArray, label: str) -> None:
    """Some of the models' sizes on a second axis above."""
    above = ax.secondary_xaxis("top")
    wanted = np.linspace(np.log(x.min()), np.log(x.max()), 8)
    chosen = sorted({int(np.abs(np.log(x) - value).argmin()) for value in wanted})
    above.set_xticks(x[chosen], [str(int(df[i])) for i in chosen], fontsize=SMALL)
    above.minorticks_off()
    above.set_xlabel(label, fontsize=SMALL)
