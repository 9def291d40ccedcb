"""Losses by name, and by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._labels import match_keys, object_array, show_label
from .._typing import AnyArray, IntArray
from ._base import Loss
from ._clipped import Huber, Quantile
from ._log_link import Gamma, Poisson
from ._logistic import Logistic
from ._per_task import PerTask
from ._squared import Squared

NAMES: dict[str, Loss] = {
    "squared": Squared(),
    "huber": Huber(),
    "poisson": Poisson(),
    "gamma": Gamma(),
    "logistic": Logistic(),
    "quantile": Quantile(),
}


def read_loss(given: str | Loss | Mapping[Any, str | Loss]) -> list[Loss]:
    """The losses that are meant: one, or those of a mapping."""
    if isinstance(given, Mapping):
        return [_read_one(loss) for loss in given.values()]
    return [_read_one(given)]


def task_losses(
    given: str | Loss | Mapping[Any, str | Loss], tasks: AnyArray, offsets: IntArray
) -> Loss:
    """The loss of a fit: one for all tasks, or one for each by its label."""
    losses = read_loss(given)
    if not isinstance(given, Mapping):
        return losses[0]
    labels = object_array(list(given))
    found = dict(zip(match_keys(labels, tasks), losses, strict=True))
    own = []
    for t, key in enumerate(match_keys(tasks, labels)):
        if key not in found:
            raise ValueError(
                f"loss has none for task {show_label(tasks, t)}: name a loss for every task, or "
                "give one for all."
            )
        own.append(found[key])
    if all(loss == own[0] for loss in own):
        return own[0]
    return PerTask(tuple(own), tuple(offsets.tolist()))


def _read_one(given: Any) -> Loss:
    if isinstance(given, Loss):
        return given
    if not isinstance(given, str) or given not in NAMES:
        raise ValueError(
            f"loss must be one of {sorted(NAMES)} or an instance of malsar_py.losses, got "
            f"{given!r}."
        )
    return NAMES[given]
