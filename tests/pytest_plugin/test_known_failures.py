"""Expectations under pytest: a run is green only if exactly the expected failure happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_runs import AFTER_CHECKER, CELL, SMALL, Rule, RunPytest, rule

from tests.written_findings import write_finding

KEYS: dict[str, Any] = {"requirement": "checker", "reason": "known since long", "cells": [CELL]}


@pytest.fixture
def known(project: Path) -> Path:
    return write_finding(project, **KEYS)


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.gate)])
def test_an_expected_failure_is_xfailed_and_green(
    run_pytest: RunPytest, known: Path, workers: str
) -> None:
    rules = [rule("failed"), rule("skipped", requirement="agreement")]
    arguments = (*SMALL, "-n", workers, "-rx")
    result = run_pytest(*arguments, rules=rules, expectations=str(known))
    assert result.status == 0, result.output
    assert "7 passed, 1 xfailed" in result.output
    assert "known since long" in result.output
    record = result.run.records[CELL, "checker"]
    assert record.outcome == "xfailed"
    assert record.expectation is not None
    assert record.expectation["issue"] == "https://example.org/issues/1"
    marked = {
        key for key, one in result.run.records.items() if (one.blame or "").endswith("expected")
    }
    assert marked == {(CELL, "checker")}


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ([], "xpassed"),
        ([rule("failed"), rule("failed", requirement="opset")], "failed"),
        ([rule("inconclusive")], "inconclusive"),
        ([rule("failed", requirement="opset"), rule("skipped")], "failed"),
    ],
    ids=["passes", "another requirement too", "another outcome", "another requirement"],
)
def test_anything_else_is_red(
    run_pytest: RunPytest, known: Path, rules: list[Rule], outcome: str
) -> None:
    result = run_pytest(*SMALL, rules=rules, expectations=str(known))
    assert result.status == 1
    assert "1 failed, 7 passed" in result.output
    assert f"{CELL} {outcome}: " in result.output


def test_the_expected_failure_with_another_message_is_red(
    run_pytest: RunPytest, project: Path
) -> None:
    known = write_finding(project, **KEYS, message="got \\d{2}", example="got 12")
    result = run_pytest(*SMALL, rules=[rule("failed")], expectations=str(known))
    assert result.status == 1
    assert "1 failed, 7 passed" in result.output
    record = result.run.records[CELL, "checker"]
    assert (record.outcome, record.expectation) == ("failed", None)
    what = "known.toml lists this (known since long): got a message that its pattern does not"
    assert what in record.message
    assert what in result.output


def test_a_folder_of_findings_may_be_given(run_pytest: RunPytest, project: Path) -> None:
    write_finding(project / "folder", "one", **KEYS)
    write_finding(project / "folder", "two", requirement="opset", cells=[CELL])
    rules = [rule("failed"), rule("failed", requirement="opset")]
    result = run_pytest(*SMALL, "-n", "2", rules=rules, expectations="folder")
    assert result.status == 0, result.output


def test_runxfail_shows_expected_failures(run_pytest: RunPytest, known: Path) -> None:
    arguments = (*SMALL, "--runxfail")
    result = run_pytest(*arguments, rules=[rule("failed")], expectations=str(known))
    assert result.status == 1
    assert "  checker: xfailed, as expected: known since long" in result.output


def test_an_expected_crash_is_xfailed_and_green(run_pytest: RunPytest, known: Path) -> None:
    crash = {"outcome": "crashed", "message": "exit", "example": "got exit status 3"}
    write_finding(known.parent, **KEYS, **crash)
    arguments = (*SMALL, "-n", "2")
    result = run_pytest(*arguments, rules=[rule("exit")], expectations=str(known))
    assert result.status == 0, result.output
    assert "7 passed, 1 xfailed" in result.output
    assert result.outcomes(CELL) == ["passed", "passed", "xfailed", *["skipped"] * AFTER_CHECKER]


def test_a_config_module_brings_its_own(run_pytest: RunPytest, project: Path) -> None:
    write_finding(project / "theirs" / "expectations", **KEYS)
    (project / "their_configs.py").write_text(
        "from pathlib import Path\n"
        "from harness.configs.plugins import register_fixtures\n"
        "register_fixtures(Path(__file__).parent / 'theirs')\n"
    )
    arguments = (*SMALL, "-n", "2", "--config-module", "their_configs")
    result = run_pytest(*arguments, rules=[rule("failed")], expectations=None)
    assert result.status == 0, result.output
    assert result.run.records[CELL, "checker"].outcome == "xfailed"
