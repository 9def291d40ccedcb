"""Squared loss in a vector-valued RKHS: the dual system of a separable kernel.

With ``M theta`` the values ``sum_j k(x_i, x_j) A[t_i, t_j] theta_j`` at the fitted rows, the
minimiser solves ``M theta + theta / c + b = y`` with ``sum theta = 0`` in each task that has an
intercept. In ``u = theta / sqrt(c)`` and with P the projection that intercepts ask for, this is
``(I + P sqrt(c) M sqrt(c) P) u = P sqrt(c) y``: positive definite, and solved

* by the eigenvectors of k and A when the tasks share their rows and weights,
* by a Cholesky factor while there are few samples,
* for the linear kernel of few features by their coefficients, if all tasks mean the same to each
  other: one system for what they have in common, and one for each,
* else by conjugate gradients, which need products with M only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.optimize import minimize_scalar
from scipy.sparse.linalg import LinearOperator, cg

from .._typing import AnyArray, FloatArray, IntArray
from ..design import Design
from ..objective import Certificate, duality_gap
from ._eigenbases import Eigenbases, SpectralFactors
from ._result import History, Result

_DENSE_SAMPLES = 4000
_CG_TOL = 1e-13
_MOST_STEPS = 5000
# Features, and numbers in the tasks' Gram matrices, up to which these are kept.
_FEATURES, _NUMBERS = 200, 2.5e7
# A task kernel is exchangeable up to this share; what is missed is corrected, as rounding is.
_ALIKE, _CORRECTIONS = 1e-10, 4
# What corrections leave of the right side where no more than rounding is left.
_ROUNDED = 1e-11
_TINY = np.finfo(float).tiny
# Share of the largest task kernel in the metric of an ascent: directions that the present one does
# not see count, too.
_OPEN = 0.1
_LONGEST = 2.5


@dataclass(frozen=True)
class DualSolution:
    """``theta`` and intercepts, the loss at their function, and what theta proves.

    ``energy`` is ``theta' M theta``, the squared norm of the function.
    """

    theta: FloatArray
    intercepts: FloatArray
    loss: float
    energy: float
    gap: float


class RowKernel(ABC):
    """The kernel between fitted rows, as products with functions of the tasks."""

    def __init__(self, offsets: IntArray, shared: bool):
        self.shared = shared
        self.offsets = offsets
        self.n_tasks = offsets.shape[0] - 1
        self.task = np.repeat(np.arange(self.n_tasks), np.diff(offsets))

    @abstractmethod
    def values(self, theta: FloatArray, A: FloatArray) -> FloatArray:
        """``M theta`` (N,)."""

    @abstractmethod
    def gram(self, theta: FloatArray) -> FloatArray:
        """``sum_ij theta_si k(x_i, x_j) theta_tj`` (T, T)."""

    @abstractmethod
    def trace(self, c: FloatArray) -> float:
        """``sum_i c_i k(x_i, x_i)`` over all samples."""

    matrix: FloatArray | None = None


class KernelMatrix(RowKernel):
    """The kernel as a matrix over the fitted rows."""

    def __init__(self, matrix: FloatArray, offsets: IntArray, shared: bool):
        super().__init__(offsets, shared)
        self.matrix: FloatArray = matrix

    def _columns(self, theta: FloatArray) -> FloatArray:
        """``K theta_s`` for every task s: (n, T)."""
        if self.shared:
            return self.matrix @ theta.reshape(self.n_tasks, -1).T
        out = np.empty((self.matrix.shape[0], self.n_tasks))
        for t in range(self.n_tasks):
            own = slice(self.offsets[t], self.offsets[t + 1])
            out[:, t] = self.matrix[:, own] @ theta[own]
        return out

    def values(self, theta: FloatArray, A: FloatArray) -> FloatArray:
        columns = self._columns(theta)
        if self.shared:
            return (columns @ A).T.ravel()
        return np.einsum("it,it->i", columns, A[self.task])

    def trace(self, c: FloatArray) -> float:
        squares = np.diag(self.matrix)
        return float(c.reshape(-1, len(squares)).sum(axis=0) @ squares)

    def gram(self, theta: FloatArray) -> FloatArray:
        columns = self._columns(theta)
        if self.shared:
            return theta.reshape(self.n_tasks, -1) @ columns
        return np.add.reduceat(theta[:, None] * columns, self.offsets[:-1], axis=0)


class LinearKernel(RowKernel):
    """``x . x'`` by two passes over X."""

    def __init__(self, design: Design, shared: bool):
        super().__init__(design.offsets, shared)
        self.design = design

    def values(self, theta: FloatArray, A: FloatArray) -> FloatArray:
        return self.design.predict(self.design.adjoint(theta) @ A)

    def trace(self, c: FloatArray) -> float:
        squares = self.design.row_squares()
        return float(c.reshape(-1, len(squares)).sum(axis=0) @ squares)

    def gram(self, theta: FloatArray) -> FloatArray:
        G = self.design.adjoint(theta)
        return G.T @ G


