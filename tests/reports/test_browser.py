"""The pages in a real browser: filters, addresses, details of cells, and use without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.records import Meaning, Outcome

FAILED = "bert/fill-mask/opset18/dynamo"
AWKWARD = "vit/image~%41é/opset18/torchscript"
NARROW = "gpt2~external-data/text-generation/opset14/torchscript"
TOKENS = "int64[batch_size, sequence_length]"
CELLS = 40
PATIENCE = 240_000  # milliseconds; generous, because these tests do not test speed
HOSTILE = "</script><img/onerror=alert(1)/src=x>".replace("/", "\N{DIVISION SLASH}")


@pytest.fixture
def url(golden: Callable[[str], Path]) -> str:
    """The address of the first page of a run with several kinds of failures."""
    return golden("failing").as_uri()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """The first page, opened; the fixture fails if the console shows a message."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        yield page
    assert complaints == []


def shown(page: Any) -> list[str]:
    """Return the ids of the visible squares, in the order of the page."""
    script = """links => links.filter(link => link.checkVisibility({
        visibilityProperty: true, contentVisibilityAuto: false })).map(link => link.id)"""
    ids: list[str] = page.locator(".matrix td a").evaluate_all(script)
    return ids


def choose(page: Any, facet: str, *values: str) -> None:
    page.locator(f'[data-facet="{facet}"] > summary').click()
    for value in values:
        label = f'[data-facet="{facet}"] label:has(> span:text-is("{value}"))'
        page.locator(f"{label} input").check()
    page.keyboard.press("Escape")


def count(page: Any, facet: str, value: str) -> int:
    label = page.locator(f'[data-facet="{facet}"] label:has(> span:text-is("{value}"))')
    return int(label.locator(".n").text_content())


def test_everything_is_shown_at_first(page: Any) -> None:
    assert len(shown(page)) == CELLS
    assert page.locator("#shown").inner_text().startswith("40 of 40 cells, 29 of them conform")


@pytest.mark.parametrize(
    ("facet", "value", "cells"),
    [
        ("modality", "vision", 8),
        ("task", "text-generation", 16),
        ("opset", "17", 10),
        ("exporter", "torchscript", 20),
        ("outcome", "inconclusive", 1),
        ("layer", "onnxruntime", 1),
    ],
)
def test_a_choice_shows_as_many_cells_as_its_count(
    page: Any, facet: str, value: str, cells: int
) -> None:
    assert count(page, facet, value) == cells
    counts = page.locator(f'[data-facet="{facet}"] .n')
    before = counts.all_text_contents()
    choose(page, facet, value)
    assert len(shown(page)) == cells
    assert counts.all_text_contents() == before  # a choice does not count against its own facet


def test_counts_respect_the_choices_of_all_other_facets(page: Any) -> None:
    choose(page, "exporter", "dynamo")
    choose(page, "modality", "text")
    assert count(page, "outcome", "failed") == 1
    assert count(page, "outcome", "errored") == 0
    assert count(page, "modality", "vision") == 4
    assert count(page, "exporter", "torchscript") == 16


def test_a_requirement_paints_the_matrix_with_its_own_outcomes(page: Any) -> None:
    square = page.locator(f'[id="{FAILED}"]')
    choose(page, "requirement", "export")
    assert square.text_content() == "P"
    assert square.get_attribute("aria-label") == "passed"
    choose(page, "requirement", "agreement")  # and export: the worse of both
    assert square.text_content() == "F"
    choose(page, "outcome", "failed")
    assert shown(page) == [FAILED]
    page.get_by_role("button", name="Clear").click()
    assert square.text_content() == "F"
    assert len(shown(page)) == CELLS


def test_a_requirement_counts_cells_in_which_it_has_the_chosen_outcome(page: Any) -> None:
    choose(page, "outcome", "passed")
    found = {name: count(page, "requirement", name) for name in ("checker", "agreement")}
    choose(page, "requirement", "agreement")
    assert len(shown(page)) == found["agreement"] == 31
    assert found["checker"] == 33


