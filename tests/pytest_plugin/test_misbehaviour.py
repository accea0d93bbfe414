"""A cell that breaks its process changes its own records, and no records of other cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import AFTER_CHECKER, CELL, LADDER, SMALL, Result, RunPytest, rule

from harness.isolation.process_tree import processes_of_run
from harness.records import Outcome, Record
from tests.written_findings import write_finding

LIMITS = ("--cell-timeout", "6", "--cell-memory", "400M")
BAD = {
    "segfault": ("crashed", "(SIGSEGV)"),
    "exit": ("crashed", "(exit status 3)"),
    "kill": ("crashed", "(SIGKILL)"),
    "hang": ("timed_out", "no verdict within 6 s"),
    "hang in native code": ("timed_out", "no verdict within 6 s"),
    "exhaust memory": ("crashed", "above the limit of 400 MiB a cell"),
    "raise": ("errored", "RuntimeError('the judge is broken') from the judge"),
    "sys.exit": ("errored", "SystemExit('enough') from the judge"),
}
HARMLESS = ("flood", "leave things behind", "change state", "corrupt journal")


@pytest.fixture(scope="module")
def cells() -> list[str]:
    names = ("fill-mask", "question-answering", "text-classification", "token-classification")
    return [f"bert/{task}/opset{o}/dynamo" for task in names for o in (18, 19, 20)]


@pytest.fixture(params=["0", pytest.param("2", marks=pytest.mark.gate)], scope="module")
def result(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> Result:
    """A run in which some cells misbehave, each in another way."""
    project = tmp_path_factory.mktemp("project")
    (project / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (project / "no_expectations").mkdir()
    selection = ("--architecture", "bert", "--exporter", "dynamo", "--opset", "18..20")
    rules = [rule(do, cell=cell) for do, cell in zip((*BAD, *HARMLESS), cells, strict=True)]
    return RunPytest(project)(*selection, *LIMITS, "-n", request.param, rules=rules)


@pytest.mark.parametrize("number", range(len(BAD)), ids=list(BAD))
def test_it_costs_one_record(result: Result, cells: list[str], number: int) -> None:
    outcome, got = list(BAD.values())[number]
    found = record_of(result, cells[number])
    assert (found.outcome, got in found.message) == (outcome, True), found.message
    assert result.outcomes(cells[number]) == [
        *["passed"] * 2,
        outcome,
        *["skipped"] * AFTER_CHECKER,
    ]
    assert found.replay is not None


@pytest.mark.parametrize("number", range(len(HARMLESS)), ids=HARMLESS)
def test_harmless_misbehaviour_costs_nothing(result: Result, cells: list[str], number: int) -> None:
    assert set(result.outcomes(cells[len(BAD) + number])) == {Outcome.PASSED}


def test_all_other_cells_are_as_they_would_be(result: Result, cells: list[str]) -> None:
    others = [cell for cell in result.run.header.planned if cell not in cells]
    assert len(others) > len(cells) / 4
    for cell in others:
        assert set(result.outcomes(cell)) == {Outcome.PASSED}
    assert len(result.run.records) == len(result.run.header.planned) * len(LADDER)
    assert result.run.footer is not None
    assert result.run.footer.complete


def test_a_hang_shows_where(result: Result, cells: list[str]) -> None:
    place = {"hang": "in hang", "hang in native code": "in hang_in_native_code"}
    for do, where in place.items():
        assert where in (record_of(result, cells[list(BAD).index(do)]).traceback or "")


def test_a_crash_shows_where(result: Result, cells: list[str]) -> None:
    trace = record_of(result, cells[list(BAD).index("segfault")]).traceback or ""
    assert "Fatal Python error: Segmentation fault" in trace
    assert "in segfault" in trace


def test_nothing_is_left_behind(result: Result) -> None:
    assert not (result.directory / "scratch").exists()
    assert not list(result.directory.rglob("left.txt"))
    assert list(processes_of_run(str(result.directory))) == []


def test_what_a_cell_changed_is_named_and_its_judge_replaced(
    result: Result, cells: list[str]
) -> None:
    cell = cells[len(BAD) + HARMLESS.index("change state")]
    notices = (result.directory / "judges.log").read_text().splitlines()
    assert f"judges replaced: {len(notices)}, see " in result.output
    (notice,) = [line for line in notices if line.startswith(f"{cell}: its ")]
    assert "its judge was replaced: it left environment" in notice


def record_of(result: Result, cell: str) -> Record:
    record: Record = result.run.records[cell, "checker"]
    return record


def test_an_expected_time_out_is_xfailed(run_pytest: RunPytest, project: Path) -> None:
    late = {"outcome": "timed_out", "message": "no verdict", "example": "got no verdict within 3 s"}
    write_finding(project, cells=[CELL], requirement="checker", **late)
    result = run_pytest(
        *(*SMALL, "--cell-timeout", "3"), rules=[rule("hang")], expectations="known.toml"
    )
    assert result.status == 0, result.output
    assert result.outcomes(CELL)[2] == "xfailed"