class DualSystem:
    """The system of one data set, for any task kernel A."""

    def __init__(self, kernel: RowKernel, y: FloatArray, c: FloatArray, fit_intercept: bool):
        self.kernel, self.y, self.c = kernel, y, c
        self.fit_intercept = fit_intercept
        self.root = np.sqrt(c)
        starts = kernel.offsets[:-1]
        # Unit vectors sqrt(c_t) / norm, one per task: what P takes out.
        norm = np.sqrt(np.add.reduceat(c, starts))
        self.unit = self.root / norm[kernel.task]
        self.rhs = self.project(self.root * y)
        self._eigen: tuple[FloatArray, FloatArray] | None = None
        self._bases: Eigenbases | None = None
        shares = c.reshape(kernel.n_tasks, -1) if kernel.shared else None
        self.spectral = (
            shares is not None and kernel.matrix is not None and bool((shares == shares[0]).all())
        )

    def solve(self, A: FloatArray) -> DualSolution:
        """The minimiser for the task kernel A (positive semidefinite)."""
        u = self.inverse(A, self.rhs)
        theta = self.root * u
        values = self.kernel.values(theta, A)
        loss, b, r = self.primal(values)
        # Primal less dual: 1/2 ||r||^2 - r . u + 1/2 ||u||^2.
        gap = 0.5 * float(np.square(r - u).sum())
        return DualSolution(theta, b, loss, float(theta @ values), gap)

    def mean_trace(self) -> float:
        """Mean trace of the tasks' Hessians, the intercepts minimised out."""
        kernel = self.kernel
        trace = kernel.trace(self.c)
        if self.fit_intercept:
            totals = np.add.reduceat(self.c, kernel.offsets[:-1])
            trace -= float((np.diag(kernel.gram(self.c)) / totals).sum())
        return max(trace, 0.0) / kernel.n_tasks

    def primal(self, values: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Loss at the best intercepts, these, and ``sqrt(c)`` times the residuals."""
        starts = self.kernel.offsets[:-1]
        b = np.zeros(self.kernel.n_tasks)
        if self.fit_intercept:
            rest = np.add.reduceat(self.c * (self.y - values), starts)
            b = rest / np.add.reduceat(self.c, starts)
        r = self.root * (self.y - values - b[self.kernel.task])
        return 0.5 * float(r @ r), b, r

    def inverse(self, A: FloatArray, rhs: FloatArray) -> FloatArray:
        """``(I + P sqrt(c) M sqrt(c) P)^-1 rhs`` for rhs that P leaves as it is."""
        if self.spectral:
            return self._by_eigenvectors(A, rhs)
        if self.kernel.matrix is not None and self.y.shape[0] <= _DENSE_SAMPLES:
            return self._by_cholesky(A, rhs)
        return self._by_conjugate_gradients(A, rhs, self._by_coefficients(A))

    def project(self, v: FloatArray) -> FloatArray:
        """P v: without the directions that intercepts take."""
        if not self.fit_intercept:
            return v
        along = np.add.reduceat(self.unit * v, self.kernel.offsets[:-1])
        return v - self.unit * along[self.kernel.task]

    def _by_eigenvectors(self, A: FloatArray, rhs: FloatArray) -> FloatArray:
        n_tasks = self.kernel.n_tasks
        if self._eigen is None:
            n = self.y.shape[0] // n_tasks
            matrix = self._scaled(self.kernel.matrix, self.root[:n], self.unit[:n, None])
            self._eigen = scipy.linalg.eigh(matrix, check_finite=False)
        k, U = self._eigen
        a, Q = scipy.linalg.eigh(A, check_finite=False)
        inside = U.T @ rhs.reshape(n_tasks, -1).T @ Q
        inside /= 1.0 + np.maximum(k, 0.0)[:, None] * np.maximum(a, 0.0)
        return np.ascontiguousarray((U @ inside @ Q.T).T).ravel()

    def _by_cholesky(self, A: FloatArray, rhs: FloatArray) -> FloatArray:
        kernel, n = self.kernel, self.y.shape[0]
        assert kernel.matrix is not None
        task = kernel.task
        if kernel.shared:
            matrix = np.kron(A, kernel.matrix)
        else:
            matrix = np.multiply(kernel.matrix, A[np.ix_(task, task)])
        basis = np.zeros((n, kernel.n_tasks))
        basis[np.arange(n), task] = self.unit
        system = self._scaled(matrix, self.root, basis)
        system[np.diag_indices_from(system)] += 1.0
        try:
            factor = scipy.linalg.cho_factor(system, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError as error:
            raise ValueError(
                "The kernel is not positive semidefinite on the fitted rows, in floats: choose "
                "another, or rescale and centre X (StandardScaler)."
            ) from error
        return self.project(scipy.linalg.cho_solve(factor, rhs, check_finite=False))

    def _scaled(self, matrix: AnyArray | None, root: FloatArray, basis: FloatArray) -> FloatArray:
        """``P sqrt(c) matrix sqrt(c) P``."""
        assert matrix is not None
        scaled = root[:, None] * matrix * root
        if self.fit_intercept:
            scaled -= basis @ (basis.T @ scaled)
            scaled -= (scaled @ basis) @ basis.T
        return scaled

    def _by_conjugate_gradients(
        self, A: FloatArray, rhs: FloatArray, solve: Callable[[FloatArray], FloatArray] | None
    ) -> FloatArray:
        """From what ``solve`` makes of it, corrected: that may be as good already."""

        def operate(u: FloatArray) -> FloatArray:
            u = self.project(u)
            return u + self.project(self.root * self.kernel.values(self.root * u, A))

        start, left, last = np.zeros_like(rhs), rhs, np.inf
        for _ in range(_CORRECTIONS if solve is not None else 0):
            assert solve is not None
            new = self.project(start + solve(left))
            rest = rhs - operate(new)
            share = float(np.linalg.norm(rest)) / max(float(np.linalg.norm(rhs)), _TINY)
            if not share < 0.5 * last:
                break
            start, left, last = new, rest, share
        if last <= _ROUNDED:
            return start
        size = self.y.shape[0]
        operator = LinearOperator((size, size), matvec=operate, dtype=np.float64)
        u, _ = cg(
            operator,
            rhs,
            start if last < 1.0 else None,
            rtol=_CG_TOL,
            atol=0.0,
            maxiter=_MOST_STEPS,
        )
        return self.project(u)

    def _by_coefficients(self, A: FloatArray) -> Callable[[FloatArray], FloatArray] | None:
        """The inverse for the linear kernel and ``A = own I + common 11'``, but for rounding.

        With Z the rows times ``sqrt(c)``, centred if there are intercepts, ``H_t = Z_t'Z_t`` and
        ``g_t = Z_t'u_t`` the coefficients ``w_t = own g_t + common s``, ``s = sum_t g_t``, solve
        ``(H_t + I / own) w_t = Z_t' rhs + (common / own) s``; then ``u = rhs - Z W``.
        """
        kernel, n_tasks = self.kernel, self.kernel.n_tasks
        if not isinstance(kernel, LinearKernel) or kernel.shared:
            return None
        design = kernel.design
        d = design.n_features
        if d > _FEATURES or n_tasks * d * d > _NUMBERS:
            return None
        diagonal = float(np.diagonal(A).mean())
        common = (float(A.sum()) / n_tasks - diagonal) / max(n_tasks - 1, 1)
        own, common = diagonal - common, max(common, 0.0)
        parts = np.full_like(A, common)
        parts.reshape(-1)[:: n_tasks + 1] += own
        if not own > _ALIKE * diagonal or np.abs(A - parts).max() > _ALIKE * own:
            return None
        if self._bases is None:
            self._bases = Eigenbases(design.gram(self.c, self.fit_intercept))
        shift = 1.0 / own
        factors = SpectralFactors(self._bases, np.full(n_tasks, shift))
        share = shift * n_tasks / factors.scale
        together = factors.common(common * share, 1.0)

        def solve(r: FloatArray) -> FloatArray:
            Q = design.adjoint(self.root * r)
            W = factors.solve_with(Q, (common * shift) * together(share * factors.mean(Q)))
            return r - self.project(self.root * design.predict(W))

        return solve


@dataclass(frozen=True)
class LearnedSolution:
    """The functions ``G A`` of theta, and the singular values and vectors they have as one W."""

    theta: FloatArray
    A: FloatArray
    sizes: FloatArray
    directions: FloatArray
    result: Result


Shrink = Callable[[FloatArray], tuple[FloatArray, float]]


def learn_task_kernel(
    system: DualSystem, shrink: Shrink, *, scale: float, tol: float, max_iter: int, verbose: int = 0
) -> LearnedSolution:
    """Minimise loss plus ``Omega(W)`` for a strongly convex function of the singular values of W.

    ``shrink(s)`` is the gradient of ``Omega*`` at singular values s (descending) and Omega there;
    Omega is homogeneous of degree 2. With ``G = X' theta`` the dual ``-sum conj(-theta) -
    Omega*(G)`` is smooth; its gradient is that of the linear system with ``A = Q diag(p/s) Q'``
    for the eigenvectors Q of ``G'G`` and ``p = shrink(s)``, whose inverse gives the direction of an
    ascent with exact steps: along it ``G'G`` is a quadratic of T x T matrices.
    """
    kernel, y = system.kernel, system.y
    u = np.zeros_like(y)
    gram = np.zeros((kernel.n_tasks, kernel.n_tasks))
    history = History()
    lowest = np.inf
    best: LearnedSolution | None = None
    for n_iter in range(1, max_iter + 1):
        s, Q = _singular(gram)
        p, omega = shrink(s)
        share = np.divide(p, s, out=np.zeros_like(s), where=s > 0.0)
        A = (Q * share) @ Q.T
        values = kernel.values(system.root * u, A)
        loss, b, _ = system.primal(values)
        value = loss + omega
        bound = float(y @ (system.root * u) - 0.5 * (u @ u) - 0.5 * (s @ p))
        if best is None or value < lowest:
            kept = (system.root * u, A, p, Q, b)
        lowest = min(value, lowest)
        history.add(n_iter, lowest)
        gap = duality_gap(lowest, bound)
        if verbose:
            print(f"step {n_iter}: objective {lowest:.9g}, gap {gap:.3g}")
        converged = gap <= tol * scale
        certificate = Certificate(lowest, gap, kept[4])
        W = np.empty((0, kernel.n_tasks))
        best = LearnedSolution(*kept[:4], Result(W, certificate, history, converged))
        if converged:
            break
        # At theta = 0 nothing is mixed yet: all tasks alike.
        top = share.max() if s.any() else shrink(np.ones(kernel.n_tasks))[0].max()
        metric = (1.0 - _OPEN) * A + _OPEN * top * np.eye(kernel.n_tasks)
        slope = system.rhs - u - system.project(system.root * values)
        du = system.inverse(metric, slope)
        step, gram = _best_step(system, shrink, u, du, gram)
        u = u + step * du
    assert best is not None
    return best


def _best_step(
    system: DualSystem, shrink: Shrink, u: FloatArray, du: FloatArray, gram: FloatArray
) -> tuple[float, FloatArray]:
    """The step along du that raises the dual most, and the Gram matrix there."""
    kernel, y = system.kernel, system.root * system.y
    square = kernel.gram(system.root * du)
    cross = kernel.gram(system.root * (u + du)) - gram - square
    linear, curved = float(y @ du) - float(u @ du), float(du @ du)

    def gram_at(t: float) -> FloatArray:
        return gram + t * cross + t * t * square

    def fall(t: float) -> float:
        s = _singular(gram_at(t))[0]
        return 0.5 * t * t * curved - t * linear + 0.5 * float(s @ shrink(s)[0])

    found = minimize_scalar(fall, bounds=(0.0, _LONGEST), method="bounded", options={"xatol": 1e-3})
    return float(found.x), gram_at(float(found.x))


def _singular(gram: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Singular values (descending) and right singular vectors of G, from ``G'G``."""
    squares, Q = scipy.linalg.eigh(gram, check_finite=False)
    return np.sqrt(np.maximum(squares[::-1], 0.0)), Q[:, ::-1]
