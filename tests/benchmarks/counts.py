"""Counts and classes: Poisson and multinomial losses beside the packages that have them.

In this very process, with what is installed beside malsar_py (``pip install skglm glum``). All fits
are without intercepts, at the loosest tolerance whose coefficients have a relative gap of 1e-6 by
:func:`gap`; then they take turns, and the median of the CPU seconds counts.
"""

from __future__ import annotations

import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
from scipy.special import logsumexp, softmax, xlogy

from .gaps import norm_and_dual_norm
from .peer import GAP, OURS, OURS_APG, ladder
from .processes import Session, note
from .protocol import loosest_passing
from .report import markdown, seconds

_ROUNDS = 5
_OURS = (1e-6, 5e-7, 2e-7)


@dataclass(frozen=True)
class Data:
    """Rows task by task; ``classes`` K > 2 gives every task K columns of W, else it is 1."""

    X: np.ndarray
    y: np.ndarray
    offsets: tuple[int, ...]
    norm: str  # "l1", "l21" or "" for the ridge alone
    strength: float = 0.0
    classes: int = 1

    @property
    def tasks(self) -> np.ndarray:
        """The task of each row."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def blocks(self) -> Iterator[tuple[int, slice]]:
        """Each task and its rows."""
        return ((t, slice(a, b)) for t, (a, b) in enumerate(pairwise(self.offsets)))


def _task(data: Data, own: slice, z: np.ndarray) -> tuple[float, np.ndarray, Callable[..., float]]:
    """Mean loss of a task at z (n, K), minus its derivative, and the dual at alpha times that."""
    n = own.stop - own.start
    if data.classes == 1:
        y, mean = data.y[own, None], np.exp(z)
        value = float((mean - y * z + xlogy(y, y) - y).sum()) / n
        theta = (y - mean) / n

        def dual(alpha: float) -> float:
            u = y - alpha * n * theta
            return float((u - xlogy(u, u) + xlogy(y, y) - y).sum()) / n

        return value, theta, dual
    hot, p = np.eye(data.classes)[data.y[own]], softmax(z, axis=1)
    value = float((logsumexp(z, axis=1) - (hot * z).sum(axis=1)).sum()) / n

    def entropy(alpha: float) -> float:
        a = (1.0 - alpha) * hot + alpha * p
        return -float(xlogy(a, a).sum()) / n

    return value, (hot - p) / n, entropy


def _at(data: Data, W: np.ndarray) -> tuple[float, np.ndarray, list[Callable[..., float]]]:
    """Loss at W (d, T K), ``X' theta`` and the tasks' duals."""
    K, total, G, duals = data.classes, 0.0, np.empty_like(W), []
    for t, own in data.blocks():
        columns = slice(t * K, (t + 1) * K)
        value, theta, dual = _task(data, own, data.X[own] @ W[:, columns])
        total, G[:, columns] = total + value, data.X[own].T @ theta
        duals.append(dual)
    return total, G, duals


def gap(data: Data, W: np.ndarray) -> float:
    """The relative duality gap, from the formulas."""
    if not np.isfinite(W).all():
        return np.inf
    loss, G, duals = _at(data, W)
    scale = _at(data, np.zeros_like(W))[0]
    if not data.norm:
        primal = loss + 0.5 * data.strength * float((W**2).sum())
        bound = sum(dual(1.0) for dual in duals) - 0.5 * float((G**2).sum()) / data.strength
        return (primal - bound) / scale
    value, largest = norm_and_dual_norm(data.norm, W, G)
    alpha = min(1.0, data.strength / largest)
    return (loss + data.strength * value - sum(dual(alpha) for dual in duals)) / scale


def simulated(norm: str, n_tasks: int, n: int, d: int, classes: int = 1, seed: int = 0) -> Data:
    """Ten features matter, the same in all tasks; a tenth of the largest strength."""
    rng = np.random.default_rng(seed)
    X, offsets = rng.standard_normal((n_tasks * n, d)), tuple(n * np.arange(n_tasks + 1))
    W = np.zeros((d, n_tasks * classes))
    W[rng.choice(d, 10, replace=False)] = rng.standard_normal((10, n_tasks * classes)) / 4.0
    y = np.empty(len(X), int)
    data = Data(X, y, offsets, norm, 1.0, classes)
    for t, own in data.blocks():
        z = X[own] @ W[:, t * classes : (t + 1) * classes]
        y[own] = (
            rng.poisson(np.exp(z[:, 0]))
            if classes == 1
            else (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        )
    G = _at(data, np.zeros_like(W))[1]
    largest = np.linalg.norm(G, axis=1).max() if norm == "l21" else np.abs(G).max()
    return Data(X, y, offsets, norm, 0.1 * float(largest), classes)


Fit = Callable[[float], np.ndarray]


def _malsar_py(data: Data, solver: str) -> Fit:
    import malsar_py

    stem = {"l1": "Lasso", "l21": "JointFeature", "": "MeanRegularized"}[data.norm]
    kind = getattr(malsar_py, stem + ("Regressor" if data.classes == 1 else "Classifier"))
    names = {"lambda1": data.strength} if data.norm else {"lambda1": 0.0, "lambda2": data.strength}
    loss = {"loss": "poisson"} if data.classes == 1 else {}
    labels = {"tasks": data.tasks} if len(data.offsets) > 2 else {}

    def fit(tol: float) -> np.ndarray:
        model = kind(fit_intercept=False, solver=solver, tol=tol, max_iter=10**5, **names, **loss)
        return model.fit(data.X, data.y, **labels).coef_.reshape(-1, data.X.shape[1]).T

    return fit


def _glum(data: Data) -> Fit:
    from glum import GeneralizedLinearRegressor

    share = 1.0 if data.norm else 0.0

    def fit(tol: float) -> np.ndarray:
        model = GeneralizedLinearRegressor(
            family="poisson",
            alpha=data.strength,
            l1_ratio=share,
            fit_intercept=False,
            gradient_tol=tol,
            max_iter=1000,
        )
        return model.fit(data.X, data.y).coef_[:, None]

    return fit


def _skglm(data: Data) -> Fit:
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Poisson, PoissonGroup
    from skglm.penalties import L1, WeightedGroupL2
    from skglm.solvers import GroupProxNewton, ProxNewton

    T, d = len(data.offsets) - 1, data.X.shape[1]
    alpha = data.strength / T
    if data.norm == "l1":
        X, datafit, penalty, solver = data.X, Poisson(), L1(alpha), ProxNewton
    else:
        # One group a feature: the columns of a task hold its rows alone.
        X = scipy.linalg.block_diag(*[data.X[own] for _, own in data.blocks()])
        X = X.reshape(-1, T, d).swapaxes(1, 2).reshape(-1, T * d)
        ends, of = np.arange(0, T * d + 1, T, dtype=np.int32), np.arange(T * d, dtype=np.int32)
        datafit = PoissonGroup(ends, of)
        penalty, solver = WeightedGroupL2(alpha, np.ones(d), ends, of), GroupProxNewton
    X, y = np.asfortranarray(X), data.y.astype(float)

    def fit(tol: float) -> np.ndarray:
        kind = solver(tol=tol * alpha, max_iter=1000, fit_intercept=False)
        model = GeneralizedLinearEstimator(datafit, penalty, kind).fit(X, y)
        return model.coef_.reshape(d, T)

    return fit


def _sklearn(data: Data) -> Fit:
    from sklearn.linear_model import LogisticRegression, PoissonRegressor

    if data.classes == 1:

        def fit(tol: float) -> np.ndarray:
            model = PoissonRegressor(
                alpha=data.strength,
                fit_intercept=False,
                tol=tol,
                max_iter=1000,
                solver="newton-cholesky",
            )
            return model.fit(data.X, data.y).coef_[:, None]

        return fit
    C = 1.0 / (len(data.y) * data.strength)
    own = {"l1_ratio": 1.0, "solver": "saga"} if data.norm else {"solver": "newton-cholesky"}

    def fit_classes(tol: float) -> np.ndarray:
        model = LogisticRegression(C=C, fit_intercept=False, tol=tol, max_iter=10**5, **own)
        return model.fit(data.X, data.y).coef_.T

    return fit_classes


_Peer = tuple[str, str, Callable[[Data], Fit]]
_GLUM: _Peer = ("glum", "glum", _glum)
_SKGLM: _Peer = ("skglm", "skglm", _skglm)
_SKLEARN: _Peer = ("scikit-learn", "sklearn", _sklearn)
PROBLEMS: dict[str, tuple[Callable[[], Data], tuple[_Peer, ...]]] = {
    "Poisson L2,1, 10 tasks": (lambda: simulated("l21", 10, 200, 100), (_SKGLM,)),
    "Poisson L1, one task": (lambda: simulated("l1", 1, 2000, 500), (_SKGLM, _GLUM)),
    "Poisson ridge, one task": (lambda: simulated("", 1, 2000, 200), (_SKLEARN, _GLUM)),
    "multinomial L2,1, 5 tasks": (lambda: simulated("l21", 5, 300, 100, classes=4), ()),
    "multinomial L1, one task": (lambda: simulated("l1", 1, 1000, 100, classes=4), (_SKLEARN,)),
    "multinomial ridge, one task": (lambda: simulated("", 1, 1000, 50, classes=4), (_SKLEARN,)),
}


def _measure(data: Data, fits: dict[str, tuple[Fit, tuple[float, ...]]]) -> dict[str, Any]:
    """Name -> (seconds, gap, tol), or why there is none."""
    found: dict[str, Any] = {}
    for name, (fit, steps) in fits.items():

        def passes(i: int, fit: Fit = fit, steps: tuple[float, ...] = steps) -> bool:
            return gap(data, fit(steps[i])) <= GAP * 1.001

        fit(steps[0])  # what is compiled is
        i = loosest_passing(len(steps), min(6, len(steps) - 1), passes)
        found[name] = "gap not reached" if i is None else (steps[i], [])
    timed = [name for name, what in found.items() if not isinstance(what, str)]
    for r in range(_ROUNDS):
        for k in range(len(timed)):
            name = timed[(r + k) % len(timed)]
            start = time.process_time()
            fits[name][0](found[name][0])
            found[name][1].append(time.process_time() - start)
    return found


def counts_table(session: Session) -> str:
    """A row a problem."""
    header = ["problem", OURS, OURS_APG, "skglm", "glum", "scikit-learn"]
    rows = []
    for title, (make, peers) in PROBLEMS.items():
        note(title)
        data = make()
        fits = {OURS: (_malsar_py(data, "auto"), _OURS), OURS_APG: (_malsar_py(data, "apg"), _OURS)}
        cells = dict.fromkeys(header[1:], "-")
        for name, module, start in peers:
            try:
                importlib.import_module(module)
            except ImportError:
                cells[name] = "not installed"
                continue
            fits[name] = (start(data), ladder(1, 11))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _measure(data, fits)
        for name, what in found.items():
            cells[name] = what if isinstance(what, str) else seconds(statistics.median(what[1]))
        rows.append([title, *(cells[name] for name in header[1:])])
        note("  " + ", ".join(f"{name} {cells[name]}" for name in header[1:]))
    return markdown(header, rows)
