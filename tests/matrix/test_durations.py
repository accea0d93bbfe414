"""Expected durations of cells, and the file that stores them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.durations import (
    FILE,
    UNKNOWN_SECONDS,
    Durations,
    estimate_missing,
    mean_durations,
    read_durations,
    registered_rows,
    row_of,
    write_durations,
)
from harness.matrix.registry import read_registry
from harness.records import CellId, Outcome, Record, Run
from tests.small_runs import header_of

ROW = "bert~tall/fill-mask/dynamo"


def cell(opset: int, row: str = ROW) -> CellId:
    model, task, exporter = row.split("/")
    return CellId.parse(f"{model}/{task}/opset{opset}/{exporter}")


def run_of(*records: Record) -> Run:
    """A run whose plan has exactly the cells and requirements of its records."""
    header = header_of(*records)
    return Run(header, [], {(str(r.cell), r.requirement): r for r in records}, None)


def record(opset: int, requirement: str, outcome: str, seconds: float) -> Record:
    return Record(
        cell=cell(opset), requirement=requirement, outcome=Outcome(outcome), seconds=seconds
    )


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fixture folder of another package."""
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    return tmp_path


def test_a_row_is_a_cell_without_its_opset() -> None:
    assert row_of(cell(18)) == row_of(cell(9)) == ROW


def test_what_was_not_measured_takes_the_median_of_its_exporter() -> None:
    known = {"a/t/dynamo": 1.0, "b/t/dynamo": 2.0, "c/t/dynamo": 9.0, "a/t/torchscript": 0.5}
    durations = Durations.from_rows(known)
    assert durations.of(cell(18, "c/t/dynamo")) == 9.0
    assert durations.of(cell(18, "new/t/dynamo")) == 2.0
    assert durations.of(cell(18, "new/t/torchscript")) == 0.5
    assert durations.of(cell(18, "a/t/another")) == UNKNOWN_SECONDS
    assert durations.total([cell(9, "c/t/dynamo"), cell(18, "new/t/dynamo")]) == 11.0


def test_the_mean_of_cells_judged_to_the_end_is_kept() -> None:
    run = run_of(
        record(14, "export", "passed", 1.0),
        record(14, "agreement", "failed", 3.0),
        record(18, "export", "passed", 5.0),
        record(18, "agreement", "not_applicable", 3.0),
        record(20, "export", "passed", 100.0),
        record(20, "agreement", "crashed", 0.0),
        record(9, "export", "not_applicable", 0.0),
        record(21, "export", "not_run", 0.0),
        record(22, "export", "xfailed", 0.5),
        record(22, "opset", "skipped", 0.0),
    )
    assert mean_durations(run) == {ROW: 6.0}


def test_rows_that_were_not_measured_again_stay(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE
    write_durations(path, {"b/t/dynamo": 2.0, "a/t/dynamo": 1.23456})
    write_durations(path, {"b/t/dynamo": 3.0})
    assert list(json.loads(path.read_text()).items()) == [("a/t/dynamo", 1.23), ("b/t/dynamo", 3.0)]


def test_another_package_brings_its_own(outside: Path) -> None:
    committed = read_durations().rows
    write_durations(outside / FILE, {"mine/t/dynamo": 7.0, "bert/fill-mask/dynamo": 8.0})
    rows = read_durations().rows
    assert rows == {**committed, "mine/t/dynamo": 7.0, "bert/fill-mask/dynamo": 8.0}


@pytest.mark.parametrize("text", ["[]", '{"a/t/dynamo": "1"}', '{"a/t/dynamo": -1}', "{", "{1}"])
def test_a_file_of_another_form_is_named(outside: Path, text: str) -> None:
    (outside / FILE).write_text(text)
    with pytest.raises(UsageError, match=str(outside / FILE)):
        read_durations()


def test_what_is_committed_is_of_what_is_registered() -> None:
    registry = read_registry()
    known = {f"{model}/{task}" for model, tasks in registry.tasks.items() for task in tasks}
    stale = [row for row in read_durations().rows if row.rpartition("/")[0] not in known]
    assert not stale


def test_the_committed_file_has_nearly_all_rows_of_the_matrix() -> None:
    wanted = registered_rows(read_registry())
    missing = [row for row in wanted if row not in read_durations().rows]
    assert len(missing) <= 0.05 * len(wanted), f"{len(missing)} missing, such as {missing[:3]}"


def test_a_missing_row_is_estimated_by_the_ratio_of_two_exporters() -> None:
    known = {
        "a/t/dynamo": 1.0,
        "a/t/transformers": 2.0,
        "b/t/dynamo": 3.0,
        "b/t/transformers": 9.0,
        "c/t/dynamo": 4.0,
        "c/t/transformers": 8.0,
        "d/t/dynamo": 10.0,
    }
    wanted = ["d/t/transformers", "d/t/dynamo", "e/t/dynamo"]
    assert estimate_missing(known, wanted) == {"d/t/transformers": 20.0}


def test_estimates_are_written_beside_measurements_and_give_way_to_them(tmp_path: Path) -> None:
    path = tmp_path / FILE
    known = {"a/t/dynamo": 1.0, "a/t/torchscript": 0.5, "b/t/dynamo": 4.0}
    assert write_durations(path, known, wanted=["b/t/torchscript", "z/t/dynamo"]) == 1
    assert json.loads(path.read_text())["b/t/torchscript"] == 2.0
    assert write_durations(path, {"b/t/torchscript": 7.0}) == 0
    assert json.loads(path.read_text())["b/t/torchscript"] == 7.0


def test_the_rows_of_the_matrix_are_models_tasks_and_exporters() -> None:
    registry = read_registry()
    rows = registered_rows(registry)
    assert len(rows) == sum(map(len, registry.tasks.values())) * len(registry.exporters)
    assert "bert/fill-mask/dynamo" in rows
    assert any(row.startswith("gpt2~external-data/") for row in rows)
