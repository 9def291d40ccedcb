"""Fixtures for all tests, and how many processes run them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_WORKERS = 8  # each takes some 500 MB and collects the tests anew

# Processes share the cores already, and matrices in the tests are small. (Workers inherit it.)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """What ``-n auto`` means: the cores we may use for folders, one process for files and tests."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    if not any(Path(argument).is_dir() for argument in config.args):
        return 0
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


# Files that repeat for every model what others check for some, or start many processes: minutes
# together. They run when asked for by name, and in CI.
THOROUGH = {
    "test_batches.py",
    "test_cli.py",
    "test_compare.py",
    "test_everywhere.py",
    "test_everywhere_selection.py",
    "test_hostile.py",
    "test_inspection.py",
    "test_invariance.py",
    "test_mean_regularized.py",
    "test_mixed_twins.py",
    "test_persistence.py",
    "test_plotting.py",
    "test_predict_command.py",
    "test_runtime.py",
    "test_scales.py",
    "test_search_metadata.py",
    "test_search_parameters.py",
    "test_settings.py",
    "test_solvers_smooth.py",
}

# Of these, what checks the same lines for model after model.
REPEATS = {
    "test_common.py",
    "test_common_losses.py",
    "test_everywhere.py",
    "test_everywhere_selection.py",
    "test_hostile.py",
    "test_invariance.py",
    "test_mixed_twins.py",
    "test_scales.py",
    "test_search_parameters.py",
    "test_settings.py",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave thorough files to CI, unless they were asked for.

    Coverage doubles a test's time: it is not measured in `REPEATS` and in most of the instances of
    a test that has many, which add no lines.
    """
    asked_for = {Path(argument.partition("::")[0]).name for argument in config.args}
    seen: Counter[str] = Counter()
    for item in items:
        test, _, _ = item.nodeid.partition("[")
        repeats = item.path.name in REPEATS or (seen[test] >= 3 and seen[test] % 4)
        if repeats and config.pluginmanager.hasplugin("_cov"):
            item.add_marker("no_cover")
        seen[test] += 1
        if item.path.name in THOROUGH - asked_for and item.path.parent == ROOT / "tests":
            item.add_marker("thorough")


@pytest.fixture(scope="session")
def root() -> Path:
    """Top folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder ``../shared`` beside the checkout: raw data and golden results, not distributed."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared (raw data and golden results) is not beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """Displays are pyplot's figures, which it keeps until they are closed."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
