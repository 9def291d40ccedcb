"""Tables: of numbers for further work, and of text to read."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from .._typing import AnyArray
from ._gains import Gains


def frame(columns: dict[str, AnyArray]) -> Any:
    """A DataFrame of the columns; without pandas the dict itself."""
    try:
        import pandas as pd
    except ImportError:
        return columns
    return pd.DataFrame(columns)


def lines(rows: list[list[str]]) -> list[str]:
    """Rows below a heading as text: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if j else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def of_one(gains: Gains, k: Any) -> list[str]:
    """Loss, gain and interval of one task as text."""
    interval = "-"
    if not np.isnan(gains.lower[k]):
        interval = f"[{gains.lower[k]:+.3g}, {gains.upper[k]:+.3g}]"
    return [f"{gains.loss[k]:.4g}", f"{gains.gain[k]:+.4g}", interval]


def as_html(table: Any) -> str:
    """The text of a table for notebooks."""
    return f"<pre>{escape(str(table))}</pre>"
