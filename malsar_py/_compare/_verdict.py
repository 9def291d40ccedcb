"""Intervals of what is paired: procedures split by split, and the rows of each task."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from .._typing import AnyArray, FloatArray, IntArray
from ..inspection._gains import paired_gains
from ._measure import Measure
from ._result import Procedure, TaskGain, Verdict
from ._source import Split

_LEVEL = 0.95
# Splits below which an interval says nothing.
_FEWEST = 3


def verdict(sharing: Procedure, reference: Procedure, outer: list[Split]) -> Verdict:
    """How much smaller the metric of sharing is, with an interval that knows of shared rows.

    Training parts overlap, so the differences of the splits are not independent: their variance is
    raised by n_test / n_train [1]_, and Student's t has as many degrees of freedom as there are
    splits, less one. With fewer than three splits there is none.

    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning, 2003.
    """
    d = reference.scores - sharing.scores
    n, mean = len(d), float(d.mean())
    if n < _FEWEST:
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
    *,
    units: AnyArray | None = None,
) -> list[TaskGain]:
    """Gains of the tasks that were tested, from the losses of their test rows; largest first.

    ``units``: the group of each row, where rows of one group were drawn together.
    """
    n_tasks = len(labels)
    root = measure.name == "RMSE"
    found = paired_gains(single, shared, codes, n_tasks, units=units, root=root, level=_LEVEL)
    for_all = measure.of_tasks(pooled, codes, n_tasks)
    gains = [
        TaskGain(
            labels[t],
            int(sizes[t]),
            int(found.n_rows[t]),
            float(found.reference[t]),
            float(for_all[t]),
            float(found.loss[t]),
            float(found.gain[t]),
            float(found.lower[t]),
            float(found.upper[t]),
        )
        for t in np.flatnonzero(found.n_rows)
    ]
    return sorted(gains, key=lambda task: -task.gain)
