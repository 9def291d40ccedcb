"""The report in a real browser: Debian's Chromium, without a window, driven by playwright."""

from __future__ import annotations

import shutil

import pytest

from .report_tables import comparison

pytestmark = pytest.mark.thorough
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    comparison(tmp_path_factory.getbasetemp() / "shops.csv").report(path)
    return path


@pytest.fixture
def opened(browser, page_file):
    """Open the page in a window of some width; what it says and asks for is noted."""
    contexts = []

    def open_it(width=1200, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(page_file.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_nothing_is_said_asked_or_cut(opened, page_file, width, scheme):
    page = opened(width, color_scheme=scheme)
    assert page.said == []
    outside = [url for url in page.asked if not url.startswith("data:")]
    assert outside == [page_file.as_uri()]
    # Nothing but tables, in their boxes, is wider than the window, and letters are large enough.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate(
            "Math.min(...[...document.querySelectorAll('p, li, td, th')]"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        >= 12
    )
    for box in page.locator("figure svg").all():
        size = box.bounding_box()
        assert size["width"] > 250 and size["height"] > 80
        assert size["x"] >= 0 and size["x"] + size["width"] <= width
    letters = page.evaluate(
        "[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(letters) > 7


CONTRAST = """() => {
  const parse = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const part = x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  const light = rgb => [0.2126, 0.7152, 0.0722].reduce((s, w, i) => s + w * part(rgb[i]), 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(colour)) return light(parse(colour));
    }
    return 1;
  };
  const texts = document.querySelectorAll('p, li, td, th, dd, dt, a, h1, h2, .tag');
  return Math.min(...[...texts].map(e => {
    const a = light(parse(getComputedStyle(e).color)), b = behind(e);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(opened, scheme):
    """WCAG 2, AA: 4.5 for text."""
    page = opened(color_scheme=scheme)
    assert page.evaluate(CONTRAST) >= 4.5
    back = page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")


def column(page, table, place):
    return page.evaluate(
        "([t, j]) => [...document.querySelectorAll('table.sortable')[t].tBodies[0].rows]"
        ".map(row => row.cells[j].dataset.value ?? row.cells[j].textContent.trim())",
        [table, place],
    )


def test_tables_are_sorted_by_a_click_or_a_key(opened):
    page = opened()
    headings = page.locator("table.sortable").nth(0).locator("thead th")
    scores = list(map(float, column(page, 0, 1)))
    assert scores == sorted(scores)
    headings.nth(1).locator("button").click()
    assert list(map(float, column(page, 0, 1))) == sorted(scores, reverse=True)
    assert headings.nth(1).get_attribute("aria-sort") == "descending"
    headings.nth(1).locator("button").press("Enter")
    assert list(map(float, column(page, 0, 1))) == scores
    assert headings.nth(1).get_attribute("aria-sort") == "ascending"
    headings.nth(0).locator("button").click()
    assert headings.nth(1).get_attribute("aria-sort") is None
    names = column(page, 0, 0)
    assert names == sorted(names, key=str.lower, reverse=True)


def test_read_without_script_and_on_paper(opened, tmp_path):
    page = opened(java_script_enabled=False)
    assert page.locator("table").count() >= 5
    assert page.locator("thead button").count() == 0
    assert "What to do next" in page.inner_text("main")
    page = opened()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    # All rows are printed: no box scrolls.
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every(e => e.scrollHeight <= e.clientHeight + 1)"
    )
    assert page.pdf(path=tmp_path / "report.pdf", format="A4")[:5] == b"%PDF-"
