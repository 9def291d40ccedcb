"""Covariances of the random effects as functions of few parameters, for Newton's steps."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .._typing import FloatArray, IntArray
from ._likelihood import Evaluation, Likelihood

# Ratios of a variance to that of the noise, on columns of about unit size, beyond which nothing
# changes any more.
SMALLEST, LARGEST = 1e-12, 1e14
_SMALLEST_PHI = 1e-8  # below it second derivatives by phi, of the size of eps / phi^2, are rounding
_LOG_REACH = 3.0  # of logarithms, in one step


class _Covariance:
    """What both kinds share: the last evaluation, phi as the last parameter, a prior on the noise.

    With a spread s of variances the density of D is proportional to the share of the noise in the
    variance of an average row, ``1 / (1 + tr GD)`` with G the mean over the rows of their zz', to
    the power ``min(1, s^-2)``: where effects are about as many as rows the likelihood alone may
    leave no noise at all.
    """

    def __init__(self, likelihood: Likelihood, spread: float) -> None:
        self.likelihood = likelihood
        self.strength = spread**-2.0
        self.noisy = min(1.0, self.strength)
        R = likelihood.random
        self.average = likelihood.gram.sum(axis=0)[np.ix_(R, R)] / likelihood.n
        self._last: tuple[bytes, Evaluation] | None = None

    def split(self, theta: FloatArray) -> tuple[FloatArray, float]:
        """The parameters of D, and phi."""
        if self.likelihood.prior_mean:
            return theta[:-1], float(theta[-1])
        return theta, np.inf

    def factor(self, theta: FloatArray) -> FloatArray:
        """Lower triangular L with ``D = LL'`` (r, r)."""
        raise NotImplementedError

    def evaluate(self, theta: FloatArray) -> Evaluation:
        """The likelihood at these parameters."""
        key = theta.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self.likelihood.evaluate(self.factor(theta), self.split(theta)[1])
        return self._last[1]

    def slope(self, theta: FloatArray) -> FloatArray:
        """Derivative of the function by D (r, r)."""
        raise NotImplementedError

    def _slope_of_share(self, trace: float) -> float:
        """Derivative of minus twice the log density of the noise's share, by the trace of GD."""
        return 2.0 * self.noisy / (1.0 + trace)

    def _bounds(self, lower: FloatArray, upper: FloatArray, reach: FloatArray) -> None:
        if self.likelihood.prior_mean:
            lower, upper = np.append(lower, _SMALLEST_PHI), np.append(upper, LARGEST)
            reach = np.append(reach, np.inf)
        self.lower, self.upper, self.reach = lower, upper, reach

    def _chained(self, J: FloatArray) -> FloatArray:
        """J (n, m), and phi that stays what it is."""
        if not self.likelihood.prior_mean:
            return J
        n, m = J.shape
        wide = np.zeros((n + 1, m + 1))
        wide[:n, :m] = J
        wide[n, m] = 1.0
        return wide


