"""`promote` commits a failing example as a regression, which every later run judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import CellId, Outcome, Record, UsageError, judge_cell, register_fixtures
from harness.configs import plugins
from harness.judge.regressions import promote
from harness.records import FailingExample

CELL = CellId.parse("bert/fill-mask/opset18/torchscript")
AXES = {"batch_size": 5, "sequence_length": 23}


def _failure(seed: int = 77, cell: CellId = CELL) -> Record:
    return Record(
        cell=cell,
        requirement="agreement",
        outcome=Outcome.FAILED,
        failing=FailingExample(axes=AXES, seed=seed),
    )


@pytest.fixture
def fixtures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of fixtures that only this test uses."""
    monkeypatch.setattr(plugins, "_fixture_directories", [])
    register_fixtures(tmp_path)
    return tmp_path


def test_a_promoted_failure_is_judged_in_every_cell_of_its_task(fixtures: Path) -> None:
    promote([_failure()], fixtures / "regressions")
    for opset in (17, 18):
        cell = CellId.parse(f"bert/fill-mask/opset{opset}/torchscript")
        record = judge_cell(cell, profile="smoke", requirements=["agreement"]).record("agreement")
        assert AXES["sequence_length"] in record.covered["sequence_length"]
        without = judge_cell(
            CellId.parse(f"bert/token-classification/opset{opset}/torchscript"),
            profile="smoke",
            requirements=["agreement"],
        ).record("agreement")
        assert without.examples == record.examples - 1


def test_the_same_failure_is_kept_once(tmp_path: Path) -> None:
    other = CellId.parse("bert/fill-mask/opset21/dynamo")
    changed = promote([_failure(), _failure(cell=other), _failure(seed=78)], tmp_path)
    assert changed == [tmp_path / "bert.json"]
    assert [entry["seed"] for entry in json.loads(changed[0].read_text())] == [77, 78]
    assert promote([_failure()], tmp_path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("{}", "is not a list of regressions"),
        ('[{"task": "fill-mask"}]', "entry 1 must have the keys"),
        ('[{"task": "fill-mask", "axes": {}, "seed": "1", "found": ""}]', "has seed '1'"),
        (
            '[{"task": "fill-mask", "axes": {"a": -1}, "seed": 1, "found": ""}]',
            "not an integer of at least 0",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_and_kept(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bert.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        promote([_failure()], tmp_path)
    assert path.read_text() == text
