"""A supervisor owns one judge at a time, and replaces it when necessary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.isolation.limits import Limits
from harness.isolation.setup import Setup
from harness.isolation.supervisor import CellJob, Supervisor
from harness.matrix.expectations import Expectations
from harness.matrix.results import StoredResult
from harness.records import CellId, JournalReader, Outcome, Record, Started

CELL = CellId.parse("bert/fill-mask/opset18/dynamo")
NAMES = ("export", "checker")
Start = Callable[[Limits], Supervisor]
JUDGE = """
import os
import harness.judge
from harness.records import CellReport, Outcome, Record

def judge_cell(cell, *, requirements, on_record, **others):
    message = f"judged by {os.getpid()}"
    for name in requirements:
        on_record(Record(cell=cell, requirement=name, outcome=Outcome.PASSED, message=message))
    return CellReport(cell, ())

harness.judge.judge_cell = judge_cell
harness.judge.warm_up = lambda: None
"""

WASTED = 300 << 20
WASTE = f"""
kept = []

def circle():
    waste = [b"x" * {WASTED}]
    waste.append(waste)

def holes():
    waste = [b"%05d" % index * 800 for index in range({WASTED} // 4000)]
    kept.extend(waste[::1000])
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts supervisors; their judge writes its process id into its records."""
    (tmp_path / "which_judge.py").write_text(JUDGE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    started: list[Supervisor] = []

    def begin(limits: Limits) -> Supervisor:
        setup = Setup(
            run="run",
            seed=0,
            profile="smoke",
            max_examples=1,
            process="main",
            mark=str(tmp_path),
            journals=str(tmp_path / "journals"),
            config_modules=["which_judge"],
            expectations=[],
        )
        scratch = tmp_path / "scratch"
        supervisor = Supervisor(setup, limits, scratch=scratch, expectations=Expectations())
        started.append(supervisor)
        return started[-1]

    yield begin
    for supervisor in started:
        supervisor.close()


def judges_of(supervisor: Supervisor, count: int) -> list[str]:
    job = CellJob(cell=CELL, requirements=NAMES, seed=0)
    return [supervisor.run_cell(job).records["checker"].message for _ in range(count)]


def test_a_judge_stays_for_the_next_cell(start: Start) -> None:
    assert len(set(judges_of(start(Limits()), 3))) == 1


def test_a_judge_that_holds_too_much_memory_is_replaced(start: Start) -> None:
    assert len(set(judges_of(start(Limits(retire=1)), 3))) == 3


@pytest.mark.parametrize("left", ["circle()", "holes()"])
def test_what_a_cell_no_longer_needs_is_not_held(start: Start, tmp_path: Path, left: str) -> None:
    """Neither reference cycles nor free memory between objects in use are kept."""
    call = f"    {left}\n    return CellReport"
    text = JUDGE.replace("    return CellReport", call) + WASTE
    (tmp_path / "which_judge.py").write_text(text)
    assert len(set(judges_of(start(Limits(retire=WASTED)), 3))) == 1


def test_records_of_before_stand(start: Start) -> None:
    supervisor = start(Limits())
    first = supervisor.run_cell(CellJob(cell=CELL, requirements=NAMES[:1], seed=0))
    known = {"export": first.records["export"]}
    second = supervisor.run_cell(CellJob(cell=CELL, requirements=NAMES, seed=0, known=known))
    assert second.records["export"] is known["export"]
    assert not any('"requirement":"export"' in text for _, text in second.journals)
    assert second.records["checker"].outcome is Outcome.PASSED


def test_stored_records_are_copied_to_a_journal_and_no_judge_starts(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "which_judge.py").write_text("raise SystemError('no judge here')")
    kept = (Record(cell=CELL, requirement=name, outcome=Outcome.PASSED) for name in NAMES)
    stored = StoredResult(run="earlier", records=tuple(kept))
    job = CellJob(cell=CELL, requirements=NAMES, seed=0, fingerprint="f", stored=stored)
    result = start(Limits()).run_cell(job)
    first, *written = JournalReader(tmp_path / "journals").lines()
    assert isinstance(first, Started)
    assert list(result.records.values()) == written == list(stored.marked())
    assert {record.reused for record in result.records.values()} == {"earlier"}


def test_a_line_of_the_cell_in_its_journal_costs_the_judge_and_no_record(
    start: Start, tmp_path: Path
) -> None:
    spoil = "    from pathlib import Path\n" + (
        f"    for path in Path({str(tmp_path / 'journals')!r}).iterdir():\n"
        "        path.open('ab').write(b'nonsense\\n')\n"
    )
    text = JUDGE.replace("    return CellReport", f"{spoil}    return CellReport")
    (tmp_path / "which_judge.py").write_text(text)
    result = start(Limits()).run_cell(CellJob(cell=CELL, requirements=NAMES, seed=0))
    assert {record.outcome for record in result.records.values()} == {Outcome.PASSED}
    assert "its journal has lines that cannot be parsed" in (result.notice or "")


def test_a_judge_that_cannot_start_is_reported_in_the_record(start: Start, tmp_path: Path) -> None:
    supervisor = start(Limits())
    (tmp_path / "which_judge.py").write_text("raise SystemError('no judge here')")
    result = supervisor.run_cell(CellJob(cell=CELL, requirements=NAMES, seed=0))
    assert result.records["export"].outcome is Outcome.CRASHED
    assert "no judge here" in (result.records["export"].traceback or "")
    assert result.records["checker"].outcome is Outcome.SKIPPED