class Diagonal(_Covariance):
    """D diagonal, its entries tau_j free or equal by group, with ``log tau ~ N(log c, s^2)``.

    ``groups`` (r,) says which parameter is the entry of each effect. Where ``target`` (n,), the c,
    is not NaN, the parameter is log tau and has this prior; else it is tau >= 0.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        groups: IntArray,
        target: FloatArray | None = None,
        spread: float = np.inf,
    ) -> None:
        super().__init__(likelihood, spread)
        n = int(groups.max(initial=-1)) + 1
        self.groups = groups
        self.sizes = np.bincount(groups, np.diag(self.average), minlength=n)
        self.target = np.full(n, np.nan) if target is None else target
        self.logs = ~np.isnan(self.target)
        self.precision = np.where(self.logs, self.strength, 0.0)
        self._bounds(
            np.where(self.logs, np.log(SMALLEST), 0.0),
            np.where(self.logs, np.log(LARGEST), LARGEST),
            np.where(self.logs, _LOG_REACH, np.inf),
        )

    def tau(self, theta: FloatArray) -> FloatArray:
        """The variances (n,)."""
        own = self.split(theta)[0]
        return np.where(self.logs, np.exp(np.where(self.logs, own, 0.0)), own)

    def theta(self, tau: FloatArray, phi: float) -> FloatArray:
        """The parameters for variances (n,) and phi."""
        own = np.where(self.logs, np.log(np.maximum(tau, SMALLEST)), tau)
        return np.append(own, phi) if self.likelihood.prior_mean else own

    def factor(self, theta: FloatArray) -> FloatArray:
        return np.diag(np.sqrt(self.tau(theta)[self.groups]))

    def penalty(self, theta: FloatArray) -> float:
        """Minus twice the log density of the prior, but for a constant."""
        trace = float(self.sizes @ self.tau(theta))
        return float(self.precision @ self._away(theta) ** 2 + 2.0 * self.noisy * np.log1p(trace))

    def _away(self, theta: FloatArray) -> FloatArray:
        return np.where(self.logs, self.split(theta)[0] - np.log(self.target), 0.0)

    def slope(self, theta: FloatArray) -> FloatArray:
        tau = self.tau(theta)
        own = 2.0 * self.precision * self._away(theta) / np.where(self.logs, tau, 1.0)
        share = self._slope_of_share(float(self.sizes @ tau)) * np.diag(self.average)
        gradient = self.likelihood.derivatives(self.evaluate(theta)).gradient
        return gradient + np.diag(own[self.groups] + share)

    def value(self, theta: FloatArray) -> float:
        return self.evaluate(theta).value + self.penalty(theta)

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        moments = self.likelihood.derivatives(self.evaluate(theta)).diagonal()
        n, r = len(self.target), len(self.groups)
        tau = self.tau(theta)
        factor = np.where(self.logs, tau, 1.0)
        E = np.zeros((n, r))
        E[self.groups, np.arange(r)] = factor[self.groups]
        J = self._chained(E)
        gradient, own = J @ moments.gradient, np.arange(n)
        hessian, information = J @ moments.hessian @ J.T, J @ moments.information @ J.T
        along = self._slope_of_share(float(self.sizes @ tau)) * self.sizes * factor
        gradient[:n] += along
        hessian[own, own] += np.where(self.logs, gradient[:n], 0.0)
        if self.noisy > 0.0:
            hessian[:n, :n] -= np.outer(along, along) / (2.0 * self.noisy)
        gradient[:n] += 2.0 * self.precision * self._away(theta)
        for matrix in (hessian, information):
            matrix[own, own] += 2.0 * self.precision
        return gradient, hessian, information


class Full(_Covariance):
    """D = LL' with L lower triangular.

    With a prior, ``log D_jj ~ N(log c_j, s^2)`` where ``target`` is not NaN, and the density of
    the correlations is proportional to ``|R|^(1/s^2)`` (Lewandowski, Kurowicka, Joe 2009).
    """

    def __init__(
        self, likelihood: Likelihood, target: FloatArray | None = None, spread: float = np.inf
    ) -> None:
        super().__init__(likelihood, spread)
        r = len(likelihood.random)
        self.r = r
        self.below = np.tril_indices(r)
        self.target = np.full(r, np.nan) if target is None else target
        n = len(self.below[0])
        wide = np.full(n, np.sqrt(LARGEST))
        self._bounds(-wide, wide, np.full(n, np.inf))

    def theta(self, factor: FloatArray, phi: float) -> FloatArray:
        """The parameters for a factor and phi."""
        own = factor[self.below]
        return np.append(own, phi) if self.likelihood.prior_mean else own

    def factor(self, theta: FloatArray) -> FloatArray:
        L = np.zeros((self.r, self.r))
        L[self.below] = self.split(theta)[0]
        return L

    def _trace(self, L: FloatArray) -> float:
        """That of GD, D = LL'."""
        return float(np.sum(self.average * (L @ L.T)))

    def _away(self, variances: FloatArray) -> FloatArray:
        known = ~np.isnan(self.target)
        away = np.zeros(self.r)
        away[known] = np.log(variances[known] / self.target[known])
        return away

    def penalty(self, theta: FloatArray) -> float:
        """Minus twice the log density of the prior, but for a constant."""
        if self.strength == 0.0:
            return 0.0
        L = self.factor(theta)
        variances = np.square(L).sum(axis=1)
        if not np.diag(L).all():
            return np.inf
        away = self._away(variances)
        correlation = 2.0 * np.log(np.abs(np.diag(L))).sum() - np.log(variances).sum()
        share = -2.0 * self.noisy * np.log1p(self._trace(L))
        return float(self.strength * (away @ away - 2.0 * correlation) - share)

    def value(self, theta: FloatArray) -> float:
        return self.evaluate(theta).value + self.penalty(theta)

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        derivatives = self.likelihood.derivatives(self.evaluate(theta))
        moments = derivatives.pairs()
        L, r = self.factor(theta), self.r
        rows, columns = self.below
        n = len(rows)
        # D changes by e_i l_j' + l_j e_i' with L_ij, l_j column j of L.
        half = np.zeros((n, r, r))
        half[np.arange(n), rows] = L[:, columns].T
        J = self._chained((half + half.transpose(0, 2, 1)).reshape(n, r * r))
        gradient, hessian = J @ moments.gradient, J @ moments.hessian @ J.T
        bend = 2.0 * derivatives.gradient[np.ix_(rows, rows)] * (columns[:, None] == columns)
        hessian[:n, :n] += bend
        for i in range(r if self.strength > 0.0 else 0):
            own = np.flatnonzero(rows == i)
            slope, curvature = self._row_penalty(L[i, : i + 1], i)
            gradient[own] += slope
            hessian[np.ix_(own, own)] += curvature
        if self.strength > 0.0:
            share = self._slope_of_share(self._trace(L))
            along = 2.0 * share * (self.average @ L)[self.below]
            gradient[:n] += along
            bend = self.average[np.ix_(rows, rows)] * (columns[:, None] == columns)
            hessian[:n, :n] += 2.0 * share * bend
            hessian[:n, :n] -= np.outer(along, along) / (2.0 * self.noisy)
        return gradient, hessian, _absolute(hessian)

    def _row_penalty(self, row: FloatArray, i: int) -> tuple[FloatArray, FloatArray]:
        """Gradient and Hessian of the prior's part in row i of L."""
        square = float(row @ row)
        known = not np.isnan(self.target[i])
        away = np.log(square / self.target[i]) if known else 0.0
        # Of log |l|^2, which is in both parts.
        slope = 2.0 * row / square
        curvature = 2.0 * np.eye(len(row)) / square - np.outer(slope, slope)
        gradient = 2.0 * (away + 1.0) * slope
        hessian = 2.0 * (away + 1.0) * curvature + 2.0 * known * np.outer(slope, slope)
        gradient[-1] -= 4.0 / row[-1]
        hessian[-1, -1] += 4.0 / row[-1] ** 2
        return self.strength * gradient, self.strength * hessian

    def slope(self, theta: FloatArray) -> FloatArray:
        gradient = self.likelihood.derivatives(self.evaluate(theta)).gradient
        if self.strength == 0.0:
            return gradient
        L = self.factor(theta)
        variances = np.square(L).sum(axis=1)
        inverse = scipy.linalg.cho_solve((L, True), np.eye(self.r))
        own = np.diag((self._away(variances) + 1.0) / variances)
        share = self._slope_of_share(self._trace(L))
        return gradient + 2.0 * self.strength * (own - inverse) + share * self.average


def _absolute(H: FloatArray) -> FloatArray:
    """H with the signs of its eigenvalues left out, on a scale of its own."""
    size = np.sqrt(np.abs(np.diag(H)))
    size[size == 0.0] = 1.0
    values, Q = scipy.linalg.eigh(H / np.outer(size, size), check_finite=False)
    return (Q * np.abs(values)) @ Q.T * np.outer(size, size)
