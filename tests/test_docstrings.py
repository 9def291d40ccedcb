"""Docstrings stand in the sources as readers, editors and documentation tools see them."""

import inspect
import re

import pytest

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


def test_help_of_a_class_is_short_and_wrapped():
    """What `help` shows of a class before its methods."""
    for thing, _ in docstrings.documented():
        lines = inspect.getdoc(thing).splitlines()
        assert len(lines) < 250, thing
        assert max(map(len, lines)) <= 96, thing
