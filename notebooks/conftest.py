"""``pytest --nbmake notebooks/``: each notebook is executed and its assertions hold.

Data come from the folder `MALSAR_PY_DATA` names, else from ``../shared/data`` beside the checkout,
else from the cache of the ``fetch_*`` functions. Nothing is downloaded here: a notebook whose data
are in none of them runs on its simulated stand-in.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
VARIABLE = "MALSAR_PY_DATA"
DEFAULT_DATA = FOLDER.parents[1] / "shared" / "data"

# More than a third of a minute with the real data. CI runs the stand-ins of those that have one
# (tests/test_notebooks.py); ``pytest notebooks`` and ``pytest -m slow`` run all.
LONG = {
    "04_graph",
    "05_robust_and_dirty",
    "06_clustered",
    "08_multi_stage",
    "09_multi_task_clustering",
    "10_school_benchmark",
    "11_when_does_sharing_help",
    "12_disease_progression",
    "13_calibrated_noise",
}

# The scripts are the notebooks' sources: --doctest-modules would run them by importing them.
collect_ignore_glob = ["*.py"]

if os.environ.get(VARIABLE):  # a kernel runs in notebooks/, where a relative path names nothing
    os.environ[VARIABLE] = str(Path(os.environ[VARIABLE]).expanduser().resolve())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the notebooks, so that ``-m "not notebook"`` leaves them out.

    They take minutes: unless asked for by themselves they are left to CI, and long ones are slow.
    """
    paths = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    asked_for = all(FOLDER in (path, *path.parents) for path in paths)
    for item in items:
        if item.path.suffix == ".ipynb" and item.path.parent == FOLDER:
            item.add_marker("notebook")
            if not asked_for:
                item.add_marker("slow" if item.path.stem in LONG else "thorough")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give the kernel its data folder, a non-interactive life and no way to the network."""
    # Nothing listens on the discard port: a download ends at once, with the OSError of no network.
    proxies = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in proxies.items():
            patch.setenv(name, value)
            patch.setenv(name.upper(), value)
        if not os.environ.get(VARIABLE) and DEFAULT_DATA.is_dir():
            patch.setenv(VARIABLE, str(DEFAULT_DATA))
        return (yield)
