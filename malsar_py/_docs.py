"""Docstring parts that estimators share, written once and filled in by ``@document``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)

_STRENGTHS = """\
lambda1 : float, default=0.1
    Strength of the term that couples the tasks, in [0, inf); see the objective above.
lambda2 : float, default={lambda2}
    Strength of {lambda2_term}, in {lambda2_range}.
"""

_STRENGTHS_OF_PARTS = """\
lambda1 : float, default=0.1
    Strength of the first term, in (0, inf); see the objective above.
lambda2 : float, default={lambda2}
    Strength of the second term, in (0, inf). {lambda2_range}
"""

_PARAMETERS = """\
{strengths}{own_parameters}fit_intercept : bool, default=True
    Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
intercept_shrinkage : float or "reml", default=0.0
    Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, which is added to the objective
    and draws the intercepts to their mean b0 (partial pooling, random intercepts): 0 leaves them
    free, ``inf`` is one intercept for all tasks. Intercepts are compared at the features' weighted
    grand mean, so that shifting a column changes nothing. ``kappa / (1 + kappa)`` is how far the
    intercept of a task of mean weight is drawn. "reml" (squared loss): ``kappa = 1 / (nbar tau)``
    with nbar the mean of the tasks' total sample weights and tau the variance of random intercepts
    over that of the noise in a mixed model (restricted maximum likelihood); that is derived for
    ``task_weight="size"``, which is recommended wherever intercepts are shrunk, lest a row of a
    small task count more than one of a large task. With kappa > 0 tasks of one class can be fitted,
    features that are constant within tasks get their effect, and ``unseen="mean"`` predicts with
    the mean of the tasks' coefficients and b0.
task_column : int or str, default=None
    Position or name of the column of X that holds the task labels; it is not a feature. With None,
    labels come as the columns of a 2-D y, or by the keyword `tasks`, or there is one task only.
task_weight : "equal", "size" or mapping, default="equal"
    Weight omega_t of each task's mean loss: 1; or proportional to the task's total sample weight,
    so that every sample counts the same; or ``{{label: weight}}``, weights in (0, inf).
{class_weight}unseen : "error" or "mean", default="error"
    What predict does with a task label that was not fitted: refuse it, or use the mean of the
    tasks' models. Of coefficients that is ``m_j = sum_t h_tj w_tj / sum_t h_tj`` with h_tj the
    weighted sum of squares of feature j within task t (0 where less than 1 % of the feature's
    squares is within tasks), with the intercept that predicts the same at the tasks' means as their
    own models do, on average by task weight. Tune for new tasks with folds over tasks
    (`LeaveOneTaskOut`, or GroupKFold).
{loss}{solving}max_iter : int, default=10000
    Largest number of accelerated steps{per_stage}; of outer rounds, at most 1000, with working
    sets.
warm_start : bool, default=False
    Start from the last coefficients, if tasks and features are the same.
verbose : int, default=0
    Print the objective and the gap while fitting, if positive."""

_CLASS_WEIGHT = """\
class_weight : "balanced", mapping or None, default=None
    Factor on the weights of the samples of a class, as if `sample_weight` were given by hand. With
    "balanced" every class that a task has counts the same in it; or ``{class: weight}``, weights
    in (0, inf), 1 for classes that are not named.
"""

_LOSS = """\
loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
    "squared"; "huber" (y with outliers), "quantile" (the median; ``losses.Quantile(q=0.9)`` for
    others), "poisson" (counts or rates y >= 0), "gamma" (amounts y > 0), "logistic" (y is 0 or 1);
    or an instance, as ``losses.Huber(delta=0.5)``; or ``{label: loss}`` for tasks with losses of
    their own. `predict` returns ``exp(x . w_t + b_t)`` with "poisson" and "gamma", the probability
    of 1 with "logistic".
