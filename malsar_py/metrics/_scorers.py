"""Scorers: metrics of tasks by name, for our search and for scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from sklearn.utils.metadata_routing import _MetadataRequester

from .._counted import only_counted
from .._labels import as_array, as_labels, as_table, column_position, split_column
from .._pipelines import last_step
from .._tasks import _resolve_rows
from .._typing import AnyArray
from . import _aggregates as aggregates


@dataclass(frozen=True)
class TaskScore:
    """A metric of tasks as a score: greater is better.

    Attributes
    ----------
    name : str
        Its name, without ``neg_``.
    function : callable
        The metric of `malsar_py.metrics`, called as ``function(y_true, y_pred, tasks,
        sample_weight=...)``.
    sign : int
        1 for a metric of which more is better, -1 for an error.
    response_methods : tuple of str
        The estimator's methods that give y_pred; the first one it has is used.
    takes_classes : bool
        Whether the function takes `classes`.
    """

    name: str
    function: Callable[..., float]
    sign: int = 1
    response_methods: tuple[str, ...] = ("predict",)
    takes_classes: bool = False

    def score(
        self,
        y_true: Any,
        y_pred: Any,
        tasks: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Sign times the metric.

        Parameters
        ----------
        y_true, y_pred, tasks, classes, sample_weight : array-like
            As for the metric.

        Returns
        -------
        score : float
            Greater is better.
        """
        extra = {"classes": classes} if self.takes_classes else {}
        return self.sign * self.function(
            y_true, y_pred, tasks, sample_weight=sample_weight, **extra
        )

    def response_method(self, estimator: Any) -> str:
        """The method of the estimator that gives y_pred.

        Parameters
        ----------
        estimator : object
            Fitted or not.

        Returns
        -------
        name : str
            The first of `response_methods` that it has.
        """
        for method in self.response_methods:
            if hasattr(estimator, method):
                return method
        raise ValueError(
            f"{self.name} needs {' or '.join(self.response_methods)}, which "
            f"{type(estimator).__name__} does not have."
        )


_DECISION = ("decision_function", "predict_proba")

_SCORES = [
    TaskScore("mean_task_rmse", aggregates.mean_task_rmse, -1),
    TaskScore("mean_task_mse", aggregates.mean_task_mse, -1),
    TaskScore("mean_task_mae", aggregates.mean_task_mae, -1),
    TaskScore("mean_task_poisson_deviance", aggregates.mean_task_poisson_deviance, -1),
    TaskScore("mean_task_gamma_deviance", aggregates.mean_task_gamma_deviance, -1),
    TaskScore("mean_task_pinball_loss", aggregates.mean_task_pinball_loss, -1),
    TaskScore("mean_task_r2", aggregates.mean_task_r2),
    TaskScore("normalized_mse", aggregates.normalized_mse, -1),
    TaskScore("averaged_mse", aggregates.averaged_mse, -1),
    TaskScore("pooled_explained_variance", aggregates.explained_variance),
    TaskScore(
        "within_task_explained_variance", partial(aggregates.explained_variance, within_tasks=True)
    ),
    TaskScore("mean_task_accuracy", aggregates.mean_task_accuracy),
    TaskScore("mean_task_f1", aggregates.mean_task_f1, takes_classes=True),
    TaskScore("mean_task_auc", aggregates.mean_task_auc, 1, _DECISION, takes_classes=True),
    TaskScore(
        "mean_task_log_loss",
        aggregates.mean_task_log_loss,
        -1,
        ("predict_proba",),
        takes_classes=True,
    ),
]

# Errors go by two names: with "neg_", as in scikit-learn, and without. Both give minus the error.
SCORERS: dict[str, TaskScore] = {
    name: score
    for score in _SCORES
    for name in ([score.name, f"neg_{score.name}"] if score.sign < 0 else [score.name])
}


def get_task_scorer(name: str) -> TaskScore:
    """Return the score of that name, one of `SCORERS`.

    Parameters
    ----------
    name : str
        A function of this module ("mean_task_rmse", "normalized_mse", "mean_task_auc", ...),
        "pooled_explained_variance" or "within_task_explained_variance". Errors are negated, so
        that greater is better, with ``neg_`` in front of the name or without.

    Returns
    -------
    score : TaskScore
        With ``score(y_true, y_pred, tasks, classes, sample_weight)`` and the estimator's method
        that gives y_pred, ``response_method(estimator)``.

    Examples
    --------
    >>> from malsar_py.metrics import get_task_scorer
    >>> get_task_scorer("mean_task_rmse").score([1.0, 2.0], [1.0, 4.0], ["a", "b"])
    -1.0
    """
    if not isinstance(name, str) or name not in SCORERS:
        raise ValueError(f"{name!r} is not a scorer of tasks; these are {sorted(SCORERS)}.")
    return SCORERS[name]


