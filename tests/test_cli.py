"""`python -m malsar_py`: the default run on Exam, a user's file, what is refused in one line."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

import malsar_py
from malsar_py.__main__ import main
from malsar_py._compare import _candidates, _report, _run
from malsar_py._table import exam_table, read_table

MODELS = [
    "pooled ridge",
    "single-task ridge",
    "Lasso",
    "JointFeature",
    "TraceNorm",
    "MeanRegularized",
    "Graph (chain)",
    "Clustered",
    "Dirty",
    "RobustFeature",
    "TaskRelationship",
]


# Read by every Python that finds it on its path: imports of these packages fail.
WITHOUT_PANDAS = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "matplotlib"):
            raise ImportError(name)

sys.meta_path.insert(0, Without())
"""


def command(*arguments, cwd, **environment):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "malsar_py", *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def table_rows(text):
    """Rows between the two rules: name -> (first score, best, second score)."""
    lines = text.splitlines()
    start, stop = (i for i, line in enumerate(lines) if set(line) == {"-"})
    return {
        line[:22].strip(): (float(line[43:53]), line[54:58] == "best", float(line[58:67]))
        for line in lines[start + 1 : stop]
    }


def write_csv(path, rows, header="task,y,size,colour"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def make_rows(n_tasks=3, n_rows=16, classes=None, seed=0):
    """Lines of a small table with a number and a category as features."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in range(n_tasks):
        for _ in range(n_rows):
            size, colour = rng.standard_normal(), rng.choice(["red", "green"])
            value = (1 + task) * size + (colour == "red") + 0.3 * rng.standard_normal()
            y = f"{value:.4f}" if classes is None else classes[int(value > 0.5)]
            rows.append(f"t{task},{y},{size:.4f},{colour}")
    return rows


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "table.csv", make_rows())


@pytest.fixture
def quick(monkeypatch):
    """Few settings: the tests are about what surrounds the fits."""
    monkeypatch.setattr(_candidates, "_N_LAMBDAS", 4)
    monkeypatch.setattr(_candidates, "_RIDGE_GRID", np.array([1.0, 0.1]))


def run(*arguments):
    return main([str(argument) for argument in arguments])


def refused(capsys, *arguments):
    """The one line on standard error of a run that ends with exit code 2."""
    try:
        code = run(*arguments)
    except SystemExit as stop:  # argparse
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if "error" in line]
    assert len(lines) == 1, err
    assert err.splitlines()[-1] == lines[0]
    assert "Traceback" not in err
    return lines[0].removeprefix("python -m malsar_py: error: ")


# --- the main job --------------------------------------------------------------------------------


def test_the_main_job(root, tmp_path):
    """The default run: the README's command, without pandas and matplotlib, from any folder."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PANDAS)
    done = command(cwd=tmp_path, PYTHONPATH=os.pathsep.join([str(tmp_path), str(root)]))
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stdout.startswith("Exam: normexam by school, 65 tasks, 15 features; 304")
    rows = table_rows(done.stdout)
    assert list(rows) == MODELS
    # About .76, .74 and .72 on average over seeds, with a standard deviation of .016.
    assert 0.72 < rows["pooled ridge"][0] < 0.80
    assert 0.70 < rows["single-task ridge"][0] < 0.77
    assert 0.68 < rows["MeanRegularized"][0] < 0.75
    # Differences between models on the same split vary far less.
    assert 0.005 < rows["pooled ridge"][0] - rows["single-task ridge"][0] < 0.04
    assert 0.010 < rows["single-task ridge"][0] - rows["MeanRegularized"][0] < 0.035
    for name in MODELS[3:]:
        assert rows[name][0] < rows["single-task ridge"][0]
        assert 0.35 < rows[name][2] < 0.55
    best = [name for name, row in rows.items() if row[1]]
    assert best == [min(rows, key=lambda name: rows[name][0])]
    assert best[0] in MODELS[3:]
    # Progress is on standard error.
    assert re.search(r"11/11 TaskRelationship: \d+ settings x 5 folds \.\.\. [\d.]+ s", done.stderr)
    assert "Warning" not in done.stderr


def test_compare_without_a_file_is_exam(monkeypatch):
    seen = []
    monkeypatch.setattr("malsar_py.__main__.run", lambda file, **options: seen.append(file))
    assert run() == run("compare") == 0
    assert seen == [None, None]


def test_exam_from_its_csv_file_is_the_same_table(root):
    shipped = exam_table()
    read = read_table(
        root / "data" / "exam.csv", task="school", target="normexam", drop=["student"]
    )
    assert sorted(read.feature_names) == sorted(shipped.feature_names)
    order = [read.feature_names.index(name) for name in shipped.feature_names]
    np.testing.assert_array_equal(read.X[:, order], shipped.X)
    np.testing.assert_array_equal(read.y, shipped.y)
    np.testing.assert_array_equal(read.codes, shipped.codes)


def test_split_keeps_every_task_in_training():
    table = exam_table()
    train, test = _candidates.split_table(table, 0)
    size = np.bincount(table.codes)
    kept = np.bincount(train.codes, minlength=65)
    assert (kept >= 1).all()
    np.testing.assert_allclose(kept, 0.75 * size, atol=0.5)
    assert len(train.y) + len(test.y) == len(table.y)
    np.testing.assert_allclose(train.X.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(train.X.std(axis=0), 1.0)
    again = _candidates.split_table(table, 0)[1]
    np.testing.assert_array_equal(again.y, test.y)
    assert not np.array_equal(_candidates.split_table(table, 1)[1].y, test.y)


# --- a user's file -------------------------------------------------------------------------------


def test_a_file(table, tmp_path, capsys, quick):
    out_file = tmp_path / "out.json"
    assert run("compare", table, "--task", "task", "--target", "y", "--json", out_file) == 0
    out, err = capsys.readouterr()
    assert out.startswith("table.csv: y by task, 3 tasks, 3 features; 36 rows to train, 12 to test")
    assert "text columns one-hot encoded (categories): colour (2)" in err
    rows = table_rows(out)
    assert list(rows) == MODELS

    document = json.loads(out_file.read_text())
    assert document["malsar_py"] == malsar_py.__version__
    assert document["settings"]["n_train"] == 36
    assert document["settings"]["classes"] is None
    for row in document["models"]:
        name = row["model"]
        assert row["rmse"] == pytest.approx(rows[name][0], abs=1e-4)
        assert row["r2"] == pytest.approx(rows[name][2], abs=1e-4)
        assert row["best"] == rows[name][1]
        assert row["relative_gap"] <= 1e-6
        assert row["converged"]
        assert set(row["parameters"]) >= {"lambda1"}


def test_classify(tmp_path, capsys, quick):
    path = write_csv(tmp_path / "t.csv", make_rows(4, 24, classes=["no", "yes"]))
    out_file = tmp_path / "out.json"
    arguments = ["compare", path, "--task", "task", "--target", "y", "--classify"]
    assert run(*arguments, "--json", out_file) == 0
    out = capsys.readouterr().out
    assert "pooled logistic" in out
    assert "single-task logistic" in out
    assert "log loss" in out.splitlines()[2]
    document = json.loads(out_file.read_text())
    assert document["settings"]["classes"] == ["no", "yes"]
    for row in document["models"]:
        assert 0.0 < row["log_loss"] < math.log(2) + 0.2
        assert 0.5 < row["accuracy"] <= 1.0
    best = min(document["models"], key=lambda row: row["log_loss"])
    assert best["best"]


def test_classify_leaves_one_class_tasks_out(tmp_path, capsys, quick):
    rows = make_rows(3, 24, classes=["no", "yes"])
    rows = [row.replace(",no,", ",yes,") if row.startswith("t1,") else row for row in rows]
    path = write_csv(tmp_path / "t.csv", rows)
    assert run("compare", path, "--task", "task", "--target", "y", "--classify") == 0
    out, err = capsys.readouterr()
    assert "tasks with one class only are left out: t1" in err
    assert "y by task, 2 tasks" in out


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_encodings(tmp_path, delimiter):
    path = tmp_path / "t.csv"
    text = "\n".join(["task,y,size,colour", *make_rows()]).replace(",", delimiter)
    path.write_text(text, encoding="utf-8-sig")
    table = read_table(path, task="task", target="y")
    assert table.feature_names == ["size", "colour=green", "colour=red"]
    assert table.X.shape == (48, 3)


def test_quoted_fields_and_numeric_labels(tmp_path):
    rows = [f'{i % 3},{i},"a, b",{i * i}' for i in range(12)]
    path = write_csv(tmp_path / "t.csv", rows, "school,y,text,n")
    table = read_table(path, task="school", target="y", drop=["n"])
    assert table.feature_names == ["text=a, b"]
    assert table.labels.tolist() == [0.0, 1.0, 2.0]


def test_rows_without_a_target_are_left_out(tmp_path, capsys):
    rows = make_rows()
    rows[3] = "t0,,0.5,red"
    rows[7] = "t0,NA,,red"  # its missing feature does not matter either
    table = read_table(write_csv(tmp_path / "t.csv", rows), task="task", target="y")
    assert len(table.y) == 46
    assert "rows without a target are left out: 2" in capsys.readouterr().err


def test_a_column_constant_within_tasks_is_kept(tmp_path, capsys, quick):
    rows = [f"{row},{3 + int(row[1])}" for row in make_rows()]
    path = write_csv(tmp_path / "t.csv", rows, "task,y,size,colour,level")
    assert "level" in read_table(path, task="task", target="y").feature_names
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once, of the column in the file
        assert run("compare", path, "--task", "task", "--target", "y") == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in told if "constant" in line] == [
        "constant within every task: level"
    ] * 2


@pytest.mark.parametrize("what", ["constant target", "features constant within tasks"])
def test_nothing_to_learn(tmp_path, capsys, quick, what):
    rows = []
    for row in make_rows():
        task, y, size, _ = row.split(",")
        rows.append(f"{task},1.5,{size}" if what == "constant target" else f"{task},{y},{task[1]}")
    path = write_csv(tmp_path / "t.csv", rows, "task,y,size")
    out_file = tmp_path / "out.json"
    arguments = ["compare", path, "--task", "task", "--target", "y", "--json", out_file]
    assert run(*arguments) == 0
    models = json.loads(out_file.read_text())["models"]
    assert all(math.isfinite(row["rmse"]) for row in models)
    if what == "constant target":
        assert [row["r2"] for row in models] == [None] * len(MODELS)


def test_the_seed_decides(table, capsys, quick):
    def output(seed):
        assert run("compare", table, "--task", "task", "--target", "y", "--seed", seed) == 0
        return table_rows(capsys.readouterr().out)

    assert output(3) == output(3)
    assert output(3) != output(4)


def test_tiny_tasks(tmp_path, capsys, quick):
    """Tasks of one and two rows train; fewer folds where no task has five rows."""
    rows = [*make_rows(2, 4), "t7,1.0,0.3,red", "t8,0.1,0.2,red", "t8,0.3,0.1,green"]
    path = write_csv(tmp_path / "t.csv", rows)
    assert run("compare", path, "--task", "task", "--target", "y") == 0
    out = capsys.readouterr().out
    assert "4 tasks" in out
    assert "mean over the 2 tasks" in out
    assert "3-fold" in out


def test_a_missed_tolerance_is_marked():
    scores = {"rmse": 1.0, "r2": 0.0}
    outcome = _run.Outcome("Lasso", {"lambda1": 1.0}, scores, 0.1, 9, False, 1.0, 1.0)
    settings = dict.fromkeys(["data", "target", "task", "n_tasks", "n_features"], 1)
    settings |= dict.fromkeys(["n_train", "n_test", "seed", "n_test_tasks", "n_folds"], 1)
    text = "\n".join(_report.report(settings | {"classes": None}, [outcome]))
    assert " 1e-01! " in text
    assert "the final fit missed its tolerance" in text


# --- what is refused -----------------------------------------------------------------------------

CASES = {
    "missing file": (["no.csv", "--task", "task", "--target", "y"], "no.csv: No such file"),
    "a folder": ([".", "--task", "task", "--target", "y"], "Is a directory"),
    "unknown task": (
        ["t.csv", "--task", "school", "--target", "y"],
        "--task: t.csv has no column 'school'; its columns are task, y, size, colour",
    ),
    "unknown target": (
        ["t.csv", "--task", "task", "--target", "Y"],
        "--target: t.csv has no column 'Y'",
    ),
    "unknown drop": (
        ["t.csv", "--task", "task", "--target", "y", "--drop", "id"],
        "--drop: t.csv has no column 'id'",
    ),
    "task is target": (["t.csv", "--task", "y", "--target", "y"], "must name different columns"),
    "text target": (
        ["t.csv", "--task", "task", "--target", "colour"],
        "--target colour: 're",  # red or green in line 2, see below
    ),
    "many classes": (
        ["t.csv", "--task", "task", "--target", "y", "--classify"],
        "--classify needs two classes, got",
    ),
    "no target option": (["t.csv", "--task", "task"], "also say which column by --target"),
    "no options": (["t.csv"], "also say which column by --task and --target"),
    "task without file": (["--task", "task"], "go with a FILE.csv"),
    "drop without file": (["--drop", "vr"], "go with a FILE.csv"),
    "bad seed": (["--seed", "-1"], "is not an integer from 0 to"),
    "unknown option": (["--folds", "3"], "unrecognized arguments: --folds"),
    "json in no folder": (["--json", "nowhere/out.json"], "--json: cannot write nowhere/out.json"),
    "json is a folder": (["--json", "."], "--json: cannot write ."),
}


@pytest.mark.parametrize(("arguments", "message"), CASES.values(), ids=CASES)
def test_refused_options(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = make_rows()
    rows[0] = "t0,0.5,1.0,red"
    write_csv(tmp_path / "t.csv", rows)
    assert message in refused(capsys, "compare", *arguments)


def test_unknown_command(capsys):
    assert "invalid choice: 'train'" in refused(capsys, "train")


CONTENTS = {
    "empty": ("", "t.csv has no rows"),
    "header only": ("task,y,size\n", "t.csv has no rows"),
    "not text": (b"\xff\xfe\x00\x01", "is not UTF-8 text"),
    "ragged": ("task,y,x\na,1,2\na,1\n", "t.csv, line 3: 2 values, but the header names 3 columns"),
    "same names": ("task,y,x,x\na,1,2,3\n", "has 2 columns named 'x'"),
    "missing feature": (
        "task,y,x\na,1,2\nb,1,\nb,2,NA\n",
        "column 'x' lacks a value in line 3 and 1 more: fill in the values, or pass --drop 'x'",
    ),
    "missing label": (
        "task,y,x\na,1,2\n,1,3\n",
        "column 'task' lacks a value in line 3: fill in the values, or remove the rows",
    ),
    "several faults, the target first": (
        "task,y,x,z\na,yes,2,\n,no,,3\nb,yes,1,\n",
        "--target y: 'yes' in line 2 is not a finite number; if the target is one of two classes, "
        "add --classify; column 'task' lacks a value in line 3: fill in the values, or remove the "
        "rows; column 'x' lacks a value in line 3, column 'z' lacks a value in line 2 and 1 more: "
        "fill in the values, or pass --drop 'x' --drop 'z'",
    ),
    "numbers but for some": (
        "task,y,x\na,1,2\na,2,?\nb,1,2.5\nb,1,-\nb,2,7\n",
        "column 'x' holds numbers but for 2 of 5 values ('?' in line 3): put numbers there, or "
        "pass --drop 'x'",
    ),
    "target but for some": (
        "task,y,x\na,1,2\na,n/a,3\nb,1,2.5\nb,2,2.5\n",
        "--target y: 'n/a' in line 3 is not a finite number: put numbers there, or leave them",
    ),
    "thousands": ('task,y,x\na,"80,000",2\nb,"1,200,500.5",1\n', "write it as 80000"),
    "decimal comma": ("task;y;x\na;66,26;2\nb;5,1;1\n", "write it as 66.26"),
    "currency": ("task,y,x\na,$74.69,2\nb,$5,1\n", "write it as 74.69"),
    "nameless": ("task,y,x,,\na,1,2,3,4\n", "columns 4, 5 have values but no name"),
    "Latin-1": (
        b"task,y,x\na,1,2\nb,2,caf\xe9\n",
        "(byte 0xe9 in line 3; perhaps Latin-1 or Windows-1252): save it as CSV in UTF-8",
    ),
    "every text different": (
        "task,y,x\na,1,p\na,2,q\nb,1,r\nb,2,s\n",
        "column 'x' is text ('p' in line 2) with 4 different values, too many",
    ),
    "no target": ("task,y,x\na,,2\nb,NA,3\n", "--target y: every row lacks a value"),
    "infinite feature": (
        "task,y,x\na,1,2\nb,1,inf\n",
        "column 'x' has an infinite value in line 3",
    ),
    "infinite target": ("task,y,x\na,1,2\nb,-inf,1\n", "'-inf' in line 3 is not a finite number"),
    "class target": (
        "task,y,x\na,yes,2\nb,no,1\n",
        "--target y: 'yes' in line 2 is not a finite number; if the target is one of two "
        "classes, add --classify",
    ),
    "one task": ("task,y,x\na,1,2\na,2,1\n", "--task task: there is one task only"),
    "tasks are rows": ("task,y,x\na,1,2\nb,2,1\n", "every row has a label of its own"),
    "no feature": ("task,y\na,1\na,2\nb,2\n", "no feature column is left"),
    "tiny tasks": ("task,y,x\na,1,2\na,2,1\nb,2,1\n", "no task has enough rows to test on"),
    "an identifier": (
        "task,y,x\n" + "".join(f"{i % 2},{i},id{i}\n" for i in range(120)),
        "column 'x' is text ('id0' in line 2) with 120 different values, too many to one-hot "
        "encode: pass --drop 'x'",
    ),
}


@pytest.mark.parametrize(("content", "message"), CONTENTS.values(), ids=CONTENTS)
def test_refused_files(content, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "t.csv").write_bytes(data)
    found = refused(capsys, "compare", "t.csv", "--task", "task", "--target", "y")
    assert message in found


def test_every_task_has_one_class(tmp_path, capsys):
    path = write_csv(tmp_path / "t.csv", ["a,0,1", "a,0,2", "b,1,1", "b,1,3"], "task,y,x")
    arguments = ["compare", path, "--task", "task", "--target", "y", "--classify"]
    assert "every task has one class only" in refused(capsys, *arguments)


def test_classes_and_holes_are_told_at_once(tmp_path, capsys):
    path = write_csv(tmp_path / "t.csv", ["a,0,1", "a,1,", "b,2,1", "b,4,3"], "task,y,x")
    told = refused(capsys, "compare", path, "--task", "task", "--target", "y", "--classify")
    assert told.startswith("--target y: --classify needs two classes, got 0, 1, 2, 4; column 'x' ")


def test_what_is_noted_about_columns(tmp_path, capsys):
    """Row numbers, in order, permuted or spaced; numbers with units; empty columns at the end."""
    numbers = [[3, 1, 2, 0], [10, 20, 30, 40]]
    for column in numbers:
        rows = [f"{'ab'[i % 2]},{i},{column[i]},{i % 2 + 1},000 kms,," for i in range(4)]
        rows = [
            row.replace(f"{i % 2 + 1},000 kms", f'"{i % 2 + 1},000 kms"')
            for i, row in enumerate(rows)
        ]
        path = write_csv(tmp_path / "t.csv", rows, "task,y,id,km,,")
        read = read_table(path, task="task", target="y")
        assert read.feature_names == ["id", "km=1,000 kms", "km=2,000 kms"]
        told = capsys.readouterr().err
        assert "column 'id' has a different whole number in every row" in told
        assert "--drop 'id'" in told and "write '1,000 kms' as 1000" in told
        assert "empty columns without a name are left out: 2" in told


def test_tasks_of_one_class_are_named_with_their_rows(tmp_path, capsys):
    rows = ["3,0,1.5", "3,0,2.5", "11,1,1.5", "5,0,2.5", "5,1,3.5", "6,0,4.5", "6,1,1.5"] * 2
    path = write_csv(tmp_path / "t.csv", rows, "task,y,x")
    read_table(path, task="task", target="y", classify=True)
    assert "one class only are left out: 3, 11; 6 rows" in capsys.readouterr().err


# --- the command itself --------------------------------------------------------------------------


def test_help_and_version(capsys):
    for arguments, words in (
        (["--help"], ["compare", "Exam", "--version"]),
        (["compare", "--help"], ["--task COLUMN", "--classify", "--json OUT", "one-hot", "Exam"]),
    ):
        with pytest.raises(SystemExit) as stop:
            run(*arguments)
        out = capsys.readouterr().out
        assert stop.value.code == 0
        assert all(word in out for word in words)
        assert max(map(len, out.splitlines())) <= 100
    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"malsar_py {malsar_py.__version__}\n"


def test_exit_codes_of_the_process(root, tmp_path):
    done = command("compare", "no.csv", "--task", "a", "--target", "b", cwd=root)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert command("--version", cwd=root).stdout.startswith("malsar_py ")


def test_interrupt_is_quiet(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("malsar_py.__main__.run", interrupted)
    assert run() == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_of_the_process(root):
    process = subprocess.Popen(
        [sys.executable, "-m", "malsar_py"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.stderr.read(1)  # the first word of progress: the work has begun
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
