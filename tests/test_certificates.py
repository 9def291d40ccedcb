"""The duality gap proves what it says, for every penalty, loss, intercept and design.

At any W the gap is nonnegative and ``objective - gap`` lies below the optimum; at the optimum it
vanishes; and the gap of a fit is that of the formulas, coded here a second time in numpy
from the returned coefficients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

import malsar_py
from malsar_py import graphs
from malsar_py.design import Masked, Ragged, Shared
from malsar_py.losses import Logistic, Squared
from malsar_py.objective import make_objective
from malsar_py.penalties import L1, Ridge, RowL2, SpectralBox, TaskQuadratic, TraceNorm
from malsar_py.solvers import solve_accelerated

T, D = 4, 3
LOSSES = {"squared": Squared(), "logistic": Logistic()}


# --- the second implementation ------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """A penalty in numbers: lam * norm(W) + 1/2 tr(W A0 W') + ridge/2 ||W||^2, or the box (l1, l2,
    k) for a norm.
    """

    norm: str | None = None
    lam: float = 0.0
    coupling: np.ndarray = field(default_factory=lambda: np.zeros((T, T)))
    ridge: float = 0.0
    box: tuple[float, float, int] | None = None

    @property
    def quadratic(self):
        return self.coupling + self.ridge * np.eye(len(self.coupling))


def norm_of(name, W):
    return {
        "l1": lambda: np.abs(W).sum(),
        "row": lambda: np.linalg.norm(W, axis=1).sum(),
        "trace": lambda: np.linalg.norm(W, "nuc"),
    }[name]()


def dual_norm_of(name, G):
    return {
        "l1": lambda: np.abs(G).max(),
        "row": lambda: np.linalg.norm(G, axis=1).max(),
        "trace": lambda: np.linalg.norm(G, 2),
    }[name]()


def prox_of(name, V, tau):
    if name == "l1":
        return np.sign(V) * np.maximum(np.abs(V) - tau, 0.0)
    if name == "row":
        norms = np.linalg.norm(V, axis=1, keepdims=True)
        return V * np.maximum(1.0 - tau / np.where(norms > 0.0, norms, np.inf), 0.0) if tau else V
    U, s, Q = np.linalg.svd(V, full_matrices=False)
    return (U * np.maximum(s - tau, 0.0)) @ Q


def box_of(W, l1, l2, k):
    s, eta = np.linalg.svd(W, compute_uv=False), l2 / l1
    used = s > 1e-14 * max(s[0], 1e-300)
    theta = np.where(used, 1.0 + eta, eta)
    if used.sum() > k:
        total = k + len(s) * eta

        def spent(u):
            return np.clip(s * u, eta, 1.0 + eta).sum() - total

        u = brentq(spent, 0.0, (1.0 + eta) / s[used].min(), xtol=1e-300, rtol=1e-15)
        theta = np.clip(s * u, eta, 1.0 + eta)
    return 0.5 * l2 * (1.0 + eta) * np.sum(s**2 / theta)


def penalty_value(spec, W):
    value = 0.5 * np.trace(W @ spec.quadratic @ W.T)
    if spec.box is not None:
        value += box_of(W, *spec.box)
    if spec.norm is not None:
        value += spec.lam * norm_of(spec.norm, W)
    return value


class Tasks:
    """Samples of the tasks: lists of X_t, y_t and c_t."""

    def __init__(self, Xs, ys, cs, loss, fit_intercept):
        self.Xs, self.ys, self.cs = Xs, ys, cs
        self.loss, self.fit_intercept = loss, fit_intercept
        self.c, self.y = np.concatenate(cs), np.concatenate(ys)

    def loss_value(self, W, b):
        total = 0.0
        for X, y, c, w, b_t in zip(self.Xs, self.ys, self.cs, W.T, b, strict=True):
            z = X @ w + b_t
            each = 0.5 * (y - z) ** 2 if self.loss == "squared" else np.logaddexp(0.0, -y * z)
            total += c @ each
        return total

    def best_intercepts(self, W):
        if not self.fit_intercept:
            return np.zeros(W.shape[1])
        b = []
        for X, y, c, w in zip(self.Xs, self.ys, self.cs, W.T, strict=True):
            z = X @ w
            if self.loss == "squared":
                b.append(np.average(y - z, weights=c))
            else:

                def slope(b_t, y=y, z=z, c=c):
                    return np.sum(c * y * np.exp(-np.logaddexp(0.0, y * (z + b_t))))

                end = np.abs(z).max() + 60.0
                b.append(brentq(slope, -end, end, xtol=1e-14, rtol=1e-14))
        return np.array(b)

    def slack(self, W, value, unit):
        """What objectives near `value` at W, or certified to 1e-12 of `unit`, may differ by.

        Ten times what is promised: logistic intercepts are searched until a task's slope is 1e-13
        of its weights, and far from zero the loss may be as flat as that over the range of z.
        """
        reach = 0.0
        if self.loss == "logistic" and self.fit_intercept:
            for X, c, w in zip(self.Xs, self.cs, W.T, strict=True):
                reach += c.sum() * np.abs(X @ w).max()
        return 1e-11 * (value + unit) + 1e-12 * reach

    def theta(self, W, b):
        """The dual point of (W, b), exactly feasible when there are intercepts."""
        thetas = []
        for X, y, c, w, b_t in zip(self.Xs, self.ys, self.cs, W.T, b, strict=True):
            z = X @ w + b_t
            if self.loss == "squared":
                r = y - z
                theta = c * (r - np.average(r, weights=c) if self.fit_intercept else r)
            else:
                theta = c * y * np.exp(-np.logaddexp(0.0, y * z))
                if self.fit_intercept:
                    p, m = theta[y > 0].sum(), -theta[y < 0].sum()
                    theta = np.where(y > 0, theta * (min(p, m) / p), theta * (min(p, m) / m))
            thetas.append(theta)
        return np.concatenate(thetas)

    def adjoint(self, theta):
        parts = np.split(theta, np.cumsum([len(y) for y in self.ys])[:-1])
        return np.stack([X.T @ th for X, th in zip(self.Xs, parts, strict=True)], axis=1)

    def dual(self, theta):
        """-sum conj(-theta)."""
        used = self.c > 0.0
        y, c, theta = self.y[used], self.c[used], theta[used]
        if self.loss == "squared":
            return y @ theta - 0.5 * np.sum(theta**2 / c)
        a = y * theta / c
        if a.min() < 0.0 or a.max() > 1.0:
            return -np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = np.where(a > 0.0, a * np.log(a), 0.0) + np.where(
                a < 1.0, (1 - a) * np.log1p(-a), 0.0
            )
        return -c @ entropy

    def freed(self, theta, basis):
        """theta moved, in the metric of the loss's curvature, to where X'theta vanishes along the
        free task directions.
        """
        weight = self.c
        if self.loss == "logistic":
            a = np.divide(self.y * theta, self.c, out=np.zeros_like(self.c), where=self.c > 0.0)
            weight = self.c * a * (1.0 - a)
        columns = []
        for t, X in enumerate(self.Xs):
            free = np.hstack([basis[t, k] * X for k in range(basis.shape[1])])
            own = np.zeros((len(X), len(self.Xs)))
            own[:, t] = 1.0
            columns.append(np.hstack([free, own]) if self.fit_intercept else free)
        root = np.sqrt(weight)
        pulls = np.vstack(columns)
        target = np.divide(theta, root, out=np.zeros_like(root), where=root > 0.0)
        fitted = pulls @ np.linalg.lstsq(root[:, None] * pulls, target, rcond=1e-12)[0]
        return theta - weight * fitted


def duality_gap(tasks, spec, W, b):
    """F(W, b) minus the best lower bound known at (W, b)."""
    theta = tasks.theta(W, b)
    G = tasks.adjoint(theta)
    primal = tasks.loss_value(W, b) + penalty_value(spec, W)
    A0, A = spec.coupling, spec.quadratic
    if spec.box is not None:
        l1, l2, k = spec.box
        s = np.linalg.svd(G - W @ A, compute_uv=False)
        conj = 0.5 * (np.sum(s[:k] ** 2) / l2 + np.sum(s[k:] ** 2) / (l1 + l2))
        return primal - (tasks.dual(theta) - conj - 0.5 * np.trace(W @ A @ W.T))
    if spec.norm is None:
        values, vectors = np.linalg.eigh(A)
        free = values < 1e-10 * max(values[-1], 1.0)
        if free.any():
            theta = tasks.freed(theta, vectors[:, free])
            G = tasks.adjoint(theta)
        E = G @ vectors[:, ~free]
        return primal - (tasks.dual(theta) - 0.5 * np.sum(E**2 / values[~free]))
    R = G - W @ A
    alpha = min(1.0, spec.lam / dual_norm_of(spec.norm, R))
    bounds = [tasks.dual(alpha * theta) - 0.5 * alpha**2 * np.trace(W @ A @ W.T)]
    if spec.ridge > 0.0:
        excess = prox_of(spec.norm, G - W @ A0, spec.lam)
        conj = 0.5 * np.trace(W @ A0 @ W.T) + 0.5 * np.sum(excess**2) / spec.ridge
        bounds.append(tasks.dual(theta) - conj)
    return primal - max(bounds)


# --- the objects of the library, at any point ---------------------------------------------------

CHAIN = graphs.to_laplacian("chain", range(T))
MEAN = graphs.to_laplacian("complete", range(T))
PAIRS = graphs.to_laplacian([(0, 1), (2, 3, 0.5)], range(T))
LONELY = graphs.to_laplacian([(0, 2), (2, 1, 2.0)], range(T))
_R = np.random.default_rng(5).standard_normal((T, 2))
GENERAL = graphs.to_laplacian(graphs.incidence(_R), range(T))

# name -> (penalty, the same in numbers)
PENALTIES = {
    "l1": (L1(0.1), Spec("l1", 0.1)),
    "l1 ridge": (L1(0.05) + Ridge(0.3), Spec("l1", 0.05, ridge=0.3)),
    "row": (RowL2(0.1), Spec("row", 0.1)),
    "row ridge": (RowL2(0.05) + Ridge(0.3), Spec("row", 0.05, ridge=0.3)),
    "row zero": (RowL2(10.0), Spec("row", 10.0)),
    "trace": (TraceNorm(0.1), Spec("trace", 0.1)),
    "trace ridge": (TraceNorm(0.05) + Ridge(0.3), Spec("trace", 0.05, ridge=0.3)),
    "l1 chain": (L1(0.05) + TaskQuadratic(0.2 * CHAIN), Spec("l1", 0.05, 0.2 * CHAIN)),
    "l1 mean ridge": (
        L1(0.05) + TaskQuadratic(0.4 * MEAN) + Ridge(0.2),
        Spec("l1", 0.05, 0.4 * MEAN, 0.2),
    ),
    "row chain": (RowL2(0.05) + TaskQuadratic(0.2 * CHAIN), Spec("row", 0.05, 0.2 * CHAIN)),
    "row chain ridge": (
        RowL2(0.05) + TaskQuadratic(0.2 * CHAIN, 0.1),
        Spec("row", 0.05, 0.2 * CHAIN, 0.1),
    ),
    "trace general": (TraceNorm(0.05) + TaskQuadratic(GENERAL), Spec("trace", 0.05, GENERAL)),
    "box": (SpectralBox(0.5, 0.1, 1), Spec(box=(0.5, 0.1, 1))),
    "box wide": (SpectralBox(5.0, 0.01, 2), Spec(box=(5.0, 0.01, 2))),
    "box chain": (
        SpectralBox(0.5, 0.1, 2) + TaskQuadratic(0.2 * CHAIN),
        Spec(None, 0.0, 0.2 * CHAIN, 0.0, (0.5, 0.1, 2)),
    ),
    "ridge": (Ridge(0.2), Spec(ridge=0.2)),
    "mean ridge": (TaskQuadratic(0.5 * MEAN) + Ridge(0.1), Spec(coupling=0.5 * MEAN, ridge=0.1)),
    "chain tiny ridge": (TaskQuadratic(CHAIN) + Ridge(1e-6), Spec(coupling=CHAIN, ridge=1e-6)),
    # what follows leaves task directions free
    "mean": (TaskQuadratic(0.5 * MEAN), Spec(coupling=0.5 * MEAN)),
    "chain": (TaskQuadratic(0.5 * CHAIN), Spec(coupling=0.5 * CHAIN)),
    "two components": (TaskQuadratic(PAIRS), Spec(coupling=PAIRS)),
    "isolated task": (TaskQuadratic(LONELY), Spec(coupling=LONELY)),
    "general null space": (TaskQuadratic(GENERAL), Spec(coupling=GENERAL)),
    "none": (Ridge(0.0), Spec()),
    "norm of strength zero": (L1(0.0) + TaskQuadratic(0.0 * MEAN), Spec()),
}


def make_tasks(kind, loss, fit_intercept, seed=0):
    """A design of the library and the same samples as lists."""
    rng = np.random.default_rng([seed, len(kind), loss == "logistic"])
    W = rng.standard_normal((D, T))
    if kind == "ragged":
        sizes = [14, 22, 17, 19]
        Xs = [rng.standard_normal((n, D)) + 0.5 for n in sizes]
        weights = [rng.uniform(0.5, 2.0, n) for n in sizes]
    else:
        X = rng.standard_normal((24, D)) + 0.5
        Xs, weights = [X] * T, [np.ones(24)] * T
        if kind == "masked":
            weights = [
                np.where(rng.random(24) < 0.3, 0.0, rng.uniform(0.5, 2.0, 24)) for _ in range(T)
            ]
    ys = []
    for t, X_t in enumerate(Xs):
        z = X_t @ W[:, t] * (0.5 if loss == "logistic" else 1.0) + 0.4 * t
        noise = rng.logistic(size=len(z)) if loss == "logistic" else rng.standard_normal(len(z))
        y = np.sign(z + noise) if loss == "logistic" else z + noise
        ys.append(np.where(weights[t] > 0.0, y, 0.0))
    omega = np.ones(T) if kind == "shared" else np.array([1.0, 0.5, 2.0, 1.5])
    cs = [o * s / s.sum() for o, s in zip(omega, weights, strict=True)]
    if kind == "ragged":
        offsets = np.concatenate([[0], np.cumsum([len(y) for y in ys])]).astype(np.int64)
        design = Ragged(np.vstack(Xs), offsets)
    else:
        design = (Shared if kind == "shared" else Masked)(X, T)
    return design, Tasks(Xs, ys, cs, loss, fit_intercept)


def make(penalty, loss, fit_intercept, kind):
    design, tasks = make_tasks(kind, loss, fit_intercept)
    objective = make_objective(
        design, LOSSES[loss], tasks.y.copy(), tasks.c.copy(), PENALTIES[penalty][0], fit_intercept
    )
    return objective, tasks, PENALTIES[penalty][1]


def both_certificates(objective, W):
    return [objective.certificate(W, objective.lift(W)), objective.final_certificate(W)]


SETTINGS = [  # any two of the three choices meet
    ("squared", True, "ragged"),
    ("squared", False, "shared"),
    ("squared", True, "masked"),
    ("logistic", False, "ragged"),
    ("logistic", True, "shared"),
    ("logistic", False, "masked"),
]
every_setting = pytest.mark.parametrize(
    ("loss", "fit_intercept", "kind"),
    [
        *SETTINGS,
        *(pytest.param(s, not i, k, marks=pytest.mark.thorough) for s, i, k in SETTINGS),
    ],
)


@pytest.mark.parametrize("name", PENALTIES)
@every_setting
def test_the_gap_at_any_point_and_at_the_optimum(name, loss, fit_intercept, kind):
    objective, tasks, spec = make(name, loss, fit_intercept, kind)
    rng = np.random.default_rng(1)
    zero = np.zeros((D, T))
    assert_allclose(
        objective.scale, tasks.loss_value(zero, tasks.best_intercepts(zero)), rtol=1e-12
    )

    solution = solve_accelerated(objective, zero, tol=1e-12, max_iter=20_000)
    best = solution.history.objective[-1]
    assert solution.converged
    for certificate in both_certificates(objective, solution.W):
        assert abs(certificate.gap) <= 2e-12 * objective.scale
        assert_allclose(certificate.objective, best, rtol=0, atol=1e-12 * objective.scale)

    sparse = rng.standard_normal((D, T))
    sparse[1:] = 0.0
    common = np.outer(rng.standard_normal(D), np.ones(T))
    steps = list(itertools.product([sparse, common], [1e-8, 1e-3, 0.1, 1.0, 30.0, 1e4]))
    steps += [(rng.standard_normal((D, T)), scale) for scale in (0.0, 1e-8, 1e-3, 1.0, 30.0, 1e4)]
    for direction, scale in steps:
        for start in (zero, solution.W):
            W = start + scale * direction
            value = tasks.loss_value(W, tasks.best_intercepts(W)) + penalty_value(spec, W)
            slack = tasks.slack(W, value, objective.scale)
            for certificate in both_certificates(objective, W):
                assert_allclose(certificate.objective, value, rtol=0, atol=slack)
                assert certificate.gap >= -1e-12 * value
                # The bound holds: nothing above it is claimed to be below the optimum.
                assert certificate.objective - certificate.gap <= best + slack
                assert certificate.objective >= best - slack


@pytest.mark.parametrize("name", PENALTIES)
@every_setting
def test_the_gap_vanishes_towards_the_optimum(name, loss, fit_intercept, kind):
    """At distance eps of the optimum the gap is O(eps): a certificate that jumps would not stop a
    solver in time.
    """
    objective, _, spec = make(name, loss, fit_intercept, kind)
    W = solve_accelerated(objective, np.zeros((D, T)), tol=1e-13, max_iter=20_000).W
    direction = np.random.default_rng(2).standard_normal((D, T))
    # (O(eps^2 / ridge) where a tiny ridge has to pay for what pulls on a direction)
    weakest = spec.ridge if spec.norm is None and spec.ridge > 0.0 else 1.0
    for eps in (1e-3, 1e-5, 1e-7):
        for certificate in both_certificates(objective, W + eps * direction):
            assert certificate.gap <= 30.0 * objective.scale * eps * max(1.0, eps / weakest)


@pytest.mark.parametrize("name", PENALTIES)
@every_setting
def test_the_gap_is_the_one_of_the_formulas(name, loss, fit_intercept, kind):
    objective, tasks, spec = make(name, loss, fit_intercept, kind)
    rng = np.random.default_rng(3)
    optimum = solve_accelerated(objective, np.zeros((D, T)), tol=1e-6, max_iter=20_000).W
    for scale in (0.0, 1e-3, 0.05, 0.3):
        W = optimum + scale * rng.standard_normal((D, T))
        expected = duality_gap(tasks, spec, W, tasks.best_intercepts(W))
        for certificate in both_certificates(objective, W):
            if np.isinf(expected):
                assert np.isinf(certificate.gap)
            assert_allclose(
                certificate.gap, expected, rtol=1e-7, atol=1e-12 * certificate.objective
            )


def test_free_directions_with_too_few_samples():
    """Without ridge, more features than samples: the free block is singular, the certificate still
    closes.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 12))
    y = rng.standard_normal(8)
    offsets = np.array([0, 3, 8])
    c = np.repeat([1 / 3, 1 / 5], [3, 5])
    for penalty in (TaskQuadratic(0.3 * (np.eye(2) - 0.5)), Ridge(0.0)):
        for fit_intercept in (True, False):
            objective = make_objective(Ragged(X, offsets), Squared(), y, c, penalty, fit_intercept)
            found = solve_accelerated(objective, np.zeros((12, 2)), tol=1e-11, max_iter=20_000)
            assert found.converged
            assert found.history.objective[-1] <= 1e-10  # interpolation costs nothing
            for scale in (1e-3, 1.0, 100.0):
                W = scale * rng.standard_normal((12, 2))
                for certificate in both_certificates(objective, W):
                    assert certificate.gap >= -1e-12 * certificate.objective
                    assert (
                        certificate.objective - certificate.gap
                        <= 1e-10 + 1e-12 * certificate.objective
                    )


