"""Badges: their messages, their file names, and names that could break them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.records import CellId, Outcome
from reports.__main__ import main
from reports.badges import _FILLS, badges_of, write_badges

BERT = "bert/fill-mask/opset18/dynamo"
BERT_9 = "bert/fill-mask/opset9/dynamo"
GPT2 = "gpt2~external-data/text-generation/opset18/torchscript"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - written by the code under test


def test_project_architectures_and_opsets_have_badges_with_stable_names(runs: Any) -> None:
    run = runs.read(runs.header(BERT, BERT_9, GPT2), *runs.passing(BERT, GPT2), runs.complete)
    badges = badges_of(run)
    assert [(badge.name, badge.label) for badge in badges] == [
        ("project", "conformance"),
        ("architecture-bert", "bert"),
        ("architecture-gpt2", "gpt2"),
        ("opset-9", "opset 9"),
        ("opset-18", "opset 18"),
    ]


@pytest.mark.parametrize(
    ("outcome", "message", "colour"),
    [
        (Outcome.PASSED, "2 of 2 conform", "brightgreen"),
        (Outcome.FAILED, "1 of 2 conform", "yellow"),
        (Outcome.XFAILED, "1 of 2 conform", "yellow"),
        (Outcome.XPASSED, "1 of 2 conform", "yellow"),
        (Outcome.INCONCLUSIVE, "1 of 2 conform", "yellow"),
        (Outcome.NOT_APPLICABLE, "1 of 1 conform", "brightgreen"),
        (Outcome.NOT_RUN, "1 of 2 conform (incomplete)", "lightgrey"),
    ],
)
def test_only_what_conforms_is_counted_among_what_applies(
    runs: Any, outcome: Outcome, message: str, colour: str
) -> None:
    records = [runs.record(BERT_9, name, outcome) for name in runs.requirements]
    run = runs.read(runs.header(BERT, BERT_9), *runs.passing(BERT), *records, runs.complete)
    badge = badges_of(run)[0]
    assert (badge.message, badge.colour) == (message, colour)


def test_an_interrupted_run_has_no_colour_although_all_passed(runs: Any) -> None:
    for badge in badges_of(runs.read(runs.header(BERT), *runs.passing(BERT))):
        assert (badge.message, badge.colour) == ("1 of 1 conform (incomplete)", "lightgrey")


def test_nothing_that_applies_is_not_green(runs: Any) -> None:
    records = [runs.record(BERT, name, Outcome.NOT_APPLICABLE) for name in runs.requirements]
    badge = badges_of(runs.read(runs.header(BERT), *records, runs.complete))[0]
    assert (badge.message, badge.colour) == ("nothing applies", "lightgrey")


@pytest.mark.parametrize(
    ("passing", "colour"),
    [(20, "brightgreen"), (19, "green"), (18, "green"), (17, "yellowgreen"), (15, "yellowgreen"),
     (14, "yellow"), (10, "yellow"), (9, "orange"), (5, "orange"), (4, "red"), (0, "red")],
)  # fmt: skip
def test_the_share_gives_the_colour(runs: Any, passing: int, colour: str) -> None:
    cells = [f"bert/fill-mask/opset{opset}/dynamo" for opset in range(1, 21)]
    failed = [runs.record(c, n, Outcome.FAILED) for c in cells[passing:] for n in runs.requirements]
    run = runs.read(runs.header(*cells), *runs.passing(*cells[:passing]), *failed, runs.complete)
    assert badges_of(run)[0].colour == colour


def test_the_command_writes_an_endpoint_and_an_image_of_each(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(runs.header(BERT), *runs.passing(BERT), runs.complete)
    folder = tmp_path / "new" / "badges"
    assert main(["badges", str(run), "-o", str(folder)]) == 0
    names = ["project", "architecture-bert", "opset-18"]
    expected = [folder / f"{name}.{suffix}" for name in names for suffix in ("json", "svg")]
    assert capsys.readouterr().out.splitlines() == list(map(str, expected))
    assert sorted(folder.iterdir()) == sorted(expected)
    assert json.loads((folder / "architecture-bert.json").read_text(encoding="utf-8")) == {
        "schemaVersion": 1,
        "label": "bert",
        "message": "1 of 1 conform",
        "color": "brightgreen",
    }


def test_an_image_has_a_title_and_both_texts(runs: Any) -> None:
    badge = badges_of(runs.read(runs.header(BERT), *runs.passing(BERT), runs.complete))[0]
    root = parsed(badge.svg())
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "conformance: 1 of 1 conform"
    assert root.findtext(f"{SVG}title") == "conformance: 1 of 1 conform"
    assert [e.text for e in root.iter(f"{SVG}text")] == ["conformance", "1 of 1 conform"]


def test_white_text_is_readable_on_every_colour() -> None:
    def luminance(fill: str) -> float:
        channels = (int(fill[start : start + 2], 16) / 255 for start in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    # https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    contrast = {name: 1.05 / (luminance(fill) + 0.05) for name, fill in _FILLS.items()}
    assert {name: ratio for name, ratio in contrast.items() if ratio < 4.5} == {}


def test_hostile_names_break_no_image_no_json_and_leave_no_folder(
    runs: Any, tmp_path: Path
) -> None:
    names = [
        CellId.parse(runs.hostile_cell).architecture,
        "..",
        "\x00",
        "=00",
        "%00",
        "\ud800",
        "é",
    ]
    cells = [f"{name}/fill-mask/opset18/dynamo" for name in names]
    run = runs.read(runs.header(*cells), *runs.passing(*cells), runs.complete)
    folder = tmp_path / "badges"
    written = write_badges(badges_of(run), folder)
    assert len(set(written)) == 2 * (1 + len(names) + 1)
    assert {path.parent for path in written} == {folder}
    for path in written:
        assert set(path.name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=._~-"
        )
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            assert "\x1b" not in json.loads(text)["label"]
        else:
            tags = [element.tag for element in parsed(text).iter()]
            assert tags.count(f"{SVG}text") == 2
            assert len(tags) == 7


def test_a_folder_that_cannot_be_made_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(runs.header(BERT), *runs.passing(BERT), runs.complete)
    (tmp_path / "taken").touch()
    assert main(["badges", str(run), "-o", str(tmp_path / "taken")]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "taken: cannot be written" in captured.err
