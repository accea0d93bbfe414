"""Run files and resuming, without a run: which records are kept, and which cells are left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from contexts import context_of, worker_of
from pytest_runs import LADDER, SMALL

from harness.errors import UsageError
from harness.isolation.journal import Journal, journal_path
from harness.pytest_plugin.context import RunContext
from harness.pytest_plugin.ending import crash_records, missing_records
from harness.pytest_plugin.provenance import make_header
from harness.pytest_plugin.run_file import RunFile
from harness.records import JOURNALS, CellId, Outcome, Record, make_footer, read_run
from tests.written_findings import write_finding

DONE, PART, WAITING = (
    CellId.parse(f"{name}/opset{opset}/dynamo")
    for name, opset in (
        ("bert/fill-mask", 14),
        ("bert/fill-mask", 18),
        ("vit/image-classification", 18),
    )
)


def passed(cell: CellId, requirement: str) -> Record:
    return Record(cell=cell, requirement=requirement, outcome=Outcome.PASSED)


def begin(directory: Path, *options: str) -> tuple[RunContext, RunFile]:
    """Open the run file of a new run in `directory`/run."""
    context = context_of(directory, *SMALL, f"--run-dir={directory / 'run'}", *options)
    context.resolve()
    header = make_header(context, context.plan)
    return context, RunFile(context.journals, header, context.expectations)


def resumed(directory: Path, *options: str) -> RunContext:
    context: RunContext = context_of(directory, f"--resume={directory / 'run'}", *options)
    return context


def judge(context: RunContext, run: RunFile, cell: CellId, *records: Record) -> None:
    """Write a journal as a process that judged a cell, and merge it."""
    journal = Journal(journal_path(context.journals, "gw0"), "gw0", context.expectations)
    journal.start(cell)
    for record in records:
        journal.record(record)
    journal.close()
    run.merge_journals()


def interrupted(directory: Path, *options: str) -> RunContext:
    """A run that judged `DONE`, began `PART`, and was killed."""
    context, run = begin(directory, *options)
    for cell, requirements in ((DONE, LADDER), (PART, LADDER[:2])):
        judge(context, run, cell, *(passed(cell, requirement) for requirement in requirements))
    run.close()
    return context


def outcomes(run: RunFile, cell: CellId) -> list[str]:
    return [str(record.outcome) for record in run.report(cell).records]


def test_a_resumed_run_plans_the_cells_without_all_records(tmp_path: Path) -> None:
    before = interrupted(tmp_path)
    after = resumed(tmp_path)
    assert set(after.plan) == set(before.plan) - {DONE}
    assert list(after.plan[PART]) == LADDER
    assert list(after.earlier_records[PART]) == LADDER[:2]
    assert after.earlier_records[WAITING] == {}


def test_a_resumed_run_has_the_seed_profile_and_examples_of_its_first_life(tmp_path: Path) -> None:
    before = interrupted(tmp_path, "--max-examples", "7", "--profile", "pr")
    after = resumed(tmp_path)
    assert (after.seed, after.profile) == (before.seed, before.profile)
    assert after.profile.max_examples == 7
    assert after.run_directory == before.run_directory
    assert after.session_id != before.session_id


def test_a_worker_of_a_resumed_run_knows_the_earlier_records(tmp_path: Path) -> None:
    interrupted(tmp_path)
    controller = resumed(tmp_path)
    controller.resolve()
    assert worker_of(controller).earlier_records == {
        cell: records for cell, records in controller.earlier_records.items() if records
    }


def test_not_run_is_judged_when_the_run_is_resumed(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    for cell, requirements in context.plan.items():
        for requirement in requirements:
            is_left = (cell, requirement) == (PART, "cache")
            outcome = Outcome.NOT_RUN if is_left else Outcome.PASSED
            run.record_all([Record(cell=cell, requirement=requirement, outcome=outcome)])
    run.finish(make_footer(run.reports(), exit_status=2, ended="2026-01-01T00:00:00+00:00"))
    after = resumed(tmp_path)
    assert list(after.plan) == [PART]
    assert "cache" not in after.earlier_records[PART]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--opset", "18"), "--opset: cannot be changed in a run that --resume continues"),
        (("--run-dir=x",), "--run-dir: cannot be changed"),
    ],
)
def test_choices_of_the_first_life_are_refused(
    tmp_path: Path, options: Sequence[str], line: str
) -> None:
    interrupted(tmp_path)
    with pytest.raises(pytest.UsageError, match=line):
        resumed(tmp_path, *options).resolve()


def test_a_complete_run_and_a_run_of_other_versions_are_not_resumed(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    for cell, requirements in context.plan.items():
        run.record_all(passed(cell, requirement) for requirement in requirements)
    run.finish(make_footer(run.reports(), exit_status=0, ended="2026-01-01T00:00:00+00:00"))
    with pytest.raises(pytest.UsageError, match="every planned pair has a record; start a new run"):
        resumed(tmp_path).resolve()
    path = tmp_path / "run" / "run.jsonl"
    header, *rest = path.read_text().splitlines()
    old = json.loads(header)
    old["versions"]["torch"] = "2.0.0"
    path.write_text("\n".join([json.dumps(old), *rest[:4], ""]))
    with pytest.raises(pytest.UsageError, match=r"started with torch 2\.0\.0, but"):
        resumed(tmp_path).resolve()


def test_lines_are_written_once_and_in_order(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    for _ in range(2):
        judge(context, run, PART, passed(PART, "export"))
    judge(context, run, PART, Record(cell=PART, requirement="export", outcome=Outcome.FAILED))
    run.close()
    lines = [json.loads(line) for line in (tmp_path / "run" / "run.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["header", "started", "record"]
    assert lines[-1]["outcome"] == "passed"


def test_journals_of_dead_processes_lose_nothing(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    journal = Journal(journal_path(context.journals, "gw1"), "gw1", context.expectations)
    journal.start(PART)
    journal.record(passed(PART, "export"))
    journal.close()
    assert run.missing(PART) == LADDER
    run.merge_journals()
    assert run.missing(PART) == LADDER[1:]
    assert str(PART) in run.started
    run.close()


def test_two_runs_never_write_one_folder(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    with pytest.raises(UsageError, match="another pytest run writes there"):
        RunFile(context.journals, run.header, context.expectations)
    run.close()


def test_a_run_without_a_footer_reads_as_interrupted_and_its_journals_stay(tmp_path: Path) -> None:
    _, run = begin(tmp_path)
    run.close()
    assert read_run(run.directory).footer is None
    assert (run.directory / JOURNALS).is_dir()


def test_every_planned_pair_has_a_record_in_the_end(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    for cell, requirements in ((DONE, LADDER), (PART, LADDER[:2])):
        judge(context, run, cell, *(passed(cell, requirement) for requirement in requirements))
    run.record_all(missing_records(run, finished={DONE}, interrupted=True))
    assert outcomes(run, DONE) == ["passed"] * len(LADDER)
    assert outcomes(run, PART) == ["passed", "passed", *["not_run"] * (len(LADDER) - 2)]
    assert set(outcomes(run, WAITING)) == {"not_run"}
    run.close()


def test_a_cell_that_ended_without_a_record_is_errored(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    judge(context, run, PART, *(passed(PART, name) for name in LADDER if name != "checker"))
    missing = missing_records(run, finished={PART}, interrupted=False)
    (record,) = (r for r in missing if r.cell == PART)
    assert (record.requirement, record.outcome) == ("checker", Outcome.ERRORED)
    run.close()


def test_a_crash_is_at_the_first_requirement_without_a_record(tmp_path: Path) -> None:
    context, run = begin(tmp_path)
    judge(context, run, PART, passed(PART, "export"))
    records = list(crash_records(run, PART))
    assert [record.requirement for record in records] == LADDER[1:]
    assert [str(record.outcome) for record in records] == [
        "crashed",
        *["skipped"] * (len(LADDER) - 2),
    ]
    assert f"replay {PART} --requirement opset --seed" in str(records[0].replay)
    run.close()


def test_an_expected_crash_is_xfailed(tmp_path: Path) -> None:
    crash = {"outcome": "crashed", "message": "death of the pytest process"}
    example = "opset: got the death of the pytest process that ran the cell"
    path = write_finding(tmp_path, requirement="opset", **crash, cells=[str(PART)], example=example)
    context, run = begin(tmp_path, f"--expectations={path}")
    judge(context, run, PART, passed(PART, "export"))
    run.record_all(crash_records(run, PART))
    assert outcomes(run, PART)[:3] == ["passed", "xfailed", "skipped"]
    run.close()
