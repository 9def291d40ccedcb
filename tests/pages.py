"""Code on Markdown pages: blocks that run, and what is said under them to be printed.

``python -m tests.pages PAGE ...`` writes what the blocks print now.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def tokens(printed: str) -> list[str]:
    """Words and numbers; numbers to two digits, which rounding of other machines leaves alone."""
    words = re.findall(r"-?\d+\.\d+|\w+|[^\w\s]", printed)
    return [f"{float(w):.2g}" if re.fullmatch(r"-?\d+\.\d+", w) else w for w in words]


def run(page: Path) -> list[tuple[str, str]]:
    """Run the blocks of a page in one namespace: what each prints, and what is said under it."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {}
    found = []
    with TemporaryDirectory() as folder, contextlib.chdir(folder):  # where they may write files
        for number, (kind, body) in enumerate(blocks):
            if kind != "python":
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(body, f"{page.name}, block {number}", "exec"), namespace)
            following = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
            found.append((printed.getvalue(), following[1] if following[0] == "text" else ""))
    return found


def check(page: Path) -> int:
    """Run the blocks and compare; returns how many there were."""
    found = run(page)
    for printed, said in found:
        assert tokens(printed) == tokens(said), (
            f"printed:\n{printed}\nbut {page.name} says:\n{said}"
        )
    return len(found)


def write(page: Path) -> None:
    """Put under each block what it prints."""
    printed = iter([each for each, _ in run(page)])
    text = page.read_text(encoding="utf-8")
    block = re.compile(r"(^```python\n.*?^```\n)(\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)

    def renewed(match: re.Match[str]) -> str:
        output = next(printed)
        return match[1] + (f"\n```text\n{output}```\n" if output else "")

    page.write_text(block.sub(renewed, text), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
