"""Losses by name."""

from __future__ import annotations

from ._base import Loss
from ._huber import Huber
from ._log_link import Gamma, Poisson
from ._logistic import Logistic
from ._squared import Squared

NAMES: dict[str, Loss] = {
    "squared": Squared(),
    "huber": Huber(),
    "poisson": Poisson(),
    "gamma": Gamma(),
    "logistic": Logistic(),
}


def read_loss(given: str | Loss) -> Loss:
    """The loss of that name, or the one given."""
    return NAMES[given] if isinstance(given, str) else given
