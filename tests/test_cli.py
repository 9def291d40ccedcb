"""`python -m malsar_py`: the default run on Exam, a user's file, what is refused in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import malsar_py
from malsar_py.__main__ import main

from .report_tables import few_settings

REFERENCES = [
    "mean alone",
    "one model for all",
    "one model per task",
    "ridge + task dummies",
    "gradient boosting",
]
SHARING = [
    "MixedEffects",
    "MeanRegularized",
    "JointFeature",
    "TraceNorm",
    "TaskRelationship",
]
MODELS = [*REFERENCES, "Lasso", *SHARING, "sharing, chosen by CV"]
GIVEN = ["--task", "task", "--target", "y"]
FEW = ["--models", "MeanRegularized", "--repeats", "1"]


# Read by every Python that finds it on its path: imports of these packages fail.
WITHOUT_PANDAS = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "matplotlib", "skrub"):
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
        timeout=600,
    )


def table_rows(text):
    """Rows of the first table: name -> (metric, best, second score)."""
    lines = text.splitlines()
    start, stop = [i for i, line in enumerate(lines) if line and set(line) == {"-"}][:2]
    rows = {}
    for line in lines[start + 1 : stop]:
        second = line[66:].split()[0]
        rows[line[:22].strip()] = float(line[43:53]), "best" in line[61:66], float(second)
    return rows


def write(path, *, colours):
    rng = np.random.default_rng(0)
    lines = ["task,y,size" + ",colour" * colours]
    for task in range(3):
        for size, colour in zip(
            rng.standard_normal(16), rng.choice(["red", "green"], 16), strict=True
        ):
            y = (1 + task) * size + (colour == "red") + 0.3 * rng.standard_normal()
            lines.append(f"t{task},{y:.4f},{size:.4f}" + f",{colour}" * colours)
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def table(tmp_path):
    pytest.importorskip("skrub")
    return write(tmp_path / "table.csv", colours=True)


@pytest.fixture
def numbers(tmp_path):
    """Without texts, which take most of the time."""
    pytest.importorskip("skrub")
    return write(tmp_path / "numbers.csv", colours=False)


@pytest.fixture
def quick():
    with few_settings():
        yield


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


@pytest.mark.slow
def test_the_main_job(root, tmp_path):
    """The default run: the README's command, without pandas and matplotlib, from any folder."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PANDAS)
    done = command(cwd=tmp_path, PYTHONPATH=os.pathsep.join([str(tmp_path), str(root)]))
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stdout.startswith("Exam: normexam by school, 65 tasks, 15 features; 4059 rows, 5")
    rows = table_rows(done.stdout)
    assert list(rows) == MODELS
    assert 0.95 < rows["mean alone"][0] < 1.0
    assert 0.73 < rows["one model for all"][0] < 0.78
    assert 0.72 < rows["one model per task"][0] < 0.75
    for name in SHARING:
        assert rows[name][0] < rows["one model per task"][0]
        assert 0.4 < rows[name][2] < 0.5
    best = [name for name, row in rows.items() if row[1]]
    assert len(best) == 1 and best[0] in SHARING
    assert "sharing is clearly better than the mean alone, one" in done.stdout
    assert "not tried, as they take longer: Graph (chain), Clustered, Dirty" in done.stdout
    # Progress is on standard error.
    assert re.search(r"5/5: 11 procedures, [\d.]+ s", done.stderr)
    assert "Warning" not in done.stderr


