"""What CONTRIBUTING's examples make, as a module of somebody else."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def written_outside(root: Path, section: str) -> Iterator[Any]:
    """The module that the section's code makes; it can be imported, as pickles ask for."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    module: Any = types.ModuleType("written_outside")
    sys.modules[module.__name__] = module
    try:
        exec(compile(found.group(1), "CONTRIBUTING.md", "exec"), vars(module))
        yield module
    finally:
        del sys.modules[module.__name__]
