"""The contents of written pages."""

from __future__ import annotations

import json
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


def test_a_square_shows_its_letter_and_outcome_and_leads_to_its_drill_down(runs: Any) -> None:
    page = runs.page(runs.header(BERT), *runs.passing(BERT), runs.complete)
    square = page.tree.one(id=BERT)
    assert (square.tag, square.text, square.attributes["class"]) == ("a", "P", "oP")
    assert square.attributes["aria-label"] == "passed"
    assert square.attributes["href"] == f"architectures/bert.html#{BERT}"
    drilldown = page.of("bert").tree.one(id=BERT)
    assert drilldown.tag == "article"
    assert "export" in drilldown.text


def test_every_class_of_an_outcome_has_its_glyph_and_colours(runs: Any) -> None:
    style = runs.page(runs.header(BERT)).tree.one("style").text
    for letter, glyph in (("P", "✓"), ("F", "✗"), ("x", "≈"), ("X", "▲")):
        assert f'.o{letter}::before {{ content: "{glyph}" / ""; }}' in style
        assert re.search(rf"\.o{letter}\b[^{{]*{{ --bg", style)


def test_columns_are_the_opsets_of_each_exporter(runs: Any) -> None:
    page = runs.page(runs.header(BERT, GPT2))
    matrix = page.tree.one("table", class_="matrix")
    exporters = [th.text for th in matrix.all("th", class_="exporter")]
    assert exporters == ["dynamo", "torchscript"]
    opsets = [th.text for th in matrix.all("th", scope="col") if th.text.startswith("opset ")]
    assert opsets == ["opset 17", "opset 18"] * 2
    rows = [tr for tr in matrix.all("tr") if "data-row" in tr.attributes]
    assert [len(row.all("td")) for row in rows] == [5, 5]  # with the count
    own = page.of("bert").tree.one("table", class_="matrix")
    assert [th.text for th in own.all("th", class_="exporter")] == ["dynamo"]


def test_a_task_that_is_not_registered_is_a_row_with_its_reason(runs: Any) -> None:
    missing = {"bert": ["next-sentence-prediction"], "roberta": ["fill-mask"]}
    page = runs.page(runs.header(BERT, not_registered=missing))
    (row,) = [
        tr for tr in page.tree.all("tr") if "data-row" in tr.attributes and not tr.all("a", id=BERT)
    ]
    assert "not registered" in row.text
    assert page.tree.one(id="missing").one("dt").text == "roberta"


def test_every_outcome_is_in_the_legend_with_its_counts(runs: Any) -> None:
    legend = runs.page(runs.header(BERT, GPT2), *runs.passing(BERT)).tree.one(id="legend")
    rows = {row.one("th").text: [td.text for td in row.all("td")] for row in legend.all("tr")[1:-1]}
    assert len(rows) == len(Outcome)
    assert rows["P passed"][1:] == ["1", "2"]
    assert rows["R not run"][1:] == ["1", "2"]


def test_each_requirement_is_explained_once_per_page(runs: Any) -> None:
    page = runs.page(runs.header(BERT, GPT2), *runs.passing(BERT, GPT2), runs.complete)
    for one in page.all:
        rows = one.tree.one(id="requirements").all("tr")[1:]
        assert [[cell.text for cell in row.children] for row in rows] == [
            ["export", "a file comes out", "none does"],
            ["agreement", "both sides agree", "any output differs"],
        ]
        assert one.html.count("both sides agree") == 1


def test_a_run_without_explanations_has_pages_without_them(runs: Any) -> None:
    page = runs.page(runs.header(BERT, requirements={}), *runs.passing(BERT), runs.complete)
    assert not [one for one in page.all if one.tree.all(id="requirements")]
    assert page.of("bert").tree.one("article").all("th", scope="row")


def test_an_interrupted_run_says_so_first_on_every_page(runs: Any) -> None:
    for one in runs.page(runs.header(BERT), *runs.passing(BERT)).all:
        verdict = one.tree.one(id="verdict")
        assert "v-incomplete" in verdict.attributes["class"]
        assert "Interrupted run" in verdict.text
        assert one.tree.one("main").children[0] is verdict


def test_every_page_names_versions_platform_profile_and_seed(runs: Any) -> None:
    for one in runs.page(runs.header(BERT)).all:
        text = one.tree.one(id="provenance").text
        for value in ("2.9.0", "Linux x86_64", "nightly", "2025-01-02T03:04:05Z", "seed7"):
            assert value in text


