"""Likelihood of a linear mixed model, its derivatives and its information, from task statistics.

The model of a row of task t is ``y = z.beta + z_R.u_t + e`` with ``u_t ~ N(0, sigma2 D)``,
``e ~ N(0, sigma2 / s)`` and, if asked for, slopes of beta drawn from ``N(0, sigma2 phi I)``. Minus
twice the log-likelihood is written below, sigma2 at its best value (Harville 1977; Bates et al.
2015, section 3.4).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg

from .. import _kernels
from .._typing import FloatArray, IntArray
from ._statistics import TaskStatistics

_EPS = np.finfo(float).eps
# Without the random effects the equations are smaller, not larger, but for rounding.
_GROWTH = 1.5
# Shares of the targets' squares: what is rounding, what cannot be told from it.
_ROUNDING, _EXACT = 64.0 * _EPS, 1e-11
#: The share that is taken for noise where there seems to be none.
NUGGET = 1e-8


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The likelihood at some variances, and the coefficients that belong to them."""

    value: float  # -2 log-likelihood, in the units of the statistics
    beta: FloatArray  # (p,)
    sigma2: float
    exact: bool  # the residual is rounding: sigma2 is not known
    phi: float
    M: FloatArray  # (T, p, p) and (T, p): normal equations without the random effects
    m: FloatArray
    cov_beta: FloatArray  # (p, p) B: covariance of beta over sigma2
    root: FloatArray  # (p, k): B_U = root root', over the effects that are integrated out

    def lean(self) -> Evaluation:
        """Without what is large and can be computed again."""
        return replace(self, M=self.M[:0], m=self.m[:0])

    def residuals(self, random: IntArray) -> FloatArray:
        """``e_t = m_t - M_t beta`` at the columns with random effects (T, r)."""
        return self.m[:, random] - self.M[:, random] @ self.beta


class Likelihood:
    """Minus twice the (restricted) log-likelihood as a function of the variances.

    ``random`` are the positions of the columns of z with random effects.
    """

    def __init__(
        self,
        statistics: TaskStatistics,
        random: IntArray,
        *,
        reml: bool,
        prior_mean: bool,
    ) -> None:
        self.statistics = statistics
        self.gram = np.ascontiguousarray(statistics.gram)
        self.random = random
        self.reml = reml
        p = self.gram.shape[1]
        self.first_slope = int(statistics.frame.intercept)
        self.slopes = slice(self.first_slope, p)
        self.rank = 0  # of the slopes
        self.basis = self._basis()
        self.prior_mean = prior_mean and self.rank > 0
        self.n = float(statistics.n.sum())
        self.total = float(statistics.squares.sum())
        self.nugget = 0.0
        #: number of unpenalised fixed effects
        self.n_fixed = self.first_slope + (0 if self.prior_mean else self.rank)
        self.df = self.n - self.n_fixed if reml else self.n
        # Effects over which the likelihood is integrated: all, the slopes, or none.
        self._integrated = slice(0, self.basis.shape[1])
        if not reml:
            self._integrated = slice(self.first_slope if self.prior_mean else None, None)
            if not self.prior_mean:
                self._integrated = slice(0, 0)

    def with_nugget(self) -> Likelihood:
        """With a little noise added to targets that fit exactly: the likelihood has no bound."""
        other = copy(self)
        other.nugget = NUGGET
        return other

    def _basis(self) -> FloatArray:
        """Orthonormal columns (p, k) of the fixed effects that the rows can tell apart."""
        p = self.gram.shape[1]
        total = self.gram.sum(axis=0)[self.slopes, self.slopes]
        values, Q = scipy.linalg.eigh(total, check_finite=False)
        kept = values > max(values[-1], 0.0) * 8.0 * p * _EPS
        self.rank = int(kept.sum())
        if kept.all():
            return np.eye(p)
        basis = np.zeros((p, self.first_slope + self.rank))
        basis[: self.first_slope, : self.first_slope] = 1.0
        basis[self.slopes, self.first_slope :] = Q[:, kept]
        return basis

    def evaluate(
        self, factor: FloatArray, phi: float = np.inf, sigma2: float | None = None
    ) -> Evaluation:
        """The likelihood at ``D = factor factor'`` (lower triangular) and phi.

        With sigma2 given, at that instead of the best one.
        """
        T, p = self.statistics.cross.shape
        M, m = np.empty((T, p, p)), np.empty((T, p))
        logdet, squares = np.empty(T), np.empty(T)
        _kernels.mixed.eliminate(
            self.gram, self.statistics.cross, factor, self.random, M, m, logdet, squares
        )
        if not np.abs(M).max() <= _GROWTH * np.abs(self.gram).max():
            return self._lost(phi, M, m)
        S, s = self.basis.T @ M.sum(axis=0) @ self.basis, self.basis.T @ m.sum(axis=0)
        value = float(logdet.sum()) - self.statistics.log_weight
        if self.prior_mean:
            S[np.diag_indices_from(S)] += np.r_[
                np.zeros(self.first_slope), np.full(self.rank, 1.0 / phi)
            ]
            value += self.rank * np.log(phi)
        root = _inverse_root(S)
        beta = self.basis @ (root @ (root.T @ s))
        within = self._integrated
        part = S[within, within]
        part_root = root if part.shape == S.shape else _inverse_root(part)
        value += _log_determinant(part)
        Q = self.total - float(squares.sum()) - float(beta @ m.sum(axis=0))
        exact = self.nugget == 0.0 and _EXACT * self.total >= Q
        Q = max(Q, _ROUNDING * self.total, np.finfo(float).tiny) + self.nugget * self.total
        if sigma2 is None:
            sigma2 = Q / self.df
            value += self.df * (1.0 + np.log(2.0 * np.pi * sigma2))
        else:
            value += self.df * np.log(2.0 * np.pi * sigma2) + Q / sigma2
        cov = self.basis @ root
        return Evaluation(
            value,
            beta,
            sigma2,
            exact,
            phi,
            M,
            m,
            cov @ cov.T,
            self.basis[:, within] @ part_root,
        )

    def _lost(self, phi: float, M: FloatArray, m: FloatArray) -> Evaluation:
        """Where rounding leaves nothing of the equations: no step leads there."""
        p = self.gram.shape[1]
        beta, cov = np.full(p, np.nan), np.full((p, p), np.nan)
        return Evaluation(np.inf, beta, np.nan, False, phi, M, m, cov, cov[:, :0])

    def derivatives(self, at: Evaluation) -> Derivatives:
        """First and second derivatives there."""
        return Derivatives(self, at)

    def log_likelihood(self, at: Evaluation) -> float:
        """Log-likelihood for the columns and targets as given."""
        frame = self.statistics.frame
        value = at.value + 2.0 * self.df * np.log(frame.y_unit)
        if self.reml and not self.prior_mean and self.basis.shape[0] == self.basis.shape[1]:
            value += 2.0 * float(np.log(frame.unit).sum())
        return -0.5 * float(value)