def make_task_scorer(name: str, *, task_column: int | str | None = None) -> TaskScorer:
    """Make a scorer that scikit-learn's searches and `cross_val_score` can use.

    Parameters
    ----------
    name : str
        A name that `get_task_scorer` knows; greater is better.
    task_column : int or str, default=None
        Position or name of the label column in the X that is scored (in a search over a pipeline:
        the X given to the pipeline). None: `task_column` of the estimator, or of the last step of
        a pipeline (in what that step sees) or the best estimator of a search; or the columns of a
        2-D y; or `tasks`, if metadata routing passes them.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, tasks=None, sample_weight=None)``. With metadata routing on it
        requests `tasks`; for weights say ``scorer.set_score_request(sample_weight=True)``.

    Raises
    ------
    ValueError
        When called: if there is no way to see the tasks; the message says what to pass. (A search
        reports it as a warning with NaN scores, unless its ``error_score="raise"``.)

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from malsar_py import MeanRegularizedRegressor
    >>> from malsar_py.datasets import load_exam
    >>> from malsar_py.metrics import make_task_scorer
    >>> from malsar_py.model_selection import TaskKFold
    >>> import numpy as np
    >>> exam = load_exam()
    >>> X = np.column_stack([exam.tasks, exam.data])
    >>> search = GridSearchCV(
    ...     MeanRegularizedRegressor(lambda2=0.03, task_column=0),
    ...     {"lambda1": [0.1, 1.0, 10.0]},
    ...     scoring=make_task_scorer("neg_mean_task_rmse"),
    ...     cv=TaskKFold(3, task_column=0),
    ... ).fit(X, exam.target)
    >>> search.best_params_
    {'lambda1': 1.0}
    """
    return TaskScorer(get_task_scorer(name), task_column)


def _reader(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The fitted model that reads the labels, inside of searches and pipelines, and its X."""
    while not hasattr(estimator, "task_column"):
        names = ("best_estimator_", "regressor_", "estimator_")
        found = [name for name in names if hasattr(estimator, name)]
        if not found or hasattr(estimator, "transform"):  # it may choose columns of X
            break
        estimator, X = last_step(getattr(estimator, found[0]), X)
    return estimator, X


class TaskScorer(_MetadataRequester):
    """What `make_task_scorer` returns."""

    __metadata_request__score: ClassVar = {"tasks": True}

    def __init__(self, task_score: TaskScore, task_column: int | str | None) -> None:
        self.task_score = task_score
        self.task_column = task_column

    def __repr__(self) -> str:
        column = "" if self.task_column is None else f", task_column={self.task_column!r}"
        return f"make_task_scorer({self.task_score.name!r}{column})"

    # The name by which metadata routing asks what to pass.
    def score(
        self, estimator: Any, X: Any, y: Any, tasks: Any = None, sample_weight: Any = None
    ) -> float:
        """Score the fitted estimator on test data, on the rows that count."""
        X, y, tasks, sample_weight = only_counted(X, y, tasks, sample_weight)
        # A pipeline's own methods take no labels, but for `predict`, without metadata routing.
        last, seen = last_step(estimator, X, tasks=tasks)
        labels = self._labels(X, *_reader(last, seen), y, tasks)
        method = getattr(last, self.task_score.response_method(last))
        y_pred = method(seen) if tasks is None else method(seen, tasks=tasks)
        return self.task_score.score(
            y, y_pred, labels, getattr(last, "classes_", None), sample_weight
        )

    __call__ = score

    def _labels(self, given: Any, reader: Any, X: Any, y: Any, tasks: Any) -> AnyArray | None:
        """Labels of the rows given: as we were told, or as the model reads them in what it sees."""
        column = self.task_column
        if column is not None:
            X = given
        else:
            column = getattr(reader, "task_column", None)
        if tasks is not None:
            if column is not None:
                raise ValueError(
                    f"Task labels were given twice, by task_column={column!r} and by `tasks`."
                )
            return as_labels(tasks, "`tasks`")
        if column is not None:
            table = as_table(X, accept_sparse=True)
            labels = split_column(table, column_position(table, column))[0]
            return as_labels(labels, f"task_column={column!r}")
        if hasattr(reader, "_label_source"):  # the rows themselves say which task they are of
            return _resolve_rows(reader, X, None)[1]
        if as_array(y).ndim == 2 or getattr(reader, "n_tasks_", 0) == 1:
            return None
        raise ValueError(
            f"The scorer {self.task_score.name!r} cannot see the tasks: y is 1-D and no labels "
            f"came. Say make_task_scorer({self.task_score.name!r}, task_column=...) if they are a "
            "column of X, or pass `tasks` by metadata routing."
        )
