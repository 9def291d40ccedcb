"""Cross-validated search over lambda1, one path per fold and setting of the other parameters."""

from __future__ import annotations

import itertools
import numbers
import time
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._counted import only_counted
from .._labels import as_labels, as_table, column_position, split_column
from .._typing import AnyArray, FloatArray
from ._data import Data, read_data
from ._folds import Scores, Setting, Template, run_fold, transform
from ._scoring import read_scoring
from ._solve import prepare, warn_missed
from ._splits import make_splits
from .path import auto_grid, check_model, strengths

__all__ = ["MultiTaskSearchCV"]

_EPS = 1e-3


def _refitted_has(name: str) -> Any:
    def check(self: MultiTaskSearchCV) -> bool:
        if not self.refit:
            raise AttributeError(
                f"This {type(self).__name__} was made with refit=False: {name} needs the model "
                "refitted with the best parameters."
            )
        getattr(getattr(self, "best_estimator_", self.estimator), name)
        return True

    return check


class MultiTaskSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Choose `lambda1` and other parameters by cross-validation that knows tasks.

    For each fold and each setting of the other parameters, all values of `lambda1` are fitted as
    one path (:func:`regularization_path`): data are prepared once, and each solution starts the
    next (but for models fitted in stages). Results are those of
    ``GridSearchCV(estimator, grid, cv=TaskKFold(...))`` on the same grid, and have the same form.
    Task labels may come by `task_column`, as the columns of a 2-D y, or as `tasks` in `fit`; none
    of them needs metadata routing.

    Parameters
    ----------
    estimator : estimator of this package, or Pipeline that ends in one
        In a pipeline the other steps are fitted to each training part.
    lambda1 : "auto" or array-like, default="auto"
        Values in [0, inf). "auto": one grid for all folds and settings, made of all data by
        :func:`lambda_grid`, with the largest :func:`lambda1_max` of the settings. Models without a
        largest value get the grid around the scale that is described there.
    lambda2 : array-like, default=None
        Values of `lambda2` in [0, inf), combined with all others. None: the estimator's own.
    param_grid : dict or list of dicts, default=None
        Values of further parameters as for `GridSearchCV`, such as ``{"n_clusters": [2, 3]}``; in
        a pipeline with the step's name, ``{"clusteredregressor__n_clusters": [2, 3]}``.
    n_lambdas : int, default=50
        Number of values if ``lambda1="auto"``.
    cv : int, splitter or iterable of splits, default=None
        An int is the number of folds of :class:`TaskKFold`, or of :class:`TaskGroupKFold` if `fit`
        is given `groups`; stratified by class for classifiers. None: 5 folds, or as many as the
        data allow (if all tasks are smaller, as many as the largest task has rows). Splitters of
        this package see labels, by whatever way they come to an estimator, and weights.
    scoring : str or callable, default=None
        None: the estimator's `score`. A name from `malsar_py.metrics` (such as
        "neg_mean_task_rmse") or of scikit-learn's scorers, or a callable ``(estimator, X, y)``,
        called with ``tasks=`` if it has such an argument and labels came that way. Greater is
        better.
    selection : {"best", "one_se"}, default="best"
        "best": the highest mean score. "one_se": the largest `lambda1` whose mean score is at most
        one standard error (over the folds) below the highest, the other parameters being those of
        the highest: a simpler model that is not clearly worse [1]_.
    n_jobs : int, default=None
        Number of joblib jobs over folds, and over settings if there are more jobs than folds. None
        means 1 unless in a `joblib.parallel_config` context; -1 means all processors.
    refit : bool, default=True
        Fit the estimator with the parameters chosen to all data.
    verbose : int, default=0
        Passed to joblib; prints progress if positive.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As of `GridSearchCV`: `params`, `param_<name>`, `split<k>_test_score`, `mean_test_score`,
        `std_test_score`, `rank_test_score` and times. A row per candidate: for each setting of the
        other parameters all values of lambda1, from large to small.
    best_params_ : dict
        The parameters chosen.
    best_index_ : int
        Their row in `cv_results_`.
    best_score_ : float
        Their mean score over the folds.
    best_estimator_ : estimator
        Fitted to all data with `best_params_`, if ``refit=True``.
    lambda1_ : ndarray of shape (n_lambdas,)
        The values of lambda1, decreasing.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the last fit, if ``refit=True``.
    scorer_ : callable
        The scorer, ``(estimator, X, y, tasks=None)``.
    multimetric_ : bool
        False.
    classes_ : ndarray of shape (2,)
        Class labels of a refitted classifier.
    n_features_in_ : int
        Number of columns of X seen during fit, if refitted.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these columns, if X was a DataFrame with string names.

    See Also
    --------
    regularization_path : The coefficients along lambda1.
    TaskKFold : The folds.

    Notes
    -----
    `sample_weight` is used in fits and, if the scorer takes it, in scores. Rows without a target
    and rows of weight 0 are never scored, whatever the splitter and the scorer.
    Ties go to the first row of `cv_results_`, so to the largest lambda1.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed.,
       section 7.10, 2009.

    Examples
    --------
    >>> from malsar_py import JointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> from malsar_py.model_selection import MultiTaskSearchCV
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> search = MultiTaskSearchCV(JointFeatureRegressor(), n_lambdas=20).fit(X, y, tasks=tasks)
    >>> sorted(search.best_params_), search.predict(X, tasks=tasks).shape == y.shape
    (['lambda1'], True)
    """

    # Labels are requested wherever they can be used, as by the estimators themselves.
    __metadata_request__fit: ClassVar = {"tasks": True, "groups": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__predict_proba: ClassVar = {"tasks": True}
    __metadata_request__decision_function: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "lambda1": [StrOptions({"auto"}), "array-like", numbers.Real],
        "lambda2": ["array-like", numbers.Real, None],
        "param_grid": [dict, list, None],
        "n_lambdas": [Interval(numbers.Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [str, callable, None],
        "selection": [StrOptions({"best", "one_se"})],
        "n_jobs": [numbers.Integral, None],
        "refit": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        lambda1: Any = "auto",
        lambda2: Any = None,
        param_grid: Any = None,
        n_lambdas: int = 50,
        cv: Any = None,
        scoring: Any = None,
        selection: str = "best",
        n_jobs: int | None = None,
        refit: bool = True,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.param_grid = param_grid
        self.n_lambdas = n_lambdas
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.n_jobs = n_jobs
        self.refit = refit
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> Self:
        """Search, then fit the best model to all data.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Features, with the task labels in `task_column` if the estimator has that set.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            Targets. Two-dimensional: one column per task on a shared X. NaN means not observed.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the labels are neither in X nor the columns of y.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Weights of the rows, in fits and in scores. Rows of weight 0 are not scored.
        groups : array-like of shape (n_samples,), default=None
            Groups of rows that belong together, passed to the splitter.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError, TypeError
            If the estimator has no path over lambda1, a grid is empty or negative, the scorer
            cannot see the labels, or a fold cannot be fitted (such as one whose training part
            lacks a class of some task); the message says which.
        """
        self._validate_params()
        template = Template(self.estimator)
        check_model(template.model)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        scorer = read_scoring(self.scoring, keyword=tasks is not None)
        settings = self._settings(template)
        data = read_data(X, y, tasks, sample_weight)
        lambda1 = self._lambda1(template, data, settings)
        splits = make_splits(
            self.cv,
            data,
            lambda: self._labels(template, data),
            groups,
            classifier=bool(template.model._classifier),
        )
        scores = self._run(template, data, splits, settings, lambda1, scorer)
        gaps = np.nanmax([fold.gap for fold in scores], axis=(0, 1))
        warn_missed(template.model, gaps, lambda1, stacklevel=3)
        self.lambda1_ = lambda1
        self.n_splits_ = len(splits)
        self.scorer_ = scorer
        self.multimetric_ = False
        name = f"{template.prefix}lambda1"
        params = [{**setting, name: float(v)} for setting in settings for v in lambda1]
        self.cv_results_ = _results(params, scores)
        self.best_index_ = self._choose(len(lambda1))
        self.best_params_ = params[self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
        if self.refit:
            start = time.perf_counter()
            best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
            vars(Template(best).model).pop("_siblings", None)  # no fold: a fit of the user's own
            self.best_estimator_ = best.fit(data.X, data.y, **self._fit_params(template, data))
            self.refit_time_ = time.perf_counter() - start
        return self

    def _settings(self, template: Template) -> list[Setting]:
        """Settings of the parameters other than lambda1."""
        prefix = template.prefix
        grid = [{}] if self.param_grid is None else list(ParameterGrid(self.param_grid))
        for name in ("lambda1", "lambda2"):
            if any(f"{prefix}{name}" in setting for setting in grid):
                raise ValueError(f"param_grid has {prefix}{name}: give its values as {name}=.")
        if self.lambda2 is not None:
            values = strengths(self.lambda2, "lambda2").tolist()
            key = f"{prefix}lambda2"
            grid = [{**s, key: v} for s, v in itertools.product(grid, values)]
        for setting in grid:
            template.parts(setting)[1]._validate_params()
        return grid

    def _lambda1(self, template: Template, data: Data, settings: list[Setting]) -> FloatArray:
        if not isinstance(self.lambda1, str):
            return strengths(self.lambda1, "lambda1")
        grids = []
        for group in template.groups(settings):
            steps, model = template.parts(settings[group[0]])
            seen, _ = transform(steps, data)
            prepared = prepare(model, seen.X, seen.y, seen.tasks, seen.sample_weight)[1]
            for i in group:
                model = template.parts(settings[i])[1]
                grids.append(auto_grid(model, prepared, self.n_lambdas, _EPS))
        return max(grids, key=lambda grid: grid[0])

    @staticmethod
    def _labels(template: Template, data: Data) -> Any:
        """Labels of the rows, read where the model reads them."""
        column = template.model.task_column
        if column is None:
            return data.tasks
        steps, _ = template.parts({})
        table = as_table(transform(steps, data)[0].X)
        labels, _ = split_column(table, column_position(table, column))
        as_labels(labels, f"task_column={column!r}")  # what is wrong is said of the column
        return labels  # as they are: categories may have an order

    def _run(
        self,
        template: Template,
        data: Data,
        splits: list[tuple[AnyArray, AnyArray]],
        settings: list[Setting],
        lambda1: FloatArray,
        scorer: Any,
    ) -> list[Scores]:
        """Scores of each fold."""
        # A job shares what it prepares: settings are split no further than there are jobs.
        n_chunks = -(-effective_n_jobs(self.n_jobs) // len(splits))
        bounds = np.linspace(0, len(settings), min(n_chunks, len(settings)) + 1).astype(int)
        chunks = [settings[a:b] for a, b in itertools.pairwise(bounds)]
        parallel = Parallel(n_jobs=self.n_jobs, verbose=int(self.verbose))
        found = parallel(
            delayed(run_fold)(template, data, *split, chunk, lambda1, scorer, f"Fold {k}")
            for k, split in enumerate(splits)
            for chunk in chunks
        )
        n = len(chunks)
        return [Scores.stack(found[i : i + n]) for i in range(0, len(found), n)]

    def _choose(self, n_lambdas: int) -> int:
        """Row of `cv_results_` of the parameters chosen."""
        results = self.cv_results_
        best = int(results["rank_test_score"].argmin())
        if self.selection == "best":
            return best
        splits = np.stack([results[f"split{k}_test_score"][best] for k in range(self.n_splits_)])
        error = splits.std(ddof=1) / np.sqrt(len(splits)) if len(splits) > 1 else 0.0
        mean = results["mean_test_score"]
        first = best - best % n_lambdas
        return first + int(np.argmax(mean[first : best + 1] >= mean[best] - error))

    @staticmethod
    def _fit_params(template: Template, data: Data) -> dict[str, Any]:
        prefix = "" if _routing_enabled() else template.prefix
        given = {"tasks": data.tasks, "sample_weight": data.sample_weight}
        return {prefix + name: value for name, value in given.items() if value is not None}

    def _call(self, method: str, X: Any, tasks: Any) -> Any:
        check_is_fitted(self)
        labels = {} if tasks is None else {"tasks": tasks}
        return getattr(self.best_estimator_, method)(X, **labels)

    @available_if(_refitted_has("predict"))
    def predict(self, X: Any, *, tasks: Any = None) -> AnyArray:
        """Predict with the best model; `tasks` as for its own `predict`."""
        return self._call("predict", X, tasks)

    @available_if(_refitted_has("predict_proba"))
    def predict_proba(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Class probabilities by the best model; `tasks` as for its own `predict_proba`."""
        return self._call("predict_proba", X, tasks)

    @available_if(_refitted_has("decision_function"))
    def decision_function(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Log odds by the best model; `tasks` as for its own `decision_function`."""
        return self._call("decision_function", X, tasks)

    @available_if(_refitted_has("score"))
    def score(self, X: Any, y: Any, *, tasks: Any = None) -> float:
        """Score of the best model by `scoring`; `tasks` as for its own `score`."""
        check_is_fitted(self)
        if self.scorer_.scorer is not None:  # the estimator's own sees to that itself
            X, y, tasks, _ = only_counted(X, y, tasks, None)
        return self.scorer_(self.best_estimator_, X, y, tasks=tasks)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        for name in ("classifier_tags", "regressor_tags", "target_tags", "input_tags"):
            setattr(tags, name, deepcopy(getattr(inner, name)))
        return tags

    @property
    def classes_(self) -> AnyArray:
        return self._refitted("classes_")

    @property
    def n_features_in_(self) -> int:
        return self._refitted("n_features_in_")

    @property
    def feature_names_in_(self) -> AnyArray:
        return self._refitted("feature_names_in_")

    def _refitted(self, name: str) -> Any:
        if "best_estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name}: it is not refitted.")
        return getattr(self.best_estimator_, name)


def _results(params: list[Setting], scores: list[Scores]) -> dict[str, Any]:
    """`cv_results_` from the scores of each fold."""
    results: dict[str, Any] = {}
    for name, values in (
        ("fit_time", [fold.fit_time.ravel() for fold in scores]),
        ("score_time", [fold.score_time.ravel() for fold in scores]),
    ):
        results[f"mean_{name}"] = np.mean(values, axis=0)
        results[f"std_{name}"] = np.std(values, axis=0)
    for name in dict.fromkeys(name for setting in params for name in setting):
        column = np.ma.MaskedArray(np.empty(len(params), object), mask=True)
        for i, setting in enumerate(params):
            if name in setting:
                column[i] = setting[name]
        results[f"param_{name}"] = column
    results["params"] = params
    splits = np.stack([fold.score.ravel() for fold in scores])
    for k, row in enumerate(splits):
        results[f"split{k}_test_score"] = row
    mean = splits.mean(axis=0)
    results["mean_test_score"] = mean
    results["std_test_score"] = splits.std(axis=0)
    # A score that is not defined ranks last.
    ranked = np.where(np.isnan(mean), -np.inf, mean)
    results["rank_test_score"] = rankdata(-ranked, method="min").astype(np.int32)
    return results
