"""New schools with a few labelled pupils: what adapting is worth, on data that are not shipped."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.new_tasks import LABELLED, MODELS, REFITTED, errors
from tests.benchmarks.pooling_data import DATA

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FREE, REML = "MeanRegularized, free intercepts", "MeanRegularized reml"


def tables(data, names, seeds):
    try:
        known = DATA[data]()
    except OSError as error:
        pytest.skip(str(error))
    found = [errors(known, names, seed) for seed in seeds]
    return {key: float(np.mean([table[key] for table in found])) for key in found[0]}


def check(table, names):
    shown = {key: round(value, 4) for key, value in table.items()}
    print(shown)
    for name in names:
        if name != FREE:  # shrunk intercepts: a few labels are no worse than none
            assert table[name, 5] <= 1.005 * table[name, 0], shown
            assert table[name, 20] <= table[name, 0], shown
    for name in set(names) & set(REFITTED):
        for k in LABELLED:
            assert abs(table[name, k] / table[f"{name}, refit", k] - 1.0) < 0.01, shown
    if FREE in names:  # free intercepts take five labels for more than they are worth
        assert table[FREE, 5] > table[REML, 5], shown


@pytest.mark.parametrize("data", ["exam", "school"])
def test_new_schools(data):
    check(tables(data, list(MODELS), [780]), list(MODELS))


@pytest.mark.parametrize("data", ["exam", "school", "parkinsons"])
def test_new_tasks_over_splits(data):
    """The mean of three splits: which dozen of tasks is new decides a single one."""
    names = list(MODELS)[:2]
    check(tables(data, names, [781, 782, 783]), names)
