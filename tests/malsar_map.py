"""MALSAR's functions and arguments as estimators and lambdas of this library: the one table.

MALSAR sums the squared loss over all samples (with 1/2, without intercept) and averages the
logistic loss within each task (with an intercept). Here every term is a weighted mean, norms carry
no 1/2 and quadratics do. Hence, with ``f = T / N`` for the squared loss (``task_weight="size"``)
and ``f = 1`` for the logistic one (``task_weight="equal"``), our objective is ``f`` times MALSAR's,
its norms' multipliers rho become ``f rho`` and its quadratics' ``2 f rho``.

A new function is one more line in ``TERMS``: the estimator's stem and, for every MALSAR argument,
what it becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import malsar_py
from malsar_py import graphs


def norm(rho, f):
    return f * rho


def halved(rho, f):
    """For a squared loss without 1/2."""
    return 0.5 * f * rho


def quadratic(rho, f):
    return 2.0 * f * rho


def as_is(value, f):
    return value


def whole(value, f):
    return int(value)


def incidence(R, f):
    return graphs.incidence(R)


@dataclass(frozen=True)
class Terms:
    """Estimator stem, and MALSAR argument -> (our parameter, conversion(value, f))."""

    estimator: str
    arguments: Mapping[str, tuple[str, Callable[[Any, float], Any]]]


RIDGE = {"rho_L2": ("lambda2", quadratic)}
TWO_NORMS = {"rho1": ("lambda1", norm), "rho2": ("lambda2", norm)}

TERMS = {
    "Lasso": Terms("Lasso", {"rho1": ("lambda1", norm)} | RIDGE),
    "L21": Terms("JointFeature", {"rho1": ("lambda1", norm)} | RIDGE),
    "Trace": Terms("TraceNorm", {"rho1": ("lambda1", norm)} | RIDGE),
    "SRMTL": Terms(
        "Graph",
        {"R": ("graph", incidence), "rho1": ("lambda1", quadratic), "rho2": ("lambda3", norm)}
        | RIDGE,
    ),
    "CMTL": Terms(
        "Clustered",
        {
            "rho1": ("lambda1", quadratic),
            "rho2": ("lambda2", quadratic),
            "k": ("n_clusters", whole),
        },
    ),
    "CASO": Terms(
        "SharedSubspace",
        {
            "rho1": ("lambda1", quadratic),
            "rho2": ("lambda2", quadratic),
            "k": ("n_components", whole),
        },
    ),
    "Dirty": Terms("Dirty", TWO_NORMS),
    "rMTFL": Terms("RobustFeature", TWO_NORMS),
    "RMTL": Terms("RobustLowRank", TWO_NORMS),
    "SparseTrace": Terms(
        "SparseLowRank", {"gamma": ("lambda1", norm), "tau": ("trace_bound", as_is)}
    ),
    "TGL": Terms(
        "TemporalGroup",
        {
            "rho1": ("lambda2", quadratic),
            "rho2": ("lambda3", quadratic),
            "rho3": ("lambda1", norm),
        },
    ),
    "CFGLasso": Terms(
        "FusedSparseGroup",
        {"rho1": ("lambda3", norm), "rho2": ("lambda2", norm), "rho3": ("lambda1", norm)},
    ),
}

# Non-convex: what is compared are stationary points, from the same start.
NONCONVEX = {
    "NCFGLassoF1": Terms(
        "NonconvexFused",
        {"formulation": ("formulation", whole), "lam": ("lambda1", norm)}
        | {"gamma": ("lambda2", norm)},
    ),
    "NCFGLassoF2": Terms(
        "NonconvexFused",
        {"formulation": ("formulation", whole), "lam": ("lambda1", norm), "beta": ("beta", as_is)},
    ),
    "msmtfl_capL1": Terms(
        "MultiStage", {"lam": ("lambda1", halved), "theta": ("threshold", as_is)}
    ),
}

# Loss prefix -> (suffix of the estimator, f(T, N), what else the scaling asks for).
LOSSES: dict[str, tuple[str, Callable[[int, int], float], dict[str, Any]]] = {
    "Least": ("Regressor", lambda T, N: T / N, {"task_weight": "size", "fit_intercept": False}),
    "Logistic": ("Classifier", lambda T, N: 1.0, {"task_weight": "equal", "fit_intercept": True}),
}
# Functions whose squared loss has no 1/2: f is half as large.
WHOLE_SQUARES = ("Least_Dirty", "Least_RMTL", "Least_rMTFL", "Least_SparseTrace")


def scaling(function: str, n_tasks: int, n_samples: int) -> float:
    """f: our objective at a point is f times MALSAR's."""
    f = LOSSES[function.split("_")[0]][1](n_tasks, n_samples)
    return 0.5 * f if function in WHOLE_SQUARES else f


def estimator(
    function: str, arguments: Mapping[str, Any], n_tasks: int, n_samples: int, **own: Any
):
    """The unfitted estimator that minimises what ``function(X, Y, **arguments)`` says it minimises.

    Arguments that MALSAR's optional structure leaves out may be missing; one without a place here
    must be 0.
    """
    loss, kind = function.split("_", 1)
    suffix, _, fixed = LOSSES[loss]
    terms = (TERMS | NONCONVEX)[kind]
    f = scaling(function, n_tasks, n_samples)
    parameters = dict(fixed)
    for name, value in arguments.items():
        if name in terms.arguments:
            target, convert = terms.arguments[name]
            parameters[target] = convert(value, f)
        elif value != 0:
            raise KeyError(f"{function}: no place for the argument {name}={value!r}")
    return getattr(malsar_py, terms.estimator + suffix)(**parameters, **own)
