"""The site as a reader meets it: built with warnings as errors, opened in a browser, offline.

Slow (a minute for the build, some minutes for 230 pages in a browser): ``python -m pytest
tests/test_site.py -m slow``. Needs the extra `docs` and, for the browser, a Chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

pytestmark = pytest.mark.slow
WIDTHS = (400, 1400)
# Pictures below the window are not asked for until they are shown, so ask.
MISSING = """Promise.all([...document.images].map(image => {
    image.loading = "eager";
    return image.decode().then(() => null, () => image.src);
})).then(found => found.filter(source => source))"""
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def site(root, tmp_path_factory):
    """The folder of the built site (`MALSAR_PY_SITE`: one that was built already)."""
    if "MALSAR_PY_SITE" in os.environ:
        return type(root)(os.environ["MALSAR_PY_SITE"])
    for package in ("sphinx", "pydata_sphinx_theme", "numpydoc", "myst_nb", "sphinx_design"):
        pytest.importorskip(package, reason=f"the site needs {package} (extra `docs`)")
    folder = tmp_path_factory.mktemp("site")
    # No proxy answers: what would ask the network fails.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "docs", str(folder)],
        cwd=root,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


class Page(HTMLParser):
    """Where a page points to, and what can be pointed to in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        for key in ("href", "src"):
            if given.get(key):
                self.targets.append((tag, given[key]))


def documents(site):
    """The pages; what themes keep under ``_static`` is none."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture(scope="session")
def read(site):
    pages = documents(site.resolve())
    return {str(path): Page(path.read_text("utf-8")) for path in pages}


def test_links_and_pictures_inside_hold(read):
    exists = cache(os.path.exists)
    broken = []
    for path, page in read.items():
        for target in {target for _, target in page.targets}:
            address, fragment = urldefrag(target)
            if urlsplit(address).scheme or target.startswith("#:~"):
                continue
            at = os.path.normpath(os.path.join(path, "..", unquote(address.partition("?")[0])))
            at = at if address else path
            if not exists(at):
                broken.append(f"{path}: {target}")
            elif fragment and at in read and unquote(fragment) not in read[at].names:
                broken.append(f"{path}: {target} (no such place)")
    assert len(read) > 150
    assert not broken, broken[:20]


def test_nothing_is_fetched(read):
    """Scripts, styles and pictures are the site's own."""
    for path, page in read.items():
        for tag, target in page.targets:
            if tag in ("script", "link", "img", "iframe", "source"):
                assert not urlsplit(target).scheme.startswith("http"), (path, target)
                assert not target.startswith("//"), (path, target)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra docs)")
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(CHROMIUMS)} is here")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


def test_every_page_opens_at_two_widths(site, browser):
    """No error in the console, no picture missing, nothing wider than the window."""
    page = browser.new_page()
    wrong, current = [], ""
    page.on("console", lambda said: said.type == "error" and wrong.append((current, said.text)))
    page.on("pageerror", lambda error: wrong.append((current, str(error))))
    page.on("requestfailed", lambda request: wrong.append((current, request.url)))
    page.on(
        "request",
        lambda request: request.url.startswith("http") and wrong.append((current, request.url)),
    )
    widths = list(WIDTHS)
    page.set_viewport_size({"width": widths[0], "height": 900})
    for path in documents(site):
        if "_modules" in path.parts:  # listings of the sources: links are checked, no look needed
            continue
        current = path.relative_to(site).as_posix()
        page.goto(path.as_uri())  # at the width that the last page was left with
        wrong += [(current, source) for source in page.evaluate(MISSING)]
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width + 1:
                wrong.append((current, f"{wide} wide at {width}"))
        widths.reverse()
    assert not wrong, wrong[:20]


def test_search_works_from_the_folder(site, browser):
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q=pooling")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    names = {urlsplit(address).path.rpartition("/")[2] for address in found}
    assert "pooling.html" in names, names
