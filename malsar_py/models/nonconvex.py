"""Non-convex penalties, which shrink large coefficients less: solved in convex stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._docs import document
from .._typing import FloatArray
from ..base import MultiTaskClassifier, MultiTaskRegressor, Problem
from ..penalties import CappedRows, Concave, FusedRoots, RootRows
from ._staged import Staged
from .temporal import ORDER_PARAMETER, OrderedTasks

_POSITIVE = [Interval(Real, 0, None, closed="neither")]


@dataclass(kw_only=True, eq=False, repr=False)
class _MultiStage(Staged):
    threshold: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        "threshold": _POSITIVE,
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (*Staged._penalty_parameters, "threshold")
    _sizes: ClassVar[tuple[str, ...]] = ("threshold",)
    _free_features: ClassVar[str] = "features past the threshold, which cost nothing,"
    _against_separation: ClassVar[str] = "Set lambda2 > 0 or raise threshold."

    def _concave(
        self, problem: Problem, lambda1: float, lambda2: float, threshold: float
    ) -> Concave:
        return CappedRows(lambda1, threshold, lambda2)


_SOLVERS = '"auto", "apg" or "active-set"'
_MULTI_STAGE_PARAMETERS = """\
    threshold : float, default=1.0
        Size theta of ``||w^j||_1`` from which a feature costs no more, in the units of W."""


@document("regressor", own_parameters=_MULTI_STAGE_PARAMETERS, stages=_SOLVERS)
@dataclass(kw_only=True, eq=False, repr=False)
class MultiStageRegressor(_MultiStage, MultiTaskRegressor):
    """Multi-stage feature learning (capped L1): features that clearly count are not shrunk.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j min(||w^j||_1, threshold) + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    LassoRegressor : The first stage.
    MultiLevelLassoRegressor : A square root of every feature's size.

    Notes
    -----
    The first stage is the Lasso, that is, the start is W = 0. Every later stage is a Lasso in which
    the features with ``||w^j||_1 >= threshold`` are free; the fit ends when the same are free as
    before. With ``warm_start=True`` the last coefficients take the place of the first stage. Free
    features must be fewer than a task's samples, or ``lambda2 > 0``, for a unique solution.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Multi-stage multi-task feature learning", NIPS 2012.
    .. [2] T. Zhang, "Analysis of multi-stage convex relaxation for sparse regularization",
       JMLR 11, 2010.

    Examples
    --------
    >>> from malsar_py import MultiStageRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = MultiStageRegressor(lambda1=0.2, threshold=1.0).fit(X, y, tasks=tasks)
    >>> model.n_stages_ > 1, model.optimality_ <= model.tol
    (True, True)
    """


@document("classifier", own_parameters=_MULTI_STAGE_PARAMETERS, stages=_SOLVERS)
@dataclass(kw_only=True, eq=False, repr=False)
class MultiStageClassifier(_MultiStage, MultiTaskClassifier):
    """Multi-stage feature learning (capped L1) for classes: clear features are not shrunk.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j min(||w^j||_1, threshold) + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    MultiStageRegressor : The same penalty with the squared loss, and notes on its stages.

    Notes
    -----
    Where features that are free separate the classes of a task there is no finite minimiser, and
    the fit ends with a ConvergenceWarning: set ``lambda2 > 0``.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Multi-stage multi-task feature learning", NIPS 2012.

    Examples
    --------
    >>> from malsar_py import MultiStageClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = MultiStageClassifier(lambda1=0.02, lambda2=0.01, threshold=0.5)
    >>> model.fit(X, y, tasks=tasks).optimality_ <= model.tol
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _MultiLevelLasso(Staged):
    lambda2: float = 0.1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        "lambda1": _POSITIVE,
        "lambda2": _POSITIVE,
    }

    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 0.5, "lambda2": 0.5}

    def _concave(self, problem: Problem, lambda1: float, lambda2: float) -> Concave:
        mean = float(np.sqrt(lambda1) * np.sqrt(lambda2))
        return RootRows(2.0 * mean, problem.units.linear(mean))

    def _lambda1_max(self, prepared: Any) -> None:
        """W = 0 is a local minimum whatever lambda1 is."""

    def _describe(self, W: FloatArray, problem: Problem) -> None:
        self.feature_weights_ = np.sqrt(np.abs(W).sum(axis=1)) * (
            np.sqrt(self.lambda2) / np.sqrt(self.lambda1)
        )


