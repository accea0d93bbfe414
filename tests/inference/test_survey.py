"""A survey says how far each pair gets, also if its process dies, and goes on where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import survey_processes
from harness.cli.scaffold_report import summary_lines, survey, undescribed_pairs
from harness.inference.survey import modality, survey_lines

COMPLETE = ("funnel", "token-classification")
STOPPING = ("bark", "text-to-audio")


def test_lines_have_the_tiny_configuration_and_the_inputs_and_then_the_description() -> None:
    running, last = survey_lines(*COMPLETE)
    assert (running["stage"], running["modality"], running["reason"]) == ("complete", "text", "")
    for line in (running, last):
        assert line["config"]["model_type"] == "funnel"
        assert line["inputs"]["input_ids"] == ["ids", ["batch_size", "sequence_length"]]
        assert json.loads(json.dumps(line)) == line
    assert (last["stage"], last["reason"]) == ("described", "")


def test_a_line_says_where_inference_stops() -> None:
    (line,) = survey_lines(*STOPPING)
    assert (line["stage"], line["stop"], line["details"]) == ("nothing", "NO_FORWARD", "BarkModel")
    assert line["reason"] == "the model has no forward: BarkModel"


def test_modalities_follow_from_the_arguments_of_the_class() -> None:
    assert modality("segformer", "image-classification") == "image"
    assert modality("idefics3", "image-text-to-text") == "text, image"
    assert modality("hubert", "feature-extraction") == "sound"


def test_an_interrupted_survey_goes_on_and_a_pair_that_takes_too_long_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "survey.jsonl"
    known: dict[str, Any] = {"architecture": COMPLETE[0], "task": COMPLETE[1], "stage": "runs"}
    path.write_text(json.dumps(known) + "\n" + '{"architecture": "cut off', encoding="utf-8")
    monkeypatch.setattr(survey_processes, "_WAIT", 0.0)
    lines = list(survey([COMPLETE, STOPPING], path))
    assert lines[0] == known
    assert (lines[1]["stop"], lines[1]["architecture"]) == ("RESOURCES", "bark")
    assert lines[1]["reason"].startswith("time or memory ran out: the process ended with status")
    written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert written == lines


def test_pairs_are_the_same_for_a_seed() -> None:
    assert undescribed_pairs(5, 1) == undescribed_pairs(None, 1)[:5]
    assert undescribed_pairs(50, 1) != undescribed_pairs(50, 2)


def test_the_summary_counts_how_many_get_at_least_as_far() -> None:
    stages = ("nothing", "builds", "runs", "complete")
    lines = [{"modality": "text", "stage": stage} for stage in stages]
    lines[0]["stop"] = "PACKAGE"
    table = list(summary_lines(lines))
    assert table[-2].split() == ["all", "4", "75%", "50%", "25%", "25%", "0%"]
    assert table[-1].split() == ["1", "stop", "at", "PACKAGE"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scaffold"], ["give either an ARCHITECTURE or --report FILE"]),
        (["scaffold", "siglip", "--report", "x"], ["give either an ARCHITECTURE or --report FILE"]),
    ],
)
def test_a_report_and_an_architecture_exclude_each_other(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import main

    assert main(arguments) == 2
    assert all(word in capsys.readouterr().err for word in words)


def test_a_file_that_is_no_survey_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import main

    path = tmp_path / "notes.txt"
    path.write_text("my notes\n", encoding="utf-8")
    assert main(["scaffold", "--report", str(path), "--sample", "1"]) == 2
    assert "is no survey of `scaffold --report`" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "my notes\n"
