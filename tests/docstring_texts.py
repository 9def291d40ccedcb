"""Docstring parts that estimators, metrics and fetchers share; `tests.docstrings` writes them."""

PARAMETERS = """\
fit_intercept : bool, default=True
    Whether every task has an intercept; it is unpenalised{but_shrunk}.
intercept_shrinkage : float or "reml", default=0.0
    Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective: draws
    the intercepts at the features' grand mean to a common b0 (partial pooling); inf is one for all.
    "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau the variance of
    random intercepts over that of the noise, for ``task_weight="size"``.
task_column : int or str, default=None
    Position or name of the column of X that holds the task labels. With None they are the columns
    of a 2-D y, or the keyword `tasks`, or there is one task only.
task_weight : "equal", "size" or mapping, default="equal"
    Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight (samples
    count alike); or ``{{label: weight}}``, in (0, inf).
{class_weight}unseen : "error" or "mean", default="error"
    What predict does with an unknown task label: refuse it, or take the mean of the tasks' models,
    weighted by the sum of squares of each feature within each task.
{loss}{solving}max_iter : int, default=10000
    Largest number of accelerated steps{per_stage}; of outer rounds, at most 1000, with working
    sets.
warm_start : bool, default=False
    Start from the last coefficients, if tasks and features are the same.
verbose : int, default=0
    Print the objective and the gap while fitting, if positive.
"""

CLASS_WEIGHT = """\
class_weight : "balanced", mapping or None, default=None
    Factor on the weights of the samples of a class: "balanced" makes all classes of a task count
    alike; or ``{class: weight}``, in (0, inf), 1 for others.
"""

LOSS = """\
loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
    "squared"; "huber" (outliers), "quantile" (the median), "poisson" (y >= 0), "gamma" (y > 0),
    "logistic" (y is 0 or 1, predicts the probability of 1); an instance, as
    ``losses.Quantile(q=0.9)``; or ``{label: loss}``. See the guide "Losses".
"""

CONVEX = """\
solver : str, default="auto"
    The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
    separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
    (other penalties); "square-root"; "multipliers" (losses that are not smooth).
tol : float, default=1e-6
    Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
"""

STAGED = """\
solver : {solvers}, default="auto"
    How a stage is solved: by accelerated proximal gradient, or by working sets where the penalty
    separates over the features. "auto" takes the fastest that applies.
tol : float, default=1e-6
    The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
max_stages : int, default=100
    Largest number of stages, each a convex problem.
"""

ATTRIBUTES = """\
coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
    Coefficients W', without the label column; 1-D after a fit without task labels.{coef_of_classes}
intercept_ : ndarray of shape (n_tasks,) or float
    Intercepts b.{intercept_of_classes}
intercept_mean_ : float
    With shrunk intercepts: that of the mean model, b0 at the features' grand mean.{mean_of_classes}
intercept_shrinkage_ : float
    With ``intercept_shrinkage="reml"``: kappa.
tasks_ : ndarray of shape (n_tasks,)
    Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
n_tasks_ : int
    Number of tasks.
{classes}{certificate}n_iter_ : int
    Number of steps{all_stages}.
solver_ : str
    The solver that ran{last_stage}, "a -> b" if a handed over to b.
n_features_in_ : int
    Number of columns of X seen during fit, the label column included.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of these columns, if X was a DataFrame with string names.
coef_feature_names_ : ndarray of shape (n_features,)
    Names of the features that `coef_` belongs to.
"""

GAP = """\
dual_gap_ : float
    Duality gap at `coef_`: the objective is at most this far above the optimum.
relative_gap_ : float
    The gap divided by the objective at W = 0, comparable with `tol`.
objective_ : ndarray
    Objective at each certificate; the last entry is the fit's.
objective_iterations_ : ndarray of the same length
    Number of steps after which that was; the last entry is `n_iter_`.
"""

STATIONARITY = """\
optimality_ : float
    How far `coef_` is from a stationary point: its duality gap as a solution of the convex problem
    that would be the next stage, divided by the objective at W = 0. Zero at a stationary point.
n_stages_ : int
    Number of convex problems solved.
objective_ : ndarray
    Objective after each stage, which never rises; the last entry is the fit's.
objective_iterations_ : ndarray of the same length
    Number of steps after which that was; the last entry is `n_iter_`.
"""

CLASSES = """\
classes_ : ndarray of shape (2,)
    Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
"""