_LEVEL_ATTRIBUTES = """\
    feature_weights_ : ndarray of shape (n_features,)
        theta_j: what the tasks share of a feature's coefficients; 0 for features that are not
        used."""
_LEVEL: Any = {
    "own_attributes": _LEVEL_ATTRIBUTES,
    "lambda2": "0.1",
    "lambda2_range": "(0, inf)",
    "lambda2_term": "``sum_jt |gamma_jt|``",
    "stages": _SOLVERS,
    "smoothed": " (with the square roots smoothed, see the notes)",
}


@document("regressor", **_LEVEL)
@dataclass(kw_only=True, eq=False, repr=False)
class MultiLevelLassoRegressor(_MultiLevelLasso, MultiTaskRegressor):
    """Multi-level Lasso: a feature's weight for all tasks times one for each task.

    Descends over ``w_jt = theta_j gamma_jt``, ``theta >= 0``, and b to a stationary point of::

        F(W, b) + lambda1 sum_j theta_j + lambda2 sum_jt |gamma_jt|

    With theta and gamma minimised out this is ``F(W, b) + 2 sqrt(lambda1 lambda2) sum_j
    sqrt(||w^j||_1)``. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    JointFeatureRegressor : A convex penalty that takes features for all tasks or for none.
    MultiStageRegressor : No shrinkage at all above a threshold.

    Notes
    -----
    Only the product of lambda1 and lambda2 matters to W; both must be positive. The first stage is
    the Lasso with ``sqrt(lambda1 lambda2)``; every later one a Lasso with the row weights
    ``sqrt(lambda1 lambda2 / (||w^j||_1 + eps))``, eps 1e-12 times the largest ``||w^j||_1`` of the
    first, so that features the first stage leaves out stay out. `objective_` has ``sqrt(. + eps) -
    sqrt(eps)`` for the roots. W = 0 is a local minimum for any lambda.

    References
    ----------
    .. [1] A. C. Lozano, G. Swirszcz, "Multi-level lasso for sparse multi-task regression",
       ICML 2012.

    Examples
    --------
    >>> from malsar_py import MultiLevelLassoRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = MultiLevelLassoRegressor(lambda1=0.2, lambda2=0.2).fit(X, y, tasks=tasks)
    >>> bool(((model.feature_weights_ > 0) == model.coef_.any(axis=0)).all())
    True
    """


@document("classifier", **_LEVEL)
@dataclass(kw_only=True, eq=False, repr=False)
class MultiLevelLassoClassifier(_MultiLevelLasso, MultiTaskClassifier):
    """Multi-level Lasso for classes: a feature's weight for all tasks times one for each task.

    Descends over ``w_jt = theta_j gamma_jt``, ``theta >= 0``, and b to a stationary point of::

        F(W, b) + lambda1 sum_j theta_j + lambda2 sum_jt |gamma_jt|

    With theta and gamma minimised out this is ``F(W, b) + 2 sqrt(lambda1 lambda2) sum_j
    sqrt(||w^j||_1)``. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    MultiLevelLassoRegressor : The same penalty with the squared loss, and notes on its stages.

    References
    ----------
    .. [1] A. C. Lozano, G. Swirszcz, "Multi-level lasso for sparse multi-task regression",
       ICML 2012.

    Examples
    --------
    >>> from malsar_py import MultiLevelLassoClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = MultiLevelLassoClassifier(lambda1=0.02, lambda2=0.02).fit(X, y, tasks=tasks)
    >>> model.feature_weights_.shape == (X.shape[1],)
    True
    """


