"""The page of a comparison: what is on it, and that it needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import StandardScaler

from .report_tables import comparison

VOID = {"meta", "link", "br"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return comparison(tmp_path_factory.getbasetemp() / "shops.csv")


@pytest.fixture(scope="module")
def page(found):
    return found.report()


class Elements(HTMLParser):
    """Elements with their attributes and text; nesting is checked."""

    def __init__(self, html):
        super().__init__()
        self.open, self.all = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.all.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.all.append({"tag": tag, "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def of(self, tag):
        return [element for element in self.all if element["tag"] == tag]


def test_structure_for_eyes_and_ears(page):
    elements = Elements(page)
    assert [len(elements.of(tag)) for tag in ("h1", "main", "title", "script")] == [1, 1, 1, 1]
    ids = [element["id"] for element in elements.all if "id" in element]
    assert len(ids) == len(set(ids))
    for tag in ("section", "div"):
        for element in elements.of(tag):
            assert element.get("aria-labelledby", ids[0]) in ids
    assert all("scope" in heading for heading in elements.of("th"))
    assert len(elements.of("caption")) == len(elements.of("table")) >= 5
    svgs = elements.of("svg")
    assert len(svgs) == len(elements.of("figure")) >= 4
    for svg in svgs:
        assert svg["role"] == "img" and len(svg["aria-label"]) > 40
    assert {link["href"][1:] for link in elements.of("a")} <= set(ids)


def test_everything_is_inside(page):
    assert "Content-Security-Policy" in page and "default-src 'none'" in page
    elements = Elements(page)
    for element in elements.all:
        for name in ("src", "href", "xlink:href", "action", "poster", "srcset"):
            value = element.get(name)
            assert value is None or value.startswith(("#", "data:")), element
    assert not re.search(r"@import|url\((?!#)", page)


def test_what_is_on_it(found, page):
    text = Elements(page).of("main")[0]["text"]
    flat = " ".join(text.split())
    assert found.sentence() in flat
    for procedure in found.procedures:
        assert procedure.name in flat
    for column in found.columns:
        assert column.name in flat
    assert "increases with every row" in flat  # why nr is set aside
    assert found.command in flat
    for name, version in found.versions.items():
        assert name in flat and version in flat
    assert "What to do next" in flat
    for gain in found.gains:
        assert gain.task in flat


def test_what_is_in_the_table_is_text(page):
    assert "north &lt;b&gt;" in page and "north <b>" not in page
    assert "south &amp; co" in page


def test_coefficients_are_in_units_of_the_columns(found):
    """A step of one unit in a row of the file moves the prediction by the coefficient."""
    from malsar_py._report._coefficients import coefficients
    from malsar_py._table import read_frame

    if found.model[-1] is not found.linear:
        pytest.skip("another procedure won")
    table = coefficients(found)
    row = next(row for row in table.rows if row.name == "size")
    frame, _ = read_frame(found.command.split()[4])
    frame = frame[found.inputs].dropna()
    before = found.model.predict(frame)
    after = found.model.predict(frame.assign(size=frame["size"] + 1.0))
    steps = after - before
    by_task = [steps[frame["shop"] == task].mean() for task in found.linear.tasks_]
    assert_allclose([row.smallest, row.largest], [min(by_task), max(by_task)], rtol=1e-8)
    assert_allclose(row.spread, np.std(by_task, ddof=1), rtol=1e-6)


def test_a_class_that_a_task_does_not_have():
    """Its intercept is minus infinity: the others are described, and it is named."""
    from malsar_py import MeanRegularizedClassifier, keep_tasks
    from malsar_py._report._coefficients import coefficients

    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat([0.0, 1.0], 30), rng.standard_normal(60)])
    y = np.where(X[:, 0] == 0.0, rng.integers(0, 2, 60), rng.integers(0, 3, 60))

    class Found:
        linear = MeanRegularizedClassifier(lambda1=1.0, lambda2=1.0, task_column=0).fit(X, y)
        model = (keep_tasks(StandardScaler(), task_column=0).fit(X), linear)
        inputs = ("task", "x")

    table = coefficients(Found)
    assert table.never == ["0: 2"] and len(table.tasks) == 6
    shown = [table.intercept.common, table.intercept.spread, table.intercept.smallest]
    assert np.isfinite(shown).all()


def test_the_cell_of_a_notebook(found):
    html = found._repr_html_()
    elements = Elements(html)
    assert found.sentence() in " ".join(elements.of("div")[0]["text"].split())
    assert not elements.of("script")
    # Its style touches nothing else in the notebook.
    style = elements.of("style")[0]["text"]
    for rule in re.findall(r"(?:^|\})\s*([^{}@]+)\{", style):
        for selector in rule.split(","):
            assert ".malsar-report" in selector, selector


def test_files_that_cannot_be_written(found, tmp_path):
    with pytest.raises(ValueError, match=r"no/such.*No such file"):
        found.report(tmp_path / "no" / "such" / "report.html")
    with pytest.raises(ValueError, match=r"no/such.*No such file"):
        found.save(tmp_path / "no" / "such" / "model.skops")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.70219, 4, "0.7022"),
        (12, 4, "12"),
        (4059, 4, "4,059"),
        (-0.0123456, 3, "\u22120.0123"),
        (1.2e-9, 1, "1e\u22129"),
        (float("nan"), 4, "\u2013"),
        (float("inf"), 4, "∞"),
        (0.0, 4, "0"),
        (123456.7, 4, "123457"),
        (None, 4, "\u2013"),
    ],
)
def test_numbers(value, digits, text):
    from malsar_py._report._words import number

    assert number(value, digits) == text


@pytest.mark.thorough
def test_classes(tmp_path_factory):
    found = comparison(tmp_path_factory.getbasetemp() / "classes.csv", classify=True)
    page = found.report()
    assert "log odds" in page and "accuracy" in page
    Elements(page)
