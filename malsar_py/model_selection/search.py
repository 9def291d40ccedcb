"""Cross-validated search over lambda1, one path per fold and setting of the other parameters."""

from __future__ import annotations

import itertools
import numbers
import time
import warnings
from copy import deepcopy
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._counted import only_counted
from .._doc_link import PACKAGE, page_of
from .._pipelines import last_step, last_step_of
from .._summary import Summary
from .._typing import AnyArray, FloatArray
from ._data import Data, read_data
from ._folds import ErrorScore, Scores
from ._grids import read_grids, read_settings
from ._moment_scores import check_summary_search
from ._progress import CallbackSupportMixin, Progress, managed, run_told
from ._results import Judged, find_edges, read_scores, results
from ._scoring import read_scoring
from ._shrinkages import with_shrinkages
from ._solve import warn_missed
from ._splits import make_splits, row_labels
from ._tall import by_moments
from ._template import Setting, Template, fit_params
from .path import check_model

__all__ = ["MultiTaskSearchCV"]


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


class MultiTaskSearchCV(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """Choose `lambda1` and other parameters by cross-validation that knows tasks.

    For each fold and each setting of the other parameters, all values of `lambda1` are fitted as
    one path (:func:`regularization_path`): data are prepared once, and each solution starts the
    next (but for models fitted in stages, and of functions). Results are those of
    ``GridSearchCV(estimator, grid, cv=TaskKFold(...))`` on the same grid, and have the same form.
    Task labels may come by `task_column`, as the columns of a 2-D y, or as `tasks` in `fit`; none
    of them needs metadata routing.

    Parameters
    ----------
    estimator : estimator of this package, or Pipeline that ends in one
        In a pipeline the other steps are fitted to each training part; with metadata routing on
        they get the labels and weights that they request, as in `GridSearchCV`.
    lambda1 : "auto" or array-like, default="auto"
        Values in [0, inf). "auto": one grid for all folds and settings, made of all data by
        :func:`lambda_grid`, with the largest :func:`lambda1_max` of the settings. Models without a
        largest value get the grid around the scale that is described there.
    lambda2 : "auto", array-like or None, default="auto"
        Values of `lambda2` in [0, inf), combined with all others. None: the estimator's own. "auto"
        is that too, but for quadratic models (MeanRegularized, and Graph with ``lambda3=0``;
        regressors and classifiers) and JointFeature, TraceNorm and TaskRelationship with
        ``common=True``, whose own `lambda2` is 0 and not in `param_grid`: these leave
        what the tasks have in common without any penalty, which fails where rows are few beside
        features. They get {0, 0.01, 0.1, 1} times ``mean_t tr(H_t) / n_features``, the scale of the
        loss that :func:`lambda1_max` returns for them.
    intercept_shrinkage : "auto", array-like or None, default=None
        Values of `intercept_shrinkage` in [0, inf], combined with all others. None: the
        estimator's own. "auto": {0, 1, 10} times the value "reml" of the squared loss; for other
        losses (and where the data are too few for that) {0, 0.03, 0.1, 0.3, 1, 3, inf} times the
        mean weight of the tasks, without 0 if a task has one class only.
    param_grid : dict or list of dicts, default=None
        Values of further parameters as for `GridSearchCV`, such as ``{"n_clusters": [2, 3]}``; in
        a pipeline with the step's name, ``{"clusteredregressor__n_clusters": [2, 3]}``. Settings
        that ask for more than there is in a training part (more clusters than tasks) are left out
        with a warning: their scores are NaN.
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
    error_score : "raise" or float, default="raise"
        What a fit or a score that fails counts in its fold. "raise": the error is raised. A number,
        or NaN (not defined, see Notes): a FitFailedWarning says so.
    verbose : int, default=0
        Passed to joblib; prints progress if positive. With scikit-learn 1.9 or later its callbacks
        (``set_callbacks(ProgressBar())``) are told of every path that is fitted, as
        `GridSearchCV` tells them of every candidate.

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
    edges_ : dict
        "smallest" or "largest" for each parameter of the row with the highest mean score that is at
        an end of its grid of three values or more, where the score still changes. A warning says
        so. (A strength of 0 is no such end.)
    classes_ : ndarray of shape (2,)
        Class labels of a refitted classifier.
    n_features_in_ : int
        Number of columns of X seen during fit, if refitted.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
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

    A score may not be defined (NaN) in a fold, as the AUC of test rows of one class. Some folds are
    easier than others, so all candidates are compared by the same folds: those in which all have a
    score. Where these would be less than half of the folds with a score, candidates with the fewest
    scores are left out instead. Means and standard deviations in `cv_results_` are over these
    folds, and NaN for candidates that are left out. A warning names the folds; it is an error if no
    candidate has a finite mean.

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
    _doc_link_module = PACKAGE
    _doc_link_template = page_of("model_selection.{estimator_name}")
    __metadata_request__fit: ClassVar = {"tasks": True, "groups": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__predict_proba: ClassVar = {"tasks": True}
    __metadata_request__decision_function: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "lambda1": [StrOptions({"auto"}), "array-like", numbers.Real],
        "lambda2": [StrOptions({"auto"}), "array-like", numbers.Real, None],
        "intercept_shrinkage": [StrOptions({"auto"}), "array-like", numbers.Real, None],
        "param_grid": [dict, list, None],
        "n_lambdas": [Interval(numbers.Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [str, callable, None],
        "selection": [StrOptions({"best", "one_se"})],
        "n_jobs": [numbers.Integral, None],
        "refit": ["boolean"],
        "error_score": [StrOptions({"raise"}), numbers.Real],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        lambda1: Any = "auto",
        lambda2: Any = "auto",
        intercept_shrinkage: Any = None,
        param_grid: Any = None,
        n_lambdas: int = 50,
        cv: Any = None,
        scoring: Any = None,
        selection: str = "best",
        n_jobs: int | None = None,
        refit: bool = True,
        error_score: ErrorScore = "raise",
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.intercept_shrinkage = intercept_shrinkage
        self.param_grid = param_grid
        self.n_lambdas = n_lambdas
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.n_jobs = n_jobs
        self.refit = refit
        self.error_score = error_score
        self.verbose = verbose

    # In one piece: folds, candidates, scores and the refit, each from the one before.
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Search, then fit the best model to all data.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
            Features, with the task labels in `task_column` if the estimator has that set. Or a
            :class:`malsar_py.Summary` with folds, given alone: these are the folds of the search,
            and scores are computed from its statistics (the estimator's own; task means of MSE,
            RMSE and R2; scikit-learn's "r2", "neg_mean_squared_error" and
            "neg_root_mean_squared_error").
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
            If the estimator has no lambda1, a grid is empty or negative, the scorer cannot see the
            labels, or has no finite mean for any candidate, or a fold cannot be fitted (such as one
            whose training part lacks a class of some task); the message says which.
        """
        self._validate_params()
        template = Template(self.estimator)
        check_model(template.model)
        if isinstance(X, Summary):
            check_summary_search(template, self.scoring)
        elif y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        scorer = read_scoring(self.scoring, keyword=tasks is not None)
        settings = read_settings(template, self.param_grid, self.lambda2)
        data = read_data(X, y, tasks, sample_weight)
        if _routing_enabled() and template.is_pipeline:
            # What no step requests is refused before the work rather than after it.
            given = {name: value for name, value in data.metadata.items() if value is not None}
            process_routing(self.estimator, "fit", **given)
        settings = with_shrinkages(template, data, settings, self.intercept_shrinkage)
        key = f"{template.prefix}lambda2"
        ours = isinstance(self.lambda2, str) and not any(key in setting for setting in settings)
        settings, lambda1 = read_grids(
            template,
            data,
            settings,
            lambda1=self.lambda1,
            lambda2=self.lambda2,
            n_lambdas=self.n_lambdas,
            error_score=self.error_score,
        )
        splits = make_splits(
            self.cv,
            data,
            lambda: row_labels(template, data),
            groups,
            classifier=bool(template.model._classifier),
        )
        with managed(self), Progress.of(self, data, 1 + bool(self.refit)) as progress:
            summed = by_moments(template, data, settings, splits, self.scoring)
            seen, parts = (data, splits) if summed is None else summed
            scores = self._run(template, seen, parts, settings, lambda1, scorer, progress)
            name = f"{template.prefix}lambda1"
            params = [{**setting, name: float(v)} for setting in settings for v in lambda1]
            judged = read_scores(scores, params, scorer, stacklevel=3)
            # Without a ridge classes may be separable: no news where that was not asked for.
            asked = [not (ours and setting.get(key) == 0.0) for setting in settings]
            told = asked if any(asked) else slice(None)
            gaps = np.fmax.reduce([np.fmax.reduce(fold.gap[told]) for fold in scores])
            warn_missed(template.model, gaps, lambda1, stacklevel=3)
            self.lambda1_ = lambda1
            self.n_splits_ = len(splits)
            self.scorer_ = scorer
            self.multimetric_ = False
            self.cv_results_ = results(params, scores, judged)
            self.best_index_ = self._choose(judged, len(lambda1))
            self.best_params_ = params[self.best_index_]
            self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
            if self.refit:
                start = time.perf_counter()
                best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
                # No fold: a fit of the user's own.
                vars(Template(best).model).pop("_siblings", None)
                with progress.part("refit-with-best-params", progress.data):
                    self.best_estimator_ = best.fit(data.X, data.y, **fit_params(template, data))
                self.refit_time_ = time.perf_counter() - start
        self._find_edges(template)
        return self

    def _run(
        self,
        template: Template,
        data: Data,
        splits: list[tuple[AnyArray, AnyArray]],
        settings: list[Setting],
        lambda1: FloatArray,
        scorer: Any,
        progress: Progress,
    ) -> list[Scores]:
        """Scores of each fold."""
        # A job shares what it prepares: settings are split no further than there are jobs.
        n_chunks = -(-effective_n_jobs(self.n_jobs) // len(splits))
        bounds = np.linspace(0, len(settings), min(n_chunks, len(settings)) + 1).astype(int)
        chunks = [settings[a:b] for a, b in itertools.pairwise(bounds)]
        parallel = Parallel(n_jobs=self.n_jobs, verbose=int(self.verbose))
        n = len(chunks)
        with progress.part("search", progress.data, n_parts=n * len(splits)) as search:
            # (Before the work: contexts do not change while they are sent to other processes.)
            told = [
                search.part("candidate-split-evaluation", partial(data.take, train), n * k + i)
                for k, (train, _) in enumerate(splits)
                for i in range(n)
            ]
            found = parallel(
                delayed(run_told)(
                    told[n * k + i],
                    template,
                    data,
                    *split,
                    chunk,
                    lambda1,
                    scorer,
                    self.error_score,
                    f"Fold {k}",
                )
                for k, split in enumerate(splits)
                for i, chunk in enumerate(chunks)
            )
        return [Scores.stack(found[i : i + n]) for i in range(0, len(found), n)]

    def _choose(self, judged: Judged, n_lambdas: int) -> int:
        """Row of `cv_results_` of the parameters chosen."""
        mean = self.cv_results_["mean_test_score"]
        best = int(self.cv_results_["rank_test_score"].argmin())
        if self.selection == "best":
            return best
        lowest = mean[best] - judged.standard_error(best)
        first = best - best % n_lambdas
        return first + int(np.argmax(mean[first : best + 1] >= lowest))

    def _find_edges(self, template: Template) -> None:
        """Say where the highest mean score is at the end of a grid, and whether W = 0 is chosen."""
        params, mean = self.cv_results_["params"], self.cv_results_["mean_test_score"]
        highest = int(self.cv_results_["rank_test_score"].argmin())
        model = template.parts(params[highest])[1]
        self.edges_ = find_edges(params, mean, highest, model, template.prefix)
        said = dict(self.edges_)
        texts = []
        name = f"{template.prefix}lambda1"
        last = last_step_of(getattr(self, "best_estimator_", None))
        if hasattr(last, "coef_") and not last.coef_.any():
            said.pop(name, None)
            texts.append(
                f"All coefficients are zero at the best {name}={self.best_params_[name]:.4g}: by "
                "this score no feature helps."
            )
        if said:
            ends = (
                f"{name}={params[highest][name]:.4g} is the {end}" for name, end in said.items()
            )
            texts.append(
                f"The best score is at the edge of a grid: {', '.join(ends)} value tried. A better "
                "one may lie beyond: try values further out (lambda1=, lambda2=, param_grid=)."
            )
        if texts:
            warnings.warn(" ".join(texts), UserWarning, stacklevel=3)

    def _call(self, method: str, X: Any, tasks: Any) -> Any:
        check_is_fitted(self)
        labels = {} if tasks is None else {"tasks": tasks}
        model, X = last_step(self.best_estimator_, X, **labels)
        return getattr(model, method)(X, **labels)

    @available_if(_refitted_has("predict"))
    def predict(self, X: Any, *, tasks: Any = None) -> AnyArray:
        """Predict with the best model.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for the model's own method.

        Returns
        -------
        y : ndarray
            What the model returns.
        """
        return self._call("predict", X, tasks)

    @available_if(_refitted_has("predict_proba"))
    def predict_proba(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Class probabilities by the best model.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for the model's own method.

        Returns
        -------
        p : ndarray
            What the model returns.
        """
        return self._call("predict_proba", X, tasks)

    @available_if(_refitted_has("decision_function"))
    def decision_function(self, X: Any, *, tasks: Any = None) -> FloatArray:
        """Log odds by the best model.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows to predict.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for the model's own method.

        Returns
        -------
        z : ndarray
            What the model returns.
        """
        return self._call("decision_function", X, tasks)

    @available_if(_refitted_has("score"))
    def score(self, X: Any, y: Any, *, tasks: Any = None, sample_weight: Any = None) -> float:
        """Score of the best model by `scoring`.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            True targets; NaN entries are skipped.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, as for the model's own `score`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights; rows of weight 0 are skipped.

        Returns
        -------
        score : float
            Greater is better.
        """
        check_is_fitted(self)
        if self.scorer_.scorer is not None:  # the estimator's own sees to that itself
            X, y, tasks, sample_weight = only_counted(X, y, tasks, sample_weight)
        return self.scorer_(self.best_estimator_, X, y, tasks, sample_weight)

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
        """Classes of the best model."""
        return self._refitted("classes_")

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X that the best model saw."""
        return self._refitted("n_features_in_")

    @property
    def feature_names_in_(self) -> AnyArray:
        """Names of these columns, if X was a DataFrame with string names."""
        return self._refitted("feature_names_in_")

    def _refitted(self, name: str) -> Any:
        if "best_estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name}: it is not refitted.")
        return getattr(self.best_estimator_, name)
