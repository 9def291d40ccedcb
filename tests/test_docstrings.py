"""Docstrings stand in the sources as readers, editors and documentation tools see them."""

import importlib
import inspect
import re

import pytest

import malsar_py

from . import docstrings


def test_shared_parts_are_current():
    stale = [str(path) for path in docstrings.renewed()]
    assert not stale, "python -m tests.docstrings --write"


SHARED = docstrings.Shared(
    {"Parameters": [docstrings.Entry(["a : int", "    New."]), docstrings.Entry(["b : int"])]},
    own={"c"},
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a : int", "    Old."], ["a : int", "    New.", "b : int"]),
        (["mine : str", "b : float"], ["a : int", "    New.", "mine : str", "b : int"]),
        (["a : int", "tol : float", "    Dropped."], ["a : int", "    New.", "b : int"]),
    ],
    ids=["renewed", "own", "not its"],
)
def test_entries_are_written_where_they_belong(given, expected):
    form = "One line.\n\nParameters\n----------\n{}\n\nReturns\n-------\nfloat"
    written = SHARED.applied(form.format("\n".join(given)))
    assert written == form.format("\n".join(expected))
    assert SHARED.applied(written) == written


def test_a_classifier_says_what_its_regressor_says():
    form = "One line.\n\nParameters\n----------\n{}\n\nNotes\n-----\nEnd."
    twin = form.format("mine : int\n    Theirs.")
    written = docstrings.Shared({"Parameters": []}).applied(
        form.format("mine : int\n    Mine."), twin
    )
    assert written == twin


def test_no_placeholder_is_left():
    for thing, _ in docstrings.documented():
        assert not re.search(r"<[a-z]+>$", thing.__doc__, flags=re.M), thing


# More to say, or more methods, than others have.
LONG_HELP = {"MeanRegularizedRegressor": 275, "MixedEffectsRegressor": 295}
_ADAPTING = "Clustered Graph JointFeature MeanRegularized TaskRelationship TraceNorm"
LONG_HELP |= {f"{name}Classifier": 285 for name in _ADAPTING.split()}  # `adapt`, beside their own


def public_classes():
    for name in ["", *(f".{module}" for module in malsar_py._MODULES)]:
        room = importlib.import_module(f"malsar_py{name}")
        for name, thing in inspect.getmembers(room, inspect.isclass):
            if not name.startswith("_") and thing.__module__.startswith("malsar_py"):
                yield thing


def own_help(cls):
    """What `help` shows that is ours: the docstring of the class, and its methods with theirs."""
    shown = [inspect.getdoc(cls) or ""]
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        method = getattr(method, "fget", None) or getattr(cls, name)
        ours = str(getattr(method, "__module__", "")).startswith("malsar_py")
        if not name.startswith("_") and ours and inspect.isroutine(method):
            shown.append(f"{name}\n{inspect.getdoc(method) or ''}\n")
    return "\n".join(shown).splitlines()


def test_help_of_a_class_is_short_and_wrapped():
    """But for what scikit-learn's bases add to all estimators, its own included."""
    shown = {cls: own_help(cls) for cls in public_classes()}
    assert len(shown) > 80
    long = {c: len(s) for c, s in shown.items() if len(s) >= LONG_HELP.get(c.__name__, 250)}
    assert not long
    wide = [(c, line) for c, lines in shown.items() for line in lines if len(line) > 96]
    assert not wide
