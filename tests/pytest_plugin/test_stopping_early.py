"""`--maxfail`, `-x` and `--last-failed` treat cells as tests, and crashes as failures."""

from __future__ import annotations

import pytest
from pytest_runs import CELL, LADDER, SMALL, Result, RunPytest, rule

from harness.records import Outcome
from tests.written_findings import write_finding

OTHER = "bert/fill-mask/opset14/dynamo"


def begun(result: Result) -> set[str]:
    return {str(line.cell) for line in result.run.started}


@pytest.mark.parametrize("do", ["failed", pytest.param("exit", marks=pytest.mark.gate)])
def test_a_run_stops_at_the_first_failure_also_if_that_is_a_crash(
    run_pytest: RunPytest, do: str
) -> None:
    result = run_pytest(*SMALL, "-x", "-n", "1", rules=[rule(do, cell="bert/*")])
    assert result.status in (1, 2)
    bad = {"failed": Outcome.FAILED, "exit": Outcome.CRASHED}[do]
    assert [record.outcome for record in result.run.records.values()].count(bad) == 1
    footer = result.run.footer
    assert footer is not None
    assert not footer.complete
    assert footer.counts["not_run"] >= 2 * len(LADDER)
    assert "stopping after 1 failures" in result.output


def test_as_many_failures_as_allowed_are_met(run_pytest: RunPytest) -> None:
    rules = [rule("exit", cell=OTHER), rule("failed", cell="bert/*")]
    result = run_pytest(*SMALL, "--maxfail", "2", "-n", "1", rules=rules)
    assert result.status in (1, 2)
    assert set(result.outcomes(OTHER)) >= {Outcome.CRASHED}
    assert "stopping after 2 failures" in result.output


def test_more_failures_than_there_are_stop_nothing(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, "--maxfail", "2", "-n", "2", rules=[rule("exit")])
    assert result.status == 1
    assert begun(result) == set(result.run.header.planned)


def test_an_expected_crash_is_no_failure_to_stop_at(run_pytest: RunPytest) -> None:
    crash = {"outcome": "crashed", "message": "exit", "example": "got exit status 3"}
    write_finding(run_pytest.project, requirement="checker", **crash)
    arguments = (*SMALL, "-x", "-n", "1")
    result = run_pytest(*arguments, rules=[rule("exit")], expectations="known.toml")
    assert result.status == 0, result.output
    assert begun(result) == set(result.run.header.planned)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_failed_last_runs_again_alone(run_pytest: RunPytest, workers: str) -> None:
    rules = [rule("failed"), rule("exit" if workers != "0" else "raise", cell=OTHER)]
    (run_pytest.project / "pytest.ini").write_text("[pytest]\n")  # with the cache of pytest
    arguments = (*SMALL, "-n", workers)
    run_pytest(*arguments, rules=rules, run_dir="first")
    again = run_pytest(*arguments, "--last-failed", rules=[rule("failed")], run_dir="again")
    assert again.status == 1
    assert set(again.run.header.planned) == begun(again) == {CELL, OTHER}
    third = run_pytest(*arguments, "--last-failed", run_dir="third")
    assert third.status == 0, third.output
    assert begun(third) == {CELL}
