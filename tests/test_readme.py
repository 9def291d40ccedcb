"""The README's code runs and prints what it says; its commands and names exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib

import pytest

import malsar_py

from .malsar_map import NONCONVEX, TERMS, WHOLE_SQUARES, halved, norm, quadratic

FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def text(root):
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(text):
    return FENCE.findall(text)


@pytest.fixture(scope="module")
def commands(blocks):
    lines = [line for kind, body in blocks if kind == "sh" for line in body.splitlines()]
    return [[shlex.split(part) for part in line.split(" && ")] for line in lines]


def tokens(printed):
    """Words and numbers; numbers to two digits, which rounding of other machines leaves alone."""
    words = re.findall(r"-?\d+\.\d+|\w+|[^\w\s]", printed)
    return [f"{float(w):.2g}" if re.fullmatch(r"-?\d+\.\d+", w) else w for w in words]


def test_code_blocks_run_and_print_what_they_say(blocks):
    pytest.importorskip("pandas")
    namespace: dict[str, object] = {}
    n_run = 0
    for i, (kind, body) in enumerate(blocks):
        if kind != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(body, f"README.md, block {i}", "exec"), namespace)
        said = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
        expected = said[1] if said[0] == "text" else ""
        assert tokens(printed.getvalue()) == tokens(expected)
        n_run += 1
    assert n_run >= 3


def test_quick_start_is_short(blocks):
    first = next(body for kind, body in blocks if kind == "python")
    assert len(first.splitlines()) <= 16
    assert "TaskKFold(5, task_column=" in first
    assert "GridSearchCV" in first


def test_the_two_commands(commands, root):
    """Each sets up by itself; the interpreter, the extras and the modules they name exist."""
    main, tests, compare = commands
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in (main, tests):
        assert command[0] == ["python3.11", "-m", "venv", ".venv"]
        assert command[1][:5] == [".venv/bin/python", "-m", "pip", "install", "-e"]
    assert "3.11" in project["requires-python"]
    assert main[1][5] == "."
    assert main[2] == [".venv/bin/python", "-m", "malsar_py"]  # runs in test_cli
    extra = re.fullmatch(r"\.\[(\w+)\]", tests[1][5])
    assert extra[1] in project["optional-dependencies"]
    assert tests[2] == [".venv/bin/python", "-m", "pytest"]
    assert compare[0][2:5] == ["malsar_py", "compare", "FILE.csv"]


def test_options_of_compare_exist(text, capsys):
    from malsar_py.__main__ import main

    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    used = set(re.findall(r"`?(--[a-z][a-z-]*)", text))
    assert used
    assert used <= known


def test_the_slow_marker_exists(text, root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert "pytest -m slow" in text
    assert any(m.startswith("slow:") for m in settings["tool"]["pytest"]["ini_options"]["markers"])


def test_every_model_is_in_the_table(text):
    for name in malsar_py.__all__:
        if name.endswith("Regressor"):
            assert f"| `{name.removesuffix('Regressor')}` |" in text


def test_the_printed_table_is_one_of_the_command(blocks):
    from .test_cli import MODELS, table_rows

    table = next(body for kind, body in blocks if kind == "text")
    rows = table_rows(table)
    assert list(rows) == MODELS
    assert max(map(len, table.splitlines())) <= 100
    errors = [rows[n][0] for n in ("MeanRegularized", "one model per task", "one model for all")]
    assert errors == sorted(errors)


def test_files_it_names_exist(text, root):
    for name in re.findall(r"`([A-Z]+\.md)`", text):
        assert (root / name).is_file(), name


def test_every_notebook_is_in_the_gallery(text, root):
    linked = set(re.findall(r"\]\((notebooks/\w+\.ipynb)\)", text))
    assert sorted(linked) == [f"notebooks/{p.name}" for p in sorted(root.glob("notebooks/*.ipynb"))]


CONVERSIONS = {"f": norm, "2f": quadratic}


def test_malsars_arguments_become_what_the_table_says(text):
    """The table for MALSAR's users and the one that the golden tests convert by."""
    section = text.split("## Coming from MALSAR or RMTL")[1].split("\n## ")[0]
    known = TERMS | NONCONVEX
    found = set()
    for function, estimator, strengths in re.findall(
        r"^\| `(\w+)\(.*?\)` \| `(\w+)`.*? \| (.*) \|$", section, re.MULTILINE
    ):
        if function not in known:
            continue
        found.add(function)
        assert estimator == known[function].estimator
        # Squared losses without 1/2 are halved in TERMS by the loss, or by the argument itself.
        assert ("least squares: half" in strengths) == (f"Least_{function}" in WHOLE_SQUARES)
        said = {}
        for number, factor, argument, half in re.findall(r"λ(\d) = (2?f) (\w+)(/2)?", strengths):
            said[argument] = (f"lambda{number}", halved if half else CONVERSIONS[factor])
        arguments = known[function].arguments
        assert said == {name: value for name, value in arguments.items() if "lambda" in value[0]}
    assert found == set(known)
