"""How much intercepts vary beside the noise, for models that shrink theirs accordingly."""

from __future__ import annotations

import hashlib

import numpy as np

from .._tasks import TaskRows
from ._estimate import Settings, estimate
from ._statistics import TaskStatistics, make_frame, task_statistics

_SETTINGS = Settings(
    covariance="iso",
    random=None,
    prior=np.inf,
    prior_mean=True,
    reml=True,
    tol=1e-8,
    max_iter=200,
)


# Models that are compared on the same rows all ask for the same number: the last answers are kept,
# by a digest of all that the estimate looks at.
_KEPT = 64
_answers: dict[bytes, float] = {}


def variance_ratio(rows: TaskRows) -> float:
    """tau0: variance of the random intercepts over that of the noise, by REML.

    At the grand mean of the features, with slopes that vary by one variance for all.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        statistics = task_statistics(rows, make_frame(rows, True), precision=False)
        key = _digest(statistics)
        answer = _answers.get(key)
        if answer is None:
            answer = _ratio(statistics)
            if len(_answers) >= _KEPT:
                _answers.clear()
            _answers[key] = answer
    return answer


def _digest(statistics: TaskStatistics) -> bytes:
    given = statistics.gram, statistics.cross, statistics.squares, statistics.n
    found = hashlib.blake2b(np.float64(statistics.log_weight).tobytes(), digest_size=16)
    for array in given:
        found.update(str(array.shape).encode())
        found.update(array.tobytes())
    return found.digest()


def _ratio(statistics: TaskStatistics) -> float:
    found = estimate(statistics, _SETTINGS)
    at = np.flatnonzero(found.likelihood.random == 0)
    return float(np.square(found.factor[at[0]]).sum()) if at.size else 0.0
