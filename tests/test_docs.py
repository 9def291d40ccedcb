"""The site: its code runs and prints what it says, every public name has a page, links hold."""

from __future__ import annotations

import importlib
import importlib.util
import re
import struct
import sys
import zlib

import pytest

import malsar_py
from malsar_py._doc_link import SITE

from . import pages
from .malsar_map import NONCONVEX, TERMS, WHOLE_SQUARES, halved, norm, quadratic

# Pages with code, and the packages that they need beside pandas: what boosting makes of the same
# rows depends on scikit-learn's version.
PAGES = {
    "start.md": ("skrub", "skops"),
    "guide/tasks.md": (),
    "guide/pooling.md": (),
    "guide/losses.md": (),
    "guide/lambdas.md": (),
    "guide/new_tasks.md": (),
    "guide/uncertainty.md": (),
    "guide/scale.md": (),
    "guide/deployment.md": ("skops", "shap", "skl2onnx", "onnxruntime", "mapie"),
    "guide/splines.md": ("sklearn>=1.9",),
    "guide/compare.md": ("skrub",),
    "coming/lme4.md": ("statsmodels",),
    "coming/glmnet.md": (),
    "coming/scikit.md": (),
}
QUICK = {"guide/tasks.md", "coming/scikit.md"}  # under a second; the others are left to CI


@pytest.fixture(scope="module")
def docs(root):
    return root / "docs"


@pytest.fixture
def extension(docs, monkeypatch):
    """Import a module of the folder with the site's extensions."""
    monkeypatch.syspath_prepend(str(docs / "extensions"))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, docs / "extensions" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in PAGES],
)
def test_code_runs_and_prints_what_it_says(name, docs, monkeypatch, request):
    for needed in ("pandas", *PAGES[name]):
        package, _, version = needed.partition(">=")
        pytest.importorskip(package, minversion=version or None)
    if "fetch_" in (docs / name).read_text(encoding="utf-8"):
        monkeypatch.setenv("MALSAR_PY_DATA", str(request.getfixturevalue("shared_dir") / "data"))
    assert pages.check(docs / name) >= 1


def test_no_page_with_code_is_left_out(docs):
    made = ("_build/", "api/", "gallery/")
    found = {path.relative_to(docs).as_posix(): path for path in docs.rglob("*.md")}
    with_code = {
        name
        for name, path in found.items()
        if not name.startswith(made)
        and any(kind == "python" for kind, _ in pages.FENCE.findall(path.read_text("utf-8")))
    }
    assert with_code == set(PAGES)


# --- the API reference ---------------------------------------------------------------------------


def test_every_public_name_has_a_page(extension):
    api = extension("api_pages")
    made = set(api.pages().values())
    shown = {(module, name) for module, name in made}
    for path in ("malsar_py", *(f"malsar_py.{name}" for name in malsar_py._MODULES)):
        module = importlib.import_module(path)
        assert path in api.MODULES
        for name in api.public(module):
            what = getattr(module, name)
            here = (path, name) in shown
            elsewhere = callable(what) and any(
                getattr(importlib.import_module(where), other) is what for where, other in shown
            )
            assert here or elsewhere, f"{path}.{name}"
    text = api.index()
    for docname, (_, name) in api.pages().items():
        assert f"   {name}\n" in text and f"   {docname}\n" in text


def test_pages_show_what_is_ours(extension):
    text = extension("api_pages").page("malsar_py", "MixedEffectsRegressor")
    assert ".. automethod:: predict" in text and ".. autoproperty:: coef_cov_" in text
    assert "get_params" not in text and "set_fit_request" not in text


@pytest.fixture(scope="module")
def estimators():
    """An instance of every estimator of the package."""
    from sklearn.preprocessing import StandardScaler

    from malsar_py.model_selection import MultiTaskSearchCV

    models = [
        getattr(malsar_py, name)()
        for name in malsar_py.__all__
        if isinstance(getattr(malsar_py, name), type)
        and hasattr(getattr(malsar_py, name), "get_params")
    ]
    assert len(models) > 40
    return [*models, MultiTaskSearchCV(models[0]), malsar_py.keep_tasks(StandardScaler())]


def test_html_representations_link_to_pages_that_exist(estimators, extension):
    known = extension("api_pages").pages()
    for estimator in estimators:
        link = estimator._get_doc_link()
        page = link.removeprefix(f"{SITE}api/").removesuffix(".html")
        assert page in known, f"{type(estimator).__name__}: {link}"
        assert f'href="{link}' in estimator._repr_html_()


