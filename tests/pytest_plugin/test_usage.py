"""Wrong usage ends with pytest's usage status and one line that names the value."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import SMALL, RunPytest
from wrong_options import WRONG

from tests.written_findings import write_finding


@pytest.mark.parametrize(
    ("arguments", "line"), [WRONG[0], WRONG[10], WRONG[14]], ids=lambda value: str(value)[:40]
)
def test_a_wrong_value_is_one_line(
    run_pytest: RunPytest, arguments: tuple[str, ...], line: str
) -> None:
    result = run_pytest(*arguments, stub=False)
    assert result.status == 4
    (error,) = result.error_lines
    assert line in error
    assert "Traceback" not in result.output
    assert not result.directory.exists()


@pytest.mark.gate
@pytest.mark.parametrize("arguments", [WRONG[1][0]], ids=" ".join)
def test_it_is_so_under_xdist(run_pytest: RunPytest, arguments: tuple[str, ...]) -> None:
    result = run_pytest("-n", "2", *arguments, stub=False)
    assert result.status == 4
    assert len(result.error_lines) == 1
    assert "bringing up nodes" not in result.output


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_folder_is_used_once(run_pytest: RunPytest, workers: str) -> None:
    first = run_pytest(*SMALL)
    before = (first.directory / "run.jsonl").read_bytes()
    second = run_pytest(*SMALL, "-n", workers)
    assert second.status == 4
    (error,) = second.error_lines
    assert error.endswith(f"--run-dir {first.directory}: contains a run already; give a new folder")
    assert (first.directory / "run.jsonl").read_bytes() == before


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_folder_that_cannot_be_written_is_one_line(
    run_pytest: RunPytest, project: Path, workers: str
) -> None:
    (project / "file").touch()
    result = run_pytest(*SMALL, "-n", workers, run_dir="file/run")
    assert result.status == 4, result.output
    (error,) = result.error_lines
    assert "file/run: cannot be written (Not a directory)" in error
    assert "passed" not in result.output


def test_the_default_run_folder_is_new_each_time(run_pytest: RunPytest, project: Path) -> None:
    results = [run_pytest(*SMALL, run_dir=None) for _ in range(2)]
    assert [result.status for result in results] == [0, 0]
    runs = [path for path in (project / "runs").iterdir() if path.is_dir()]
    assert len(runs) == 2
    for run in runs:
        (result,) = [result for result in results if f"run folder {run}\n" in result.output]
        assert f"run file: {run / 'run.jsonl'}" in result.output


def test_a_stale_expectation_stops_the_run(run_pytest: RunPytest, project: Path) -> None:
    write_finding(project, exporter=None)
    result = run_pytest(*SMALL, "-n", "2", expectations="known.toml")
    assert result.status == 4
    (error,) = result.error_lines
    assert "known.toml: key 'exporter' is missing; add it" in error
