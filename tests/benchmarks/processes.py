"""Worker processes as the benchmark sees them: start, ask with a time limit, stop.

Pipes are waited for with ``selectors``, which works on Unix only.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environments import InstallError, interpreter
from .peer import Peer
from .problems import ROOT

THREAD_VARIABLES = (
    *(f"{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "BLIS")),
    "VECLIB_MAXIMUM_THREADS",
)
_START_SECONDS = 300.0
_CALL_SECONDS = 1200.0


def note(text: str) -> None:
    """Progress, beside the tables."""
    print(text, file=sys.stderr, flush=True)


def single_threaded() -> dict[str, str]:
    """This environment with every thread pool held at one thread."""
    return os.environ | dict.fromkeys(THREAD_VARIABLES, "1")


class WorkerError(RuntimeError):
    """The worker answered with an error, or died."""


class TimeLimitError(WorkerError):
    """The worker did not answer in time and was ended."""


class Worker:
    """One peer's process. It starts at the first command, and again after a timeout."""

    def __init__(self, peer: Peer, log_folder: Path):
        self.peer = peer
        self.hello: dict[str, Any] = {}
        self._log = log_folder / f"{peer.name.replace(' ', '-')}.log"
        self._process: subprocess.Popen[str] | None = None
        self._loaded: str | None = None
        self._refused: InstallError | None = None
        self.warm = False  # whether this process has fitted before

    def start(self) -> dict[str, Any]:
        """Versions and thread pools of the process, started if it was not running."""
        if self._process is None:
            python = self._python()
            options = json.dumps(self.peer.options)
            with self._log.open("a") as log:
                self._process = subprocess.Popen(
                    [python, "-m", f"{__package__}.worker", self.peer.module, options],
                    cwd=ROOT,
                    env=single_threaded() | {"PYTHONPATH": str(ROOT)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            self.hello = self._ask(_START_SECONDS, do="hello")
            note(f"{self.peer.name}: {self._about()}")
        return self.hello

    def _python(self) -> Path:
        if self._refused is not None:  # installing would fail again
            raise self._refused
        try:
            return interpreter(self.peer.requirements)
        except InstallError as error:
            self._refused = error
            raise

    def load(self, path: Path) -> None:
        """Let the worker read a problem; it is read again after a restart."""
        self.start()
        if self._loaded != str(path):
            self._ask(_START_SECONDS, do="load", path=str(path))
            self._loaded = str(path)

    def drop(self) -> None:
        """Free the worker's memory."""
        if self._process is not None and self._loaded is not None:
            self._loaded = None
            with contextlib.suppress(WorkerError):  # it died: then its memory is free as well
                self._ask(_START_SECONDS, do="drop")

    def fit(self, tol: float, *, limit: float, out: Path | None = None) -> dict[str, Any]:
        """One fit of the loaded problem."""
        answer = self._ask(limit, do="fit", tol=tol, out=None if out is None else str(out))
        self.warm = True
        return answer

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        """Any function of the peer's file."""
        return self._ask(_CALL_SECONDS, do="call", function=function, arguments=arguments)

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        self._loaded, self.warm = None, False
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _ask(self, limit: float, **command: Any) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            # Answers are one line, written at once: when something is there, all of it is.
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                if not selector.select(limit):
                    self.stop()
                    raise TimeLimitError(f"over {limit:g} s")
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.stop()
            raise WorkerError(f"the process ended: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _about(self) -> str:
        versions = [f"{name} {version}" for name, version in self.hello["versions"].items()]
        pools = [
            " ".join(str(value) for value in pool.values() if value is not None) + " thread(s)"
            for pool in self.hello["pools"]
        ]
        return ", ".join(versions + pools)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing said"


class Session:
    """All workers and the folder for their data and logs."""

    def __init__(self, peers: Sequence[Peer]):
        self.peers = peers
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.workers: dict[str, Worker] = {}

    def worker(self, peer: Peer) -> Worker:
        """The worker of a peer."""
        if peer.name not in self.workers:
            self.workers[peer.name] = Worker(peer, self.folder)
        return self.workers[peer.name]

    def drop(self) -> None:
        """Let all workers free their problem."""
        for worker in self.workers.values():
            worker.drop()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.stop()
        self._stack.close()
