"""axe-core finds no violation on any page, in the light and dark themes, narrow and wide.

The package axe-playwright-python contains https://github.com/dequelabs/axe-core, under MPL-2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.records import read_run
from reports.__main__ import main
from reports.diff import compare
from reports.other_pages import diff_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

GOLDEN = Path(__file__).parents[2] / "fixtures" / "runs"
FAILED = "bert/fill-mask/opset18/dynamo"
PATIENCE = 240_000  # milliseconds; generous, because these tests do not test speed
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page, options=OPTIONS).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.full)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("healthy", 1440),
        ("failing", 1440),
        ("failing", 390),
        ("interrupted", 1440),
        ("crashed", 1440),
    ],
)
def test_no_page_has_a_violation(
    browser: Any, golden: Callable[[str], Path], name: str, scheme: str, width: int
) -> None:
    index = golden(name)
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(index.as_uri())
    page.locator("#model").fill("bert")
    page.locator("#facets summary").first.click()
    page.locator("#badges summary").click()
    assert violations(page) == []
    for own in sorted((index.parent / "architectures").iterdir()):
        page.goto(own.as_uri())
        assert violations(page) == []
    page.goto(f"{index.as_uri()}#{FAILED}")
    page.locator(".cell:target").wait_for()
    page.get_by_role("button", name="What each requirement proves").click()
    assert violations(page) == []
    page.close()


def test_violations_would_be_found(browser: Any, golden: Callable[[str], Path]) -> None:
    page = browser.new_page()
    page.goto(golden("healthy").as_uri())
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    page.evaluate("document.getElementById('text').removeAttribute('aria-label')")
    assert {found.split(":")[0] for found in violations(page)} >= {"color-contrast"}
    page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_about_several_runs_has_a_violation(
    browser: Any, tmp_path: Path, scheme: str
) -> None:
    nights = [str(GOLDEN / f"night-{number}") for number in (1, 2, 3)]
    history, trend, diff = (tmp_path / name for name in ("h.sqlite", "trend.html", "diff.html"))
    assert main(["trend", str(history), *nights, "--cell", "*", "-o", str(trend)]) == 0
    found = compare(*(read_run(Path(night)) for night in nights[1:]))
    diff.write_text(diff_page(found), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    for path in (trend, diff):
        page.goto(path.as_uri())
        assert violations(page) == []
    page.close()
