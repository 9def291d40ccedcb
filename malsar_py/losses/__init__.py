"""Losses: what a regressor takes as `loss`, and what the library asks of one.

``loss="poisson"`` is short for ``loss=losses.Poisson()``; parameters are set by an instance, as in
``loss=losses.Huber(delta=0.5)``. They are frozen and comparable, so that a search may try several:
``param_grid={"loss": [losses.Huber(1.0), losses.Huber(2.0), "squared"]}``.
"""

from __future__ import annotations

from ._base import IDENTITY, LOG, LOGIT, Evaluation, Link, Loss
from ._huber import Huber
from ._log_link import Gamma, Poisson
from ._logistic import Logistic
from ._multinomial import Multinomial
from ._read import NAMES, read_loss
from ._scores import ACCURACY, R2, UnitScore
from ._squared import Squared, SquareRoot, centre

__all__ = [
    "ACCURACY",
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
    "Poisson",
    "SquareRoot",
    "Squared",
    "UnitScore",
    "centre",
    "read_loss",
]
