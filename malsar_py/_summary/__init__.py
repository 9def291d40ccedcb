"""Summaries: any number of rows as statistics that add up, for fits with the squared loss."""

from __future__ import annotations

from ._sources import summarize
from ._summary import Summary

__all__ = ["Summary", "summarize"]