"""

_CONVEX = """\
solver : "auto", "apg", "active-set" or "closed-form", default="auto"
    Accelerated proximal gradient (any model); working sets around block coordinate descent, and
    semismooth Newton steps where that crawls (penalties that separate over the features); a direct
    solution (squared loss with quadratic penalties). "auto" takes the fastest that applies.
tol : float, default=1e-6
    The fit stops when the duality gap is at most ``tol`` times the objective at W = 0 with the best
    intercepts.
"""

# Names of what a model without shrunk intercepts leaves out.
SHRINKAGE = ("intercept_shrinkage", "intercept_mean_", "intercept_shrinkage_")

_STAGED = """\
solver : {solvers}, default="auto"
    How a stage is solved: by accelerated proximal gradient, or by working sets where the penalty
    separates over the features. "auto" takes the fastest that applies.
tol : float, default=1e-6
    The fit stops when `optimality_` is at most `tol`; each stage is solved to a tenth of it.
max_stages : int, default=100
    Largest number of stages, each a convex problem.
"""

_ATTRIBUTES = """\
coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
    Coefficients W', without the label column; 1-D after a fit without task labels.{coef_of_classes}
intercept_ : ndarray of shape (n_tasks,) or float
    Intercepts b.{intercept_of_classes}
intercept_mean_ : float
    With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
intercept_shrinkage_ : float
    With ``intercept_shrinkage="reml"``: kappa.
tasks_ : ndarray of shape (n_tasks,)
    Task labels as given, in the order of `coef_`: sorted, ordered categories in
    their order; or the columns of a 2-D y as they are.
n_tasks_ : int
    Number of tasks.
{own_attributes}{certificate}n_iter_ : int
    Number of steps{all_stages}.
n_features_in_ : int
    Number of columns of X seen during fit, the label column included.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of these columns, if X was a DataFrame with string names.
coef_feature_names_ : ndarray of shape (n_features,)
    Names of the features that `coef_` belongs to."""

_GAP = """\
dual_gap_ : float
    Duality gap at `coef_`: the objective is at most this far above the optimum.
relative_gap_ : float
    The gap divided by the objective at W = 0, comparable with `tol`.
objective_ : ndarray
    Objective at each certificate; the last entry is the fit's.
objective_iterations_ : ndarray of the same length
    Number of steps after which that was; the last entry is `n_iter_`.
"""

_STATIONARITY = """\
optimality_ : float
    How far `coef_` is from a stationary point: its duality gap as a solution of the convex problem
    that would be the next stage, divided by the objective at W = 0. Zero at a stationary point.
n_stages_ : int
    Number of convex problems solved.
objective_ : ndarray
    Objective after each stage, which never rises{smoothed}; the last entry is the fit's.
objective_iterations_ : ndarray of the same length
    Number of steps after which that was; the last entry is `n_iter_`.
"""

_CLASSES = """\
classes_ : ndarray of shape (2,)
    Class labels, the same for all tasks; ``classes_[1]`` is the positive one.
"""

_SEVERAL_CLASSES = """\
classes_ : ndarray of shape (n_classes,)
    Class labels of all tasks together; of two, ``classes_[1]`` is the positive one.
"""
_COEF_OF_CLASSES = """
    With more than two classes (n_tasks, n_classes, n_features) or (n_classes, n_features); of the
    former scikit-learn's SelectFromModel makes nothing."""
_INTERCEPT_OF_CLASSES = """
    With more than two classes (n_tasks, n_classes) or (n_classes,), those of a task with the sum 0;
    -inf for a class that the task does not have."""

_TASK_PRIOR = """\
task_prior_ : tuple of ndarray
    Mean (n_features + 1,) and covariance of a new task's intercept (first, if there are
    intercepts, at x = 0; with infinite variance where they are free) and coefficients, from the
    quadratic that touches the penalty at `coef_`, for the squared loss times the
    variance of the noise (strengths taken as variances); see `adapt`."""

_NOTATION = """\
Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample weights
s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task t and row
``w^j`` one feature
across tasks; the loss is {loss}."""