@dataclass(frozen=True, eq=False)
class Moments:
    """What gradient and Hessian consist of, over m parameters that the variances are linear in.

    With V_a the derivative of the covariance of all rows by parameter a, P the inverse of that
    covariance less what fixed effects take (not so under "ml", in traces) and r = Py:
    ``traces = tr(P V_a P V_b)``, ``trace = tr(P V_a)``, ``products = r'V_a P V_b r`` and
    ``product = r'V_a r``.
    """

    traces: FloatArray  # (m, m)
    trace: FloatArray  # (m,)
    products: FloatArray  # (m, m)
    product: FloatArray  # (m,)
    sigma2: float
    df: float

    @property
    def gradient(self) -> FloatArray:
        """Derivative of minus twice the log-likelihood (m,)."""
        return self.trace - self.product / self.sigma2

    @property
    def information(self) -> FloatArray:
        """Expected second derivative, positive semidefinite (m, m)."""
        return self.traces - np.outer(self.trace, self.trace) / self.df

    @property
    def hessian(self) -> FloatArray:
        """Second derivative (m, m)."""
        product = self.product / self.sigma2
        return (
            2.0 / self.sigma2 * self.products - np.outer(product, product) / self.df - self.traces
        )


class Derivatives:
    """First and second derivatives at one point."""

    def __init__(self, likelihood: Likelihood, at: Evaluation) -> None:
        R = likelihood.random
        whole = len(R) == at.M.shape[1]
        self.at = at
        self.likelihood = likelihood
        self.rows = at.M if whole else at.M[:, R]  # (T, r, p)
        self.square = self.rows if whole else self.rows[:, :, R]  # (T, r, r)
        self.N = self.rows @ at.root  # (T, r, k): M B_U M = N N'
        self.e = at.residuals(R)  # (T, r)

    @cached_property
    def _trace(self) -> FloatArray:
        """``sum_t M_t - M_t B_U M_t`` (r, r)."""
        T, r, k = self.N.shape
        flat = self.N.transpose(1, 0, 2).reshape(r, T * k)
        return self.square.sum(axis=0) - flat @ flat.T

    @cached_property
    def gradient(self) -> FloatArray:
        """Derivative by D (r, r)."""
        return self._trace - self.e.T @ self.e / self.at.sigma2

    @cached_property
    def _pulls(self) -> FloatArray:
        """``sum_t e_ta M_tb.`` (r, r, p)."""
        T, r, p = self.rows.shape
        rows = np.ascontiguousarray(self.rows).reshape(T, r * p)
        return (self.e.T @ rows).reshape(r, r, p)

    def diagonal(self) -> Moments:
        """By the entries of a diagonal D, and by phi if there is one."""
        _, r, k = self.N.shape
        columns = self.N.transpose(1, 2, 0)  # (r, k, T)
        K = (columns @ columns.transpose(0, 2, 1)).reshape(r, k * k)
        C = self.N @ self.N.transpose(0, 2, 1)
        traces = np.einsum("tij,tij->ij", self.square, self.square - 2.0 * C) + K @ K.T
        own = np.arange(r)
        pulls = self._pulls[own, own]
        products = np.einsum("ti,tij,tj->ij", self.e, self.square, self.e)
        products -= pulls @ self.at.cov_beta @ pulls.T
        return self._with_phi(traces, np.diag(self._trace), products, pulls, own * (r + 1))

    def pairs(self) -> Moments:
        """By all entries of D (r^2 of them, each pair for itself), and by phi if there is one."""
        T, r, k = self.N.shape
        flat = np.ascontiguousarray(self.square).reshape(T, r * r)
        C = (self.N @ self.N.transpose(0, 2, 1)).reshape(T, r * r)
        mixed = flat.T @ C
        crossed = (flat.T @ flat - mixed - mixed.T).reshape(r, r, r, r)  # [a, c, b, d]
        N = np.ascontiguousarray(self.N).reshape(T, r * k)
        K = (N.T @ N).reshape(r, k, r, k).transpose(0, 2, 1, 3).reshape(r * r, k * k)
        traces = crossed.transpose(0, 2, 1, 3).reshape(r * r, r * r) + K @ K.T
        ee = (self.e[:, :, None] * self.e[:, None, :]).reshape(T, r * r)
        outer = (ee.T @ flat).reshape(r, r, r, r)  # [a, d, b, c]
        products = outer.transpose(0, 2, 3, 1).reshape(r * r, r * r)
        pulls = self._pulls.reshape(r * r, -1)
        products = products - pulls @ self.at.cov_beta @ pulls.T
        return self._with_phi(traces, self._trace.ravel(), products, pulls, np.arange(r * r))

    def _with_phi(
        self,
        traces: FloatArray,
        trace: FloatArray,
        products: FloatArray,
        pulls: FloatArray,
        entries: IntArray,
    ) -> Moments:
        """The moments, with phi as the last parameter; ``entries`` of D are the others."""
        at, likelihood = self.at, self.likelihood
        product = (self.e.T @ self.e).ravel()[entries]
        if not likelihood.prior_mean:
            return Moments(traces, trace, products, product, at.sigma2, likelihood.df)
        phi, slopes = at.phi, likelihood.slopes
        T, r, _ = self.N.shape
        root, beta = at.root[slopes], at.beta[slopes]
        inner = root.T @ root / phi
        flat = (self.N @ root.T).transpose(1, 0, 2).reshape(r, T * len(root))
        cross = (flat @ flat.T).ravel()[entries] / phi**2
        size = float(likelihood.rank)
        own = float(size - 2.0 * np.trace(inner) + np.square(inner).sum())
        traces = _bordered(traces, cross, own / phi**2)
        trace = np.append(trace, (size - np.trace(inner)) / phi)
        # r'X = beta' / phi
        along = pulls @ (at.cov_beta[:, slopes] @ beta) / phi**2
        spent = float(beta @ at.cov_beta[slopes, slopes] @ beta)
        products = _bordered(products, along, (float(beta @ beta) - spent / phi) / phi**3)
        product = np.append(product, beta @ beta / phi**2)
        return Moments(traces, trace, products, product, at.sigma2, likelihood.df)


def _bordered(A: FloatArray, b: FloatArray, c: float) -> FloatArray:
    return np.block([[A, b[:, None]], [b[None], np.array([[c]])]])


def _inverse_root(S: FloatArray) -> FloatArray:
    """A matrix R with ``R R' = S^-1``, S positive definite but for rounding."""
    if S.size == 0:
        return np.zeros_like(S)
    size = np.sqrt(np.maximum(np.diag(S), np.finfo(float).tiny))
    values, Q = scipy.linalg.eigh(S / np.outer(size, size), check_finite=False)
    values = np.maximum(values, values[-1] * len(S) * _EPS)
    return Q / np.sqrt(values) / size[:, None]


def _log_determinant(S: FloatArray) -> float:
    if S.size == 0:
        return 0.0
    size = np.sqrt(np.maximum(np.diag(S), np.finfo(float).tiny))
    values = scipy.linalg.eigvalsh(S / np.outer(size, size), check_finite=False)
    values = np.maximum(values, values[-1] * len(S) * _EPS)
    return float(np.log(values).sum() + 2.0 * np.log(size).sum())
