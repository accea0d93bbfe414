"""The page in a real browser: it opens, drills down, and needs no script to do so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.records import Meaning, Outcome

playwright_api = pytest.importorskip("playwright.sync_api")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
OUTCOMES = {outcome: f"bert/{outcome}/opset18/dynamo" for outcome in Outcome}
FAILED = OUTCOMES[Outcome.FAILED]
VIT = "vit/image~%41é/opset18/torchscript"
AA_CONTRAST = 4.5

LOW_CONTRAST = """() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !element.getClientRects().length || element.tagName === "SCRIPT") continue;
    const both = [luminance(getComputedStyle(element).color), luminance(paper(element))];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    found.push([ratio, element.outerHTML.slice(0, 120)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser(chromium_path: str | None) -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        bundled = Path(playwright.chromium.executable_path)
        if chromium_path is None and not bundled.exists():
            pytest.skip("no browser: neither Chromium nor Chrome nor playwright's own is installed")
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def url(runs: Any) -> str:
    """The address of a page with one cell of each outcome, and one of an awkward name."""
    cells = [*OUTCOMES.values(), VIT]
    records = [runs.record(cell, "export", outcome) for outcome, cell in OUTCOMES.items()]
    failed = runs.record(
        FAILED,
        "agreement",
        Outcome.FAILED,
        message="first\nsecond",
        traceback="the traceback",
        replay="python -m harness replay",
    )
    page = runs.page(runs.header(*cells), *records, *runs.passing(VIT), failed, runs.complete)
    uri: str = page.path.as_uri()
    return uri


def square(page: Any, cell: str) -> Any:
    return page.get_by_role("link", name=f"{cell}: ")


@pytest.mark.parametrize("has_scripts", [True, False])
def test_selecting_a_square_shows_its_drill_down_only(
    browser: Any, url: str, has_scripts: bool
) -> None:
    with browser.new_context(java_script_enabled=has_scripts) as context:
        page = context.new_page()
        page.goto(url)
        assert page.locator("table.matrix").is_visible()
        assert page.locator("article:visible").count() == 0
        square(page, FAILED).click()
        assert page.url == f"{url}#{FAILED}"
        assert page.locator("article:visible").count() == 1
        assert page.locator(f'article[id="{FAILED}"]').is_visible()
        assert not page.get_by_text("the traceback").is_visible()
        page.locator("article:visible summary").click()
        assert page.get_by_text("the traceback").is_visible()


def test_an_open_drill_down_says_what_each_requirement_means(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}#{FAILED}")
    meanings = page.locator("article:visible .meaning")
    told = [
        ["proves", "a file comes out", "red when", "none does"],
        ["proves", "both sides agree", "red when", "any output differs"],
    ]
    assert [text.split("\n") for text in meanings.all_inner_texts()] == told
    square(page, VIT).click()
    assert meanings.locator("dt", has_text="would have been red").count() == 2
    square(page, FAILED).click()  # opened again, it says so once
    assert [text.split("\n") for text in meanings.all_inner_texts()] == told
    page.close()


def test_what_requirements_mean_is_in_sight_without_scripts_too(browser: Any, url: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{url}#{FAILED}")
        assert page.get_by_text("any output differs").is_visible()


def test_text_of_a_run_is_never_markup_in_a_drill_down(browser: Any, runs: Any) -> None:
    told = "<img src=x onerror=alert(1)>"
    header = runs.header(FAILED, requirements={"export": Meaning(proves=told, fails_when=told)})
    page = browser.new_page()
    page.goto(f"{runs.page(header, *runs.passing(FAILED)).path.as_uri()}#{FAILED}")
    assert page.locator("article:visible .meaning dd").all_inner_texts() == [told, told]
    assert page.locator("img").count() == 0
    page.close()


def test_the_fragment_is_the_cell_id_also_from_outside(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}#{FAILED}")
    assert page.locator(f'article[id="{FAILED}"]').is_visible()
    assert page.evaluate("location.hash") == f"#{FAILED}"
    page.close()


def test_a_cell_with_an_awkward_name_is_reached_too(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    square(page, VIT).click()
    assert page.locator(f'article[id="{VIT}"]').is_visible()
    assert square(page, VIT).get_attribute("aria-current") == "true"
    page.close()


def test_the_keyboard_reaches_a_square_and_opens_it(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    square(page, FAILED).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    focused = page.locator(":focus")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator(f'article[id="{FAILED}"]').is_visible()
    page.close()


def test_the_filter_hides_rows_and_says_how_many(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    total = len(OUTCOMES) + 1
    page.get_by_label("Filter architectures and tasks").fill("vit")
    assert page.locator("tr[data-row]:visible").count() == 1
    assert page.get_by_text(f"1 of {total} rows shown").is_visible()
    page.get_by_label("Filter architectures and tasks").fill("")
    page.get_by_label("only rows with an unexpected outcome").check()
    assert not square(page, VIT).is_visible()
    assert square(page, FAILED).is_visible()
    page.close()


def test_without_scripts_no_dead_controls_are_shown(browser: Any, url: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(url)
        assert not page.locator("#filter").is_visible()


def test_the_page_is_silent_and_asks_for_nothing_else(browser: Any, url: str) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    square(page, FAILED).click()
    assert complaints == []
    assert requests == [url]
    page.close()


def test_dark_differs_from_light(browser: Any, url: str) -> None:
    page = browser.new_page(color_scheme="light")
    page.goto(url)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) != light
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(browser: Any, url: str, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{url}#{FAILED}")
    found = page.evaluate(LOW_CONTRAST)
    assert len(found) > 50
    assert [entry for entry in found if entry[0] < AA_CONTRAST] == []
    page.close()


@pytest.mark.parametrize("width", [360, 1366])
def test_the_page_itself_never_scrolls_sideways(browser: Any, url: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{url}#{FAILED}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
