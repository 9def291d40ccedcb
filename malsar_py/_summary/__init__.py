"""Summaries: any number of rows as statistics that add up, for fits with the squared loss."""

from __future__ import annotations

from ._fit import refuse_rows_needed, task_order
from ._sources import summarize
from ._summary import Summary

__all__ = ["Summary", "refuse_rows_needed", "summarize", "task_order"]
