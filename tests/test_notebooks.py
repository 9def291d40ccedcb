"""The notebooks as files: paired with their scripts, executed, small. nbmake runs them."""

from __future__ import annotations

import ast
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
MAX_BYTES = 1_000_000
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def test_every_script_has_its_notebook():
    assert NOTEBOOKS
    scripts = {path.stem for path in NOTEBOOKS[0].parent.glob("[0-9]*.py")}
    assert scripts == {path.stem for path in NOTEBOOKS}


@names
def test_paired(path):
    """The script and the notebook say the same, cell by cell."""
    jupytext = pytest.importorskip("jupytext")
    script = jupytext.read(path.with_suffix(".py"))
    notebook = jupytext.read(path)
    assert notebook.metadata["jupytext"]["formats"] == "ipynb,py:percent"
    assert [(cell.cell_type, cell.source) for cell in script.cells] == [
        (cell.cell_type, cell.source) for cell in notebook.cells
    ]


@names
def test_committed_with_outputs(path):
    """Executed once from top to bottom, without an error, and small enough to be shown."""
    assert path.stat().st_size < MAX_BYTES
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@names
def test_committed_outputs_are_of_real_data(path):
    """Stand-ins are for readers without the data; what is shown here had them."""
    shown = json.dumps([cell["outputs"] for cell in code_cells(path)])
    assert "SIMULATED" not in shown


@names
def test_asserts_something(path):
    """The values a notebook claims are asserted in it."""
    tree = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.Assert) for node in ast.walk(tree))


LONG = runpy.run_path(str(NOTEBOOKS[0].parent / "conftest.py"))["LONG"]
SWEEPS = {"10_school_benchmark", "11_when_does_sharing_help"}  # many searches, on any data
STAND_INS = [
    pytest.param(
        path,
        id=path.stem,
        # Where the data are not, nbmake does the same; CI runs a notebook once, if it is quick.
        marks=pytest.mark.thorough if path.stem in LONG - SWEEPS else pytest.mark.slow,
    )
    for path in NOTEBOOKS
    if "SIMULATED" in path.with_suffix(".py").read_text(encoding="utf-8")
]


@pytest.mark.notebook
@pytest.mark.parametrize("path", STAND_INS)
def test_stand_in(path, tmp_path):
    """Without the data a notebook runs on simulated ones, and says so."""
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    environment = {**os.environ, **nowhere, "MPLBACKEND": "agg", "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("MALSAR_PY_DATA", None)
    root = path.parents[1]
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    script = path.with_suffix(".py")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "could not be downloaded" in done.stdout
    assert "SIMULATED" in done.stdout
