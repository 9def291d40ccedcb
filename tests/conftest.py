"""Fixtures for all tests, and how many processes run them."""

from __future__ import annotations

import os
import sys
import zlib
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

# Tests of every model, parameter or seed, most of which take the same ways through the code: of so
# many instances one runs every time (the same everywhere), the others with the slow tests.
SAMPLED = {
    "test_batches.py::test_fits_are_those_of_all_rows": 2,
    "test_batches.py::test_more_than_two_classes": 2,
    "test_certificates.py::test_the_gap_at_any_point_and_at_the_optimum": 2,
    "test_common.py::test_every_value_a_task": 2,
    "test_common.py::test_two_tasks": 3,
    "test_common.py::test_without_labels_thoroughly": 4,
    "test_common_losses.py::test_of_counts": 3,
    "test_everywhere.py::test_histories_count_iterations": 2,
    "test_everywhere.py::test_labels_are_routed": 2,
    "test_everywhere.py::test_pictures": 2,
    "test_everywhere_selection.py::test_a_path_is_its_separate_fits": 3,
    "test_everywhere_selection.py::test_folds": 3,
    "test_everywhere_selection.py::test_picture_of_a_path": 3,
    "test_everywhere_selection.py::test_search_is_a_grid_search": 3,
    "test_fit_summary.py::test_fits_are_those_of_the_rows": 2,
    "test_fit_summary.py::test_searches_with_every_model": 2,
    "test_hostile.py::test_ends_certified_or_with_a_warning": 2,
    "test_inspection.py::test_every_model_by_every_door": 3,
    "test_invariance.py::test_task_weights": 2,
    "test_invariance.py::test_warm_start": 2,
    "test_invariance.py::test_weights_two_and_zero": 2,
    "test_layers.py::test_import_is_cheap": 2,
    "test_losses.py::test_every_model": 2,
    "test_mixed_twins.py::test_statsmodels": 2,
    "test_pooling_twins.py::test_twins": 2,
    "test_prox.py::test_three_inequality": 2,
    "test_reference_losses.py::test_twin": 3,
    "test_reference_multinomial.py::test_pooled_twin_thoroughly": 3,
    "test_reference_multinomial.py::test_twin_thoroughly": 3,
    "test_reference_twopart.py::test_twin": 3,
    "test_runtime.py::test_cycles_are_searched_for_as_before": 3,
    "test_runtime.py::test_threads_change_no_digit_that_counts": 3,
    "test_scales.py::test_scales_of_data": 2,
    "test_school.py::test_a_search_is_grid_search_cv": 2,
    "test_search.py::test_auto_is_the_grid_of_all_data": 2,
    "test_search.py::test_by_task_column": 3,
    "test_search.py::test_by_tasks_without_routing": 3,
    "test_search_metadata.py::test_scores_of_a_search_over_a_pipeline": 2,
    "test_search_parameters.py::test_a_parameter_is_searched_as_by_grid_search": 4,
    "test_sparse.py::test_sparse_is_dense": 2,
    "test_temporal.py::test_the_gap_at_any_point_and_at_the_optimum": 2,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave thorough files to CI and most repetitions to slow runs, unless they were asked for.

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
        if item.path.name not in asked_for and seen[test]:
            every = SAMPLED.get(f"{item.path.name}::{test.rpartition('::')[2]}", 1)
            if zlib.crc32(item.name.encode()) % every:
                item.add_marker("slow")
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