def test_words_filter_by_any_part_of_a_cell(page: Any) -> None:
    page.get_by_label("Filter cells by text").fill("BERT opset18")
    assert shown(page) == [
        "bert/fill-mask/opset18/dynamo",
        "bert/fill-mask/opset18/torchscript",
        "bert/text-classification/opset18/dynamo",
        "bert/text-classification/opset18/torchscript",
    ]
    page.get_by_label("Filter cells by text").fill("next-sentence")
    assert shown(page) == []
    # inner_text would be empty until the browser has painted the group (content-visibility).
    assert page.locator("tr[data-row]:visible > th").all_text_contents()[0].strip() == "bert"


def test_only_what_is_not_as_expected(page: Any) -> None:
    page.get_by_role("checkbox", name="not as expected").check()
    assert len(shown(page)) == 5
    assert FAILED in shown(page)
    assert page.locator("tr[data-row]:visible").count() == 3


def test_columns_that_are_not_chosen_go_and_heads_stay_above_their_squares(page: Any) -> None:
    choose(page, "opset", "18")
    heads = page.locator(".opsets th:visible").all()[2:]
    assert [head.inner_text().split()[-1] for head in heads] == ["18", "18"]
    squares = [
        page.locator(f'[id="bert/fill-mask/opset18/{e}"]') for e in ("dynamo", "torchscript")
    ]
    for head, square in zip(heads, squares, strict=True):
        assert abs(head.bounding_box()["x"] - square.bounding_box()["x"]) < 4
    ends = page.locator("th.exporter:visible").evaluate_all("""heads => heads.map(head => {
        const text = document.createRange();
        text.selectNodeContents(head);
        const { left, right } = text.getBoundingClientRect();
        return [left, right];
    })""")
    assert ends[0][1] < ends[1][0]
    choose(page, "exporter", "dynamo")
    assert page.locator("th.exporter:visible").all_inner_texts() == ["dynamo"]


def test_choices_are_kept_in_the_address_and_restored_from_it(
    browser: Any, page: Any, url: str
) -> None:
    choose(page, "task", "fill-mask")
    choose(page, "outcome", "failed", "passed")
    page.get_by_label("Filter cells by text").fill("dynamo")
    page.get_by_label("Sort").select_option("worst")
    hash_ = page.evaluate("location.hash")
    for part in ("text=dynamo", "task=fill-mask", "outcome=failed", "sort=worst"):
        assert part in hash_
    other = browser.new_page()
    other.goto(url + hash_)
    assert shown(other) == shown(page) != []
    assert other.get_by_label("Sort").input_value() == "worst"
    other.evaluate("location.hash = '#?modality=vision&task=nonsense'")
    assert len(shown(other)) == 8
    other.close()


@pytest.mark.parametrize("hash_", ["#?", "#%", "#?%=%&outcome", "#nothing/of/ours", "#matrix"])
def test_an_address_that_says_nothing_shows_everything(page: Any, url: str, hash_: str) -> None:
    page.goto("about:blank")
    page.goto(url + hash_)
    assert len(shown(page)) == CELLS


def test_sorting_moves_rows_within_their_task(page: Any) -> None:
    def order() -> list[str]:
        rows = page.locator("tr[data-row] > th").all_text_contents()
        return [name for row in rows if (name := row.strip()).startswith("gpt2")]

    assert order() == ["gpt2", "gpt2~external-data"]
    for key in ("worst", "conform"):
        page.get_by_label("Sort").select_option(key)
        assert order() == ["gpt2~external-data", "gpt2"]
        page.get_by_label("Sort").select_option("name")
        assert order() == ["gpt2", "gpt2~external-data"]


