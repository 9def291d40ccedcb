"""Any loss with any penalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .._docs import document
from .._limits import penalty_in_units
from .._tasks import TaskRows
from .._typing import FloatArray
from .._units import scaled
from ..base import MultiTaskEstimator, MultiTaskRegressor, Prepared, Problem
from ..penalties import Penalty, Ridge

_PARAMETERS = """\
    penalty : penalty of :mod:`malsar_py.penalties`, default=None
        Omega, of unit strength unless it says otherwise: a norm such as ``penalties.RowL2()``, a
        sum of penalties, a multiple ``0.5 * penalty``, or a class of your own. None: the ridge
        alone."""

_ATTRIBUTES = """\
    coef_parts_ : ndarray of shape (n_parts, n_tasks, n_features)
        With :class:`malsar_py.penalties.Split`: the parts that add up to `coef_`, stacked."""


@document("regressor", own_parameters=_PARAMETERS, own_attributes=_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class MultiTaskGLM(MultiTaskRegressor):
    """Generalised linear models of many tasks, with any penalty: the general front of the library.

    Minimises over W and b::

        F(W, b) + lambda1 Omega(W) + lambda2/2 ||W||_F^2

    <notation>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

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
