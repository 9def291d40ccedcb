"""Joint feature selection calibrated to the noise of each task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .._tasks import TaskRows
from .._typing import FloatArray
from .._units import shifted
from ..base import MultiTaskRegressor, Problem
from ..losses import Loss, SquareRoot
from ..objective import Objective
from ..penalties import Penalty, Ridge, RowL2
from ..solvers import Result, Workspace, noise_levels, solve_square_root


@dataclass(kw_only=True, eq=False, repr=False)
class CalibratedJointFeatureRegressor(MultiTaskRegressor):
    """Joint feature selection with a square-root loss: every task is scaled by its own noise.

    Minimises over W and b::

        sum_t omega_t sqrt(sum_i s_ti (y_ti - x_ti . w_t - b_t)^2 / S_t)
            + lambda1 sum_j ||w^j||_2 + lambda2/2 ||W||_F^2

    with sample weights s_ti, ``S_t = sum_i s_ti``, column ``w_t`` of W (n_features x n_tasks) the
    model of task t and row ``w^j`` one feature across tasks.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks, in [0, inf); see the objective above.
    lambda2 : float, default=0.0
        Strength of the second term, the ridge ``lambda2/2 ||W||_F^2``, in [0, inf).
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    unseen : "error" or "mean", default="error"
        What predict does with an unknown task label: refuse it, or take the mean of the tasks'
        models, weighted by the sum of squares of each feature within each task.
    solver : str, default="auto"
        "square-root", alternating noise levels and weighted least squares, or "semismooth" Newton
        steps. "auto" begins with the former and hands over to the latter where it crawls; see
        `solver_`.
    tol : float, default=1e-6
        Duality gap at which the fit stops, over the objective at W = 0 with the best intercepts.
    max_iter : int, default=10000
        Largest number of rounds, and of the steps in them.
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
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    noise_levels_ : ndarray of shape (n_tasks,)
        Root mean square of each task's residuals, in the units of y; (nearly) 0 for a task that is
        interpolated.
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

    See Also
    --------
    JointFeatureRegressor : The squared loss: one lambda1 for tasks of different noise.

    Notes
    -----
    The best lambda1 does not depend on the noise: scaling the noise of a task, or y as a whole,
    asks for no other. With one task this is the square-root lasso [2]_. MALSAR sums the squares
    over the samples: its loss is ``task_weight={t: sqrt(n_t)}`` with the same lambda1, lambda2.

    Solved by alternating noise levels and weighted least squares (extrapolated). Where residuals
    get small or vanish, as they may with no more rows than features, proximal points take over,
    each by a semismooth Newton method on the dual [4]_. The duality gap certifies both. `solver` is
    that of the least-squares problems; `max_iter` bounds rounds and points together.

    References
    ----------
    .. [1] P. Gong, J. Zhou, W. Fan, J. Ye, "Efficient multi-task feature learning with
       calibration", KDD 2014.
    .. [2] A. Belloni, V. Chernozhukov, L. Wang, "Square-root lasso: pivotal recovery of sparse
       signals via conic programming", Biometrika 98, 2011.
    .. [3] H. Liu, L. Wang, T. Zhao, "Calibrated multivariate regression with application to neural
       semantic basis discovery", JMLR 16, 2015.
    .. [4] P. Tang, C. Wang, D. Sun, K.-C. Toh, "A sparse semismooth Newton based proximal
       majorization-minimization algorithm for nonconvex square-root-loss regression problems", JMLR
       21, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import CalibratedJointFeatureRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = CalibratedJointFeatureRegressor(lambda1=0.3).fit(X, y, tasks=tasks)
    >>> louder = CalibratedJointFeatureRegressor(lambda1=0.3).fit(X, 100 * y, tasks=tasks)
    >>> np.allclose(louder.coef_, 100 * model.coef_, atol=0.1)
    True
    >>> model.noise_levels_.shape, model.relative_gap_ <= model.tol
    ((4,), True)
    """

    loss: str | Loss = field(default="squared", init=False)
    # Noise levels are of tasks by themselves.
    intercept_shrinkage: float = field(default=0.0, init=False)

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: constraint
        for name, constraint in MultiTaskRegressor._parameter_constraints.items()
        if name not in ("loss", "intercept_shrinkage")
    }

    def _loss(self, rows: TaskRows) -> Loss:
        return SquareRoot()

    def _penalty(self, problem: Problem, lambda1: float, lambda2: float) -> Penalty:
        return RowL2(lambda1) + Ridge(lambda2)

    def _solve(
        self,
        objective: Objective,
        W0: FloatArray,
        tol: float | None = None,
        workspace: Workspace | None = None,
    ) -> Result:
        limits: Any = {"max_iter": self.max_iter, "verbose": int(self.verbose)}
        if self.solver in ("auto", "square-root", "semismooth"):
            result = super()._solve(objective, W0, workspace=workspace)
        else:  # that of the least-squares problems
            result = solve_square_root(objective, W0, super()._solve, tol=self.tol, **limits)
        self.noise_levels_ = noise_levels(objective, result.W)  # in units of the computation
        return result

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.noise_levels_ = shifted(self.noise_levels_, problem.units.y)