def test_the_address_of_a_cell_leads_to_its_details(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}#{FAILED}")
    page.locator(".cell:target").wait_for()
    assert page.url.endswith(f"/architectures/bert.html#{FAILED}")
    assert page.locator("article:visible").count() == 1
    page.close()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_selecting_a_square_shows_its_drill_down_only(
    browser: Any, url: str, has_scripts: bool
) -> None:
    with browser.new_context(java_script_enabled=has_scripts) as context:
        page = context.new_page()
        page.goto(url)
        page.locator(f'[id="{FAILED}"]').click()
        page.wait_for_url(lambda url: url.endswith(f"/architectures/bert.html#{FAILED}"))
        assert page.locator("article:visible").count() == 1
        text = page.locator("article:visible").inner_text()
        for part in ("batch_size=1, sequence_length=2 (seed 9)", "onnxruntime", "hidden_states"):
            assert part in text
        other = FAILED.replace("18", "21")
        page.locator(f'.matrix a[href$="{other}"]').click()
        assert page.locator("article:visible").get_attribute("id") == other


def test_without_scripts_no_dead_controls_are_shown(browser: Any, url: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        for address in (url, url.replace("index", "architectures/bert")):
            page.goto(address)
            assert page.locator("table.matrix").is_visible()
            assert page.locator("button:visible, input:visible, select:visible").count() == 0


def test_a_traceback_opens_in_place(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}#vit/image-classification/opset17/torchscript")
    assert not page.get_by_text("KeyError").is_visible()
    page.locator("article:visible summary", has_text="Traceback").click()
    assert page.get_by_text("KeyError").is_visible()
    page.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_interface_is_open_where_it_is_not_as_declared(
    browser: Any, url: str, scripts: bool
) -> None:
    with browser.new_context(java_script_enabled=scripts) as context:
        page = context.new_page()
        for cell, is_open in ((NARROW, True), (NARROW.replace("14", "17"), False)):
            page.goto(f"{url.replace('index', 'architectures/gpt2')}#{cell}")
            row = page.locator("article:visible .interface tr", has_text="input_ids")
            assert row.is_visible() is is_open
        page.locator("article:visible .interface summary").click()
        assert row.locator("td").all_inner_texts()[1:] == [TOKENS, "the same"]


def test_a_button_shows_what_requirements_prove(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}#{FAILED}")
    page.get_by_role("button", name="What each requirement proves").click()
    texts = page.locator("article:visible .meaning").all_inner_texts()
    assert len(texts) == 5
    assert "fails when" in texts[3]
    assert "would have failed when" in texts[4]
    page.get_by_role("button", name="What each requirement proves").click()
    assert page.locator("article:visible .meaning:visible").count() == 0
    page.close()


@pytest.mark.parametrize("may_ask", [True, False])
def test_commands_are_copied(browser: Any, url: str, may_ask: bool) -> None:
    """With the clipboard API, and with a browser that refuses it."""
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        if not may_ask:
            page.add_init_script("navigator.clipboard.writeText = () => Promise.reject()")
        page.goto(f"{url}#{FAILED}")
        script = f"-o repro/{FAILED.replace('/', '+')}.py"
        for command, rest in (("replay", ""), ("repro", f" {script}")):
            copied = f"python -m harness {command} {FAILED} --requirement agreement --seed 9{rest}"
            page.get_by_role("button", name=f"copy: {copied}", exact=True).click()
            page.get_by_text("copied").wait_for()
            assert page.evaluate("navigator.clipboard.readText()") == copied
            page.get_by_text("copied").wait_for(state="detached")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("bert", ["bert:", "fill-mask", "17, 21", "14, 17-18, 21", "python -m harness export"]),
        ("google-bert/bert-base-uncased", ["bert:", "text-classification"]),
        ("GPT-2", ["gpt2:", "gpt2~external-data text-generation"]),
        ("roberta-large", ["roberta is not registered", "fill-mask, text-classification"]),
        ("<img src=x>", ["No results for “<img src=x>”"]),
    ],
)
def test_users_learn_what_exports(page: Any, typed: str, words: list[str]) -> None:
    page.get_by_label("Model or architecture").fill(typed)
    answer = page.locator("#answer").inner_text()
    assert [word for word in words if word not in answer] == []
    page.get_by_label("Model or architecture").fill("")
    assert page.locator("#answer").inner_text() == ""