def test_classes_derived_elsewhere_have_no_link():
    class Own(malsar_py.LassoRegressor):
        pass

    assert Own()._get_doc_link() == ""


def test_the_address_is_that_of_the_project(root):
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    urls = project.get("urls", {})
    assert urls.get("Documentation", SITE) == SITE


# --- tables --------------------------------------------------------------------------------------


def test_every_model_is_in_the_table(docs):
    text = (docs / "guide" / "models.md").read_text(encoding="utf-8")
    for name in malsar_py.__all__:
        if name.endswith("Regressor"):
            assert f"| `{name.removesuffix('Regressor')}` |" in text


CONVERSIONS = {"f": norm, "2f": quadratic}


def test_malsars_arguments_become_what_the_table_says(docs):
    """The table for MALSAR's users and the one that the golden tests convert by."""
    section = (docs / "coming" / "malsar.md").read_text(encoding="utf-8")
    known = TERMS | NONCONVEX
    found = set()
    for function, estimator, strengths in re.findall(
        r"^\| `(\w+)\(.*?\)` \| `(\w+)`.*? \| (.*) \|$", section, re.MULTILINE
    ):
        if function not in known:
            continue
        found.add(function)
        assert estimator == known[function].estimator
        # Squared losses without 1/2 are halved in TERMS by the loss, or by the argument itself.
        assert ("least squares: half" in strengths) == (f"Least_{function}" in WHOLE_SQUARES)
        said = {}
        for number, factor, argument, half in re.findall(r"λ(\d) = (2?f) (\w+)(/2)?", strengths):
            said[argument] = (f"lambda{number}", halved if half else CONVERSIONS[factor])
        arguments = known[function].arguments
        assert said == {name: value for name, value in arguments.items() if "lambda" in value[0]}
    assert found == set(known)


def test_options_of_compare_exist(docs, capsys):
    from malsar_py.__main__ import main

    known = set()
    for command in ("compare", "predict"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known |= set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    for name in ("guide/compare.md", "choose.md"):
        used = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", (docs / name).read_text("utf-8")))
        assert used and used <= known, (name, used - known)


# --- figures and the gallery ---------------------------------------------------------------------


def text_of_png(path):
    """The text chunks of a PNG file."""
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"tEXt":
            key, _, value = body.partition(b"\0")
            found[key.decode()] = value.decode()
        elif kind == b"zTXt":
            key, _, value = body.partition(b"\0")
            found[key.decode()] = zlib.decompress(value[1:]).decode()
        at += 12 + length
    return found


def test_the_speed_figure_is_of_the_results(docs):
    pytest.importorskip("matplotlib")
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("figures", docs / "figures.py")
    figures = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(figures)
        said = text_of_png(docs / "images" / "speed.png")[figures.DIGEST]
        assert said == figures.digest(), "run `python docs/figures.py`"
    finally:
        sys.path[:] = before


def test_every_notebook_has_a_tile_with_a_picture(extension, tmp_path, root):
    extension("gallery_pages").write(tmp_path)
    text = (tmp_path / "index.md").read_text(encoding="utf-8")
    for path in root.glob("notebooks/*.ipynb"):
        assert f":link: {path.stem}\n" in text
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
        picture = (tmp_path / "pictures" / f"{path.stem}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")


def test_tiles_have_no_formulas(extension):
    text = "# Title\n\nSchools in a graph, $\\frac12 \\|W\\|^2$. Data of 139 schools.\n\nMore."
    said = extension("gallery_pages").headline({"cells": [{"source": [text]}]})
    assert said == ("Title", "Schools in a graph.")


def test_fractions_of_digits_are_fractions(extension):
    pytest.importorskip("sphinx")
    mathml = extension("mathml")._mathml
    assert mathml(r"\frac12 x", False) == mathml(r"\frac{1}{2} x", False)
    assert "<mn>12</mn>" in mathml(r"\frac{12}{x}", False)


def test_gains_are_those_of_the_results(extension):
    measured = extension("measured")
    text = """<!-- begin pooling -->
| method | a 20 | a 75 | b 20 | mean |
| --- | --- | --- | --- | --- |
| one | +1.0 | -2.0 | **+3.0** | +0.7 |
| two | - | +4.0 | +5.0 | +4.5 |
<!-- end pooling -->
"""
    assert measured.section("speed", text) == ""
    found = measured.tables(measured.section("pooling", text))
    assert found == [
        [
            ["method", "a 20", "a 75", "b 20", "mean"],
            ["one", "+1.0", "-2.0", "+3.0", "+0.7"],
            ["two", "-", "+4.0", "+5.0", "+4.5"],
        ]
    ]
