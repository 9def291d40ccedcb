"""What the score of a task means for a loss: accuracy, or how much of the loss is explained.

The latter is ``1 - sum s loss(y, p) / sum s loss(y, best constant)``: R2 for squares, else D2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.metrics import accuracy_score, r2_score

from .._typing import AnyArray, FloatArray, IntArray


@dataclass(frozen=True)
class UnitScore:
    """A score of one task's predictions.

    Attributes
    ----------
    name : str
        Its name.
    loss : callable
        ``loss(y, p)`` of each sample, for y (n, 1) and p (n, k).
    constant : callable or None
        ``constant(y, weight, starts)``: the best constant predictions of the segments of y that
        begin there. None: the score is the mean of ``1 - loss``.
    whole : callable or None
        scikit-learn's score for the case of one task, if it is to be used.
    least, closed : float, bool
        Targets are at least that, or more if it is not ``closed``.
    """

    name: str
    loss: Callable[[AnyArray, AnyArray], AnyArray]
    constant: Callable[[FloatArray, FloatArray, IntArray], FloatArray] | None = None
    whole: Callable[..., Any] | None = None
    least: float = -np.inf
    closed: bool = True

    def check(self, y: FloatArray) -> None:
        """Refuse targets that the loss is not defined for."""
        if self.least > -np.inf and not (y >= self.least if self.closed else y > self.least).all():
            sign = ">=" if self.closed else ">"
            raise ValueError(
                f"{self.name} is for targets y {sign} {self.least:g}, got {y.min():g}: correct "
                "them, or choose another score."
            )


def d2_pinball(q: float) -> UnitScore:
    """D2 of the pinball loss at quantile q."""
    return UnitScore("d2_pinball", partial(_pinball, q), partial(quantiles, q))


def _mean(y: FloatArray, weight: FloatArray, starts: IntArray) -> FloatArray:
    return np.add.reduceat(weight * y, starts) / np.add.reduceat(weight, starts)


def quantiles(q: float, y: FloatArray, weight: FloatArray, starts: IntArray) -> FloatArray:
    """A weighted quantile q of each segment of y that begins there."""
    found = np.empty(len(starts))
    for k, own in enumerate(np.split(np.arange(len(y)), starts[1:])):
        order = own[np.argsort(y[own], kind="stable")]
        below = np.cumsum(weight[order])
        found[k] = y[order[np.searchsorted(below, q * below[-1])]]
    return found


def _wrong(y: AnyArray, p: AnyArray) -> AnyArray:
    return y != p


def _square(y: FloatArray, p: FloatArray) -> FloatArray:
    return np.square(y - p)


def _pinball(q: float, y: FloatArray, p: FloatArray) -> FloatArray:
    return np.maximum(q * (y - p), (q - 1.0) * (y - p))


def _poisson(y: FloatArray, p: FloatArray) -> FloatArray:
    # Predictions that underflow to 0 are as good as can be for y = 0, and infinitely bad else.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = np.where(y > 0.0, y / p, 1.0)
    return xlogy(y, ratio) - y + p


def _gamma(y: FloatArray, p: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore"):
        ratio = y / p
    return np.where(np.isfinite(ratio), ratio - np.log(ratio) - 1.0, np.inf)


def _log_loss(y: FloatArray, p: FloatArray) -> FloatArray:
    eps = np.finfo(np.float64).eps  # as scikit-learn does
    return -np.log(np.clip(np.where(y > 0.0, p, 1.0 - p), eps, 1.0 - eps))


ACCURACY = UnitScore("accuracy", _wrong, whole=accuracy_score)
R2 = UnitScore("r2", _square, _mean, r2_score)
D2_POISSON = UnitScore("d2_poisson", _poisson, _mean, least=0.0)
D2_GAMMA = UnitScore("d2_gamma", _gamma, _mean, least=0.0, closed=False)
D2_LOG_LOSS = UnitScore("d2_log_loss", _log_loss, _mean, least=0.0)
