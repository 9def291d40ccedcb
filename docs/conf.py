"""Settings of the site: ``python -m sphinx -W -b html docs docs/_build/html``.

Nothing is fetched, neither while building nor while reading: formulas are MathML, pages of the API
and of the gallery are made from the sources, and notebooks are shown as they were executed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]
# Where names are resolved the library is imported, and nothing is compiled.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import malsar_py

project = "malsar_py"
author = copyright = "The malsar_py developers"
release = version = malsar_py.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    # of this folder
    "api_pages",
    "gallery_pages",
    "mathml",
    "measured",
]
exclude_patterns = ["_build", "extensions"]
html_math_renderer = "mathml"

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]

autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
highlight_language = "none"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"malsar_py {release}"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    # Pages of wide formulas take the room of the table of contents.
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "theory/formulations": [],
        "theory/certificates": [],
        "theory/pooling": [],
        "guide/models": [],
        "benchmarks": [],
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}
# Pages without others below them need no list of these.
_ALONE = ("benchmarks", "changelog", "choose", "citing", "extending", "index", "start")
html_sidebars: dict[str, list[str]] = {name: [] for name in _ALONE}