@dataclass(kw_only=True, eq=False, repr=False)
class _NonconvexFused(Staged, OrderedTasks):
    formulation: int = 1
    beta: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Staged._parameter_constraints,
        **OrderedTasks._parameter_constraints,
        "solver": [StrOptions({"auto", "apg"})],
        "formulation": [Interval(Integral, 1, 2, closed="both")],
        "beta": _POSITIVE,
    }
    _penalty_parameters: ClassVar[tuple[str, ...]] = (
        *OrderedTasks._penalty_parameters,
        "formulation",
        "beta",
    )

    _strengths: ClassVar[Mapping[str, float]] = {"lambda1": 0.5, "lambda2": 1.0}

    def _concave(self, problem: Problem, lambda1: float, lambda2: float) -> Concave:
        order, first = self._order(problem), self.formulation == 1
        if not first and self.lambda2 > 0.0:
            raise ValueError(
                f"lambda2={self.lambda2!r} belongs to formulation=1. With formulation=2, where "
                "lambda1 and beta weigh all terms, leave lambda2 at 0."
            )
        return FusedRoots(
            lambda1,
            problem.units.linear(lambda1),
            order=order,
            inner=0.0 if first else 1.0,
            sparse=1.0 if first else self.beta,
            outer=lambda2,
        )

    def _lambda1_max(self, prepared: Any) -> None:
        """W = 0 is a local minimum whatever lambda1 is."""


_FUSED: Any = {
    "own_parameters": f"""\
    formulation : 1 or 2, default=1
        What is under the square root: the sizes (nFSGL1), or sizes and differences (nFSGL2).
    beta : float, default=1.0
        Weight of the sizes beside the differences in formulation 2, in (0, inf).
{ORDER_PARAMETER}""",
    "lambda2_term": "``sum_jt |w_j(t+1) - w_jt|`` in formulation 1; not used in formulation 2",
    "stages": '"auto" or "apg"',
    "smoothed": " (with the square roots smoothed, see the notes)",
}


@document("regressor", **_FUSED)
@dataclass(kw_only=True, eq=False, repr=False)
class NonconvexFusedRegressor(_NonconvexFused, MultiTaskRegressor):
    """Non-convex fused sparse group lasso (nFSGL1, nFSGL2) for ordered tasks.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j sqrt(||w^j||_1) + lambda2 sum_jt |w_j(t+1) - w_jt|

    with ``formulation=1``, or with ``formulation=2``::

        F(W, b) + lambda1 sum_j sqrt(sum_t |w_j(t+1) - w_jt| + beta ||w^j||_1)

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    FusedSparseGroupRegressor : The convex one.

    Notes
    -----
    The first stage has ``h`` in the place of ``sqrt(h)``: a fused Lasso. Every later one has the
    row weights ``1 / (2 sqrt(h + eps))``, eps 1e-12 times the largest h of the first, so that
    features the first stage leaves out stay out. `objective_` has ``sqrt(. + eps) - sqrt(eps)`` for
    the roots. W = 0 is a local minimum for any lambda. With ``warm_start=True`` the last
    coefficients take the place of the first stage.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import NonconvexFusedRegressor
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, random_state=0)
    >>> model = NonconvexFusedRegressor(lambda1=0.2, lambda2=0.1).fit(X, y, tasks=tasks)
    >>> bool((model.objective_[1:] <= model.objective_[:-1]).all())
    True
    """


@document("classifier", **_FUSED)
@dataclass(kw_only=True, eq=False, repr=False)
class NonconvexFusedClassifier(_NonconvexFused, MultiTaskClassifier):
    """Non-convex fused sparse group lasso (nFSGL1, nFSGL2) for classes and ordered tasks.

    Descends over W and b to a stationary point of::

        F(W, b) + lambda1 sum_j sqrt(||w^j||_1) + lambda2 sum_jt |w_j(t+1) - w_jt|

    with ``formulation=1``, or with ``formulation=2``::

        F(W, b) + lambda1 sum_j sqrt(sum_t |w_j(t+1) - w_jt| + beta ||w^j||_1)

    where t + 1 is the task after t in `task_order`. <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    NonconvexFusedRegressor : The same penalty with the squared loss, and notes on its stages.

    References
    ----------
    .. [1] J. Zhou, J. Liu, V. A. Narayan, J. Ye, "Modeling disease progression via fused sparse
       group lasso", KDD 2012.

    Examples
    --------
    >>> from malsar_py import NonconvexFusedClassifier
    >>> from malsar_py.datasets import make_joint_feature
    >>> X, y, tasks = make_joint_feature(n_tasks=4, classification=True, random_state=0)
    >>> model = NonconvexFusedClassifier(formulation=2, lambda1=0.02).fit(X, y, tasks=tasks)
    >>> model.optimality_ <= model.tol
    True
    """
