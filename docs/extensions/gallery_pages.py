"""The gallery: the notebooks as they were executed, each with one of its pictures.

``docs/gallery`` is written anew by every build and is not kept under version control.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# Which picture a tile shows, where it is not the last one, which is what a notebook comes to.
PICTURES = {"10_school_benchmark": 1}


def sources() -> list[Path]:
    """The executed notebooks."""
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def pictures(notebook: dict[str, Any]) -> list[bytes]:
    """All pictures of a notebook."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    found = [output.get("data", {}).get("image/png") for output in outputs]
    return [base64.b64decode("".join(text)) for text in found if text]


def headline(notebook: dict[str, Any]) -> tuple[str, str]:
    """Title and first sentence of a notebook."""
    text = "".join(notebook["cells"][0]["source"])
    title, _, rest = text.partition("\n")
    first = " ".join(rest.strip().split("\n\n")[0].split())
    first = re.sub(r",?\s*\$[^$]*\$", "", first)  # a tile is too narrow for formulas
    # Up to a full stop that is no abbreviation's ("Fig. 13") and not inside brackets.
    sentence = re.split(r"(?<=[a-z0-9)`])\. (?=[A-Z])", first)[0].rstrip(".") + "."
    return title.lstrip("# "), sentence


def card(name: str, title: str, sentence: str) -> str:
    """A tile of the gallery."""
    return (
        f":::{{grid-item-card}} {title}\n:link: {name}\n:link-type: doc\n"
        f":img-top: pictures/{name}.png\n:img-alt: {title}\n:class-card: gallery-card\n\n"
        f"{sentence}\n:::\n"
    )


def write(folder: Path) -> None:
    """Copy the notebooks, take a picture out of each, and list them."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    cards = []
    names = {path.stem for path in sources()}
    for old in folder.glob("*.ipynb"):
        if old.stem not in names:
            old.unlink()
    for path in sources():
        notebook = json.loads(path.read_text(encoding="utf-8"))
        copy = folder / path.name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)
        picture = pictures(notebook)[PICTURES.get(path.stem, -1)]
        (folder / "pictures" / f"{path.stem}.png").write_bytes(picture)
        cards.append(card(path.stem, *headline(notebook)))
    toctree = "```{toctree}\n:hidden:\n\n" + "\n".join(sorted(names)) + "\n```\n"
    text = (
        "# Gallery\n\nNotebooks as they were executed. Each reproduces a published figure or\n"
        "table, with the optimum and its certificate beside the print, or shows a way to use\n"
        "the library.\n\n"
        "::::{grid} 1 2 2 3\n:gutter: 3\n\n" + "\n".join(cards) + "::::\n\n" + toctree
    )
    (folder / "index.md").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before they are read."""
    write(Path(app.srcdir) / "gallery")
    return {"parallel_read_safe": True}
