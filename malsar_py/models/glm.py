"""Any loss with any penalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .._limits import penalty_in_units
from .._tasks import TaskRows
from .._typing import FloatArray
from .._units import scaled
from ..base import MultiTaskEstimator, MultiTaskRegressor, Prepared, Problem
from ..penalties import Penalty, Ridge


@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskGLM(MultiTaskRegressor):
    """Generalised linear models of many tasks, with any penalty: the general front of the library.

    Minimises over W and b::

        F(W, b) + lambda1 Omega(W) + lambda2/2 ||W||_F^2

    Here ``F(W, b) = sum_t omega_t / S_t sum_i s_ti loss(y_ti, x_ti . w_t + b_t)`` with sample
    weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the model of task
    t and row ``w^j`` one feature across tasks; the loss is by default ``1/2 (y - z)^2``.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the penalty, which it multiplies, in [0, inf).
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    penalty : penalty of :mod:`malsar_py.penalties`, default=None
        Omega, of unit strength unless it says otherwise: a norm such as ``penalties.RowL2()``, a
        sum of penalties, a multiple ``0.5 * penalty``, or a class of your own. None: the ridge
        alone.
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
    coef_parts_ : ndarray of shape (n_parts, n_tasks, n_features)
        With :class:`malsar_py.penalties.Split`: the parts that add up to `coef_`, stacked.
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

    Raises
    ------
    ValueError
        In `fit`, if ``lambda2 > 0`` or a quadratic comes with a penalty of two parts.

    See Also
    --------
    malsar_py.penalties : What can be given as `penalty`, and how to write one.
    JointFeatureRegressor : ``penalty=penalties.RowL2()``, by its own name.

    Notes
    -----
    With ``penalties.RowL2()`` this is :class:`JointFeatureRegressor`, with ``penalties.L1()``
    :class:`LassoRegressor`, and so on: the models of this package are names of penalties, with
    attributes that are read off their solutions. Every fit has a certificate, whatever the penalty.

    References
    ----------
    .. [1] J. A. Nelder, R. W. M. Wedderburn, "Generalized linear models", J. Royal Statistical
       Society A 135, 1972.

    Examples
    --------
    >>> from malsar_py import MultiTaskGLM, penalties
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = MultiTaskGLM(penalty=penalties.RowL2(), lambda1=0.5).fit(X, y, tasks=tasks)
    >>> selected = (model.coef_ != 0).any(axis=0)
    >>> bool(selected.sum() < model.coef_.shape[1]), model.relative_gap_ <= model.tol
    (True, True)
    """

    penalty: Penalty | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultiTaskRegressor._parameter_constraints,
        "penalty": [Penalty, None],
    }
    # Penalties change units by themselves, whatever power of W they grow with.
    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 0.0, "lambda2": 2.0}
    _terms: ClassVar[Mapping[str, str]] = {"lambda2": "ridge"}
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *MultiTaskEstimator._penalty_parameters,
        "penalty",
    )

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        ridge = Ridge(lambda2)
        if self.penalty is None or lambda1 == 0.0:
            return ridge
        exponent = min(max(problem.units.coefficients, -900), 900)
        own = self.penalty.at(problem).rescaled(lambda1, scaled(1.0, exponent))
        whole = own + ridge
        if own.structure is not None and own.structure.n_parts > 1:
            if whole.quadratic.largest > 0.0:
                raise ValueError(
                    "penalty has two parts, with which no ridge or other quadratic goes: set "
                    "lambda2=0 and leave quadratics out of it."
                )
            return own
        return whole

    def _quadratic(self) -> bool:
        return self.penalty is None or self.penalty.is_quadratic

    def _lambda1_max(self, prepared: Prepared) -> float | None:
        if self.penalty is None:
            return None
        problem = replace(prepared.problem, slope=None)  # no strength is too weak
        penalty = penalty_in_units(self, problem, self._given(lambda1=1.0))
        return penalty.zero_factor(self._slope(prepared))

    def _start(self, rows: TaskRows) -> FloatArray:
        W = super()._start(rows)
        n_parts = self._n_parts(Problem(rows.tasks, W.shape[0]))
        if n_parts == 1:
            return W
        parts = getattr(self, "coef_parts_", None)
        if not W.any() or parts is None or parts.shape != (n_parts, *W.shape[::-1]):
            return np.zeros((n_parts * W.shape[0], W.shape[1]))
        return np.concatenate([part.T for part in parts])

    def _n_parts(self, problem: Problem) -> int:
        structure = self._penalty(problem, **self._given()).structure
        return 1 if structure is None else structure.n_parts

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.__dict__.pop("coef_parts_", None)
        if len(W) != problem.n_features:
            parts = W.reshape(-1, problem.n_features, problem.n_tasks)
            self.coef_parts_ = np.ascontiguousarray(parts.transpose(0, 2, 1))
