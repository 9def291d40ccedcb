"""Every estimator on tiny data of hostile scale, and what must hold of whatever comes of it."""

from __future__ import annotations

import signal
import threading
import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.base import is_classifier

from malsar_py.base import CertifiedEstimator

from .test_common import public_estimators, takes_labels, with_random_state

# Those with a penalty; a likelihood has scales of its own (tests/test_mixed.py).
MODELS = [c for c in public_estimators() if issubclass(c, CertifiedEstimator)]
CONVEX = [c for c in MODELS if not hasattr(c, "max_stages")]


def data(seed=0, n=36, d=3, n_tasks=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    tasks = np.repeat(np.arange(n_tasks), n // n_tasks)
    y = X[:, 0] - 2.0 * X[:, 1] + 0.5 * tasks + rng.standard_normal(n)
    return X, y, tasks


def classes(y, tasks):
    """Two classes in every task, not separable."""
    labels = np.empty(len(y), int)
    for t in np.unique(tasks):
        own = np.flatnonzero(tasks == t)
        labels[own] = y[own] > np.median(y[own])
        labels[own[::5]] = 1 - labels[own[::5]]
    return labels


@contextmanager
def watchdog(seconds):
    """AssertionError in what takes longer, compiled loops excepted (faulthandler sees these)."""

    def bite(*_):
        raise AssertionError(f"still running after {seconds} s")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, bite)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fitted_or_refused(model, X, y, seconds=60, **fit):
    """The fitted model, or None where the data were refused with a clear message."""
    with warnings.catch_warnings(record=True) as caught, watchdog(seconds):
        warnings.simplefilter("always")
        try:
            model.fit(X, y, **fit)
        except ValueError as error:
            words = (
                "too large",
                "too small",
                "lambda",
                "no finite minimiser",
                "rescale",
                "Rescale",
                # Options that exclude each other.
                "loss=",
                "common=True",
                "intercept_shrinkage=",
                "feature_weight",
                "positive=True",
                "not smooth",
            )
            assert any(word in str(error) for word in words), error
            return None
    assert not [w for w in caught if issubclass(w.category, RuntimeWarning)], caught[0].message
    messages = [str(w.message) for w in caught]
    assert is_classifier(model) or not any("separable" in m for m in messages), messages
    check(model, messages)
    return model


def check(model, messages):
    """Everything fitted is a number, the gap is no less than 0 and warned of where it is large."""
    coefficients = getattr(model, "coef_", None)
    for values in (
        model.dual_coef_ if coefficients is None else coefficients,
        model.intercept_,
        model.objective_,
    ):
        assert np.isfinite(values).all()
    reached = getattr(model, "relative_gap_", None)
    reached = model.optimality_ if reached is None else reached
    assert reached >= 0.0
    assert getattr(model, "dual_gap_", 0.0) >= 0.0
    assert reached <= model.tol or any("did not reach" in m for m in messages)


def wide_loss(model, y, z):
    """Losses of rows in extended precision, written out anew."""
    name = "logistic" if is_classifier(model) else getattr(model, "loss", "squared")
    one = np.longdouble(1)
    if name == "logistic":
        high = model.classes_[1] if is_classifier(model) else 1
        return np.logaddexp(0 * one, np.where(y == high, -one, one) * z)
    y = y.astype(np.longdouble)
    if name == "poisson":
        return np.exp(z) - y * z + y * np.log(np.where(y > 0, y, 1)) - y
    if name == "gamma":
        return z + y * np.exp(-z) - 1 - np.log(y)
    r = np.abs(y - z)
    if name == "quantile":
        return r / 2
    if name == "huber":
        return np.where(r <= 1.35, r * r / 2, 1.35 * one * r - one * 1.35**2 / 2)
    return r * r / 2


def objective_of(model, X, y, tasks, weights=None):
    """The objective of a fitted linear model, evaluated in extended precision on data as given."""
    wide = np.longdouble
    X, weights = X.astype(wide), np.ones(len(y), wide) if weights is None else weights.astype(wide)
    coef, intercept = model.coef_.reshape(model.n_tasks_, -1).astype(wide), model.intercept_
    intercept = np.broadcast_to(np.ravel(intercept), model.n_tasks_).astype(wide)
    total, means = wide(0), []
    for t, label in enumerate(model.tasks_):
        own = tasks == label
        share = weights[own] / weights[own].sum()
        losses = wide_loss(model, y[own], X[own] @ coef[t] + intercept[t])
        means.append(share @ X[own])
        root = "Calibrated" in type(model).__name__
        total += np.sqrt(2 * (share @ losses)) if root else share @ losses
    kappa = getattr(model, "intercept_shrinkage", 0.0)
    if 0.0 < kappa < np.inf:
        b = coef @ np.mean(means, axis=0) + intercept
        total += wide(kappa) / 2 * np.square(b - b.mean()).sum()
    return total + penalty_of(model)


def penalty_of(model):
    """Omega at the coefficients, by the model's own penalty (proved elsewhere), in doubles."""
    from malsar_py.base import Problem

    problem = Problem(model.tasks_, model.coef_.shape[-1])
    W = model.coef_.reshape(model.n_tasks_, -1).T
    names = getattr(model, "_part_names", None)
    if hasattr(model, "coef_specific_") and "Lasso" in type(model).__name__:
        common = np.tile(model.coef_common_[:, None], W.shape[1])
        W = np.concatenate([common, model.coef_specific_.T])
    elif names is not None:
        W = np.concatenate([getattr(model, n).reshape(model.n_tasks_, -1).T for n in names])
    return np.longdouble(model._penalty(problem, **model._given()).value(np.ascontiguousarray(W)))


def labels_for(cls, tasks):
    return {"tasks": tasks} if takes_labels(cls) else {}


def make(cls, **parameters):
    """An estimator with those of the parameters that it has."""
    model = with_random_state(cls)
    names = model.get_params()
    return model.set_params(**{k: v for k, v in parameters.items() if k in names})