_LOSSES = {
    "regressor": "by default the squared loss ``1/2 (y - z)^2``, see the parameter `loss`",
    "classifier": "the logistic loss ``log(1 + exp(-y z))``, y in {-1, +1}",
}

_SEVERAL = """
With more than two classes it is the multinomial loss ``log sum_k exp(z_k) - z_y``: each task has
a column ``w_tk`` of W for each class. Norms of rows, L1 and norms of W are over all columns; terms
of pairs of tasks or of their mean go class by class; clusters, covariances and outliers are of
tasks with all their columns. Strengths change their meaning from two classes to more: with two, the
multinomial loss would predict the same at twice lambda2, sqrt(2) times the strength of norms of
rows and of singular values, and that of L1 as it is."""


def document(
    kind: str,
    *,
    strengths: str = "",
    own_parameters: str = "",
    own_attributes: str = "",
    lambda2: str = "0.0",
    lambda2_range: str = "[0, inf)",
    lambda2_term: str = "the second term, the ridge ``lambda2/2 ||W||_F^2``",
    two_parts: bool = False,
    stages: str = "",
    smoothed: str = "",
    without: tuple[str, ...] = (),
) -> Callable[[Class], Class]:
    """Class decorator that fills in ``<notation>``, ``<parameters>`` and ``<attributes>``.

    ``strengths``: the entries of lambda1 and lambda2 where they are none of the usual.
    ``two_parts``: the lambdas belong to the parts of W, and ``lambda2_range`` is a sentence.
    ``stages``: the values of `solver`, for a model that is fitted in stages.
    ``without``: shared parameters and attributes that this model has not.
    """

    def fill(cls: Class) -> Class:
        if cls.__doc__ is None:  # python -OO
            return cls
        several = kind == "classifier" and getattr(cls, "_multi_class", False)
        classes = _SEVERAL_CLASSES if several else _CLASSES
        attributes = inspect.cleandoc(own_attributes) + "\n" if own_attributes else ""
        parts = {
            "<notation>": _NOTATION.format(loss=_LOSSES[kind]) + (_SEVERAL if several else ""),
            "<parameters>": _PARAMETERS.format(
                own_parameters=inspect.cleandoc(own_parameters) + "\n" if own_parameters else "",
                strengths=inspect.cleandoc(strengths) + "\n"
                if strengths
                else (_STRENGTHS_OF_PARTS if two_parts else _STRENGTHS).format(
                    lambda2=lambda2, lambda2_range=lambda2_range, lambda2_term=lambda2_term
                ),
                class_weight=_CLASS_WEIGHT if kind == "classifier" else "",
                loss=_LOSS if kind == "regressor" else "",
                solving=_STAGED.format(solvers=stages) if stages else _CONVEX,
                per_stage=" in each stage" if stages else "",
            ),
            "<attributes>": _ATTRIBUTES.format(
                own_attributes=(classes if kind == "classifier" else "") + attributes,
                coef_of_classes=_COEF_OF_CLASSES if several else "",
                intercept_of_classes=_INTERCEPT_OF_CLASSES if several else "",
                certificate=_STATIONARITY.format(smoothed=smoothed) if stages else _GAP,
                all_stages=" of all stages" if stages else "",
            ),
        }
        text = inspect.cleandoc(cls.__doc__)
        if hasattr(cls, "task_prior_") and "task_prior_" not in text:
            parts["<attributes>"] += "\n" + _TASK_PRIOR
        for mark, part in parts.items():
            text = text.replace(mark, _leave_out(part, without))
        cls.__doc__ = text
        return cls

    return fill


def _leave_out(entries: str, names: tuple[str, ...]) -> str:
    """The numpydoc entries but those of these names."""
    lines: list[str] = []
    for line in entries.splitlines():
        if not line.startswith(" "):
            kept = line.partition(" : ")[0] not in names
        if kept:
            lines.append(line)
    return "\n".join(lines)
