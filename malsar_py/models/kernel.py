"""Functions instead of coefficients: a kernel between rows times a kernel between tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.utils._param_validation import Interval, StrOptions

from .._centring import sample_shares
from .._edges import warn_of_unknown
from .._labels import match_keys, object_array, show_label
from .._limits import within_floats
from .._tasks import TaskRows
from .._typing import AnyArray, FloatArray, IntArray
from .._units import Units, scaled, shifted, targets_into_units
from .._weights import task_weights
from ..base import NONNEGATIVE, CertifiedEstimator, Solution, TaskRegressor
from ..design import Masked, Ragged
from ..graphs import to_laplacian
from ..losses import Squared
from ..objective import Certificate
from ..solvers import (
    DualSystem,
    History,
    KernelMatrix,
    LinearKernel,
    Result,
    RowKernel,
    learn_task_kernel,
)

_NOT_SEMIDEFINITE = -1e-10
# Kernels of differences.
_INVARIANT = ("rbf", "laplacian")
# Largest value of a kernel.
_MOST = 1e100


@dataclass(frozen=True, eq=False)
class PreparedFunctions:
    """Rows of a fit, checked and centred, and their system."""

    rows: TaskRows
    system: DualSystem
    origin: FloatArray | None  # (n_features,) where rows are measured from, if not from 0
    offset: FloatArray  # (n_tasks,) taken out of the targets
    scale: float  # objective at f = 0 with the best intercepts
    units: Units


@dataclass(kw_only=True, eq=False, repr=False)
class SeparableKernelRegressor(TaskRegressor, CertifiedEstimator):
    """Kernel ridge regression for related tasks: one kernel for rows, one for tasks.

    Minimises over functions f_t of the space of k, and intercepts b::

        sum_t omega_t / S_t sum_i s_ti 1/2 (y_ti - f_t(x_ti) - b_t)^2
            + lambda1/2 sum_tu S_tu <f_t, f_u> + lambda2/2 sum_t ||f_t||^2

    with sample weights s_ti, ``S_t = sum_i s_ti``, and S (n_tasks x n_tasks) by `task_kernel`:

    * "mean": ``I - 11'/n_tasks``, the distances to the mean function; lambda2 > 0 is needed;
    * a graph: its Laplacian; lambda2 > 0 is needed;
    * "independent": I, every task on its own;
    * a kernel A between tasks: its inverse (its range holds the functions if A is singular);
    * "learned": the inverse of the A that is best, among positive semidefinite A of trace 1;
      lambda1, lambda2 > 0 are needed.

    Parameters
    ----------
    lambda1 : float, default=0.1
        Strength of the term that couples the tasks' functions, in [0, inf).
    lambda2 : float, default=0.1
        Strength of the ridge on functions, ``lambda2/2 sum_t ||f_t||^2``, in [0, inf).
    kernel : str or callable, default="linear"
        Kernel k between rows: a metric of :func:`sklearn.metrics.pairwise.pairwise_kernels`, a
        function of two rows, or "precomputed": X then holds ``k(x_i, x_j)``, as many columns as
        rows at `fit`, and against these at `predict`.
    task_kernel : "mean", "independent", "learned", array, DataFrame or graph, default="mean"
        How the tasks are related: see S above. An array of shape (n_tasks, n_tasks), or a
        DataFrame with task labels, is a positive semidefinite kernel A between tasks and S its
        inverse; graphs are those of :mod:`malsar_py.graphs`: "chain", "complete", edges, networkx
        graphs, ``graphs.adjacency(A)`` and so on.
    gamma : float, default=None
        Parameter of the kernels that have it (rbf, poly, sigmoid, laplacian, chi2), in (0, inf);
        None is the metric's default, ``1 / n_features`` (1 for chi2).
    degree : float, default=3
        Degree of the polynomial kernel, in [0, inf).
    coef0 : float, default=1
        Constant of the polynomial and sigmoid kernels.
    kernel_params : dict, default=None
        Keyword arguments of a callable kernel.
    fit_intercept : bool, default=True
        Whether every task has an intercept; it is unpenalised.
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels. With None they are the
        columns of a 2-D y, or the keyword `tasks`, or there is one task only.
    task_weight : "equal", "size" or mapping, default="equal"
        Weight omega_t of each task's mean loss: 1; in proportion to its total sample weight
        (samples count alike); or ``{label: weight}``, in (0, inf).
    unseen : "error" or "mean", default="error"
        What predict does with a task label that was not fitted: refuse it, or use the mean of the
        tasks' functions and intercepts.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most ``tol`` times the objective at f = 0 with the
        best intercepts.
    max_iter : int, default=10000
        Largest number of steps with ``task_kernel="learned"``; all others are solved directly.
    verbose : int, default=0
        Print the objective and the gap while fitting, if positive.

    Attributes
    ----------
    intercept_ : ndarray of shape (n_tasks,) or float
        Intercepts b.
    tasks_ : ndarray of shape (n_tasks,)
        Task labels in the order of `coef_`: sorted, or as categories or columns of y are.
    n_tasks_ : int
        Number of tasks.
    dual_coef_ : ndarray of shape (n_fit,) or (n_fit, n_tasks)
        Weights theta of the fitted rows, one column per task after a fit on a 2-D y.
    X_fit_ : ndarray of shape (n_fit, n_features) or None
        The fitted rows, in the order given; None with a precomputed kernel.
    rows_ : ndarray of shape (n_fit,)
        Their positions in the X given: rows without a target or weight are left out.
    task_kernel_ : ndarray of shape (n_tasks, n_tasks)
        ``(lambda1 S + lambda2 I)^-1``, which multiplies k.
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The A that was learned (trace 1); only with ``task_kernel="learned"``.
    dual_gap_ : float
        Duality gap of the fitted functions: the objective is at most this far above the optimum.
    relative_gap_ : float
        The gap divided by the objective at f = 0, comparable with `tol`.
    objective_ : ndarray
        Objective at each certificate; the last entry is the fit's.
    objective_iterations_ : ndarray of the same length
        Number of steps after which that was; the last entry is `n_iter_`.
    n_iter_ : int
        Number of steps.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.

    See Also
    --------
    MeanRegularizedRegressor : The linear kernel with ``task_kernel="mean"``, with coefficients.
    GraphRegressor : The linear kernel with a graph, with coefficients.

    Notes
    -----
    The functions are those of the matrix-valued kernel ``k(x, x') A_tu`` with A = `task_kernel_`:
    ``f_t(x) = sum_ui A_tu theta_ui k(x, x_ui)``, so there is no `coef_`. theta solves one linear
    system: by eigenvectors of both kernels if the tasks share rows and weights, by a Cholesky
    factor up to 4000 targets, else by conjugate gradients. With "learned" the best A is
    ``(F'F)^(1/2) / trace``, F'F the inner products of the functions, and what remains is lambda1/2
    times the squared trace norm of F: convex. Its dual rises by steps that solve the system of the
    A which belongs to theta; alternating between f and A itself can stop early, since a singular A
    does not turn any more. `objective_` holds the best so far, and the duality gap is that of the
    joint problem. With ``unseen="mean"`` an unknown task is predicted by the mean of the functions.

    References
    ----------
    .. [1] C. Ciliberto, Y. Mroueh, T. Poggio, L. Rosasco, "Convex learning of multiple tasks and
       their structure", ICML 2015.
    .. [2] M. A. Alvarez, L. Rosasco, N. D. Lawrence, "Kernels for vector-valued functions: a
       review", Foundations and Trends in Machine Learning 4, 2012.
    .. [3] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel methods",
       JMLR 6, 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import SeparableKernelRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, tasks = rng.uniform(-3, 3, (90, 1)), np.repeat([0, 1, 2], 30)
    >>> y = np.sin(X[:, 0]) + 0.3 * tasks * X[:, 0] + 0.1 * rng.standard_normal(90)
    >>> model = SeparableKernelRegressor(kernel="rbf", lambda1=0.01, lambda2=0.001)
    >>> bool(model.fit(X, y, tasks=tasks).score(X, y, tasks=tasks) > 0.9)
    True
    """

    lambda1: float = 0.1
    lambda2: float = 0.1
    kernel: str | Callable[..., float] = "linear"
    task_kernel: Any = "mean"
    gamma: float | None = None
    degree: float = 3
    coef0: float = 1
    kernel_params: dict[str, Any] | None = None
    _linear: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedEstimator._parameter_constraints,
        "lambda1": NONNEGATIVE,
        "lambda2": NONNEGATIVE,
        "kernel": [StrOptions({*PAIRWISE_KERNEL_FUNCTIONS, "precomputed"}), callable],
        "task_kernel": "no_validation",  # checked against the tasks
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "degree": [Interval(Real, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "kernel_params": [dict, None],
    }

    # What the system of the rows does not depend on.
    _penalty_parameters: ClassVar[tuple[str, ...]] = ("lambda1", "lambda2", "task_kernel")

    def _advise(self, rows: TaskRows) -> None:
        kind = self.task_kernel
        if not isinstance(kind, str | np.ndarray) and not hasattr(kind, "iloc"):
            warn_of_unknown(kind, rows.tasks, "task_kernel")

    def _needs_rows(self) -> str:
        return "its kernel compares rows"

    def _fit_rows(self, rows: TaskRows) -> None:
        prepared = self._prepare_functions(rows)
        result, solution = self._fit_functions(prepared)
        if not solution.relative_gap <= self.tol:
            self._warn_gap(result, solution)

    def _remedy(self, solution: Solution, separated: IntArray | None) -> str:
        if self._learns():
            return super()._remedy(solution, separated)
        return "Rounding is in the way: standardise the features, or strengthen the penalty."

    def _learns(self) -> bool:
        return isinstance(self.task_kernel, str) and self.task_kernel == "learned"

    def _prepare_functions(self, rows: TaskRows) -> PreparedFunctions:
        """The system of the rows: what fits with other strengths and task kernels share."""
        origin = self._place(rows.X)
        kernel = self._row_kernel(replace(rows, X=_less(rows.X, origin)))
        omega, loss = task_weights(rows, self.task_weight), Squared()
        scaled_rows, omega, units = targets_into_units(rows, omega, loss.degree)
        c = sample_shares(scaled_rows, omega)
        y, offset = scaled_rows.y, np.zeros(rows.n_tasks)
        if self.fit_intercept:
            y, offset = loss.centered(y, c, rows.offsets)
        system = DualSystem(kernel, y, c, self.fit_intercept)
        scale = loss.evaluate(y, np.zeros_like(y), c, rows.offsets, self.fit_intercept).value
        return PreparedFunctions(rows, system, origin, offset, scale, units)

    @within_floats
    def _fit_functions(self, prepared: PreparedFunctions) -> tuple[Result, Solution]:
        """Solve for these strengths and set what a fit sets."""
        rows, system, scale, units = prepared.rows, prepared.system, prepared.scale, prepared.units
        # Strengths in the units of the computation.
        lambda1, lambda2 = (units.strength(value, 2.0) for value in (self.lambda1, self.lambda2))
        task_kernel = self._task_kernel(rows.tasks, lambda1, lambda2)
        if task_kernel is None:
            learned = learn_task_kernel(
                system,
                partial(_shrink, lambda1, lambda2),
                scale=scale,
                tol=self.tol,
                max_iter=self.max_iter,
                verbose=int(self.verbose),
            )
            result, A, theta = learned.result, learned.A, learned.theta
            Q, p = learned.directions, learned.sizes
            total = p.sum()
            self.task_covariance_ = (
                (Q * (p / total)) @ Q.T if total > 0.0 else np.eye(rows.n_tasks) / rows.n_tasks
            )
        else:
            found = system.solve(task_kernel)
            value = found.loss + 0.5 * found.energy
            certificate = Certificate(value, found.gap, found.intercepts)
            history, converged = History([(1, value)]), found.gap <= self.tol * scale
            result = Result(np.empty((0, rows.n_tasks)), certificate, history, converged)
            A, theta = task_kernel, found.theta
        solution = Solution(
            shifted(theta, units.y + units.weight),
            shifted(A, -units.weight),
            shifted(prepared.offset + result.intercepts, units.y),
            scaled(result.gap, units.objective),
            result.gap / scale if scale > 0.0 else result.gap,
            shifted(np.array(result.history.objective), units.objective),
            far=np.empty(0, object),
        )
        solution.check()
        self._set_fitted(rows, result, solution)
        self._set_functions(rows, prepared.origin, solution.W, solution.coefficients)
        return result, solution

    def _place(self, X: FloatArray) -> FloatArray | None:
        """Where rows are measured from: their mean where kernels, or intercepts, allow it.

        Far from the origin products of rows lose the digits in which the rows differ.
        """
        if not (self.kernel in _INVARIANT or (self.kernel == "linear" and self.fit_intercept)):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            mean: FloatArray = X.mean(axis=0)
        return mean if np.isfinite(mean).all() else None

    def _row_kernel(self, rows: TaskRows) -> RowKernel:
        X = rows.X
        if self.kernel == "linear" and X.shape[0] > X.shape[1]:
            _check_size(np.square(np.abs(X).max()) if np.abs(X).max() < _MOST else np.inf)
            design = Masked(X, rows.n_tasks) if rows.shared else Ragged(X, rows.offsets)
            return LinearKernel(design, rows.shared)
        if self.kernel == "precomputed":
            K = X[:, rows.rows] if rows.rows.max() < X.shape[1] else X
            if K.shape[0] != K.shape[1] or not np.allclose(K, K.T, rtol=1e-8, atol=0.0):
                raise ValueError(
                    "kernel='precomputed' needs X square and symmetric, k(x_i, x_j) for all rows "
                    f"i and j of X; got {X.shape[1]} columns."
                )
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                K = self._between(X, X)
        _check_size(np.abs(K).max())
        return KernelMatrix(np.ascontiguousarray(K), rows.offsets, rows.shared)

    def _between(self, X: FloatArray, Z: FloatArray) -> FloatArray:
        if callable(self.kernel):
            own = self.kernel_params or {}
        else:
            own = {"gamma": self.gamma, "degree": self.degree, "coef0": self.coef0}
        return pairwise_kernels(X, Z, metric=self.kernel, filter_params=True, **own)

    def _task_kernel(self, tasks: AnyArray, lambda1: float, lambda2: float) -> FloatArray | None:
        """``(lambda1 S + lambda2 I)^-1``; None if it is to be learned."""
        T, kind = len(tasks), self.task_kernel
        if self._learns():
            if lambda1 == 0.0 or lambda2 == 0.0:
                raise ValueError("task_kernel='learned' needs lambda1 > 0 and lambda2 > 0.")
            return None
        if lambda1 + lambda2 == 0.0:
            raise ValueError("lambda1 and lambda2 are 0: a function needs a penalty.")
        if isinstance(kind, str) and kind == "independent":
            return np.eye(T) / (lambda1 + lambda2)
        if isinstance(kind, np.ndarray) or hasattr(kind, "iloc"):
            return _effective(_read_task_kernel(kind, tasks), lambda1, lambda2)
        words = {"mean": "complete"}
        S = to_laplacian(words.get(kind, kind) if isinstance(kind, str) else kind, tasks)
        if lambda2 == 0.0:
            raise ValueError(
                "lambda2 must be > 0 where task_kernel is 'mean' or a graph: functions that all "
                "tasks share would be free."
            )
        values, Q = scipy.linalg.eigh(S, check_finite=False)
        return (Q / (lambda1 * np.maximum(values, 0.0) + lambda2)) @ Q.T

    def _set_functions(
        self, rows: TaskRows, origin: FloatArray | None, theta: FloatArray, A: FloatArray
    ) -> None:
        order = np.argsort(rows.rows, kind="stable")
        self.rows_ = rows.rows[order]
        self.task_kernel_ = A
        X = rows.X[order]
        self.X_fit_: Any = None if self.kernel == "precomputed" else X
        self._origin = origin
        # Weights of the kernel's columns in every task; for the linear kernel, of the features.
        if rows.shared:
            columns = theta.reshape(rows.n_tasks, -1).T
            self.dual_coef_, self._mixed = columns, columns @ A
            if self.kernel == "linear":
                self._mixed = _less(X, origin).T @ self._mixed
        else:
            self.dual_coef_ = theta[order]
            if self.kernel == "linear":
                pulled = theta[:, None] * _less(rows.X, origin)
                self._mixed = np.add.reduceat(pulled, rows.offsets[:-1], axis=0).T @ A
            else:
                task = np.repeat(np.arange(rows.n_tasks), np.diff(rows.offsets))[order]
                self._mixed = self.dual_coef_[:, None] * A[task]
        if self.kernel == "linear" and origin is not None:
            intercept = np.atleast_1d(self.intercept_) - origin @ self._mixed
            self.intercept_ = intercept if np.ndim(self.intercept_) else float(intercept[0])

    def _predict_rows(self, X: FloatArray, index: AnyArray | None) -> FloatArray:
        intercept, origin = self.intercept_, getattr(self, "_origin", None)  # (none in old pickles)
        if self.kernel == "precomputed":
            X = X[:, self.rows_]
        elif self.kernel == "linear":
            X = _less(X, origin)
            if origin is not None:
                intercept = intercept + origin @ self._mixed
        else:
            X = self._between(_less(X, origin), _less(self.X_fit_, origin))
        z = X @ self._mixed + intercept
        if index is None:
            return z
        picked = z[np.arange(len(z)), index]
        return np.where(index < 0, z.mean(axis=1), picked)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def _less(X: FloatArray, origin: FloatArray | None) -> FloatArray:
    return X if origin is None else X - origin


def _effective(A: FloatArray, lambda1: float, lambda2: float) -> FloatArray:
    """``(lambda1 A^-1 + lambda2 I)^-1``, 0 where A is."""
    values, Q = scipy.linalg.eigh(A, check_finite=False)
    values = np.where(values > 1e-15 * values[-1], values, 0.0)
    below = lambda1 + lambda2 * values
    return (Q * np.divide(values, below, out=np.zeros_like(values), where=values > 0.0)) @ Q.T


def _shrink(lambda1: float, lambda2: float, s: FloatArray) -> tuple[FloatArray, float]:
    """Gradient p of the conjugate of lambda1/2 (trace norm)^2 + ridge; the penalty at p."""
    v, a = s / lambda2, lambda1 / lambda2
    cut = a * np.cumsum(v) / (1.0 + a * np.arange(1, len(v) + 1))
    p = np.maximum(v - cut[np.flatnonzero(v >= cut)[-1]], 0.0)
    return p, float(lambda1 / 2 * p.sum() ** 2 + lambda2 / 2 * (p @ p))


def _check_size(largest: float) -> None:
    """Refuse a kernel whose values products of floats do not hold."""
    if not largest < _MOST:
        raise ValueError(
            f"kernel: its largest value on the fitted rows is {largest:g}, where it has to be "
            f"finite and below {_MOST:g}. Rescale X (StandardScaler), or choose another kernel."
        )


def _read_task_kernel(kernel: Any, tasks: AnyArray) -> FloatArray:
    """A positive semidefinite (T, T) array in the order of the fitted tasks."""
    if hasattr(kernel, "iloc"):
        names = object_array(kernel.index.tolist())
        where = {key: i for i, key in enumerate(match_keys(names, tasks))}
        for t, key in enumerate(match_keys(tasks, names)):
            if key not in where:
                raise ValueError(f"task_kernel has no row for task {show_label(tasks, t)}.")
        order = [where[key] for key in match_keys(tasks, names)]
        if kernel.columns.tolist() != kernel.index.tolist():
            raise ValueError("task_kernel: rows and columns must name the same tasks in one order.")
        kernel = kernel.to_numpy()[np.ix_(order, order)]
    A = np.asarray(kernel, dtype=np.float64)
    if A.shape != (len(tasks), len(tasks)):
        raise ValueError(
            f"task_kernel has shape {A.shape}, but {len(tasks)} tasks were fitted: expected "
            f"({len(tasks)}, {len(tasks)})."
        )
    if not np.isfinite(A).all():
        raise ValueError("task_kernel contains NaN or infinity.")
    values = scipy.linalg.eigvalsh(A)
    if not np.allclose(A, A.T, rtol=1e-10, atol=0.0) or values[0] < _NOT_SEMIDEFINITE * values[-1]:
        raise ValueError(
            "task_kernel must be symmetric and positive semidefinite; say graphs.adjacency(A) if "
            "it holds the edges of a graph."
        )
    if values[-1] <= 0.0:
        raise ValueError("task_kernel is 0: no function would be left.")
    return A
