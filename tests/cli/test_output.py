"""Output of verdicts as text and JSON, and the schema of run files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness
from harness.cli.output import report_lines
from harness.records import (
    GLYPHS,
    CellId,
    CellReport,
    FailingExample,
    Footer,
    Header,
    Line,
    Meaning,
    Outcome,
    Record,
    RunShard,
    Scope,
    Started,
    Unreached,
    Worst,
    dump_line,
)

CELL = CellId.parse("bert/fill-mask/opset18/dynamo")
WORST = Worst(
    output="logits",
    max_abs_diff=3e-3,
    atol=1e-5,
    error_ratio=300.0,
    axes={"batch_size": 1, "sequence_length": 17},
    seed=7,
)
PASSED = Record(cell=CELL, requirement="opset", outcome=Outcome.PASSED)
FAILED = Record(
    cell=CELL,
    requirement="agreement",
    outcome=Outcome.FAILED,
    part="model",
    examples=12,
    covered={"batch_size": [1, 2]},
    worst=WORST,
    failing=FailingExample(axes=WORST.axes, seed=7),
    message="logits: differs\n  by 0.003",
    traceback="Traceback",
    expectation={"reason": "known"},
    replay=f"python -m harness replay {CELL} --seed 7",
    blame="exporter",
)


def validator(name: str) -> Any:
    text = (Path(harness.__file__).parent / "schemas" / f"{name}.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_verdict_is_read_from_top_to_bottom() -> None:
    assert list(report_lines(CellReport(CELL, (PASSED, FAILED)))) == [
        "✓  opset      passed",
        "✗  agreement  failed          12 examples  worst error 300 x atol (logits)",
        "",
        "agreement failed in model",
        "  logits: differs",
        "    by 0.003",
        "  blame: exporter",
        "  replay: python -m harness replay bert/fill-mask/opset18/dynamo --seed 7",
        "does not conform: bert/fill-mask/opset18/dynamo",
    ]


def test_a_replay_command_is_printed_once() -> None:
    message = f"logits: differs; {FAILED.replay}"
    failed = Record(
        cell=CELL,
        requirement="agreement",
        outcome=Outcome.FAILED,
        message=message,
        replay=FAILED.replay,
    )
    lines = list(report_lines(CellReport(CELL, (failed,))))
    assert sum("replay" in line for line in lines) == 1


def test_what_one_failure_skips_is_explained_once() -> None:
    skipped = [
        Record(
            cell=CELL, requirement=name, outcome=Outcome.SKIPPED, message="skipped: export failed"
        )
        for name in ("opset", "checker")
    ]
    lines = list(report_lines(CellReport(CELL, tuple(skipped))))
    assert lines[2:-1] == ["", "opset, checker skipped", "  skipped: export failed"]


def test_a_verdict_that_passes_is_short() -> None:
    lines = list(report_lines(CellReport(CELL, (PASSED,))))
    assert lines == ["✓  opset  passed", f"conforms: {CELL}"]


def test_a_verdict_says_how_far_it_holds() -> None:
    near, far = (
        Unreached(landmark="past + sequence_length", bound=131072, reached=reached, needs="17.2 GB")
        for reached in (4096, 8192)
    )
    records = (
        dataclasses.replace(PASSED, unreached=(far,)),
        dataclasses.replace(PASSED, requirement="agreement", unreached=(near,)),
    )
    report = CellReport(CELL, records)
    assert report.conforms
    assert list(report_lines(report))[-1] == (
        "conforms as far as 8,192 of 131,072 (past + sequence_length); agreement as far as "
        f"4,096 of 131,072 (past + sequence_length): {CELL}"
    )
    validator("check").validate(json.loads(json.dumps(report.to_json())))


def test_a_requirement_that_came_less_far_than_others_is_named() -> None:
    missed = Unreached(landmark="sequence_length", bound=512, reached=28, needs="a block of 2 GB")
    records = (
        dataclasses.replace(PASSED, covered={"sequence_length": [28, 768]}),
        dataclasses.replace(PASSED, requirement="cache", unreached=(missed,)),
    )
    assert list(report_lines(CellReport(CELL, records)))[-1] == (
        f"conforms; cache as far as 28 of 512 (sequence_length): {CELL}"
    )


def test_a_note_stands_below_the_requirement_that_passed_and_is_called_one() -> None:
    noted = dataclasses.replace(PASSED, message="weights: got 9 bytes\nnames: got others")
    lines = list(report_lines(CellReport(CELL, (noted, FAILED))))
    assert lines[:4] == [
        "✓  opset      passed",
        "   note: weights: got 9 bytes",
        "   note: names: got others",
        "✗  agreement  failed          12 examples  worst error 300 x atol (logits)",
    ]
    assert sum("got 9 bytes" in line for line in lines) == 1


def test_notes_on_a_verdict_stand_above_it() -> None:
    scope = Scope(
        folder="out",
        judged=("model.onnx",),
        left_out=(),
        not_asked=(),
        is_selection=False,
        dtype="float32",
        notes=("one", "two"),
    )
    report = CellReport(CELL, (PASSED,), scope)
    assert list(report_lines(report))[-3:] == ["note: one", "note: two", f"conforms: {CELL}"]
    data = report.to_json()
    assert data["scope"]["notes"] == ["one", "two"]
    validator("check").validate(data)


def test_every_failure_ends_with_its_own_replay_command() -> None:
    """Also if two requirements fail for the same reason, which is printed once."""
    other = dataclasses.replace(FAILED, requirement="cache", replay=f"{FAILED.replay} other")
    lines = list(report_lines(CellReport(CELL, (FAILED, other))))
    assert lines[-3:-1] == [f"  replay: {FAILED.replay}", f"  replay: {other.replay}"]


def test_every_outcome_has_a_glyph_of_its_own() -> None:
    assert set(GLYPHS) == set(Outcome)
    assert len(set(GLYPHS.values())) == len(Outcome)


@pytest.mark.parametrize("number", [300.0, float("inf"), float("nan")])
def test_a_verdict_is_valid_against_its_schema(number: float) -> None:
    worst = Worst(
        output="logits", max_abs_diff=number, atol=1e-5, error_ratio=number, axes={}, seed=0
    )
    failed = Record(cell=CELL, requirement="agreement", outcome=Outcome.FAILED, worst=worst)
    data = CellReport(CELL, (PASSED, failed)).to_json()
    validator("check").validate(json.loads(json.dumps(data, allow_nan=False)))


@pytest.mark.parametrize(
    "line",
    [
        Header(
            run="r",
            started="2025-01-02T03:04:05Z",
            versions={"python": "3.11.2"},
            platform="linux",
            profile="smoke",
            seed=0,
            planned={str(CELL): ["opset", "agreement"]},
            modalities={"bert": "text"},
            requirements={"opset": Meaning(proves="it", fails_when="not")},
            shard=RunShard(index=1, count=2, cells=3),
        ),
        Started(cell=CELL, process="gw0", time="2025-01-02T03:04:05Z"),
        *(Record(cell=CELL, requirement="opset", outcome=outcome) for outcome in Outcome),
        FAILED,
        dataclasses.replace(
            PASSED,
            unreached=(Unreached(landmark="a + b", bound=9, reached=2, needs="1 GB"),),
        ),
        Footer(counts={"passed": 1}, exit_status=0, complete=True),
    ],
    ids=lambda line: type(line).__name__,
)
def test_every_line_of_a_run_file_is_valid_against_its_schema(line: Line) -> None:
    validator("run").validate(json.loads(dump_line(line)))


@pytest.mark.parametrize(
    "change", [{"type": "nonsense"}, {"outcome": "fine"}, {"cell": "bert"}, {"extra": 1}]
)
def test_another_line_is_not_valid(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("run").validate({**PASSED.to_json(), **change})
