"""A page for every public name, from the ``__all__`` of the public modules.

``docs/api`` is written anew by every build and is not kept under version control.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx

import malsar_py

# `mixed` is where the result of `fit_report` comes from.
MODULES = ("malsar_py", *(f"malsar_py.{name}" for name in (*malsar_py._MODULES, "mixed")))

# Families of estimators, by the file that they are in.
_FAMILIES = {
    "models.relation": "Means, and relations between tasks",
    "models.graph": "Means, and relations between tasks",
    "mixed": "Mixed models",
    "models.sparse": "Shared features",
    "models.groups": "Shared features",
    "models.calibrated": "Shared features",
    "models.low_rank": "Subspaces and clusters",
    "models.cluster": "Subspaces and clusters",
    "models.robust": "Two parts",
    "models.temporal": "Tasks in an order",
    "models.nonconvex": "Penalties that are not convex",
    "models.multisource": "Other settings",
    "models.matching": "Other settings",
    "models.kernel": "Other settings",
    "models.subspace_clustering": "Other settings",
    "models.glm": "Any penalty and loss",
}
_TOOLS = "Tables, rows and labels"


def public(module: ModuleType) -> list[str]:
    """Names that a module offers."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, what in vars(module).items()
            if inspect.isfunction(what)
            and not name.startswith("_")
            and what.__module__ == module.__name__
        ]
    return sorted(names, key=str.lower)


def pages() -> dict[str, tuple[str, str]]:
    """Module and name of what each page is about, by the page's name; everything once."""
    found: dict[str, tuple[str, str]] = {}
    seen: set[int] = set()
    for path in MODULES:
        module = importlib.import_module(path)
        for name in public(module):
            what = getattr(module, name)
            if id(what) in seen and callable(what):
                continue
            seen.add(id(what))
            found[f"{path}.{name}"] = (path, name)
    return found


def _family(what: Any) -> str:
    path = what.__module__.removeprefix("malsar_py.")
    for start, title in _FAMILIES.items():
        if path == start or path.startswith(f"{start}."):
            return title
    return _TOOLS


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _own_members(what: type) -> Iterator[tuple[str, str]]:
    """Public methods and properties that are ours, not scikit-learn's, and their directives."""
    for name in sorted(dir(what)):
        if name.startswith("_") or re.fullmatch(r"set_\w+_request", name):
            continue
        member = inspect.getattr_static(what, name)
        directive = "autoproperty" if isinstance(member, property) else "automethod"
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, classmethod | staticmethod):
            member = member.__func__
        member = getattr(member, "fn", member)  # available_if
        module = getattr(member, "__module__", None) or ""
        if callable(member) and module.startswith("malsar_py"):
            yield name, directive


def page(path: str, name: str) -> str:
    """The page about one name."""
    what = getattr(importlib.import_module(path), name)
    head = f"{_title(name.replace('_', chr(92) + '_'))}\n.. currentmodule:: {path}\n\n"
    if inspect.isclass(what):
        members = "".join(f"   .. {how}:: {member}\n\n" for member, how in _own_members(what))
        return f"{head}.. autoclass:: {name}\n\n{members}"
    if callable(what):
        return f"{head}.. autofunction:: {name}\n"
    return f"{head}.. autodata:: {name}\n   :no-value:\n"


def _table(path: str, names: list[str]) -> str:
    lines = "".join(f"   {name}\n" for name in names)
    return f".. currentmodule:: {path}\n\n.. autosummary::\n   :nosignatures:\n\n{lines}\n"


def index() -> str:
    """The page that lists all others."""
    listed = pages()
    text = _title("API reference") + "\n"
    text += (
        "Every public name. What estimators have in common with all of scikit-learn\n"
        "(``get_params``, ``set_output`` and the like) is described there.\n\n"
    )
    for path in MODULES:
        names = [name for where, name in listed.values() if where == path]
        if not names:
            continue
        module = importlib.import_module(path)
        if path == "malsar_py":
            groups: dict[str, list[str]] = {}
            for name in names:
                groups.setdefault(_family(getattr(module, name)), []).append(name)
            for title in dict.fromkeys([*_FAMILIES.values(), _TOOLS]):
                if title in groups:
                    text += _title(title, "-") + "\n" + _table(path, groups[title])
            continue
        text += _title(path, "-") + f"\n.. automodule:: {path}\n   :no-members:\n\n"
        text += _table(path, names)
    text += ".. toctree::\n   :hidden:\n\n"
    return text + "".join(f"   {docname}\n" for docname in listed)


def write(folder: Path) -> None:
    """Write the pages that have changed, and remove those of names that are gone."""
    folder.mkdir(exist_ok=True)
    texts = {f"{docname}.rst": page(*of) for docname, of in pages().items()}
    texts["index.rst"] = index()
    for old in folder.glob("*.rst"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before they are read."""
    write(Path(app.srcdir) / "api")
    return {"parallel_read_safe": True}
