"""Random estimators, doors, types and scales: no hang, no NaN, no gap that promises too much.

``MALSAR_PY_FUZZ`` is the number of examples (default 300), or of seconds with an ``s`` at its end.
Examples are the same each time; ``MALSAR_PY_FUZZ_SEED`` chooses others. A failure prints its
example: ``run_one(example)`` repeats it. A loop that does not return to Python ends the process:
its example and traceback are in ``example.txt``, in the test's folder among pytest's temporary
ones.
"""

from __future__ import annotations

import faulthandler
import os
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from sklearn.base import is_classifier

from malsar_py import (
    DistributionMatchingClassifier,
    DistributionMatchingRegressor,
    MultiLevelLassoClassifier,
    SharedSubspaceClassifier,
)

from .hostile import CONVEX, MODELS, classes, data, fitted_or_refused, make, objective_of
from .test_common import takes_labels

_AMOUNT = os.environ.get("MALSAR_PY_FUZZ", "300")
_SECONDS = float(_AMOUNT[:-1]) if _AMOUNT.endswith("s") else None
_EXAMPLES = 25 if _SECONDS is not None else int(_AMOUNT)  # at a time
_BATCH_SEED = int(os.environ.get("MALSAR_PY_FUZZ_SEED", "0"))
# An example takes well under a second once kernels are compiled.
_LONGEST = 120

exponents = st.sampled_from(
    [
        -320,
        -300,
        -200,
        -160,
        -155,
        -120,
        -80,
        -40,
        -20,
        -10,
        -3,
        0,
        0,
        0,
        3,
        10,
        20,
        40,
        80,
        120,
        150,
        154,
        160,
        200,
        300,
    ]
)
strengths = st.sampled_from(
    [0.0, 1e-308, 1e-100, 1e-20, 1e-6, 0.01, 0.1, 0.1, 1.0, 1e6, 1e20, 1e308]
)


LOSSES = ["huber", "quantile", "poisson", "gamma", "logistic"]
ROWS_OF_THEIR_OWN = (DistributionMatchingRegressor, DistributionMatchingClassifier)


@st.composite
def problems(draw):
    return {
        "cls": draw(st.sampled_from(MODELS)),
        "seed": draw(st.integers(0, 20)),
        "shape": draw(st.sampled_from([(36, 3, 3), (24, 8, 2), (30, 1, 5), (12, 40, 1)])),
        "door": draw(st.sampled_from(["tasks", "column", "shared", "masked", "none"])),
        "dtype": draw(st.sampled_from(["float64", "float64", "float32", "int64"])),
        "x": draw(exponents),
        "y": draw(exponents),
        "column": draw(st.sampled_from([0, 0, 0, -200, -30, -8, 8, 30])),
        "mean": draw(st.sampled_from([0.0, 0.0, 1.0, 1e6, 1.7e9, 1e15])),
        "weight": draw(st.sampled_from([None, None, 1e-320, 1e307, "mixed", "zeros"])),
        "lambda1": draw(strengths),
        "lambda2": draw(strengths),
        "solver": draw(st.sampled_from(["auto", "auto", "apg"])),
        "fit_intercept": draw(st.booleans()),
        "task_weight": draw(st.sampled_from(["equal", "size"])),
        "loss": draw(st.sampled_from(["squared"] * 5 + LOSSES)),
        "kappa": draw(st.sampled_from([0.0, 0.0, 1e-300, 1e-6, 0.3, 1e6, 1e300, np.inf])),
        "common": draw(st.sampled_from([False, False, True])),
        "positive": draw(st.sampled_from([False, False, False, True])),
        "features": draw(st.sampled_from([None, None, None, 0.0, 1e-200, 1e200, np.inf])),
    }


