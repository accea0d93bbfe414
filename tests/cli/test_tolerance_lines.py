"""The tolerances of a verdict as text: each output once, with the origin of the numbers."""

from __future__ import annotations

import dataclasses
import json

import pytest

from harness.cli.output import report_lines
from harness.cli.tolerance_lines import tolerance_lines
from harness.records import CellReport, Record, dump_line, parse_line
from tests.cli.test_output import CELL, FAILED, PASSED, validator

MEASURED = "measured: 10 x eager's own rounding"


def _record(origin: str, **tolerance: float) -> Record:
    named = {name.replace("__", "."): atol for name, atol in tolerance.items()}
    return dataclasses.replace(FAILED, tolerance=named, tolerance_origin=origin)


@pytest.mark.parametrize(
    ("tolerance", "text"),
    [
        ({"logits": 2e-4}, "logits 0.0002"),
        ({"logits": 1e-5, "present__0__key": 1e-5}, "1e-05 for every output"),
        (
            {"logits": 2e-4, "present__0__key": 1e-5, "present__1__key": 3e-5},
            "logits 0.0002, present.*.key 1e-05 to 3e-05",
        ),
    ],
)
def test_outputs_of_all_layers_are_one(tolerance: dict[str, float], text: str) -> None:
    lines = list(tolerance_lines([PASSED, _record(MEASURED, **tolerance)]))
    assert lines == [f"tolerance ({MEASURED}): {text}"]


def test_the_line_stands_above_the_verdict() -> None:
    given = _record("given by --atol", logits=1e-3)
    *_, line, verdict = report_lines(CellReport(CELL, (given, given)))
    assert line == "tolerance (given by --atol): logits 0.001"
    assert verdict.startswith("does not conform")


def test_a_verdict_without_compared_values_has_no_such_line() -> None:
    assert list(tolerance_lines([PASSED])) == []


def test_a_record_keeps_it_in_the_run_file_and_in_json() -> None:
    record = _record(MEASURED, logits=2e-4, other=float("inf"))
    line = dump_line(record)
    validator("run").validate(json.loads(line))
    assert parse_line(line, source="a run") == record
    data = CellReport(CELL, (record, PASSED)).to_json()
    validator("check").validate(json.loads(json.dumps(data)))
    first, second = data["requirements"]
    assert first["tolerance"] == {"logits": 2e-4, "other": "inf"}
    assert (first["tolerance_origin"], second["tolerance_origin"]) == (MEASURED, None)
