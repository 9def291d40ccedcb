"""Intervals of what is paired: procedures split by split, and the rows of each task."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from .._typing import FloatArray, IntArray
from ._measure import Measure
from ._result import Procedure, TaskGain, Verdict
from ._source import Split

_LEVEL = 0.95


def verdict(sharing: Procedure, reference: Procedure, outer: list[Split]) -> Verdict:
    """How much smaller the metric of sharing is, with an interval that knows of shared rows.

    Training parts overlap, so the differences of the splits are not independent: their variance is
    raised by n_test / n_train [1]_, and Student's t has as many degrees of freedom as there are
    splits, less one.

    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning, 2003.
    """
    d = reference.scores - sharing.scores
    n, mean = len(d), float(d.mean())
    if n < 2:
        return Verdict(reference.name, mean, np.nan, np.nan)
    ratio = float(np.mean([len(test) / len(train) for train, test in outer]))
    error = np.sqrt((1.0 / n + ratio) * d.var(ddof=1))
    reach = float(student.ppf(0.5 + _LEVEL / 2.0, n - 1) * error)
    return Verdict(reference.name, mean, mean - reach, mean + reach)


def task_gains(
    labels: list[str],
    sizes: IntArray,
    codes: IntArray,
    single: FloatArray,
    pooled: FloatArray,
    shared: FloatArray,
    measure: Measure,
) -> list[TaskGain]:
    """Gains of the tasks that were tested, from the losses of their test rows; largest first."""
    n_tasks = len(labels)
    before, for_all, after = (
        measure.of_tasks(losses, codes, n_tasks) for losses in (single, pooled, shared)
    )
    found = []
    for t in np.flatnonzero(np.bincount(codes, minlength=n_tasks)):
        d = (single - shared)[codes == t]
        gain, reach = float(before[t] - after[t]), np.nan
        if len(d) > 2:
            reach = float(student.ppf(0.5 + _LEVEL / 2.0, len(d) - 1) * d.std(ddof=1))
            reach /= np.sqrt(len(d))
            if measure.name == "RMSE":  # a - b = (a^2 - b^2) / (a + b)
                total = before[t] + after[t]
                reach = reach / total if total > 0.0 else 0.0
        found.append(
            TaskGain(
                labels[t],
                int(sizes[t]),
                len(d),
                float(before[t]),
                float(for_all[t]),
                float(after[t]),
                gain,
                gain - reach,
                gain + reach,
            )
        )
    return sorted(found, key=lambda task: -task.gain)