def test_a_loss_of_zero_at_zero():
    """A constant target under intercepts: W = 0 costs nothing, and the gap there is 0."""
    rng = np.random.default_rng(0)
    design = Ragged(rng.standard_normal((10, 3)), np.array([0, 4, 10]))
    y = np.repeat([2.0, -1.0], [4, 6])
    for penalty in (L1(0.1), Ridge(0.1), Ridge(0.0), SpectralBox(0.1, 0.1, 1)):
        objective = make_objective(design, Squared(), y, np.full(10, 0.2), penalty, True)
        assert objective.scale == 0.0
        found = solve_accelerated(objective, np.zeros((3, 2)), tol=1e-6, max_iter=100)
        assert found.converged
        assert found.gap == 0.0
        assert not found.W.any()


# --- fits ---------------------------------------------------------------------------------------


def estimator_cases():
    """(name, parameters, spec) of every model, with and without its ridge."""
    for lambda2 in (0.0, 0.1):
        yield "Lasso", {"lambda1": 0.06, "lambda2": lambda2}, Spec("l1", 0.06, ridge=lambda2)
        yield (
            "JointFeature",
            {"lambda1": 0.08, "lambda2": lambda2},
            Spec("row", 0.08, ridge=lambda2),
        )
        yield "TraceNorm", {"lambda1": 0.08, "lambda2": lambda2}, Spec("trace", 0.08, ridge=lambda2)
        yield (
            "MeanRegularized",
            {"lambda1": 0.5, "lambda2": lambda2},
            Spec(coupling=0.5 * (np.eye(T) - 1.0 / T), ridge=lambda2),
        )
        for lambda3 in (0.0, 0.05):
            yield (
                "Graph",
                {"graph": "chain", "lambda1": 0.4, "lambda2": lambda2, "lambda3": lambda3},
                Spec("l1" if lambda3 else None, lambda3, 0.4 * CHAIN, lambda2),
            )
        yield (
            "Clustered",
            {"lambda1": 0.5, "lambda2": lambda2 or 0.01, "n_clusters": 2},
            Spec(box=(0.5, lambda2 or 0.01, 2)),
        )


