"""Summaries: any number of rows as statistics that add up, for fits with the squared loss."""

from __future__ import annotations

from ._fit import few_rows, refuse_rows_needed, rows_of, task_order
from ._sources import Columns, added, added_up, summarize
from ._summary import MAX_MEMORY, Summary, read_features

__all__ = [
    "MAX_MEMORY",
    "Columns",
    "Summary",
    "added",
    "added_up",
    "few_rows",
    "read_features",
    "refuse_rows_needed",
    "rows_of",
    "summarize",
    "task_order",
]
