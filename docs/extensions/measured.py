"""What the benchmarks measured, read from ``tests/benchmarks/RESULTS.md``: no figure is typed.

``{gains}`` on a page is the table of gains by partial pooling. ``docs/figures.py`` draws the speed.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).resolve().parents[2] / "tests" / "benchmarks" / "RESULTS.md"


def section(name: str, text: str | None = None) -> str:
    """What stands between the markers of a section; empty if it was not measured."""
    text = RESULTS.read_text(encoding="utf-8") if text is None else text
    found = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", text, re.DOTALL)
    return found[1] if found else ""


def tables(text: str) -> list[list[list[str]]]:
    """All tables of a text: rows of cells, the header first."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in block.strip().splitlines()]
        cells = [[cell.strip().replace("**", "") for cell in row] for row in rows]
        found.append([cells[0], *cells[2:]])
    return found


def ratios() -> dict[str, tuple[float, float, float]]:
    """Best other package's time over ours: median, smallest and largest over the seeds."""
    header, *rows = tables(section("speed"))[0]
    assert header[:5] == ["problem", "over", "median", "min", "max"], header
    found = {}
    for problem, over, *numbers in rows:
        if "malsar_py" not in over and over.startswith("best of") and numbers[0] != "not measured":
            median, low, high = (float(number) for number in numbers[:3])
            found[problem] = (median, low, high)
    return found


def shown() -> dict[str, tuple[float, float, float]]:
    """The ratios of the picture: of the usual gap, and with X in one order."""
    return {
        name: found for name, found in ratios().items() if not re.search("to 1e-|Fortran", name)
    }


def gains() -> list[list[str]]:
    """Methods and per cent over the best linear one: mean and worst at 20 % and at 75 %."""
    text = section("pooling")
    if not text:
        return []
    header, *rows = tables(text)[0]
    assert header[0] == "method" and header[-1] == "mean", header
    few = [j for j, name in enumerate(header) if name.endswith(" 20")]
    many = [j for j, name in enumerate(header) if name.endswith(" 75")]
    found = []
    for row in rows:
        line = [row[0]]
        for columns in (few, many):
            values = [float(row[j]) for j in columns if row[j] not in ("-", "")]
            line += (
                [f"{sum(values) / len(values):+.1f}", f"{max(values):+.1f}"]
                if values
                else ["-"] * 2
            )
        found.append(line)
    return found


class Gains(SphinxDirective):
    """The table of gains."""

    def run(self) -> list[nodes.Node]:
        """Parse it as Markdown."""
        self.env.note_dependency(str(RESULTS))
        rows = gains()
        if not rows:
            text = "Not measured: `python -m tests.benchmarks --pooling --write`."
            return self.parse_text_to_nodes(text)
        header = ["method", "few rows: mean", "worst", "many rows: mean", "worst"]
        lines = [header, ["---"] * len(header), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("gains", Gains)
    return {"parallel_read_safe": True}
