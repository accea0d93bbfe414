"""What stands in a written page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Meaning, Outcome
from reports.html import write_page

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"
FETCHING = ("src", "srcset", "href", "action", "data", "poster", "background", "style")


def test_a_cell_shows_glyph_letter_and_title_and_links_to_its_drill_down(runs: Any) -> None:
    tree = runs.page(runs.header(BERT), *runs.passing(BERT), runs.complete).tree
    square = tree.one("table", class_="matrix").one("a")
    assert square.text == "✓P"
    assert square.attributes["title"] == square.attributes["aria-label"] == f"{BERT}: passed"
    assert square.attributes["href"] == f"#{BERT}"
    (article,) = tree.all("article")
    assert article.attributes["id"] == BERT
    assert "export" in article.text


def test_columns_are_the_opsets_of_each_exporter(runs: Any) -> None:
    matrix = runs.page(runs.header(BERT, GPT2)).tree.one("table", class_="matrix")
    assert [th.text for th in matrix.all("th", class_="exporter")] == [
        "dynamo by opset",
        "torchscript by opset",
    ]
    opsets = [th.text for th in matrix.all("th", class_="opset")]
    assert opsets == ["opset 17", "opset 18"] * 2
    assert [len(row.all("td")) for row in matrix.all("tr") if row.all("td")] == [4, 4]
    assert len(matrix.all("span", title="not")) == 6


def test_every_outcome_is_in_the_legend_with_its_counts(runs: Any) -> None:
    legend = runs.page(runs.header(BERT, GPT2), *runs.passing(BERT)).tree.one(id="legend")
    rows = {row.one("th").text: [td.text for td in row.all("td")] for row in legend.all("tr")[1:-1]}
    assert len(rows) == len(Outcome)
    assert rows["✓Ppassed"][1:] == ["1", "2"]
    assert rows["○Rnot run"][1:] == ["1", "2"]


def test_what_each_requirement_means_stands_in_the_page_once(runs: Any) -> None:
    page = runs.page(runs.header(BERT, GPT2), *runs.passing(BERT, GPT2), runs.complete)
    rows = page.tree.one(id="requirements").all("tr")[1:]
    assert [[cell.text for cell in row.children] for row in rows] == [
        ["export", "a file comes out", "none does"],
        ["agreement", "both sides agree", "any output differs"],
    ]
    assert page.html.count("both sides agree") == 1


def test_a_run_that_does_not_say_what_its_requirements_mean_has_a_page_without(runs: Any) -> None:
    header = runs.header(BERT, requirements={})
    tree = runs.page(header, *runs.passing(BERT), runs.complete).tree
    assert not tree.all(id="requirements")
    assert tree.one("article").all("th", scope="row")


def test_an_interrupted_run_says_so_first(runs: Any) -> None:
    tree = runs.page(runs.header(BERT), *runs.passing(BERT)).tree
    verdict = tree.one(id="verdict")
    assert "v-incomplete" in verdict.attributes["class"]
    assert "Interrupted run" in verdict.text
    assert tree.one("main").children[0] is verdict


def test_provenance_names_versions_platform_profile_and_seed(runs: Any) -> None:
    text = runs.page(runs.header(BERT)).tree.one(id="provenance").text
    for value in ("2.9.0", "Linux x86_64", "nightly", "2025-01-02T03:04:05Z", "seed\n7"):
        assert value in re.sub(r"\n+", "\n", text).replace("seed7", "seed\n7")


def test_hostile_text_stays_text_wherever_it_comes_from(runs: Any) -> None:
    record = runs.record(
        "bert/<b>\"'&%41#?/opset18/dynamo",
        HOSTILE,
        Outcome.FAILED,
        part=HOSTILE,
        message=HOSTILE,
        traceback=HOSTILE,
        replay=HOSTILE,
        blame=HOSTILE,
        covered={HOSTILE: [1]},
        needed_atol={HOSTILE: 1.0},
        expectation={HOSTILE: HOSTILE, "reason": HOSTILE, "issue": f"https://e.org/{HOSTILE}"},
    )
    header = runs.header(
        run=HOSTILE,
        platform=HOSTILE,
        versions={HOSTILE: HOSTILE},
        modalities={"bert": HOSTILE},
        planned={str(record.cell): [HOSTILE]},
        requirements={HOSTILE: Meaning(proves=HOSTILE, fails_when=HOSTILE)},
    )
    page = runs.page(header, record)
    assert len(page.tree.all("script")) == 1
    assert not page.tree.all("img")
    assert not page.tree.all("b", onclick="x")
    assert not [e for e in page.tree.walk() for name in e.attributes if name.startswith("on")]
    assert page.tree.one("article").attributes["id"] == str(record.cell)
    assert "{{ 7 * 7 }}" in page.tree.one("pre", class_="message").text


def test_control_characters_and_lone_surrogates_become_visible(runs: Any) -> None:
    message = "red \x1b[31m, nul \x00, reorder \u202e, half \ud800, kept\n\ttab"
    page = runs.page(
        runs.header(BERT), runs.record(BERT, "export", Outcome.FAILED, message=message)
    )
    shown = page.tree.all("pre", class_="message")[0].text
    assert "red ␛[31m, nul ␀, reorder <U+202E>, half \N{REPLACEMENT CHARACTER}" in shown
    assert "kept\n\ttab" in shown


def test_the_page_refers_to_nothing_outside_itself(runs: Any) -> None:
    expectation = {"reason": "known", "issue": "https://github.com/pytorch/pytorch/issues/1"}
    xfailed = runs.record(BERT, "export", Outcome.XFAILED, expectation=expectation)
    page = runs.page(runs.header(BERT), xfailed)
    outside = [
        (element.tag, name, element.attributes[name])
        for element in page.tree.walk()
        for name in FETCHING
        if name in element.attributes and not element.attributes[name].startswith("#")
    ]
    assert outside == [("a", "href", "https://github.com/pytorch/pytorch/issues/1")]
    assert not page.tree.all("link")
    assert "url(" not in page.html
    assert "@import" not in page.html


def test_the_same_run_gives_the_same_bytes(runs: Any) -> None:
    lines = (runs.header(GPT2, BERT), *runs.passing(BERT), runs.complete)
    assert runs.page(*lines).path.read_bytes() == runs.page(*lines).path.read_bytes()


def test_the_folder_holds_the_page_only(runs: Any) -> None:
    page = runs.page(runs.header(BERT))
    assert [path.name for path in page.path.parent.iterdir()] == ["index.html"]


def test_a_page_that_cannot_be_replaced_leaves_the_old_one_and_no_rest(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = runs.page(runs.header(BERT))

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match=r"index\.html: cannot be written \(Permission denied\)"):
        write_page(runs.read(runs.header(GPT2)), page.path.parent)
    assert [path.name for path in page.path.parent.iterdir()] == ["index.html"]
    assert page.path.read_text(encoding="utf-8") == page.html


def test_ids_are_unique(runs: Any) -> None:
    tree = runs.page(runs.header(BERT, GPT2)).tree
    ids = [element.attributes["id"] for element in tree.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
