"""The README's code runs and prints what it says; its commands and names exist."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from . import pages


@pytest.fixture(scope="module")
def text(root):
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(text):
    return pages.FENCE.findall(text)


@pytest.fixture(scope="module")
def commands(blocks):
    lines = [line for kind, body in blocks if kind == "sh" for line in body.splitlines()]
    return [[shlex.split(part) for part in line.split(" && ")] for line in lines]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_blocks_run_and_print_what_they_say(root):
    pytest.importorskip("pandas")
    assert pages.check(root / "README.md") >= 2


def test_it_is_short_and_says_what_people_search_for(text):
    assert len(text.splitlines()) < 200
    for words in ("partial pooling", "hierarchical", "mixed-effects", "multi-output", "transfer"):
        assert words in text.lower()


def test_quick_start_is_short(blocks):
    first = next(body for kind, body in blocks if kind == "python")
    assert len(first.splitlines()) <= 16
    assert "TaskKFold(5, task_column=" in first
    assert "MixedEffectsRegressor(task_column=" in first


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


def test_the_printed_table_is_one_of_the_command(blocks):
    from .test_cli import MODELS, table_rows

    table = next(body for kind, body in blocks if kind == "text" and "----" in body)
    rows = table_rows(table)
    assert list(rows) == MODELS
    assert max(map(len, table.splitlines())) <= 100
    errors = [rows[n][0] for n in ("MeanRegularized", "one model per task", "one model for all")]
    assert errors == sorted(errors)


def test_files_it_names_exist(text, root):
    for name in re.findall(r"`([A-Z]+\.md)`", text):
        assert (root / name).is_file(), name


def test_what_it_links_to_exists(text, root):
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert len(targets) > 20
    for target in targets:
        assert (root / target).exists(), target


def test_it_names_every_page_of_the_guide(text, root):
    """But the list of models and what the command does, which have places of their own."""
    for folder in ("guide", "coming", "theory"):
        for page in (root / "docs" / folder).glob("*.md"):
            if page.stem not in ("index", "compare"):
                assert f"(docs/{folder}/{page.name})" in text, page