CASES = list(estimator_cases())


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize("case", CASES, ids=[f"{n}{list(p.values())}" for n, p, _ in CASES])
@every_setting
def test_the_gap_of_a_fit(case, loss, fit_intercept, kind, tol):
    name, parameters, spec = case
    suffix = "Regressor" if loss == "squared" else "Classifier"
    _, tasks = make_tasks(kind, loss, fit_intercept, seed=7)
    model = getattr(malsar_py, name + suffix)(**parameters, fit_intercept=fit_intercept, tol=tol)
    # With c as sample weights, S_t = sum c is the task weight that gives them back.
    model.set_params(task_weight={t: float(c.sum()) for t, c in enumerate(tasks.cs)})
    if kind == "ragged":
        sizes = [len(y) for y in tasks.ys]
        model.fit(
            np.vstack(tasks.Xs),
            tasks.y,
            tasks=np.repeat(np.arange(T), sizes),
            sample_weight=tasks.c,
        )
    else:
        Y, weight = np.stack(tasks.ys, axis=1), np.stack(tasks.cs, axis=1)
        observed = weight > 0.0
        model.fit(
            tasks.Xs[0],
            np.where(observed, Y, np.nan),
            sample_weight=np.where(observed, weight, 1.0),
        )
    W, b = model.coef_.T, model.intercept_
    zero = np.zeros_like(W)
    scale = tasks.loss_value(zero, tasks.best_intercepts(zero))
    assert model.relative_gap_ <= tol
    assert_allclose(model.relative_gap_, model.dual_gap_ / scale, rtol=1e-10)
    value = tasks.loss_value(W, b) + penalty_value(spec, W)
    assert_allclose(model.objective_[-1], value, rtol=1e-11)
    assert_allclose(model.dual_gap_, duality_gap(tasks, spec, W, b), rtol=1e-6, atol=2e-12 * scale)
    # The intercepts are the best ones, and the objective never fell below what is proven.
    assert_allclose(b, tasks.best_intercepts(W), rtol=0, atol=1e-7)
    assert model.objective_.min() >= value - model.dual_gap_ - 1e-12 * scale