def test_badges_are_shown_with_texts_to_copy(runs: Any) -> None:
    page = runs.page(runs.header(BERT), *runs.passing(BERT), runs.complete)
    badges = page.tree.one(id="badges")
    snippets = [code.text for code in badges.all("code", class_="copy")]
    assert "![bert](badges/architecture-bert.svg)" in snippets
    assert "https://img.shields.io/endpoint?url=ADDRESS/badges/project.json" in snippets
    assert badges.all("svg")[0].attributes["aria-label"] == "conformance: 1 of 1 conform"


def test_hostile_text_stays_text_wherever_it_comes_from(runs: Any) -> None:
    record = runs.record(
        "bert/<b>\"'&%41#?/opset18/<script><img",
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
        not_registered={"bert": [HOSTILE], HOSTILE: [HOSTILE]},
    )
    page = runs.page(header, record)
    scripts = [len(one.tree.all("script")) for one in runs.page(runs.header(BERT)).all]
    page = runs.page(header, record)
    assert [len(one.tree.all("script")) for one in page.all] == scripts
    for one in page.all:
        assert not one.tree.all("img")
        assert not [e for e in one.tree.walk() for n in e.attributes if n.startswith("on")]
        assert not [e for e in one.tree.walk() if "style" in e.attributes]
    article = page.of("bert").tree.one("article")
    assert article.attributes["id"] == str(record.cell)
    assert "{{ 7 * 7 }}" in article.one("pre", class_="message").text
    text = page.tree.one("script", id="data").text
    assert "<" not in text  # so no comment either, within which a script would not end
    data = json.loads(text)
    assert data["requirements"] == [HOSTILE]


@pytest.mark.parametrize("name", ["..", "a/b\\c", "con%2f", "é", "<i>"])
def test_a_name_of_an_architecture_never_leaves_the_folder(runs: Any, name: str) -> None:
    cell = BERT.replace("bert", name.replace("/", ""))
    page = runs.page(runs.header(cell), *runs.passing(cell), runs.complete)
    folder = page.path.parent
    assert sorted(path.name for path in folder.iterdir()) == ["architectures", "index.html"]
    (own,) = (folder / "architectures").iterdir()
    assert own.is_file()
    assert re.fullmatch(r"[\w.=~-]+\.html", own.name)
    assert page.tree.one(id=cell).attributes["href"].split("#")[0] == f"architectures/{own.name}"


def test_control_characters_and_lone_surrogates_become_visible(runs: Any) -> None:
    message = "red \x1b[31m, nul \x00, reorder \u202e, half \ud800, kept\n\ttab"
    page = runs.page(
        runs.header(BERT), runs.record(BERT, "export", Outcome.FAILED, message=message)
    )
    shown = page.of("bert").tree.all("pre", class_="message")[0].text
    assert "red ␛[31m, nul ␀, reorder <U+202E>, half \N{REPLACEMENT CHARACTER}" in shown
    assert "kept\n\ttab" in shown


def test_pages_refer_to_nothing_outside_their_folder(runs: Any) -> None:
    expectation = {"reason": "known", "issue": "https://github.com/pytorch/pytorch/issues/1"}
    xfailed = runs.record(BERT, "export", Outcome.XFAILED, expectation=expectation)
    page = runs.page(runs.header(BERT), xfailed)
    for one in page.all:
        targets = {
            (element.tag, name, element.attributes[name].split("#")[0])
            for element in one.tree.walk()
            for name in FETCHING
            if name in element.attributes and not element.attributes[name].startswith("#")
        }
        outside = {t for t in targets if not (one.path.parent / t[2]).is_file()}
        assert outside <= {("a", "href", expectation["issue"])}
        assert not one.tree.all("link")
        assert "url(" not in one.html
        assert "@import" not in one.html


def test_the_same_run_gives_the_same_bytes(runs: Any) -> None:
    lines = (runs.header(GPT2, BERT), *runs.passing(BERT), runs.complete)
    first = {one.path: one.html for one in runs.page(*lines).all}
    again = {one.path: one.html for one in runs.page(*lines).all}
    assert first == again
    assert len(first) == 3


def test_a_page_that_cannot_be_replaced_leaves_the_old_ones_and_no_rest(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = runs.page(runs.header(BERT))
    before = {one.path: one.html for one in page.all}

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match=r"bert\.html: cannot be written \(Permission denied\)"):
        write_page(runs.read(runs.header(BERT), *runs.passing(BERT)), page.path.parent)
    assert {one.path: one.html for one in page.all} == before
    assert not list(page.path.parent.rglob("*.tmp"))


def test_ids_are_unique(runs: Any) -> None:
    for one in runs.page(runs.header(BERT, GPT2), *runs.passing(BERT)).all:
        ids = [e.attributes["id"] for e in one.tree.walk() if "id" in e.attributes]
        assert len(ids) == len(set(ids))
