"""The tests under other processors' arithmetic: ``python -m tests.settings [pytest arguments]``.

What compiled code rounds differs from one processor to the next: other kernels of OpenBLAS, more or
fewer BLAS threads, other vector instructions in numpy and in numba's code. This runs pytest once
for each of these settings, as far as this processor has the instructions, and prints a table:

    python -m tests.settings                              # all but notebooks: an hour
    python -m tests.settings tests/test_solvers.py        # some files
    python -m tests.settings --only haswell --only numba tests

Outputs of runs that fail are kept in the folder that is named at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Everything that numpy chooses at run time and this processor has; its baseline is compiled in.
PROBE = """
import json, numpy, scipy.linalg
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
x = numpy.ones((64, 64))
assert (x @ x == 64.0).all() and scipy.linalg.cho_factor(x + 64 * numpy.eye(64))[0].size
blas = {i.get("architecture") for i in threadpool_info() if i["user_api"] == "blas"}
features = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
print(json.dumps([sorted(map(str, blas)), features]))
"""

NO_DISPATCH = "NPY_DISABLE_CPU_FEATURES"  # filled in with what the probe finds


def blas(kernels: str | None, threads: int) -> dict[str, str]:
    chosen = {} if kernels is None else {"OPENBLAS_CORETYPE": kernels}
    return chosen | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}

# Every kind of kernel, one and two threads, numpy and numba with the best and the least they have:
# not each by itself, which takes hours, but each in some row.
SETTINGS: dict[str, dict[str, str]] = {
    "as it is": blas(None, 1),
    "two threads": blas(None, 2),
    "all lowest": blas("Prescott", 2) | {NO_DISPATCH: ""} | GENERIC,
    "sandybridge, numba generic": blas("SandyBridge", 1) | GENERIC,
    "haswell, two threads": blas("Haswell", 2),
    "zen, numpy without dispatch": blas("Zen", 1) | {NO_DISPATCH: ""},
    "skylakex": blas("SkylakeX", 1),
}


def probe(environment: dict[str, str]) -> tuple[list[str], list[str]] | None:
    """The BLAS kernels in use and numpy's dispatched features; None where the processor cannot."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False
    )
    return None if done.returncode else tuple(json.loads(done.stdout))


def environment_of(setting: dict[str, str], features: list[str], scratch: Path) -> dict[str, str]:
    environment = {**os.environ, **setting}
    if NO_DISPATCH in setting:
        environment[NO_DISPATCH] = " ".join(features)
    if "NUMBA_CPU_NAME" in setting:
        environment["NUMBA_CACHE_DIR"] = str(scratch / "numba")  # another compile
    return environment


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.settings", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="settings whose name contains TEXT"
    )
    options, passed = parser.parse_known_args(arguments)
    chosen = {
        name: setting
        for name, setting in SETTINGS.items()
        if not options.only or any(text in name for text in options.only)
    }
    if not any(argument.startswith("-m") for argument in passed):
        passed = ["-m", "not slow and not thorough and not notebook", *passed]
    scratch = Path(tempfile.mkdtemp(prefix="malsar_py-settings-"))
    found = probe(dict(os.environ))
    assert found is not None
    features = found[1]
    failed = 0
    print(f"{'setting':30}{'BLAS kernels':16}{'seconds':>8}  pytest", flush=True)
    for name, setting in chosen.items():
        environment = environment_of(setting, features, scratch)
        there = probe(environment)
        if there is None:
            print(f"{name:30}{'-':16}{'-':>8}  not run: this processor cannot", flush=True)
            continue
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *passed],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        lines = done.stdout.strip().splitlines()
        counted = [line for line in lines if re.search(r"\d (passed|failed|skipped|error)", line)]
        summary = counted[-1].strip("= ") if counted else f"exit code {done.returncode}"
        print(f"{name:30}{'/'.join(there[0]):16}{seconds:8.0f}  {summary}", flush=True)
        if done.returncode:
            failed += 1
            (scratch / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
            for line in lines:
                if line.startswith(("FAILED", "ERROR")):
                    print(f"    {line}", flush=True)
    if failed:
        print(f"outputs: {scratch}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
