"""The page, put together."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from . import _figures, _words
from ._coefficients import coefficients

_FOLDER = Path(__file__).parent
# A map of more tasks is a blur.
_MOST_MAPPED = 150


def render(found: Any) -> str:
    """The page of a `Comparison`, a text in HTML."""
    script = _text("sort.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    linear, table = found.linear, coefficients(found)
    pictures = _main_pictures(found)
    if table is not None and table.rows:
        pictures["spread"] = _figures.spread(table, _words.response(found))
        if 2 < len(table.tasks) <= _MOST_MAPPED and len(table.rows) > 1:
            pictures["map"] = _figures.coefficient_map(table)
            if len(table.rows) > 2 and linear.coef_.ndim == 2:
                pictures["similarity"] = _figures.similarity(table)
    return (
        _templates()
        .get_template("page.html")
        .render(
            found=found,
            coefficients=table,
            pictures=pictures,
            linear=linear,
            style=_text("style.css"),
            script=script,
            digest=digest,
        )
    )


def fragment(found: Any) -> str:
    """The verdict with its table and pictures, for a cell of a notebook."""
    return (
        _templates()
        .get_template("fragment.html")
        .render(found=found, pictures=_main_pictures(found), style=_text("style.css"))
    )


def _main_pictures(found: Any) -> dict[str, str]:
    return {"scores": _figures.scores(found), "gains": _figures.gains(found)}


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


@cache
def _templates() -> Any:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ImportError('the report needs jinja2: pip install "malsar_py[table]"') from error
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=_words.number, fixed=_words.fixed)
    made.globals.update(words=_words)
    return made
