"""How much intercepts vary beside the noise, for models that shrink theirs accordingly."""

from __future__ import annotations

import numpy as np

from .._tasks import TaskRows
from ._estimate import Settings, estimate
from ._statistics import make_frame, task_statistics

_SETTINGS = Settings(
    covariance="iso",
    random=None,
    prior=np.inf,
    prior_mean=True,
    reml=True,
    tol=1e-8,
    max_iter=200,
)


def variance_ratio(rows: TaskRows) -> float:
    """tau0: variance of the random intercepts over that of the noise, by REML.

    At the grand mean of the features, with slopes that vary by one variance for all.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        frame = make_frame(rows, True)
        found = estimate(task_statistics(rows, frame, precision=False), _SETTINGS)
    at = np.flatnonzero(found.likelihood.random == 0)
    return float(np.square(found.factor[at[0]]).sum()) if at.size else 0.0
