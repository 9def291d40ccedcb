"""Compare the models on one table: split it, choose the lambdas, fit, test, report.

This is the work behind ``python -m malsar_py compare``. Progress and notes go to standard error,
the table of results to standard output.
"""

from __future__ import annotations

from ._run import run

__all__ = ["run"]