def build(p):
    """The model, and what it is fitted to."""
    n, d, n_tasks = p["shape"]
    cls = p["cls"]
    X, y, tasks = data(p["seed"], n, max(d, 2), n_tasks)
    X = X[:, :d]
    with np.errstate(over="ignore", under="ignore"):
        X = X * 10.0 ** min(p["x"], 300) + p["mean"]
        X[:, -1] = X[:, -1] * 10.0 ** p["column"] if d > 1 else X[:, -1]
        target = targets(p, y, tasks)
    if p["dtype"] == "int64":
        X = np.clip(np.nan_to_num(X), -(2.0**53), 2.0**53).astype(np.int64)
    elif p["dtype"] == "float32":
        with np.errstate(over="ignore", under="ignore"):
            X = np.nan_to_num(X).astype(np.float32)
            X = np.clip(X, -3e38, 3e38)
    X = np.clip(X, -1e307, 1e307) if p["dtype"] == "float64" else X
    weight = p["weight"]
    if weight == "mixed":
        weight = 10.0 ** np.random.default_rng(p["seed"]).integers(-12, 12, n).astype(float)
    elif weight == "zeros":
        weight = (np.arange(n) % 4 > 0).astype(float)
    elif weight is not None:
        weight = np.full(n, weight)
    fit, door = {"sample_weight": weight}, p["door"]
    parameters = {k: p[k] for k in ("lambda1", "lambda2", "solver", "fit_intercept", "task_weight")}
    parameters |= {k: p[k] for k in ("loss", "common", "positive")}
    parameters["intercept_shrinkage"] = p["kappa"] if p["fit_intercept"] else 0.0
    if p["features"] is not None:
        parameters["feature_weight"] = [p["features"], *[1.0] * (d - 1)]
    if not takes_labels(cls):
        door = "none"
    elif cls in ROWS_OF_THEIR_OWN and door in ("shared", "masked", "none"):
        door = "tasks"
    if door == "tasks":
        fit["tasks"] = tasks
    elif door == "column":
        X = np.column_stack([tasks, X])
        parameters["task_column"] = 0
    elif door in ("shared", "masked"):
        target = np.column_stack([target, np.roll(target, 1)])
        if door == "masked" and not is_classifier(cls()):
            target = target.astype(float)
            target[::5, 1] = np.nan
    own = labels_by_door(door, tasks)
    return make(cls, max_iter=200, max_stages=5, **parameters), X, target, fit, own


def targets(p, y, tasks):
    """What the loss is of: classes, events, counts and times that go up to 10 ** y."""
    if is_classifier(p["cls"]()) or p["loss"] == "logistic":
        return classes(y, tasks)
    if p["loss"] in ("poisson", "gamma"):
        up = np.exp(np.clip(y, -3.0, 3.0)) * 10.0 ** min(p["y"], 300)
        return np.round(up) if p["loss"] == "poisson" else up
    return y * 10.0 ** min(p["y"], 300)


def labels_by_door(door, tasks):
    return tasks if door in ("tasks", "column") else np.zeros_like(tasks)


def valid(model):
    """Whether the parameters are legal, for strengths that may not be zero and the like."""
    try:
        model._validate_params()
    except ValueError:
        return False
    return True


@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(problems())
def run(p):
    if time.monotonic() < _Run.end:
        run_one(p)


class _Run:
    """When to stop, and where to write what is tried."""

    end = float("inf")
    log = None


def run_one(p):
    model, X, y, fit, tasks = build(p)
    if not valid(model):
        return
    if _Run.log is not None:
        _Run.log.seek(0)
        _Run.log.truncate()
        print(p, file=_Run.log, flush=True)
        faulthandler.dump_traceback_later(3 * _LONGEST, exit=True, file=_Run.log)
    try:
        fitted = fitted_or_refused(model, X, y, seconds=_LONGEST, **fit)
        if fitted is not None:
            _no_better_one_is_known(fitted, p, X, y, fit, tasks)
    except Exception as error:
        raise AssertionError(f"{p}: {type(error).__name__}: {error}") from error
    finally:
        faulthandler.cancel_dump_traceback_later()


