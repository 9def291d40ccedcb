"""Tables of the command line: read, columns told apart, as rows by task."""

from __future__ import annotations

from ._columns import Column, some
from ._error import CompareError
from ._read import read_frame
from ._table import Asked, Table, exam_table, label_text, read_table

__all__ = [
    "Asked",
    "Column",
    "CompareError",
    "Table",
    "exam_table",
    "label_text",
    "read_frame",
    "read_table",
    "some",
]
