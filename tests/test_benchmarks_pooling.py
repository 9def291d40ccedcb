"""The benchmark of grouped rows: its record, and what it says was missed."""

from __future__ import annotations

import numpy as np

from tests.benchmarks import pooling
from tests.benchmarks.pooling_data import Grouped, split
from tests.benchmarks.pooling_report import against, cells_of, report, verdicts


def toy():
    rng = np.random.default_rng(0)
    tasks = np.repeat(["a", "b", "c"], 12)
    X = rng.normal(size=(36, 2))
    return Grouped(X, X @ [1.0, -1.0] + (tasks == "b") + 0.1 * rng.normal(size=36), tasks)


def test_split_keeps_all_tasks():
    train, test = split(toy(), 0.2, 3)
    assert [int((train.tasks == t).sum()) for t in "abc"] == [2, 2, 2]
    assert len(train.y) + len(test.y) == 36
    np.testing.assert_allclose(train.X.mean(axis=0), 0.0, atol=1e-12)


def test_goes_on_from_its_record(tmp_path, monkeypatch):
    monkeypatch.setitem(pooling.DATA, "exam", toy)
    record, names = tmp_path / "record.json", ["pooled ridge", "MixedEffects iso"]
    first = pooling.measure(["exam"], names, (0.75,), (1, 2), record)
    assert [s.covered is None for s in first] == [True, False] * 2
    kept = pooling.read(record)
    assert sorted((s.method, s.seed) for s in kept) == sorted((s.method, s.seed) for s in first)
    again = pooling.measure(["exam"], [*names, "ridge + one-hot"], (0.75,), (1, 2), record)
    assert again[:4] == kept  # measured once
    assert {s.method for s in again[4:]} == {"ridge + one-hot"}
    text = report(again)
    assert "exam, 75 % to train" in text
    assert "Seeds 1, 2." in text


def test_says_what_was_missed():
    def score(method, seed, error):
        return pooling.Score("exam", 0.2, seed, method, error, error, None, 0.1)

    errors = {"pooled ridge": 1.0, "ridge + one-hot": 0.9, "MixedEffects by CV": 0.99}
    scores = [score(m, seed, e * seed) for m, e in errors.items() for seed in (1, 2)]
    scores.append(pooling.Score("exam", 0.2, 1, "boosting"))
    cells = cells_of(scores)
    assert "boosting" not in cells["exam", 0.2]
    worse, error = against(cells["exam", 0.2], "MixedEffects by CV", "ridge + one-hot")
    assert (round(worse, 6), error > 0.0) == (10.0, True)
    told = verdicts(cells)
    assert told[0].endswith("0/1")
    assert any("MixedEffects by CV +10.0 %" in line and "one-hot" in line for line in told)