def _no_better_one_is_known(model, p, X, y, fit, tasks):
    """The gap bounds how much better another solver's solution is, on the data as given."""
    if p["cls"] not in CONVEX or not hasattr(model, "coef_") or y.ndim == 2:
        return
    if p["cls"] in ROWS_OF_THEIR_OWN:
        return  # (a classifier weighs the rows of the objective)
    if model.get_params().get("task_column") is not None:
        X = X[:, 1:]
    weight = fit["sample_weight"]
    if weight is not None:
        weight = weight / weight.max()
        used = weight > 0
        X, y, tasks, weight = X[used], y[used], tasks[used], weight[used]
    if p["task_weight"] == "size" or not np.isfinite(model.dual_gap_):
        return
    if getattr(model, "feature_weight", None) is not None:
        return  # (its penalty is of other columns)
    other = make(p["cls"], **{**model.get_params(), "tol": 1e-10, "max_iter": 2000})
    other.set_params(solver="apg") if hasattr(other, "solver") and p["solver"] == "auto" else None
    keyword = {"tasks": tasks} if p["door"] in ("tasks", "column") else {}
    other.set_params(task_column=None) if "task_column" in other.get_params() else None
    if not takes_labels(p["cls"]):
        keyword = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            other.fit(X, y, sample_weight=weight, **keyword)
        except ValueError:
            return
    with np.errstate(all="ignore"):
        here = objective_of(model, X, y, tasks, weight)
        there = objective_of(other, X, y, tasks, weight)
    if not (np.isfinite(here) and np.isfinite(there)):
        return
    # Rounding of predictions x.w + b is the data's, not the solver's; so is what of the objective
    # and of W and b doubles do not hold. (Around the best b an error counts with its square.)
    scale = model.dual_gap_ / model.relative_gap_ if model.relative_gap_ > 0 else abs(here)
    smallest = np.abs(X).max() * 5e-324
    reach = np.longdouble(np.abs(X).max()) * np.abs(model.coef_).sum()
    size = np.abs(model.intercept_).max() + reach
    held = 2.0**-52 * size + smallest
    kappa = getattr(model, "intercept_shrinkage", 0.0)
    curvature = 1.0 + (np.longdouble(kappa) if kappa < np.inf else 0.0)
    allowed = model.dual_gap_ + 1e-9 * max(scale, float(abs(there)), 1e-300)
    allowed = allowed + model.n_tasks_ * (curvature * held * held + smallest)
    assert here - there <= allowed, (
        f"gap {model.dual_gap_}, but {float(here - there)} above another"
    )


@pytest.mark.slow
def test_fuzz(tmp_path):
    end = None if _SECONDS is None else time.monotonic() + _SECONDS
    batch = _BATCH_SEED
    with open(tmp_path / "example.txt", "w") as log:
        _Run.log, _Run.end = log, float("inf") if end is None else end
        try:
            while True:
                seeded(batch)(run)()
                batch += 1
                if end is None or time.monotonic() >= end:
                    break
        finally:
            _Run.log = None


# What is as usual in the examples below.
USUAL = {
    "solver": "auto",
    "loss": "squared",
    "kappa": 0.0,
    "common": False,
    "positive": False,
    "features": None,
}

# Examples that failed once.
FOUND = [
    USUAL
    | {
        "cls": SharedSubspaceClassifier,
        "seed": 14,
        "shape": (36, 3, 3),
        "door": "tasks",
        "dtype": "float32",
        "x": 80,
        "y": -320,
        "column": -200,
        "mean": 1.7e9,
        "weight": "mixed",
        "lambda1": 1e-20,
        "lambda2": 1e6,
        "fit_intercept": True,
        "task_weight": "size",
    },
    USUAL
    | {  # one task's step was no number, another's was never shortened
        "cls": MultiLevelLassoClassifier,
        "seed": 17,
        "shape": (12, 40, 1),
        "door": "masked",
        "dtype": "float64",
        "x": 10,
        "y": 10,
        "column": 0,
        "mean": 0.0,
        "weight": None,
        "lambda1": 0.01,
        "lambda2": 0.01,
        "fit_intercept": False,
        "task_weight": "equal",
    },
    USUAL
    | {  # every loss of the task was zero, and so was all curvature
        "cls": DistributionMatchingClassifier,
        "seed": 2,
        "shape": (12, 40, 1),
        "door": "column",
        "dtype": "float32",
        "x": 20,
        "y": 200,
        "column": -30,
        "mean": 1.0,
        "weight": 1e-320,
        "lambda1": 0.1,
        "lambda2": 1e20,
        "fit_intercept": True,
        "task_weight": "equal",
    },
]


@pytest.mark.parametrize("p", FOUND, ids=lambda p: p["cls"].__name__)
def test_what_the_fuzz_found(p):
    run_one(p)
