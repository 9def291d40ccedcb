"""The benchmark of grouped rows: its record, and what it says was missed."""

from __future__ import annotations

import numpy as np

from tests.benchmarks import new_tasks, pooling
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
    assert "Seeds: exam 1 2." in text


def test_folds_that_share_rows_have_to_gain_more():
    gain = np.array([0.0, 1.0, 2.0, 1.0, 0.0])
    error = gain.std(ddof=1)
    one = gain.mean() / (error / np.sqrt(5.0))  # as if the folds were independent
    assert one > 2.0 and not pooling.clear(gain)
    limit = 2.0 * error * 0.45**0.5 - gain.mean()  # 1 / 5 + rows tested by rows of training
    assert pooling.clear(gain + 1.001 * limit) and not pooling.clear(gain + 0.999 * limit)


def test_says_what_was_missed():
    def score(method, seed, error):
        return pooling.Score("exam", 0.2, seed, method, error, error, None, None, 0.1)

    errors = {"pooled ridge": 1.0, "ridge + one-hot": 0.9, "MixedEffects by CV": 0.99}
    scores = [score(m, seed, e * seed) for m, e in errors.items() for seed in (1, 2)]
    scores.append(pooling.Score("exam", 0.2, 1, "boosting"))
    cells = cells_of(scores)
    assert "boosting" not in cells["exam", 0.2]
    worse, error = against(cells["exam", 0.2], "MixedEffects by CV", "ridge + one-hot")
    assert (round(worse, 6), error > 0.0) == (10.0, True)
    told = verdicts(cells)
    assert "within 1 % of the best linear method in 0/1" in told[0]
    assert any("MixedEffects by CV +10.0 %" in line and "one-hot" in line for line in told)


def test_new_tasks_go_on_from_their_record(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(10), 25)
    X, shift = rng.normal(size=(250, 2)), rng.normal(size=10)
    slopes = [1.0, -1.0] + 0.5 * rng.normal(size=(10, 2))
    y = np.sum(X * slopes[tasks], axis=1) + shift[tasks] + 0.3 * rng.normal(size=250)
    monkeypatch.setitem(new_tasks.DATA, "exam", lambda: Grouped(X, y, tasks))
    record, names = tmp_path / "record.json", list(new_tasks.MODELS)[:2]
    found = new_tasks.measure(["exam"], names[:1], (1, 2), record)
    found = new_tasks.measure(["exam"], names, (1, 2), record)
    again = new_tasks.read(record)
    assert list(again) == ["exam"] and list(again["exam"]) == [1, 2]
    for seed, own in again["exam"].items():
        assert own == {key: float(f"{e:.6g}") for key, e in found["exam"][seed].items()}
        for name in names:
            assert max(own[name, 20], own[name, 5]) < 0.5 * own[name, 0]
        assert abs(own[names[1], 5] / own[f"{names[1]}, refit", 5] - 1.0) < 0.05
    row = next(line for line in new_tasks.report(again).splitlines() if names[1] in line)
    assert row.startswith(f"| exam | {names[1]} | 2 |") and row.count("(") == 6
    known, few, test, rank = new_tasks.split(Grouped(X, y, tasks), 1)
    assert [len(part.y) for part in (known, few, test)] == [200, 40, 10]
    assert not set(known.tasks) & set(few.tasks) and set(few.tasks) == set(test.tasks)
    assert rank.max() == 19
