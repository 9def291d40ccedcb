"""Who gains by sharing: every task out of fold, against one model per task and one for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.parallel import Parallel, delayed

from .._intervals import check_level
from .._typing import AnyArray, FloatArray
from ..model_selection._data import SummaryData, read_data
from ..model_selection._splits import make_splits, row_labels
from ..model_selection._template import Template, take_parts
from ._checks import check_model, read_template
from ._folds import Candidate, Cells, base_of, mean_losses, tell
from ._gains import Gains, paired_gains
from ._references import Reference
from ._tables import as_html, frame, lines, of_one

_MODEL, _SINGLE, _POOLED = "the model", "one model per task", "one model for all"


# In one piece: half of it is the signature and the result.
def task_gains(
    model: BaseEstimator,
    X: Any,
    y: Any,
    *,
    tasks: Any = None,
    single: Any = "ridge",
    pooled: Any = "ridge",
    cv: Any = None,
    groups: Any = None,
    level: float = 0.95,
    n_jobs: int | None = None,
    verbose: int = 0,
    sample_weight: Any = None,
) -> TaskGains:
    """Gain of every task by a model, out of fold, over one model per task and over one for all.

    All three are fitted to the same training rows and lose on the same test rows; what is chosen
    (by a search given as `model`, and the strengths of both references) is chosen on training rows.

    Parameters
    ----------
    model : estimator
        A model of this package, a pipeline ending in one, or a search over either. It is cloned.
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Features, with the label column if the model has a `task_column`.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Targets, as in `fit`.
    tasks : array-like of shape (n_samples,), default=None
        Task label of each row, as in `fit`.
    single, pooled : "ridge", estimator or None, default="ridge"
        The references: one model per task, and one model for all tasks, which does not see them.
        "ridge": the last step of `model` is replaced by least squares (or the model's loss,
        logistic for classifiers) with a ridge, whose strength is chosen by 5-fold cross-validation
        out of 9. An estimator is fitted to the same rows as `model`, and gets `tasks` if it takes
        them. None leaves that reference out.
    cv : int, splitter or iterable of splits, default=None
        Folds, as in :class:`malsar_py.model_selection.MultiTaskSearchCV`: None is 5 folds of
        :class:`malsar_py.model_selection.TaskKFold` (or of TaskGroupKFold, with `groups`), or as
        many as the data allow. The losses of a row that is tested more than once are averaged.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows that belong together: passed to the splitter, to those of searches, and one
        unit of the standard errors.
    level : float, default=0.95
        Level of the intervals, in (0, 1).
    n_jobs : int, default=None
        Number of jobs of joblib, over folds and models.
    verbose : int, default=0
        Passed to joblib; prints progress if positive.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights, in fits and in mean losses.

    Returns
    -------
    gains : TaskGains
        Losses and gains of all tasks; printing it gives a table, ``plot()`` a picture.

    Raises
    ------
    ValueError, TypeError
        If the model is none of this package's with tasks, or data, folds or a reference cannot be
        used; the message names the model that could not be fitted.

    Notes
    -----
    Losses are those that the model's `score` is made of: RMSE for squares and all losses without
    a D2 of their own, else their mean (pinball, Poisson or gamma deviance halved, log loss; log
    loss for classifiers). A gain is the reference's loss less the model's, with the interval of
    paired differences of rows [1]_ (of RMSEs by linearisation). Fits are taken as given: in
    repeated samples intervals hold the gain of a *procedure* less often than they say, as
    training sets vary, too [2]_. And of 100 tasks without a gain five have a 95 % interval beside
    zero: look at `mean` first.

    For more than two classes "one model for all" has one set of coefficients, but an intercept for
    each task.

    References
    ----------
    .. [1] T. G. Dietterich, "Approximate statistical tests for comparing supervised classification
       learning algorithms", Neural Computation 10, 1998.
    .. [2] S. Bates, T. Hastie, R. Tibshirani, "Cross-validation: what does it estimate and how well
       does it do it?", JASA 119, 2024.

    Examples
    --------
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import make_clustered
    >>> from malsar_py.inspection import task_gains
    >>> X, y, tasks = make_clustered(n_tasks=4, n_clusters=1, n_samples=15, random_state=0)
    >>> found = task_gains(MeanRegularizedRegressor(lambda1=10.0, lambda2=0.1), X, y, tasks=tasks)
    >>> bool(found.over_single.mean > 0)
    True
    """
    check_level(level)
    template = read_template(base_of(model))
    data = read_data(X, y, tasks, sample_weight)
    if isinstance(data, SummaryData):
        raise TypeError("task_gains predicts rows, which a summary does not keep: pass the rows.")
    last, rows = check_model("task_gains", template, data)
    cells = Cells.of(last, rows)
    candidates = _candidates(model, template, single, pooled)
    labels = partial(row_labels, template, data)
    splits = make_splits(cv, data, labels, groups, classifier=bool(last._classifier))
    units = np.arange(len(data.y)) if groups is None else np.asarray(groups)
    whole = clone(base_of(model))
    found = Parallel(n_jobs=n_jobs, verbose=int(verbose))(
        delayed(candidate.out_of_fold)(
            *take_parts(whole, data, train, test),
            test,
            cells,
            None if groups is None else units[train],
        )
        for candidate in candidates
        for train, test in splits
    )
    tell((said for _, _, said in found), stacklevel=3)
    n = len(splits)
    losses = {
        candidate.name: mean_losses(found[k * n : (k + 1) * n], len(cells.codes))
        for k, candidate in enumerate(candidates)
    }
    tested = ~np.isnan(losses[_MODEL])
    paired: dict[str, Gains] = {
        name: paired_gains(
            values[tested],
            losses[_MODEL][tested],
            cells.codes[tested],
            rows.n_tasks,
            units=units[cells.row][tested],
            sample_weight=rows.sample_weight[tested],
            root=cells.squared,
            level=level,
        )
        for name, values in losses.items()
    }
    own = paired.pop(_MODEL)
    return TaskGains(
        tasks=rows.tasks,
        n_rows=own.n_rows,
        loss=own.loss,
        over_single=paired.get(_SINGLE),
        over_pooled=paired.get(_POOLED),
        loss_name=cells.loss_name,
        n_splits=n,
    )


def _candidates(model: Any, template: Template, single: Any, pooled: Any) -> list[Candidate]:
    """The model, and the references asked for."""
    found = [Candidate(_MODEL, model)]
    for name, given in ((_SINGLE, single), (_POOLED, pooled)):
        if isinstance(given, str):
            if given != "ridge":
                argument = "single" if name == _SINGLE else "pooled"
                raise ValueError(
                    f'{argument} must be "ridge", an estimator or None, got {given!r}.'
                )
            found.append(Candidate(name, None, Reference(template, name == _POOLED)))
        elif given is not None:
            found.append(Candidate(name, given))
    for candidate in found:
        candidate.check()
    return found


@dataclass(frozen=True, eq=False, repr=False)
class TaskGains:
    """Losses of all tasks out of fold, and gains over the references; ``str`` is a table.

    Attributes
    ----------
    tasks : ndarray of shape (n_tasks,)
        Task labels, as `tasks_`.
    n_rows : ndarray of shape (n_tasks,)
        Rows that were tested.
    loss : ndarray of shape (n_tasks,)
        Loss of the model; NaN for a task that no fold tests.
    over_single, over_pooled : Gains or None
        Gains over one model per task, and over one for all: `reference`, `gain`, `standard_error`,
        `lower`, `upper` (n_tasks,), masks `helps` and `hurts` of the tasks whose interval is beside
        zero, and the mean over the tasks: `mean`, `mean_lower`, `mean_upper`.
    loss_name : str
        What the losses are.
    n_splits : int
        Number of folds.
    """

    tasks: AnyArray
    n_rows: AnyArray
    loss: FloatArray
    over_single: Gains | None
    over_pooled: Gains | None
    loss_name: str
    n_splits: int

    def _over(self) -> dict[str, Gains]:
        both = {"single": self.over_single, "pooled": self.over_pooled}
        return {name: gains for name, gains in both.items() if gains is not None}

    def table(self) -> Any:
        """One row per task: rows tested, losses, gains with the ends of their intervals.

        Returns
        -------
        table : DataFrame, or dict of ndarrays without pandas
            Columns `task`, `n_rows`, `loss`, and for each reference `single` / `pooled` (its loss),
            `gain_over_...`, `lower_over_...`, `upper_over_...`.
        """
        columns: dict[str, AnyArray] = {
            "task": self.tasks,
            "n_rows": self.n_rows,
            "loss": self.loss,
        }
        for name, gains in self._over().items():
            columns[name] = gains.reference
            for part in ("gain", "lower", "upper"):
                columns[f"{part}_over_{name}"] = getattr(gains, part)
        return frame(columns)

    def plot(self, *, max_tasks: int | None = 40, ax: Any = None, **options: Any) -> Any:
        """Draw the gains with their intervals, a line per task.

        Parameters
        ----------
        max_tasks : int or None, default=40
            With more tasks than that, those with the largest gains and losses are drawn. None: all.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **options
            Passed to matplotlib's `hlines`, such as ``linewidth``.

        Returns
        -------
        display : GainsDisplay
            The display, drawn.
        """
        from ..plotting import GainsDisplay

        names = {"single": _SINGLE, "pooled": _POOLED}
        shown = {f"over {names[name]}": gains for name, gains in self._over().items()}
        display = GainsDisplay(shown, names=self.tasks, unit=self.loss_name)
        return display.plot(max_names=max_tasks, ax=ax, **options)

    def __str__(self) -> str:
        over = self._over()
        head = [f"Gains out of fold ({self.loss_name}, {self.n_splits} folds)", ""]
        rows = [["task", "rows", "loss"]]
        for name, gains in over.items():
            rows[0] += [name, "gain", f"[{100.0 * gains.level:g} %]"]
        order = np.arange(len(self.tasks))
        if over:
            order = np.argsort(-next(iter(over.values())).gain, kind="stable")
        for t in order:
            row = [str(self.tasks[t]), str(self.n_rows[t]), f"{self.loss[t]:.4g}"]
            for gains in over.values():
                row += [f"{gains.reference[t]:.4g}", *of_one(gains, t)[1:]]
            rows.append(row)
        body = lines(rows)
        for name, gains in over.items():
            body.append(
                f"over {name}: mean gain {gains.mean:+.4g} [{gains.mean_lower:+.4g}, "
                f"{gains.mean_upper:+.4g}]; {int(gains.helps.sum())} of {len(self.tasks)} tasks "
                f"clearly gain, {int(gains.hurts.sum())} clearly lose"
            )
        return "\n".join(head + body)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self)