def test_exam_without_pandas(root, tmp_path):
    """The same in short: one split, one model."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PANDAS)
    path = os.pathsep.join([str(tmp_path), str(root)])
    done = command(
        "compare", "--models", "MixedEffects", "--repeats", "1", cwd=tmp_path, PYTHONPATH=path
    )
    assert done.returncode == 0, done.stderr
    rows = table_rows(done.stdout)
    assert list(rows) == [*REFERENCES, "MixedEffects", "sharing, chosen by CV"]
    assert rows["MixedEffects"][0] < rows["one model per task"][0]
    assert "Warning" not in done.stderr
    done = command("compare", "t.csv", *GIVEN, cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 2
    assert 'pip install "malsar_py[table]"' in done.stderr


def test_compare_without_a_file_is_exam(monkeypatch):
    seen = []
    monkeypatch.setattr("malsar_py.__main__._run", lambda options, _: seen.append(options.file))
    assert run() == run("compare") == 0
    assert seen == [None, None]


# --- a user's file -------------------------------------------------------------------------------


def test_a_file(table, tmp_path, capsys, quick):
    out_file = tmp_path / "out.json"
    assert run("compare", table, *GIVEN, *FEW, "--per-task", "--json", out_file) == 0
    out, err = capsys.readouterr()
    assert out.startswith("table.csv: y by task, 3 tasks, 2 features; 48 rows, 1 splits (seed 0)")
    assert max(map(len, out.splitlines())) <= 100
    assert "categories, one-hot encoded: colour" in err and "1/1: 6 procedures" in err
    rows = table_rows(out)
    assert list(rows) == [*REFERENCES, "MeanRegularized", "sharing, chosen by CV"]
    assert "whether clearly takes three splits or more" in out
    assert "RMSE of each task: one model per task against sharing, chosen by CV" in out
    assert re.search(r"sharing helps \d of 3 tasks, clearly \d; hurts \d, clearly \d", out)

    document = json.loads(out_file.read_text())
    assert document["malsar_py"] == malsar_py.__version__
    assert document["command"].endswith("--models MeanRegularized --repeats 1 --seed 0")
    for row in document["procedures"]:
        assert row["mean"] == pytest.approx(rows[row["name"]][0], abs=1e-4)
        assert row["second"][0] == pytest.approx(rows[row["name"]][2], abs=1e-4)
        assert (row["name"] == document["winner"]) == rows[row["name"]][1]
    gains = [task["gain"] for task in document["tasks"]]
    assert gains == sorted(gains, reverse=True) and len(gains) == 3


def test_the_seed_decides_and_nothing_is_written(numbers, tmp_path, capsys, quick, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))

    def output(seed):
        assert run("compare", numbers, *GIVEN, *FEW, "--seed", seed) == 0
        return table_rows(capsys.readouterr().out)

    assert output(3) == output(3)
    assert output(3) != output(4)
    assert sorted(os.listdir(tmp_path)) == before


def test_pictures_and_a_model(numbers, tmp_path, capsys, quick):
    pytest.importorskip("matplotlib")
    pytest.importorskip("skops")
    folder, model = tmp_path / "pictures", tmp_path / "model.skops"
    assert run("compare", numbers, *GIVEN, *FEW, "--plot", folder, "--save", model) == 0
    out, err = capsys.readouterr()
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "coefficients_meanregularized.png",
        "convergence_meanregularized.png",
        "cross_validation_meanregularized.png",
        "similarity_meanregularized.png",
    ]
    assert f"{len(names)} pictures written to {folder}" in err
    assert "pictures" not in out
    for name in names:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    best = next(name for name, row in table_rows(out).items() if row[1])
    assert (
        f"{best} kept in {model}: fitted to all 48 rows; its RMSE above is of fits to the training "
        "rows of the splits, flattered a little as the best of 6\n"
    ) in err


# --- what is refused -----------------------------------------------------------------------------

CASES = {
    "missing file": (["no.csv", *GIVEN], "no.csv: No such file"),
    "a folder": ([".", *GIVEN], "Is a directory"),
    "unknown columns": (
        ["table.csv", "--task", "school", "--target", "y", "--drop", "id"],
        "--task: table.csv has no column 'school'; --drop: table.csv has no column 'id'; its "
        "columns are task, y, size, colour",
    ),
    "text target": (
        ["table.csv", "--task", "task", "--target", "colour"],
        "in row 1 is not a number; it has 2 different values: add --classify",
    ),
    "no target option": (["table.csv", "--task", "task"], "also say which column by --target"),
    "no options": (["table.csv"], "also say which column by --task and --target"),
    "task without file": (["--task", "task"], "go with a FILE"),
    "drop without file": (["--drop", "vr"], "go with a FILE"),
    "bad seed": (["--seed", "-1"], "is not an integer from 0 to"),
    "bad repeats": (["--repeats", "0"], "is not an integer of at least 1"),
    "unknown option": (["--fold", "3"], "unrecognized arguments: --fold"),
    "unknown loss": (["--loss", "l1"], "invalid choice: 'l1'"),
    "unknown model": (["--models", "Ridge"], "--models: no 'Ridge'; there are MixedEffects,"),
    "classes of a loss": (
        ["table.csv", "--task", "task", "--target", "colour", "--classify", "--loss", "huber"],
        "--loss huber is for numbers, --classify for classes",
    ),
    "json in no folder": (["--json", "nowhere/out.json"], "--json: cannot write nowhere/out.json"),
    "json is a folder": (["--json", "."], "--json: cannot write ."),
    "pictures in a file": (["--plot", "table.csv"], "--plot: cannot write into table.csv"),
}


@pytest.mark.parametrize(("arguments", "message"), CASES.values(), ids=CASES)
def test_refused_options(arguments, message, table, capsys, monkeypatch):
    monkeypatch.chdir(table.parent)
    assert message in refused(capsys, "compare", *arguments)


def test_pictures_without_matplotlib(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = refused(capsys, "compare", "--plot", "pictures")
    assert message.startswith('--plot needs matplotlib: pip install "malsar_py[plot]"')


def test_unknown_command(capsys):
    assert "invalid choice: 'train'" in refused(capsys, "train")


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


def test_exit_code_of_the_process(root):
    done = command("compare", "no.csv", "--task", "a", "--target", "b", cwd=root)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_interrupt_is_quiet(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("malsar_py.__main__._run", interrupted)
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
        # (A shell has what it starts in the background ignore interrupts.)
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        process.stderr.read(1)  # the first word of a note: the work has begun
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
