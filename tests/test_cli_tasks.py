"""`python -m malsar_py compare --per-task --plot DIR`: who gains, who loses, and the pictures."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pytest

from malsar_py._compare import _report, _run
from malsar_py._compare._candidates import Part
from malsar_py._table import exam_table
from tests.test_cli import MODELS, make_rows, quick, refused, run, table, write_csv  # noqa: F401

GIVEN = ["--task", "task", "--target", "y"]


def task_lines(text):
    """Rows of the second table: task -> (n train, n test, single, shared, gain, flag)."""
    lines = text.splitlines()
    start, stop = [i for i, line in enumerate(lines) if set(line) == {"-"}][2:]
    rows = {}
    for line in lines[start + 1 : stop]:
        numbers = line[24:81].split()
        rows[line[:24].strip()] = (*map(float, numbers), line[81:].strip())
    return rows


def test_tasks_of_a_file(table, tmp_path, capsys, quick):  # noqa: F811
    out_file = tmp_path / "out.json"
    assert run("compare", table, *GIVEN, "--per-task", "--json", out_file) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    document = json.loads(out_file.read_text())
    scores = {row["model"]: row["rmse"] for row in document["models"]}
    alone = ("pooled ridge", "single-task ridge", "Lasso")  # Lasso couples no tasks
    sharing = {name: rmse for name, rmse in scores.items() if name not in alone}
    best = min(sharing, key=lambda name: sharing[name])
    assert document["structure"] == best
    assert f"RMSE of each task: one model per task against {best}" in out

    rows = task_lines(out)
    assert sorted(rows) == ["t0", "t1", "t2"]
    tasks = document["tasks"]
    assert [task["task"] for task in tasks] == list(rows)
    for task in tasks:
        n_train, n_test, single, shared, gain, flag = rows[task["task"]]
        assert (n_train, n_test) == (task["n_train"], task["n_test"]) == (12, 4)
        assert single == pytest.approx(task["single"], abs=1e-4)
        assert shared == pytest.approx(task["shared"], abs=1e-4)
        assert gain == pytest.approx(single - shared, abs=2e-4)
        assert task["hurts"] == (task["gain"] < 0) == (flag.lower() == "hurts")
    # From the largest gain to the largest loss; the means are the scores of the models.
    gains = [task["gain"] for task in tasks]
    assert gains == sorted(gains, reverse=True)
    assert np.mean([task["single"] for task in tasks]) == pytest.approx(scores["single-task ridge"])
    assert np.mean([task["shared"] for task in tasks]) == pytest.approx(scores[best])
    summary = re.search(r"sharing helps (\d) of 3 tasks, clearly \d; hurts (\d), clearly", out)
    assert int(summary[1]) == sum(gain > 0 for gain in gains)
    assert int(summary[2]) == sum(gain < 0 for gain in gains)


def test_tasks_are_not_told_unasked(table, tmp_path, capsys, quick):  # noqa: F811
    out_file = tmp_path / "out.json"
    assert run("compare", table, *GIVEN, "--json", out_file) == 0
    assert "sharing" not in capsys.readouterr().out
    assert set(json.loads(out_file.read_text())) == {"malsar_py", "settings", "models"}


def test_tasks_of_classes(tmp_path, capsys, quick):  # noqa: F811
    path = write_csv(tmp_path / "t.csv", make_rows(4, 24, classes=["no", "yes"]))
    out_file = tmp_path / "out.json"
    assert run("compare", path, *GIVEN, "--classify", "--per-task", "--json", out_file) == 0
    assert "log loss of each task: one model per task against" in capsys.readouterr().out
    document = json.loads(out_file.read_text())
    scores = {row["model"]: row["log_loss"] for row in document["models"]}
    mean = np.mean([task["single"] for task in document["tasks"]])
    assert mean == pytest.approx(scores["single-task logistic"])


def outcome(name, score, prediction, shares):
    return _run.Outcome(
        name, {}, {"rmse": score}, 0.0, 1, True, 0.0, 0.0, shares, prediction=prediction
    )


def test_gains_and_losses_by_hand():
    """Four tasks: a clear gain, a loss by one odd row, a clear loss, and one without test rows."""
    y = np.zeros(12)
    codes = np.repeat([0, 1, 2], 4)
    single = np.array([2.0, 2.1, 1.9, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.4, 0.5, 0.6])
    shared = np.array([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 3.0, 1.0, 1.1, 1.0, 0.9])
    found = _run.Comparison(
        {"classes": None, "task": "school"},
        [
            outcome("pooled ridge", 0.1, None, False),
            outcome("single-task ridge", 1.0, single, False),
            outcome("Lasso", 0.8, None, False),
            outcome("TraceNorm", 0.9, shared, True),
        ],
        Part(np.zeros((9, 1)), np.zeros(9), np.array([0, 0, 1, 1, 2, 2, 2, 3, 3])),
        Part(np.zeros((12, 1)), y, codes),
        np.array(["a", "b", "c", "d"]),
    )
    assert found.structure.model == "TraceNorm"  # the best that shares, not the best of all
    rows = _report.task_rows(found)
    assert [(row.task, row.n_train, row.n_test, row.flag) for row in rows] == [
        ("a", 2, 4, ""),
        ("c", 3, 4, "HURTS"),
        ("b", 2, 4, "hurts"),
    ]
    assert rows[0].shared == 0.5
    assert rows[1].gain == np.sqrt(np.mean(single[8:] ** 2)) - np.sqrt(np.mean(shared[8:] ** 2))
    assert rows[2].single == 1.0
    last = list(_report.task_report(found, rows))[-2]
    assert last.startswith("sharing helps 1 of 3 tasks, clearly 1; hurts 2, clearly 1; mean gain")


def test_clear_differences():
    assert _report._clear(np.array([1.0, 1.2, 0.8, 1.1]))
    assert _report._clear(-np.array([1.0, 1.2, 0.8, 1.1]))
    assert not _report._clear(np.array([1.0, -1.2, 0.8, -1.1]))
    assert not _report._clear(np.array([1.0, 1.0]))  # two rows tell nothing


def test_pictures(table, tmp_path, capsys, quick):  # noqa: F811
    pytest.importorskip("matplotlib")
    folder = tmp_path / "pictures"
    assert run("compare", table, *GIVEN, "--plot", folder) == 0
    out, err = capsys.readouterr()
    names = sorted(path.name for path in folder.iterdir())
    assert f"{len(names)} pictures written to {folder}" in err
    assert "pictures" not in out
    curves = [name for name in names if name.startswith("cross_validation_")]
    assert len(curves) == len(MODELS)
    assert {name.split("_")[0] for name in set(names) - set(curves)} == {
        "coefficients",
        "convergence",
        "path",
        "similarity",
    }
    for name in names:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    # An existing folder will do; what is in it stays.
    (folder / "mine.txt").write_text("mine")
    assert run("compare", table, *GIVEN, "--plot", folder) == 0
    assert (folder / "mine.txt").read_text() == "mine"


def test_nothing_is_written_unasked(table, tmp_path, capsys, quick, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    assert run("compare", table, *GIVEN, "--per-task") == 0
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("where", ["nowhere/pictures", "file.txt"])
def test_folders_that_are_refused(where, table, tmp_path, capsys, monkeypatch):  # noqa: F811
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    message = refused(capsys, "compare", table, *GIVEN, "--plot", where)
    assert message == f"--plot: cannot write into {where}"


def test_pictures_without_matplotlib(table, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    message = refused(capsys, "compare", table, *GIVEN, "--plot", "pictures")
    assert message.startswith('--plot needs matplotlib: pip install "malsar_py[plot]"')


def test_names_in_the_pictures(tmp_path, quick, monkeypatch):  # noqa: F811
    """The models saw codes and arrays; the pictures show labels and names."""
    pytest.importorskip("matplotlib")
    from malsar_py import plotting

    seen = []
    draw = plotting.CoefficientMapDisplay.from_estimator

    def look(model, **options):
        seen.append((model.tasks_.tolist(), list(model.coef_feature_names_)))
        return draw(model, **options)

    monkeypatch.setattr(plotting.CoefficientMapDisplay, "from_estimator", look)
    path = write_csv(tmp_path / "t.csv", make_rows())
    assert run("compare", path, *GIVEN, "--plot", tmp_path / "pictures") == 0
    assert seen == [(["t0", "t1", "t2"], ["size", "colour=green", "colour=red"])]


@pytest.mark.slow
def test_schools_of_exam(capsys):
    """Most schools gain from sharing; the report says which do not."""
    assert run("compare", "--per-task") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    rows = task_lines(out)
    assert set(rows) <= {f"{label:g}" for label in exam_table().labels}
    assert len(rows) == 64  # the school of two pupils has none to test
    gains = np.array([row[4] for row in rows.values()])
    assert (gains > 0).mean() > 0.55
    assert 0.010 < gains.mean() < 0.035


def scored(model, scores, **rest):
    return _run.Outcome(model, {"lambda1": 0.1}, scores, 0.0, 1, True, 1.0, 1.0, **rest)


def test_columns_never_touch():
    """Targets above 1e5 and small ones: spaces between, and numbers that say something."""
    settings = dict.fromkeys(["data", "target", "task", "n_tasks", "n_features"], 1)
    settings |= dict.fromkeys(["n_train", "n_test", "seed", "n_test_tasks", "n_folds"], 1)
    for scale, shown in ((315702.1893, "315702.2"), (3.157e11, "3.157e+11"), (3.2e-7, "3.200e-07")):
        rows = [scored("Clustered", {"rmse": scale, "r2": -123456.5})]
        rows[0].parameters |= {"lambda2": 0.0906123, "n_clusters": 20}
        lines = list(_report.report(settings | {"classes": None}, rows))
        cells = lines[4].split()
        assert cells[:6] == ["Clustered", "0.1", "0.0906", "20", shown, "-123456.5"]


def test_per_task_columns_never_touch():
    """The same in the table of tasks; long labels of tasks are cut, and stay distinct."""
    labels = np.array([f"Hospital of the Northern Region number {i:03d}" for i in range(3)])
    codes = np.repeat([0, 1, 2], 2)
    test = Part(np.zeros((6, 1)), np.array([1e5, -1e5, 2e6, 1.0, 0.0, 0.0]), codes)
    single = scored("single-task ridge", {"rmse": 1.0}, prediction=np.zeros(6), shares=False)
    best = scored("JointFeature", {"rmse": 1.0}, prediction=np.full(6, 1e5))
    found = _run.Comparison({"classes": None, "task": "h"}, [single, best], test, test, labels)
    rows = _report.task_rows(found)
    lines = list(_report.task_report(found, rows))[4:-3]
    assert len({row.task for row in rows}) == 3
    assert all(row.task in {f"Hospital of… number {i:03d}" for i in range(3)} for row in rows)
    for line, row in zip(lines, rows, strict=True):
        cells = line.removeprefix(row.task).split()
        assert cells[:2] == ["2", "2"] and float(cells[2]) == pytest.approx(row.single, rel=1e-5)
        assert float(cells[4]) == pytest.approx(row.gain, rel=1e-5)