SEVERAL_CLASSES = """\
classes_ : ndarray of shape (n_classes,)
    Class labels of all tasks together; of two, ``classes_[1]`` is the positive one.
"""
COEF_OF_CLASSES = """
    With more than two classes (n_tasks, n_classes, n_features) or (n_classes, n_features)."""
INTERCEPT_OF_CLASSES = """
    More classes: (n_tasks, n_classes), of sum 0; -inf for a class that the task does not have."""

TASK_PRIOR = """\
task_prior_ : tuple of ndarray
    Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.
"""

NOTATION = """\
Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample weights
s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task t and row
``w^j`` one feature across tasks; the loss is {loss}."""

LOSSES = {
    "regressor": "by default ``1/2 (y - z)^2``",
    "classifier": "the logistic loss ``log(1 + exp(-y z))``, y in {-1, +1}",
}

SEVERAL = """\
With more than two classes it is the multinomial loss ``log sum_k exp(z_k) - z_y`` with a column
``w_tk`` of W for each class: norms are over all, terms of pairs of tasks or of their mean go class
by class, clusters and covariances are of whole tasks; see the guide "Losses"."""


COMMON = """\
common : bool, default=False
    Whether the norm is of what the tasks add to the best common model m, ``min_m N(W - m 1')``
    (the ridge is of all of W). For grouped rows, with ``task_weight="size"`` and shrunk intercepts:
    tasks with few rows are drawn to the common model, not to zero.
"""

ORDER = """\
task_order : array-like of shape (n_labels,), default=None
    Task labels in their order, each fitted one once; labels of other tasks are passed over.
    With None it is that of `tasks_`: sorted labels, the categories of an ordered categorical
    in their order, or the columns of a 2-D y as they are.
"""

ROW_WEIGHTS = """\
feature_weight : array-like of shape (n_features,), "varying" or None, default=None
    Factors f_j in [0, inf] on the lambda1 term of each feature, ``lambda1 sum_j f_j n(w^j)``
    with n the norm of a row, in the order of `coef_`: 0 leaves a feature unpenalised, inf leaves it
    out. "varying" leaves out those with less than 1 % of their sum of squares within tasks.
positive : bool, default=False
    Keep the coefficients from being negative.
"""

COUPLING_WEIGHTS = """\
feature_weight : array-like of shape (n_features,), "varying" or None, default=None
    Factors f_j in [0, inf] on the lambda1 term of each feature, in the order of `coef_`: with inf
    the coefficients are one and the same for all tasks (that a graph connects), 0 leaves them to
    the ridge, which must be there. "varying" is inf for features with less than 1 % of their sum
    of squares within tasks, else 1.
positive : bool, default=False
    Keep the coefficients from being negative.
"""

COLUMN_WEIGHTS = """\
feature_weight : array-like of shape (n_features,) or None, default=None
    Factors f_j in (0, inf), in the order of `coef_`: penalty and ridge are those of ``diag(f) W``,
    as if the columns of X had been divided by f.
"""

MEAN_OF_CLASSES = """ More
    classes: one for each."""

COMMON_ATTRIBUTES = """\
coef_common_ : ndarray of shape (n_features,)
    With ``common=True``: the common model m, the mean of the tasks' coefficients.{mean_of_classes}
coef_specific_ : ndarray of shape (n_tasks, n_features)
    With ``common=True``: what each task adds, ``coef_ - coef_common_``.
"""

METRIC = """\
y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
    True targets, NaN where not observed: these are skipped. Two-dimensional: one column per task.
tasks : array-like of shape (n_samples,), default=None
    Task label of each row, with a 1-D y_true; None: one task.
sample_weight : array-like of shape (n_samples,) or the shape of y_true, default=None
    Nonnegative weights{within}; rows of weight 0 are skipped.
"""

FETCHER = """\
data_home : path, default=None
    Cache folder; None is the user's cache folder for malsar_py. A file is taken from the folder
    named by the environment variable ``MALSAR_PY_DATA`` if it is there, else from `data_home`,
    where it is downloaded once (by pooch: ``pip install "malsar_py[data]"``). Its SHA-256 is
    checked every time.
return_X_y : bool, default=False
    Return ``(data, target)`` instead of a Bunch.
as_frame : bool, default=False
    Return pandas objects; where every row belongs to one task, the first column of `data` is the
    task, ready for ``task_column=bunch.task_name``.
"""

RAISES = """\
OSError
    A file is not on disk and cannot be downloaded, or it is not the right one.
"""
