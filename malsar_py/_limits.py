"""Strengths of penalties at their limits: terms that decide alone, or that rounding does not see.

``model._strengths`` says with which power of W the term of a strength grows, ``model._terms`` what
it is: a "norm", a "ridge", a "coupling" of tasks, or another quadratic "size".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from scipy.sparse.csgraph import connected_components

from ._solution import Prepared, Problem, Solution
from ._typing import FloatArray
from .objective import Objective
from .penalties import Penalty
from .solvers import Result

P = ParamSpec("P")
R = TypeVar("R")
# Strengths and sizes of a model by name, as users give them.
Given = Mapping[str, Any]

# Quadratic terms of more curvatures of the loss are at their limit, of less are as good as none; in
# between rounding is none of their business.
_STRONG, _WEAK = 1e15, 1e-30
# Without a look at the loss's curvature.
_MODERATE = 1e10
# A norm is as good as none below this share of the strength from which W = 0.
_WEAK_NORM = 1e-18


def within_floats(compute: Callable[P, R]) -> Callable[P, R]:
    """For computations that may overflow on the way.

    What came of it is for the certificate and the check of the solution to say, which hold for any
    number; NumPy's warnings would say less. Equations that rounding made unsolvable are refused.
    """

    @wraps(compute)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with np.errstate(all="ignore"):
                return compute(*args, **kwargs)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                "Floats do not hold the equations of this fit: features, weights or lambdas differ "
                "too much in size. Rescale X (StandardScaler), or choose other lambdas."
            ) from error

    return computed


@within_floats
def solved(
    model: Any, prepared: Prepared, objective: Objective, solve: Callable[[], Result], given: Given
) -> tuple[Result, Result, Solution]:
    """What the solver found, the same at limits of strengths, and what that is for the data."""
    found = solve()
    # (What does not depend on the penalty is kept with `prepared`.)
    own = replace(prepared, objective=objective)
    result = finish(model, own, _no_worse_than_zero(own, found), given)
    return found, result, prepared.solution(result)


def penalty_in_units(model: Any, problem: Problem, given: Given) -> Penalty:
    """The model's penalty for coefficients and objective in the units of the computation."""
    if _ordinary(model, problem, given):
        return model._penalty(problem, **given)
    used: dict[str, Any] = {
        name: _strength(model, name, problem, given) for name in model._strengths
    }
    for name in model._sizes:
        size = given[name]
        used[name] = size if size is None else problem.units.size(size)
    return model._penalty(problem, **used)


def moderate(model: Any, given: Given) -> bool:
    """Whether no strength is near a limit, for data of ordinary size."""
    return all(_is_moderate(given[name]) for name in model._strengths)


def _ordinary(model: Any, problem: Problem, given: Given) -> bool:
    """Whether strengths are used as they are."""
    sizes = [given[name] for name in model._sizes]
    usual = all(size is None or _is_moderate(size) for size in sizes)
    return problem.units.plain and usual and moderate(model, given)


def _strength(model: Any, name: str, problem: Problem, given: Given) -> float:
    """A strength in the units of the computation, up to where the term is at its limit."""
    value = problem.units.strength(given[name], model._strengths[name])
    kind = model._terms.get(name)
    if kind is None or problem.curvature is None or problem.slope is None or _is_moderate(value):
        return value
    if kind == "norm":
        return value if value > _WEAK_NORM * problem.slope() else 0.0
    curvature = problem.curvature()
    if kind in ("ridge", "coupling") and value < _WEAK * curvature:
        return 0.0
    return min(value, _STRONG * curvature) if 0.0 < curvature < np.inf else value


def finish(model: Any, prepared: Prepared, result: Result, given: Given) -> Result:
    """The result with the terms that decide alone at their limits, and without the others.

    A term of more than `_STRONG` curvatures was solved for with so much: that bounds the
    optimum from below, and where the term is zero its strength does not matter. One that is
    too weak to be seen was left out: what it adds at W is added to the gap.
    """
    problem, W, added = prepared.problem, result.W, 0.0
    if _ordinary(model, problem, given):
        return result
    for name, kind in model._terms.items():
        value = problem.units.strength(given[name], model._strengths[name])
        used = _strength(model, name, problem, given)
        if used < value:
            if used == 0.0:
                added += value * _alone(model, name, problem, given).value(W)
            elif kind == "coupling" and problem.feature_weight is not None:
                continue  # not all features are coupled alike
            elif kind == "coupling":
                W = _common(W, penalty_in_units(model, problem, given).quadratic.matrix)
            else:
                W = np.zeros_like(W)
    if W is result.W and added == 0.0:
        return result
    certificate = prepared.objective.final_certificate(W)
    certificate = replace(
        certificate,
        objective=certificate.objective + added,
        gap=certificate.gap + added,
    )
    history = result.history.ending(certificate.objective)
    return replace(result, W=W, certificate=certificate, history=history)


def _no_worse_than_zero(prepared: Prepared, result: Result) -> Result:
    """W = 0 where rounding left the solver with something worse."""
    objective = prepared.objective
    worse = not result.certificate.objective <= objective.scale * (1.0 + 1e-9)
    if not worse or type(result) is not Result:
        return result
    certificate = objective.final_certificate(np.zeros_like(result.W))
    history = result.history.ending(certificate.objective)
    return replace(result, W=np.zeros_like(result.W), certificate=certificate, history=history)


def _alone(model: Any, name: str, problem: Problem, given: Given) -> Penalty:
    """The term of a strength, at strength 1."""
    alone = {each: float(each == name) for each in model._strengths}
    return model._penalty(problem, **{**given, **alone})


def _is_moderate(strength: float) -> bool:
    return strength == 0.0 or 1.0 / _MODERATE < strength < _MODERATE


def _common(W: FloatArray, matrix: FloatArray | None) -> FloatArray:
    """W with one and the same model for all tasks that the matrix couples; None: for all."""
    if matrix is None:
        return np.repeat(W.mean(axis=1)[:, None], W.shape[1], axis=1)
    n_parts, part = connected_components(np.abs(matrix) > 0.0, directed=False)
    W = W.copy()
    for k in range(n_parts):
        own = np.flatnonzero(part == k)
        W[:, own] = W[:, own].mean(axis=1)[:, None]
    return W
