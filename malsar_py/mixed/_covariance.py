"""Covariances of the random effects as functions of few parameters, for Newton's steps."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray
from ._likelihood import Evaluation, Likelihood

# Ratios of a variance to that of the noise, on columns of about unit size, beyond which nothing
# changes any more.
SMALLEST, LARGEST = 1e-12, 1e14
_LOG_REACH = 3.0  # of logarithms, in one step


class _Covariance:
    """What both kinds share: the last evaluation, and phi as the last parameter."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
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

    def _bounds(self, lower: FloatArray, upper: FloatArray, reach: FloatArray) -> None:
        if self.likelihood.prior_mean:
            lower, upper = np.append(lower, SMALLEST), np.append(upper, LARGEST)
            reach = np.append(reach, np.inf)
        self.lower, self.upper, self.reach = lower, upper, reach

    def _with_phi(
        self, at: Evaluation, g: FloatArray, H: FloatArray, J: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Gradient and information with those of phi; J (n, r^2) leads from D to theta."""
        if not self.likelihood.prior_mean:
            return g, H
        derivatives = self.likelihood.derivatives(at)
        cross, own = derivatives.phi_information()
        cross = J @ cross.ravel()
        g = np.append(g, derivatives.phi_gradient)
        return g, np.block([[H, cross[:, None]], [cross[None], np.array([[own]])]])


class Diagonal(_Covariance):
    """D diagonal, its entries tau_j free or equal by group, with ``log tau ~ N(log c, s^2)``.

    ``groups`` (r,) says which parameter is the entry of each effect. Where ``target`` (n,), the c,
    is not NaN, the parameter is log tau and has the prior; else it is tau >= 0.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        groups: IntArray,
        target: FloatArray | None = None,
        spread: float = np.inf,
    ) -> None:
        super().__init__(likelihood)
        n = int(groups.max(initial=-1)) + 1
        self.groups = groups
        self.target = np.full(n, np.nan) if target is None else target
        self.logs = ~np.isnan(self.target)
        self.precision = np.where(self.logs, spread**-2.0, 0.0)
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
        away = np.where(self.logs, self.split(theta)[0] - np.log(self.target), 0.0)
        return float(self.precision @ away**2)

    def value(self, theta: FloatArray) -> float:
        return self.evaluate(theta).value + self.penalty(theta)

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        at = self.evaluate(theta)
        derivatives = self.likelihood.derivatives(at)
        n, r = len(self.target), len(self.groups)
        factor = np.where(self.logs, self.tau(theta), 1.0)
        E = np.zeros((n, r))
        E[self.groups, np.arange(r)] = factor[self.groups]
        g = E @ np.diag(derivatives.gradient)
        H = E @ derivatives.diagonal_information() @ E.T
        away = np.where(self.logs, self.split(theta)[0] - np.log(self.target), 0.0)
        g = g + 2.0 * self.precision * away
        H[np.diag_indices(n)] += 2.0 * self.precision
        J = np.zeros((n, r, r))
        J[self.groups, np.arange(r), np.arange(r)] = factor[self.groups]
        return self._with_phi(at, g, H, J.reshape(n, r * r))


class Full(_Covariance):
    """D = LL' with L lower triangular.

    With a prior, ``log D_jj ~ N(log c_j, s^2)`` where ``target`` is not NaN, and the density of
    the correlations is proportional to ``|R|^(1/s^2)`` (Lewandowski, Kurowicka, Joe 2009).
    """

    def __init__(
        self, likelihood: Likelihood, target: FloatArray | None = None, spread: float = np.inf
    ) -> None:
        super().__init__(likelihood)
        r = len(likelihood.random)
        self.r = r
        self.below = np.tril_indices(r)
        self.target = np.full(r, np.nan) if target is None else target
        self.strength = spread**-2.0
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
        return float(self.strength * (away @ away - 2.0 * correlation))

    def value(self, theta: FloatArray) -> float:
        return self.evaluate(theta).value + self.penalty(theta)

    def slope(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivative of the function by D without ``log |L|``, and the prior's part of it (r,)."""
        gradient = self.likelihood.derivatives(self.evaluate(theta)).gradient
        variances = np.square(self.factor(theta)).sum(axis=1)
        if self.strength == 0.0:
            return gradient, np.zeros(self.r)
        own = 2.0 * self.strength * (self._away(variances) + 1.0) / variances
        return gradient + np.diag(own), own

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        at = self.evaluate(theta)
        L, r = self.factor(theta), self.r
        variances = np.square(L).sum(axis=1)
        slope, _ = self.slope(theta)
        rows, columns = self.below
        n = len(rows)
        # D changes by e_i l_j' + l_j e_i' with L_ij, l_j column j of L.
        half = np.zeros((n, r, r))
        half[np.arange(n), rows] = L[:, columns].T
        J = (half + half.transpose(0, 2, 1)).reshape(n, r * r)
        g = (2.0 * slope @ L)[self.below]
        # Gauss-Newton in L: the information of D, and the part of the slope that bends upwards.
        H = J @ self.likelihood.derivatives(at).information() @ J.T
        values, Q = np.linalg.eigh(slope)
        upwards = (Q * np.maximum(values, 0.0)) @ Q.T
        H += 2.0 * upwards[np.ix_(rows, rows)] * (columns[:, None] == columns)
        if self.strength > 0.0:
            known = ~np.isnan(self.target)
            bend = np.where(known, np.sqrt(2.0 * self.strength) / variances, 0.0)
            along = np.einsum("nii,i->ni", J.reshape(n, r, r), bend)
            H += along @ along.T
            own = np.flatnonzero(rows == columns)
            g[own] -= 4.0 * self.strength / np.diag(L)
            H[own, own] += 4.0 * self.strength / np.diag(L) ** 2
        return self._with_phi(at, g, H, J)
