"""A virtual environment for every peer, outside the tree, made when it is first needed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PEERS = Path(__file__).with_name("peers")


class InstallError(RuntimeError):
    """The packages of a peer could not be installed; says pip's last line."""


def cache_folder() -> Path:
    """The folder of all environments; ``.ci/run`` keeps its own beside it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    return Path(base) / "malsar_py-benchmarks"


def interpreter(requirements: str | None) -> Path:
    """Python of the environment with ``peers/<requirements>.txt``; ``None``: this very Python.

    ``peers/<requirements>.build.txt``, if there, is what compiles against the first list: it is
    installed afterwards and without an isolated build environment.
    """
    if requirements is None:
        return Path(sys.executable)
    lists = [PEERS / f"{requirements}.txt", PEERS / f"{requirements}.build.txt"]
    lists = [path for path in lists if path.is_file()]
    key = hashlib.sha256(sys.version.encode() + sys.base_prefix.encode())
    for path in lists:
        key.update(path.read_bytes())
    folder = cache_folder() / f"{requirements}-{key.hexdigest()[:16]}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with _lock(folder.with_suffix(".lock")):
        # The marker is written last: an installation that stopped halfway is started afresh.
        marker = folder / ".complete"
        if not marker.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"installing {requirements} ...", file=sys.stderr, flush=True)
            try:
                _install(folder, python, lists)
            except InstallError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            marker.touch()
    return python


def _install(folder: Path, python: Path, lists: list[Path]) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    for path in lists:
        isolation = ["--no-build-isolation"] if path.name.endswith(".build.txt") else []
        _run([str(python), "-m", "pip", "install", "--quiet", *isolation, "-r", str(path)])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        output = (result.stderr or result.stdout).strip().splitlines()
        errors = [line.strip() for line in output if "error" in line.lower()]
        raise InstallError((errors or output or ["no output"])[-1])


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One installation at a time, where the system has file locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
