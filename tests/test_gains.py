"""Gains by task: paired differences, and what they must agree with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from malsar_py.inspection._gains import paired_gains


def losses(n=60, n_tasks=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.exponential(size=n), 0.8 * rng.exponential(size=n), rng.integers(0, n_tasks, n)


def test_gains_are_paired_t_intervals():
    before, after, codes = losses()
    found = paired_gains(before, after, codes, 4, level=0.9)
    for t in range(4):
        own = codes == t
        test = stats.ttest_rel(before[own], after[own])
        interval = test.confidence_interval(0.9)
        assert_allclose(found.gain[t], before[own].mean() - after[own].mean())
        assert_allclose([found.lower[t], found.upper[t]], [interval.low, interval.high])
        assert found.n_rows[t] == own.sum()
    assert_allclose(found.mean, found.gain.mean())
    # Of one task the mean is that of the task.
    alone = paired_gains(before, after, np.zeros(60, np.intp), 1)
    assert_allclose([alone.mean_lower, alone.mean_upper], [alone.lower[0], alone.upper[0]])


def test_weights_count_rows_and_groups_are_one():
    before, after, codes = losses()
    plain = paired_gains(before, after, codes, 4)
    twice = [np.repeat(v, 2) for v in (before, after, codes)]
    grouped = paired_gains(*twice, 4, units=np.repeat(np.arange(60), 2))
    for name in ("gain", "standard_error", "lower", "upper"):
        assert_allclose(getattr(grouped, name), getattr(plain, name))
    assert_allclose([grouped.mean_lower, grouped.mean_upper], [plain.mean_lower, plain.mean_upper])
    halves = paired_gains(before, after, codes, 4, sample_weight=np.full(60, 0.5))
    assert_allclose(halves.lower, plain.lower)
    # Whole weights give the means of repeated rows.
    count = np.random.default_rng(1).integers(1, 4, 60)
    weighted = paired_gains(before, after, codes, 4, sample_weight=count)
    repeated = paired_gains(*(np.repeat(v, count) for v in (before, after, codes)), 4)
    assert_allclose(weighted.gain, repeated.gain)


def test_too_few_rows_have_no_interval():
    before, after = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0])
    found = paired_gains(before, after, np.array([0, 0, 2]), 3)
    assert_allclose(found.gain, [-0.5, np.nan, -2.0])
    assert np.isnan(found.lower).all() and not found.helps.any() and not found.hurts.any()
    assert_allclose(found.mean, -1.25)


@pytest.mark.parametrize("n", [20, 200])
def test_intervals_hold_the_gain(n):
    """Also of roots, whose variance is that of a linearisation."""
    rng = np.random.default_rng(0)
    held = np.zeros((2, 500), bool)
    for k in range(500):
        common = rng.standard_normal(n)
        before = np.square(common + 1.0 * rng.standard_normal(n))  # mean 2
        after = np.square(common + 0.5 * rng.standard_normal(n))  # mean 1.25
        for root, truth in ((False, 0.75), (True, np.sqrt(2.0) - np.sqrt(1.25))):
            found = paired_gains(before, after, np.zeros(n, np.intp), 1, root=root, level=0.9)
            held[int(root), k] = found.lower[0] <= truth <= found.upper[0]
    assert (held.mean(axis=1) >= 0.85).all() and (held.mean(axis=1) <= 0.95).all()
