"""Tasks tied to each other along a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from .._edges import warn_of_unknown
from .._labels import show_label
from .._new_tasks import resolve_new_tasks
from .._task_prior import TaskPrior
from .._tasks import TaskRows
from .._typing import FloatArray
from ..base import (
    NONNEGATIVE,
    Adapting,
    AdaptingClassifier,
    AdaptingRegressor,
    CouplingWeighted,
    MultiTaskEstimator,
    Prepared,
    Problem,
)
from ..graphs import to_laplacian
from ..penalties import L1, Coupling, MeanCoupling, Penalty
from ._metrics import over
from ._new_edges import edge_weights


@dataclass(kw_only=True, eq=False, repr=False)
class _Graph(CouplingWeighted):
    _couples = True
    _takes_sparse: ClassVar[bool] = True

    graph: Any = "complete"
    lambda3: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CouplingWeighted._parameter_constraints,
        "graph": "no_validation",  # type: ignore[dict-item]  # checked against the tasks
        "lambda3": NONNEGATIVE,
    }
    _strengths: ClassVar[Mapping[str, float]] = {
        "lambda1": 2.0,
        "lambda2": 2.0,
        "lambda3": 1.0,
    }
    _terms: ClassVar[Mapping[str, str]] = {
        "lambda1": "coupling",
        "lambda2": "ridge",
        "lambda3": "norm",
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "graph",
        "lambda3",
    )

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float, lambda3: float) -> Penalty:
        if isinstance(self.graph, str) and self.graph == "complete":
            coupling = partial(MeanCoupling, n_tasks=problem.n_tasks, n_classes=problem.n_classes)
        else:
            laplacian = to_laplacian(self.graph, problem.tasks)
            coupling = partial(Coupling, matrix=laplacian, n_classes=problem.n_classes)
        if lambda3 > 0.0 and problem.feature_weight is not None:
            raise ValueError(
                f"feature_weight of {type(self).__name__} does not go with lambda3 > 0: set "
                "lambda3=0, or leave feature_weight at None."
            )
        whole = self._signed(L1(lambda3) + self._coupled(coupling, problem, lambda1, lambda2))
        self._refuse_parts(whole, problem)
        return whole

    def _refuse_parts(self, penalty: Penalty, problem: Problem) -> None:
        """Where several sums over tasks are free, there is no certificate under a constraint."""
        free = penalty.free_part(problem.n_columns) if self.positive else None
        basis = None if free is None else free[1]
        if basis is not None and (basis.shape[1] > 1 or np.ptp(basis) > 1e-6):
            raise ValueError(
                "positive=True needs lambda2 > 0 where graph is not one connected graph: what its "
                "parts have in common is free of any penalty."
            )

    def _advise(self, rows: TaskRows) -> None:
        warn_of_unknown(self.graph, rows.tasks, "graph")

    def _quadratic(self) -> bool:
        return self.lambda3 == 0.0

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        return None  # the norm is lambda3's


@dataclass(kw_only=True, eq=False, repr=False)
class _AdaptingGraph(_Graph, Adapting):
    """New tasks are known by their edges."""

    def adapt(
        self,
        X_new: Any,
        y_new: Any = None,
        *,
        tasks: Any = None,
        sample_weight: Any = None,
        edges: Any = None,
    ) -> Self:
        """A copy of the fitted model that knows new tasks too; the fitted tasks stay as they are.

        A new task minimises ``1/nbar sum_i s_i loss(y_i, x_i . w + b) + lambda1/2 sum_u a_u ||w -
        w_u||^2 + lambda2/2 ||w||^2``, a_u the weights of its edges, nbar the mean weight of a task.

        Parameters
        ----------
        X_new : {array-like, DataFrame} of shape (n_samples, n_features) or Summary
            Rows of the new tasks, or their :class:`malsar_py.Summary`, given alone.
        y_new : array-like of shape (n_samples,) or (n_samples, n_new_tasks)
            Their targets; after a fit on a 2-D y one column per new task.
        tasks, sample_weight : array-like, default=None
            As in `fit`.
        edges : list of tuple, default=None
            Edges ``(label, label[, weight])`` between a new and a fitted task, weights in (0, inf).
            Needed unless the graph is "complete", whose edges have weight 1/(n_tasks + 1).

        Returns
        -------
        model : object
            The copy, with the new tasks appended to `tasks_`.

        Raises
        ------
        ValueError, TypeError
            As for the other models; with lambda3 > 0; or if edges do not join new and fitted tasks.
        """
        rows, labels = resolve_new_tasks(
            self, X_new, y_new, tasks=tasks, sample_weight=sample_weight
        )
        fitted = self._as_fitted()
        fitted._check_plain()
        if fitted.lambda3 > 0.0:
            raise ValueError("adapt is for quadratic penalties: fit with lambda3=0.")
        complete = isinstance(fitted.graph, str) and fitted.graph == "complete"
        if edges is None and complete:
            return self._adapted(rows, labels, [self._checked(fitted._prior())] * rows.n_tasks)
        if edges is None:
            raise ValueError(
                "The graph of the fit does not know the new tasks: pass edges=[(new, fitted), ...]."
            )
        new = labels[self.n_tasks_ :]
        weights = edge_weights(edges, new, fitted.tasks_)
        priors = [fitted._beside(w, fitted.lambda1, fitted.lambda2) for w in weights]
        alone = [t for t, prior in enumerate(priors) if not np.isfinite(prior.spread).all()]
        if alone:
            raise ValueError(
                f"Task {show_label(new, alone[0])} has no edge to a fitted task, and there is no "
                "ridge: add an edge, or fit with lambda2 > 0."
            )
        return self._adapted(rows, labels, priors)

    def _beside(self, weights: FloatArray, lambda1: float, lambda2: float) -> TaskPrior:
        """The prior of a task with edges of these weights to the fitted ones."""
        total = weights.sum()
        center = weights @ self.coef_ / total if total > 0.0 else np.zeros(self.coef_.shape[1])
        spread = over(np.ones_like(center), lambda1 * total)
        return TaskPrior(center, None, spread).beside_ridge(lambda2)

    def _metric(self, W: FloatArray) -> TaskPrior:
        if not (isinstance(self.graph, str) and self.graph == "complete"):
            raise AttributeError("What is expected of a new task depends on its edges; see adapt.")
        T = W.shape[1]
        return self._beside(np.full(T, 1.0 / (T + 1)), self.lambda1, self.lambda2)


@dataclass(kw_only=True, eq=False, repr=False)
class GraphRegressor(_AdaptingGraph, AdaptingRegressor):
    """Graph-regularised multi-task regression: neighbours in a graph have similar models.

    Minimises over W and b::

        F(W, b) + lambda1/2 tr(W L W') + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with L the graph's Laplacian: ``tr(W L W') = sum over edges (t, u) of weight_tu ||w_t -
    w_u||^2``.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    graph : str, array-like, sparse matrix, DataFrame, list or networkx graph, default="complete"
        How the tasks are related. "complete": all of them, with weights 1/n_tasks (mean
        regularisation); "chain": each to the next in the order of `tasks_`. A bare array is an
        adjacency matrix (n_tasks, n_tasks), symmetric with weights in [0, inf), in the order of
        `tasks_`; :func:`malsar_py.graphs.incidence` and :func:`malsar_py.graphs.laplacian` wrap the
        other matrices. Edges ``(label, label[, weight])``, a labelled DataFrame and a networkx
        graph go by task labels; those of other than the fitted tasks are left out, with a warning.
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, in the order of `coef_`: with
        inf the coefficients are one and the same for all tasks (that a graph connects), 0 leaves
        them to the ridge, which must be there. "varying" is inf for features with less than 1 % of
        their sum of squares within tasks, else 1.
    positive : bool, default=False
        Keep the coefficients from being negative.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    loss : str, instance of :mod:`malsar_py.losses` or mapping, default="squared"
        "squared"; "huber" (outliers), "quantile" (the median), "poisson" (y >= 0), "gamma" (y > 0),
        "logistic" (y is 0 or 1, predicts the probability of 1); an instance, as
        ``losses.Quantile(q=0.9)``; or ``{label: loss}``. See the guide "Losses".
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels.
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.

    See Also
    --------
    MeanRegularizedRegressor : The complete graph.
    malsar_py.graphs : Ways to give a graph.

    Notes
    -----
    With ``lambda3 = 0`` the problem is linear and solved directly. MALSAR's SRMTL:
    ``graph=incidence(R)``.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.
    .. [2] J. Zhou, J. Chen, J. Ye, "MALSAR: Multi-tAsk Learning via StructurAl Regularization",
       2012.

    Examples
    --------
    >>> from malsar_py import GraphRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = GraphRegressor(graph="chain", lambda1=1.0).fit(X, y, tasks=tasks)
    >>> edges = [(0, 1), (1, 2), (2, 3)]
    >>> same = GraphRegressor(graph=edges, lambda1=1.0).fit(X, y, tasks=tasks)
    >>> bool(abs(model.coef_ - same.coef_).max() < 1e-8)
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class GraphClassifier(_AdaptingGraph, AdaptingClassifier):
    """Graph-regularised multi-task logistic regression: neighbours in a graph have similar models.

    Minimises over W and b::

        F(W, b) + lambda1/2 tr(W L W') + lambda2/2 ||W||_F^2 + lambda3 sum_jt |w_jt|

    with L the graph's Laplacian: ``tr(W L W') = sum over edges (t, u) of weight_tu ||w_t -
    w_u||^2``.

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is the logistic loss ``log(1 + exp(-y
    z))``, y in {-1, +1}.

    With more than two classes it is the multinomial loss ``log sum_k exp(z_k) - z_y`` with a column
    ``w_tk`` of W for each class: norms are over all, terms of pairs of tasks or of their mean go
    class by class, clusters and covariances are of whole tasks; see the guide "Losses".

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    graph : str, array-like, sparse matrix, DataFrame, list or networkx graph, default="complete"
        How the tasks are related. "complete": all of them, with weights 1/n_tasks (mean
        regularisation); "chain": each to the next in the order of `tasks_`. A bare array is an
        adjacency matrix (n_tasks, n_tasks), symmetric with weights in [0, inf), in the order of
        `tasks_`; :func:`malsar_py.graphs.incidence` and :func:`malsar_py.graphs.laplacian` wrap the
        other matrices. Edges ``(label, label[, weight])``, a labelled DataFrame and a networkx
        graph go by task labels; those of other than the fitted tasks are left out, with a warning.
    lambda3 : float, default=0.0
        Strength of ``sum_jt |w_jt|``, in [0, inf).
    feature_weight : array-like of shape (n_features,), "varying" or None, default=None
        Factors f_j in [0, inf] on the lambda1 term of each feature, in the order of `coef_`: with
        inf the coefficients are one and the same for all tasks (that a graph connects), 0 leaves
        them to the ridge, which must be there. "varying" is inf for features with less than 1 % of
        their sum of squares within tasks, else 1.
    positive : bool, default=False
        Keep the coefficients from being negative.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised but for `intercept_shrinkage`.
    intercept_shrinkage : float or "reml", default=0.0
        Strength kappa, in [0, inf], of ``kappa/2 sum_t (b_t - b0)^2``, added to the objective:
        draws the intercepts at the features' grand mean to a common b0 (partial pooling); inf is
        one for all. "reml" (squared loss): ``1 / (nbar tau)``, nbar the mean weight of a task, tau
        the variance of random intercepts over that of the noise, for ``task_weight="size"``.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    class_weight : "balanced", mapping or None, default=None
        Factor on the weights of the samples of a class: "balanced" makes all classes of a task
        count alike; or ``{class: weight}``, in (0, inf), 1 for others.
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    solver : str, default="auto"
        The fastest that fits, or "apg" (smooth losses); "active-set", "semismooth" (penalties that
        separate over features); "closed-form" (squares, quadratic penalties); "splitting", "newton"
        (other penalties); "square-root"; "multipliers" (losses that are not smooth).
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of accelerated steps; of outer rounds, at most 1000, with working sets.
    warm_start : bool, default=False
        Start from the last coefficients, if tasks and features are the same.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features) or (n_features,)
        Coefficients W', without the label column; 1-D after a fit without task labels. With more
        than two classes (n_tasks, n_classes, n_features) or (n_classes, n_features).
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b. More classes: (n_tasks, n_classes), of sum 0; -inf for a class that the task
        does not have.
    intercept_mean_ : float
        With shrunk intercepts: that of the mean model, b0 at the features' grand mean. More
        classes: one for each.
    intercept_shrinkage_ : float
        With ``intercept_shrinkage="reml"``: kappa.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    classes_ : ndarray of shape (n_classes,)
        Class labels of all tasks together; of two, ``classes_[1]`` is the positive one.
    dual_gap_ : float
        Duality gap at `coef_`: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at W = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    solver_ : str
        The solver that ran, "a -> b" if a handed over to b.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` belongs to.
    task_prior_ : tuple of ndarray
        Mean (n_features + 1,) and covariance of a new task's intercept (at x = 0) and coefficients.

    See Also
    --------
    GraphRegressor : The same penalty with the squared loss.
    malsar_py.graphs : Ways to give a graph.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.
    .. [2] J. Zhou, J. Chen, J. Ye, "MALSAR: Multi-tAsk Learning via StructurAl Regularization",
       2012.

    Examples
    --------
    >>> from malsar_py import GraphClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = GraphClassifier(graph="chain", lambda1=0.1, lambda2=0.01).fit(X, y, tasks=tasks)
    >>> model.classes_
    array([0, 1])
    """
