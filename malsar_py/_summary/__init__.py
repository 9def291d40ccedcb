"""Summaries: any number of rows as statistics that add up, for fits with the squared loss."""

from __future__ import annotations

from ._fit import door_of, few_rows, refuse_rows_needed, rows_of, task_order
from ._moments import Moments
from ._sources import BatchRows, Columns, added, added_up, summarize
from ._summary import (
    MAX_MEMORY,
    SparseBatch,
    Summary,
    read_features,
    read_targets,
    refuse_not_finite,
)

__all__ = [
    "MAX_MEMORY",
    "BatchRows",
    "Columns",
    "Moments",
    "SparseBatch",
    "Summary",
    "added",
    "added_up",
    "door_of",
    "few_rows",
    "read_features",
    "read_targets",
    "refuse_not_finite",
    "refuse_rows_needed",
    "rows_of",
    "summarize",
    "task_order",
]
