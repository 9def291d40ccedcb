"""Execute the notebooks anew and write them with their outputs.

``python notebooks/execute.py [NAME ...]`` reads ``notebooks/NAME.py`` (all of them without a name),
runs it in a kernel and writes ``notebooks/NAME.ipynb``.
Data are found as the ``fetch_*`` functions find them; a relative `MALSAR_PY_DATA` is read from the
folder the command is started in.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources() -> list[Path]:
    """Scripts of all notebooks."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def execute(script: Path) -> Path:
    """Run the script as a notebook; returns the path of the notebook with its outputs."""
    notebook = jupytext.read(script)
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    notebook.metadata["kernelspec"] = KERNEL
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # random ids would make every run a change
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
    path = script.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    return path


def main() -> None:
    """Execute the notebooks named on the command line, or all."""
    names = sys.argv[1:]
    known = {path.stem: path for path in sources()}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"No such notebook: {', '.join(unknown)}. There are: {', '.join(known)}.")
    folder = os.environ.get("MALSAR_PY_DATA")
    if folder:
        os.environ["MALSAR_PY_DATA"] = str(Path(folder).expanduser().resolve())
    for name in names or known:
        start = time.perf_counter()
        path = execute(known[name])
        seconds = time.perf_counter() - start
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
