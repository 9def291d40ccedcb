"""A comparison as one HTML page to hand on: no network, no script needed, light, dark, printable.

The words are in `_words`, the pictures in `_figures`, the coefficients in `_coefficients`; the page
is ``page.html`` with ``style.css`` and ``sort.js`` written into it.
"""

from __future__ import annotations

from ._page import fragment, render

__all__ = ["fragment", "render"]
