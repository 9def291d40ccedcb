"""The docstrings of the public API have numpydoc's form, less what is listed with a reason."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import malsar_py

validation = pytest.importorskip("numpydoc.validate")

MODULES = ["malsar_py", *(f"malsar_py.{name}" for name in malsar_py._MODULES)]

# Codes that are not asked for anywhere.
EVERYWHERE = {
    "RT02": "what is returned has a name, as in scikit-learn's docstrings",
    "SA01": "See Also names a twin or an alternative where there is one",
    "SS05": "a plural (`Slopes of ...`) is taken for a verb in the third person",
}
# Codes that are not asked of functions and methods.
OF_FUNCTIONS = {
    "ES01": "one line may say all",
    "EX01": "examples stand with the classes and with what is called by itself",
}
# Codes that are not asked of classes.
OF_CLASSES = {
    "PR03": "constructors take keywords only: parameters are documented by importance",
}
# Protocols of arrays that have one meaning each, said once at the top of the module.
OF_ARRAYS = {
    "malsar_py.losses": {"PR01", "RT01"},
    "malsar_py.penalties": {"PR01", "RT01"},
    "malsar_py.prox": {"PR01", "RT01"},
}
# Classes that users are handed and do not make: their fields stand under Attributes, or in a
# sentence. Nobody writes an example of making one.
HANDED = {
    "malsar_py.inspection.BootstrapResult",
    "malsar_py.inspection.Gains",
    "malsar_py.inspection.TaskAffinity",
    "malsar_py.inspection.TaskGains",
    "malsar_py.losses.Evaluation",
    "malsar_py.losses.Link",
    "malsar_py.losses.Multinomial",
    "malsar_py.losses.PerTask",
    "malsar_py.losses.UnitScore",
    "malsar_py.metrics.TaskScore",
    "malsar_py.model_selection.RegularizationPath",
    "malsar_py.penalties.TaskQuadratic",
}

# Bases of classes written outside (the examples are CONTRIBUTING's, which tests execute), and a
# loss that is a model's own.
BASES = {
    "malsar_py.losses.Loss",
    "malsar_py.losses.SquareRoot",
    "malsar_py.penalties.Penalty",
    "malsar_py.penalties.Structure",
}


def public(module: str) -> Iterator[tuple[str, Any]]:
    """Names and objects: classes, functions, and methods where they are written."""
    room = importlib.import_module(module)
    names = getattr(room, "__all__", None) or [
        name
        for name, thing in vars(room).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module
    ]
    for name in names:
        thing = getattr(room, name)
        if inspect.isfunction(thing):
            yield f"{module}.{name}", thing
        elif inspect.isclass(thing):
            yield f"{module}.{name}", thing
            for member in dir(thing):
                method = inspect.getattr_static(thing, member)
                method = method.fget if isinstance(method, property) else getattr(thing, member)
                ours = str(getattr(method, "__module__", "")).startswith("malsar_py")
                if not member.startswith("_") and ours and inspect.isroutine(method):
                    yield f"{module}.{name}.{member}", method


def excused(name: str, thing: Any, module: str) -> set[str]:
    codes = set(EVERYWHERE) | set(OF_CLASSES if inspect.isclass(thing) else OF_FUNCTIONS)
    if not inspect.isclass(thing):
        codes |= OF_ARRAYS.get(module, set())
    if name in HANDED:
        codes |= {"PR01", "EX01", "ES01"}
    if name in BASES:
        codes |= {"EX01"}
    return codes


@pytest.mark.parametrize("module", MODULES)
def test_public_docstrings_are_valid(module):
    wrong, seen = [], set()
    for name, thing in public(module):
        inherited = not inspect.isclass(thing) and thing.__doc__ is None
        if thing in seen or (inherited and _documented_above(name)):
            continue  # an override that says nothing new is read in its base
        seen.add(thing)
        found = validation.validate(name)["errors"]
        skipped = excused(name, thing, module)
        wrong += [f"{name}: {code} {text}" for code, text in found if code not in skipped]
    assert not wrong, "\n".join(["", *wrong])


def _documented_above(name: str) -> bool:
    path, _, member = name.rpartition(".")
    module, _, owner = path.rpartition(".")
    cls = getattr(importlib.import_module(module), owner)
    return any(getattr(vars(base).get(member), "__doc__", None) for base in cls.__mro__)
