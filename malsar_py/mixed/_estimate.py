"""Variances of a linear mixed model from task statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from .._typing import FloatArray, IntArray
from ._covariance import Diagonal, Full
from ._likelihood import Evaluation, Likelihood
from ._newton import Minimum, minimize
from ._statistics import TaskStatistics

# Less of a column's sum of squares than this within the tasks: it does not vary there.
_VARYING = 0.01
# Variances over that of the noise to begin with, on columns of about unit size. The likelihood of
# few tasks may have several maxima: all of these are tried.
_STARTS = (0.1, 1e-3, 10.0)
_INSIDE = 1e-3  # the smallest to begin with where others have led
_FEW = 100
_ESCAPES = 10


@dataclass(frozen=True)
class Settings:
    """How to estimate."""

    covariance: str  # "diag" | "iso" | "full"
    random: IntArray | None  # features with random slopes; None: those that vary within tasks
    prior: float  # standard deviation of the log variances, inf for none
    prior_mean: bool
    reml: bool
    tol: float  # of the log-likelihood
    max_iter: int
    alike: bool = True  # whether slopes are compared on columns of one spread within the tasks


@dataclass(frozen=True, eq=False)
class Estimate:
    """Variances at the highest likelihood, and the certificate."""

    likelihood: Likelihood
    factor: FloatArray  # L (r, r), lower triangular, D = LL'
    at: Evaluation
    gradient: FloatArray  # (r, r) derivative of minus twice the (penalised) log-likelihood by D
    history: FloatArray  # minus twice the (penalised) log-likelihood after each step
    gain: float  # how much log-likelihood another step promises
    n_iter: int
    converged: bool
    n_variances: int  # parameters of D

    @property
    def degenerate(self) -> bool:
        """Whether the residual is rounding, though the targets are not constant."""
        return self.likelihood.nugget > 0.0


def random_slopes(statistics: TaskStatistics, chosen: IntArray | None) -> IntArray:
    """Features with random slopes: the chosen ones, or those that vary within the tasks."""
    if not statistics.grouped():
        return np.zeros(0, np.intp)
    if chosen is None:
        return np.flatnonzero(statistics.within_shares() >= _VARYING)
    # A column of zeros has no slopes at all.
    first = int(statistics.frame.intercept)
    used = np.einsum("tjj->j", statistics.gram)[first:] > 0.0
    return chosen[used[chosen]]


def estimate(statistics: TaskStatistics, settings: Settings) -> Estimate:
    """Maximise the (restricted, penalised) likelihood over the variances."""
    slopes = random_slopes(statistics, settings.random)
    if settings.alike:
        share, unit = statistics.within_shares(), np.ones(len(statistics.frame.unit))
        varying = slopes[share[slopes] >= _VARYING]
        unit[varying] = np.sqrt(share[varying])
        statistics = statistics.in_units(unit)
    first = int(statistics.frame.intercept)
    intercepts = np.zeros(first if statistics.grouped() else 0, np.intp)
    random = np.concatenate([intercepts, slopes + first])
    likelihood = Likelihood(statistics, random, reml=settings.reml, prior_mean=settings.prior_mean)
    _refuse_too_few_rows(likelihood)
    if likelihood.total == 0.0:
        return _constant(likelihood)
    found = _Search(likelihood, settings).run()
    if found.at.exact:
        found = _Search(likelihood.with_nugget(), settings).run()
    return found


def _refuse_too_few_rows(likelihood: Likelihood) -> None:
    n, needed = likelihood.n, likelihood.n_fixed
    if n - needed > 1.0 - 1e-9:  # sums of weights are rounded
        return
    if likelihood.prior_mean or likelihood.rank == 0:
        raise ValueError(
            f"The variances cannot be estimated from n_samples={n:g} (the sum of the weights, if "
            f"they count rows): more than {needed} are needed. Weights that are not numbers of "
            "rows are for weights='precision'."
        )
    raise ValueError(
        f"There are {needed} fixed effects but only n_samples={n:g} (the sum of the weights, if "
        "they count rows): leave out features, or set prior_mean=True."
    )


def _constant(likelihood: Likelihood) -> Estimate:
    """All targets are equal: nothing varies."""
    r = len(likelihood.random)
    at = likelihood.evaluate(np.zeros((r, r)), 1.0)
    none = np.zeros((r, r))
    return Estimate(likelihood, none, at, none, np.array([at.value]), 0.0, 0, True, r)


def _lowest(found: list[Minimum]) -> Minimum:
    """The lowest; of those that are the same but for rounding, the first.

    Steps that end nowhere may be on their way to a noise of 0, where effects outnumber rows.
    """
    found = [minimum for minimum in found if minimum.converged] or found
    values = [minimum.history[-1] for minimum in found]
    same = 1e-6 + 1e-9 * abs(min(values))
    return found[int(np.argmax(np.array(values) <= min(values) + same))]


@dataclass(frozen=True, eq=False)
class _Search:
    likelihood: Likelihood
    settings: Settings

    def run(self) -> Estimate:
        """iso; diag beginning there if it has a prior; full beginning at diag."""
        settings, r = self.settings, len(self.likelihood.random)
        first = self._n_intercepts()
        n_slopes = r - first
        alike = np.minimum(np.arange(r), first)
        own = np.arange(r)
        if settings.covariance == "iso" or (settings.covariance == "diag" and n_slopes < 2):
            diagonal = Diagonal(self.likelihood, alike, spread=settings.prior)
            return self._estimate(diagonal, self._best(diagonal))
        prior = np.isfinite(settings.prior) and n_slopes > 0
        if not prior:
            diagonal = Diagonal(self.likelihood, own, spread=settings.prior)
            target = None
            found = self._best(diagonal)
        else:
            iso = Diagonal(self.likelihood, alike, spread=settings.prior)
            common = self._best(iso)
            tau, phi = iso.tau(common.theta)[alike], iso.split(common.theta)[1]
            if tau[-1] == 0.0:
                return self._estimate(iso, common)
            target = np.where(own < first, np.nan, tau[-1])
            diagonal = Diagonal(self.likelihood, own, target, settings.prior)
            # At the bound of phi derivatives are rounding, which would decide whether it is left.
            found = self._minimize(diagonal, diagonal.theta(tau, max(phi, _INSIDE)))
        if settings.covariance == "diag" or r < 2:
            return self._estimate(diagonal, found)
        return self._full(diagonal, found, target)

    def _n_intercepts(self) -> int:
        """1 if the intercepts are random effects."""
        return int(self.likelihood.first_slope > 0 and 0 in self.likelihood.random)

    def _minimize(self, problem: Diagonal | Full, theta: FloatArray) -> Minimum:
        # The function is minus twice the log-likelihood.
        return minimize(
            problem, theta, tol=2.0 * self.settings.tol, max_iter=self.settings.max_iter
        )

    def _starts(self) -> tuple[float, ...]:
        few = len(self.likelihood.statistics.n) <= _FEW and len(self.likelihood.random)
        return _STARTS if few else _STARTS[:1]

    def _best(self, diagonal: Diagonal) -> Minimum:
        """The lowest of the minima that the starts lead to."""
        n = len(diagonal.target)
        found = [
            self._minimize(diagonal, diagonal.theta(np.full(n, tau), 1.0)) for tau in self._starts()
        ]
        return _lowest(found)

    def _full(self, diagonal: Diagonal, found: Minimum, target: FloatArray | None) -> Estimate:
        """From the diagonal solution, with all variances positive."""
        spread = self.settings.prior if target is not None else np.inf
        full = Full(self.likelihood, target, spread)
        tau, phi = np.diag(diagonal.factor(found.theta)) ** 2, diagonal.split(found.theta)[1]
        starts = [tau] if len(self._starts()) == 1 else [tau, np.full(len(tau), _STARTS[0])]
        factors = [np.diag(np.sqrt(np.maximum(start, _INSIDE))) for start in starts]
        tried = [self._minimize(full, full.theta(L, phi)) for L in factors]
        found = _lowest(tried)
        for _ in range(_ESCAPES):
            gain, L = self._rise(full, found.theta)
            if (
                gain <= 2.0 * self.settings.tol
                or full.value(full.theta(L, phi)) >= found.history[-1]
            ):
                break
            phi = full.split(found.theta)[1]
            more = self._minimize(full, full.theta(L, phi))
            steps = found.n_iter + 1 + more.n_iter  # the escape is one, too
            found = replace(more, history=found.history + more.history, n_iter=steps)
        return self._estimate(full, replace(found, gain=max(gain, found.gain)))

    def _rise(self, full: Full, theta: FloatArray) -> tuple[float, FloatArray]:
        """A step of D out of the boundary, and how far it promises to lower the function."""
        L = full.factor(theta)
        if full.strength > 0.0:
            return 0.0, L
        derivatives = self.likelihood.derivatives(full.evaluate(theta))
        values, Q = scipy.linalg.eigh(derivatives.gradient)
        if values[0] >= 0.0:
            return 0.0, L
        pair = np.outer(Q[:, 0], Q[:, 0]).ravel()
        among = np.arange(len(pair))
        information = derivatives.pairs().information[np.ix_(among, among)]
        bend = float(pair @ information @ pair)
        if bend <= 0.0:
            return 0.0, L
        step = -values[0] / bend
        wide = np.column_stack([L, np.sqrt(step) * Q[:, 0]])
        return -0.5 * values[0] * step, np.linalg.qr(wide.T).R.T

    def _estimate(self, problem: Diagonal | Full, found: Minimum) -> Estimate:
        likelihood, L = self.likelihood, problem.factor(found.theta)
        at = problem.evaluate(found.theta)
        n_variances = len(problem.below[0] if isinstance(problem, Full) else problem.target)
        return Estimate(
            likelihood,
            L,
            at,
            problem.slope(found.theta),
            np.array(found.history),
            0.5 * found.gain,
            found.n_iter,
            found.converged and found.gain <= max(2.0 * self.settings.tol, 1e-14 * abs(at.value)),
            n_variances,
        )
