"""In a pytest run of the suite, the intended requirement refuses each wrong exporter."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import CellId, CellReport, Outcome, Record, check
from harness.records import Run, read_run
from harness.requirements import requirement_ids
from tests.faults.library import Bench, first_refusal
from tests.faults.library.as_exporters import (
    AS_EXPORTERS,
    CONTROL,
    CONTROLLED,
    AsExporter,
    cell_of,
)
from tests.faults.library.exporter_kinds import Wrapping
from tests.faults.library.subjects import Subject
from tests.faults.message_form import misformed, replay_options

ROOT = Path(__file__).parents[2]
MODULE = "tests.faults.wrong_exporters"

CONTROL_CELLS = [cell_of(subject, CONTROL) for subject in CONTROLLED]
CELLS = [*CONTROL_CELLS, *(one.cell for one in AS_EXPORTERS)]
# `check` cannot see a fault that shows only in a second export.
WRAPPED = [
    one
    for one in AS_EXPORTERS
    if isinstance(one.exporter, Wrapping) and "baked-sizes" not in one.fault.refused_by
]


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, as a contributor would."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def _listed(words: Sequence[str]) -> str:
    return ",".join(sorted(set(words)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    """Run the suite over every wrong exporter; return the run and pytest's exit status."""
    directory = tmp_path_factory.mktemp("run")
    done = _call(
        *("-m", "pytest", "-n", "2", "-p", "no:cacheprovider", f"--run-dir={directory}"),
        *("--config-module", MODULE, "--exporter", "wrong-*", "--opset", "18"),
        *("--architecture", _listed([cell.architecture for cell in CELLS])),
        *("--task", _listed([cell.task for cell in CELLS]), "--profile", "smoke"),
        *("--requirement", "*"),
        *("-k", " or ".join(map(str, CELLS))),
    )
    assert (directory / "run.jsonl").is_file(), done.stdout + done.stderr
    return read_run(directory), done.returncode


def _report(run: Run, cell: CellId) -> CellReport:
    return next(report for report in run.reports() if report.cell == cell)


@pytest.mark.full
@pytest.mark.parametrize("one", AS_EXPORTERS, ids=str)
def test_the_run_refuses_a_wrong_exporter(one: AsExporter, run: tuple[Run, int]) -> None:
    report = _report(run[0], one.cell)
    assert first_refusal(report) in one.fault.refused_by, report
    assert run[1] == 1


@pytest.mark.full
@pytest.mark.parametrize("cell", CONTROL_CELLS, ids=str)
def test_the_correct_exporter_passes_in_the_same_run(cell: CellId, run: tuple[Run, int]) -> None:
    assert _report(run[0], cell).conforms


@pytest.mark.full
@pytest.mark.parametrize("requirement", requirement_ids())
def test_failures_of_every_requirement_have_one_form(
    requirement: str, run: tuple[Run, int]
) -> None:
    """Subject, got, expected, place, and a replay command with the cell and its example."""
    failed = [record for record in _failed(run[0]) if record.requirement == requirement]
    assert failed
    assert misformed(failed) == []
    for record in failed:
        assert (record.failing is not None) is (record.examples > 0), record
        assert _example_of(record).items() <= replay_options(record).items(), record
        assert ("--seed" in replay_options(record)) is (record.failing is not None)


def _failed(run: Run) -> list[Record]:
    return [
        record
        for report in sorted(run.reports(), key=lambda report: str(report.cell))
        for record in report.records
        if record.outcome is Outcome.FAILED
    ]


def _example_of(record: Record) -> dict[str, str]:
    """Return the options that the replay command of a failure must have."""
    named = {"cell": str(record.cell), "--requirement": record.requirement}
    if record.failing is None:
        return named
    axes = ",".join(f"{name}={size}" for name, size in record.failing.axes.items())
    return {**named, "--axes": axes, "--seed": str(record.failing.seed)}


@pytest.mark.full
def test_every_failure_prints_a_replay_command_that_fails_again(run: tuple[Run, int]) -> None:
    """One failure per requirement is replayed; the other commands have the same form."""
    failed: dict[str, Record] = {}
    for record in _failed(run[0]):
        failed.setdefault(record.requirement, record)
    assert set(failed) == set(requirement_ids())
    with ThreadPoolExecutor(2) as pool:
        for record, done in zip(failed.values(), pool.map(_replay, failed.values()), strict=True):
            assert done.returncode == 1, (record, done.stdout, done.stderr)


def _replay(record: Record) -> subprocess.CompletedProcess[str]:
    assert record.replay is not None
    return _call(*shlex.split(record.replay.removeprefix("python ")))


@pytest.mark.parametrize("one", WRAPPED, ids=str)
def test_check_refuses_the_files_of_a_wrong_exporter(
    one: AsExporter, bench: Bench, tmp_path: Path
) -> None:
    subject = one.fault.subject
    report = _check_files(one, bench, tmp_path)
    assert first_refusal(report) in one.fault.refused_by, report
    assert report.cell.architecture == subject.architecture


def _check_files(one: AsExporter, bench: Bench, folder: Path) -> CellReport:
    subject: Subject = one.fault.subject
    model, config = bench.model(subject), bench.config(subject)
    one.exporter.export(model, config, subject.opset, folder)
    planned = requirement_ids()[: requirement_ids().index("agreement") + 1]
    return check(
        folder,
        model,
        subject.task,
        opset=subject.opset,
        config=config,
        requirements=planned,
        profile="smoke",
    )
