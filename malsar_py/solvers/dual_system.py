"""Squared loss in a vector-valued RKHS: the dual system of a separable kernel.

With ``M theta`` the values ``sum_j k(x_i, x_j) A[t_i, t_j] theta_j`` at the fitted rows, the
minimiser solves ``M theta + theta / c + b = y`` with ``sum theta = 0`` in each task that has an
intercept. In ``u = theta / sqrt(c)`` and with P the projection that intercepts ask for, this is
``(I + P sqrt(c) M sqrt(c) P) u = P sqrt(c) y``: positive definite, and solved

* by the eigenvectors of k and A when the tasks share their rows and weights,
* by a Cholesky factor while there are few samples,
* else by conjugate gradients, which need products with M only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from .._typing import AnyArray, FloatArray, IntArray
from ..design import Design

_DENSE_SAMPLES = 4000
_CG_TOL = 1e-13
_MOST_STEPS = 5000


@dataclass(frozen=True)
class DualSolution:
    """``theta`` and intercepts, the loss at their function, and what theta proves.

    ``energy`` is ``theta' M theta``; ``gram`` (T x T) holds the inner products of the tasks'
    functions ``sum_i theta_si k(., x_i)``, before A mixes them; ``gap`` is that of fixed A.
    """

    theta: FloatArray
    intercepts: FloatArray
    loss: float
    energy: float
    gram: FloatArray
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
        self.rhs = self._project(self.root * y)
        self._eigen: tuple[FloatArray, FloatArray] | None = None
        shares = c.reshape(kernel.n_tasks, -1) if kernel.shared else None
        self.spectral = (
            shares is not None and kernel.matrix is not None and bool((shares == shares[0]).all())
        )
        self.u = np.zeros_like(y)

    def solve(self, A: FloatArray) -> DualSolution:
        """The minimiser for the task kernel A (positive semidefinite)."""
        if self.spectral:
            self.u = self._by_eigenvectors(A)
        elif self.kernel.matrix is not None and self.y.shape[0] <= _DENSE_SAMPLES:
            self.u = self._by_cholesky(A)
        else:
            self.u = self._by_conjugate_gradients(A)
        theta = self.root * self.u
        values = self.kernel.values(theta, A)
        starts = self.kernel.offsets[:-1]
        b = np.zeros(self.kernel.n_tasks)
        if self.fit_intercept:
            rest = np.add.reduceat(self.c * (self.y - values), starts)
            b = rest / np.add.reduceat(self.c, starts)
        r = self.root * (self.y - values - b[self.kernel.task])
        # Primal less dual: 1/2 ||sqrt(c) r||^2 - sqrt(c) r . u + 1/2 ||u||^2.
        gap = 0.5 * float(np.square(r - self.u).sum())
        energy, gram = float(theta @ values), self.kernel.gram(theta)
        return DualSolution(theta, b, 0.5 * float(r @ r), energy, gram, gap)

    def dual_loss(self, theta: FloatArray) -> float:
        """``-sum conj(-theta)`` of the squared loss."""
        return float(self.y @ theta) - 0.5 * float(self.u @ self.u)

    def _project(self, v: FloatArray) -> FloatArray:
        if not self.fit_intercept:
            return v
        along = np.add.reduceat(self.unit * v, self.kernel.offsets[:-1])
        return v - self.unit * along[self.kernel.task]

    def _by_eigenvectors(self, A: FloatArray) -> FloatArray:
        n_tasks = self.kernel.n_tasks
        if self._eigen is None:
            n = self.y.shape[0] // n_tasks
            matrix = self._scaled(self.kernel.matrix, self.root[:n], self.unit[:n, None])
            self._eigen = scipy.linalg.eigh(matrix, check_finite=False)
        k, U = self._eigen
        a, Q = scipy.linalg.eigh(A, check_finite=False)
        inside = U.T @ self.rhs.reshape(n_tasks, -1).T @ Q
        inside /= 1.0 + np.maximum(k, 0.0)[:, None] * np.maximum(a, 0.0)
        return np.ascontiguousarray((U @ inside @ Q.T).T).ravel()

    def _by_cholesky(self, A: FloatArray) -> FloatArray:
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
                "The kernel is not positive semidefinite on the fitted rows: choose another."
            ) from error
        return self._project(scipy.linalg.cho_solve(factor, self.rhs, check_finite=False))

    def _scaled(self, matrix: AnyArray | None, root: FloatArray, basis: FloatArray) -> FloatArray:
        """``P sqrt(c) matrix sqrt(c) P``."""
        assert matrix is not None
        scaled = root[:, None] * matrix * root
        if self.fit_intercept:
            scaled -= basis @ (basis.T @ scaled)
            scaled -= (scaled @ basis) @ basis.T
        return scaled

    def _by_conjugate_gradients(self, A: FloatArray) -> FloatArray:
        def operate(u: FloatArray) -> FloatArray:
            u = self._project(u)
            return u + self._project(self.root * self.kernel.values(self.root * u, A))

        size = self.y.shape[0]
        operator = LinearOperator((size, size), matvec=operate, dtype=np.float64)
        u, _ = cg(operator, self.rhs, x0=self.u, rtol=_CG_TOL, atol=0.0, maxiter=_MOST_STEPS)
        return self._project(u)
