"""Losses: what a regressor takes as `loss`, and what the library asks of one.

``loss="poisson"`` is short for ``loss=losses.Poisson()``; parameters are set by an instance, as in
``loss=losses.Huber(delta=0.5)``. They are frozen and comparable, so that a search may try several:
``param_grid={"loss": [losses.Huber(1.0), losses.Huber(2.0), "squared"]}``.
"""

from __future__ import annotations

from ._base import IDENTITY, LOG, LOGIT, Evaluation, Link, Loss
from ._clipped import Huber, Quantile
from ._log_link import Gamma, Poisson
from ._logistic import Logistic
from ._multinomial import Multinomial
from ._per_task import PerTask
from ._read import NAMES, read_loss, task_losses
from ._scores import ACCURACY, D2_GAMMA, D2_POISSON, R2, UnitScore, d2_pinball
from ._squared import Squared, SquareRoot, centre

__all__ = [
    "ACCURACY",
    "D2_GAMMA",
    "D2_POISSON",
    "IDENTITY",
    "LOG",
    "LOGIT",
    "NAMES",
    "R2",
    "Evaluation",
    "Gamma",
    "Huber",
    "Link",
    "Logistic",
    "Loss",
    "Multinomial",
    "PerTask",
    "Poisson",
    "Quantile",
    "SquareRoot",
    "Squared",
    "UnitScore",
    "centre",
    "d2_pinball",
    "read_loss",
    "task_losses",
]