def test_arrow_keys_walk_over_what_is_shown_and_tab_leaves_the_matrix(page: Any) -> None:
    focused = page.locator(":focus")
    page.locator(f'[id="{FAILED}"]').focus()
    page.keyboard.press("ArrowRight")
    assert focused.get_attribute("id") == FAILED.replace("18", "21")
    page.keyboard.press("ArrowDown")  # over the task that is not registered
    assert focused.get_attribute("id") == "bert/text-classification/opset21/dynamo"
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    assert page.locator(".matrix td a[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    assert page.locator("article:visible").get_attribute("id").startswith("bert/text-class")


def test_dark_follows_the_system_until_a_theme_is_chosen(browser: Any, url: str) -> None:
    page = browser.new_page(color_scheme="light")
    page.goto(url)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(colour) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(colour) == dark
    page.reload()
    assert page.get_by_role("button", name="Theme: dark").is_visible()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.close()


def test_nothing_is_asked_of_a_network(browser: Any, url: str) -> None:
    requests: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    page.get_by_label("Model or architecture").fill("bert")
    choose(page, "outcome", "failed")
    page.locator(f'[id="{FAILED}"]').click()
    page.locator("article:visible").wait_for()
    own = url.replace("index", "architectures/bert")
    assert [request.split("#")[0] for request in requests] == [url, own]
    blocked = page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"
    page.close()


def test_hostile_names_are_text_wherever_scripts_put_them(browser: Any, runs: Any) -> None:
    cell = f"{HOSTILE}/{HOSTILE}/opset18/{HOSTILE}"
    record = runs.record(
        cell, HOSTILE, Outcome.FAILED, blame=HOSTILE, replay=HOSTILE, message=HOSTILE
    )
    header = runs.header(
        planned={cell: [HOSTILE]},
        modalities={HOSTILE: HOSTILE},
        requirements={HOSTILE: Meaning(proves="<img src=x>", fails_when=HOSTILE)},
        not_registered={"<img src=x>": ["<img src=x>"]},
    )
    alerts: list[str] = []
    page = browser.new_page()
    page.add_init_script("window.alert = (text) => console.error(`alert ${text}`)")
    page.on("console", lambda message: alerts.append(message.text))
    page.goto(runs.page(header, record, runs.complete).path.as_uri())
    for facet in ("modality", "task", "exporter", "requirement", "layer"):
        page.locator(f'[data-facet="{facet}"] > summary').click()
        page.locator(f'[data-facet="{facet}"] label').get_by_text(HOSTILE).click()
        assert len(shown(page)) == 1
    page.get_by_label("Model or architecture").fill(HOSTILE)
    assert HOSTILE in page.locator("#answer").inner_text()
    page.get_by_label("Model or architecture").fill("<img src=x>")
    assert "is not registered" in page.locator("#answer").inner_text()
    page.locator(".matrix td a").click()
    page.locator("article:visible").wait_for()
    page.get_by_role("button", name="What each requirement proves").click()
    assert "<img src=x>" in page.locator("article:visible .meaning").inner_text()
    assert page.locator("img").count() == 0
    assert alerts == []
    page.close()


def test_a_cell_with_an_awkward_name_is_reached_too(browser: Any, runs: Any) -> None:
    page = browser.new_page()
    written = runs.page(runs.header(AWKWARD), *runs.passing(AWKWARD), runs.complete)
    page.goto(written.path.as_uri())
    page.locator(".matrix td a").click()
    assert page.locator(f'article[id="{AWKWARD}"]').is_visible()
    assert page.locator(".matrix td a").get_attribute("aria-current") == "true"
    page.close()


@pytest.mark.parametrize("width", [360, 1366])
def test_a_page_itself_never_scrolls_sideways(browser: Any, url: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    for address in (url, f"{url}#{FAILED}"):
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_load_state()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
